//! Flags and what they make of a spec, as tables.

use clap::Parser;
use skep_api::{
    EndpointMode, Healthcheck, LogDriver, Preference, UpdateConfig, UpdateFailureAction,
    UpdateOrder,
};

use super::*;
use crate::args::{Cli, Service, Verb};

fn verb(words: &[&str]) -> Service {
    let args = ["skep", "service"].iter().chain(words);
    match Cli::try_parse_from(args).expect("the line parses").verb {
        Verb::Service(service) => *service,
        _ => panic!("not service"),
    }
}

fn words_of(verb: &'static str, line: &'static str) -> Vec<&'static str> {
    std::iter::once(verb).chain(line.split(' ')).collect()
}

/// The spec of `service create LINE`; words are split at blanks.
fn try_create(line: &'static str) -> CliResult<ServiceSpec> {
    match verb(&words_of("create", line)) {
        Service::Create(args) => created(&args),
        _ => panic!("not create"),
    }
}

fn create(line: &'static str) -> ServiceSpec {
    try_create(line).expect("the spec is good")
}

fn try_update(spec: &mut ServiceSpec, line: &'static str) -> CliResult<()> {
    match verb(&words_of("update", line)) {
        Service::Update(args) => updated(spec, &args),
        _ => panic!("not update"),
    }
}

fn update(spec: &mut ServiceSpec, line: &'static str) {
    try_update(spec, line).expect("the change is good");
}

/// The spec of a plain `service create`, to compare changed ones with.
fn base() -> ServiceSpec {
    create("--name web img:1")
}

#[test]
fn flags_after_the_image_are_the_components() {
    let spec = create("--name web -e A=1 -e A=2 -p 8080:80 --replicas 3 img:1 --flag -x y");
    assert_eq!(spec.name, "web");
    assert_eq!(spec.mode, Mode::Replicated { replicas: 3 });
    assert_eq!(spec.task.component.env, ["A=2"]);
    assert_eq!(spec.task.component.args, ["--flag", "-x", "y"]);
    assert_eq!(spec.endpoint.ports.len(), 1);
}

#[test]
fn a_flag_that_is_not_given_leaves_its_value_unset() {
    let spec = base();
    assert_eq!((spec.update, spec.rollback), (None, None));
    assert_eq!(spec.task.component.healthcheck, None);
    assert_eq!(spec.task.component.stop_grace_period, None);
    assert_eq!(spec.task.log_driver, None);
    assert!(spec.labels.is_empty());
}

/// What a line is to make of the base spec.
type Change = fn(&mut ServiceSpec);

#[rustfmt::skip]
const SCALARS: &[(&str, Change)] = &[
    ("--replicas-max-per-node 2", |s| s.task.placement.max_replicas = 2),
    ("--limit-pids 7", |s| s.task.limits.pids = 7),
    ("--limit-cpu 0.5 --limit-memory 64m", |s| {
        s.task.limits.cpus = skep_api::NanoCpus(500_000_000);
        s.task.limits.memory = skep_api::Bytes::mib(64);
    }),
    ("--reserve-cpu 1 --reserve-memory 1g", |s| {
        s.task.reservations.cpus = skep_api::NanoCpus(1_000_000_000);
        s.task.reservations.memory = skep_api::Bytes::mib(1024);
    }),
    ("--restart-condition on-failure --restart-delay 100ms --restart-max-attempts 3 --restart-window 1m", |s| {
        s.task.restart = skep_api::RestartPolicy {
            condition: skep_api::RestartCondition::OnFailure,
            delay: Duration::from_millis(100),
            max_attempts: 3,
            window: Duration::from_secs(60),
        };
    }),
    ("--update-parallelism 0", |s| s.update = Some(UpdateConfig { parallelism: 0, ..UpdateConfig::default() })),
    ("--update-delay 1s --update-monitor 0s --update-failure-action rollback --update-max-failure-ratio 0.25 --update-order start-first", |s| {
        s.update = Some(UpdateConfig {
            parallelism: 1,
            delay: Duration::from_secs(1),
            monitor: Duration::ZERO,
            failure_action: UpdateFailureAction::Rollback,
            max_failure_ratio: 0.25,
            order: Some(UpdateOrder::StartFirst),
        });
    }),
    ("--rollback-parallelism 4 --rollback-monitor 1s --rollback-failure-action continue --rollback-order stop-first", |s| {
        s.rollback = Some(UpdateConfig {
            parallelism: 4,
            monitor: Duration::from_secs(1),
            failure_action: UpdateFailureAction::Continue,
            order: Some(UpdateOrder::StopFirst),
            ..UpdateConfig::default()
        });
    }),
    ("--health-cmd check --health-interval 2s --health-retries 5 --health-start-period 1s", |s| {
        s.task.component.healthcheck = Some(Healthcheck {
            test: vec!["CMD-SHELL".into(), "check".into()],
            interval: Duration::from_secs(2),
            retries: 5,
            start_period: Duration::from_secs(1),
            ..Healthcheck::default()
        });
    }),
    ("--no-healthcheck", |s| {
        s.task.component.healthcheck =
            Some(Healthcheck { test: vec!["NONE".into()], ..Healthcheck::default() });
    }),
    ("--endpoint-mode dnsrr", |s| s.endpoint.mode = EndpointMode::DnsRoundRobin),
    ("--hostname {{.Node.Hostname}}", |s| s.task.component.hostname = "{{.Node.Hostname}}".into()),
    ("--log-driver json-file --log-opt max-size=1m", |s| {
        let options = [("max-size".to_owned(), "1m".to_owned())].into();
        s.task.log_driver = Some(LogDriver { name: "json-file".into(), options });
    }),
    ("--log-opt max-size=1m", |_| {}),
    ("--entrypoint /bin/x", |s| s.task.component.command = vec!["/bin/x".into()]),
    ("--stop-grace-period 3s", |s| s.task.component.stop_grace_period = Some(Duration::from_secs(3))),
    ("--stop-signal SIGINT", |_| {}),
    ("--workdir /srv", |s| s.task.component.dir = "/srv".into()),
    ("--read-only", |s| s.task.component.read_only = true),
    ("--read-only=false", |_| {}),
    ("--init", |_| {}),
    ("--init=false", |_| {}),
    ("--rebalance", |s| drop(s.labels.insert("skep.rebalance".into(), "true".into()))),
    ("--rebalance=false", |s| drop(s.labels.insert("skep.rebalance".into(), "false".into()))),
    ("--start-deadline 90s", |s| drop(s.labels.insert("skep.start_deadline".into(), "90s".into()))),
    ("--strategy binpack", |s| drop(s.labels.insert("skep.strategy".into(), "binpack".into()))),
    ("--with-registry-auth --no-resolve-image -d -q", |_| {}),
    ("--detach=false", |_| {}),
];

