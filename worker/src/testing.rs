//! Fakes for this crate's tests: an engine without WebAssembly, and a manager's dispatcher.

mod managers;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use skep_api::{Assignment, Digest, Error, WorkloadKind};
use skep_runtime::{Outcome, Plan};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, watch};

use crate::engine::{Engine, Ready, Running, Stream};

pub(crate) use managers::Managers;

/// A run that ends when the test says so.
pub(crate) struct FakeRun {
    /// What it answers on a connection; without, what it was asked.
    says: Option<&'static str>,
    outcome: watch::Sender<Option<Outcome>>,
    pub(crate) plan: Option<Plan>,
}

impl FakeRun {
    fn new(says: Option<&'static str>, plan: Option<Plan>) -> Arc<Self> {
        Arc::new(Self { says, outcome: watch::Sender::new(None), plan })
    }

    /// Answers with what it is asked.
    pub(crate) fn echo() -> Arc<Self> {
        Self::new(None, None)
    }

    /// Answers with that.
    pub(crate) fn says(text: &'static str) -> Arc<Self> {
        Self::new(Some(text), None)
    }

    /// Ends by itself.
    pub(crate) fn end(&self, outcome: Outcome) {
        self.outcome.send_replace(Some(outcome));
    }
}

#[async_trait]
impl Running for FakeRun {
    async fn wait(&self) -> Outcome {
        let mut outcome = self.outcome.subscribe();
        let outcome = outcome.wait_for(Option::is_some).await.expect("its sender is `self`");
        outcome.clone().expect("just seen")
    }

    async fn stop(&self, _grace: Duration) -> Outcome {
        self.end(Outcome::Exited(0));
        self.wait().await
    }

    async fn serve(&self, mut io: Box<dyn Stream>, _peer: SocketAddr) {
        let Some(text) = self.says else {
            let mut buffer = [0; 1024];
            while let Ok(len @ 1..) = io.read(&mut buffer).await {
                io.write_all(&buffer[..len]).await.expect("written");
            }
            return;
        };
        io.write_all(text.as_bytes()).await.expect("written");
        let mut rest = Vec::new();
        let _ = io.read_to_end(&mut rest).await;
    }
}

/// An engine whose images are what the test says.
#[derive(Default)]
pub(crate) struct FakeEngine {
    /// Errors by image; every other image is there.
    pub(crate) missing: Mutex<BTreeMap<String, Error>>,
    /// While it is held, nothing becomes ready.
    pub(crate) hold: Mutex<Option<Arc<Notify>>>,
    /// The runs so far, in the order they started.
    pub(crate) runs: Arc<Mutex<Vec<Arc<FakeRun>>>>,
    /// The images that are compiled.
    pub(crate) compiled: Mutex<BTreeSet<Digest>>,
}

/// The test's side of a fake engine is its own: the worker has this one.
pub(crate) struct Shared(pub(crate) Arc<FakeEngine>);

struct FakeReady(Arc<Mutex<Vec<Arc<FakeRun>>>>);

#[async_trait]
impl Engine for Shared {
    async fn prepare(&self, task: &Assignment) -> Result<Box<dyn Ready>, Error> {
        let hold = self.0.hold.lock().expect("lock").clone();
        if let Some(hold) = hold {
            hold.notified().await;
        }
        match self.0.missing.lock().expect("lock").get(&task.grant.image) {
            Some(error) => Err(error.clone()),
            None => Ok(Box::new(FakeReady(self.0.runs.clone()))),
        }
    }

    fn compiled(&self) -> BTreeSet<Digest> {
        self.0.compiled.lock().expect("lock").clone()
    }
}

impl Ready for FakeReady {
    fn kind(&self) -> WorkloadKind {
        WorkloadKind::Http
    }

    fn start(&self, plan: Plan) -> Result<Arc<dyn Running>, Error> {
        let run = FakeRun::new(None, Some(plan));
        self.0.lock().expect("lock").push(run.clone());
        Ok(run)
    }
}
