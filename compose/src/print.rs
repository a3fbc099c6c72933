//! Writes a project as `docker stack config` does: the layout of Go's yaml.v3 with an indent of 2.
//!
//! Three odd cases are written in quotes instead, because yaml.v3 writes them so that they are read
//! back as something else or can't be read: a text that starts with a line break, a key `<<`, and
//! Unicode's own line breaks.

use serde_json::{Map, Value};

use crate::model::Project;
use crate::number;
use crate::scalar::{self, Scalar};

/// The project as YAML, ending with a line break.
#[must_use]
pub fn print(project: &Project) -> String {
    let mut out = String::new();
    // A project has text keys and finite numbers only: it can't fail.
    if let Ok(Value::Object(root)) = serde_json::to_value(project) {
        mapping(&root, 0, &mut out);
    }
    out
}

const INDENT: usize = 2;

fn indent(width: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', width));
}

/// Writes a mapping whose first key stands where the text ends, the others below it.
fn mapping(map: &Map<String, Value>, at: usize, out: &mut String) {
    for (index, (key, value)) in map.iter().enumerate() {
        if index > 0 {
            indent(at, out);
        }
        if is_simple_key(key) {
            text(key, Place::Key, at, out);
            out.push(':');
            match value {
                Value::Object(map) if !map.is_empty() => {
                    out.push('\n');
                    indent(at + INDENT, out);
                    mapping(map, at + INDENT, out);
                }
                Value::Array(items) if !items.is_empty() => {
                    out.push('\n');
                    indent(at + INDENT, out);
                    list(items, at + INDENT, out);
                }
                value => {
                    out.push(' ');
                    node(value, at, out);
                }
            }
        } else {
            out.push_str("? ");
            text(key, Place::Value, at, out);
            indent(at, out);
            out.push_str(": ");
            node(value, at, out);
        }
    }
}

/// Writes a list whose first item stands where the text ends, the others below it.
fn list(items: &[Value], at: usize, out: &mut String) {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            indent(at, out);
        }
        out.push_str("- ");
        node(item, at, out);
    }
}

/// Writes a value behind a `- `, a `: ` or a key; what it consists of is indented once more.
fn node(value: &Value, at: usize, out: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() => return mapping(map, at + INDENT, out),
        Value::Array(items) if !items.is_empty() => return list(items, at + INDENT, out),
        Value::Object(_) => out.push_str("{}"),
        Value::Array(_) => out.push_str("[]"),
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Number(value) => out.push_str(&number::format_number(value)),
        Value::String(value) => return text(value, Place::Value, at, out),
    }
    out.push('\n');
}

/// Where a text stands: behind a key its line ends here, a key is followed by a colon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Key,
    Value,
}

/// How a text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    Single,
    Double,
    /// Its lines as they are, below a `|`.
    Literal,
}

/// Whether a key can stand before a colon: one line of at most 128 bytes.
fn is_simple_key(key: &str) -> bool {
    key.len() <= 128 && !key.contains('\n') || style(key) == Style::Double && key.len() <= 128
}

fn text(text: &str, place: Place, at: usize, out: &mut String) {
    let style = match (style(text), place) {
        (Style::Literal, Place::Key) => Style::Double,
        (Style::Plain, Place::Key) if text == "<<" => Style::Double,
        (style, _) => style,
    };
    match style {
        Style::Plain => out.push_str(text),
        Style::Single => {
            out.push('\'');
            out.push_str(&text.replace('\'', "''"));
            out.push('\'');
        }
        Style::Double => double_quoted(text, out),
        Style::Literal => return literal(text, at + INDENT, out),
    }
    if place == Place::Value {
        out.push('\n');
    }
}

fn style(text: &str) -> Style {
    let found = analyze(text);
    if text.contains('\n') {
        return match found.literal_ok && !text.starts_with(['\n', '\r']) {
            true => Style::Literal,
            false => Style::Double,
        };
    }
    if needs_quotes_to_be_text(text) {
        return Style::Double;
    }
    match (found.plain_ok, found.single_ok) {
        (true, _) => Style::Plain,
        (false, true) => Style::Single,
        (false, false) => Style::Double,
    }
}

/// Whether it would be read as something else than text, by this YAML or by an older one.
fn needs_quotes_to_be_text(text: &str) -> bool {
    const OLD_BOOLEANS: [&str; 16] = [
        "y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "n", "N", "no", "No", "NO", "off", "Off",
        "OFF",
    ];
    scalar::resolve(text) != Scalar::Text || OLD_BOOLEANS.contains(&text) || is_base_60(text)
}

