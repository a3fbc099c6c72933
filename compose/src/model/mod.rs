//! A project: what compose files say once short forms are written out and variables are filled in.
//!
//! The fields stand in the order in which Docker prints them, and what is not set (empty, zero,
//! false) is not printed: serializing a record is what `print` writes and what `merge` merges.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::natural;

/// Declares records whose unset fields are neither required nor written.
macro_rules! record {
    ($(
        $(#[$meta:meta])*
        pub struct $name:ident {
            $( $(#[$field_meta:meta])* pub $field:ident: $type:ty, )*
        }
    )*) => { $(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Default, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        pub struct $name {
            $(
                $(#[$field_meta])*
                #[serde(skip_serializing_if = "crate::model::is_unset")]
                pub $field: $type,
            )*
        }
    )* };
}

mod cluster;
mod deploy;
mod objects;
mod service;

pub use cluster::{
    AccessMode, BlockVolume, CapacityRange, ClusterSpec, MountVolume, Topology,
    TopologyRequirement, VolumeSecret,
};
pub use deploy::{
    Deploy, DiscreteResource, GenericResource, Limits, Placement, Preference, Reservations,
    Resources, RestartPolicy, UpdateConfig,
};
pub use objects::{Config, Ipam, IpamPool, Network, Secret, Volume};
pub use service::{
    Build, CredentialSpec, FileReference, Healthcheck, Logging, Port, Service, ServiceNetwork,
    Size, Ulimit, VolumeBind, VolumeMount, VolumeOptions, VolumeTmpfs,
};

/// Whether a field has nothing to say.
pub(crate) fn is_unset<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// One or several compose files, merged.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct Project {
    /// The version of the format, `3.13`.
    pub version: String,
    /// The services by name.
    #[serde(serialize_with = "natural::map")]
    pub services: BTreeMap<String, Service>,
    /// The networks by name.
    #[serde(serialize_with = "natural::map", skip_serializing_if = "is_unset")]
    pub networks: BTreeMap<String, Network>,
    /// The volumes by name.
    #[serde(serialize_with = "natural::map", skip_serializing_if = "is_unset")]
    pub volumes: BTreeMap<String, Volume>,
    /// The secrets by name.
    #[serde(serialize_with = "natural::map", skip_serializing_if = "is_unset")]
    pub secrets: BTreeMap<String, Secret>,
    /// The configs by name.
    #[serde(serialize_with = "natural::map", skip_serializing_if = "is_unset")]
    pub configs: BTreeMap<String, Config>,
    /// `x-` keys of the top level.
    #[serde(flatten)]
    pub extensions: Extensions,
}

/// The `x-` keys of a mapping, kept as they are.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Extensions(pub BTreeMap<String, Value>);

impl Serialize for Extensions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        natural::map(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for Extensions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let all = BTreeMap::<String, Value>::deserialize(deserializer)?;
        let own = all.into_iter().filter(|(key, _)| key.starts_with("x-"));
        Ok(Self(own.map(|(key, value)| (key, natural::tree(value))).collect()))
    }
}
