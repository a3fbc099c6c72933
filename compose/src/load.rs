//! Reads compose files into a project.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::{Forbidden, Warning};
use crate::model::{Project, Service};
use crate::parse::{self, Node};
use crate::schema::{self, NEWEST};
use crate::short::whole_numbers;
use crate::{ComposeError, environment, interpolate, merge, path, ports, volume};

/// How many ports the services of one file may publish: all there are. A range takes five letters
/// and stands for up to 65,536 of them.
const PORTS_MAX: usize = 65_536;

/// A compose file.
#[derive(Debug, Clone, Copy)]
pub struct SourceFile<'a> {
    /// What it is called in errors.
    pub name: &'a str,
    /// What it says.
    pub text: &'a str,
}

/// What a compose file means depends on.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The deployer's environment: what variables are filled in from.
    pub env: BTreeMap<String, String>,
    /// The folder relative paths start from: that of the first file.
    pub working_dir: String,
    /// What `~` stands for.
    pub home: Option<String>,
    /// Whether variables are filled in.
    pub interpolation: Interpolation,
}

/// Whether variables in values are filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Interpolation {
    /// They are.
    #[default]
    On,
    /// They stay as they are written (`--skip-interpolation`).
    Off,
}

/// How files are read that compose files name: `env_file`s, secrets and configs.
pub trait ReadFile {
    /// The content of the file with that absolute path. Whoever implements it bounds what it
    /// reads: a secret or config is at most 1 MB, so little more is needed to say it is too big.
    fn read(&self, path: &str) -> io::Result<Vec<u8>>;
}

/// What compose files say.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The files, merged.
    pub project: Project,
    /// What has no effect, in the order in which it is to be shown.
    pub warnings: Vec<Warning>,
}

/// Reads compose files; each one is put over the ones before it.
pub fn load(
    files: &[SourceFile<'_>],
    options: &Options,
    read_file: &dyn ReadFile,
) -> Result<Loaded, ComposeError> {
    let parsed = files
        .iter()
        .map(|file| parse::parse(file.text).map_err(|error| error.in_file(file.name)))
        .collect::<Result<Vec<Node>, _>>()?;
    let mut loader = Loader { options, read_file, notices: Vec::new(), version: None };
    let mut merged: Option<Project> = None;
    for (file, root) in files.iter().zip(&parsed) {
        let project = loader.file(root.value()).map_err(|error| place(error, file, root))?;
        merged = Some(match merged {
            None => project,
            Some(base) => merge::merge(base, project).map_err(|e| e.in_file(file.name))?,
        });
    }
    let project =
        merged.ok_or_else(|| ComposeError::new("Specify a Compose file (with --compose-file)"))?;
    let mut warnings: Vec<Warning> = loader.notices.into_iter().map(Warning::Notice).collect();
    warnings.extend(ignored_keys(&parsed));
    Ok(Loaded { project, warnings })
}

/// Reads a file, with an error as Docker's client gives it.
pub(crate) fn read(files: &dyn ReadFile, path: &str) -> Result<Vec<u8>, ComposeError> {
    files.read(path).map_err(|error| {
        let why = match error.kind() {
            io::ErrorKind::NotFound => "no such file or directory".to_owned(),
            io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
            io::ErrorKind::IsADirectory => {
                return ComposeError::new(format!("read {path}: is a directory"));
            }
            _ => error.to_string(),
        };
        ComposeError::new(format!("open {path}: {why}"))
    })
}

fn place(error: ComposeError, file: &SourceFile<'_>, root: &Node) -> ComposeError {
    if error.file.is_some() {
        return error;
    }
    match error.path.is_empty() {
        true => error.in_file(file.name),
        false => {
            let line = root.line_of(&error.path);
            error.in_file(file.name).on_line(line)
        }
    }
}

struct Loader<'a> {
    options: &'a Options,
    read_file: &'a dyn ReadFile,
    notices: Vec<String>,
    /// The version of the files so far; all must have the same.
    version: Option<String>,
}

