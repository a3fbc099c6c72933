//! What a wasm file is, found without running or compiling it.
//!
//! Only the outer component's imports and exports are read. What is nested is skipped by seeking,
//! so that a large component costs little memory, and the buffer has a limit, so that a hostile
//! one costs no more. Whether the code inside is valid is for the compiler to say.

use std::io::{Read, Seek, SeekFrom};

use skep_api::WorkloadKind;
use wasmparser::{Chunk, Encoding, Parser, Payload};

use crate::NotRunnable;
use crate::name::excerpt;

/// The largest section of the outer component that is read. Types, imports and exports of real
/// components are some 100 KiB; code is nested and never read.
const SECTION_MAX: usize = 8 << 20;

/// The most imports, and the most exports. Worlds of today have some 50.
const ITEMS_MAX: usize = 1000;

/// The longest name of an import or export: they are shown, stored and compared.
const ITEM_NAME_MAX: usize = 512;

/// How many bytes are read at once.
const READ_SIZE: usize = 16 << 10;

/// How many names an error lists before it says how many more there are.
const NAMED_MAX: usize = 8;

/// What a component is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Findings {
    pub(crate) kind: WorkloadKind,
    pub(crate) imports: Vec<String>,
    pub(crate) exports: Vec<String>,
}

/// Why the reading ended early.
#[derive(Debug)]
pub(crate) enum Unread {
    /// The file could not be read.
    Io(std::io::Error),
    /// It was read, and is not for us.
    Refused(NotRunnable),
}

/// Reads what a component imports and exports, and what kind of workload that makes it.
pub(crate) fn analyse(file: &mut (impl Read + Seek)) -> Result<Findings, Unread> {
    check_header(file)?;
    let (imports, exports) = Walk::new(file).run()?;
    let kind = kind_of(&exports).ok_or_else(|| {
        let listed = if exports.is_empty() {
            "it exports nothing".to_owned()
        } else {
            format!("it exports {}", list(&exports))
        };
        Unread::Refused(NotRunnable::NoEntry(listed))
    })?;
    Ok(Findings { kind, imports, exports })
}

/// Refuses what imports something that the host does not offer.
pub(crate) fn check_imports(
    imports: &[String],
    host_offers: fn(&str) -> bool,
) -> Result<(), NotRunnable> {
    let missing: Vec<String> =
        imports.iter().filter(|import| !host_offers(import)).cloned().collect();
    if missing.is_empty() { Ok(()) } else { Err(NotRunnable::Imports(list(&missing))) }
}

/// The export that makes a component of that kind, with its version, `wasi:cli/run@0.2.3`.
pub(crate) fn entry_of(kind: WorkloadKind, exports: &[String]) -> Option<&str> {
    let interface = match kind {
        WorkloadKind::Command => "wasi:cli/run",
        WorkloadKind::Http => "wasi:http/incoming-handler",
    };
    exports.iter().map(String::as_str).find(|export| is_wasi_02(export, interface))
}

/// A component that exports both is served: a handler is no program that ends.
pub(crate) fn kind_of(exports: &[String]) -> Option<WorkloadKind> {
    [WorkloadKind::Http, WorkloadKind::Command]
        .into_iter()
        .find(|kind| entry_of(*kind, exports).is_some())
}

/// Whether it is that interface of a released WASI 0.2.
fn is_wasi_02(export: &str, interface: &str) -> bool {
    let patch = export.strip_prefix(interface).and_then(|rest| rest.strip_prefix("@0.2."));
    patch.is_some_and(|patch| !patch.is_empty() && patch.bytes().all(|b| b.is_ascii_digit()))
}

