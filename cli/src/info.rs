//! `skep info` and `skep version`.

use serde_json::{Value, json};
use skep_api::{Bytes, format_duration};

use crate::args::FormatOnly;
use crate::client::Client;
use crate::error::CliResult;
use crate::out;
use crate::service::text;

/// What the node is, does and listens on; the Swarm block is Docker's line for line.
pub(crate) async fn info(client: &Client, args: &FormatOnly) -> CliResult<()> {
    let info = client.json("/info").await?;
    if args.format.is_some() {
        return out::line(&out::formatted(&info, args.format.as_deref())?);
    }
    let mut lines = vec![
        "Client:".to_owned(),
        format!(" Version:    {}", env!("CARGO_PKG_VERSION")),
        String::new(),
        "Server:".to_owned(),
        format!(" Tasks: {}", text(&info, "/ContainersRunning")),
        format!(" Images: {}", text(&info, "/Images")),
        format!(" Server Version: {}", text(&info, "/ServerVersion")),
    ];
    swarm(&mut lines, &info["Swarm"]);
    for (name, key) in [
        ("Kernel Version", "/KernelVersion"),
        ("OSType", "/OSType"),
        ("Architecture", "/Architecture"),
        ("CPUs", "/NCPU"),
    ] {
        lines.push(format!(" {name}: {}", text(&info, key)));
    }
    lines.push(format!(" Total Memory: {}", Bytes(info["MemTotal"].as_u64().unwrap_or_default())));
    lines.push(format!(" Name: {}", text(&info, "/Name")));
    lines.push(format!(" Skep Root Dir: {}", text(&info, "/DockerRootDir")));
    lines.push(" Listening:".to_owned());
    for place in info["SkepListening"].as_array().into_iter().flatten() {
        lines.push(format!("  {}", text(place, "")));
    }
    out::line(&lines.join("\n"))?;
    for warning in info["Warnings"].as_array().into_iter().flatten() {
        out::note(&text(warning, ""));
    }
    Ok(())
}

fn swarm(lines: &mut Vec<String>, swarm: &Value) {
    let state = text(swarm, "/LocalNodeState");
    lines.push(format!(" Swarm: {state}"));
    if state != "active" {
        return;
    }
    lines.push(format!("  NodeID: {}", text(swarm, "/NodeID")));
    let manager = swarm["ControlAvailable"].as_bool().unwrap_or(false);
    lines.push(format!("  Is Manager: {manager}"));
    if manager {
        let cluster = &swarm["Cluster"];
        let spec = &cluster["Spec"];
        lines.push(format!("  ClusterID: {}", text(cluster, "/ID")));
        lines.push(format!("  Managers: {}", text(swarm, "/Managers")));
        lines.push(format!("  Nodes: {}", text(swarm, "/Nodes")));
        lines.push(format!("  Data Path Port: {}", text(cluster, "/DataPathPort")));
        lines.push("  Orchestration:".to_owned());
        let limit = text(spec, "/Orchestration/TaskHistoryRetentionLimit");
        lines.push(format!("   Task History Retention Limit: {limit}"));
        lines.push("  Raft:".to_owned());
        for (name, key) in [
            ("Snapshot Interval", "SnapshotInterval"),
            ("Number of Old Snapshots to Retain", "KeepOldSnapshots"),
            ("Heartbeat Tick", "HeartbeatTick"),
            ("Election Tick", "ElectionTick"),
        ] {
            lines.push(format!("   {name}: {}", text(spec, &format!("/Raft/{key}"))));
        }
        lines.push("  Dispatcher:".to_owned());
        let period = spec["Dispatcher"]["HeartbeatPeriod"].as_u64().unwrap_or_default();
        lines.push(format!("   Heartbeat Period: {}", words(period)));
        lines.push("  CA Configuration:".to_owned());
        let expiry = spec["CAConfig"]["NodeCertExpiry"].as_u64().unwrap_or_default();
        lines.push(format!("   Expiry Duration: {}", words(expiry)));
        lines.push("   Force Rotate: 0".to_owned());
        let autolock = spec["EncryptionConfig"]["AutoLockManagers"].as_bool().unwrap_or(false);
        lines.push(format!("  Autolock Managers: {autolock}"));
        let rotating = cluster["RootRotationInProgress"].as_bool().unwrap_or(false);
        lines.push(format!("  Root Rotation In Progress: {rotating}"));
    }
    lines.push(format!("  Node Address: {}", text(swarm, "/NodeAddr")));
    lines.push("  Manager Addresses:".to_owned());
    for manager in swarm["RemoteManagers"].as_array().into_iter().flatten() {
        lines.push(format!("   {}", text(manager, "/Addr")));
    }
}

/// `5 seconds`, `3 months`, as Docker tells durations here.
fn words(ns: u64) -> String {
    let duration = std::time::Duration::from_nanos(ns);
    if duration.as_secs() == 0 {
        return format_duration(duration);
    }
    crate::ago::human(duration)
}

/// The versions of client and daemon; the client's own if there is no daemon.
pub(crate) async fn version(client: &Client, args: &FormatOnly) -> CliResult<()> {
    let own = json!({
        "Version": env!("CARGO_PKG_VERSION"),
        "Os": std::env::consts::OS,
        "Arch": std::env::consts::ARCH,
    });
    let server = client.json("/version").await;
    let both = json!({ "Client": own, "Server": server.as_ref().ok() });
    if args.format.is_some() {
        out::line(&out::formatted(&both, args.format.as_deref())?)?;
    } else {
        out::line(&format!(
            "Client:\n Version:           {}\n OS/Arch:           {}/{}",
            text(&own, "/Version"),
            text(&own, "/Os"),
            text(&own, "/Arch")
        ))?;
        if let Ok(server) = &server {
            let line = |name: &str, key: &str| format!(" {name:<19}{}", text(server, key));
            let api = text(server, "/ApiVersion");
            let oldest = text(server, "/MinAPIVersion");
            out::line(&format!(
                "\nServer:\n{}\n{}\n OS/Arch:           {}/{}",
                line("Version:", "/Version"),
                format_args!(" API version:       {api} (minimum version {oldest})"),
                text(server, "/Os"),
                text(server, "/Arch")
            ))?;
        }
    }
    server.map(drop)
}
