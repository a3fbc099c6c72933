//! The gateway in front of a small node, asked as Docker's clients ask.

mod fake;

use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use skep_api::*;
use skep_wire::pb;
use tower::ServiceExt;

use fake::Fake;

fn inactive() -> Fake {
    let info = pb::InfoResponse {
        version: "0.1.0".to_owned(),
        node_name: "node1".to_owned(),
        state: "inactive".to_owned(),
        data_root: "/var/lib/skep".to_owned(),
        listening: vec!["unix:///run/skep/skep.sock".to_owned()],
        os: "linux".to_owned(),
        arch: "x86_64".to_owned(),
        insecure_registries: vec!["10.99.0.254:5000".to_owned()],
        ..Default::default()
    };
    Fake { info, ..Default::default() }
}

fn manager() -> Node {
    Node {
        id: Id::from_u128(2),
        meta: Meta { version: 17, ..Default::default() },
        spec: NodeSpec { role: NodeRole::Manager, ..Default::default() },
        description: NodeDescription { hostname: "node1".to_owned(), ..Default::default() },
        status: NodeStatus { state: NodeState::Ready, ..Default::default() },
        manager_addr: Some("10.99.0.1:2377".to_owned()),
    }
}

fn web() -> Service {
    let mut spec = ServiceSpec { name: "web".to_owned(), ..Default::default() };
    spec.task.component.image = "web:1.0".to_owned();
    Service::new(Id::from_u128(3), spec)
}

fn task() -> Task {
    Task {
        node: Some(Id::from_u128(2)),
        addresses: vec![TaskAddress { network: Id::from_u128(5), addr: [10, 0, 1, 7].into() }],
        status: TaskStatus { state: TaskState::Running, ..Default::default() },
        ..Task::new(Id::from_u128(4), &web(), Slot::Number(1))
    }
}

fn network() -> Network {
    Network {
        id: Id::from_u128(5),
        meta: Meta::default(),
        spec: NetworkSpec { name: "net1".to_owned(), ..Default::default() },
        subnet: "10.0.1.0/24".to_owned(),
    }
}

fn active() -> Fake {
    let mut fake = inactive();
    fake.info.state = "active".to_owned();
    fake.info.manager = true;
    fake.info.node_id = Some(manager().id.to_string());
    fake.info.node_addr = "10.99.0.1".to_owned();
    fake.nodes = vec![(&manager()).into()];
    let service = pb::Service::from(&web());
    let row =
        pb::ServiceRow { service: Some(service.clone()), running: 1, desired: 1, completed: 0 };
    fake.services = vec![row];
    fake.tasks = vec![pb::TaskRow {
        task: Some((&task()).into()),
        spec: service.spec,
        service_name: "web".to_owned(),
        node_name: "node1".to_owned(),
    }];
    fake.networks = vec![(&network()).into()];
    let data = SecretBytes::new(b"s3cret".to_vec());
    let spec = SecretSpec { name: "db_pw".to_owned(), labels: Default::default(), data };
    fake.secrets = vec![(&Secret { id: Id::from_u128(6), meta: Meta::default(), spec }).into()];
    fake.images = vec![
        (&ImageInfo {
            tags: vec!["127.0.0.1:5000/demo/web:1.0".to_owned()],
            digest: Digest([1; 32]),
            component: Digest([2; 32]),
            size: Bytes(9),
            kind: WorkloadKind::Http,
            imports: Vec::new(),
            exports: Vec::new(),
            created_secs: 0,
        })
            .into(),
    ];
    fake.volumes = vec![pb::Volume { name: "data".to_owned(), ..Default::default() }];
    fake
}

async fn ask(fake: Fake, method: &str, path: &str) -> Response<Body> {
    let request = Request::builder().method(method).uri(path).body(Body::empty());
    let router = skep_gateway::router(fake.serve());
    router.oneshot(request.expect("a request")).await.expect("an answer")
}

async fn text(response: Response<Body>) -> String {
    let bytes = response.into_body().collect().await.expect("a body").to_bytes();
    String::from_utf8(bytes.to_vec()).expect("text")
}

async fn get(fake: Fake, path: &str) -> (StatusCode, Value) {
    let response = ask(fake, "GET", path).await;
    let status = response.status();
    assert_eq!(response.headers()["content-type"], "application/json");
    let text = text(response).await;
    assert!(text.ends_with('\n'), "{text}");
    (status, serde_json::from_str(&text).expect("JSON"))
}

