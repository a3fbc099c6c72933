//! `wasi:filesystem` on the tree.
//!
//! Each call finds out whose descriptor it has: ours is answered here, the host's by wasmtime-wasi.

use std::time::{Duration, SystemTime};

use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::filesystem::preopens;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    self, Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, ErrorCode,
    HostDescriptor, HostDirectoryEntryStream, MetadataHashValue, NewTimestamp, OpenFlags,
    PathFlags,
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError, FsResult, ReaddirIterator};

use super::FilesView;
use super::descriptor::{Descriptor, Fd, Memory, identity, memory_identity, virtual_stat};
use super::layers::entries;
use super::memory_streams::MemoryReadStream;
use super::read_stream::{READ_MAX, ReadStream, range};
use super::resolve::{Change, HostTarget, MemoryTarget, Target};

/// Changes what a virtual file or folder is about: never.
const READ_ONLY: ErrorCode = ErrorCode::ReadOnly;

/// The names in a folder, as they were when it was opened for listing.
struct Listing(std::vec::IntoIter<DirectoryEntry>);

impl preopens::Host for FilesView<'_> {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Fd, String)>> {
        let root = self.wasi.table.push(Descriptor::Folder(Vec::new()))?;
        Ok(vec![(Resource::new_own(root.rep()), "/".to_owned())])
    }
}

impl types::Host for FilesView<'_> {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }

    fn filesystem_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        types::Host::filesystem_error_code(&mut self.wasi, error)
    }
}

