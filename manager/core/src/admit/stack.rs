//! Stacks (semantics part 12.7): many objects in one request, admitted as a whole.
//!
//! Docker's client creates a stack's objects one by one and leaves a half of it behind when one is
//! refused. Here everything is checked first, each object against the store as the objects before it
//! will have made it, and published ports against the stack as a whole.

use std::collections::{BTreeMap, BTreeSet};

use skep_api::{
    ConfigSpec, Error, Id, IdGen, NetworkSpec, Result, STACK_LABEL, SecretSpec, Service,
    ServiceSpec,
};

use super::{config, network, port, secret, service};
use crate::change::{Change, Key};
use crate::draft::Draft;
use crate::store::View;

/// A stack as a user wants it. All names are full names, `stack_web`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StackRequest {
    /// Its name.
    pub stack: String,
    /// Its networks; those that are there already are left as they are.
    pub networks: Vec<NetworkSpec>,
    /// Its secrets; those that are there must have the same content.
    pub secrets: Vec<SecretSpec>,
    /// Its configs; those that are there must have the same content.
    pub configs: Vec<ConfigSpec>,
    /// Its services; those that are there are updated.
    pub services: Vec<ServiceSpec>,
    /// The networks of others that it is on.
    pub external_networks: Vec<String>,
    /// What becomes of services that it has no more.
    pub prune: Prune,
}

/// What becomes of a stack's services that a new version of it does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Prune {
    /// They stay.
    #[default]
    Keep,
    /// They are removed.
    Remove,
}

/// Something that was done to a stack, as it is told: `Creating service x`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StackAction {
    /// What is done.
    pub verb: Verb,
    /// What it is done to.
    pub key: Key,
    /// Its name.
    pub name: String,
}

/// What is done to an object of a stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// It is made.
    Create,
    /// It is updated, if only to what it is.
    Update,
    /// It is removed.
    Remove,
}

impl Verb {
    /// The word that Docker's client says: `Creating`, `Updating`, `Removing`.
    pub const fn progressive(self) -> &'static str {
        match self {
            Self::Create => "Creating",
            Self::Update => "Updating",
            Self::Remove => "Removing",
        }
    }
}

/// Admits a stack: what to propose, in this order, and what to tell.
pub fn admit_stack(
    view: &View,
    request: StackRequest,
    ids: &mut IdGen,
) -> Result<(Vec<Change>, Vec<StackAction>)> {
    let StackRequest { stack, networks, secrets, configs, services, external_networks, prune } =
        request;
    check_stack_name(&stack)?;
    check_external(view, &external_networks)?;
    check_named_once(&services)?;
    let mut deploy = Deploy { stack, draft: Draft::new(view, view.time()), actions: Vec::new() };
    if prune == Prune::Remove {
        deploy.prune(&services);
    }
    for spec in networks {
        deploy.network(spec, ids)?;
    }
    for spec in secrets {
        deploy.secret(spec, ids)?;
    }
    for spec in configs {
        deploy.config(spec, ids)?;
    }
    let mut written = Vec::with_capacity(services.len());
    for spec in services {
        written.extend(deploy.service(spec, ids)?);
    }
    // Only now, since a port may move from one service of the stack to another; and backwards, since
    // of two services of a stack that want a port the later one is told.
    let after = deploy.draft.view();
    for (act, id) in written.into_iter().rev() {
        if let Some(service) = after.service(id) {
            port::check_conflicts(&after, id, &service.spec)
                .map_err(|error| failed(act, "service", &service.spec.name, error))?;
        }
    }
    Ok((deploy.draft.finish(), deploy.actions))
}

