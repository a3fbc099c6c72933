//! The services behind the gateway.

use skep_wire::pb;
use skep_wire::pb::control_client::ControlClient;
use skep_wire::pb::node_control_client::NodeControlClient;
use tonic::transport::Channel;

use crate::failure::Failure;

/// Clients of the node's services. Cheap to clone: they share one connection.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    control: ControlClient<Channel>,
    node: NodeControlClient<Channel>,
}

impl Api {
    pub(crate) fn new(channel: Channel) -> Self {
        let max = skep_wire::ANSWER_BYTES_MAX;
        Self {
            control: ControlClient::new(channel.clone()).max_decoding_message_size(max),
            node: NodeControlClient::new(channel).max_decoding_message_size(max),
        }
    }

    /// The swarm's service.
    pub(crate) fn control(&self) -> ControlClient<Channel> {
        self.control.clone()
    }

    /// This node's service.
    pub(crate) fn node(&self) -> NodeControlClient<Channel> {
        self.node.clone()
    }

    /// What this node says of itself.
    pub(crate) async fn info(&self) -> Result<pb::InfoResponse, Failure> {
        Ok(self.node().info(pb::InfoRequest {}).await?.into_inner())
    }
}
