//! Our own options of a service, `x-skep:` in a compose file: labels that begin with `skep.`.
//!
//! A label with a slip of the pen in it would be kept and do nothing, so that what begins like ours
//! must be ours. Labels of others, `com.docker.*` among them, are none of our business.

use std::collections::BTreeMap;

use skep_api::{Error, ErrorKind, Result, ServiceOptions};

/// Options that are named already but do nothing in this version. They are refused by name rather
/// than kept without effect: who writes `egress` counts on it.
const LATER: [(&str, &str); 7] = [
    ("offline_secrets", "keeps a service's secrets, sealed, on nodes that lost their managers"),
    ("instance_reuse", "serves several requests with one instance of a component"),
    ("proxy_protocol", "tells a task its client's address in a PROXY header"),
    ("egress", "lists the only addresses that tasks may connect to outside"),
    ("wait_for_task", "holds a connection while no task is there to take it"),
    ("scale_to_zero", "ends idle tasks and starts one for the first connection"),
    ("keep_versions", "keeps so many former versions of a stack's configs and secrets"),
];

/// How many letters may be wrong for a hint to be a help.
const TYPOS_MAX: usize = 3;

/// Refuses options that are none of ours, that have no effect yet, or whose values say nothing.
pub(super) fn check(labels: &BTreeMap<String, String>) -> Result<()> {
    for label in labels.keys() {
        let Some(key) = label.strip_prefix(ServiceOptions::PREFIX) else { continue };
        if ServiceOptions::KEYS.contains(&key) {
            continue;
        }
        if let Some((_, effect)) = LATER.iter().find(|(later, _)| *later == key) {
            let message = format!("label {label}: the option `{key}` is not supported yet");
            return Err(Error::new(ErrorKind::Unimplemented, message)
                .hint(format!("take it out: it {effect}, in a later version")));
        }
        return Err(
            Error::invalid(format!("label {label}: there is no option `{key}`")).hint(way_out(key))
        );
    }
    ServiceOptions::parse(labels).map(drop)
}

/// The option that was meant, if one is close; else all there are.
fn way_out(key: &str) -> String {
    let nearest = ServiceOptions::KEYS.iter().map(|known| (distance(key, known), *known)).min();
    match nearest {
        Some((typos, known)) if typos <= TYPOS_MAX => {
            format!("did you mean `{}{known}`?", ServiceOptions::PREFIX)
        }
        _ => {
            let all: Vec<_> = ServiceOptions::KEYS
                .iter()
                .map(|known| format!("`{}{known}`", ServiceOptions::PREFIX))
                .collect();
            format!("there are {}", all.join(", "))
        }
    }
}

/// How many letters must be put in, taken out or replaced to turn one word into the other. Hyphens
/// and underscores count as the same letter.
fn distance(from: &str, to: &str) -> usize {
    let plain = |c: char| if c == '-' { '_' } else { c.to_ascii_lowercase() };
    let to: Vec<char> = to.chars().map(plain).collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().map(plain).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(key: &str, value: &str) -> (ErrorKind, String, String) {
        let labels = BTreeMap::from([(key.to_owned(), value.to_owned())]);
        let error = check(&labels).expect_err(key);
        (error.kind, error.message, error.hint.unwrap_or_default())
    }

    #[test]
    fn an_option_that_there_is_not_is_refused_with_the_one_that_was_meant() {
        for (key, meant) in [
            ("skep.rebalanse", "did you mean `skep.rebalance`?"),
            ("skep.Start-Deadline", "did you mean `skep.start_deadline`?"),
            ("skep.stategy", "did you mean `skep.strategy`?"),
            ("skep.", "there are `skep.rebalance`, `skep.start_deadline`, `skep.strategy`"),
        ] {
            let (kind, message, hint) = refusal(key, "true");
            assert_eq!((kind, hint.as_str()), (ErrorKind::InvalidArgument, meant), "{message}");
        }
        let (_, message, _) = refusal("skep.rebalanse", "true");
        assert_eq!(message, "label skep.rebalanse: there is no option `rebalanse`");
    }

    #[test]
    fn an_option_without_effect_and_one_that_says_nothing_are_refused() {
        let (kind, message, hint) = refusal("skep.egress", "db:5432");
        assert_eq!(kind, ErrorKind::Unimplemented);
        assert_eq!(message, "label skep.egress: the option `egress` is not supported yet");
        assert!(hint.starts_with("take it out: it lists the only addresses"), "{hint}");
        let (_, message, _) = refusal("skep.rebalance", "yes");
        assert_eq!(message, "label skep.rebalance: `yes` must be `true` or `false`");
    }

    #[test]
    fn options_and_labels_of_others_are_kept() {
        let labels = [
            ("skep.rebalance", "true"),
            ("skep.start_deadline", "90s"),
            ("com.docker.stack.namespace", "todo"),
            ("skeptical", "yes"),
            ("Skep.x", "1"),
        ];
        let labels = labels.map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(check(&labels.into()), Ok(()));
    }
}
