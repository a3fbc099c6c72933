//! Does what its arguments say, one line of output an act: `ACT ARGUMENTS: RESULT`.
//!
//! - files: `ls P`, `cat P`, `stat P`, `write P TEXT`, `append P TEXT`, `write-at P OFFSET TEXT`,
//!   `set-len P N`, `read-at P OFFSET N`, `rm P`, `mkdir P`, `mkdir-all P`, `rmdir P`, `rmtree P`,
//!   `rename P Q`, `link P Q`, `sync P`, `held P` (writes, removes, reads on), `fill P` (writes
//!   until it is refused);
//! - the process: `cwd`, `args`, `env NAME`, `vars`, `stdin`, `random`, `print TEXT`, `err TEXT`,
//!   `exit N`, `fail` (main returns an error);
//! - memory: `grow N` (MiB, kept), `try-grow N` (copes with a refusal), `recurse`;
//! - sockets: `resolve NAME`, `talk HOST PORT TEXT` (sends, shuts its side down, reads all),
//!   `connect HOST PORT`, `bind ADDR`, `udp ADDR`, `sockets N`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::{Shutdown, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};

type Acted = io::Result<String>;

fn main() -> Result<(), String> {
    let mut args = std::env::args().skip(1);
    let mut kept = Vec::new();
    while let Some(act) = args.next() {
        let count = match act.as_str() {
            "cwd" | "args" | "vars" | "stdin" | "random" | "fail" | "recurse" => 0,
            "write" | "append" | "set-len" | "rename" | "link" | "connect" => 2,
            "write-at" | "read-at" | "talk" => 3,
            _ => 1,
        };
        let on: Vec<String> = args.by_ref().take(count).collect();
        let on: Vec<&str> = on.iter().map(String::as_str).collect();
        let result = match (act.as_str(), on.as_slice()) {
            ("fail", _) => return Err("failed on purpose".to_owned()),
            ("exit", [code]) => std::process::exit(number(code) as i32),
            ("grow", [mib]) => {
                kept.push(vec![1_u8; number(mib) << 20]);
                Ok(format!("{} blocks", kept.len()))
            }
            (act, on) => files(act, on)
                .or_else(|| process(act, on))
                .or_else(|| sockets(act, on))
                .unwrap_or_else(|| Err(io::Error::other("no such act"))),
        };
        let sep = if on.is_empty() { "" } else { " " };
        match result {
            Ok(text) => println!("{act}{sep}{}: {text}", on.join(" ")),
            Err(error) => println!("{act}{sep}{}: error: {}", on.join(" "), name(&error)),
        }
    }
    Ok(())
}

/// The error's kind. Those that the library does not know on this target are told by number.
fn name(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(51) => "StorageFull".to_owned(),
        Some(55) => "DirectoryNotEmpty".to_owned(),
        Some(29) => "Io".to_owned(),
        _ => format!("{:?}", error.kind()),
    }
}

fn number(text: &str) -> usize {
    text.parse().expect("a number")
}

fn files(act: &str, on: &[&str]) -> Option<Acted> {
    let done = |result: io::Result<()>| result.map(|()| "done".to_owned());
    Some(match (act, on) {
        ("ls", [path]) => list(path),
        ("cat", [path]) => fs::read(path).map(|bytes| bytes.escape_ascii().to_string()),
        ("stat", [path]) => fs::metadata(path).map(|meta| {
            let kind = if meta.is_dir() { "folder" } else { "file" };
            format!("{kind} {}", meta.len())
        }),
        ("write", [path, text]) => done(fs::write(path, text)),
        ("append", [path, text]) => done(append(path, text)),
        ("write-at", [path, offset, text]) => done(write_at(path, number(offset), text)),
        ("read-at", [path, offset, len]) => read_at(path, number(offset), number(len)),
        ("set-len", [path, len]) => {
            let file = OpenOptions::new().write(true).open(path);
            let len = len.parse().expect("a length");
            done(file.and_then(|file| file.set_len(len)))
        }
        ("rm", [path]) => done(fs::remove_file(path)),
        ("mkdir", [path]) => done(fs::create_dir(path)),
        ("mkdir-all", [path]) => done(fs::create_dir_all(path)),
        ("rmdir", [path]) => done(fs::remove_dir(path)),
        ("rmtree", [path]) => done(fs::remove_dir_all(path)),
        ("rename", [from, to]) => done(fs::rename(from, to)),
        ("link", [from, to]) => done(fs::hard_link(from, to)),
        ("sync", [path]) => done(File::open(path).and_then(|file| file.sync_all())),
        ("held", [path]) => held(path),
        ("fill", [path]) => fill(path),
        _ => return None,
    })
}