impl Loader<'_> {
    fn file(&mut self, root: Value) -> Result<Project, ComposeError> {
        let version = version(&root);
        let first = self.version.get_or_insert_with(|| version.clone());
        if *first != version {
            return Err(ComposeError::new(format!(
                "version mismatched between two composefiles : {first} and {version}"
            ))
            .at(&["version".to_owned()]));
        }
        refuse_forbidden(&root)?;
        let root = match self.options.interpolation {
            Interpolation::On => interpolate::interpolate(root, &self.options.env)?,
            Interpolation::Off => root,
        };
        schema::validate(&root, minor(&version)?)?;
        let Value::Object(mut root) = root else {
            return Err(ComposeError::new("top-level object must be a mapping"));
        };
        let mut project = Project { version: version.clone(), ..Project::default() };
        count_ports(&root)?;
        project.services = self.services(take(&mut root, "services"))?;
        let minor = minor(&version)?;
        project.networks = self.objects("network", take(&mut root, "networks"), minor)?;
        project.volumes = self.objects("volume", take(&mut root, "volumes"), minor)?;
        project.secrets = self.objects("secret", take(&mut root, "secrets"), minor)?;
        project.configs = self.objects("config", take(&mut root, "configs"), minor)?;
        project.extensions = decode(Value::Object(root), &[])?;
        Ok(project)
    }

    fn services(
        &mut self,
        section: Map<String, Value>,
    ) -> Result<BTreeMap<String, Service>, ComposeError> {
        let mut out = BTreeMap::new();
        // By name, so that what is said about them has an order.
        let sorted: BTreeMap<String, Value> = section.into_iter().collect();
        for (name, value) in sorted {
            let path = ["services".to_owned(), name.clone()];
            self.notices.extend(port_notices(&value));
            let mut service: Service = decode(value, &path)?;
            let options = self.options;
            environment::resolve(&mut service, &options.working_dir, &options.env, self.read_file)
                .map_err(|error| error.at(&path))?;
            self.host_paths(&mut service).map_err(|error| error.at(&path))?;
            out.insert(name, service);
        }
        Ok(out)
    }

    fn host_paths(&mut self, service: &mut Service) -> Result<(), ComposeError> {
        for mount in service.volumes.iter_mut().filter(|mount| mount.kind == "bind") {
            if mount.source.is_empty() {
                return Err(ComposeError::new(
                    "invalid mount config for type \"bind\": field Source must not be empty",
                ));
            }
            let Options { working_dir, home, .. } = self.options;
            let (source, notice) = volume::host_path(&mount.source, working_dir, home.as_deref());
            mount.source = source;
            self.notices.extend(notice);
        }
        Ok(())
    }

    /// Networks, volumes, secrets or configs. `external` becomes a boolean, with the name apart.
    fn objects<T: DeserializeOwned>(
        &mut self,
        kind: &'static str,
        section: Map<String, Value>,
        minor: u8,
    ) -> Result<BTreeMap<String, T>, ComposeError> {
        let mut out = BTreeMap::new();
        let sorted: BTreeMap<String, Value> = section.into_iter().collect();
        for (name, value) in sorted {
            let path = [format!("{kind}s"), name.clone()];
            let mut map = match value {
                Value::Object(map) => map,
                Value::Null => Map::new(),
                _ => {
                    let place = path::display(&path);
                    let text = format!("{place} must be a mapping");
                    return Err(ComposeError::new(text).at(&path));
                }
            };
            self.external(kind, &name, &mut map, minor).map_err(|error| error.at(&path))?;
            if matches!(kind, "secret" | "config") {
                self.object_file(kind, &name, &mut map).map_err(|error| error.at(&path))?;
            }
            out.insert(name, decode(Value::Object(map), &path)?);
        }
        Ok(out)
    }

    fn external(
        &mut self,
        kind: &str,
        name: &str,
        map: &mut Map<String, Value>,
        minor: u8,
    ) -> Result<(), ComposeError> {
        let (external, old_name) = match map.get("external") {
            Some(Value::Object(object)) => (true, text(object, "name")),
            Some(Value::Bool(external)) => (*external, String::new()),
            _ => (false, String::new()),
        };
        map.remove("external");
        if !external {
            // Docker keeps the `x-` keys of external networks and volumes only.
            if matches!(kind, "network" | "volume") {
                map.retain(|key, _| !key.starts_with("x-") || key == "x-cluster-spec");
            }
            return Ok(());
        }
        map.insert("external".to_owned(), Value::Bool(true));
        if kind == "volume" {
            refuse_external_volume_keys(name, map)?;
        }
        let new_name = text(map, "name");
        let chosen = match (old_name.is_empty(), new_name.is_empty()) {
            (false, false) => {
                return Err(ComposeError::new(format!(
                    "{kind} {name}: {kind}.external.name and {kind}.name conflict; only use \
                     {kind}.name"
                )));
            }
            (false, true) => {
                if minor >= if kind == "volume" { 4 } else { 5 } {
                    self.notices.push(format!(
                        "{kind} {name}: {kind}.external.name is deprecated in favor of {kind}.name"
                    ));
                }
                old_name
            }
            (true, false) => new_name,
            (true, true) => name.to_owned(),
        };
        map.insert("name".to_owned(), Value::String(chosen));
        Ok(())
    }

    /// Makes the path of a secret's or config's file absolute.
    fn object_file(
        &self,
        kind: &str,
        name: &str,
        map: &mut Map<String, Value>,
    ) -> Result<(), ComposeError> {
        let file = text(map, "file");
        if map.get("external") == Some(&Value::Bool(true)) {
            return Ok(());
        }
        if !text(map, "driver").is_empty() {
            if !file.is_empty() {
                return Err(ComposeError::new(format!(
                    "{kind} {name}: {kind}.driver and {kind}.file conflict; only use {kind}.driver"
                )));
            }
            return Ok(());
        }
        let file = path::absolute(&self.options.working_dir, &file);
        map.insert("file".to_owned(), Value::String(file));
        Ok(())
    }
}

