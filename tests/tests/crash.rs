//! The daemon is killed at random moments while objects are created, updated and removed: what was
//! acknowledged is there after every restart, and services converge.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use skep_tests::{Daemon, wait_for};

/// How often the daemon is killed.
const KILLS: u32 = 50;

/// The kill comes at most so long after the first command of its round: some commands are through by
/// then, one is on its way.
const ROUND_MAX: Duration = Duration::from_millis(700);

/// Few enough to be looked at after each restart, enough to get in each other's way. No name can be
/// the beginning of an id: that would be looked up as well.
const NAMES: [&str; 3] = ["crash-a", "crash-b", "crash-c"];

/// What an object is known to be.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Known {
    /// It is not there.
    Gone,
    /// It is there: a service with this value in its environment and so many replicas, or a config.
    There { value: u64, replicas: u64 },
    /// The kill came before the answer: the one or the other, as a whole.
    Either(Box<Known>, Box<Known>),
}

impl Known {
    fn fits(&self, seen: &Known) -> bool {
        match self {
            Self::Either(one, other) => one.fits(seen) || other.fits(seen),
            _ => self == seen,
        }
    }
}

/// What is known of services and configs, by kind and name, and how it came about.
struct World {
    known: BTreeMap<(&'static str, &'static str), Known>,
    history: Vec<String>,
}

/// How much of the history a failure shows.
const HISTORY_SHOWN: usize = 25;

/// A small generator of numbers (SplitMix64): the same seed gives the same commands.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % end
    }
}

#[test]
fn fifty_kills_lose_nothing_that_was_acknowledged() -> Result<()> {
    let seed = std::env::var("SKEP_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()));
    let mut numbers = Numbers(seed);
    let mut daemon = Daemon::start_swarm()?;
    daemon.load("echo", "echo:1")?;
    let keys = NAMES.iter().flat_map(|name| [("service", *name), ("config", *name)]);
    let known = keys.map(|key| (key, Known::Gone)).collect();
    let mut world = World { known, history: Vec::new() };
    for kill in 0..KILLS {
        let when = Duration::from_millis(numbers.below(ROUND_MAX.as_millis() as u64));
        round(&mut daemon, &mut world, &mut numbers, when)
            .and_then(|()| settle(&daemon, &mut world))
            .with_context(|| {
                let history = &world.history;
                let shown = &history[history.len().saturating_sub(HISTORY_SHOWN)..];
                format!("kill {kill} after {when:?}; SKEP_SEED={seed}\n{}", shown.join("\n"))
            })?;
    }
    Ok(())
}

/// Gives commands until the daemon is killed from the side, and starts it again.
fn round(
    daemon: &mut Daemon,
    world: &mut World,
    numbers: &mut Numbers,
    when: Duration,
) -> Result<()> {
    let killed = Mutex::new(false);
    let pid = rustix::process::Pid::from_raw(daemon.pid()?.try_into()?).context("a process id")?;
    std::thread::scope(|scope| -> Result<()> {
        scope.spawn(|| {
            // The random moment is what is tested here, not something that is waited for.
            std::thread::sleep(when);
            let mut killed = killed.lock().expect("nobody panics with it");
            *killed = true;
            rustix::process::kill_process(pid, rustix::process::Signal::KILL)
                .expect("the daemon is there to be killed");
        });
        loop {
            let (key, next, command) = command(world, numbers);
            let words: Vec<&str> = command.iter().map(String::as_str).collect();
            let input = if key.0 == "config" { b"content".as_slice() } else { b"" };
            let finished = daemon.skep_input(&words, input)?;
            let before = world.known.get(&key).cloned().unwrap_or(Known::Gone);
            world.history.push(format!("{finished:?}"));
            let killed = *killed.lock().expect("nobody panics with it");
            if finished.code == 0 {
                world.known.insert(key, next);
            } else {
                ensure!(killed, "refused before the kill: {finished:?}");
                world.known.insert(key, Known::Either(Box::new(before), Box::new(next)));
            }
            if killed {
                return Ok(());
            }
        }
    })?;
    daemon.kill()?;
    daemon.restart()
}

/// The next command, what it is about, and what that becomes.
fn command(
    world: &World,
    numbers: &mut Numbers,
) -> ((&'static str, &'static str), Known, Vec<String>) {
    let keys: Vec<_> = world.known.keys().copied().collect();
    let key = keys[numbers.below(keys.len() as u64) as usize];
    let (kind, name) = key;
    let value = numbers.below(1_000_000);
    let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let there = |replicas| Known::There { value, replicas };
    match (kind, &world.known[&key]) {
        ("config", Known::Gone) => {
            let known = Known::There { value: 0, replicas: 0 };
            (key, known, words(&format!("config create {name} -")))
        }
        ("config", _) => (key, Known::Gone, words(&format!("config rm {name}"))),
        (_, Known::Gone) => {
            let text = format!(
                "service create -d --restart-delay 50ms --name {name} --env VALUE={value} echo:1"
            );
            (key, there(1), words(&text))
        }
        (_, Known::There { value: old, .. }) => match numbers.below(3) {
            0 => (key, Known::Gone, words(&format!("service rm {name}"))),
            1 => {
                let replicas = 1 + numbers.below(3);
                let known = Known::There { value: *old, replicas };
                (key, known, words(&format!("service scale -d {name}={replicas}")))
            }
            _ => {
                let text = format!("service update -d --env-add VALUE={value} --replicas 1 {name}");
                (key, there(1), words(&text))
            }
        },
        (_, Known::Either(..)) => unreachable!("a round starts with all settled"),
    }
}

/// Looks at every object: each must be what is known of it, and services must converge.
fn settle(daemon: &Daemon, world: &mut World) -> Result<()> {
    world.history.push("(killed and started again)".to_owned());
    for ((kind, name), known) in &mut world.known {
        let seen = look(daemon, kind, name)?;
        ensure!(known.fits(&seen), "{kind} {name} is {seen:?}, known was {known:?}");
        *known = seen;
        if let ("service", Known::There { replicas, .. }) = (*kind, &*known) {
            daemon.wait_running(name, usize::try_from(*replicas)?)?;
        }
        if let ("service", Known::Gone) = (*kind, &*known) {
            wait_for("the end of a removed service's tasks", || daemon.tasks(name), Vec::is_empty)?;
        }
    }
    Ok(())
}

fn look(daemon: &Daemon, kind: &str, name: &str) -> Result<Known> {
    let finished = daemon.skep(&[kind, "inspect", name])?;
    let shown: Value =
        serde_json::from_str(&finished.stdout).with_context(|| format!("{finished:?}"))?;
    let Some(object) = shown.get(0) else {
        let gone = [format!("no such {kind}: {name}"), format!("{kind} {name} not found")];
        ensure!(gone.iter().any(|text| finished.stderr.contains(text)), "{finished:?}");
        return Ok(Known::Gone);
    };
    if kind == "config" {
        return Ok(Known::There { value: 0, replicas: 0 });
    }
    let spec = &object["Spec"];
    let env = spec["TaskTemplate"]["ContainerSpec"]["Env"][0].as_str().context("no variable")?;
    let value = env.strip_prefix("VALUE=").context("another variable")?.parse()?;
    let replicas = spec["Mode"]["Replicated"]["Replicas"].as_u64().context("no replicas")?;
    Ok(Known::There { value, replicas })
}
