//! A service with another spec, and the specs that it keeps for going back.

use std::sync::Arc;

use skep_api::{Revision, Service, ServiceSpec, SpecVersion, Time};

use crate::store::View;

/// How many old specs a service keeps at most, whatever the task history limit says: all of them are
/// written with every change of the service, which has to fit into one raft entry.
pub const REVISIONS_MAX: usize = 20;

/// The service with another spec. The one it had becomes the one before and joins its history; the
/// update status is cleared, as with every write of a spec (semantics part 4).
pub(crate) fn revise(view: &View, service: &Service, spec: Arc<ServiceSpec>) -> Service {
    let mut history = service.history.clone();
    // The store stamps when.
    let (version, old, until) = (service.spec_version, Arc::clone(&service.spec), Time::ZERO);
    history.push(Revision { version, spec: old, until });
    let limit = view.cluster().map_or(REVISIONS_MAX, |cluster| {
        // A negative limit keeps all that can be kept.
        usize::try_from(cluster.spec.task_history_limit).unwrap_or(REVISIONS_MAX)
    });
    history.drain(..history.len().saturating_sub(limit.min(REVISIONS_MAX)));
    Service {
        spec,
        spec_version: SpecVersion(service.meta.version),
        previous: Some(Arc::clone(&service.spec)),
        history,
        update_status: None,
        ..service.clone()
    }
}
