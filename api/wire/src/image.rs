//! Images of a node's store.

use skep_api::{Bytes, Digest, ImageInfo, WorkloadKind};

use crate::{WireError, pb};

impl From<&ImageInfo> for pb::Image {
    fn from(image: &ImageInfo) -> Self {
        Self {
            tags: image.tags.clone(),
            digest: image.digest.to_string(),
            component: image.component.to_string(),
            size: image.size.0,
            kind: image.kind.to_string(),
            imports: image.imports.clone(),
            exports: image.exports.clone(),
            created_secs: image.created_secs,
        }
    }
}

impl TryFrom<pb::Image> for ImageInfo {
    type Error = WireError;

    fn try_from(image: pb::Image) -> Result<Self, WireError> {
        Ok(Self {
            tags: image.tags,
            digest: digest("Image.digest", &image.digest)?,
            component: digest("Image.component", &image.component)?,
            size: Bytes(image.size),
            kind: kind(&image.kind)?,
            imports: image.imports,
            exports: image.exports,
            created_secs: image.created_secs,
        })
    }
}

fn digest(field: &'static str, text: &str) -> Result<Digest, WireError> {
    text.parse().map_err(|error| WireError::malformed(field, format!("{error}")))
}

pub(crate) fn kind(text: &str) -> Result<WorkloadKind, WireError> {
    [WorkloadKind::Command, WorkloadKind::Http]
        .into_iter()
        .find(|kind| kind.to_string() == text)
        .ok_or_else(|| {
            let shown: String = text.chars().take(64).collect();
            WireError::malformed("Image.kind", format!("`{shown}` is not a kind of workload"))
        })
}
