//! Names and labels (semantics part 1.1).

use std::collections::BTreeMap;

use skep_api::{Error, Result};

/// A DNS label's length.
const DNS_NAME_MAX: usize = 63;
/// Swarm's limit for the names of secrets and configs.
const FILE_NAME_MAX: usize = 64;

/// Checks the name of a service or a network: it becomes a host name.
pub(super) fn check_dns(name: &str) -> Result<()> {
    let inside = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() {
        return Err(Error::invalid("meta: name must be provided"));
    }
    if !is_framed(name) || !name.chars().all(inside) {
        return Err(Error::invalid("name must be valid as a DNS name component").hint(format!(
            "`{name}`: use letters, digits, `-` and `_`, with a letter or digit first and last"
        )));
    }
    if name.len() > DNS_NAME_MAX {
        return Err(Error::invalid("name must be 63 characters or fewer")
            .hint(format!("`{name}` has {}", name.len())));
    }
    Ok(())
}

/// Checks the name of a secret or a config.
pub(super) fn check_file(name: &str) -> Result<()> {
    let inside = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() {
        return Err(Error::invalid("name must be provided"));
    }
    if name.len() > FILE_NAME_MAX || !is_framed(name) || !name.chars().all(inside) {
        return Err(Error::invalid(
            "invalid name, only 64 [a-zA-Z0-9-_.] characters allowed, and the start and end \
             character must be [a-zA-Z0-9]",
        ));
    }
    Ok(())
}

/// Checks labels: any text is a value, but a key is needed to find it.
pub(super) fn check_labels(labels: &BTreeMap<String, String>) -> Result<()> {
    match labels.get("") {
        Some(value) => Err(Error::invalid(format!("label with the value `{value}` has no key"))),
        None => Ok(()),
    }
}

/// Whether it begins and ends with a letter or a digit.
fn is_framed(name: &str) -> bool {
    let is_end = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    is_end(name.chars().next()) && is_end(name.chars().next_back())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behaviour_89_names_are_dns_labels() {
        for good in ["n", "n_me", "n-m-e", "n--d", "7", &"x".repeat(63)] {
            assert_eq!(check_dns(good), Ok(()), "{good}");
        }
        for bad in ["", "_n", ".n", "-n", "n-", "n/e", "n&e", "n.e", "ü", &"x".repeat(64)] {
            assert!(check_dns(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn behaviour_108_names_of_secrets_allow_dots() {
        for good in ["a", "a.b", "A-_.9", &"x".repeat(64)] {
            assert_eq!(check_file(good), Ok(()), "{good}");
        }
        for bad in ["", ".a", "a.", "a b", "a/b", &"x".repeat(65)] {
            assert!(check_file(bad).is_err(), "{bad}");
        }
    }
}
