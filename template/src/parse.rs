//! Tokens as a tree.

use serde_json::{Number, Value};

use crate::TemplateError;
use crate::error::line_of;
use crate::functions::Function;
use crate::lex::{Kind, Token, lex};

/// How deep control structures and parentheses may nest: each level is a call of ours.
const DEPTH_MAX: usize = 64;

/// A part of a template.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    Text(String),
    Action(Pipe),
    If(Branch),
    Range(Branch),
    With(Branch),
}

/// A control structure: `{{if pipe}} then {{else}} otherwise {{end}}`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Branch {
    pub(crate) pipe: Pipe,
    pub(crate) then: Vec<Node>,
    pub(crate) otherwise: Vec<Node>,
}

/// Commands, each with the result of the one before as its last argument.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pipe {
    pub(crate) variables: Vec<String>,
    pub(crate) declares: bool,
    pub(crate) commands: Vec<Command>,
}

/// An operand or a call, with its arguments behind it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Command {
    pub(crate) args: Vec<Expr>,
    pub(crate) at: Place,
}

/// A part of the template, for messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Where Go points to.
    pub(crate) at: usize,
    pub(crate) from: usize,
    pub(crate) to: usize,
}

/// An operand.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Expr {
    pub(crate) kind: ExprKind,
    pub(crate) place: Place,
}

/// What an operand is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ExprKind {
    Dot,
    Nil,
    Literal(Value),
    Call(Function),
    Variable(String),
    /// Fields of something; the something is the dot if it is none.
    Fields(Option<Box<Expr>>, Vec<String>),
    Pipe(Pipe),
}