fn list(path: &str) -> Acted {
    let mut names = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let slash = if entry.file_type()?.is_dir() { "/" } else { "" };
        names.push(format!("{}{slash}", entry.file_name().to_string_lossy()));
    }
    names.sort();
    Ok(names.join(" "))
}

fn append(path: &str, text: &str) -> io::Result<()> {
    OpenOptions::new().append(true).create(true).open(path)?.write_all(text.as_bytes())
}

fn write_at(path: &str, offset: usize, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).open(path)?;
    file.seek(SeekFrom::Start(offset as u64))?;
    file.write_all(text.as_bytes())
}

fn read_at(path: &str, offset: usize, len: usize) -> Acted {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset as u64))?;
    let mut bytes = Vec::new();
    file.take(len as u64).read_to_end(&mut bytes)?;
    Ok(bytes.escape_ascii().to_string())
}

fn held(path: &str) -> Acted {
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
    file.write_all(b"still here")?;
    fs::remove_file(path)?;
    file.rewind()?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(text)
}

fn fill(path: &str) -> Acted {
    let mut file = File::create(path)?;
    let block = [7; 4096];
    for blocks in 0..100_000 {
        if let Err(error) = file.write_all(&block) {
            return Ok(format!("{blocks} blocks, then {}", name(&error)));
        }
    }
    Ok("no end".to_owned())
}

fn process(act: &str, on: &[&str]) -> Option<Acted> {
    Some(match (act, on) {
        ("cwd", []) => std::env::current_dir().map(|path| path.display().to_string()),
        ("args", []) => Ok(std::env::args().count().to_string()),
        ("env", [name]) => Ok(std::env::var(name).unwrap_or_else(|_| "(not set)".to_owned())),
        ("vars", []) => Ok(std::env::vars().count().to_string()),
        ("stdin", []) => {
            io::read_to_string(io::stdin()).map(|text| format!("{} bytes", text.len()))
        }
        ("random", []) => {
            let (one, other) = (std::hash::RandomState::new(), std::hash::RandomState::new());
            use std::hash::BuildHasher;
            Ok((one.hash_one(1) != other.hash_one(1)).to_string())
        }
        ("print", [text]) => {
            print!("{text}");
            io::stdout().flush().map(|()| "printed".to_owned())
        }
        ("err", [text]) => {
            eprintln!("{text}");
            Ok("printed".to_owned())
        }
        ("try-grow", [mib]) => {
            let mut block: Vec<u8> = Vec::new();
            let grown = block.try_reserve(number(mib) << 20);
            Ok(if grown.is_ok() { "grown" } else { "refused" }.to_owned())
        }
        ("recurse", []) => Ok(recurse(1).to_string()),
        _ => return None,
    })
}

#[expect(unconditional_recursion, reason = "the test is about its end")]
fn recurse(depth: u64) -> u64 {
    let held = std::hint::black_box([depth; 512]);
    recurse(depth + 1) + held[depth as usize % 512]
}

fn sockets(act: &str, on: &[&str]) -> Option<Acted> {
    Some(match (act, on) {
        ("resolve", [name]) => (*name, 80)
            .to_socket_addrs()
            .map(|addrs| addrs.map(|addr| addr.ip().to_string()).collect::<Vec<_>>().join(" ")),
        ("connect", [host, port]) => TcpStream::connect((*host, number(port) as u16))
            .and_then(|stream| stream.peer_addr())
            .map(|peer| peer.to_string()),
        ("talk", [host, port, text]) => talk(host, number(port) as u16, text),
        ("bind", [addr]) => TcpListener::bind(addr)
            .and_then(|listener| listener.local_addr())
            .map(|addr| addr.to_string()),
        ("udp", [addr]) => UdpSocket::bind(addr).map(|_| "bound".to_owned()),
        ("sockets", [count]) => {
            let held: Vec<_> =
                (0..number(count)).map_while(|_| TcpListener::bind("0.0.0.0:0").ok()).collect();
            Ok(format!("{} held", held.len()))
        }
        _ => return None,
    })
}

fn talk(host: &str, port: u16, text: &str) -> Acted {
    let mut stream = TcpStream::connect((host, port))?;
    stream.write_all(text.as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
