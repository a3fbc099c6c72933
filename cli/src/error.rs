//! Errors at the terminal: the message, a blank line, then the way out.

use std::fmt;
use std::io::Write;

/// Why a command failed, and the exit code that says so (Docker's: 1, or 125 for a bad flag).
#[derive(Debug)]
pub(crate) struct CliError {
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    pub(crate) code: u8,
}

pub(crate) type CliResult<T> = Result<T, CliError>;

impl CliError {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None, code: 1 }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn code(mut self, code: u8) -> Self {
        self.code = code;
        self
    }

    /// A flag's value that can't be read, in the words of Docker's client.
    pub(crate) fn flag(flag: &str, value: &str, why: &dyn fmt::Display) -> Self {
        Self::new(format!("invalid argument {value:?} for \"{flag}\" flag: {why}")).code(125)
    }

    /// What the daemon answered, the way Docker's client puts it.
    pub(crate) fn from_daemon(error: &skep_api::Error) -> Self {
        Self {
            message: format!("Error response from daemon: {}", error.message),
            hint: error.hint.clone(),
            code: 1,
        }
    }

    /// Writes the error to standard error.
    pub(crate) fn print(&self) {
        let mut err = std::io::stderr().lock();
        // Nothing is left to be done when standard error is closed.
        let _ = writeln!(err, "{}", self.message);
        if let Some(hint) = &self.hint {
            let _ = writeln!(err, "\nhint: {hint}");
        }
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for CliError {}

impl From<tonic::Status> for CliError {
    fn from(status: tonic::Status) -> Self {
        Self::from_daemon(&skep_wire::from_status(&status))
    }
}

impl From<skep_api::Error> for CliError {
    fn from(error: skep_api::Error) -> Self {
        Self { message: error.message, hint: error.hint, code: 1 }
    }
}

impl From<skep_wire::WireError> for CliError {
    fn from(error: skep_wire::WireError) -> Self {
        Self::new(format!("the daemon's answer can't be read: {error}"))
            .hint("client and daemon may be of different versions: see `skep version`")
    }
}

impl From<std::io::Error> for CliError {
    fn from(error: std::io::Error) -> Self {
        Self::new(error.to_string())
    }
}

/// Several errors of one command, each on its line, as `rm a b c` collects them.
#[derive(Default)]
pub(crate) struct Errors(Vec<CliError>);

impl Errors {
    pub(crate) fn push(&mut self, error: CliError) {
        self.0.push(error);
    }

    pub(crate) fn into_result(self) -> CliResult<()> {
        let Some(last) = self.0.last() else { return Ok(()) };
        let (code, hint) = (last.code, last.hint.clone());
        let lines: Vec<String> = self.0.into_iter().map(|e| e.message).collect();
        Err(CliError { message: lines.join("\n"), hint, code })
    }
}
