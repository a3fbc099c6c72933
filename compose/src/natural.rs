//! The order in which Go's yaml.v3 writes the keys of a map: letters by their code, numbers inside
//! names by their value, so that `web2` stands before `web10`.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::number;
use crate::scalar::{self, Scalar};

/// Serializes a map in that order.
pub(crate) fn map<V: Serialize, S: Serializer>(
    map: &BTreeMap<String, V>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut out = serializer.serialize_map(Some(map.len()))?;
    for (key, value) in in_order(map.iter().collect()) {
        out.serialize_entry(key, value)?;
    }
    out.end()
}

/// Puts the keys of all maps in a tree into that order, and makes integers of the floats that are
/// written as such: 1.0 is 1, before it was printed and after it was read again.
pub(crate) fn tree(value: Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.into_iter().map(tree).collect()),
        Value::Object(map) => {
            let entries: Vec<(String, Value)> = map.into_iter().collect();
            let sorted = in_order(entries);
            Value::Object(sorted.into_iter().map(|(key, value)| (key, tree(value))).collect())
        }
        Value::Number(number) => match scalar::resolve(&number::format_number(&number)) {
            Scalar::Number(written) if number.as_f64() != Some(0.0) => Value::Number(written),
            _ => Value::Number(number),
        },
        other => other,
    }
}

/// Sorts by insertion: the order is not transitive for some odd names (`1a`, `a`, `1`), and the
/// standard library's sort may panic on such.
fn in_order<K: AsRef<str>, V>(mut entries: Vec<(K, V)>) -> Vec<(K, V)> {
    entries.sort_by(|(a, _), (b, _)| a.as_ref().cmp(b.as_ref()));
    let mut out: Vec<(K, V)> = Vec::with_capacity(entries.len());
    for entry in entries {
        let at = out.partition_point(|(k, _)| compare(k.as_ref(), entry.0.as_ref()).is_lt());
        out.insert(at, entry);
    }
    out
}

/// yaml.v3's comparison of two keys.
fn compare(a: &str, b: &str) -> Ordering {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut digits = false;
    for i in 0..a.len().min(b.len()) {
        if a[i] == b[i] {
            digits = a[i].is_numeric();
            continue;
        }
        let (a_letter, b_letter) = (a[i].is_alphabetic(), b[i].is_alphabetic());
        if a_letter && b_letter {
            return a[i].cmp(&b[i]);
        }
        if a_letter || b_letter {
            let a_first = if digits { a_letter } else { b_letter };
            return if a_first { Ordering::Less } else { Ordering::Greater };
        }
        return compare_numbers(&a, &b, i);
    }
    a.len().cmp(&b.len())
}

/// Compares from a place on where both have something else than letters.
fn compare_numbers(a: &[char], b: &[char], i: usize) -> Ordering {
    // Digits before this place are the same in both; a leading one that is not 0 makes the zeroes
    // here count.
    let before = a[..i].iter().rev().take_while(|c| c.is_numeric());
    let zero = a[i] == '0' || b[i] == '0';
    let start = i64::from(zero && before.into_iter().any(|c| *c != '0'));
    let number = |text: &[char]| {
        let digits = text[i..].iter().take_while(|c| c.is_numeric());
        digits.fold((start, i), |(number, end), digit| {
            let value = i64::from(u32::from(*digit)) - i64::from(u32::from('0'));
            (number.wrapping_mul(10).wrapping_add(value), end + 1)
        })
    };
    let ((a_number, a_end), (b_number, b_end)) = (number(a), number(b));
    a_number.cmp(&b_number).then(a_end.cmp(&b_end)).then(a[i].cmp(&b[i]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_ordered_as_in_gos_yaml() {
        let keys = ["web10", "web2", "Web", "a.b", "a", "ab", "1", "10", "2", "web", "b01", "b1"];
        let sorted = in_order(keys.iter().map(|key| (*key, ())).collect());
        let sorted: Vec<&str> = sorted.into_iter().map(|(key, ())| key).collect();
        let expected =
            ["1", "2", "10", "Web", "a", "a.b", "ab", "b1", "b01", "web", "web2", "web10"];
        assert_eq!(sorted, expected);
    }
}
