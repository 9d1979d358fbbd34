//! Images: those of the catalogue, and those that are made from servers.

use serde_json::{Value, json};

use super::table::{Meta, Resource as _, Table, resource};
use super::{Answer, Project, refuse_protected};
use crate::actions::Start;
use crate::catalogue::{IMAGES, StockImage};
use crate::form::{self, Body, Reference};
use crate::kind::{Id, Kind};
use crate::labels::Labels;
use crate::problem::Problem;
use crate::time::written;

/// When deprecated images of the catalogue go.
const GONE: &str = "2027-05-01T00:00:00Z";

/// A disk that servers can be made from.
#[derive(Debug)]
pub(crate) struct Image {
    meta: Meta,
    origin: Origin,
    description: String,
    flavor: String,
    version: Option<String>,
    architecture: &'static str,
    available: bool,
    /// In gigabytes.
    disk: u64,
}

#[derive(Debug)]
enum Origin {
    Stock(&'static StockImage),
    /// Made by a user from a server.
    Snapshot {
        of: Id,
        name: String,
    },
    /// Made of a server, and gone with it.
    Backup {
        of: Id,
        name: String,
    },
}

resource!(Image, Image, view);

fn view(image: &Image, _project: &Project) -> Value {
    let stock = match &image.origin {
        Origin::Stock(stock) => Some(*stock),
        _ => None,
    };
    let deprecated = stock.and_then(|stock| stock.deprecated);
    let (kind, created_from, bound_to) = match &image.origin {
        Origin::Stock(stock) => (stock.kind, None, None),
        Origin::Snapshot { of, name } => ("snapshot", Some((of, name)), None),
        Origin::Backup { of, name } => ("backup", Some((of, name)), Some(of)),
    };
    json!({
        "id": image.meta.id,
        "type": kind,
        "status": if image.available { "available" } else { "creating" },
        "name": stock.map(|stock| stock.name),
        "description": image.description,
        "image_size": (stock.is_none() && image.available).then_some(2.3),
        "disk_size": image.disk,
        "created": written(image.meta.created),
        "created_from": created_from.map(|(id, name)| json!({"id": id, "name": name})),
        "bound_to": bound_to,
        "os_flavor": image.flavor,
        "os_version": image.version,
        "rapid_deploy": stock.is_some_and(|stock| stock.rapid),
        "protection": {"delete": image.meta.protected},
        "deprecated": deprecated,
        "deprecation": deprecated.map(|since| json!({"announced": since, "unavailable_after": GONE})),
        "deleted": null,
        "labels": image.meta.labels,
        "architecture": image.architecture,
    })
}

/// The images of the catalogue.
pub(super) fn stock_images() -> Table<Image> {
    let mut table = Table::default();
    for stock in IMAGES {
        table.insert(Image {
            meta: Meta {
                id: stock.id,
                name: stock.name.to_owned(),
                labels: Labels::new(),
                created: jiff::Timestamp::UNIX_EPOCH,
                protected: false,
            },
            origin: Origin::Stock(stock),
            description: stock.description.to_owned(),
            flavor: stock.flavor.to_owned(),
            version: Some(stock.version.to_owned()),
            architecture: stock.architecture,
            available: true,
            disk: 5,
        });
    }
    table
}

impl Image {
    pub(super) fn is_stock(&self) -> bool {
        matches!(self.origin, Origin::Stock(_))
    }

    /// Whether hosts keep a copy of it.
    pub(super) fn is_rapid(&self) -> bool {
        matches!(self.origin, Origin::Stock(stock) if stock.rapid)
    }

    /// Its name; snapshots have none.
    pub(super) fn name(&self) -> Option<&str> {
        self.is_stock().then_some(&*self.meta.name)
    }
}

/// What kind of image `create_image` makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Made {
    Snapshot,
    Backup,
}

