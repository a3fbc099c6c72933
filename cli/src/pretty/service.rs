//! `service inspect --pretty`.

use serde_json::Value;
use skep_api::{Bytes, NanoCpus, format_duration};

use super::{Page, parse_time};
use crate::ago::ago;
use crate::service::text;

/// A service for people.
pub(crate) fn service(value: &Value) -> String {
    let spec = &value["Spec"];
    let mut page = Page::default();
    page.line("");
    page.line(&format!("ID:\t\t{}", text(value, "/ID")));
    page.line(&format!("Name:\t\t{}", text(spec, "/Name")));
    page.pairs("Labels:", &spec["Labels"]);
    mode(&mut page, &spec["Mode"]);
    update_status(&mut page, &value["UpdateStatus"]);
    waits(&mut page, &value["Waits"]);
    let task = &spec["TaskTemplate"];
    placement(&mut page, &task["Placement"]);
    update(&mut page, "UpdateConfig:", "Update", &spec["UpdateConfig"]);
    update(&mut page, "RollbackConfig:", "Rollback", &spec["RollbackConfig"]);
    component(&mut page, &task["ContainerSpec"]);
    log_driver(&mut page, &task["LogDriver"]);
    page.line("Resources:");
    resources(&mut page, "Reservations:", &task["Resources"]["Reservations"]);
    resources(&mut page, "Limits:", &task["Resources"]["Limits"]);
    networks(&mut page, &task["Networks"]);
    page.line(&format!("Endpoint Mode:\t{}", text(spec, "/EndpointSpec/Mode")));
    ports(&mut page, &value["Endpoint"]["Ports"]);
    health(&mut page, &task["ContainerSpec"]["Healthcheck"]);
    page.text
}

fn mode(page: &mut Page, mode: &Value) {
    if let Some(replicated) = mode.get("Replicated") {
        page.line("Service Mode:\tReplicated");
        page.line(&format!(" Replicas:\t{}", text(replicated, "/Replicas")));
    } else if mode.get("Global").is_some() {
        page.line("Service Mode:\tGlobal");
    } else if let Some(job) = mode.get("ReplicatedJob") {
        page.line("Service Mode:\tReplicatedJob");
        page.line(&format!(" Concurrent:\t{}", text(job, "/MaxConcurrent")));
        page.line(&format!(" Total:\t{}", text(job, "/TotalCompletions")));
    } else {
        page.line("Service Mode:\tGlobalJob");
    }
}

fn update_status(page: &mut Page, status: &Value) {
    if text(status, "/State").is_empty() {
        return;
    }
    page.line("UpdateStatus:");
    page.line(&format!(" State:\t\t{}", text(status, "/State")));
    for (name, key) in [("Started", "/StartedAt"), ("Completed", "/CompletedAt")] {
        // Docker tells the end of updates, not of rollbacks.
        let told = name == "Started" || text(status, "/State") == "completed";
        if let Some(at) = parse_time(&text(status, key)).filter(|_| told) {
            page.line(&format!(" {name}:\t{}", ago(at)));
        }
    }
    page.line(&format!(" Message:\t{}", text(status, "/Message")));
}

/// What Docker has no word for: what the update and the tasks wait for.
fn waits(page: &mut Page, lines: &Value) {
    list(page, "Waits:", lines, |page, line| page.line(&format!(" {}", text(line, ""))));
}

fn placement(page: &mut Page, placement: &Value) {
    page.line("Placement:");
    let list = |key: &str| -> Vec<String> {
        placement[key].as_array().into_iter().flatten().map(|v| text(v, "")).collect()
    };
    let constraints = list("Constraints");
    if !constraints.is_empty() {
        page.line(&format!(" Constraints:\t[{}]", constraints.join(" ")));
    }
    let spreads: Vec<String> = placement["Preferences"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|p| format!("spread={}", text(p, "/Spread/SpreadDescriptor")))
        .collect();
    if !spreads.is_empty() {
        page.line(&format!(" Preferences:   [{}]", spreads.join(" ")));
    }
    let max = text(placement, "/MaxReplicas");
    if !max.is_empty() && max != "0" {
        page.line(&format!(" Max Replicas Per Node:   {max}"));
    }
}

fn update(page: &mut Page, title: &str, order: &str, config: &Value) {
    if !config.is_object() {
        return;
    }
    page.line(title);
    page.line(&format!(" Parallelism:\t{}", text(config, "/Parallelism")));
    if let Some(delay) = config["Delay"].as_u64().filter(|ns| *ns > 0) {
        page.line(&format!(" Delay:\t\t{}", nanos(delay)));
    }
    page.line(&format!(" On failure:\t{}", text(config, "/FailureAction")));
    let monitor = config["Monitor"].as_u64().unwrap_or_default();
    page.line(&format!(" Monitoring Period: {}", nanos(monitor)));
    page.line(&format!(" Max failure ratio: {}", text(config, "/MaxFailureRatio")));
    page.line(&format!(" {:<19}{}", format!("{order} order:"), text(config, "/Order")));
}

