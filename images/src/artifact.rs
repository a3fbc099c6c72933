//! The CNCF wasm layout: the manifest and the config around a component.
//!
//! What we write has no time stamp in it: the same component gives the same digest on every
//! machine.

use oci_distribution::manifest::{
    IMAGE_CONFIG_MEDIA_TYPE, IMAGE_DOCKER_CONFIG_MEDIA_TYPE, IMAGE_MANIFEST_LIST_MEDIA_TYPE,
    IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE,
};
use serde::{Deserialize, Serialize};
use skep_api::{Bytes, Digest, Workload};

use crate::NotRunnable;
use crate::component::{Findings, entry_of, kind_of};
use crate::name::excerpt;

/// The largest manifest: what registries and Docker take.
pub(crate) const MANIFEST_MAX: Bytes = Bytes::mib(4);
/// The largest config. Ours are some KiB.
pub(crate) const CONFIG_MAX: Bytes = Bytes::mib(1);
/// The largest component. It is compiled in memory, on devices with some hundred MB of it.
pub(crate) const COMPONENT_MAX: Bytes = Bytes::mib(256);

/// The `os` of every image in the store.
pub(crate) const PLATFORM: &str = "wasip2";
/// The media type of the config.
const CONFIG_TYPE: &str = "application/vnd.wasm.config.v0+json";
/// The media type of the one layer.
const LAYER_TYPE: &str = "application/wasm";
/// The media type of the manifest.
pub(crate) const MANIFEST_TYPE: &str = OCI_IMAGE_MEDIA_TYPE;

/// The manifests that we ask a registry for: ours, and those we know to refuse by name.
pub(crate) const ACCEPTED: [&str; 4] = [
    OCI_IMAGE_MEDIA_TYPE,
    OCI_IMAGE_INDEX_MEDIA_TYPE,
    IMAGE_MANIFEST_MEDIA_TYPE,
    IMAGE_MANIFEST_LIST_MEDIA_TYPE,
];

/// How many platforms of an index are named.
const PLATFORMS_MAX: usize = 4;

/// A blob that a manifest refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Blob {
    pub(crate) digest: Digest,
    pub(crate) size: u64,
}

/// What a manifest in our layout says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) config: Blob,
    pub(crate) component: Blob,
}

/// The manifest's and the config's bytes for a component.
pub(crate) fn write(component: Blob, findings: &Findings) -> (Vec<u8>, Vec<u8>) {
    let target = entry_of(findings.kind, &findings.exports).map(|entry| {
        let version = entry.split('@').nth(1).unwrap_or_default();
        format!("{}@{version}", findings.kind)
    });
    let config = to_json(&Config {
        architecture: "wasm".to_owned(),
        os: PLATFORM.to_owned(),
        layer_digests: vec![component.digest.to_string()],
        component: Some(ConfigComponent {
            exports: findings.exports.clone(),
            imports: findings.imports.clone(),
            target,
        }),
    });
    let descriptor = |media_type: &str, digest: Digest, size: u64| Descriptor {
        media_type: media_type.to_owned(),
        digest: digest.to_string(),
        size,
        platform: None,
    };
    let config_digest = crate::blobs::digest_of(&config);
    let manifest = to_json(&Manifest {
        schema_version: 2,
        media_type: Some(MANIFEST_TYPE.to_owned()),
        config: Some(descriptor(CONFIG_TYPE, config_digest, config.len() as u64)),
        layers: Some(vec![descriptor(LAYER_TYPE, component.digest, component.size)]),
        manifests: None,
    });
    (manifest, config)
}

/// Reads a manifest; `announced` is the type that the registry gave it. What is not a component in
/// our layout is refused by its name.
pub(crate) fn read_manifest(bytes: &[u8], announced: &str) -> Result<Layout, NotRunnable> {
    let manifest: Manifest = serde_json::from_slice(bytes)
        .map_err(|error| NotRunnable::Manifest(excerpt(&error.to_string())))?;
    let media_type = manifest.media_type.as_deref().unwrap_or(announced);
    if let Some(entries) = &manifest.manifests {
        return Err(refuse_index(entries));
    }
    let (Some(config), Some(layers)) = (manifest.config, manifest.layers) else {
        return Err(NotRunnable::Artifact(excerpt(media_type)));
    };
    match config.media_type.as_str() {
        CONFIG_TYPE => {}
        IMAGE_CONFIG_MEDIA_TYPE | IMAGE_DOCKER_CONFIG_MEDIA_TYPE => {
            return Err(NotRunnable::Container);
        }
        other => return Err(NotRunnable::Artifact(excerpt(other))),
    }
    let [layer] = layers.as_slice() else { return Err(NotRunnable::Layers(layers.len())) };
    if layer.media_type != LAYER_TYPE {
        return Err(NotRunnable::LayerType(excerpt(&layer.media_type)));
    }
    Ok(Layout { config: read_blob(&config)?, component: read_blob(layer)? })
}

