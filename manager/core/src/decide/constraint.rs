//! The constraint language: `key == value` and `key != value` (semantics part 6.5).

use std::collections::BTreeMap;
use std::net::IpAddr;

use skep_api::{Node, NodeRole, ServiceSpec};

/// One constraint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Constraint<'a> {
    subject: Subject<'a>,
    operator: Operator,
    value: &'a str,
}

/// What a constraint looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject<'a> {
    Id,
    Hostname,
    Role,
    Os,
    Arch,
    Ip,
    NodeLabel(&'a str),
    EngineLabel(&'a str),
    Unknown,
}

impl<'a> Subject<'a> {
    /// Keys are compared in lower case; labels' names, unlike the rest of a key, are not.
    fn parse(key: &'a str) -> Self {
        let label = |prefix: &str| {
            let head = key.get(..prefix.len()).filter(|head| head.eq_ignore_ascii_case(prefix));
            head.map(|_| &key[prefix.len()..])
        };
        match key.to_ascii_lowercase().as_str() {
            "node.id" => Self::Id,
            "node.hostname" => Self::Hostname,
            "node.role" => Self::Role,
            "node.platform.os" => Self::Os,
            "node.platform.arch" => Self::Arch,
            "node.ip" => Self::Ip,
            _ => match (label("node.labels."), label("engine.labels.")) {
                (Some(name), _) => Self::NodeLabel(name),
                (None, Some(name)) => Self::EngineLabel(name),
                (None, None) => Self::Unknown,
            },
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
}

/// Why a text is no constraint, in Swarm's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConstraintError {
    #[error("constraint expected one operator from ==, !=")]
    Operator,
    #[error("key '{0}' is invalid")]
    Key(String),
    #[error("value '{0}' is invalid")]
    Value(String),
}

impl<'a> Constraint<'a> {
    /// Reads a constraint. The first of the two operators that the text contains splits it.
    pub(crate) fn parse(text: &'a str) -> Result<Self, ConstraintError> {
        let split = |sign| text.split_once(sign);
        let (operator, (key, value)) = match (split("=="), split("!=")) {
            (Some(parts), _) => (Operator::Equal, parts),
            (None, Some(parts)) => (Operator::NotEqual, parts),
            (None, None) => return Err(ConstraintError::Operator),
        };
        let (key, value) = (key.trim(), value.trim());
        let mut chars = key.chars();
        let first = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
        let rest = chars.as_str();
        let in_key = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if !first || rest.is_empty() || !rest.chars().all(in_key) {
            return Err(ConstraintError::Key(key.to_owned()));
        }
        let in_value = |c: char| {
            c.is_ascii_alphanumeric() || c.is_whitespace() || ":-_.*()?+[]\\^$|/".contains(c)
        };
        if value.is_empty() || !value.chars().all(in_value) {
            return Err(ConstraintError::Value(value.to_owned()));
        }
        Ok(Self { subject: Subject::parse(key), operator, value })
    }

    /// Whether the node meets it. A key that nobody knows is never met; neither is a malformed
    /// address.
    pub(crate) fn holds(&self, node: &Node) -> bool {
        let label = |labels: &BTreeMap<String, String>, name| {
            self.compare(labels.get(name).map_or("", String::as_str))
        };
        match self.subject {
            Subject::Id => self.compare(&node.id.to_string()),
            Subject::Hostname => self.compare(&node.description.hostname),
            Subject::Role => self.compare(match node.spec.role {
                NodeRole::Manager => "manager",
                NodeRole::Worker => "worker",
            }),
            Subject::Os => self.compare(&node.description.os),
            Subject::Arch => self.compare(&node.description.arch),
            Subject::Ip => match is_within(&node.status.addr, self.value) {
                Some(within) => within == (self.operator == Operator::Equal),
                None => false,
            },
            Subject::NodeLabel(name) => label(&node.spec.labels, name),
            Subject::EngineLabel(name) => label(&node.description.engine_labels, name),
            Subject::Unknown => false,
        }
    }

    fn compare(&self, actual: &str) -> bool {
        actual.eq_ignore_ascii_case(self.value) == (self.operator == Operator::Equal)
    }
}

/// Whether a node meets all constraints of a spec. One that can't be read is none: admission
/// refuses it (semantics part 6.2).
pub(crate) fn all_hold(spec: &ServiceSpec, node: &Node) -> bool {
    let constraints = spec.task.placement.constraints.iter();
    constraints.filter_map(|text| Constraint::parse(text).ok()).all(|one| one.holds(node))
}

/// Whether `addr` is the address `pattern`, or within it if it is a CIDR.
fn is_within(addr: &str, pattern: &str) -> Option<bool> {
    let addr: IpAddr = addr.parse().ok()?;
    let Some((base, bits)) = pattern.split_once('/') else {
        return Some(addr == pattern.parse::<IpAddr>().ok()?);
    };
    let (base, bits): (IpAddr, u32) = (base.parse().ok()?, bits.parse().ok()?);
    match (addr, base) {
        (IpAddr::V4(addr), IpAddr::V4(base)) => {
            let mask = u32::MAX.checked_shl(32_u32.checked_sub(bits)?).unwrap_or(0);
            Some(addr.to_bits() & mask == base.to_bits() & mask)
        }
        (IpAddr::V6(addr), IpAddr::V6(base)) => {
            let mask = u128::MAX.checked_shl(128_u32.checked_sub(bits)?).unwrap_or(0);
            Some(addr.to_bits() & mask == base.to_bits() & mask)
        }
        _ => Some(false),
    }
}

#[cfg(test)]
mod tests {
    use skep_api::{Availability, Id, Meta, NodeDescription, NodeSpec, NodeStatus};

    use super::*;

    fn node() -> Node {
        let labels = [("Zone".to_owned(), "East".to_owned())].into();
        Node {
            id: Id::from_u128(7),
            meta: Meta::default(),
            spec: NodeSpec { labels, role: NodeRole::Manager, availability: Availability::Active },
            description: NodeDescription {
                hostname: "Node-1".to_owned(),
                os: "linux".to_owned(),
                arch: "x86_64".to_owned(),
                engine_labels: [("disk".to_owned(), "ssd".to_owned())].into(),
                ..NodeDescription::default()
            },
            status: NodeStatus { addr: "10.1.2.3".to_owned(), ..NodeStatus::default() },
            manager_addr: None,
        }
    }

    #[test]
    fn behaviour_86_constraints_match_nodes() {
        for (text, holds) in [
            ("node.hostname==node-1", true),
            ("NODE.HostName != other", true),
            ("node.id == 0000000000000000000000007", true),
            ("node.role==manager", true),
            ("node.role != manager", false),
            ("node.platform.os == Linux", true),
            ("node.platform.arch == amd64", false),
            ("node.labels.Zone == east", true),
            ("node.labels.zone == east", false),
            ("node.labels.zone != east", true),
            ("engine.labels.disk == ssd", true),
            ("engine.labels.Zone == east", false),
            ("node.ip == 10.1.2.3", true),
            ("node.ip == 10.1.0.0/16", true),
            ("node.ip != 10.1.0.0/16", false),
            ("node.ip == 10.1.0.0/33", false),
            ("node.ip != nonsense", false),
            ("node.ip == ::/0", false),
            ("node.ip == 0.0.0.0/0", true),
            ("colour == red", false),
            ("colour != red", false),
        ] {
            let constraint = Constraint::parse(text).expect(text);
            assert_eq!(constraint.holds(&node()), holds, "{text}");
        }
    }

    #[test]
    fn behaviour_86_what_is_no_constraint_is_refused() {
        for (text, error) in [
            ("node.role", "constraint expected one operator from ==, !="),
            ("node.role=manager", "constraint expected one operator from ==, !="),
            ("==x", "key '' is invalid"),
            ("1key==x", "key '1key' is invalid"),
            ("k==x", "key 'k' is invalid"),
            ("node role==x", "key 'node role' is invalid"),
            ("node.role==", "value '' is invalid"),
            ("node.role==a;b", "value 'a;b' is invalid"),
        ] {
            assert_eq!(Constraint::parse(text).unwrap_err().to_string(), error, "{text}");
        }
        assert!(Constraint::parse("node.labels.x == a*(b)").is_ok());
    }
}
