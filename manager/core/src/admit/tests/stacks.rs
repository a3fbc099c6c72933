use expect_test::{Expect, expect};
use skep_api::{IdGen, NetworkSpec, STACK_LABEL};

use crate::testing::{Cluster, cluster, config_spec, lint, secret_spec, service_spec};
use crate::*;

/// Makes something wrong.
type Break = fn(&mut StackRequest);

fn request() -> StackRequest {
    let network = NetworkSpec { name: "todo_default".to_owned(), ..NetworkSpec::default() };
    StackRequest {
        stack: "todo".to_owned(),
        networks: vec![network],
        secrets: vec![secret_spec("todo_key", "hush")],
        configs: vec![config_spec("todo_site", "{}")],
        services: vec![
            service_spec("todo_web", &["net=todo_default:web", "port=80:80", "config=todo_site"]),
            service_spec("todo_db", &["net=todo_default:db", "secret=todo_key"]),
        ],
        external_networks: Vec::new(),
        prune: Prune::Keep,
    }
}

/// Deploys, and says what was told and how many changes it took.
fn deploy(cluster: &mut Cluster, request: StackRequest) -> String {
    let mut ids = IdGen::from_u64(77);
    std::mem::swap(&mut ids, &mut cluster.ids);
    let admitted = admit_stack(&cluster.view(), request, &mut ids);
    std::mem::swap(&mut ids, &mut cluster.ids);
    told(cluster, admitted)
}

fn told(
    cluster: &mut Cluster,
    admitted: skep_api::Result<(Vec<Change>, Vec<StackAction>)>,
) -> String {
    let (changes, actions) = match admitted {
        Ok(admitted) => admitted,
        Err(error) => return format!("{}\n", error.message),
    };
    let kind = |key: &Key| key.to_string().split(' ').next().unwrap_or_default().to_owned();
    let line = |a: &StackAction| format!("{} {} {}\n", a.verb.progressive(), kind(&a.key), a.name);
    let mut text: String = actions.iter().map(line).collect();
    text.push_str(&format!("{} changes\n", changes.len()));
    cluster.apply(changes);
    lint(&cluster.view());
    text
}

#[track_caller]
fn check(text: String, expected: Expect) {
    expected.assert_eq(&text);
}