fn check_header(file: &mut (impl Read + Seek)) -> Result<(), Unread> {
    let mut header = Vec::with_capacity(8);
    Read::by_ref(file).take(8).read_to_end(&mut header).map_err(Unread::Io)?;
    file.seek(SeekFrom::Start(0)).map_err(Unread::Io)?;
    let refused = |text: &str| Err(Unread::Refused(NotRunnable::NotWasm(text.to_owned())));
    match header.as_slice() {
        [] => refused("it is empty"),
        [0x1f, 0x8b, ..] => refused("it is compressed with gzip"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => refused("it is compressed with zstd"),
        [0x7f, b'E', b'L', b'F', ..] => refused("it is a Linux program"),
        [b'(', b'm' | b'c', ..] => refused("it is WebAssembly text; build the binary from it"),
        [0, b'a', b's', b'm', _, _, 0, 0] => Err(Unread::Refused(NotRunnable::CoreModule)),
        [0, b'a', b's', b'm', _, _, 1, 0] => Ok(()),
        [0, b'a', b's', b'm', ..] => refused("its version is unknown"),
        _ => refused("it does not begin with `\\0asm`"),
    }
}

/// The walk over the outer component's sections.
struct Walk<'a, F> {
    file: &'a mut F,
    parser: Parser,
    buffer: Vec<u8>,
    ended: bool,
    imports: Vec<String>,
    exports: Vec<String>,
}

/// What a step of the walk came to.
enum Step {
    /// That much of the buffer is done with, and then so much of the file is skipped.
    Consumed { buffered: usize, skipped: u64 },
    /// At least that much more is needed.
    Needs(u64),
    /// The component ends here.
    End,
}

impl<'a, F: Read + Seek> Walk<'a, F> {
    fn new(file: &'a mut F) -> Self {
        let (imports, exports) = (Vec::new(), Vec::new());
        Self { file, parser: Parser::new(0), buffer: Vec::new(), ended: false, imports, exports }
    }

    fn run(mut self) -> Result<(Vec<String>, Vec<String>), Unread> {
        loop {
            match self.step()? {
                Step::Consumed { buffered, skipped } => {
                    self.buffer.drain(..buffered);
                    self.skip(skipped)?;
                }
                Step::Needs(more) => self.fill(more)?,
                Step::End => return Ok((self.imports, self.exports)),
            }
        }
    }

