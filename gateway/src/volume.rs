//! The node's volumes in Docker's JSON.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::IntoResponse;
use serde::Serialize;
use skep_api::Time;
use skep_wire::pb;

use crate::api::Api;
use crate::failure::Failure;
use crate::filters::{Filters, Params, passes, passes_flag};
use crate::json::{Json, Map, moment, or_null};

const LOCAL: &str = "local";
/// What Docker labels a volume with that nobody named.
const ANONYMOUS_LABEL: &str = "com.docker.volume.anonymous";

/// `GET /volumes`
pub(crate) async fn list(
    State(api): State<Api>,
    params: Params,
) -> Result<impl IntoResponse, Failure> {
    let mut filters = Filters::read(&params, &["name", "label", "driver", "dangling"])?;
    let (drivers, dangling) = (filters.take("driver"), filters.take("dangling"));
    let request =
        pb::ListVolumesRequest { name_parts: filters.take("name"), labels: filters.take("label") };
    let answer = api.node().list_volumes(request).await?.into_inner();
    let mut volumes = Vec::new();
    for volume in answer.volumes {
        let is_dangling = volume.used_by.is_empty();
        if passes(&drivers, |driver| driver == LOCAL)
            && passes_flag("dangling", &dangling, is_dangling)?
        {
            volumes.push(Volume::from(volume));
        }
    }
    Ok(Json(List { volumes, warnings: None }))
}

/// `GET /volumes/{name}`
pub(crate) async fn inspect(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<impl IntoResponse, Failure> {
    let request = pb::VolumeByName { name, force: false };
    Ok(Json(Volume::from(api.node().get_volume(request).await?.into_inner())))
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct List {
    volumes: Vec<Volume>,
    warnings: Option<Vec<String>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Volume {
    created_at: String,
    driver: &'static str,
    labels: Option<Map>,
    mountpoint: String,
    name: String,
    options: Option<Map>,
    scope: &'static str,
}

impl From<pb::Volume> for Volume {
    fn from(volume: pb::Volume) -> Self {
        let mut labels = volume.labels;
        if volume.anonymous {
            labels.entry(ANONYMOUS_LABEL.to_owned()).or_default();
        }
        let created = Time::ZERO.after(Duration::from_secs(volume.created_secs));
        Self {
            created_at: moment(created),
            driver: LOCAL,
            labels: or_null(&labels),
            mountpoint: volume.mountpoint,
            name: volume.name,
            options: None,
            scope: LOCAL,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_looks_like_dockers() {
        let mut volume = pb::Volume {
            name: "fulldata".to_owned(),
            mountpoint: "/var/lib/skep/volumes/fulldata".to_owned(),
            created_secs: 1_700_000_000,
            ..Default::default()
        };
        assert_eq!(
            serde_json::to_string(&Volume::from(volume.clone())).expect("JSON"),
            r#"{"CreatedAt":"2023-11-14T22:13:20Z","Driver":"local","Labels":null,"Mountpoint":"/var/lib/skep/volumes/fulldata","Name":"fulldata","Options":null,"Scope":"local"}"#
        );
        volume.anonymous = true;
        let shown = serde_json::to_value(Volume::from(volume)).expect("JSON");
        assert_eq!(shown["Labels"], serde_json::json!({ "com.docker.volume.anonymous": "" }));
    }
}
