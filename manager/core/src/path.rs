//! Paths of a task's one tree.

/// Where secrets are unless their target is absolute.
pub(crate) const SECRETS_DIR: &str = "/run/secrets";
/// Where configs are unless their target is absolute.
pub(crate) const CONFIGS_DIR: &str = "/";
/// As in Linux.
const PATH_BYTES_MAX: usize = 4095;

/// Why a text is no path that a file or folder could be at; goes on after its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PathError {
    #[error("must not contain `..`")]
    Parent,
    #[error("must not contain a NUL character")]
    Nul,
    #[error("names the root folder")]
    Root,
    #[error("is longer than 4095 bytes")]
    TooLong,
}

/// The absolute path of `name` under `base`, or by itself if it begins with a slash; without double
/// slashes, dots, or a slash at the end.
pub(crate) fn absolute(base: &str, name: &str) -> Result<String, PathError> {
    let base = if name.starts_with('/') { "" } else { base };
    let mut path = String::with_capacity(base.len() + name.len() + 1);
    for part in base.split('/').chain(name.split('/')) {
        match part {
            "" | "." => {}
            ".." => return Err(PathError::Parent),
            part => {
                path.push('/');
                path.push_str(part);
            }
        }
    }
    if path.contains('\0') {
        return Err(PathError::Nul);
    }
    if path.len() > PATH_BYTES_MAX {
        return Err(PathError::TooLong);
    }
    if path.is_empty() { Err(PathError::Root) } else { Ok(path) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_made_absolute_and_plain() {
        for (base, name, path) in [
            ("/run/secrets", "db", Ok("/run/secrets/db")),
            ("/run/secrets", "/app/config/secrets.json", Ok("/app/config/secrets.json")),
            ("/", "a//b/./c/", Ok("/a/b/c")),
            ("/", "../x", Err(PathError::Parent)),
            ("/", "/a/../b", Err(PathError::Parent)),
            ("/", "..a", Ok("/..a")),
            ("/", "/", Err(PathError::Root)),
            ("/", "a\0b", Err(PathError::Nul)),
        ] {
            assert_eq!(absolute(base, name), path.map(str::to_owned), "{name}");
        }
        assert_eq!(absolute("/", &"x".repeat(4095)), Err(PathError::TooLong));
    }
}
