//! Rendering: a walk over the tree with the data.

use serde_json::Value;

use crate::TemplateError;
use crate::error::{column_of, line_of};
use crate::format::display;
use crate::functions::{Function, call};
use crate::parse::{Branch, Command, Expr, ExprKind, Node, Pipe, Place};
use crate::value::{Val, type_name};

/// The longest text that a template may make, as a whole or in one value.
pub(crate) const OUTPUT_MAX: usize = 16 << 20;

/// How many nodes, commands and items one rendering may go through: ranges multiply.
const STEPS_MAX: usize = 1_000_000;

/// What the data is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Root<'a> {
    /// A map: keys may be missing.
    Map,
    /// A struct of that type.
    Struct(&'a str),
}

pub(crate) fn render(
    text: &str,
    body: &[Node],
    data: &Value,
    root: Root<'_>,
) -> Result<String, TemplateError> {
    let variables = vec![("$".to_owned(), Val::borrowed(data))];
    let mut run = Run { text, data, root, out: String::new(), variables, steps: 0 };
    run.nodes(body, &Val::borrowed(data))?;
    Ok(run.out)
}

struct Run<'a> {
    text: &'a str,
    data: &'a Value,
    root: Root<'a>,
    out: String,
    /// The innermost last.
    variables: Vec<(String, Val<'a>)>,
    steps: usize,
}

impl<'a> Run<'a> {
    fn nodes(&mut self, nodes: &[Node], dot: &Val<'a>) -> Result<(), TemplateError> {
        for node in nodes {
            match node {
                Node::Text(text) => self.write(text, Place { at: 0, from: 0, to: 0 })?,
                Node::Action(pipe) => {
                    let value = self.pipe(pipe, dot)?;
                    if pipe.variables.is_empty() {
                        let place = pipe.commands.first().map_or(END, |command| command.at);
                        self.write(&display(&value), place)?;
                    }
                }
                Node::If(branch) => self.conditional(branch, dot, Scope::Keep)?,
                Node::With(branch) => self.conditional(branch, dot, Scope::Enter)?,
                Node::Range(branch) => self.range(branch, dot)?,
            }
        }
        Ok(())
    }

    fn conditional(
        &mut self,
        branch: &Branch,
        dot: &Val<'a>,
        scope: Scope,
    ) -> Result<(), TemplateError> {
        let mark = self.variables.len();
        let value = self.pipe(&branch.pipe, dot)?;
        if !value.is_true() {
            self.nodes(&branch.otherwise, dot)?;
        } else if scope == Scope::Enter {
            self.nodes(&branch.then, &value)?;
        } else {
            self.nodes(&branch.then, dot)?;
        }
        self.variables.truncate(mark);
        Ok(())
    }

    fn range(&mut self, branch: &Branch, dot: &Val<'a>) -> Result<(), TemplateError> {
        let mark = self.variables.len();
        let value = self.evaluate(&branch.pipe, dot)?;
        let items = self.items(&value, &branch.pipe)?;
        let place = branch.pipe.commands.first().map_or(END, |command| command.at);
        self.steps(items.len(), place)?;
        if items.is_empty() {
            self.nodes(&branch.otherwise, dot)?;
        }
        for (key, item) in items {
            match branch.pipe.variables.as_slice() {
                [] => {}
                [element] => self.set(&branch.pipe, element, item.clone()),
                [index, element, ..] => {
                    self.set(&branch.pipe, index, Val::owned(key));
                    self.set(&branch.pipe, element, item.clone());
                }
            }
            self.nodes(&branch.then, &item)?;
            self.variables.truncate(mark);
        }
        Ok(())
    }

