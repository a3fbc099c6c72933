//! How many tasks of a service there are, as `service ls` shows it (semantics part 14, line 101).

use skep_api::{Id, Mode, Service, Task, TaskState};

use crate::store::View;

/// The numbers of a service: `running/desired`, and `completed` for a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ServiceStatus {
    /// Tasks seen RUNNING, whatever is wanted of them: `4/2` while two are still to stop.
    pub running: u64,
    /// How many are wanted: replicas; tasks a job runs at once (not what remains of it); for a
    /// global service its tasks with desired state RUNNING, for a global job those to be completed
    /// that are not yet.
    pub desired: u64,
    /// Tasks that completed; for a job, those of its current iteration.
    pub completed: u64,
}

/// Counts the tasks of a service. A job's count only if they are of its current iteration.
pub fn service_status(view: &View, service: &Service) -> ServiceStatus {
    let iteration = service.job.map(|job| job.iteration);
    let counts = |task: &&Task| iteration.is_none_or(|current| task.job_iteration == current);
    let mut status = ServiceStatus::default();
    let mut to_run = 0;
    let mut to_complete = 0;
    for task in view.tasks_of(service.id).filter(counts) {
        let (seen, desired) = (task.status.state, task.desired);
        status.running += u64::from(seen == TaskState::Running);
        status.completed += u64::from(seen == TaskState::Complete);
        to_run += u64::from(desired == TaskState::Running);
        to_complete += u64::from(desired == TaskState::Complete && seen != TaskState::Complete);
    }
    status.desired = match service.spec.mode {
        Mode::Replicated { replicas } => replicas,
        Mode::ReplicatedJob { max_concurrent, .. } => max_concurrent,
        Mode::Global => to_run,
        Mode::GlobalJob => to_complete,
    };
    status
}

/// Counts the tasks of a service that may be gone: then nothing is desired, and what still runs is
/// counted. An id that nobody knows has none.
pub fn service_status_of(view: &View, service: Id<Service>) -> ServiceStatus {
    if let Some(service) = view.service(service) {
        return service_status(view, service);
    }
    let mut status = ServiceStatus::default();
    for task in view.tasks_of(service) {
        status.running += u64::from(task.status.state == TaskState::Running);
        status.completed += u64::from(task.status.state == TaskState::Complete);
    }
    status
}

#[cfg(test)]
mod tests {
    use skep_api::{JobStatus, ServiceSpec, Slot};

    use super::*;
    use crate::testing::{Cluster, cluster};
    use crate::{Change, Key, Object};

    /// A service of that mode with tasks in these states: seen, desired, iteration.
    fn count(mode: Mode, tasks: &[(TaskState, TaskState, u64)]) -> (Cluster, Service) {
        let mut cluster = cluster("node n1");
        let spec = ServiceSpec { name: "web".to_owned(), mode, ..ServiceSpec::default() };
        let mut service = Service::new(cluster.ids.next(), spec);
        if let Some(job) = &mut service.job {
            *job = JobStatus { iteration: 2, ..*job };
        }
        let mut changes = vec![Change::Create(Object::Service(service.clone()))];
        for (slot, (seen, desired, job_iteration)) in tasks.iter().enumerate() {
            let slot = Slot::Number(slot as u64);
            let mut task = Task::new(cluster.ids.next(), &service, slot);
            (task.status.state, task.desired) = (*seen, *desired);
            task.job_iteration = *job_iteration;
            changes.push(Change::Create(Object::Task(task)));
        }
        cluster.apply(changes);
        (cluster, service)
    }

    fn status(mode: Mode, tasks: &[(TaskState, TaskState, u64)]) -> (u64, u64, u64) {
        let (cluster, service) = count(mode, tasks);
        let status = service_status(&cluster.view(), &service);
        (status.running, status.desired, status.completed)
    }

    #[test]
    fn behaviour_101_the_numbers_of_a_service_are_counted_by_its_mode() {
        use TaskState::{Complete, Failed, Pending, Remove, Running, Shutdown};
        let replicated = Mode::Replicated { replicas: 2 };
        let over_full = [(Running, Running, 0), (Running, Running, 0), (Running, Remove, 0)];
        assert_eq!(status(replicated, &over_full), (3, 2, 0), "whatever runs, runs");
        let ended = [(Pending, Running, 0), (Failed, Shutdown, 0), (Complete, Shutdown, 0)];
        assert_eq!(status(replicated, &ended), (0, 2, 1));
        assert_eq!(status(Mode::Global, &over_full), (3, 2, 0), "as many as are to run");
        let job = [
            (Complete, Complete, 2),
            (Running, Complete, 2),
            (Failed, Shutdown, 2),
            (Complete, Complete, 1),
            (Running, Remove, 1),
        ];
        let replicated_job = Mode::ReplicatedJob { max_concurrent: 3, total_completions: 9 };
        assert_eq!(status(replicated_job, &job), (1, 3, 1), "of the current iteration");
        assert_eq!(status(Mode::GlobalJob, &job), (1, 1, 1), "those not completed yet");
    }

    #[test]
    fn behaviour_101_of_a_service_that_is_gone_only_what_runs_is_counted() {
        let running = [(TaskState::Running, TaskState::Running, 0); 3];
        let (mut cluster, service) = count(Mode::Replicated { replicas: 3 }, &running);
        cluster.apply(vec![Change::Remove(Key::Service(service.id))]);
        let gone = ServiceStatus { running: 3, ..ServiceStatus::default() };
        assert_eq!(service_status_of(&cluster.view(), service.id), gone);
        let unknown = service_status_of(&cluster.view(), Id::from_u128(9));
        assert_eq!(unknown, ServiceStatus::default());
    }
}
