//! What a node says that it has besides CPUs and memory (semantics part 6.6).

use std::collections::{BTreeMap, BTreeSet};

use skep_api::{Error, Generic, Result};

/// Reads `KIND=NUM` and `KIND=ID`, by themselves or several between commas. Each further name of a
/// kind adds to it; a kind has a number or names, not both.
pub fn generic_resources(texts: &[String]) -> Result<BTreeMap<String, Generic>> {
    let mut values: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for term in texts.iter().flat_map(|text| text.split(',')) {
        let (kind, value) = term.split_once('=').unwrap_or_default();
        let (kind, value) = (kind.trim(), value.trim());
        if kind.is_empty() || value.is_empty() || value.contains('=') {
            let message =
                format!("invalid node-generic-resource format `{term}` expected `name=value`");
            return Err(Error::invalid(message).hint("such as `ssd=4`, or `gpu=UUID1`"));
        }
        values.entry(kind).or_default().push(value);
    }
    let known = values.into_iter().map(|(kind, values)| Ok((kind.to_owned(), one(kind, &values)?)));
    known.collect()
}

/// The resources of one kind.
fn one(kind: &str, values: &[&str]) -> Result<Generic> {
    let numbers = values.iter().filter(|value| value.parse::<i64>().is_ok()).count();
    if let ([value], 1) = (values, numbers) {
        return value.parse().map(Generic::Count).map_err(|_| {
            Error::invalid(format!(
                "could not parse GenericResource: cannot ask for negative resource {kind}"
            ))
        });
    }
    if numbers > 0 {
        let values = values.join(" ");
        return Err(Error::invalid(format!(
            "could not parse GenericResource: mixed discrete and named resources in expression \
             '{kind}=[{values}]'"
        ))
        .hint("give a kind one number, or names that are no numbers"));
    }
    Ok(Generic::Names(values.iter().map(|value| (*value).to_owned()).collect::<BTreeSet<_>>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(texts: &[&str]) -> Result<BTreeMap<String, Generic>> {
        generic_resources(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_kind_has_a_number_or_names() {
        let names = |all: &[&str]| Generic::Names(all.iter().map(|n| (*n).to_owned()).collect());
        assert_eq!(read(&[]), Ok(BTreeMap::new()));
        for texts in [&["ssd=4", "gpu=a", "gpu=b"][..], &["gpu=a, ssd = 4", "gpu=b"]] {
            let expected = BTreeMap::from([
                ("gpu".to_owned(), names(&["a", "b"])),
                ("ssd".to_owned(), Generic::Count(4)),
            ]);
            assert_eq!(read(texts), Ok(expected), "{texts:?}");
        }
    }

    #[test]
    fn what_is_no_resource_is_refused_with_the_rule() {
        for (texts, reason) in [
            (&["ssd"][..], "`ssd` expected `name=value`"),
            (&["ssd="], "`ssd=` expected"),
            (&["=4"], "`=4` expected"),
            (&["a=b=c"], "`a=b=c` expected"),
            (&["ssd=-1"], "cannot ask for negative resource ssd"),
            (&["gpu=a", "gpu=1"], "mixed discrete and named resources in expression 'gpu=[a 1]'"),
            (&["gpu=1", "gpu=2"], "'gpu=[1 2]'"),
        ] {
            let error = read(texts).expect_err(reason);
            assert!(error.message.contains(reason), "{reason}: {}", error.message);
        }
    }
}
