//! Load balancers, as they are shown, made and removed.

mod commands;
mod service;
mod target;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde_json::{Value, json};

use self::target::Target;
use super::network::PrivateWish;
use super::public_address::{Family, PublicAddress};
use super::table::{Meta, resource};
use super::volume::location_named;
use super::{Answer, Project, new_name, refuse_protected};
use crate::actions::Start;
use crate::catalogue::{self, LOAD_BALANCER_TYPES, LOCATIONS, LoadBalancerType, Location};
use crate::form::{self, Body, Form, Reference};
use crate::kind::{Id, Kind};
use crate::labels::Labels;
use crate::problem::Problem;
use crate::time::written;

const ALGORITHMS: &[(&str, &str)] =
    &[("round_robin", "round_robin"), ("least_connections", "least_connections")];

const TRAFFIC: u64 = 20 << 40;

/// A load balancer.
#[derive(Debug)]
pub(crate) struct LoadBalancer {
    pub(super) meta: Meta,
    kind: &'static LoadBalancerType,
    location: &'static Location,
    algorithm: &'static str,
    /// As answers show them, by the port on which they listen.
    services: BTreeMap<u64, Value>,
    targets: Vec<Target>,
    public: bool,
    /// IPv4, then IPv6. Known to the world once it was created.
    addresses: [PublicAddress; 2],
    created: bool,
    /// Its network, and its address in it.
    private: Option<(Id, Ipv4Addr)>,
    /// Whether it is attached, and not only about to be.
    attached: bool,
}

resource!(LoadBalancer, LoadBalancer, view);

fn view(balancer: &LoadBalancer, project: &Project) -> Value {
    let address = |address: &PublicAddress| {
        let shown = balancer.created && balancer.public;
        json!({
            "ip": shown.then(|| address.first()),
            "dns_ptr": shown.then(|| address.name()).flatten(),
        })
    };
    let private = balancer.private.filter(|_| balancer.attached);
    json!({
        "id": balancer.meta.id,
        "name": balancer.meta.name,
        "public_net": {
            "enabled": balancer.public,
            "ipv4": address(&balancer.addresses[0]),
            "ipv6": address(&balancer.addresses[1]),
        },
        "private_net": private.iter().map(|(network, ip)| json!({"network": network, "ip": ip})).collect::<Vec<_>>(),
        "location": balancer.location.view(),
        "load_balancer_type": balancer.kind.view(),
        "protection": {"delete": balancer.meta.protected},
        "labels": balancer.meta.labels,
        "created": written(balancer.meta.created),
        "services": balancer.services.values().collect::<Vec<_>>(),
        "targets": balancer.targets.iter().map(|it| it.view(project, &balancer.services)).collect::<Vec<_>>(),
        "algorithm": {"type": balancer.algorithm},
        "outgoing_traffic": 0,
        "ingoing_traffic": 0,
        "included_traffic": TRAFFIC,
    })
}

impl LoadBalancer {
    pub(super) fn is_in(&self, network: Id) -> bool {
        self.private.is_some_and(|(other, _)| other == network)
    }

    /// Its address in a network, also one that is reserved for it.
    pub(super) fn address_in(&self, network: Id) -> Option<Ipv4Addr> {
        self.private.filter(|(other, _)| *other == network).map(|(_, address)| address)
    }

    /// Whether its network can reach it, and not only will.
    pub(super) fn is_attached(&self) -> bool {
        self.attached
    }

    pub(super) fn detach(&mut self, network: Id) {
        if self.is_in(network) {
            self.private = None;
            self.attached = false;
        }
    }
}

/// What `POST /load_balancers` asks for.
struct Wish {
    name: String,
    labels: Option<Labels>,
    kind: Reference,
    algorithm: &'static str,
    location: Option<Reference>,
    zone: Option<String>,
    services: Vec<(u64, Value)>,
    targets: Vec<Target>,
    public: bool,
    network: Option<Id>,
}

