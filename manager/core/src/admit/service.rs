//! Services (semantics part 1.4).

use std::sync::Arc;

use skep_api::{
    Error, ErrorKind, Id, IdGen, JobStatus, Mode, Result, Service, ServiceSpec, SpecVersion, Time,
    UpdateState, UpdateStatus,
};

use super::{Admitted, out_of_sequence, port, reference, spec};
use crate::change::{Change, Key, Object};
use crate::decide::outdated_slots;
use crate::revise::revise;
use crate::store::{View, not_found};

/// What a user wants a service to become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServiceWrite {
    /// This.
    Spec(Box<ServiceSpec>),
    /// What it was before its last change: the two specs change places.
    Rollback,
    /// What it was at that version of its spec.
    RollbackTo(SpecVersion),
}

/// Admits a new service. References without ids are looked up by name.
pub fn admit_create_service(
    view: &View,
    spec: ServiceSpec,
    ids: &mut IdGen,
) -> Result<Admitted<Service>> {
    let admitted = draft_create(view, spec, ids)?;
    if let [Change::Create(Object::Service(service))] = admitted.changes.as_slice() {
        port::check_conflicts(view, service.id, &service.spec)?;
    }
    Ok(admitted)
}

/// Admits a change of a service. No change comes of a spec that is the stored one, unless it is a
/// job's, which runs again.
///
/// `version` is any version of the service that was read since its spec was last written: the
/// system writes services too (their ports, their update status), and a user's update must not fail
/// for that. `spec_version` is the version that the last write of the spec replaced, so everything
/// above it will do.
pub fn admit_update_service(
    view: &View,
    id: Id<Service>,
    version: u64,
    write: ServiceWrite,
) -> Result<Vec<Change>> {
    let service = view.service(id).ok_or_else(|| not_found("service", &id.to_string()))?;
    if version <= service.spec_version.0 || version > service.meta.version {
        return Err(out_of_sequence());
    }
    let changes = match write {
        ServiceWrite::Spec(spec) => {
            let changes = draft_update(view, service, *spec)?;
            if changes.is_empty() { rerun(service) } else { changes }
        }
        ServiceWrite::Rollback => {
            let previous = service.previous.as_ref().ok_or_else(|| {
                let message = format!("service {id} does not have a previous spec");
                Error::new(ErrorKind::FailedPrecondition, message)
            })?;
            draft_rollback(view, service, previous)?
        }
        ServiceWrite::RollbackTo(version) => {
            draft_rollback(view, service, revision(service, version)?)?
        }
    };
    if let [Change::Update(Object::Service(next))] = changes.as_slice()
        && next.spec.endpoint != service.spec.endpoint
    {
        port::check_conflicts(view, id, &next.spec)?;
    }
    Ok(changes)
}

/// Admits that a service goes. Its tasks are ended by the leader's loop.
pub fn admit_remove_service(view: &View, id: Id<Service>) -> Result<Vec<Change>> {
    view.service(id).ok_or_else(|| not_found("service", &id.to_string()))?;
    Ok(vec![Change::Remove(Key::Service(id))])
}

/// All checks of a new service but for other services' ports.
pub(super) fn draft_create(
    view: &View,
    mut spec: ServiceSpec,
    ids: &mut IdGen,
) -> Result<Admitted<Service>> {
    spec::check(&spec)?;
    reference::resolve(view, &mut spec)?;
    if view.service_named(&spec.name).is_some() {
        let message =
            format!("name conflicts with an existing object: service {} already exists", spec.name);
        return Err(Error::new(ErrorKind::AlreadyExists, message).hint(format!(
            "choose another name, or update it: `skep service update {}`",
            spec.name
        )));
    }
    let id = ids.next();
    let service = Service::new(id, spec);
    Ok(Admitted { id, changes: vec![Change::Create(Object::Service(service))] })
}

