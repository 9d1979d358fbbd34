//! Firewalls: rules, and the servers that they filter.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::table::{Meta, Resource as _, resource};
use super::{Answer, Project, new_name};
use crate::actions::Start;
use crate::address::is_range;
use crate::form::{self, Body, Form};
use crate::kind::{Id, Kind};
use crate::limits::{FIREWALLS, FIREWALLS_OF_A_SERVER, RANGES, RULES};
use crate::problem::Problem;
use crate::selector::Selector;
use crate::time::written;

/// Address ranges of all rules together.
const EFFECTIVE_RULES: usize = 500;

/// Rules for the public interfaces of servers.
#[derive(Debug)]
pub(crate) struct Firewall {
    meta: Meta,
    /// As answers show them.
    rules: Vec<Value>,
    /// Servers that were named.
    servers: BTreeSet<Id>,
    /// Selectors by their text.
    selectors: BTreeMap<String, Selector>,
    /// Servers on which it is in force.
    in_force: BTreeSet<Id>,
    /// Servers on which it is about to be.
    pending: BTreeSet<Id>,
}

resource!(Firewall, Firewall, view);

fn view(firewall: &Firewall, project: &Project) -> Value {
    let servers = firewall.servers.iter().map(|id| json!({"type": "server", "server": {"id": id}}));
    let selectors = firewall.selectors.iter().map(|(text, selector)| {
        let matched: Vec<Value> = project
            .selected(selector)
            .into_iter()
            .map(|id| json!({"type": "server", "server": {"id": id}}))
            .collect();
        json!({
            "type": "label_selector",
            "label_selector": {"selector": text},
            "applied_to_resources": matched,
        })
    });
    json!({
        "id": firewall.meta.id,
        "name": firewall.meta.name,
        "labels": firewall.meta.labels,
        "created": written(firewall.meta.created),
        "rules": firewall.rules,
        "applied_to": servers.chain(selectors).collect::<Vec<_>>(),
    })
}

/// What a firewall is applied to.
enum Target {
    Server(Id),
    Selector(String, Option<Selector>),
}

impl Target {
    fn read(form: &mut Form<'_>) -> Self {
        let server = form.within("server", |form| form.number("id"));
        let selector = form.within("label_selector", |form| form.text("selector"));
        if form.word("type", &[("server", true), ("label_selector", false)]) {
            return Self::Server(form.required("server", server).unwrap_or_default());
        }
        let text = form.required("label_selector", selector).unwrap_or_default();
        let parsed = Selector::parse(&text);
        if let Err(why) = &parsed {
            form.problem("label_selector", why);
        }
        Self::Selector(text, parsed.ok())
    }
}

/// One rule, as answers show it.
fn rule(form: &mut Form<'_>) -> Value {
    let direction = form.word("direction", &[("in", "in"), ("out", "out")]);
    let protocols = [("tcp", "tcp"), ("udp", "udp"), ("icmp", "icmp"), ("esp", "esp"), ("gre", "gre")];
    let protocol = form.word("protocol", &protocols);
    let port = form.text_or_none("port");
    match (&port, ["tcp", "udp"].contains(&protocol)) {
        (Some(port), true) if !is_port(port) => form.problem("port", "must be a port or a range of ports"),
        (None, true) => form.problem("port", "is missing"),
        (Some(_), false) => form.problem("port", "belongs to rules for tcp and udp only"),
        _ => {}
    }
    let sources = ranges(form, "source_ips", direction == "in");
    let destinations = ranges(form, "destination_ips", direction == "out");
    let description = form.text_or_none("description");
    if description.as_ref().is_some_and(|text| text.chars().count() > 255) {
        form.problem("description", "must not have more than 255 characters");
    }
    json!({
        "direction": direction,
        "protocol": protocol,
        "port": port,
        "source_ips": sources,
        "destination_ips": destinations,
        "description": description,
    })
}

/// The address ranges of a rule: those of its direction are needed, the others must not be there.
fn ranges<'a>(form: &mut Form<'a>, name: &'a str, needed: bool) -> Vec<String> {
    let ranges = form.texts(name).unwrap_or_default();
    match ranges.len() {
        0 if needed => form.problem(name, "is missing"),
        1.. if !needed => form.problem(name, "does not belong to rules of this direction"),
        count if count > RANGES => form.problem(name, "must not have more than 100 ranges"),
        _ => {}
    }
    for wrong in ranges.iter().filter(|range| !is_range(range)) {
        form.problem(name, format!("`{wrong}` is not the start of a CIDR block"));
    }
    let different: BTreeSet<_> = ranges.iter().collect();
    if different.len() < ranges.len() {
        form.problem(name, "has a range twice");
    }
    ranges
}

/// `80`, `80-85` or `any`
fn is_port(text: &str) -> bool {
    let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
    match text.split_once('-') {
        None => text == "any" || port(text).is_some(),
        Some((first, last)) => port(first).zip(port(last)).is_some_and(|(first, last)| first <= last),
    }
}

