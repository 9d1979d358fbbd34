//! What can be done with a load balancer.

use super::service::{self, merge};
use super::target::Target;
use super::{ALGORITHMS, LoadBalancer, kind_named};
use crate::actions::{Ending, Start};
use crate::form::{self, Body};
use crate::kind::{Id, Kind};
use crate::problem::Problem;
use crate::project::network::PrivateWish;
use crate::project::public_address::Naming;
use crate::project::{Answer, Project};

impl Project {
    pub(in crate::project) fn command_load_balancer(
        &mut self,
        id: Id,
        command: &str,
        body: &Body,
    ) -> Result<Answer, Problem> {
        self.refuse_locked(Kind::LoadBalancer, id)?;
        match command {
            "change_protection" => self.protect(body, id, |project| &mut project.load_balancers),
            "add_service" => self.add_service(id, body),
            "update_service" => self.update_service(id, body),
            "delete_service" => self.delete_service(id, body),
            "add_target" => self.add_target(id, body),
            "remove_target" => self.remove_balancer_target(id, body),
            "attach_to_network" => self.attach_balancer(id, body),
            "detach_from_network" => self.detach_balancer(id, body),
            "enable_public_interface" | "disable_public_interface" => self.switch_public(id, command, body),
            "change_algorithm" => {
                let algorithm = form::read(body, |form| form.word("type", ALGORITHMS))?;
                Ok(self.balance(id, "change_algorithm", move |balancer| balancer.algorithm = algorithm))
            }
            "change_type" => self.change_balancer_type(id, body),
            "change_dns_ptr" => self.name_balancer_address(id, body),
            _ => Err(Problem::no_such_path()),
        }
    }

    /// Starts an action that changes the load balancer when it ends.
    fn balance(
        &mut self,
        id: Id,
        command: &'static str,
        change: impl FnOnce(&mut LoadBalancer) + Send + 'static,
    ) -> Answer {
        let start = Start::new(command, Kind::LoadBalancer, id);
        self.started(start.then(move |project| project.load_balancers.change(id, change)))
    }

    fn add_service(&mut self, id: Id, body: &Body) -> Result<Answer, Problem> {
        let (port, service) = form::read(body, service::read)?;
        self.refuse_service(self.load_balancers.get(id)?, port, &service)?;
        Ok(self.balance(id, "add_service", move |balancer| drop(balancer.services.insert(port, service))))
    }

    fn update_service(&mut self, id: Id, body: &Body) -> Result<Answer, Problem> {
        let (port, changes) = form::read(body, service::read_changes)?;
        let services = &self.load_balancers.get(id)?.services;
        let mut service = services.get(&port).cloned().ok_or_else(no_service)?;
        merge(&mut service, changes);
        self.refuse_certificates(&service)?;
        Ok(self.balance(id, "update_service", move |balancer| drop(balancer.services.insert(port, service))))
    }

    fn delete_service(&mut self, id: Id, body: &Body) -> Result<Answer, Problem> {
        let port = form::read(body, |form| form.number("listen_port"))?;
        if !self.load_balancers.get(id)?.services.contains_key(&port) {
            return Err(no_service());
        }
        Ok(self.balance(id, "delete_service", move |balancer| drop(balancer.services.remove(&port))))
    }

    fn add_target(&mut self, id: Id, body: &Body) -> Result<Answer, Problem> {
        let target = form::read(body, Target::read)?;
        let balancer = self.load_balancers.get(id)?;
        self.refuse_target(balancer, &target)?;
        if !target.is_private() && !balancer.public {
            let message = "the public interface of the load balancer is disabled";
            return Err(Problem::refused("load_balancer_public_interface_disabled", message));
        }
        Ok(self.balance(id, "add_target", |balancer| balancer.targets.push(target)))
    }

