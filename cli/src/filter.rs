//! `--filter KEY=VALUE`: which keys a verb knows, and what they become in the request.

use skep_wire::pb;

use crate::error::{CliError, CliResult};

/// Splits filters and refuses keys that are not `known`, in Docker's words.
pub(crate) fn pairs<'a>(
    filters: &'a [String],
    known: &[&str],
) -> CliResult<Vec<(&'a str, &'a str)>> {
    filters
        .iter()
        .map(|filter| match filter.split_once('=') {
            Some((key, value)) if known.contains(&key) => Ok((key, value)),
            Some((key, _)) => Err(CliError::new(format!("Error response from daemon: Invalid filter '{key}'"))
                .hint(format!("known filters are {}", known.join(", ")))),
            None => Err(CliError::new(format!("invalid argument \"{filter}\" for \"-f, --filter\" flag: bad format of filter (expected name=value)"))),
        })
        .collect()
}

/// The request for a list of objects.
pub(crate) fn objects(filters: &[String], known: &[&str]) -> CliResult<pb::ListRequest> {
    let mut request = pb::ListRequest::default();
    for (key, value) in pairs(filters, known)? {
        let list = match key {
            "id" => &mut request.id_prefixes,
            "name" => &mut request.name_prefixes,
            "mode" => &mut request.modes,
            "role" => &mut request.roles,
            "node.label" => &mut request.node_labels,
            // Every node is accepted: the filter of Swarm's that asks for it lets all through.
            "membership" if value == "accepted" => continue,
            _ => &mut request.labels,
        };
        list.push(value.to_owned());
    }
    Ok(request)
}

/// The request for a list of tasks.
pub(crate) fn tasks(filters: &[String]) -> CliResult<pb::ListTasksRequest> {
    let mut request = pb::ListTasksRequest::default();
    for (key, value) in pairs(filters, &["id", "name", "node", "desired-state", "label"])? {
        let list = match key {
            "id" => &mut request.id_prefixes,
            "name" => &mut request.name_prefixes,
            "node" => &mut request.nodes,
            "desired-state" => &mut request.desired_states,
            _ => &mut request.labels,
        };
        list.push(value.to_owned());
    }
    Ok(request)
}
