//! What lies where: read-only files, the folders that lead to them, and the mounts.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::SystemTime;

use skep_api::SCRATCH_DEFAULT;
use wasmtime_wasi::filesystem::{Dir, FsPerms, OpenMode};
use wasmtime_wasi::p2::bindings::filesystem::types::DescriptorType;

use super::memory::MemoryFs;
use crate::{FileData, PlanDir, PlanDirSource, PlanFile, StartError};

/// A task's tree. It never changes: what does lies in the mounts.
pub(crate) struct Tree {
    root: Folder,
    mounts: Vec<Mount>,
    started: SystemTime,
}

/// A read-only file.
pub(crate) struct VirtualFile {
    pub(crate) data: FileData,
    pub(crate) mode: u32,
    /// Its number in the tree, which tells it from others.
    pub(crate) number: u64,
}

/// A folder that something else lies on top of.
pub(crate) struct Mount {
    pub(crate) source: MountSource,
    pub(crate) read_only: bool,
}

/// What is mounted.
pub(crate) enum MountSource {
    Host(Dir),
    Memory(Arc<MemoryFs>),
}

/// A virtual folder; where a mount lies, that shows through.
#[derive(Default)]
pub(crate) struct Folder {
    pub(crate) entries: BTreeMap<String, Node>,
    mount: Option<usize>,
}

pub(crate) enum Node {
    Folder(Folder),
    File(Arc<VirtualFile>),
}

/// A place in a mount.
pub(crate) struct Place {
    pub(crate) mount: usize,
    pub(crate) path: Vec<String>,
}

/// What a path leads to.
pub(crate) enum Found<'a> {
    /// Nothing, and nothing can be made there.
    Missing,
    /// It leads through a file.
    NotFolder,
    File(&'a Arc<VirtualFile>),
    /// A virtual folder, and the place in a mount that shows through.
    Folder(&'a Folder, Option<Place>),
    /// A place in a mount, which nothing virtual covers.
    Place(Place),
}

impl Tree {
    /// The tree for a plan. The working folder is there in any case.
    pub(crate) fn new(
        files: Vec<PlanFile>,
        dirs: Vec<PlanDir>,
        cwd: &str,
    ) -> Result<Self, StartError> {
        let mut tree =
            Self { root: Folder::default(), mounts: Vec::new(), started: SystemTime::now() };
        tree.folder(&components(cwd)?, cwd)?;
        for dir in dirs {
            let path = dir.path.clone();
            let number = tree.mounts.len();
            tree.mounts.push(Mount::new(dir)?);
            let mount = &mut tree.folder(&components(&path)?, &path)?.mount;
            if mount.replace(number).is_some() {
                return Err(StartError::Conflict(path));
            }
        }
        for (number, file) in files.into_iter().enumerate() {
            let path = components(&file.path)?;
            let Some((name, parents)) = path.split_last() else {
                return Err(StartError::Conflict(file.path));
            };
            match tree.folder(parents, &file.path)?.entries.entry((*name).to_owned()) {
                Entry::Occupied(_) => return Err(StartError::Conflict(file.path)),
                Entry::Vacant(entry) => entry.insert(Node::File(Arc::new(VirtualFile {
                    data: file.data,
                    mode: file.mode,
                    number: number as u64,
                }))),
            };
        }
        Ok(tree)
    }

    /// The mounts.
    pub(crate) fn mounts(&self) -> &[Mount] {
        &self.mounts
    }

    /// What virtual files show as their times.
    pub(crate) fn started(&self) -> SystemTime {
        self.started
    }

    /// What an absolute path leads to.
    pub(crate) fn find(&self, path: &[String]) -> Found<'_> {
        let mut folder = &self.root;
        let mut below = folder.mount.map(|mount| (mount, 0));
        let place = |below: Option<(usize, usize)>| {
            below.map(|(mount, depth)| Place { mount, path: path[depth..].to_vec() })
        };
        for (depth, name) in path.iter().enumerate() {
            match folder.entries.get(name) {
                Some(Node::Folder(inner)) => {
                    folder = inner;
                    // Behind a folder that a mount does not cover, the outer mount still shows.
                    below = inner.mount.map(|mount| (mount, depth + 1)).or(below);
                }
                Some(Node::File(file)) if depth + 1 == path.len() => return Found::File(file),
                Some(Node::File(_)) => return Found::NotFolder,
                None => return place(below).map_or(Found::Missing, Found::Place),
            }
        }
        match (folder.entries.is_empty(), place(below)) {
            (true, Some(place)) if folder.mount.is_some() => Found::Place(place),
            (_, place) => Found::Folder(folder, place),
        }
    }

    /// The names in a virtual folder, without what shows through.
    pub(crate) fn names(&self, path: &[String]) -> Vec<(String, DescriptorType)> {
        let Found::Folder(folder, _) = self.find(path) else { return Vec::new() };
        let kind = |node: &Node| match node {
            Node::Folder(_) => DescriptorType::Directory,
            Node::File(_) => DescriptorType::RegularFile,
        };
        folder.entries.iter().map(|(name, node)| (name.clone(), kind(node))).collect()
    }

    fn folder(&mut self, path: &[&str], whole: &str) -> Result<&mut Folder, StartError> {
        let mut folder = &mut self.root;
        for name in path {
            let node = folder.entries.entry((*name).to_owned());
            match node.or_insert_with(|| Node::Folder(Folder::default())) {
                Node::Folder(inner) => folder = inner,
                Node::File(_) => return Err(StartError::Conflict(whole.to_owned())),
            }
        }
        Ok(folder)
    }
}

