//! `skep daemon`: settings from flags and `--config FILE`, then the node.

use std::path::PathBuf;

use serde::Deserialize;
use skep_api::Bytes;
use skep_node::{Listen, NodeConfig, TlsFiles};

use crate::args::{Connect, Daemon};
use crate::client::Address;
use crate::error::{CliError, CliResult};

/// The keys of a settings file: the flags' names. A flag that is given wins; lists add up.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Settings {
    #[serde(default)]
    host: Vec<String>,
    data_root: Option<PathBuf>,
    node_name: Option<String>,
    ingress_addr: Option<std::net::IpAddr>,
    log_format: Option<String>,
    group: Option<String>,
    #[serde(default)]
    insecure_loopback: bool,
    log_max: Option<String>,
    default_registry: Option<String>,
    #[serde(default)]
    insecure_registry: Vec<String>,
    #[serde(default)]
    registry_ca: Vec<PathBuf>,
    #[serde(default)]
    node_generic_resource: Vec<String>,
    tlscacert: Option<PathBuf>,
    tlscert: Option<PathBuf>,
    tlskey: Option<PathBuf>,
}

fn settings(path: Option<&PathBuf>) -> CliResult<Settings> {
    let Some(path) = path else { return Ok(Settings::default()) };
    let text = std::fs::read_to_string(path)
        .map_err(|error| CliError::new(format!("{}: {error}", path.display())))?;
    toml::from_str(&text).map_err(|error| {
        CliError::new(format!("{}: {error}", path.display())).hint(
            "the keys are the daemon's flags without dashes before them: data-root = \"/srv/skep\"",
        )
    })
}

/// Runs a node until SIGTERM or SIGINT.
pub(crate) fn run(connect: &Connect, args: Daemon) -> CliResult<()> {
    let file = settings(args.config.as_ref())?;
    let format = args.log_format.clone().or_else(|| file.log_format.clone());
    log_to_stderr(format.as_deref().unwrap_or("text"))?;
    let config = node_config(connect, args, file)?;
    // Two threads for the node's own work, guests included until they get an executor of their own;
    // files are read and compiled code is made on threads that come and go.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .event_interval(7)
        .max_blocking_threads(16)
        .thread_name("skep")
        .build()?;
    runtime.block_on(async {
        skep_node::run(config, skep_node::stop_signal()?).await.map_err(|error| CliError {
            message: error.message,
            hint: error.hint,
            code: 1,
        })
    })
}

fn node_config(connect: &Connect, args: Daemon, file: Settings) -> CliResult<NodeConfig> {
    let hosts = if connect.hosts.is_empty() { &file.host } else { &connect.hosts };
    let mut listen = Vec::new();
    for host in hosts {
        listen.push(match Address::parse(host)? {
            Address::Unix(path) => Listen::Unix(path),
            Address::Tcp(address) => Listen::Tcp(address),
        });
    }
    if listen.is_empty() {
        listen.push(Listen::Unix(skep_node::default_socket()));
    }
    let log_max = match args.log_max.or(file.log_max) {
        None => NodeConfig::LOG_MAX_DEFAULT,
        Some(text) => text.parse::<Bytes>().map_err(|error| {
            CliError::new(format!("--log-max: {error}")).hint("write sizes as 512k, 1m or 10m")
        })?,
    };
    let ca = connect.tlscacert.clone().or(file.tlscacert);
    let cert = connect.tlscert.clone().or(file.tlscert);
    let key = connect.tlskey.clone().or(file.tlskey);
    let tls = match (ca, cert, key) {
        (None, None, None) => None,
        (Some(ca), Some(cert), Some(key)) => Some(TlsFiles { ca, cert, key }),
        _ => return Err(CliError::new("--tlscacert, --tlscert and --tlskey go together")),
    };
    let generic = [args.node_generic_resources, file.node_generic_resource].concat();
    Ok(NodeConfig {
        data_root: args.data_root.or(file.data_root).unwrap_or_else(skep_node::default_data_root),
        listen,
        node_name: args.node_name.or(file.node_name),
        ingress_addr: args
            .ingress_addr
            .or(file.ingress_addr)
            .unwrap_or(NodeConfig::INGRESS_ADDR_DEFAULT),
        group: args.group.or(file.group),
        insecure_loopback: args.insecure_loopback || file.insecure_loopback,
        tls,
        log_max,
        default_registry: args.default_registry.or(file.default_registry),
        insecure_registries: [args.insecure_registries, file.insecure_registry].concat(),
        registry_cas: [args.registry_cas, file.registry_ca].concat(),
        generic_resources: skep_node::generic_resources(&generic)?,
    })
}

fn log_to_stderr(format: &str) -> CliResult<()> {
    use tracing_subscriber::EnvFilter;
    let filter = || {
        EnvFilter::try_from_env("SKEP_LOG")
            .unwrap_or_else(|_| EnvFilter::new("info,openraft=error"))
    };
    let builder = tracing_subscriber::fmt().with_env_filter(filter()).with_writer(std::io::stderr);
    let result = match format {
        "json" => builder.json().try_init(),
        "text" => {
            use std::io::IsTerminal;
            let plain = std::env::var_os("NO_COLOR").is_some() || !std::io::stderr().is_terminal();
            builder.with_ansi(!plain).with_target(false).try_init()
        }
        other => {
            return Err(CliError::new(format!("--log-format must be text or json, got {other}")));
        }
    };
    result.map_err(|error| CliError::new(format!("the log can't be set up: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_have_the_flags_names() {
        let text = "data-root = \"/srv/skep\"\nhost = [\"unix:///x.sock\"]\nlog-max = \"2m\"\n";
        let settings: Settings = toml::from_str(text).expect("the keys are known");
        assert_eq!(settings.data_root, Some("/srv/skep".into()));
        assert!(
            toml::from_str::<Settings>("data_root = \"/x\"").is_err(),
            "an unknown key is refused"
        );
    }
}
