//! The things that a task's grant names: its files and its folders.
//!
//! A task gets what its own grant names and nothing else, whatever else this node was sent for
//! other tasks.

use skep_api::{Assignment, DirGrant, DirSource, Error, FileGrant, FileSource};
use skep_runtime::{FileData, PlanDir, PlanDirSource, PlanFile};
use skep_worker_core::WantedSet;

use crate::volumes::Volumes;

/// The files of a task, with the content of the secrets and configs that came with it.
pub(crate) fn files(task: &Assignment, set: &WantedSet) -> Result<Vec<PlanFile>, Error> {
    task.grant.files.iter().map(|file| plan_file(file, set)).collect()
}

fn plan_file(file: &FileGrant, set: &WantedSet) -> Result<PlanFile, Error> {
    let missing = |what: &str, id: String| {
        let path = &file.path;
        Error::internal(format!("{what} {id} for `{path}` did not come with the task"))
    };
    let data = match file.source {
        FileSource::Config(id) => {
            let data = set.config(id).ok_or_else(|| missing("config", id.to_string()))?;
            FileData::Public(data.clone())
        }
        FileSource::Secret(id) => {
            let data = set.secret(id).ok_or_else(|| missing("secret", id.to_string()))?;
            FileData::Secret(data.clone())
        }
    };
    Ok(PlanFile { path: file.path.clone(), mode: file.mode, data })
}

/// The folders of a task. Volumes that are not there are made, which waits for the disk.
pub(crate) fn dirs(task: &Assignment, volumes: &Volumes) -> Result<Vec<PlanDir>, Error> {
    task.grant.dirs.iter().map(|dir| plan_dir(task, dir, volumes)).collect()
}

fn plan_dir(task: &Assignment, dir: &DirGrant, volumes: &Volumes) -> Result<PlanDir, Error> {
    let source = match &dir.source {
        DirSource::Volume(name) => PlanDirSource::HostDir(volumes.open_named(name)?),
        DirSource::Anonymous => {
            PlanDirSource::HostDir(volumes.open_anonymous(task.task, &dir.path)?)
        }
        DirSource::Memory(size) => PlanDirSource::Memory(*size),
        DirSource::Host(folder) => {
            let text = format!(
                "invalid mount config: bind mounts are not allowed on this node \
                 (`{folder}` at `{}`): use a volume or a config",
                dir.path
            );
            return Err(Error::invalid(text));
        }
    };
    Ok(PlanDir { path: dir.path.clone(), source, read_only: dir.read_only })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use skep_api::{
        AssignmentItem, Assignments, AssignmentsKind, Bytes, Grant, Id, SecretBytes, TaskState,
        TaskStatus,
    };

    use super::*;

    fn task(files: Vec<FileGrant>, dirs: Vec<DirGrant>) -> Assignment {
        Assignment {
            task: Id::from_u128(1),
            service: Id::from_u128(2),
            name: "web.1".to_owned(),
            desired: TaskState::Running,
            status: TaskStatus::default(),
            grant: Grant { files, dirs, ..Grant::default() },
            ports: Vec::new(),
            registry_auth: None,
            restart: None,
        }
    }

    fn file(path: &str, source: FileSource) -> FileGrant {
        FileGrant { path: path.to_owned(), mode: 0o444, source }
    }

    fn dir(path: &str, source: DirSource) -> DirGrant {
        DirGrant { path: path.to_owned(), source, read_only: false }
    }

    #[test]
    fn a_task_gets_the_files_its_grant_names_and_no_other() {
        let mut set = WantedSet::default();
        let content = vec![
            AssignmentItem::Secret(Id::from_u128(5), SecretBytes::new(b"pw".to_vec())),
            AssignmentItem::Secret(Id::from_u128(6), SecretBytes::new(b"other".to_vec())),
            AssignmentItem::Config(Id::from_u128(7), Arc::new(b"conf".to_vec())),
        ];
        let kind = AssignmentsKind::Complete;
        set.apply(Assignments { kind, set: content, remove: Vec::new() });

        let granted = vec![
            file("/run/secrets/pw", FileSource::Secret(Id::from_u128(5))),
            file("/app.conf", FileSource::Config(Id::from_u128(7))),
        ];
        let files = files(&task(granted, Vec::new()), &set).expect("all there");
        let seen: Vec<(&str, &[u8])> = files
            .iter()
            .map(|file| match &file.data {
                FileData::Public(bytes) => (file.path.as_str(), bytes.as_slice()),
                FileData::Secret(bytes) => (file.path.as_str(), bytes.expose()),
            })
            .collect();
        assert_eq!(seen, [("/run/secrets/pw", &b"pw"[..]), ("/app.conf", &b"conf"[..])]);
    }

    #[test]
    fn content_that_did_not_come_is_named() {
        let id = Id::from_u128(5);
        let granted = vec![file("/run/secrets/pw", FileSource::Secret(id))];
        let error =
            files(&task(granted, Vec::new()), &WantedSet::default()).expect_err("not there");
        assert_eq!(
            error.message,
            format!("secret {id} for `/run/secrets/pw` did not come with the task")
        );
    }

    #[test]
    fn folders_are_volumes_or_memory_and_never_the_hosts() {
        let root = tempfile::tempdir().expect("a folder");
        let volumes = Volumes::open(root.path()).expect("opens");
        let granted = vec![
            dir("/data", DirSource::Volume("db".to_owned())),
            dir("/own", DirSource::Anonymous),
            dir("/tmp", DirSource::Memory(Bytes::mib(1))),
        ];
        let dirs_of = |granted| dirs(&task(Vec::new(), granted), &volumes);
        let planned = dirs_of(granted).expect("all there");
        assert!(matches!(planned[0].source, PlanDirSource::HostDir(_)));
        assert!(matches!(planned[1].source, PlanDirSource::HostDir(_)));
        assert!(matches!(planned[2].source, PlanDirSource::Memory(Bytes(1_048_576))));
        assert_eq!(volumes.list().len(), 2);

        let refused = dirs_of(vec![dir("/etc", DirSource::Host("/etc".to_owned()))]);
        let text = refused.expect_err("refused").message;
        assert!(text.contains("bind mounts are not allowed on this node"), "{text}");
        let refused = dirs_of(vec![dir("/x", DirSource::Volume("../x".to_owned()))]);
        assert!(refused.is_err());
    }
}
