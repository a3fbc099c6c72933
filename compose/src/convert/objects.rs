//! Secrets and configs, and how services refer to them.

use std::collections::BTreeMap;
use std::sync::Arc;

use skep_api::{ConfigRef, ConfigSpec, FileTarget, Id, SecretBytes, SecretRef, SecretSpec};

use super::Stack;
use crate::ComposeError;
use crate::load::{ReadFile, read};
use crate::model::{FileReference, Project};

/// The mode of a file that states none.
const MODE_DEFAULT: u32 = 0o444;

/// Ids are not known here: managers look objects up by name.
const ID_UNKNOWN: u128 = 0;

/// The secrets to make, with their content.
pub(crate) fn secrets(
    stack: Stack<'_>,
    project: &Project,
    files: &dyn ReadFile,
) -> Result<Vec<SecretSpec>, ComposeError> {
    let own = project.secrets.iter().filter(|(_, secret)| !secret.external);
    own.map(|(key, secret)| {
        if !secret.driver.is_empty() {
            return Err(unsupported("secret", key, "driver"));
        }
        if !secret.template_driver.is_empty() {
            return Err(unsupported("secret", key, "template_driver"));
        }
        Ok(SecretSpec {
            name: stack.scoped(key, &secret.name),
            labels: stack.labels(&secret.labels),
            data: SecretBytes::new(content("secret", key, &secret.file, files)?),
        })
    })
    .collect()
}

/// The configs to make, with their content.
pub(crate) fn configs(
    stack: Stack<'_>,
    project: &Project,
    files: &dyn ReadFile,
) -> Result<Vec<ConfigSpec>, ComposeError> {
    let own = project.configs.iter().filter(|(_, config)| !config.external);
    own.map(|(key, config)| {
        if !config.template_driver.is_empty() {
            return Err(unsupported("config", key, "template_driver"));
        }
        Ok(ConfigSpec {
            name: stack.scoped(key, &config.name),
            labels: stack.labels(&config.labels),
            data: Arc::new(content("config", key, &config.file, files)?),
        })
    })
    .collect()
}

fn unsupported(kind: &str, key: &str, option: &str) -> ComposeError {
    ComposeError::new(format!("{kind} {key}: `{option}` is not supported"))
        .hint(format!("put the {kind}'s content into a file and name that with `file`"))
}

fn content(
    kind: &str,
    key: &str,
    file: &str,
    files: &dyn ReadFile,
) -> Result<Vec<u8>, ComposeError> {
    read(files, file).map_err(|error| {
        error.hint(format!(
            "the {kind} `{key}` takes its content from there; `external: true` takes one that is \
             in the swarm already"
        ))
    })
}

/// The secrets a service uses, sorted by name so that their order in the file replaces no task.
pub(crate) fn secret_refs(
    stack: Stack<'_>,
    references: &[FileReference],
    project: &Project,
) -> Result<Vec<SecretRef>, ComposeError> {
    let names = project.secrets.iter().map(|(key, secret)| (key.as_str(), secret.name.as_str()));
    let names: BTreeMap<&str, &str> = names.collect();
    let mut out = Vec::new();
    for reference in references {
        let (name, target) = resolve("secret", stack, reference, &names)?;
        out.push(SecretRef { id: Id::from_u128(ID_UNKNOWN), name, target });
    }
    out.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(out)
}

/// The configs a service uses, sorted by name.
pub(crate) fn config_refs(
    stack: Stack<'_>,
    references: &[FileReference],
    project: &Project,
) -> Result<Vec<ConfigRef>, ComposeError> {
    let names = project.configs.iter().map(|(key, config)| (key.as_str(), config.name.as_str()));
    let names: BTreeMap<&str, &str> = names.collect();
    let mut out = Vec::new();
    for reference in references {
        let (name, target) = resolve("config", stack, reference, &names)?;
        out.push(ConfigRef { id: Id::from_u128(ID_UNKNOWN), name, target });
    }
    out.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(out)
}

/// The object's name in the swarm, and the file the task sees.
fn resolve(
    kind: &str,
    stack: Stack<'_>,
    reference: &FileReference,
    names: &BTreeMap<&str, &str>,
) -> Result<(String, FileTarget), ComposeError> {
    let key = &reference.source;
    let given = names.get(key.as_str()).ok_or_else(|| {
        ComposeError::new(format!("undefined {kind} {key:?}")).hint(format!(
            "declare it: {kind}s: {{{key}: {{file: ...}}}}, or with `external: true`"
        ))
    })?;
    let or = |text: &str, default: &str| {
        if text.is_empty() { default.to_owned() } else { text.to_owned() }
    };
    let target = FileTarget {
        name: or(&reference.target, key),
        uid: or(&reference.uid, "0"),
        gid: or(&reference.gid, "0"),
        mode: reference.mode.unwrap_or(MODE_DEFAULT),
    };
    Ok((stack.scoped(key, given), target))
}
