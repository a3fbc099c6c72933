//! `skep`: the daemon and its client, in one binary.
//!
//! A verb a file. The client knows nothing that the daemon could not tell another client: lists and
//! changes go over gRPC, `inspect`, `info` and `version` show the daemon's Docker JSON.

mod ago;
mod args;
mod client;
mod daemon;
mod error;
mod filter;
mod flags;
mod image;
mod info;
mod inspect;
mod logs;
mod names;
mod node;
mod objects;
mod out;
mod pretty;
mod progress;
mod registry_auth;
mod service;
mod spec;
mod stack;
mod swarm;
mod tasks;
mod tls;
mod volume;
mod waits;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use args::{Cli, Verb};
use client::Client;
use error::{CliError, CliResult};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error.print();
            ExitCode::from(error.code)
        }
    }
}

/// Docker's exit codes: 125 for a flag that is unknown or has a bad value, 1 for anything else that
/// is wrong with the command line.
fn usage(error: &clap::Error) -> ExitCode {
    // Nothing is left to be done when the terminal is gone.
    let _ = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
        ErrorKind::UnknownArgument
        | ErrorKind::InvalidValue
        | ErrorKind::ValueValidation
        | ErrorKind::NoEquals
        | ErrorKind::TooManyValues => ExitCode::from(125),
        _ => ExitCode::FAILURE,
    }
}

fn run(cli: Cli) -> CliResult<()> {
    let Cli { connect, verb } = cli;
    match verb {
        Verb::Daemon(args) => return daemon::run(&connect, *args),
        Verb::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "skep", &mut script);
            return out::raw(&script);
        }
        Verb::Login { username, registry, .. } => {
            return registry_auth::login(&username, &registry);
        }
        Verb::Logout { registry } => return registry_auth::logout(&registry),
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = Client::new(&connect)?;
        if needs_daemon(&verb) {
            client.check().await?;
        }
        ask(&client, verb).await
    })
}

/// `stack config` reads files only, and `version` has its own half to tell.
fn needs_daemon(verb: &Verb) -> bool {
    !matches!(verb, Verb::Version(_) | Verb::Stack(args::Stack::Config { .. }))
}

async fn ask(client: &Client, verb: Verb) -> CliResult<()> {
    match verb {
        Verb::Swarm(verb) => swarm::run(client, verb).await,
        Verb::Node(verb) => node::run(client, verb).await,
        Verb::Service(verb) => Box::pin(service::run(client, *verb)).await,
        Verb::Stack(verb) => Box::pin(stack::run(client, verb)).await,
        Verb::Config(verb) => objects::run(client, objects::Kind::Config, verb).await,
        Verb::Secret(verb) => objects::run(client, objects::Kind::Secret, verb).await,
        Verb::Volume(verb) => volume::run(client, verb).await,
        Verb::Image(verb) => image::run(client, verb).await,
        Verb::Info(args) => info::info(client, &args).await,
        Verb::Version(args) => info::version(client, &args).await,
        Verb::Daemon(_) | Verb::Completion { .. } | Verb::Login { .. } | Verb::Logout { .. } => {
            Err(CliError::new("this command needs no daemon"))
        }
    }
}
