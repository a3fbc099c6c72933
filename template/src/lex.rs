//! A template's text as tokens.

use crate::TemplateError;
use crate::error::line_of;

/// A token and the byte where it begins.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) at: usize,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Text(String),
    Open,
    Close,
    /// A name of a function, a keyword or a constant.
    Word(String),
    /// `.Name`, without the dot.
    Field(String),
    Dot,
    /// `$` or `$name`, with the dollar.
    Variable(String),
    Number(String),
    /// A string or a character; the text as written is kept for messages.
    Literal(String, String),
    Char(char),
    /// `:=`
    Declare,
    /// `=`
    Assign,
    Pipe,
    Left,
    Right,
    Comma,
    Space,
}

/// Splits a template into tokens.
pub(crate) fn lex(text: &str) -> Result<Vec<Token>, TemplateError> {
    let mut lexer = Lexer { text, at: 0, tokens: Vec::new() };
    lexer.run()?;
    Ok(lexer.tokens)
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    tokens: Vec<Token>,
}

impl Lexer<'_> {
    fn run(&mut self) -> Result<(), TemplateError> {
        let mut trim_start = false;
        loop {
            let start = self.at;
            let rest = &self.text[start..];
            let Some(open) = rest.find("{{") else {
                self.text(start, rest, trim_start, false);
                return Ok(());
            };
            let inside = &rest[open + 2..];
            let trim_end = starts_trim(inside);
            self.text(start, &rest[..open], trim_start, trim_end);
            self.at = start + open + 2 + if trim_end { 2 } else { 0 };
            trim_start = if self.text[self.at..].starts_with("/*") {
                self.comment()?
            } else {
                self.push(Kind::Open, start + open);
                self.action()?
            };
        }
    }

    fn text(&mut self, start: usize, text: &str, trim_start: bool, trim_end: bool) {
        let text = if trim_start { text.trim_start_matches(is_space) } else { text };
        let text = if trim_end { text.trim_end_matches(is_space) } else { text };
        if !text.is_empty() {
            self.push(Kind::Text(text.to_owned()), start);
        }
    }

    /// Passes over a comment, and says whether the text behind it is trimmed.
    fn comment(&mut self) -> Result<bool, TemplateError> {
        let rest = &self.text[self.at..];
        let Some(end) = rest.find("*/") else { return self.fail("unclosed comment") };
        let behind = &rest[end + 2..];
        let (length, trim) = match () {
            () if behind.starts_with("}}") => (2, false),
            () if behind.starts_with(" -}}") => (4, true),
            () => return self.fail("comment ends before closing delimiter"),
        };
        self.at += end + 2 + length;
        Ok(trim)
    }

    /// Reads to the end of an action, and says whether the text behind it is trimmed.
    fn action(&mut self) -> Result<bool, TemplateError> {
        let mut depth = 0_usize;
        loop {
            let rest = &self.text[self.at..];
            let at = self.at;
            let Some(next) = rest.chars().next() else { return self.fail("unclosed action") };
            let trimming = rest.trim_start_matches(is_space).starts_with("-}}") && is_space(next);
            if trimming || rest.starts_with("}}") {
                if depth > 0 {
                    return self.fail("unclosed left paren");
                }
                self.at += rest.find("}}").unwrap_or_default() + 2;
                self.push(Kind::Close, at);
                return Ok(trimming);
            }
            match next {
                '(' => depth += 1,
                ')' if depth == 0 => return self.fail("unexpected right paren"),
                ')' => depth -= 1,
                _ => {}
            }
            self.token(next, rest)?;
        }
    }

    fn token(&mut self, next: char, rest: &str) -> Result<(), TemplateError> {
        let at = self.at;
        let (kind, length) = match next {
            c if is_space(c) => (Kind::Space, rest.len() - rest.trim_start_matches(is_space).len()),
            '|' => (Kind::Pipe, 1),
            '(' => (Kind::Left, 1),
            ')' => (Kind::Right, 1),
            ',' => (Kind::Comma, 1),
            '=' => (Kind::Assign, 1),
            ':' if rest.starts_with(":=") => (Kind::Declare, 2),
            ':' => return self.fail("expected :="),
            '"' => self.quoted(rest)?,
            '`' => match rest[1..].find('`') {
                Some(end) => {
                    let written = &rest[..end + 2];
                    (Kind::Literal(rest[1..=end].to_owned(), written.to_owned()), written.len())
                }
                None => return self.fail("unterminated raw quoted string"),
            },
            '\'' => self.character(rest)?,
            '$' => {
                let length = 1 + word(&rest[1..]).len();
                (Kind::Variable(rest[..length].to_owned()), length)
            }
            '.' if !rest[1..].starts_with(|c: char| c.is_ascii_digit()) => match word(&rest[1..]) {
                "" => (Kind::Dot, 1),
                name => (Kind::Field(name.to_owned()), 1 + name.len()),
            },
            '+' | '-' | '.' | '0'..='9' => {
                let number = number(rest);
                (Kind::Number(number.to_owned()), number.len())
            }
            _ => match word(rest) {
                "" => {
                    let shown = format!("unexpected {next:?} in command").replace('\'', "\"");
                    return self.fail(&shown);
                }
                name => (Kind::Word(name.to_owned()), name.len()),
            },
        };
        self.at += length;
        self.push(kind, at);
        Ok(())
    }

    fn quoted(&self, rest: &str) -> Result<(Kind, usize), TemplateError> {
        let mut escaped = false;
        for (at, c) in rest.char_indices().skip(1) {
            match c {
                '\n' => break,
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => {
                    let written = &rest[..=at];
                    let Some(text) = unquote(&rest[1..at]) else {
                        return self.fail(&format!("invalid syntax in {written}"));
                    };
                    return Ok((Kind::Literal(text, written.to_owned()), written.len()));
                }
                _ => {}
            }
        }
        self.fail("unterminated quoted string")
    }

    fn character(&self, rest: &str) -> Result<(Kind, usize), TemplateError> {
        let from = if rest.starts_with("'\\'") { 3 } else { 1 };
        let Some(end) = rest[from..].find('\'').map(|end| end + from) else {
            return self.fail("unterminated character constant");
        };
        let text = unquote(&rest[1..end]).unwrap_or_default();
        let mut chars = text.chars();
        match (chars.next(), chars.next()) {
            (Some(c), None) => Ok((Kind::Char(c), end + 1)),
            _ => self.fail(&format!("malformed character constant: {}", &rest[..=end])),
        }
    }

    fn push(&mut self, kind: Kind, at: usize) {
        self.tokens.push(Token { kind, at });
    }

    fn fail<T>(&self, reason: &str) -> Result<T, TemplateError> {
        let line = line_of(self.text, self.at);
        Err(TemplateError::Parse { line, reason: reason.to_owned() })
    }
}

