//! Folders in memory: `/tmp` and tmpfs mounts.
//!
//! Shared by a task's instances, gone with it. Its size is a hard limit on the host's memory: each
//! file takes its blocks of 4 KiB (holes are free), each entry [`MEMORY_ENTRY_COST`] more. A file
//! whose name is gone lives while it is open. There are no symbolic links here.
//!
//! Every call takes the lock for its own time only; nothing waits under it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use skep_api::Bytes;
use wasmtime_wasi::p2::bindings::filesystem::types::{DescriptorType, ErrorCode, OpenFlags};

/// What a file or folder takes of its file system besides its blocks: about what the host spends.
pub const MEMORY_ENTRY_COST: u64 = 512;
/// The longest name, as on Linux.
const NAME_MAX: usize = 255;
const BLOCK: usize = 4096;
/// The longest file, as on Linux.
const FILE_MAX: u64 = i64::MAX as u64;
const ROOT: u64 = 0;

/// A file system in memory.
pub(crate) struct MemoryFs(Mutex<State>);

/// An open file or folder; it stays while this lives.
pub(crate) struct Open {
    pub(super) fs: Arc<MemoryFs>,
    pub(super) inode: u64,
}

/// What is known of a file or folder.
pub(crate) struct Stat {
    pub(super) kind: DescriptorType,
    pub(super) size: u64,
    pub(super) links: u64,
    pub(super) accessed: SystemTime,
    pub(super) modified: SystemTime,
    pub(super) changed: SystemTime,
}

type Result<T> = std::result::Result<T, ErrorCode>;

struct State {
    limit: u64,
    used: u64,
    next: u64,
    inodes: BTreeMap<u64, Inode>,
}

struct Inode {
    content: Content,
    links: u64,
    opens: u64,
    accessed: SystemTime,
    modified: SystemTime,
    changed: SystemTime,
}

enum Content {
    File { size: u64, blocks: BTreeMap<u64, Box<[u8; BLOCK]>> },
    Folder { parent: u64, entries: BTreeMap<String, u64> },
}

impl MemoryFs {
    pub(crate) fn new(size: Bytes) -> Arc<Self> {
        let root = Inode::new(Content::Folder { parent: ROOT, entries: BTreeMap::new() });
        let inodes = BTreeMap::from([(ROOT, root)]);
        Arc::new(Self(Mutex::new(State { limit: size.0, used: 0, next: ROOT + 1, inodes })))
    }

    /// The root, open.
    pub(crate) fn root(self: &Arc<Self>) -> Arc<Open> {
        self.lock().opened(self, ROOT)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic below would be our bug; the tree is still the best there is.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let mut state = self.fs.lock();
        state.inode_mut(self.inode).opens -= 1;
        state.collect(self.inode);
    }
}

/// Calls on an open folder, with the names beneath it.
impl Open {
    /// Opens, and makes if asked to.
    pub(crate) fn open(&self, path: &[String], flags: OpenFlags) -> Result<Arc<Self>> {
        let mut state = self.fs.lock();
        let found = match path.split_last() {
            None => Some(self.inode),
            Some((name, parents)) => {
                let parent = state.walk(self.inode, parents)?;
                state.entries(parent)?.get(name).copied()
            }
        };
        let inode = match (found, path.split_last()) {
            (Some(_), _) if flags.contains(OpenFlags::CREATE | OpenFlags::EXCLUSIVE) => {
                return Err(ErrorCode::Exist);
            }
            (Some(found), _) => found,
            (None, Some((name, parents))) if flags.contains(OpenFlags::CREATE) => {
                let parent = state.walk(self.inode, parents)?;
                state.add(parent, name, Content::File { size: 0, blocks: BTreeMap::new() })?
            }
            (None, _) => return Err(ErrorCode::NoEntry),
        };
        let is_folder = state.entries(inode).is_ok();
        if flags.contains(OpenFlags::DIRECTORY) && !is_folder {
            return Err(ErrorCode::NotDirectory);
        }
        if flags.contains(OpenFlags::TRUNCATE) {
            state.set_size(inode, 0)?;
        }
        Ok(state.opened(&self.fs, inode))
    }

    pub(crate) fn stat(&self, path: &[String]) -> Result<Stat> {
        let state = self.fs.lock();
        Ok(state.inode(state.walk(self.inode, path)?).stat())
    }

