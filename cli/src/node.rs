//! `skep node`.

use skep_api::{Availability, Node, NodeRole, NodeSpec};
use skep_wire::pb;

use crate::args::{self, Inspect, ListArgs, NodeUpdate, TaskListArgs};
use crate::client::Client;
use crate::error::{CliError, CliResult, Errors};
use crate::out::{self, Column, List, row};
use crate::{filter, flags, inspect, pretty, tasks};

const COLUMNS: &[Column] = &[
    ("ID", "ID"),
    ("Hostname", "HOSTNAME"),
    ("Status", "STATUS"),
    ("Availability", "AVAILABILITY"),
    ("ManagerStatus", "MANAGER STATUS"),
    ("EngineVersion", "ENGINE VERSION"),
];

pub(crate) async fn run(client: &Client, verb: args::Node) -> CliResult<()> {
    match verb {
        args::Node::Ls(list) => ls(client, &list).await,
        args::Node::Inspect(inspect) => show(client, inspect).await,
        args::Node::Ps { list, nodes } => ps(client, &list, nodes).await,
        args::Node::Update(args) => update(client, &args).await,
        args::Node::Rm { force, names } => rm(client, force, &names.names).await,
    }
}

async fn own_id(client: &Client) -> CliResult<String> {
    let info = client.node().info(pb::InfoRequest {}).await?.into_inner();
    Ok(info.node_id.unwrap_or_default())
}

async fn ls(client: &Client, args: &ListArgs) -> CliResult<()> {
    let known = ["id", "name", "label", "node.label", "role", "membership"];
    let request = filter::objects(&args.filters, &known)?;
    let list = client.control().list_nodes(request).await?.into_inner();
    let own = own_id(client).await?;
    let mut rows = Vec::with_capacity(list.nodes.len());
    for node in list.nodes {
        let node = Node::try_from(node)?;
        let id = node.id.to_string();
        let manager = match node.spec.role {
            NodeRole::Manager if id == list.leader => "Leader",
            NodeRole::Manager => "Reachable",
            NodeRole::Worker => "",
        };
        // The star is for people: neither `-q` nor a template shows it.
        let starred = id == own && args.format.is_none() && !args.quiet;
        let shown = if starred { format!("{id} *") } else { id.clone() };
        rows.push(row([
            ("ID", shown.into()),
            ("Self", (id == own).into()),
            ("Hostname", node.description.hostname.as_str().into()),
            ("Status", node.status.state.name().into()),
            ("Availability", node.spec.availability.name().into()),
            ("ManagerStatus", manager.into()),
            // There is no certificate authority yet that could tell.
            ("TLSStatus", "Unknown".into()),
            ("EngineVersion", node.description.engine_version.as_str().into()),
        ]));
    }
    let further = &[("Self", "SELF"), ("TLSStatus", "TLS STATUS")];
    List { columns: COLUMNS, further, quiet_key: "ID", rows }
        .print(args.format.as_deref(), args.quiet)
}

async fn show(client: &Client, mut args: Inspect) -> CliResult<()> {
    for name in &mut args.names {
        if name == "self" {
            *name = own_id(client).await?;
        }
    }
    let not_found = |name: &str| format!("Error response from daemon: node {name} not found");
    inspect::run(client, &args, "/nodes/", "", not_found, pretty::node).await
}

async fn ps(client: &Client, args: &TaskListArgs, mut nodes: Vec<String>) -> CliResult<()> {
    if nodes.is_empty() {
        nodes.push("self".to_owned());
    }
    let mut request = filter::tasks(&args.list.filters)?;
    for name in nodes {
        let name = if name == "self" { own_id(client).await? } else { name };
        let node = client.control().get_node(pb::ByName { name }).await?.into_inner();
        request.nodes.push(node.id);
    }
    let rows = client.control().list_tasks(request).await?.into_inner().tasks;
    tasks::print(client, rows, args).await
}

