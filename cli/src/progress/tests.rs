//! What is shown and how it ends, look by look.

use std::sync::Arc;

use skep_api::{
    Id, JobStatus, Node, ServiceSpec, Slot, TaskState, Time, UpdateConfig, UpdateStatus,
};

use super::screen::Kind;
use super::*;

fn service(mode: Mode) -> Service {
    let spec = ServiceSpec { mode, ..ServiceSpec::default() };
    Service::new(Id::from_u128(1), spec)
}

fn with_monitor(mut service: Service, monitor: Duration) -> Service {
    let config = UpdateConfig { monitor, ..UpdateConfig::default() };
    let spec = Arc::make_mut(&mut service.spec);
    spec.update = Some(config.clone());
    spec.rollback = Some(config);
    service
}

fn with_status(mut service: Service, state: UpdateState, message: &str) -> Service {
    let started_at = Time::from_nanos(1);
    let message = message.to_owned();
    service.update_status =
        Some(UpdateStatus { state, started_at, completed_at: None, message, slots: 1 });
    service
}

fn task(service: &Service, slot: Slot, state: TaskState) -> Task {
    let mut task = Task::new(Id::from_u128(7), service, slot);
    task.status.state = state;
    if state.is_terminal() {
        task.desired = TaskState::Shutdown;
    }
    task
}

fn tasks(service: &Service, states: &[TaskState]) -> Vec<Task> {
    let slots = (1..).map(Slot::Number);
    slots.zip(states).map(|(slot, state)| task(service, slot, *state)).collect()
}

/// The lines that everybody sees, and the end.
fn look(waiter: &mut Waiter<'_>, service: &Service, tasks: &[Task]) -> (Vec<String>, Option<End>) {
    look_at(waiter, service, tasks, Instant::now())
}

fn look_at(
    waiter: &mut Waiter<'_>,
    service: &Service,
    tasks: &[Task],
    now: Instant,
) -> (Vec<String>, Option<End>) {
    let (lines, end) = waiter.look(service, tasks, now);
    let told = lines.into_iter().filter(|line| line.kind == Kind::Told);
    (told.map(|line| format!("{}: {}", line.name, line.text)).collect(), end)
}

#[test]
fn a_replicated_service_converges_when_all_ran_for_the_monitors_time() {
    let service = service(Mode::Replicated { replicas: 2 });
    let mut waiter = Waiter::new("web", After::Change);
    let start = Instant::now();
    let none = look_at(&mut waiter, &service, &[], start);
    let drawn = [
        "overall progress: 0 out of 2 tasks",
        "1/2:  ",
        "2/2:  ",
        "overall progress: 0 out of 2 tasks",
    ];
    assert_eq!(none, (drawn.map(str::to_owned).to_vec(), None));
    let one = tasks(&service, &[TaskState::Running, TaskState::Preparing]);
    let (lines, end) = look_at(&mut waiter, &service, &one, start);
    assert_eq!((lines, end), (vec!["overall progress: 1 out of 2 tasks".to_owned()], None));
    let both = tasks(&service, &[TaskState::Running, TaskState::Running]);
    let (lines, end) = look_at(&mut waiter, &service, &both, start);
    let waiting = "verify: Waiting 5 seconds to verify that tasks are stable...";
    assert_eq!(lines, ["overall progress: 2 out of 2 tasks", waiting]);
    assert_eq!(end, None);
    let later = start + Duration::from_millis(4_100);
    let (lines, _) = look_at(&mut waiter, &service, &both, later);
    assert_eq!(lines, ["verify: Waiting 1 seconds to verify that tasks are stable..."]);
    let (lines, end) = look_at(&mut waiter, &service, &both, start + Duration::from_secs(5));
    assert_eq!(lines, ["verify: Service web converged"]);
    assert_eq!(end, Some(End::Silent));
}

#[test]
fn a_task_that_fails_starts_the_wait_anew() {
    let service = service(Mode::Replicated { replicas: 1 });
    let mut waiter = Waiter::new("web", After::Change);
    let runs = tasks(&service, &[TaskState::Running]);
    let start = Instant::now();
    look_at(&mut waiter, &service, &runs, start);
    let mut failed = tasks(&service, &[TaskState::Failed]);
    failed[0].status.err = "task: non-zero exit (1)".to_owned();
    let (lines, end) = look_at(&mut waiter, &service, &failed, start + Duration::from_secs(4));
    let expected = [
        "1/1: task: non-zero exit (1)",
        "overall progress: 0 out of 1 tasks",
        "verify: Detected task failure",
    ];
    assert_eq!((lines, end), (expected.map(str::to_owned).to_vec(), None));
    let (lines, end) = look_at(&mut waiter, &service, &runs, start + Duration::from_secs(6));
    assert_eq!(end, None, "{lines:?}");
}

