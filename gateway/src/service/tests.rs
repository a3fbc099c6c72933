//! Services as `docker service inspect` shows them.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;
use skep_api::*;

use super::Service as Shown;
use super::{Defaults, Networks};

fn web() -> Service {
    let mut spec = ServiceSpec { name: "web".to_owned(), ..Default::default() };
    spec.task.component.image = "web:1.0".to_owned();
    Service {
        meta: Meta {
            version: 69,
            created_at: Time::from_secs(1_700_000_000),
            updated_at: Time::from_secs(1_700_000_001),
        },
        ..Service::new(Id::from_u128(1), spec)
    }
}

#[test]
fn a_plain_service_with_its_defaults_looks_like_dockers() {
    let update = json!({
        "Parallelism": 1,
        "FailureAction": "pause",
        "Monitor": 5_000_000_000_u64,
        "MaxFailureRatio": 0,
        "Order": "stop-first"
    });
    let expected = json!({
        "ID": "0000000000000000000000001",
        "Version": { "Index": 69 },
        "CreatedAt": "2023-11-14T22:13:20Z",
        "UpdatedAt": "2023-11-14T22:13:21Z",
        "Spec": {
            "Name": "web",
            "Labels": {},
            "TaskTemplate": {
                "ContainerSpec": {
                    "Image": "web:1.0",
                    "StopGracePeriod": 10_000_000_000_u64,
                    "DNSConfig": {},
                    "Isolation": "default"
                },
                "Resources": { "Limits": {}, "Reservations": {} },
                "RestartPolicy": {
                    "Condition": "any",
                    "Delay": 5_000_000_000_u64,
                    "MaxAttempts": 0
                },
                "Placement": {},
                "ForceUpdate": 0,
                "Runtime": "container"
            },
            "Mode": { "Replicated": { "Replicas": 1 } },
            "UpdateConfig": update,
            "RollbackConfig": update,
            "EndpointSpec": { "Mode": "vip" }
        },
        "Endpoint": { "Spec": {} }
    });
    let shown = Shown::new(&web(), Defaults::Insert(Compat::Skep), &Networks::new());
    assert_eq!(serde_json::to_string(&shown).expect("JSON"), expected.to_string());
}

#[test]
fn an_order_that_was_not_stated_is_shown_as_what_would_happen() {
    let mut service = web();
    service.workload = Some(Workload { kind: WorkloadKind::Http, platform: "wasip2".to_owned() });
    service.previous = Some(service.spec.clone());
    let rollback = UpdateConfig { order: Some(UpdateOrder::StopFirst), ..Default::default() };
    std::sync::Arc::make_mut(&mut service.spec).rollback = Some(rollback);
    let shown = |defaults| {
        let shown = Shown::new(&service, defaults, &Networks::new());
        serde_json::to_value(&shown).expect("JSON")
    };
    let ours = shown(Defaults::Insert(Compat::Skep));
    assert_eq!(ours["Spec"]["UpdateConfig"]["Order"], "start-first");
    assert_eq!(ours["Spec"]["RollbackConfig"]["Order"], "stop-first", "as stated");
    assert_eq!(ours["PreviousSpec"].get("UpdateConfig"), None);
    let swarms = shown(Defaults::Insert(Compat::Swarm));
    assert_eq!(swarms["Spec"]["UpdateConfig"]["Order"], "stop-first");
    assert_eq!(shown(Defaults::AsStored)["Spec"].get("UpdateConfig"), None, "nothing to keep");
}

#[test]
fn a_job_looks_like_dockers() {
    let mode = Mode::ReplicatedJob { max_concurrent: 2, total_completions: 5 };
    let spec = ServiceSpec { name: "job".to_owned(), mode, ..Default::default() };
    let mut service = Service::new(Id::from_u128(1), spec);
    let last_execution = Time::from_secs(1_700_000_000);
    service.job = Some(JobStatus { iteration: 3, last_execution });
    let shown = Shown::new(&service, Defaults::AsStored, &Networks::new());
    let shown = serde_json::to_value(&shown).expect("JSON");
    let expected = json!({
        "JobIteration": { "Index": 3 },
        "LastExecution": "2023-11-14T22:13:20Z"
    });
    assert_eq!(shown["JobStatus"].to_string(), expected.to_string());
    assert_eq!(shown.get("UpdateStatus"), None);
    let web = serde_json::to_value(Shown::new(&web(), Defaults::AsStored, &Networks::new()));
    assert_eq!(web.expect("JSON").get("JobStatus"), None);
}

