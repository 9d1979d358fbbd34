//! Compares what is wanted with what is there.

use std::collections::BTreeSet;

use windlass_core::provider::{ClusterPlan, Money};

use crate::client::model::{Applied, Labels, Resource, Server, ServerStatus};
use crate::firewall;
use crate::owner;
use crate::plan::blueprint::{Blueprint, Candidate, Role, WantedKey, WantedNetwork, WantedServer};
use crate::plan::cost::Bill;
use crate::plan::facts::{Facts, NodeFacts, named};
use crate::plan::refusal::Refusal;
use crate::plan::step::{Kind, Step};

/// What is done, in this order, and what is seen on the way.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// The steps.
    pub steps: Vec<Step>,
    /// What differs and is left as it is.
    pub drift: Vec<Drift>,
    /// What the cluster costs in a month once the plan was carried out, with the first choice of every new server.
    pub cost: Option<Money>,
}

impl Plan {
    /// As the contract of providers says it.
    pub fn told(&self) -> ClusterPlan {
        let changes = self.steps.iter().map(Step::change).collect();
        ClusterPlan { changes, monthly_cost: self.cost.clone() }
    }
}

/// A field of a resource that differs from the file, and is not changed because that would take the resource away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    /// What it is a field of.
    pub what: String,
    /// The field.
    pub field: &'static str,
    /// What it is.
    pub has: String,
    /// What the file says.
    pub wants: String,
}

impl std::fmt::Display for Drift {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} has {} {} where the file says {}", self.what, self.field, self.has, self.wants)
    }
}

/// The steps that make what is there as it is wanted, or everything that stands against it.
pub fn decide(want: &Blueprint, facts: &Facts) -> Result<Plan, Vec<Refusal>> {
    let mut decision = Decision { want, facts, plan: Plan::default(), refusals: Vec::new() };
    decision.places();
    decision.key();
    decision.network();
    decision.firewall();
    decision.groups();
    decision.balancer();
    decision.servers();
    decision.control_plane();
    decision.upgrades();
    decision.removals();
    decision.cost();
    if decision.refusals.is_empty() { Ok(decision.plan) } else { Err(decision.refusals) }
}

struct Decision<'a> {
    want: &'a Blueprint,
    facts: &'a Facts,
    plan: Plan,
    refusals: Vec<Refusal>,
}

/// How a name stands in the project.
enum Standing<'f, T> {
    Absent,
    Ours(&'f T),
    /// Refused already.
    Foreign,
}

impl<'a> Decision<'a> {
    fn step(&mut self, step: Step) {
        self.plan.steps.push(step);
    }

