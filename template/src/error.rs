//! Errors in the words of Go's templates.

/// What is wrong with a template, or with it and its data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The template cannot be read.
    #[error("template parsing error: template: :{line}: {reason}")]
    Parse {
        /// The line, from 1.
        line: usize,
        /// What is wrong there.
        reason: String,
    },
    /// The template and the data do not fit.
    #[error("template: :{line}:{column}: executing \"\" at <{at}>: {reason}")]
    Execute {
        /// The line, from 1.
        line: usize,
        /// The byte in the line, from 0 in the first and from 1 in the others, as in Go.
        column: usize,
        /// The part of the template.
        at: String,
        /// What is wrong there.
        reason: String,
    },
}

/// The line of a byte of a text, from 1.
pub(crate) fn line_of(text: &str, at: usize) -> usize {
    1 + text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count()
}

/// The column of a byte of a text, as Go counts it.
pub(crate) fn column_of(text: &str, at: usize) -> usize {
    let before = &text.as_bytes()[..at.min(text.len())];
    match before.iter().rposition(|byte| *byte == b'\n') {
        Some(newline) => before.len() - newline,
        None => before.len(),
    }
}
