use std::sync::Arc;

use expect_test::expect;
use skep_api::{IdGen, NetworkSpec, SecretBytes};

use crate::testing::{check, cluster, config_spec, secret_spec};
use crate::*;

fn message<T>(result: skep_api::Result<T>) -> String {
    result.map(drop).map_or_else(|error| error.message, |()| "admitted".to_owned())
}

#[test]
fn behaviour_108_and_109_data_has_a_size_and_names_are_unique() {
    let mut ids = IdGen::from_u64(1);
    let cluster = cluster("secret key\nconfig site");
    let view = cluster.view();
    let mut secret = |name: &str, bytes: usize| {
        let spec = skep_api::SecretSpec {
            data: SecretBytes::new(vec![7; bytes]),
            ..secret_spec(name, "")
        };
        message(admit_create_secret(&view, spec, &mut ids))
    };
    let size = "secret data must be larger than 0 and less than 512000 bytes";
    assert_eq!(secret("a", 0), size);
    assert_eq!(secret("a", 512_000), size);
    assert_eq!(secret("a", 511_999), "admitted");
    assert_eq!(secret("KEY", 1), "secret KEY already exists");
    assert!(secret(".a", 1).starts_with("invalid name, only 64"));

    let mut config = |name: &str, bytes: usize| {
        let data = Arc::new(vec![7; bytes]);
        let spec = skep_api::ConfigSpec { data, ..config_spec(name, "") };
        message(admit_create_config(&view, spec, &mut ids))
    };
    let size = "config data must be larger than 0 and less than 1024000 bytes";
    assert_eq!(config("a", 0), size);
    assert_eq!(config("a", 1_024_000), size);
    assert_eq!(config("a", 1_023_999), "admitted");
    assert_eq!(config("site", 1), "config site already exists");
}

#[test]
fn behaviour_108_and_109_only_labels_of_data_change() {
    let cluster = cluster("secret key\nconfig site");
    let view = cluster.view();
    let secret = view.secret_named("key").expect("key");
    let update = |version, name: &str, data: &str, label: Option<&str>| {
        let mut spec = secret_spec(name, data);
        spec.labels.extend(label.map(|label| (label.to_owned(), String::new())));
        admit_update_secret(&view, secret.id, version, spec)
    };
    let version = secret.meta.version;
    let only = "only updates to Labels are allowed";
    assert_eq!(message(update(version, "key", "other", None)), only);
    assert_eq!(message(update(version, "other", "hush", None)), only);
    assert_eq!(message(update(version - 1, "key", "", None)), "update out of sequence");
    assert_eq!(update(version, "key", "hush", None), Ok(Vec::new()));
    assert_eq!(update(version, "key", "", Some("l")).map(|changes| changes.len()), Ok(1));

    let config = view.config_named("site").expect("site");
    let changed = config_spec("site", "other");
    assert_eq!(message(admit_update_config(&view, config.id, config.meta.version, changed)), only);
}

#[test]
fn behaviour_108_and_111_what_is_used_is_not_removed() {
    check(
        "node n1
         net front
         secret key
         config site
         svc web secret=key config=site net=front
         svc api secret=key
         run
         rm secret key
         rm config site
         rm net front
         rm net ingress
         update web no-net=1
         rm net front
         rm web
         rm api
         rm secret key
         rm config site
         run
         rm net front
         show",
        expect![[r#"
            InvalidArgument: secret 'key' is in use by the following services: api, web
            InvalidArgument: config 'site' is in use by the following service: web
            FailedPrecondition: network id-of-front is in use by service id-of-web
            FailedPrecondition: network id-of-front is in use by task dd7icj1gca433a123d5iterq1
            --
        "#]],
    );
}

#[test]
fn the_ingress_network_stays_while_a_port_is_published() {
    check(
        "svc web port=80:80\nrm net ingress\nrm web\nrm net ingress\nsvc web port=80:80",
        expect![[r#"
        FailedPrecondition: ingress network cannot be removed because service id-of-web depends on it
        FailedPrecondition: service needs ingress network, but no ingress network is present
    "#]],
    );
}

#[test]
fn networks_are_overlays_with_names_of_their_own() {
    let cluster = cluster("net front");
    let mut ids = IdGen::from_u64(1);
    let mut create = |name: &str, driver: &str| {
        let (name, driver) = (name.to_owned(), driver.to_owned());
        let spec = NetworkSpec { name, driver, ..NetworkSpec::default() };
        message(admit_create_network(&cluster.view(), spec, &mut ids))
    };
    assert_eq!(create("back", ""), "admitted");
    assert_eq!(create("back", "overlay"), "admitted");
    assert_eq!(create("back", "bridge"), "network driver `bridge` is not supported");
    assert_eq!(create("Front", ""), "network with name Front already exists");
    assert_eq!(create("host", ""), "network with name host already exists");
    assert_eq!(create("a b", ""), "name must be valid as a DNS name component");
}

#[test]
fn behaviour_111_a_network_that_is_not_there_is_not_found() {
    let cluster = cluster("net front");
    let gone = admit_remove_network(&cluster.view(), skep_api::Id::from_u128(9));
    assert_eq!(message(gone), "network 0000000000000000000000009 not found");
    let again = || NetworkSpec { name: "ingress".to_owned(), ..NetworkSpec::default() };
    let mut ids = IdGen::from_u64(1);
    let mut create = |spec| message(admit_create_network(&cluster.view(), spec, &mut ids));
    assert_eq!(create(again()), "network with name ingress already exists");
    let open = NetworkSpec { attachable: true, ..again() };
    assert_eq!(create(open), "ingress network cannot be attachable");
}
