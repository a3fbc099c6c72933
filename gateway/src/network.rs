//! Networks in Docker's JSON: as `docker network` sees them, as tasks carry them, and the
//! addresses on them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use axum::extract::{Path, State};
use axum::response::IntoResponse;
use serde::Serialize;
use skep_api::Id;
use skep_wire::pb;

use crate::api::Api;
use crate::failure::Failure;
use crate::filters::{Filters, Params, passes, passes_flag};
use crate::json::{Json, Map, Meta, is_zero, moment, or_null};

const OVERLAY: &str = "overlay";
const SWARM: &str = "swarm";
/// The network of published ports has its name from Swarm, and no other can have it.
const INGRESS: &str = "ingress";

/// `GET /networks`. Names match in any place here, unlike those of the swarm's other objects.
pub(crate) async fn list(
    State(api): State<Api>,
    params: Params,
) -> Result<impl IntoResponse, Failure> {
    const KNOWN: [&str; 7] = ["id", "name", "label", "driver", "scope", "type", "dangling"];
    let mut filters = Filters::read(&params, &KNOWN)?;
    let mut take = |key| filters.take(key);
    let request = pb::ListRequest { labels: take("label"), ..Default::default() };
    let (ids, names, drivers) = (take("id"), take("name"), take("driver"));
    let (scopes, types, dangling) = (take("scope"), take("type"), take("dangling"));
    if let Some(bad) = types.iter().find(|kind| !["custom", "builtin"].contains(&kind.as_str())) {
        return Err(Failure::invalid(format!("invalid filter: 'type'='{bad}'")));
    }
    let used = if dangling.is_empty() { BTreeSet::new() } else { used(&api).await? };
    let mut shown = Vec::new();
    for network in fetch(&api, request).await? {
        let (id, kind) = (network.id.to_string(), kind(&network));
        if passes(&ids, |part| id.contains(part))
            && passes(&names, |part| network.spec.name.contains(part))
            && passes(&drivers, |name| name == driver(&network))
            && passes(&scopes, |scope| scope == SWARM)
            && passes(&types, |name| name == kind)
            && passes_flag("dangling", &dangling, !used.contains(&id) && kind == "custom")?
        {
            shown.push(Network::from(&network));
        }
    }
    Ok(Json(shown))
}

/// `GET /networks/{id}`
pub(crate) async fn inspect(
    State(api): State<Api>,
    Path(name): Path<String>,
) -> Result<impl IntoResponse, Failure> {
    let network = api.control().get_network(pb::ByName { name }).await?.into_inner();
    Ok(Json(Network::from(&skep_api::Network::try_from(network)?)))
}

/// The swarm's networks by their ids.
pub(crate) type Networks = BTreeMap<Id<skep_api::Network>, skep_api::Network>;

/// The swarm's networks, to show addresses with.
pub(crate) async fn all(api: &Api) -> Result<Networks, Failure> {
    let networks = fetch(api, pb::ListRequest::default()).await?;
    Ok(networks.into_iter().map(|network| (network.id, network)).collect())
}

/// An address and the size of its network, `10.0.1.2/24`.
pub(crate) fn cidr(networks: &Networks, network: Id<skep_api::Network>, addr: IpAddr) -> String {
    let subnet = networks.get(&network).and_then(|network| network.subnet.split_once('/'));
    match subnet {
        Some((_, size)) => format!("{addr}/{size}"),
        None => addr.to_string(),
    }
}

async fn fetch(api: &Api, request: pb::ListRequest) -> Result<Vec<skep_api::Network>, Failure> {
    let answer = api.control().list_networks(request).await?.into_inner();
    let networks = answer.networks.into_iter().map(skep_api::Network::try_from);
    Ok(networks.collect::<Result<_, _>>()?)
}

