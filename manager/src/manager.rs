//! A manager: its data folder, its seat in the raft group, its services and its loop.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use skep_api::{
    ClusterSpec, Error, ErrorKind, Id, IdGen, Meta, Node, NodeDescription, NodeRole, NodeSpec,
    NodeState, NodeStatus, Result,
};
use skep_manager_core::{View, admit_init};
use skep_wire::{MESSAGE_BYTES_MAX, pb};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::control::{Control, ResolveImage};
use crate::crypt::{Sealer, random, sync_dir};
use crate::dispatcher::Dispatcher;
use crate::lead::lead;
use crate::raft::{Group, Seat, StartError};
use crate::storage::{Board, DB_FILE, Db, DbError};

/// Where a manager keeps its data, and whom it asks.
pub struct ManagerConfig {
    /// Its folder. Made by [`Manager::bootstrap`], with mode 0700.
    pub dir: PathBuf,
    /// The node it is on.
    pub node: Id<Node>,
    /// Who looks images up.
    pub images: Arc<dyn ResolveImage>,
}

/// What a new swarm starts with.
#[derive(Debug, Clone, Default)]
pub struct Genesis {
    /// The swarm's settings.
    pub cluster: ClusterSpec,
    /// What the first node says of itself; it says it again when it opens its session.
    pub description: NodeDescription,
    /// The first node's labels. Its role is manager.
    pub labels: BTreeMap<String, String>,
    /// Where managers reach this one, `192.0.2.1:2377`.
    pub advertise_addr: String,
}

/// A running manager.
pub struct Manager {
    pub(crate) group: Arc<Group>,
    control: Control,
    dispatcher: Dispatcher,
    stop: CancellationToken,
    tasks: Mutex<JoinSet<()>>,
    closed: Mutex<Option<oneshot::Receiver<()>>>,
}

impl Manager {
    /// Founds a swarm of one node. The folder must not hold a manager's data; what a founding that
    /// was cut off left there does not count, it was never acknowledged.
    pub async fn bootstrap(config: ManagerConfig, genesis: Genesis) -> Result<Self> {
        let dir = config.dir.clone();
        let (file, fresh) = (dir.join(DB_FILE), dir.join(format!("{DB_FILE}.new")));
        let mut ids = seeded().map_err(|e| io_error(&dir, &e))?;
        // Raft ids are never zero and never used twice.
        let member = pb::Member {
            id: (ids.next::<()>().as_u128() as u64).max(1),
            addr: genesis.advertise_addr.clone(),
        };
        let sealer = prepare(&dir, &file, &fresh)?;
        let db = Db::create(&fresh, sealer, &member).map_err(start_error)?;
        let view = Board::new(clock::wall()).view();
        let node = first_node(config.node, genesis.clone());
        let first = admit_init(&view, genesis.cluster, node, &mut ids)?.changes;
        let (group, closed) = found(db, dir.clone(), Seat::Founding).await?;
        group.propose(first).await?;
        // From here on it is a manager's folder.
        fs::rename(&fresh, &file).and_then(|()| sync_dir(&dir)).map_err(|e| io_error(&dir, &e))?;
        Self::start(config, group, closed).await
    }

    /// Goes on with the data in the folder. Nothing in it is touched unless all of it is good.
    pub async fn open(config: ManagerConfig) -> Result<Self> {
        let file = config.dir.join(DB_FILE);
        if !file.exists() {
            return Err(start_error(DbError::Missing(file)));
        }
        let sealer = Sealer::load(&config.dir).map_err(|e| start_error(DbError::Key(e)))?;
        let db = Db::open(&file, sealer).map_err(start_error)?;
        let (group, closed) = found(db, config.dir.clone(), Seat::Taken).await?;
        Self::start(config, group, closed).await
    }

    async fn start(
        config: ManagerConfig,
        group: Group,
        closed: oneshot::Receiver<()>,
    ) -> Result<Self> {
        let ManagerConfig { dir, node, images } = config;
        let (group, stop) = (Arc::new(group), CancellationToken::new());
        let ids = || seeded().map_err(|e| io_error(&dir, &e));
        let control = Control::new(group.clone(), images, ids()?, node, stop.clone());
        let dispatcher = Dispatcher::new(group.clone(), ids()?, stop.clone());
        dispatcher.begin().await?;
        let mut tasks = JoinSet::new();
        tasks.spawn(lead(group.clone(), ids()?, stop.clone()));
        tasks.spawn(dispatcher.clone().watch_beats());
        let closed = Mutex::new(Some(closed));
        Ok(Self { group, control, dispatcher, stop, tasks: Mutex::new(tasks), closed })
    }