/// Admits that a stack goes: services, secrets, configs, networks. No action means that there is no
/// such stack. Unlike Docker's client, which removes what it can, it refuses as a whole if something
/// outside the stack uses a part of it.
pub fn admit_remove_stack(view: &View, stack: &str) -> Result<(Vec<Change>, Vec<StackAction>)> {
    check_stack_name(stack)?;
    let stack = stack.to_owned();
    let mut deploy = Deploy { stack, draft: Draft::new(view, view.time()), actions: Vec::new() };
    deploy.prune(&[]);
    let stack = deploy.stack.clone();
    let is_part = |labels: &BTreeMap<String, String>| labels.get(STACK_LABEL) == Some(&stack);
    let refused = |error: Error| {
        let message = format!("failed to remove some resources from stack: {stack}");
        Error { kind: error.kind, message, hint: Some(format!("{error}; nothing was removed")) }
    };
    let mut secrets: Vec<_> = view.secrets().filter(|o| is_part(&o.spec.labels)).collect();
    secrets.sort_by_key(|o| &o.spec.name);
    for secret in secrets {
        let changes = secret::admit_remove_secret(&deploy.draft.view(), secret.id);
        deploy.write(
            Verb::Remove,
            Key::Secret(secret.id),
            &secret.spec.name,
            changes.map_err(refused)?,
        );
    }
    let mut configs: Vec<_> = view.configs().filter(|o| is_part(&o.spec.labels)).collect();
    configs.sort_by_key(|o| &o.spec.name);
    for config in configs {
        let changes = config::admit_remove_config(&deploy.draft.view(), config.id);
        deploy.write(
            Verb::Remove,
            Key::Config(config.id),
            &config.spec.name,
            changes.map_err(refused)?,
        );
    }
    let mut networks: Vec<_> = view.networks().filter(|o| is_part(&o.spec.labels)).collect();
    networks.sort_by_key(|o| &o.spec.name);
    for network in networks {
        // Its own tasks still live at this moment; another's service still counts.
        let after = deploy.draft.view();
        if let Some(user) = after.services_on(network.id).next() {
            let message = format!("network {} is in use by service {}", network.id, user.id);
            return Err(refused(Error::invalid(message)));
        }
        drop(after);
        let changes = vec![Change::Remove(Key::Network(network.id))];
        deploy.write(Verb::Remove, Key::Network(network.id), &network.spec.name, changes);
    }
    Ok((deploy.draft.finish(), deploy.actions))
}

/// A request under way.
struct Deploy {
    stack: String,
    draft: Draft,
    actions: Vec<StackAction>,
}

impl Deploy {
    fn network(&mut self, mut spec: NetworkSpec, ids: &mut IdGen) -> Result<()> {
        spec.labels.insert(STACK_LABEL.to_owned(), self.stack.clone());
        let view = self.draft.view();
        let existing = view.network_named(&spec.name);
        if existing.is_some_and(|n| n.spec.labels.get(STACK_LABEL) == Some(&self.stack)) {
            return Ok(());
        }
        let name = spec.name.clone();
        let made = network::admit_create_network(&view, spec, ids)
            .map_err(|error| failed("create", "network", &name, error))?;
        drop(view);
        self.write(Verb::Create, Key::Network(made.id), &name, made.changes);
        Ok(())
    }

    fn secret(&mut self, mut spec: SecretSpec, ids: &mut IdGen) -> Result<()> {
        spec.labels.insert(STACK_LABEL.to_owned(), self.stack.clone());
        let view = self.draft.view();
        let name = spec.name.clone();
        if let Some(old) = view.secret_named(&name) {
            let changes = secret::admit_update_secret(&view, old.id, old.meta.version, spec)
                .map_err(|error| failed("update", "secret", &name, error))?;
            drop(view);
            self.draft.add(changes);
            return Ok(());
        }
        let made = secret::admit_create_secret(&view, spec, ids)
            .map_err(|error| failed("create", "secret", &name, error))?;
        drop(view);
        self.write(Verb::Create, Key::Secret(made.id), &name, made.changes);
        Ok(())
    }

