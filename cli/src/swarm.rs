//! `skep swarm`.

use skep_wire::pb;

use crate::args::Swarm;
use crate::client::Client;
use crate::error::CliResult;
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
    }
}
