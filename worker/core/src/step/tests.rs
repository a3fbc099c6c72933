//! One line a row of the module's table, and what follows from it over a task's life.

use skep_api::{Grant, Id};

use super::*;

const NOW: Time = Time::from_secs(100);
const GRACE: Duration = Duration::from_secs(7);

fn wanted(desired: TaskState, stored: TaskState) -> Assignment {
    Assignment {
        task: Id::from_u128(1),
        service: Id::from_u128(2),
        name: "web.1.x".to_owned(),
        desired,
        status: TaskStatus { state: stored, ..TaskStatus::default() },
        grant: Grant { stop_grace: GRACE, ..Grant::default() },
        ports: Vec::new(),
        registry_auth: None,
        restart: None,
    }
}

/// A task that reached `state` in this process, having come to it as ASSIGNED.
fn seen(state: TaskState, run: Run) -> Observed {
    let mut seen = Observed::new(&wanted(TaskState::Running, TaskState::Assigned));
    seen.status = TaskStatus { state, message: "before".into(), ..TaskStatus::default() };
    seen.run = run;
    seen
}

/// A task that this process came to know in `state`.
fn resumed(state: TaskState, run: Run) -> Observed {
    Observed { run, ..Observed::new(&wanted(TaskState::Running, state)) }
}

fn refusal(cause: Cause, at: Time) -> Run {
    Run::Refused { why: "No such image: x".to_owned(), cause, at }
}

fn ended(how: Ending) -> Run {
    Run::Ended { how, at: NOW }
}

fn broken() -> Run {
    ended(Ending::Broken { code: 134, why: "trap: unreachable".to_owned() })
}

/// A step in a few words.
fn words(step: &Step) -> String {
    match step {
        Step::Report(status) => {
            let mut text = format!("report {} `{}`", status.state.name(), status.message);
            if !status.err.is_empty() {
                text += &format!(" err `{}`", status.err);
            }
            if let Some(exit) = status.exit {
                text += &format!(" exit {}", exit.code);
            }
            if status.restarts > 0 {
                text += &format!(" restarts {}", status.restarts);
            }
            if status.failures > 0 {
                text += &format!(" failures {}", status.failures);
            }
            text
        }
        Step::Restart(status) => words(&Step::Report(status.clone())).replace("report", "restart"),
        Step::Stop { grace } => format!("stop {}s", grace.as_secs()),
        Step::Prepare => "prepare".to_owned(),
        Step::Start => "start".to_owned(),
        Step::Remove => "remove".to_owned(),
        Step::Wait(None) => "wait".to_owned(),
        Step::Wait(Some(until)) => format!("wait {:?}", until.since(NOW)),
    }
}

fn check(rows: &[(TaskState, Observed, &str)]) {
    for (desired, seen, expected) in rows {
        let task = wanted(*desired, TaskState::Assigned);
        let got = words(&step(Wanted::Listed(&task), seen, NOW));
        assert_eq!(got, *expected, "desired {desired:?}, {seen:?}");
    }
}

#[test]
fn a_wanted_task_goes_one_step_at_a_time_to_running() {
    use TaskState::*;
    check(&[
        (Running, seen(Assigned, Run::Idle), "report accepted `accepted`"),
        (Running, seen(Accepted, Run::Idle), "report preparing `preparing`"),
        (Running, seen(Preparing, Run::Idle), "prepare"),
        (Running, seen(Preparing, Run::Preparing), "wait"),
        (Running, seen(Preparing, Run::Prepared), "report ready `prepared`"),
        (Running, seen(Ready, Run::Prepared), "report starting `starting`"),
        (Running, seen(Starting, Run::Prepared), "start"),
        (Running, seen(Starting, Run::Running), "report running `started`"),
        (Running, seen(Running, Run::Running), "wait"),
        (Complete, seen(Ready, Run::Prepared), "report starting `starting`"),
        (Complete, seen(Running, Run::Running), "wait"),
    ]);
}

#[test]
fn a_held_task_is_prepared_and_pauses_at_ready() {
    use TaskState::*;
    check(&[
        (Ready, seen(Assigned, Run::Idle), "report accepted `accepted`"),
        (Ready, seen(Accepted, Run::Idle), "report preparing `preparing`"),
        (Ready, seen(Preparing, Run::Prepared), "report ready `prepared`"),
        (Ready, seen(Ready, Run::Prepared), "wait"),
        (Accepted, seen(Accepted, Run::Idle), "wait"),
    ]);
}

