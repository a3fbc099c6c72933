//! Virtual folders with something beneath them: one view of both.

use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, ErrorCode, HostDescriptor,
    HostDirectoryEntryStream, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{DynOutputStream, FsError, FsResult};

use super::FilesView;
use super::descriptor::{Descriptor, Fd, virtual_stat};
use super::memory_streams::MemoryWriteStream;
use super::resolve::{HostTarget, Target};

impl FilesView<'_> {
    pub(super) async fn stat_target(
        &mut self,
        target: Target,
        flags: PathFlags,
    ) -> FsResult<DescriptorStat> {
        let started = self.files.tree.started();
        match target {
            Target::File(file) => Ok(virtual_stat(Some(&file), started)),
            Target::Memory(target) => Ok(target.base.stat(&target.path)?.for_guest()),
            Target::Host(target) => self.wasi.stat_at(target.base, flags, target.path).await,
            Target::Missing => Err(ErrorCode::NoEntry.into()),
            Target::Folder(_, None) => Ok(virtual_stat(None, started)),
            Target::Folder(_, Some(below)) => {
                let below = match *below {
                    Target::Memory(target) => {
                        target.base.stat(&target.path).map(|stat| stat.for_guest()).ok()
                    }
                    Target::Host(target) => {
                        self.wasi.stat_at(target.base, flags, target.path).await.ok()
                    }
                    _ => None,
                };
                // A file of the volume that a virtual folder hides is not to be seen.
                let is_folder = |stat: &DescriptorStat| stat.type_ == DescriptorType::Directory;
                Ok(below.filter(is_folder).unwrap_or_else(|| virtual_stat(None, started)))
            }
        }
    }

    /// The names in a virtual folder and in what shows through it; the upper layer wins.
    pub(super) async fn list_folder(&mut self, path: Vec<String>) -> FsResult<Vec<DirectoryEntry>> {
        let tree = self.files.tree.clone();
        let mut names = tree.names(&path);
        let Target::Folder(_, Some(below)) = self.resolve_absolute(path, true)? else {
            return Ok(entries(names));
        };
        let below = match *below {
            Target::Memory(target) => target.base.list(&target.path).unwrap_or_default(),
            Target::Host(target) => self.list_host(target).await?,
            _ => Vec::new(),
        };
        let is_hidden = |name: &str| names.iter().any(|(upper, _)| upper == name);
        let below: Vec<_> = below.into_iter().filter(|(name, _)| !is_hidden(name)).collect();
        names.extend(below);
        Ok(entries(names))
    }

    /// The names in a folder of the host; none if there is no such folder there.
    async fn list_host(&mut self, target: HostTarget) -> FsResult<Vec<(String, DescriptorType)>> {
        let Ok(folder) = self.open_folder(target).await else { return Ok(Vec::new()) };
        let mut names = Vec::new();
        let stream = self.wasi.read_directory(Resource::new_borrow(folder.rep())).await?;
        loop {
            let borrowed = Resource::new_borrow(stream.rep());
            match self.wasi.read_directory_entry(borrowed).await {
                Ok(Some(entry)) => names.push((entry.name, entry.type_)),
                Ok(None) => break,
                // A name that is no text can't be told to the guest; the others can.
                Err(_) => {}
            }
        }
        HostDirectoryEntryStream::drop(&mut self.wasi, stream).map_err(FsError::trap)?;
        HostDescriptor::drop(&mut self.wasi, folder).map_err(FsError::trap)?;
        Ok(names)
    }

    async fn open_folder(&mut self, target: HostTarget) -> FsResult<Fd> {
        let (follow, folder) = (PathFlags::SYMLINK_FOLLOW, OpenFlags::DIRECTORY);
        self.wasi.open_at(target.base, follow, target.path, folder, DescriptorFlags::READ).await
    }

    /// Syncs the host's folder behind a virtual one: a database syncs the folder it made a file in.
    pub(super) async fn sync_below(&mut self, descriptor: Descriptor) -> FsResult<()> {
        let Descriptor::Folder(path) = descriptor else { return Ok(()) };
        let Target::Folder(_, Some(below)) = self.resolve_absolute(path, true)? else {
            return Ok(());
        };
        let Target::Host(target) = *below else { return Ok(()) };
        let Ok(folder) = self.open_folder(target).await else { return Ok(()) };
        let synced = self.wasi.sync(Resource::new_borrow(folder.rep())).await;
        HostDescriptor::drop(&mut self.wasi, folder).map_err(FsError::trap)?;
        synced
    }

    pub(super) fn write_stream(
        &mut self,
        descriptor: Descriptor,
        position: Option<u64>,
    ) -> FsResult<Resource<DynOutputStream>> {
        let Descriptor::Memory(memory) = descriptor else { return Err(ErrorCode::ReadOnly.into()) };
        let open = memory.writable()?.open;
        let stream: DynOutputStream = Box::new(MemoryWriteStream { open, position });
        Ok(self.wasi.table.push(stream)?)
    }
}

/// Names as the guest gets them.
pub(super) fn entries(names: Vec<(String, DescriptorType)>) -> Vec<DirectoryEntry> {
    names.into_iter().map(|(name, type_)| DirectoryEntry { type_, name }).collect()
}
