//! What is sent is what arrives, and nothing that arrives makes the reader panic.

mod words;

use std::fmt::Debug;

use proptest::prelude::*;
use prost::Message;
use skep_api::{Assignments, Cluster, Config, ImageInfo, Network, Secret, TaskReport};
use skep_api::{Node, Service, ServiceSpec, Task};
use skep_wire::{WireError, pb};

/// Encodes, decodes and converts back.
fn sent<D, P>(domain: &D) -> Result<D, WireError>
where
    P: Message + Default + for<'a> From<&'a D>,
    D: TryFrom<P, Error = WireError>,
{
    let bytes = P::from(domain).encode_to_vec();
    P::decode(bytes.as_slice()).expect("our own encoding").try_into()
}

fn arrives<D, P>(domain: &D)
where
    P: Message + Default + for<'a> From<&'a D>,
    D: TryFrom<P, Error = WireError> + PartialEq + Debug,
{
    assert_eq!(sent::<D, P>(domain).as_ref(), Ok(domain));
}

/// Reads bytes as a `P`; a panic fails the test, an error is fine, and what is read can be sent.
fn survives<D, P>(bytes: &[u8])
where
    P: Message + Default + for<'a> From<&'a D>,
    D: TryFrom<P, Error = WireError> + PartialEq + Debug,
{
    let Ok(message) = P::decode(bytes) else { return };
    let Ok(domain) = D::try_from(message) else { return };
    arrives::<D, P>(&domain);
}

fn all_survive(bytes: &[u8]) {
    survives::<ServiceSpec, pb::ServiceSpec>(bytes);
    survives::<Service, pb::Service>(bytes);
    survives::<Task, pb::Task>(bytes);
    survives::<Assignments, pb::AssignmentsMessage>(bytes);
    survives::<Node, pb::Node>(bytes);
    survives::<Cluster, pb::Cluster>(bytes);
    survives::<Network, pb::Network>(bytes);
    survives::<Secret, pb::Secret>(bytes);
    survives::<Config, pb::Config>(bytes);
    survives::<TaskReport, pb::TaskReport>(bytes);
    survives::<ImageInfo, pb::Image>(bytes);
}

/// Overwrites some bytes: most of a message stays valid, so that readers get far into it.
fn damaged(mut bytes: Vec<u8>, damage: &[(prop::sample::Index, u8)]) -> Vec<u8> {
    if !bytes.is_empty() {
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = *value;
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn service_specs_arrive_as_they_were_sent(spec in words::service_spec()) {
        arrives::<_, pb::ServiceSpec>(&spec);
    }

    #[test]
    fn services_arrive_as_they_were_sent(service in words::service()) {
        arrives::<_, pb::Service>(&service);
    }

    #[test]
    fn tasks_arrive_as_they_were_sent(task in words::task(), report in words::report()) {
        arrives::<_, pb::Task>(&task);
        arrives::<_, pb::TaskReport>(&report);
    }

    #[test]
    fn assignments_arrive_as_they_were_sent(assignments in words::assignments()) {
        arrives::<_, pb::AssignmentsMessage>(&assignments);
    }

    #[test]
    fn nodes_arrive_as_they_were_sent(node in words::node()) {
        arrives::<_, pb::Node>(&node);
    }

    #[test]
    fn small_objects_arrive_as_they_were_sent(
        cluster in words::cluster(),
        network in words::network(),
        secret in words::secret(),
        config in words::config(),
        image in words::image(),
    ) {
        arrives::<_, pb::Cluster>(&cluster);
        arrives::<_, pb::Network>(&network);
        arrives::<_, pb::Secret>(&secret);
        arrives::<_, pb::Config>(&config);
        arrives::<_, pb::Image>(&image);
    }

    #[test]
    fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        all_survive(&bytes);
    }

    #[test]
    fn no_damage_makes_a_reader_panic(
        service in words::service(),
        task in words::task(),
        assignments in words::assignments(),
        node in words::node(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        for bytes in [
            pb::Service::from(&service).encode_to_vec(),
            pb::Task::from(&task).encode_to_vec(),
            pb::AssignmentsMessage::from(&assignments).encode_to_vec(),
            pb::Node::from(&node).encode_to_vec(),
        ] {
            all_survive(&damaged(bytes, &damage));
        }
    }
}

/// What each bad message is told.
#[test]
fn what_is_wrong_is_named() {
    let id = "0123456789abcdefghijklmno".to_owned();
    let meta = Some(pb::Meta::default());
    let task = pb::Task {
        id: id.clone(),
        meta,
        service: id.clone(),
        status: Some(pb::TaskStatus::default()),
        ..Default::default()
    };
    assert!(Task::try_from(task.clone()).is_ok());
    let said = |task: pb::Task| Task::try_from(task).expect_err("a bad task").to_string();
    let address = pb::TaskAddress { network: id, addr: "10.0.0".to_owned() };
    let port = pb::PortConfig { target: 65_536, ..Default::default() };
    let protocol = pb::PortConfig { protocol: 7, ..Default::default() };
    for (bad, expected) in [
        (pb::Task { meta: None, ..task.clone() }, "Task.meta is missing"),
        (pb::Task { desired: 65, ..task.clone() }, "Task.desired has the unknown value 65"),
        (
            pb::Task { node: Some("n".to_owned()), ..task.clone() },
            "Task.node: `n` is not an id: an id has 25 characters of 0-9 and a-z",
        ),
        (
            pb::Task { addresses: vec![address], ..task.clone() },
            "TaskAddress.addr: `10.0.0` is not an IP address",
        ),
        (pb::Task { ports: vec![port], ..task.clone() }, "PortConfig.target: 65536 is too large"),
        (
            pb::Task { ports: vec![protocol], ..task.clone() },
            "PortConfig.protocol has the unknown value 7",
        ),
    ] {
        assert_eq!(said(bad), expected);
    }
    let image = pb::Image { digest: "sha256:1".to_owned(), ..Default::default() };
    let said = ImageInfo::try_from(image).expect_err("a bad digest").to_string();
    assert!(said.starts_with("Image.digest: `sha256:1` is not a digest"), "{said}");
    let config = pb::UpdateConfig { max_failure_ratio: f32::NAN, ..Default::default() };
    let said = skep_api::UpdateConfig::try_from(config).expect_err("not a number").to_string();
    assert_eq!(said, "UpdateConfig.max_failure_ratio: it is not a number");
}

/// Incoming specs may name a secret without its id.
#[test]
fn a_reference_without_an_id_is_looked_up_by_name() {
    let file = pb::FileRef { name: "db-password".to_owned(), ..Default::default() };
    let secret = skep_api::SecretRef::try_from(file.clone()).expect("a reference by name");
    assert_eq!((secret.id.as_u128(), secret.name.as_str()), (0, "db-password"));
    assert_eq!(pb::FileRef::from(&secret), file);
}