/// Whether an action begins with a trim marker: a minus with a space behind it.
fn starts_trim(inside: &str) -> bool {
    inside.strip_prefix('-').is_some_and(|rest| rest.starts_with(is_space))
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// The letters, digits and underscores at the beginning.
fn word(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_'));
    &text[..end.unwrap_or(text.len())]
}

fn number(text: &str) -> &str {
    let mut end = 0;
    let mut before = ' ';
    for c in text.chars() {
        let sign = matches!(c, '+' | '-') && (end == 0 || matches!(before, 'e' | 'E'));
        if !(sign || c.is_ascii_alphanumeric() || c == '.' || c == '_') {
            break;
        }
        end += c.len_utf8();
        before = c;
    }
    &text[..end]
}

/// Go's escapes in strings.
fn unquote(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        out.push(match chars.next()? {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'a' => '\x07',
            'b' => '\x08',
            'f' => '\x0c',
            'v' => '\x0b',
            c @ ('\\' | '"' | '\'') => c,
            'x' => hex(&mut chars, 2)?,
            'u' => hex(&mut chars, 4)?,
            'U' => hex(&mut chars, 8)?,
            _ => return None,
        });
    }
    Some(out)
}

fn hex(chars: &mut std::str::Chars<'_>, digits: usize) -> Option<char> {
    let mut code = 0_u32;
    for _ in 0..digits {
        code = code.checked_mul(16)? + chars.next()?.to_digit(16)?;
    }
    char::from_u32(code)
}
