use std::net::IpAddr;

use crate::testing::{Cluster, check, cluster};

fn ports(cluster: &Cluster, service: &str) -> Vec<u16> {
    let view = cluster.view();
    let service = view.service_named(service).expect(service);
    service.endpoint.ports.iter().map(|port| port.published).collect()
}

fn vips(cluster: &Cluster, service: &str) -> Vec<String> {
    let view = cluster.view();
    let service = view.service_named(service).expect(service);
    service.endpoint.virtual_ips.iter().map(|vip| vip.addr.to_string()).collect()
}

#[test]
fn behaviour_131_and_132_chosen_ports_go_upwards_and_stay_over_updates() {
    let mut cluster = cluster("svc a port=80 port=81\nsvc b port=80/udp\ndecide");
    assert_eq!(ports(&cluster, "a"), [30000, 30001]);
    assert_eq!(ports(&cluster, "b"), [30000], "UDP has ports of its own");
    cluster.run("svc c port=30002:80\nsvc d port=80\ndecide\nupdate a port=82\ndecide");
    assert_eq!(ports(&cluster, "d"), [30003]);
    assert_eq!(ports(&cluster, "a"), [30000, 30001, 30004]);
    cluster.run("rm a\ndecide\nsvc e port=1\ndecide");
    assert_eq!(ports(&cluster, "e"), [30004], "the highest in use is followed");
}

#[test]
fn behaviour_132_the_top_of_the_range_is_followed_by_the_lowest_gap() {
    let mut cluster =
        cluster("svc top port=32767:80\nsvc low port=30000:80\nsvc a port=80\ndecide");
    assert_eq!(ports(&cluster, "a"), [30001]);
    cluster.run("rm low\nsvc b port=80\ndecide");
    assert_eq!(ports(&cluster, "b"), [30000]);
}

#[test]
fn behaviour_132_a_service_for_which_no_port_is_left_waits_for_one() {
    let all: String = (30000..=32767).map(|port| format!(" port={port}:80")).collect();
    let mut cluster = cluster(&format!("node n1\nsvc all replicas=0{all}\nsvc late port=80\nrun"));
    assert_eq!(ports(&cluster, "late"), []);
    let task = cluster.find("late.1");
    assert_eq!(task.status.err, "no dynamic tcp port left between 30000 and 32767");
    cluster.run("svc udp port=80/udp\nrun");
    assert_eq!(ports(&cluster, "udp"), [30000], "UDP has all of its own");
    cluster.run("rm all\nrun");
    assert_eq!(ports(&cluster, "late"), [30000]);
}

#[test]
fn behaviour_133_a_port_of_hosts_is_neither_chosen_nor_given() {
    let mut cluster = cluster("node n1\nsvc host host-port=80:80\nrun");
    assert_eq!(ports(&cluster, "host"), [80], "it is what the spec says, from no range");
    cluster.run("svc auto port=80\nrun");
    assert_eq!(ports(&cluster, "auto"), [30000]);
}

#[test]
fn behaviour_133_a_host_port_is_nobody_elses_on_other_nodes() {
    check("svc a host-port=80:80\nsvc b host-port=80:80\ndecide", expect_test::expect![""]);
}

#[test]
fn behaviour_134_a_service_keeps_its_virtual_address_until_it_asks_for_none() {
    let mut cluster =
        cluster("node n1\nnet front\nnet back\nsvc web net=front net=back replicas=2\ndecide");
    assert_eq!(vips(&cluster, "web"), ["10.0.1.2", "10.0.2.2"]);
    let task = cluster.find("web.2");
    let addresses: Vec<IpAddr> = task.addresses.iter().map(|address| address.addr).collect();
    assert_eq!(addresses, ["10.0.1.4".parse::<IpAddr>(), "10.0.2.4".parse()].map(Result::unwrap));
    cluster.run("update web image=web:2\nrun");
    assert_eq!(vips(&cluster, "web"), ["10.0.1.2", "10.0.2.2"]);
    cluster.run("update web no-net=1 net=front\nrun");
    assert_eq!(vips(&cluster, "web"), ["10.0.1.2"]);
    cluster.run("update web mode=dnsrr\nrun");
    assert_eq!(vips(&cluster, "web"), [""; 0]);
    cluster.run("rm web\nrun");
    assert_eq!(cluster.view().addresses().keys().count(), 0, "all of them came back");
}

#[test]
fn behaviour_134_and_137_what_a_removed_service_held_is_free_once_its_last_task_is_gone() {
    let mut cluster = cluster("node n1\nnet front\nsvc web net=front\nrun\nrm web\ndecide");
    let held = |cluster: &Cluster| {
        let view = cluster.view();
        (view.tasks_len(), view.addresses().keys().count())
    };
    assert_eq!(held(&cluster), (1, 1), "the service is gone, its task is told to end");
    cluster.run("run");
    assert_eq!(held(&cluster), (0, 0));
    cluster.run("rm net front\ndecide");
    assert!(cluster.view().network_named("front").is_none(), "and so is its network");
}

#[test]
fn a_network_that_is_full_leaves_its_tasks_new_until_one_leaves() {
    // A /24 has 253 addresses to give: one is the service's.
    let mut cluster = cluster("node n1\nnet front\nsvc web net=front replicas=254\nrun");
    let waiting = |cluster: &Cluster| {
        let view = cluster.view();
        let tasks = view.unplaced().map(|task| (task.slot.number(), task.status.err.clone()));
        tasks.collect::<Vec<_>>()
    };
    let why = "no address left on network front (10.0.1.0/24)".to_owned();
    assert_eq!(waiting(&cluster), [(253, why.clone()), (254, why)]);
    cluster.run("update web replicas=253\nrun");
    assert_eq!(waiting(&cluster).len(), 1);
    cluster.run("update web replicas=252\nrun");
    assert_eq!(waiting(&cluster), []);
}

#[test]
fn a_new_network_never_lies_where_a_task_of_a_removed_one_still_lives() {
    let mut cluster = cluster("node n1\nnet front\nsvc web net=front\nrun\nrm web");
    let front = cluster.view().network_named("front").expect("front").id;
    cluster.apply(vec![crate::Change::Remove(crate::Key::Network(front))]);
    cluster.run("net back\ndecide\nnet more\ndecide");
    let subnet = |cluster: &Cluster, name: &str| {
        cluster.view().network_named(name).expect("a network").subnet.clone()
    };
    assert_eq!(subnet(&cluster, "back"), "10.0.2.0/24");
    cluster.run("run\nnet last\ndecide");
    assert_eq!(subnet(&cluster, "last"), "10.0.1.0/24");
}

#[test]
fn one_pass_makes_a_service_into_placed_tasks() {
    let mut cluster = cluster("node n1\nnet front\nsvc web replicas=2 port=80 net=front");
    let changes = cluster.decide();
    // The network's subnet, the service's endpoint, and two tasks that are placed already.
    assert_eq!(changes.len(), 4);
    cluster.run("show");
    let task = cluster.find("web.1");
    assert_eq!((task.ports[0].published, task.addresses.len()), (30000, 1));
}