/// `^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$`, a number of YAML 1.1.
fn is_base_60(text: &str) -> bool {
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (number, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    let mut parts = number.split(':');
    let first = parts.next().unwrap_or_default();
    let rest: Vec<&str> = parts.collect();
    let sixtieth = |s: &&str| match s.as_bytes() {
        [b] => b.is_ascii_digit(),
        [a, b] => (b'0'..=b'5').contains(a) && b.is_ascii_digit(),
        _ => false,
    };
    first.starts_with(|c: char| c.is_ascii_digit())
        && digits(first)
        && digits(fraction)
        && !rest.is_empty()
        && rest.iter().all(sixtieth)
}

/// In which styles a text can be written.
#[derive(Debug, Clone, Copy)]
struct Analysis {
    plain_ok: bool,
    single_ok: bool,
    literal_ok: bool,
}

fn analyze(text: &str) -> Analysis {
    let indicators = has_indicators(text);
    let special = text.chars().any(|c| c != '\t' && !is_printable(c));
    let tabs = text.contains('\t');
    let breaks = text.contains('\n');
    let space_break = text.contains(" \n");
    let break_space = text.contains("\n ");
    let blank_edge = text.starts_with([' ', '\n']) || text.ends_with([' ', '\n']);
    let single_ok = !(break_space || space_break || tabs || special);
    Analysis {
        plain_ok: single_ok && !indicators && !blank_edge && !breaks,
        single_ok,
        literal_ok: !(text.ends_with(' ') || space_break || special),
    }
}

/// Whether something in it means something in YAML, outside of brackets.
fn has_indicators(text: &str) -> bool {
    let Some(first) = text.chars().next() else { return false };
    let blank_after = |at: usize| match text.as_bytes().get(at) {
        None => true,
        Some(next) => matches!(next, b' ' | b'\t' | b'\n'),
    };
    let at_start = match first {
        '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%'
        | '@' | '`' => true,
        '?' | ':' | '-' => blank_after(1),
        _ => text.starts_with("---") || text.starts_with("..."),
    };
    let inside = text.char_indices().skip(1).any(|(at, c)| match c {
        ':' => blank_after(at + 1),
        '#' => text[..at].ends_with([' ', '\t', '\n']),
        _ => false,
    });
    at_start || inside || text.starts_with("---")
}

/// What yaml.v3 writes as it is: nothing above the basic plane, no byte order mark. Unicode's line
/// breaks are left out here, see the module's text.
fn is_printable(c: char) -> bool {
    match c {
        '\n' | ' '..='~' => true,
        '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => false,
        '\u{a0}'..='\u{ffff}' => true,
        _ => false,
    }
}

fn double_quoted(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '\0' => out.push_str("\\0"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '\u{1b}' => out.push_str("\\e"),
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{85}' => out.push_str("\\N"),
            '\u{2028}' => out.push_str("\\L"),
            '\u{2029}' => out.push_str("\\P"),
            c if is_printable(c) => out.push(c),
            c => match u32::from(c) {
                code @ ..=0xff => out.push_str(&format!("\\x{code:02X}")),
                code @ ..=0xffff => out.push_str(&format!("\\u{code:04X}")),
                code => out.push_str(&format!("\\U{code:08X}")),
            },
        }
    }
    out.push('"');
}

/// Writes lines below a `|`, with what says how the first is indented and how the last one ends.
fn literal(text: &str, at: usize, out: &mut String) {
    out.push('|');
    if text.starts_with(' ') {
        out.push_str(&INDENT.to_string());
    }
    match (text.ends_with('\n'), text.ends_with("\n\n")) {
        (false, _) => out.push('-'),
        (true, true) => out.push('+'),
        (true, false) => {}
    }
    out.push('\n');
    let body = text.strip_suffix('\n').unwrap_or(text);
    for line in body.split('\n') {
        if !line.is_empty() {
            indent(at, out);
            out.push_str(line);
        }
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn written(value: Value) -> String {
        let mut out = String::new();
        node(&value, 0, &mut out);
        out.trim_end_matches('\n').to_owned()
    }

    #[test]
    fn texts_are_quoted_where_gos_yaml_quotes_them() {
        for (text, expected) in [
            ("a b", "a b"),
            ("", "\"\""),
            (" ", "' '"),
            ("a: b", "'a: b'"),
            ("a #b", "'a #b'"),
            ("a:", "'a:'"),
            ("- a", "'- a'"),
            ("-a", "-a"),
            ("?a", "?a"),
            ("---", "'---'"),
            ("1:30", "\"1:30\""),
            ("1:60", "1:60"),
            ("12:30:45.5", "\"12:30:45.5\""),
            ("y", "\"y\""),
            ("0o17", "\"0o17\""),
            ("2001-01-01", "\"2001-01-01\""),
            ("=", "="),
            ("it's", "it's"),
            ("'", "''''"),
            ("a\tb", "\"a\\tb\""),
            ("\u{1b}", "\"\\e\""),
            ("😀", "\"\\U0001F600\""),
            ("日本", "日本"),
            ("\r\n", "\"\\r\\n\""),
            ("a \nb", "\"a \\nb\""),
            ("a\nb", "|-\n  a\n  b"),
            (" a\nb", "|2-\n   a\n  b"),
            ("a\n", "|\n  a"),
            ("\na", "\"\\na\""),
            ("1.0", "\"1.0\""),
            ("+.inf", "\"+.inf\""),
        ] {
            assert_eq!(written(json!(text)), expected, "{text:?}");
        }
    }

    #[test]
    fn nested_collections_are_laid_out_as_by_gos_yaml() {
        let value = json!({"s": [[1, 2], [], {}, {"a": [], "b": {}}, [["a"]], {"k\nl": 5}],
            "<<": null});
        let expected = "s:\n    - - 1\n      - 2\n    - []\n    - {}\n    - a: []\n      b: {}\n    \
            - - - a\n    - ? |-\n        k\n        l\n      : 5\n  \"<<\": null";
        assert_eq!(written(value), expected);
    }
}
