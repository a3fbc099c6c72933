//! From text to a tree: YAML as Go's yaml.v3 reads it, with the lines kept for error messages.
//!
//! Only the first document of a text counts, as with Go's `Unmarshal`. Anchors are expanded and
//! merge keys (`<<`) are merged here, so that nobody behind this module knows of either.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};
use serde_json::{Map, Value};

use crate::ComposeError;
use crate::path;
use crate::scalar::{self, Scalar};

/// How big a file may be. Real stacks have a few KB; configs and secrets are files of their own.
const FILE_BYTES_MAX: usize = 4 << 20;
/// How many nodes a file may have once its aliases are expanded, so that nine lines of nested
/// aliases ("a billion laughs") cost nothing. Real stacks have a few thousand.
const NODES_MAX: usize = 200_000;
/// How deep nodes may be nested. The schema itself is eight deep; the rest is room for `x-` keys.
/// It bounds the recursion of everything that walks a tree.
const DEPTH_MAX: usize = 64;

/// A node of a file, with the line it starts on.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) line: usize,
    content: Content,
}

#[derive(Debug, Clone)]
enum Content {
    Scalar(Value),
    List(Vec<Node>),
    Mapping(Vec<(Key, Node)>),
}

#[derive(Debug, Clone)]
struct Key {
    line: usize,
    name: KeyName,
}

#[derive(Debug, Clone, PartialEq)]
enum KeyName {
    Text(String),
    /// A plain `<<`.
    Merge,
    /// Anything else, as Go writes it; refused once it is known where it stands.
    Other(String),
}

impl Node {
    /// The plain tree, without lines.
    pub(crate) fn value(&self) -> Value {
        match &self.content {
            Content::Scalar(value) => value.clone(),
            Content::List(items) => Value::Array(items.iter().map(Self::value).collect()),
            Content::Mapping(entries) => {
                let map = entries.iter().filter_map(|(key, node)| match &key.name {
                    KeyName::Text(name) => Some((name.clone(), node.value())),
                    _ => None,
                });
                Value::Object(map.collect::<Map<_, _>>())
            }
        }
    }

    /// The line of what the path leads to, or of the last part of it that is there.
    pub(crate) fn line_of(&self, path: &[String]) -> usize {
        let mut at = self;
        let mut line = self.line;
        for part in path {
            let next = match &at.content {
                Content::Mapping(entries) => entries
                    .iter()
                    .find(|(key, _)| matches!(&key.name, KeyName::Text(name) if name == part))
                    .map(|(key, node)| (key.line, node)),
                Content::List(items) => part
                    .parse::<usize>()
                    .ok()
                    .and_then(|index| items.get(index))
                    .map(|node| (node.line, node)),
                Content::Scalar(_) => None,
            };
            let Some((next_line, node)) = next else { break };
            (line, at) = (next_line, node);
        }
        line
    }
}

/// Reads a file's text; its top level must be a mapping.
pub(crate) fn parse(text: &str) -> Result<Node, ComposeError> {
    if text.len() > FILE_BYTES_MAX {
        let (size, max) = (text.len(), FILE_BYTES_MAX);
        return Err(ComposeError::new(format!(
            "a compose file may have at most {max} bytes, got {size}"
        )));
    }
    // A byte order mark is not part of the text.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader::new(text);
    let root = reader.document()?;
    if !reader.duplicates.is_empty() {
        return Err(duplicate_keys(&reader.duplicates));
    }
    match root {
        Some(root) if matches!(root.content, Content::Mapping(_)) => {
            check_keys(&root, &mut Vec::new())?;
            Ok(root)
        }
        _ => Err(ComposeError::new("top-level object must be a mapping")
            .hint("a compose file starts with keys such as `services:`")),
    }
}

struct Reader<'text> {
    parser: Parser<'text, StrInput<'text>>,
    /// Finished nodes with an anchor, by its number, and how many nodes each consists of.
    anchors: BTreeMap<usize, (Node, usize)>,
    nodes: usize,
    duplicates: Vec<Duplicate>,
}

struct Duplicate {
    key: String,
    line: usize,
    first_line: usize,
}

impl<'text> Reader<'text> {
    fn new(text: &'text str) -> Self {
        Self {
            parser: Parser::new_from_str(text),
            anchors: BTreeMap::new(),
            nodes: 0,
            duplicates: Vec::new(),
        }
    }