#[tokio::test]
async fn a_ping_says_who_is_there() {
    for (fake, swarm) in [(inactive(), "inactive"), (active(), "active/manager")] {
        for (method, path, body) in
            [("GET", "/_ping", "OK"), ("HEAD", "/_ping", ""), ("GET", "/v1.49/_ping", "OK")]
        {
            let response = ask(fake.clone(), method, path).await;
            assert_eq!(response.status(), StatusCode::OK);
            for (header, value) in [
                ("api-version", "1.49"),
                ("ostype", "linux"),
                ("docker-experimental", "false"),
                ("builder-version", "2"),
                ("swarm", swarm),
                ("cache-control", "no-cache, no-store, must-revalidate"),
            ] {
                assert_eq!(response.headers()[header], value, "{method} {header}");
            }
            assert_eq!(text(response).await, body);
        }
    }
}

#[tokio::test]
async fn before_a_swarm_info_says_inactive_and_where_the_node_listens() {
    let (status, info) = get(inactive(), "/v1.49/info").await;
    assert_eq!(status, StatusCode::OK);
    let expected = json!({
        "NodeID": "",
        "NodeAddr": "",
        "LocalNodeState": "inactive",
        "ControlAvailable": false,
        "Error": "",
        "RemoteManagers": null
    });
    assert_eq!(info["Swarm"].to_string(), expected.to_string());
    assert_eq!(info["SkepListening"], json!(["unix:///run/skep/skep.sock"]));
    assert_eq!(info["RegistryConfig"]["IndexConfigs"]["10.99.0.254:5000"]["Secure"], false);
    let (status, error) = get(inactive(), "/swarm").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(error, json!({ "message": "This node is not a swarm manager." }));
}

#[tokio::test]
async fn in_a_swarm_info_shows_it() {
    let (_, info) = get(active(), "/info").await;
    let swarm = &info["Swarm"];
    assert_eq!(swarm["NodeID"], "0000000000000000000000002");
    assert_eq!((&swarm["Nodes"], &swarm["Managers"]), (&json!(1), &json!(1)));
    let peer = json!([{ "NodeID": "0000000000000000000000002", "Addr": "10.99.0.1:2377" }]);
    assert_eq!(swarm["RemoteManagers"], peer);
    assert_eq!(swarm["Cluster"]["ID"], "0000000000000000000000001");
    let (_, swarm) = get(active(), "/swarm").await;
    assert_eq!(swarm["JoinTokens"], json!({ "Worker": "", "Manager": "" }));
}

#[tokio::test]
async fn a_swarm_that_does_not_answer_is_an_error_within_info() {
    let mut fake = active();
    fake.nodes[0].status = None;
    let (status, info) = get(fake, "/info").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(info["Swarm"]["Error"], "Node.status is missing");
}

#[tokio::test]
async fn objects_are_listed_and_shown() {
    let (_, version) = get(active(), "/version").await;
    assert_eq!((&version["Version"], &version["Arch"]), (&json!("0.1.0"), &json!("amd64")));
    let (_, nodes) = get(active(), "/nodes").await;
    assert_eq!(nodes[0]["ManagerStatus"]["Leader"], true);
    let (_, node) = get(active(), "/nodes/node1").await;
    assert_eq!(node, nodes[0]);
    let (_, services) = get(active(), "/services?status=true").await;
    let status = json!({ "RunningTasks": 1, "DesiredTasks": 1, "CompletedTasks": 0 });
    assert_eq!(services[0]["ServiceStatus"], status);
    let (_, service) = get(active(), "/services/web?insertDefaults=true").await;
    assert_eq!(service["Spec"]["UpdateConfig"]["Order"], "stop-first");
    assert_eq!(service.get("ServiceStatus"), None);
    let (_, tasks) = get(active(), "/tasks").await;
    assert_eq!(tasks[0]["NetworksAttachments"][0]["Addresses"], json!(["10.0.1.7/24"]));
    let (_, task) = get(active(), "/tasks/0000000000000000000000004").await;
    assert_eq!(task, tasks[0]);
    let (_, networks) = get(active(), "/networks").await;
    assert_eq!(networks[0]["Name"], "net1");
    let (_, volumes) = get(active(), "/volumes").await;
    assert_eq!(volumes["Volumes"][0]["Name"], "data");
    let (_, images) = get(active(), "/images/json").await;
    assert_eq!(images[0]["RepoTags"], json!(["127.0.0.1:5000/demo/web:1.0"]));
    let (_, image) = get(active(), "/v1.49/images/127.0.0.1:5000/demo/web:1.0/json").await;
    assert_eq!(image["SkepKind"], "wasi:http/proxy");
    let (_, configs) = get(active(), "/configs").await;
    assert_eq!(configs, json!([]));
}

