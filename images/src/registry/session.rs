//! A session with one repository of a registry: how to speak to it, and who we are to it.
//!
//! The first request asks `/v2/` without credentials. Its answer says whether the registry speaks
//! plain HTTP or TLS and how it wants to know us; credentials are sent only to who asked for them,
//! never in clear to a host that must be encrypted.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use oci_distribution::errors::OciEnvelope;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;
use skep_api::Bytes;

use super::client::{REPLY_MAX, Settings, host_of, innermost};
use crate::auth::{Auth, Found, look_up};
use crate::name::{ImageName, excerpt};
use crate::{ImageError, blobs};

/// How long the head of an answer may take: a registry may look into slow storage first.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Pull,
    Push,
}

/// A session with one repository.
pub(crate) struct Session<'a> {
    settings: &'a Settings,
    pub(crate) client: Client,
    /// `http://localhost:5000/v2/`.
    root: Url,
    /// As names of images have it, `localhost:5000`.
    pub(crate) registry: String,
    pub(crate) repository: String,
    authorization: Option<HeaderValue>,
    identity: Identity,
}

/// Who we are, for messages.
enum Identity {
    Nobody,
    HelperOnly(String),
    User(String),
    Token,
}

/// How a registry wants to know us.
enum Challenge {
    Basic,
    Bearer { realm: String, service: Option<String> },
}

#[derive(Deserialize)]
struct TokenReply {
    token: Option<String>,
    access_token: Option<String>,
}

impl<'a> Session<'a> {
    /// Opens a session with the repository of `name`, which must have a host.
    pub(crate) async fn open(
        settings: &'a Settings,
        name: &ImageName,
        auth: &Auth,
        access: Access,
    ) -> Result<Self, ImageError> {
        let registry = name.host.clone().ok_or_else(|| ImageError::NoRegistry(name.to_string()))?;
        let client = settings.client(&registry)?;
        let (root, answer) = find_root(settings, &client, &registry).await?;
        let (auth, identity) = identify(settings, &registry, auth).await?;
        let mut session = Self {
            settings,
            client,
            root,
            registry,
            repository: name.repository.clone(),
            authorization: None,
            identity,
        };
        if answer.status() == StatusCode::UNAUTHORIZED {
            session.authorization = session.authorize(answer.headers(), &auth, access).await?;
        }
        Ok(session)
    }

    /// An address below the repository, `manifests/latest`.
    pub(crate) fn url(&self, path: &str) -> Result<Url, ImageError> {
        self.root
            .join(&format!("{}/{path}", self.repository))
            .map_err(|error| self.failed("be addressed", error.to_string()))
    }

    /// An address that the registry gave us to go on with, against the one it was given at.
    pub(crate) fn resolve(&self, at: &Url, location: &str) -> Result<Url, ImageError> {
        let url =
            at.join(location).ok().filter(|url| self.settings.may_follow(&self.registry, url));
        url.ok_or_else(|| {
            self.failed("take the blob", format!("it sends us to `{}`", excerpt(location)))
        })
    }

    /// Sends a request, with our credentials if it goes to the registry itself.
    pub(crate) async fn send(&self, request: RequestBuilder) -> Result<Response, ImageError> {
        let mut request = request.build().map_err(|error| self.unreachable(&error))?;
        let same = host_of(request.url()) == host_of(&self.root)
            && request.url().scheme() == self.root.scheme();
        if let Some(value) = self.authorization.as_ref().filter(|_| same) {
            request.headers_mut().insert(AUTHORIZATION, value.clone());
        }
        self.client.execute(request).await.map_err(|error| self.unreachable(&error))
    }

    /// The same, for requests whose answer comes soon.
    pub(crate) async fn ask(&self, request: RequestBuilder) -> Result<Response, ImageError> {
        tokio::time::timeout(ANSWER_MAX, self.send(request)).await.unwrap_or_else(|_| {
            Err(ImageError::Unreachable {
                registry: self.registry.clone(),
                reason: format!("no answer within {} s", ANSWER_MAX.as_secs()),
            })
        })
    }