    /// What a range goes through, with the keys: maps in the order of their keys.
    fn items(&self, value: &Val<'a>, pipe: &Pipe) -> Result<Vec<(Value, Val<'a>)>, TemplateError> {
        let place = pipe.commands.first().map_or(END, |command| command.at);
        Ok(match value.json() {
            Value::Null => Vec::new(),
            Value::Array(items) => (0..items.len())
                .map(|at| (Value::from(at), value.part(|value| value.get(at))))
                .collect(),
            Value::Object(map) => {
                let mut keys: Vec<&String> = map.keys().collect();
                keys.sort();
                keys.into_iter()
                    .map(|key| (Value::from(key.as_str()), value.part(|value| value.get(key))))
                    .collect()
            }
            Value::Number(number) if number.as_u64().is_some_and(|n| n <= STEPS_MAX as u64) => {
                let end = number.as_u64().unwrap_or_default();
                (0..end).map(|n| (Value::from(n), Val::owned(n))).collect()
            }
            other => {
                let reason = format!("range can't iterate over {}", display(value));
                let shown =
                    if matches!(other, Value::Number(_)) { "too many".into() } else { reason };
                return Err(self.fail(place, shown));
            }
        })
    }

    /// Evaluates a pipeline and keeps its result in its variable.
    fn pipe(&mut self, pipe: &Pipe, dot: &Val<'a>) -> Result<Val<'a>, TemplateError> {
        let value = self.evaluate(pipe, dot)?;
        if let Some(name) = pipe.variables.first() {
            self.set(pipe, name, value.clone());
        }
        Ok(value)
    }

    fn evaluate(&mut self, pipe: &Pipe, dot: &Val<'a>) -> Result<Val<'a>, TemplateError> {
        let mut last = None;
        for command in &pipe.commands {
            self.step(command.at)?;
            last = Some(self.command(command, dot, last)?);
        }
        Ok(last.unwrap_or(Val::Missing))
    }

    fn command(
        &mut self,
        command: &Command,
        dot: &Val<'a>,
        last: Option<Val<'a>>,
    ) -> Result<Val<'a>, TemplateError> {
        let first = &command.args[0];
        let rest = &command.args[1..];
        match &first.kind {
            ExprKind::Call(function @ (Function::And | Function::Or)) => {
                self.shortcut(*function, command, dot, last)
            }
            ExprKind::Call(function) => {
                let mut args = Vec::with_capacity(rest.len() + 1);
                for arg in rest {
                    args.push(self.operand(arg, dot)?);
                }
                args.extend(last);
                self.call(*function, &args, command.at)
            }
            ExprKind::Fields(..) if !rest.is_empty() || last.is_some() => {
                let mut value = self.operand(first, dot)?;
                for arg in rest {
                    let key = self.operand(arg, dot)?;
                    value = self.look_up(first, &value, &key)?;
                }
                match last {
                    Some(key) => self.look_up(first, &value, &key),
                    None => Ok(value),
                }
            }
            ExprKind::Nil => Err(self.fail(first.place, "nil is not a command".to_owned())),
            _ if !rest.is_empty() || last.is_some() => {
                let shown = self.source(first.place);
                Err(self.fail(first.place, format!("can't give argument to non-function {shown}")))
            }
            _ => self.operand(first, dot),
        }
    }

    /// Docker's rows have methods, `.Label "key"`: here a map that is given a key.
    fn look_up(&self, of: &Expr, value: &Val<'a>, key: &Val<'a>) -> Result<Val<'a>, TemplateError> {
        let (Value::Object(_), Value::String(key)) = (value.json(), key.json()) else {
            let shown = self.source(of.place);
            let reason = format!("{shown} has arguments but cannot be invoked as function");
            return Err(self.fail(of.place, reason));
        };
        match value.part(|value| value.get(key)) {
            Val::Missing => Ok(Val::owned("")),
            found => Ok(found),
        }
    }

