//! Flags of Docker's `service create` and `service update` that mean nothing to a component: known,
//! and refused with what to do instead.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use crate::error::{CliError, CliResult};

/// How a flag is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    /// `--flag VALUE`
    Value,
    /// `--flag` or `--flag=BOOL`
    Bool,
}

/// Long name, short name, form, and what to do instead.
type Flag = (&'static str, Option<char>, Takes, &'static str);

const NO_USERS: &str =
    "components run without users: leave it out, a task sees only what its spec grants";
const NO_KERNEL: &str = "components run in a sandbox without kernel settings: leave it out, and limit \
    tasks with --limit-cpu and --limit-memory";
const NO_SWAP: &str = "components have no swap: --limit-memory is all the memory a task gets";
const GRANTS: &str = "a component can do what its spec grants and nothing else: name networks \
    (--network), folders (--mount), secrets and configs";
const NAMES: &str = "tasks resolve the names of the services they share a network with: attach both \
    services to one network (--network name=NETWORK,alias=NAME)";

#[rustfmt::skip]
const FLAGS: &[Flag] = &[
    ("user", Some('u'), Takes::Value, NO_USERS),
    ("group", None, Takes::Value, NO_USERS),
    ("group-add", None, Takes::Value, NO_USERS),
    ("group-rm", None, Takes::Value, NO_USERS),
    ("tty", Some('t'), Takes::Bool, "components have no terminal: read what they write with `skep service logs`"),
    ("memory-swap", None, Takes::Value, NO_SWAP),
    ("memory-swappiness", None, Takes::Value, NO_SWAP),
    ("cap-add", None, Takes::Value, GRANTS),
    ("cap-drop", None, Takes::Value, GRANTS),
    ("host-add", None, Takes::Value, NAMES),
    ("host-rm", None, Takes::Value, NAMES),
    ("dns", None, Takes::Value, NAMES),
    ("dns-add", None, Takes::Value, NAMES),
    ("dns-rm", None, Takes::Value, NAMES),
    ("dns-option", None, Takes::Value, NAMES),
    ("dns-option-add", None, Takes::Value, NAMES),
    ("dns-option-rm", None, Takes::Value, NAMES),
    ("dns-search", None, Takes::Value, NAMES),
    ("dns-search-add", None, Takes::Value, NAMES),
    ("dns-search-rm", None, Takes::Value, NAMES),
    ("ulimit", None, Takes::Value, NO_KERNEL),
    ("ulimit-add", None, Takes::Value, NO_KERNEL),
    ("ulimit-rm", None, Takes::Value, NO_KERNEL),
    ("sysctl", None, Takes::Value, NO_KERNEL),
    ("sysctl-add", None, Takes::Value, NO_KERNEL),
    ("sysctl-rm", None, Takes::Value, NO_KERNEL),
    ("oom-score-adj", None, Takes::Value, NO_KERNEL),
    ("isolation", None, Takes::Value, "every component runs in its own sandbox: leave it out"),
    ("credential-spec", None, Takes::Value, "there are no Windows accounts: give tasks credentials with --secret"),
];

/// `--init` asks for what is always so: it is taken and has no effect, since clients send it.
const INIT: &str = "init";

/// Which of them were given.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Dropped {
    first: Option<&'static str>,
}

impl Dropped {
    /// Refuses the first flag that was given.
    pub(crate) fn check(&self) -> CliResult<()> {
        let found = FLAGS.iter().find(|flag| Some(flag.0) == self.first);
        let Some((name, _, _, instead)) = found else { return Ok(()) };
        Err(CliError::new(format!("--{name} has no meaning for components"))
            .hint(*instead)
            .code(125))
    }
}

impl Args for Dropped {
    fn augment_args(command: Command) -> Command {
        let init = Arg::new(INIT).long(INIT);
        let flags = FLAGS.iter().map(|(name, short, takes, _)| {
            let arg = Arg::new(*name).long(*name).short(*short).action(ArgAction::Append);
            let arg = arg.allow_hyphen_values(*takes == Takes::Value);
            if *takes == Takes::Bool { optional(arg) } else { arg }
        });
        command.args(flags.chain([optional(init)]).map(|arg| arg.hide(true)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

fn optional(arg: Arg) -> Arg {
    arg.num_args(0..=1).require_equals(true)
}

impl FromArgMatches for Dropped {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |flag: &&Flag| matches.contains_id(flag.0);
        Ok(Self { first: FLAGS.iter().find(given).map(|flag| flag.0) })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
