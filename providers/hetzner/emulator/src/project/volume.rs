//! Volumes: disks that are attached to servers.

use serde_json::{Value, json};

use super::table::{Meta, resource};
use super::{Answer, Project, new_name, refuse_protected};
use crate::actions::Start;
use crate::catalogue::{self, LOCATIONS, Location};
use crate::form::{self, Body, Reference};
use crate::kind::{Id, Kind};
use crate::labels::Labels;
use crate::limits::{VOLUME_SIZE, VOLUMES_OF_A_SERVER};
use crate::problem::Problem;
use crate::time::written;

/// A disk of a location.
#[derive(Debug)]
pub(crate) struct Volume {
    pub(super) meta: Meta,
    pub(super) server: Option<Id>,
    location: &'static Location,
    /// In gigabytes.
    size: u64,
    format: Option<&'static str>,
    ready: bool,
}

resource!(Volume, Volume, view);

fn view(volume: &Volume, _project: &Project) -> Value {
    json!({
        "id": volume.meta.id,
        "name": volume.meta.name,
        "created": written(volume.meta.created),
        "server": volume.server,
        "location": volume.location.view(),
        "size": volume.size,
        "linux_device": format!("/dev/disk/by-id/scsi-0HC_Volume_{}", volume.meta.id),
        "protection": {"delete": volume.meta.protected},
        "labels": volume.meta.labels,
        "status": if volume.ready { "available" } else { "creating" },
        "format": volume.format,
    })
}

/// What `POST /volumes` asks for.
struct Wish {
    name: String,
    labels: Option<Labels>,
    size: u64,
    format: Option<&'static str>,
    location: Option<Reference>,
    server: Option<Id>,
}

impl Project {
    pub(super) fn create_volume(&mut self, body: &Body) -> Result<Answer, Problem> {
        let wish = form::read(body, |form| {
            let (name, labels, size) = (new_name(form), form.labels(), form.number("size"));
            if form.has("size") && !VOLUME_SIZE.contains(&size) {
                form.problem("size", "must be from 10 to 10240 gigabytes");
            }
            let automount = form.flag_or_none("automount").unwrap_or_default();
            let format = form.word_or_none("format", &[("ext4", "ext4"), ("xfs", "xfs")]);
            let (location, server) = (form.reference_or_none("location"), form.number_or_none("server"));
            match (&location, server) {
                (Some(_), Some(_)) => form.problem("location", "must not be named beside `server`"),
                (None, None) => form.problem("location", "is missing, and so is `server`"),
                (Some(_), None) if automount => form.problem("automount", "needs a server"),
                _ => {}
            }
            Wish { name, labels, size, format, location, server }
        })?;
        self.volumes.refuse_name(&wish.name, None)?;
        let location = match (wish.server, &wish.location) {
            (Some(server), _) => self.servers.get(server)?.location,
            (None, Some(wish)) => location_named(wish)?,
            (None, None) => unreachable!("the form was refused"),
        };
        if let Some(server) = wish.server {
            self.refuse_locked(Kind::Server, server)?;
            self.refuse_more_volumes(server, 1)?;
        }
        self.insert_volume(wish, location)
    }

    fn insert_volume(&mut self, wish: Wish, location: &'static Location) -> Result<Answer, Problem> {
        let meta = self.meta(wish.name, wish.labels);
        let (size, format) = (wish.size, wish.format);
        let id = self.volumes.insert(Volume { meta, server: None, location, size, format, ready: false });
        let create = Start::new("create_volume", Kind::Volume, id)
            .then(move |project| project.volumes.change(id, |volume| volume.ready = true));
        let create = self.start(create);
        let next = wish.server.map(|server| self.start(attaching(id, server).after(create)));
        Ok(Answer::created(json!({
            "volume": self.view(Kind::Volume, id)?,
            "action": self.action_view(create),
            "next_actions": self.action_views(next.as_slice()),
        })))
    }