    fn step(&mut self) -> Result<Step, Unread> {
        let chunk = self.parser.parse(&self.buffer, self.ended).map_err(malformed)?;
        let (consumed, payload) = match chunk {
            Chunk::NeedMoreData(more) => return Ok(Step::Needs(more)),
            Chunk::Parsed { consumed, payload } => (consumed, payload),
        };
        let mut skipped = 0;
        match payload {
            Payload::Version { encoding: Encoding::Module, .. } => {
                return Err(Unread::Refused(NotRunnable::CoreModule));
            }
            Payload::ModuleSection { unchecked_range: range, .. }
            | Payload::ComponentSection { unchecked_range: range, .. } => {
                skipped = (range.end - range.start) as u64;
            }
            Payload::ComponentImportSection(section) => {
                for import in section {
                    note(&mut self.imports, import.map_err(malformed)?.name.name)?;
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section {
                    note(&mut self.exports, export.map_err(malformed)?.name.name)?;
                }
            }
            Payload::UnknownSection { id, .. } => {
                return Err(refuse(format!("it has a section of the unknown kind {id}")));
            }
            Payload::End(_) => return Ok(Step::End),
            _ => {}
        }
        Ok(Step::Consumed { buffered: consumed, skipped })
    }

    /// Goes over what is nested: what of it is buffered is dropped, the rest is never read.
    fn skip(&mut self, bytes: u64) -> Result<(), Unread> {
        let buffered = bytes.min(self.buffer.len() as u64);
        self.buffer.drain(..buffered as usize);
        let rest = bytes - buffered;
        if rest == 0 {
            return Ok(());
        }
        let at = self.file.stream_position().map_err(Unread::Io)?;
        let end = self.file.seek(SeekFrom::End(0)).map_err(Unread::Io)?;
        match at.checked_add(rest).filter(|to| *to <= end) {
            Some(to) => self.file.seek(SeekFrom::Start(to)).map(drop).map_err(Unread::Io),
            None => Err(refuse("it ends inside a nested module".to_owned())),
        }
    }

    fn fill(&mut self, more: u64) -> Result<(), Unread> {
        let wanted = usize::try_from(more).unwrap_or(usize::MAX).max(READ_SIZE);
        if self.buffer.len().saturating_add(wanted) > SECTION_MAX {
            return Err(refuse(format!("it has a section larger than {SECTION_MAX} bytes")));
        }
        let read = Read::by_ref(&mut *self.file)
            .take(wanted as u64)
            .read_to_end(&mut self.buffer)
            .map_err(Unread::Io)?;
        self.ended = read < wanted;
        Ok(())
    }
}

fn note(names: &mut Vec<String>, name: &str) -> Result<(), Unread> {
    if names.len() == ITEMS_MAX {
        return Err(refuse(format!("it has more than {ITEMS_MAX} imports or exports")));
    }
    if name.len() > ITEM_NAME_MAX {
        return Err(refuse(format!("`{}...` is longer than {ITEM_NAME_MAX} bytes", excerpt(name))));
    }
    names.push(name.to_owned());
    Ok(())
}

fn malformed(error: wasmparser::BinaryReaderError) -> Unread {
    refuse(format!("{} (at byte {})", excerpt(error.message()), error.offset()))
}

fn refuse(reason: String) -> Unread {
    Unread::Refused(NotRunnable::Malformed(reason))
}

fn list(names: &[String]) -> String {
    let mut text =
        names.iter().take(NAMED_MAX).map(|name| format!("`{}`", excerpt(name))).collect::<Vec<_>>();
    if names.len() > NAMED_MAX {
        text.push(format!("and {} more", names.len() - NAMED_MAX));
    }
    text.join(", ")
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn read(wat: &str) -> Result<Findings, String> {
        bytes(&wat::parse_str(wat).expect("text"))
    }

    fn bytes(wasm: &[u8]) -> Result<Findings, String> {
        analyse(&mut Cursor::new(wasm)).map_err(|unread| match unread {
            Unread::Io(error) => panic!("memory is readable: {error}"),
            Unread::Refused(reason) => reason.to_string(),
        })
    }

    fn strings(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn the_kind_follows_from_the_exports() {
        for (exports, kind) in [
            (&["wasi:cli/run@0.2.0"][..], WorkloadKind::Command),
            (&["wasi:cli/run@0.2.12", "a:b/c"], WorkloadKind::Command),
            (&["wasi:http/incoming-handler@0.2.3"], WorkloadKind::Http),
            (&["wasi:cli/run@0.2.0", "wasi:http/incoming-handler@0.2.0"], WorkloadKind::Http),
        ] {
            let lines: String =
                exports.iter().map(|name| format!("(export \"{name}\" (instance $i))")).collect();
            let found = read(&format!("(component (instance $i) {lines})")).expect("a component");
            assert_eq!(found.kind, kind, "{exports:?}");
            assert_eq!(found.exports, strings(exports));
        }
    }

    #[test]
    fn imports_are_those_of_the_outer_component_alone() {
        let found = read(
            r#"(component
                (import "wasi:io/error@0.2.0" (instance))
                (component (import "inner:one/only" (instance)) (export "x:y/z" (instance 0)))
                (core module (import "env" "f" (func)))
                (import "wasi:cli/environment@0.2.3" (instance))
                (instance $i) (export "wasi:cli/run@0.2.3" (instance $i)))"#,
        )
        .expect("a component");
        assert_eq!(found.imports, ["wasi:io/error@0.2.0", "wasi:cli/environment@0.2.3"]);
        assert_eq!(found.exports, ["wasi:cli/run@0.2.3"]);
    }

    #[test]
    fn a_large_nested_module_is_skipped_without_being_read() {
        let data = "x".repeat(SECTION_MAX + 100);
        let found = read(&format!(
            r#"(component (core module (memory 1) (data "{data}"))
                (instance $i) (export "wasi:cli/run@0.2.0" (instance $i)))"#
        ));
        assert_eq!(found.expect("a component").exports, ["wasi:cli/run@0.2.0"]);
    }