#[test]
fn an_error_before_starting_rejects_and_one_after_it_fails() {
    use TaskState::*;
    let lasting = || refusal(Cause::Lasting, NOW);
    let passing = || refusal(Cause::Passing, NOW);
    check(&[
        (Running, seen(Preparing, lasting()), "report rejected `before` err `No such image: x`"),
        (Ready, seen(Preparing, lasting()), "report rejected `before` err `No such image: x`"),
        (Running, seen(Preparing, passing()), "report rejected `before` err `No such image: x`"),
        (Running, seen(Starting, lasting()), "report failed `before` err `No such image: x`"),
    ]);
}

/// A job's task is wanted to become COMPLETE, and takes the same way as one that is to be RUNNING.
#[test]
fn a_jobs_task_is_run_to_its_end() {
    use TaskState::*;
    let exited = |code| ended(Ending::Exited(code));
    check(&[
        (Complete, seen(Assigned, Run::Idle), "report accepted `accepted`"),
        (Complete, seen(Preparing, Run::Idle), "prepare"),
        (Complete, seen(Ready, Run::Prepared), "report starting `starting`"),
        (Complete, seen(Starting, Run::Prepared), "start"),
        (Complete, seen(Starting, Run::Running), "report running `started`"),
        (Complete, seen(Running, Run::Running), "wait"),
        (Complete, seen(Running, exited(0)), "report complete `finished` exit 0"),
        (
            Complete,
            seen(Running, exited(7)),
            "report failed `before` err `task: non-zero exit (7)` exit 7",
        ),
        (Complete, seen(Complete, exited(0)), "wait"),
    ]);
}

#[test]
fn a_run_that_ends_by_itself_is_complete_or_failed() {
    use TaskState::*;
    let exited = |code| ended(Ending::Exited(code));
    check(&[
        (Running, seen(Running, exited(0)), "report complete `finished` exit 0"),
        (
            Running,
            seen(Running, exited(7)),
            "report failed `before` err `task: non-zero exit (7)` exit 7",
        ),
        (
            Running,
            seen(Running, broken()),
            "report failed `before` err `trap: unreachable` exit 134",
        ),
        // It ended before the order to stop reached it: what happened is what is told.
        (Shutdown, seen(Running, exited(0)), "report complete `finished` exit 0"),
        (
            Remove,
            seen(Running, broken()),
            "report failed `before` err `trap: unreachable` exit 134",
        ),
    ]);
}

#[test]
fn a_task_that_is_not_wanted_is_stopped_from_any_live_state() {
    use TaskState::*;
    let exit = Some(ExitInfo { code: 137 });
    for desired in [Shutdown, Remove] {
        check(&[
            (desired, seen(Assigned, Run::Idle), "report shutdown `shutdown`"),
            (desired, seen(Preparing, Run::Preparing), "stop 7s"),
            (desired, seen(Preparing, Run::Stopped(None)), "report shutdown `shutdown`"),
            (desired, seen(Ready, Run::Prepared), "report shutdown `shutdown`"),
            (desired, seen(Running, Run::Running), "stop 7s"),
            (desired, seen(Running, Run::Stopping), "wait"),
            (desired, seen(Running, Run::Stopped(exit)), "report shutdown `shutdown` exit 137"),
            (desired, seen(Shutdown, Run::Stopped(exit)), "wait"),
            (desired, seen(Preparing, refusal(Cause::Lasting, NOW)), "report shutdown `shutdown`"),
        ]);
    }
}

#[test]
fn a_task_that_ended_is_never_started() {
    for state in TaskState::ALL.into_iter().filter(|state| state.is_terminal()) {
        for desired in [TaskState::Ready, TaskState::Running, TaskState::Shutdown] {
            let task = wanted(desired, state);
            let got = step(Wanted::Listed(&task), &Observed::new(&task), NOW);
            assert_eq!(got, Step::Wait(None), "stored {state:?}, desired {desired:?}");
        }
    }
}

#[test]
fn a_run_that_managers_gave_up_is_stopped() {
    let task = wanted(TaskState::Running, TaskState::Orphaned);
    let got = step(Wanted::Listed(&task), &seen(TaskState::Running, Run::Running), NOW);
    assert_eq!(got, Step::Stop { grace: GRACE });
}