    /// The first document's root; none if there is no document.
    fn document(&mut self) -> Result<Option<Node>, ComposeError> {
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(None),
                (Event::Nothing | Event::StreamStart | Event::DocumentStart(_), _) => {}
                (event, span) => return self.node(event, span, 1).map(Some),
            }
        }
    }

    fn next(&mut self) -> Result<(Event<'text>, Span), ComposeError> {
        match self.parser.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => Err(syntax_error(&error)),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn node(
        &mut self,
        event: Event<'text>,
        span: Span,
        depth: usize,
    ) -> Result<Node, ComposeError> {
        let line = span.start.line();
        self.count(1, line)?;
        if depth > DEPTH_MAX {
            return Err(
                ComposeError::new(format!("yaml: exceeded max depth of {DEPTH_MAX}")).on_line(line)
            );
        }
        let before = self.nodes;
        let (anchor, content) = match event {
            Event::Alias(id) => return self.alias(id, line, depth),
            Event::Scalar(text, style, anchor, tag) => {
                (anchor, Content::Scalar(scalar_value(&text, style, tag.as_deref(), line)?))
            }
            Event::SequenceStart(anchor, _) => (anchor, self.list(depth)?),
            Event::MappingStart(anchor, _) => (anchor, self.mapping(depth)?),
            _ => return Err(ComposeError::new("yaml: unexpected end").on_line(line)),
        };
        let node = Node { line, content };
        if anchor != 0 {
            // The copy counts as well: anchors inside anchors are copied once a level.
            let size = self.nodes - before + 1;
            self.count(size, line)?;
            self.anchors.insert(anchor, (node.clone(), size));
        }
        Ok(node)
    }

    /// What an alias stands for. An alias of a node that is still being read would have no end.
    fn alias(&mut self, id: usize, line: usize, depth: usize) -> Result<Node, ComposeError> {
        let itself = || ComposeError::new("yaml: an anchor's value contains itself").on_line(line);
        let size = self.anchors.get(&id).map(|(_, size)| *size).ok_or_else(itself)?;
        self.count(size, line)?;
        let mut node = self.anchors.get(&id).map(|(node, _)| node.clone()).ok_or_else(itself)?;
        if depth + height(&node) > DEPTH_MAX + 1 {
            return Err(
                ComposeError::new(format!("yaml: exceeded max depth of {DEPTH_MAX}")).on_line(line)
            );
        }
        node.line = line;
        Ok(node)
    }

    fn count(&mut self, nodes: usize, line: usize) -> Result<(), ComposeError> {
        self.nodes += nodes;
        if self.nodes > NODES_MAX {
            return Err(ComposeError::new("yaml: document contains excessive aliasing")
                .hint(format!("a compose file may have at most {NODES_MAX} values"))
                .on_line(line));
        }
        Ok(())
    }

    fn list(&mut self, depth: usize) -> Result<Content, ComposeError> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(Content::List(items)),
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Content, ComposeError> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        let mut lines: BTreeMap<String, usize> = BTreeMap::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::MappingEnd {
                break;
            }
            let key = self.key(event, span, depth)?;
            if let Some(text) = key.name.text() {
                if let Some(&first_line) = lines.get(text) {
                    let key_text = text.to_owned();
                    self.duplicates.push(Duplicate { key: key_text, line: key.line, first_line });
                } else {
                    lines.insert(text.to_owned(), key.line);
                }
            }
            let (event, span) = self.next()?;
            let value = self.node(event, span, depth + 1)?;
            entries.push((key, value));
        }
        merge_entries(entries).map(Content::Mapping)
    }

    fn key(&mut self, event: Event<'text>, span: Span, depth: usize) -> Result<Key, ComposeError> {
        let plain_merge = matches!(
            &event,
            Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<"
        );
        let node = self.node(event, span, depth + 1)?;
        let name = match node.content {
            Content::Scalar(Value::String(_)) if plain_merge => KeyName::Merge,
            Content::Scalar(Value::String(text)) => KeyName::Text(text),
            Content::Scalar(Value::Null) => KeyName::Other("interface {}(nil)".to_owned()),
            Content::Scalar(value) => KeyName::Other(value.to_string()),
            Content::List(_) | Content::Mapping(_) => KeyName::Other("a list or a map".to_owned()),
        };
        Ok(Key { line: node.line, name })
    }
}

