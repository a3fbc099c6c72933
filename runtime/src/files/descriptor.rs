//! What stands behind a guest's descriptor.
//!
//! The guest's descriptors are indices into one table. wasmtime-wasi's own entries there are open
//! files and folders of the host; ours are [`Descriptor`]s. Which of the two an index leads to is
//! found by asking for ours first.

use std::sync::Arc;
use std::time::SystemTime;

use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::Descriptor as HostDescriptor;
use wasmtime_wasi::p2::bindings::clocks::wall_clock::Datetime;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    DescriptorFlags, DescriptorStat, DescriptorType, MetadataHashValue,
};

use super::memory::{Open, Stat};
use super::tree::VirtualFile;

/// A guest's handle, as the bindings type it.
pub(super) type Fd = Resource<HostDescriptor>;

/// A descriptor that is not the host's.
#[derive(Clone)]
pub(super) enum Descriptor {
    /// A virtual folder, by its absolute path.
    Folder(Vec<String>),
    /// A virtual file.
    File(Arc<VirtualFile>),
    /// A file or folder in memory.
    Memory(Memory),
}

/// An open file or folder in memory.
#[derive(Clone)]
pub(super) struct Memory {
    pub(super) open: Arc<Open>,
    pub(super) flags: DescriptorFlags,
    pub(super) read_only: bool,
}

pub(super) fn datetime(time: SystemTime) -> Option<Datetime> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(Datetime { seconds: since.as_secs(), nanoseconds: since.subsec_nanos() })
}

impl Stat {
    pub(super) fn for_guest(&self) -> DescriptorStat {
        DescriptorStat {
            type_: self.kind,
            link_count: self.links,
            size: self.size,
            data_access_timestamp: datetime(self.accessed),
            data_modification_timestamp: datetime(self.modified),
            status_change_timestamp: datetime(self.changed),
        }
    }
}

/// What a guest sees of a virtual file, or of a virtual folder where nothing shows through.
pub(super) fn virtual_stat(file: Option<&VirtualFile>, started: SystemTime) -> DescriptorStat {
    let type_ = match file {
        Some(_) => DescriptorType::RegularFile,
        None => DescriptorType::Directory,
    };
    let time = datetime(started);
    DescriptorStat {
        type_,
        link_count: 1,
        size: file.map_or(0, |file| file.data.bytes().len() as u64),
        data_access_timestamp: time,
        data_modification_timestamp: time,
        status_change_timestamp: time,
    }
}

/// A value that tells this file or folder from the others of the task.
pub(super) fn identity(descriptor: &Descriptor) -> MetadataHashValue {
    match descriptor {
        Descriptor::Folder(path) => MetadataHashValue { lower: hash(path), upper: 1 },
        Descriptor::File(file) => MetadataHashValue { lower: file.number, upper: 2 },
        Descriptor::Memory(memory) => memory_identity(&memory.open, memory.open.inode),
    }
}

/// The same for a file in memory.
pub(super) fn memory_identity(open: &Open, inode: u64) -> MetadataHashValue {
    MetadataHashValue { lower: inode, upper: Arc::as_ptr(&open.fs).addr() as u64 }
}

fn hash(path: &[String]) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    hasher.finish()
}