    /// The error for an answer that is not what was asked for.
    pub(crate) async fn refusal(&self, act: &str, response: Response) -> ImageError {
        let status = response.status();
        let said = said_in(response).await;
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => self.unauthorised(said),
            status => {
                let said = said.map(|text| format!(": {text}")).unwrap_or_default();
                self.failed(act, format!("it answered {status}{said}"))
            }
        }
    }

    pub(crate) fn failed(&self, act: &str, reason: String) -> ImageError {
        ImageError::Registry { registry: self.registry.clone(), act: act.to_owned(), reason }
    }

    pub(crate) fn unreachable(&self, error: &reqwest::Error) -> ImageError {
        unreachable(&self.registry, error)
    }

    fn unauthorised(&self, said: Option<String>) -> ImageError {
        let login = format!("`skep login {}`, or give credentials with the request", self.registry);
        let (reason, hint) = match &self.identity {
            Identity::Nobody => ("it needs credentials, or is not there".to_owned(), login),
            Identity::HelperOnly(helper) => (
                "it needs credentials, or is not there".to_owned(),
                format!(
                    "its credentials are with the helper `{helper}`, and helper programs are not supported: {login}"
                ),
            ),
            Identity::User(user) => {
                (format!("wrong password for `{}`, or no right", excerpt(user)), login)
            }
            Identity::Token => ("it does not take the token".to_owned(), login),
        };
        let reason = said.map_or(reason.clone(), |said| format!("{reason} ({said})"));
        ImageError::Unauthorised {
            registry: self.registry.clone(),
            repository: self.repository.clone(),
            reason,
            hint,
        }
    }

    /// Answers the registry's challenge; none if we have nothing to answer with.
    async fn authorize(
        &self,
        headers: &HeaderMap,
        auth: &Auth,
        access: Access,
    ) -> Result<Option<HeaderValue>, ImageError> {
        let token = match (challenge_in(headers), auth) {
            (_, Auth::Token(token)) => String::from_utf8_lossy(token.expose()).into_owned(),
            (Some(Challenge::Bearer { realm, service }), auth) => {
                self.fetch_token(&realm, service.as_deref(), auth, access).await?
            }
            (Some(Challenge::Basic), auth) => return Ok(basic(auth)),
            (None, _) => return Ok(None),
        };
        let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| self.failed("give a token", "it is no text".to_owned()))?;
        value.set_sensitive(true);
        Ok(Some(value))
    }

    async fn fetch_token(
        &self,
        realm: &str,
        service: Option<&str>,
        auth: &Auth,
        access: Access,
    ) -> Result<String, ImageError> {
        let mut url = Url::parse(realm)
            .ok()
            .filter(|url| self.settings.may_follow(&self.registry, url))
            .ok_or_else(|| {
                let reason = format!("its token service is at `{}`", excerpt(realm));
                self.failed("give a token", reason)
            })?;
        let actions = match access {
            Access::Pull => "pull",
            Access::Push => "pull,push",
        };
        url.query_pairs_mut()
            .extend_pairs(service.map(|service| ("service", service)))
            .append_pair("scope", &format!("repository:{}:{actions}", self.repository));
        let mut request = self.client.get(url);
        if let Some(value) = basic(auth) {
            request = request.header(AUTHORIZATION, value);
        }
        let response = self.ask(request).await?;
        if !response.status().is_success() {
            return Err(self.refusal("give a token", response).await);
        }
        let reply = read_bounded(response, REPLY_MAX).await;
        let reply = reply.map_err(|error| self.failed("give a token", error.to_string()))?;
        serde_json::from_slice::<TokenReply>(&reply)
            .ok()
            .and_then(|reply| reply.token.or(reply.access_token))
            .ok_or_else(|| self.failed("give a token", "its answer has none".to_owned()))
    }
}

/// Why an answer could not be read whole.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("its answer is larger than {} bytes", .0.0)]
    TooLarge(Bytes),
    #[error("its answer ended early: {0}")]
    Broken(String),
}

/// Reads an answer of at most `max` bytes.
pub(crate) async fn read_bounded(mut response: Response, max: Bytes) -> Result<Vec<u8>, ReadError> {
    if response.content_length().is_some_and(|length| length > max.0) {
        return Err(ReadError::TooLarge(max));
    }
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if (body.len() + chunk.len()) as u64 > max.0 => {
                return Err(ReadError::TooLarge(max));
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body),
            Err(error) => return Err(ReadError::Broken(innermost(&error))),
        }
    }
}

