use std::time::Duration;

use skep_api::{Bytes, ErrorKind, Healthcheck, IdGen, Mode, NanoCpus, ServiceSpec, UpdateConfig};

use crate::testing::{cluster, service_spec};
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

#[test]
fn behaviour_89_a_services_name_is_a_dns_label() {
    let named = |name: &str| refused(|spec| name.clone_into(&mut spec.name));
    assert_eq!(named("n_m-e"), "admitted");
    assert_eq!(named(""), "InvalidArgument: meta: name must be provided");
    let label = "InvalidArgument: name must be valid as a DNS name component";
    for bad in ["_n", ".n", "-n", "n-", "n/e", "n&e"] {
        assert_eq!(named(bad), label, "{bad}");
    }
    let long = named(&"x".repeat(64));
    assert_eq!(long, "InvalidArgument: name must be 63 characters or fewer");
}

#[test]
fn behaviour_90_resources_have_a_least_and_are_never_negative() {
    let memory = |bytes: i64| refused(|spec| spec.task.limits.memory = Bytes(bytes as u64));
    let cpus = |nanos: i64| refused(|spec| spec.task.reservations.cpus = NanoCpus(nanos as u64));
    assert_eq!(memory(4 << 20), "admitted");
    for bytes in [1, 4_194_303, -1] {
        let text = format!("InvalidArgument: invalid memory value {bytes}: Must be at least 4MiB");
        assert_eq!(memory(bytes), text);
    }
    assert_eq!(cpus(1_000_000), "admitted");
    for (nanos, shown) in [(999_999, "0.000999999"), (-500_000_000, "-0.5")] {
        let text = format!("InvalidArgument: invalid cpu value {shown}: Must be at least 0.001");
        assert_eq!(cpus(nanos), text);
    }
}

#[test]
fn behaviour_91_replicas_that_were_negative_are_refused() {
    let replicas = |replicas| refused(|spec| spec.mode = Mode::Replicated { replicas });
    let text = "InvalidArgument: Number of replicas must be non-negative";
    assert_eq!(replicas(-1_i64 as u64), text);
    assert_eq!(replicas(i64::MAX as u64 + 1), text);
    assert_eq!(replicas(0), "admitted");
    assert_eq!(replicas(REPLICAS_MAX), "admitted");
}

#[test]
fn behaviour_92_times_of_a_health_check_are_zero_or_a_millisecond() {
    type Set = fn(&mut Healthcheck, Duration);
    let fields: [(&str, Set); 4] = [
        ("Interval", |health, time| health.interval = time),
        ("Timeout", |health, time| health.timeout = time),
        ("StartPeriod", |health, time| health.start_period = time),
        ("StartInterval", |health, time| health.start_interval = time),
    ];
    for (name, set) in fields {
        let with = |time| {
            refused(|spec| {
                let mut health = Healthcheck::default();
                set(&mut health, time);
                spec.task.component.healthcheck = Some(health);
            })
        };
        let text = format!(
            "InvalidArgument: ContainerSpec: {name} in HealthConfig cannot be less than 1ms"
        );
        assert_eq!(with(Duration::from_micros(999)), text);
        assert_eq!(with(Duration::ZERO), "admitted", "zero inherits");
        assert_eq!(with(Duration::from_millis(1)), "admitted");
    }
}

#[test]
fn behaviour_90_the_same_rules_hold_for_rollbacks() {
    let rolled_back = refused(|spec| {
        spec.rollback = Some(UpdateConfig { max_failure_ratio: -0.1, ..UpdateConfig::default() });
    });
    let text =
        "InvalidArgument: TaskSpec: update-maxfailureratio cannot be less than 0 or bigger than 1";
    assert_eq!(rolled_back, text);
}

#[test]
fn generic_resources_are_reserved_by_number_and_named_for_a_variable() {
    let reserve =
        |kind: &str| refused(|spec| spec.task.reservations.generic = [(kind.to_owned(), 2)].into());
    assert_eq!(reserve("gpu-A100"), "admitted");
    assert_eq!(reserve(""), "InvalidArgument: invalid kind of generic resource: \"\"");
    assert_eq!(reserve("a=b"), "InvalidArgument: invalid kind of generic resource: \"a=b\"");
    let limited = refused(|spec| spec.task.limits.generic = [("gpu".to_owned(), 1)].into());
    assert_eq!(limited, "InvalidArgument: generic resource `gpu` can't be limited");
}

#[test]
fn a_spec_with_an_option_of_ours_that_is_none_is_refused() {
    let label =
        |key: &str| refused(|spec| drop(spec.labels.insert(key.to_owned(), "2".to_owned())));
    let unknown = "InvalidArgument: label skep.replicas: there is no option `replicas`";
    assert_eq!(label("skep.replicas"), unknown);
    assert_eq!(label("com.docker.stack.namespace"), "admitted");
}

#[test]
fn behaviour_96_a_reference_without_a_name_is_malformed_before_it_is_missing() {
    let nameless =
        |kind: &str| refused(|spec| *spec = service_spec("web", &[&format!("{kind}=:t")]));
    assert_eq!(nameless("secret"), "InvalidArgument: malformed secret reference");
    assert_eq!(nameless("config"), "InvalidArgument: malformed config reference");
}

#[test]
fn behaviour_96_references_are_checked_on_updates_too() {
    let mut cluster = cluster("secret key\nsvc web secret=key:a");
    cluster.run("update web secret=key:b");
    let view = cluster.view();
    let web = view.service_named("web").expect("web");
    assert_eq!(web.spec.task.component.secrets.len(), 2, "one secret may have two places");
    let mut spec = web.spec.as_ref().clone();
    let third = spec.task.component.secrets[0].clone();
    spec.task.component.secrets.push(third);
    let write = ServiceWrite::Spec(Box::new(spec));
    let refused = admit_update_service(&view, web.id, web.meta.version, write).expect_err("twice");
    let text = "secret references 'key' and 'key' have a conflicting target: 'a'";
    assert_eq!((refused.kind, refused.message.as_str()), (ErrorKind::InvalidArgument, text));
}

#[test]
fn behaviour_97_a_service_that_is_not_there_is_not_updated() {
    let view = cluster("svc web").view();
    let write = || ServiceWrite::Spec(Box::new(service_spec("web", &[])));
    let unknown = admit_update_service(&view, skep_api::Id::from_u128(9), 1, write());
    let text = "service 0000000000000000000000009 not found".to_owned();
    assert_eq!(unknown.map_err(|e| (e.kind, e.message)), Err((ErrorKind::NotFound, text)));
}

#[test]
fn behaviour_98_the_networks_of_a_service_may_change() {
    let mut cluster = cluster("net front\nnet back\nsvc web net=front");
    cluster.run("update web no-net=1 net=back");
    let view = cluster.view();
    let back = view.network_named("back").expect("back").id.to_string();
    let networks = &view.service_named("web").expect("web").spec.task.networks;
    assert_eq!(networks.iter().map(|n| n.target.as_str()).collect::<Vec<_>>(), [back]);
}