impl KeyName {
    fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Other(text) => Some(text),
            Self::Merge => Some("<<"),
        }
    }
}

/// How deep a node's tree is, itself included. Aliases were checked when they were expanded, so
/// this never recurses deeper than [`DEPTH_MAX`].
fn height(node: &Node) -> usize {
    1 + match &node.content {
        Content::Scalar(_) => 0,
        Content::List(items) => items.iter().map(height).max().unwrap_or(0),
        Content::Mapping(entries) => entries.iter().map(|(_, n)| height(n)).max().unwrap_or(0),
    }
}

/// Puts what `<<` names behind a mapping's own keys: those always win, and of several mappings in
/// a list the first does.
fn merge_entries(entries: Vec<(Key, Node)>) -> Result<Vec<(Key, Node)>, ComposeError> {
    let (merges, mut own): (Vec<_>, Vec<_>) =
        entries.into_iter().partition(|(key, _)| key.name == KeyName::Merge);
    if merges.is_empty() {
        return Ok(own);
    }
    let wrong = |line| {
        ComposeError::new("yaml: map merge requires map or sequence of maps as the value")
            .on_line(line)
    };
    let mut seen: std::collections::BTreeSet<String> =
        own.iter().filter_map(|(key, _)| key.name.text().map(str::to_owned)).collect();
    for (key, node) in merges {
        let sources = match node.content {
            Content::List(items) => items,
            content => vec![Node { line: node.line, content }],
        };
        for source in sources {
            let Content::Mapping(entries) = source.content else { return Err(wrong(key.line)) };
            for (key, node) in entries {
                if key.name.text().is_some_and(|name| seen.insert(name.to_owned())) {
                    own.push((key, node));
                }
            }
        }
    }
    Ok(own)
}

fn scalar_value(
    text: &str,
    style: ScalarStyle,
    tag: Option<&Tag>,
    line: usize,
) -> Result<Value, ComposeError> {
    let core = tag.filter(|tag| tag.is_yaml_core_schema()).map(|tag| tag.suffix.as_str());
    let resolved = match core {
        Some("str" | "binary" | "timestamp") => Scalar::Text,
        Some("int" | "float" | "bool" | "null") => scalar::resolve(text),
        // Other tags, `!` among them, say nothing that a compose file has use for.
        _ if tag.is_some() || style != ScalarStyle::Plain => Scalar::Text,
        _ => scalar::resolve(text),
    };
    let tag_fits = match (core, &resolved) {
        (Some("int" | "float"), Scalar::Number(_) | Scalar::NotFinite)
        | (Some("bool"), Scalar::Bool(_))
        | (Some("null"), Scalar::Null) => true,
        (Some("int" | "float" | "bool" | "null"), _) => false,
        _ => true,
    };
    if let (false, Some(core)) = (tag_fits, core) {
        let text = format!("yaml: cannot decode !!str `{text}` as a !!{core}");
        return Err(ComposeError::new(text).on_line(line));
    }
    resolved.into_value(text).ok_or_else(|| {
        ComposeError::new(format!("{text} is not a number that a compose file can hold"))
            .on_line(line)
    })
}

/// Refuses keys that are not text, as Docker does, with where they stand.
fn check_keys(node: &Node, path: &mut Vec<String>) -> Result<(), ComposeError> {
    match &node.content {
        Content::Scalar(_) => {}
        Content::List(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push(index.to_string());
                check_keys(item, path)?;
                path.pop();
            }
        }
        Content::Mapping(entries) => {
            for (key, node) in entries {
                let KeyName::Text(name) = &key.name else { return Err(other_key(key, path)) };
                path.push(name.clone());
                check_keys(node, path)?;
                path.pop();
            }
        }
    }
    Ok(())
}

fn other_key(key: &Key, path: &[String]) -> ComposeError {
    let place = match path {
        [] => "at top level".to_owned(),
        _ => format!("in {}", path::display(path)),
    };
    let text = key.name.text().unwrap_or_default();
    ComposeError::new(format!("non-string key {place}: {text}"))
        .hint(format!("put it in quotes: \"{text}\""))
        .on_line(key.line)
}

