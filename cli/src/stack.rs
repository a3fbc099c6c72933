//! `skep stack`.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use skep_api::STACK_LABEL;
use skep_compose::{Interpolation, Loaded, Options, ReadFile, SourceFile, Warning};
use skep_wire::pb;

use crate::args::{self, FormatOnly, ListArgs, TaskListArgs};
use crate::client::Client;
use crate::error::{CliError, CliResult, Errors};
use crate::out::{self, Column, List, row};
use crate::progress::{After, Show};
use crate::{filter, flags, progress, registry_auth, service, tasks};

/// A compose file, or a file that it refers to, is at most so large; configs are the largest.
const FILE_BYTES_MAX: u64 = 4 << 20;

pub(crate) async fn run(client: &Client, verb: args::Stack) -> CliResult<()> {
    match verb {
        args::Stack::Deploy {
            files,
            detach,
            prune,
            quiet,
            resolve_image,
            with_registry_auth,
            stack,
        } => {
            let deploy = Deploy { detach, prune, quiet, resolve_image, with_registry_auth };
            self::deploy(client, &files, &stack, &deploy).await
        }
        args::Stack::Config { files, skip_interpolation } => {
            let off = if skip_interpolation { Interpolation::Off } else { Interpolation::On };
            config(&files, off)
        }
        args::Stack::Ls(format) => ls(client, &format).await,
        args::Stack::Ps { list, stack } => ps(client, &list, &stack).await,
        args::Stack::Services { list, stack } => services(client, &list, &stack).await,
        args::Stack::Rm(names) => rm(client, &names.names).await,
    }
}

struct Deploy {
    detach: bool,
    prune: bool,
    quiet: bool,
    resolve_image: String,
    with_registry_auth: bool,
}

/// Reads the files that compose files name.
struct Files;

impl ReadFile for Files {
    fn read(&self, path: &str) -> std::io::Result<Vec<u8>> {
        read_file(Path::new(path))
    }
}

fn read_file(path: &Path) -> std::io::Result<Vec<u8>> {
    read_bounded(std::fs::File::open(path)?)
}

fn read_bounded(source: impl Read) -> std::io::Result<Vec<u8>> {
    let mut data = Vec::new();
    source.take(FILE_BYTES_MAX + 1).read_to_end(&mut data)?;
    if data.len() as u64 > FILE_BYTES_MAX {
        return Err(std::io::Error::other(format!("it holds more than {FILE_BYTES_MAX} bytes")));
    }
    Ok(data)
}

fn load(files: &[String], interpolation: Interpolation) -> CliResult<Loaded> {
    let Some(first) = files.first() else {
        return Err(CliError::new("Specify a Compose file (with --compose-file)")
            .hint("for example: skep stack deploy -c compose.yml NAME"));
    };
    let current = std::env::current_dir()?;
    let working_dir = match first.as_str() {
        "-" => current,
        file => current.join(Path::new(file).parent().unwrap_or(Path::new(""))),
    };
    let texts = files.iter().map(|file| source_text(file)).collect::<CliResult<Vec<_>>>()?;
    let sources: Vec<SourceFile<'_>> =
        files.iter().zip(&texts).map(|(name, text)| SourceFile { name, text }).collect();
    let options = Options {
        env: std::env::vars_os()
            .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
            .collect(),
        working_dir: working_dir.to_string_lossy().into_owned(),
        home: std::env::var("HOME").ok(),
        interpolation,
    };
    Ok(skep_compose::load(&sources, &options, &Files).map_err(skep_api::Error::from)?)
}

fn source_text(file: &str) -> CliResult<String> {
    let read = match file {
        "-" => read_bounded(std::io::stdin()),
        path => read_file(Path::new(path)),
    };
    let bytes =
        read.map_err(|error| CliError::new(format!("open {file}: {}", flags::os_text(&error))))?;
    String::from_utf8(bytes)
        .map_err(|_| CliError::new(format!("{file} is not a text file in UTF-8")))
}

/// `stack config` prints Docker's shorter text about forbidden keys.
fn config(files: &[String], interpolation: Interpolation) -> CliResult<()> {
    let loaded = load(files, interpolation)?;
    for warning in &loaded.warnings {
        if matches!(warning, Warning::Notice(_)) {
            out::note(&warning.to_string());
        }
    }
    out::raw(skep_compose::print(&loaded.project).as_bytes())
}

