//! Targets of load balancers: servers, servers by their labels, addresses.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Value, json};

use super::LoadBalancer;
use crate::form::Form;
use crate::kind::Id;
use crate::problem::Problem;
use crate::project::Project;
use crate::project::public_address::Family;
use crate::project::server::{Server, Status};
use crate::project::table::Resource as _;
use crate::selector::Selector;

/// Where a load balancer sends what it is sent.
#[derive(Debug, Clone)]
pub(super) struct Target {
    to: To,
    private: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum To {
    Server(Id),
    Selector(String, Selector),
    Ip(IpAddr),
    /// What was said is wrong, and the request refused.
    Nothing,
}

impl Target {
    pub(super) fn read(form: &mut Form<'_>) -> Self {
        let server = form.within("server", |form| form.number("id"));
        let selector = form.within("label_selector", |form| form.text("selector"));
        let ip = form.within("ip", |form| form.text("ip"));
        let private = form.flag_or_none("use_private_ip").unwrap_or_default();
        let kinds = [("server", "server"), ("label_selector", "label_selector"), ("ip", "ip")];
        let to = match form.word("type", &kinds) {
            "server" => form.required("server", server).map_or(To::Nothing, To::Server),
            "label_selector" => {
                let text = form.required("label_selector", selector).unwrap_or_default();
                match Selector::parse(&text) {
                    Ok(selector) => To::Selector(text, selector),
                    Err(why) => {
                        form.problem("label_selector", why);
                        To::Nothing
                    }
                }
            }
            _ => {
                if let Some(Ok(ip)) = form.required("ip", ip).map(|ip| ip.parse()) {
                    return Self { to: To::Ip(ip), private };
                }
                form.problem("ip", "must be an address");
                To::Nothing
            }
        };
        Self { to, private }
    }

    pub(super) fn is_server(&self, id: Id) -> bool {
        self.to == To::Server(id)
    }

    /// Whether both send to the same place.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.to == other.to
    }

    pub(super) fn is_private(&self) -> bool {
        self.private
    }

    pub(super) fn view(&self, project: &Project, services: &BTreeMap<u64, Value>) -> Value {
        let health = |healthy: bool| -> Vec<Value> {
            let status = if healthy { "healthy" } else { "unhealthy" };
            services.keys().map(|port| json!({"listen_port": port, "status": status})).collect()
        };
        let runs = |server: &Server| server.status == Status::Running;
        match &self.to {
            To::Server(id) => json!({
                "type": "server",
                "server": {"id": id},
                "use_private_ip": self.private,
                "health_status": health(project.servers.get(*id).is_ok_and(runs)),
            }),
            To::Selector(text, selector) => {
                let matched = project.servers.iter().filter(|server| selector.matches(&server.meta.labels));
                let targets: Vec<Value> = matched
                    .map(|server| {
                        json!({
                            "type": "server",
                            "server": {"id": server.id()},
                            "use_private_ip": self.private,
                            "health_status": health(runs(server)),
                        })
                    })
                    .collect();
                json!({
                    "type": "label_selector",
                    "label_selector": {"selector": text},
                    "use_private_ip": self.private,
                    "targets": targets,
                })
            }
            To::Ip(ip) => json!({"type": "ip", "ip": {"ip": ip}, "health_status": health(true)}),
            To::Nothing => Value::Null,
        }
    }
}

impl Project {
    /// Refuses a target that a load balancer cannot have.
    pub(super) fn refuse_target(&self, balancer: &LoadBalancer, target: &Target) -> Result<(), Problem> {
        if balancer.targets.iter().any(|other| other.is_same(target)) {
            return Err(Problem::refused("target_already_defined", "the target is already defined"));
        }
        if balancer.targets.len() >= balancer.kind.targets {
            return Err(Problem::limit("load_balancer_target_limit", "no more targets fit the type"));
        }
        let network = balancer.private.map(|(network, _)| network);
        if target.private && network.is_none() {
            let message = "the load balancer is not attached to a network";
            return Err(Problem::refused("load_balancer_not_attached_to_network", message));
        }
        match target.to {
            To::Server(id) => self.refuse_server_target(id, network.filter(|_| target.private)),
            To::Ip(_) if target.private => {
                Err(Problem::invalid_field("use_private_ip", "does not belong to targets of type ip"))
            }
            _ => Ok(()),
        }
    }

    fn refuse_server_target(&self, id: Id, network: Option<Id>) -> Result<(), Problem> {
        let server = self.servers.get(id)?;
        match network {
            Some(network) if !server.is_in(network) => Err(Problem::refused(
                "resolve_cloud_private_targets_error",
                "the server is not attached to the network of the load balancer",
            )),
            None if self.primary_ip_of(id, Family::V4).is_none() => Err(Problem::refused(
                "resolve_cloud_public_targets_error",
                "the server has no public IPv4 address",
            )),
            _ => Ok(()),
        }
    }
}