/// The ids of the networks that a service is on.
async fn used(api: &Api) -> Result<BTreeSet<String>, Failure> {
    let answer = api.control().list_services(pb::ListRequest::default()).await?.into_inner();
    let specs = answer.services.into_iter().filter_map(|row| row.service?.spec?.task);
    Ok(specs.flat_map(|task| task.networks).map(|network| network.target).collect())
}

fn driver(network: &skep_api::Network) -> &str {
    if network.spec.driver.is_empty() { OVERLAY } else { &network.spec.driver }
}

fn kind(network: &skep_api::Network) -> &'static str {
    if network.spec.name == INGRESS { "builtin" } else { "custom" }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Network {
    name: String,
    id: String,
    created: String,
    scope: &'static str,
    driver: String,
    #[serde(rename = "EnableIPv4")]
    enable_ipv4: bool,
    #[serde(rename = "EnableIPv6")]
    enable_ipv6: bool,
    #[serde(rename = "IPAM")]
    ipam: Ipam,
    internal: bool,
    attachable: bool,
    ingress: bool,
    config_from: ConfigFrom,
    config_only: bool,
    /// Docker lists the node's own containers here; tasks are listed as tasks.
    containers: Option<Map>,
    options: Option<Map>,
    labels: Option<Map>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Ipam {
    driver: &'static str,
    options: Option<Map>,
    config: Option<Vec<Subnet>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Subnet {
    subnet: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    gateway: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ConfigFrom {
    network: &'static str,
}

impl From<&skep_api::Network> for Network {
    fn from(network: &skep_api::Network) -> Self {
        let spec = &network.spec;
        Self {
            name: spec.name.clone(),
            id: network.id.to_string(),
            created: moment(network.meta.created_at),
            scope: SWARM,
            driver: driver(network).to_owned(),
            enable_ipv4: true,
            enable_ipv6: false,
            ipam: Ipam {
                driver: "default",
                options: None,
                config: subnet(network).map(|subnet| vec![subnet]),
            },
            internal: spec.internal,
            attachable: spec.attachable,
            ingress: spec.name == INGRESS,
            config_from: ConfigFrom { network: "" },
            config_only: false,
            containers: None,
            options: or_null(&spec.options),
            labels: or_null(&spec.labels),
        }
    }
}

fn subnet(network: &skep_api::Network) -> Option<Subnet> {
    let subnet = network.subnet.clone();
    let base = subnet.split_once('/').map(|(base, _)| base.parse::<IpAddr>());
    // The first address is Swarm's gateway: nothing here has it, and nobody else is given it.
    let gateway = match base {
        Some(Ok(IpAddr::V4(base))) => base.to_bits().checked_add(1).map(std::net::Ipv4Addr::from),
        _ => None,
    };
    let gateway = gateway.map(|addr| addr.to_string()).unwrap_or_default();
    (!subnet.is_empty()).then_some(Subnet { subnet, gateway })
}

/// A network as a task carries it, with the task's address there.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Attachment {
    network: Attached,
    addresses: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Attached {
    #[serde(rename = "ID")]
    id: String,
    #[serde(flatten)]
    meta: Meta,
    spec: AttachedSpec,
    driver_state: Driver,
    #[serde(rename = "IPAMOptions", skip_serializing_if = "Option::is_none")]
    ipam_options: Option<IpamOptions>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AttachedSpec {
    name: String,
    labels: Map,
    driver_configuration: Driver,
    #[serde(skip_serializing_if = "is_zero")]
    internal: bool,
    #[serde(skip_serializing_if = "is_zero")]
    attachable: bool,
    #[serde(skip_serializing_if = "is_zero")]
    ingress: bool,
    scope: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Driver {
    #[serde(skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(skip_serializing_if = "Map::is_empty")]
    options: Map,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct IpamOptions {
    driver: Driver,
    configs: Vec<Subnet>,
}

impl Attachment {
    /// The network of a task's address, unless it is gone.
    pub(crate) fn new(networks: &Networks, address: &skep_api::TaskAddress) -> Option<Self> {
        let network = networks.get(&address.network)?;
        let spec = &network.spec;
        let state = Driver { name: driver(network).to_owned(), options: spec.options.clone() };
        let ipam = Driver { name: "default".to_owned(), options: Map::new() };
        let attached = Attached {
            id: network.id.to_string(),
            meta: (&network.meta).into(),
            spec: AttachedSpec {
                name: spec.name.clone(),
                labels: spec.labels.clone(),
                driver_configuration: Driver { name: spec.driver.clone(), options: Map::new() },
                internal: spec.internal,
                attachable: spec.attachable,
                ingress: spec.name == INGRESS,
                scope: SWARM,
            },
            driver_state: state,
            ipam_options: subnet(network)
                .map(|subnet| IpamOptions { driver: ipam, configs: vec![subnet] }),
        };
        let addresses = vec![cidr(networks, address.network, address.addr)];
        Some(Self { network: attached, addresses })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use skep_api::{NetworkSpec, TaskAddress, Time};

    use super::*;

    fn net1() -> skep_api::Network {
        skep_api::Network {
            id: Id::from_u128(5),
            meta: skep_api::Meta {
                version: 3,
                created_at: Time::from_secs(1_700_000_000),
                ..Default::default()
            },
            spec: NetworkSpec { name: "net1".to_owned(), ..Default::default() },
            subnet: "10.0.1.0/24".to_owned(),
        }
    }

    #[test]
    fn a_network_looks_like_dockers() {
        let expected = json!({
            "Name": "net1",
            "Id": "0000000000000000000000005",
            "Created": "2023-11-14T22:13:20Z",
            "Scope": "swarm",
            "Driver": "overlay",
            "EnableIPv4": true,
            "EnableIPv6": false,
            "IPAM": {
                "Driver": "default",
                "Options": null,
                "Config": [{ "Subnet": "10.0.1.0/24", "Gateway": "10.0.1.1" }]
            },
            "Internal": false,
            "Attachable": false,
            "Ingress": false,
            "ConfigFrom": { "Network": "" },
            "ConfigOnly": false,
            "Containers": null,
            "Options": null,
            "Labels": null
        });
        let shown = serde_json::to_string(&Network::from(&net1())).expect("JSON");
        assert_eq!(shown, expected.to_string());
    }

    #[test]
    fn a_network_without_a_subnet_shows_none() {
        let shown = Network::from(&skep_api::Network { subnet: String::new(), ..net1() });
        let shown = serde_json::to_value(&shown).expect("JSON");
        assert_eq!(shown["IPAM"]["Config"], serde_json::Value::Null);
    }

    #[test]
    fn a_task_carries_its_networks_and_its_address_on_them() {
        let networks = Networks::from([(Id::from_u128(5), net1())]);
        let addr: IpAddr = "10.0.1.7".parse().expect("an address");
        let address = TaskAddress { network: Id::from_u128(5), addr };
        let shown = Attachment::new(&networks, &address).expect("the network is there");
        let expected = json!({
            "Network": {
                "ID": "0000000000000000000000005",
                "Version": { "Index": 3 },
                "CreatedAt": "2023-11-14T22:13:20Z",
                "UpdatedAt": "0001-01-01T00:00:00Z",
                "Spec": {
                    "Name": "net1",
                    "Labels": {},
                    "DriverConfiguration": {},
                    "Scope": "swarm"
                },
                "DriverState": { "Name": "overlay" },
                "IPAMOptions": {
                    "Driver": { "Name": "default" },
                    "Configs": [{ "Subnet": "10.0.1.0/24", "Gateway": "10.0.1.1" }]
                }
            },
            "Addresses": ["10.0.1.7/24"]
        });
        assert_eq!(serde_json::to_string(&shown).expect("JSON"), expected.to_string());
        let gone = TaskAddress { network: Id::from_u128(6), addr };
        assert!(Attachment::new(&networks, &gone).is_none());
        assert_eq!(cidr(&networks, Id::from_u128(6), addr), "10.0.1.7");
    }
}
