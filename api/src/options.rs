//! Skep's own options of a service: `x-skep:` in a compose file, kept as service labels.
//!
//! Labels survive whoever reads a spec and writes it back without knowing them; Docker's client
//! drops unknown fields.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::{Error, Result, parse_duration};

/// Our options of a service, out of its labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceOptions {
    /// `skep.start_deadline`: a task that an update made and that is not RUNNING by then counts as
    /// failed; zero is never.
    pub start_deadline: Duration,
    /// `skep.rebalance`: whether tasks move to nodes that came back or are new.
    pub rebalance: bool,
    /// `skep.strategy`: which of the nodes that fit is the best.
    pub strategy: PlacementStrategy,
}

/// Which of the nodes that fit is the best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PlacementStrategy {
    /// The one with the fewest tasks.
    #[default]
    Spread,
    /// The one with the most memory reserved.
    Binpack,
}

impl Default for ServiceOptions {
    fn default() -> Self {
        Self {
            start_deadline: Self::START_DEADLINE_DEFAULT,
            rebalance: false,
            strategy: PlacementStrategy::Spread,
        }
    }
}

impl ServiceOptions {
    /// What every label of ours begins with.
    pub const PREFIX: &'static str = "skep.";
    /// All options there are, without the prefix, in order.
    pub const KEYS: [&'static str; 3] = ["rebalance", "start_deadline", "strategy"];
    /// The default of [`Self::start_deadline`]: a component that is not fetched and compiled after
    /// ten minutes won't be.
    pub const START_DEADLINE_DEFAULT: Duration = Duration::from_secs(600);

    /// Reads the options out of a service's labels. Labels that are none of ours are left alone;
    /// admission refuses what does not parse, so that decisions may take the default for it.
    pub fn parse(labels: &BTreeMap<String, String>) -> Result<Self> {
        let mut options = Self::default();
        for (label, value) in labels {
            match label.strip_prefix(Self::PREFIX) {
                Some("start_deadline") => {
                    options.start_deadline = parse_duration(value).map_err(|error| {
                        refused(label, value, &format!("a duration such as `90s`: {error}"))
                    })?;
                }
                Some("rebalance") => {
                    options.rebalance =
                        value.parse().map_err(|_| refused(label, value, "`true` or `false`"))?;
                }
                Some("strategy") => {
                    options.strategy = match value.as_str() {
                        "spread" => PlacementStrategy::Spread,
                        "binpack" => PlacementStrategy::Binpack,
                        _ => return Err(refused(label, value, "`spread` or `binpack`")),
                    };
                }
                _ => {}
            }
        }
        Ok(options)
    }
}

fn refused(label: &str, value: &str, rule: &str) -> Error {
    Error::invalid(format!("label {label}: `{value}` must be {rule}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(all: &[(&str, &str)]) -> BTreeMap<String, String> {
        all.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn options_are_labels_and_other_labels_are_none() {
        assert_eq!(ServiceOptions::parse(&labels(&[])), Ok(ServiceOptions::default()));
        let all = labels(&[
            ("skep.start_deadline", "90s"),
            ("skep.rebalance", "true"),
            ("skep.strategy", "binpack"),
            ("strategy", "whatever"),
        ]);
        let expected = ServiceOptions {
            start_deadline: Duration::from_secs(90),
            rebalance: true,
            strategy: PlacementStrategy::Binpack,
        };
        assert_eq!(ServiceOptions::parse(&all), Ok(expected));
    }

    #[test]
    fn every_option_that_is_listed_is_read() {
        for key in ServiceOptions::KEYS {
            let nonsense = [(format!("{}{key}", ServiceOptions::PREFIX), "?".to_owned())];
            assert!(ServiceOptions::parse(&nonsense.into()).is_err(), "{key}");
        }
    }

    #[test]
    fn an_option_that_does_not_parse_says_what_it_must_be() {
        for (key, value, rule) in [
            ("skep.rebalance", "yes", "`true` or `false`"),
            ("skep.strategy", "random", "`spread` or `binpack`"),
            ("skep.start_deadline", "soon", "a duration"),
        ] {
            let error = ServiceOptions::parse(&labels(&[(key, value)])).expect_err(value);
            assert!(error.message.contains(rule) && error.message.contains(value), "{error:?}");
        }
    }
}