    /// The number that tells this file or folder from the others of its file system.
    pub(crate) fn number(&self, path: &[String]) -> Result<u64> {
        self.fs.lock().walk(self.inode, path)
    }

    pub(crate) fn list(&self, path: &[String]) -> Result<Vec<(String, DescriptorType)>> {
        let state = self.fs.lock();
        let entries = state.entries(state.walk(self.inode, path)?)?;
        Ok(entries.iter().map(|(name, inode)| (name.clone(), state.inode(*inode).kind())).collect())
    }

    pub(crate) fn make_folder(&self, path: &[String]) -> Result<()> {
        let (name, parents) = path.split_last().ok_or(ErrorCode::Exist)?;
        let mut state = self.fs.lock();
        let parent = state.walk(self.inode, parents)?;
        state.add(parent, name, Content::Folder { parent, entries: BTreeMap::new() })?;
        Ok(())
    }

    pub(crate) fn remove_folder(&self, path: &[String]) -> Result<()> {
        let mut state = self.fs.lock();
        let (parent, name, inode) = state.named(self.inode, path)?;
        if !state.entries(inode)?.is_empty() {
            return Err(ErrorCode::NotEmpty);
        }
        state.unlink(parent, name)
    }

    pub(crate) fn remove_file(&self, path: &[String]) -> Result<()> {
        let mut state = self.fs.lock();
        let (parent, name, inode) = state.named(self.inode, path)?;
        if state.entries(inode).is_ok() {
            return Err(ErrorCode::IsDirectory);
        }
        state.unlink(parent, name)
    }

    /// Renames; both places must be in one file system.
    pub(crate) fn rename(&self, path: &[String], to: &Self, new: &[String]) -> Result<()> {
        assert!(Arc::ptr_eq(&self.fs, &to.fs), "a rename across file systems");
        let mut state = self.fs.lock();
        let (parent, name, inode) = state.named(self.inode, path)?;
        let (new_name, new_parents) = new.split_last().ok_or(ErrorCode::Busy)?;
        let new_parent = state.walk(to.inode, new_parents)?;
        check_name(new_name)?;
        state.check_linked(new_parent)?;
        let is_folder = state.entries(inode).is_ok();
        if is_folder && state.is_within(new_parent, inode) {
            return Err(ErrorCode::Invalid);
        }
        if let Some(old) = state.entries(new_parent)?.get(new_name).copied() {
            if old == inode {
                return Ok(());
            }
            match (is_folder, state.entries(old)) {
                (true, Err(_)) => return Err(ErrorCode::NotDirectory),
                (false, Ok(_)) => return Err(ErrorCode::IsDirectory),
                (true, Ok(entries)) if !entries.is_empty() => return Err(ErrorCode::NotEmpty),
                _ => state.unlink(new_parent, new_name)?,
            }
        }
        state.entries_mut(parent)?.remove(name);
        state.entries_mut(new_parent)?.insert(new_name.clone(), inode);
        if let Content::Folder { parent, .. } = &mut state.inode_mut(inode).content {
            *parent = new_parent;
        }
        Ok(())
    }

    /// Gives a file a second name.
    pub(crate) fn link(&self, path: &[String], to: &Self, new: &[String]) -> Result<()> {
        assert!(Arc::ptr_eq(&self.fs, &to.fs), "a link across file systems");
        let mut state = self.fs.lock();
        let inode = state.walk(self.inode, path)?;
        if state.entries(inode).is_ok() {
            return Err(ErrorCode::NotPermitted);
        }
        let (name, parents) = new.split_last().ok_or(ErrorCode::Exist)?;
        let parent = state.walk(to.inode, parents)?;
        state.check_new(parent, name)?;
        state.charge(MEMORY_ENTRY_COST)?;
        state.entries_mut(parent)?.insert(name.clone(), inode);
        state.inode_mut(inode).links += 1;
        Ok(())
    }
}

/// Calls on an open file.
impl Open {
    /// Up to `len` bytes from `offset`; fewer at the end of the file.
    pub(crate) fn read(&self, offset: u64, len: usize) -> Result<Vec<u8>> {
        let mut state = self.fs.lock();
        let inode = state.inode_mut(self.inode);
        inode.accessed = SystemTime::now();
        let Content::File { size, blocks } = &inode.content else {
            return Err(ErrorCode::IsDirectory);
        };
        let len = size.saturating_sub(offset).min(len as u64) as usize;
        let mut bytes = vec![0; len];
        let mut done = 0;
        while done < len {
            let (block, within) = locate(offset + done as u64);
            let piece = (BLOCK - within).min(len - done);
            if let Some(block) = blocks.get(&block) {
                bytes[done..done + piece].copy_from_slice(&block[within..within + piece]);
            }
            done += piece;
        }
        Ok(bytes)
    }

