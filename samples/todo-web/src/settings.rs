//! Where the items are, from the files that the stack mounts.
//!
//! Without a config they are in the task's own `/tmp`. A config may say `"storage": "database"`;
//! the connection string is then in the secret, and it is an error if it is not.

use std::io::ErrorKind;
use std::path::Path;

use todo_items::{Connection, SECRETS_FILE, read_connection};

/// Where the config is mounted.
pub(crate) const CONFIG_FILE: &str = "/app/config/config.json";

/// Where the items are.
#[derive(Debug)]
pub(crate) enum Settings {
    /// In the task's `/tmp`.
    Folder,
    /// In the database.
    Database(Connection),
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    storage: Storage,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Storage {
    Folder,
    Database,
}

impl Settings {
    /// Reads them; the error names the setting that is missing or wrong.
    pub(crate) fn read() -> Result<Self, String> {
        Self::read_from(Path::new(CONFIG_FILE), Path::new(SECRETS_FILE))
    }

    fn read_from(config: &Path, secrets: &Path) -> Result<Self, String> {
        let bytes = match std::fs::read(config) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::Folder),
            Err(error) => return Err(format!("{CONFIG_FILE} can't be read: {error}")),
        };
        let config: Config =
            serde_json::from_slice(&bytes).map_err(|error| format!("{CONFIG_FILE}: {error}"))?;
        match config.storage {
            Storage::Folder => Ok(Self::Folder),
            Storage::Database => read_connection(secrets).map(Self::Database).map_err(|error| {
                format!(
                    "the setting `connection` is missing: {CONFIG_FILE} says that the items are \
                     in the database, and {SECRETS_FILE} should say how to reach it, but {error}"
                )
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_without_its_secret_names_the_setting_that_is_missing() {
        let config = concat!(env!("CARGO_MANIFEST_DIR"), "/../todo/config.json");
        let secrets = concat!(env!("CARGO_MANIFEST_DIR"), "/../todo/secrets.json");
        let none = Path::new("/no/such/file");
        let read = |config: &str, secrets: &Path| Settings::read_from(Path::new(config), secrets);
        assert!(matches!(read("/no/such/file", none), Ok(Settings::Folder)));
        let error = read(config, none).expect_err("a setting is missing");
        assert!(error.starts_with("the setting `connection` is missing"), "{error}");
        let both = read(config, Path::new(secrets)).expect("nothing is missing");
        assert!(matches!(both, Settings::Database(at) if at.host == "todo-db"));
    }
}