#[test]
fn a_monitor_of_zero_is_no_wait() {
    let service = with_monitor(service(Mode::Replicated { replicas: 1 }), Duration::ZERO);
    let (lines, end) = look(
        &mut Waiter::new("web", After::Change),
        &service,
        &tasks(&service, &[TaskState::Running]),
    );
    assert_eq!(lines.last().map(String::as_str), Some("verify: Service web converged"));
    assert_eq!(end, Some(End::Silent));
}

#[test]
fn each_end_of_an_update_is_told() {
    let plain = || with_monitor(service(Mode::Replicated { replicas: 1 }), Duration::ZERO);
    let message = "update paused due to failure or early termination of task x";
    let bad = |text: &str| Some(End::Failed(text.to_owned()));
    let cases = [
        (After::Change, UpdateState::Updating, TaskState::Starting, None),
        (
            After::Change,
            UpdateState::Paused,
            TaskState::Running,
            bad(
                "service update paused: update paused due to failure or early termination of task x",
            ),
        ),
        (
            After::Rollback,
            UpdateState::RollbackPaused,
            TaskState::Running,
            bad(
                "service rollback paused: update paused due to failure or early termination of task x",
            ),
        ),
        (After::Change, UpdateState::Completed, TaskState::Failed, Some(End::Silent)),
        (After::Change, UpdateState::Completed, TaskState::Running, Some(End::Silent)),
        (After::Rollback, UpdateState::RollbackCompleted, TaskState::Running, Some(End::Silent)),
        (
            After::Change,
            UpdateState::RollbackCompleted,
            TaskState::Running,
            bad("service rolled back: update paused due to failure or early termination of task x"),
        ),
        (After::Change, UpdateState::RollbackStarted, TaskState::Failed, None),
    ];
    for (after, state, task, expected) in cases {
        let service = with_status(plain(), state, message);
        let (lines, end) =
            look(&mut Waiter::new("web", after), &service, &tasks(&service, &[task]));
        assert_eq!(end, expected, "{after:?} {state:?} {task:?}: {lines:?}");
    }
}

#[test]
fn a_rollback_is_announced_once_and_told_as_one() {
    let plain = service(Mode::Replicated { replicas: 1 });
    let service = with_status(plain, UpdateState::RollbackStarted, "manually requested rollback");
    let mut waiter = Waiter::new("web", After::Rollback);
    let (lines, _) = look(&mut waiter, &service, &[]);
    let expected = [
        "rollback: manually requested rollback",
        "overall progress: rolling back update: 0 out of 1 tasks",
        "1/1:  ",
        "overall progress: rolling back update: 0 out of 1 tasks",
    ];
    assert_eq!(lines, expected);
    let (lines, _) = look(&mut waiter, &service, &[]);
    assert_eq!(lines, [expected[1]]);
    // Over before the first look: told at the end.
    let done = with_monitor(service.clone(), Duration::ZERO);
    let done = with_status(done, UpdateState::RollbackCompleted, "rollback completed");
    let runs = tasks(&done, &[TaskState::Running]);
    let (lines, end) = look(&mut Waiter::new("web", After::Rollback), &done, &runs);
    assert_eq!(
        lines[lines.len() - 2..],
        ["verify: Service web converged", "rollback: rollback completed"]
    );
    assert_eq!(end, Some(End::Silent));
}

#[test]
fn of_two_tasks_in_a_slot_the_wanted_and_the_newer_one_counts() {
    let service = with_monitor(service(Mode::Replicated { replicas: 1 }), Duration::ZERO);
    let runs = task(&service, Slot::Number(1), TaskState::Running);
    let starts = task(&service, Slot::Number(1), TaskState::Preparing);
    let ended = task(&service, Slot::Number(1), TaskState::Failed);
    let mut removed = task(&service, Slot::Number(2), TaskState::Running);
    removed.desired = TaskState::Remove;
    for (tasks, converged) in [
        (vec![runs.clone(), ended.clone()], true),
        (vec![ended.clone(), runs.clone()], true),
        (vec![runs.clone(), starts.clone()], false),
        (vec![starts, runs.clone()], false),
        (vec![runs, removed.clone()], true),
        (vec![removed], false),
    ] {
        let (_, end) = look(&mut Waiter::new("web", After::Change), &service, &tasks);
        assert_eq!(end.is_some(), converged, "{tasks:?}");
    }
}

