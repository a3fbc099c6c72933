use expect_test::expect;
use skep_api::{
    ErrorKind, Healthcheck, IdGen, Mode, Mount, MountKind, PortConfig, PublishMode, ServiceSpec,
    UpdateConfig,
};

use crate::testing::{check, cluster, service_spec};
use crate::*;

/// What becomes of a spec that `change` was done to.
fn refused(change: impl FnOnce(&mut ServiceSpec)) -> String {
    let cluster = cluster("secret key\nsecret other\nconfig site");
    let mut spec = service_spec("web", &[]);
    change(&mut spec);
    match admit_create_service(&cluster.view(), spec, &mut IdGen::from_u64(9)) {
        Ok(_) => "admitted".to_owned(),
        Err(error) => format!("{}: {}", error.kind.rpc_name(), error.message),
    }
}

fn with(settings: &[&str]) -> String {
    refused(|spec| *spec = service_spec("web", settings))
}

#[test]
fn behaviour_90_bad_values_are_refused_in_swarms_words() {
    for (settings, text) in [
        ("image=", "ContainerSpec: image reference must be provided"),
        ("image=a//b", r#"ContainerSpec: "a//b" is not a valid repository/tag"#),
        ("limit-cpu=0.0001", "invalid cpu value 0.0001: Must be at least 0.001"),
        ("reserve-memory=1m", "invalid memory value 1048576: Must be at least 4MiB"),
        ("constraint=node.role=x", "constraint expected one operator from ==, !="),
        ("env==x", r#"invalid environment variable: "=x""#),
        (
            "env=A={{.Nope}}",
            "environment variable A: template `{{.Nope}}` names nothing that is known",
        ),
        ("replicas=2000000", "replicas must be between 0 and 1000000, got 2000000"),
        ("replicas=18446744073709551615", "Number of replicas must be non-negative"),
        ("net=nowhere", "network nowhere not found"),
        ("net=ingress", "Service cannot be explicitly attached to the ingress network \"ingress\""),
        ("secret=nope", "secret not found: nope"),
        ("config=site:../x", "config reference 'site': target `../x` must not contain `..`"),
        ("secret=key:", "malformed file secret reference, invalid target file name provided"),
        ("host-port=80", "EndpointSpec: a port published in host mode needs a number"),
    ] {
        let refusal = with(&[settings]);
        assert_eq!(refusal.split_once(": ").map(|(_, text)| text), Some(text), "{settings}");
    }
    let ratio = |max_failure_ratio| {
        refused(|spec| {
            spec.update = Some(UpdateConfig { max_failure_ratio, ..UpdateConfig::default() });
        })
    };
    let text =
        "InvalidArgument: TaskSpec: update-maxfailureratio cannot be less than 0 or bigger than 1";
    assert_eq!((ratio(1.5).as_str(), ratio(f32::NAN).as_str()), (text, text));
    assert_eq!(ratio(1.0), "admitted");
}

#[test]
fn behaviour_96_references_and_their_targets_are_checked() {
    for (settings, text) in [
        (&["secret=nope", "secret=nada"][..], "InvalidArgument: secrets not found: nope, nada"),
        (
            &["secret=key:t", "secret=other:t"],
            "InvalidArgument: secret references 'key' and 'other' have a conflicting target: 't'",
        ),
        (
            &["secret=key:t", "secret=key:/run/secrets//t"],
            "InvalidArgument: secret references 'key' and 'key' have a conflicting target: '/run/secrets//t'",
        ),
        (
            &["secret=key:/a", "config=site:a"],
            "InvalidArgument: secret 'key' and config 'site' are both at /a",
        ),
        (&["secret=key:a", "secret=key:/x", "secret=key:a/b"], "admitted"),
    ] {
        assert_eq!(with(settings), text);
    }
    let by_id = |name: &str| {
        refused(|spec| {
            *spec = service_spec("web", &["secret=key"]);
            spec.task.component.secrets[0].id = skep_api::Id::from_u128(5);
            name.clone_into(&mut spec.task.component.secrets[0].name);
        })
    };
    assert_eq!(by_id("key"), "InvalidArgument: secret not found: key", "the id counts");
}

#[test]
fn behaviour_92_mounts_have_absolute_targets_of_their_own() {
    let mount =
        |kind: MountKind, target: &str| Mount { kind, target: target.to_owned(), read_only: false };
    let volume =
        || MountKind::Volume { source: Some("data".to_owned()), labels: Default::default() };
    let mounts = |mounts: Vec<Mount>| refused(|spec| spec.task.component.mounts = mounts);
    assert_eq!(
        mounts(vec![mount(volume(), "/data"), mount(volume(), "/data/")]),
        "InvalidArgument: ContainerSpec: duplicate mount point: /data/"
    );
    assert_eq!(
        mounts(vec![mount(volume(), "data")]),
        "InvalidArgument: invalid mount config for type \"volume\": invalid mount path: 'data' mount path must be absolute"
    );
    let bind = MountKind::Bind { source: "./x".to_owned() };
    assert_eq!(
        mounts(vec![mount(bind, "/x")]),
        "InvalidArgument: invalid mount config for type \"bind\": invalid mount path: './x' mount path must be absolute"
    );
    let clash = refused(|spec| {
        *spec = service_spec("web", &["config=site:/etc/site"]);
        spec.task.component.mounts = vec![mount(volume(), "/etc/site/")];
    });
    assert_eq!(clash, "InvalidArgument: ContainerSpec: /etc/site is both a file and a mount point");
}

#[test]
fn what_is_not_done_yet_is_refused_and_not_ignored() {
    let health = |test: &str| {
        refused(|spec| {
            let test = vec![test.to_owned()];
            spec.task.component.healthcheck = Some(Healthcheck { test, ..Healthcheck::default() });
        })
    };
    assert_eq!(health("CMD"), "Unimplemented: health checks are not supported yet");
    assert_eq!(health("NONE"), "admitted");
}

#[test]
fn behaviour_99_endpoints_are_checked_by_themselves() {
    let port =
        |published, mode| PortConfig { published, target: 80, mode, ..PortConfig::default() };
    let ports = |ports: Vec<PortConfig>| refused(|spec| spec.endpoint.ports = ports);
    let duplicate = "InvalidArgument: EndpointSpec: duplicate published ports provided";
    let (ingress, host) = (PublishMode::Ingress, PublishMode::Host);
    assert_eq!(ports(vec![port(80, ingress), port(80, host)]), duplicate);
    assert_eq!(ports(vec![port(0, ingress), port(0, ingress)]), "admitted");
    assert_eq!(with(&["port=80:80", "port=80:80/udp"]), "admitted");
    assert_eq!(
        with(&["port=80:80", "mode=dnsrr"]),
        "InvalidArgument: EndpointSpec: port published with ingress mode can't be used with dnsrr mode"
    );
}

#[test]
fn behaviour_94_and_95_ports_and_names_belong_to_one_service() {
    check(
        "svc web port=80:8080
         svc two port=80:8080
         svc udp port=80:8080/udp
         svc host host-port=80:80
         svc h1 host-port=81:80
         svc h2 host-port=81:80
         svc ing port=81:80
         svc auto port=80
         decide
         svc late port=30000:80
         svc Web
         update udp port=81:81",
        expect![[r#"
            InvalidArgument: port '80' is already in use by service 'web' (id-of-web) as an ingress port
            InvalidArgument: port '80' is already in use by service 'web' (id-of-web) as an ingress port
            InvalidArgument: port '81' is already in use by service 'h2' (id-of-h2) as a host-published port
            InvalidArgument: port '30000' is already in use by service 'auto' (id-of-auto) as an ingress port
            AlreadyExists: name conflicts with an existing object: service Web already exists
            InvalidArgument: port '81' is already in use by service 'h2' (id-of-h2) as a host-published port
        "#]],
    );
}

#[test]
fn behaviour_97_updates_are_checked_against_what_is_stored() {
    let mut cluster = cluster("node n1\nsvc web port=80\nsvc api\ndecide");
    let view = cluster.view();
    let web = view.service_named("web").expect("web").clone();
    assert!(web.meta.version > 3, "the system wrote it too: its port was chosen");
    let update = |version, change: &dyn Fn(&mut ServiceSpec)| {
        let mut spec = web.spec.as_ref().clone();
        change(&mut spec);
        let write = ServiceWrite::Spec(Box::new(spec));
        admit_update_service(&view, web.id, version, write)
            .map_err(|error| (error.kind, error.message))
    };
    let refused = |kind, text: &str| Err((kind, text.to_owned()));
    assert_eq!(update(web.meta.version, &|_| {}), Ok(Vec::new()));
    let renamed = update(web.meta.version, &|spec| spec.name = "other".to_owned());
    assert_eq!(renamed, refused(ErrorKind::Unimplemented, "renaming services is not supported"));
    let global = update(web.meta.version, &|spec| spec.mode = Mode::Global);
    assert_eq!(global, refused(ErrorKind::Unimplemented, "service mode change is not allowed"));
    let scale = |spec: &mut ServiceSpec| spec.mode = Mode::Replicated { replicas: 2 };
    let stale = refused(ErrorKind::OutOfSequence, "update out of sequence");
    assert_eq!(update(web.meta.version + 1, &scale), stale, "from the future");
    assert_eq!(update(0, &scale), stale);
    // Any version since the spec was written will do, whatever the system wrote meanwhile.
    let changes = update(3, &scale).expect("read since the spec was written");
    cluster.apply(changes);
    let view = cluster.view();
    let again = cluster.view().service_named("web").expect("web").clone();
    assert_eq!(again.previous, Some(web.spec.clone()));
    let write = ServiceWrite::Spec(Box::new(web.spec.as_ref().clone()));
    let late = admit_update_service(&view, web.id, web.meta.version, write);
    assert_eq!(late.map_err(|error| (error.kind, error.message)), stale, "read before the write");
    let gone =
        admit_remove_service(&view, skep_api::Id::from_u128(1)).expect_err("no such service");
    assert_eq!(
        (gone.kind, gone.message.as_str()),
        (ErrorKind::NotFound, "service 0000000000000000000000001 not found")
    );
}

#[test]
fn a_rollback_swaps_the_two_specs_and_another_swaps_them_back() {
    let mut cluster =
        cluster("svc web image=web:1\nrollback web\nupdate web image=web:2\nrollback web");
    let image = |cluster: &crate::testing::Cluster| {
        cluster.view().service_named("web").expect("web").spec.task.component.image.clone()
    };
    assert_eq!(image(&cluster), "web:1");
    cluster.run("rollback web");
    assert_eq!(image(&cluster), "web:2");
    check(
        "svc web\nrollback web",
        expect![[r#"
        FailedPrecondition: service id-of-web does not have a previous spec
    "#]],
    );
}

#[test]
fn an_update_without_credentials_keeps_those_that_are_stored() {
    let mut cluster = cluster("svc web auth=token");
    let view = cluster.view();
    let web = view.service_named("web").expect("web");
    let spec = service_spec("web", &["image=web:2"]);
    let write = ServiceWrite::Spec(Box::new(spec));
    let changes = admit_update_service(&view, web.id, web.meta.version, write).expect("admitted");
    cluster.apply(changes);
    let view = cluster.view();
    let auth = &view.service_named("web").expect("web").spec.task.component.registry_auth;
    assert_eq!(auth.as_ref().map(|auth| auth.expose()), Some(&b"token"[..]));
}

#[test]
fn names_in_a_spec_become_ids() {
    let mut cluster =
        cluster("net front\nsecret key\nconfig site\nsvc web net=front secret=key config=site");
    let view = cluster.view();
    let spec = &view.service_named("web").expect("web").spec.task;
    let front = view.network_named("front").expect("front").id;
    assert_eq!(spec.networks[0].target, front.to_string());
    assert_eq!(spec.component.secrets[0].id, view.secret_named("key").expect("key").id);
    assert_eq!(spec.component.configs[0].id, view.config_named("site").expect("site").id);
    cluster.run("update web label=x");
    assert_eq!(cluster.view().service_named("web").expect("web").spec.task, *spec, "ids stay");
}
