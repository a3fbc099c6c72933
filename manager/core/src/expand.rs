//! The templates of a service spec, `{{.Task.Slot}}` (semantics part 1.10).
//!
//! Only what needs no control flow: a field, or a label by `{{index .Service.Labels "key"}}`. All
//! else is refused when the service is written, and not left in a variable for a task to stumble on.

use std::collections::BTreeMap;

/// Why a text can't be expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ExpandError {
    #[error("template `{0}` has no end: `}}}}` is missing")]
    Open(String),
    #[error("template `{{{{{0}}}}}` names nothing that is known")]
    Unknown(String),
}

/// What templates may name.
pub(crate) struct Context<'a> {
    pub(crate) service_id: String,
    pub(crate) service_name: &'a str,
    pub(crate) service_labels: &'a BTreeMap<String, String>,
    pub(crate) node_id: String,
    pub(crate) node_hostname: &'a str,
    pub(crate) node_os: &'a str,
    pub(crate) node_arch: &'a str,
    pub(crate) task_id: String,
    pub(crate) task_name: String,
    pub(crate) task_slot: String,
}

/// Whether a text can be expanded for any task.
pub(crate) fn check(text: &str) -> Result<(), ExpandError> {
    let labels = BTreeMap::new();
    let nobody = Context {
        service_id: String::new(),
        service_name: "",
        service_labels: &labels,
        node_id: String::new(),
        node_hostname: "",
        node_os: "",
        node_arch: "",
        task_id: String::new(),
        task_name: String::new(),
        task_slot: String::new(),
    };
    expand(text, &nobody).map(drop)
}

/// The text with its templates replaced.
pub(crate) fn expand(text: &str, context: &Context<'_>) -> Result<String, ExpandError> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, action)) = rest.split_once("{{") {
        expanded.push_str(before);
        let Some((action, after)) = action.split_once("}}") else {
            return Err(ExpandError::Open(shortened(action)));
        };
        let value = value(action.trim(), context);
        expanded.push_str(value.ok_or_else(|| ExpandError::Unknown(shortened(action)))?);
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

fn value<'c>(action: &str, context: &'c Context<'_>) -> Option<&'c str> {
    let field = match action {
        ".Service.ID" => &context.service_id,
        ".Service.Name" => context.service_name,
        ".Node.ID" => &context.node_id,
        ".Node.Hostname" => context.node_hostname,
        ".Node.Platform.OS" => context.node_os,
        ".Node.Platform.Architecture" => context.node_arch,
        ".Task.ID" => &context.task_id,
        ".Task.Name" => &context.task_name,
        ".Task.Slot" => &context.task_slot,
        _ => return label(action, context),
    };
    Some(field)
}

/// `index .Service.Labels "key"` and, where the key is a word, `.Service.Labels.key`. A label that
/// is not there is empty.
fn label<'c>(action: &str, context: &'c Context<'_>) -> Option<&'c str> {
    let word = |key: &&str| key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let key = match action.strip_prefix(".Service.Labels.") {
        Some(key) => Some(key).filter(word).filter(|key| !key.is_empty())?,
        None => {
            let quoted = action.strip_prefix("index")?.trim_start();
            let quoted = quoted.strip_prefix(".Service.Labels")?.trim_start();
            let key = quoted.strip_prefix('"')?.strip_suffix('"')?;
            Some(key).filter(|key| !key.contains(['"', '\\']))?
        }
    };
    Some(context.service_labels.get(key).map_or("", String::as_str))
}

/// Enough of a text to recognise it in an error.
fn shortened(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behaviour_138_fields_are_expanded_and_others_refused() {
        let labels = [("tier".to_owned(), "front".to_owned()), ("a.b".to_owned(), "c".to_owned())];
        let labels = labels.into();
        let context = Context {
            service_id: "sid".to_owned(),
            service_name: "web",
            service_labels: &labels,
            node_id: "nid".to_owned(),
            node_hostname: "host",
            node_os: "linux",
            node_arch: "x86_64",
            task_id: "tid".to_owned(),
            task_name: "web.2.tid".to_owned(),
            task_slot: "2".to_owned(),
        };
        for (text, expanded) in [
            ("plain {x}", "plain {x}"),
            ("{{.Service.Name}}-{{ .Task.Slot }}", "web-2"),
            ("{{.Service.ID}} {{.Node.ID}} {{.Task.ID}} {{.Task.Name}}", "sid nid tid web.2.tid"),
            (
                "{{.Node.Hostname}}/{{.Node.Platform.OS}}/{{.Node.Platform.Architecture}}",
                "host/linux/x86_64",
            ),
            (r#"{{index .Service.Labels "a.b"}}{{.Service.Labels.tier}}"#, "cfront"),
            (r#"{{index .Service.Labels "none"}}."#, "."),
        ] {
            assert_eq!(expand(text, &context).as_deref(), Ok(expanded), "{text}");
        }
        for bad in
            ["{{", "{{.Service}}", "{{.Nope}}", "{{}}", "{{if true}}", "{{.Service.Labels.}}"]
        {
            assert!(check(bad).is_err(), "{bad}");
        }
        let error = check("{{.Task.Nope}}").unwrap_err();
        assert_eq!(error.to_string(), "template `{{.Task.Nope}}` names nothing that is known");
    }
}
