//! Standard output: tables as Docker's client aligns them, templates, JSON lines.
//!
//! Only what can be piped on goes here; everything else goes to standard error.

use std::io::Write;

use serde_json::{Map, Value};
use skep_template::Template;

use crate::error::{CliError, CliResult};

/// Writes a line. A reader that has gone away (`| head`) ends the command without a word.
pub(crate) fn line(text: &str) -> CliResult<()> {
    raw(format!("{text}\n").as_bytes())
}

/// Writes bytes as they are.
pub(crate) fn raw(bytes: &[u8]) -> CliResult<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        other => Ok(other?),
    }
}

/// A line for the person, not for the pipe.
pub(crate) fn note(text: &str) {
    // Nothing is left to be done when standard error is closed.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// A column: the key in templates, the title in the table.
pub(crate) type Column = (&'static str, &'static str);

/// A list: columns of the default table, further keys for templates, and rows of values by key.
pub(crate) struct List {
    pub(crate) columns: &'static [Column],
    pub(crate) further: &'static [Column],
    /// The key that `-q` prints.
    pub(crate) quiet_key: &'static str,
    pub(crate) rows: Vec<Map<String, Value>>,
}

/// A row from its keys and values.
pub(crate) fn row<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

impl List {
    /// Prints the list as `--format` and `-q` want it.
    pub(crate) fn print(mut self, format: Option<&str>, quiet: bool) -> CliResult<()> {
        for row in &mut self.rows {
            row.sort_keys();
        }
        match format {
            None | Some("table") if quiet => {
                self.print_lines(&format!("{{{{.{}}}}}", self.quiet_key))
            }
            None | Some("table") => {
                let cells: Vec<&str> = self.columns.iter().map(|(key, _)| *key).collect();
                let header = self.columns.iter().map(|(_, title)| (*title).to_owned()).collect();
                let rows = self
                    .rows
                    .iter()
                    .map(|row| cells.iter().map(|key| text_of(row.get(*key))).collect())
                    .collect();
                raw(table(header, rows).as_bytes())
            }
            Some("json") => self.print_lines("{{json .}}"),
            Some(format) => match format.strip_prefix("table ") {
                Some(template) => self.print_table(template),
                None => self.print_lines(format),
            },
        }
    }

    fn print_lines(&self, template: &str) -> CliResult<()> {
        let template = parse(template)?;
        for row in &self.rows {
            line(&render(&template, &Value::Object(row.clone()))?)?;
        }
        Ok(())
    }

    fn print_table(&self, template: &str) -> CliResult<()> {
        let template = parse(&template.replace("\\t", "\t").replace("\\n", "\n"))?;
        let titles = self.columns.iter().chain(self.further);
        let header: Map<String, Value> =
            titles.map(|(key, title)| ((*key).to_owned(), Value::from(*title))).collect();
        let cells = |value: Value| -> CliResult<Vec<String>> {
            Ok(render(&template, &value)?.split('\t').map(str::to_owned).collect())
        };
        let rows: CliResult<Vec<_>> =
            self.rows.iter().map(|row| cells(Value::Object(row.clone()))).collect();
        raw(table(cells(Value::Object(header))?, rows?).as_bytes())
    }
}

fn text_of(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn parse(template: &str) -> CliResult<Template> {
    Template::parse(template).map_err(|error| {
        CliError::new(error.to_string())
            .hint("`--format` takes a Go template, such as '{{.ID}} {{.Name}}', or `json`")
    })
}

fn render(template: &Template, value: &Value) -> CliResult<String> {
    template.render_strict(value, "row").map_err(|error| CliError::new(error.to_string()))
}

/// Renders one value by a template, or as Docker's indented JSON without one. A field that is not
/// there prints as `<no value>`: which fields an object has depends on what was set.
pub(crate) fn formatted(value: &Value, format: Option<&str>) -> CliResult<String> {
    let template = match format {
        None => return Ok(indented(value)),
        Some("json") => "{{json .}}",
        Some(template) => template,
    };
    parse(template)?
        .render(value)
        .map_err(|error| CliError::new(format!("template parsing error: {error}")))
}

/// JSON as Docker's `inspect` indents it: by four.
pub(crate) fn indented(value: &Value) -> String {
    let mut text = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut text, formatter);
    // Writing to memory can't fail, and serde_json writes UTF-8.
    let _ = serde::Serialize::serialize(value, &mut serializer);
    String::from_utf8_lossy(&text).into_owned()
}

/// Aligns cells as Go's tabwriter does for Docker: a column is as wide as its widest cell and three
/// blanks more, at least ten; the last cell of a row is not filled up.
pub(crate) fn table(header: Vec<String>, rows: Vec<Vec<String>>) -> String {
    const PADDING: usize = 3;
    const WIDTH_MIN: usize = 10;
    let mut lines = vec![header];
    lines.extend(rows);
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        let widest = cells.map(|cell| cell.chars().count()).max().unwrap_or(0);
        (widest + PADDING).max(WIDTH_MIN)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        for (column, cell) in line.iter().enumerate() {
            text.push_str(cell);
            if column + 1 < line.len() {
                let fill = widths[column] - cell.chars().count();
                text.extend(std::iter::repeat_n(' ', fill));
            }
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_aligned_as_dockers() {
        let cells = |line: &[&str]| line.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>();
        let empty = table(cells(&["ID", "NAME", "MODE", "REPLICAS", "IMAGE", "PORTS"]), vec![]);
        assert_eq!(empty, "ID        NAME      MODE      REPLICAS   IMAGE     PORTS\n");
        let full = table(
            cells(&["NAME", "SERVICES"]),
            vec![cells(&["a-longer-name", "4"]), cells(&["demo", "12"])],
        );
        assert_eq!(full, "NAME            SERVICES\na-longer-name   4\ndemo            12\n");
    }

    #[test]
    fn inspect_is_indented_by_four() {
        let value = serde_json::json!([{"ID": "x", "Labels": {}}]);
        assert_eq!(
            indented(&value),
            "[\n    {\n        \"ID\": \"x\",\n        \"Labels\": {}\n    }\n]"
        );
    }
}
