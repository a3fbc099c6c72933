//! Who resolves what, who reaches whom, and who does not.

use std::future::poll_fn;

use skep_api::{Grant, NamedService, NamedTask, NetworkGrant, TaskState, TaskStatus};
use skep_runtime::Network as _;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::testing::FakeRun;

const NODE: u128 = 1;
const ELSEWHERE: u128 = 2;
/// Networks `front` and `back`; their number is the third byte of their addresses.
const FRONT: u8 = 1;
const BACK: u8 = 2;

fn ip(network: u8, last: u8) -> IpAddr {
    IpAddr::from([10, 0, network, last])
}

fn at(network: u8, last: u8, port: u16) -> SocketAddr {
    SocketAddr::new(ip(network, last), port)
}

/// A task with the last byte of its addresses as its id.
fn assignment(last: u8, networks: &[u8]) -> Assignment {
    let grant = |network: &u8| NetworkGrant {
        id: Id::from_u128(u128::from(*network)),
        name: format!("net{network}"),
        addr: ip(*network, last),
        internal: false,
    };
    let networks = networks.iter().map(grant).collect();
    Assignment {
        task: Id::from_u128(u128::from(last)),
        service: Id::from_u128(1),
        name: format!("task.{last}"),
        desired: TaskState::Running,
        status: TaskStatus::default(),
        grant: Grant { networks, ..Grant::default() },
        ports: Vec::new(),
        registry_auth: None,
        restart: None,
    }
}

fn named(network: u8, name: &str, vip: Option<u8>, tasks: &[(u8, u128)]) -> NamedService {
    let task = |(last, node): &(u8, u128)| NamedTask {
        task: Id::from_u128(u128::from(*last)),
        node: Id::from_u128(*node),
        addr: ip(network, *last),
        name: format!("{name}.{last}.id"),
    };
    NamedService {
        service: Id::from_u128(1),
        names: vec![name.to_owned(), format!("todo_{name}")],
        vip: vip.map(|last| ip(network, last)),
        tasks: tasks.iter().map(task).collect(),
    }
}

fn table(network: u8, services: Vec<NamedService>) -> NameTable {
    NameTable { network: Id::from_u128(u128::from(network)), services }
}

/// web (11) is on front; api (21, 22) on front and back; db (31) on back alone.
fn world() -> (Arc<Fabric>, Vec<TaskNetwork>) {
    let fabric = Fabric::new(Id::from_u128(NODE));
    let front = vec![
        named(FRONT, "web", Some(10), &[(11, NODE)]),
        named(FRONT, "api", Some(20), &[(21, NODE), (22, NODE)]),
        named(FRONT, "far", Some(40), &[(41, ELSEWHERE)]),
        named(FRONT, "idle", Some(50), &[]),
    ];
    let back = vec![
        named(BACK, "api", None, &[(21, NODE), (22, NODE)]),
        named(BACK, "db", Some(30), &[(31, NODE)]),
    ];
    fabric.set_names(&table(FRONT, front));
    fabric.set_names(&table(BACK, back));
    let members: [(u8, &[u8]); 4] =
        [(11, &[FRONT]), (21, &[FRONT, BACK]), (22, &[FRONT, BACK]), (31, &[BACK])];
    let networks =
        members.iter().map(|(last, networks)| fabric.join(&assignment(*last, networks))).collect();
    (fabric, networks)
}

async fn accept(listener: &mut Listener) -> Connection {
    poll_fn(|cx| listener.poll_accept(cx)).await.expect("a connection")
}

