//! Configs (semantics part 1.8): made, relabelled, removed; never changed.

use skep_api::{Config, ConfigSpec, Error, ErrorKind, Id, IdGen, Meta, Result};

use super::{Admitted, name, out_of_sequence, reference};
use crate::change::{Change, Key, Object};
use crate::store::{View, not_found};

/// Configs are smaller than this, as Swarm's.
const CONFIG_BYTES_END: usize = 1_024_000;

/// Admits a new config.
pub fn admit_create_config(
    view: &View,
    spec: ConfigSpec,
    ids: &mut IdGen,
) -> Result<Admitted<Config>> {
    name::check_file(&spec.name)?;
    name::check_labels(&spec.labels)?;
    if !(1..CONFIG_BYTES_END).contains(&spec.data.len()) {
        return Err(Error::invalid(
            "config data must be larger than 0 and less than 1024000 bytes",
        )
        .hint(format!("`{}` has {} bytes", spec.name, spec.data.len())));
    }
    if view.config_named(&spec.name).is_some() {
        let message = format!("config {} already exists", spec.name);
        return Err(Error::new(ErrorKind::AlreadyExists, message));
    }
    let id = ids.next();
    let config = Config { id, meta: Meta::default(), spec };
    Ok(Admitted { id, changes: vec![Change::Create(Object::Config(config))] })
}

/// Admits other labels of a config. Its content, if given, must be the one it has.
pub fn admit_update_config(
    view: &View,
    id: Id<Config>,
    version: u64,
    spec: ConfigSpec,
) -> Result<Vec<Change>> {
    let config = view.config(id).ok_or_else(|| not_found("config", &id.to_string()))?;
    if config.meta.version != version {
        return Err(out_of_sequence());
    }
    name::check_labels(&spec.labels)?;
    let same_data = spec.data.is_empty() || spec.data == config.spec.data;
    if spec.name != config.spec.name || !same_data {
        return Err(Error::invalid("only updates to Labels are allowed")
            .hint("make a config of another name and give that to the services"));
    }
    if spec.labels == config.spec.labels {
        return Ok(Vec::new());
    }
    let mut next = config.clone();
    next.spec.labels = spec.labels;
    Ok(vec![Change::Update(Object::Config(next))])
}

/// Admits that a config goes, unless a service uses it.
pub fn admit_remove_config(view: &View, id: Id<Config>) -> Result<Vec<Change>> {
    let config = view.config(id).ok_or_else(|| not_found("config", &id.to_string()))?;
    reference::refuse_if_used("config", &config.spec.name, view, |spec| {
        spec.task.component.configs.iter().any(|reference| reference.id == id)
    })?;
    Ok(vec![Change::Remove(Key::Config(id))])
}