/// What a config says of its component. It is not to be trusted, but what it already rules out
/// needs no download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claims {
    pub(crate) imports: Vec<String>,
    exports: Vec<String>,
}

impl Claims {
    /// What the component would be; none if the config lists no exports.
    pub(crate) fn workload(&self) -> Option<Workload> {
        let kind = kind_of(&self.exports)?;
        Some(Workload { kind, platform: PLATFORM.to_owned() })
    }
}

/// Reads a config.
pub(crate) fn read_config(bytes: &[u8], component: Digest) -> Result<Claims, NotRunnable> {
    let config: Config = serde_json::from_slice(bytes)
        .map_err(|error| NotRunnable::Config(excerpt(&error.to_string())))?;
    let refuse = |reason: String| Err(NotRunnable::Config(reason));
    if config.architecture != "wasm" {
        return refuse(format!(
            "its architecture is `{}`, not `wasm`",
            excerpt(&config.architecture)
        ));
    }
    match config.os.as_str() {
        PLATFORM => {}
        "wasip1" => return Err(NotRunnable::CoreModule),
        other => return refuse(format!("its os is `{}`, not `{PLATFORM}`", excerpt(other))),
    }
    if config.layer_digests != [component.to_string()] {
        return refuse("its `layerDigests` is not the layer of the manifest".to_owned());
    }
    let (imports, exports) = config
        .component
        .map(|component| (component.imports, component.exports))
        .unwrap_or_default();
    Ok(Claims { imports, exports })
}

fn refuse_index(entries: &[Descriptor]) -> NotRunnable {
    let platforms: Vec<String> = entries
        .iter()
        .filter_map(|entry| entry.platform.as_ref())
        // Attestations come with the platform unknown/unknown.
        .filter(|platform| platform.os != "unknown")
        .map(|platform| excerpt(&format!("{}/{}", platform.os, platform.architecture)))
        .collect();
    if !platforms.is_empty() && platforms.iter().all(|platform| platform.starts_with("linux/")) {
        return NotRunnable::Container;
    }
    let mut named: Vec<String> = platforms.iter().take(PLATFORMS_MAX).cloned().collect();
    if platforms.len() > PLATFORMS_MAX {
        named.push(format!("and {} more", platforms.len() - PLATFORMS_MAX));
    }
    if named.is_empty() {
        named.push("of no platform".to_owned());
    }
    NotRunnable::Index(named.join(", "))
}

fn read_blob(descriptor: &Descriptor) -> Result<Blob, NotRunnable> {
    let digest = descriptor
        .digest
        .parse()
        .map_err(|error: skep_api::DigestError| NotRunnable::Manifest(error.to_string()))?;
    Ok(Blob { digest, size: descriptor.size })
}

fn to_json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("strings, numbers and lists always become JSON")
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    media_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    config: Option<Descriptor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    layers: Option<Vec<Descriptor>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    manifests: Option<Vec<Descriptor>>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<Platform>,
}

#[derive(Serialize, Deserialize)]
struct Platform {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Config {
    architecture: String,
    os: String,
    layer_digests: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    component: Option<ConfigComponent>,
}

#[derive(Serialize, Deserialize)]
struct ConfigComponent {
    #[serde(default)]
    exports: Vec<String>,
    #[serde(default)]
    imports: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use skep_api::WorkloadKind;

    use super::*;

    const COMPONENT: Blob = Blob { digest: Digest([7; 32]), size: 99 };

    fn written() -> (Value, Value, Vec<u8>) {
        let findings = Findings {
            kind: WorkloadKind::Http,
            imports: vec!["wasi:http/types@0.2.3".to_owned()],
            exports: vec!["wasi:http/incoming-handler@0.2.3".to_owned()],
        };
        let (manifest, config) = write(COMPONENT, &findings);
        let value = |bytes: &[u8]| serde_json::from_slice(bytes).expect("JSON");
        (value(&manifest), value(&config), config)
    }

