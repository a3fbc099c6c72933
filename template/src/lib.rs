//! Go's `text/template`, as far as Docker's `--format` and templated specs use it.
//!
//! Data is JSON. Understood are field chains, variables, pipelines, parentheses, literals, `if`,
//! `range`, `with`, comments, trimming (`{{-`, `-}}`), Go's functions (`and or not eq ne lt le gt
//! ge len index slice print printf println`) and Docker's (`json split join title lower upper pad
//! truncate`). Named templates (`define`, `template`, `block`) are not.
//!
//! Invariants: a template and its data give the same text everywhere; neither can make rendering
//! run or grow without bound. The crate knows nothing of what is rendered.

mod error;
mod eval;
mod format;
mod functions;
mod lex;
mod parse;
mod value;

use serde_json::Value;

pub use error::TemplateError;

/// The longest template. People type them on a command line.
const TEMPLATE_MAX: usize = 64 << 10;

/// A template that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    text: String,
    body: Vec<parse::Node>,
}

impl Template {
    /// Reads a template.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        if text.len() > TEMPLATE_MAX {
            let reason = format!("template is longer than {TEMPLATE_MAX} bytes");
            return Err(TemplateError::Parse { line: 1, reason });
        }
        let body = parse::parse(text)?;
        Ok(Self { text: text.to_owned(), body })
    }

    /// Renders data. A key that an object does not have renders as `<no value>`, as in a Go map.
    pub fn render(&self, data: &Value) -> Result<String, TemplateError> {
        eval::render(&self.text, &self.body, data, eval::Root::Map)
    }

    /// Renders a row that has exactly the keys it has, as one of Go's structs: another field of it
    /// is an error that names `type_name`, `*formatter.nodeContext`. Objects inside the row stay
    /// maps. `{{json .}}` of the row escapes `<`, `>` and `&`, as Docker's rows do.
    pub fn render_strict(&self, data: &Value, type_name: &str) -> Result<String, TemplateError> {
        eval::render(&self.text, &self.body, data, eval::Root::Struct(type_name))
    }
}
