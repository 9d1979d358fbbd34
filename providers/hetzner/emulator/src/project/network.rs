//! Private networks: subnets, routes, and the addresses that servers and load balancers have in them.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde_json::{Value, json};

use super::table::{Meta, Resource as _, resource};
use super::{Answer, Project, Renaming, new_name, refuse_protected};
use crate::actions::Start;
use crate::address::{ipv4_range, is_private, overlap};
use crate::catalogue::Location;
use crate::form::{self, Body, Form};
use crate::kind::{Id, Kind};
use crate::labels::Labels;
use crate::limits::{NODES_OF_A_NETWORK, ROUTES, SUBNETS};
use crate::problem::Problem;
use crate::query::{Listed, Query};
use crate::time::written;

/// The gateway of servers' public interfaces; no private network may use it.
const PUBLIC_GATEWAY: Ipv4Addr = Ipv4Addr::new(172, 31, 1, 1);

/// The length of a subnet whose range nobody chose.
const USUAL_SUBNET: u8 = 24;

/// What members of a network can be asked for.
const MEMBERS: Listed = Listed {
    filters: &[("type", "type"), ("status", "status"), ("subnet", "subnet")],
    sort: &["id", "type", "status"],
    others: &[],
};

/// A private network.
#[derive(Debug)]
pub(crate) struct Network {
    pub(super) meta: Meta,
    pub(super) range: Ipv4Net,
    subnets: Vec<Subnet>,
    routes: Vec<Route>,
    exposes_routes: bool,
}

#[derive(Debug, Clone, PartialEq)]
struct Subnet {
    kind: &'static str,
    range: Ipv4Net,
    zone: String,
    vswitch: Option<u64>,
}

#[derive(Debug, Clone, PartialEq)]
struct Route {
    destination: Ipv4Net,
    gateway: Ipv4Addr,
}

resource!(Network, Network, view);

fn view(network: &Network, project: &Project) -> Value {
    let id = network.meta.id;
    let subnets: Vec<Value> = network
        .subnets
        .iter()
        .map(|subnet| {
            json!({
                "type": subnet.kind,
                "ip_range": subnet.range.to_string(),
                "network_zone": subnet.zone,
                "gateway": network.gateway(),
                "vswitch_id": subnet.vswitch,
            })
        })
        .collect();
    let routes: Vec<Value> = network
        .routes
        .iter()
        .map(|route| json!({"destination": route.destination.to_string(), "gateway": route.gateway}))
        .collect();
    json!({
        "id": id,
        "name": network.meta.name,
        "ip_range": network.range.to_string(),
        "subnets": subnets,
        "routes": routes,
        "servers": project.servers.ids(|server| server.is_in(id)),
        "load_balancers":
            project.load_balancers.ids(|balancer| balancer.is_in(id)),
        "protection": {"delete": network.meta.protected},
        "labels": network.meta.labels,
        "created": written(network.meta.created),
        "expose_routes_to_vswitch": network.exposes_routes,
    })
}

impl Network {
    /// The first address of the range.
    fn gateway(&self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.range.network().to_bits() + 1)
    }

    /// A subnet that fits into the network, or what is wrong with it.
    fn fit(&self, wish: SubnetWish) -> Result<Subnet, Problem> {
        let free = |range: &Ipv4Net| {
            self.subnets.iter().all(|subnet| !overlap(subnet.range, *range))
                && self.routes.iter().all(|route| !overlap(route.destination, *range))
        };
        let range = match wish.range {
            Some(range) => range,
            None => self
                .range
                .subnets(USUAL_SUBNET.max(self.range.prefix_len()))
                .ok()
                .and_then(|mut ranges| ranges.find(free))
                .ok_or_else(|| Problem::invalid_field("ip_range", "is missing, and no /24 is free"))?,
        };
        if !self.range.contains(&range) {
            return Err(Problem::invalid_field("ip_range", "must lie in the range of the network"));
        }
        if !free(&range) {
            return Err(Problem::invalid_field("ip_range", "overlaps with a subnet or a route"));
        }
        // All subnets of a network are in one zone.
        if self.subnets.iter().any(|subnet| subnet.zone != wish.zone) {
            return Err(Problem::invalid_field("network_zone", "must be that of the other subnets"));
        }
        if self.subnets.len() >= SUBNETS {
            return Err(Problem::limit("subnet_limit", "no more than 50 subnets can be in a network"));
        }
        Ok(Subnet { kind: wish.kind, range, zone: wish.zone, vswitch: wish.vswitch })
    }

    fn check_route(&self, route: &Route) -> Result<(), Problem> {
        let whole = route.destination.prefix_len() == 0;
        if !whole && !is_private(route.destination) {
            return Err(Problem::invalid_field("destination", "must be a private range or 0.0.0.0/0"));
        }
        let clashes = |range: &Ipv4Net| !whole && overlap(*range, route.destination);
        if self.subnets.iter().any(|subnet| clashes(&subnet.range))
            || self
                .routes
                .iter()
                .any(|other| other.destination == route.destination || clashes(&other.destination))
            || (!whole && route.destination.contains(&PUBLIC_GATEWAY))
        {
            return Err(Problem::invalid_field("destination", "overlaps with a subnet or a route"));
        }
        if !self.range.contains(&route.gateway) || route.gateway == self.gateway() {
            return Err(Problem::invalid_field(
                "gateway",
                "must lie in the network and not be its first address",
            ));
        }
        if self.routes.len() >= ROUTES {
            return Err(Problem::limit("route_limit", "no more than 100 routes can be in a network"));
        }
        Ok(())
    }
}

