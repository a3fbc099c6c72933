//! `skep swarm`.

use skep_api::{Cluster, ClusterSpec, Compat, parse_duration};
use skep_wire::pb;

use crate::args::{Swarm, SwarmUpdate};
use crate::client::Client;
use crate::error::{CliError, CliResult};
use crate::out;

pub(crate) async fn run(client: &Client, verb: Swarm) -> CliResult<()> {
    match verb {
        Swarm::Init { advertise_addr, task_history_limit } => {
            let request = pb::InitSwarmRequest {
                advertise_addr: advertise_addr.unwrap_or_default(),
                task_history_limit,
            };
            let done = client.node().init_swarm(request).await?.into_inner();
            out::line(&format!(
                "Swarm initialized: current node ({}) is now a manager.",
                done.node_id
            ))
        }
        Swarm::Update(args) => update(client, &args).await,
    }
}

/// Reads the settings, changes what was given and writes them back on top of what was read.
async fn update(client: &Client, args: &SwarmUpdate) -> CliResult<()> {
    let answer = client.control().get_cluster(pb::GetClusterRequest {}).await?.into_inner();
    let cluster = Cluster::try_from(answer.cluster.unwrap_or_default())?;
    let mut spec = cluster.spec;
    change(&mut spec, args)?;
    let request =
        pb::UpdateClusterRequest { version: cluster.meta.version, spec: Some((&spec).into()) };
    client.control().update_cluster(request).await?;
    out::line("Swarm updated.")
}

fn change(spec: &mut ClusterSpec, args: &SwarmUpdate) -> CliResult<()> {
    let duration = |flag: &str, text: &str| {
        parse_duration(text).map_err(|error| {
            CliError::flag(flag, text, &error).hint("durations have a unit: 500ms, 5s, 2160h")
        })
    };
    if let Some(limit) = args.task_history_limit {
        spec.task_history_limit = limit;
    }
    if let Some(period) = &args.dispatcher_heartbeat {
        spec.heartbeat_period = duration("--dispatcher-heartbeat", period)?;
    }
    if let Some(expiry) = &args.cert_expiry {
        spec.node_cert_expiry = duration("--cert-expiry", expiry)?;
    }
    if let Some(entries) = args.snapshot_interval {
        spec.snapshot_interval = entries;
    }
    if let Some(whose) = &args.compat {
        let known = [Compat::Skep, Compat::Swarm];
        spec.compat = known
            .into_iter()
            .find(|compat| compat.name() == whose)
            .ok_or_else(|| CliError::flag("--compat", whose, &"it is skep or swarm"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Verb};

    fn changed(line: &str) -> CliResult<ClusterSpec> {
        let args = ["skep", "swarm", "update"].into_iter().chain(line.split(' '));
        let Verb::Swarm(Swarm::Update(args)) = Cli::try_parse_from(args).expect("it parses").verb
        else {
            panic!("not swarm update");
        };
        let mut spec = ClusterSpec::default();
        change(&mut spec, &args).map(|()| spec)
    }

    #[test]
    fn settings_that_are_not_given_stay() {
        let default = ClusterSpec::default;
        for (line, expected) in [
            ("--task-history-limit 3", ClusterSpec { task_history_limit: 3, ..default() }),
            ("--task-history-limit -1", ClusterSpec { task_history_limit: -1, ..default() }),
            (
                "--dispatcher-heartbeat 2s",
                ClusterSpec { heartbeat_period: Duration::from_secs(2), ..default() },
            ),
            (
                "--cert-expiry 2h",
                ClusterSpec { node_cert_expiry: Duration::from_secs(7200), ..default() },
            ),
            ("--compat=swarm", ClusterSpec { compat: Compat::Swarm, ..default() }),
            ("--compat skep", default()),
        ] {
            assert_eq!(changed(line).ok(), Some(expected), "{line}");
        }
        for bad in ["--compat docker", "--cert-expiry soon", "--dispatcher-heartbeat 5"] {
            assert_eq!(changed(bad).map_err(|error| error.code), Err(125), "{bad}");
        }
    }
}