    /// The control service, for any tonic server or router.
    pub fn control_server(&self) -> pb::control_server::ControlServer<Control> {
        pb::control_server::ControlServer::new(self.control.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// The dispatcher service, for any tonic server or router.
    pub fn dispatcher_server(&self) -> pb::dispatcher_server::DispatcherServer<Dispatcher> {
        pb::dispatcher_server::DispatcherServer::new(self.dispatcher.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
    }

    /// What is stored now.
    pub fn view(&self) -> View {
        self.group.board().view()
    }

    /// The index of the last raft entry that was applied: how many were committed so far.
    pub fn commits(&self) -> u64 {
        self.group.board().index()
    }

    /// Stops, ends all streams, and comes back when the folder is free for another process.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        let mut tasks = {
            let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *tasks)
        };
        self.group.stop().await;
        while tasks.join_next().await.is_some() {}
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(closed) = closed {
            // An error is what is waited for: the database, which held the other end, is closed.
            let _ = closed.await;
        }
    }
}

async fn found(mut db: Db, dir: PathBuf, seat: Seat) -> Result<(Group, oneshot::Receiver<()>)> {
    let closed = db.on_close();
    let board = Arc::new(Board::new(clock::wall()));
    let group =
        Group::start(Arc::new(db), board, dir, seat).await.map_err(|error| match error {
            StartError::Db(error) => start_error(error),
            StartError::Raft(_) => Error::internal(error.to_string()),
        })?;
    Ok((group, closed))
}

/// Makes the folder ready for a new database and its key.
fn prepare(dir: &Path, file: &Path, fresh: &Path) -> Result<Sealer> {
    if file.exists() {
        return Err(start_error(DbError::Exists(file.to_owned())));
    }
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|e| io_error(dir, &e))?;
    match fs::remove_file(fresh) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(io_error(fresh, &e)),
        _ => {}
    }
    Sealer::create(dir).map_err(|e| start_error(DbError::Key(e)))
}

fn first_node(id: Id<Node>, genesis: Genesis) -> Node {
    Node {
        id,
        meta: Meta::default(),
        spec: NodeSpec { labels: genesis.labels, role: NodeRole::Manager, ..NodeSpec::default() },
        description: genesis.description,
        status: NodeStatus { state: NodeState::Unknown, ..NodeStatus::default() },
        manager_addr: Some(genesis.advertise_addr),
    }
}

fn seeded() -> io::Result<IdGen> {
    random().map(IdGen::new)
}

fn io_error(path: &Path, error: &io::Error) -> Error {
    Error::internal(format!("can't write `{}`: {error}", path.display()))
}

/// A database that can't be opened, with the way out.
fn start_error(error: DbError) -> Error {
    let hint = match &error {
        DbError::Missing(_) => {
            "start a swarm with `skep swarm init`, or name the right data folder"
        }
        DbError::Exists(_) => {
            "this node is in a swarm already; a new one needs an empty data folder"
        }
        DbError::InUse(_) => "another skep daemon runs on this data folder: stop it first",
        DbError::Foreign(_) => "name a data folder of Skep; this one was not touched",
        DbError::Format { .. } => "use the Skep that wrote it, or a newer one; it was not touched",
        DbError::Damaged { .. } | DbError::Content(..) | DbError::Snapshot(_) => {
            "restore the data folder from a backup; it was not touched"
        }
        DbError::Key(_) | DbError::Sealed(_) => {
            "the data can't be read without its own key: restore `raft.key` beside `raft.redb`"
        }
        DbError::Io { .. } | DbError::Redb(_) => "look at the disk: is it full, or read-only?",
    };
    let mut message = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        message = format!("{message}: {cause}");
        source = cause.source();
    }
    Error::new(ErrorKind::FailedPrecondition, message).hint(hint)
}