#[test]
fn an_update_shows_where_it_stands() {
    for (state, word) in [
        (UpdateState::Updating, "updating"),
        (UpdateState::Paused, "paused"),
        (UpdateState::Completed, "completed"),
        (UpdateState::RollbackStarted, "rollback_started"),
        (UpdateState::RollbackPaused, "rollback_paused"),
        (UpdateState::RollbackCompleted, "rollback_completed"),
    ] {
        let mut service = web();
        service.update_status = Some(UpdateStatus {
            state,
            started_at: Time::from_secs(1_700_000_000),
            completed_at: None,
            message: "so".to_owned(),
            slots: 2,
        });
        let shown = Shown::new(&service, Defaults::AsStored, &Networks::new());
        let shown = serde_json::to_value(&shown).expect("JSON");
        let expected = json!({
            "State": word,
            "StartedAt": "2023-11-14T22:13:20Z",
            "Message": "so"
        });
        assert_eq!(shown["UpdateStatus"].to_string(), expected.to_string());
    }
}

#[test]
fn what_was_not_stated_is_left_out_without_defaults() {
    let shown = Shown::new(&web(), Defaults::AsStored, &Networks::new());
    let shown = serde_json::to_value(&shown).expect("JSON");
    let spec = &shown["Spec"];
    assert_eq!(spec.get("UpdateConfig"), None);
    assert_eq!(spec["TaskTemplate"].get("RestartPolicy"), None);
    assert_eq!(spec["TaskTemplate"]["ContainerSpec"].get("StopGracePeriod"), None);
}

fn full_component() -> ComponentSpec {
    let target = |name: &str, mode| FileTarget {
        name: name.to_owned(),
        uid: "0".to_owned(),
        gid: "0".to_owned(),
        mode,
    };
    let labels = BTreeMap::from([("a".to_owned(), "b".to_owned())]);
    let volume = MountKind::Volume { source: Some("fulldata".to_owned()), labels };
    let mount =
        |kind, target: &str, read_only| Mount { kind, target: target.to_owned(), read_only };
    ComponentSpec {
        image: "web:1.0".to_owned(),
        labels: BTreeMap::from([("cl".to_owned(), "1".to_owned())]),
        args: vec!["/srv".to_owned()],
        hostname: "{{.Node.Hostname}}-{{.Task.Slot}}".to_owned(),
        env: vec!["MODE=prod".to_owned()],
        dir: "/".to_owned(),
        mounts: vec![
            mount(volume, "/data", true),
            mount(MountKind::Tmpfs { size: Some(Bytes(1024)) }, "/scratch", false),
        ],
        secrets: vec![SecretRef {
            id: Id::from_u128(3),
            name: "db_pw".to_owned(),
            target: target("db_pw", 0o444),
        }],
        configs: vec![ConfigRef {
            id: Id::from_u128(4),
            name: "app.conf".to_owned(),
            target: target("/etc/app.conf", 0o440),
        }],
        stop_grace_period: Some(Duration::from_secs(3)),
        healthcheck: Some(Healthcheck {
            test: vec!["CMD-SHELL".to_owned(), "/bin/true".to_owned()],
            interval: Duration::from_secs(2),
            ..Default::default()
        }),
        registry_auth: Some(SecretBytes::new(b"hunter2".to_vec())),
        ..Default::default()
    }
}

#[test]
fn a_component_in_full_looks_like_dockers_container() {
    let shown = super::component::ContainerSpec::new(&full_component(), Defaults::AsStored);
    let expected = json!({
        "Image": "web:1.0",
        "Labels": { "cl": "1" },
        "Args": ["/srv"],
        "Hostname": "{{.Node.Hostname}}-{{.Task.Slot}}",
        "Env": ["MODE=prod"],
        "Dir": "/",
        "Mounts": [
            {
                "Type": "volume",
                "Source": "fulldata",
                "Target": "/data",
                "ReadOnly": true,
                "VolumeOptions": { "Labels": { "a": "b" } }
            },
            { "Type": "tmpfs", "Target": "/scratch", "TmpfsOptions": { "SizeBytes": 1024 } }
        ],
        "StopGracePeriod": 3_000_000_000_u64,
        "Healthcheck": { "Test": ["CMD-SHELL", "/bin/true"], "Interval": 2_000_000_000 },
        "DNSConfig": {},
        "Secrets": [{
            "File": { "Name": "db_pw", "UID": "0", "GID": "0", "Mode": 292 },
            "SecretID": "0000000000000000000000003",
            "SecretName": "db_pw"
        }],
        "Configs": [{
            "File": { "Name": "/etc/app.conf", "UID": "0", "GID": "0", "Mode": 288 },
            "ConfigID": "0000000000000000000000004",
            "ConfigName": "app.conf"
        }],
        "Isolation": "default"
    });
    assert_eq!(serde_json::to_string(&shown).expect("JSON"), expected.to_string());
}

