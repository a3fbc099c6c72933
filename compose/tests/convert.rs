//! What a stack consists of, for files that say what stacks usually say, and what is refused.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use skep_api::{
    Bytes, EndpointMode, Error, FileTarget, Healthcheck, Mode, MountKind, NanoCpus, Preference,
    Protocol, PublishMode, RestartCondition, ServiceSpec, UpdateFailureAction, UpdateOrder,
};
use skep_compose::{ComposeError, Options, ReadFile, SourceFile, StackSpec, convert, load};

struct Files;

impl ReadFile for Files {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        match path {
            "/p/secret.txt" => Ok(b"hunter2".to_vec()),
            "/p/config.json" => Ok(b"{\0}".to_vec()),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

fn stack(text: &str) -> Result<StackSpec, ComposeError> {
    let options = Options { working_dir: "/p".to_owned(), ..Options::default() };
    let loaded = load(&[SourceFile { name: "c.yaml", text }], &options, &Files)?;
    convert("todo", &loaded.project, &Files)
}

fn service(text: &str) -> ServiceSpec {
    let text = format!("services: {{web: {{image: web, {text}}}}}");
    stack(&text).expect("a good service").services.remove(0)
}

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

const STACK: (&str, &str) = ("com.docker.stack.namespace", "todo");

#[test]
fn a_stack_is_named_and_labelled() {
    let text = "
services:
  web:
    image: localhost:5000/web:1.0
    labels: {of: task}
    deploy: {labels: {of: service}}
    x-skep: {placement: edge, limits: {a: [1, true]}, on: true, none: , n: 1.5}
    networks: {front: {aliases: [www]}, outside: }
    secrets: [token, {source: shared, target: /etc/shared, uid: '5', mode: 0400}]
    configs: [app, {source: app, target: /app/config.json}]
networks: {front: {labels: {a: b}, internal: true}, unused: , outside: {external: true, name: world}}
secrets: {token: {file: secret.txt}, shared: {external: true}}
configs: {app: {file: config.json, name: app-v2, labels: {v: '2'}}}
";
    let stack = stack(text).expect("a good stack");
    let web = &stack.services[0];
    assert_eq!(web.name, "todo_web");
    let expected = labels(&[
        STACK,
        ("com.docker.stack.image", "localhost:5000/web:1.0"),
        ("of", "service"),
        ("skep.placement", "edge"),
        ("skep.limits", "{\"a\":[1,true]}"),
        ("skep.on", "true"),
        ("skep.none", ""),
        ("skep.n", "1.5"),
    ]);
    assert_eq!(web.labels, expected);
    assert_eq!(web.task.component.labels, labels(&[STACK, ("of", "task")]));

    assert_eq!(stack.external_networks, ["world"]);
    assert_eq!(stack.networks.len(), 1, "an unused network is not made");
    assert_eq!(stack.networks[0].name, "todo_front");
    assert_eq!(stack.networks[0].labels, labels(&[STACK, ("a", "b")]));
    assert!(stack.networks[0].internal);
    let networks: Vec<_> =
        web.task.networks.iter().map(|n| (n.target.as_str(), n.aliases.join(" "))).collect();
    assert_eq!(networks, [("todo_front", "www web".into()), ("world", "web".to_owned())]);

    assert_eq!(stack.secrets.len(), 1, "an external secret is not made");
    assert_eq!(stack.secrets[0].name, "todo_token");
    assert_eq!(stack.secrets[0].data.expose(), b"hunter2");
    assert_eq!((&*stack.configs[0].name, &**stack.configs[0].data), ("app-v2", &b"{\0}"[..]));
    assert_eq!(stack.configs[0].labels, labels(&[STACK, ("v", "2")]));

    let target = |name: &str, uid: &str, mode| FileTarget {
        name: name.to_owned(),
        uid: uid.to_owned(),
        gid: "0".to_owned(),
        mode,
    };
    let component = &web.task.component;
    let secrets: Vec<_> = component.secrets.iter().map(|s| (s.name.as_str(), &s.target)).collect();
    assert_eq!(
        secrets,
        [
            ("shared", &target("/etc/shared", "5", 0o400)),
            ("todo_token", &target("token", "0", 0o444))
        ]
    );
    let configs: Vec<_> = component.configs.iter().map(|c| (c.name.as_str(), &c.target)).collect();
    assert_eq!(
        configs,
        [
            ("app-v2", &target("app", "0", 0o444)),
            ("app-v2", &target("/app/config.json", "0", 0o444))
        ]
    );
}

#[test]
fn the_default_network_comes_first() {
    let text = "services: {a: {image: x, networks: [aa]}, b: {image: x}}\nnetworks: {aa: }";
    let names: Vec<String> =
        stack(text).expect("good").networks.into_iter().map(|network| network.name).collect();
    assert_eq!(names, ["todo_default", "todo_aa"]);
}

#[test]
fn what_a_task_is_told_is_converted() {
    let web = service(
        "entrypoint: run, command: [a, b c], environment: {B: 1, A: , C: ''}, working_dir: /w, \
         hostname: '{{.Node.Hostname}}', read_only: true, stop_grace_period: 1m, \
         healthcheck: {test: curl x, interval: 5s, retries: 2}, logging: {driver: d, options: {a: b}}",
    );
    let component = &web.task.component;
    assert_eq!(component.command, ["run"]);
    assert_eq!(component.args, ["a", "b c"]);
    assert_eq!(component.env, ["A", "B=1", "C="]);
    assert_eq!((&*component.dir, &*component.hostname), ("/w", "{{.Node.Hostname}}"));
    assert!(component.read_only);
    assert_eq!(component.stop_grace_period, Some(Duration::from_secs(60)));
    let check = component.healthcheck.as_ref().expect("a health check");
    assert_eq!(check.test, ["CMD-SHELL", "curl x"]);
    assert_eq!((check.interval, check.retries), (Duration::from_secs(5), 2));
    assert_eq!(
        web.task.log_driver.map(|d| (d.name, d.options)),
        Some(("d".into(), labels(&[("a", "b")])))
    );
    let off = service("healthcheck: {disable: true}").task.component.healthcheck;
    assert_eq!(off, Some(Healthcheck { test: vec!["NONE".into()], ..Healthcheck::default() }));
}

#[test]
fn deploy_is_converted() {
    let web = service(
        "deploy: {replicas: 0, endpoint_mode: DNSRR, \
         placement: {constraints: [node.labels.a == b], preferences: [{spread: node.labels.z}], max_replicas_per_node: 2}, \
         resources: {limits: {cpus: '0.5', memory: 64m, pids: 3}, reservations: {memory: 1g, \
           generic_resources: [{discrete_resource_spec: {kind: gpu, value: 2}}]}}, \
         update_config: {parallelism: 0, order: start-first, failure_action: rollback, monitor: 1s}, \
         rollback_config: {}, restart_policy: {condition: on-failure, max_attempts: 3, window: 1m}}",
    );
    assert_eq!(web.mode, Mode::Replicated { replicas: 0 });
    assert_eq!(web.endpoint.mode, EndpointMode::DnsRoundRobin);
    assert_eq!(web.task.placement.constraints, ["node.labels.a == b"]);
    assert_eq!(web.task.placement.preferences, [Preference::Spread("node.labels.z".into())]);
    assert_eq!(web.task.placement.max_replicas, 2);
    assert_eq!(web.task.limits.cpus, NanoCpus(500_000_000));
    assert_eq!((web.task.limits.memory, web.task.limits.pids), (Bytes::mib(64), 3));
    assert_eq!(web.task.reservations.generic, BTreeMap::from([("gpu".to_owned(), 2)]));
    let update = web.update.expect("stated");
    assert_eq!((update.parallelism, update.order), (0, Some(UpdateOrder::StartFirst)));
    assert_eq!(update.failure_action, UpdateFailureAction::Rollback);
    let rollback = web.rollback.expect("stated");
    assert_eq!((rollback.parallelism, rollback.monitor), (1, Duration::from_secs(5)));
    let restart = web.task.restart;
    assert_eq!((restart.condition, restart.max_attempts), (RestartCondition::OnFailure, 3));
    assert_eq!((restart.delay, restart.window), (Duration::from_secs(5), Duration::from_secs(60)));
    assert_eq!(service("deploy: {mode: global}").mode, Mode::Global);
    let job = service("deploy: {mode: replicated-job, replicas: 4}").mode;
    assert_eq!(job, Mode::ReplicatedJob { max_concurrent: 4, total_completions: 4 });
}

#[test]
fn the_policy_of_a_single_machine_is_converted() {
    for (text, condition, attempts) in [
        ("no", RestartCondition::Any, 0),
        ("always", RestartCondition::Any, 0),
        ("unless-stopped", RestartCondition::Any, 0),
        ("on-failure", RestartCondition::OnFailure, 0),
        ("on-failure:3", RestartCondition::OnFailure, 3),
    ] {
        let policy = service(&format!("restart: '{text}'")).task.restart;
        assert_eq!((policy.condition, policy.max_attempts), (condition, attempts), "{text}");
    }
    let both = service("restart: always, deploy: {restart_policy: {condition: none}}");
    assert_eq!(both.task.restart.condition, RestartCondition::None);
}

#[test]
fn ports_are_sorted_by_what_nodes_listen_on() {
    let web = service("ports: ['8081:81/udp', '8080:80', {target: 22, mode: host}]");
    let ports: Vec<_> =
        web.endpoint.ports.iter().map(|p| (p.published, p.target, p.protocol, p.mode)).collect();
    assert_eq!(
        ports,
        [
            (0, 22, Protocol::Tcp, PublishMode::Host),
            (8080, 80, Protocol::Tcp, PublishMode::Ingress),
            (8081, 81, Protocol::Udp, PublishMode::Ingress)
        ]
    );
}

#[test]
fn mounts_keep_the_files_order() {
    let text = "services: {web: {image: x, volumes: [/anon, 'data:/d:ro', 'shared:/s', './h:/h', \
        {type: tmpfs, target: /t, tmpfs: {size: 5}}]}}\n\
        volumes: {data: {labels: {a: b}}, shared: {external: true, name: real}}";
    let web = stack(text).expect("good").services.remove(0);
    let kinds: Vec<MountKind> = web.task.component.mounts.iter().map(|m| m.kind.clone()).collect();
    let volume = |source: Option<&str>, l: &[(&str, &str)]| MountKind::Volume {
        source: source.map(str::to_owned),
        labels: labels(l),
    };
    assert_eq!(
        kinds,
        [
            volume(None, &[]),
            volume(Some("todo_data"), &[STACK, ("a", "b")]),
            volume(Some("real"), &[]),
            MountKind::Bind { source: "/p/h".into() },
            MountKind::Tmpfs { size: Some(Bytes(5)) },
        ]
    );
    assert!(web.task.component.mounts[1].read_only);
}

#[test]
fn what_does_not_fit_together_is_refused_with_dockers_texts() {
    for (service, text) in [
        ("build: .", "invalid image reference for service a: no image specified"),
        ("image: 'X Y'", "invalid image reference for service a: invalid reference format"),
        ("image: x, networks: [n]", "service a: undefined network \"n\""),
        ("image: x, secrets: [n]", "service a: undefined secret \"n\""),
        ("image: x, configs: [n]", "service a: undefined config \"n\""),
        ("image: x, volumes: ['vol:/n']", "service a: undefined volume \"vol\""),
        ("image: x, deploy: {mode: everywhere}", "service a: unknown mode: everywhere"),
        (
            "image: x, deploy: {mode: global, replicas: 2}",
            "service a: replicas can only be used with replicated or replicated-job mode",
        ),
        (
            "image: x, healthcheck: {disable: true, test: x}",
            "service a: test and disable can't be set at the same time",
        ),
        (
            "image: x, volumes: [{type: tmpfs, source: s, target: /t}]",
            "service a: invalid tmpfs source, source must be empty",
        ),
        (
            "image: x, volumes: [{type: bind, source: /s, target: /t, tmpfs: {size: 1}}]",
            "service a: tmpfs options are incompatible with type bind",
        ),
        ("image: x, restart: sometimes", "service a: unknown restart policy: sometimes"),
        (
            "image: x, ports: [{target: 70000}]",
            "service a: target port must be between 0 and 65535, got 70000",
        ),
        (
            "image: x, stop_grace_period: -1s",
            "service a: stop_grace_period must not be negative, got -1s",
        ),
        (
            "image: x, deploy: {resources: {limits: {cpus: '0.0000000001'}}}",
            "service a: value is too precise",
        ),
        ("image: x, x-skep: 5", "service a: x-skep must be a mapping"),
    ] {
        let error = stack(&format!("services: {{a: {{{service}}}}}")).expect_err(service);
        assert_eq!(error.message, text);
    }
    let error = stack("secrets: {a: {file: nope}}").expect_err("no such file");
    assert_eq!(error.message, "open /p/nope: no such file or directory");
    let project = skep_compose::Project::default();
    let error = convert(" '", &project, &Files).expect_err("a blank name");
    assert_eq!(error.message, "invalid stack name: \" '\"");
}

#[test]
fn an_error_says_where_it_is_and_what_was_probably_meant() {
    let text = "services:\n  web:\n    image: x\n    deploy:\n      replica: 3\n";
    let error = stack(text).expect_err("a slip");
    assert_eq!(error.message, "services.web.deploy Additional property replica is not allowed");
    assert_eq!(error.place().as_deref(), Some("c.yaml, line 4"));
    let error = Error::from(error);
    assert_eq!(error.hint.as_deref(), Some("did you mean `replicas`? (in c.yaml, line 4)"));

    let error = stack("services: {a: {extends: {service: b}, mem_limit: 1g}}").expect_err("old");
    assert_eq!(error.to_string(), "Configuration contains forbidden properties");
    assert_eq!(
        Error::from(error).message,
        "Compose file contains unsupported options:\n\nextends: Support for `extends` is not \
         implemented yet.\n\nmem_limit: Set resource limits using deploy.resources\n"
    );
}

#[test]
fn keys_without_effect_are_listed() {
    let text = "services: {a: {image: x, restart: no, build: .}, b: {image: x, privileged: true, \
        expose: [1], container_name: c}}"
        .replace("restart: no", "restart: 'no'");
    let options = Options::default();
    let files = [SourceFile { name: "c", text: &text }];
    let loaded = load(&files, &options, &Files).expect("good");
    let warnings: Vec<String> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "Ignoring unsupported options: build, privileged, restart\n\n",
            "Ignoring deprecated options:\n\ncontainer_name: Setting the container name is not \
             supported.\n\nexpose: Exposing ports is unnecessary - services on the same network \
             can access each other's containers on any port.\n\n"
        ]
    );
}