/// What a request says of a subnet.
struct SubnetWish {
    kind: &'static str,
    range: Option<Ipv4Net>,
    zone: String,
    vswitch: Option<u64>,
}

impl SubnetWish {
    fn read(form: &mut Form<'_>) -> Self {
        let kind = form.word("type", &[("cloud", "cloud"), ("server", "server"), ("vswitch", "vswitch")]);
        let zone = form.text("network_zone");
        if !zone.is_empty() && !Location::is_zone(&zone) {
            form.problem("network_zone", "does not exist");
        }
        let vswitch = form.number_or_none("vswitch_id");
        // Hetzner's own clients send it, and the API pays no heed.
        form.text_or_none("gateway");
        if vswitch.is_some() != (kind == "vswitch") {
            form.problem("vswitch_id", "belongs to subnets of type vswitch, which cannot be without");
        }
        Self { kind, range: range(form, "ip_range", 30), zone, vswitch }
    }
}

/// An address range of at most `longest` bits, which is private.
fn range<'a>(form: &mut Form<'a>, name: &'a str, longest: u8) -> Option<Ipv4Net> {
    let text = form.text_or_none(name)?;
    let range =
        ipv4_range(&text).filter(|range| is_private(*range)).filter(|range| range.prefix_len() <= longest);
    if range.is_none() {
        form.problem(name, format!("must be a private range of at most /{longest}, like 10.0.0.0/16"));
    }
    range
}

fn route(form: &mut Form<'_>) -> Route {
    let (destination, gateway) = (form.text("destination"), form.text("gateway"));
    let Some((destination, gateway)) = ipv4_range(&destination).zip(gateway.parse().ok()) else {
        form.problem("destination", "must be a range, and the gateway an address");
        return Route { destination: Ipv4Net::default(), gateway: PUBLIC_GATEWAY };
    };
    Route { destination, gateway }
}

/// What `POST /networks` asks for.
struct Wish {
    name: String,
    labels: Option<Labels>,
    range: Option<Ipv4Net>,
    subnets: Vec<SubnetWish>,
    routes: Vec<Route>,
    exposes_routes: bool,
}

impl Wish {
    fn read(form: &mut Form<'_>) -> Self {
        let range = range(form, "ip_range", 24);
        Self {
            name: new_name(form),
            labels: form.labels(),
            range: form.required("ip_range", range),
            subnets: form.each("subnets", SubnetWish::read).unwrap_or_default(),
            routes: form.each("routes", route).unwrap_or_default(),
            exposes_routes: form.flag_or_none("expose_routes_to_vswitch").unwrap_or_default(),
        }
    }
}

impl Project {
    pub(super) fn create_network(&mut self, body: &Body) -> Result<Answer, Problem> {
        let wish = form::read(body, Wish::read)?;
        self.networks.refuse_name(&wish.name, None)?;
        let range = wish.range.expect("a form without it was refused");
        let mut network = Network {
            meta: self.meta(wish.name, wish.labels),
            range,
            subnets: Vec::new(),
            routes: Vec::new(),
            exposes_routes: wish.exposes_routes,
        };
        for subnet in wish.subnets {
            let subnet = network.fit(subnet)?;
            network.subnets.push(subnet);
        }
        for route in wish.routes {
            network.check_route(&route)?;
            network.routes.push(route);
        }
        let id = self.networks.insert(network);
        Ok(Answer::created(json!({"network": self.view(Kind::Network, id)?})))
    }

    pub(super) fn update_network(&mut self, id: Id, body: &Body) -> Result<Answer, Problem> {
        let (exposes, change) =
            form::read(body, |form| (form.flag_or_none("expose_routes_to_vswitch"), Renaming::read(form)))?;
        self.refuse_changing_network(id)?;
        let network = self.networks.get_mut(id)?;
        network.exposes_routes = exposes.unwrap_or(network.exposes_routes);
        self.rename(change, id, |project| &mut project.networks)
    }