/// Asks `/v2/`, plain first where that is allowed: TLS servers answer plain requests with an error
/// at once, while plain servers may wait for the rest of a TLS greeting.
async fn find_root(
    settings: &Settings,
    client: &Client,
    registry: &str,
) -> Result<(Url, Response), ImageError> {
    let host = if registry == "docker.io" { "registry-1.docker.io" } else { registry };
    let ask = async |scheme: &str| -> Result<(Url, Response), ImageError> {
        let url = Url::parse(&format!("{scheme}://{host}/v2/")).map_err(|error| {
            ImageError::Unreachable { registry: registry.to_owned(), reason: error.to_string() }
        })?;
        let answer = tokio::time::timeout(ANSWER_MAX, client.get(url.clone()).send()).await;
        match answer {
            Ok(Ok(response)) => Ok((url, response)),
            Ok(Err(error)) => Err(unreachable(registry, &error)),
            Err(_) => Err(ImageError::Unreachable {
                registry: registry.to_owned(),
                reason: format!("no answer within {} s", ANSWER_MAX.as_secs()),
            }),
        }
    };
    let found = if settings.plain_allowed(registry) {
        match ask("http").await {
            Ok((_, answer)) if answer.status() == StatusCode::BAD_REQUEST => ask("https").await?,
            Ok(found) => found,
            Err(plain) => ask("https").await.map_err(|_| plain)?,
        }
    } else {
        ask("https").await?
    };
    let status = found.1.status();
    if status.is_server_error() {
        return Err(ImageError::Unreachable {
            registry: registry.to_owned(),
            reason: format!("it answered {status}"),
        });
    }
    Ok(found)
}

/// Finds the credentials to use, and what to call them.
async fn identify(
    settings: &Settings,
    registry: &str,
    auth: &Auth,
) -> Result<(Auth, Identity), ImageError> {
    let auth = match (auth, &settings.docker_config) {
        (Auth::FromConfig, Some(file)) => {
            let (file, registry) = (file.clone(), registry.to_owned());
            match blobs::blocking(move || look_up(&file, &registry)).await? {
                Found::Credentials(auth) => auth,
                Found::Helper(helper) => {
                    return Ok((Auth::FromConfig, Identity::HelperOnly(helper)));
                }
                Found::Nothing => Auth::FromConfig,
            }
        }
        (auth, _) => auth.clone(),
    };
    let identity = match &auth {
        Auth::FromConfig => Identity::Nobody,
        Auth::Password { user, .. } => Identity::User(user.clone()),
        Auth::Token(_) => Identity::Token,
    };
    Ok((auth, identity))
}

fn basic(auth: &Auth) -> Option<HeaderValue> {
    let Auth::Password { user, password } = auth else { return None };
    let pair = [user.as_bytes(), b":", password.expose()].concat();
    let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(pair))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn challenge_in(headers: &HeaderMap) -> Option<Challenge> {
    let mut basic = None;
    for header in headers.get_all(WWW_AUTHENTICATE) {
        let text = header.to_str().unwrap_or_default();
        for challenge in http_auth::parse_challenges(text).unwrap_or_default() {
            let param = |name: &str| {
                let found = challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
                found.map(|(_, value)| value.to_unescaped())
            };
            if challenge.scheme.eq_ignore_ascii_case("Bearer") {
                if let Some(realm) = param("realm") {
                    return Some(Challenge::Bearer { realm, service: param("service") });
                }
            } else if challenge.scheme.eq_ignore_ascii_case("Basic") {
                basic = Some(Challenge::Basic);
            }
        }
    }
    basic
}

/// What a registry said in an answer that is an error.
async fn said_in(response: Response) -> Option<String> {
    let body = read_bounded(response, REPLY_MAX).await.ok()?;
    let envelope: OciEnvelope = serde_json::from_slice(&body).ok()?;
    let said: Vec<String> = envelope.errors.iter().map(|error| excerpt(&error.message)).collect();
    let said = said.into_iter().filter(|text| !text.is_empty()).take(3).collect::<Vec<_>>();
    (!said.is_empty()).then(|| said.join("; "))
}

fn unreachable(registry: &str, error: &reqwest::Error) -> ImageError {
    let reason = if error.is_timeout() { "no answer in time".to_owned() } else { innermost(error) };
    ImageError::Unreachable { registry: registry.to_owned(), reason }
}
