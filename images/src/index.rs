//! What the store holds: images by digest, and names that point to them.
//!
//! One small JSON file, rewritten whole: written elsewhere, synced, renamed, the folder synced.
//! What a crash interrupts has not happened.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Write;
use std::path::Path;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use skep_api::{Bytes, Digest, ImageInfo, Workload, WorkloadKind};

use crate::ImageError;
use crate::artifact::PLATFORM;
use crate::blobs::sync_dir;

const FILE: &str = "images.json";
const VERSION: u32 = 1;

/// The most images, and the most names. The file is rewritten with each change: at some KiB an
/// image this keeps a change in the milliseconds.
const ENTRIES_MAX: usize = 4096;

/// The index as it is in memory and on disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Index {
    version: u32,
    pub(crate) images: BTreeMap<Key, Image>,
    pub(crate) names: BTreeMap<String, Target>,
}

/// What we know of an image, found by reading it when it came in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Image {
    pub(crate) config: Key,
    pub(crate) component: Key,
    pub(crate) size: u64,
    #[serde(with = "kind_text")]
    pub(crate) kind: WorkloadKind,
    pub(crate) imports: Vec<String>,
    pub(crate) exports: Vec<String>,
    pub(crate) created_secs: u64,
}

/// Where a name points.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Target {
    pub(crate) image: Key,
    pub(crate) origin: Origin,
}

/// Who said that a name stands for an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Origin {
    /// A user of this node: it stays until a user changes it.
    Loaded,
    /// A registry, when it was asked: its word may have changed since.
    Pulled,
}

/// A digest as a key of JSON.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key(pub(crate) Digest);

impl Index {
    /// Reads the index below `root`; none is an empty one. A damaged one is an error, and is left
    /// as it is.
    pub(crate) fn read(root: &Path) -> Result<Self, ImageError> {
        let path = root.join(FILE);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(error) => return Err(ImageError::io("read", path)(error)),
        };
        let damaged = |reason: String| ImageError::Damaged { path: path.clone(), reason };
        let index: Self = serde_json::from_slice(&text).map_err(|e| damaged(e.to_string()))?;
        if index.version != VERSION {
            return Err(damaged(format!("its version is {}, not {VERSION}", index.version)));
        }
        if let Some((name, _)) =
            index.names.iter().find(|(_, target)| !index.images.contains_key(&target.image))
        {
            return Err(damaged(format!("`{name}` points to an image that is not in it")));
        }
        Ok(index)
    }

    /// Writes the index below `root`. When this returns it survives a power cut.
    pub(crate) fn write(&self, root: &Path) -> Result<(), ImageError> {
        let (path, fresh) = (root.join(FILE), root.join("images.json.new"));
        let written = || -> std::io::Result<()> {
            let mut file = File::create(&fresh)?;
            file.write_all(&serde_json::to_vec_pretty(self)?)?;
            file.sync_all()?;
            std::fs::rename(&fresh, &path)
        };
        written().map_err(ImageError::io("write", &path))?;
        sync_dir(root)
    }

    /// Adds an image, under a name if there is one.
    pub(crate) fn add(
        &mut self,
        digest: Digest,
        image: Image,
        name: Option<(String, Origin)>,
    ) -> Result<(), ImageError> {
        self.images.entry(Key(digest)).or_insert(image);
        if let Some((name, origin)) = name {
            self.names.insert(name, Target { image: Key(digest), origin });
        }
        if self.images.len() > ENTRIES_MAX || self.names.len() > ENTRIES_MAX {
            return Err(ImageError::StoreFull(ENTRIES_MAX));
        }
        Ok(())
    }

    /// The names of an image.
    pub(crate) fn names_of(&self, digest: Digest) -> Vec<String> {
        let points = |(name, target): (&String, &Target)| {
            (target.image == Key(digest)).then(|| name.clone())
        };
        self.names.iter().filter_map(points).collect()
    }

    /// What users see of an image.
    pub(crate) fn info(&self, digest: Digest) -> Option<ImageInfo> {
        let image = self.images.get(&Key(digest))?;
        Some(ImageInfo {
            tags: self.names_of(digest),
            digest,
            component: image.component.0,
            size: Bytes(image.size),
            kind: image.kind,
            imports: image.imports.clone(),
            exports: image.exports.clone(),
            created_secs: image.created_secs,
        })
    }

    /// What an image is: what was found in its component.
    pub(crate) fn workload(&self, digest: Digest) -> Option<Workload> {
        let kind = self.images.get(&Key(digest))?.kind;
        Some(Workload { kind, platform: PLATFORM.to_owned() })
    }

    /// Whether an image needs that blob.
    pub(crate) fn needs(&self, blob: Digest) -> bool {
        let key = Key(blob);
        self.images
            .iter()
            .any(|(digest, image)| *digest == key || image.config == key || image.component == key)
    }
}

impl Default for Index {
    fn default() -> Self {
        Self { version: VERSION, images: BTreeMap::new(), names: BTreeMap::new() }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(D::Error::custom)
    }
}

/// The kind as its name.
mod kind_text {
    use super::{Deserialize, Deserializer, Serializer, WorkloadKind};
    use serde::de::Error as _;

    pub(super) fn serialize<S: Serializer>(
        kind: &WorkloadKind,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(kind)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<WorkloadKind, D::Error> {
        let text = String::deserialize(deserializer)?;
        [WorkloadKind::Command, WorkloadKind::Http]
            .into_iter()
            .find(|kind| kind.to_string() == text)
            .ok_or_else(|| D::Error::custom(format!("`{text}` is no kind of workload")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> Image {
        Image {
            config: Key(Digest([1; 32])),
            component: Key(Digest([2; 32])),
            size: 5,
            kind: WorkloadKind::Http,
            imports: vec!["wasi:http/types@0.2.0".to_owned()],
            exports: vec![],
            created_secs: 7,
        }
    }

    #[test]
    fn an_index_survives_being_written_and_read() {
        let root = tempfile::tempdir().expect("a folder");
        assert_eq!(Index::read(root.path()).expect("none yet"), Index::default());
        let mut index = Index::default();
        let name = ("web:1".to_owned(), Origin::Loaded);
        index.add(Digest([3; 32]), image(), Some(name)).expect("room");
        index.write(root.path()).expect("write");
        assert_eq!(Index::read(root.path()).expect("read"), index);
        assert_eq!(index.info(Digest([3; 32])).expect("there").tags, ["web:1"]);
        for (blob, needed) in [(1, true), (2, true), (3, true), (4, false)] {
            assert_eq!(index.needs(Digest([blob; 32])), needed, "{blob}");
        }
    }

    #[test]
    fn a_damaged_index_is_an_error_and_is_left_as_it_is() {
        let root = tempfile::tempdir().expect("a folder");
        let dangling = format!(
            r#"{{"version":1,"images":{{}},"names":{{"a":{{"image":"{}","origin":"pulled"}}}}}}"#,
            Digest([9; 32])
        );
        for (text, reason) in [
            ("", "EOF"),
            ("{\"version\":2,\"images\":{},\"names\":{}}", "version is 2"),
            ("{\"version\":1,\"images\":{\"sha256:1\":{}},\"names\":{}}", "not a digest"),
            (dangling.as_str(), "points to an image"),
        ] {
            std::fs::write(root.path().join(FILE), text).expect("write");
            let error = Index::read(root.path()).expect_err(text).to_string();
            assert!(error.contains("damaged") && error.contains(reason), "{error}");
            assert_eq!(std::fs::read_to_string(root.path().join(FILE)).expect("read"), text);
        }
    }
}
