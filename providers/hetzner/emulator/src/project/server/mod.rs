//! Servers, as they are shown, found and removed.

mod create;
mod interfaces;
mod power;
mod settings;

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::public_address::Family;
use super::table::{Meta, Resource as _, resource};
use super::{Answer, Project, Renaming, refuse_protected};
use crate::actions::Start;
use crate::catalogue::{Location, ServerType};
use crate::form::{self, Body};
use crate::kind::{Id, Kind};
use crate::machines::{Machine, MachineEvent, PrivateInterface};
use crate::problem::Problem;
use crate::time::written;

const TRAFFIC: u64 = 20 << 40;

/// A server.
#[derive(Debug)]
pub(crate) struct Server {
    pub(super) meta: Meta,
    pub(super) status: Status,
    pub(super) kind: &'static ServerType,
    pub(super) location: &'static Location,
    pub(super) image: Option<Id>,
    iso: Option<Value>,
    interfaces: Vec<Interface>,
    pub(super) group: Option<Id>,
    rescue: bool,
    pub(super) backup_window: Option<String>,
    rebuild_protected: bool,
    /// In gigabytes.
    pub(super) disk: u64,
    user_data: Option<String>,
    ssh_keys: Vec<String>,
}

/// What a server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Initializing,
    Starting,
    Running,
    Stopping,
    Off,
    Rebuilding,
    Migrating,
    Deleting,
}

/// Where a server is in a private network.
#[derive(Debug, Clone)]
pub(super) struct Interface {
    network: Id,
    pub(super) address: Ipv4Addr,
    pub(super) aliases: Vec<Ipv4Addr>,
    /// Reserved at first, and there once the action that attaches it has ended.
    pub(super) there: bool,
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Self::Initializing => "initializing",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
            Self::Off => "off",
            Self::Rebuilding => "rebuilding",
            Self::Migrating => "migrating",
            Self::Deleting => "deleting",
        }
    }
}

impl Interface {
    /// Made of the address, so that no two of a network are alike.
    fn mac(&self) -> String {
        let [a, b, c, d] = self.address.octets();
        format!("86:00:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
    }
}

resource!(Server, Server, view);

fn view(server: &Server, project: &Project) -> Value {
    let id = server.meta.id;
    let image = server.image.and_then(|image| project.images.get(image).ok());
    let group = server.group.and_then(|group| project.placement_groups.get(group).ok());
    let private: Vec<Value> = server
        .interfaces
        .iter()
        .filter(|interface| interface.there)
        .map(|interface| {
            json!({
                "network": interface.network,
                "ip": interface.address,
                "alias_ips": interface.aliases,
                "mac_address": interface.mac(),
            })
        })
        .collect();
    json!({
        "id": id,
        "name": server.meta.name,
        "status": server.status.word(),
        "created": written(server.meta.created),
        "public_net": public_net(id, project),
        "private_net": private,
        "server_type": server.kind.view(project.now, &project.stock),
        "location": server.location.view(),
        "image": image.map(|image| image.view(project)),
        "iso": server.iso,
        "rescue_enabled": server.rescue,
        "locked": project.actions.locks(Kind::Server, id),
        "backup_window": server.backup_window,
        "outgoing_traffic": 0,
        "ingoing_traffic": 0,
        "included_traffic": TRAFFIC,
        "protection": {"delete": server.meta.protected, "rebuild": server.rebuild_protected},
        "labels": server.meta.labels,
        "volumes": project.volumes_of(id),
        "load_balancers": project.balancers_to(id),
        "primary_disk_size": server.disk,
        "placement_group": group.map(|group| group.view(project)),
    })
}

fn public_net(id: Id, project: &Project) -> Value {
    let address = |family| project.primary_ip_of(id, family);
    let ipv4 = address(Family::V4).map(|primary| {
        let address = &primary.address;
        json!({"id": primary.id(), "ip": address.text(), "blocked": false, "dns_ptr": address.name()})
    });
    let ipv6 = address(Family::V6).map(|primary| {
        let address = &primary.address;
        json!({"id": primary.id(), "ip": address.text(), "blocked": false, "dns_ptr": address.names()})
    });
    let firewalls: Vec<Value> = project
        .firewalls_of(id)
        .into_iter()
        .map(|(id, in_force)| json!({"id": id, "status": if in_force { "applied" } else { "pending" }}))
        .collect();
    json!({
        "ipv4": ipv4,
        "ipv6": ipv6,
        "floating_ips": project.floating_ips_of(id),
        "firewalls": firewalls,
    })
}

impl Server {
    pub(super) fn is_in(&self, network: Id) -> bool {
        self.interfaces.iter().any(|interface| interface.network == network)
    }

    pub(super) fn interface_in(&self, network: Id) -> Option<&Interface> {
        self.interfaces.iter().find(|interface| interface.network == network)
    }

