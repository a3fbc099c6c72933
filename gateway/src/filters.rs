//! Queries and the filters in them.

use std::collections::BTreeMap;

use axum::extract::Query;
use serde::Deserialize;
use skep_wire::pb;

use crate::failure::Failure;

/// A request's query; of a key given twice, the last value counts.
pub(crate) type Params = Query<BTreeMap<String, String>>;

/// Whether a query says yes, by Docker's rule: anything but nothing and the words for no.
pub(crate) fn flag(params: &Params, key: &str) -> bool {
    let value = params.get(key).map(|value| value.trim().to_lowercase()).unwrap_or_default();
    !matches!(value.as_str(), "" | "0" | "no" | "false" | "none")
}

/// The filters of a list: for each key its values.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Filters(BTreeMap<String, Vec<String>>);

/// A filter's values in the two forms that clients write: a set as Go's maps of `true`, or a list.
#[derive(Deserialize)]
#[serde(untagged)]
enum Values {
    Set(BTreeMap<String, bool>),
    List(Vec<String>),
}

impl Filters {
    /// Reads the filters of a query; a key that is not known is refused.
    pub(crate) fn read(params: &Params, known: &[&str]) -> Result<Self, Failure> {
        let text = params.get("filters").map_or("", String::as_str);
        if text.is_empty() {
            return Ok(Self::default());
        }
        let read: BTreeMap<String, Values> = serde_json::from_str(text)
            .map_err(|error| Failure::invalid(format!("invalid filters: {error}")))?;
        if let Some(key) = read.keys().find(|key| !known.contains(&key.as_str())) {
            return Err(Failure::invalid(format!("invalid filter '{key}'")));
        }
        let values = |values| match values {
            Values::Set(set) => set.into_keys().collect(),
            Values::List(list) => list,
        };
        Ok(Self(read.into_iter().map(|(key, value)| (key, values(value))).collect()))
    }

    /// The values of a key.
    pub(crate) fn take(&mut self, key: &str) -> Vec<String> {
        self.0.remove(key).unwrap_or_default()
    }

    /// The filters that all of the swarm's objects have, for the swarm to apply.
    pub(crate) fn take_common(&mut self) -> pb::ListRequest {
        pb::ListRequest {
            id_prefixes: self.take("id"),
            name_prefixes: self.take("name"),
            labels: self.take("label"),
            ..Default::default()
        }
    }
}

/// Whether something may pass that a filter has no say in, or that one of its values names.
pub(crate) fn passes(values: &[String], accepts: impl Fn(&str) -> bool) -> bool {
    values.is_empty() || values.iter().any(|value| accepts(value))
}

/// Whether something may pass a filter whose values are yes or no, such as `dangling`.
pub(crate) fn passes_flag(key: &str, values: &[String], is: bool) -> Result<bool, Failure> {
    let mut wanted = values.iter().map(|value| match value.as_str() {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        other => Err(Failure::invalid(format!("invalid filter '{key}={other}'"))),
    });
    wanted.try_fold(values.is_empty(), |passed, value| Ok(passed || value? == is))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(query: &[(&str, &str)]) -> Params {
        Query(query.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }

    fn read(text: &str) -> Result<Filters, Failure> {
        Filters::read(&params(&[("filters", text)]), &["name", "label"])
    }

    #[test]
    fn both_forms_of_filters_are_read() {
        for text in [
            r#"{"label":{"a=b":true,"c":true},"name":{"web":true}}"#,
            r#"{"label":["a=b","c"],"name":["web"]}"#,
            r#"{"label":{"a=b":true,"c":true},"name":["web"]}"#,
        ] {
            let mut filters = read(text).expect("filters");
            assert_eq!(filters.take("label"), ["a=b", "c"]);
            assert_eq!(filters.take("name"), ["web"]);
            assert_eq!(filters, Filters::default());
        }
        assert_eq!(read(""), Ok(Filters::default()));
        assert_eq!(Filters::read(&params(&[]), &[]), Ok(Filters::default()));
    }

    #[test]
    fn filters_that_nobody_knows_are_refused() {
        assert_eq!(
            read(r#"{"bogus":{"x":true}}"#),
            Err(Failure::invalid("invalid filter 'bogus'"))
        );
        for text in ["x", "[]", r#"{"name":"web"}"#, r#"{"name":{"web":1}}"#] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn flags_are_read_as_docker_reads_them() {
        for (value, expected) in [
            ("1", true),
            ("true", true),
            ("True", true),
            ("0", false),
            ("False", false),
            ("", false),
        ] {
            assert_eq!(flag(&params(&[("status", value)]), "status"), expected, "{value}");
        }
        assert!(!flag(&params(&[]), "status"));
    }

    #[test]
    fn yes_and_no_filters_pass_what_they_name() {
        let values = |text: &[&str]| text.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        assert_eq!(passes_flag("dangling", &[], false), Ok(true));
        assert_eq!(passes_flag("dangling", &values(&["true"]), true), Ok(true));
        assert_eq!(passes_flag("dangling", &values(&["1"]), false), Ok(false));
        assert_eq!(passes_flag("dangling", &values(&["0", "1"]), true), Ok(true));
        let bad = Failure::invalid("invalid filter 'dangling=maybe'");
        assert_eq!(passes_flag("dangling", &values(&["maybe"]), true), Err(bad));
    }
}