    fn standing<T: Resource>(&mut self, kind: Kind, name: &str, list: &'a [T]) -> Standing<'a, T> {
        match named(list, name) {
            None => Standing::Absent,
            Some(found) if owner::owns(&self.want.cluster, found) => Standing::Ours(found),
            Some(_) => {
                self.refusals.push(Refusal::Foreign { kind, name: name.to_owned() });
                Standing::Foreign
            }
        }
    }

    /// Adds a step where a resource of ours lacks a label, or has one that should be another. Labels that others added stay.
    fn relabel(&mut self, kind: Kind, resource: &impl Resource, wanted: &Labels) {
        let lacks = |(key, value): (&String, &String)| resource.labels().get(key) != Some(value);
        let unprotect =
            resource.labels().contains_key(owner::PROTECTED) && !wanted.contains_key(owner::PROTECTED);
        if wanted.iter().any(lacks) || unprotect {
            self.step(Step::Relabel { kind, name: resource.name().to_owned() });
        }
    }

    /// Locations and types that servers would be made of must exist, in one zone. What runs already may be of a type that is no longer offered.
    fn places(&mut self) {
        let missing =
            self.want.servers.iter().filter(|server| named(&self.facts.servers, &server.name).is_none());
        let (mut types, mut locations) = (BTreeSet::new(), BTreeSet::new());
        for server in missing {
            types.extend(&server.types);
            locations.extend(&server.locations);
        }
        if let Some(balancer) = &self.want.balancer {
            locations.insert(&balancer.location);
        }
        for kind in types {
            if !self.facts.types.iter().any(|known| known.name == *kind) {
                self.refusals.push(Refusal::UnknownType(kind.clone()));
            }
        }
        for location in &locations {
            if self.facts.zone(location).is_none() {
                self.refusals.push(Refusal::UnknownLocation((*location).clone()));
            }
        }
        let known = || locations.iter().filter_map(|location| Some((*location, self.facts.zone(location)?)));
        let home = self.zone();
        let other = known().find(|(_, zone)| home.as_ref().is_some_and(|(_, first)| first != zone));
        if let (Some((one, _)), Some((other, _))) = (home, other) {
            self.refusals.push(Refusal::Zones { one, other: other.clone() });
        }
    }

    /// The zone of the cluster, and a location in it: where its first master is wanted.
    fn zone(&self) -> Option<(String, String)> {
        let location = self.want.servers.first()?.locations.first()?;
        Some((location.clone(), self.facts.zone(location)?.to_owned()))
    }

    fn key(&mut self) {
        match &self.want.key {
            WantedKey::Existing(name) => {
                if named(&self.facts.keys, name).is_none() {
                    self.refusals.push(Refusal::Missing { kind: Kind::SshKey, name: name.clone() });
                }
            }
            WantedKey::Own { name, public_key } => {
                // The API takes a key once: under another name it is used as it is.
                if self
                    .facts
                    .keys
                    .iter()
                    .any(|known| same_key(&known.public_key, public_key) && known.name != *name)
                {
                    return;
                }
                match self.standing(Kind::SshKey, name, &self.facts.keys) {
                    Standing::Absent => {
                        self.step(Step::CreateKey { name: name.clone(), public_key: public_key.clone() });
                    }
                    Standing::Ours(found) => {
                        if !same_key(&found.public_key, public_key) {
                            self.drift("SSH key", name, "public key", "another", "that of `public_key_path`");
                        }
                        self.relabel(Kind::SshKey, found, &self.want.labels);
                    }
                    Standing::Foreign => {}
                }
            }
        }
    }

    fn network(&mut self) {
        match &self.want.network {
            WantedNetwork::Existing(name) => {
                if named(&self.facts.networks, name).is_none() {
                    self.refusals.push(Refusal::Missing { kind: Kind::Network, name: name.clone() });
                }
            }
            WantedNetwork::Own { name, range } => {
                match self.standing(Kind::Network, name, &self.facts.networks) {
                    Standing::Absent => {
                        let Some((_, zone)) = self.zone() else { return };
                        self.step(Step::CreateNetwork { name: name.clone(), range: range.clone(), zone });
                    }
                    Standing::Ours(found) => {
                        if found.ip_range != *range {
                            let (name, has, wants) = (name.clone(), found.ip_range.clone(), range.clone());
                            self.refusals.push(Refusal::NetworkRange { name, has, wants });
                        }
                        self.relabel(Kind::Network, found, &self.want.labels);
                    }
                    Standing::Foreign => {}
                }
            }
        }
    }

    fn firewall(&mut self) {
        let want = &self.want.firewall;
        let (name, selector) = (want.name.clone(), want.selector.clone());
        match self.standing(Kind::Firewall, &name, &self.facts.firewalls) {
            Standing::Absent => self.step(Step::CreateFirewall { name, rules: want.rules.clone(), selector }),
            Standing::Ours(found) => {
                let difference = firewall::difference(&found.rules, &want.rules);
                if !difference.is_none() {
                    let (added, removed) =
                        (difference.missing.len(), difference.foreign.len() + difference.unknown.len());
                    self.step(Step::SetRules {
                        name: name.clone(),
                        rules: want.rules.clone(),
                        added,
                        removed,
                    });
                }
                let is_on = |applied: &Applied| {
                    applied.label_selector.as_ref().is_some_and(|chosen| chosen.selector == selector)
                };
                if !found.applied_to.iter().any(is_on) {
                    self.step(Step::ApplyFirewall { name, selector });
                }
                self.relabel(Kind::Firewall, found, &self.want.labels);
            }
            Standing::Foreign => {}
        }
    }

    fn groups(&mut self) {
        for group in &self.want.groups {
            match self.standing(Kind::PlacementGroup, &group.name, &self.facts.groups) {
                Standing::Absent => self.step(Step::CreateGroup { name: group.name.clone() }),
                Standing::Ours(found) => self.relabel(Kind::PlacementGroup, found, &self.want.labels),
                Standing::Foreign => {}
            }
        }
    }

    fn balancer(&mut self) {
        let Some(want) = &self.want.balancer else { return };
        let (name, selector) = (want.name.clone(), want.selector.clone());
        let (mut attached, mut targeted) = (false, false);
        match self.standing(Kind::LoadBalancer, &name, &self.facts.balancers) {
            Standing::Absent => {
                let (kind, location) = (want.kind.clone(), want.location.clone());
                self.step(Step::CreateBalancer { name: name.clone(), kind, location });
            }
            Standing::Ours(found) => {
                attached = !found.private_net.is_empty();
                targeted = found.targets.iter().any(|target| {
                    target.label_selector.as_ref().is_some_and(|chosen| chosen.selector == selector)
                });
                if found.load_balancer_type.name != want.kind {
                    let has = found.load_balancer_type.name.clone();
                    self.drift("load balancer", &name, "type", &has, &want.kind);
                }
                self.relabel(Kind::LoadBalancer, found, &self.want.labels);
            }
            Standing::Foreign => return,
        }
        if !attached {
            self.step(Step::AttachBalancer { name: name.clone(), address: want.address });
        }
        if !targeted {
            self.step(Step::TargetBalancer { name, selector });
        }
    }

    fn servers(&mut self) {
        for server in &self.want.servers {
            match self.standing(Kind::Server, &server.name, &self.facts.servers) {
                Standing::Absent => self.create(server),
                Standing::Ours(found) => self.keep(server, found),
                Standing::Foreign => {}
            }
        }
    }

    fn create(&mut self, server: &WantedServer) {
        let name = server.name.clone();
        if self.node(&name).is_some() {
            self.step(Step::ForgetNode { name: name.clone(), role: server.role });
        }
        self.step(Step::CreateServer { name: name.clone(), candidates: self.candidates(server) });
        if server.address.is_some() {
            self.step(Step::AttachServer { name: name.clone(), address: server.address });
            self.step(Step::StartServer { name });
        }
    }

    /// What the API says to have, then the rest: it may say that there is none and be wrong.
    fn candidates(&self, server: &WantedServer) -> Vec<Candidate> {
        let is_there = |candidate: &Candidate| self.facts.in_stock(&candidate.kind, &candidate.location);
        let (there, gone): (Vec<_>, Vec<_>) = server.candidates().into_iter().partition(is_there);
        there.into_iter().chain(gone).collect()
    }

    fn keep(&mut self, want: &WantedServer, found: &Server) {
        let name = want.name.clone();
        let network = named(&self.facts.networks, self.want.network.name()).map(Resource::id);
        let is_attached = found.private_net.iter().any(|net| Some(net.network) == network);
        if !is_attached {
            self.step(Step::AttachServer { name: name.clone(), address: want.address });
        }
        // One that waits for its network was made to stand still until it has it.
        let waits = !is_attached && want.address.is_some();
        if found.status == ServerStatus::Off || waits {
            self.step(Step::StartServer { name });
        }
        let wanted = self.want.labels.iter().chain(&want.labels);
        let wanted = wanted.filter(|(key, _)| key.as_str() != owner::MADE_FROM);
        self.relabel(Kind::Server, found, &wanted.map(|(key, value)| (key.clone(), value.clone())).collect());
        self.server_drift(want, found);
    }

    fn server_drift(&mut self, want: &WantedServer, found: &Server) {
        let (kind, location) = (found.server_type.name.as_str(), found.location.name.as_str());
        if !want.types.iter().any(|wanted| wanted == kind) {
            self.drift("server", &want.name, "type", kind, &want.types.join(" or "));
        }
        if !want.locations.iter().any(|wanted| wanted == location) {
            self.drift("server", &want.name, "location", location, &want.locations.join(" or "));
        }
        if let Some(image) = found.image.as_ref().filter(|image| !image.is(&want.image)) {
            self.drift("server", &want.name, "image", &image.to_string(), &want.image);
        }
        let made_from = |labels: &Labels| labels.get(owner::MADE_FROM).cloned();
        if let (Some(has), Some(wants)) = (made_from(&found.labels), made_from(&want.labels))
            && has != wants
        {
            self.drift("server", &want.name, "set-up", &has, &wants);
        }
    }

    fn drift(&mut self, kind: &str, name: &str, field: &'static str, has: &str, wants: &str) {
        let what = format!("{kind} `{name}`");
        self.plan.drift.push(Drift { what, field, has: has.to_owned(), wants: wants.to_owned() });
    }

    /// Masters whose node is not there are founded or joined. What is published was founded: a control plane is never founded a second time.
    fn control_plane(&mut self) {
        let masters: Vec<String> = self.want.masters().map(|master| master.name.clone()).collect();
        let Some(nodes) = &self.facts.nodes else {
            for (at, server) in masters.into_iter().enumerate() {
                self.step(if at == 0 { Step::Found { server } } else { Step::Join { server } });
            }
            self.step(Step::Publish);
            return;
        };
        for server in masters {
            let is_there = named(&self.facts.servers, &server).is_some();
            if !is_there || !nodes.iter().any(|node| node.name == server) {
                self.step(Step::Join { server });
            }
        }
    }

    /// Masters before workers: a kubelet must not be newer than its API server (Kubernetes, "Version Skew Policy").
    fn upgrades(&mut self) {
        let wanted = self.want.release.clone();
        for server in &self.want.servers {
            let is_there = named(&self.facts.servers, &server.name).is_some();
            let Some(node) = self.node(&server.name).filter(|_| is_there) else { continue };
            if node.version == wanted || node.version.is_empty() {
                continue;
            }
            let (name, from) = (node.name.clone(), node.version.clone());
            match step_between(&from, &wanted) {
                Between::Up => self.step(Step::Upgrade { server: name, role: server.role, from }),
                Between::Down => {
                    self.refusals.push(Refusal::Downgrade { node: name, from, to: wanted.clone() });
                }
                Between::Skips => self.refusals.push(Refusal::SkipsMinor { from, to: wanted.clone() }),
            }
        }
    }

    fn node(&self, name: &str) -> Option<&'a NodeFacts> {
        self.facts.nodes.as_ref()?.iter().find(|node| node.name == name)
    }

