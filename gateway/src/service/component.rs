//! The spec of a component in the place that Docker's JSON has for a container's. Registry
//! credentials are in neither.

use serde::Serialize;
use skep_api::{ComponentSpec, FileTarget, MountKind};

use super::Defaults;
use crate::json::{Map, is_zero, nanos};

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ContainerSpec {
    image: String,
    #[serde(skip_serializing_if = "Map::is_empty")]
    labels: Map,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    command: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    args: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    hostname: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    env: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    dir: String,
    #[serde(skip_serializing_if = "is_zero")]
    read_only: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mounts: Vec<Mount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_grace_period: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    healthcheck: Option<Healthcheck>,
    #[serde(rename = "DNSConfig")]
    dns_config: DnsConfig,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    secrets: Vec<SecretReference>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    configs: Vec<ConfigReference>,
    isolation: &'static str,
}

/// Always empty: a component has no name servers of its own.
#[derive(Serialize)]
struct DnsConfig {}

impl ContainerSpec {
    pub(super) fn new(spec: &ComponentSpec, defaults: Defaults) -> Self {
        let grace = match defaults {
            Defaults::Insert(_) => {
                Some(spec.stop_grace_period.unwrap_or(ComponentSpec::STOP_GRACE_DEFAULT))
            }
            Defaults::AsStored => spec.stop_grace_period,
        };
        Self {
            image: spec.image.clone(),
            labels: spec.labels.clone(),
            command: spec.command.clone(),
            args: spec.args.clone(),
            hostname: spec.hostname.clone(),
            env: spec.env.clone(),
            dir: spec.dir.clone(),
            read_only: spec.read_only,
            mounts: spec.mounts.iter().map(Mount::from).collect(),
            stop_grace_period: grace.map(nanos),
            healthcheck: spec.healthcheck.as_ref().map(Healthcheck::from),
            dns_config: DnsConfig {},
            secrets: spec.secrets.iter().map(SecretReference::from).collect(),
            configs: spec.configs.iter().map(ConfigReference::from).collect(),
            isolation: "default",
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Mount {
    #[serde(rename = "Type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    source: String,
    target: String,
    #[serde(skip_serializing_if = "is_zero")]
    read_only: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    volume_options: Option<VolumeOptions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tmpfs_options: Option<TmpfsOptions>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct VolumeOptions {
    labels: Map,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TmpfsOptions {
    size_bytes: u64,
}

impl From<&skep_api::Mount> for Mount {
    fn from(mount: &skep_api::Mount) -> Self {
        let bare = |kind, source| Self {
            kind,
            source,
            target: mount.target.clone(),
            read_only: mount.read_only,
            volume_options: None,
            tmpfs_options: None,
        };
        match &mount.kind {
            MountKind::Volume { source, labels } => Self {
                volume_options: (!labels.is_empty())
                    .then(|| VolumeOptions { labels: labels.clone() }),
                ..bare("volume", source.clone().unwrap_or_default())
            },
            MountKind::Bind { source } => bare("bind", source.clone()),
            MountKind::Tmpfs { size } => Self {
                tmpfs_options: size.map(|size| TmpfsOptions { size_bytes: size.0 }),
                ..bare("tmpfs", String::new())
            },
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Healthcheck {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    test: Vec<String>,
    #[serde(skip_serializing_if = "is_zero")]
    interval: u64,
    #[serde(skip_serializing_if = "is_zero")]
    timeout: u64,
    #[serde(skip_serializing_if = "is_zero")]
    start_period: u64,
    #[serde(skip_serializing_if = "is_zero")]
    start_interval: u64,
    #[serde(skip_serializing_if = "is_zero")]
    retries: u32,
}

impl From<&skep_api::Healthcheck> for Healthcheck {
    fn from(check: &skep_api::Healthcheck) -> Self {
        Self {
            test: check.test.clone(),
            interval: nanos(check.interval),
            timeout: nanos(check.timeout),
            start_period: nanos(check.start_period),
            start_interval: nanos(check.start_interval),
            retries: check.retries,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct File {
    name: String,
    #[serde(rename = "UID")]
    uid: String,
    #[serde(rename = "GID")]
    gid: String,
    mode: u32,
}

impl From<&FileTarget> for File {
    fn from(target: &FileTarget) -> Self {
        Self {
            name: target.name.clone(),
            uid: target.uid.clone(),
            gid: target.gid.clone(),
            mode: target.mode,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SecretReference {
    file: File,
    #[serde(rename = "SecretID")]
    secret_id: String,
    secret_name: String,
}

impl From<&skep_api::SecretRef> for SecretReference {
    fn from(secret: &skep_api::SecretRef) -> Self {
        Self {
            file: (&secret.target).into(),
            secret_id: secret.id.to_string(),
            secret_name: secret.name.clone(),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ConfigReference {
    file: File,
    #[serde(rename = "ConfigID")]
    config_id: String,
    config_name: String,
}

impl From<&skep_api::ConfigRef> for ConfigReference {
    fn from(config: &skep_api::ConfigRef) -> Self {
        Self {
            file: (&config.target).into(),
            config_id: config.id.to_string(),
            config_name: config.name.clone(),
        }
    }
}
