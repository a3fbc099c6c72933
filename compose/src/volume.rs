//! The short form of a service's volumes: `[source:]target[:options]`.

use crate::model::{VolumeBind, VolumeMount, VolumeOptions};
use crate::path;

/// Reads the short form, without any knowledge of the machine it will run on: a single letter
/// before a colon may be a drive of a Windows machine, which makes `v:/a` a target.
pub(crate) fn parse_short(text: &str) -> Result<VolumeMount, String> {
    let mut volume = VolumeMount { kind: "volume".to_owned(), ..VolumeMount::default() };
    if text.is_empty() {
        return Err("invalid empty volume spec".to_owned());
    }
    if text.len() <= 2 {
        volume.target = text.to_owned();
        return Ok(volume);
    }
    let sections = sections(text);
    let count = sections.len();
    for (index, section) in sections.into_iter().enumerate() {
        let last = index + 1 == count;
        set(&mut volume, section, last).map_err(|why| format!("invalid spec: {text}: {why}"))?;
    }
    if is_host_path(&volume.source) {
        volume.kind = "bind".to_owned();
    }
    Ok(volume)
}

/// Splits at colons, but not behind a single letter.
fn sections(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut section = String::new();
    for c in text.chars() {
        let mut so_far = section.chars();
        let drive = matches!((so_far.next(), so_far.next()), (Some(c), None) if c.is_alphabetic());
        if c == ':' && !drive {
            out.push(std::mem::take(&mut section));
        } else {
            section.push(c);
        }
    }
    out.push(section);
    out
}

fn set(volume: &mut VolumeMount, section: String, last: bool) -> Result<(), &'static str> {
    if section.is_empty() {
        return Err("empty section between colons");
    }
    if volume.source.is_empty() && last && volume.target.is_empty() {
        volume.target = section;
    } else if volume.source.is_empty() {
        volume.source = section;
    } else if volume.target.is_empty() {
        volume.target = section;
    } else if !last {
        return Err("too many colons");
    } else {
        for option in section.split(',') {
            set_option(volume, option);
        }
    }
    Ok(())
}

/// Unknown options are ignored, as Docker does.
fn set_option(volume: &mut VolumeMount, option: &str) {
    match option {
        "ro" => volume.read_only = true,
        "rw" => volume.read_only = false,
        "nocopy" => volume.volume = Some(VolumeOptions { nocopy: true }),
        "rprivate" | "private" | "rshared" | "shared" | "rslave" | "slave" => {
            volume.bind = Some(VolumeBind { propagation: option.to_owned() });
        }
        _ => {}
    }
}

/// Whether a source names a folder of the host: it starts with `.`, `/` or `~`, or is a Windows
/// path or pipe.
fn is_host_path(source: &str) -> bool {
    let mut chars = source.chars();
    match (chars.next(), chars.next()) {
        (Some('.' | '/' | '~'), _) => true,
        (Some('\\'), Some('\\')) => true,
        (Some(c), Some(':')) => c.is_alphabetic(),
        _ => false,
    }
}

/// The folder on the host that a bind's source means, and what is said about it.
pub(crate) fn host_path(
    source: &str,
    working_dir: &str,
    home: Option<&str>,
) -> (String, Option<String>) {
    let (source, notice) = match (source.strip_prefix('~'), home) {
        (Some(rest), Some(home)) => (format!("{home}{rest}"), None),
        (Some(_), None) => {
            let notice = "cannot expand '~', because the environment lacks HOME".to_owned();
            (source.to_owned(), Some(notice))
        }
        (None, _) => (source.to_owned(), None),
    };
    match path::is_windows_absolute(&source) {
        true => (source, notice),
        false => (path::absolute(working_dir, &source), notice),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_forms_are_understood() {
        for (text, kind, source, target, read_only) in [
            ("/a", "volume", "", "/a", false),
            ("v1:/a", "volume", "v1", "/a", false),
            ("v1:/a:ro", "volume", "v1", "/a", true),
            ("v:/a", "volume", "", "v:/a", false),
            ("./a:/b:rw", "bind", "./a", "/b", false),
            ("~/a:/b", "bind", "~/a", "/b", false),
            (r"c:\a:d:\b", "bind", r"c:\a", r"d:\b", false),
            (r"\\.\pipe\x:\\.\pipe\y", "bind", r"\\.\pipe\x", r"\\.\pipe\y", false),
            ("::", "volume", "", "::", false),
            ("v1:/a:ro,what", "volume", "v1", "/a", true),
        ] {
            let volume = parse_short(text).expect("a good volume");
            assert_eq!(
                (&*volume.kind, &*volume.source, &*volume.target, volume.read_only),
                (kind, source, target, read_only),
                "{text}"
            );
        }
        assert_eq!(
            parse_short("/a:/b:shared").map(|v| v.bind),
            Ok(Some(VolumeBind { propagation: "shared".into() }))
        );
    }

    #[test]
    fn bad_short_forms_are_refused() {
        for (text, why) in [
            ("", "invalid empty volume spec"),
            ("vol::/a", "invalid spec: vol::/a: empty section between colons"),
            ("vol:/a:ro:x", "invalid spec: vol:/a:ro:x: too many colons"),
        ] {
            assert_eq!(parse_short(text), Err(why.to_owned()));
        }
    }

    #[test]
    fn host_paths_are_resolved() {
        assert_eq!(host_path("./a", "/p", None).0, "/p/a");
        assert_eq!(host_path("~/a", "/p", Some("/h")).0, "/h/a");
        assert_eq!(host_path(r"C:\a", "/p", None).0, r"C:\a");
        assert!(host_path("~/a", "/p", None).1.is_some());
    }
}
