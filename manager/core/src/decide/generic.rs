//! Generic resources: what a node offers and what its tasks were given (semantics part 6.6).
//!
//! | the node offers | a task that reserves two is given |
//! |---|---|
//! | so many | two, which have no names |
//! | some by name | the first two names that nobody has |
//!
//! A node may change from numbers to names and back under its tasks: names that a task has are taken
//! from a number as so many, and a number that it has is taken from the names, the last ones first.

use std::collections::{BTreeMap, BTreeSet};

use skep_api::{Generic, Node, Task};

/// What of a node's generic resources nobody has, by kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Offer(BTreeMap<String, Generic>);

impl Offer {
    /// What a node offers beside what these tasks have.
    pub(super) fn new<'a>(node: &Node, tasks: impl Iterator<Item = &'a Task>) -> Self {
        let mut offer = Self(node.description.generic.clone());
        let claims: Vec<_> = tasks.flat_map(|task| &task.generic).collect();
        // Names first, so that numbers don't take a name that somebody has.
        let is_named = |(_, claim): &(&String, &Generic)| matches!(claim, Generic::Names(_));
        let (named, counted): (Vec<_>, Vec<_>) = claims.into_iter().partition(is_named);
        for (kind, claim) in named.into_iter().chain(counted) {
            if let Some(free) = offer.0.get_mut(kind) {
                take(free, claim);
            }
        }
        offer
    }

    /// Whether there is that much of each kind.
    pub(super) fn covers(&self, wanted: &BTreeMap<String, u64>) -> bool {
        let free = |kind: &String| self.0.get(kind).map_or(0, Generic::amount);
        wanted.iter().all(|(kind, amount)| free(kind) >= *amount)
    }

    /// Gives that much of each kind away, if there is that much.
    pub(super) fn claim(&mut self, wanted: &BTreeMap<String, u64>) -> BTreeMap<String, Generic> {
        let mut claims = BTreeMap::new();
        for (kind, amount) in wanted.iter().filter(|(_, amount)| **amount > 0) {
            let Some(free) = self.0.get_mut(kind) else { continue };
            let claim = match free {
                Generic::Count(_) => Generic::Count(*amount),
                Generic::Names(names) => {
                    let amount = usize::try_from(*amount).unwrap_or(usize::MAX);
                    Generic::Names(names.iter().take(amount).cloned().collect())
                }
            };
            take(free, &claim);
            claims.insert(kind.clone(), claim);
        }
        claims
    }
}

fn take(free: &mut Generic, claim: &Generic) {
    match (free, claim) {
        (Generic::Count(free), claim) => *free = free.saturating_sub(claim.amount()),
        (Generic::Names(free), Generic::Names(names)) => free.retain(|name| !names.contains(name)),
        (Generic::Names(free), Generic::Count(count)) => {
            let left = (free.len() as u64).saturating_sub(*count);
            let kept: BTreeSet<_> = std::mem::take(free).into_iter().take(left as usize).collect();
            *free = kept;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Generic {
        Generic::Names(names.iter().map(|name| (*name).to_owned()).collect())
    }

    fn offer(all: &[(&str, Generic)]) -> Offer {
        Offer(all.iter().map(|(kind, free)| ((*kind).to_owned(), free.clone())).collect())
    }

    fn wanted(all: &[(&str, u64)]) -> BTreeMap<String, u64> {
        all.iter().map(|(kind, amount)| ((*kind).to_owned(), *amount)).collect()
    }

    #[test]
    fn behaviour_139_numbers_and_names_are_claimed_of_several_kinds() {
        let mut free = offer(&[("gpu", names(&["a", "b", "c"])), ("ssd", Generic::Count(3))]);
        let two = wanted(&[("gpu", 2), ("ssd", 2), ("fpga", 0)]);
        assert!(free.covers(&two));
        let claim = free.claim(&two);
        let given = [("gpu".to_owned(), names(&["a", "b"])), ("ssd".to_owned(), Generic::Count(2))];
        assert_eq!(claim, BTreeMap::from(given));
        assert!(!free.covers(&two), "one of each is left");
        assert!(free.covers(&wanted(&[("gpu", 1), ("ssd", 1)])));
        assert!(!free.covers(&wanted(&[("fpga", 1)])));
    }

    #[test]
    fn behaviour_139_a_node_that_changes_its_words_still_knows_what_is_taken() {
        for (mut free, claim, left) in [
            (Generic::Count(3), names(&["a", "b"]), Generic::Count(1)),
            (names(&["a", "b", "c"]), Generic::Count(2), names(&["a"])),
            (names(&["x", "y"]), names(&["a", "y"]), names(&["x"])),
            (Generic::Count(1), Generic::Count(5), Generic::Count(0)),
            (names(&["a"]), Generic::Count(5), names(&[])),
        ] {
            take(&mut free, &claim);
            assert_eq!(free, left);
        }
    }
}
