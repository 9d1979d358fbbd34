//! Lists and single things of every kind, and of actions.

use serde_json::{Value, json};

use super::table::Resource as _;
use super::{Answer, Project};
use crate::catalogue;
use crate::kind::{Id, Kind};
use crate::problem::Problem;
use crate::query::{Listed, Query};

/// What a list of each kind can be asked for, as the API's reference has it.
const fn listed(kind: Kind) -> Listed {
    const NAMED: &[(&str, &str)] = &[("name", "name")];
    const USUAL_ORDER: &[&str] = &["id", "name", "created"];
    const SELECTED: &[&str] = &["label_selector"];
    let (filters, sort, others): (&'static [(&str, &str)], &'static [&str], &'static [&str]) = match kind {
        Kind::Certificate | Kind::PlacementGroup => {
            (&[("name", "name"), ("type", "type")], USUAL_ORDER, SELECTED)
        }
        Kind::Firewall | Kind::LoadBalancer | Kind::Network => (NAMED, USUAL_ORDER, SELECTED),
        Kind::FloatingIp => (NAMED, &["id", "created"], SELECTED),
        Kind::Image => (
            &[
                ("name", "name"),
                ("type", "type"),
                ("status", "status"),
                ("bound_to", "bound_to"),
                ("architecture", "architecture"),
            ],
            USUAL_ORDER,
            &["label_selector", "include_deprecated"],
        ),
        // The command line of Hetzner sorts these too, though the reference does not have it.
        Kind::Iso => (NAMED, &["id", "name"], &["architecture", "include_architecture_wildcard"]),
        Kind::LoadBalancerType | Kind::Location | Kind::ServerType => (NAMED, &["id", "name"], &[]),
        Kind::PrimaryIp => (&[("name", "name"), ("ip", "ip")], &["id", "created"], SELECTED),
        Kind::Server | Kind::Volume => (&[("name", "name"), ("status", "status")], USUAL_ORDER, SELECTED),
        Kind::SshKey => (&[("name", "name"), ("fingerprint", "fingerprint")], USUAL_ORDER, SELECTED),
    };
    Listed { filters, sort, others }
}

const ACTIONS: Listed = Listed {
    filters: &[("id", "id"), ("status", "status")],
    sort: &["id", "command", "status", "started", "finished"],
    others: &[],
};

impl Project {
    pub(crate) fn view(&self, kind: Kind, id: Id) -> Result<Value, Problem> {
        match kind {
            Kind::Certificate => self.certificates.get(id).map(|it| it.view(self)),
            Kind::Firewall => self.firewalls.get(id).map(|it| it.view(self)),
            Kind::FloatingIp => self.floating_ips.get(id).map(|it| it.view(self)),
            Kind::Image => self.images.get(id).map(|it| it.view(self)),
            Kind::LoadBalancer => self.load_balancers.get(id).map(|it| it.view(self)),
            Kind::Network => self.networks.get(id).map(|it| it.view(self)),
            Kind::PlacementGroup => self.placement_groups.get(id).map(|it| it.view(self)),
            Kind::PrimaryIp => self.primary_ips.get(id).map(|it| it.view(self)),
            Kind::Server => self.servers.get(id).map(|it| it.view(self)),
            Kind::SshKey => self.ssh_keys.get(id).map(|it| it.view(self)),
            Kind::Volume => self.volumes.get(id).map(|it| it.view(self)),
            Kind::Iso | Kind::LoadBalancerType | Kind::Location | Kind::ServerType => self
                .views(kind)
                .into_iter()
                .find(|view| view["id"] == id)
                .ok_or_else(|| Problem::not_found(kind, id)),
        }
    }

    fn views(&self, kind: Kind) -> Vec<Value> {
        match kind {
            Kind::Certificate => self.certificates.views(self),
            Kind::Firewall => self.firewalls.views(self),
            Kind::FloatingIp => self.floating_ips.views(self),
            Kind::Image => self.images.views(self),
            Kind::LoadBalancer => self.load_balancers.views(self),
            Kind::Network => self.networks.views(self),
            Kind::PlacementGroup => self.placement_groups.views(self),
            Kind::PrimaryIp => self.primary_ips.views(self),
            Kind::Server => self.servers.views(self),
            Kind::SshKey => self.ssh_keys.views(self),
            Kind::Volume => self.volumes.views(self),
            Kind::Iso => catalogue::isos(),
            Kind::LoadBalancerType => {
                catalogue::LOAD_BALANCER_TYPES.iter().map(catalogue::LoadBalancerType::view).collect()
            }
            Kind::Location => catalogue::LOCATIONS.iter().map(catalogue::Location::view).collect(),
            Kind::ServerType => {
                catalogue::SERVER_TYPES.iter().map(|it| it.view(self.now, &self.stock)).collect()
            }
        }
    }

    pub(super) fn list(&self, kind: Kind, query: &Query) -> Result<Answer, Problem> {
        let mut views = self.views(kind);
        match kind {
            Kind::Image if query.get("include_deprecated") != Some("true") => {
                views.retain(|image| image["deprecated"].is_null());
            }
            Kind::Iso => catalogue::keep_isos(&mut views, query),
            _ => {}
        }
        query.page(kind.plural(), views, listed(kind), self.setting.strictness).map(Answer::ok)
    }

    /// `GET /actions`: by IDs only. The list of all actions was removed from the API.
    pub(super) fn some_actions(&self, query: &Query) -> Result<Answer, Problem> {
        let mut ids = Vec::new();
        for id in query.all("id") {
            ids.push(id.parse::<Id>().map_err(|_| Problem::invalid_field("id", "must be a number"))?);
        }
        if ids.is_empty() {
            return Err(Problem::gone("actions are listed by their IDs, or of a resource"));
        }
        ids.sort_unstable();
        ids.dedup();
        let views = ids.into_iter().filter_map(|id| self.actions.view(id, self.now)).collect();
        query.page("actions", views, ACTIONS, self.setting.strictness).map(Answer::ok)
    }

    pub(super) fn action(&self, id: Id) -> Result<Answer, Problem> {
        let missing =
            || Problem::new(404, "not_found", format!("action with ID '{id}' not found"), Value::Null);
        self.actions.view(id, self.now).map(|view| Answer::ok(json!({"action": view}))).ok_or_else(missing)
    }

    pub(super) fn action_of(&self, kind: Kind, of: Option<Id>, id: Id) -> Result<Answer, Problem> {
        if !self.actions.is_about(id, kind, of) {
            return self.action(0);
        }
        self.action(id)
    }

    pub(super) fn list_actions(&self, kind: Kind, of: Option<Id>, query: &Query) -> Result<Answer, Problem> {
        let views = self.actions.views(kind, of, self.now);
        query.page("actions", views, ACTIONS, self.setting.strictness).map(Answer::ok)
    }
}
