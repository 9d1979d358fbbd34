//! A server's interfaces: private networks, and the names of its public addresses.

use std::net::Ipv4Addr;

use super::Interface;
use crate::actions::{Ending, Start};
use crate::form::{self, Body, Form};
use crate::kind::{Id, Kind};
use crate::limits::ALIASES;
use crate::machines::MachineEvent;
use crate::problem::Problem;
use crate::project::network::PrivateWish;
use crate::project::public_address::{Family, Naming};
use crate::project::{Answer, Project};

impl Project {
    pub(super) fn attach_server(&mut self, id: Id, body: &Body) -> Result<Answer, Problem> {
        let (network, wish, aliases) =
            form::read(body, |form| (form.number("network"), PrivateWish::read(form), aliases(form)))?;
        self.networks.get(network)?;
        let server = self.servers.get(id)?;
        if server.is_in(network) {
            let message = "the server is already attached to the network";
            return Err(Problem::refused("server_already_attached", message));
        }
        let others: Vec<Id> = server.interfaces.iter().map(|interface| interface.network).collect();
        self.refuse_overlap(network, &others)?;
        self.refuse_aliases(network, &aliases)?;
        let address = self.free_address(network, server.location, &wish)?;
        let interface = Interface { network, address, aliases, there: false };
        self.servers.change(id, |server| server.interfaces.push(interface));
        Ok(self.started(attaching(id, network)))
    }

    pub(super) fn detach_server_from_network(&mut self, id: Id, body: &Body) -> Result<Answer, Problem> {
        let network = form::read(body, |form| form.number("network"))?;
        self.refuse_detached(id, network)?;
        let start = Start::new("detach_from_network", Kind::Server, id).with(Kind::Network, network);
        Ok(self.started(start.then(move |project| project.detach_server(id, network))))
    }

    pub(in crate::project) fn detach_server(&mut self, id: Id, network: Id) {
        self.servers.change(id, |server| server.interfaces.retain(|interface| interface.network != network));
        self.rewired(id);
    }

    pub(super) fn change_aliases(&mut self, id: Id, body: &Body) -> Result<Answer, Problem> {
        let (network, aliases) = form::read(body, |form| (form.number("network"), aliases(form)))?;
        self.refuse_detached(id, network)?;
        let server = self.servers.get(id)?;
        let known = server.addresses_in(network);
        let fresh: Vec<Ipv4Addr> =
            aliases.iter().filter(|alias| !known[1..].contains(alias)).copied().collect();
        self.refuse_aliases(network, &fresh)?;
        let start = Start::new("change_alias_ips", Kind::Server, id).with(Kind::Network, network);
        Ok(self.started(start.then(move |project| {
            project.servers.change(id, |server| {
                for interface in server.interfaces.iter_mut().filter(|it| it.network == network) {
                    interface.aliases.clone_from(&aliases);
                }
            });
        })))
    }

    pub(super) fn name_server_address(&mut self, id: Id, body: &Body) -> Result<Answer, Problem> {
        let naming = form::read(body, Naming::read)?;
        let own = [Family::V4, Family::V6].map(|family| self.primary_ip_of(id, family));
        let family = naming.find(own.iter().flatten().map(|primary| &primary.address))?;
        let start = Start::new("change_dns_ptr", Kind::Server, id);
        Ok(self.started(start.then(move |project| {
            let of_server = project.primary_ips.iter_mut().filter(|primary| primary.server == Some(id));
            for primary in of_server.filter(|primary| primary.address.family() == family) {
                primary.address.set_name(&naming);
            }
        })))
    }

    fn refuse_detached(&self, id: Id, network: Id) -> Result<(), Problem> {
        if self.servers.get(id)?.is_in(network) {
            return Ok(());
        }
        Err(Problem::refused("server_not_attached_to_network", "the server is not attached to the network"))
    }

    fn rewired(&mut self, id: Id) {
        if let Some(machine) = self.machine(id) {
            self.tell(MachineEvent::Rewired(machine));
        }
    }
}

/// Lets an interface be there that was reserved. One that cannot be attached is given back.
pub(super) fn attaching(server: Id, network: Id) -> Start {
    Start::new("attach_to_network", Kind::Server, server).with(Kind::Network, network).finally(
        move |project, ending| {
            let attached = *ending == Ending::Success;
            project.servers.change(server, |server| {
                server.interfaces.retain(|interface| attached || interface.network != network);
                for interface in server.interfaces.iter_mut().filter(|it| it.network == network) {
                    interface.there = true;
                }
            });
            project.rewired(server);
        },
    )
}

fn aliases(form: &mut Form<'_>) -> Vec<Ipv4Addr> {
    let texts = form.texts("alias_ips").unwrap_or_default();
    if texts.len() > ALIASES {
        form.problem("alias_ips", "must not be more than 5");
    }
    let aliases: Vec<Ipv4Addr> = texts.iter().filter_map(|text| text.parse().ok()).collect();
    if aliases.len() < texts.len() {
        form.problem("alias_ips", "must be IPv4 addresses");
    }
    aliases
}
