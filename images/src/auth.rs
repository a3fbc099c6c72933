//! Who we are to a registry: credentials from a request, or from Docker's config file.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use skep_api::{Bytes, SecretBytes};

use crate::ImageError;

/// The largest config file and the largest header that are read. Docker's are some KiB.
const TEXT_MAX: Bytes = Bytes::mib(1);

/// What Docker's client calls its own registry in its config file.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

const FORGIVING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, FORGIVING);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, FORGIVING);

/// Who we are to a registry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Auth {
    /// Whom the docker config file of the store names for the registry, or else nobody.
    #[default]
    FromConfig,
    /// A user with a password.
    Password {
        /// The user's name.
        user: String,
        /// The password.
        password: SecretBytes,
    },
    /// A token that the registry takes as it is.
    Token(SecretBytes),
}

/// What the config file has for a registry.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Credentials(Auth),
    /// They are in a helper program, which we do not run.
    Helper(String),
    Nothing,
}

impl Auth {
    /// Reads the value of an `X-Registry-Auth` header: JSON in base64, as Docker's clients send it.
    pub fn from_header(value: &str) -> Result<Self, ImageError> {
        let bad = |reason: String| {
            ImageError::Credentials(format!("the registry credentials cannot be read: {reason}"))
        };
        let value = value.trim();
        if value.len() as u64 > TEXT_MAX.0 {
            return Err(bad(format!("they are larger than {} bytes", TEXT_MAX.0)));
        }
        // Errors of these parsers say where, never what: nothing of a password is repeated.
        let json = decode(value).ok_or_else(|| bad("they are not base64".to_owned()))?;
        if json.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self::FromConfig);
        }
        let header: Header = serde_json::from_slice(&json).map_err(|error| {
            bad(format!("they are not JSON (column {} of {} bytes)", error.column(), json.len()))
        })?;
        if !header.registrytoken.is_empty() {
            return Ok(Self::Token(SecretBytes::new(header.registrytoken.into_bytes())));
        }
        if !header.identitytoken.is_empty() {
            return Err(bad("identity tokens are not supported, give a password".to_owned()));
        }
        match (header.username, header.password) {
            (user, password) if user.is_empty() && password.is_empty() => {
                from_pair(&header.auth).map(|auth| auth.unwrap_or_default()).map_err(bad)
            }
            (user, password) => Ok(password_of(user, password)),
        }
    }
}

/// Where Docker's client keeps its credentials: `$DOCKER_CONFIG/config.json`, or
/// `~/.docker/config.json`.
pub fn default_docker_config() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let dir = set("DOCKER_CONFIG").or_else(|| set("HOME").map(|home| home.join(".docker")))?;
    Some(dir.join("config.json"))
}

/// Looks a registry up in a docker config file. A file that is not there has nothing.
pub(crate) fn look_up(file: &Path, registry: &str) -> Result<Found, ImageError> {
    let mut text = Vec::new();
    match std::fs::File::open(file)
        .and_then(|opened| opened.take(TEXT_MAX.0 + 1).read_to_end(&mut text))
    {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(ImageError::io("read", file)(error)),
    }
    let bad = |reason: String| {
        ImageError::Credentials(format!("`{}` cannot be used: {reason}", file.display()))
    };
    if text.len() as u64 > TEXT_MAX.0 {
        return Err(bad(format!("it is larger than {} bytes", TEXT_MAX.0)));
    }
    let config: DockerConfig = serde_json::from_slice(&text).map_err(|error| {
        bad(format!("it is not JSON (line {}, column {})", error.line(), error.column()))
    })?;
    find(config, registry).map_err(bad)
}

fn find(mut config: DockerConfig, registry: &str) -> Result<Found, String> {
    let key = config.auths.keys().find(|key| names(key, registry)).cloned();
    if let Some(entry) = key.and_then(|key| config.auths.remove(&key)) {
        if !entry.username.is_empty() || !entry.password.is_empty() {
            return Ok(Found::Credentials(password_of(entry.username, entry.password)));
        }
        if let Some(auth) = from_pair(&entry.auth)? {
            return Ok(Found::Credentials(auth));
        }
    }
    let helper = config.cred_helpers.remove(registry).or(config.creds_store);
    Ok(helper.filter(|helper| !helper.is_empty()).map_or(Found::Nothing, Found::Helper))
}

/// Whether a key of `auths` names that registry: old clients wrote a whole address.
fn names(key: &str, registry: &str) -> bool {
    if registry == "docker.io" && key == DOCKER_HUB_KEY {
        return true;
    }
    let host = key.trim_start_matches("https://").trim_start_matches("http://");
    host.split('/').next() == Some(registry)
}

