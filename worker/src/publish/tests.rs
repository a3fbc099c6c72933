//! Real sockets on the loopback, fake tasks behind them.

use std::future::poll_fn;

use skep_api::{Assignment, Grant, RoutedTask, Service, TaskState, TaskStatus};
use skep_runtime::Network as _;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::fabric::TaskNetwork;
use crate::testing::FakeRun;

const TARGET: u16 = 8080;

struct World {
    fabric: Arc<Fabric>,
    publisher: Publisher,
}

fn world() -> World {
    let node = Id::from_u128(1);
    let fabric = Fabric::new(node);
    let publisher = Publisher::new(IpAddr::from([127, 0, 0, 1]), node, fabric.clone());
    World { fabric, publisher }
}

impl World {
    fn join(&self, task: u128) -> TaskNetwork {
        self.fabric.join(&Assignment {
            task: Id::from_u128(task),
            service: Id::<Service>::from_u128(1),
            name: String::new(),
            desired: TaskState::Running,
            status: TaskStatus::default(),
            grant: Grant::default(),
            ports: vec![PortConfig { target: TARGET, ..PortConfig::default() }],
            registry_auth: None,
            restart: None,
        })
    }
}

fn route(published: u16, tasks: &[u128]) -> PortRoute {
    let node = Id::from_u128(1);
    let tasks = tasks.iter().map(|task| RoutedTask { task: Id::from_u128(*task), node });
    PortRoute {
        published,
        protocol: Protocol::Tcp,
        target: TARGET,
        service: Id::from_u128(1),
        tasks: tasks.collect(),
    }
}

/// A port that nothing listens on: given out by the system, and let go again.
async fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("listens");
    listener.local_addr().expect("an address").port()
}

async fn ask(port: u16, text: &str) -> std::io::Result<String> {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).await?;
    socket.write_all(text.as_bytes()).await?;
    socket.shutdown().await?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn a_port_is_open_exactly_while_it_is_published() {
    let mut world = world();
    let task = world.join(1);
    task.member().serve_http(FakeRun::echo());
    let (first, second) = (free_port().await, free_port().await);
    world.publisher.set([route(first, &[1]), route(second, &[1])].into_iter()).await;
    assert_eq!(ask(first, "one").await.expect("answered"), "one");
    assert_eq!(ask(second, "two").await.expect("answered"), "two");

    world.publisher.set([route(second, &[1])].into_iter()).await;
    let refused = ask(first, "one").await.expect_err("closed");
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    assert_eq!(ask(second, "two").await.expect("answered"), "two");

    // Opened, closed and opened again at once: nothing of the old listener is in the way.
    for _ in 0..5 {
        let troubles = world.publisher.set([route(first, &[1])].into_iter()).await;
        assert_eq!(troubles, Troubles::Same);
        assert_eq!(ask(first, "again").await.expect("answered"), "again");
        world.publisher.set(std::iter::empty()).await;
    }
    assert!(ask(first, "one").await.is_err());
}

#[tokio::test]
async fn connections_go_to_the_running_tasks_in_turn() {
    let mut world = world();
    let port = free_port().await;
    let tasks = [1, 2].map(|task| world.join(task));
    let names = ["one", "two"];
    for (task, name) in tasks.iter().zip(names) {
        task.member().serve_http(FakeRun::says(name));
    }
    // Task 3 is not running here: it is passed over.
    world.publisher.set([route(port, &[1, 2, 3])].into_iter()).await;
    let mut answers = Vec::new();
    for _ in 0..4 {
        answers.push(ask(port, "").await.expect("answered"));
    }
    answers.sort();
    assert_eq!(answers, ["one", "one", "two", "two"]);

    world.fabric.leave(Id::from_u128(1));
    assert_eq!(ask(port, "").await.expect("answered"), "two");
    world.fabric.leave(Id::from_u128(2));
    assert_eq!(ask(port, "").await.unwrap_or_default(), "", "closed without an answer");
}

#[tokio::test]
async fn a_command_is_reached_where_it_listens_and_sees_who_came() {
    let mut world = world();
    let port = free_port().await;
    let task = world.join(1);
    world.publisher.set([route(port, &[1])].into_iter()).await;
    assert_eq!(ask(port, "").await.unwrap_or_default(), "", "it does not listen yet");

    let mut listener = task.listen(SocketAddr::from(([0, 0, 0, 0], TARGET))).expect("listens");
    let client = tokio::spawn(async move {
        let mut socket = TcpStream::connect(("127.0.0.1", port)).await.expect("connects");
        let addr = socket.local_addr().expect("an address");
        socket.write_all(b"ping").await.expect("written");
        let mut answer = [0; 4];
        socket.read_exact(&mut answer).await.expect("read");
        (addr, answer)
    });
    let mut connection = poll_fn(|cx| listener.poll_accept(cx)).await.expect("a connection");
    let mut got = [0; 4];
    connection.pipe.read_exact(&mut got).await.expect("read");
    connection.pipe.write_all(b"pong").await.expect("written");
    let (client, answer) = client.await.expect("ends");
    assert_eq!((connection.peer, &got, &answer), (client, b"ping", b"pong"));
}

#[tokio::test]
async fn a_port_in_use_is_a_trouble_until_it_is_free() {
    let mut world = world();
    let task = world.join(1);
    task.member().serve_http(FakeRun::echo());
    let other = TcpListener::bind(("127.0.0.1", 0)).await.expect("listens");
    let port = other.local_addr().expect("an address").port();
    let troubles = world.publisher.set([route(port, &[1])].into_iter()).await;
    assert_eq!(troubles, Troubles::Changed);
    assert_eq!(world.publisher.retry().await, Troubles::Same);
    let ports = [PortConfig { published: port, target: TARGET, ..PortConfig::default() }];
    let trouble = format!("port {port} is in use by another program on this node");
    assert_eq!(world.publisher.trouble_of(&ports), trouble);
    assert!(world.publisher.wants_retry());

    drop(other);
    assert_eq!(world.publisher.retry().await, Troubles::Changed);
    assert_eq!(world.publisher.trouble_of(&ports), "");
    assert!(!world.publisher.wants_retry());
    assert_eq!(ask(port, "hello").await.expect("answered"), "hello");
}

#[tokio::test]
async fn udp_is_refused_in_words() {
    let mut world = world();
    let udp = PortRoute { protocol: Protocol::Udp, ..route(5353, &[1]) };
    world.publisher.set([udp].into_iter()).await;
    let ports = [PortConfig { published: 5353, protocol: Protocol::Udp, ..PortConfig::default() }];
    assert_eq!(world.publisher.trouble_of(&ports), "port 5353/udp: UDP is not served yet");
    assert!(!world.publisher.wants_retry(), "it will not pass by itself");
}
