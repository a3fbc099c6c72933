//! A service's variables: its own, those of its files, and those of whoever deploys
//! (semantics part 12.3).

use std::collections::BTreeMap;

use crate::load::{ReadFile, read};
use crate::model::Service;
use crate::{ComposeError, path};

type Variables = BTreeMap<String, Option<String>>;

/// Puts the variables of a service's `env_file`s under its own, later files over earlier ones, and
/// takes what has no value, or an empty one, from the deployer's environment.
pub(crate) fn resolve(
    service: &mut Service,
    working_dir: &str,
    deployer: &BTreeMap<String, String>,
    files: &dyn ReadFile,
) -> Result<(), ComposeError> {
    let mut all = Variables::new();
    for file in &service.env_file {
        let path = path::absolute(working_dir, file);
        let bytes = read(files, &path)?;
        for (name, value) in parse_env_file(&bytes, &path, deployer)? {
            all.insert(name, value);
        }
    }
    all.append(&mut service.environment);
    for (name, value) in &mut all {
        if value.as_deref().unwrap_or_default().is_empty()
            && let Some(own) = deployer.get(name)
        {
            *value = Some(own.clone());
        }
    }
    service.environment = all;
    Ok(())
}

/// Lines `NAME=value`, literally: no quotes, no variables. A bare `NAME` is the deployer's, and
/// nothing if there is none.
fn parse_env_file(
    bytes: &[u8],
    path: &str,
    deployer: &BTreeMap<String, String>,
) -> Result<Vec<(String, Option<String>)>, ComposeError> {
    let wrong = |line: usize, why: String| {
        let error = ComposeError::new(format!("invalid env file ({path}): {why}"));
        error.in_file(path).on_line(line + 1)
    };
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut out = Vec::new();
    for (index, line) in bytes.split(|b| *b == b'\n').enumerate() {
        let line = std::str::from_utf8(line)
            .map_err(|_| wrong(index, format!("line {} is not UTF-8", index + 1)))?;
        let line = line.strip_suffix('\r').unwrap_or(line).trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = match line.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (line, None),
        };
        if name.is_empty() {
            return Err(wrong(index, format!("no variable name on line '{line}'")));
        }
        if name.trim_end_matches([' ', '\t']).is_empty() || name.contains([' ', '\t']) {
            return Err(wrong(index, format!("variable '{name}' contains whitespaces"))
                .hint("write NAME=value, without blanks before the `=`"));
        }
        match (value, deployer.get(name)) {
            (Some(value), _) => out.push((name.to_owned(), Some(value.to_owned()))),
            (None, Some(own)) => out.push((name.to_owned(), Some(own.clone()))),
            (None, None) => {}
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<(String, Option<String>)>, ComposeError> {
        let deployer = [("OWN".to_owned(), "mine".to_owned())].into();
        parse_env_file(text.as_bytes(), "/p/.env", &deployer)
    }

    #[test]
    fn values_are_literal_and_bare_names_are_the_deployers() {
        let text = "\u{feff}A=1\r\n # no\n\n  B = x # y\n";
        assert_eq!(
            parse(text).expect_err("a blank in a name").message,
            "invalid env file (/p/.env): variable 'B ' contains whitespaces"
        );
        let text = "\u{feff}A=1\r\n # no\n\n  B=\"x\" # $y\nOWN\nNOBODYS\nC=";
        let some = |name: &str, value: &str| (name.to_owned(), Some(value.to_owned()));
        assert_eq!(
            parse(text),
            Ok(vec![some("A", "1"), some("B", "\"x\" # $y"), some("OWN", "mine"), some("C", "")])
        );
        assert_eq!(
            parse("=x").expect_err("no name").message,
            "invalid env file (/p/.env): no variable name on line '=x'"
        );
    }
}
