//! `service scale`.

use skep_api::ServiceSpec;

use super::change;
use crate::client::Client;
use crate::error::{CliError, CliResult, Errors};
use crate::progress::{self, After};
use crate::{out, spec};

/// Sets the number of tasks of several services; what one can't be given keeps the others from
/// nothing. Then waits for each.
pub(super) async fn run(client: &Client, detach: bool, scales: &[String]) -> CliResult<()> {
    let wanted = scales.iter().map(|scale| parse(scale)).collect::<CliResult<Vec<_>>>()?;
    let (mut errors, mut scaled) = (Errors::default(), Vec::new());
    for (name, replicas) in wanted {
        let set = |spec: &mut ServiceSpec| {
            if spec::set_replicas(&mut spec.mode, replicas) {
                return Ok(());
            }
            Err(CliError::new("scale can only be used with replicated or replicated-job mode")
                .hint("a global service has a task on every node that its constraints let in"))
        };
        match change(client, name, "", set).await {
            Ok((id, _)) => {
                out::line(&format!("{name} scaled to {replicas}"))?;
                scaled.push((id, name));
            }
            Err(error) => {
                errors.push(CliError { message: format!("{name}: {}", error.message), ..error });
            }
        }
    }
    if !detach {
        for (id, name) in scaled {
            match progress::wait(client, &id, name, After::Change, progress::Show::Lines).await {
                Ok(()) => {}
                Err(error) => {
                    errors
                        .push(CliError { message: format!("{name}: {}", error.message), ..error });
                }
            }
        }
    }
    errors.into_result()
}

fn parse(scale: &str) -> CliResult<(&str, u64)> {
    let Some((name, count)) = scale.split_once('=') else {
        return Err(CliError::new(format!("invalid scale specifier '{scale}'."))
            .hint("write SERVICE=REPLICAS, such as `skep service scale web=3`"));
    };
    let replicas = count.parse().map_err(|_| {
        let why = "strconv.ParseUint: parsing";
        CliError::new(format!(
            "{name}: invalid replicas value {count}: {why} {count:?}: invalid syntax"
        ))
    })?;
    Ok((name, replicas))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scale_specifiers_are_read_with_dockers_texts() {
        let read = |text| parse(text).map_err(|error| error.message);
        assert_eq!(read("web=3"), Ok(("web", 3)));
        for (text, message) in [
            ("web", "invalid scale specifier 'web'."),
            (
                "web=abc",
                "web: invalid replicas value abc: strconv.ParseUint: parsing \"abc\": invalid syntax",
            ),
            (
                "web=-1",
                "web: invalid replicas value -1: strconv.ParseUint: parsing \"-1\": invalid syntax",
            ),
        ] {
            assert_eq!(read(text), Err(message.to_owned()));
        }
    }
}