fn full_task() -> TaskSpec {
    TaskSpec {
        limits: Resources { cpus: NanoCpus(500_000_000), pids: 5, ..Default::default() },
        reservations: Resources {
            memory: Bytes::mib(16),
            generic: BTreeMap::from([("gpu".to_owned(), 2)]),
            ..Default::default()
        },
        restart: RestartPolicy {
            condition: RestartCondition::OnFailure,
            delay: Duration::from_secs(2),
            max_attempts: 3,
            window: Duration::from_secs(60),
        },
        placement: Placement {
            constraints: vec!["node.role==manager".to_owned()],
            preferences: vec![Preference::Spread("node.labels.zone".to_owned())],
            max_replicas: 2,
        },
        networks: vec![NetworkAttachment {
            target: Id::<Network>::from_u128(5).to_string(),
            aliases: vec!["web".to_owned()],
        }],
        log_driver: Some(LogDriver {
            name: "json-file".to_owned(),
            options: BTreeMap::from([("max-size".to_owned(), "1m".to_owned())]),
        }),
        force_update: 1,
        ..Default::default()
    }
}

#[test]
fn a_task_in_full_looks_like_dockers() {
    let shown = super::TaskSpec::new(&full_task(), Defaults::AsStored);
    let expected = json!({
        "ContainerSpec": { "Image": "", "DNSConfig": {}, "Isolation": "default" },
        "Resources": {
            "Limits": { "NanoCPUs": 500_000_000, "Pids": 5 },
            "Reservations": {
                "MemoryBytes": 16_777_216,
                "GenericResources": [{ "DiscreteResourceSpec": { "Kind": "gpu", "Value": 2 } }]
            }
        },
        "RestartPolicy": {
            "Condition": "on-failure",
            "Delay": 2_000_000_000,
            "MaxAttempts": 3,
            "Window": 60_000_000_000_u64
        },
        "Placement": {
            "Constraints": ["node.role==manager"],
            "Preferences": [{ "Spread": { "SpreadDescriptor": "node.labels.zone" } }],
            "MaxReplicas": 2
        },
        "Networks": [{ "Target": "0000000000000000000000005", "Aliases": ["web"] }],
        "LogDriver": { "Name": "json-file", "Options": { "max-size": "1m" } },
        "ForceUpdate": 1
    });
    assert_eq!(serde_json::to_string(&shown).expect("JSON"), expected.to_string());
}

#[test]
fn an_endpoint_and_an_update_look_like_dockers() {
    let port = PortConfig { target: 8080, published: 8081, ..Default::default() };
    let spec = EndpointSpec { ports: vec![port.clone()], ..Default::default() };
    let addr = "10.0.0.9".parse().expect("an address");
    let network = Id::from_u128(5);
    let mut service = web();
    service.endpoint =
        Endpoint { spec, ports: vec![port], virtual_ips: vec![VirtualIp { network, addr }] };
    service.previous = Some(service.spec.clone());
    service.update_status = Some(UpdateStatus {
        state: UpdateState::Completed,
        started_at: Time::from_secs(1_700_000_000),
        completed_at: Some(Time::from_secs(1_700_000_001)),
        message: "update completed".to_owned(),
        slots: 2,
    });
    let overlay = Network {
        id: network,
        meta: Meta::default(),
        spec: NetworkSpec::default(),
        subnet: "10.0.0.0/24".to_owned(),
    };
    let networks = Networks::from([(network, overlay)]);
    let shown = Shown::new(&service, Defaults::AsStored, &networks);
    let shown = serde_json::to_value(&shown).expect("JSON");
    let port = json!({
        "Protocol": "tcp",
        "TargetPort": 8080,
        "PublishedPort": 8081,
        "PublishMode": "ingress"
    });
    let expected = json!({
        "Spec": { "Mode": "vip", "Ports": [port] },
        "Ports": [port],
        "VirtualIPs": [{ "NetworkID": "0000000000000000000000005", "Addr": "10.0.0.9/24" }]
    });
    assert_eq!(shown["Endpoint"].to_string(), expected.to_string());
    let expected = json!({
        "State": "completed",
        "StartedAt": "2023-11-14T22:13:20Z",
        "CompletedAt": "2023-11-14T22:13:21Z",
        "Message": "update completed"
    });
    assert_eq!(shown["UpdateStatus"].to_string(), expected.to_string());
    assert_eq!(shown["PreviousSpec"], shown["Spec"]);
}

#[test]
fn every_mode_has_its_name() {
    let mode = |mode| serde_json::to_value(super::spec::Mode::from(mode)).expect("JSON");
    assert_eq!(mode(Mode::Global), json!({ "Global": {} }));
    assert_eq!(mode(Mode::GlobalJob), json!({ "GlobalJob": {} }));
    assert_eq!(
        mode(Mode::ReplicatedJob { max_concurrent: 2, total_completions: 5 }),
        json!({ "ReplicatedJob": { "MaxConcurrent": 2, "TotalCompletions": 5 } })
    );
}
