//! Walks a tree along the tables and reports what does not fit.
//!
//! One mistake often breaks several rules: an unknown key in the long form of a port is a breach of
//! "a number, or a text, or that mapping", too. Docker shows the breach that is deepest in the file,
//! and of two as deep the one about a type; of alternatives it explains the one that fits best, by a
//! score. Both are done the same way here, because what is shown is an interface.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::suggest;
use super::{Items, Object, Other, ROOT, Rule, Schema, Type};
use crate::duration::GoDuration;
use crate::{ComposeError, path, ports};

/// Checks a whole file against format 3.`minor`.
pub(crate) fn validate(root: &Value, minor: u8) -> Result<(), ComposeError> {
    let mut found = Findings::default();
    let mut walk = Walk { minor, path: Vec::new() };
    walk.node(&Schema::Object(&ROOT), root, &mut found);
    match found.breaches.is_empty() {
        true => Ok(()),
        false => Err(most_specific(&found.breaches)),
    }
}

#[derive(Debug, Default)]
struct Findings {
    breaches: Vec<Breach>,
    /// How well it fits; only compared between alternatives.
    score: i32,
}

#[derive(Debug)]
struct Breach {
    path: Vec<String>,
    kind: BreachKind,
    text: String,
    hint: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BreachKind {
    Type,
    /// None of several alternatives; the breaches of the best one follow.
    Alternatives,
    Other,
}

impl Findings {
    fn fits(&mut self, points: i32) {
        self.score += points;
    }

    fn add(&mut self, breach: Breach) {
        self.score -= 2;
        self.breaches.push(breach);
    }

