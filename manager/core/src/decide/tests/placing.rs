use expect_test::expect;

use skep_api::{Workload, WorkloadKind};

use crate::testing::{Cluster, check, cluster};
use crate::{Change, Object};

#[test]
fn behaviour_67_and_68_tasks_spread_by_service_then_by_load() {
    check(
        "node n1
         node n2
         node n3
         svc api replicas=2
         decide
         svc web replicas=4
         decide
         show",
        expect![[r#"
            api.1 assigned n1
            api.2 assigned n2
            web.1 assigned n3
            web.2 assigned n1
            web.3 assigned n2
            web.4 assigned n3
            --
        "#]],
    );
}

#[test]
fn behaviour_69_a_preference_gives_each_label_value_the_same_whatever_its_nodes() {
    check(
        "node n1 label.zone=a
         node n2 label.zone=b
         node n3 label.zone=b
         node n4 label.zone=b
         svc web replicas=6 spread=node.labels.zone
         decide
         show",
        expect![[r#"
            web.1 assigned n1
            web.2 assigned n4
            web.3 assigned n1
            web.4 assigned n2
            web.5 assigned n1
            web.6 assigned n3
            --
        "#]],
    );
}

#[test]
fn behaviour_70_a_full_branch_gives_its_share_to_its_sibling() {
    check(
        "node n1 label.az=1 label.rack=1
         node n2 label.az=1 label.rack=2 memory=10m
         node n3 label.az=2 label.rack=1 memory=1m
         svc web replicas=5 spread=node.labels.az spread=node.labels.rack reserve-memory=10m
         decide
         show",
        expect![[r#"
            web.1 assigned n1
            web.2 assigned n2
            web.3 assigned n1
            web.4 assigned n1
            web.5 assigned n1
            --
        "#]],
    );
}

#[test]
fn behaviour_72_without_a_node_tasks_wait_and_go_to_the_first_that_comes() {
    check(
        "svc web\ndecide\nshow\nnode n1\ndecide\nshow",
        expect![[r#"
        web.1 pending - "no suitable node"
        --
        web.1 assigned n1
        --
    "#]],
    );
}

#[test]
fn behaviour_73_and_74_a_node_where_a_spec_keeps_failing_comes_last_until_the_spec_changes() {
    let failures = "task web.9 failed n1 desired=shutdown\n".repeat(5);
    let script = format!(
        "history -1
         node n1
         node n2
         svc web replicas=3
         {failures}
         task web.1 running n2
         task web.2 running n2
         decide
         show
         update web image=web:2 replicas=4 update.parallelism=0
         decide
         show"
    );
    check(
        &script,
        expect![[r#"
        web.1 running n2
        web.2 running n2
        web.3 assigned n2
        --
        web.1 running n2 desired=shutdown
        web.1 assigned n1 desired=ready
        web.2 running n2 desired=shutdown
        web.2 assigned n2 desired=ready
        web.3 assigned n2 desired=shutdown
        web.3 assigned n1 desired=ready
        web.4 assigned n2
        --
    "#]],
    );
}

#[test]
fn behaviour_75_what_no_node_has_room_for_waits_and_says_so() {
    check(
        "node n1 pause
         node n2 down
         node n3 memory=64m
         svc web reserve-memory=128m
         decide
         show
         node n4
         decide
         show",
        expect![[r#"
            web.1 pending - "no suitable node (2 nodes not available for new tasks; insufficient resources on 1 node)"
            --
            web.1 assigned n4
            --
        "#]],
    );
}

#[test]
fn behaviour_76_and_77_reservations_fill_nodes_and_come_back_when_tasks_end() {
    check(
        "node n1 memory=64m
         node n2 memory=256m
         svc web replicas=4 reserve-memory=64m restart=none
         run
         svc api reserve-memory=128m
         run
         show
         update web replicas=2
         run
         show",
        expect![[r#"
            api.1 pending - "no suitable node (insufficient resources on 2 nodes)"
            web.1 running n1
            web.2 running n2
            web.3 running n2
            web.4 running n2
            --
            api.1 running n2
            web.1 running n1
            web.2 running n2
            --
        "#]],
    );
}

#[test]
fn behaviour_81_and_82_what_is_not_wanted_is_never_placed() {
    check(
        "svc web
         decide
         update web image=web:2
         decide
         update web replicas=0
         decide
         node n1
         decide
         show",
        expect![[r#"
            --
        "#]],
    );
}

#[test]
fn behaviour_83_a_host_port_is_held_once_a_node() {
    check(
        "node n1
         node n2
         svc web replicas=3 host-port=80:8080
         decide
         show
         svc other host-port=80:80/udp
         decide
         show",
        expect![[r#"
            web.1 assigned n1
            web.2 assigned n2
            web.3 pending - "no suitable node (host-mode port already in use on 2 nodes)"
            --
            other.1 assigned n1
            web.1 assigned n1
            web.2 assigned n2
            web.3 pending - "no suitable node (host-mode port already in use on 2 nodes)"
            --
        "#]],
    );
}

#[test]
fn behaviour_84_no_more_replicas_than_the_limit_go_to_a_node() {
    check(
        "node n1\nsvc web replicas=2 max-per-node=1\ndecide\nshow\nnode n2\ndecide\nshow",
        expect![[r#"
        web.1 assigned n1
        web.2 pending - "no suitable node (max replicas per node limit exceed)"
        --
        web.1 assigned n1
        web.2 assigned n2
        --
    "#]],
    );
}

#[test]
fn behaviour_86_a_service_goes_where_its_constraints_hold() {
    check(
        "node n1
         node n2
         svc db constraint=node.labels.storage==raid
         decide
         show
         node n2 label.storage=raid
         decide
         show",
        expect![[r#"
            db.1 pending - "no suitable node (scheduling constraints not satisfied on 2 nodes)"
            --
            db.1 assigned n2
            --
        "#]],
    );
}

#[test]
fn several_reasons_are_told_and_the_most_frequent_comes_first() {
    check(
        "node n1 pause
         node n2 memory=1m
         node n3 memory=1m
         svc web reserve-memory=8m
         svc gpu generic=gpu
         decide
         show",
        expect![[r#"
            gpu.1 pending - "no suitable node (insufficient resources on 2 nodes; 1 node not available for new tasks)"
            web.1 pending - "no suitable node (insufficient resources on 2 nodes; 1 node not available for new tasks)"
            --
        "#]],
    );
}

#[test]
fn reasons_are_told_as_they_are_once_everything_is_placed() {
    // Whichever of the two is placed first, the other one waits for room, and says so at once.
    check(
        "node n1 memory=64m
         svc a reserve-memory=40m
         svc b reserve-memory=40m
         svc c reserve-memory=100m
         decide
         show",
        expect![[r#"
            a.1 assigned n1
            b.1 pending - "no suitable node (insufficient resources on 1 node)"
            c.1 pending - "no suitable node (insufficient resources on 1 node)"
            --
        "#]],
    );
}

/// A cluster whose web service knows what it runs on.
fn with_platform(script: &str, platform: &str) -> Cluster {
    let mut cluster = cluster(script);
    let mut service = cluster.view().service_named("web").expect("web").clone();
    let platform = platform.to_owned();
    service.workload = Some(Workload { kind: WorkloadKind::Command, platform });
    cluster.apply(vec![Change::Update(Object::Service(service))]);
    cluster
}

/// A node says what it runs, and what it has compiled.
fn describe(cluster: &mut Cluster, node: &str, platform: &str, compiled: &[&str]) {
    let mut node = cluster.view().find_node(node).expect(node).clone();
    node.description.platforms = [platform.to_owned()].into();
    node.description.compiled =
        compiled.iter().map(|digest| digest.parse().expect("a digest")).collect();
    cluster.apply(vec![Change::Update(Object::Node(node))]);
}

#[test]
fn behaviour_78_a_component_goes_where_its_platform_is_offered() {
    let mut cluster = with_platform("node n1\nnode n2\nsvc web replicas=2", "wasip2");
    cluster.decide();
    let err = "no suitable node (unsupported platform on 2 nodes)";
    assert_eq!(cluster.find("web.1").status.err, err);
    describe(&mut cluster, "n1", "wasip1", &[]);
    cluster.decide();
    assert_eq!(cluster.find("web.1").status.err, err);
    describe(&mut cluster, "n2", "wasip2", &[]);
    cluster.decide();
    let n2 = cluster.view().find_node("n2").expect("n2").id;
    assert_eq!([1, 2].map(|n| cluster.find(&format!("web.{n}")).node), [Some(n2); 2]);
}

#[test]
fn among_equals_the_node_that_holds_the_compiled_image_is_taken() {
    let digest = format!("sha256:{}", "ab".repeat(32));
    let mut cluster = cluster("node n1\nnode n2\nnode n3");
    describe(&mut cluster, "n3", "wasip2", &[&digest]);
    cluster.run(&format!("svc web replicas=2 image=web:1@{digest}\ndecide"));
    let node = |name: &str| cluster.find(name).node;
    assert_eq!(node("web.1"), Some(cluster.view().find_node("n3").expect("n3").id));
    assert_ne!(node("web.2"), node("web.1"), "fewer tasks count more");
}

#[test]
fn behaviour_71_a_branch_that_is_alone_with_room_takes_all() {
    check(
        "node n1 label.az=1
         node n2 label.az=2 memory=10m
         node n3 label.az=3 memory=10m
         svc web replicas=3 spread=node.labels.az
         run
         update web replicas=6 reserve-memory=100m
         run
         show",
        expect![[r#"
            web.1 shutdown n1 desired=shutdown
            web.1 running n1
            web.2 shutdown n2 desired=shutdown
            web.2 running n1
            web.3 shutdown n3 desired=shutdown
            web.3 running n1
            web.4 running n1
            web.5 running n1
            web.6 running n1
            --
        "#]],
    );
}

#[test]
fn binpack_fills_the_fullest_node_first() {
    check(
        "node n1 memory=300m
         node n2 memory=300m
         node n3 memory=300m
         svc db replicas=1 reserve-memory=100m constraint=node.hostname==n2
         run
         svc web replicas=4 reserve-memory=100m label=skep.strategy:binpack
         run
         show",
        expect![[r#"
            db.1 running n2
            web.1 running n2
            web.2 running n2
            web.3 running n1
            web.4 running n1
            --
        "#]],
    );
}

#[test]
fn behaviour_75_and_139_generic_resources_are_given_by_number_or_name_and_come_back() {
    let mut cluster = cluster(
        "node n1 generic=gpu:a,b
         node n2 generic=gpu:1
         svc web replicas=4 generic=gpu restart=none
         run
         show",
    );
    let given = |cluster: &Cluster| {
        let view = cluster.view();
        let mut given: Vec<_> = view
            .tasks()
            .filter(|task| task.is_active() && task.node.is_some())
            .map(|task| format!("{:?}", task.generic))
            .collect();
        given.sort();
        given
    };
    let [a, b] = ["a", "b"].map(|name| format!("{{\"gpu\": Names({{\"{name}\"}})}}"));
    let one = "{\"gpu\": Count(1)}".to_owned();
    assert_eq!(given(&cluster), [one, a.clone(), b.clone()]);
    let waiting = cluster.view().unplaced().map(|t| t.status.err.clone()).collect::<Vec<_>>();
    assert_eq!(waiting, ["no suitable node (insufficient resources on 2 nodes)"]);
    cluster.run("node n2 drain\nupdate web replicas=2\nrun");
    assert_eq!(given(&cluster), [a.clone(), b.clone()]);
    cluster.run("rm web\nrun\nsvc next replicas=2 generic=gpu\nrun");
    assert_eq!(given(&cluster), [a, b], "what was given came back");
}

#[test]
fn behaviour_80_preassigned_tasks_are_placed_before_all_others() {
    check(
        "node n1 memory=100m
         svc a reserve-memory=60m
         svc z mode=global reserve-memory=60m
         decide
         show",
        expect![[r#"
            a.1 pending - "no suitable node (insufficient resources on 1 node)"
            z.n1 assigned n1
            --
        "#]],
    );
}

#[test]
fn behaviour_86_the_constraint_is_named_where_the_limit_of_replicas_is_reached_too() {
    check(
        "node n1 label.a=x
         node n2 label.a=x
         svc web replicas=2 max-per-node=1 constraint=node.labels.a==x
         run
         node n1 label.a=y
         node n2 label.a=y
         svc full replicas=1 max-per-node=1 constraint=node.labels.a==x
         decide
         show",
        expect![[r#"
            full.1 pending - "no suitable node (scheduling constraints not satisfied on 2 nodes)"
            web.1 rejected n1 desired=shutdown "assigned node no longer meets constraints"
            web.1 pending - desired=ready "no suitable node (scheduling constraints not satisfied on 2 nodes)"
            web.2 rejected n2 desired=shutdown "assigned node no longer meets constraints"
            web.2 pending - desired=ready "no suitable node (scheduling constraints not satisfied on 2 nodes)"
            --
        "#]],
    );
}

#[test]
fn a_host_port_passes_to_the_task_that_replaces_its_holder() {
    let script = "node n1
         node n2
         node n3
         history 1
         svc web replicas=2 host-port=80:8080 update.order=start-first update.parallelism=2
         run
         update web image=web:2
         decide
         show
         run
         show";
    check(
        script,
        expect![[r#"
            web.1 running n1
            web.1 assigned n1
            web.2 running n2
            web.2 assigned n2
            --
            web.1 running n1
            web.2 running n2
            --
        "#]],
    );
    check(
        &format!("compat swarm\n{}", script.replace("node n3", "")),
        expect![[r#"
            web.1 running n1
            web.1 pending - "no suitable node (host-mode port already in use on 2 nodes)"
            web.2 running n2
            web.2 pending - "no suitable node (host-mode port already in use on 2 nodes)"
            --
            web.1 running n1
            web.1 pending - "no suitable node (host-mode port already in use on 2 nodes)"
            web.2 running n2
            web.2 pending - "no suitable node (host-mode port already in use on 2 nodes)"
            --
        "#]],
    );
}

#[test]
fn the_limit_of_replicas_does_not_count_tasks_on_their_way_out() {
    let script = "node n1
         history 1
         svc web replicas=2 max-per-node=2 update.order=start-first
         run
         update web image=web:2
         run
         show";
    check(
        script,
        expect![[r#"
            web.1 running n1
            web.2 running n1
            --
        "#]],
    );
    check(
        &format!("compat swarm\n{script}"),
        expect![[r#"
            web.1 running n1
            web.1 pending - "no suitable node (max replicas per node limit exceed)"
            web.2 running n1
            --
        "#]],
    );
}