    fn removals(&mut self) {
        let cluster = &self.want.cluster;
        let ours = self.facts.servers.iter().filter(|server| owner::may_remove(cluster, *server));
        let mut excess: Vec<&Server> =
            ours.filter(|found| !self.want.servers.iter().any(|want| want.name == found.name)).collect();
        // The last of a pool goes first.
        excess.sort_by(|one, other| other.name.cmp(&one.name));
        self.guard_quorum(&excess);
        // Workers first: what they run may go to others while all masters are there.
        let (masters, workers): (Vec<&Server>, Vec<&Server>) =
            excess.into_iter().partition(|server| is_master(server));
        for (role, servers) in [(Role::Worker, workers), (Role::Master, masters)] {
            for server in servers {
                self.step(Step::RemoveServer { name: server.name.clone(), role });
            }
        }
        let groups = unwanted(cluster, &self.facts.groups, |name| {
            self.want.groups.iter().any(|group| group.name == name)
        });
        let balancers = unwanted(cluster, &self.facts.balancers, |name| {
            self.want.balancer.as_ref().is_some_and(|balancer| balancer.name == name)
        });
        for (kind, names) in [(Kind::PlacementGroup, groups), (Kind::LoadBalancer, balancers)] {
            for name in names {
                self.step(Step::Remove { kind, name });
            }
        }
    }