    #[test]
    fn the_layout_is_cncfs() {
        let (manifest, config, config_bytes) = written();
        assert_eq!(
            config,
            json!({
                "architecture": "wasm", "os": "wasip2",
                "layerDigests": [COMPONENT.digest.to_string()],
                "component": {
                    "exports": ["wasi:http/incoming-handler@0.2.3"],
                    "imports": ["wasi:http/types@0.2.3"],
                    "target": "wasi:http/proxy@0.2.3",
                },
            })
        );
        assert_eq!(
            manifest,
            json!({
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": {
                    "mediaType": "application/vnd.wasm.config.v0+json",
                    "digest": crate::blobs::digest_of(&config_bytes).to_string(),
                    "size": config_bytes.len(),
                },
                "layers": [{
                    "mediaType": "application/wasm",
                    "digest": COMPONENT.digest.to_string(), "size": 99,
                }],
            })
        );
        let layout = read_manifest(manifest.to_string().as_bytes(), "").expect("ours");
        assert_eq!(layout.component, COMPONENT);
        let claims = read_config(&config_bytes, COMPONENT.digest).expect("ours");
        assert_eq!(claims.imports, ["wasi:http/types@0.2.3"]);
        let http = Workload { kind: WorkloadKind::Http, platform: "wasip2".to_owned() };
        assert_eq!(claims.workload(), Some(http));
    }

    #[test]
    fn a_config_without_exports_does_not_tell_what_a_component_is() {
        let (_, mut config, _) = written();
        for exports in [json!([]), json!(["my:own/thing@1.0.0"])] {
            *config.pointer_mut("/component/exports").expect("there") = exports;
            let claims = read_config(config.to_string().as_bytes(), COMPONENT.digest);
            assert_eq!(claims.expect("readable").workload(), None);
        }
        config.as_object_mut().expect("an object").remove("component");
        let claims = read_config(config.to_string().as_bytes(), COMPONENT.digest);
        assert_eq!(claims.expect("readable").workload(), None);
    }

    #[test]
    fn manifests_of_other_things_are_refused_by_name() {
        let (ours, _, _) = written();
        let with = |path: &str, value: Value| {
            let mut manifest = ours.clone();
            *manifest.pointer_mut(path).expect("there") = value;
            manifest
        };
        let layer = ours["layers"][0].clone();
        let entry = |os: &str, architecture: &str| {
            json!({"mediaType": MANIFEST_TYPE, "digest": "x", "size": 1,
                   "platform": {"os": os, "architecture": architecture}})
        };
        let container = "is a Linux container, not a component";
        for (manifest, reason) in [
            (with("/config/mediaType", json!(IMAGE_CONFIG_MEDIA_TYPE)), container),
            (with("/config/mediaType", json!(IMAGE_DOCKER_CONFIG_MEDIA_TYPE)), container),
            (with("/config/mediaType", json!("application/x.helm")), "`application/x.helm`"),
            (with("/layers", json!([])), "has 0 layers"),
            (with("/layers", json!([layer, layer])), "has 2 layers"),
            (with("/layers/0/mediaType", json!("a/tar")), "has a layer of the type `a/tar`"),
            (with("/layers/0/digest", json!("sha256:12")), "no readable manifest: `sha256:12`"),
            (with("/layers/0/size", json!(-1)), "no readable manifest"),
            (
                json!({"schemaVersion": 2, "manifests": [entry("linux", "amd64"), entry("unknown", "unknown")]}),
                container,
            ),
            (
                json!({"schemaVersion": 2, "manifests": [entry("linux", "amd64"), entry("wasip2", "wasm")]}),
                "is an index of images (linux/amd64, wasip2/wasm)",
            ),
            (json!({"schemaVersion": 2, "manifests": []}), "of no platform"),
            (json!({"schemaVersion": 1}), "an artifact of the type `a/b`"),
            (json!([]), "no readable manifest"),
        ] {
            let error = read_manifest(manifest.to_string().as_bytes(), "a/b").expect_err(reason);
            assert!(error.to_string().contains(reason), "{reason}: {error}");
        }
    }

    #[test]
    fn configs_of_other_things_are_refused_by_name() {
        let (_, ours, _) = written();
        for (path, value, reason) in [
            ("/architecture", "amd64", "its architecture is `amd64`"),
            ("/os", "wasip1", "is a core module"),
            ("/os", "linux", "its os is `linux`"),
            ("/layerDigests/0", "sha256:0", "`layerDigests`"),
        ] {
            let mut config = ours.clone();
            *config.pointer_mut(path).expect("there") = json!(value);
            let error = read_config(config.to_string().as_bytes(), COMPONENT.digest)
                .expect_err(reason)
                .to_string();
            assert!(error.contains(reason), "{reason}: {error}");
        }
    }
}