    pub(super) fn delete_volume(&mut self, id: Id) -> Result<Answer, Problem> {
        let volume = self.volumes.get(id)?;
        refuse_protected(volume)?;
        self.refuse_locked(Kind::Volume, id)?;
        if volume.server.is_some() {
            return Err(Problem::refused("volume_already_attached", "the volume is attached to a server"));
        }
        self.volumes.remove(id);
        Ok(Answer::empty())
    }

    pub(super) fn command_volume(&mut self, id: Id, command: &str, body: &Body) -> Result<Answer, Problem> {
        match command {
            "change_protection" => self.protect(body, id, |project| &mut project.volumes),
            "attach" => self.attach_volume(id, body),
            "detach" => self.detach_volume(id, body),
            "resize" => self.resize_volume(id, body),
            _ => Err(Problem::no_such_path()),
        }
    }

    fn attach_volume(&mut self, id: Id, body: &Body) -> Result<Answer, Problem> {
        let server = form::read(body, |form| {
            form.flag_or_none("automount");
            form.number("server")
        })?;
        self.refuse_unfit_volume(id, server)?;
        self.refuse_locked(Kind::Volume, id)?;
        self.refuse_locked(Kind::Server, server)?;
        Ok(self.started(attaching(id, server)))
    }

    fn detach_volume(&mut self, id: Id, body: &Body) -> Result<Answer, Problem> {
        form::read(body, |_| ())?;
        self.refuse_locked(Kind::Volume, id)?;
        let Some(server) = self.volumes.get(id)?.server else {
            return Err(Problem::refused("service_error", "the volume is not attached to a server"));
        };
        let start = Start::new("detach_volume", Kind::Volume, id).with(Kind::Server, server);
        Ok(self.started(start.then(move |project| project.volumes.change(id, |volume| volume.server = None))))
    }

    fn resize_volume(&mut self, id: Id, body: &Body) -> Result<Answer, Problem> {
        let size = form::read(body, |form| form.number("size"))?;
        self.refuse_locked(Kind::Volume, id)?;
        let volume = self.volumes.get(id)?;
        if size <= volume.size || !VOLUME_SIZE.contains(&size) {
            return Err(Problem::invalid_field(
                "size",
                "must be larger than now, and at most 10240 gigabytes",
            ));
        }
        let start = Start::new("resize_volume", Kind::Volume, id);
        Ok(self.started(start.then(move |project| project.volumes.change(id, |volume| volume.size = size))))
    }

    /// Refuses a volume that cannot be attached to a server.
    fn refuse_unfit_volume(&self, id: Id, server: Id) -> Result<(), Problem> {
        self.refuse_volume_elsewhere(id, self.servers.get(server)?.location)?;
        self.refuse_more_volumes(server, 1)
    }

    /// Refuses a volume that is attached, or in another location.
    pub(super) fn refuse_volume_elsewhere(&self, id: Id, location: &Location) -> Result<(), Problem> {
        let volume = self.volumes.get(id)?;
        if volume.server.is_some() {
            return Err(Problem::refused("volume_already_attached", "the volume is attached to a server"));
        }
        if volume.location != location {
            return Err(Problem::invalid_field("server", "is in another location than the volume"));
        }
        Ok(())
    }

    fn refuse_more_volumes(&self, server: Id, more: usize) -> Result<(), Problem> {
        if self.volumes_of(server).len() + more > VOLUMES_OF_A_SERVER {
            return Err(Problem::limit(
                "volume_limit",
                "no more than 16 volumes can be attached to a server",
            ));
        }
        Ok(())
    }

    pub(super) fn volumes_of(&self, server: Id) -> Vec<Id> {
        self.volumes.ids(|volume| volume.server == Some(server))
    }
}

/// Attaches a volume to a server.
pub(super) fn attaching(volume: Id, server: Id) -> Start {
    Start::new("attach_volume", Kind::Volume, volume).with(Kind::Server, server).then(move |project| {
        if project.servers.contains(server) {
            project.volumes.change(volume, |volume| volume.server = Some(server));
        }
    })
}

/// The location that a request names.
pub(super) fn location_named(reference: &Reference) -> Result<&'static Location, Problem> {
    catalogue::find(LOCATIONS, reference).ok_or_else(|| Problem::invalid_field("location", "does not exist"))
}
