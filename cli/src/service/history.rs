//! `service history` and `service rollback`.

use skep_api::{ComponentSpec, Mode, Service, ServiceSpec, Time};
use skep_wire::pb;

use crate::ago::ago;
use crate::args::{ListArgs, Waiting};
use crate::client::Client;
use crate::error::CliResult;
use crate::out::{self, Column, List, row};
use crate::progress::After;

const COLUMNS: &[Column] =
    &[("Version", "VERSION"), ("Since", "SINCE"), ("Image", "IMAGE"), ("Changed", "CHANGED")];

/// Lists the specs of a service, the current one first and marked.
pub(super) async fn run(client: &Client, args: &ListArgs, name: &str) -> CliResult<()> {
    let by_name = pb::ByName { name: name.to_owned() };
    let service = Service::try_from(client.control().get_service(by_name).await?.into_inner())?;
    let starred = args.format.is_none() && !args.quiet;
    let rows = revisions(&service)
        .into_iter()
        .rev()
        .map(|revision| {
            let version = revision.version.to_string();
            // The star is for people: neither `-q` nor a template shows it.
            let shown = if revision.current && starred { format!("{version} *") } else { version };
            row([
                ("Version", shown.into()),
                ("Current", revision.current.into()),
                ("Since", revision.since.map(ago).unwrap_or_default().into()),
                ("Image", image(revision.spec).into()),
                ("Changed", revision.changed.into()),
            ])
        })
        .collect();
    let further = &[("Current", "CURRENT")];
    List { columns: COLUMNS, further, quiet_key: "Version", rows }
        .print(args.format.as_deref(), args.quiet)
}

/// Goes back to an earlier spec, the one before the current one if no version is named.
pub(super) async fn rollback(
    client: &Client,
    name: &str,
    to: Option<u64>,
    waiting: Waiting,
) -> CliResult<()> {
    let by_name = pb::ByName { name: name.to_owned() };
    let service = client.control().get_service(by_name).await?.into_inner();
    let id = service.id.clone();
    let request = pb::UpdateServiceRequest {
        id: service.id,
        version: service.meta.unwrap_or_default().version,
        spec: service.spec,
        rollback: true,
        rollback_to: to,
        ..Default::default()
    };
    let answer = client.control().update_service(request).await?.into_inner();
    super::warn(&answer.warnings);
    out::line(name)?;
    super::wait(client, &id, name, After::Rollback, waiting).await
}

struct Shown<'a> {
    version: u64,
    spec: &'a ServiceSpec,
    /// Since when it was the current one; not known for the oldest if older ones were forgotten.
    since: Option<Time>,
    changed: String,
    current: bool,
}

/// All specs, oldest first, each with what it changed.
fn revisions(service: &Service) -> Vec<Shown<'_>> {
    let mut all: Vec<Shown<'_>> = Vec::with_capacity(service.history.len() + 1);
    let former = service.history.iter().map(|old| (old.version.0, &*old.spec, Some(old.until)));
    let current = (service.spec_version.0, &*service.spec, None);
    let mut since = None;
    for (version, spec, until) in former.chain([current]) {
        let (since_then, changed) = match all.last() {
            Some(before) => (since, changed(before.spec, spec)),
            None if version == 0 => (Some(service.meta.created_at), "created".to_owned()),
            None => (None, String::new()),
        };
        let current = until.is_none();
        all.push(Shown { version, spec, since: since_then, changed, current });
        since = until;
    }
    all
}

fn image(spec: &ServiceSpec) -> &str {
    let image = &spec.task.component.image;
    image.split_once('@').map_or(image, |(name, _)| name)
}

