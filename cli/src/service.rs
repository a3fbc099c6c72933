//! `skep service`.

use serde_json::Value;
use skep_api::{PortConfig, PublishMode, Service, ServiceSpec};
use skep_wire::pb;

use crate::args::{self, Inspect, ListArgs, ServiceCreate, ServiceUpdate, TaskListArgs, Waiting};
use crate::client::Client;
use crate::error::{CliError, CliResult, Errors};
use crate::out::{self, Column, List, row};
use crate::{filter, inspect, logs, pretty, progress, registry_auth, spec, tasks};

const COLUMNS: &[Column] = &[
    ("ID", "ID"),
    ("Name", "NAME"),
    ("Mode", "MODE"),
    ("Replicas", "REPLICAS"),
    ("Image", "IMAGE"),
    ("Ports", "PORTS"),
];

pub(crate) async fn run(client: &Client, verb: args::Service) -> CliResult<()> {
    match verb {
        args::Service::Create(create) => self::create(client, &create).await,
        args::Service::Ls(list) => ls(client, &list).await,
        args::Service::Ps { list, services } => ps(client, &list, &services).await,
        args::Service::Inspect(inspect) => show(client, &inspect).await,
        args::Service::Logs(logs) => logs::run(client, &logs).await,
        args::Service::Scale { detach, scales } => scale(client, detach, &scales).await,
        args::Service::Update(update) => self::update(client, &update).await,
        args::Service::Rm(names) => rm(client, &names.names).await,
    }
}

async fn create(client: &Client, args: &ServiceCreate) -> CliResult<()> {
    let mut spec = spec::created(args)?;
    if args.with_registry_auth {
        spec.task.component.registry_auth = registry_auth::for_image(&spec.task.component.image)?;
    }
    let request = pb::CreateServiceRequest { spec: Some((&spec).into()) };
    let created = client.control().create_service(request).await?.into_inner();
    warn(&created.warnings);
    out::line(&created.id)?;
    wait(client, &created.id, &created.id, args.waiting).await
}

async fn wait(client: &Client, id: &str, called: &str, waiting: Waiting) -> CliResult<()> {
    if waiting.detach {
        return Ok(());
    }
    progress::wait(client, id, called, waiting.quiet).await
}

fn warn(warnings: &[String]) {
    for warning in warnings {
        out::note(warning);
    }
}

async fn ls(client: &Client, args: &ListArgs) -> CliResult<()> {
    let request = filter::objects(&args.filters, &["id", "name", "label", "mode", "runtime"])?;
    let rows = client.control().list_services(request).await?.into_inner().services;
    print_list(rows, args)
}

/// Prints services as `service ls` and `stack services` do.
pub(crate) fn print_list(services: Vec<pb::ServiceRow>, args: &ListArgs) -> CliResult<()> {
    let mut rows = Vec::with_capacity(services.len());
    for counted in services {
        let service = Service::try_from(counted.service.unwrap_or_default())?;
        let image = service.spec.task.component.image.split('@').next().unwrap_or_default();
        let max = service.spec.task.placement.max_replicas;
        let cap = if max > 0 { format!(" (max {max} per node)") } else { String::new() };
        rows.push((
            tasks::natural(&service.spec.name),
            row([
                ("ID", service.id.short().into()),
                ("Name", service.spec.name.clone().into()),
                ("Mode", service.spec.mode.name().into()),
                ("Replicas", format!("{}/{}{cap}", counted.running, counted.desired).into()),
                ("Image", image.into()),
                ("Ports", ingress_ports(&service.endpoint.ports).into()),
            ]),
        ));
    }
    rows.sort_by(|a, b| a.0.cmp(&b.0));
    let rows = rows.into_iter().map(|(_, row)| row).collect();
    let list = List { columns: COLUMNS, further: &[("Labels", "LABELS")], quiet_key: "ID", rows };
    list.print(args.format.as_deref(), args.quiet)
}

/// `*:8081->8080/tcp`, runs of ports joined as `*:8000-8002->80-82/tcp`.
fn ingress_ports(ports: &[PortConfig]) -> String {
    let mut ports: Vec<&PortConfig> =
        ports.iter().filter(|port| port.mode == PublishMode::Ingress).collect();
    ports.sort_by_key(|port| (port.protocol, port.published, port.target));
    let mut runs: Vec<(&PortConfig, u16)> = Vec::new();
    for port in ports {
        match runs.last_mut() {
            Some((first, more))
                if first.protocol == port.protocol
                    && first.published.checked_add(*more + 1) == Some(port.published)
                    && first.target.checked_add(*more + 1) == Some(port.target) =>
            {
                *more += 1;
            }
            _ => runs.push((port, 0)),
        }
    }
    let range = |first: u16, more: u16| {
        if more == 0 { first.to_string() } else { format!("{first}-{}", first + more) }
    };
    let texts: Vec<String> = runs
        .into_iter()
        .map(|(port, more)| {
            let (published, target) = (range(port.published, more), range(port.target, more));
            format!("*:{published}->{target}/{}", port.protocol.name())
        })
        .collect();
    texts.join(", ")
}

