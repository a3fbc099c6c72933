//! An address is one service's or one living task's; a published port is one service's.

use std::collections::{BTreeMap, BTreeSet};

use skep_api::PublishMode;
use skep_manager_core::View;

use super::{Checked, name};

pub(super) fn check(view: &View) -> Checked {
    let mut taken = BTreeSet::new();
    let mut ports = BTreeMap::new();
    for service in view.services() {
        for vip in &service.endpoint.virtual_ips {
            if !taken.insert(vip.addr) {
                return Err(format!("{} of {} is given out twice", vip.addr, service.spec.name));
            }
        }
        let given = service.endpoint.ports.iter().filter(|p| p.mode == PublishMode::Ingress);
        for port in given {
            if ports.insert((port.protocol, port.published), service.id).is_some() {
                return Err(format!("port {} is given out twice", port.published));
            }
        }
    }
    for task in view.tasks().filter(|task| task.is_wanted() && !task.status.state.is_terminal()) {
        for address in &task.addresses {
            if !taken.insert(address.addr) {
                return Err(format!("{} of {} is given out twice", address.addr, name(view, task)));
            }
        }
    }
    Ok(())
}
