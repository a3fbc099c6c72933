//! Waiting for a service, in Docker's words: lines that change in place on a terminal, lines one
//! after the other elsewhere.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use skep_api::{Mode, Service, Task, TaskState, UpdateConfig, UpdateState};
use skep_wire::pb;

use crate::client::Client;
use crate::error::{CliError, CliResult};
use crate::out;

/// More slots than that are told as a sum only, as Docker does.
const SLOTS_SHOWN_MAX: u64 = 20;

/// Waits until the service has all its tasks and they stayed up for its update monitor's time.
///
/// Ctrl-C ends the waiting, never the work.
pub(crate) async fn wait(client: &Client, id: &str, called: &str, quiet: bool) -> CliResult<()> {
    tokio::select! {
        result = follow(client, id, called, Screen::new(quiet)) => result,
        _ = tokio::signal::ctrl_c() => {
            out::note("Operation continuing in background.");
            out::note(&format!("Use `skep service ps {called}` to check progress."));
            Ok(())
        }
    }
}

async fn follow(client: &Client, id: &str, called: &str, mut screen: Screen) -> CliResult<()> {
    let mut moved = client.control().watch(pb::WatchRequest {}).await?.into_inner();
    let mut stable_since: Option<Instant> = None;
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    loop {
        let state = State::read(client, id).await?;
        state.show(&mut screen)?;
        if let Some(status) = &state.service.update_status {
            let failed = match status.state {
                UpdateState::Paused => Some("service update paused: "),
                UpdateState::RollbackPaused => Some("service rollback paused: "),
                _ => None,
            };
            if let Some(what) = failed {
                return Err(CliError::new(format!("{what}{}", status.message)));
            }
        }
        if state.converged() {
            let monitor = state.monitor();
            let stable = stable_since.get_or_insert_with(Instant::now).elapsed();
            if stable >= monitor {
                screen.verify(&format!("Service {called} converged"))?;
                return Ok(());
            }
            let left = (monitor - stable).as_secs_f64().ceil() as u64;
            screen.verify(&format!("Waiting {left} seconds to verify that tasks are stable..."))?;
        } else {
            stable_since = None;
        }
        tokio::select! {
            message = moved.message() => {
                message?;
            }
            _ = tick.tick() => {}
        }
    }
}

/// A service and its tasks of the current spec.
struct State {
    service: Service,
    tasks: BTreeMap<u64, Task>,
}

impl State {
    async fn read(client: &Client, id: &str) -> CliResult<Self> {
        let by_name = pb::ByName { name: id.to_owned() };
        let service = client.control().get_service(by_name).await?.into_inner();
        let service = Service::try_from(service)?;
        let request = pb::ListTasksRequest {
            services: vec![id.to_owned()],
            up_to_date: true,
            ..Default::default()
        };
        let rows = client.control().list_tasks(request).await?.into_inner().tasks;
        let mut tasks: BTreeMap<u64, Task> = BTreeMap::new();
        for row in rows {
            let task = Task::try_from(row.task.unwrap_or_default())?;
            let newer = |old: &Task| {
                (task.is_wanted(), task.meta.created_at) > (old.is_wanted(), old.meta.created_at)
            };
            if tasks.get(&task.slot.number()).is_none_or(newer) {
                tasks.insert(task.slot.number(), task);
            }
        }
        Ok(Self { service, tasks })
    }

    fn wanted(&self) -> u64 {
        match self.service.spec.mode {
            Mode::Replicated { replicas } => replicas,
            Mode::ReplicatedJob { total_completions, .. } => total_completions,
            Mode::Global | Mode::GlobalJob => self.tasks.len() as u64,
        }
    }

    fn running(&self) -> u64 {
        let up = |task: &&Task| task.status.state == TaskState::Running && task.is_wanted();
        self.tasks.values().filter(up).count() as u64
    }

    fn converged(&self) -> bool {
        self.running() == self.wanted()
    }

