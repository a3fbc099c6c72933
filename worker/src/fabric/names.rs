//! What the names of one network mean, and who stands behind its addresses.

use std::collections::BTreeMap;
use std::net::IpAddr;

use skep_api::{Id, NameTable, Node, Task};

/// Resolves, beside the services' names, to all tasks of a service: `tasks.db`.
const TASKS_PREFIX: &str = "tasks.";

/// The names and addresses of one network.
#[derive(Debug, Default)]
pub(crate) struct Names {
    addrs: BTreeMap<String, Vec<IpAddr>>,
    targets: BTreeMap<IpAddr, Vec<Target>>,
}

/// A task that an address leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Target {
    /// The task.
    pub(crate) task: Id<Task>,
    /// Where it runs.
    pub(crate) node: Id<Node>,
    /// Its own address.
    pub(crate) addr: IpAddr,
}

impl Names {
    /// What a table says. Names are compared in lower case.
    pub(crate) fn new(table: &NameTable) -> Self {
        let mut names = Self::default();
        for service in &table.services {
            let targets: Vec<Target> = service
                .tasks
                .iter()
                .map(|t| Target { task: t.task, node: t.node, addr: t.addr })
                .collect();
            let task_addrs: Vec<IpAddr> = targets.iter().map(|target| target.addr).collect();
            let addrs = service.vip.map_or_else(|| task_addrs.clone(), |vip| vec![vip]);
            for name in &service.names {
                let name = name.to_ascii_lowercase();
                names.add(format!("{TASKS_PREFIX}{name}"), &task_addrs);
                names.add(name, &addrs);
            }
            for (task, target) in service.tasks.iter().zip(&targets) {
                names.add(task.name.to_ascii_lowercase(), &[task.addr]);
                names.targets.entry(task.addr).or_default().push(*target);
            }
            if let Some(vip) = service.vip {
                names.targets.entry(vip).or_default().extend(targets);
            }
        }
        names
    }

    /// The addresses behind a name in lower case; none if the network does not know it. A service
    /// that has no running task is known by its virtual address, or by no address at all.
    pub(crate) fn resolve(&self, name: &str) -> Option<&[IpAddr]> {
        self.addrs.get(name).map(Vec::as_slice)
    }

    /// The tasks behind an address; none if the network does not have it.
    pub(crate) fn targets(&self, addr: IpAddr) -> Option<&[Target]> {
        self.targets.get(&addr).map(Vec::as_slice)
    }

    /// Several services may share an alias: it then means all of them, as in Swarm.
    fn add(&mut self, name: String, addrs: &[IpAddr]) {
        let known = self.addrs.entry(name).or_default();
        known
            .extend(addrs.iter().filter(|addr| !known.contains(addr)).copied().collect::<Vec<_>>());
    }
}

#[cfg(test)]
mod tests {
    use skep_api::{NamedService, NamedTask};

    use super::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 1, last])
    }

    fn service(names: &[&str], vip: Option<u8>, tasks: &[u8]) -> NamedService {
        let task = |last: &u8| NamedTask {
            task: Id::from_u128(u128::from(*last)),
            node: Id::from_u128(1),
            addr: ip(*last),
            name: format!("{}.{last}.id", names[0]),
        };
        NamedService {
            service: Id::from_u128(9),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            vip: vip.map(ip),
            tasks: tasks.iter().map(task).collect(),
        }
    }

    #[test]
    fn names_lead_to_a_virtual_address_or_to_the_tasks() {
        let names = Names::new(&NameTable {
            network: Id::from_u128(1),
            services: vec![
                service(&["todo_db", "DB"], Some(10), &[11, 12]),
                service(&["todo_web", "shared"], None, &[21, 22]),
                service(&["todo_api", "shared"], Some(30), &[]),
            ],
        });
        for (name, expected) in [
            ("todo_db", Some(vec![ip(10)])),
            ("db", Some(vec![ip(10)])),
            ("tasks.db", Some(vec![ip(11), ip(12)])),
            ("todo_db.11.id", Some(vec![ip(11)])),
            ("todo_web", Some(vec![ip(21), ip(22)])),
            ("todo_api", Some(vec![ip(30)])),
            ("tasks.todo_api", Some(vec![])),
            ("shared", Some(vec![ip(21), ip(22), ip(30)])),
            ("other", None),
            ("", None),
        ] {
            assert_eq!(names.resolve(name).map(<[IpAddr]>::to_vec), expected, "{name}");
        }
    }

    #[test]
    fn addresses_lead_to_tasks() {
        let table = service(&["db"], Some(10), &[11, 12]);
        let empty = service(&["api"], Some(30), &[]);
        let names =
            Names::new(&NameTable { network: Id::from_u128(1), services: vec![table, empty] });
        let tasks = |last| {
            let targets = names.targets(ip(last))?;
            Some(targets.iter().map(|t| t.task.as_u128()).collect::<Vec<_>>())
        };
        assert_eq!(tasks(10), Some(vec![11, 12]));
        assert_eq!(tasks(12), Some(vec![12]));
        assert_eq!(tasks(30), Some(vec![]), "known, and nobody there");
        assert_eq!(tasks(99), None);
    }
}