#[tokio::test]
async fn names_resolve_on_shared_networks_alone() {
    let (_fabric, tasks) = world();
    let (web, api) = (&tasks[0], &tasks[1]);
    for (name, expected) in [
        ("api", Ok(vec![ip(FRONT, 20)])),
        ("todo_api", Ok(vec![ip(FRONT, 20)])),
        ("API.", Ok(vec![ip(FRONT, 20)])),
        ("Tasks.Api", Ok(vec![ip(FRONT, 21), ip(FRONT, 22)])),
        ("api.21.ID", Ok(vec![ip(FRONT, 21)])),
        ("idle", Ok(vec![ip(FRONT, 50)])),
        ("localhost", Ok(vec![Ipv4Addr::LOCALHOST.into()])),
        ("tasks.idle", Err(NetworkError::NameUnavailable)),
        ("db", Err(NetworkError::NameUnknown)),
        ("example.com", Err(NetworkError::NameUnknown)),
        ("10.0.2.31", Err(NetworkError::NameUnknown)),
        ("", Err(NetworkError::NameUnknown)),
    ] {
        assert_eq!(web.resolve(name).await, expected, "{name}");
    }
    // One service on two networks: the addresses of both, the first network's first.
    let both = vec![ip(FRONT, 20), ip(BACK, 21), ip(BACK, 22)];
    assert_eq!(api.resolve("api").await, Ok(both));
    assert_eq!(api.resolve("db").await, Ok(vec![ip(BACK, 30)]));
}

#[tokio::test]
async fn a_network_without_its_names_is_said_to_be_so() {
    let (fabric, tasks) = world();
    fabric.set_names(&table(FRONT, Vec::new()));
    fabric.remove_names(Id::from_u128(u128::from(BACK)));
    assert_eq!(tasks[0].resolve("api").await, Err(NetworkError::NameUnknown));
    assert_eq!(tasks[3].resolve("api").await, Err(NetworkError::NameUnavailable));
}

#[tokio::test]
async fn connections_reach_shared_networks_and_nothing_else() {
    let (_fabric, tasks) = world();
    let (web, api, db) = (&tasks[0], &tasks[1], &tasks[3]);
    let mut listener = db.listen(SocketAddr::from(([0, 0, 0, 0], 5432))).expect("listens");
    for (to, expected) in [
        (at(BACK, 30, 5432), NetworkError::AccessDenied),
        (at(BACK, 31, 5432), NetworkError::AccessDenied),
        (SocketAddr::from(([1, 1, 1, 1], 80)), NetworkError::AccessDenied),
        (SocketAddr::from(([169, 254, 169, 254], 80)), NetworkError::AccessDenied),
        (at(FRONT, 10, 80), NetworkError::ConnectionRefused),
        (at(FRONT, 50, 80), NetworkError::ConnectionRefused),
        (at(FRONT, 40, 80), NetworkError::Unreachable),
        (SocketAddr::from(([127, 0, 0, 1], 5432)), NetworkError::ConnectionRefused),
        (SocketAddr::from(([0, 0, 0, 0], 5432)), NetworkError::AccessDenied),
    ] {
        assert_eq!(web.connect(to).await.expect_err("refused"), expected, "{to}");
    }
    for to in [at(BACK, 30, 5432), at(BACK, 31, 5432)] {
        let mut near = api.connect(to).await.expect("connects");
        let mut far = accept(&mut listener).await;
        assert_eq!((near.peer, near.local.ip()), (to, ip(BACK, 21)));
        assert_eq!((far.peer, far.local), (near.local, at(BACK, 31, 5432)));
        near.pipe.write_all(b"ping").await.expect("written");
        let mut got = [0; 4];
        far.pipe.read_exact(&mut got).await.expect("read");
        assert_eq!(&got, b"ping");
    }
}

#[tokio::test]
async fn connections_to_a_service_go_to_its_listening_tasks_in_turn() {
    let (fabric, tasks) = world();
    let web = &tasks[0];
    let any = SocketAddr::from(([0, 0, 0, 0], 8080));
    let mut one = tasks[1].listen(any).expect("listens");
    let mut counts = [0, 0];
    {
        let mut two = tasks[2].listen(any).expect("two tasks listen at one port");
        for _ in 0..6 {
            web.connect(at(FRONT, 20, 8080)).await.expect("connects");
            tokio::select! {
                _ = accept(&mut one) => counts[0] += 1,
                _ = accept(&mut two) => counts[1] += 1,
            }
        }
    }
    assert_eq!(counts, [3, 3]);
    // The second listens no more: all go to the first.
    for _ in 0..2 {
        web.connect(at(FRONT, 20, 8080)).await.expect("connects");
        accept(&mut one).await;
    }
    fabric.leave(tasks[1].member().task);
    assert_eq!(poll_fn(|cx| one.poll_accept(cx)).await.map(|c| c.peer), None);
    let refused = web.connect(at(FRONT, 20, 8080)).await.expect_err("nobody is left");
    assert_eq!(refused, NetworkError::ConnectionRefused);
    assert_eq!(tasks[1].listen(any).expect_err("it has left"), NetworkError::Unreachable);
}

