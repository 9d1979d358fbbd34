//! How much of everything there may be. The numbers are those of the API's reference and of Hetzner's overview pages.

/// Rules of one firewall.
pub(crate) const RULES: usize = 50;
/// Address ranges of one firewall rule.
pub(crate) const RANGES: usize = 100;
/// Firewalls that filter one server.
pub(crate) const FIREWALLS_OF_A_SERVER: usize = 5;
/// Firewalls of a project.
pub(crate) const FIREWALLS: usize = 50;
/// Servers of one placement group, because each stands on a host of its own.
pub(crate) const SERVERS_OF_A_GROUP: usize = 10;
/// Placement groups of a project.
pub(crate) const GROUPS: usize = 50;
/// Servers and load balancers that are attached to one network.
pub(crate) const NODES_OF_A_NETWORK: usize = 100;
/// Subnets of one network.
pub(crate) const SUBNETS: usize = 50;
/// Routes of one network.
pub(crate) const ROUTES: usize = 100;
/// Alias addresses of a server in one network.
pub(crate) const ALIASES: usize = 5;
/// Volumes that are attached to one server.
pub(crate) const VOLUMES_OF_A_SERVER: usize = 16;
/// Size of a volume in gigabytes.
pub(crate) const VOLUME_SIZE: std::ops::RangeInclusive<u64> = 10..=10_240;
/// User data in bytes.
pub(crate) const USER_DATA: usize = 32 << 10;
/// Entries of one page of a list, and how many there are if nothing is said.
pub(crate) const PAGE: usize = 50;
pub(crate) const USUAL_PAGE: usize = 25;
/// Bytes of a request's body. Certificates are the largest things that anyone sends.
pub(crate) const BODY: usize = 1 << 20;

/// Limits that differ from project to project.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Servers of the project. New projects have few; Hetzner raises it on request.
    pub servers: usize,
    /// Requests in an hour, and how many may come at once. They come back one by one, evenly.
    pub requests: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { servers: 100, requests: 3600 }
    }
}
