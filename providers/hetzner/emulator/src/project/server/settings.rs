//! What can be switched, set and asked of a server beside its power.

use serde_json::json;

use super::{Server, password};
use crate::actions::Start;
use crate::catalogue;
use crate::form::{self, Body};
use crate::kind::{Id, Kind};
use crate::problem::Problem;
use crate::project::{Answer, Project};

/// When backups are made of servers whose backups are enabled.
const BACKUP_WINDOW: &str = "22-02";

impl Project {
    pub(super) fn set_server(&mut self, id: Id, command: &str, body: &Body) -> Result<Answer, Problem> {
        match command {
            "change_protection" => self.protect_server(id, body),
            "enable_rescue" => self.enable_rescue(id, body),
            "add_to_placement_group" => self.join_group(id, body),
            "attach_iso" => self.attach_iso(id, body),
            _ => {
                form::read(body, |_| ())?;
                self.switch(id, command)
            }
        }
    }

    /// Commands that are told nothing more.
    fn switch(&mut self, id: Id, command: &str) -> Result<Answer, Problem> {
        match command {
            "disable_rescue" => {
                refuse_unless(self.servers.get(id)?.rescue, "rescue mode is not enabled")?;
                Ok(self.set(id, "disable_rescue", |server| server.rescue = false))
            }
            "enable_backup" => Ok(self.set(id, "enable_backup", |server| {
                server.backup_window = Some(BACKUP_WINDOW.to_owned());
            })),
            "disable_backup" => {
                let start = Start::new("disable_backup", Kind::Server, id);
                Ok(self.started(start.then(move |project| {
                    project.delete_backups(id);
                    project.servers.change(id, |server| server.backup_window = None);
                })))
            }
            "detach_iso" => Ok(self.set(id, "detach_iso", |server| server.iso = None)),
            "remove_from_placement_group" => {
                refuse_unless(self.servers.get(id)?.group.is_some(), "the server is in no placement group")?;
                Ok(self.set(id, "remove_from_placement_group", |server| server.group = None))
            }
            "reset_password" => {
                let running = self.servers.get(id)?.status == super::Status::Running;
                refuse_unless(running, "the server is not running")?;
                let action = self.start(Start::new("reset_password", Kind::Server, id));
                let action = self.action_view(action);
                Ok(Answer::created(json!({"root_password": password(), "action": action})))
            }
            "request_console" => {
                let action = self.start(Start::new("request_console", Kind::Server, id).unlocked());
                Ok(Answer::created(json!({
                    "wss_url": format!("wss://console.invalid/?server_id={id}&token={}", password()),
                    "password": password(),
                    "action": self.action_view(action),
                })))
            }
            _ => Err(Problem::no_such_path()),
        }
    }

    fn protect_server(&mut self, id: Id, body: &Body) -> Result<Answer, Problem> {
        let (delete, rebuild) =
            form::read(body, |form| (form.flag_or_none("delete"), form.flag_or_none("rebuild")))?;
        Ok(self.set(id, "change_protection", move |server| {
            server.meta.protected = delete.unwrap_or(server.meta.protected);
            server.rebuild_protected = rebuild.unwrap_or(server.rebuild_protected);
        }))
    }

    fn enable_rescue(&mut self, id: Id, body: &Body) -> Result<Answer, Problem> {
        let keys = form::read(body, |form| {
            form.word_or_none("type", &[("linux64", ())]);
            form.references("ssh_keys")
        })?;
        self.public_keys(&keys)?;
        let start = Start::new("enable_rescue", Kind::Server, id);
        let start = start.then(move |project| project.servers.change(id, |server| server.rescue = true));
        let action = self.start(start);
        Ok(Answer::created(json!({"root_password": password(), "action": self.action_view(action)})))
    }

    fn join_group(&mut self, id: Id, body: &Body) -> Result<Answer, Problem> {
        let group = form::read(body, |form| form.number("placement_group"))?;
        if self.servers.get(id)?.group.is_some() {
            let message = "the server is already in a placement group";
            return Err(Problem::refused("already_in_placement_group", message));
        }
        self.refuse_full_group(group)?;
        self.refuse_running_server(id)?;
        let start = Start::new("add_to_placement_group", Kind::Server, id).with(Kind::PlacementGroup, group);
        Ok(self.started(start.then(move |project| {
            let there = project.placement_groups.contains(group).then_some(group);
            project.servers.change(id, |server| server.group = there);
        })))
    }

    fn attach_iso(&mut self, id: Id, body: &Body) -> Result<Answer, Problem> {
        let reference = form::read(body, |form| form.reference("iso"))?;
        let iso =
            catalogue::find_iso(&reference).ok_or_else(|| Problem::invalid_field("iso", "does not exist"))?;
        Ok(self.set(id, "attach_iso", |server| server.iso = Some(iso)))
    }

    /// Starts an action that sets something of the server.
    fn set(
        &mut self,
        id: Id,
        command: &'static str,
        set: impl FnOnce(&mut Server) + Send + 'static,
    ) -> Answer {
        let start = Start::new(command, Kind::Server, id);
        self.started(start.then(move |project| project.servers.change(id, set)))
    }
}

fn refuse_unless(holds: bool, message: &str) -> Result<(), Problem> {
    if holds { Ok(()) } else { Err(Problem::refused("service_error", message)) }
}
