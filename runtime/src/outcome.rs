//! How a sandbox ended.

use std::fmt;

use skep_api::Bytes;

/// How a sandbox ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A command returned, or called exit.
    Exited(i32),
    /// It did what WebAssembly forbids (a Rust panic is such a case). The text is the reason and the
    /// innermost functions.
    Trapped(String),
    /// It ended because it was refused memory over its limit.
    OutOfMemory {
        /// The limit.
        limit: Bytes,
    },
    /// An http task was stopped, and had answered what it was asked.
    Stopped,
    /// It was stopped, and cut off when the grace period had passed.
    Killed,
    /// The host could not run it.
    Failed(String),
}

impl Outcome {
    /// The exit code as a container would have it: 137 for one that was killed, also for its
    /// memory; 134 for one that aborted.
    pub fn exit_code(&self) -> i32 {
        match self {
            Self::Exited(code) => *code,
            Self::Stopped => 0,
            Self::Trapped(_) => 134,
            Self::OutOfMemory { .. } | Self::Killed => 137,
            Self::Failed(_) => 1,
        }
    }

    /// Whether it ended as it should.
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Exited(0) | Self::Stopped)
    }
}

/// As `service ps` shows it; Swarm's text for an exit code (semantics part 2.1).
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(0) => f.write_str("finished"),
            Self::Exited(code) => write!(f, "task: non-zero exit ({code})"),
            Self::Trapped(reason) => write!(f, "task: trapped: {reason}"),
            Self::OutOfMemory { limit } => {
                write!(f, "task: out of memory: its limit is {limit}")
            }
            Self::Stopped => f.write_str("stopped"),
            Self::Killed => f.write_str("task: killed when its stop grace period had passed"),
            Self::Failed(reason) => write!(f, "task: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_have_the_exit_codes_and_words_of_containers() {
        for (outcome, code, text) in [
            (Outcome::Exited(7), 7, "task: non-zero exit (7)"),
            (
                Outcome::OutOfMemory { limit: Bytes::mib(64) },
                137,
                "task: out of memory: its limit is 64MiB",
            ),
            (Outcome::Trapped("x".into()), 134, "task: trapped: x"),
            (Outcome::Stopped, 0, "stopped"),
        ] {
            assert_eq!((outcome.exit_code(), outcome.to_string()), (code, text.to_owned()));
        }
    }
}
