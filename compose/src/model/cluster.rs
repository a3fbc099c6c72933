//! What a cluster volume asks of its driver: kept and printed, nothing more.

use std::collections::BTreeMap;

use super::service::Size;
use crate::{natural, short};

record! {
    /// What a cluster volume asks of its driver.
    pub struct ClusterSpec {
        /// Volumes of a group are interchangeable.
        pub group: String,
        /// How it may be used.
        pub access_mode: Option<AccessMode>,
        /// Where it must be reachable.
        pub accessibility_requirements: Option<TopologyRequirement>,
        /// How big it must be.
        pub capacity_range: Option<CapacityRange>,
        /// What the driver is given.
        pub secrets: Vec<VolumeSecret>,
        /// `active`, `pause` or `drain`.
        pub availability: String,
    }

    /// How a cluster volume may be used.
    pub struct AccessMode {
        /// `single` or `multi`.
        pub scope: String,
        /// `none`, `readonly`, `onewriter` or `all`.
        pub sharing: String,
        /// As a file system.
        pub mount_volume: Option<MountVolume>,
        /// As a block device.
        pub block_volume: Option<BlockVolume>,
    }

    /// A cluster volume as a file system.
    pub struct MountVolume {
        /// The file system.
        pub fs_type: String,
        /// Flags for it.
        pub mount_flags: Vec<String>,
    }

    /// A cluster volume as a block device; there is nothing to say about it.
    pub struct BlockVolume {}

    /// Where a cluster volume must be reachable.
    pub struct TopologyRequirement {
        /// At one of these.
        pub requisite: Vec<Topology>,
        /// Best at the first of these.
        pub preferred: Vec<Topology>,
    }

    /// A place.
    pub struct Topology {
        /// Its parts, `region: R1`.
        #[serde(deserialize_with = "short::mapping", serialize_with = "natural::map")]
        pub segments: BTreeMap<String, String>,
    }

    /// How big a cluster volume must be.
    pub struct CapacityRange {
        /// At least.
        pub required_bytes: Size,
        /// At most.
        pub limit_bytes: Size,
    }

    /// What a driver is given.
    pub struct VolumeSecret {
        /// The name the driver knows.
        pub key: String,
        /// The secret.
        pub secret: String,
    }
}
