//! A project: everything that the API keeps, and what becomes of each request. It knows no HTTP.

mod certificate;
mod firewall;
mod floating_ip;
mod image;
mod lists;
mod load_balancer;
mod metrics;
mod network;
mod placement_group;
mod primary_ip;
mod public_address;
mod server;
mod ssh_key;
mod table;
mod volume;

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use self::certificate::Certificate;
use self::firewall::Firewall;
use self::floating_ip::FloatingIp;
use self::image::Image;
use self::load_balancer::LoadBalancer;
use self::network::Network;
use self::placement_group::PlacementGroup;
use self::primary_ip::PrimaryIp;
use self::server::Server;
use self::ssh_key::SshKey;
use self::table::{Meta, Resource, Table};
use self::volume::Volume;
use crate::actions::{Actions, Latencies, Start};
use crate::address::Addresses;
use crate::catalogue;
use crate::form::{self, Body, Form, Strictness};
use crate::kind::{Id, Kind};
use crate::labels::Labels;
use crate::limits::Limits;
use crate::machines::{MachineEvent, Machines};
use crate::problem::Problem;
use crate::query::Query;
use crate::route::Route;
use crate::stock::Stock;

/// What a request is answered with when nothing is wrong.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Option<Value>,
}

impl Answer {
    pub(crate) fn ok(body: Value) -> Self {
        Self { status: 200, body: Some(body) }
    }

    pub(crate) fn created(body: Value) -> Self {
        Self { status: 201, body: Some(body) }
    }

    pub(crate) fn empty() -> Self {
        Self { status: 204, body: None }
    }
}

/// What a project is made with.
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) limits: Limits,
    pub(crate) latencies: Latencies,
    pub(crate) strictness: Strictness,
    pub(crate) machines: Arc<dyn Machines>,
}

/// Everything that the API keeps.
pub(crate) struct Project {
    pub(crate) setting: Setting,
    /// When what is being done happens. Set before each request and before each end of an action.
    now: Timestamp,
    last_id: Id,
    pub(crate) actions: Actions,
    addresses: Addresses,
    pub(crate) stock: Stock,
    /// What machines have not been told yet.
    events: Vec<MachineEvent>,
    certificates: Table<Certificate>,
    firewalls: Table<Firewall>,
    floating_ips: Table<FloatingIp>,
    images: Table<Image>,
    load_balancers: Table<LoadBalancer>,
    networks: Table<Network>,
    placement_groups: Table<PlacementGroup>,
    primary_ips: Table<PrimaryIp>,
    servers: Table<Server>,
    ssh_keys: Table<SshKey>,
    volumes: Table<Volume>,
}

/// IDs of a project's own things begin here: those of the catalogue are below.
const FIRST_ID: Id = 1_000_000_000;

impl Project {
    pub(crate) fn new(setting: Setting, now: Timestamp) -> Self {
        Self {
            setting,
            now,
            last_id: FIRST_ID,
            actions: Actions::default(),
            addresses: Addresses::default(),
            stock: Stock::default(),
            events: Vec::new(),
            certificates: Table::default(),
            firewalls: Table::default(),
            floating_ips: Table::default(),
            images: image::stock_images(),
            load_balancers: Table::default(),
            networks: Table::default(),
            placement_groups: Table::default(),
            primary_ips: Table::default(),
            servers: Table::default(),
            ssh_keys: Table::default(),
            volumes: Table::default(),
        }
    }

    /// Lets everything happen that was to happen until `now`, in its order.
    pub(crate) fn settle(&mut self, now: Timestamp) {
        while let Some((when, ending, effect)) = self.actions.end_next(now) {
            self.now = when;
            effect(self, &ending);
        }
        self.now = now;
    }

    /// What machines are to be told.
    pub(crate) fn take_events(&mut self) -> Vec<MachineEvent> {
        std::mem::take(&mut self.events)
    }

    pub(crate) fn tell(&mut self, event: MachineEvent) {
        self.events.push(event);
    }