impl HostDescriptor for FilesView<'_> {
    async fn advise(&mut self, fd: Fd, offset: u64, len: u64, advice: Advice) -> FsResult<()> {
        match self.ours(&fd) {
            Some(_) => Ok(()),
            None => self.wasi.advise(fd, offset, len, advice).await,
        }
    }

    async fn sync_data(&mut self, fd: Fd) -> FsResult<()> {
        match self.ours(&fd) {
            Some(descriptor) => self.sync_below(descriptor).await,
            None => self.wasi.sync_data(fd).await,
        }
    }

    async fn sync(&mut self, fd: Fd) -> FsResult<()> {
        match self.ours(&fd) {
            Some(descriptor) => self.sync_below(descriptor).await,
            None => self.wasi.sync(fd).await,
        }
    }

    async fn get_flags(&mut self, fd: Fd) -> FsResult<DescriptorFlags> {
        match self.ours(&fd) {
            Some(Descriptor::File(_)) => Ok(DescriptorFlags::READ),
            Some(Descriptor::Folder(_)) => {
                Ok(DescriptorFlags::READ | DescriptorFlags::MUTATE_DIRECTORY)
            }
            Some(Descriptor::Memory(memory)) => Ok(memory.flags),
            None => self.wasi.get_flags(fd).await,
        }
    }

    async fn get_type(&mut self, fd: Fd) -> FsResult<DescriptorType> {
        match self.ours(&fd) {
            Some(Descriptor::File(_)) => Ok(DescriptorType::RegularFile),
            Some(Descriptor::Folder(_)) => Ok(DescriptorType::Directory),
            Some(Descriptor::Memory(memory)) => Ok(memory.open.stat(&[])?.kind),
            None => self.wasi.get_type(fd).await,
        }
    }

    async fn set_size(&mut self, fd: Fd, size: u64) -> FsResult<()> {
        match self.ours(&fd) {
            Some(Descriptor::Memory(memory)) => Ok(memory.writable()?.open.set_size(size)?),
            Some(_) => Err(READ_ONLY.into()),
            None => self.wasi.set_size(fd, size).await,
        }
    }

    async fn set_times(
        &mut self,
        fd: Fd,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        match self.ours(&fd) {
            Some(Descriptor::Memory(memory)) if !memory.read_only => {
                Ok(memory.open.set_times(&[], time(accessed)?, time(modified)?)?)
            }
            Some(_) => Err(READ_ONLY.into()),
            None => self.wasi.set_times(fd, accessed, modified).await,
        }
    }

    async fn read(&mut self, fd: Fd, len: u64, offset: u64) -> FsResult<(Vec<u8>, bool)> {
        let len_max = usize::try_from(len).unwrap_or(usize::MAX).min(READ_MAX);
        let bytes = match self.ours(&fd) {
            None => return self.wasi.read(fd, len, offset).await,
            Some(Descriptor::Folder(_)) => return Err(ErrorCode::IsDirectory.into()),
            Some(Descriptor::File(file)) => {
                let offset = usize::try_from(offset).unwrap_or(usize::MAX);
                file.data.bytes()[range(&file, offset, len_max)].to_vec()
            }
            Some(Descriptor::Memory(memory)) => memory.readable()?.open.read(offset, len_max)?,
        };
        let at_end = bytes.is_empty() && len > 0;
        Ok((bytes, at_end))
    }

    async fn write(&mut self, fd: Fd, bytes: Vec<u8>, offset: u64) -> FsResult<u64> {
        match self.ours(&fd) {
            Some(Descriptor::Memory(memory)) => {
                Ok(memory.writable()?.open.write(offset, &bytes)? as u64)
            }
            Some(_) => Err(READ_ONLY.into()),
            None => self.wasi.write(fd, bytes, offset).await,
        }
    }

    async fn read_directory(&mut self, fd: Fd) -> FsResult<Resource<ReaddirIterator>> {
        let entries = match self.ours(&fd) {
            None => return self.wasi.read_directory(fd).await,
            Some(Descriptor::File(_)) => return Err(ErrorCode::NotDirectory.into()),
            Some(Descriptor::Memory(memory)) => entries(memory.open.list(&[])?),
            Some(Descriptor::Folder(path)) => self.list_folder(path).await?,
        };
        let listing = self.wasi.table.push(Listing(entries.into_iter()))?;
        Ok(Resource::new_own(listing.rep()))
    }

    async fn create_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        // Making what is there already fails as such, wherever it is.
        match self.resolve(&fd, &path)? {
            Target::Folder(..) | Target::File(_) => return Err(ErrorCode::Exist.into()),
            Target::Host(target) if target.is_root() => return Err(ErrorCode::Exist.into()),
            _ => {}
        }
        match self.resolve_change(&fd, &path)? {
            Change::Memory(target) => Ok(target.base.make_folder(&target.path)?),
            Change::Host(target) => self.wasi.create_directory_at(target.base, target.path).await,
        }
    }

    async fn stat(&mut self, fd: Fd) -> FsResult<DescriptorStat> {
        match self.ours(&fd) {
            None => self.wasi.stat(fd).await,
            Some(Descriptor::Memory(memory)) => Ok(memory.open.stat(&[])?.for_guest()),
            Some(Descriptor::File(file)) => {
                Ok(virtual_stat(Some(&file), self.files.tree.started()))
            }
            Some(Descriptor::Folder(path)) => {
                let target = self.resolve_absolute(path, true)?;
                self.stat_target(target, PathFlags::SYMLINK_FOLLOW).await
            }
        }
    }

    async fn stat_at(
        &mut self,
        fd: Fd,
        flags: PathFlags,
        path: String,
    ) -> FsResult<DescriptorStat> {
        let target = self.resolve(&fd, &path)?;
        self.stat_target(target, flags).await
    }

    async fn set_times_at(
        &mut self,
        fd: Fd,
        flags: PathFlags,
        path: String,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        match self.resolve_change(&fd, &path)? {
            Change::Memory(MemoryTarget { base, path, .. }) => {
                Ok(base.set_times(&path, time(accessed)?, time(modified)?)?)
            }
            Change::Host(HostTarget { base, path, .. }) => {
                self.wasi.set_times_at(base, flags, path, accessed, modified).await
            }
        }
    }

    async fn link_at(
        &mut self,
        fd: Fd,
        flags: PathFlags,
        path: String,
        new_fd: Fd,
        new_path: String,
    ) -> FsResult<()> {
        match (self.resolve_change(&fd, &path)?, self.resolve_change(&new_fd, &new_path)?) {
            (Change::Memory(old), Change::Memory(new)) if old.shares_fs(&new) => {
                Ok(old.base.link(&old.path, &new.base, &new.path)?)
            }
            (Change::Host(old), Change::Host(new)) if !old.is_apart_from(&new) => {
                self.wasi.link_at(old.base, flags, old.path, new.base, new.path).await
            }
            _ => Err(ErrorCode::CrossDevice.into()),
        }
    }

    async fn open_at(
        &mut self,
        fd: Fd,
        path_flags: PathFlags,
        path: String,
        open: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Fd> {
        let changes = flags.contains(DescriptorFlags::WRITE) || open.contains(OpenFlags::TRUNCATE);
        match self.resolve(&fd, &path)? {
            Target::Missing if open.contains(OpenFlags::CREATE) => Err(READ_ONLY.into()),
            Target::Missing => Err(ErrorCode::NoEntry.into()),
            Target::File(_) | Target::Folder(..)
                if open.contains(OpenFlags::CREATE | OpenFlags::EXCLUSIVE) =>
            {
                Err(ErrorCode::Exist.into())
            }
            Target::File(_) if open.contains(OpenFlags::DIRECTORY) => {
                Err(ErrorCode::NotDirectory.into())
            }
            Target::File(_) if changes => Err(READ_ONLY.into()),
            Target::File(file) if file.mode & 0o444 == 0 => Err(ErrorCode::Access.into()),
            Target::File(file) => self.push(Descriptor::File(file)),
            Target::Folder(..) if changes => Err(ErrorCode::IsDirectory.into()),
            Target::Folder(path, _) => self.push(Descriptor::Folder(path)),
            Target::Memory(target) => {
                let memory = target.open(open, flags)?;
                self.push(Descriptor::Memory(memory))
            }
            Target::Host(target) => {
                if target.read_only && changes {
                    return Err(READ_ONLY.into());
                }
                self.wasi.open_at(target.base, path_flags, target.path, open, flags).await
            }
        }
    }

    async fn readlink_at(&mut self, fd: Fd, path: String) -> FsResult<String> {
        match self.resolve(&fd, &path)?.existing()? {
            Target::Host(target) => self.wasi.readlink_at(target.base, target.path).await,
            Target::Memory(target) => {
                target.base.stat(&target.path)?;
                Err(ErrorCode::Invalid.into())
            }
            _ => Err(ErrorCode::Invalid.into()),
        }
    }

    async fn remove_directory_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        match self.resolve_change(&fd, &path)? {
            Change::Memory(target) => Ok(target.base.remove_folder(&target.path)?),
            Change::Host(target) => self.wasi.remove_directory_at(target.base, target.path).await,
        }
    }

    async fn rename_at(
        &mut self,
        fd: Fd,
        path: String,
        new_fd: Fd,
        new_path: String,
    ) -> FsResult<()> {
        match (self.resolve_change(&fd, &path)?, self.resolve_change(&new_fd, &new_path)?) {
            (Change::Memory(old), Change::Memory(new)) if old.shares_fs(&new) => {
                Ok(old.base.rename(&old.path, &new.base, &new.path)?)
            }
            (Change::Host(old), Change::Host(new)) if !old.is_apart_from(&new) => {
                self.wasi.rename_at(old.base, old.path, new.base, new.path).await
            }
            _ => Err(ErrorCode::CrossDevice.into()),
        }
    }

    async fn symlink_at(&mut self, fd: Fd, target: String, path: String) -> FsResult<()> {
        match self.resolve_change(&fd, &path)? {
            Change::Memory(_) => Err(ErrorCode::Unsupported.into()),
            Change::Host(place) => self.wasi.symlink_at(place.base, target, place.path).await,
        }
    }

    async fn unlink_file_at(&mut self, fd: Fd, path: String) -> FsResult<()> {
        match self.resolve_change(&fd, &path)? {
            Change::Memory(target) => Ok(target.base.remove_file(&target.path)?),
            Change::Host(target) => self.wasi.unlink_file_at(target.base, target.path).await,
        }
    }

    async fn is_same_object(&mut self, one: Fd, other: Fd) -> wasmtime::Result<bool> {
        match (self.ours(&one), self.ours(&other)) {
            (None, None) => self.wasi.is_same_object(one, other).await,
            (Some(one), Some(other)) => {
                let (one, other) = (identity(&one), identity(&other));
                Ok((one.lower, one.upper) == (other.lower, other.upper))
            }
            _ => Ok(false),
        }
    }

    async fn metadata_hash(&mut self, fd: Fd) -> FsResult<MetadataHashValue> {
        match self.ours(&fd) {
            Some(descriptor) => Ok(identity(&descriptor)),
            None => self.wasi.metadata_hash(fd).await,
        }
    }

    async fn metadata_hash_at(
        &mut self,
        fd: Fd,
        flags: PathFlags,
        path: String,
    ) -> FsResult<MetadataHashValue> {
        match self.resolve(&fd, &path)?.existing()? {
            Target::Host(target) => {
                self.wasi.metadata_hash_at(target.base, flags, target.path).await
            }
            Target::Memory(target) => {
                Ok(memory_identity(&target.base, target.base.number(&target.path)?))
            }
            Target::File(file) => Ok(identity(&Descriptor::File(file))),
            Target::Folder(path, _) => Ok(identity(&Descriptor::Folder(path))),
            Target::Missing => Err(ErrorCode::NoEntry.into()),
        }
    }

    fn read_via_stream(&mut self, fd: Fd, offset: u64) -> FsResult<Resource<DynInputStream>> {
        let stream: DynInputStream = match self.ours(&fd) {
            None => return self.wasi.read_via_stream(fd, offset),
            Some(Descriptor::Folder(_)) => return Err(ErrorCode::IsDirectory.into()),
            Some(Descriptor::File(file)) => Box::new(ReadStream::new(file, offset)),
            Some(Descriptor::Memory(memory)) => {
                let open = memory.readable()?.open;
                Box::new(MemoryReadStream { open, position: offset })
            }
        };
        Ok(self.wasi.table.push(stream)?)
    }

    fn write_via_stream(&mut self, fd: Fd, offset: u64) -> FsResult<Resource<DynOutputStream>> {
        match self.ours(&fd) {
            None => self.wasi.write_via_stream(fd, offset),
            Some(descriptor) => self.write_stream(descriptor, Some(offset)),
        }
    }

    fn append_via_stream(&mut self, fd: Fd) -> FsResult<Resource<DynOutputStream>> {
        match self.ours(&fd) {
            None => self.wasi.append_via_stream(fd),
            Some(descriptor) => self.write_stream(descriptor, None),
        }
    }

    fn drop(&mut self, fd: Fd) -> wasmtime::Result<()> {
        match self.ours(&fd) {
            Some(_) => {
                self.wasi.table.delete(Resource::<Descriptor>::new_own(fd.rep()))?;
                Ok(())
            }
            None => HostDescriptor::drop(&mut self.wasi, fd),
        }
    }
}

