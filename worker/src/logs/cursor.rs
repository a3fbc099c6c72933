//! Reads one task's lines in the order they were written, across rotation.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use skep_api::{Id, Service, Task};

use super::writer::{CURRENT, PREVIOUS};
use super::{LogLine, LogOptions, record};

/// A place in a task's lines.
#[derive(Debug)]
pub(super) struct Cursor {
    task: Id<Task>,
    service: Id<Service>,
    dir: PathBuf,
    /// The file that is read, and those after it that were there when the cursor was made. An open
    /// file stays readable when rotation takes its name away.
    files: VecDeque<Open>,
    /// The beginning of a record whose end was not there yet.
    partial: Vec<u8>,
}

#[derive(Debug)]
struct Open {
    file: BufReader<File>,
    inode: u64,
}

impl Cursor {
    /// The beginning of a task's lines.
    pub(super) fn new(task: Id<Task>, service: Id<Service>, dir: PathBuf) -> io::Result<Self> {
        let mut cursor = Self { task, service, dir, files: VecDeque::new(), partial: Vec::new() };
        cursor.open(PREVIOUS)?;
        cursor.open(CURRENT)?;
        Ok(cursor)
    }

    /// Moves on to the last `tail` lines that match.
    pub(super) fn skip_to_tail(&mut self, tail: u64, options: &LogOptions) -> io::Result<()> {
        let keep = usize::try_from(tail).unwrap_or(usize::MAX);
        let mut starts: VecDeque<(usize, u64)> = VecDeque::new();
        let mut ends = Vec::new();
        for (index, open) in self.files.iter_mut().enumerate() {
            let mut line = Vec::new();
            let mut at = 0;
            while read_line(&mut open.file, &mut line)? {
                if parse(self.task, self.service, &line).is_some_and(|line| options.has(&line)) {
                    starts.push_back((index, at));
                    if starts.len() > keep {
                        starts.pop_front();
                    }
                }
                at += line.len() as u64;
                line.clear();
            }
            ends.push(at);
        }
        let last = ends.len().saturating_sub(1);
        let end = ends.last().map(|end| (last, *end));
        let Some((index, at)) = starts.front().copied().or(end) else { return Ok(()) };
        self.files.drain(..index);
        for (place, open) in self.files.iter_mut().enumerate() {
            open.file.seek(SeekFrom::Start(if place == 0 { at } else { 0 }))?;
        }
        Ok(())
    }

    /// The next line that matches; none at the end of what there is now.
    pub(super) fn next(&mut self, options: &LogOptions) -> io::Result<Option<LogLine>> {
        loop {
            let Some(open) = self.files.front_mut() else {
                if !self.find_next(None)? {
                    return Ok(None);
                }
                continue;
            };
            if read_line(&mut open.file, &mut self.partial)? {
                let line = parse(self.task, self.service, &self.partial);
                self.partial.clear();
                if let Some(line) = line.filter(|line| options.has(line)) {
                    return Ok(Some(line));
                }
                continue;
            }
            let inode = open.inode;
            if self.files.len() == 1 && !self.find_next(Some(inode))? {
                return Ok(None);
            }
            self.files.pop_front();
            // The end of a torn record will not come any more.
            self.partial.clear();
        }
    }

    /// Opens what was written after the file `read`. Nothing if that one is still written to.
    fn find_next(&mut self, read: Option<u64>) -> io::Result<bool> {
        let open_before = self.files.len();
        let is_read = |inode: Option<u64>| inode.is_some() && inode == read;
        if is_read(inode(&self.dir.join(CURRENT))?) {
            return Ok(false);
        }
        // Two rotations since: what was current in between is `previous` now.
        if !is_read(inode(&self.dir.join(PREVIOUS))?) {
            self.open(PREVIOUS)?;
        }
        self.open(CURRENT)?;
        Ok(self.files.len() > open_before)
    }

    fn open(&mut self, name: &str) -> io::Result<()> {
        let file = match File::open(self.dir.join(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let inode = file.metadata()?.ino();
        // A rotation between two opens shows the same file under both names.
        if self.files.back().is_none_or(|last| last.inode != inode) {
            self.files.push_back(Open { file: BufReader::new(file), inode });
        }
        Ok(())
    }
}

impl LogOptions {
    /// Whether a line is asked for.
    fn has(&self, line: &LogLine) -> bool {
        self.since.is_none_or(|since| line.at >= since)
            && self.stream.is_none_or(|stream| line.stream == stream)
    }
}

/// Reads on to the end of a line; false if it is not there yet.
fn read_line(file: &mut BufReader<File>, line: &mut Vec<u8>) -> io::Result<bool> {
    file.read_until(b'\n', line)?;
    Ok(line.ends_with(b"\n"))
}

fn parse(task: Id<Task>, service: Id<Service>, line: &[u8]) -> Option<LogLine> {
    let (at, stream, text) = record::decode(line.strip_suffix(b"\n")?)?;
    Some(LogLine { task, service, at, stream, text: text.to_vec() })
}

fn inode(path: &std::path::Path) -> io::Result<Option<u64>> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(Some(metadata.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