impl Project {
    /// The image that a request names, for servers of an architecture.
    pub(super) fn image_for(&self, reference: &Reference, architecture: &str) -> Result<Id, Problem> {
        let mut found = self.images.iter().filter(|image| match reference {
            Reference::Id(id) => image.id() == *id,
            Reference::Name(name) => image.name() == Some(name),
        });
        let any = found.clone().next();
        match (found.find(|image| image.architecture == architecture), any) {
            (Some(image), _) if !image.available => {
                Err(Problem::invalid_field("image", "is not available yet"))
            }
            (Some(image), _) => Ok(image.id()),
            (None, Some(_)) => Err(Problem::invalid_field(
                "image",
                format!("has another architecture than the server type: {architecture}"),
            )),
            (None, None) => Err(Problem::invalid_field("image", "does not exist")),
        }
    }

    /// `create_image` of a server.
    pub(super) fn create_image(&mut self, server: Id, body: &Body) -> Result<Answer, Problem> {
        let (description, made, labels) = form::read(body, |form| {
            let description = form.text_or_none("description");
            let words = [("snapshot", Made::Snapshot), ("backup", Made::Backup)];
            (description, form.word_or_none("type", &words).unwrap_or(Made::Snapshot), form.labels())
        })?;
        let source = self.servers.get(server)?;
        if made == Made::Backup && source.backup_window.is_none() {
            return Err(Problem::invalid_field("type", "is a backup, which is not enabled for the server"));
        }
        let (of, name) = (server, source.meta.name.clone());
        let (disk, architecture) = (source.disk, source.kind.architecture());
        let from = source.image.and_then(|image| self.images.get(image).ok());
        let (flavor, version) = from.map_or_else(
            || ("unknown".to_owned(), None),
            |image| (image.flavor.clone(), image.version.clone()),
        );
        let origin = match made {
            Made::Snapshot => Origin::Snapshot { of, name },
            Made::Backup => Origin::Backup { of, name },
        };
        let meta = self.meta(String::new(), labels);
        let description = description.unwrap_or_else(|| format!("image of {}", meta.id));
        let image = self.images.insert(Image {
            meta,
            origin,
            description,
            flavor,
            version,
            architecture,
            available: false,
            disk,
        });
        let start = Start::new("create_image", Kind::Server, server).with(Kind::Image, image);
        let action = self.start(start.then(move |project| {
            project.images.change(image, |image| image.available = true);
        }));
        Ok(Answer::created(json!({
            "image": self.view(Kind::Image, image)?,
            "action": self.action_view(action),
        })))
    }

    pub(super) fn update_image(&mut self, id: Id, body: &Body) -> Result<Answer, Problem> {
        let (description, kept, labels) = form::read(body, |form| {
            let kept = form.word_or_none("type", &[("snapshot", ())]);
            (form.text_or_none("description"), kept, form.labels())
        })?;
        let image = self.own_image(id)?;
        image.description = description.unwrap_or_else(|| image.description.clone());
        image.meta.labels = labels.unwrap_or_else(|| image.meta.labels.clone());
        if let (Some(()), Origin::Backup { of, name }) = (kept, &image.origin) {
            image.origin = Origin::Snapshot { of: *of, name: name.clone() };
        }
        Ok(Answer::ok(json!({"image": self.view(Kind::Image, id)?})))
    }

    pub(super) fn delete_image(&mut self, id: Id) -> Result<Answer, Problem> {
        self.own_image(id)?;
        refuse_protected(self.images.get(id)?)?;
        self.images.remove(id);
        Ok(Answer::empty())
    }

    pub(super) fn command_image(&mut self, id: Id, command: &str, body: &Body) -> Result<Answer, Problem> {
        if command != "change_protection" {
            return Err(Problem::no_such_path());
        }
        self.own_image(id)?;
        self.protect(body, id, |project| &mut project.images)
    }

    /// Removes all backups of a server.
    pub(super) fn delete_backups(&mut self, server: Id) {
        let is_backup = |image: &Image| matches!(image.origin, Origin::Backup { of, .. } if of == server);
        for backup in self.images.ids(is_backup) {
            self.images.remove(backup);
        }
    }

    /// An image that is not of the catalogue.
    fn own_image(&mut self, id: Id) -> Result<&mut Image, Problem> {
        let image = self.images.get_mut(id)?;
        if image.is_stock() {
            return Err(Problem::new(403, "forbidden", "images of Hetzner cannot be changed", Value::Null));
        }
        Ok(image)
    }
}
