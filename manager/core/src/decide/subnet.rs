//! Subnets of networks, from the swarm's address pool.
//!
//! | situation | change |
//! |---|---|
//! | a network has no subnet | the lowest one of the pool that no network and no living address is in |
//! | the pool is used up | none: the network's tasks wait and say why |

use std::net::{IpAddr, Ipv4Addr};

use skep_api::{ClusterSpec, Id, Network};

use crate::change::{Change, Object};
use crate::store::View;

/// A block of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Subnet {
    base: u32,
    bits: u8,
}

impl Subnet {
    /// Reads `10.0.1.0/24`; host bits are cut.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (base, bits) = text.split_once('/')?;
        let base: Ipv4Addr = base.parse().ok()?;
        let bits = bits.parse().ok().filter(|bits| (1..=32).contains(bits))?;
        Some(Self { base: base.to_bits() & mask(bits), bits })
    }

    /// The addresses that can be given out: not the network's own, not the first, which is the
    /// gateway's in Swarm, not the last.
    pub(crate) fn hosts(self) -> Option<(Ipv4Addr, Ipv4Addr)> {
        let (first, last) = (self.base.checked_add(2)?, self.last().checked_sub(1)?);
        (first <= last).then(|| (Ipv4Addr::from_bits(first), Ipv4Addr::from_bits(last)))
    }

    fn last(self) -> u32 {
        self.base | !mask(self.bits)
    }

    fn overlaps(self, other: Self) -> bool {
        self.base <= other.last() && other.base <= self.last()
    }
}

impl std::fmt::Display for Subnet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", Ipv4Addr::from_bits(self.base), self.bits)
    }
}

/// Gives a subnet to the networks that have none.
pub(crate) fn allocate(view: &View) -> Vec<Change> {
    let mut needy = view.networks().filter(|network| network.subnet.is_empty()).peekable();
    let Some(cluster) = view.cluster() else { return Vec::new() };
    if needy.peek().is_none() {
        return Vec::new();
    }
    let mut taken: Vec<_> =
        view.networks().filter_map(|network| Subnet::parse(&network.subnet)).collect();
    taken.sort_unstable();
    let mut changes = Vec::new();
    for network in needy {
        let Some(subnet) = first_free(view, &cluster.spec, &taken) else { break };
        taken.push(subnet);
        taken.sort_unstable();
        changes.push(Change::Update(Object::Network(Network {
            subnet: subnet.to_string(),
            ..network.clone()
        })));
    }
    changes
}

/// The first subnet of a pool: the ingress network's.
pub(crate) fn first_subnet(spec: &ClusterSpec) -> Option<String> {
    candidates(spec)?.next().map(|subnet| subnet.to_string())
}

fn candidates(spec: &ClusterSpec) -> Option<impl Iterator<Item = Subnet>> {
    let pool = Subnet::parse(&spec.default_addr_pool)?;
    let bits = spec.subnet_size;
    // At least two addresses that can be given out, or no subnet would be of use.
    let step = 1_u32.checked_shl(32_u32.checked_sub(bits.into())?).filter(|step| *step >= 8)?;
    let fits = bits >= pool.bits;
    let bases = fits.then(|| (pool.base..=pool.last()).step_by(step as usize));
    Some(bases.into_iter().flatten().map(move |base| Subnet { base, bits }))
}

fn first_free(view: &View, spec: &ClusterSpec, taken: &[Subnet]) -> Option<Subnet> {
    let mut taken = taken.iter().peekable();
    candidates(spec)?.find(|subnet| {
        // Both go upwards, so that a subnet that lies behind is never looked at again.
        while taken.next_if(|other| other.last() < subnet.base).is_some() {}
        !taken.peek().is_some_and(|other| other.overlaps(*subnet)) && !is_lived_in(view, *subnet)
    })
}

/// Whether a living task of a network that is gone still has an address in it.
fn is_lived_in(view: &View, subnet: Subnet) -> bool {
    let first = IpAddr::V4(Ipv4Addr::from_bits(subnet.base));
    let mut from = view.addresses().from(&(first, Id::from_u128(0)));
    from.next().is_some_and(|(addr, _)| *addr <= IpAddr::V4(Ipv4Addr::from_bits(subnet.last())))
}

fn mask(bits: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(bits.min(32))).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subnets_are_read_and_written() {
        let subnet = Subnet::parse("10.0.1.7/24").expect("a subnet");
        assert_eq!(subnet.to_string(), "10.0.1.0/24");
        let hosts = (Ipv4Addr::new(10, 0, 1, 2), Ipv4Addr::new(10, 0, 1, 254));
        assert_eq!(subnet.hosts(), Some(hosts));
        for bad in ["", "10.0.0.0", "10.0.0.0/33", "10.0.0.0/0", "x/8", "::/8"] {
            assert_eq!(Subnet::parse(bad), None, "{bad}");
        }
        assert_eq!(Subnet::parse("10.0.0.0/31").and_then(Subnet::hosts), None);
    }

    #[test]
    fn a_pool_gives_its_subnets_in_order() {
        let spec =
            ClusterSpec { default_addr_pool: "10.20.0.0/22".to_owned(), ..Default::default() };
        let all: Vec<_> = candidates(&spec).expect("a pool").map(|s| s.to_string()).collect();
        assert_eq!(all, ["10.20.0.0/24", "10.20.1.0/24", "10.20.2.0/24", "10.20.3.0/24"]);
        let top =
            ClusterSpec { default_addr_pool: "255.255.255.0/24".to_owned(), ..Default::default() };
        assert_eq!(first_subnet(&top).as_deref(), Some("255.255.255.0/24"));
        for (pool, size) in [("10.0.0.0/8", 31), ("10.0.0.0/24", 16), ("x", 24), ("10.0.0.0/8", 40)]
        {
            let spec = ClusterSpec {
                default_addr_pool: pool.to_owned(),
                subnet_size: size,
                ..Default::default()
            };
            assert_eq!(first_subnet(&spec), None, "{pool} {size}");
        }
    }
}
