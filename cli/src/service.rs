//! `skep service`.

mod history;
mod scale;

use serde_json::Value;
use skep_api::{Mode, PortConfig, PublishMode, Service, ServiceSpec, Task, TaskState};
use skep_wire::pb;

use crate::args::{self, Inspect, ListArgs, ServiceCreate, ServiceUpdate, TaskListArgs, Waiting};
use crate::client::Client;
use crate::error::{CliError, CliResult, Errors};
use crate::out::{self, Column, List, row};
use crate::progress::{After, Show};
use crate::waits::Waits;
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
        args::Service::Scale { detach, scales } => scale::run(client, detach, &scales).await,
        args::Service::Update(update) => self::update(client, &update).await,
        args::Service::Rollback { to, waiting, service } => {
            history::rollback(client, &service, to, waiting).await
        }
        args::Service::History { list, service } => history::run(client, &list, &service).await,
        args::Service::Rm(names) => rm(client, &names.names).await,
    }
}

async fn create(client: &Client, args: &ServiceCreate) -> CliResult<()> {
    let mut spec = spec::created(args)?;
    if args.scalars.with_registry_auth {
        spec.task.component.registry_auth = registry_auth::for_image(&spec.task.component.image)?;
    }
    let request = pb::CreateServiceRequest {
        spec: Some((&spec).into()),
        resolve_image: resolve_image(args.scalars.no_resolve_image),
    };
    let created = client.control().create_service(request).await?.into_inner();
    warn(&created.warnings);
    out::line(&created.id)?;
    wait(client, &created.id, &created.id, After::Change, args.waiting).await
}

async fn wait(
    client: &Client,
    id: &str,
    called: &str,
    after: After,
    waiting: Waiting,
) -> CliResult<()> {
    if waiting.detach {
        return Ok(());
    }
    let show = if waiting.quiet { Show::Nothing } else { Show::Lines };
    progress::wait(client, id, called, after, show).await
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
        let replicas = replicas(&service, counted.running, counted.desired, counted.completed);
        rows.push((
            tasks::natural(&service.spec.name),
            row([
                ("ID", service.id.short().into()),
                ("Name", service.spec.name.clone().into()),
                ("Mode", service.spec.mode.name().into()),
                ("Replicas", replicas.into()),
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

/// `1/3`, with a cap `1/3 (max 2 per node)`; of a job `1/2 (3/5 completed)`.
fn replicas(service: &Service, running: u64, desired: u64, completed: u64) -> String {
    let max = service.spec.task.placement.max_replicas;
    match service.spec.mode {
        Mode::ReplicatedJob { total_completions, .. } => {
            format!("{running}/{desired} ({completed}/{total_completions} completed)")
        }
        // Wanted are those that are not complete yet.
        Mode::GlobalJob => {
            format!("{running}/{desired} ({completed}/{} completed)", desired + completed)
        }
        _ if max > 0 => format!("{running}/{desired} (max {max} per node)"),
        _ => format!("{running}/{desired}"),
    }
}

/// `--no-resolve-image` in the words of `stack deploy --resolve-image`.
fn resolve_image(never: bool) -> String {
    if never { "never" } else { "always" }.to_owned()
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
        tasks::print(client, rows, args).await?;
    }
    errors.into_result()
}

async fn show(client: &Client, args: &Inspect) -> CliResult<()> {
    let not_found = |name: &str| format!("Error: no such service: {name}");
    let path = ("/services/", "?insertDefaults=true");
    let (mut found, errors) = inspect::find(client, &args.names, path, not_found).await;
    if args.pretty {
        for value in &mut found {
            let waits = waiting(client, &text(value, "/ID")).await?;
            value["Waits"] = waits.into();
        }
    }
    inspect::print(&found, args, pretty::service)?;
    errors.into_result()
}

/// What the service's update and those of its tasks wait for that do not run, and why ended ones are
/// not started again; a line each: `web.1: starts in 5s`.
async fn waiting(client: &Client, id: &str) -> CliResult<Vec<String>> {
    let waits = Waits::of_service(client, id).await?;
    let mut lines: Vec<String> =
        waits.update.iter().map(|line| format!("update: {line}")).collect();
    let request = pb::ListTasksRequest { services: vec![id.to_owned()], ..Default::default() };
    let rows = client.control().list_tasks(request).await?.into_inner().tasks;
    let mut tasks = Vec::new();
    for row in rows {
        tasks.push((Task::try_from(row.task.unwrap_or_default())?, row.service_name));
    }
    tasks.sort_by_key(|(task, _)| task.slot);
    for (task, service) in &tasks {
        if task.is_wanted() && task.status.state == TaskState::Running {
            continue;
        }
        let name = task.short_name(service);
        lines.extend(waits.about(task).iter().map(|line| format!("{name}: {line}")));
    }
    Ok(lines)
}

async fn update(client: &Client, args: &ServiceUpdate) -> CliResult<()> {
    if spec::is_rollback(args)? {
        return history::rollback(client, &args.service, None, args.waiting).await;
    }
    let mut names = std::collections::BTreeMap::new();
    for name in args.networks_rm.iter().chain(&args.networks_add) {
        let by_name = pb::ByName { name: name.split(',').next().unwrap_or(name).to_owned() };
        if let Ok(network) = client.control().get_network(by_name).await {
            names.insert(name.clone(), network.into_inner().id);
        }
    }
    let apply = |spec: &mut ServiceSpec| {
        spec::updated(spec, args)?;
        if args.scalars.with_registry_auth {
            spec.task.component.registry_auth =
                registry_auth::for_image(&spec.task.component.image)?;
        }
        spec::change_networks(spec, args, &names)
    };
    let resolve = resolve_image(args.scalars.no_resolve_image);
    let (id, warnings) = change(client, &args.service, &resolve, apply).await?;
    warn(&warnings);
    out::line(&args.service)?;
    wait(client, &id, &args.service, After::Change, args.waiting).await
}

/// Reads a service, changes its spec and writes it back. Somebody else's write in between is no
/// reason to bother the user: the change is made again on what they wrote.
async fn change(
    client: &Client,
    name: &str,
    resolve_image: &str,
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
            resolve_image: resolve_image.to_owned(),
            ..Default::default()
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

    #[test]
    fn replicas_are_told_by_mode() {
        let told = |mode, max_replicas, running, desired, completed| {
            let mut spec = ServiceSpec { mode, ..ServiceSpec::default() };
            spec.task.placement.max_replicas = max_replicas;
            let service = Service::new(skep_api::Id::from_u128(1), spec);
            replicas(&service, running, desired, completed)
        };
        let job = Mode::ReplicatedJob { max_concurrent: 2, total_completions: 5 };
        assert_eq!(told(Mode::Replicated { replicas: 3 }, 0, 1, 3, 0), "1/3");
        assert_eq!(told(Mode::Replicated { replicas: 3 }, 2, 1, 3, 0), "1/3 (max 2 per node)");
        assert_eq!(told(Mode::Global, 0, 1, 1, 0), "1/1");
        assert_eq!(told(job, 2, 1, 2, 3), "1/2 (3/5 completed)");
        assert_eq!(told(Mode::GlobalJob, 0, 1, 2, 3), "1/2 (3/5 completed)");
    }
}
