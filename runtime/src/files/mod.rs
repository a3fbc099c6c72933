//! Virtual files: the one tree a guest sees.
//!
//! A guest gets one folder, `/`. What is in it is decided by name, in the host's memory: read-only
//! files and the folders that lead to them ([`tree`]), folders in memory ([`memory`]), and folders
//! of the host, where wasmtime-wasi takes over: it resolves paths beneath an open folder, so that
//! neither `..` nor a link leads out of it. The upper layer wins: a config placed inside a volume
//! hides the volume's own file, and listings show both layers.
//!
//! `..` is resolved by name before anything is looked up. Links inside a volume are the volume's own:
//! they lead to its files, also where a config hides one of them under another name.

mod descriptor;
mod host;
mod layers;
mod memory;
mod memory_streams;
mod read_stream;
mod resolve;
mod tree;

use std::sync::Arc;

use wasmtime::component::HasData;
use wasmtime_wasi::filesystem::WasiFilesystemCtxView;

pub use memory::MEMORY_ENTRY_COST;
pub(crate) use tree::Tree;

/// One instance's files.
pub(crate) struct Files {
    tree: Arc<Tree>,
    /// The open roots of the host's folders, made when first needed: by mount, the handle.
    roots: Vec<Option<u32>>,
}

impl Files {
    pub(crate) fn new(tree: Arc<Tree>) -> Self {
        Self { roots: vec![None; tree.mounts().len()], tree }
    }
}

/// Everything a call on files works on.
pub(crate) struct FilesView<'a> {
    pub(crate) wasi: WasiFilesystemCtxView<'a>,
    pub(crate) files: &'a mut Files,
}

/// The type that stands for [`FilesView`] in the linker.
pub(crate) struct HasFiles;

impl HasData for HasFiles {
    type Data<'a> = FilesView<'a>;
}
