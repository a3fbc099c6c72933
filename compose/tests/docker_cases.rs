//! Every folder below `data/cases` is compose files and what Docker's client makes of them: the
//! same must come out here, byte for byte.

#![expect(clippy::unwrap_used, reason = "a test may panic")]
#![expect(clippy::disallowed_methods, reason = "the cases are files; the crate itself reads none")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use skep_compose::{Options, ReadFile, SourceFile, Warning, load, print};

struct Disk;

impl ReadFile for Disk {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        fs::read(path)
    }
}

/// What a case prints, writes to the standard error, and ends with.
#[derive(Debug, PartialEq)]
struct Outcome {
    stdout: String,
    stderr: String,
    rc: i64,
}

fn case_folders() -> Vec<PathBuf> {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/cases");
    let mut folders: Vec<PathBuf> =
        fs::read_dir(cases).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders
}

fn expected(folder: &Path) -> (BTreeMap<String, String>, Outcome) {
    let case = fs::read_to_string(folder.join("case.json")).unwrap();
    let case: serde_json::Value = serde_json::from_str(&case).unwrap();
    let env = serde_json::from_value(case["env"].clone()).unwrap();
    let dir = folder.to_str().unwrap();
    let fill_in = |text: &str| text.replace("$DIR", dir);
    let stdout = fs::read_to_string(folder.join("expected.yaml")).unwrap_or_default();
    let stderr = case["stderr"].as_str().unwrap();
    let rc = case["rc"].as_i64().unwrap();
    (env, Outcome { stdout: fill_in(&stdout), stderr: fill_in(stderr), rc })
}

fn actual(folder: &Path, env: BTreeMap<String, String>) -> Outcome {
    let texts: Vec<(String, String)> = (0..)
        .map(|number| folder.join(format!("{number}.yml")))
        .take_while(|path| path.exists())
        .map(|path| (path.to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap()))
        .collect();
    let files: Vec<SourceFile<'_>> =
        texts.iter().map(|(name, text)| SourceFile { name, text }).collect();
    let options = Options {
        working_dir: folder.to_str().unwrap().to_owned(),
        home: env.get("HOME").cloned(),
        env,
        ..Options::default()
    };
    match load(&files, &options, &Disk) {
        Ok(loaded) => {
            let mut stderr = String::new();
            for warning in &loaded.warnings {
                // `stack config` shows nothing of the others.
                if let Warning::Notice(text) = warning {
                    writeln!(stderr, "level=warning msg={text:?}").unwrap();
                }
            }
            Outcome { stdout: print(&loaded.project), stderr, rc: 0 }
        }
        Err(error) => {
            assert!(error.file.is_some(), "{}: {error} names no file", folder.display());
            Outcome { stdout: String::new(), stderr: format!("{error}\n"), rc: 1 }
        }
    }
}

#[test]
fn every_case_comes_out_as_from_docker() {
    let folders = case_folders();
    assert!(folders.len() > 65, "cases are missing: {}", folders.len());
    for folder in folders {
        let (env, expected) = expected(&folder);
        let actual = actual(&folder, env);
        assert_eq!(actual.stderr, expected.stderr, "{}", folder.display());
        assert_eq!(actual.stdout, expected.stdout, "{}", folder.display());
        assert_eq!(actual.rc, expected.rc, "{}", folder.display());
    }
}