    /// What is attached is detached.
    pub(super) fn delete_network(&mut self, id: Id) -> Result<Answer, Problem> {
        refuse_protected(self.networks.get(id)?)?;
        self.networks.remove(id);
        for server in self.servers.ids(|server| server.is_in(id)) {
            self.detach_server(server, id);
        }
        for load_balancer in self.load_balancers.iter_mut() {
            load_balancer.detach(id);
        }
        Ok(Answer::empty())
    }

    pub(super) fn command_network(&mut self, id: Id, command: &str, body: &Body) -> Result<Answer, Problem> {
        self.refuse_changing_network(id)?;
        match command {
            "change_protection" => self.protect(body, id, |project| &mut project.networks),
            "add_subnet" => self.add_subnet(id, body),
            "delete_subnet" => self.delete_subnet(id, body),
            "add_route" => self.add_route(id, body),
            "delete_route" => self.delete_route(id, body),
            "change_ip_range" => self.change_range(id, body),
            _ => Err(Problem::no_such_path()),
        }
    }

    /// Networks are not locked: who changes one that is being changed has a conflict.
    fn refuse_changing_network(&self, id: Id) -> Result<(), Problem> {
        if self.actions.locks(Kind::Network, id) {
            return Err(Problem::conflict(format!("network with ID '{id}' is being changed")));
        }
        Ok(())
    }

    fn add_subnet(&mut self, id: Id, body: &Body) -> Result<Answer, Problem> {
        let wish = form::read(body, SubnetWish::read)?;
        let subnet = self.networks.get(id)?.fit(wish)?;
        Ok(self.change_network(id, "add_subnet", |network| network.subnets.push(subnet)))
    }

    fn delete_subnet(&mut self, id: Id, body: &Body) -> Result<Answer, Problem> {
        let range = form::read(body, |form| form.text("ip_range"))?;
        let network = self.networks.get(id)?;
        let Some(subnet) = network.subnets.iter().find(|subnet| subnet.range.to_string() == range).cloned()
        else {
            return Err(Problem::invalid_field("ip_range", "is not a subnet of the network"));
        };
        if self.addresses_in(id).iter().any(|address| subnet.range.contains(address)) {
            return Err(Problem::refused("resource_in_use", "something is attached to the subnet"));
        }
        Ok(self.change_network(id, "delete_subnet", move |network| {
            network.subnets.retain(|other| *other != subnet);
        }))
    }

    fn add_route(&mut self, id: Id, body: &Body) -> Result<Answer, Problem> {
        let route = form::read(body, route)?;
        self.networks.get(id)?.check_route(&route)?;
        Ok(self.change_network(id, "add_route", |network| network.routes.push(route)))
    }

    fn delete_route(&mut self, id: Id, body: &Body) -> Result<Answer, Problem> {
        let route = form::read(body, route)?;
        if !self.networks.get(id)?.routes.contains(&route) {
            return Err(Problem::invalid_field("destination", "is not a route of the network"));
        }
        Ok(self.change_network(id, "delete_route", move |network| {
            network.routes.retain(|other| *other != route);
        }))
    }

    /// A range only grows, and keeps its first address.
    fn change_range(&mut self, id: Id, body: &Body) -> Result<Answer, Problem> {
        let range = form::read(body, |form| {
            let range = range(form, "ip_range", 24);
            form.required("ip_range", range)
        })?;
        let range = range.expect("a form without it was refused");
        let now = self.networks.get(id)?.range;
        if range.network() != now.network() || range.prefix_len() >= now.prefix_len() {
            return Err(Problem::invalid_field("ip_range", "can only be extended at its end"));
        }
        Ok(self.change_network(id, "change_ip_range", move |network| network.range = range))
    }

    fn change_network(
        &mut self,
        id: Id,
        command: &'static str,
        change: impl FnOnce(&mut Network) + Send + 'static,
    ) -> Answer {
        let start = Start::new(command, Kind::Network, id);
        self.started(start.then(move |project| project.networks.change(id, change)))
    }

