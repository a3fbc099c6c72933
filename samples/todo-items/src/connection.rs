//! The connection string: where the database is, and the password it wants.

use std::fmt;
use std::path::Path;

/// Where both components find the secret.
pub const SECRETS_FILE: &str = "/app/config/secrets.json";

/// Longer ones are not looked at.
const CONNECTION_BYTES_MAX: usize = 512;

/// `todo://USER:PASSWORD@HOST:PORT`, taken apart. Its debug print has no password.
#[derive(Clone, PartialEq, Eq)]
pub struct Connection {
    /// The database's name on the stack's network.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What it wants to hear first.
    pub password: String,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "todo://…@{}:{}", self.host, self.port)
    }
}

/// Why there is no connection. No text of the secret is ever part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionError {
    /// There is no such file.
    NoFile,
    /// The file is there and can't be read.
    Unreadable,
    /// The file is not a JSON object with the text `connection`.
    NotJson,
    /// The setting is not such a string.
    NotConnection,
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoFile => "there is no such file",
            Self::Unreadable => "the file can't be read",
            Self::NotJson => "the file is not a JSON object with the text `connection`",
            Self::NotConnection => "`connection` is not `todo://USER:PASSWORD@HOST:PORT`",
        })
    }
}

impl Connection {
    /// Takes a connection string apart.
    pub fn parse(text: &str) -> Result<Self, ConnectionError> {
        let parse = || {
            let rest = text.strip_prefix("todo://")?.trim_end_matches('/');
            // The password may hold `@` and `:`; a host can't.
            let (login, address) = rest.rsplit_once('@')?;
            let (_user, password) = login.split_once(':')?;
            let (host, port) = address.rsplit_once(':')?;
            let plain = !password.is_empty() && !password.chars().any(char::is_control);
            (plain && !host.is_empty() && text.len() <= CONNECTION_BYTES_MAX).then_some(())?;
            let port = port.parse().ok()?;
            Some(Self { host: host.to_owned(), port, password: password.to_owned() })
        };
        parse().ok_or(ConnectionError::NotConnection)
    }

    /// Reads it from the text of a secrets file.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ConnectionError> {
        #[derive(serde::Deserialize)]
        struct Secrets {
            connection: String,
        }
        let secrets: Secrets =
            serde_json::from_slice(bytes).map_err(|_| ConnectionError::NotJson)?;
        Self::parse(&secrets.connection)
    }
}

/// Reads it from a secrets file.
pub fn read_connection(path: &Path) -> Result<Connection, ConnectionError> {
    match std::fs::read(path) {
        Ok(bytes) => Connection::from_json(&bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(ConnectionError::NoFile),
        Err(_) => Err(ConnectionError::Unreadable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_string_is_taken_apart() {
        let connection = Connection::parse("todo://web:p:a@ss@todo-db:4040").expect("it is one");
        assert_eq!(connection.password, "p:a@ss");
        assert_eq!((connection.host.as_str(), connection.port), ("todo-db", 4040));
        assert_eq!(format!("{connection:?}"), "todo://…@todo-db:4040");
        for bad in
            ["", "todo://", "http://a:b@c:1", "todo://a@c:1", "todo://a:@c:1", "todo://a:b@c:x"]
        {
            assert_eq!(Connection::parse(bad), Err(ConnectionError::NotConnection), "{bad}");
        }
    }

    #[test]
    fn a_secrets_file_names_it() {
        let json = br#"{"connection": "todo://a:b@c:1", "other": 1}"#;
        assert_eq!(Connection::from_json(json).map(|c| c.port), Ok(1));
        assert_eq!(Connection::from_json(b"{}"), Err(ConnectionError::NotJson));
        assert_eq!(read_connection(Path::new("/no/such")), Err(ConnectionError::NoFile));
    }
}