#[test]
fn scalars_are_set_alike_by_create_and_update() {
    for (flags, change) in SCALARS {
        let mut expected = base();
        change(&mut expected);
        let flags: Vec<&str> = flags.split(' ').collect();
        let created = match verb(&[&["create", "--name", "web"], &flags[..], &["img:1"]].concat()) {
            Service::Create(args) => created(&args).map_err(|error| error.message),
            _ => panic!("not create"),
        };
        assert_eq!(created, Ok(expected.clone()), "create {flags:?}");
        let mut spec = base();
        match verb(&[&["update"], &flags[..], &["web"]].concat()) {
            Service::Update(args) => updated(&mut spec, &args).expect("the change is good"),
            _ => panic!("not update"),
        }
        assert_eq!(spec, expected, "update {flags:?}");
        match verb(&[&["update"], &flags[..], &["web"]].concat()) {
            Service::Update(args) => updated(&mut spec, &args).expect("the change is good"),
            _ => panic!("not update"),
        }
        assert_eq!(spec, expected, "update {flags:?} again");
    }
}

#[test]
fn an_update_config_keeps_what_is_not_given() {
    let mut spec = create("--update-parallelism 3 --update-delay 2s img:1");
    update(&mut spec, "--update-delay 0s --update-order stop-first web");
    let config = spec.update.expect("it was given");
    assert_eq!((config.parallelism, config.delay), (3, Duration::ZERO));
    assert_eq!(config.order, Some(UpdateOrder::StopFirst));
    assert_eq!(spec.rollback, None);
}

#[test]
fn modes_have_their_counts() {
    for (line, mode) in [
        ("img:1", Mode::Replicated { replicas: 1 }),
        ("--replicas 0 img:1", Mode::Replicated { replicas: 0 }),
        ("--mode global img:1", Mode::Global),
        ("--mode global-job img:1", Mode::GlobalJob),
        (
            "--mode replicated-job img:1",
            Mode::ReplicatedJob { max_concurrent: 1, total_completions: 1 },
        ),
        (
            "--mode replicated-job --replicas 5 img:1",
            Mode::ReplicatedJob { max_concurrent: 5, total_completions: 5 },
        ),
        (
            "--mode replicated-job --replicas 5 --max-concurrent 2 img:1",
            Mode::ReplicatedJob { max_concurrent: 2, total_completions: 5 },
        ),
    ] {
        assert_eq!(create(line).mode, mode, "{line}");
    }
    let mut job = create("--mode replicated-job --replicas 5 img:1");
    update(&mut job, "--replicas 7 --max-concurrent 3 web");
    assert_eq!(job.mode, Mode::ReplicatedJob { max_concurrent: 3, total_completions: 7 });
}

