//! The short form of ports: `[[ip:]published[-range]:]target[-range][/protocol]`.

use std::net::IpAddr;

use crate::model::Port;

/// A short form, understood.
#[derive(Debug, PartialEq)]
pub(crate) struct ShortPorts {
    /// The ports it stands for; 1 to 65,536.
    pub(crate) ports: Vec<Port>,
    /// What is said about an address, which has no effect in a swarm.
    pub(crate) notices: Vec<String>,
}

/// Reads the short form.
pub(crate) fn parse_short(text: &str) -> Result<ShortPorts, String> {
    let (ip, published, rest) = split(text);
    let (protocol, target) = split_protocol(rest);
    let ip = ip.trim_start_matches('[').trim_end_matches(']');
    if !ip.is_empty() && ip.parse::<IpAddr>().is_err() {
        return Err(format!("Invalid ip address: {ip}"));
    }
    if target.is_empty() {
        return Err(format!("No port specified: {text}<empty>"));
    }
    let targets = range(target).ok_or_else(|| format!("Invalid containerPort: {target}"))?;
    let hosts = match published {
        "" => None,
        text => Some(range(text).ok_or_else(|| format!("Invalid hostPort: {text}"))?),
    };
    let width = |(first, last): (u16, u16)| last - first;
    if hosts.is_some_and(|hosts| width(hosts) != width(targets) && width(targets) != 0) {
        return Err(format!(
            "Invalid ranges specified for container and host Ports: {target} and {published}"
        ));
    }
    let protocol = protocol.to_ascii_lowercase();
    if !["tcp", "udp", "sctp"].contains(&protocol.as_str()) {
        return Err(format!("Invalid proto: {protocol}"));
    }
    Ok(expand(ip, hosts, targets, &protocol))
}

fn expand(ip: &str, hosts: Option<(u16, u16)>, targets: (u16, u16), protocol: &str) -> ShortPorts {
    let mut out = ShortPorts { ports: Vec::new(), notices: Vec::new() };
    let mut order: Vec<u16> = (targets.0..=targets.1).collect();
    // Docker sorts the target ports of one entry as texts.
    order.sort_by_key(u16::to_string);
    for target in order {
        let published = match hosts {
            None => (0, 0),
            Some(hosts) if targets.0 == targets.1 => hosts,
            Some((first, _)) => (first + (target - targets.0), first + (target - targets.0)),
        };
        if !ip.is_empty() && ip != "0.0.0.0" {
            let host = match published {
                (0, 0) if hosts.is_none() => String::new(),
                (first, last) if first == last => first.to_string(),
                (first, last) => format!("{first}-{last}"),
            };
            out.notices.push(format!(
                "ignoring IP-address ({ip}:{host}:{target}/{protocol}) service will listen on \
                 '0.0.0.0'"
            ));
        }
        for published in published.0..=published.1 {
            out.ports.push(Port {
                mode: "ingress".to_owned(),
                target: target.into(),
                published: published.into(),
                protocol: protocol.to_owned(),
            });
        }
    }
    out
}

/// The address, the published port and the rest; what stands before the last two colons is the
/// address, with colons of its own if it is IPv6.
fn split(text: &str) -> (&str, &str, &str) {
    let Some((before, target)) = text.rsplit_once(':') else { return ("", "", text) };
    match before.rsplit_once(':') {
        Some((ip, published)) => (ip, published, target),
        None => ("", before, target),
    }
}

fn split_protocol(text: &str) -> (&str, &str) {
    let mut parts = text.split('/');
    let port = parts.next().unwrap_or_default();
    match parts.next() {
        None | Some("") => ("tcp", port),
        Some(protocol) => (protocol, port),
    }
}

/// `80` or `80-90`.
fn range(text: &str) -> Option<(u16, u16)> {
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if digits { text.parse::<u16>().ok() } else { None }
    };
    let (first, last) = match text.split_once('-') {
        None => (number(text)?, number(text)?),
        Some((first, last)) => (number(first)?, number(last.split('-').next()?)?),
    };
    (first <= last).then_some((first, last))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(u64, u64)> {
        let short = parse_short(text).expect("a good port");
        short.ports.iter().map(|port| (port.published, port.target)).collect()
    }

    #[test]
    fn ranges_are_expanded() {
        assert_eq!(pairs("80"), [(0, 80)]);
        assert_eq!(pairs("8080:80"), [(8080, 80)]);
        assert_eq!(pairs("9-11:19-21"), [(9, 19), (10, 20), (11, 21)]);
        assert_eq!(pairs("9-11"), [(0, 10), (0, 11), (0, 9)]);
        assert_eq!(pairs("8000-8002:80"), [(8000, 80), (8001, 80), (8002, 80)]);
        assert_eq!(pairs("[::1]:8000:80/UDP"), [(8000, 80)]);
        assert_eq!(pairs("0-65535").len(), 65_536);
    }

    #[test]
    fn an_address_is_dropped_with_a_notice() {
        assert_eq!(parse_short("0.0.0.0:1:2").map(|short| short.notices), Ok(vec![]));
        assert_eq!(
            parse_short("127.0.0.1::2").map(|short| short.notices),
            Ok(vec![
                "ignoring IP-address (127.0.0.1::2/tcp) service will listen on '0.0.0.0'".into()
            ])
        );
    }

    #[test]
    fn bad_ports_are_refused() {
        for text in [
            "",
            ":",
            "a",
            "-1",
            "70000",
            "3000-3002:80-81",
            "5-3",
            "80/",
            "x:80",
            "300.1.1.1:1:2",
            "80/icmp",
            "+80",
            "80:",
            "1-:2",
        ] {
            let good = text == "80/";
            assert_eq!(parse_short(text).is_ok(), good, "{text}");
        }
    }
}
