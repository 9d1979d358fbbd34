//! `POST /servers`: everything is judged before anything is made.

use serde_json::json;

use super::{Interface, Server, Status, is_host_name, password};
use crate::actions::{Ending, Start};
use crate::catalogue::{self, LOCATIONS, Location, SERVER_TYPES, ServerType};
use crate::form::{self, Body, Form, Reference};
use crate::kind::{Id, Kind};
use crate::labels::Labels;
use crate::limits::USER_DATA;
use crate::problem::Problem;
use crate::project::network::PrivateWish;
use crate::project::public_address::Family;
use crate::project::volume::{attaching, location_named};
use crate::project::{Answer, Project, new_name};

/// How much longer it takes when hosts keep no copy of the image.
const SLOW_IMAGE: std::time::Duration = std::time::Duration::from_secs(129);

/// What `POST /servers` asks for.
struct Wish {
    name: String,
    labels: Option<Labels>,
    kind: Reference,
    image: Reference,
    location: Option<Reference>,
    starts: bool,
    group: Option<Id>,
    ssh_keys: Vec<Reference>,
    volumes: Vec<Id>,
    networks: Vec<Id>,
    firewalls: Vec<Id>,
    user_data: Option<String>,
    ipv4: Address,
    ipv6: Address,
}

/// What is said about the public address of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Address {
    None,
    New,
    Existing(Id),
}

impl Wish {
    fn read(form: &mut Form<'_>) -> Self {
        let name = new_name(form);
        if !name.is_empty() && !is_host_name(&name) {
            form.problem("name", "must be a host name");
        }
        let user_data = form.text_or_none("user_data");
        if user_data.as_ref().is_some_and(|data| data.len() > USER_DATA) {
            form.problem("user_data", "must not be larger than 32 KiB");
        }
        let (ipv4, ipv6) = form.within("public_net", public_net).unwrap_or((Address::New, Address::New));
        let (networks, firewalls) = (form.ids("networks"), firewalls(form));
        if (ipv4, ipv6) == (Address::None, Address::None) {
            if networks.is_empty() {
                form.problem("networks", "is missing: a server needs an interface, public or private");
            }
            if !firewalls.is_empty() {
                form.problem("firewalls", "cannot be applied to a server without a public interface");
            }
        }
        let volumes = form.ids("volumes");
        if form.flag_or_none("automount") == Some(true) && volumes.is_empty() {
            form.problem("automount", "needs volumes");
        }
        Self {
            name,
            labels: form.labels(),
            kind: form.reference("server_type"),
            image: form.reference("image"),
            location: form.reference_or_none("location"),
            starts: form.flag_or_none("start_after_create").unwrap_or(true),
            group: form.number_or_none("placement_group"),
            ssh_keys: form.references("ssh_keys"),
            volumes,
            networks,
            firewalls,
            user_data,
            ipv4,
            ipv6,
        }
    }

    fn families(&self) -> [(Family, Address); 2] {
        [(Family::V4, self.ipv4), (Family::V6, self.ipv6)]
    }
}

fn public_net(form: &mut Form<'_>) -> (Address, Address) {
    let ipv4 = address(form.flag_or_none("enable_ipv4"), form.number_or_none("ipv4"));
    let ipv6 = address(form.flag_or_none("enable_ipv6"), form.number_or_none("ipv6"));
    (ipv4, ipv6)
}

fn address(enabled: Option<bool>, existing: Option<Id>) -> Address {
    match (enabled.unwrap_or(true), existing) {
        (false, _) => Address::None,
        (true, None) => Address::New,
        (true, Some(id)) => Address::Existing(id),
    }
}

fn firewalls(form: &mut Form<'_>) -> Vec<Id> {
    form.each("firewalls", |form| form.number("firewall")).unwrap_or_default()
}

/// What a wish comes to.
struct Judged {
    kind: &'static ServerType,
    location: &'static Location,
    image: Id,
    interfaces: Vec<Interface>,
    ssh_keys: Vec<String>,
}

impl Project {
    pub(in crate::project) fn create_server(&mut self, body: &Body) -> Result<Answer, Problem> {
        let wish = form::read(body, Wish::read)?;
        let judged = self.judge(&wish)?;
        // The last question, because asking uses up a shortage that ends.
        if !self.stock.take(judged.kind.name, judged.location.name) {
            let message = format!("{} is not available in {}", judged.kind.name, judged.location.name);
            return Err(Problem::precondition("resource_unavailable", message));
        }
        Ok(self.make_server(wish, judged))
    }

    fn judge(&self, wish: &Wish) -> Result<Judged, Problem> {
        self.servers.refuse_name(&wish.name, None)?;
        if self.servers.len() >= self.setting.limits.servers {
            return Err(Problem::limit("server_limit", "server limit reached"));
        }
        let kind = self.server_type(&wish.kind)?;
        let location = self.location_for(kind, wish.location.as_ref())?;
        let image = self.image_for(&wish.image, kind.architecture())?;
        if let Some(group) = wish.group {
            self.refuse_full_group(group)?;
        }
        for (family, address) in wish.families() {
            if let Address::Existing(id) = address {
                self.refuse_primary_ip(id, family, location)?;
            }
        }
        for volume in &wish.volumes {
            self.refuse_volume_elsewhere(*volume, location)?;
        }
        for firewall in &wish.firewalls {
            self.firewalls.get(*firewall)?;
        }
        self.refuse_more_firewalls(0, &wish.firewalls)?;
        let interfaces = self.reserve(&wish.networks, location)?;
        Ok(Judged { kind, location, image, interfaces, ssh_keys: self.public_keys(&wish.ssh_keys)? })
    }

