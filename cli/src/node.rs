//! `skep node`.

use skep_api::{Availability, Node, NodeRole, NodeSpec};
use skep_wire::pb;

use crate::args::{self, Inspect, ListArgs, TaskListArgs};
use crate::client::Client;
use crate::error::{CliError, CliResult};
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
        args::Node::Update { availability, labels_add, labels_rm, node } => {
            update(client, &node, availability.as_deref(), &labels_add, &labels_rm).await
        }
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
    tasks::print(rows, args)
}

async fn update(
    client: &Client,
    name: &str,
    availability: Option<&str>,
    add: &[String],
    rm: &[String],
) -> CliResult<()> {
    let id = if name == "self" { own_id(client).await? } else { name.to_owned() };
    let node = client.control().get_node(pb::ByName { name: id }).await?.into_inner();
    let node = Node::try_from(node)?;
    let mut spec = NodeSpec { labels: node.spec.labels.clone(), ..node.spec };
    if let Some(word) = availability {
        spec.availability = parse_availability(word)?;
    }
    for key in rm {
        if spec.labels.remove(key).is_none() {
            return Err(CliError::new(format!("key {key} doesn't exist in node's labels")));
        }
    }
    spec.labels.extend(flags::labels(add));
    let request = pb::UpdateNodeRequest {
        id: node.id.to_string(),
        version: node.meta.version,
        spec: Some((&spec).into()),
    };
    client.control().update_node(request).await?;
    out::line(name)
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
