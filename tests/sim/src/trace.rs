//! What happened in a run, for people and for comparing two runs.

use std::collections::VecDeque;
use std::fmt;

use skep_api::Time;

/// How many lines are kept for people: enough to see what led to a failure, and no more than fits a
/// terminal's memory.
const LINES_MAX: usize = 400;

/// The log of a run: its last lines, and a digest of all of them.
#[derive(Debug, Clone)]
pub struct Trace {
    lines: VecDeque<String>,
    count: u64,
    digest: u64,
    start: Time,
}

impl Trace {
    pub(crate) fn new(start: Time) -> Self {
        // FNV-1a: two runs are compared, nobody tries to fool it.
        Self { lines: VecDeque::new(), count: 0, digest: 0xcbf2_9ce4_8422_2325, start }
    }

    /// Notes what happened.
    pub(crate) fn note(&mut self, now: Time, what: impl fmt::Display) {
        let since = now.since(self.start);
        let line = format!("{:>6}.{:03}  {what}", since.as_secs(), since.subsec_millis());
        for byte in line.bytes().chain([b'\n']) {
            self.digest = (self.digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        if self.lines.len() == LINES_MAX {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
        self.count += 1;
    }

    /// A number that is another one for any other log.
    pub fn digest(&self) -> u64 {
        self.digest
    }

    /// How many lines there were.
    pub fn len(&self) -> u64 {
        self.count
    }

    /// Whether nothing happened.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dropped = self.count - self.lines.len() as u64;
        if dropped > 0 {
            writeln!(f, "({dropped} lines before)")?;
        }
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}