    /// The server type that a request names, if servers can still be made of it.
    pub(super) fn server_type(&self, reference: &Reference) -> Result<&'static ServerType, Problem> {
        let kind = catalogue::find(SERVER_TYPES, reference)
            .ok_or_else(|| Problem::invalid_field("server_type", "does not exist"))?;
        if kind.is_retired(self.now) {
            let message = format!("server type {} is deprecated", kind.name);
            return Err(Problem::refused("invalid_server_type", message));
        }
        Ok(kind)
    }

    fn location_for(
        &self,
        kind: &ServerType,
        wish: Option<&Reference>,
    ) -> Result<&'static Location, Problem> {
        if let Some(wish) = wish {
            let location = location_named(wish)?;
            if !kind.is_in(location) {
                return Err(Problem::invalid_field("location", "unsupported location for server type"));
            }
            return Ok(location);
        }
        let has_it =
            |location: &&Location| kind.is_in(location) && self.stock.shows(kind.name, location.name);
        LOCATIONS.iter().find(has_it).ok_or_else(|| {
            Problem::precondition("resource_unavailable", format!("{} is not available", kind.name))
        })
    }

    /// An address in each network.
    fn reserve(&self, networks: &[Id], location: &Location) -> Result<Vec<Interface>, Problem> {
        let mut interfaces: Vec<Interface> = Vec::new();
        for network in networks {
            let others: Vec<Id> = interfaces.iter().map(|interface| interface.network).collect();
            if others.contains(network) {
                return Err(Problem::invalid_field("networks", "names a network twice"));
            }
            self.refuse_overlap(*network, &others)?;
            let address = self.free_address(*network, location, &PrivateWish::default())?;
            interfaces.push(Interface { network: *network, address, aliases: Vec::new(), there: false });
        }
        Ok(interfaces)
    }

    fn make_server(&mut self, wish: Wish, judged: Judged) -> Answer {
        let root_password = judged.ssh_keys.is_empty().then(password);
        let families = wish.families();
        let server = Server {
            meta: self.meta(wish.name, wish.labels),
            status: Status::Initializing,
            kind: judged.kind,
            location: judged.location,
            image: Some(judged.image),
            iso: None,
            interfaces: judged.interfaces,
            group: wish.group,
            rescue: false,
            backup_window: None,
            rebuild_protected: false,
            disk: judged.kind.disk,
            user_data: wish.user_data,
            ssh_keys: judged.ssh_keys,
        };
        let own_address = self.setting.machines.address(&server.meta.name);
        let id = self.servers.insert(server);
        for (family, address) in families {
            match address {
                Address::None => {}
                Address::New => self.new_primary_ip(family, id, judged.location, own_address),
                Address::Existing(primary) => {
                    self.primary_ips.change(primary, |primary| primary.server = Some(id));
                }
            }
        }
        for firewall in wish.firewalls {
            self.add_to_firewall(firewall, id);
        }
        let create = self.start_creation(id, wish.starts, judged.image);
        let next = self.start_next(id, wish.starts, create, &wish.volumes);
        Answer::created(json!({
            "server": self.view(Kind::Server, id).expect("it was made"),
            "action": self.action_view(create),
            "next_actions": self.action_views(&next),
            "root_password": root_password,
        }))
    }

    fn start_creation(&mut self, id: Id, starts: bool, image: Id) -> Id {
        let is_rapid = self.images.get(image).is_ok_and(super::super::image::Image::is_rapid);
        let extra = if is_rapid { std::time::Duration::ZERO } else { SLOW_IMAGE };
        self.start(Start::new("create_server", Kind::Server, id).longer(extra).finally(
            move |project, ending| match ending {
                Ending::Success if starts => project.set_status(id, Status::Starting),
                _ => project.set_status(id, Status::Off),
            },
        ))
    }

    /// What follows a creation: the start, interfaces, volumes, firewalls.
    fn start_next(&mut self, id: Id, starts: bool, create: Id, volumes: &[Id]) -> Vec<Id> {
        let mut next = Vec::new();
        // Attached before the start, so that a machine that starts has all its interfaces.
        let networks: Vec<Id> = self
            .servers
            .get(id)
            .map_or_else(|_| Vec::new(), |it| it.interfaces.iter().map(|it| it.network).collect());
        for network in networks {
            next.push(self.start(super::interfaces::attaching(id, network).after(create)));
        }
        for volume in volumes {
            next.push(self.start(attaching(*volume, id).after(create)));
        }
        next.extend(self.spread_firewalls());
        if starts {
            let start = Start::new("start_server", Kind::Server, id).after(create);
            next.insert(
                0,
                self.start(start.finally(move |project, ending| {
                    let success = *ending == Ending::Success;
                    project.set_status(id, if success { Status::Running } else { Status::Off });
                })),
            );
        }
        next
    }
}