    fn config(&mut self, mut spec: ConfigSpec, ids: &mut IdGen) -> Result<()> {
        spec.labels.insert(STACK_LABEL.to_owned(), self.stack.clone());
        let view = self.draft.view();
        let name = spec.name.clone();
        if let Some(old) = view.config_named(&name) {
            let changes = config::admit_update_config(&view, old.id, old.meta.version, spec)
                .map_err(|error| failed("update", "config", &name, error))?;
            drop(view);
            self.draft.add(changes);
            return Ok(());
        }
        let made = config::admit_create_config(&view, spec, ids)
            .map_err(|error| failed("create", "config", &name, error))?;
        drop(view);
        self.write(Verb::Create, Key::Config(made.id), &name, made.changes);
        Ok(())
    }

    /// Returns what was done and the service's id if its ports may be new.
    fn service(
        &mut self,
        mut spec: ServiceSpec,
        ids: &mut IdGen,
    ) -> Result<Option<(&'static str, Id<Service>)>> {
        spec.labels.insert(STACK_LABEL.to_owned(), self.stack.clone());
        let view = self.draft.view();
        let name = spec.name.clone();
        let own = view
            .service_named(&name)
            .filter(|old| old.spec.labels.get(STACK_LABEL) == Some(&self.stack));
        let Some(old) = own else {
            let made = service::draft_create(&view, spec, ids)
                .map_err(|error| failed("create", "service", &name, error))?;
            drop(view);
            self.write(Verb::Create, Key::Service(made.id), &name, made.changes);
            return Ok(Some(("create", made.id)));
        };
        let id = old.id;
        let new_ports = old.spec.endpoint != spec.endpoint;
        // What `--force` counted is kept, or a deploy of the same file would replace all tasks.
        spec.task.force_update = old.spec.task.force_update;
        let changes = service::draft_update(&view, old, spec)
            .map_err(|error| failed("update", "service", &name, error))?;
        drop(view);
        self.write(Verb::Update, Key::Service(id), &name, changes);
        Ok(new_ports.then_some(("update", id)))
    }

    /// Removes the stack's services that are not in `kept`.
    fn prune(&mut self, kept: &[ServiceSpec]) {
        let view = self.draft.view();
        let kept: BTreeSet<_> = kept.iter().map(|spec| spec.name.to_lowercase()).collect();
        let mut gone: Vec<_> = view
            .stack_services(&self.stack)
            .filter(|service| !kept.contains(&service.spec.name.to_lowercase()))
            .map(|service| (service.spec.name.clone(), service.id))
            .collect();
        gone.sort();
        drop(view);
        for (name, id) in gone {
            let key = Key::Service(id);
            self.write(Verb::Remove, key, &name, vec![Change::Remove(key)]);
        }
    }

    fn write(&mut self, verb: Verb, key: Key, name: &str, changes: Vec<Change>) {
        self.draft.add(changes);
        self.actions.push(StackAction { verb, key, name: name.to_owned() });
    }
}

fn check_stack_name(stack: &str) -> Result<()> {
    let blank = stack.chars().all(|c| c.is_whitespace() || c == '"' || c == '\'');
    if blank { Err(Error::invalid(format!("invalid stack name: {stack:?}"))) } else { Ok(()) }
}

fn check_named_once(services: &[ServiceSpec]) -> Result<()> {
    let mut seen = BTreeSet::new();
    match services.iter().find(|spec| !seen.insert(spec.name.to_lowercase())) {
        Some(spec) => Err(Error::invalid(format!("service {} is in the stack twice", spec.name))),
        None => Ok(()),
    }
}

fn check_external(view: &View, names: &[String]) -> Result<()> {
    match names.iter().find(|name| view.network_named(name).is_none()) {
        Some(name) => Err(Error::invalid(format!(
            "network {name:?} is declared as external, but could not be found. You need to create \
             a swarm-scoped network before the stack is deployed"
        ))
        .hint("take `external` away, and the stack makes the network by itself")),
        None => Ok(()),
    }
}

/// Says which object of the stack was refused, as Docker's client does.
fn failed(act: &str, kind: &str, name: &str, error: Error) -> Error {
    let code = error.kind.rpc_name();
    let Error { kind: error_kind, message, hint } = error;
    let message =
        format!("failed to {act} {kind} {name}: rpc error: code = {code} desc = {message}");
    Error { kind: error_kind, message, hint }
}