    #[test]
    fn what_cannot_run_is_refused_with_the_reason() {
        for (wasm, reason) in [
            (b"".to_vec(), "is not WebAssembly: it is empty"),
            (b"#!/bin/sh\n".to_vec(), "does not begin with"),
            (b"\x7fELF....".to_vec(), "a Linux program"),
            (b"\x1f\x8b12345678".to_vec(), "compressed with gzip"),
            (b"(component)".to_vec(), "WebAssembly text"),
            (b"\0asm".to_vec(), "version is unknown"),
            (b"\0asm\x01\0\0\0".to_vec(), "is a core module, not a component"),
            (b"\0asm\x0d\0\x01\0".to_vec(), "it exports nothing"),
            (b"\0asm\x0d\0\x01\0\x01\x50".to_vec(), "ends inside a nested module"),
            (b"\0asm\x0d\0\x01\0\x63\x01\x00".to_vec(), "not a valid component"),
        ] {
            let error = bytes(&wasm).expect_err(reason);
            assert!(error.contains(reason), "{reason}: {error}");
        }
        for export in ["wasi:cli/run@0.3.0", "wasi:cli/run@0.2.0-rc-2023-11-10", "wasi:cli/run"] {
            let error =
                read(&format!("(component (instance $i) (export \"{export}\" (instance $i)))"))
                    .expect_err(export);
            assert!(error.contains("exports neither") && error.contains(export), "{error}");
        }
    }

    #[test]
    fn limits_hold() {
        let many: String = (0..=ITEMS_MAX).map(|n| format!("(import \"a{n}\" (func))")).collect();
        let error = read(&format!("(component {many})")).expect_err("too many");
        assert!(error.contains("more than 1000"), "{error}");
        let long = "a".repeat(ITEM_NAME_MAX + 1);
        let error = read(&format!("(component (import \"{long}\" (func)))")).expect_err("long");
        assert!(error.contains("longer than 512"), "{error}");
        // A section of types that says, rightly, that it is 16 MiB long.
        let mut large = b"\0asm\x0d\0\x01\0\x07\x80\x80\x80\x08".to_vec();
        large.resize(large.len() + (16 << 20), 0);
        let error = bytes(&large).expect_err("large");
        assert!(error.contains("section larger than"), "{error}");
    }

    #[test]
    fn imports_that_the_host_does_not_offer_are_named() {
        let imports = strings(&["wasi:io/error@0.2.0", "wasi:keyvalue/store@0.2.0-draft"]);
        let offers = |name: &str| name.starts_with("wasi:io/");
        let error = check_imports(&imports, offers).expect_err("keyvalue").to_string();
        assert_eq!(
            error,
            "imports `wasi:keyvalue/store@0.2.0-draft`, which this host does not offer"
        );
        assert_eq!(check_imports(&imports, |_| true), Ok(()));
        let many: Vec<String> = (0..10).map(|n| format!("x{n}")).collect();
        let error = check_imports(&many, |_| false).expect_err("all").to_string();
        assert!(error.contains("`x7`, and 2 more"), "{error}");
    }

    #[test]
    fn garbage_never_panics() {
        let good = wat::parse_str(
            r#"(component (import "wasi:io/error@0.2.0" (instance))
                (core module (memory 1)) (type (func (param "a" string)))
                (instance $i) (export "wasi:cli/run@0.2.0" (instance $i)))"#,
        )
        .expect("text");
        let mut state = 1_u64;
        let mut random = || {
            // A plain xorshift: the same garbage in every run.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        for _ in 0..20_000 {
            let mut wasm = good.clone();
            for _ in 0..random() % 6 + 1 {
                let at = 8 + random() as usize % (wasm.len() - 8);
                wasm[at] = random() as u8;
            }
            wasm.truncate(8 + random() as usize % (wasm.len() * 2));
            let _ = bytes(&wasm);
            let noise: Vec<u8> = (0..random() % 64).map(|_| random() as u8).collect();
            let _ = bytes(&[&good[..8], &noise].concat());
        }
    }
}
