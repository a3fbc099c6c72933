//! Secrets in Docker's JSON, which has a place for their content that is never filled.

use axum::extract::{Path, State};
use axum::response::IntoResponse;
use serde::Serialize;
use skep_wire::pb;

use crate::api::Api;
use crate::failure::Failure;
use crate::filters::{Filters, Params};
use crate::json::{Json, Map, Meta};

/// `GET /secrets`
pub(crate) async fn list(
    State(api): State<Api>,
    params: Params,
) -> Result<impl IntoResponse, Failure> {
    let mut filters = Filters::read(&params, &["id", "name", "names", "label"])?;
    let names = filters.take("names");
    let request = pb::ListRequest { names, ..filters.take_common() };
    let answer = api.control().list_secrets(request).await?.into_inner();
    let secrets = answer.secrets.into_iter().map(Secret::try_from);
    Ok(Json(secrets.collect::<Result<Vec<_>, _>>()?))
}

/// `GET /secrets/{id}`
pub(crate) async fn inspect(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<impl IntoResponse, Failure> {
    let secret = api.control().get_secret(pb::ByName { name }).await?.into_inner();
    Ok(Json(Secret::try_from(secret)?))
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Secret {
    #[serde(rename = "ID")]
    id: String,
    #[serde(flatten)]
    meta: Meta,
    spec: Spec,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Spec {
    name: String,
    labels: Map,
}

impl TryFrom<pb::Secret> for Secret {
    type Error = Failure;

    fn try_from(secret: pb::Secret) -> Result<Self, Failure> {
        let secret = skep_api::Secret::try_from(secret)?;
        Ok(Self {
            id: secret.id.to_string(),
            meta: (&secret.meta).into(),
            spec: Spec { name: secret.spec.name, labels: secret.spec.labels },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secrets_content_is_never_shown() {
        let secret = pb::Secret {
            id: "1c9upudw86pugd99hl7rcnd0u".to_owned(),
            meta: Some(pb::Meta { version: 31, ..Default::default() }),
            spec: Some(pb::SecretSpec {
                name: "db_pw".to_owned(),
                data: b"s3cret".to_vec(),
                ..Default::default()
            }),
        };
        let shown = Secret::try_from(secret).expect("a secret");
        assert_eq!(
            serde_json::to_string(&shown).expect("JSON"),
            r#"{"ID":"1c9upudw86pugd99hl7rcnd0u","Version":{"Index":31},"CreatedAt":"0001-01-01T00:00:00Z","UpdatedAt":"0001-01-01T00:00:00Z","Spec":{"Name":"db_pw","Labels":{}}}"#
        );
    }
}
