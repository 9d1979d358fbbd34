//! Whose a resource is.
//!
//! Every resource that the provider makes says so in a label, and nothing without that label is ever changed or removed, whatever its name.

use crate::client::model::{Labels, Resource};

/// Names the cluster that a resource belongs to.
pub const OWNER: &str = "windlass.dev/cluster";
/// Names what a server is for: `master` or `worker`.
pub const ROLE: &str = "windlass.dev/role";
/// Names the pool of a server.
pub const POOL: &str = "windlass.dev/pool";
/// A digest of what a server was made from.
pub const MADE_FROM: &str = "windlass.dev/made-from";
/// Says that the cluster must not be removed.
pub const PROTECTED: &str = "windlass.dev/protected";

/// Whether a resource belongs to the cluster.
pub fn owns(cluster: &str, resource: &impl Resource) -> bool {
    resource.labels().get(OWNER).is_some_and(|owner| owner == cluster)
}

/// Whether a resource may be removed with the cluster: it belongs to it, and has a name of those that the provider gives. A label can be put on
/// anything by anyone, for example to have the cluster's firewall.
pub fn may_remove(cluster: &str, resource: &impl Resource) -> bool {
    let is_named = |rest: &str| rest.is_empty() || rest.starts_with('-');
    owns(cluster, resource) && resource.name().strip_prefix(cluster).is_some_and(is_named)
}

/// The labels of every resource of a cluster.
pub fn labels(cluster: &str, protected: bool) -> Labels {
    let owner = (OWNER.to_owned(), cluster.to_owned());
    let guard = protected.then(|| (PROTECTED.to_owned(), "true".to_owned()));
    std::iter::once(owner).chain(guard).collect()
}

/// Every server of a cluster.
pub fn servers(cluster: &str) -> String {
    format!("{OWNER}={cluster}")
}

/// Every master of a cluster.
pub fn masters(cluster: &str) -> String {
    format!("{OWNER}={cluster},{ROLE}=master")
}