fn rules(form: &mut Form<'_>) -> Option<Vec<Value>> {
    let rules = form.each("rules", rule)?;
    let count = |rule: &Value, name: &str| rule[name].as_array().map_or(0, Vec::len);
    let effective: usize =
        rules.iter().map(|rule| count(rule, "source_ips") + count(rule, "destination_ips")).sum();
    if rules.len() > RULES {
        form.problem("rules", "must not be more than 50");
    }
    if effective > EFFECTIVE_RULES {
        form.problem("rules", "must not have more than 500 address ranges in all");
    }
    Some(rules)
}

impl Project {
    pub(super) fn create_firewall(&mut self, body: &Body) -> Result<Answer, Problem> {
        let (name, labels, rules, targets) = form::read(body, |form| {
            let targets = form.each("apply_to", Target::read).unwrap_or_default();
            (new_name(form), form.labels(), rules(form).unwrap_or_default(), targets)
        })?;
        self.firewalls.refuse_name(&name, None)?;
        if self.firewalls.len() >= FIREWALLS {
            return Err(Problem::limit("firewall_limit", "firewall limit reached"));
        }
        self.refuse_targets(&targets, 422)?;
        let firewall = Firewall {
            meta: self.meta(name, labels),
            rules,
            servers: BTreeSet::new(),
            selectors: BTreeMap::new(),
            in_force: BTreeSet::new(),
            pending: BTreeSet::new(),
        };
        let id = self.firewalls.insert(firewall);
        let start = Start::new("set_firewall_rules", Kind::Firewall, id).unlocked();
        let mut actions = vec![self.start(start)];
        self.add_targets(id, targets)?;
        actions.extend(self.spread_firewall(id));
        Ok(Answer::created(json!({
            "firewall": self.view(Kind::Firewall, id)?,
            "actions": self.action_views(&actions),
        })))
    }

    pub(super) fn delete_firewall(&mut self, id: Id) -> Result<Answer, Problem> {
        let firewall = self.firewalls.get(id)?;
        if !firewall.servers.is_empty() || !firewall.selectors.is_empty() {
            return Err(Problem::refused("resource_in_use", "the firewall is still applied to a resource"));
        }
        self.firewalls.remove(id);
        Ok(Answer::empty())
    }

    pub(super) fn command_firewall(&mut self, id: Id, command: &str, body: &Body) -> Result<Answer, Problem> {
        let actions = match command {
            "set_rules" => self.set_rules(id, body)?,
            "apply_to_resources" => {
                let targets = form::read(body, |form| {
                    let targets = form.each("apply_to", Target::read);
                    form.required("apply_to", targets).unwrap_or_default()
                })?;
                self.refuse_targets(&targets, 404)?;
                self.add_targets(id, targets)?;
                let actions = self.spread_firewall(id);
                // Applying again changes nothing, and is no error (since 2025-08-04).
                let nothing = Start::new("apply_firewall", Kind::Firewall, id).unlocked();
                if actions.is_empty() { vec![self.start(nothing)] } else { actions }
            }
            "remove_from_resources" => self.remove_from_resources(id, body)?,
            _ => return Err(Problem::no_such_path()),
        };
        Ok(Answer::created(json!({"actions": self.action_views(&actions)})))
    }

    fn set_rules(&mut self, id: Id, body: &Body) -> Result<Vec<Id>, Problem> {
        let rules = form::read(body, |form| {
            let rules = rules(form);
            form.required("rules", rules).unwrap_or_default()
        })?;
        let firewall = self.firewalls.get_mut(id)?;
        firewall.rules = rules;
        let servers: Vec<Id> = firewall.in_force.iter().copied().collect();
        let mut actions = vec![self.start(Start::new("set_firewall_rules", Kind::Firewall, id).unlocked())];
        for server in servers {
            actions.push(self.start(applying(id, server)));
        }
        Ok(actions)
    }

    fn remove_from_resources(&mut self, id: Id, body: &Body) -> Result<Vec<Id>, Problem> {
        let targets = form::read(body, |form| {
            let targets = form.each("remove_from", Target::read);
            form.required("remove_from", targets).unwrap_or_default()
        })?;
        let firewall = self.firewalls.get(id)?;
        for target in &targets {
            let Target::Server(server) = target else { continue };
            let server = self.servers.get(*server).map_err(|_| resource_missing(404))?;
            let selected = firewall.selectors.values().any(|it| it.matches(&server.meta.labels));
            if selected && !firewall.servers.contains(&server.id()) {
                let message = "the firewall is applied by a label selector";
                return Err(Problem::refused("firewall_managed_by_label_selector", message));
            }
        }
        let remove = |target| {
            let start = match &target {
                Target::Server(server) => {
                    Start::new("remove_firewall", Kind::Server, *server).with(Kind::Firewall, id)
                }
                Target::Selector(..) => Start::new("remove_firewall", Kind::Firewall, id),
            };
            self.start(start.unlocked().then(move |project| project.remove_target(id, &target)))
        };
        Ok(targets.into_iter().map(remove).collect())
    }

    fn remove_target(&mut self, id: Id, target: &Target) {
        self.firewalls.change(id, |firewall| match target {
            Target::Server(server) => {
                firewall.servers.remove(server);
            }
            Target::Selector(text, _) => {
                firewall.selectors.remove(text);
            }
        });
        self.spread_firewall(id);
    }