    fn merge(&mut self, other: Self) {
        self.score += other.score;
        self.breaches.extend(other.breaches);
    }
}

fn most_specific(breaches: &[Breach]) -> ComposeError {
    // Docker counts the dots of what it shows, so that dots in names count too.
    let depth = |breach: &Breach| path::display(&breach.path).split('.').count();
    let mut best = 0;
    for (index, breach) in breaches.iter().enumerate() {
        let (depth, best_depth) = (depth(breach), depth(&breaches[best]));
        let better_kind =
            breach.kind == BreachKind::Type && breaches[best].kind != BreachKind::Type;
        if depth > best_depth || (depth == best_depth && better_kind) {
            best = index;
        }
    }
    let breach = &breaches[best];
    let cause = match breach.kind {
        BreachKind::Alternatives => breaches.get(best + 1).unwrap_or(breach),
        _ => breach,
    };
    let error = ComposeError::new(format!("{} {}", path::display(&breach.path), cause.text))
        .at(&breach.path);
    match &cause.hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

struct Walk {
    minor: u8,
    path: Vec<String>,
}

impl Walk {
    fn breach(&self, kind: BreachKind, text: impl Into<String>) -> Breach {
        Breach { path: self.path.clone(), kind, text: text.into(), hint: None }
    }

    fn node(&mut self, schema: &Schema, value: &Value, found: &mut Findings) {
        match schema {
            Schema::Scalar(types, rule) => self.scalar(types, *rule, value, found),
            Schema::List { item, items } => self.list(item, *items, value, found),
            Schema::Object(object) => self.object(object, value, found),
            Schema::OneOf(alternatives) => self.one_of(alternatives, value, found),
        }
    }

    /// Reports a value of another type; true if the type is right.
    fn type_fits(&self, types: &[Type], value: &Value, found: &mut Findings) -> bool {
        let fits = types.iter().any(|kind| is_type(*kind, value));
        if !fits {
            let mut breach =
                self.breach(BreachKind::Type, format!("must be a {}", type_names(types)));
            breach.hint = suggest::for_type(types, value);
            found.add(breach);
        }
        fits
    }

    fn scalar(&self, types: &[Type], rule: Rule, value: &Value, found: &mut Findings) {
        if !self.type_fits(types, value, found) {
            return;
        }
        found.fits(4);
        match breaks_rule(rule, value) {
            Some(Broken::Format(format)) => {
                let text = format!("Does not match format '{format}'");
                let mut breach = self.breach(BreachKind::Other, text);
                breach.hint = suggest::for_format(format, value);
                found.add(breach);
            }
            // Docker's text names the place twice.
            Some(Broken::Among(text)) => {
                let text = format!("{} {text}", path::display(&self.path));
                found.add(self.breach(BreachKind::Other, text));
            }
            Some(Broken::Negative) => {
                found.add(self.breach(BreachKind::Other, "Must be greater than or equal to 0"));
            }
            None => {}
        }
    }

    fn list(&mut self, item: &Schema, items: Items, value: &Value, found: &mut Findings) {
        if !self.type_fits(&[Type::Array], value, found) {
            return;
        }
        found.fits(4);
        let Value::Array(list) = value else { return };
        for (index, value) in list.iter().enumerate() {
            self.path.push(index.to_string());
            self.node(item, value, found);
            self.path.pop();
        }
        if items == Items::Any {
            return;
        }
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for (index, value) in list.iter().enumerate() {
            if let Some(first) = seen.insert(value.to_string(), index) {
                let text = format!("array items[{first},{index}] must be unique");
                found.add(self.breach(BreachKind::Other, text));
            }
        }
    }

    fn object(&mut self, object: &Object, value: &Value, found: &mut Findings) {
        if !self.type_fits(object.types, value, found) {
            return;
        }
        found.fits(4);
        let Value::Object(map) = value else { return };
        for name in object.required {
            match map.contains_key(*name) {
                true => found.fits(1),
                false => {
                    found.add(self.breach(BreachKind::Other, format!("{name} is required")));
                }
            }
        }
        self.other_keys(object, map, found);
        let minor = self.minor;
        for field in object.fields.iter().filter(|field| field.since <= minor) {
            if let Some(value) = map.get(field.name) {
                self.child(field.name, &field.schema, value, found);
            }
        }
    }

    /// The keys that the object does not name.
    fn other_keys(&mut self, object: &Object, map: &Map<String, Value>, found: &mut Findings) {
        let known = |key: &str| {
            object.fields.iter().any(|field| field.since <= self.minor && field.name == key)
        };
        let others: Vec<(&String, &Value)> = map.iter().filter(|(key, _)| !known(key)).collect();
        for (key, value) in others {
            let (holds, allowed) = match object.other {
                Other::Refused => (None, false),
                Other::Allowed => (None, true),
                Other::AllowedSince(minor) => (None, minor <= self.minor),
                Other::Extensions(minor) => (None, minor <= self.minor && key.starts_with("x-")),
                Other::Named(schema) => (Some(schema), is_name(key)),
                Other::NamedLoosely(schema) => (is_name(key).then_some(schema), true),
                Other::Lowercase(schema) => {
                    let small = !key.is_empty() && key.bytes().all(|b| b.is_ascii_lowercase());
                    (small.then_some(schema), true)
                }
                Other::Each(schema) => (Some(schema), !key.is_empty()),
            };
            match (allowed, holds) {
                (false, _) => {
                    let text = format!("Additional property {key} is not allowed");
                    let mut breach = self.breach(BreachKind::Other, text);
                    breach.hint = suggest::for_unknown(key, object, self.minor);
                    found.add(breach);
                }
                (true, Some(schema)) => self.child(key, schema, value, found),
                (true, None) => {}
            }
        }
    }

    fn child(&mut self, key: &str, schema: &Schema, value: &Value, found: &mut Findings) {
        self.path.push(key.to_owned());
        self.node(schema, value, found);
        self.path.pop();
    }

    fn one_of(&mut self, alternatives: &[Schema], value: &Value, found: &mut Findings) {
        let mut best: Option<Findings> = None;
        for schema in alternatives {
            let mut attempt = Findings::default();
            self.node(schema, value, &mut attempt);
            if attempt.breaches.is_empty() {
                found.fits(4);
                return;
            }
            if best.as_ref().is_none_or(|best| attempt.score > best.score) {
                best = Some(attempt);
            }
        }
        let text = "Must validate one and only one schema (oneOf)";
        found.add(self.breach(BreachKind::Alternatives, text));
        if let Some(best) = best {
            found.merge(best);
        }
    }
}

/// `[a-zA-Z0-9._-]+`, the names of services, networks, volumes, secrets and configs.
fn is_name(key: &str) -> bool {
    !key.is_empty()
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

fn is_type(kind: Type, value: &Value) -> bool {
    match kind {
        Type::String => value.is_string(),
        Type::Number => value.is_number(),
        Type::Integer => {
            value.is_u64() || value.is_i64() || value.as_f64().is_some_and(|f| f.fract() == 0.0)
        }
        Type::Boolean => value.is_boolean(),
        Type::Null => value.is_null(),
        Type::Object => value.is_object(),
        Type::Array => value.is_array(),
    }
}

/// `string`, `string or number`, `string, number or null`.
fn type_names(types: &[Type]) -> String {
    let names: Vec<&str> = types.iter().map(|kind| kind.name()).collect();
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}

enum Broken {
    Format(&'static str),
    Among(String),
    Negative,
}

fn breaks_rule(rule: Rule, value: &Value) -> Option<Broken> {
    match rule {
        Rule::None => None,
        Rule::Duration => value
            .as_str()
            .is_none_or(|text| GoDuration::parse(text).is_none())
            .then_some(Broken::Format("duration")),
        Rule::Ports => {
            let text = match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            ports::parse_short(&text).is_err().then_some(Broken::Format("ports"))
        }
        Rule::Among(words) => {
            let text = value.as_str().unwrap_or_default();
            (!words.contains(&text)).then(|| {
                let words: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
                Broken::Among(format!("must be one of the following: {}", words.join(", ")))
            })
        }
        Rule::NotNegative => {
            value.as_f64().is_some_and(|number| number < 0.0).then_some(Broken::Negative)
        }
    }
}