async fn deploy(client: &Client, files: &[String], stack: &str, args: &Deploy) -> CliResult<()> {
    check_name(stack)?;
    if !["always", "changed", "never"].contains(&args.resolve_image.as_str()) {
        return Err(CliError::new(format!(
            "Invalid option {} for flag --resolve-image",
            args.resolve_image
        ))
        .hint("it is always, changed or never"));
    }
    let loaded = load(files, Interpolation::On)?;
    for warning in &loaded.warnings {
        out::note(warning.to_string().trim_end_matches('\n'));
    }
    let spec = skep_compose::convert(stack, &loaded.project, &Files);
    let mut spec = spec.map_err(skep_api::Error::from)?;
    if args.with_registry_auth {
        for service in &mut spec.services {
            let component = &mut service.task.component;
            component.registry_auth = registry_auth::for_image(&component.image)?;
        }
    }
    let request = pb::DeployStackRequest {
        stack: stack.to_owned(),
        networks: spec.networks.iter().map(Into::into).collect(),
        secrets: spec.secrets.iter().map(Into::into).collect(),
        configs: spec.configs.iter().map(Into::into).collect(),
        services: spec.services.iter().map(Into::into).collect(),
        external_networks: spec.external_networks,
        prune: args.prune,
        resolve_image: args.resolve_image.clone(),
    };
    let done = client.control().deploy_stack(request).await?.into_inner();
    for warning in &done.warnings {
        out::note(warning);
    }
    print_actions(&done.actions)?;
    if !args.detach {
        let show = if args.quiet { Show::Nothing } else { Show::Lines };
        for action in done.actions.iter().filter(|a| a.kind == "service" && a.verb != "Removing") {
            progress::wait(client, &action.id, &action.name, After::Change, show).await?;
        }
    }
    Ok(())
}

fn print_actions(actions: &[pb::StackAction]) -> CliResult<()> {
    for pb::StackAction { verb, kind, name, id } in actions {
        if verb == "Updating" {
            out::line(&format!("{verb} {kind} {name} (id: {id})"))?;
        } else {
            out::line(&format!("{verb} {kind} {name}"))?;
        }
    }
    Ok(())
}

fn check_name(stack: &str) -> CliResult<()> {
    let bare = stack.trim_matches(|c: char| c.is_whitespace() || c == '"' || c == '\'');
    if bare.is_empty() {
        return Err(CliError::new(format!("invalid stack name: {stack:?}")));
    }
    Ok(())
}

fn of_stack(stack: &str) -> String {
    format!("{STACK_LABEL}={stack}")
}

async fn ls(client: &Client, format: &FormatOnly) -> CliResult<()> {
    let request = pb::ListRequest { labels: vec![STACK_LABEL.to_owned()], ..Default::default() };
    let all = client.control().list_services(request).await?.into_inner().services;
    let mut stacks: BTreeMap<String, u64> = BTreeMap::new();
    for spec in all.into_iter().filter_map(|row| row.service?.spec) {
        if let Some(stack) = spec.labels.get(STACK_LABEL) {
            *stacks.entry(stack.clone()).or_default() += 1;
        }
    }
    let mut stacks: Vec<_> = stacks.into_iter().collect();
    stacks.sort_by_cached_key(|(name, _)| tasks::natural(name));
    let rows = stacks
        .into_iter()
        .map(|(name, services)| {
            row([("Name", name.into()), ("Services", services.to_string().into())])
        })
        .collect();
    const COLUMNS: &[Column] = &[("Name", "NAME"), ("Services", "SERVICES")];
    let list = List { columns: COLUMNS, further: &[], quiet_key: "Name", rows };
    list.print(format.format.as_deref(), false)
}

async fn services(client: &Client, args: &ListArgs, stack: &str) -> CliResult<()> {
    check_name(stack)?;
    let mut request = filter::objects(&args.filters, &["id", "name", "label", "mode"])?;
    request.labels.push(of_stack(stack));
    let found = client.control().list_services(request).await?.into_inner().services;
    if found.is_empty() {
        out::note(&format!("Nothing found in stack: {stack}"));
        return Ok(());
    }
    service::print_list(found, args)
}

async fn ps(client: &Client, args: &TaskListArgs, stack: &str) -> CliResult<()> {
    check_name(stack)?;
    let mut request = filter::tasks(&args.list.filters)?;
    request.labels.push(of_stack(stack));
    let rows = client.control().list_tasks(request).await?.into_inner().tasks;
    if rows.is_empty() {
        return Err(CliError::new(format!("nothing found in stack: {stack}"))
            .hint("`skep stack ls` lists the stacks"));
    }
    tasks::print(client, rows, args).await
}

async fn rm(client: &Client, stacks: &[String]) -> CliResult<()> {
    let mut errors = Errors::default();
    for stack in stacks {
        check_name(stack)?;
        let request = pb::RemoveStackRequest { stack: stack.clone() };
        match client.control().remove_stack(request).await {
            Ok(done) => {
                let actions = done.into_inner().actions;
                if actions.is_empty() {
                    out::note(&format!("Nothing found in stack: {stack}"));
                }
                print_actions(&actions)?;
            }
            Err(status) => errors.push(status.into()),
        }
    }
    errors.into_result()
}
