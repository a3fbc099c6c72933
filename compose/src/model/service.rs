//! A service and what it consists of, but for `deploy`.

use std::collections::BTreeMap;

use serde::de::Error as _;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Extensions;
use super::deploy::Deploy;
use crate::duration::GoDuration;
use crate::{natural, short};

record! {
    /// A service.
    pub struct Service {
        /// How to build it: no effect in a stack.
        #[serde(deserialize_with = "short::build")]
        pub build: Build,
        /// Capabilities of the kernel, which a component has none of.
        pub cap_add: Vec<String>,
        /// Capabilities of the kernel, which a component has none of.
        pub cap_drop: Vec<String>,
        /// No effect in a stack.
        pub cgroupns_mode: String,
        /// No effect in a stack.
        pub cgroup_parent: String,
        /// The arguments.
        #[serde(deserialize_with = "short::command")]
        pub command: Vec<String>,
        /// The configs it uses.
        #[serde(deserialize_with = "short::file_references")]
        pub configs: Vec<FileReference>,
        /// Deprecated: no effect in a stack.
        pub container_name: String,
        /// Where a Windows account comes from.
        pub credential_spec: CredentialSpec,
        /// Services it wants started first: no effect in a stack.
        pub depends_on: Vec<String>,
        /// How it is run in a swarm.
        #[serde(deserialize_with = "short::null_is_default")]
        pub deploy: Deploy,
        /// No effect in a stack.
        pub devices: Vec<String>,
        /// Name servers.
        #[serde(deserialize_with = "short::string_list")]
        pub dns: Vec<String>,
        /// Domains to look names up in.
        #[serde(deserialize_with = "short::string_list")]
        pub dns_search: Vec<String>,
        /// No effect in a stack.
        pub domainname: String,
        /// The program and its first arguments.
        #[serde(deserialize_with = "short::command")]
        pub entrypoint: Vec<String>,
        /// The variables, those of `env_file` included; none removes one that the image sets.
        #[serde(deserialize_with = "short::environment", serialize_with = "natural::map")]
        pub environment: BTreeMap<String, Option<String>>,
        /// Files with variables, as they are named in the compose file.
        #[serde(deserialize_with = "short::string_list")]
        pub env_file: Vec<String>,
        /// Deprecated: no effect in a stack.
        #[serde(deserialize_with = "short::string_or_number_list")]
        pub expose: Vec<String>,
        /// No effect in a stack.
        pub external_links: Vec<String>,
        /// Names and addresses, `name:address`.
        #[serde(deserialize_with = "short::hosts")]
        pub extra_hosts: Vec<String>,
        /// The host name.
        pub hostname: String,
        /// How its health is found out.
        pub healthcheck: Option<Healthcheck>,
        /// The image.
        pub image: String,
        /// Whether a process of the engine is its parent.
        pub init: Option<bool>,
        /// No effect in a stack.
        pub ipc: String,
        /// How a Windows container is isolated.
        pub isolation: String,
        /// Labels of its tasks.
        #[serde(deserialize_with = "short::mapping", serialize_with = "natural::map")]
        pub labels: BTreeMap<String, String>,
        /// No effect in a stack.
        pub links: Vec<String>,
        /// Where its output goes.
        pub logging: Option<Logging>,
        /// No effect in a stack.
        pub mac_address: String,
        /// No effect in a stack.
        pub network_mode: String,
        /// The networks it is on.
        #[serde(deserialize_with = "short::networks", serialize_with = "natural::map")]
        pub networks: BTreeMap<String, Option<ServiceNetwork>>,
        /// No effect in a stack.
        #[serde(deserialize_with = "short::null_is_default")]
        pub pid: String,
        /// The ports it publishes.
        #[serde(deserialize_with = "short::ports")]
        pub ports: Vec<Port>,
        /// No effect in a stack.
        pub privileged: bool,
        /// Whether it may write nowhere but in volumes.
        pub read_only: bool,
        /// The policy of a single machine; used where `deploy.restart_policy` says nothing.
        pub restart: String,
        /// The secrets it uses.
        #[serde(deserialize_with = "short::file_references")]
        pub secrets: Vec<FileReference>,
        /// No effect in a stack.
        pub security_opt: Vec<String>,
        /// No effect in a stack.
        #[serde(deserialize_with = "short::string_or_number")]
        pub shm_size: String,
        /// Whether its input stays open.
        pub stdin_open: bool,
        /// How long it has to end by itself.
        pub stop_grace_period: Option<GoDuration>,
        /// The signal that asks it to end.
        pub stop_signal: String,
        /// Settings of the kernel.
        #[serde(deserialize_with = "short::mapping", serialize_with = "natural::map")]
        pub sysctls: BTreeMap<String, String>,
        /// No effect in a stack.
        #[serde(deserialize_with = "short::string_list")]
        pub tmpfs: Vec<String>,
        /// Whether it has a terminal.
        pub tty: bool,
        /// Limits of its processes.
        #[serde(serialize_with = "natural::map")]
        pub ulimits: BTreeMap<String, Ulimit>,
        /// How readily the kernel ends it when memory is short.
        pub oom_score_adj: i64,
        /// Who it runs as.
        pub user: String,
        /// No effect in a stack.
        pub userns_mode: String,
        /// Its folders.
        #[serde(deserialize_with = "short::volumes")]
        pub volumes: Vec<VolumeMount>,
        /// The folder it starts in.
        pub working_dir: String,
        /// `x-` keys.
        #[serde(flatten)]
        pub extensions: Extensions,
    }

