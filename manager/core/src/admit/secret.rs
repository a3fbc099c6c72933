//! Secrets (semantics part 1.7): made, relabelled, removed; never changed.

use skep_api::{Error, ErrorKind, Id, IdGen, Meta, Result, Secret, SecretSpec};

use super::{Admitted, name, out_of_sequence, reference};
use crate::change::{Change, Key, Object};
use crate::store::{View, not_found};

/// Secrets are smaller than this, as Swarm's.
const SECRET_BYTES_END: usize = 512_000;

/// Admits a new secret.
pub fn admit_create_secret(
    view: &View,
    spec: SecretSpec,
    ids: &mut IdGen,
) -> Result<Admitted<Secret>> {
    name::check_file(&spec.name)?;
    name::check_labels(&spec.labels)?;
    if !(1..SECRET_BYTES_END).contains(&spec.data.len()) {
        return Err(Error::invalid("secret data must be larger than 0 and less than 512000 bytes")
            .hint(format!("`{}` has {} bytes", spec.name, spec.data.len())));
    }
    if view.secret_named(&spec.name).is_some() {
        let message = format!("secret {} already exists", spec.name);
        return Err(Error::new(ErrorKind::AlreadyExists, message));
    }
    let id = ids.next();
    let secret = Secret { id, meta: Meta::default(), spec };
    Ok(Admitted { id, changes: vec![Change::Create(Object::Secret(secret))] })
}

/// Admits other labels of a secret. Its content, if given, must be the one it has.
pub fn admit_update_secret(
    view: &View,
    id: Id<Secret>,
    version: u64,
    spec: SecretSpec,
) -> Result<Vec<Change>> {
    let secret = view.secret(id).ok_or_else(|| not_found("secret", &id.to_string()))?;
    if secret.meta.version != version {
        return Err(out_of_sequence());
    }
    name::check_labels(&spec.labels)?;
    let same_data = spec.data.is_empty() || spec.data == secret.spec.data;
    if spec.name != secret.spec.name || !same_data {
        return Err(Error::invalid("only updates to Labels are allowed")
            .hint("make a secret of another name and give that to the services"));
    }
    if spec.labels == secret.spec.labels {
        return Ok(Vec::new());
    }
    let mut next = secret.clone();
    next.spec.labels = spec.labels;
    Ok(vec![Change::Update(Object::Secret(next))])
}

/// Admits that a secret goes, unless a service uses it.
pub fn admit_remove_secret(view: &View, id: Id<Secret>) -> Result<Vec<Change>> {
    let secret = view.secret(id).ok_or_else(|| not_found("secret", &id.to_string()))?;
    reference::refuse_if_used("secret", &secret.spec.name, view, |spec| {
        spec.task.component.secrets.iter().any(|reference| reference.id == id)
    })?;
    Ok(vec![Change::Remove(Key::Secret(id))])
}