/// What differs between two specs, in few words.
fn changed(old: &ServiceSpec, new: &ServiceSpec) -> String {
    let mut words: Vec<String> = Vec::new();
    if old.task.component.image != new.task.component.image {
        let is = image(new);
        let digest = if image(old) == is { " (another digest)" } else { "" };
        words.push(format!("image {is}{digest}"));
    }
    if old.mode != new.mode {
        words.push(mode(new.mode));
    }
    words.extend(
        component(&old.task.component, &new.task.component).iter().map(|w| (*w).to_owned()),
    );
    let (old_task, new_task) = (&old.task, &new.task);
    for (name, same) in [
        ("limits", old_task.limits == new_task.limits),
        ("reservations", old_task.reservations == new_task.reservations),
        ("restart policy", old_task.restart == new_task.restart),
        ("placement", old_task.placement == new_task.placement),
        ("networks", old_task.networks == new_task.networks),
        ("log driver", old_task.log_driver == new_task.log_driver),
        ("ports", old.endpoint == new.endpoint),
        ("update config", old.update == new.update),
        ("rollback config", old.rollback == new.rollback),
        ("labels", old.labels == new.labels),
        ("forced", old_task.force_update == new_task.force_update),
    ] {
        if !same {
            words.push(name.to_owned());
        }
    }
    if words.is_empty() { "nothing".to_owned() } else { words.join(", ") }
}

fn mode(mode: Mode) -> String {
    match mode {
        Mode::Replicated { replicas } => format!("replicas {replicas}"),
        Mode::ReplicatedJob { max_concurrent, total_completions } => {
            format!("completions {total_completions}, {max_concurrent} at once")
        }
        Mode::Global | Mode::GlobalJob => mode.name().to_owned(),
    }
}

fn component(old: &ComponentSpec, new: &ComponentSpec) -> Vec<&'static str> {
    [
        ("entrypoint", old.command == new.command),
        ("arguments", old.args == new.args),
        ("environment", old.env == new.env),
        ("working folder", old.dir == new.dir),
        ("host name", old.hostname == new.hostname),
        ("task labels", old.labels == new.labels),
        ("mounts", old.mounts == new.mounts),
        ("secrets", old.secrets == new.secrets),
        ("configs", old.configs == new.configs),
        ("read-only", old.read_only == new.read_only),
        ("stop grace period", old.stop_grace_period == new.stop_grace_period),
        ("health check", old.healthcheck == new.healthcheck),
    ]
    .into_iter()
    .filter(|(_, same)| !same)
    .map(|(name, _)| name)
    .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use skep_api::{Id, Revision, SpecVersion};

    use super::*;

    fn spec(image: &str, replicas: u64) -> ServiceSpec {
        let mut spec = ServiceSpec { mode: Mode::Replicated { replicas }, ..Default::default() };
        spec.task.component.image = image.to_owned();
        spec
    }

    #[test]
    fn a_history_says_what_each_spec_changed_and_since_when_it_was_current() {
        let mut service = Service::new(Id::from_u128(1), spec("web:2@sha256:22", 3));
        service.spec_version = SpecVersion(9);
        let old = |version, spec, until| Revision {
            version: SpecVersion(version),
            spec: Arc::new(spec),
            until: Time::from_nanos(until),
        };
        service.history =
            vec![old(0, spec("web:1@sha256:11", 1), 100), old(4, spec("web:1@sha256:11", 3), 200)];
        let shown: Vec<_> = revisions(&service)
            .iter()
            .map(|r| (r.version, r.since.map(Time::as_nanos), r.changed.clone(), r.current))
            .collect();
        let expected = [
            (0, Some(0), "created".to_owned(), false),
            (4, Some(100), "replicas 3".to_owned(), false),
            (9, Some(200), "image web:2".to_owned(), true),
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn changes_are_told_in_few_words() {
        let old = spec("web:1@sha256:11", 1);
        let mut new = spec("web:1@sha256:12", 1);
        assert_eq!(changed(&old, &new), "image web:1 (another digest)");
        new.task.component.env.push("A=1".to_owned());
        new.task.force_update = 1;
        new.labels.insert("a".to_owned(), "b".to_owned());
        let told = "image web:1 (another digest), environment, labels, forced";
        assert_eq!(changed(&old, &new), told);
        assert_eq!(changed(&new, &new), "nothing");
    }
}