impl HostDirectoryEntryStream for FilesView<'_> {
    async fn read_directory_entry(
        &mut self,
        stream: Resource<ReaddirIterator>,
    ) -> FsResult<Option<DirectoryEntry>> {
        match self.wasi.table.get_mut(&Resource::<Listing>::new_borrow(stream.rep())) {
            Ok(listing) => Ok(listing.0.next()),
            Err(_) => self.wasi.read_directory_entry(stream).await,
        }
    }

    fn drop(&mut self, stream: Resource<ReaddirIterator>) -> wasmtime::Result<()> {
        let ours = Resource::<Listing>::new_borrow(stream.rep());
        if self.wasi.table.get(&ours).is_err() {
            return HostDirectoryEntryStream::drop(&mut self.wasi, stream);
        }
        self.wasi.table.delete(Resource::<Listing>::new_own(stream.rep()))?;
        Ok(())
    }
}

impl MemoryTarget {
    fn open(self, open: OpenFlags, flags: DescriptorFlags) -> FsResult<Memory> {
        let (path, read_only) = (self.path, self.read_only);
        let writes = flags.contains(DescriptorFlags::WRITE);
        if read_only && (writes || open.intersects(OpenFlags::CREATE | OpenFlags::TRUNCATE)) {
            return Err(READ_ONLY.into());
        }
        let opened = self.base.open(&path, open)?;
        if writes && opened.stat(&[])?.kind == DescriptorType::Directory {
            return Err(ErrorCode::IsDirectory.into());
        }
        Ok(Memory { open: opened, flags, read_only })
    }

