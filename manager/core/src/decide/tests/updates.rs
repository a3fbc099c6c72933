use expect_test::expect;

use crate::testing::{check, cluster};

#[test]
fn behaviour_32_and_47_an_update_replaces_every_task_and_each_slot_stops_first() {
    check(
        "node n1
         svc web replicas=2 update.parallelism=0
         run
         update web image=web:2
         decide
         show
         wake
         state web.1/a shutdown
         decide
         show
         run
         show",
        expect![[r#"
            web.1 running n1 desired=shutdown
            web.1 assigned n1 desired=ready
            web.2 running n1 desired=shutdown
            web.2 assigned n1 desired=ready
            --
            wake in 60.0
            web.1 shutdown n1 desired=shutdown
            web.1 assigned n1
            web.2 running n1 desired=shutdown
            web.2 assigned n1 desired=ready
            --
            web.1 shutdown n1 desired=shutdown
            web.1 running n1
            web.2 shutdown n1 desired=shutdown
            web.2 running n1
            --
        "#]],
    );
}

#[test]
fn behaviour_37_a_task_that_does_not_stop_delays_its_slot_for_a_minute() {
    check(
        "node n1
         svc web
         run
         update web env=A=1
         decide
         state web.1 ready
         wait 59
         decide
         show
         wait 1
         decide
         show",
        expect![[r#"
            web.1 running n1 desired=shutdown
            web.1 ready n1 desired=ready
            --
            web.1 running n1 desired=shutdown
            web.1 ready n1
            --
        "#]],
    );
}

#[test]
fn behaviour_34_and_48_constraints_that_the_node_meets_replace_nothing() {
    check(
        "node n1 label.storage=raid
         node n2
         svc web
         task web.1 running n1
         task web.2 running n2
         update web replicas=2
         decide
         update web constraint=node.labels.storage==raid
         decide
         show
         update web image=web:2 update.parallelism=0
         decide
         show",
        expect![[r#"
            web.1 running n1
            web.2 running n2 desired=shutdown
            web.2 assigned n1 desired=ready
            --
            web.1 running n1 desired=shutdown
            web.1 assigned n1 desired=ready
            web.2 running n2 desired=shutdown
            web.2 assigned n1 desired=shutdown
            web.2 assigned n1 desired=ready
            --
        "#]],
    );
}

#[test]
fn behaviour_47_what_is_no_part_of_a_task_replaces_nothing() {
    check(
        "node n1
         svc web replicas=1
         run
         update web label=a
         update web replicas=1
         run
         show
         update web port=80:8080
         decide
         show",
        expect![[r#"
            web.1 running n1
            --
            web.1 running n1 desired=shutdown
            web.1 assigned n1 desired=ready
            --
        "#]],
    );
}

#[test]
fn behaviour_32_and_47_what_replaces_tasks_and_what_does_not() {
    let replaces = |setting: &str| {
        let mut cluster = cluster("node n1\nnet front\nsecret key\nconfig site\nsvc web\nrun");
        let before = cluster.find("web.1").id;
        cluster.run(&format!("update web {setting}\nrun\nwait 6\nrun"));
        let after = cluster.find("web.1");
        assert_eq!(after.status.state, skep_api::TaskState::Running, "{setting}");
        after.id != before
    };
    for setting in [
        "image=web:2",
        "env=A=1",
        "force=1",
        "log=json-file",
        "net=front",
        "port=80:80",
        "mode=dnsrr",
        "secret=key",
        "config=site",
        "reserve-memory=10m",
        "limit-cpu=1",
        "restart=none",
        "delay=1",
        "constraint=node.hostname==n1 env=A=1",
    ] {
        assert!(replaces(setting), "{setting}");
    }
    for setting in [
        "label=x",
        "replicas=2",
        "image=web:1",
        "update.parallelism=3",
        "rollback.delay=3",
        "spread=node.labels.zone",
        "max-per-node=5",
        "constraint=node.hostname==n1",
        "auth=token",
    ] {
        assert!(!replaces(setting), "{setting}");
    }
}

#[test]
fn new_registry_credentials_replace_no_running_task() {
    check(
        "node n1\nsvc web\nrun\nupdate web auth=token\ndecide\nshow",
        expect![[r#"
        web.1 running n1
        --
    "#]],
    );
}

#[test]
fn a_task_that_never_got_a_node_is_replaced_at_once() {
    check(
        "svc web\ndecide\nupdate web image=web:2\ndecide\nshow\nnode n1\ndecide\nshow",
        expect![[r#"
        web.1 shutdown - desired=shutdown
        web.1 pending - "no suitable node"
        --
        web.1 shutdown - desired=shutdown
        web.1 assigned n1
        --
    "#]],
    );
}

#[test]
fn behaviour_50_and_52_a_node_that_no_longer_meets_the_constraints_loses_the_task() {
    check(
        "node n1 label.storage=raid
         node n2 label.storage=raid
         svc web constraint=node.labels.storage==raid delay=0
         task web.1 running n1
         decide
         node n1 label.storage=ssd
         decide
         show",
        expect![[r#"
            web.1 rejected n1 desired=shutdown "assigned node no longer meets constraints"
            web.1 assigned n2
            --
        "#]],
    );
}

#[test]
fn new_constraints_let_the_old_task_stop_in_order_whoever_looks() {
    // A new leader looks at every node too, and must not throw the task out instead.
    check(
        "node n1
         node n2 label.zone=a
         svc web
         task web.1 running n1
         update web constraint=node.labels.zone==a
         lead
         decide
         show",
        expect![[r#"
            web.1 running n1 desired=shutdown
            web.1 assigned n2 desired=ready
            --
        "#]],
    );
}

#[test]
fn a_task_of_an_older_spec_is_compared_again_when_its_node_changes() {
    check(
        "node n1 label.zone=a
         node n2 label.zone=a
         svc web
         task web.1 running n1
         update web constraint=node.labels.zone==a
         decide
         show
         node n1 label.zone=b
         decide
         show",
        expect![[r#"
            web.1 running n1
            --
            web.1 running n1 desired=shutdown
            web.1 assigned n2 desired=ready
            --
        "#]],
    );
}
