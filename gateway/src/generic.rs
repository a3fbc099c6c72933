//! Generic resources in Docker's JSON (semantics part 6.6): what a node has, what a service keeps
//! for its tasks, and what a task was given. Each name stands by itself.

use std::collections::BTreeMap;

use serde::Serialize;
use skep_api::Generic;

/// One kind with its number, or one name of a kind.
#[derive(Debug, Serialize)]
pub(crate) enum GenericResource {
    #[serde(rename = "NamedResourceSpec")]
    Named(Named),
    #[serde(rename = "DiscreteResourceSpec")]
    Discrete(Discrete),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Named {
    kind: String,
    value: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Discrete {
    kind: String,
    value: u64,
}

/// What a service keeps for each of its tasks.
pub(crate) fn reserved(amounts: &BTreeMap<String, u64>) -> Vec<GenericResource> {
    amounts.iter().map(|(kind, value)| discrete(kind, *value)).collect()
}

/// What a node has, or a task was given.
pub(crate) fn held(resources: &BTreeMap<String, Generic>) -> Vec<GenericResource> {
    let mut shown = Vec::new();
    for (kind, generic) in resources {
        match generic {
            Generic::Count(count) => shown.push(discrete(kind, *count)),
            Generic::Names(names) => shown.extend(names.iter().map(|name| {
                GenericResource::Named(Named { kind: kind.clone(), value: name.clone() })
            })),
        }
    }
    shown
}

fn discrete(kind: &str, value: u64) -> GenericResource {
    GenericResource::Discrete(Discrete { kind: kind.to_owned(), value })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_and_names_look_like_dockers() {
        let names = BTreeSet::from(["a1".to_owned(), "b2".to_owned()]);
        let resources = BTreeMap::from([
            ("gpu".to_owned(), Generic::Names(names)),
            ("ssd".to_owned(), Generic::Count(3)),
        ]);
        let expected = json!([
            { "NamedResourceSpec": { "Kind": "gpu", "Value": "a1" } },
            { "NamedResourceSpec": { "Kind": "gpu", "Value": "b2" } },
            { "DiscreteResourceSpec": { "Kind": "ssd", "Value": 3 } }
        ]);
        let shown = serde_json::to_value(held(&resources)).expect("JSON");
        assert_eq!(shown, expected);
        let shown = serde_json::to_value(reserved(&BTreeMap::from([("ssd".to_owned(), 1)])));
        let expected = json!([{ "DiscreteResourceSpec": { "Kind": "ssd", "Value": 1 } }]);
        assert_eq!(shown.expect("JSON"), expected);
    }
}
