//! Why a store of objects does not do what it is asked.

use super::kinds::Resource;

/// A request that the stored objects do not allow. The words are those of the Kubernetes API server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// There is no such object.
    #[error("{resource} \"{name}\" not found")]
    NotFound {
        /// Of which kind.
        resource: Resource,
        /// The name that was asked for.
        name: String,
    },
    /// There is one of this name.
    #[error("{resource} \"{name}\" already exists")]
    AlreadyExists {
        /// Of which kind.
        resource: Resource,
        /// Its name.
        name: String,
    },
    /// The object has changed since the version that the writer saw.
    #[error(
        "Operation cannot be fulfilled on {resource} \"{name}\": the object has been modified; please apply your changes to the latest version and try again"
    )]
    Stale {
        /// Of which kind.
        resource: Resource,
        /// Its name.
        name: String,
    },
    /// What the writer demanded of the object does not hold. It is called by its kind here, as nowhere else.
    #[error("Operation cannot be fulfilled on {resource} \"{name}\": {problem}")]
    Precondition {
        /// Of which kind.
        resource: Resource,
        /// Its name.
        name: String,
        /// Which demand, what was demanded and what was found.
        problem: String,
    },
    /// Nothing can be made in a namespace that is being deleted.
    #[error(
        "{resource} \"{name}\" is forbidden: unable to create new content in namespace {namespace} because it is being terminated"
    )]
    Terminating {
        /// Of which kind.
        resource: Resource,
        /// The name of what was to be made.
        name: String,
        /// The namespace.
        namespace: String,
    },
}

/// A watch asks for changes that are no longer known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too old resource version: {from} ({oldest})")]
pub struct Expired {
    /// The version that was asked for.
    pub from: u64,
    /// The oldest one from which changes are known.
    pub oldest: u64,
}