fn nanos(ns: u64) -> String {
    format_duration(std::time::Duration::from_nanos(ns))
}

fn component(page: &mut Page, spec: &Value) {
    page.line("ContainerSpec:");
    page.line(&format!(" Image:\t\t{}", text(spec, "/Image")));
    let words = |key: &str| -> Option<String> {
        let all: Vec<String> = spec[key].as_array()?.iter().map(|v| text(v, "")).collect();
        Some(all.join(" "))
    };
    for (name, key) in [("Args", "Args"), ("Env", "Env")] {
        if let Some(all) = words(key) {
            page.line(&format!(" {name}:\t\t{all} "));
        }
    }
    for (name, key) in [("Dir", "Dir"), ("Hostname", "Hostname")] {
        if let Some(value) = spec[key].as_str().filter(|v| !v.is_empty()) {
            page.line(&format!(" {name}:\t\t{value}"));
        }
    }
    list(page, "Mounts:", &spec["Mounts"], |page, mount| {
        page.line(&format!(" Target:\t{}", text(mount, "/Target")));
        page.line(&format!("  Source:\t{}", text(mount, "/Source")));
        page.line(&format!("  ReadOnly:\t{}", mount["ReadOnly"].as_bool().unwrap_or(false)));
        page.line(&format!("  Type:\t\t{}", text(mount, "/Type")));
    });
    for (title, key, name) in
        [("Configs:", "Configs", "ConfigName"), ("Secrets:", "Secrets", "SecretName")]
    {
        list(page, title, &spec[key], |page, file| {
            page.line(&format!(" Target:\t{}", text(file, "/File/Name")));
            page.line(&format!("  Source:\t{}", text(file, &format!("/{name}"))));
        });
    }
}

fn log_driver(page: &mut Page, driver: &Value) {
    if !driver.is_object() {
        return;
    }
    page.line("Log Driver:");
    page.line(&format!(" Name:\t\t{}", text(driver, "/Name")));
    if let Some(options) = driver["Options"].as_object().filter(|all| !all.is_empty()) {
        page.line(" LogOpts:");
        for (key, value) in options {
            page.line(&format!("  {key}:       {}", text(value, "")));
        }
    }
    page.line("");
}

fn list(page: &mut Page, title: &str, values: &Value, mut each: impl FnMut(&mut Page, &Value)) {
    let Some(values) = values.as_array().filter(|all| !all.is_empty()) else { return };
    page.line(title);
    for value in values {
        each(page, value);
    }
}

fn resources(page: &mut Page, title: &str, resources: &Value) {
    let cpus = resources["NanoCPUs"].as_u64().unwrap_or_default();
    let memory = resources["MemoryBytes"].as_u64().unwrap_or_default();
    if cpus == 0 && memory == 0 {
        return;
    }
    page.line(&format!(" {title}"));
    if cpus > 0 {
        page.line(&format!("  CPU:\t\t{}", NanoCpus(cpus)));
    }
    if memory > 0 {
        page.line(&format!("  Memory:\t{}", Bytes(memory)));
    }
}

fn networks(page: &mut Page, networks: &Value) {
    let names: Vec<String> =
        networks.as_array().into_iter().flatten().map(|n| text(n, "/Target")).collect();
    if !names.is_empty() {
        page.line(&format!("Networks: {} ", names.join(" ")));
    }
}

/// The last line ends with a space, as Docker's does.
fn ports(page: &mut Page, ports: &Value) {
    let last = ports.as_array().map_or(0, Vec::len).saturating_sub(1);
    let mut at = 0;
    list(page, "Ports:", ports, |page, port| {
        page.line(&format!(" PublishedPort = {}", text(port, "/PublishedPort")));
        page.line(&format!("  Protocol = {}", text(port, "/Protocol")));
        page.line(&format!("  TargetPort = {}", text(port, "/TargetPort")));
        let end = if at == last { " " } else { "" };
        page.line(&format!("  PublishMode = {}{end}", text(port, "/PublishMode")));
        at += 1;
    });
}