    /// `and` and `or` evaluate no further than they must.
    fn shortcut(
        &mut self,
        function: Function,
        command: &Command,
        dot: &Val<'a>,
        last: Option<Val<'a>>,
    ) -> Result<Val<'a>, TemplateError> {
        let decides = function == Function::Or;
        let mut value = None;
        for arg in &command.args[1..] {
            let next = self.operand(arg, dot)?;
            if next.is_true() == decides {
                return Ok(next);
            }
            value = Some(next);
        }
        last.or(value).ok_or_else(|| {
            let reason =
                format!("wrong number of args for {}: want at least 1 got 0", function.name());
            self.fail(command.at, reason)
        })
    }

    fn operand(&mut self, expr: &Expr, dot: &Val<'a>) -> Result<Val<'a>, TemplateError> {
        match &expr.kind {
            ExprKind::Dot => Ok(dot.clone()),
            ExprKind::Nil => Ok(Val::owned(Value::Null)),
            ExprKind::Literal(value) => Ok(Val::owned(value.clone())),
            ExprKind::Call(function) => self.call(*function, &[], expr.place),
            ExprKind::Variable(name) => Ok(self.variable(name)),
            ExprKind::Pipe(pipe) => self.evaluate(pipe, dot),
            ExprKind::Fields(base, names) => {
                let mut value = match base {
                    Some(base) => self.operand(base, dot)?,
                    None => dot.clone(),
                };
                for name in names {
                    value = self.field(&value, name, expr.place)?;
                }
                Ok(value)
            }
        }
    }

    fn field(&self, of: &Val<'a>, name: &str, place: Place) -> Result<Val<'a>, TemplateError> {
        let refuse = |type_name: &str| {
            let reason = format!("can't evaluate field {name} in type {type_name}");
            Err(self.fail(place, reason))
        };
        let is_root = std::ptr::eq(of.json(), self.data);
        match (of, of.json()) {
            (Val::Missing, _) => Ok(Val::Missing),
            (_, Value::Null) => {
                Err(self.fail(place, format!("nil pointer evaluating interface {{}}.{name}")))
            }
            (_, Value::Object(map)) => match self.root {
                Root::Struct(type_name) if is_root && !map.contains_key(name) => refuse(type_name),
                _ => Ok(of.part(|value| value.get(name))),
            },
            (_, other) if is_root => refuse(type_name(other)),
            _ => refuse("interface {}"),
        }
    }

    fn call(
        &mut self,
        function: Function,
        args: &[Val<'a>],
        place: Place,
    ) -> Result<Val<'a>, TemplateError> {
        self.step(place)?;
        let is_row = |value: &Val<'_>| {
            matches!(self.root, Root::Struct(_)) && std::ptr::eq(value.json(), self.data)
        };
        if function == Function::Json && args.len() == 1 && is_row(&args[0]) {
            return Ok(Val::owned(crate::format::json_for_html(args[0].json())));
        }
        let value = call(function, args).map_err(|reason| self.fail(place, reason))?;
        if value.json().as_str().is_some_and(|text| text.len() > OUTPUT_MAX) {
            return Err(self.fail(place, format!("makes more than {OUTPUT_MAX} bytes")));
        }
        Ok(value)
    }

    fn variable(&self, name: &str) -> Val<'a> {
        let found = self.variables.iter().rev().find(|(known, _)| known == name);
        found.map_or(Val::Missing, |(_, value)| value.clone())
    }

    fn set(&mut self, pipe: &Pipe, name: &str, value: Val<'a>) {
        let known = self.variables.iter_mut().rev().find(|(known, _)| known == name);
        match known {
            Some((_, slot)) if !pipe.declares => *slot = value,
            _ => self.variables.push((name.to_owned(), value)),
        }
    }

    fn write(&mut self, text: &str, place: Place) -> Result<(), TemplateError> {
        self.step(place)?;
        if self.out.len() + text.len() > OUTPUT_MAX {
            return Err(self.fail(place, format!("makes more than {OUTPUT_MAX} bytes")));
        }
        self.out.push_str(text);
        Ok(())
    }

    fn step(&mut self, place: Place) -> Result<(), TemplateError> {
        self.steps(1, place)
    }

    fn steps(&mut self, count: usize, place: Place) -> Result<(), TemplateError> {
        self.steps = self.steps.saturating_add(count);
        if self.steps > STEPS_MAX {
            return Err(self.fail(place, format!("takes more than {STEPS_MAX} steps")));
        }
        Ok(())
    }

    fn source(&self, place: Place) -> &str {
        self.text.get(place.from..place.to).unwrap_or_default().trim_end()
    }

    fn fail(&self, place: Place, reason: String) -> TemplateError {
        TemplateError::Execute {
            line: line_of(self.text, place.at),
            column: column_of(self.text, place.at),
            at: self.source(place).to_owned(),
            reason,
        }
    }
}

/// The place of what has none.
const END: Place = Place { at: 0, from: 0, to: 0 };

/// Whether a branch's value becomes the dot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    Keep,
    Enter,
}