impl Wish {
    fn read(form: &mut Form<'_>) -> Self {
        let (location, zone) = (form.reference_or_none("location"), form.text_or_none("network_zone"));
        if location.is_some() == zone.is_some() {
            form.problem("location", "or `network_zone` must be named, one of the two");
        }
        if zone.as_ref().is_some_and(|zone| !Location::is_zone(zone)) {
            form.problem("network_zone", "does not exist");
        }
        let algorithm = form.within("algorithm", |form| form.word("type", ALGORITHMS));
        Self {
            name: new_name(form),
            labels: form.labels(),
            kind: form.reference("load_balancer_type"),
            algorithm: algorithm.unwrap_or("round_robin"),
            location,
            zone,
            services: form.each("services", service::read).unwrap_or_default(),
            targets: form.each("targets", Target::read).unwrap_or_default(),
            public: form.flag_or_none("public_interface").unwrap_or(true),
            network: form.number_or_none("network"),
        }
    }

    fn location(&self) -> Result<&'static Location, Problem> {
        match (&self.location, &self.zone) {
            (Some(location), _) => location_named(location),
            (None, zone) => LOCATIONS
                .iter()
                .find(|location| Some(location.zone) == zone.as_deref())
                .ok_or_else(|| Problem::invalid_field("network_zone", "does not exist")),
        }
    }
}

fn kind_named(reference: &Reference) -> Result<&'static LoadBalancerType, Problem> {
    catalogue::find(LOAD_BALANCER_TYPES, reference)
        .ok_or_else(|| Problem::invalid_field("load_balancer_type", "does not exist"))
}

impl Project {
    pub(super) fn create_load_balancer(&mut self, body: &Body) -> Result<Answer, Problem> {
        let wish = form::read(body, Wish::read)?;
        self.load_balancers.refuse_name(&wish.name, None)?;
        let (kind, location) = (kind_named(&wish.kind)?, wish.location()?);
        let private = match wish.network {
            None => None,
            Some(network) => Some((network, self.free_address(network, location, &PrivateWish::default())?)),
        };
        let mut balancer = LoadBalancer {
            meta: self.meta(wish.name, wish.labels),
            kind,
            location,
            algorithm: wish.algorithm,
            services: BTreeMap::new(),
            targets: Vec::new(),
            public: wish.public,
            addresses: [Family::V4, Family::V6]
                .map(|family| PublicAddress::new(&mut self.addresses, family, None)),
            created: false,
            private,
            attached: false,
        };
        for (port, service) in wish.services {
            self.refuse_service(&balancer, port, &service)?;
            balancer.services.insert(port, service);
        }
        for target in wish.targets {
            self.refuse_target(&balancer, &target)?;
            balancer.targets.push(target);
        }
        let id = self.load_balancers.insert(balancer);
        let start = Start::new("create_load_balancer", Kind::LoadBalancer, id);
        let action = self.start(start.then(move |project| {
            project.load_balancers.change(id, |balancer| {
                balancer.created = true;
                balancer.attached = balancer.private.is_some();
            });
        }));
        Ok(Answer::created(json!({
            "load_balancer": self.view(Kind::LoadBalancer, id)?,
            "action": self.action_view(action),
        })))
    }

    /// Answered with an action since 2026, as the library for Python knows.
    pub(super) fn delete_load_balancer(&mut self, id: Id) -> Result<Answer, Problem> {
        refuse_protected(self.load_balancers.get(id)?)?;
        self.refuse_locked(Kind::LoadBalancer, id)?;
        let start = Start::new("delete_load_balancer", Kind::LoadBalancer, id);
        let action = self.start(start.then(move |project| {
            if let Some(balancer) = project.load_balancers.remove(id) {
                balancer.addresses.iter().for_each(|address| address.release(&mut project.addresses));
            }
        }));
        Ok(Answer::ok(json!({"action": self.action_view(action)})))
    }

    /// Load balancers of which a server is a target by its ID.
    pub(super) fn balancers_to(&self, server: Id) -> Vec<Id> {
        self.load_balancers.ids(|balancer| balancer.targets.iter().any(|target| target.is_server(server)))
    }

    /// Load balancers that show a certificate.
    pub(super) fn balancers_with(&self, certificate: Id) -> Vec<Id> {
        let shows = |service: &Value| {
            service["http"]["certificates"]
                .as_array()
                .is_some_and(|all| all.iter().any(|it| *it == certificate))
        };
        self.load_balancers.ids(|balancer| balancer.services.values().any(shows))
    }

    /// Forgets a server that is gone.
    pub(super) fn leave_load_balancers(&mut self, server: Id) {
        for balancer in self.load_balancers.iter_mut() {
            balancer.targets.retain(|target| !target.is_server(server));
        }
    }
}
