use std::time::Duration;

use skep_api::{ClusterSpec, Compat};

use crate::testing::cluster;
use crate::*;

fn message<T>(result: skep_api::Result<T>) -> String {
    result.map(drop).map_or_else(|error| error.message, |()| "admitted".to_owned())
}

#[test]
fn a_swarm_begins_with_itself_its_node_and_the_ingress_network() {
    let made = cluster("node n1");
    let node = made.view().find_node("n1").expect("n1").clone();
    let mut store = Store::new();
    let mut ids = skep_api::IdGen::from_u64(3);
    let admitted = admit_init(&store.view(), ClusterSpec::default(), node.clone(), &mut ids)
        .expect("a new swarm");
    let entry = Entry { changes: admitted.changes, ..Entry::default() };
    store.apply(1, &entry).expect("an empty store");
    let view = store.view();
    assert_eq!(view.cluster().map(|cluster| cluster.id), Some(admitted.id));
    let ingress = view.network_named(INGRESS_NETWORK).expect("ingress");
    assert_eq!(ingress.subnet, "10.0.0.0/24");
    assert!(view.node(node.id).is_some());
    let again = admit_init(&view, ClusterSpec::default(), node.clone(), &mut ids);
    assert!(message(again).starts_with("This node is already part of a swarm"));
    let spec = ClusterSpec { default_addr_pool: "fd00::/8".to_owned(), ..ClusterSpec::default() };
    let bad = admit_init(&Store::new().view(), spec, node, &mut ids);
    assert_eq!(message(bad), "invalid default address pool fd00::/8 with subnets of 24 bits");
}

/// The settings that come of an update, or why there is none.
fn updated(change: impl FnOnce(&mut ClusterSpec)) -> Result<ClusterSpec, String> {
    let view = cluster("history 3").view();
    let swarm = view.cluster().expect("a swarm");
    let mut spec = swarm.spec.clone();
    change(&mut spec);
    let changes = admit_update_cluster(&view, swarm.meta.version, spec);
    match changes.map_err(|error| error.message)?.as_slice() {
        [] => Ok(swarm.spec.clone()),
        [Change::Update(Object::Cluster(next))] => Ok(next.spec.clone()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn behaviour_110_there_is_one_swarm_and_its_settings_are_checked() {
    let refused = |text: &str| Err(text.to_owned());
    let short = updated(|spec| spec.node_cert_expiry = Duration::from_secs(3599));
    assert_eq!(short, refused("minimum certificate expiry time is: 1h0m0s"));
    let fast = updated(|spec| spec.heartbeat_period = Duration::from_millis(1));
    assert_eq!(fast, refused("heartbeat period must be at least 10ms, got 1ms"));
    let pool = updated(|spec| spec.default_addr_pool = "10.9.0.0/16".to_owned());
    let text = "the address pool is 10.0.0.0/8 with subnets of 24 bits, for good";
    assert_eq!(pool, refused(text));
    assert_eq!(
        message(admit_update_cluster(&Store::new().view(), 1, ClusterSpec::default())),
        "This node is not part of a swarm"
    );
}

#[test]
fn behaviour_110_an_update_of_the_swarm_replaces_all_settings() {
    let kept = updated(|_| {}).expect("nothing changed");
    assert_eq!(kept.task_history_limit, 3);
    let all = updated(|spec| {
        *spec = ClusterSpec {
            task_history_limit: -1,
            snapshot_interval: 0,
            heartbeat_period: Duration::ZERO,
            node_cert_expiry: Duration::ZERO,
            default_addr_pool: String::new(),
            subnet_size: 0,
            compat: Compat::Swarm,
        };
    });
    let expected =
        ClusterSpec { task_history_limit: -1, compat: Compat::Swarm, ..ClusterSpec::default() };
    assert_eq!(all, Ok(expected), "nothing stated is the default");
}

#[test]
fn an_update_of_the_swarm_comes_from_who_read_it_last() {
    let view = cluster("history 3").view();
    let swarm = view.cluster().expect("a swarm");
    for version in [0, swarm.meta.version - 1, swarm.meta.version + 1] {
        let late = admit_update_cluster(&view, version, ClusterSpec::default());
        assert_eq!(message(late), "update out of sequence");
    }
    let same = admit_update_cluster(&view, swarm.meta.version, swarm.spec.clone());
    assert_eq!(same, Ok(Vec::new()));
}