async fn update(client: &Client, args: &NodeUpdate) -> CliResult<()> {
    let name = if args.node == "self" { own_id(client).await? } else { args.node.clone() };
    let node = client.control().get_node(pb::ByName { name }).await?.into_inner();
    let node = Node::try_from(node)?;
    let mut spec = node.spec.clone();
    change(&mut spec, args)?;
    let request = pb::UpdateNodeRequest {
        id: node.id.to_string(),
        version: node.meta.version,
        spec: Some((&spec).into()),
    };
    client.control().update_node(request).await?;
    out::line(&args.node)
}

fn change(spec: &mut NodeSpec, args: &NodeUpdate) -> CliResult<()> {
    if let Some(word) = &args.availability {
        spec.availability = parse_availability(word)?;
    }
    if let Some(word) = &args.role {
        spec.role = parse_role(word)?;
    }
    // Added before removed, as Docker does it: a key that both name is gone.
    spec.labels.extend(flags::labels(&args.labels_add));
    for key in &args.labels_rm {
        if spec.labels.remove(key).is_none() {
            return Err(CliError::new(format!("key {key} doesn't exist in node's labels")));
        }
    }
    Ok(())
}

async fn rm(client: &Client, force: bool, names: &[String]) -> CliResult<()> {
    let mut errors = Errors::default();
    for name in names {
        let id = if name == "self" { own_id(client).await? } else { name.clone() };
        match client.control().remove_node(pb::RemoveNodeRequest { id, force }).await {
            Ok(_) => out::line(name)?,
            Err(status) => errors.push(status.into()),
        }
    }
    errors.into_result()
}

fn parse_role(word: &str) -> CliResult<NodeRole> {
    match word {
        "worker" => Ok(NodeRole::Worker),
        "manager" => Ok(NodeRole::Manager),
        _ => Err(CliError::new(format!("Error response from daemon: invalid Role: {word:?}"))
            .hint("the role is worker or manager")),
    }
}

fn parse_availability(word: &str) -> CliResult<Availability> {
    match word {
        "active" => Ok(Availability::Active),
        "pause" => Ok(Availability::Pause),
        "drain" => Ok(Availability::Drain),
        _ => Err(CliError::new(format!(
            "Error response from daemon: invalid Availability: {word:?}"
        ))
        .hint("the availability is active, pause or drain")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Verb};

    fn changed(line: &str) -> CliResult<NodeSpec> {
        let args = ["skep", "node", "update"].into_iter().chain(line.split(' '));
        let Verb::Node(args::Node::Update(args)) = Cli::try_parse_from(args).expect("parses").verb
        else {
            panic!("not node update");
        };
        let labels = BTreeMap::from([("zone".to_owned(), "a".to_owned())]);
        let mut spec = NodeSpec { labels, ..NodeSpec::default() };
        change(&mut spec, &args).map(|()| spec)
    }

    #[test]
    fn flags_change_what_they_name_and_nothing_else() {
        let labels = |all: &[(&str, &str)]| -> BTreeMap<String, String> {
            all.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
        };
        let base = || NodeSpec { labels: labels(&[("zone", "a")]), ..NodeSpec::default() };
        for (line, expected) in [
            ("n1", base()),
            ("--availability drain n1", NodeSpec { availability: Availability::Drain, ..base() }),
            ("--availability=pause n1", NodeSpec { availability: Availability::Pause, ..base() }),
            ("--role manager n1", NodeSpec { role: NodeRole::Manager, ..base() }),
            (
                "--label-add disk=ssd --label-rm zone n1",
                NodeSpec { labels: labels(&[("disk", "ssd")]), ..base() },
            ),
        ] {
            assert_eq!(changed(line).ok(), Some(expected), "{line}");
        }
    }

    #[test]
    fn what_is_no_value_is_refused_in_swarms_words() {
        for (line, message) in [
            ("--availability foo n1", "Error response from daemon: invalid Availability: \"foo\""),
            ("--role foo n1", "Error response from daemon: invalid Role: \"foo\""),
            ("--label-rm nosuch n1", "key nosuch doesn't exist in node's labels"),
        ] {
            assert_eq!(changed(line).map_err(|error| error.message), Err(message.to_owned()));
        }
    }
}