async fn ps(client: &Client, args: &TaskListArgs, services: &[String]) -> CliResult<()> {
    let mut errors = Errors::default();
    let mut ids = Vec::new();
    for name in services {
        match client.control().get_service(pb::ByName { name: name.clone() }).await {
            Ok(service) => ids.push(service.into_inner().id),
            Err(status) if status.code() == tonic::Code::NotFound => {
                errors.push(CliError::new(format!("no such service: {name}")));
            }
            Err(status) => return Err(status.into()),
        }
    }
    if !ids.is_empty() {
        let mut request = filter::tasks(&args.list.filters)?;
        request.services = ids;
        let rows = client.control().list_tasks(request).await?.into_inner().tasks;
        tasks::print(rows, args)?;
    }
    errors.into_result()
}

async fn show(client: &Client, args: &Inspect) -> CliResult<()> {
    let not_found = |name: &str| format!("Error: no such service: {name}");
    inspect::run(client, args, "/services/", "?insertDefaults=true", not_found, pretty::service)
        .await
}

async fn scale(client: &Client, detach: bool, scales: &[String]) -> CliResult<()> {
    let mut wanted = Vec::new();
    for scale in scales {
        let Some((name, count)) = scale.split_once('=') else {
            return Err(CliError::new(format!("invalid scale specifier '{scale}'."))
                .hint("write SERVICE=REPLICAS, such as `skep service scale web=3`"));
        };
        let replicas: u64 = count.parse().map_err(|_| {
            let why = "strconv.ParseUint: parsing";
            CliError::new(format!(
                "{name}: invalid replicas value {count}: {why} {count:?}: invalid syntax"
            ))
        })?;
        wanted.push((name, replicas));
    }
    let (mut errors, mut scaled) = (Errors::default(), Vec::new());
    for (name, replicas) in wanted {
        let set = |spec: &mut ServiceSpec| match &mut spec.mode {
            skep_api::Mode::Replicated { replicas: now } => {
                *now = replicas;
                Ok(())
            }
            _ => Err(CliError::new(format!(
                "{name}: scale can only be used with replicated or replicated-job mode"
            ))),
        };
        match change(client, name, set).await {
            Ok((id, _)) => {
                out::line(&format!("{name} scaled to {replicas}"))?;
                scaled.push((id, name));
            }
            Err(error) => {
                errors.push(CliError { message: format!("{name}: {}", error.message), ..error })
            }
        }
    }
    if !detach {
        for (id, name) in scaled {
            progress::wait(client, &id, name, false).await?;
        }
    }
    errors.into_result()
}

async fn update(client: &Client, args: &ServiceUpdate) -> CliResult<()> {
    let mut names = std::collections::BTreeMap::new();
    for name in args.networks_rm.iter().chain(&args.networks_add) {
        let by_name = pb::ByName { name: name.split(',').next().unwrap_or(name).to_owned() };
        if let Ok(network) = client.control().get_network(by_name).await {
            names.insert(name.clone(), network.into_inner().id);
        }
    }
    let apply = |spec: &mut ServiceSpec| {
        spec::updated(spec, args)?;
        if args.with_registry_auth {
            spec.task.component.registry_auth =
                registry_auth::for_image(&spec.task.component.image)?;
        }
        spec::change_networks(spec, args, &names)
    };
    let (id, warnings) = change(client, &args.service, apply).await?;
    warn(&warnings);
    out::line(&args.service)?;
    wait(client, &id, &args.service, args.waiting).await
}

/// Reads a service, changes its spec and writes it back. Somebody else's write in between is no
/// reason to bother the user: the change is made again on what they wrote.
async fn change(
    client: &Client,
    name: &str,
    apply: impl Fn(&mut ServiceSpec) -> CliResult<()>,
) -> CliResult<(String, Vec<String>)> {
    const ATTEMPTS_MAX: usize = 5;
    let mut attempt = 0;
    loop {
        attempt += 1;
        let by_name = pb::ByName { name: name.to_owned() };
        let service = Service::try_from(client.control().get_service(by_name).await?.into_inner())?;
        let mut spec = ServiceSpec::clone(&service.spec);
        apply(&mut spec)?;
        let request = pb::UpdateServiceRequest {
            id: service.id.to_string(),
            version: service.meta.version,
            spec: Some((&spec).into()),
            rollback: false,
        };
        match client.control().update_service(request).await {
            Ok(answer) => return Ok((service.id.to_string(), answer.into_inner().warnings)),
            Err(status) if status.code() == tonic::Code::Aborted && attempt < ATTEMPTS_MAX => {}
            Err(status) => return Err(status.into()),
        }
    }
}

async fn rm(client: &Client, names: &[String]) -> CliResult<()> {
    let mut errors = Errors::default();
    for name in names {
        match client.control().remove_service(pb::ByName { name: name.clone() }).await {
            Ok(_) => out::line(name)?,
            Err(status) => errors.push(status.into()),
        }
    }
    errors.into_result()
}

/// Used where a JSON value names a thing that may be missing.
pub(crate) fn text(value: &Value, path: &str) -> String {
    match value.pointer(path) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_published_ports_are_joined() {
        let port = |published, target| PortConfig { published, target, ..PortConfig::default() };
        assert_eq!(ingress_ports(&[port(8081, 80)]), "*:8081->80/tcp");
        let many = [port(8002, 82), port(8000, 80), port(8001, 81), port(9000, 90)];
        assert_eq!(ingress_ports(&many), "*:8000-8002->80-82/tcp, *:9000->90/tcp");
    }
}