#[test]
fn create_refuses_what_docker_refuses_in_its_words() {
    let replicas = "replicas can only be used with replicated or replicated-job mode";
    let cap = "replicas-max-per-node can only be used with replicated or replicated-job mode";
    let concurrent = "max-concurrent can only be used with replicated-job mode";
    let jobs = "update and rollback configuration is not supported for jobs";
    for (line, code, message) in [
        ("--mode foo i", 1, "Unknown mode: foo, only replicated and global supported"),
        ("--mode global --replicas 2 i", 1, replicas),
        ("--mode global-job --replicas 2 i", 1, replicas),
        ("--mode global --replicas-max-per-node 2 i", 1, cap),
        ("--mode global-job --replicas-max-per-node 2 i", 1, cap),
        ("--max-concurrent 2 i", 1, concurrent),
        ("--mode global --max-concurrent 2 i", 1, concurrent),
        ("--mode global-job --max-concurrent 2 i", 1, concurrent),
        ("--mode replicated-job --update-delay 1s i", 1, jobs),
        ("--mode global-job --rollback-order start-first i", 1, jobs),
        (
            "--no-healthcheck --health-retries 3 i",
            1,
            "--no-healthcheck conflicts with --health-* options",
        ),
        (
            "--update-failure-action explode i",
            1,
            "Error response from daemon: unrecognized update failure action explode",
        ),
        (
            "--update-order sideways i",
            1,
            "Error response from daemon: unrecognized update order sideways",
        ),
        (
            "--restart-condition sometimes i",
            1,
            "Error response from daemon: invalid RestartCondition: \"sometimes\"",
        ),
        ("--endpoint-mode x i", 1, "Error response from daemon: invalid resolution mode: \"x\""),
    ] {
        let refused = try_create(line).map_err(|error| (error.code, error.message));
        assert_eq!(refused.map(|_| ()), Err((code, message.to_owned())), "{line}");
    }
}

#[test]
fn values_that_cannot_be_read_are_refused_in_dockers_words() {
    for (line, code, message) in [
        (
            "--placement-pref zone i",
            125,
            "invalid argument \"zone\" for \"--placement-pref\" flag: placement preference must be of the format \"<strategy>=<arg>\"",
        ),
        (
            "--placement-pref pack=x i",
            125,
            "invalid argument \"pack=x\" for \"--placement-pref\" flag: unsupported placement preference pack (only spread is supported)",
        ),
        (
            "--limit-memory foo i",
            125,
            "invalid argument \"foo\" for \"--limit-memory\" flag: invalid size: 'foo'",
        ),
        (
            "--limit-cpu 0.0000000001 i",
            125,
            "invalid argument \"0.0000000001\" for \"--limit-cpu\" flag: value is too precise",
        ),
        (
            "--update-max-failure-ratio half i",
            125,
            "invalid argument \"half\" for \"--update-max-failure-ratio\" flag: strconv.ParseFloat: parsing \"half\": invalid syntax",
        ),
        (
            "--rollback-delay 5 i",
            125,
            "invalid argument \"5\" for \"--rollback-delay\" flag: time: missing unit in duration \"5\"",
        ),
        (
            "--generic-resource gpu i",
            1,
            "invalid generic resource specification: could not parse GenericResource: incorrect term gpu, missing '=' or malformed expression",
        ),
        (
            "--generic-resource gpu=uuid1 i",
            1,
            "invalid generic-resource request `gpu=uuid1`, Named Generic Resources is not supported for service create or update",
        ),
    ] {
        let refused = try_create(line).map_err(|error| (error.code, error.message));
        assert_eq!(refused.map(|_| ()), Err((code, message.to_owned())), "{line}");
    }
}

#[test]
fn update_refuses_what_docker_refuses_in_its_words() {
    for (made, line, message) in [
        ("--mode global i", "--replicas 2 web", "replicas can only be used with replicated mode"),
        (
            "--mode global i",
            "--replicas-max-per-node 2 web",
            "replicas-max-per-node can only be used with replicated or replicated-job mode",
        ),
        ("i", "--max-concurrent 2 web", "max-concurrent can only be used with replicated-job mode"),
        (
            "i",
            "--generic-resource-rm gpu web",
            "could not find generic-resource `gpu` to remove it",
        ),
        ("i", "--mount-add target=/a --mount-add target=/a web", "duplicate mount target"),
        (
            "i",
            "--health-cmd x --no-healthcheck web",
            "--no-healthcheck conflicts with --health-* options",
        ),
    ] {
        let mut spec = create(made);
        let refused = try_update(&mut spec, line).map_err(|error| error.message);
        assert_eq!(refused, Err(message.to_owned()), "{line}");
    }
}

