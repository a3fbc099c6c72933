//! Compiles `proto/*.proto` with protox, so that a build needs no `protoc`.

use std::error::Error;
use std::path::PathBuf;

/// Messages with a field that holds a secret: their `Debug` is written by hand in
/// `src/redact.rs`, so that no debug print shows one.
const NO_DERIVED_DEBUG: [&str; 6] = [
    "skep.v1.SecretSpec",
    "skep.v1.ComponentSpec",
    "skep.v1.Content",
    "skep.v1.Assignment",
    "skep.v1.PullImageRequest",
    "skep.v1.PushImageRequest",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let mut files = Vec::<PathBuf>::new();
    for entry in std::fs::read_dir("proto")? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    files.sort();
    let descriptors = protox::compile(&files, ["proto"])?;
    tonic_prost_build::configure()
        .btree_map(".")
        .skip_debug(NO_DERIVED_DEBUG)
        .compile_fds(descriptors)?;
    Ok(())
}