    fn shares_fs(&self, other: &Self) -> bool {
        std::sync::Arc::ptr_eq(&self.base.fs, &other.base.fs)
    }
}

impl Memory {
    pub(super) fn readable(self) -> FsResult<Self> {
        if self.open.stat(&[])?.kind == DescriptorType::Directory {
            return Err(ErrorCode::IsDirectory.into());
        }
        if !self.flags.contains(DescriptorFlags::READ) {
            return Err(ErrorCode::BadDescriptor.into());
        }
        Ok(self)
    }

    pub(super) fn writable(self) -> FsResult<Self> {
        if !self.flags.contains(DescriptorFlags::WRITE) {
            return Err(ErrorCode::BadDescriptor.into());
        }
        Ok(self)
    }
}

/// The time to set; `None` leaves it as it is.
fn time(new: NewTimestamp) -> FsResult<Option<SystemTime>> {
    match new {
        NewTimestamp::NoChange => Ok(None),
        NewTimestamp::Now => Ok(Some(SystemTime::now())),
        NewTimestamp::Timestamp(time) => {
            // Not `Duration::new`: it panics when nanoseconds carry over the end of time.
            let seconds = Duration::from_secs(time.seconds);
            let since = seconds.checked_add(Duration::from_nanos(time.nanoseconds.into()));
            let time = since.and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since));
            Ok(Some(time.ok_or(ErrorCode::Overflow)?))
        }
    }
}