#[test]
fn an_unlisted_task_is_ended_before_it_is_removed() {
    for (run, expected) in [
        (Run::Idle, "remove"),
        (Run::Preparing, "stop 7s"),
        (Run::Prepared, "remove"),
        (Run::Running, "stop 7s"),
        (Run::Stopping, "wait"),
        (Run::Stopped(None), "remove"),
        (ended(Ending::Exited(1)), "remove"),
        (refusal(Cause::Passing, NOW), "remove"),
    ] {
        for state in [TaskState::Running, TaskState::Failed] {
            let seen = seen(state, run.clone());
            // A run under way whose task already ended as managers see it is ended all the same.
            assert_eq!(words(&step(Wanted::Unlisted, &seen, NOW)), expected, "{run:?} {state:?}");
        }
    }
}

#[test]
fn a_task_that_ran_before_the_node_restarted_runs_again_and_counts_it() {
    use TaskState::*;
    let mut again = resumed(Running, Run::Running);
    again.stored.restarts = 2;
    again.status.restarts = 2;
    let mut counted = again.clone();
    counted.status.restarts = 3;
    check(&[
        (Running, resumed(Running, Run::Idle), "prepare"),
        (Running, resumed(Running, Run::Prepared), "start"),
        (Running, resumed(Running, Run::Running), "report running `started` restarts 1"),
        (Running, again, "report running `started` restarts 3"),
        (Running, counted, "wait"),
        // It had not run yet: it goes on from where it was, and nothing is counted.
        (Running, resumed(Preparing, Run::Idle), "prepare"),
        (Running, resumed(Ready, Run::Idle), "prepare"),
        (Running, resumed(Ready, Run::Prepared), "report starting `starting`"),
        (Running, resumed(Starting, Run::Idle), "prepare"),
        (Running, resumed(Starting, Run::Prepared), "start"),
        (Running, resumed(Starting, Run::Running), "report running `started`"),
        (Shutdown, resumed(Running, Run::Idle), "report shutdown `shutdown`"),
    ]);
}

#[test]
fn a_passing_trouble_after_a_restart_is_told_and_retried() {
    use TaskState::*;
    let told = |at| {
        let mut seen = resumed(Running, refusal(Cause::Passing, at));
        seen.status.err = "No such image: x".to_owned();
        seen
    };
    let earlier = Time::from_secs(99);
    check(&[
        (
            Running,
            resumed(Running, refusal(Cause::Passing, NOW)),
            "report running `` err `No such image: x`",
        ),
        (Running, told(NOW), "wait 1s"),
        (Running, told(earlier), "prepare"),
        (
            Running,
            resumed(Running, refusal(Cause::Lasting, NOW)),
            "report failed `` err `No such image: x`",
        ),
    ]);
}

#[test]
fn trouble_around_a_running_task_is_told_until_it_is_over() {
    let mut troubled = seen(TaskState::Running, Run::Running);
    troubled.notice = "port 8080 is in use by another program on this node".to_owned();
    let mut told = troubled.clone();
    told.status.err = told.notice.clone();
    let mut over = told.clone();
    over.notice.clear();
    check(&[
        (
            TaskState::Running,
            troubled,
            "report running `before` err `port 8080 is in use by another program on this node`",
        ),
        (TaskState::Running, told, "wait"),
        (TaskState::Running, over, "report running `before`"),
    ]);
}

#[test]
fn whatever_is_seen_the_steps_end_and_the_state_only_rises() {
    let runs = [
        Run::Idle,
        Run::Preparing,
        Run::Prepared,
        refusal(Cause::Lasting, NOW),
        refusal(Cause::Passing, NOW),
        Run::Running,
        Run::Stopping,
        Run::Stopped(None),
        ended(Ending::Exited(0)),
        broken(),
    ];
    for desired in TaskState::ALL {
        for stored in TaskState::ALL {
            for run in &runs {
                settles(desired, stored, run);
            }
        }
    }
}

/// Carries reports out and nothing else: they must come to an end and never go back.
fn settles(desired: TaskState, stored: TaskState, run: &Run) {
    let task = wanted(desired, stored);
    let mut seen = resumed(stored, run.clone());
    for _ in 0..8 {
        match step(Wanted::Listed(&task), &seen, NOW) {
            Step::Report(status) => {
                assert!(status.state >= seen.status.state, "{seen:?} -> {status:?}");
                assert_ne!(status, seen.status, "a report that says nothing new");
                seen.status = status;
            }
            _ => return,
        }
    }
    panic!("no end of reports: desired {desired:?}, stored {stored:?}, {run:?}");
}

