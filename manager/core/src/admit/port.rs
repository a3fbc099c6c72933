//! Published ports, of one spec and between services (semantics part 1.4).

use std::collections::BTreeSet;

use skep_api::{
    EndpointMode, EndpointSpec, Error, ErrorKind, Id, PublishMode, Result, Service, ServiceSpec,
};

use super::INGRESS_NETWORK;
use crate::store::View;

/// Checks an endpoint by itself.
pub(super) fn check(endpoint: &EndpointSpec) -> Result<()> {
    let mut seen = BTreeSet::new();
    for port in &endpoint.ports {
        if port.target == 0 {
            return Err(Error::invalid("EndpointSpec: target port must be between 1 and 65535"));
        }
        let is_ingress = port.mode == PublishMode::Ingress;
        if is_ingress && endpoint.mode == EndpointMode::DnsRoundRobin {
            return Err(Error::invalid(
                "EndpointSpec: port published with ingress mode can't be used with dnsrr mode",
            ));
        }
        if port.published == 0 && !is_ingress {
            return Err(Error::new(
                ErrorKind::Unimplemented,
                "EndpointSpec: a port published in host mode needs a number",
            )
            .hint(format!("say `published={0},target={0},mode=host`", port.target)));
        }
        // Ports that are still to be chosen can't be the same.
        if port.published != 0 && !seen.insert((port.published, port.protocol)) {
            return Err(Error::invalid("EndpointSpec: duplicate published ports provided"));
        }
    }
    Ok(())
}

/// Checks a service's ports against those of all other services. Two services may publish a port in
/// host mode: the scheduler keeps them on different nodes.
pub(super) fn check_conflicts(view: &View, id: Id<Service>, spec: &ServiceSpec) -> Result<()> {
    let ports = &spec.endpoint.ports;
    let wants_ingress = ports.iter().any(|port| port.mode == PublishMode::Ingress);
    if wants_ingress && view.network_named(INGRESS_NETWORK).is_none() {
        return Err(Error::new(
            ErrorKind::FailedPrecondition,
            "service needs ingress network, but no ingress network is present",
        ));
    }
    for port in ports.iter().filter(|port| port.published != 0) {
        for (mode, other) in view.publishers(port.protocol, port.published) {
            let both_host = mode == PublishMode::Host && port.mode == PublishMode::Host;
            let Some(other) = view.service(other).filter(|other| other.id != id && !both_host)
            else {
                continue;
            };
            let kind = match mode {
                PublishMode::Ingress => "an ingress port",
                PublishMode::Host => "a host-published port",
            };
            return Err(Error::invalid(format!(
                "port '{}' is already in use by service '{}' ({}) as {kind}",
                port.published, other.spec.name, other.id
            ))
            .hint("publish another port, or remove that service"));
        }
    }
    Ok(())
}
