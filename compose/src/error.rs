//! What is said about a compose file: errors, with the place and the way out, and warnings.

use std::collections::BTreeMap;
use std::fmt;

/// Why a compose file is refused.
///
/// `Display` is Docker's text alone, so that scripts that match it keep working; where it is and
/// how to get out of it are fields of their own, and the hint of [`skep_api::Error`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ComposeError {
    /// What is wrong: the path inside the file, the value or the rule.
    pub message: String,
    /// The file, as it was named to `load`.
    pub file: Option<String>,
    /// The line in that file, from 1.
    pub line: Option<usize>,
    /// The way out.
    pub hint: Option<String>,
    /// Where in the file it is, from the root.
    pub(crate) path: Box<[String]>,
    /// Forbidden keys and what to do instead; see [`Self::deploy_message`].
    pub(crate) forbidden: Box<[Forbidden]>,
}

/// A forbidden key, and what to do instead.
pub(crate) type Forbidden = (&'static str, &'static str);

impl ComposeError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            file: None,
            line: None,
            hint: None,
            path: Box::default(),
            forbidden: Box::default(),
        }
    }

    pub(crate) fn at(mut self, path: &[String]) -> Self {
        self.path = path.into();
        self
    }

    pub(crate) fn on_line(mut self, line: usize) -> Self {
        self.line = Some(line);
        self
    }

    pub(crate) fn in_file(mut self, file: &str) -> Self {
        self.file = Some(file.to_owned());
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The text `docker stack deploy` gives, which explains forbidden keys one by one, where
    /// `docker stack config` (and `Display`) only says that there are some.
    pub fn deploy_message(&self) -> String {
        if self.forbidden.is_empty() {
            return self.message.clone();
        }
        let lines: Vec<String> =
            self.forbidden.iter().map(|(key, why)| format!("{key}: {why}")).collect();
        format!("Compose file contains unsupported options:\n\n{}\n", lines.join("\n\n"))
    }

    /// `todo.yaml, line 3`, as far as it is known.
    pub fn place(&self) -> Option<String> {
        let file = self.file.as_deref()?;
        Some(match self.line {
            Some(line) => format!("{file}, line {line}"),
            None => file.to_owned(),
        })
    }
}

impl From<ComposeError> for skep_api::Error {
    fn from(error: ComposeError) -> Self {
        let out = Self::invalid(error.deploy_message());
        match (error.place(), error.hint) {
            (Some(place), Some(hint)) => out.hint(format!("{hint} (in {place})")),
            (Some(place), None) => out.hint(format!("see {place}")),
            (None, Some(hint)) => out.hint(hint),
            (None, None) => out,
        }
    }
}

/// Something a compose file says that has no effect, or soon none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Warning {
    /// Found while a file was loaded; shown by `stack config` and `stack deploy`.
    Notice(String),
    /// Keys that have no effect in a stack, sorted; shown by `stack deploy` only.
    Unsupported(Vec<String>),
    /// Keys that need not be there any more, and why; shown by `stack deploy` only.
    Deprecated(BTreeMap<String, String>),
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Notice(text) => f.write_str(text),
            Self::Unsupported(keys) => {
                write!(f, "Ignoring unsupported options: {}\n\n", keys.join(", "))
            }
            Self::Deprecated(keys) => {
                let lines: Vec<String> =
                    keys.iter().map(|(key, why)| format!("{key}: {why}")).collect();
                write!(f, "Ignoring deprecated options:\n\n{}\n\n", lines.join("\n\n"))
            }
        }
    }
}
