//! Values as text: Go's `%v`, `printf`, and JSON as Go's encoder writes it.

use serde_json::{Number, Value};

use crate::value::{Val, as_integer, type_name};

/// The widest a value is padded to; wider is Go's `%!(BADWIDTH)`.
const WIDTH_MAX: usize = 1 << 16;

/// How an action shows its value.
pub(crate) fn display(value: &Val<'_>) -> String {
    match value.json() {
        Value::Null => "<no value>".to_owned(),
        value => plain(value),
    }
}

/// Go's `%v`.
pub(crate) fn plain(value: &Value) -> String {
    let mut out = String::new();
    write_plain(&mut out, value);
    out
}

fn write_plain(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("<nil>"),
        Value::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&number_text(number)),
        Value::String(text) => out.push_str(text),
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(' ');
                }
                write_plain(out, item);
            }
            out.push(']');
        }
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            out.push_str("map[");
            for (at, (key, value)) in entries.into_iter().enumerate() {
                if at > 0 {
                    out.push(' ');
                }
                out.push_str(key);
                out.push(':');
                write_plain(out, value);
            }
            out.push(']');
        }
    }
}

fn number_text(number: &Number) -> String {
    match as_integer(number) {
        Some(integer) => integer.to_string(),
        None => number.to_string(),
    }
}

/// Compact JSON, as Docker's `json` function writes it: without escapes for HTML.
pub(crate) fn json(value: &Value) -> String {
    // Go escapes these two even then: JavaScript takes them for the end of a line.
    value.to_string().replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

/// Compact JSON with `<`, `>` and `&` escaped, as Go's encoder writes it by default.
pub(crate) fn json_for_html(value: &Value) -> String {
    json(value).replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// Go's `Sprint`: a space between two values of which neither is a string.
pub(crate) fn print(args: &[Val<'_>]) -> String {
    let mut out = String::new();
    for (at, arg) in args.iter().enumerate() {
        let both = |before: &Val<'_>| !before.json().is_string() && !arg.json().is_string();
        if at > 0 && both(&args[at - 1]) {
            out.push(' ');
        }
        out.push_str(&plain(arg.json()));
    }
    out
}

/// Go's `Sprintln`: a space between all, and a new line.
pub(crate) fn println(args: &[Val<'_>]) -> String {
    let all: Vec<String> = args.iter().map(|arg| plain(arg.json())).collect();
    all.join(" ") + "\n"
}

/// Go's `Sprintf`, with its way of showing mistakes in the text.
pub(crate) fn printf(format: &str, args: &[Val<'_>]) -> String {
    let mut out = String::new();
    let mut chars = format.chars().peekable();
    let mut args_left = args.iter();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut flags = Flags::default();
        while let Some(flag) = chars.next_if(|c| "+-# 0".contains(*c)) {
            match flag {
                '-' => flags.left = true,
                '0' => flags.zero = true,
                '+' => flags.plus = true,
                '#' => flags.sharp = true,
                _ => flags.space = true,
            }
        }
        flags.width = digits(&mut chars);
        if chars.next_if_eq(&'.').is_some() {
            flags.precision = Some(digits(&mut chars).unwrap_or(0));
        }
        match chars.next() {
            None => out.push_str("%!(NOVERB)"),
            Some('%') => out.push('%'),
            Some(verb) => match args_left.next() {
                None => out.push_str(&format!("%!{verb}(MISSING)")),
                Some(arg) => {
                    let text = flags.verb(verb, arg.json());
                    out.push_str(&flags.pad(text, arg.json()));
                }
            },
        }
    }
    let extra: Vec<String> = args_left.map(|arg| typed(arg.json())).collect();
    if !extra.is_empty() {
        out.push_str(&format!("%!(EXTRA {})", extra.join(", ")));
    }
    out
}

#[derive(Default)]
struct Flags {
    left: bool,
    zero: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    width: Option<usize>,
    precision: Option<usize>,
}

impl Flags {
    fn verb(&self, verb: char, value: &Value) -> String {
        match (verb, value) {
            ('v', Value::String(text)) if self.sharp => quote(text),
            ('v', value) => self.sign(plain(value), value),
            ('T', value) => type_name(value).to_owned(),
            ('t', Value::Bool(truth)) => truth.to_string(),
            ('q', Value::String(text)) => quote(self.cut(text)),
            ('s', Value::String(text)) => self.cut(text).to_owned(),
            ('x', Value::String(text)) => text.bytes().map(|b| format!("{b:02x}")).collect(),
            ('X', Value::String(text)) => text.bytes().map(|b| format!("{b:02X}")).collect(),
            ('s' | 'q' | 'd', Value::Array(items)) => {
                let all: Vec<String> = items.iter().map(|item| self.verb(verb, item)).collect();
                format!("[{}]", all.join(" "))
            }
            (verb, Value::Number(number)) => match (verb, as_integer(number), number.as_f64()) {
                ('d', Some(n), _) => self.sign(n.to_string(), value),
                ('x', Some(n), _) => format!("{}{:x}", sign_of(n), n.unsigned_abs()),
                ('X', Some(n), _) => format!("{}{:X}", sign_of(n), n.unsigned_abs()),
                ('o', Some(n), _) => format!("{}{:o}", sign_of(n), n.unsigned_abs()),
                ('b', Some(n), _) => format!("{}{:b}", sign_of(n), n.unsigned_abs()),
                ('c', Some(n), _) => {
                    let c = u32::try_from(n).ok().and_then(char::from_u32);
                    c.unwrap_or(char::REPLACEMENT_CHARACTER).to_string()
                }
                ('f' | 'F', _, Some(n)) => {
                    let precision = self.precision.unwrap_or(6).min(100);
                    self.sign(format!("{n:.precision$}"), value)
                }
                ('g', _, Some(_)) => self.sign(number_text(number), value),
                _ => format!("%!{verb}({})", typed(value)),
            },
            (verb, value) => format!("%!{verb}({})", typed(value)),
        }
    }

    fn sign(&self, text: String, value: &Value) -> String {
        match value {
            Value::Number(_) if self.plus && !text.starts_with('-') => format!("+{text}"),
            Value::Number(_) if self.space && !text.starts_with('-') => format!(" {text}"),
            _ => text,
        }
    }

    fn cut<'t>(&self, text: &'t str) -> &'t str {
        let end = self.precision.and_then(|count| text.char_indices().nth(count));
        end.map_or(text, |(end, _)| &text[..end])
    }

    fn pad(&self, text: String, value: &Value) -> String {
        let width = self.width.unwrap_or(0);
        if width > WIDTH_MAX {
            return format!("%!(BADWIDTH){text}");
        }
        let missing = " ".repeat(width.saturating_sub(text.chars().count()));
        if self.left {
            return text + &missing;
        }
        if self.zero && matches!(value, Value::Number(_)) {
            let digits = text.trim_start_matches(['+', '-']);
            let sign = &text[..text.len() - digits.len()];
            return format!("{sign}{}{digits}", missing.replace(' ', "0"));
        }
        missing + &text
    }
}

/// A value with its type, as Go shows it in a mistake.
fn typed(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        value => format!("{}={}", type_name(value), plain(value)),
    }
}

fn sign_of(number: i128) -> &'static str {
    if number < 0 { "-" } else { "" }
}

fn digits(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<usize> {
    let mut number = None;
    while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
        chars.next();
        let more = number.unwrap_or(0_usize).saturating_mul(10).saturating_add(digit as usize);
        number = Some(more);
    }
    number
}

/// Go's `%q`.
fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\x0b' => out.push_str("\\v"),
            c if c.is_ascii_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