    /// All its addresses in a network, also those that are reserved for it.
    pub(super) fn addresses_in(&self, network: Id) -> Vec<Ipv4Addr> {
        let of = self.interfaces.iter().filter(|interface| interface.network == network);
        of.flat_map(|interface| [interface.address].into_iter().chain(interface.aliases.clone())).collect()
    }
}

impl Project {
    pub(super) fn has_public_interface(&self, server: Id) -> bool {
        self.primary_ips.iter().any(|primary| primary.server == Some(server))
    }

    pub(super) fn update_server(&mut self, id: Id, body: &Body) -> Result<Answer, Problem> {
        let change = form::read(body, |form| {
            let name = form.text_or_none("name");
            if name.is_some_and(|name| !is_host_name(&name)) {
                form.problem("name", "must be a host name");
            }
            Renaming::read(form)
        })?;
        self.rename(change, id, |project| &mut project.servers)?;
        // Selectors may match other servers now.
        self.spread_firewalls();
        Ok(Answer::ok(json!({"server": self.view(Kind::Server, id)?})))
    }

    pub(super) fn delete_server(&mut self, id: Id) -> Result<Answer, Problem> {
        refuse_protected(self.servers.get(id)?)?;
        self.refuse_locked(Kind::Server, id)?;
        self.servers.change(id, |server| server.status = Status::Deleting);
        let action = self.start(
            Start::new("delete_server", Kind::Server, id).then(move |project| project.forget_server(id)),
        );
        Ok(Answer::ok(json!({"action": self.action_view(action)})))
    }

    /// What is attached to a server stays, but for what is bound to it.
    fn forget_server(&mut self, id: Id) {
        self.servers.remove(id);
        self.leave_primary_ips(id);
        self.unassign_floating_ips(id);
        self.leave_firewalls(id);
        self.leave_load_balancers(id);
        self.delete_backups(id);
        for volume in self.volumes_of(id) {
            self.volumes.change(volume, |volume| volume.server = None);
        }
        self.tell(MachineEvent::Deleted { id });
    }

    pub(super) fn command_server(&mut self, id: Id, command: &str, body: &Body) -> Result<Answer, Problem> {
        self.refuse_locked(Kind::Server, id)?;
        match command {
            "poweron" | "poweroff" | "shutdown" | "reboot" | "reset" => {
                form::read(body, |_| ())?;
                self.power(id, command)
            }
            "rebuild" => self.rebuild_server(id, body),
            "change_type" => self.change_server_type(id, body),
            "create_image" => self.create_image(id, body),
            "attach_to_network" => self.attach_server(id, body),
            "detach_from_network" => self.detach_server_from_network(id, body),
            "change_alias_ips" => self.change_aliases(id, body),
            "change_dns_ptr" => self.name_server_address(id, body),
            _ => self.set_server(id, command, body),
        }
    }

    /// Changes the status of a server that is still there, and tells its machine.
    fn set_status(&mut self, id: Id, status: Status) {
        self.servers.change(id, |server| server.status = status);
        match (status, self.machine(id)) {
            (Status::Running, Some(machine)) => self.tell(MachineEvent::Started(machine)),
            (Status::Off, Some(_)) => self.tell(MachineEvent::Stopped { id }),
            _ => {}
        }
    }

    /// The server as its machine must know it.
    fn machine(&self, id: Id) -> Option<Machine> {
        let server = self.servers.get(id).ok()?;
        let interfaces = server.interfaces.iter().filter(|interface| interface.there);
        let private = interfaces
            .filter_map(|interface| {
                Some(PrivateInterface {
                    network: interface.network,
                    range: self.networks.get(interface.network).ok()?.range.to_string(),
                    address: interface.address,
                    mac: interface.mac(),
                })
            })
            .collect();
        let image = server.image.and_then(|image| self.images.get(image).ok());
        Some(Machine {
            id,
            name: server.meta.name.clone(),
            labels: server.meta.labels.clone(),
            server_type: server.kind.name.to_owned(),
            location: server.location.name.to_owned(),
            image: image.and_then(|image| image.name()).map(str::to_owned),
            public_ipv4: self.primary_ip_of(id, Family::V4).and_then(|primary| primary.address.ipv4()),
            private,
            ssh_keys: server.ssh_keys.clone(),
            user_data: server.user_data.clone(),
        })
    }
}

/// RFC 1123, as the names of servers must be.
fn is_host_name(name: &str) -> bool {
    name.len() <= 253
        && name.split('.').all(|part| {
            (1..=63).contains(&part.len())
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && !part.starts_with('-')
                && !part.ends_with('-')
        })
}

/// A password of letters and digits.
fn password() -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyzACEFHKLM";
    let mut random = [0; 20];
    getrandom::fill(&mut random).expect("the operating system has random numbers");
    random.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_named_like_hosts() {
        for good in ["a", "web-1", "Web1.example.com", "1"] {
            assert!(is_host_name(good), "{good}");
        }
        for bad in ["", "-a", "a-", "a_b", "a..b", "a.", "ä", &"a".repeat(64)] {
            assert!(!is_host_name(bad), "{bad}");
        }
    }

    #[test]
    fn passwords_differ() {
        assert_ne!(password(), password());
        assert_eq!(password().len(), 20);
    }
}