    /// A master may go while all that remain are well: etcd then agrees with and without it.
    fn guard_quorum(&mut self, excess: &[&Server]) {
        let going = excess.iter().filter(|server| is_master(server)).count();
        if going == 0 {
            return;
        }
        // Who is well is not known where there is no way into the cluster: then no master may go.
        if self.facts.nodes.is_none() {
            self.refusals.push(Refusal::Quorum { ready: 0, all: self.want.masters().count() });
            return;
        }
        let staying: Vec<&WantedServer> = self.want.masters().collect();
        let present = staying.iter().filter(|master| self.node(&master.name).is_some()).count();
        if present == 0 {
            self.refusals.push(Refusal::LastMaster);
            return;
        }
        let ready =
            staying.iter().filter(|master| self.node(&master.name).is_some_and(|node| node.ready)).count();
        if ready < staying.len() {
            self.refusals.push(Refusal::Quorum { ready, all: staying.len() });
        }
    }

    fn cost(&mut self) {
        let mut bill = Bill::default();
        for want in &self.want.servers {
            if let Some(found) = named(&self.facts.servers, &want.name) {
                bill.server(&found.server_type.name, &found.location.name, want.public.0);
            } else if let Some(first) = self.candidates(want).first() {
                bill.server(&first.kind, &first.location, want.public.0);
            }
        }
        if let Some(balancer) = &self.want.balancer {
            bill.balancer(&balancer.kind, &balancer.location);
        }
        self.plan.cost = bill.total(self.facts);
        self.budget();
    }

