//! Tiny components, and stores to put them in.

use std::path::Path;
use std::sync::Mutex;

use skep_images::{ImageError, ImageStore, ImagesConfig, Progress, ProgressStep, Transfer};

/// A program that imports what every program does; `mark` makes it differ from others.
pub(crate) fn command(mark: &str) -> Vec<u8> {
    component(mark, &["wasi:cli/environment@0.2.3"], "wasi:cli/run@0.2.3")
}

/// A component with these imports and this export.
pub(crate) fn component(mark: &str, imports: &[&str], export: &str) -> Vec<u8> {
    let imports: String =
        imports.iter().map(|name| format!("(import \"{name}\" (instance))")).collect();
    let text = format!(
        r#"(component {imports} (core module (memory 1) (data "{mark}"))
            (instance $i) (export "{export}" (instance $i)))"#
    );
    wat::parse_str(text).expect("a component")
}

/// What the host of these tests offers.
pub(crate) fn offers(import: &str) -> bool {
    import.starts_with("wasi:cli/") || import.starts_with("wasi:http/")
}

/// A configuration with nothing special.
pub(crate) fn plain() -> ImagesConfig {
    ImagesConfig {
        host_offers: offers,
        default_registry: None,
        insecure_registries: vec![],
        ca_files: vec![],
        docker_config: None,
    }
}

/// A store in a folder of its own.
pub(crate) struct TestStore {
    pub(crate) store: ImageStore,
    pub(crate) root: tempfile::TempDir,
}

impl TestStore {
    pub(crate) fn new(config: ImagesConfig) -> Self {
        let root = tempfile::tempdir().expect("a folder");
        let store = ImageStore::open(root.path(), config).expect("open");
        Self { store, root }
    }

    /// How many files lie below that folder of the store.
    pub(crate) fn files(&self, folder: &str) -> usize {
        files(&self.root.path().join(folder))
    }
}

pub(crate) fn files(folder: &Path) -> usize {
    std::fs::read_dir(folder).expect("a folder").count()
}

/// The error that users see: its kind, its text and its hint, in one text.
pub(crate) fn shown(error: ImageError) -> String {
    let error = skep_api::Error::from(error);
    format!("{:?}: {}; {}", error.kind, error.message, error.hint.unwrap_or_default())
}

/// Remembers what was reported.
#[derive(Default)]
pub(crate) struct Recorder {
    steps: Mutex<Vec<ProgressStep>>,
}

impl Progress for Recorder {
    fn report(&self, step: &ProgressStep) {
        self.steps.lock().expect("no panic").push(step.clone());
    }
}

impl Recorder {
    /// What was reported last for each blob, in the order of the blobs.
    pub(crate) fn outcomes(&self) -> Vec<Transfer> {
        let steps = self.steps.lock().expect("no panic");
        let mut seen: Vec<(skep_api::Digest, Transfer)> = Vec::new();
        for step in steps.iter() {
            assert!(step.done <= step.total, "{step:?}");
            match seen.iter_mut().find(|(digest, _)| *digest == step.digest) {
                Some(entry) => entry.1 = step.transfer,
                None => seen.push((step.digest, step.transfer)),
            }
        }
        seen.into_iter().map(|(_, transfer)| transfer).collect()
    }
}