/// A task of that policy whose run failed while no manager could be reached, after `restarted`.
fn on_its_own(policy: RestartPolicy, restarted: &[u64], failures: u64) -> (Assignment, Observed) {
    let mut task = wanted(TaskState::Running, TaskState::Assigned);
    task.restart = Some(policy);
    let mut seen = seen(TaskState::Running, ended(Ending::Exited(7)));
    seen.contact = Contact::CutOff;
    seen.restarted = restarted.iter().map(|secs| Time::from_secs(*secs)).collect();
    seen.status.failures = failures;
    (task, seen)
}

#[test]
fn a_node_on_its_own_restarts_a_failed_task_as_the_policy_allows() {
    use RestartCondition::*;
    const RESTART: &str = "restart running `before` err `task: non-zero exit (7)` exit 7";
    const FAILED: &str = "report failed `before` err `task: non-zero exit (7)` exit 7";
    let policy = |condition, delay, max_attempts, window| RestartPolicy {
        condition,
        delay: Duration::from_secs(delay),
        max_attempts,
        window: Duration::from_secs(window),
    };
    for (policy, restarted, failures, expected) in [
        (policy(Any, 0, 0, 0), vec![], 0, format!("{RESTART} restarts 1 failures 1")),
        (policy(OnFailure, 0, 0, 0), vec![], 0, format!("{RESTART} restarts 1 failures 1")),
        (policy(None, 0, 0, 0), vec![], 0, FAILED.to_owned()),
        (policy(Any, 5, 0, 0), vec![], 0, "wait 5s".to_owned()),
        (policy(Any, 0, 2, 0), vec![], 1, format!("{RESTART} restarts 1 failures 2")),
        (policy(Any, 0, 2, 0), vec![], 2, format!("{FAILED} failures 2")),
        // Only attempts within the window count, however many there were in all.
        (policy(Any, 0, 2, 10), vec![80, 95], 9, format!("{RESTART} restarts 1 failures 10")),
        (policy(Any, 0, 2, 10), vec![91, 95], 2, format!("{FAILED} failures 2")),
    ] {
        let (task, seen) = on_its_own(policy, &restarted, failures);
        let got = words(&step(Wanted::Listed(&task), &seen, NOW));
        assert_eq!(got, expected, "{:?}", task.restart);
    }
}

#[test]
fn a_failed_task_is_the_managers_matter_whenever_they_can_be_reached() {
    let changed = |change: fn(&mut Assignment, &mut Observed)| {
        let (mut task, mut seen) = on_its_own(RestartPolicy::default(), &[], 0);
        change(&mut task, &mut seen);
        words(&step(Wanted::Listed(&task), &seen, NOW))
    };
    assert_eq!(changed(|_, _| {}), "wait 5s");
    let failed = "report failed `before` err `task: non-zero exit (7)` exit 7";
    assert_eq!(changed(|_, seen| seen.contact = Contact::Managed), failed);
    assert_eq!(changed(|task, _| task.desired = TaskState::Shutdown), failed);
    assert_eq!(changed(|task, _| task.restart = None), failed, "as in Swarm");
    assert_eq!(changed(|_, seen| seen.status.state = TaskState::Starting), failed);
    let well = |_: &mut Assignment, seen: &mut Observed| seen.run = ended(Ending::Exited(0));
    assert_eq!(changed(well), "report complete `finished` exit 0");
}

#[test]
fn a_restarted_task_stays_running_and_keeps_its_last_exit() {
    let (task, mut seen) = on_its_own(RestartPolicy::default(), &[], 0);
    let later = NOW.after(Duration::from_secs(5));
    let Step::Restart(status) = step(Wanted::Listed(&task), &seen, later) else {
        panic!("it is started again");
    };
    seen.restart(status);
    let next = |seen: &Observed| words(&step(Wanted::Listed(&task), seen, later));
    assert_eq!((next(&seen), seen.restarted.len()), ("prepare".to_owned(), 1));
    seen.run = Run::Prepared;
    assert_eq!(next(&seen), "start");
    seen.run = Run::Running;
    assert_eq!(next(&seen), "report running `before` exit 7 restarts 1 failures 1");
}