impl Mount {
    fn new(dir: PlanDir) -> Result<Self, StartError> {
        let source = match dir.source {
            PlanDirSource::HostDir(host) => {
                let perms = if dir.read_only { FsPerms::ReadOnly } else { FsPerms::ReadWrite };
                let mode =
                    if dir.read_only { OpenMode::READ } else { OpenMode::READ | OpenMode::WRITE };
                MountSource::Host(Dir::new(host.into_std_file(), perms, mode, false))
            }
            PlanDirSource::Memory(size) => {
                let size = if size.0 == 0 { SCRATCH_DEFAULT } else { size };
                MountSource::Memory(MemoryFs::new(size))
            }
        };
        Ok(Self { source, read_only: dir.read_only })
    }
}

/// The names in an absolute path that leads nowhere upwards.
fn components(path: &str) -> Result<Vec<&str>, StartError> {
    let bad = || StartError::Path(path.to_owned());
    let names = path.strip_prefix('/').ok_or_else(bad)?.split('/');
    let names: Vec<_> = names.filter(|name| !name.is_empty() && *name != ".").collect();
    if names.contains(&"..") || path.contains('\0') { Err(bad()) } else { Ok(names) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> PlanFile {
        PlanFile { path: path.into(), mode: 0o444, data: FileData::Public(Arc::default()) }
    }

    fn memory(path: &str) -> PlanDir {
        let source = PlanDirSource::Memory(skep_api::Bytes(0));
        PlanDir { path: path.into(), source, read_only: false }
    }

    fn show(tree: &Tree, path: &str) -> String {
        let path: Vec<_> = components(path).unwrap().into_iter().map(str::to_owned).collect();
        let place = |place: Place| format!("{}:{}", place.mount, place.path.join("/"));
        match tree.find(&path) {
            Found::Missing => "missing".into(),
            Found::NotFolder => "not a folder".into(),
            Found::File(file) => format!("file {}", file.number),
            Found::Folder(folder, below) => {
                let names: Vec<_> = folder.entries.keys().map(String::as_str).collect();
                format!("[{}] {}", names.join(" "), below.map(place).unwrap_or_default())
            }
            Found::Place(found) => place(found),
        }
    }

    #[test]
    fn the_upper_layer_wins_and_the_lower_shows_through() {
        let files = vec![file("/data/etc/app.json"), file("/run/secrets/key")];
        let dirs = vec![memory("/data"), memory("/data/cache"), memory("/tmp")];
        let tree = Tree::new(files, dirs, "/app").unwrap();
        for (path, found) in [
            ("/", "[app data run tmp] "),
            ("/app", "[] "),
            ("/data", "[cache etc] 0:"),
            ("/data/etc", "[app.json] 0:etc"),
            ("/data/etc/app.json", "file 0"),
            ("/data/etc/app.json/x", "not a folder"),
            ("/data/etc/other", "0:etc/other"),
            ("/data/x/y", "0:x/y"),
            ("/data/cache", "1:"),
            ("/data/cache/x", "1:x"),
            ("/tmp", "2:"),
            ("/run/secrets/key", "file 1"),
            ("/run/other", "missing"),
        ] {
            assert_eq!(show(&tree, path), found, "{path}");
        }
    }

    #[test]
    fn bad_plans_are_refused() {
        let refused = |files, dirs| Tree::new(files, dirs, "/").err().unwrap();
        let path = |path: &str| StartError::Path(path.into());
        let conflict = |path: &str| StartError::Conflict(path.into());
        assert_eq!(refused(vec![file("etc/x")], vec![]), path("etc/x"));
        assert_eq!(refused(vec![file("/a/../b")], vec![]), path("/a/../b"));
        assert_eq!(refused(vec![file("/a"), file("/a/b")], vec![]), conflict("/a/b"));
        assert_eq!(refused(vec![file("/a/b"), file("/a")], vec![]), conflict("/a"));
        assert_eq!(refused(vec![file("/a")], vec![memory("/a")]), conflict("/a"));
        assert_eq!(refused(vec![], vec![memory("/a"), memory("/a/")]), conflict("/a/"));
        assert_eq!(refused(vec![file("/")], vec![]), conflict("/"));
    }
}