#[tokio::test]
async fn a_task_has_its_ports_to_itself() {
    let (_fabric, tasks) = world();
    let api = &tasks[1];
    let listen = |ip: IpAddr, port| api.listen(SocketAddr::new(ip, port));
    let unspecified = IpAddr::from(Ipv4Addr::UNSPECIFIED);
    let loopback = IpAddr::from(Ipv4Addr::LOCALHOST);
    let first = listen(unspecified, 80).expect("free");
    for taken in [unspecified, loopback, ip(FRONT, 21)] {
        assert_eq!(listen(taken, 80).expect_err("taken"), NetworkError::AddressInUse);
    }
    drop(first);
    let _loopback = listen(loopback, 80).expect("free again");
    let _front = listen(ip(FRONT, 21), 80).expect("another address");
    let _back = listen(ip(BACK, 21), 80).expect("another address");
    assert_eq!(listen(unspecified, 80).expect_err("taken"), NetworkError::AddressInUse);
    for foreign in [ip(FRONT, 22), IpAddr::from([1, 2, 3, 4])] {
        assert_eq!(listen(foreign, 81).expect_err("foreign"), NetworkError::AddressNotBindable);
    }
    let ports = [0, 0].map(|_| listen(unspecified, 0).expect("chosen"));
    assert!(ports[0].addr().port() >= 49152 && ports[0].addr() != ports[1].addr(), "{ports:?}");
}

#[tokio::test]
async fn a_loopback_listener_hears_its_own_task_alone() {
    let (_fabric, tasks) = world();
    let loopback = SocketAddr::from(([127, 0, 0, 1], 9000));
    let mut listener = tasks[1].listen(loopback).expect("listens");
    let own = tasks[1].connect(loopback).await.expect("connects");
    assert_eq!(accept(&mut listener).await.peer, own.local);
    for to in [at(FRONT, 21, 9000), at(FRONT, 20, 9000), loopback] {
        let refused = tasks[0].connect(to).await.expect_err("refused");
        assert_eq!(refused, NetworkError::ConnectionRefused, "{to}");
    }
}

#[tokio::test]
async fn an_http_task_answers_on_its_target_ports_or_on_80() {
    let fabric = Fabric::new(Id::from_u128(NODE));
    let services = vec![
        named(FRONT, "web", Some(10), &[(11, NODE)]),
        named(FRONT, "api", None, &[(21, NODE)]),
    ];
    fabric.set_names(&table(FRONT, services));
    let mut web = assignment(11, &[FRONT]);
    web.ports = vec![skep_api::PortConfig { target: 8080, ..Default::default() }];
    let (web, api) = (fabric.join(&web), fabric.join(&assignment(21, &[FRONT])));
    web.member().serve_http(FakeRun::echo());
    api.member().serve_http(FakeRun::echo());
    for (from, to) in [(&api, at(FRONT, 10, 8080)), (&web, at(FRONT, 21, 80))] {
        let mut connection = from.connect(to).await.expect("connects");
        connection.pipe.write_all(b"hello").await.expect("written");
        let mut got = [0; 5];
        connection.pipe.read_exact(&mut got).await.expect("read");
        assert_eq!(&got, b"hello");
    }
    for (from, to) in [(&api, at(FRONT, 10, 80)), (&web, at(FRONT, 21, 8080))] {
        let refused = from.connect(to).await.expect_err("refused");
        assert_eq!(refused, NetworkError::ConnectionRefused, "{to}");
    }
}
