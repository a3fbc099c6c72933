//! The flags that say how updates and rollbacks roll out: the same twice, under two names.

use clap::Args;

/// What was given of the flags of one of the two. What was not given stays as it is stored, or
/// unset.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rollout<'a> {
    /// The flags' first word, `update` or `rollback`.
    pub(crate) word: &'static str,
    pub(crate) parallelism: Option<u64>,
    pub(crate) delay: Option<&'a str>,
    pub(crate) monitor: Option<&'a str>,
    pub(crate) failure_action: Option<&'a str>,
    pub(crate) max_failure_ratio: Option<&'a str>,
    pub(crate) order: Option<&'a str>,
}

impl Rollout<'_> {
    /// Whether none of the flags was given.
    pub(crate) fn is_empty(&self) -> bool {
        let texts =
            [self.delay, self.monitor, self.failure_action, self.max_failure_ratio, self.order];
        self.parallelism.is_none() && texts.iter().all(Option::is_none)
    }
}

macro_rules! rollout {
    ($name:ident, $word:literal, $actions:literal) => {
        #[derive(Debug, Clone, Default, PartialEq, Args)]
        pub(crate) struct $name {
            #[arg(long = concat!($word, "-parallelism"), id = concat!($word, "-parallelism"),
                value_name = "N",
                help = concat!("Tasks in one step of the ", $word, ", 0 for all (default 1)"))]
            parallelism: Option<u64>,
            #[arg(long = concat!($word, "-delay"), id = concat!($word, "-delay"),
                value_name = "DURATION",
                help = concat!("Wait between two steps of the ", $word, " (default 0s)"))]
            delay: Option<String>,
            #[arg(long = concat!($word, "-monitor"), id = concat!($word, "-monitor"),
                value_name = "DURATION",
                help = concat!("How long each new task of the ", $word,
                    " is watched for failure; 0s: not at all (default 5s)"))]
            monitor: Option<String>,
            #[arg(long = concat!($word, "-failure-action"), id = concat!($word, "-failure-action"),
                value_name = "ACTION",
                help = concat!("What to do when the ", $word, " fails: ", $actions,
                    " (default pause)"))]
            failure_action: Option<String>,
            #[arg(long = concat!($word, "-max-failure-ratio"),
                id = concat!($word, "-max-failure-ratio"), value_name = "RATIO",
                help = concat!("Share of tasks that may fail before the ", $word,
                    " does (default 0)"))]
            max_failure_ratio: Option<String>,
            #[arg(long = concat!($word, "-order"), id = concat!($word, "-order"),
                value_name = "ORDER",
                help = concat!("start-first or stop-first (default stop-first; start-first for",
                    " wasi:http services without a writable volume)"))]
            order: Option<String>,
        }

        impl $name {
            /// The values, whichever of the two they are for.
            pub(crate) fn values(&self) -> Rollout<'_> {
                Rollout {
                    word: $word,
                    parallelism: self.parallelism,
                    delay: self.delay.as_deref(),
                    monitor: self.monitor.as_deref(),
                    failure_action: self.failure_action.as_deref(),
                    max_failure_ratio: self.max_failure_ratio.as_deref(),
                    order: self.order.as_deref(),
                }
            }
        }
    };
}

rollout!(UpdateFlags, "update", "pause, continue or rollback");
rollout!(RollbackFlags, "rollback", "pause or continue");