    /// Does what a request asks for.
    pub(crate) fn answer(&mut self, route: &Route, query: &Query, body: &[u8]) -> Result<Answer, Problem> {
        let strictness = self.setting.strictness;
        let body = || Body::parse(body, strictness);
        match route {
            Route::Pricing => Ok(Answer::ok(catalogue::pricing())),
            Route::SomeActions => self.some_actions(query),
            Route::Action(id) => self.action(*id),
            Route::List(kind) => self.list(*kind, query),
            Route::Create(kind) => self.create(*kind, &body()?),
            Route::Get(kind, id) => Ok(Answer::ok(json!({kind.singular(): self.view(*kind, *id)?}))),
            Route::Update(kind, id) => self.update(*kind, *id, &body()?),
            Route::Delete(kind, id) => self.delete(*kind, *id),
            Route::ActionsOfKind(kind) => self.list_actions(*kind, None, query),
            Route::ActionsOf(kind, id) => {
                self.view(*kind, *id)?;
                self.list_actions(*kind, Some(*id), query)
            }
            Route::ActionOf(kind, id, action) => self.action_of(*kind, *id, *action),
            Route::Command(kind, id, command) => self.command(*kind, *id, command, &body()?),
            Route::Members(network) => self.members_of_network(*network, query),
            Route::Metrics(kind, id) => {
                self.view(*kind, *id)?;
                metrics::answer(*kind, query, self.now)
            }
        }
    }

    fn create(&mut self, kind: Kind, body: &Body) -> Result<Answer, Problem> {
        match kind {
            Kind::Certificate => self.create_certificate(body),
            Kind::Firewall => self.create_firewall(body),
            Kind::FloatingIp => self.create_floating_ip(body),
            Kind::LoadBalancer => self.create_load_balancer(body),
            Kind::Network => self.create_network(body),
            Kind::PlacementGroup => self.create_placement_group(body),
            Kind::PrimaryIp => self.create_primary_ip(body),
            Kind::Server => self.create_server(body),
            Kind::SshKey => self.create_ssh_key(body),
            Kind::Volume => self.create_volume(body),
            Kind::Image | Kind::Iso | Kind::LoadBalancerType | Kind::Location | Kind::ServerType => {
                Err(Problem::method_not_allowed())
            }
        }
    }

    fn update(&mut self, kind: Kind, id: Id, body: &Body) -> Result<Answer, Problem> {
        match kind {
            Kind::Certificate => self.update_named(body, id, |project| &mut project.certificates),
            Kind::Firewall => self.update_named(body, id, |project| &mut project.firewalls),
            Kind::FloatingIp => self.update_floating_ip(id, body),
            Kind::Image => self.update_image(id, body),
            Kind::LoadBalancer => self.update_named(body, id, |project| &mut project.load_balancers),
            Kind::Network => self.update_network(id, body),
            Kind::PlacementGroup => self.update_named(body, id, |project| &mut project.placement_groups),
            Kind::PrimaryIp => self.update_primary_ip(id, body),
            Kind::Server => self.update_server(id, body),
            Kind::SshKey => self.update_named(body, id, |project| &mut project.ssh_keys),
            Kind::Volume => self.update_named(body, id, |project| &mut project.volumes),
            Kind::Iso | Kind::LoadBalancerType | Kind::Location | Kind::ServerType => {
                Err(Problem::method_not_allowed())
            }
        }
    }

    fn delete(&mut self, kind: Kind, id: Id) -> Result<Answer, Problem> {
        match kind {
            Kind::Certificate => self.delete_certificate(id),
            Kind::Firewall => self.delete_firewall(id),
            Kind::FloatingIp => self.delete_floating_ip(id),
            Kind::Image => self.delete_image(id),
            Kind::LoadBalancer => self.delete_load_balancer(id),
            Kind::Network => self.delete_network(id),
            Kind::PlacementGroup => self.delete_placement_group(id),
            Kind::PrimaryIp => self.delete_primary_ip(id),
            Kind::Server => self.delete_server(id),
            Kind::SshKey => self.delete_ssh_key(id),
            Kind::Volume => self.delete_volume(id),
            Kind::Iso | Kind::LoadBalancerType | Kind::Location | Kind::ServerType => {
                Err(Problem::method_not_allowed())
            }
        }
    }