#[test]
fn a_stack_is_written_networks_first_and_services_last() {
    let mut cluster = cluster("node n1");
    check(
        deploy(&mut cluster, request()),
        expect![[r#"
        Creating network todo_default
        Creating secret todo_key
        Creating config todo_site
        Creating service todo_web
        Creating service todo_db
        5 changes
    "#]],
    );
    cluster.run("run");
    let view = cluster.view();
    assert_eq!(view.stack_services("todo").count(), 2);
    let network = view.network_named("todo_default").expect("made");
    assert_eq!(network.spec.labels.get(STACK_LABEL).map(String::as_str), Some("todo"));
    assert_eq!(view.services_on(network.id).count(), 2, "names became ids");
}

#[test]
fn the_same_stack_again_changes_nothing_and_says_so() {
    let mut cluster = cluster("node n1");
    deploy(&mut cluster, request());
    cluster.run("run\nupdate todo_web force=3\nrun");
    let tasks: Vec<_> = cluster.view().tasks().map(|task| task.id).collect();
    check(
        deploy(&mut cluster, request()),
        expect![[r#"
        Updating service todo_web
        Updating service todo_db
        0 changes
    "#]],
    );
    cluster.run("run");
    assert_eq!(cluster.view().tasks().map(|task| task.id).collect::<Vec<_>>(), tasks);
}

#[test]
fn a_changed_stack_updates_its_services_and_prunes_when_told() {
    let mut cluster = cluster("node n1");
    deploy(&mut cluster, request());
    let mut next = request();
    next.services.pop();
    next.services[0].task.component.image = "web:2".to_owned();
    next.services.push(service_spec("todo_api", &[]));
    check(
        deploy(&mut cluster, next.clone()),
        expect![[r#"
        Updating service todo_web
        Creating service todo_api
        2 changes
    "#]],
    );
    next.prune = Prune::Remove;
    check(
        deploy(&mut cluster, next),
        expect![[r#"
        Removing service todo_db
        Updating service todo_web
        Updating service todo_api
        1 changes
    "#]],
    );
}

#[test]
fn changed_content_of_a_config_or_secret_refuses_the_whole_stack() {
    let mut cluster = cluster("node n1");
    deploy(&mut cluster, request());
    let before = cluster.store.clone();
    let mut next = request();
    next.services[0].task.component.image = "web:2".to_owned();
    next.configs[0] = config_spec("todo_site", "changed");
    check(
        deploy(&mut cluster, next.clone()),
        expect![[r#"
        failed to update config todo_site: rpc error: code = InvalidArgument desc = only updates to Labels are allowed
    "#]],
    );
    next.configs.clear();
    next.secrets[0] = secret_spec("todo_key", "changed");
    check(
        deploy(&mut cluster, next),
        expect![[r#"
        failed to update secret todo_key: rpc error: code = InvalidArgument desc = only updates to Labels are allowed
    "#]],
    );
    assert_eq!(cluster.store, before, "nothing is half done");
}

#[test]
fn nothing_is_written_if_anything_is_wrong() {
    let mut cluster = cluster("node n1\nsvc other port=90:90\nnet todo_taken");
    let before = cluster.store.clone();
    let broken: [(&str, Break); 9] = [
        ("port of another", |r| r.services[1] = service_spec("todo_db", &["port=90:1"])),
        ("port of the stack", |r| r.services[1] = service_spec("todo_db", &["port=80:1"])),
        ("no such secret", |r| r.services[1] = service_spec("todo_db", &["secret=nope"])),
        ("no such network", |r| r.services[1] = service_spec("todo_db", &["net=nope"])),
        ("no external network", |r| r.external_networks.push("outside".to_owned())),
        ("a name of another", |r| r.networks[0].name = "todo_taken".to_owned()),
        ("a service of another", |r| r.services[1].name = "other".to_owned()),
        ("a service twice", |r| r.services[1].name = "todo_web".to_owned()),
        ("no stack name", |r| r.stack = "\" \"".to_owned()),
    ];
    let mut text = String::new();
    for (what, break_it) in broken {
        let mut request = request();
        break_it(&mut request);
        text.push_str(&format!("{what}: {}", deploy(&mut cluster, request)));
    }
    assert_eq!(cluster.store, before);
    let services = cluster.view();
    let other = services.service_named("other").expect("other").id.to_string();
    check(
        text.replace(&other, "ID"),
        expect![[r#"
            port of another: failed to create service todo_db: rpc error: code = InvalidArgument desc = port '90' is already in use by service 'other' (ID) as an ingress port
            port of the stack: failed to create service todo_db: rpc error: code = InvalidArgument desc = port '80' is already in use by service 'todo_web' (3z8na0ei74uokkxyejp3ss1lu) as an ingress port
            no such secret: failed to create service todo_db: rpc error: code = InvalidArgument desc = secret not found: nope
            no such network: failed to create service todo_db: rpc error: code = NotFound desc = network nope not found
            no external network: network "outside" is declared as external, but could not be found. You need to create a swarm-scoped network before the stack is deployed
            a name of another: failed to create network todo_taken: rpc error: code = AlreadyExists desc = network with name todo_taken already exists
            a service of another: failed to create service other: rpc error: code = AlreadyExists desc = name conflicts with an existing object: service other already exists
            a service twice: service todo_web is in the stack twice
            no stack name: invalid stack name: "\" \""
        "#]],
    );
}

#[test]
fn a_port_may_move_between_services_of_a_stack() {
    let mut cluster = cluster("node n1");
    deploy(&mut cluster, request());
    let mut next = request();
    next.services[0].endpoint.ports[0].published = 81;
    next.services[1].endpoint.ports = request().services[0].endpoint.ports.clone();
    next.services.reverse();
    check(
        deploy(&mut cluster, next),
        expect![[r#"
        Updating service todo_db
        Updating service todo_web
        2 changes
    "#]],
    );
}

#[test]
fn a_removed_stack_leaves_nothing_behind() {
    let mut cluster = cluster("node n1");
    deploy(&mut cluster, request());
    cluster.run("run");
    let admitted = admit_remove_stack(&cluster.view(), "todo");
    check(
        told(&mut cluster, admitted),
        expect![[r#"
        Removing service todo_db
        Removing service todo_web
        Removing secret todo_key
        Removing config todo_site
        Removing network todo_default
        5 changes
    "#]],
    );
    cluster.run("run");
    let view = cluster.view();
    assert_eq!((view.tasks_len(), view.services().count(), view.networks().count()), (0, 0, 1));
    assert_eq!(view.kept_specs().count(), 0);
    assert_eq!(view.addresses().keys().count(), 0);
    let nothing = admit_remove_stack(&view, "todo").expect("no such stack is no error");
    assert_eq!(nothing, (Vec::new(), Vec::new()));
}

#[test]
fn a_stack_that_others_use_is_not_removed() {
    let mut cluster = cluster("node n1");
    deploy(&mut cluster, request());
    cluster.run("svc guest net=todo_default");
    let error = admit_remove_stack(&cluster.view(), "todo").expect_err("it is in use");
    assert_eq!(error.message, "failed to remove some resources from stack: todo");
    assert!(error.hint.expect("a reason").contains("is in use by service"));
}