    /// How an image is built: no effect in a stack.
    pub struct Build {
        /// The folder.
        pub context: String,
        /// The recipe in it.
        pub dockerfile: String,
        /// Its arguments.
        #[serde(deserialize_with = "short::environment", serialize_with = "natural::map")]
        pub args: BTreeMap<String, Option<String>>,
        /// Labels of the image.
        #[serde(deserialize_with = "short::mapping", serialize_with = "natural::map")]
        pub labels: BTreeMap<String, String>,
        /// Images to take layers from.
        #[serde(deserialize_with = "short::string_list")]
        pub cache_from: Vec<String>,
        /// Names and addresses.
        #[serde(deserialize_with = "short::hosts")]
        pub extra_hosts: Vec<String>,
        /// The network to build on.
        pub network: String,
        /// The stage to build.
        pub target: String,
    }

    /// Where a Windows account comes from; at most one is set.
    pub struct CredentialSpec {
        /// A config.
        pub config: String,
        /// A file of the node.
        pub file: String,
        /// A key of the node's registry.
        pub registry: String,
    }

    /// How a service's health is found out.
    pub struct Healthcheck {
        /// `["CMD", ...]` or `["CMD-SHELL", line]`.
        #[serde(deserialize_with = "short::health_test")]
        pub test: Vec<String>,
        /// For one check.
        pub timeout: Option<GoDuration>,
        /// Between two checks.
        pub interval: Option<GoDuration>,
        /// Failures in a row that make it unhealthy.
        pub retries: Option<u64>,
        /// In which failures do not count.
        pub start_period: Option<GoDuration>,
        /// Between two checks in the start period.
        pub start_interval: Option<GoDuration>,
        /// Whether a check of the image is switched off.
        pub disable: bool,
    }

    /// Where a service's output goes.
    pub struct Logging {
        /// The driver.
        pub driver: String,
        /// Its options.
        #[serde(deserialize_with = "short::mapping", serialize_with = "natural::map")]
        pub options: BTreeMap<String, String>,
    }

    /// A service on a network.
    pub struct ServiceNetwork {
        /// Further names of the service there.
        pub aliases: Vec<String>,
        /// Options of the driver.
        #[serde(deserialize_with = "short::mapping", serialize_with = "natural::map")]
        pub driver_opts: BTreeMap<String, String>,
        /// No effect in a stack.
        pub ipv4_address: String,
        /// No effect in a stack.
        pub ipv6_address: String,
    }

    /// A published port. As wide as in Docker; a number that is no port is refused when converted.
    pub struct Port {
        /// `ingress` or `host`; empty for the former.
        pub mode: String,
        /// The port tasks listen on.
        pub target: u64,
        /// The port nodes listen on; 0 to have one chosen.
        pub published: u64,
        /// `tcp` or `udp`; empty for the former.
        pub protocol: String,
    }

    /// A secret or config that a service uses.
    pub struct FileReference {
        /// Its key in the file.
        pub source: String,
        /// The file the task sees; by default named like the source.
        pub target: String,
        /// The file's owner.
        pub uid: String,
        /// The file's group.
        pub gid: String,
        /// The file's mode.
        pub mode: Option<u32>,
    }

    /// A folder of a service.
    pub struct VolumeMount {
        /// `volume`, `bind`, `tmpfs`, `npipe` or `cluster`; empty for the first.
        #[serde(rename = "type")]
        pub kind: String,
        /// The volume's key in the file, or the folder on the host.
        pub source: String,
        /// Where tasks see it.
        pub target: String,
        /// Whether tasks may only read.
        pub read_only: bool,
        /// How soon changes are seen; kept.
        pub consistency: String,
        /// Only with `bind`.
        pub bind: Option<VolumeBind>,
        /// Only with `volume`.
        pub volume: Option<VolumeOptions>,
        /// Only with `tmpfs`.
        pub tmpfs: Option<VolumeTmpfs>,
    }

    /// What a bind mount is told besides.
    pub struct VolumeBind {
        /// How mounts below it spread.
        pub propagation: String,
    }

    /// What a volume is told besides.
    pub struct VolumeOptions {
        /// Whether what the image has there is not copied into it.
        pub nocopy: bool,
    }

    /// What a folder in memory is told besides.
    pub struct VolumeTmpfs {
        /// Its size in bytes.
        pub size: u64,
    }
}

/// A limit of a process: one number for both, or two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ulimit {
    /// Both limits; 0 if the two below count.
    pub single: i64,
    /// What it starts with.
    pub soft: i64,
    /// What it may raise it to.
    pub hard: i64,
}

impl Serialize for Ulimit {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.single != 0 {
            return serializer.serialize_i64(self.single);
        }
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in [("soft", self.soft), ("hard", self.hard)] {
            if value != 0 {
                map.serialize_entry(name, &value)?;
            }
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Ulimit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            One(i64),
            Two { soft: Option<i64>, hard: Option<i64> },
        }
        Ok(match Form::deserialize(deserializer)? {
            Form::One(single) => Self { single, ..Self::default() },
            // What is 0 is not printed, and read again it is missing.
            Form::Two { soft, hard } => {
                Self { single: 0, soft: soft.unwrap_or(0), hard: hard.unwrap_or(0) }
            }
        })
    }
}

/// A size in bytes, written as a text without a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size(pub u64);

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = short::string_or_number(deserializer)?;
        let size: skep_api::Bytes = text.parse().map_err(D::Error::custom)?;
        Ok(Self(size.0))
    }
}