#[tokio::test]
async fn no_answer_shows_a_secret() {
    let response = ask(active(), "GET", "/secrets").await;
    let shown = text(response).await;
    assert!(shown.contains("db_pw"), "{shown}");
    assert!(!shown.contains("s3cret") && !shown.contains("Data"), "{shown}");
    // "s3cret" in base64.
    assert!(!shown.contains("czNjcmV0"), "{shown}");
}

#[tokio::test]
async fn filters_choose() {
    for (path, rows) in [
        ("/services?filters={%22name%22:{%22we%22:true}}", 1),
        ("/services?filters={%22name%22:[%22db%22]}", 0),
        ("/services?filters={%22mode%22:[%22replicated%22]}", 1),
        ("/services?filters={%22mode%22:[%22global%22]}", 0),
        ("/services?filters={%22runtime%22:[%22plugin%22]}", 0),
        ("/tasks?filters={%22service%22:[%220000000000000000000000003%22]}", 1),
        ("/tasks?filters={%22service%22:[%22nosuch%22]}", 0),
        ("/nodes?filters={%22membership%22:[%22pending%22]}", 0),
        ("/networks?filters={%22name%22:[%22et%22],%22scope%22:[%22swarm%22]}", 1),
        ("/networks?filters={%22driver%22:[%22bridge%22]}", 0),
        ("/networks?filters={%22dangling%22:[%22true%22]}", 1),
        ("/images/json?filters={%22dangling%22:[%22true%22]}", 0),
    ] {
        let (status, found) = get(active(), &path.replace('{', "%7B").replace('}', "%7D")).await;
        let found = found.as_array().map(Vec::len);
        assert_eq!((status, found), (StatusCode::OK, Some(rows)), "{path}");
    }
    for path in ["nodes", "services", "tasks", "secrets", "configs", "networks", "volumes"] {
        let path = format!("/{path}?filters=%7B%22bogus%22:%5B%22x%22%5D%7D");
        let (status, error) = get(active(), &path).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{path}");
        assert_eq!(error, json!({ "message": "invalid filter 'bogus'" }));
    }
}

#[tokio::test]
async fn what_is_refused_says_why() {
    for (method, path, status, message) in [
        ("GET", "/services/nosuch", 404, "service nosuch not found"),
        ("GET", "/nodes/nosuch", 404, "node nosuch not found"),
        ("GET", "/images/nosuch:1/json", 404, "No such image: nosuch:1"),
        ("GET", "/nope", 404, "page not found"),
        ("GET", "/v1.49/nope", 404, "page not found"),
        ("PATCH", "/services", 404, "page not found"),
        ("GET", "/images/web", 404, "page not found"),
        (
            "GET",
            "/v1.50/info",
            400,
            "client version 1.50 is too new. Maximum supported API version is 1.49",
        ),
        (
            "POST",
            "/v1.49/services/create",
            501,
            "POST /services/create is not served over Docker's API yet: use `skep service create`",
        ),
        (
            "DELETE",
            "/secrets/db_pw",
            501,
            "DELETE /secrets/* is not served over Docker's API yet: use `skep secret rm`",
        ),
        (
            "GET",
            "/images/web:1.0/history",
            501,
            "GET /images/**/history is not served over Docker's API yet",
        ),
    ] {
        let response = ask(active(), method, path).await;
        assert_eq!(response.status().as_u16(), status, "{method} {path}");
        assert_eq!(response.headers()["api-version"], "1.49");
        let body: Value = serde_json::from_str(&text(response).await).expect("JSON");
        assert_eq!(body, json!({ "message": message }), "{method} {path}");
    }
}

#[tokio::test]
async fn a_hint_stands_beside_the_message() {
    let (status, error) = get(active(), "/tasks/nosuch").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let expected = json!({ "message": "task nosuch not found", "hint": "`skep service ps`" });
    assert_eq!(error, expected);
}

#[tokio::test]
async fn a_refused_request_is_read_to_its_end() {
    let (mut sender, body) = tokio::io::duplex(64);
    let body = Body::from_stream(tokio_util::io::ReaderStream::new(body));
    let request = Request::post("/services/create").body(body).expect("a request");
    let answer = tokio::spawn(skep_gateway::router(active().serve()).oneshot(request));
    // More than the pipe holds: this ends only if somebody reads.
    tokio::io::AsyncWriteExt::write_all(&mut sender, &[b' '; 4096]).await.expect("a reader");
    drop(sender);
    let answer = answer.await.expect("no panic").expect("an answer");
    assert_eq!(answer.status(), StatusCode::NOT_IMPLEMENTED);
}