    /// A free address for a node in a location: the wished one, or the first of a subnet.
    pub(super) fn free_address(
        &self,
        network: Id,
        location: &Location,
        wish: &PrivateWish,
    ) -> Result<Ipv4Addr, Problem> {
        let of = self.networks.get(network)?;
        let taken = self.addresses_in(network);
        if self.nodes_in(network) >= NODES_OF_A_NETWORK {
            return Err(Problem::limit(
                "network_resources_limit",
                "no more than 100 can be attached to a network",
            ));
        }
        let is_free = |subnet: &Subnet, address: Ipv4Addr| {
            subnet.range.contains(&address)
                && address != of.gateway()
                && address != of.range.network()
                && address != subnet.range.network()
                && address != subnet.range.broadcast()
                && address != PUBLIC_GATEWAY
                && !taken.contains(&address)
        };
        let mut subnets = of
            .subnets
            .iter()
            .filter(|subnet| subnet.zone == location.zone && subnet.kind != "vswitch")
            .filter(|subnet| wish.range.as_ref().is_none_or(|range| subnet.range.to_string() == *range));
        if let Some(address) = wish.address {
            let fits = subnets.any(|subnet| is_free(subnet, address));
            let refusal = || Problem::refused("ip_not_available", format!("{address} is not available"));
            return if fits { Ok(address) } else { Err(refusal()) };
        }
        subnets.find_map(|subnet| subnet.range.hosts().find(|address| is_free(subnet, *address))).ok_or_else(
            || Problem::refused("no_subnet_available", "no subnet has a free address for this location"),
        )
    }

    /// Refuses addresses that a server cannot have beside its own in a network.
    pub(super) fn refuse_aliases(&self, network: Id, aliases: &[Ipv4Addr]) -> Result<(), Problem> {
        let (of, taken) = (self.networks.get(network)?, self.addresses_in(network));
        let is_free = |address: &Ipv4Addr| {
            of.subnets.iter().any(|subnet| subnet.range.contains(address))
                && *address != of.gateway()
                && !taken.contains(address)
        };
        let different: BTreeSet<_> = aliases.iter().collect();
        if different.len() < aliases.len() || !aliases.iter().all(is_free) {
            return Err(Problem::refused("ip_not_available", "an alias address is not available"));
        }
        Ok(())
    }

    /// Refuses a network whose range overlaps with that of another network of the same server.
    pub(super) fn refuse_overlap(&self, network: Id, others: &[Id]) -> Result<(), Problem> {
        let range = self.networks.get(network)?.range;
        let overlaps = |other: &Id| self.networks.get(*other).is_ok_and(|other| overlap(other.range, range));
        if others.iter().any(overlaps) {
            return Err(Problem::refused(
                "networks_overlap",
                "the range overlaps with that of another network",
            ));
        }
        Ok(())
    }

    fn addresses_in(&self, network: Id) -> BTreeSet<Ipv4Addr> {
        let of_servers = self.servers.iter().flat_map(|server| server.addresses_in(network));
        let of_balancers = self.load_balancers.iter().filter_map(|balancer| balancer.address_in(network));
        of_servers.chain(of_balancers).collect()
    }

    /// `GET /networks/{id}/members`, since 2026.
    pub(super) fn members_of_network(&self, network: Id, query: &Query) -> Result<Answer, Problem> {
        let subnets = &self.networks.get(network)?.subnets;
        let member = |kind: &str, id: Id, address: Ipv4Addr, aliases: &[Ipv4Addr], there: bool| {
            let subnet = subnets.iter().find(|subnet| subnet.range.contains(&address));
            json!({
                "id": id,
                "type": kind,
                "ip": address,
                "alias_ips": aliases,
                "subnet": subnet.map(|subnet| subnet.range.to_string()),
                "status": if there { "ok" } else { "attaching" },
            })
        };
        let servers = self.servers.iter().filter_map(|server| {
            let interface = server.interface_in(network)?;
            Some(member("server", server.id(), interface.address, &interface.aliases, interface.there))
        });
        let balancers = self.load_balancers.iter().filter_map(|balancer| {
            let address = balancer.address_in(network)?;
            Some(member("load_balancer", balancer.id(), address, &[], balancer.is_attached()))
        });
        let members = servers.chain(balancers).collect();
        query.page("members", members, MEMBERS, self.setting.strictness).map(Answer::ok)
    }

    fn nodes_in(&self, network: Id) -> usize {
        self.servers.iter().filter(|server| server.is_in(network)).count()
            + self.load_balancers.iter().filter(|balancer| balancer.is_in(network)).count()
    }
}

/// Which address of a network a request wishes for.
#[derive(Debug, Clone, Default)]
pub(super) struct PrivateWish {
    pub(super) address: Option<Ipv4Addr>,
    /// `10.0.1.0/24`
    pub(super) range: Option<String>,
}

impl PrivateWish {
    pub(super) fn read(form: &mut Form<'_>) -> Self {
        let text = form.text_or_none("ip");
        let address = text.as_ref().and_then(|text| text.parse().ok());
        if text.is_some() && address.is_none() {
            form.problem("ip", "must be an IPv4 address");
        }
        Self { address, range: form.text_or_none("ip_range") }
    }
}
