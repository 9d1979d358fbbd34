//! Power, and what writes a server's disk anew.

use serde_json::json;

use super::{Status, password};
use crate::actions::{Ending, Start};
use crate::form::{self, Body};
use crate::kind::{Id, Kind};
use crate::machines::MachineEvent;
use crate::problem::Problem;
use crate::project::{Answer, Project};

impl Project {
    /// `poweron`, `poweroff`, `shutdown`, `reboot` and `reset`
    pub(super) fn power(&mut self, id: Id, command: &str) -> Result<Answer, Problem> {
        let before = self.servers.get(id)?.status;
        if command != "poweron" && command != "poweroff" && before != Status::Running {
            return Err(Problem::refused("service_error", "the server is not running"));
        }
        let (name, meanwhile, afterwards) = match command {
            "poweron" => ("start_server", Status::Starting, Status::Running),
            "poweroff" => ("stop_server", Status::Stopping, Status::Off),
            "shutdown" => ("shutdown_server", Status::Stopping, Status::Off),
            "reboot" => ("reboot_server", Status::Running, Status::Running),
            _ => ("reset_server", Status::Running, Status::Running),
        };
        let start = Start::new(name, Kind::Server, id);
        // What is so already stays so: nothing is started or stopped twice.
        if before == afterwards && meanwhile != afterwards {
            return Ok(self.started(start));
        }
        self.servers.change(id, |server| server.status = meanwhile);
        let restarts = meanwhile == Status::Running;
        Ok(self.started(start.finally(move |project, ending| {
            if *ending != Ending::Success {
                project.servers.change(id, |server| server.status = before);
                return;
            }
            if restarts {
                project.tell(MachineEvent::Stopped { id });
            }
            project.servers.change(id, |server| server.rescue = server.rescue && afterwards == Status::Off);
            project.set_status(id, afterwards);
        })))
    }

    /// Writes the disk anew. A server that runs is stopped first, and runs afterwards.
    pub(super) fn rebuild_server(&mut self, id: Id, body: &Body) -> Result<Answer, Problem> {
        let (image, user_data) =
            form::read(body, |form| (form.reference("image"), form.text_or_none("user_data")))?;
        let server = self.servers.get(id)?;
        if server.rebuild_protected {
            return Err(Problem::protected(Kind::Server, id));
        }
        let image = self.image_for(&image, server.kind.architecture())?;
        let root_password = server.ssh_keys.is_empty().then(password);
        if server.status == Status::Running {
            self.tell(MachineEvent::Stopped { id });
        }
        self.servers.change(id, |server| server.status = Status::Rebuilding);
        let start = Start::new("rebuild_server", Kind::Server, id).with(Kind::Image, image);
        let action = self.start(start.finally(move |project, ending| {
            if *ending != Ending::Success {
                project.set_status(id, Status::Off);
                return;
            }
            project.servers.change(id, |server| {
                server.image = Some(image);
                server.user_data = user_data.or_else(|| server.user_data.take());
            });
            if let Some(machine) = project.machine(id) {
                project.tell(MachineEvent::Rebuilt(machine));
            }
            project.set_status(id, Status::Running);
        }));
        Ok(Answer::created(json!({"action": self.action_view(action), "root_password": root_password})))
    }

    /// Moves a server that is off to another type, and starts it.
    pub(super) fn change_server_type(&mut self, id: Id, body: &Body) -> Result<Answer, Problem> {
        let (reference, grows) =
            form::read(body, |form| (form.reference("server_type"), form.flag("upgrade_disk")))?;
        let kind = self.server_type(&reference)?;
        self.refuse_running_server(id)?;
        let server = self.servers.get(id)?;
        let fits = kind.architecture() == server.kind.architecture()
            && kind.is_in(server.location)
            && kind.disk >= server.disk
            && kind.id != server.kind.id;
        if !fits {
            let message = "the server type does not fit: architecture, location, disk, or the same";
            return Err(Problem::refused("invalid_server_type", message));
        }
        if !self.stock.take(kind.name, server.location.name) {
            return Err(Problem::precondition("resource_unavailable", "the server type is not available"));
        }
        self.servers.change(id, |server| server.status = Status::Migrating);
        let start = Start::new("change_server_type", Kind::Server, id);
        Ok(self.started(start.finally(move |project, ending| {
            if *ending != Ending::Success {
                project.set_status(id, Status::Off);
                return;
            }
            project.servers.change(id, |server| {
                server.kind = kind;
                server.disk = if grows { kind.disk } else { server.disk };
            });
            project.set_status(id, Status::Running);
        })))
    }
}
