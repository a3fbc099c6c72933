//! A service's folders.

use std::collections::BTreeMap;

use skep_api::{Bytes, Mount, MountKind};

use super::Stack;
use crate::ComposeError;
use crate::model::{Volume, VolumeMount};

/// The mounts of a service, in the file's order.
pub(crate) fn mounts(
    stack: Stack<'_>,
    mounts: &[VolumeMount],
    volumes: &BTreeMap<String, Volume>,
) -> Result<Vec<Mount>, ComposeError> {
    mounts
        .iter()
        .map(|mount| {
            Ok(Mount {
                kind: kind(stack, mount, volumes)?,
                target: mount.target.clone(),
                read_only: mount.read_only,
            })
        })
        .collect()
}

fn kind(
    stack: Stack<'_>,
    mount: &VolumeMount,
    volumes: &BTreeMap<String, Volume>,
) -> Result<MountKind, ComposeError> {
    match mount.kind.as_str() {
        "volume" | "" => {
            refuse_options("volume", mount)?;
            volume(stack, &mount.source, volumes)
        }
        "bind" if mount.source.is_empty() => {
            Err(ComposeError::new("invalid bind source, source cannot be empty"))
        }
        "bind" => {
            refuse_options("bind", mount)?;
            Ok(MountKind::Bind { source: mount.source.clone() })
        }
        "tmpfs" if !mount.source.is_empty() => {
            Err(ComposeError::new("invalid tmpfs source, source must be empty"))
        }
        "tmpfs" => {
            refuse_options("tmpfs", mount)?;
            let size = mount.tmpfs.as_ref().map(|tmpfs| tmpfs.size).filter(|size| *size > 0);
            Ok(MountKind::Tmpfs { size: size.map(Bytes) })
        }
        kind @ ("npipe" | "cluster") => {
            Err(ComposeError::new(format!("volume type {kind} is not supported"))
                .hint("use `volume`, `bind` or `tmpfs`"))
        }
        _ => Err(ComposeError::new("volume type must be volume, bind, tmpfs, npipe, or cluster")),
    }
}

/// Refuses options of another kind of mount.
fn refuse_options(kind: &str, mount: &VolumeMount) -> Result<(), ComposeError> {
    let options = [
        ("bind", mount.bind.is_some()),
        ("volume", mount.volume.is_some()),
        ("tmpfs", mount.tmpfs.is_some()),
    ];
    match options.iter().find(|(name, stated)| *stated && *name != kind) {
        None => Ok(()),
        Some((name, _)) => {
            Err(ComposeError::new(format!("{name} options are incompatible with type {kind}")))
        }
    }
}

fn volume(
    stack: Stack<'_>,
    key: &str,
    volumes: &BTreeMap<String, Volume>,
) -> Result<MountKind, ComposeError> {
    if key.is_empty() {
        return Ok(MountKind::Volume { source: None, labels: BTreeMap::new() });
    }
    let Some(volume) = volumes.get(key) else {
        return Err(ComposeError::new(format!("undefined volume {key:?}"))
            .hint(format!("declare it: volumes: {{{key}: {{}}}}")));
    };
    // Who made an external volume, labelled it.
    let labels = match volume.external {
        true => BTreeMap::new(),
        false => stack.labels(&volume.labels),
    };
    Ok(MountKind::Volume { source: Some(stack.scoped(key, &volume.name)), labels })
}
