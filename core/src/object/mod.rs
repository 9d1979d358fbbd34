//! Kubernetes objects as they travel: JSON values, the names by which they are known, and small views over them.
//!
//! Objects are plain [`serde_json::Value`]s everywhere in the core: a typed model would know the fields of one Kubernetes
//! version and lose the others. [`ObjectView`] reads the few fields the decisions need and never panics on a strange shape.

mod kinds;
mod view;

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

pub use kinds::{ApplyStage, Scope, scope};
pub use view::{Condition, ObjectView, Owner, Status};

/// The name of one object in a cluster.
///
/// Two references are equal if they name the same object. The version is carried, because requests need it, but not
/// compared: the API server serves one object under every version of its group.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectRef {
    /// Group and version as written in a manifest: `apps/v1`, or `v1` for the core group.
    pub api_version: String,
    /// `Deployment`, `ConfigMap`, …
    pub kind: String,
    /// Absent for cluster-scoped objects, and for namespaced ones whose manifest leaves it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// `metadata.name`.
    pub name: String,
}

/// Why a value is not an object that can be named.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ObjectError {
    /// One of the fields every object has is absent or not a text.
    #[error("object has no `{field}`")]
    Missing {
        /// The field, as a path from the root.
        field: &'static str,
    },
}

impl ObjectRef {
    /// Reads the reference of an object from its own fields.
    pub fn of(object: &Value) -> Result<ObjectRef, ObjectError> {
        let view = ObjectView::new(object);
        let field = |field, value: Option<&str>| {
            value.filter(|text| !text.is_empty()).map(str::to_owned).ok_or(ObjectError::Missing { field })
        };
        Ok(ObjectRef {
            api_version: field("apiVersion", view.text("/apiVersion"))?,
            kind: field("kind", view.text("/kind"))?,
            namespace: view.namespace().map(str::to_owned),
            name: field("metadata.name", view.text("/metadata/name"))?,
        })
    }

    /// The API group, empty for the core group.
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// The version inside the group.
    pub fn version(&self) -> &str {
        self.api_version.split_once('/').map_or(&self.api_version, |(_, version)| version)
    }

    /// When this object is applied, relative to the others of a release.
    pub fn apply_stage(&self) -> ApplyStage {
        ApplyStage::of(self.group(), &self.kind)
    }

    /// Whether the kind lives in a namespace, where that is known without asking the cluster.
    pub fn scope(&self) -> Option<Scope> {
        scope(self.group(), &self.kind)
    }

    fn identity(&self) -> (&str, &str, Option<&str>, &str) {
        (self.group(), &self.kind, self.namespace.as_deref(), &self.name)
    }
}

/// `Deployment/api`; with `{:#}` the namespace too: `Deployment shop/api`.
impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) if f.alternate() => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None if f.alternate() => write!(f, "{} {}", self.kind, self.name),
            _ => write!(f, "{}/{}", self.kind, self.name),
        }
    }
}

impl PartialEq for ObjectRef {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for ObjectRef {}

impl PartialOrd for ObjectRef {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The order in which objects are applied and listed: by stage, then by kind, namespace and name.
impl Ord for ObjectRef {
    fn cmp(&self, other: &Self) -> Ordering {
        let key = |(group, kind, namespace, name)| (kind, group, namespace, name);
        let (one, two) = (key(self.identity()), key(other.identity()));
        if (one.0, one.1) == (two.0, two.1) {
            return one.cmp(&two);
        }
        self.apply_stage().cmp(&other.apply_stage()).then_with(|| one.cmp(&two))
    }
}

impl Hash for ObjectRef {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn reference(api_version: &str, kind: &str, namespace: Option<&str>, name: &str) -> ObjectRef {
        ObjectRef {
            api_version: api_version.into(),
            kind: kind.into(),
            namespace: namespace.map(Into::into),
            name: name.into(),
        }
    }

    #[test]
    fn reference_is_read_from_the_object() {
        let object = json!({"apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": {"namespace": "shop", "name": "postgres"}});
        let found = ObjectRef::of(&object).unwrap();
        assert_eq!(found, reference("apps/v1", "StatefulSet", Some("shop"), "postgres"));
        assert_eq!((found.group(), found.version()), ("apps", "v1"));
        assert_eq!(found.to_string(), "StatefulSet/postgres");
        assert_eq!(format!("{found:#}"), "StatefulSet shop/postgres");
    }

    #[test]
    fn core_group_is_empty() {
        let found = reference("v1", "Namespace", None, "shop");
        assert_eq!((found.group(), found.version()), ("", "v1"));
        assert_eq!(format!("{found:#}"), "Namespace shop");
    }

    #[test]
    fn missing_field_is_named() {
        let check = |object: Value, field: &str| {
            assert_eq!(ObjectRef::of(&object).unwrap_err().to_string(), format!("object has no `{field}`"));
        };
        check(json!({}), "apiVersion");
        check(json!({"apiVersion": "v1", "kind": 7}), "kind");
        check(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": ""}}), "metadata.name");
        check(json!("text"), "apiVersion");
    }

    #[test]
    fn version_does_not_make_another_object() {
        let one = reference("autoscaling/v1", "HorizontalPodAutoscaler", Some("shop"), "api");
        let two = reference("autoscaling/v2", "HorizontalPodAutoscaler", Some("shop"), "api");
        assert_eq!(one, two);
        assert_eq!(one.cmp(&two), Ordering::Equal);
        assert_ne!(one, reference("other/v1", "HorizontalPodAutoscaler", Some("shop"), "api"));
    }

    #[test]
    fn what_others_need_comes_first() {
        let mut objects = [
            reference("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", None, "w"),
            reference("apps/v1", "Deployment", Some("shop"), "api"),
            reference("v1", "Service", Some("shop"), "api"),
            reference("cert-manager.io/v1", "Certificate", Some("shop"), "tls"),
            reference("v1", "ConfigMap", Some("shop"), "b"),
            reference("v1", "ConfigMap", Some("shop"), "a"),
            reference("v1", "Namespace", None, "shop"),
            reference("apiextensions.k8s.io/v1", "CustomResourceDefinition", None, "x"),
        ];
        objects.sort();
        let listed: Vec<String> = objects.iter().map(ToString::to_string).collect();
        assert_eq!(
            listed,
            [
                "CustomResourceDefinition/x",
                "Namespace/shop",
                "ConfigMap/a",
                "ConfigMap/b",
                "Certificate/tls",
                "Service/api",
                "Deployment/api",
                "ValidatingWebhookConfiguration/w",
            ]
        );
    }

    #[test]
    fn reference_survives_serde() {
        let one = reference("apps/v1", "Deployment", Some("shop"), "api");
        let text = serde_json::to_string(&one).unwrap();
        assert_eq!(text, r#"{"apiVersion":"apps/v1","kind":"Deployment","namespace":"shop","name":"api"}"#);
        assert_eq!(serde_json::from_str::<ObjectRef>(&text).unwrap(), one);
    }
}