/// All checks of a changed service but for other services' ports. Next to nothing if nothing
/// changes, see [`resumed`].
pub(super) fn draft_update(
    view: &View,
    service: &Service,
    mut spec: ServiceSpec,
) -> Result<Vec<Change>> {
    if spec.name != service.spec.name {
        let message = "renaming services is not supported";
        return Err(Error::new(ErrorKind::Unimplemented, message));
    }
    let kind = |mode: &Mode| std::mem::discriminant(mode);
    if kind(&spec.mode) != kind(&service.spec.mode) {
        let message = "service mode change is not allowed";
        return Err(Error::new(ErrorKind::Unimplemented, message)
            .hint("remove the service and create it again"));
    }
    // A request that brings no credentials must not take away those that nodes pull with.
    let auth = &mut spec.task.component.registry_auth;
    if auth.is_none() {
        auth.clone_from(&service.spec.task.component.registry_auth);
    }
    spec::check(&spec)?;
    reference::resolve(view, &mut spec)?;
    if spec == *service.spec {
        return Ok(resumed(service).into_iter().collect());
    }
    let job = next_iteration(service);
    let next = Service { job, ..revise(view, service, Arc::new(spec)) };
    Ok(vec![Change::Update(Object::Service(next))])
}

/// What a write of the spec that a service has changes: an update that was paused goes on, and one
/// that is over is spoken of no more (semantics part 4). One that is under way is left alone.
fn resumed(service: &Service) -> Option<Change> {
    let status = service.update_status.as_ref()?;
    let under_way = matches!(status.state, UpdateState::Updating | UpdateState::RollbackStarted);
    let spec_version = SpecVersion(service.meta.version);
    let next = || Service { spec_version, update_status: None, ..service.clone() };
    (!under_way).then(|| Change::Update(Object::Service(next())))
}

/// A change back to a spec that the service had. Its tasks follow under that spec's rollback config.
fn draft_rollback(view: &View, service: &Service, spec: &ServiceSpec) -> Result<Vec<Change>> {
    let mut changes = draft_update(view, service, spec.clone())?;
    if let [Change::Update(Object::Service(next))] = changes.as_mut_slice()
        && !next.spec.mode.is_job()
    {
        next.update_status = Some(UpdateStatus {
            state: UpdateState::RollbackStarted,
            // The store stamps when.
            started_at: Time::ZERO,
            completed_at: None,
            message: "manually requested rollback".to_owned(),
            slots: outdated_slots(view, next),
        });
    }
    Ok(changes)
}

/// A spec that the service had, by its version.
fn revision(service: &Service, version: SpecVersion) -> Result<&ServiceSpec> {
    if version == service.spec_version {
        return Ok(&service.spec);
    }
    let kept = service.history.iter().find(|revision| revision.version == version);
    kept.map(|revision| revision.spec.as_ref()).ok_or_else(|| {
        let name = &service.spec.name;
        let versions: Vec<_> = service.history.iter().map(|r| r.version.0.to_string()).collect();
        let has = match versions.as_slice() {
            [] => "it has no older ones".to_owned(),
            versions => format!("it has {}", versions.join(", ")),
        };
        let message = format!("service {name} has no spec of version {}: {has}", version.0);
        Error::new(ErrorKind::NotFound, message)
            .hint(format!("`skep service history {name}` shows what there is to go back to"))
    })
}

/// A job that is updated starts over, even if nothing of it changes (semantics part 3.7). A stack that
/// is deployed again leaves the jobs that it does not change alone: that departs from Swarm, which
/// runs them all again.
fn rerun(service: &Service) -> Vec<Change> {
    let next = Service {
        spec_version: SpecVersion(service.meta.version),
        job: next_iteration(service),
        ..service.clone()
    };
    let is_job = service.job.is_some();
    is_job.then_some(Change::Update(Object::Service(next))).into_iter().collect()
}

/// The store says when it began.
fn next_iteration(service: &Service) -> Option<JobStatus> {
    service.job.map(|job| JobStatus { iteration: job.iteration + 1, ..job })
}
