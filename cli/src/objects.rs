//! `skep config` and `skep secret`, which differ in little.

use std::io::Read;

use skep_api::Time;
use skep_wire::pb;

use crate::ago::ago;
use crate::args::{ListArgs, Objects};
use crate::client::Client;
use crate::error::{CliError, CliResult, Errors};
use crate::out::{self, Column, List, row};
use crate::{filter, flags, inspect, pretty};

/// More is refused by the managers in any case (a config holds less than 1,024,000 bytes); reading
/// stops soon after, whatever is piped in.
const READ_BYTES_MAX: u64 = 2 << 20;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Config,
    Secret,
}

pub(crate) async fn run(client: &Client, kind: Kind, verb: Objects) -> CliResult<()> {
    match verb {
        Objects::Create { labels, name, file } => create(client, kind, name, &labels, &file).await,
        Objects::Ls(args) => ls(client, kind, &args).await,
        Objects::Inspect(args) => {
            let (prefix, word, pretty): (_, _, fn(&serde_json::Value) -> String) = match kind {
                Kind::Config => ("/configs/", "config", pretty::config),
                Kind::Secret => ("/secrets/", "secret", pretty::secret),
            };
            let not_found =
                |name: &str| format!("Error response from daemon: {word} {name} not found");
            inspect::run(client, &args, prefix, "", not_found, pretty).await
        }
        Objects::Rm(names) => rm(client, kind, &names.names).await,
    }
}

async fn create(
    client: &Client,
    kind: Kind,
    name: String,
    labels: &[String],
    file: &str,
) -> CliResult<()> {
    let labels = flags::labels(labels);
    let data = content(file).map_err(|error| match kind {
        Kind::Config => CliError {
            message: format!("Error reading content from \"{file}\": {}", error.message),
            ..error
        },
        Kind::Secret => error,
    })?;
    let created = match kind {
        Kind::Config => {
            client.control().create_config(pb::ConfigSpec { name, labels, data }).await?
        }
        Kind::Secret => {
            client.control().create_secret(pb::SecretSpec { name, labels, data }).await?
        }
    };
    out::line(&created.into_inner().id)
}

fn content(file: &str) -> CliResult<Vec<u8>> {
    let mut data = Vec::new();
    let failed = |error: &std::io::Error| match file {
        "-" => CliError::new(format!("error reading from STDIN: {}", flags::os_text(error))),
        _ => CliError::new(format!(
            "error reading from {file}: open {file}: {}",
            flags::os_text(error)
        )),
    };
    match file {
        "-" => std::io::stdin().take(READ_BYTES_MAX).read_to_end(&mut data),
        _ => std::fs::File::open(file)
            .and_then(|opened| opened.take(READ_BYTES_MAX).read_to_end(&mut data)),
    }
    .map_err(|error| failed(&error))?;
    if data.is_empty() {
        let name = if file == "-" { "STDIN" } else { file };
        return Err(CliError::new(format!("error reading from {name}: data is empty")));
    }
    Ok(data)
}

const CONFIG_COLUMNS: &[Column] =
    &[("ID", "ID"), ("Name", "NAME"), ("CreatedAt", "CREATED"), ("UpdatedAt", "UPDATED")];
const SECRET_COLUMNS: &[Column] = &[
    ("ID", "ID"),
    ("Name", "NAME"),
    ("Driver", "DRIVER"),
    ("CreatedAt", "CREATED"),
    ("UpdatedAt", "UPDATED"),
];

async fn ls(client: &Client, kind: Kind, args: &ListArgs) -> CliResult<()> {
    let request = filter::objects(&args.filters, &["id", "name", "label"])?;
    let (columns, mut objects) = match kind {
        Kind::Config => {
            let all = client.control().list_configs(request).await?.into_inner().configs;
            let shown = all.into_iter().map(|config| {
                let spec = config.spec.unwrap_or_default();
                (spec.name, config.id, config.meta.unwrap_or_default(), spec.labels)
            });
            (CONFIG_COLUMNS, shown.collect::<Vec<_>>())
        }
        Kind::Secret => {
            let all = client.control().list_secrets(request).await?.into_inner().secrets;
            let shown = all.into_iter().map(|secret| {
                let spec = secret.spec.unwrap_or_default();
                (spec.name, secret.id, secret.meta.unwrap_or_default(), spec.labels)
            });
            (SECRET_COLUMNS, shown.collect::<Vec<_>>())
        }
    };
    objects.sort_by_cached_key(|(name, ..)| crate::tasks::natural(name));
    let rows = objects
        .into_iter()
        .map(|(name, id, meta, labels)| {
            let labels: Vec<String> = labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
            row([
                ("ID", id.into()),
                ("Name", name.into()),
                ("Driver", "".into()),
                ("CreatedAt", ago(Time::from_nanos(meta.created_at)).into()),
                ("UpdatedAt", ago(Time::from_nanos(meta.updated_at)).into()),
                ("Labels", labels.join(",").into()),
            ])
        })
        .collect();
    let list = List { columns, further: &[("Labels", "LABELS")], quiet_key: "ID", rows };
    list.print(args.format.as_deref(), args.quiet)
}

async fn rm(client: &Client, kind: Kind, names: &[String]) -> CliResult<()> {
    let mut errors = Errors::default();
    for name in names {
        let by_name = pb::ByName { name: name.clone() };
        let removed = match kind {
            Kind::Config => client.control().remove_config(by_name).await,
            Kind::Secret => client.control().remove_secret(by_name).await,
        };
        match removed {
            Ok(_) => out::line(name)?,
            Err(status) => errors.push(status.into()),
        }
    }
    errors.into_result()
}