    fn command(&mut self, kind: Kind, id: Id, command: &str, body: &Body) -> Result<Answer, Problem> {
        self.view(kind, id)?;
        match kind {
            Kind::Certificate => self.command_certificate(id, command, body),
            Kind::Firewall => self.command_firewall(id, command, body),
            Kind::FloatingIp => self.command_floating_ip(id, command, body),
            Kind::Image => self.command_image(id, command, body),
            Kind::LoadBalancer => self.command_load_balancer(id, command, body),
            Kind::Network => self.command_network(id, command, body),
            Kind::PrimaryIp => self.command_primary_ip(id, command, body),
            Kind::Server => self.command_server(id, command, body),
            Kind::Volume => self.command_volume(id, command, body),
            _ => Err(Problem::no_such_path()),
        }
    }

    // What the kinds share.

    fn next_id(&mut self) -> Id {
        self.last_id += 1;
        self.last_id
    }

    fn meta(&mut self, name: String, labels: Option<Labels>) -> Meta {
        let id = self.next_id();
        Meta { id, name, labels: labels.unwrap_or_default(), created: self.now, protected: false }
    }

    fn start(&mut self, start: Start) -> Id {
        let id = self.next_id();
        self.actions.start(id, start, self.now, &self.setting.latencies);
        id
    }

    fn action_view(&self, id: Id) -> Value {
        self.actions.view(id, self.now).expect("an action that was started is kept")
    }

    fn action_views(&self, ids: &[Id]) -> Vec<Value> {
        ids.iter().map(|id| self.action_view(*id)).collect()
    }

    /// Starts an action, and answers with it.
    fn started(&mut self, start: Start) -> Answer {
        let action = self.start(start);
        Answer::created(json!({"action": self.action_view(action)}))
    }

    fn refuse_locked(&self, kind: Kind, id: Id) -> Result<(), Problem> {
        if self.actions.locks(kind, id) { Err(Problem::locked(kind, id)) } else { Ok(()) }
    }

    /// Sets name and labels, as most kinds can be changed.
    fn update_named<R: Resource>(
        &mut self,
        body: &Body,
        id: Id,
        table: impl Fn(&mut Self) -> &mut Table<R>,
    ) -> Result<Answer, Problem> {
        let change = form::read(body, Renaming::read)?;
        self.rename(change, id, table)
    }

    fn rename<R: Resource>(
        &mut self,
        change: Renaming,
        id: Id,
        table: impl Fn(&mut Self) -> &mut Table<R>,
    ) -> Result<Answer, Problem> {
        let table_of = table(self);
        table_of.get(id)?;
        if let Some(name) = &change.name {
            table_of.refuse_name(name, Some(id))?;
        }
        let meta = table_of.get_mut(id)?.meta_mut();
        meta.name = change.name.unwrap_or_else(|| meta.name.clone());
        // The whole map, never one label of it.
        meta.labels = change.labels.unwrap_or_else(|| meta.labels.clone());
        Ok(Answer::ok(json!({R::KIND.singular(): self.view(R::KIND, id)?})))
    }

    /// `change_protection` of kinds that are protected from deletion only.
    fn protect<R: Resource>(
        &mut self,
        body: &Body,
        id: Id,
        table: impl Fn(&mut Self) -> &mut Table<R> + Send + 'static,
    ) -> Result<Answer, Problem> {
        let protected = form::read(body, |form| form.flag_or_none("delete"))?;
        let start = Start::new("change_protection", R::KIND, id).then(move |project| {
            table(project).change(id, |resource| {
                let meta = resource.meta_mut();
                meta.protected = protected.unwrap_or(meta.protected);
            });
        });
        Ok(self.started(start))
    }
}

/// Refuses to delete what is protected.
fn refuse_protected<R: Resource>(resource: &R) -> Result<(), Problem> {
    if resource.meta().protected { Err(Problem::protected(R::KIND, resource.id())) } else { Ok(()) }
}

/// What `PUT` changes of most kinds.
pub(crate) struct Renaming {
    name: Option<String>,
    labels: Option<Labels>,
}

impl Renaming {
    pub(crate) fn read(form: &mut Form<'_>) -> Self {
        let name = form.text_or_none("name");
        if name.as_deref() == Some("") {
            form.problem("name", "must not be empty");
        }
        Self { name, labels: form.labels() }
    }
}

/// The name of a new resource.
fn new_name(form: &mut Form<'_>) -> String {
    let name = form.text("name");
    if form.has("name") && (name.is_empty() || name.len() > 128) {
        form.problem("name", "must have 1 to 128 characters");
    }
    name
}