    /// What it costs if every server that is made becomes the dearest of those it may be; none if a price is not known.
    fn most(&self) -> Option<Money> {
        let mut dearest = Bill::default();
        for want in &self.want.servers {
            let (kind, location) = match named(&self.facts.servers, &want.name) {
                Some(found) => (found.server_type.name.clone(), found.location.name.clone()),
                None => self.dearest(want)?,
            };
            dearest.server(&kind, &location, want.public.0);
        }
        if let Some(balancer) = &self.want.balancer {
            dearest.balancer(&balancer.kind, &balancer.location);
        }
        dearest.total(self.facts)
    }

    /// The type and location of a server that cost the most; what has no price is not sold.
    fn dearest(&self, want: &WantedServer) -> Option<(String, String)> {
        let priced = want.candidates().into_iter().filter_map(|candidate| {
            let mut bill = Bill::default();
            bill.server(&candidate.kind, &candidate.location, want.public.0);
            Some((bill.total(self.facts)?.cents, candidate))
        });
        priced.max_by_key(|(cents, _)| *cents).map(|(_, candidate)| (candidate.kind, candidate.location))
    }

    /// A plan that makes nothing may go on over the budget: it costs no more than before.
    fn budget(&mut self) {
        let Some(ceiling) = &self.want.ceiling else { return };
        let makes = |step: &Step| matches!(step, Step::CreateServer { .. } | Step::CreateBalancer { .. });
        if !self.plan.steps.iter().any(makes) {
            return;
        }
        let Some(cost) = self.most() else {
            self.refusals.push(Refusal::NoPrice { ceiling: ceiling.clone() });
            return;
        };
        if cost.currency != ceiling.currency {
            let (has, wants) = (cost.currency.clone(), ceiling.currency.clone());
            self.refusals.push(Refusal::Currency { has, wants });
        } else if cost.cents > ceiling.cents {
            self.refusals.push(Refusal::OverBudget { cost: cost.clone(), ceiling: ceiling.clone() });
        }
    }
}

fn is_master(server: &Server) -> bool {
    server.labels.get(owner::ROLE).is_some_and(|role| role == Role::Master.word())
}

fn unwanted<T: Resource>(cluster: &str, list: &[T], is_wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let ours = list.iter().filter(|resource| owner::may_remove(cluster, *resource));
    ours.map(Resource::name).filter(|name| !is_wanted(name)).map(str::to_owned).collect()
}

/// Whether two public keys are one: type and key count, the comment does not.
pub(crate) fn same_key(one: &str, other: &str) -> bool {
    let key = |text: &str| text.split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>();
    key(one) == key(other)
}

enum Between {
    Up,
    Down,
    Skips,
}

/// How far it is from one release of k3s to another, such as `v1.34.4+k3s1`.
fn step_between(from: &str, to: &str) -> Between {
    let (from, to) = (numbers(from), numbers(to));
    if to < from {
        return Between::Down;
    }
    let skips =
        from.first() != to.first() || to.get(1).copied().unwrap_or(0) > from.get(1).copied().unwrap_or(0) + 1;
    if skips { Between::Skips } else { Between::Up }
}

fn numbers(release: &str) -> Vec<u64> {
    release
        .split(|character: char| !character.is_ascii_digit())
        .filter_map(|part| part.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests;
