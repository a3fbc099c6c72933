//! Grants: all that one task may touch.

use std::time::Duration;

use skep_api::{
    Bytes, DirGrant, DirSource, FileGrant, FileSource, Grant, Limits, NanoCpus, NetworkGrant,
};

use crate::{WireError, field, pb};

impl From<&Grant> for pb::Grant {
    fn from(grant: &Grant) -> Self {
        let var = |(name, value): &(String, String)| pb::EnvVar {
            name: name.clone(),
            value: value.clone(),
        };
        Self {
            image: grant.image.clone(),
            args: grant.args.clone(),
            env: grant.env.iter().map(var).collect(),
            cwd: grant.cwd.clone(),
            files: field::all(&grant.files),
            dirs: field::all(&grant.dirs),
            networks: field::all(&grant.networks),
            limits: Some((&grant.limits).into()),
            stop_grace_ns: field::nanos(grant.stop_grace),
        }
    }
}

impl TryFrom<pb::Grant> for Grant {
    type Error = WireError;

    fn try_from(grant: pb::Grant) -> Result<Self, WireError> {
        Ok(Self {
            image: grant.image,
            args: grant.args,
            env: grant.env.into_iter().map(|var| (var.name, var.value)).collect(),
            cwd: grant.cwd,
            files: field::list(grant.files)?,
            dirs: field::list(grant.dirs)?,
            networks: field::list(grant.networks)?,
            limits: field::message("Grant.limits", grant.limits)?,
            stop_grace: Duration::from_nanos(grant.stop_grace_ns),
        })
    }
}

impl From<&FileGrant> for pb::FileGrant {
    fn from(file: &FileGrant) -> Self {
        use pb::file_grant::Source;
        let source = match file.source {
            FileSource::Config(id) => Source::Config(id.to_string()),
            FileSource::Secret(id) => Source::Secret(id.to_string()),
        };
        Self { path: file.path.clone(), mode: file.mode, source: Some(source) }
    }
}

impl TryFrom<pb::FileGrant> for FileGrant {
    type Error = WireError;

    fn try_from(file: pb::FileGrant) -> Result<Self, WireError> {
        use pb::file_grant::Source;
        let source = file.source.ok_or(WireError::Missing { field: "FileGrant.source" })?;
        let source = match source {
            Source::Config(id) => FileSource::Config(field::id("FileGrant.config", &id)?),
            Source::Secret(id) => FileSource::Secret(field::id("FileGrant.secret", &id)?),
        };
        Ok(Self { path: file.path, mode: file.mode, source })
    }
}

impl From<&DirGrant> for pb::DirGrant {
    fn from(dir: &DirGrant) -> Self {
        use pb::dir_grant::{Anonymous, Source};
        let source = match &dir.source {
            DirSource::Volume(name) => Source::Volume(name.clone()),
            DirSource::Anonymous => Source::Anonymous(Anonymous {}),
            DirSource::Memory(size) => Source::Memory(size.0),
            DirSource::Host(path) => Source::Host(path.clone()),
        };
        Self { path: dir.path.clone(), read_only: dir.read_only, source: Some(source) }
    }
}

impl TryFrom<pb::DirGrant> for DirGrant {
    type Error = WireError;

    fn try_from(dir: pb::DirGrant) -> Result<Self, WireError> {
        use pb::dir_grant::{Anonymous, Source};
        let source = dir.source.ok_or(WireError::Missing { field: "DirGrant.source" })?;
        let source = match source {
            Source::Volume(name) => DirSource::Volume(name),
            Source::Anonymous(Anonymous {}) => DirSource::Anonymous,
            Source::Memory(size) => DirSource::Memory(Bytes(size)),
            Source::Host(path) => DirSource::Host(path),
        };
        Ok(Self { path: dir.path, source, read_only: dir.read_only })
    }
}

impl From<&NetworkGrant> for pb::NetworkGrant {
    fn from(network: &NetworkGrant) -> Self {
        Self {
            id: network.id.to_string(),
            name: network.name.clone(),
            addr: network.addr.to_string(),
            internal: network.internal,
        }
    }
}

impl TryFrom<pb::NetworkGrant> for NetworkGrant {
    type Error = WireError;

    fn try_from(network: pb::NetworkGrant) -> Result<Self, WireError> {
        Ok(Self {
            id: field::id("NetworkGrant.id", &network.id)?,
            name: network.name,
            addr: field::addr("NetworkGrant.addr", &network.addr)?,
            internal: network.internal,
        })
    }
}

impl From<&Limits> for pb::Limits {
    fn from(limits: &Limits) -> Self {
        Self {
            memory_bytes: limits.memory.0,
            nano_cpus: limits.cpus.0,
            handles: limits.handles,
            sockets: limits.sockets,
        }
    }
}

impl TryFrom<pb::Limits> for Limits {
    type Error = WireError;

    fn try_from(limits: pb::Limits) -> Result<Self, WireError> {
        Ok(Self {
            memory: Bytes(limits.memory_bytes),
            cpus: NanoCpus(limits.nano_cpus),
            handles: limits.handles,
            sockets: limits.sockets,
        })
    }
}
