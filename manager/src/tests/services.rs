//! Services and the swarm's settings, as users change them and ask about them.

use super::*;

async fn stored(world: &World) -> pb::Service {
    let name = pb::ByName { name: "web".to_owned() };
    world.control().get_service(name).await.expect("there").into_inner()
}

fn env(spec: Option<&pb::ServiceSpec>) -> Vec<String> {
    let component = spec.and_then(|s| s.task.as_ref()).and_then(|t| t.component.as_ref());
    component.expect("a component").env.clone()
}

/// Gives the service another variable.
async fn change(world: &World, value: &str) {
    let before = stored(world).await;
    let mut changed = before.spec.clone().expect("a spec");
    let task = changed.task.as_mut().expect("a task");
    task.component.as_mut().expect("a component").env = vec![format!("V={value}")];
    let version = before.meta.expect("a version").version;
    let request = pb::UpdateServiceRequest {
        id: before.id,
        version,
        spec: Some(changed),
        ..Default::default()
    };
    world.control().update_service(request).await.expect("updated");
}

async fn roll_back(world: &World, to: Option<u64>) -> std::result::Result<(), Status> {
    let before = stored(world).await;
    let request = pb::UpdateServiceRequest {
        id: before.id,
        version: before.meta.expect("a version").version,
        rollback: true,
        rollback_to: to,
        ..Default::default()
    };
    world.control().update_service(request).await.map(|_| ())
}

#[tokio::test]
async fn a_service_shows_the_specs_it_had_and_goes_back_to_any_of_them() {
    let world = World::new().await;
    let mut first = spec("web", 1);
    first.task.component.registry_auth = Some(SecretBytes::new(b"credentials".to_vec()));
    create(&world, &first).await;
    change(&world, "2").await;
    change(&world, "3").await;
    let service = stored(&world).await;
    let had: Vec<_> = service.history.iter().map(|r| env(r.spec.as_ref())).collect();
    assert_eq!(had, [vec![], vec!["V=2".to_owned()]]);
    assert_eq!(env(service.previous.as_ref()), ["V=2"]);
    let auth = |spec: Option<&pb::ServiceSpec>| {
        let component = spec.and_then(|s| s.task.as_ref()).and_then(|t| t.component.as_ref());
        component.expect("a component").registry_auth.clone()
    };
    assert!(service.history.iter().all(|r| auth(r.spec.as_ref()).is_none()));
    let workload = service.workload.as_ref().map(|workload| workload.platform.as_str());
    assert_eq!(workload, Some("wasip2"), "known since it was looked up");

    // The first spec is of version 0, which is not "the one before".
    assert_eq!(service.history[0].version, 0);
    roll_back(&world, Some(0)).await.expect("rolled back");
    let service = stored(&world).await;
    assert_eq!(env(service.spec.as_ref()), [""; 0]);
    let status = service.update_status.expect("a rollback");
    assert_eq!(status.message, "manually requested rollback");
    roll_back(&world, None).await.expect("rolled back");
    assert_eq!(env(stored(&world).await.spec.as_ref()), ["V=3"]);

    let unknown = roll_back(&world, Some(u64::MAX)).await.expect_err("it had no such spec");
    assert_ne!(unknown.code(), Code::Internal, "{unknown}");
    let odd = pb::UpdateServiceRequest {
        id: "web".to_owned(),
        rollback_to: Some(0),
        ..Default::default()
    };
    let refused = world.control().update_service(odd).await.expect_err("half a rollback");
    assert_eq!(refused.code(), Code::InvalidArgument);
    world.manager.shutdown().await;
}

#[tokio::test]
async fn what_waits_is_explained() {
    let world = World::new().await;
    let (_session, _messages) = world.session().await.expect("a session");
    let mut picky = spec("web", 1);
    picky.task.placement.constraints = vec!["node.labels.ssd == true".to_owned()];
    create(&world, &picky).await;
    world
        .wait_for("pending task", |view| view.tasks().any(|task| !task.status.err.is_empty()))
        .await;
    let asked = pb::ByName { name: "web".to_owned() };
    let said = world.control().explain(asked).await.expect("explained").into_inner();
    let task = world.manager.view().tasks().next().map(|task| task.id.to_string());
    let [about] = said.tasks.as_slice() else { panic!("{said:?}") };
    assert_eq!(Some(&about.task), task.as_ref());
    assert!(about.lines.concat().contains("node.labels.ssd"), "{:?}", about.lines);
    assert_eq!(said.update, [""; 0]);

    let nosuch = world.control().explain(pb::ByName { name: "nosuch".to_owned() }).await;
    assert_eq!(nosuch.expect_err("unknown").message(), "service nosuch not found");
    world.manager.shutdown().await;
}

#[tokio::test]
async fn the_settings_of_the_swarm_are_replaced_as_a_whole_in_sequence() {
    let world = World::new().await;
    let read = || async {
        let answer = world.control().get_cluster(pb::GetClusterRequest {}).await.expect("there");
        answer.into_inner().cluster.expect("a swarm")
    };
    let before = read().await;
    let version = before.meta.expect("a version").version;
    let spec = pb::ClusterSpec {
        task_history_limit: 2,
        compat: pb::Compat::Swarm.into(),
        ..before.spec.clone().expect("a spec")
    };
    let request = pb::UpdateClusterRequest { version, spec: Some(spec.clone()) };
    let after = world.control().update_cluster(request.clone()).await.expect("updated");
    assert_eq!(after.into_inner().spec.as_ref(), Some(&spec));
    assert_eq!(read().await.spec, Some(spec));
    assert_eq!(world.manager.view().compat(), skep_api::Compat::Swarm);
    let stale = world.control().update_cluster(request).await.expect_err("stale");
    assert_eq!(stale.message(), "update out of sequence");
    let empty = pb::UpdateClusterRequest { version, spec: None };
    let refused = world.control().update_cluster(empty).await.expect_err("no spec");
    assert_eq!(refused.code(), Code::InvalidArgument);
    world.manager.shutdown().await;
}
