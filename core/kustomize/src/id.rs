//! What identifies a resource, and what selects it by identity.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::facts::scope::is_cluster_scoped;
use crate::yaml::Text;

/// The namespace of objects that cannot have one, wherever ids are compared.
pub(crate) const NO_NAMESPACE: &str = "_non_namespaceable_";
/// What an object without a namespace is put in.
const DEFAULT_NAMESPACE: &str = "default";

/// Group, version and kind; as a selector, an empty part selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Gvk {
    pub(crate) group: Text,
    pub(crate) version: Text,
    pub(crate) kind: Text,
}

impl Gvk {
    pub(crate) fn of_kind(kind: &str) -> Self {
        Self { kind: kind.into(), ..Self::default() }
    }

    /// True if every part that is given fits.
    pub(crate) fn selects(&self, group: &str, version: &str, kind: &str) -> bool {
        let fits = |wanted: &Text, found: &str| wanted.is_empty() || wanted == found;
        fits(&self.kind, kind) && fits(&self.group, group) && fits(&self.version, version)
    }

    pub(crate) fn selects_gvk(&self, other: &Self) -> bool {
        self.selects(&other.group, &other.version, &other.kind)
    }

    pub(crate) fn is_any(&self) -> bool {
        self.group.is_empty() && self.version.is_empty() && self.kind.is_empty()
    }
}

/// `group/version` or `version`.
pub(crate) fn split_api_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

/// An id that was: kind, name and effective namespace before a transformation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PreviousId {
    pub(crate) kind: Text,
    pub(crate) name: Text,
    pub(crate) namespace: Text,
}

/// An id, borrowed from its resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Id<'a> {
    pub(crate) group: &'a str,
    pub(crate) version: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) name: &'a str,
    /// As written; for a previous id, the effective one.
    pub(crate) namespace: &'a str,
    /// Known to be without namespace; previous ids carry that in `namespace`.
    pub(crate) cluster_scoped: bool,
}

impl<'a> Id<'a> {
    /// The id of a current resource, whose scope is looked up.
    pub(crate) fn current(api_version: &'a str, kind: &'a str, namespace: &'a str, name: &'a str) -> Self {
        let (group, version) = split_api_version(api_version);
        let cluster_scoped = is_cluster_scoped(api_version, kind);
        Self { group, version, kind, name, namespace, cluster_scoped }
    }

    /// The namespace ids are compared by.
    pub(crate) fn effective_namespace(&self) -> &'a str {
        if self.cluster_scoped {
            NO_NAMESPACE
        } else if self.namespace.is_empty() {
            DEFAULT_NAMESPACE
        } else {
            self.namespace
        }
    }

    /// Same group, version, kind, name and effective namespace.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.is_same_but_namespace(other) && self.effective_namespace() == other.effective_namespace()
    }

    pub(crate) fn is_same_but_namespace(&self, other: &Self) -> bool {
        self.name == other.name
            && self.kind == other.kind
            && self.group == other.group
            && self.version == other.version
    }

    pub(crate) fn is_selected_by(&self, gvk: &Gvk) -> bool {
        gvk.selects(self.group, self.version, self.kind)
    }

    /// Key for an index: what two same ids have in common.
    pub(crate) fn index_key(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.kind, self.name, self.effective_namespace()).hash(&mut hasher);
        hasher.finish()
    }

    pub(crate) fn to_gvk(self) -> Gvk {
        Gvk { group: self.group.into(), version: self.version.into(), kind: self.kind.into() }
    }
}

/// ``Deployment `shop/cart` ``
impl fmt::Display for Id<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.kind.is_empty() { "resource" } else { self.kind };
        if self.namespace.is_empty() || self.namespace == NO_NAMESPACE {
            write!(formatter, "{kind} `{}`", self.name)
        } else {
            write!(formatter, "{kind} `{}/{}`", self.namespace, self.name)
        }
    }
}

/// An id written by a person: empty parts fit anything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct IdSelector {
    pub(crate) gvk: Gvk,
    pub(crate) name: Text,
    pub(crate) namespace: Text,
}

impl IdSelector {
    pub(crate) fn selects(&self, id: &Id<'_>) -> bool {
        (self.name.is_empty() || self.name == id.name)
            && (self.namespace.is_empty() || self.namespace == id.effective_namespace())
            && id.is_selected_by(&self.gvk)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.gvk.is_any() && self.name.is_empty() && self.namespace.is_empty()
    }
}

impl fmt::Display for IdSelector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = Id {
            group: &self.gvk.group,
            version: &self.gvk.version,
            kind: &self.gvk.kind,
            name: &self.name,
            namespace: &self.namespace,
            cluster_scoped: false,
        };
        id.fmt(formatter)
    }
}