/// `base64(user:password)`.
fn from_pair(text: &str) -> Result<Option<Auth>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let pair = decode(text).and_then(|pair| String::from_utf8(pair).ok());
    let pair = pair.ok_or_else(|| "its `auth` is not base64".to_owned())?;
    let (user, password) =
        pair.split_once(':').ok_or_else(|| "its `auth` is not `USER:PASSWORD`".to_owned())?;
    // Docker's client pads passwords with zero bytes.
    let password = password.trim_end_matches('\0');
    Ok(Some(password_of(user.to_owned(), password.to_owned())))
}

fn password_of(user: String, password: String) -> Auth {
    Auth::Password { user, password: SecretBytes::new(password.into_bytes()) }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let engine = if text.contains(['-', '_']) { &URL_SAFE } else { &STANDARD };
    engine.decode(text).ok()
}

#[derive(Deserialize)]
struct Header {
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    auth: String,
    #[serde(default)]
    identitytoken: String,
    #[serde(default)]
    registrytoken: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DockerConfig {
    #[serde(default)]
    auths: BTreeMap<String, Entry>,
    #[serde(default)]
    creds_store: Option<String>,
    #[serde(default)]
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    auth: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ann() -> Auth {
        password_of("ann".to_owned(), "s3:cret".to_owned())
    }

    #[test]
    fn the_header_of_dockers_clients_is_read() {
        let header = |json: &str| Auth::from_header(&URL_SAFE.encode(json));
        let with_password =
            header(r#"{"username":"ann","password":"s3:cret","serveraddress":"x"}"#);
        assert_eq!(with_password.expect("a password"), ann());
        assert_eq!(header(r#"{"auth":"YW5uOnMzOmNyZXQ="}"#).expect("a pair"), ann());
        assert_eq!(header("{}").expect("nobody"), Auth::FromConfig);
        assert_eq!(Auth::from_header("").expect("nobody"), Auth::FromConfig);
        let token = header(r#"{"registrytoken":"abc"}"#).expect("a token");
        assert_eq!(token, Auth::Token(SecretBytes::new(b"abc".to_vec())));
        let plain = STANDARD.encode(r#"{"username":"ann","password":"s3:cret"}"#);
        assert_eq!(Auth::from_header(&plain).expect("unpadded or not"), ann());
    }

    #[test]
    fn errors_and_debug_prints_repeat_nothing_of_a_password() {
        let bad = [
            "hunter2!".to_owned(),
            URL_SAFE.encode("hunter2"),
            URL_SAFE.encode(r#"{"username":1,"password":"hunter2"}"#),
            URL_SAFE.encode(r#"{"auth":"hunter2"}"#),
            URL_SAFE.encode(r#"{"identitytoken":"hunter2"}"#),
        ];
        for value in bad {
            let error = Auth::from_header(&value).expect_err(&value);
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        }
        assert!(!format!("{:?}", ann()).contains("s3"));
    }

    #[test]
    fn dockers_config_file_is_searched_by_registry() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("config.json");
        assert_eq!(look_up(&file, "a.example").expect("no file"), Found::Nothing);
        let text = r#"{
            "auths": {
                "https://index.docker.io/v1/": {"auth": "YW5uOnMzOmNyZXQ="},
                "localhost:5000": {"auth": "YW5uOnMzOmNyZXQ="},
                "https://old.example/v2/": {"username": "ann", "password": "s3:cret"},
                "kept.example": {}
            },
            "credHelpers": {"gcr.example": "gcloud"}, "credsStore": "desktop", "HttpHeaders": {}
        }"#;
        std::fs::write(&file, text).expect("write");
        for registry in ["docker.io", "localhost:5000", "old.example"] {
            let found = look_up(&file, registry).expect(registry);
            assert_eq!(found, Found::Credentials(ann()), "{registry}");
        }
        for (registry, helper) in
            [("gcr.example", "gcloud"), ("kept.example", "desktop"), ("localhost", "desktop")]
        {
            let found = look_up(&file, registry).expect(registry);
            assert_eq!(found, Found::Helper(helper.to_owned()), "{registry}");
        }
    }

    #[test]
    fn a_config_file_that_cannot_be_read_says_where() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("config.json");
        for (text, reason) in [
            ("{", "not JSON (line 1"),
            (r#"{"auths":{"a":{"auth":"!"}}}"#, "not base64"),
            (r#"{"auths":{"a":{"auth":"YW5u"}}}"#, "not `USER:PASSWORD`"),
        ] {
            std::fs::write(&file, text).expect("write");
            let error = look_up(&file, "a").expect_err(text).to_string();
            assert!(error.contains(reason) && error.contains("config.json"), "{error}");
        }
    }
}
