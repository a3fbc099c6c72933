//! Writing: admit against what is stored, propose, and again if the store moved meanwhile.

use skep_api::{Error, Id, IdGen, Result, Service, ServiceSpec, SpecVersion};
use skep_manager_core::{
    Admitted, Change, Key, Prune, ServiceWrite, StackAction, StackRequest, View,
    admit_create_service, admit_remove_stack, admit_stack, admit_update_service,
};
use skep_wire::pb;

use super::Inner;
use super::image::{Found, Lookup, pin};
use crate::raft::ProposeError;

/// How often a request is admitted again because the store moved before its changes arrived. Each
/// time another writer was served, so that more than a few in a row does not happen.
const ADMISSIONS_MAX: usize = 20;

impl Inner {
    /// Admits and proposes. What comes back was written, and is seen by who reads after it.
    pub(super) async fn write<T>(
        &self,
        admit: impl Fn(&View, &mut IdGen) -> Result<(Vec<Change>, T)>,
    ) -> Result<T> {
        let mut refused = None;
        for _ in 0..ADMISSIONS_MAX {
            let view = self.group.board().view();
            let (changes, outcome) = admit(&view, &mut self.ids())?;
            if changes.is_empty() {
                return Ok(outcome);
            }
            match self.group.propose(changes).await {
                Ok(_) => return Ok(outcome),
                Err(error @ ProposeError::Refused(_)) => refused = Some(error),
                Err(error) => return Err(error.into()),
            }
        }
        Err(refused.map_or_else(|| Error::internal("nothing was admitted"), Error::from))
    }

    /// Makes something; answers its id.
    pub(super) async fn create<T>(
        &self,
        admit: impl Fn(&View, &mut IdGen) -> Result<Admitted<T>>,
    ) -> Result<pb::Created> {
        let id = self.write(|view, ids| {
            let Admitted { id, changes } = admit(view, ids)?;
            Ok((changes, id))
        });
        Ok(pb::Created { id: id.await?.to_string() })
    }

    /// Removes what `name` means; answers what that was.
    pub(super) async fn remove<T>(
        &self,
        name: &str,
        find: impl Fn(&View, &str) -> Result<(Id<T>, String)>,
        admit: impl Fn(&View, Id<T>) -> Result<Vec<Change>>,
    ) -> Result<pb::Removed> {
        self.write(|view, _| {
            let (id, name) = find(view, name)?;
            let removed = pb::Removed { id: id.to_string(), name };
            Ok((admit(view, id)?, removed))
        })
        .await
    }

    pub(super) async fn create_service(
        &self,
        request: pb::CreateServiceRequest,
    ) -> Result<pb::CreateServiceResponse> {
        let lookup = Lookup::parse(&request.resolve_image)?;
        let mut spec = service_spec(request.spec)?;
        // Refused before its image is looked up: that may take a while.
        admit_create_service(&self.group.board().view(), spec.clone(), &mut self.ids())?;
        let mut found = Found::default();
        pin(&*self.images, lookup, &mut spec, None, &mut found).await?;
        let created = self
            .create(|view, ids| {
                let mut admitted = admit_create_service(view, spec.clone(), ids)?;
                found.note(view, &*self.images, &mut admitted.changes);
                Ok(admitted)
            })
            .await?;
        Ok(pb::CreateServiceResponse { id: created.id, warnings: found.warnings })
    }

    pub(super) async fn update_service(
        &self,
        request: pb::UpdateServiceRequest,
    ) -> Result<pb::UpdateServiceResponse> {
        let lookup = Lookup::parse(&request.resolve_image)?;
        let view = self.group.board().view();
        let before = view.find_service(&request.id)?;
        let id: Id<Service> = before.id;
        let mut found = Found::default();
        let write = match (request.rollback, request.rollback_to) {
            (true, None) => ServiceWrite::Rollback,
            (true, Some(version)) => ServiceWrite::RollbackTo(SpecVersion(version)),
            (false, Some(_)) => {
                return Err(Error::invalid("rollback_to says where to: rollback must be set too"));
            }
            (false, None) => {
                let mut spec = service_spec(request.spec)?;
                let first = ServiceWrite::Spec(Box::new(spec.clone()));
                admit_update_service(&view, id, request.version, first)?;
                pin(&*self.images, lookup, &mut spec, Some(&before.spec), &mut found).await?;
                ServiceWrite::Spec(Box::new(spec))
            }
        };
        self.write(|view, _| {
            let mut changes = admit_update_service(view, id, request.version, write.clone())?;
            found.note(view, &*self.images, &mut changes);
            Ok((changes, ()))
        })
        .await?;
        Ok(pb::UpdateServiceResponse { warnings: found.warnings })
    }

    /// One request: all of it is admitted, then it is written, in one entry where it fits.
    pub(super) async fn deploy(
        &self,
        request: pb::DeployStackRequest,
    ) -> Result<pb::DeployStackResponse> {
        let lookup = Lookup::parse(&request.resolve_image)?;
        let mut stack = StackRequest {
            stack: request.stack,
            networks: all(request.networks)?,
            secrets: all(request.secrets)?,
            configs: all(request.configs)?,
            services: all(request.services)?,
            external_networks: request.external_networks,
            prune: if request.prune { Prune::Remove } else { Prune::Keep },
        };
        let view = self.group.board().view();
        admit_stack(&view, stack.clone(), &mut self.ids())?;
        let mut found = Found::default();
        for spec in &mut stack.services {
            let before = view.service_named(&spec.name).map(|service| service.spec.as_ref());
            pin(&*self.images, lookup, spec, before, &mut found).await?;
        }
        let actions = self.write(|view, ids| {
            let (mut changes, actions) = admit_stack(view, stack.clone(), ids)?;
            found.note(view, &*self.images, &mut changes);
            Ok((changes, actions))
        });
        let actions = actions.await?.iter().map(action).collect();
        Ok(pb::DeployStackResponse { actions, warnings: found.warnings })
    }

    pub(super) async fn remove_stack(&self, stack: &str) -> Result<pb::RemoveStackResponse> {
        let actions = self.write(|view, _| admit_remove_stack(view, stack)).await?;
        Ok(pb::RemoveStackResponse { actions: actions.iter().map(action).collect() })
    }
}

fn service_spec(spec: Option<pb::ServiceSpec>) -> Result<ServiceSpec> {
    let spec = spec.ok_or_else(|| Error::invalid("the request has no service spec"))?;
    Ok(ServiceSpec::try_from(spec)?)
}

fn all<P, D: TryFrom<P, Error = skep_wire::WireError>>(messages: Vec<P>) -> Result<Vec<D>> {
    messages.into_iter().map(|message| D::try_from(message).map_err(Error::from)).collect()
}

/// An action as it is told: `Creating service web`.
fn action(action: &StackAction) -> pb::StackAction {
    let (kind, id) = match action.key {
        Key::Cluster(id) => ("swarm", id.to_string()),
        Key::Node(id) => ("node", id.to_string()),
        Key::Service(id) => ("service", id.to_string()),
        Key::Task(id) => ("task", id.to_string()),
        Key::Network(id) => ("network", id.to_string()),
        Key::Secret(id) => ("secret", id.to_string()),
        Key::Config(id) => ("config", id.to_string()),
    };
    pb::StackAction {
        verb: action.verb.progressive().to_owned(),
        kind: kind.to_owned(),
        name: action.name.clone(),
        id,
    }
}
