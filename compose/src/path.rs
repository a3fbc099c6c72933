//! Paths inside a compose file, and the paths of files it names.

/// How Docker writes where something is: `services.web.ports.0`, and `(root)` for the whole.
pub(crate) fn display(path: &[String]) -> String {
    if path.is_empty() { "(root)".to_owned() } else { path.join(".") }
}

/// A file's path as Go's `filepath.Join` gives it: absolute ones as they are, others below the
/// folder, with `.`, `..` and double slashes resolved by their text.
pub(crate) fn absolute(folder: &str, path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { clean(&format!("{folder}/{path}")) }
}

fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if rooted && parts.is_empty() => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    match (rooted, parts.is_empty()) {
        (true, _) => format!("/{}", parts.join("/")),
        (false, true) => ".".to_owned(),
        (false, false) => parts.join("/"),
    }
}

/// Whether it is absolute on Windows: a client there may deploy to nodes that are not.
pub(crate) fn is_windows_absolute(path: &str) -> bool {
    let slash = |b: u8| b == b'\\' || b == b'/';
    match path.as_bytes() {
        [drive, b':', next, ..] if drive.is_ascii_alphabetic() => slash(*next),
        // `\\server\share\...`
        [a, b, c, rest @ ..] if slash(*a) && slash(*b) && !slash(*c) && *c != b'.' => {
            let mut parts = rest.split(|b| slash(*b));
            let share = parts.nth(1).is_some_and(|s| !s.is_empty() && s[0] != b'.');
            share && parts.next().is_some()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_joined_by_their_text() {
        for (path, joined) in [
            ("./a", "/p/a"),
            ("", "/p"),
            (".", "/p"),
            ("../x//y/.", "/x/y"),
            ("../../..", "/"),
            ("/abs/../kept", "/abs/../kept"),
        ] {
            assert_eq!(absolute("/p", path), joined, "{path}");
        }
        assert_eq!(absolute(".", "../a"), "../a");
        assert_eq!(absolute(".", "."), ".");
    }

    #[test]
    fn windows_paths_are_seen() {
        for path in [r"C:\x", "c:/x", r"\\server\share\x"] {
            assert!(is_windows_absolute(path), "{path}");
        }
        for path in ["c:", "c:x", r"\\server", "a", "", r"\\server\share"] {
            assert!(!is_windows_absolute(path), "{path}");
        }
    }
}
