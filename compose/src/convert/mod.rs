//! From a project to the specs a stack consists of (semantics parts 12.5 and 12.6).
//!
//! What a component has no use for (name servers, a terminal, capabilities of the kernel, limits of
//! processes, a stop signal, a user) is dropped, as it changes nothing a component could notice.
//! What would be a promise that nobody keeps (drivers for secrets, templates in configs, cluster
//! volumes, named pipes) is refused.

mod image;
mod networks;
mod objects;
mod ports;
mod service;
mod volumes;

use skep_api::{ConfigSpec, NetworkSpec, SecretSpec, ServiceSpec};

use crate::ComposeError;
use crate::load::ReadFile;
use crate::model::Project;

/// What a stack consists of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StackSpec {
    /// The networks its services are on, `default` first, then by their keys.
    pub networks: Vec<NetworkSpec>,
    /// The names of networks its services are on that must be there already.
    pub external_networks: Vec<String>,
    /// Its secrets, used or not, by their keys. Those that services use besides must be there.
    pub secrets: Vec<SecretSpec>,
    /// Its configs, used or not, by their keys. Those that services use besides must be there.
    pub configs: Vec<ConfigSpec>,
    /// Its services by their keys. Images are named as in the file; ids of secrets and configs are
    /// not known yet.
    pub services: Vec<ServiceSpec>,
}

/// Converts a project into the specs of the stack with that name.
pub fn convert(
    stack: &str,
    project: &Project,
    read_file: &dyn ReadFile,
) -> Result<StackSpec, ComposeError> {
    let blank = |c: char| c.is_whitespace() || c == '"' || c == '\'';
    if stack.trim_matches(blank).is_empty() {
        return Err(ComposeError::new(format!("invalid stack name: {stack:?}"))
            .hint("a stack's name is put before the names of all it consists of"));
    }
    image::check(project)?;
    let stack = Stack { name: stack };
    let services = project
        .services
        .iter()
        .map(|(key, service)| {
            service::convert(stack, key, service, project).map_err(|error| within(key, error))
        })
        .collect::<Result<Vec<ServiceSpec>, _>>()?;
    let (networks, external_networks) = networks::convert(stack, project);
    Ok(StackSpec {
        networks,
        external_networks,
        secrets: objects::secrets(stack, project, read_file)?,
        configs: objects::configs(stack, project, read_file)?,
        services,
    })
}

fn within(service: &str, mut error: ComposeError) -> ComposeError {
    error.message = format!("service {service}: {}", error.message);
    error
}

/// The stack things are made for.
#[derive(Debug, Clone, Copy)]
struct Stack<'a> {
    name: &'a str,
}

impl Stack<'_> {
    /// The name in the swarm: the one that was given, or the stack's and the key.
    fn scoped(self, key: &str, given: &str) -> String {
        if given.is_empty() { format!("{}_{key}", self.name) } else { given.to_owned() }
    }

    /// The labels, with the one that makes it part of the stack.
    fn labels(
        self,
        labels: &std::collections::BTreeMap<String, String>,
    ) -> std::collections::BTreeMap<String, String> {
        let mut labels = labels.clone();
        labels.insert(skep_api::STACK_LABEL.to_owned(), self.name.to_owned());
        labels
    }
}
