//! Primary IPs: the addresses of servers' public interfaces. Each server that is made gets its own, unless it is told to take others.

use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::public_address::{FAMILIES, Family, Naming, PublicAddress};
use super::server::Status;
use super::table::{Meta, Resource as _, resource};
use super::volume::location_named;
use super::{Answer, Project, Renaming, new_name, refuse_protected};
use crate::actions::Start;
use crate::catalogue::Location;
use crate::form::{self, Body, Reference};
use crate::kind::{Id, Kind};
use crate::labels::Labels;
use crate::problem::Problem;
use crate::time::written;

/// An address that a server has, or may have.
#[derive(Debug)]
pub(crate) struct PrimaryIp {
    meta: Meta,
    pub(super) address: PublicAddress,
    location: &'static Location,
    pub(super) server: Option<Id>,
    auto_delete: bool,
}

resource!(PrimaryIp, PrimaryIp, view);

fn view(primary: &PrimaryIp, _project: &Project) -> Value {
    json!({
        "id": primary.meta.id,
        "name": primary.meta.name,
        "labels": primary.meta.labels,
        "created": written(primary.meta.created),
        "blocked": false,
        "location": primary.location.view(),
        "ip": primary.address.text(),
        "dns_ptr": primary.address.names(),
        "protection": {"delete": primary.meta.protected},
        "type": primary.address.word(),
        "auto_delete": primary.auto_delete,
        // `unassigned` since 2026-08-01.
        "assignee_type": if primary.server.is_some() { "server" } else { "unassigned" },
        "assignee_id": primary.server,
    })
}

/// What `POST /primary_ips` asks for.
struct Wish {
    name: String,
    labels: Option<Labels>,
    family: Family,
    location: Option<Reference>,
    server: Option<Id>,
    auto_delete: bool,
}

impl Wish {
    fn read(form: &mut form::Form<'_>) -> Self {
        form.word_or_none("assignee_type", &[("server", ()), ("unassigned", ())]);
        let (location, server) = (form.reference_or_none("location"), form.number_or_none("assignee_id"));
        match (&location, server) {
            (Some(_), Some(_)) => form.problem("location", "must not be named beside `assignee_id`"),
            (None, None) => form.problem("location", "is missing, and so is `assignee_id`"),
            _ => {}
        }
        Self {
            name: new_name(form),
            labels: form.labels(),
            family: form.word("type", FAMILIES),
            location,
            server,
            auto_delete: form.flag_or_none("auto_delete").unwrap_or_default(),
        }
    }
}

impl Project {
    pub(super) fn create_primary_ip(&mut self, body: &Body) -> Result<Answer, Problem> {
        let wish = form::read(body, Wish::read)?;
        self.primary_ips.refuse_name(&wish.name, None)?;
        let location = match (&wish.location, wish.server) {
            (Some(location), _) => location_named(location)?,
            (None, Some(server)) => {
                self.refuse_unready_server(server, wish.family)?;
                self.servers.get(server)?.location
            }
            (None, None) => unreachable!("the form was refused"),
        };
        let meta = self.meta(wish.name, wish.labels);
        let address = PublicAddress::new(&mut self.addresses, wish.family, None);
        let (server, auto_delete) = (wish.server, wish.auto_delete);
        let id = self.primary_ips.insert(PrimaryIp { meta, address, location, server, auto_delete });
        let mut answer = json!({"primary_ip": self.view(Kind::PrimaryIp, id)?});
        if let Some(server) = server {
            let start = Start::new("assign_primary_ip", Kind::PrimaryIp, id).with(Kind::Server, server);
            let action = self.start(start);
            answer["action"] = self.action_view(action);
        }
        Ok(Answer::created(answer))
    }

    /// The address that a new server gets when it is not told which.
    pub(super) fn new_primary_ip(
        &mut self,
        family: Family,
        server: Id,
        location: &'static Location,
        wish: Option<Ipv4Addr>,
    ) {
        let mut meta = self.meta(String::new(), None);
        meta.name = format!("primary_ip-{}", meta.id);
        let address = PublicAddress::new(&mut self.addresses, family, wish);
        let server = Some(server);
        self.primary_ips.insert(PrimaryIp { meta, address, location, server, auto_delete: true });
    }

    /// Refuses an address that a new server cannot have.
    pub(super) fn refuse_primary_ip(
        &self,
        id: Id,
        family: Family,
        location: &Location,
    ) -> Result<(), Problem> {
        let primary = self.primary_ips.get(id)?;
        if primary.address.family() != family {
            return Err(Problem::precondition(
                "primary_ip_version_mismatch",
                "the primary IP has the wrong version",
            ));
        }
        if primary.server.is_some() {
            return Err(Problem::refused("primary_ip_assigned", "the primary IP is assigned to a server"));
        }
        if primary.location != location {
            let message = "the primary IP is in another location";
            return Err(Problem::refused("primary_ip_datacenter_mismatch", message));
        }
        Ok(())
    }