/// Reads a template.
pub(crate) fn parse(text: &str) -> Result<Vec<Node>, TemplateError> {
    let tokens = lex(text)?;
    let variables = vec!["$".to_owned()];
    let mut parser = Parser { text, tokens, next: 0, depth: 0, variables };
    let (body, end) = parser.list()?;
    match end {
        None => Ok(body),
        Some(Stop::End) => parser.fail("unexpected {{end}}"),
        Some(Stop::Else) => parser.fail("unexpected {{else}}"),
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    next: usize,
    depth: usize,
    /// The variables that are declared here.
    variables: Vec<String>,
}

/// What ended a list of nodes.
enum Stop {
    End,
    Else,
}

impl Parser<'_> {
    fn list(&mut self) -> Result<(Vec<Node>, Option<Stop>), TemplateError> {
        let mut nodes = Vec::new();
        while let Some(kind) = self.take() {
            match kind {
                Kind::Text(text) => nodes.push(Node::Text(text)),
                Kind::Open => {
                    self.spaces();
                    match self.peek_word().as_deref() {
                        Some("end") => {
                            self.take();
                            self.close("end")?;
                            return Ok((nodes, Some(Stop::End)));
                        }
                        Some("else") => {
                            self.take();
                            return Ok((nodes, Some(Stop::Else)));
                        }
                        _ => nodes.push(self.action()?),
                    }
                }
                _ => return self.fail("unexpected token outside of an action"),
            }
        }
        Ok((nodes, None))
    }

    fn action(&mut self) -> Result<Node, TemplateError> {
        let word = self.peek_word();
        let make = match word.as_deref() {
            Some("if") => Node::If,
            Some("range") => Node::Range,
            Some("with") => Node::With,
            Some(word @ ("define" | "template" | "block" | "break" | "continue")) => {
                return self.fail(&format!("{{{{{word}}}}} is not supported"));
            }
            _ => {
                let pipe = self.pipe("command", End::Action)?;
                return Ok(Node::Action(pipe));
            }
        };
        self.take();
        let word = word.unwrap_or_default();
        self.branch(&word).map(make)
    }

    fn branch(&mut self, word: &str) -> Result<Branch, TemplateError> {
        self.deeper()?;
        let scope = self.variables.len();
        let pipe = self.pipe(word, End::Action)?;
        if pipe.variables.len() > 1 && word != "range" {
            return self.fail(&format!("too many declarations in {word}"));
        }
        let (then, stop) = self.list()?;
        let otherwise = match stop {
            None => return self.fail("unexpected EOF"),
            Some(Stop::End) => Vec::new(),
            Some(Stop::Else) => self.otherwise(word)?,
        };
        self.variables.truncate(scope);
        self.depth -= 1;
        Ok(Branch { pipe, then, otherwise })
    }

    /// Behind `else`: the end of the action, or another `if` (`with`) that shares our `end`.
    fn otherwise(&mut self, word: &str) -> Result<Vec<Node>, TemplateError> {
        self.spaces();
        match self.peek_word() {
            Some(again) if again == word && again != "range" => {
                self.take();
                let branch = self.branch(word)?;
                Ok(vec![if word == "if" { Node::If(branch) } else { Node::With(branch) }])
            }
            _ => {
                self.close("else")?;
                match self.list()? {
                    (nodes, Some(Stop::End)) => Ok(nodes),
                    (_, Some(Stop::Else)) => self.fail("expected end; found {{else}}"),
                    (_, None) => self.fail("unexpected EOF"),
                }
            }
        }
    }

    fn pipe(&mut self, context: &str, end: End) -> Result<Pipe, TemplateError> {
        self.deeper()?;
        let (variables, declares) = self.declarations(context)?;
        let mut commands = Vec::new();
        loop {
            self.spaces();
            match self.peek() {
                Some(Kind::Close) if end == End::Action => break,
                Some(Kind::Right) if end == End::Paren => break,
                None => return self.fail("unclosed action"),
                _ => commands.push(self.command()?),
            }
            self.spaces();
            match self.peek() {
                Some(Kind::Pipe) => {
                    self.take();
                    self.spaces();
                    if matches!(self.peek(), Some(Kind::Close | Kind::Right) | None) {
                        return self.fail(&format!("missing value for {context}"));
                    }
                }
                Some(Kind::Close | Kind::Right) => {}
                _ => return self.unexpected("operand"),
            }
        }
        self.take();
        if commands.is_empty() {
            return self.fail(&format!("missing value for {context}"));
        }
        if declares {
            self.variables.extend(variables.iter().cloned());
        }
        self.depth -= 1;
        Ok(Pipe { variables, declares, commands })
    }

    /// `$a :=`, `$a, $b :=` or `$a =` at the beginning of a pipeline.
    fn declarations(&mut self, context: &str) -> Result<(Vec<String>, bool), TemplateError> {
        let start = self.next;
        let mut names = Vec::new();
        loop {
            self.spaces();
            let Some(Kind::Variable(name)) = self.peek().cloned() else { break };
            self.take();
            names.push(name);
            self.spaces();
            match self.peek() {
                Some(Kind::Comma) if context == "range" && names.len() == 1 => {
                    self.take();
                }
                Some(Kind::Declare) => {
                    self.take();
                    return Ok((names, true));
                }
                Some(Kind::Assign) => {
                    self.take();
                    if let Some(name) = names.iter().find(|name| !self.variables.contains(name)) {
                        return self.fail(&format!("undefined variable {name:?}"));
                    }
                    return Ok((names, false));
                }
                _ => break,
            }
        }
        self.next = start;
        Ok((Vec::new(), false))
    }

    fn command(&mut self) -> Result<Command, TemplateError> {
        let from = self.at();
        let mut args = Vec::new();
        loop {
            args.push(self.operand()?);
            match self.peek() {
                Some(Kind::Space) => {
                    self.spaces();
                    if matches!(self.peek(), Some(Kind::Pipe | Kind::Close | Kind::Right) | None) {
                        break;
                    }
                }
                Some(Kind::Pipe | Kind::Close | Kind::Right) => break,
                _ => return self.unexpected("operand"),
            }
        }
        let to = args.last().map_or(from, |arg| arg.place.to);
        let first = &args[0];
        if args.len() > 1 && matches!(first.kind, ExprKind::Literal(_) | ExprKind::Dot) {
            let shown = &self.text[first.place.from..first.place.to];
            return self.fail(&format!("can't give argument to non-function {shown}"));
        }
        Ok(Command { args, at: Place { at: from, from, to } })
    }

    fn operand(&mut self) -> Result<Expr, TemplateError> {
        let from = self.at();
        let Some(kind) = self.take() else { return self.fail("unclosed action") };
        let kind = match kind {
            Kind::Dot => ExprKind::Dot,
            Kind::Field(name) => ExprKind::Fields(None, vec![name]),
            Kind::Variable(name) if self.variables.contains(&name) => ExprKind::Variable(name),
            Kind::Variable(name) => return self.fail(&format!("undefined variable {name:?}")),
            Kind::Literal(text, _) => ExprKind::Literal(Value::String(text)),
            Kind::Char(c) => ExprKind::Literal(Value::from(u32::from(c))),
            Kind::Number(text) => match read_number(&text) {
                Some(number) => ExprKind::Literal(Value::Number(number)),
                None => return self.fail(&format!("bad number syntax: {text:?}")),
            },
            Kind::Left => ExprKind::Pipe(self.pipe("parenthesized pipeline", End::Paren)?),
            Kind::Word(word) => self.word(&word)?,
            _ => {
                self.next -= 1;
                return self.unexpected("command");
            }
        };
        let place = Place { at: from, from, to: self.at() };
        self.chain(Expr { kind, place })
    }

    fn word(&mut self, word: &str) -> Result<ExprKind, TemplateError> {
        Ok(match word {
            "true" | "false" => ExprKind::Literal(Value::Bool(word == "true")),
            "nil" => ExprKind::Nil,
            word => match Function::named(word) {
                Some(function) => ExprKind::Call(function),
                None => return self.fail(&format!("function {word:?} not defined")),
            },
        })
    }

    /// Fields right behind an operand, without a space.
    fn chain(&mut self, head: Expr) -> Result<Expr, TemplateError> {
        let at = self.at();
        let mut more = Vec::new();
        while let Some(Kind::Field(name)) = self.peek().cloned() {
            self.take();
            more.push(name);
        }
        if more.is_empty() {
            return Ok(head);
        }
        // Go points to the first field that was added to the operand.
        let place = Place { at, from: head.place.from, to: self.at() };
        let kind = match head.kind {
            ExprKind::Fields(base, mut fields) => {
                fields.extend(more);
                ExprKind::Fields(base, fields)
            }
            ExprKind::Literal(_) | ExprKind::Dot | ExprKind::Nil => {
                let shown = &self.text[head.place.from..head.place.to];
                return self.fail(&format!("unexpected . after term {shown:?}"));
            }
            _ => ExprKind::Fields(Some(Box::new(head)), more),
        };
        Ok(Expr { kind, place })
    }

    fn close(&mut self, context: &str) -> Result<(), TemplateError> {
        self.spaces();
        match self.take() {
            Some(Kind::Close) => Ok(()),
            _ => {
                self.next -= 1;
                self.unexpected(context)
            }
        }
    }

    fn deeper(&mut self) -> Result<(), TemplateError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return self.fail(&format!("nested deeper than {DEPTH_MAX}"));
        }
        Ok(())
    }

    fn spaces(&mut self) {
        while matches!(self.peek(), Some(Kind::Space)) {
            self.next += 1;
        }
    }

    fn peek(&self) -> Option<&Kind> {
        self.tokens.get(self.next).map(|token| &token.kind)
    }

    fn peek_word(&self) -> Option<String> {
        match self.peek() {
            Some(Kind::Word(word)) => Some(word.clone()),
            _ => None,
        }
    }

    fn take(&mut self) -> Option<Kind> {
        let kind = self.tokens.get(self.next).map(|token| token.kind.clone());
        self.next += 1;
        kind
    }

    /// The byte where the next token begins.
    fn at(&self) -> usize {
        self.tokens.get(self.next).map_or(self.text.len(), |token| token.at)
    }

    fn unexpected<T>(&self, context: &str) -> Result<T, TemplateError> {
        let shown = match self.peek() {
            None => return self.fail("unexpected EOF"),
            Some(Kind::Close) => "\"}}\"".to_owned(),
            Some(Kind::Literal(_, written)) => written.clone(),
            Some(_) => {
                let end = self.tokens.get(self.next + 1).map_or(self.text.len(), |token| token.at);
                format!("{:?}", &self.text[self.at()..end])
            }
        };
        self.fail(&format!("unexpected {shown} in {context}"))
    }

    fn fail<T>(&self, reason: &str) -> Result<T, TemplateError> {
        let last = self.tokens.get(self.next.saturating_sub(1).min(self.tokens.len()));
        let at = last.map_or(self.text.len(), |token| token.at);
        Err(TemplateError::Parse { line: line_of(self.text, at), reason: reason.to_owned() })
    }
}

/// What ends a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Action,
    Paren,
}

fn read_number(text: &str) -> Option<Number> {
    let plain = text.replace('_', "");
    let (sign, digits) = match plain.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, plain.strip_prefix('+').unwrap_or(&plain)),
    };
    let radix = [("0x", 16), ("0X", 16), ("0o", 8), ("0O", 8), ("0b", 2), ("0B", 2)];
    for (prefix, radix) in radix {
        if let Some(digits) = digits.strip_prefix(prefix) {
            return i64::from_str_radix(digits, radix).ok().map(|n| Number::from(sign * n));
        }
    }
    if let Ok(number) = digits.parse::<i64>() {
        return Some(Number::from(sign * number));
    }
    // Rust reads `inf` and `nan` as numbers, Go does not.
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    digits.parse::<f64>().ok().and_then(|number| Number::from_f64(sign as f64 * number))
}