    fn remove_balancer_target(&mut self, id: Id, body: &Body) -> Result<Answer, Problem> {
        let target = form::read(body, Target::read)?;
        if !self.load_balancers.get(id)?.targets.iter().any(|other| other.is_same(&target)) {
            return Err(Problem::refused("load_balancer_target_not_found", "the target does not exist"));
        }
        Ok(self.balance(id, "remove_target", move |balancer| {
            balancer.targets.retain(|other| !other.is_same(&target));
        }))
    }

    fn attach_balancer(&mut self, id: Id, body: &Body) -> Result<Answer, Problem> {
        let (network, wish) = form::read(body, |form| (form.number("network"), PrivateWish::read(form)))?;
        let balancer = self.load_balancers.get(id)?;
        if balancer.private.is_some() {
            let message = "the load balancer is already attached to a network";
            return Err(Problem::refused("load_balancer_already_attached", message));
        }
        let address = self.free_address(network, balancer.location, &wish)?;
        self.load_balancers.change(id, |balancer| balancer.private = Some((network, address)));
        let start = Start::new("attach_to_network", Kind::LoadBalancer, id).with(Kind::Network, network);
        Ok(self.started(start.finally(move |project, ending| {
            project.load_balancers.change(id, |balancer| match ending {
                Ending::Success => balancer.attached = balancer.private.is_some(),
                Ending::Error(_) => balancer.private = None,
            });
        })))
    }

    fn detach_balancer(&mut self, id: Id, body: &Body) -> Result<Answer, Problem> {
        let network = form::read(body, |form| form.number("network"))?;
        if !self.load_balancers.get(id)?.is_in(network) {
            let message = "the load balancer is not attached to the network";
            return Err(Problem::refused("load_balancer_not_attached_to_network", message));
        }
        let start = Start::new("detach_from_network", Kind::LoadBalancer, id).with(Kind::Network, network);
        Ok(self.started(start.then(move |project| {
            project.load_balancers.change(id, |balancer| {
                balancer.detach(network);
                // They cannot be reached any more.
                balancer.targets.retain(|target| !target.is_private());
            });
        })))
    }

    fn switch_public(&mut self, id: Id, command: &str, body: &Body) -> Result<Answer, Problem> {
        form::read(body, |_| ())?;
        if command == "enable_public_interface" {
            return Ok(self.balance(id, "enable_public_interface", |balancer| balancer.public = true));
        }
        let balancer = self.load_balancers.get(id)?;
        if balancer.private.is_none() {
            let message = "the load balancer is not attached to a network";
            return Err(Problem::refused("load_balancer_not_attached_to_network", message));
        }
        if balancer.targets.iter().any(|target| !target.is_private()) {
            let message = "the load balancer has targets that use a public address";
            return Err(Problem::refused("targets_without_use_private_ip", message));
        }
        Ok(self.balance(id, "disable_public_interface", |balancer| balancer.public = false))
    }

    fn change_balancer_type(&mut self, id: Id, body: &Body) -> Result<Answer, Problem> {
        let kind = kind_named(&form::read(body, |form| form.reference("load_balancer_type"))?)?;
        let balancer = self.load_balancers.get(id)?;
        let fits = balancer.services.len() <= kind.services && balancer.targets.len() <= kind.targets;
        if !fits || kind.id == balancer.kind.id {
            let message = "the type does not fit the load balancer";
            return Err(Problem::refused("invalid_load_balancer_type", message));
        }
        Ok(self.balance(id, "change_load_balancer_type", move |balancer| balancer.kind = kind))
    }

    fn name_balancer_address(&mut self, id: Id, body: &Body) -> Result<Answer, Problem> {
        let naming = form::read(body, Naming::read)?;
        let family = naming.find(self.load_balancers.get(id)?.addresses.iter())?;
        Ok(self.balance(id, "change_dns_ptr", move |balancer| {
            for address in balancer.addresses.iter_mut().filter(|address| address.family() == family) {
                address.set_name(&naming);
            }
        }))
    }
}

fn no_service() -> Problem {
    Problem::invalid_field("listen_port", "is not the port of a service")
}