fn health(page: &mut Page, check: &Value) {
    if !check.is_object() {
        return;
    }
    let time = |key: &str| nanos(check[key].as_u64().unwrap_or_default());
    page.line(" Healthcheck:");
    page.line(&format!("  Interval = {}", time("Interval")));
    page.line(&format!("  Retries = {}", check["Retries"].as_u64().unwrap_or_default()));
    page.line(&format!("  StartPeriod =\t{}", time("StartPeriod")));
    page.line(&format!("  Timeout =\t{}", time("Timeout")));
    list(page, "  Tests:", &check["Test"], |page, word| {
        page.line(&format!("\t Test = {}", text(word, "")));
    });
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A service with nearly everything, as the API shows it.
    fn full() -> Value {
        let config = |parallelism: u64, order: &str| {
            json!({
                "Parallelism": parallelism, "Delay": 1_000_000_000_u64, "FailureAction": "rollback",
                "Monitor": 2_000_000_000_u64, "MaxFailureRatio": 0.3, "Order": order,
            })
        };
        let port = json!({
            "Protocol": "tcp", "TargetPort": 8080, "PublishedPort": 8082, "PublishMode": "host",
        });
        json!({
            "ID": "9a2w", "Spec": {
                "Name": "full", "Labels": {"tier": "front"},
                "Mode": {"Replicated": {"Replicas": 2}},
                "UpdateConfig": config(2, "start-first"),
                "RollbackConfig": config(0, "stop-first"),
                "TaskTemplate": {
                    "ContainerSpec": {
                        "Image": "demo:1.0", "Args": ["/srv"], "Env": ["MODE=prod"], "Dir": "/",
                        "Mounts": [{"Type": "volume", "Source": "fulldata", "Target": "/data"}],
                        "Secrets": [{"File": {"Name": "db_pw"}, "SecretName": "db_pw"}],
                        "Healthcheck": {
                            "Test": ["CMD-SHELL", "/bin/true"], "Interval": 2_000_000_000_u64,
                        },
                    },
                    "Resources": {
                        "Limits": {"NanoCPUs": 500_000_000, "MemoryBytes": 67_108_864},
                        "Reservations": {"NanoCPUs": 100_000_000, "MemoryBytes": 16_777_216},
                    },
                    "Placement": {
                        "Constraints": ["node.role==manager"],
                        "Preferences": [{"Spread": {"SpreadDescriptor": "node.labels.zone"}}],
                    },
                    "LogDriver": {"Name": "json-file", "Options": {"max-size": "1m"}},
                },
                "EndpointSpec": {"Mode": "vip"},
            },
            "Endpoint": {"Ports": [port]},
            "UpdateStatus": {"State": "updating", "Message": "update in progress"},
            "Waits": ["update: waits for full.1"],
        })
    }

    /// Docker's page of it, line for line, but for its `Init:` and `User:` lines and our block of what
    /// waits.
    const FULL: &str = "
ID:\t\t9a2w
Name:\t\tfull
Labels:
 tier=front
Service Mode:\tReplicated
 Replicas:\t2
UpdateStatus:
 State:\t\tupdating
 Message:\tupdate in progress
Waits:
 update: waits for full.1
Placement:
 Constraints:\t[node.role==manager]
 Preferences:   [spread=node.labels.zone]
UpdateConfig:
 Parallelism:\t2
 Delay:\t\t1s
 On failure:\trollback
 Monitoring Period: 2s
 Max failure ratio: 0.3
 Update order:      start-first
RollbackConfig:
 Parallelism:\t0
 Delay:\t\t1s
 On failure:\trollback
 Monitoring Period: 2s
 Max failure ratio: 0.3
 Rollback order:    stop-first
ContainerSpec:
 Image:\t\tdemo:1.0
 Args:\t\t/srv 
 Env:\t\tMODE=prod 
 Dir:\t\t/
Mounts:
 Target:\t/data
  Source:\tfulldata
  ReadOnly:\tfalse
  Type:\t\tvolume
Secrets:
 Target:\tdb_pw
  Source:\tdb_pw
Log Driver:
 Name:\t\tjson-file
 LogOpts:
  max-size:       1m

Resources:
 Reservations:
  CPU:\t\t0.1
  Memory:\t16MiB
 Limits:
  CPU:\t\t0.5
  Memory:\t64MiB
Endpoint Mode:\tvip
Ports:
 PublishedPort = 8082
  Protocol = tcp
  TargetPort = 8080
  PublishMode = host 
 Healthcheck:
  Interval = 2s
  Retries = 0
  StartPeriod =\t0s
  Timeout =\t0s
  Tests:
\t Test = CMD-SHELL
\t Test = /bin/true
";

    #[test]
    fn a_service_is_shown_as_docker_shows_it() {
        assert_eq!(service(&full()), FULL);
    }
}