    fn refuse_targets(&self, targets: &[Target], status: u16) -> Result<(), Problem> {
        let mut named = BTreeSet::new();
        for target in targets {
            let Target::Server(id) = target else { continue };
            self.servers.get(*id).map_err(|_| resource_missing(status))?;
            self.refuse_private_only(*id)?;
            if !named.insert(id) {
                return Err(Problem::refused("server_already_added", "a server is named twice"));
            }
        }
        Ok(())
    }

    fn refuse_private_only(&self, server: Id) -> Result<(), Problem> {
        if self.has_public_interface(server) {
            return Ok(());
        }
        Err(Problem::refused("private_net_only_server", "the server has no public interface"))
    }

    fn add_targets(&mut self, id: Id, targets: Vec<Target>) -> Result<(), Problem> {
        for target in &targets {
            if let Target::Server(server) = target {
                self.refuse_more_firewalls(*server, &[id])?;
            }
        }
        self.firewalls.change(id, |firewall| {
            for target in targets {
                match target {
                    Target::Server(server) => {
                        firewall.servers.insert(server);
                    }
                    Target::Selector(text, Some(selector)) => drop(firewall.selectors.insert(text, selector)),
                    Target::Selector(_, None) => unreachable!("the form was refused"),
                }
            }
        });
        Ok(())
    }

    /// Refuses more firewalls than a server can have.
    pub(super) fn refuse_more_firewalls(&self, server: Id, more: &[Id]) -> Result<(), Problem> {
        let mut all: BTreeSet<Id> = self.firewalls_of(server).into_iter().map(|(id, _)| id).collect();
        all.extend(more);
        if all.len() > FIREWALLS_OF_A_SERVER {
            return Err(Problem::limit(
                "firewall_limit",
                "no more than 5 firewalls can be applied to a server",
            ));
        }
        Ok(())
    }

    /// Names a server that is being made. What becomes of it is seen when firewalls are spread.
    pub(super) fn add_to_firewall(&mut self, id: Id, server: Id) {
        self.firewalls.change(id, |firewall| {
            firewall.servers.insert(server);
        });
    }

    /// Brings all firewalls to where names and labels say, and returns what works on it.
    pub(super) fn spread_firewalls(&mut self) -> Vec<Id> {
        let all = self.firewalls.ids(|_| true);
        all.into_iter().flat_map(|id| self.spread_firewall(id)).collect()
    }

    /// Brings a firewall to the servers that are named or selected, and takes it from all others.
    fn spread_firewall(&mut self, id: Id) -> Vec<Id> {
        let Ok(firewall) = self.firewalls.get(id) else { return Vec::new() };
        let selected = firewall.selectors.values().flat_map(|selector| self.selected(selector));
        let wanted: BTreeSet<Id> = firewall.servers.iter().copied().chain(selected).collect();
        let known = |server: &&Id| firewall.in_force.contains(server) || firewall.pending.contains(server);
        let fresh: Vec<Id> = wanted.iter().filter(|server| !known(server)).copied().collect();
        self.firewalls.change(id, |firewall| {
            firewall.in_force.retain(|server| wanted.contains(server));
            firewall.pending.retain(|server| wanted.contains(server));
            firewall.pending.extend(&fresh);
        });
        fresh.into_iter().map(|server| self.start(applying(id, server))).collect()
    }

    /// Forgets a server that is gone.
    pub(super) fn leave_firewalls(&mut self, server: Id) {
        for firewall in self.firewalls.iter_mut() {
            firewall.servers.remove(&server);
            firewall.in_force.remove(&server);
            firewall.pending.remove(&server);
        }
    }

    /// The firewalls that filter a server, and whether each is in force yet.
    pub(super) fn firewalls_of(&self, server: Id) -> Vec<(Id, bool)> {
        let all = self.firewalls.iter();
        all.filter(|firewall| firewall.in_force.contains(&server) || firewall.pending.contains(&server))
            .map(|firewall| (firewall.id(), firewall.in_force.contains(&server)))
            .collect()
    }

    /// Servers with a public interface that a selector matches.
    fn selected(&self, selector: &Selector) -> Vec<Id> {
        self.servers
            .ids(|server| selector.matches(&server.meta.labels) && self.has_public_interface(server.id()))
    }
}

/// Puts a firewall in force on a server.
fn applying(id: Id, server: Id) -> Start {
    Start::new("apply_firewall", Kind::Server, server).with(Kind::Firewall, id).unlocked().then(
        move |project| {
            project.firewalls.change(id, |firewall| {
                if firewall.pending.remove(&server) {
                    firewall.in_force.insert(server);
                }
            });
        },
    )
}

fn resource_missing(status: u16) -> Problem {
    Problem::new(status, "firewall_resource_not_found", "the server does not exist", Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_single_or_ranges() {
        for good in ["80", "1-65535", "8080-8080", "any"] {
            assert!(is_port(good), "{good}");
        }
        for bad in ["", "0", "65536", "90-80", "80-", "http", "80,81"] {
            assert!(!is_port(bad), "{bad}");
        }
    }
}