    fn monitor(&self) -> Duration {
        let default = UpdateConfig::default();
        self.service.spec.update.as_ref().unwrap_or(&default).monitor
    }

    fn show(&self, screen: &mut Screen) -> CliResult<()> {
        let wanted = self.wanted();
        screen.overall(&format!("{} out of {wanted} tasks", self.running()))?;
        if wanted > SLOTS_SHOWN_MAX {
            return Ok(());
        }
        let slots: Vec<u64> = match self.service.spec.mode {
            Mode::Replicated { .. } => (1..=wanted).collect(),
            _ => self.tasks.keys().copied().collect(),
        };
        for (at, slot) in slots.iter().enumerate() {
            let text = self.tasks.get(slot).map(slot_text).unwrap_or_default();
            screen.slot(at, &format!("{}/{wanted}", at + 1), &text)?;
        }
        Ok(())
    }
}

fn slot_text(task: &Task) -> String {
    if task.status.err.is_empty() {
        return task.status.state.name().to_owned();
    }
    task.status.err.clone()
}

/// Where progress is shown.
enum Screen {
    /// Nowhere.
    Quiet,
    /// On a terminal, in place.
    Live {
        bars: MultiProgress,
        overall: ProgressBar,
        slots: Vec<ProgressBar>,
        verify: Option<ProgressBar>,
    },
    /// A line when something changed.
    Plain { last: BTreeMap<String, String> },
}

impl Screen {
    fn new(quiet: bool) -> Self {
        if quiet {
            return Self::Quiet;
        }
        if !std::io::stdout().is_terminal() {
            return Self::Plain { last: BTreeMap::new() };
        }
        let bars = MultiProgress::with_draw_target(indicatif::ProgressDrawTarget::stdout());
        let overall = bars.add(line_bar("overall progress"));
        Self::Live { bars, overall, slots: Vec::new(), verify: None }
    }

    fn overall(&mut self, text: &str) -> CliResult<()> {
        match self {
            Self::Quiet => Ok(()),
            Self::Live { overall, .. } => {
                overall.set_message(text.to_owned());
                Ok(())
            }
            Self::Plain { .. } => self.plain("overall progress", text),
        }
    }

    fn slot(&mut self, at: usize, name: &str, text: &str) -> CliResult<()> {
        match self {
            Self::Quiet => Ok(()),
            Self::Live { bars, slots, .. } => {
                if slots.len() <= at {
                    slots.push(bars.add(line_bar(name)));
                }
                slots[at].set_message(text.to_owned());
                Ok(())
            }
            Self::Plain { .. } => self.plain(name, text),
        }
    }

    fn verify(&mut self, text: &str) -> CliResult<()> {
        match self {
            Self::Quiet => Ok(()),
            Self::Live { bars, verify, .. } => {
                let bar = verify.get_or_insert_with(|| bars.add(line_bar("verify")));
                bar.set_message(text.to_owned());
                Ok(())
            }
            Self::Plain { .. } => self.plain("verify", text),
        }
    }

    fn plain(&mut self, name: &str, text: &str) -> CliResult<()> {
        let Self::Plain { last } = self else { return Ok(()) };
        if last.get(name).is_some_and(|old| old == text) {
            return Ok(());
        }
        last.insert(name.to_owned(), text.to_owned());
        out::line(&format!("{name}: {text}"))
    }
}

impl Drop for Screen {
    /// What was reached stays on the terminal.
    fn drop(&mut self) {
        if let Self::Live { overall, slots, verify, .. } = self {
            for bar in slots.iter().chain(verify.iter()).chain([&*overall]) {
                bar.abandon();
            }
        }
    }
}

fn line_bar(name: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{prefix}: {msg}");
    let bar = ProgressBar::new_spinner().with_prefix(name.to_owned());
    // The template above is a constant that parses; a bar without it would still work.
    if let Ok(style) = style { bar.with_style(style) } else { bar }
}