fn duplicate_keys(duplicates: &[Duplicate]) -> ComposeError {
    let mut text = "yaml: unmarshal errors:".to_owned();
    for Duplicate { key, line, first_line } in duplicates {
        text.push_str(&format!(
            "\n  line {line}: mapping key {key:?} already defined at line {first_line}"
        ));
    }
    let line = duplicates.first().map_or(1, |duplicate| duplicate.line);
    ComposeError::new(text).on_line(line)
}

fn syntax_error(error: &ScanError) -> ComposeError {
    let line = error.marker().line();
    let hint = match error.info() {
        info if info.contains("tab") => Some("indent with spaces, not with tabs"),
        info if info.contains("mapping values are not allowed") => {
            Some("put a value that contains `: ` in quotes")
        }
        _ => None,
    };
    let out = ComposeError::new(format!("yaml: line {line}: {}", error.info())).on_line(line);
    match hint {
        Some(hint) => out.hint(hint),
        None => out,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn value(text: &str) -> Value {
        parse(text).expect("good YAML").value()
    }

    fn message(text: &str) -> String {
        parse(text).expect_err("bad YAML").message
    }

    #[test]
    fn anchors_and_merge_keys_are_expanded() {
        let text = "a: &a {x: 1, y: 2}\nb: &b {x: 3, z: 4}\nc: {<<: [*a, *b], y: 5}\nd: *a";
        assert_eq!(
            value(text),
            json!({"a": {"x": 1, "y": 2}, "b": {"x": 3, "z": 4},
                   "c": {"y": 5, "x": 1, "z": 4}, "d": {"x": 1, "y": 2}})
        );
        assert_eq!(value("a: {\"<<\": 1}"), json!({"a": {"<<": 1}}));
        assert!(message("a: {<<: 1}").contains("map merge requires map"));
    }

    #[test]
    fn quotes_and_tags_make_text() {
        let text = "a: [0444, '0444', !!str 5, !!int \"5\", ~, \"~\", !x 5]\nb: |\n  5\n";
        let expected = json!({"a": [292, "0444", "5", 5, null, "~", "5"], "b": "5\n"});
        assert_eq!(value(text), expected);
        assert_eq!(message("a: !!int x"), "yaml: cannot decode !!str `x` as a !!int");
    }

    #[test]
    fn a_key_that_is_there_twice_is_refused_with_both_lines() {
        assert_eq!(
            message("s:\n  a: 1\n  a: 2\n  b: 3\n  a: 4"),
            "yaml: unmarshal errors:\n  line 3: mapping key \"a\" already defined at line 2\n  \
             line 5: mapping key \"a\" already defined at line 2"
        );
    }

    #[test]
    fn only_mappings_with_text_keys_are_compose_files() {
        for text in ["", "1", "- a", "# nothing", "~"] {
            assert_eq!(message(text), "top-level object must be a mapping", "{text}");
        }
        assert_eq!(message("5: 6"), "non-string key at top level: 5");
        assert_eq!(message("a: {b: {5: 6}}"), "non-string key in a.b: 5");
        assert_eq!(message("a: {~: 6}"), "non-string key in a: interface {}(nil)");
        assert_eq!(value("a: 1\n---\n- second document"), json!({"a": 1}));
    }

    #[test]
    fn bombs_are_refused() {
        let mut text = "a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n".to_owned();
        for level in 1..9 {
            let below = format!("*a{},", level - 1).repeat(10);
            text.push_str(&format!("a{level}: &a{level} [{below}]\n"));
        }
        assert_eq!(message(&text), "yaml: document contains excessive aliasing");
        let deep = format!("a: {}{}", "[".repeat(200), "]".repeat(200));
        assert_eq!(message(&deep), "yaml: exceeded max depth of 64");
        let mut text = "a0: &a0 {x: 1}\n".to_owned();
        for level in 1..100 {
            text.push_str(&format!("a{level}: &a{level} {{x: *a{}}}\n", level - 1));
        }
        assert_eq!(message(&text), "yaml: exceeded max depth of 64");
        assert!(message("a: &a [*a]").contains("contains itself"));
        assert!(message(&"a".repeat(FILE_BYTES_MAX + 1)).contains("at most 4194304 bytes"));
    }

    #[test]
    fn lines_are_found_again() {
        let root = parse("services:\n  web:\n    ports:\n      - 80\n      - 81\n").expect("good");
        let path = |text: &str| text.split('.').map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(root.line_of(&path("services.web.ports.1")), 5);
        assert_eq!(root.line_of(&path("services.web.image")), 2);
    }
}
