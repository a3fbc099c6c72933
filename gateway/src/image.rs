//! The node's images in Docker's JSON. What only a component has, its kind and what it imports
//! and exports, stands behind Docker's fields under names that begin with `Skep`.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::IntoResponse;
use serde::Serialize;
use skep_api::{ImageInfo, Time};
use skep_wire::pb;

use crate::api::Api;
use crate::failure::Failure;
use crate::filters::{Filters, Params, passes_flag};
use crate::json::{Json, Map, moment};

/// `GET /images/json`
pub(crate) async fn list(
    State(api): State<Api>,
    params: Params,
) -> Result<impl IntoResponse, Failure> {
    let mut filters = Filters::read(&params, &["reference", "dangling"])?;
    let dangling = filters.take("dangling");
    let request = pb::ListImagesRequest { references: filters.take("reference") };
    let answer = api.node().list_images(request).await?.into_inner();
    let mut images = Vec::new();
    for image in answer.images {
        let image = ImageInfo::try_from(image)?;
        if passes_flag("dangling", &dangling, image.tags.is_empty())? {
            images.push(Summary::from(image));
        }
    }
    Ok(Json(images))
}

/// `GET /images/{name}/json`, where a name has slashes of its own.
pub(crate) async fn inspect(
    State(api): State<Api>,
    Path(path): Path<String>,
) -> Result<impl IntoResponse, Failure> {
    let Some(name) = path.strip_suffix("/json") else {
        return Err(crate::later::refuse("GET", &format!("/images/{path}")));
    };
    let request = pb::ImageByName { name: name.to_owned(), force: false };
    let image = ImageInfo::try_from(api.node().get_image(request).await?.into_inner())?;
    Ok(Json(Image::from(image)))
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Summary {
    /// -1 stands for "not counted".
    containers: i64,
    created: u64,
    id: String,
    labels: Option<Map>,
    parent_id: &'static str,
    repo_digests: Vec<String>,
    repo_tags: Vec<String>,
    shared_size: i64,
    size: u64,
}

impl From<ImageInfo> for Summary {
    fn from(image: ImageInfo) -> Self {
        Self {
            containers: -1,
            created: image.created_secs,
            id: image.digest.to_string(),
            labels: None,
            parent_id: "",
            repo_digests: digests(&image),
            repo_tags: image.tags,
            shared_size: -1,
            size: image.size.0,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Image {
    id: String,
    repo_tags: Vec<String>,
    repo_digests: Vec<String>,
    parent: &'static str,
    comment: &'static str,
    created: String,
    author: &'static str,
    config: Option<Map>,
    architecture: &'static str,
    os: &'static str,
    size: u64,
    #[serde(rename = "RootFS")]
    root_fs: RootFs,
    metadata: Metadata,
    skep_kind: String,
    skep_component: String,
    skep_imports: Vec<String>,
    skep_exports: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct RootFs {
    #[serde(rename = "Type")]
    kind: &'static str,
    layers: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    last_tag_time: String,
}

impl From<ImageInfo> for Image {
    fn from(image: ImageInfo) -> Self {
        let created = moment(Time::ZERO.after(Duration::from_secs(image.created_secs)));
        let component = image.component.to_string();
        Self {
            id: image.digest.to_string(),
            repo_digests: digests(&image),
            repo_tags: image.tags,
            parent: "",
            comment: "",
            created,
            author: "",
            config: None,
            architecture: "wasm",
            os: "wasip2",
            size: image.size.0,
            root_fs: RootFs { kind: "layers", layers: vec![component.clone()] },
            metadata: Metadata { last_tag_time: moment(Time::ZERO) },
            skep_kind: image.kind.to_string(),
            skep_component: component,
            skep_imports: image.imports,
            skep_exports: image.exports,
        }
    }
}

/// The names with the digest in the tag's place, each once.
fn digests(image: &ImageInfo) -> Vec<String> {
    let mut names: Vec<_> = image.tags.iter().map(|tag| repository(tag)).collect();
    names.sort_unstable();
    names.dedup();
    names.iter().map(|name| format!("{name}@{}", image.digest)).collect()
}

/// The name without its tag; a colon before a slash belongs to a registry's port.
fn repository(name: &str) -> &str {
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => repository,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use skep_api::{Bytes, Digest, WorkloadKind};

    use super::*;

    fn web() -> ImageInfo {
        ImageInfo {
            tags: vec!["127.0.0.1:5000/web:1.0".to_owned(), "127.0.0.1:5000/web:1".to_owned()],
            digest: Digest([0xab; 32]),
            component: Digest([0xcd; 32]),
            size: Bytes(1234),
            kind: WorkloadKind::Http,
            imports: vec!["wasi:http/types@0.2.3".to_owned()],
            exports: vec!["wasi:http/incoming-handler@0.2.3".to_owned()],
            created_secs: 1_700_000_000,
        }
    }

    #[test]
    fn an_image_looks_like_dockers_and_says_what_its_component_is() {
        let (digest, component) = (Digest([0xab; 32]), Digest([0xcd; 32]).to_string());
        let expected = json!({
            "Id": digest.to_string(),
            "RepoTags": ["127.0.0.1:5000/web:1.0", "127.0.0.1:5000/web:1"],
            "RepoDigests": [format!("127.0.0.1:5000/web@{digest}")],
            "Parent": "",
            "Comment": "",
            "Created": "2023-11-14T22:13:20Z",
            "Author": "",
            "Config": null,
            "Architecture": "wasm",
            "Os": "wasip2",
            "Size": 1234,
            "RootFS": { "Type": "layers", "Layers": [component] },
            "Metadata": { "LastTagTime": "0001-01-01T00:00:00Z" },
            "SkepKind": "wasi:http/proxy",
            "SkepComponent": component,
            "SkepImports": ["wasi:http/types@0.2.3"],
            "SkepExports": ["wasi:http/incoming-handler@0.2.3"]
        });
        assert_eq!(serde_json::to_string(&Image::from(web())).expect("JSON"), expected.to_string());
    }

    #[test]
    fn a_row_of_images_looks_like_dockers() {
        let digest = Digest([0xab; 32]);
        let expected = json!({
            "Containers": -1,
            "Created": 1_700_000_000,
            "Id": digest.to_string(),
            "Labels": null,
            "ParentId": "",
            "RepoDigests": [format!("127.0.0.1:5000/web@{digest}")],
            "RepoTags": ["127.0.0.1:5000/web:1.0", "127.0.0.1:5000/web:1"],
            "SharedSize": -1,
            "Size": 1234
        });
        let shown = serde_json::to_string(&Summary::from(web())).expect("JSON");
        assert_eq!(shown, expected.to_string());
    }

    #[test]
    fn tags_are_told_from_ports() {
        for (name, expected) in [
            ("web", "web"),
            ("web:1.0", "web"),
            ("localhost:5000/web", "localhost:5000/web"),
            ("localhost:5000/web:1.0", "localhost:5000/web"),
        ] {
            assert_eq!(repository(name), expected);
        }
    }
}
