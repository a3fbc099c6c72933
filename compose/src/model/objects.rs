//! Networks, volumes, secrets and configs.

use std::collections::BTreeMap;

use super::Extensions;
use super::cluster::ClusterSpec;
use crate::{natural, short};

record! {
    /// A network.
    pub struct Network {
        /// Its name in the swarm; by default the stack's name and its key.
        pub name: String,
        /// Its driver.
        pub driver: String,
        /// The driver's options.
        #[serde(deserialize_with = "short::mapping", serialize_with = "natural::map")]
        pub driver_opts: BTreeMap<String, String>,
        /// Where its addresses come from.
        pub ipam: Ipam,
        /// Whether it was made outside the stack.
        pub external: bool,
        /// Whether the world outside can't be reached from it.
        pub internal: bool,
        /// Whether single runs may join it.
        pub attachable: bool,
        /// Labels.
        #[serde(deserialize_with = "short::mapping", serialize_with = "natural::map")]
        pub labels: BTreeMap<String, String>,
        /// `x-` keys.
        #[serde(flatten)]
        pub extensions: Extensions,
    }

    /// Where a network's addresses come from.
    pub struct Ipam {
        /// The driver.
        pub driver: String,
        /// The pools.
        pub config: Vec<IpamPool>,
    }

    /// A pool of addresses.
    pub struct IpamPool {
        /// `10.1.0.0/24`.
        pub subnet: String,
    }

    /// A volume.
    pub struct Volume {
        /// Its name on the nodes; by default the stack's name and its key.
        pub name: String,
        /// Its driver.
        pub driver: String,
        /// The driver's options.
        #[serde(deserialize_with = "short::mapping", serialize_with = "natural::map")]
        pub driver_opts: BTreeMap<String, String>,
        /// Whether it was made outside the stack.
        pub external: bool,
        /// Labels.
        #[serde(deserialize_with = "short::mapping", serialize_with = "natural::map")]
        pub labels: BTreeMap<String, String>,
        /// What a cluster volume asks of its driver; kept and printed.
        #[serde(rename = "x-cluster-spec")]
        pub cluster_spec: Option<ClusterSpec>,
        /// `x-` keys.
        #[serde(flatten)]
        pub extensions: Extensions,
    }

    /// A secret.
    pub struct Secret {
        /// Its name in the swarm; by default the stack's name and its key.
        pub name: String,
        /// The file with its content.
        pub file: String,
        /// Whether it was made outside the stack.
        pub external: bool,
        /// Labels.
        #[serde(deserialize_with = "short::mapping", serialize_with = "natural::map")]
        pub labels: BTreeMap<String, String>,
        /// The driver that knows its content.
        pub driver: String,
        /// The driver's options.
        #[serde(deserialize_with = "short::mapping", serialize_with = "natural::map")]
        pub driver_opts: BTreeMap<String, String>,
        /// The driver that fills in what stands in its content.
        pub template_driver: String,
        /// `x-` keys.
        #[serde(flatten)]
        pub extensions: Extensions,
    }

    /// A config.
    pub struct Config {
        /// Its name in the swarm; by default the stack's name and its key.
        pub name: String,
        /// The file with its content.
        pub file: String,
        /// Whether it was made outside the stack.
        pub external: bool,
        /// Labels.
        #[serde(deserialize_with = "short::mapping", serialize_with = "natural::map")]
        pub labels: BTreeMap<String, String>,
        /// The driver that fills in what stands in its content.
        pub template_driver: String,
        /// `x-` keys.
        #[serde(flatten)]
        pub extensions: Extensions,
    }
}