#[test]
fn more_than_twenty_slots_are_told_as_a_sum() {
    let service = service(Mode::Replicated { replicas: 21 });
    let (lines, _) = look(&mut Waiter::new("web", After::Change), &service, &[]);
    assert!(lines.iter().all(|line| line == "overall progress: 0 out of 21 tasks"), "{lines:?}");
}

#[test]
fn a_global_service_waits_for_tasks_and_then_counts_its_slots() {
    let service = with_monitor(service(Mode::Global), Duration::ZERO);
    let mut waiter = Waiter::new("g", After::Change);
    let (lines, end) = look(&mut waiter, &service, &[]);
    assert_eq!((lines, end), (vec!["overall progress: waiting for new tasks".to_owned()], None));
    let slot = |node: u128| Slot::Node(Id::<Node>::from_u128(node));
    let one = [
        task(&service, slot(1), TaskState::Running),
        task(&service, slot(2), TaskState::Preparing),
    ];
    let (lines, end) = look(&mut waiter, &service, &one);
    assert_eq!(lines, ["overall progress: 0 out of 2 tasks", "overall progress: 1 out of 2 tasks"]);
    assert_eq!(end, None);
    let both = [1, 2].map(|node| task(&service, slot(node), TaskState::Running));
    let (lines, end) = look(&mut waiter, &service, &both);
    assert_eq!(lines, ["overall progress: 2 out of 2 tasks", "verify: Service g converged"]);
    assert_eq!(end, Some(End::Silent));
}

#[test]
fn a_replicated_job_ends_when_all_its_tasks_are_complete() {
    let mut service = service(Mode::ReplicatedJob { max_concurrent: 2, total_completions: 10 });
    service.job = Some(JobStatus { iteration: 3, last_execution: Time::from_nanos(1) });
    let slot = |number, state| {
        let mut task = task(&service, Slot::Number(number), state);
        task.desired = TaskState::Complete;
        task
    };
    let mut waiter = Waiter::new("job", After::Change);
    let (lines, end) = look(&mut waiter, &service, &[]);
    assert_eq!(
        lines[..3],
        ["job progress:  0 out of 10 complete", "active tasks: 0 out of 2 tasks", "1/10:  "]
    );
    assert_eq!(end, None);
    let mut failed = slot(0, TaskState::Failed);
    failed.status.err = "task: non-zero exit (1)".to_owned();
    let mut old = slot(5, TaskState::Complete);
    old.job_iteration = 2;
    let some = [failed, slot(1, TaskState::Complete), slot(2, TaskState::Running), old];
    let (lines, end) = look(&mut waiter, &service, &some);
    let expected = [
        "1/10: task: non-zero exit (1)",
        "job progress:  1 out of 10 complete",
        "active tasks: 1 out of 2 tasks",
    ];
    assert_eq!((lines, end), (expected.map(str::to_owned).to_vec(), None));
    let all: Vec<Task> = (0..10).map(|number| slot(number, TaskState::Complete)).collect();
    let (lines, end) = look(&mut waiter, &service, &all);
    assert_eq!(lines, ["job progress: 10 out of 10 complete", "active tasks: 0 out of 0 tasks"]);
    assert_eq!(end, Some(End::Job));
}

#[test]
fn a_global_job_waits_for_the_nodes_there_were_at_the_start() {
    let service = service(Mode::GlobalJob);
    let on = |node: u128, state| {
        let mut task = task(&service, Slot::Node(Id::from_u128(node)), state);
        task.desired = TaskState::Complete;
        task
    };
    let mut waiter = Waiter::new("job", After::Change);
    let (lines, _) = look(&mut waiter, &service, &[]);
    assert_eq!(lines, ["job progress: waiting for tasks"]);
    let (lines, end) = look(&mut waiter, &service, &[on(1, TaskState::Running)]);
    assert_eq!(lines, ["job progress: 0 out of 1 complete", "job progress: 0 out of 1 complete"]);
    assert_eq!(end, None);
    let later = [on(1, TaskState::Complete), on(2, TaskState::Running)];
    let (lines, end) = look(&mut waiter, &service, &later);
    assert_eq!(lines, ["job progress: 1 out of 1 complete"]);
    assert_eq!(end, Some(End::Job));
}

#[test]
fn long_errors_stay_on_their_line() {
    let service = service(Mode::Replicated { replicas: 1 });
    let mut failed = task(&service, Slot::Number(1), TaskState::Failed);
    failed.status.err = format!("first\n{}", "x".repeat(100));
    let line = error_line("1/1".to_owned(), &failed);
    assert_eq!(line.text.chars().count(), ERROR_CHARS_MAX);
    assert!(line.text.starts_with("first x") && line.text.ends_with('…'), "{}", line.text);
}