    /// Writes as much as there is room for, at least one byte.
    pub(crate) fn write(&self, offset: u64, bytes: &[u8]) -> Result<usize> {
        self.fs.lock().write(self.inode, offset, bytes)
    }

    /// Writes at the end.
    pub(crate) fn append(&self, bytes: &[u8]) -> Result<usize> {
        let mut state = self.fs.lock();
        let offset = state.inode(self.inode).size();
        state.write(self.inode, offset, bytes)
    }

    pub(crate) fn set_size(&self, size: u64) -> Result<()> {
        self.fs.lock().set_size(self.inode, size)
    }

    pub(crate) fn set_times(
        &self,
        path: &[String],
        accessed: Option<SystemTime>,
        modified: Option<SystemTime>,
    ) -> Result<()> {
        let mut state = self.fs.lock();
        let inode = state.walk(self.inode, path)?;
        let inode = state.inode_mut(inode);
        inode.accessed = accessed.unwrap_or(inode.accessed);
        inode.modified = modified.unwrap_or(inode.modified);
        inode.changed = SystemTime::now();
        Ok(())
    }
}

impl State {
    fn inode(&self, inode: u64) -> &Inode {
        self.inodes.get(&inode).expect("an entry or an open file leads to an inode")
    }

    fn inode_mut(&mut self, inode: u64) -> &mut Inode {
        self.inodes.get_mut(&inode).expect("an entry or an open file leads to an inode")
    }

    fn opened(&mut self, fs: &Arc<MemoryFs>, inode: u64) -> Arc<Open> {
        self.inode_mut(inode).opens += 1;
        Arc::new(Open { fs: fs.clone(), inode })
    }

    fn entries(&self, inode: u64) -> Result<&BTreeMap<String, u64>> {
        match &self.inode(inode).content {
            Content::Folder { entries, .. } => Ok(entries),
            Content::File { .. } => Err(ErrorCode::NotDirectory),
        }
    }

    /// The entries, which the caller is about to change.
    fn entries_mut(&mut self, inode: u64) -> Result<&mut BTreeMap<String, u64>> {
        let inode = self.inode_mut(inode);
        inode.touch();
        match &mut inode.content {
            Content::Folder { entries, .. } => Ok(entries),
            Content::File { .. } => Err(ErrorCode::NotDirectory),
        }
    }

    fn walk(&self, from: u64, path: &[String]) -> Result<u64> {
        path.iter().try_fold(from, |inode, name| {
            self.entries(inode)?.get(name).copied().ok_or(ErrorCode::NoEntry)
        })
    }