    pub(super) fn update_primary_ip(&mut self, id: Id, body: &Body) -> Result<Answer, Problem> {
        let (auto_delete, change) =
            form::read(body, |form| (form.flag_or_none("auto_delete"), Renaming::read(form)))?;
        let primary = self.primary_ips.get_mut(id)?;
        primary.auto_delete = auto_delete.unwrap_or(primary.auto_delete);
        self.rename(change, id, |project| &mut project.primary_ips)
    }

    /// Since 2026-05-01 an address that is assigned stays.
    pub(super) fn delete_primary_ip(&mut self, id: Id) -> Result<Answer, Problem> {
        let primary = self.primary_ips.get(id)?;
        refuse_protected(primary)?;
        if primary.server.is_some() {
            return Err(Problem::refused("must_be_unassigned", "the primary IP is assigned to a server"));
        }
        self.forget_primary_ip(id);
        Ok(Answer::empty())
    }

    fn forget_primary_ip(&mut self, id: Id) {
        if let Some(primary) = self.primary_ips.remove(id) {
            primary.address.release(&mut self.addresses);
        }
    }

    pub(super) fn command_primary_ip(
        &mut self,
        id: Id,
        command: &str,
        body: &Body,
    ) -> Result<Answer, Problem> {
        match command {
            "change_protection" => self.protect(body, id, |project| &mut project.primary_ips),
            "assign" => self.assign_primary_ip(id, body),
            "unassign" => self.unassign_primary_ip(id, body),
            "change_dns_ptr" => {
                let naming = form::read(body, Naming::read)?;
                naming.find(std::iter::once(&self.primary_ips.get(id)?.address))?;
                let start = Start::new("change_dns_ptr", Kind::PrimaryIp, id);
                Ok(self.started(start.then(move |project| {
                    project.primary_ips.change(id, |primary| primary.address.set_name(&naming));
                })))
            }
            _ => Err(Problem::no_such_path()),
        }
    }

    fn assign_primary_ip(&mut self, id: Id, body: &Body) -> Result<Answer, Problem> {
        let server = form::read(body, |form| {
            form.word("assignee_type", &[("server", ())]);
            form.number("assignee_id")
        })?;
        let primary = self.primary_ips.get(id)?;
        if primary.server.is_some() {
            let message = "the primary IP is assigned to another server";
            return Err(Problem::refused("primary_ip_already_assigned", message));
        }
        if primary.location != self.servers.get(server)?.location {
            return Err(Problem::invalid_field("assignee_id", "is in another location than the primary IP"));
        }
        self.refuse_unready_server(server, primary.address.family())?;
        let start = Start::new("assign_primary_ip", Kind::PrimaryIp, id).with(Kind::Server, server);
        Ok(self.started(start.then(move |project| {
            if project.servers.contains(server) {
                project.primary_ips.change(id, |primary| primary.server = Some(server));
            }
        })))
    }

    fn unassign_primary_ip(&mut self, id: Id, body: &Body) -> Result<Answer, Problem> {
        form::read(body, |_| ())?;
        let Some(server) = self.primary_ips.get(id)?.server else {
            return Err(Problem::refused("service_error", "the primary IP is not assigned"));
        };
        self.refuse_running_server(server)?;
        let start = Start::new("unassign_primary_ip", Kind::PrimaryIp, id).with(Kind::Server, server);
        Ok(self.started(start.then(move |project| {
            project.primary_ips.change(id, |primary| primary.server = None);
        })))
    }

    /// Refuses a server that cannot be given an address of a family now.
    fn refuse_unready_server(&self, server: Id, family: Family) -> Result<(), Problem> {
        self.refuse_running_server(server)?;
        match (self.primary_ip_of(server, family), family) {
            (None, _) => Ok(()),
            (Some(_), Family::V4) => {
                Err(Problem::refused("server_has_ipv4", "the server has an IPv4 address"))
            }
            (Some(_), Family::V6) => {
                Err(Problem::refused("server_has_ipv6", "the server has an IPv6 address"))
            }
        }
    }

    pub(super) fn refuse_running_server(&self, server: Id) -> Result<(), Problem> {
        if self.servers.get(server)?.status == Status::Off {
            return Ok(());
        }
        Err(Problem::refused("server_not_stopped", "the server must be powered off"))
    }

    pub(super) fn primary_ip_of(&self, server: Id, family: Family) -> Option<&PrimaryIp> {
        let mut assigned = self.primary_ips.iter().filter(|primary| primary.server == Some(server));
        assigned.find(|primary| primary.address.family() == family)
    }

    /// What becomes of a server's addresses when it goes.
    pub(super) fn leave_primary_ips(&mut self, server: Id) {
        let of_server = self.primary_ips.iter().filter(|primary| primary.server == Some(server));
        let leaving: Vec<(Id, bool)> = of_server.map(|primary| (primary.id(), primary.auto_delete)).collect();
        for (id, goes) in leaving {
            if goes {
                self.forget_primary_ip(id);
            } else {
                self.primary_ips.change(id, |primary| primary.server = None);
            }
        }
    }
}
