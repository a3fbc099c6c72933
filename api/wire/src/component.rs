//! The spec of a component: what runs and what it sees.

use std::time::Duration;

use skep_api::{
    Bytes, ComponentSpec, ConfigRef, FileTarget, Healthcheck, Mount, MountKind, SecretBytes,
    SecretRef,
};

use crate::{WireError, field, pb};

impl From<&ComponentSpec> for pb::ComponentSpec {
    fn from(spec: &ComponentSpec) -> Self {
        Self {
            image: spec.image.clone(),
            command: spec.command.clone(),
            args: spec.args.clone(),
            env: spec.env.clone(),
            dir: spec.dir.clone(),
            hostname: spec.hostname.clone(),
            labels: spec.labels.clone(),
            mounts: field::all(&spec.mounts),
            secrets: field::all(&spec.secrets),
            configs: field::all(&spec.configs),
            read_only: spec.read_only,
            stop_grace_period_ns: spec.stop_grace_period.map(field::nanos),
            healthcheck: spec.healthcheck.as_ref().map(Into::into),
            registry_auth: spec.registry_auth.as_ref().map(|auth| auth.expose().to_vec()),
        }
    }
}

impl TryFrom<pb::ComponentSpec> for ComponentSpec {
    type Error = WireError;

    fn try_from(spec: pb::ComponentSpec) -> Result<Self, WireError> {
        Ok(Self {
            image: spec.image,
            command: spec.command,
            args: spec.args,
            env: spec.env,
            dir: spec.dir,
            hostname: spec.hostname,
            labels: spec.labels,
            mounts: field::list(spec.mounts)?,
            secrets: field::list(spec.secrets)?,
            configs: field::list(spec.configs)?,
            read_only: spec.read_only,
            stop_grace_period: spec.stop_grace_period_ns.map(Duration::from_nanos),
            healthcheck: field::optional(spec.healthcheck)?,
            registry_auth: spec.registry_auth.map(SecretBytes::new),
        })
    }
}

impl From<&Mount> for pb::Mount {
    fn from(mount: &Mount) -> Self {
        use pb::mount::{Bind, Kind, Tmpfs, Volume};
        let kind = match &mount.kind {
            MountKind::Volume { source, labels } => {
                Kind::Volume(Volume { source: source.clone(), labels: labels.clone() })
            }
            MountKind::Bind { source } => Kind::Bind(Bind { source: source.clone() }),
            MountKind::Tmpfs { size } => Kind::Tmpfs(Tmpfs { size: size.map(|size| size.0) }),
        };
        Self { target: mount.target.clone(), read_only: mount.read_only, kind: Some(kind) }
    }
}

impl TryFrom<pb::Mount> for Mount {
    type Error = WireError;

    fn try_from(mount: pb::Mount) -> Result<Self, WireError> {
        use pb::mount::{Bind, Kind, Tmpfs, Volume};
        let kind = match mount.kind.ok_or(WireError::Missing { field: "Mount.kind" })? {
            Kind::Volume(Volume { source, labels }) => MountKind::Volume { source, labels },
            Kind::Bind(Bind { source }) => MountKind::Bind { source },
            Kind::Tmpfs(Tmpfs { size }) => MountKind::Tmpfs { size: size.map(Bytes) },
        };
        Ok(Self { kind, target: mount.target, read_only: mount.read_only })
    }
}

impl From<&SecretRef> for pb::FileRef {
    fn from(secret: &SecretRef) -> Self {
        file_ref(field::id_if_known(secret.id), &secret.name, &secret.target)
    }
}

impl TryFrom<pb::FileRef> for SecretRef {
    type Error = WireError;

    fn try_from(file: pb::FileRef) -> Result<Self, WireError> {
        let id = field::id_or_unknown("FileRef.id", &file.id)?;
        let (name, target) = named_target(file);
        Ok(Self { id, name, target })
    }
}

impl From<&ConfigRef> for pb::FileRef {
    fn from(config: &ConfigRef) -> Self {
        file_ref(field::id_if_known(config.id), &config.name, &config.target)
    }
}

impl TryFrom<pb::FileRef> for ConfigRef {
    type Error = WireError;

    fn try_from(file: pb::FileRef) -> Result<Self, WireError> {
        let id = field::id_or_unknown("FileRef.id", &file.id)?;
        let (name, target) = named_target(file);
        Ok(Self { id, name, target })
    }
}

fn file_ref(id: String, name: &str, target: &FileTarget) -> pb::FileRef {
    pb::FileRef {
        id,
        name: name.to_owned(),
        target: target.name.clone(),
        uid: target.uid.clone(),
        gid: target.gid.clone(),
        mode: target.mode,
    }
}

fn named_target(file: pb::FileRef) -> (String, FileTarget) {
    let pb::FileRef { id: _, name, target, uid, gid, mode } = file;
    (name, FileTarget { name: target, uid, gid, mode })
}

impl From<&Healthcheck> for pb::Healthcheck {
    fn from(check: &Healthcheck) -> Self {
        Self {
            test: check.test.clone(),
            interval_ns: field::nanos(check.interval),
            timeout_ns: field::nanos(check.timeout),
            retries: check.retries,
            start_period_ns: field::nanos(check.start_period),
            start_interval_ns: field::nanos(check.start_interval),
        }
    }
}

impl TryFrom<pb::Healthcheck> for Healthcheck {
    type Error = WireError;

    fn try_from(check: pb::Healthcheck) -> Result<Self, WireError> {
        Ok(Self {
            test: check.test,
            interval: Duration::from_nanos(check.interval_ns),
            timeout: Duration::from_nanos(check.timeout_ns),
            retries: check.retries,
            start_period: Duration::from_nanos(check.start_period_ns),
            start_interval: Duration::from_nanos(check.start_interval_ns),
        })
    }
}