    /// The parent, name and inode of a path that has a name.
    fn named<'a>(&self, from: u64, path: &'a [String]) -> Result<(u64, &'a str, u64)> {
        let (name, parents) = path.split_last().ok_or(ErrorCode::Busy)?;
        let parent = self.walk(from, parents)?;
        let inode = self.entries(parent)?.get(name).copied().ok_or(ErrorCode::NoEntry)?;
        Ok((parent, name, inode))
    }

    fn is_within(&self, mut inode: u64, ancestor: u64) -> bool {
        while inode != ancestor {
            match self.inode(inode).content {
                Content::Folder { parent, .. } if inode != ROOT => inode = parent,
                _ => return false,
            }
        }
        true
    }

    fn check_new(&self, parent: u64, name: &str) -> Result<()> {
        check_name(name)?;
        self.check_linked(parent)?;
        if self.entries(parent)?.contains_key(name) { Err(ErrorCode::Exist) } else { Ok(()) }
    }

    /// A folder whose own name is gone takes no more entries: nobody could ever find them.
    fn check_linked(&self, parent: u64) -> Result<()> {
        if self.inode(parent).links == 0 { Err(ErrorCode::NoEntry) } else { Ok(()) }
    }

    fn add(&mut self, parent: u64, name: &str, content: Content) -> Result<u64> {
        self.check_new(parent, name)?;
        self.charge(MEMORY_ENTRY_COST)?;
        let inode = self.next;
        self.next += 1;
        self.inodes.insert(inode, Inode::new(content));
        self.entries_mut(parent)?.insert(name.to_owned(), inode);
        Ok(inode)
    }

    fn unlink(&mut self, parent: u64, name: &str) -> Result<()> {
        let inode = self.entries_mut(parent)?.remove(name).ok_or(ErrorCode::NoEntry)?;
        self.used -= MEMORY_ENTRY_COST;
        self.inode_mut(inode).links -= 1;
        self.collect(inode);
        Ok(())
    }

    /// Forgets an inode that neither a name nor an open file leads to.
    fn collect(&mut self, inode: u64) {
        let Inode { links, opens, content, .. } = self.inode(inode);
        if *links > 0 || *opens > 0 {
            return;
        }
        if let Content::File { blocks, .. } = content {
            self.used -= (blocks.len() * BLOCK) as u64;
        }
        self.inodes.remove(&inode);
    }

    fn charge(&mut self, size: u64) -> Result<()> {
        if self.used + size > self.limit {
            return Err(ErrorCode::InsufficientSpace);
        }
        self.used += size;
        Ok(())
    }

    fn write(&mut self, inode: u64, offset: u64, bytes: &[u8]) -> Result<usize> {
        if offset.checked_add(bytes.len() as u64).is_none_or(|end| end > FILE_MAX) {
            return Err(ErrorCode::FileTooLarge);
        }
        let mut free = self.limit.saturating_sub(self.used) / BLOCK as u64;
        let inode = self.inode_mut(inode);
        let Content::File { size, blocks } = &mut inode.content else {
            return Err(ErrorCode::IsDirectory);
        };
        let (mut done, mut taken) = (0, 0);
        while done < bytes.len() {
            let (number, within) = locate(offset + done as u64);
            let piece = (BLOCK - within).min(bytes.len() - done);
            if !blocks.contains_key(&number) {
                let Some(left) = free.checked_sub(1) else { break };
                (free, taken) = (left, taken + BLOCK as u64);
            }
            let block = blocks.entry(number).or_insert_with(|| Box::new([0; BLOCK]));
            block[within..within + piece].copy_from_slice(&bytes[done..done + piece]);
            done += piece;
        }
        *size = (*size).max(offset + done as u64);
        inode.touch();
        self.used += taken;
        if done == 0 && !bytes.is_empty() { Err(ErrorCode::InsufficientSpace) } else { Ok(done) }
    }

    fn set_size(&mut self, inode: u64, new: u64) -> Result<()> {
        if new > FILE_MAX {
            return Err(ErrorCode::FileTooLarge);
        }
        let inode = self.inode_mut(inode);
        let Content::File { size, blocks } = &mut inode.content else {
            return Err(ErrorCode::IsDirectory);
        };
        let (last, within) = locate(new);
        let kept = last + u64::from(within > 0);
        let cut = blocks.split_off(&kept);
        if within > 0
            && let Some(block) = blocks.get_mut(&last)
        {
            // What lies behind the end must read as zeroes if the file grows again.
            block[within..].fill(0);
        }
        *size = new;
        inode.touch();
        self.used -= (cut.len() * BLOCK) as u64;
        Ok(())
    }
}

impl Inode {
    fn new(content: Content) -> Self {
        let now = SystemTime::now();
        Self { content, links: 1, opens: 0, accessed: now, modified: now, changed: now }
    }

    fn touch(&mut self) {
        let now = SystemTime::now();
        (self.modified, self.changed) = (now, now);
    }

    fn kind(&self) -> DescriptorType {
        match self.content {
            Content::File { .. } => DescriptorType::RegularFile,
            Content::Folder { .. } => DescriptorType::Directory,
        }
    }

    fn size(&self) -> u64 {
        match self.content {
            Content::File { size, .. } => size,
            Content::Folder { .. } => 0,
        }
    }

    fn stat(&self) -> Stat {
        let Self { links, accessed, modified, changed, .. } = *self;
        Stat { kind: self.kind(), size: self.size(), links, accessed, modified, changed }
    }
}

fn locate(offset: u64) -> (u64, usize) {
    (offset / BLOCK as u64, (offset % BLOCK as u64) as usize)
}

fn check_name(name: &str) -> Result<()> {
    if name.len() > NAME_MAX { Err(ErrorCode::NameTooLong) } else { Ok(()) }
}