fn text(map: &Map<String, Value>, key: &str) -> String {
    map.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn refuse_external_volume_keys(name: &str, map: &Map<String, Value>) -> Result<(), ComposeError> {
    let says = |key: &str| match map.get(key) {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Object(map)) => !map.is_empty(),
        Some(Value::Array(list)) => !list.is_empty(),
        Some(_) => true,
    };
    match ["driver", "driver_opts", "labels"].into_iter().find(|key| says(key)) {
        None => Ok(()),
        Some(key) => Err(ComposeError::new(format!(
            "conflicting parameters \"external\" and {key:?} specified for volume {name:?}"
        ))
        .hint(format!("an external volume is made outside the stack: remove `{key}`"))),
    }
}

/// The file's version; the newest if it states none, or only `3`.
fn version(root: &Value) -> String {
    let text = match root.get("version") {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    match text.as_str() {
        "" | "3" => format!("3.{NEWEST}"),
        _ => text,
    }
}

fn minor(version: &str) -> Result<u8, ComposeError> {
    let minor = version.strip_prefix("3.").and_then(|minor| {
        let number: u8 = minor.parse().ok()?;
        (number.to_string() == minor && number <= NEWEST).then_some(number)
    });
    minor.ok_or_else(|| {
        ComposeError::new(format!("unsupported Compose file version: {version}"))
            .at(&["version".to_owned()])
            .hint(format!("leave `version` out, or state one from 3.0 to 3.{NEWEST}"))
    })
}

fn take(root: &mut Map<String, Value>, key: &str) -> Map<String, Value> {
    match root.remove(key) {
        Some(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

/// A record from a tree that fits the schema; what still can be wrong is a number out of range or a
/// short form.
fn decode<T: DeserializeOwned>(value: Value, at: &[String]) -> Result<T, ComposeError> {
    serde_path_to_error::deserialize(whole_numbers(value)).map_err(|error| {
        let mut path = at.to_vec();
        path.extend(error.path().iter().filter_map(|segment| match segment {
            serde_path_to_error::Segment::Seq { index } => Some(index.to_string()),
            serde_path_to_error::Segment::Map { key } => Some(key.clone()),
            _ => None,
        }));
        ComposeError::new(format!("{}: {}", path::display(&path), error.inner())).at(&path)
    })
}

const FORBIDDEN: &[Forbidden] = &[
    ("cpu_quota", LIMITS_ELSEWHERE),
    ("cpu_shares", LIMITS_ELSEWHERE),
    ("cpuset", LIMITS_ELSEWHERE),
    ("extends", "Support for `extends` is not implemented yet."),
    ("mem_limit", LIMITS_ELSEWHERE),
    ("memswap_limit", LIMITS_ELSEWHERE),
    (
        "volume_driver",
        "Instead of setting the volume driver on the service, define a volume using the top-level \
         `volumes` option and specify the driver there.",
    ),
    (
        "volumes_from",
        "To share a volume between services, define it using the top-level `volumes` option and \
         reference it from each service that shares it using the service-level `volumes` option.",
    ),
];
const LIMITS_ELSEWHERE: &str = "Set resource limits using deploy.resources";

/// Sorted, as they are shown.
const UNSUPPORTED: &[&str] = &[
    "build",
    "cgroup_parent",
    "cgroupns_mode",
    "devices",
    "domainname",
    "external_links",
    "ipc",
    "links",
    "mac_address",
    "network_mode",
    "pid",
    "privileged",
    "restart",
    "security_opt",
    "shm_size",
    "userns_mode",
];

const DEPRECATED: &[(&str, &str)] = &[
    ("container_name", "Setting the container name is not supported."),
    (
        "expose",
        "Exposing ports is unnecessary - services on the same network can access each other's \
         containers on any port.",
    ),
];

fn services(root: &Value) -> impl Iterator<Item = (&String, &Map<String, Value>)> {
    let services = root.get("services").and_then(Value::as_object);
    services.into_iter().flatten().filter_map(|(name, service)| Some((name, service.as_object()?)))
}

fn refuse_forbidden(root: &Value) -> Result<(), ComposeError> {
    let mut found: BTreeSet<Forbidden> = BTreeSet::new();
    let mut first: Option<[String; 3]> = None;
    for (name, service) in services(root) {
        for entry in FORBIDDEN.iter().filter(|(key, _)| service.contains_key(*key)) {
            first.get_or_insert_with(|| ["services".into(), name.clone(), entry.0.into()]);
            found.insert(*entry);
        }
    }
    let Some(first) = first else { return Ok(()) };
    let lines: Vec<String> = found.iter().map(|(key, why)| format!("`{key}`: {why}")).collect();
    let mut error = ComposeError::new("Configuration contains forbidden properties")
        .at(&first)
        .hint(lines.join("; "));
    error.forbidden = found.into_iter().collect();
    Err(error)
}

/// Keys of services that have no effect in a stack.
fn ignored_keys(roots: &[Node]) -> Vec<Warning> {
    let mut used = BTreeSet::new();
    for root in roots.iter().map(Node::value) {
        used.extend(services(&root).flat_map(|(_, service)| service.keys().cloned()));
    }
    let unsupported: Vec<String> =
        UNSUPPORTED.iter().filter(|key| used.contains(**key)).map(|k| (*k).to_owned()).collect();
    let deprecated: BTreeMap<String, String> = DEPRECATED
        .iter()
        .filter(|(key, _)| used.contains(*key))
        .map(|(key, why)| ((*key).to_owned(), (*why).to_owned()))
        .collect();
    let unsupported = (!unsupported.is_empty()).then_some(Warning::Unsupported(unsupported));
    let deprecated = (!deprecated.is_empty()).then_some(Warning::Deprecated(deprecated));
    unsupported.into_iter().chain(deprecated).collect()
}

fn short_ports(service: &Map<String, Value>) -> impl Iterator<Item = ports::ShortPorts> {
    let list = service.get("ports").and_then(Value::as_array);
    list.into_iter().flatten().filter_map(|entry| match entry {
        Value::String(text) => ports::parse_short(text).ok(),
        Value::Number(number) => ports::parse_short(&number.to_string()).ok(),
        _ => None,
    })
}

fn port_notices(service: &Value) -> Vec<String> {
    let service = service.as_object().into_iter();
    service.flat_map(short_ports).flat_map(|short| short.notices).collect()
}

fn count_ports(root: &Map<String, Value>) -> Result<(), ComposeError> {
    let mut count = 0;
    let services = root.get("services").and_then(Value::as_object).into_iter().flatten();
    for (name, service) in services {
        for short in service.as_object().into_iter().flat_map(short_ports) {
            count += short.ports.len();
            if count > PORTS_MAX {
                return Err(ComposeError::new(format!(
                    "services.{name}.ports: the services of a file may publish at most \
                     {PORTS_MAX} ports"
                ))
                .at(&["services".to_owned(), name.clone(), "ports".to_owned()]));
            }
        }
    }
    Ok(())
}
