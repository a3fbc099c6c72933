//! From a descriptor and a path to the thing a call is about.

use std::sync::Arc;

use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::Descriptor as HostEntry;
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;
use wasmtime_wasi::p2::{FsError, FsResult};

use super::FilesView;
use super::descriptor::{Descriptor, Fd};
use super::memory::Open;
use super::tree::{Found, MountSource, Place, VirtualFile};

/// What a call on a path is about.
pub(super) enum Target {
    /// A virtual file.
    File(Arc<VirtualFile>),
    /// A virtual folder, and what shows through there.
    Folder(Vec<String>, Option<Box<Target>>),
    /// A name in memory.
    Memory(MemoryTarget),
    /// A name beneath a folder of the host.
    Host(HostTarget),
    /// Nothing, where nothing can be made.
    Missing,
}

pub(super) struct MemoryTarget {
    pub(super) base: Arc<Open>,
    pub(super) path: Vec<String>,
    pub(super) read_only: bool,
}

pub(super) struct HostTarget {
    pub(super) base: Fd,
    pub(super) path: String,
    /// Whether the mount is read-only.
    pub(super) read_only: bool,
    /// The mount, if the path came from the tree.
    pub(super) mount: Option<usize>,
}

/// What a change of names may be about.
pub(super) enum Change {
    Memory(MemoryTarget),
    Host(HostTarget),
}

impl FilesView<'_> {
    /// Our own descriptor behind a handle, if it is one.
    pub(super) fn ours(&self, fd: &Fd) -> Option<Descriptor> {
        self.wasi.table.get(&Resource::<Descriptor>::new_borrow(fd.rep())).ok().cloned()
    }

    /// Gives the guest a handle on one of our own.
    pub(super) fn push(&mut self, descriptor: Descriptor) -> FsResult<Fd> {
        let resource = self.wasi.table.push(descriptor)?;
        Ok(Resource::new_own(resource.rep()))
    }

    /// What `path` beneath `fd` is.
    pub(super) fn resolve(&mut self, fd: &Fd, path: &str) -> FsResult<Target> {
        let base = match self.ours(fd) {
            None => {
                let base = Resource::new_borrow(fd.rep());
                let read_only = matches!(self.wasi.table.get(fd),
                    Ok(HostEntry::Dir(dir)) if dir.perms.write_not_permitted());
                let path = path.to_owned();
                return Ok(Target::Host(HostTarget { base, path, read_only, mount: None }));
            }
            Some(Descriptor::File(_)) => return Err(ErrorCode::NotDirectory.into()),
            Some(Descriptor::Folder(base)) => base,
            Some(Descriptor::Memory(memory)) => {
                let path = join(Vec::new(), path, AtTop::Refuse)?;
                let target = MemoryTarget { base: memory.open, path, read_only: memory.read_only };
                return Ok(Target::Memory(target));
            }
        };
        let wants_folder = path.ends_with('/') || path.ends_with("/.");
        let path = join(base, path, AtTop::Stay)?;
        self.resolve_absolute(path, wants_folder)
    }

    pub(super) fn resolve_absolute(
        &mut self,
        path: Vec<String>,
        wants_folder: bool,
    ) -> FsResult<Target> {
        let tree = self.files.tree.clone();
        Ok(match tree.find(&path) {
            Found::Missing => Target::Missing,
            Found::NotFolder => return Err(ErrorCode::NotDirectory.into()),
            Found::File(_) if wants_folder => return Err(ErrorCode::NotDirectory.into()),
            Found::File(file) => Target::File(file.clone()),
            Found::Place(place) => self.place(place, wants_folder)?,
            Found::Folder(_, None) => Target::Folder(path, None),
            Found::Folder(_, Some(place)) => {
                let below = self.place(place, true)?;
                Target::Folder(path, Some(Box::new(below)))
            }
        })
    }

    /// The same for a call that makes, removes or changes the name: nothing virtual can be.
    pub(super) fn resolve_change(&mut self, fd: &Fd, path: &str) -> FsResult<Change> {
        let (read_only, change) = match self.resolve(fd, path)? {
            Target::File(_) | Target::Missing => return Err(ErrorCode::ReadOnly.into()),
            // Something lies in or on it.
            Target::Folder(..) => return Err(ErrorCode::Busy.into()),
            Target::Memory(target) => (target.read_only, Change::Memory(target)),
            Target::Host(target) if target.is_root() => return Err(ErrorCode::Busy.into()),
            Target::Host(target) => (target.read_only, Change::Host(target)),
        };
        if read_only { Err(ErrorCode::ReadOnly.into()) } else { Ok(change) }
    }

    fn place(&mut self, place: Place, wants_folder: bool) -> FsResult<Target> {
        let tree = self.files.tree.clone();
        let mount = &tree.mounts()[place.mount];
        let read_only = mount.read_only;
        Ok(match &mount.source {
            MountSource::Memory(fs) => {
                Target::Memory(MemoryTarget { base: fs.root(), path: place.path, read_only })
            }
            MountSource::Host(dir) => {
                let base = match self.files.roots[place.mount] {
                    Some(handle) => handle,
                    None => self.wasi.table.push(HostEntry::Dir(dir.clone()))?.rep(),
                };
                self.files.roots[place.mount] = Some(base);
                let mut path = place.path.join("/");
                if path.is_empty() {
                    path.push('.');
                } else if wants_folder {
                    path.push('/');
                }
                let base = Resource::new_borrow(base);
                Target::Host(HostTarget { base, path, read_only, mount: Some(place.mount) })
            }
        })
    }
}

impl Target {
    /// The same, or "no such file or directory".
    pub(super) fn existing(self) -> FsResult<Self> {
        match self {
            Self::Missing => Err(ErrorCode::NoEntry.into()),
            target => Ok(target),
        }
    }
}

impl HostTarget {
    /// Whether it is the place of a mount itself.
    pub(super) fn is_root(&self) -> bool {
        self.mount.is_some() && self.path == "."
    }

    /// Whether the two may be in different mounts.
    pub(super) fn is_apart_from(&self, other: &Self) -> bool {
        matches!((self.mount, other.mount), (Some(this), Some(other)) if this != other)
    }
}

/// What `..` does where it would lead out of the base.
#[derive(Clone, Copy)]
enum AtTop {
    /// The base is the root of everything.
    Stay,
    /// The base is all that the descriptor gives access to.
    Refuse,
}

fn join(mut base: Vec<String>, path: &str, at_top: AtTop) -> Result<Vec<String>, FsError> {
    if path.starts_with('/') {
        // Paths are relative to a descriptor, always.
        return Err(ErrorCode::NotPermitted.into());
    }
    if path.is_empty() {
        return Err(ErrorCode::NoEntry.into());
    }
    if path.contains('\0') {
        return Err(ErrorCode::IllegalByteSequence.into());
    }
    for name in path.split('/') {
        match (name, at_top) {
            ("" | ".", _) => {}
            ("..", AtTop::Refuse) if base.is_empty() => return Err(ErrorCode::NotPermitted.into()),
            ("..", _) => {
                base.pop();
            }
            (name, _) => base.push(name.to_owned()),
        }
    }
    Ok(base)
}
