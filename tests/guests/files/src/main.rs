//! Shows the files it sees, one line an act, the acts being its arguments in order:
//!
//! - `ls PATH`: the names in a folder, sorted, folders with a `/`;
//! - `cat PATH`: the content, bytes that are not printable as `\xNN`;
//! - `sum PATH`: the length and a 64-bit FNV-1a of the content;
//! - `write PATH TEXT`: a whole file; `append PATH TEXT`: behind its end;
//! - `rm PATH`, `mkdir PATH`;
//! - `env NAME`: a variable; `args`: how many arguments there are;
//! - `wait`: stays, until the task is stopped.
//!
//! An act that fails prints `act PATH: error: KIND` and the next one follows: what is refused is
//! a test's matter as well.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::time::Duration;

fn main() {
    let mut args = std::env::args().skip(1);
    while let Some(act) = args.next() {
        let mut next = || args.next().unwrap_or_default();
        let (on, result) = match act.as_str() {
            "args" => (String::new(), Ok(std::env::args().count().to_string())),
            "wait" => wait(),
            "ls" | "cat" | "sum" | "rm" | "mkdir" | "env" => {
                let path = next();
                let result = read(&act, &path);
                (path, result)
            }
            "write" | "append" => {
                let (path, text) = (next(), next());
                let result = write(&act, &path, &text);
                (path, result)
            }
            other => (other.to_owned(), Err(io::Error::other("no such act"))),
        };
        match result {
            Ok(text) => println!("{act} {on}: {text}"),
            Err(error) => println!("{act} {on}: error: {:?}", error.kind()),
        }
    }
}

fn read(act: &str, path: &str) -> io::Result<String> {
    match act {
        "ls" => list(path),
        "cat" => Ok(fs::read(path)?.escape_ascii().to_string()),
        "sum" => fs::read(path).map(|bytes| format!("{} {:016x}", bytes.len(), fnv1a(&bytes))),
        "rm" => fs::remove_file(path).map(|()| "removed".to_owned()),
        "mkdir" => fs::create_dir(path).map(|()| "made".to_owned()),
        _ => Ok(std::env::var(path).unwrap_or_else(|_| "(not set)".to_owned())),
    }
}

fn write(act: &str, path: &str, text: &str) -> io::Result<String> {
    let mut options = OpenOptions::new();
    match act {
        "append" => options.append(true).create(true),
        _ => options.write(true).create(true).truncate(true),
    };
    let mut file = options.open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(format!("{} bytes", text.len()))
}

fn list(path: &str) -> io::Result<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let slash = if entry.file_type()?.is_dir() { "/" } else { "" };
        names.push(format!("{}{slash}", entry.file_name().to_string_lossy()));
    }
    names.sort();
    Ok(names.join(" "))
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn wait() -> ! {
    println!("wait : waits");
    loop {
        std::thread::sleep(Duration::from_secs(3600));
    }
}
