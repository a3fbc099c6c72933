//! How a service is reached.

use skep_api::{EndpointMode, EndpointSpec, PortConfig, Protocol, PublishMode};

use crate::ComposeError;
use crate::model::{Port, Service};

/// The endpoint, with its ports sorted by what nodes listen on.
pub(crate) fn endpoint(service: &Service) -> Result<EndpointSpec, ComposeError> {
    let mode = match service.deploy.endpoint_mode.to_lowercase().as_str() {
        "" | "vip" => EndpointMode::Vip,
        "dnsrr" => EndpointMode::DnsRoundRobin,
        _ => {
            let mode = &service.deploy.endpoint_mode;
            return Err(ComposeError::new(format!("unknown endpoint mode: {mode}"))
                .hint("it is `vip` or `dnsrr`"));
        }
    };
    let mut ports = service.ports.iter().map(port).collect::<Result<Vec<PortConfig>, _>>()?;
    ports.sort_by_key(|port| port.published);
    Ok(EndpointSpec { mode, ports })
}

fn port(port: &Port) -> Result<PortConfig, ComposeError> {
    let number = |name: &str, number: u64| {
        u16::try_from(number).map_err(|_| {
            ComposeError::new(format!("{name} port must be between 0 and 65535, got {number}"))
        })
    };
    let protocol = match port.protocol.to_lowercase().as_str() {
        "" | "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        _ => {
            let text = format!("unsupported protocol {:?} of port {}", port.protocol, port.target);
            return Err(ComposeError::new(text).hint("it is `tcp` or `udp`"));
        }
    };
    let mode = match port.mode.as_str() {
        "" | "ingress" => PublishMode::Ingress,
        "host" => PublishMode::Host,
        _ => {
            let text = format!("unknown publish mode {:?} of port {}", port.mode, port.target);
            return Err(ComposeError::new(text).hint("it is `ingress` or `host`"));
        }
    };
    Ok(PortConfig {
        name: String::new(),
        protocol,
        target: number("target", port.target)?,
        published: number("published", port.published)?,
        mode,
    })
}
