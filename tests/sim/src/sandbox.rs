//! What stands in for images and sandboxes: components that behave as their image's name says.

use std::time::Duration;

use skep_api::Digest;
use skep_worker_core::{Cause, Ending};

use crate::chance::Chance;

/// How components of an image behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Image {
    /// Starts and runs.
    Good,
    /// Fails after a while.
    Crash,
    /// Fails at once.
    Broken,
    /// Returns after a while.
    Exit,
    /// Gets unhealthy after a while, and is ended for it.
    Sick,
    /// Can't be pulled.
    Missing,
    /// Can't be pulled now and then.
    Flaky,
    /// Takes long to be prepared.
    Slow,
    /// Does not stop before it is made to.
    Hang,
}

/// Whether things go wrong still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Luck {
    /// Components do what their image says.
    Bad,
    /// All is well: what can be pulled runs, and jobs end well.
    Good,
}

impl Image {
    pub(crate) const TROUBLED: [Self; 8] = [
        Self::Crash,
        Self::Broken,
        Self::Exit,
        Self::Sick,
        Self::Missing,
        Self::Flaky,
        Self::Slow,
        Self::Hang,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Crash => "crash",
            Self::Broken => "broken",
            Self::Exit => "exit",
            Self::Sick => "sick",
            Self::Missing => "missing",
            Self::Flaky => "flaky",
            Self::Slow => "slow",
            Self::Hang => "hang",
        }
    }

    /// The image's digest in one of a few versions.
    pub(crate) fn digest(self, version: u64) -> Digest {
        let mut raw = [self as u8; 32];
        raw[0] = version as u8;
        Digest(raw)
    }

    /// As a spec names it: `crash:2@sha256:...`.
    pub(crate) fn reference(self, version: u64) -> String {
        format!("{}:{version}@{}", self.name(), self.digest(version))
    }

    /// The image and the digest that a reference names.
    pub(crate) fn parse(reference: &str) -> (Self, Option<Digest>) {
        let name = reference.split([':', '@']).next().unwrap_or_default();
        let image = Self::TROUBLED.into_iter().find(|image| image.name() == name);
        let digest = reference.split_once('@').and_then(|(_, digest)| digest.parse().ok());
        (image.unwrap_or(Self::Good), digest)
    }

    /// How long it takes to fetch and compile, and what comes of it.
    pub(crate) fn prepare(
        self,
        chance: &mut Chance,
        luck: Luck,
        compiled: bool,
    ) -> (Duration, Result<(), (String, Cause)>) {
        let fetch = if compiled { chance.millis(0, 20) } else { chance.millis(0, 3_000) };
        match (self, luck) {
            (Self::Missing, _) => {
                (fetch, Err(("No such image: missing".to_owned(), Cause::Lasting)))
            }
            (Self::Flaky, Luck::Bad) if chance.permille(400) => {
                (fetch, Err(("the registry does not answer".to_owned(), Cause::Passing)))
            }
            (Self::Slow, Luck::Bad) => (chance.millis(1_000, 90_000), Ok(())),
            _ => (fetch, Ok(())),
        }
    }

    /// When a run ends by itself, and how; none if it runs on.
    pub(crate) fn run(
        self,
        chance: &mut Chance,
        luck: Luck,
        is_job: bool,
    ) -> Option<(Duration, Ending)> {
        let trap = || Ending::Broken { code: 134, why: "trap: unreachable".to_owned() };
        match (self, luck) {
            (Self::Crash, Luck::Bad) => Some((chance.millis(0, 30_000), Ending::Exited(1))),
            (Self::Broken, Luck::Bad) => Some((chance.millis(0, 300), trap())),
            (Self::Sick, Luck::Bad) => {
                let why = "task: non-zero exit (137): dockerexec: unhealthy container".to_owned();
                Some((chance.millis(2_000, 40_000), Ending::Broken { code: 137, why }))
            }
            (Self::Exit, Luck::Bad) => Some((chance.millis(0, 20_000), Ending::Exited(0))),
            _ if is_job => Some((chance.millis(0, 8_000), Ending::Exited(0))),
            _ => None,
        }
    }

    /// How long a run takes to stop, and the code it ends with.
    pub(crate) fn stop(self, chance: &mut Chance, grace: Duration) -> (Duration, i32) {
        match self {
            Self::Hang => (grace, 137),
            _ => (chance.millis(0, 500).min(grace), 0),
        }
    }
}
