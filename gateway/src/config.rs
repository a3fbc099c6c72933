//! Configs in Docker's JSON, with their content in base64.

use axum::extract::{Path, State};
use axum::response::IntoResponse;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use skep_wire::pb;

use crate::api::Api;
use crate::failure::Failure;
use crate::filters::{Filters, Params};
use crate::json::{Json, Map, Meta};

/// `GET /configs`
pub(crate) async fn list(
    State(api): State<Api>,
    params: Params,
) -> Result<impl IntoResponse, Failure> {
    let mut filters = Filters::read(&params, &["id", "name", "names", "label"])?;
    let names = filters.take("names");
    let request = pb::ListRequest { names, ..filters.take_common() };
    let answer = api.control().list_configs(request).await?.into_inner();
    let configs = answer.configs.into_iter().map(Config::try_from);
    Ok(Json(configs.collect::<Result<Vec<_>, _>>()?))
}

/// `GET /configs/{id}`
pub(crate) async fn inspect(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<impl IntoResponse, Failure> {
    let config = api.control().get_config(pb::ByName { name }).await?.into_inner();
    Ok(Json(Config::try_from(config)?))
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
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
    #[serde(skip_serializing_if = "String::is_empty")]
    data: String,
}

impl TryFrom<pb::Config> for Config {
    type Error = Failure;

    fn try_from(config: pb::Config) -> Result<Self, Failure> {
        let config = skep_api::Config::try_from(config)?;
        let data = STANDARD.encode(config.spec.data.as_ref());
        Ok(Self {
            id: config.id.to_string(),
            meta: (&config.meta).into(),
            spec: Spec { name: config.spec.name, labels: config.spec.labels, data },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_looks_like_dockers() {
        let config = pb::Config {
            id: "2xncdarvr6viqeqvl3x677kjp".to_owned(),
            meta: Some(pb::Meta { version: 29, ..Default::default() }),
            spec: Some(pb::ConfigSpec {
                name: "app.conf".to_owned(),
                data: b"a=1\nb=2\n".to_vec(),
                ..Default::default()
            }),
        };
        let shown = Config::try_from(config).expect("a config");
        assert_eq!(
            serde_json::to_string(&shown).expect("JSON"),
            r#"{"ID":"2xncdarvr6viqeqvl3x677kjp","Version":{"Index":29},"CreatedAt":"0001-01-01T00:00:00Z","UpdatedAt":"0001-01-01T00:00:00Z","Spec":{"Name":"app.conf","Labels":{},"Data":"YT0xCmI9Mgo="}}"#
        );
    }
}
