//! Where progress is shown: lines that change in place on a terminal, lines one after the other
//! elsewhere.

use std::collections::BTreeMap;
use std::io::IsTerminal;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::error::CliResult;
use crate::out;

/// A line of progress: `1/3: running`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// What it is about; a later line of that name takes its place on a terminal.
    pub(super) name: String,
    pub(super) text: String,
    pub(super) kind: Kind,
}

/// Who gets to see a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Everybody, when it changed.
    Told,
    /// Terminals only: a state that will be another in a moment, as Docker does it.
    Passing,
}

impl Line {
    pub(super) fn told(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into(), kind: Kind::Told }
    }

    pub(super) fn passing(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into(), kind: Kind::Passing }
    }
}

/// Where progress is shown.
pub(super) enum Screen {
    /// Nowhere.
    Quiet,
    /// On a terminal, in place.
    Live { bars: MultiProgress, lines: Vec<(String, ProgressBar)> },
    /// A line when something changed. Docker writes every line again five times a second.
    Plain { last: BTreeMap<String, String> },
}

impl Screen {
    pub(super) fn new() -> Self {
        if !std::io::stdout().is_terminal() {
            return Self::Plain { last: BTreeMap::new() };
        }
        let bars = MultiProgress::with_draw_target(indicatif::ProgressDrawTarget::stdout());
        Self::Live { bars, lines: Vec::new() }
    }

    /// Shows lines, each in the place of the one of its name.
    pub(super) fn show(&mut self, shown: &[Line]) -> CliResult<()> {
        shown.iter().try_for_each(|line| self.show_one(line))
    }

    fn show_one(&mut self, line: &Line) -> CliResult<()> {
        match self {
            Self::Quiet => Ok(()),
            Self::Live { bars, lines } => {
                let found = lines.iter().find(|(name, _)| *name == line.name);
                let bar = match found {
                    Some((_, bar)) => bar,
                    None => {
                        lines.push((line.name.clone(), bars.add(bar(&line.name))));
                        &lines[lines.len() - 1].1
                    }
                };
                bar.set_message(line.text.clone());
                Ok(())
            }
            Self::Plain { .. } if line.kind == Kind::Passing => Ok(()),
            Self::Plain { last } => {
                if last.get(&line.name) == Some(&line.text) {
                    return Ok(());
                }
                last.insert(line.name.clone(), line.text.clone());
                out::line(&format!("{}: {}", line.name, line.text))
            }
        }
    }

    /// The last word, below all lines.
    pub(super) fn end(&mut self, text: &str) -> CliResult<()> {
        match self {
            Self::Quiet => Ok(()),
            Self::Live { bars, .. } => Ok(bars.println(text)?),
            Self::Plain { .. } => out::line(text),
        }
    }
}

impl Drop for Screen {
    /// What was reached stays on the terminal.
    fn drop(&mut self) {
        if let Self::Live { lines, .. } = self {
            lines.iter().for_each(|(_, bar)| bar.abandon());
        }
    }
}

fn bar(name: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix}: {msg}");
    let bar = ProgressBar::new_spinner().with_prefix(name.to_owned());
    // The template above is a constant that parses; a bar without it would still work.
    if let Ok(style) = style { bar.with_style(style) } else { bar }
}
