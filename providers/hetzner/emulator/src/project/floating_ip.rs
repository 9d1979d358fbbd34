//! Floating IPs: addresses that move from server to server.

use serde_json::{Value, json};

use super::public_address::{FAMILIES, Family, Naming, PublicAddress};
use super::table::{Meta, resource};
use super::volume::location_named;
use super::{Answer, Project, Renaming, refuse_protected};
use crate::actions::Start;
use crate::catalogue::Location;
use crate::form::{self, Body, Reference};
use crate::kind::{Id, Kind};
use crate::labels::Labels;
use crate::problem::Problem;
use crate::time::written;

/// An address of the project.
#[derive(Debug)]
pub(crate) struct FloatingIp {
    meta: Meta,
    description: Option<String>,
    address: PublicAddress,
    server: Option<Id>,
    home: &'static Location,
}

resource!(FloatingIp, FloatingIp, view);

fn view(floating: &FloatingIp, _project: &Project) -> Value {
    json!({
        "id": floating.meta.id,
        "name": floating.meta.name,
        "description": floating.description,
        "ip": floating.address.text(),
        "type": floating.address.word(),
        "server": floating.server,
        "dns_ptr": floating.address.names(),
        "home_location": floating.home.view(),
        "blocked": false,
        "protection": {"delete": floating.meta.protected},
        "labels": floating.meta.labels,
        "created": written(floating.meta.created),
    })
}

/// What `POST /floating_ips` asks for.
struct Wish {
    name: Option<String>,
    labels: Option<Labels>,
    description: Option<String>,
    family: Family,
    server: Option<Id>,
    home: Option<Reference>,
}

impl Project {
    pub(super) fn create_floating_ip(&mut self, body: &Body) -> Result<Answer, Problem> {
        let wish = form::read(body, |form| {
            let (server, home) = (form.number_or_none("server"), form.reference_or_none("home_location"));
            if server.is_none() && home.is_none() {
                form.problem("home_location", "is missing, and so is `server`");
            }
            Wish {
                name: form.text_or_none("name"),
                labels: form.labels(),
                description: form.text_or_none("description"),
                family: form.word("type", FAMILIES),
                server,
                home,
            }
        })?;
        let home = match (&wish.home, wish.server) {
            (Some(home), _) => location_named(home)?,
            (None, Some(server)) => self.servers.get(server)?.location,
            (None, None) => unreachable!("the form was refused"),
        };
        if let Some(name) = &wish.name {
            self.floating_ips.refuse_name(name, None)?;
        }
        let mut meta = self.meta(String::new(), wish.labels);
        meta.name = wish.name.unwrap_or_else(|| format!("floating-ip-{}", meta.id));
        let address = PublicAddress::new(&mut self.addresses, wish.family, None);
        let description = wish.description;
        let floating = FloatingIp { meta, description, address, server: wish.server, home };
        let id = self.floating_ips.insert(floating);
        let mut answer = json!({"floating_ip": self.view(Kind::FloatingIp, id)?});
        if let Some(server) = wish.server {
            let start = Start::new("assign_floating_ip", Kind::FloatingIp, id).with(Kind::Server, server);
            let action = self.start(start);
            answer["action"] = self.action_view(action);
        }
        Ok(Answer::created(answer))
    }

    pub(super) fn update_floating_ip(&mut self, id: Id, body: &Body) -> Result<Answer, Problem> {
        let (description, change) =
            form::read(body, |form| (form.text_or_none("description"), Renaming::read(form)))?;
        let floating = self.floating_ips.get_mut(id)?;
        floating.description = description.or_else(|| floating.description.clone());
        self.rename(change, id, |project| &mut project.floating_ips)
    }

    /// Since 2026-05-01 an address that is assigned stays.
    pub(super) fn delete_floating_ip(&mut self, id: Id) -> Result<Answer, Problem> {
        let floating = self.floating_ips.get(id)?;
        refuse_protected(floating)?;
        if floating.server.is_some() {
            return Err(Problem::refused("must_be_unassigned", "the floating IP is assigned to a server"));
        }
        if let Some(floating) = self.floating_ips.remove(id) {
            floating.address.release(&mut self.addresses);
        }
        Ok(Answer::empty())
    }

    pub(super) fn command_floating_ip(
        &mut self,
        id: Id,
        command: &str,
        body: &Body,
    ) -> Result<Answer, Problem> {
        match command {
            "change_protection" => self.protect(body, id, |project| &mut project.floating_ips),
            "assign" => {
                let server = form::read(body, |form| form.number("server"))?;
                self.servers.get(server)?;
                self.refuse_locked(Kind::FloatingIp, id)?;
                let start = Start::new("assign_floating_ip", Kind::FloatingIp, id).with(Kind::Server, server);
                Ok(self.started(start.then(move |project| {
                    let there = project.servers.contains(server).then_some(server);
                    project.floating_ips.change(id, |floating| floating.server = there);
                })))
            }
            "unassign" => {
                form::read(body, |_| ())?;
                self.refuse_locked(Kind::FloatingIp, id)?;
                let start = Start::new("unassign_floating_ip", Kind::FloatingIp, id);
                Ok(self.started(start.then(move |project| {
                    project.floating_ips.change(id, |floating| floating.server = None);
                })))
            }
            "change_dns_ptr" => {
                let naming = form::read(body, Naming::read)?;
                naming.find(std::iter::once(&self.floating_ips.get(id)?.address))?;
                let start = Start::new("change_dns_ptr", Kind::FloatingIp, id);
                Ok(self.started(start.then(move |project| {
                    project.floating_ips.change(id, |floating| floating.address.set_name(&naming));
                })))
            }
            _ => Err(Problem::no_such_path()),
        }
    }

    pub(super) fn floating_ips_of(&self, server: Id) -> Vec<Id> {
        self.floating_ips.ids(|floating| floating.server == Some(server))
    }

    pub(super) fn unassign_floating_ips(&mut self, server: Id) {
        for floating in self.floating_ips.iter_mut().filter(|floating| floating.server == Some(server)) {
            floating.server = None;
        }
    }
}