#[test]
fn flags_without_meaning_are_refused_with_what_to_do_instead() {
    for line in [
        "-u 0 i",
        "--user=0 i",
        "-t i",
        "--tty=true i",
        "--cap-add NET_ADMIN i",
        "--sysctl a=b i",
        "--ulimit nofile=1 i",
        "--dns 1.1.1.1 i",
        "--memory-swap -1 i",
        "--isolation process i",
        "--credential-spec file://x i",
        "--oom-score-adj -5 i",
    ] {
        let error = try_create(line).expect_err(line);
        assert_eq!(error.code, 125, "{line}");
        assert!(error.message.ends_with(" has no meaning for components"), "{}", error.message);
        assert!(error.hint.is_some_and(|hint| hint.len() > 20), "{line}");
    }
    let error = try_update(&mut base(), "--dns-add 1.1.1.1 web").expect_err("it is refused");
    assert_eq!(error.message, "--dns-add has no meaning for components");
}

#[test]
fn an_update_adds_and_removes() {
    let mut spec = create(
        "--name web -e A=1 -e B=2 -p 8080:80 --secret pw --constraint node.role==manager --placement-pref spread=node.labels.zone --generic-resource gpu=1 img:1",
    );
    update(
        &mut spec,
        "--env-rm A --env-add C=3 --publish-rm 80 --secret-rm pw --force --image img:2 --constraint-rm node.role==manager --placement-pref-rm spread=node.labels.zone --placement-pref-add spread=node.labels.rack --generic-resource-rm gpu --generic-resource-add fpga=2 web",
    );
    assert_eq!(spec.task.component.env, ["B=2", "C=3"]);
    assert_eq!(spec.task.component.image, "img:2");
    assert!(spec.endpoint.ports.is_empty() && spec.task.component.secrets.is_empty());
    assert!(spec.task.placement.constraints.is_empty());
    assert_eq!(spec.task.placement.preferences, [Preference::Spread("node.labels.rack".into())]);
    assert_eq!(spec.task.reservations.generic, [("fpga".to_owned(), 2)].into());
    assert_eq!(spec.task.force_update, 1);
}

#[test]
fn behaviour_188_lists_are_added_to_after_removals_sorted_and_left_alone_otherwise() {
    let mut spec = create(
        "--constraint b==1 --constraint a==1 -p 9000:90 -p 8000:80 --mount type=volume,source=z,target=/z --mount type=volume,source=a,target=/a -l x=1 img:1",
    );
    let before = spec.clone();
    update(
        &mut spec,
        "--env-rm nosuch --label-rm nosuch --secret-rm nosuch --config-rm nosuch web",
    );
    update(
        &mut spec,
        "--placement-pref-rm spread=node.labels.zone --container-label-rm nosuch web",
    );
    assert_eq!(spec, before, "removing what is not there changes nothing, not even an order");
    let line = "--constraint-add 0==1 --publish-add 7000:70 --mount-add type=volume,source=m,target=/m --label-rm x --label-add x=2 web";
    update(&mut spec, line);
    assert_eq!(spec.task.placement.constraints, ["0==1", "a==1", "b==1"]);
    let published: Vec<u16> = spec.endpoint.ports.iter().map(|port| port.published).collect();
    assert_eq!(published, [7000, 8000, 9000]);
    let targets: Vec<&str> =
        spec.task.component.mounts.iter().map(|mount| mount.target.as_str()).collect();
    assert_eq!(targets, ["/a", "/m", "/z"]);
    assert_eq!(spec.labels.get("x").map(String::as_str), Some("2"));
    let once = spec.clone();
    update(&mut spec, line);
    assert_eq!(spec, once, "the same flags again change nothing");
}

#[test]
fn a_health_check_that_was_off_is_on_again_when_it_is_set() {
    let mut spec = create("--no-healthcheck img:1");
    update(&mut spec, "--health-interval 2s web");
    let check = spec.task.component.healthcheck.expect("it was given");
    assert_eq!((check.test, check.interval), (Vec::new(), Duration::from_secs(2)));
}

#[test]
fn no_flag_goes_with_rollback_but_how_to_wait() {
    let asked = |line| match verb(&words_of("update", line)) {
        Service::Update(args) => is_rollback(&args).map_err(|error| error.message),
        _ => panic!("not update"),
    };
    assert_eq!(asked("--rollback -d -q web"), Ok(true));
    assert_eq!(asked("--force web"), Ok(false));
    let refused = Err("other flags may not be combined with --rollback".to_owned());
    for line in [
        "--rollback --force web",
        "--rollback --replicas 2 web",
        "--rollback --rollback-delay 1s web",
        "--rollback --env-add A=1 web",
        "--rollback -u 0 web",
    ] {
        assert_eq!(asked(line), refused, "{line}");
    }
}
