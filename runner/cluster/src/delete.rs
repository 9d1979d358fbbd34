//! Deleting: always one object that was seen, never "whatever has this name now".

use serde_json::{Value, json};
use windlass_core::failure::ClusterFailure;
use windlass_core::object::{ObjectRef, ObjectView};

use crate::connection::Cluster;
use crate::error::{ClusterError, Request};
use crate::transport::{Call, Failed};

/// What happens to objects that the deleted one owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    /// They are deleted after it.
    Background,
    /// They are deleted before it.
    Foreground,
    /// They stay, without an owner.
    Orphan,
}

/// Which state of an object may be deleted, and how.
#[derive(Debug, Clone)]
pub struct Deletion {
    /// The identity that was seen. Another object of the same name is left alone.
    pub uid: String,
    /// The state that was seen; any if not given.
    pub resource_version: Option<String>,
    /// What happens to owned objects.
    pub propagation: Propagation,
    /// Whether an object that holds data, or whose deletion takes others with it, may be deleted: claims, volumes, namespaces, definitions.
    pub data: DataDeletion,
}

/// Whether data may be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataDeletion {
    /// Objects that hold data are not deleted.
    Refused,
    /// Somebody asked for it by name.
    Allowed,
}

/// What became of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// It was not there any more, or is another object by now.
    AlreadyGone,
    /// It is gone.
    Gone,
    /// It goes: finalizers, a grace period or owned objects keep it for a while.
    Going,
}

/// Kinds that hold data, or whose end is the end of all that lives in them.
const DATA_KINDS: [(&str, &str); 4] = [
    ("", "PersistentVolumeClaim"),
    ("", "PersistentVolume"),
    ("", "Namespace"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
];

/// Whether the deletion of an object may lose data. Prune keeps such objects unless it is asked not to.
pub fn holds_data(reference: &ObjectRef) -> bool {
    DATA_KINDS.contains(&(reference.group(), reference.kind.as_str()))
}

impl Propagation {
    fn as_str(self) -> &'static str {
        match self {
            Propagation::Background => "Background",
            Propagation::Foreground => "Foreground",
            Propagation::Orphan => "Orphan",
        }
    }
}

impl Deletion {
    /// Of the object with this identity, whatever its state, and of what it owns. Data is kept.
    pub fn of(uid: impl Into<String>) -> Deletion {
        Deletion {
            uid: uid.into(),
            resource_version: None,
            propagation: Propagation::Background,
            data: DataDeletion::Refused,
        }
    }

    fn options(&self) -> Value {
        let mut preconditions = json!({ "uid": self.uid });
        if let Some(version) = &self.resource_version {
            preconditions["resourceVersion"] = version.as_str().into();
        }
        json!({
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": preconditions,
            "propagationPolicy": self.propagation.as_str(),
        })
    }
}

impl Cluster {
    /// Deletes the object that was seen. Not there, or another one of the same name: done. In another state than the one asked for:
    /// [`ClusterFailure::StaleWrite`].
    pub async fn delete(&self, reference: &ObjectRef, deletion: &Deletion) -> Result<Deleted, ClusterError> {
        let request = Request::of("delete", reference);
        if holds_data(reference) && deletion.data == DataDeletion::Refused {
            let words = "it holds data, and nobody asked for it to be deleted";
            return Err(ClusterError::new(ClusterFailure::Refused, &request, words));
        }
        self.delete_with(reference, &deletion.uid, &deletion.options(), request).await
    }

    /// Ends the pod that was seen with a second of grace, as `kubectl delete --now` does: its node still confirms the end, so that no second
    /// pod of a `StatefulSet` runs beside it.
    pub async fn delete_pod_now(
        &self,
        namespace: &str,
        name: &str,
        uid: &str,
    ) -> Result<Deleted, ClusterError> {
        let pod = ObjectRef {
            api_version: "v1".to_owned(),
            kind: "Pod".to_owned(),
            namespace: Some(namespace.to_owned()),
            name: name.to_owned(),
        };
        let mut options = Deletion::of(uid).options();
        options["gracePeriodSeconds"] = 1.into();
        let request = Request::of("delete", &pod);
        self.delete_with(&pod, uid, &options, request).await
    }

    async fn delete_with(
        &self,
        reference: &ObjectRef,
        uid: &str,
        options: &Value,
        request: Request,
    ) -> Result<Deleted, ClusterError> {
        let path = self.path(reference, &request).await?;
        let call = Call::with_body(http::Method::DELETE, path, options, request.clone());
        match self.transport.try_call(&call).await {
            // The answer is the object while something keeps it, else a `Status`.
            Ok(answer) => Ok(still_there(&answer.json(&request)?)),
            Err(Failed::Status(status)) if status.failure() == ClusterFailure::NotFound => {
                Ok(Deleted::AlreadyGone)
            }
            Err(Failed::Status(status)) if status.failure() == ClusterFailure::StaleWrite => {
                // A failed precondition does not say which one failed; the object does.
                match self.get(reference).await? {
                    Some(object) if ObjectView::new(&object).uid() == Some(uid) => {
                        Err(status.into_error(&request))
                    }
                    _ => Ok(Deleted::AlreadyGone),
                }
            }
            Err(failed) => Err(failed.into_error(&request)),
        }
    }
}

fn still_there(answer: &Value) -> Deleted {
    let is_deleting = ObjectView::new(answer).is_deleting();
    let keeps = ["/metadata/finalizers/0", "/metadata/deletionGracePeriodSeconds"]
        .into_iter()
        .any(|pointer| answer.pointer(pointer).is_some_and(|value| value.as_i64() != Some(0)));
    if is_deleting && keeps { Deleted::Going } else { Deleted::Gone }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_known_by_group_and_kind() {
        let reference = |api_version: &str, kind: &str| ObjectRef {
            api_version: api_version.into(),
            kind: kind.into(),
            namespace: None,
            name: "x".into(),
        };
        assert!(holds_data(&reference("v1", "PersistentVolumeClaim")));
        assert!(holds_data(&reference("apiextensions.k8s.io/v1beta1", "CustomResourceDefinition")));
        assert!(!holds_data(&reference("example.com/v1", "Namespace")));
        assert!(!holds_data(&reference("apps/v1", "StatefulSet")));
    }

    #[test]
    fn a_deletion_always_names_the_identity() {
        let options = Deletion::of("u-1").options();
        assert_eq!(options["preconditions"], json!({"uid": "u-1"}));
        let options = Deletion { resource_version: Some("7".into()), ..Deletion::of("u-1") }.options();
        assert_eq!(options["preconditions"], json!({"uid": "u-1", "resourceVersion": "7"}));
    }

    #[test]
    fn what_finalizers_or_grace_keep_is_going() {
        let object = |more: Value| {
            let mut metadata = json!({"deletionTimestamp": "2026-01-01T00:00:00Z"});
            metadata.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            json!({ "metadata": metadata })
        };
        assert_eq!(still_there(&object(json!({"finalizers": ["foregroundDeletion"]}))), Deleted::Going);
        assert_eq!(still_there(&object(json!({"deletionGracePeriodSeconds": 30}))), Deleted::Going);
        assert_eq!(still_there(&object(json!({"deletionGracePeriodSeconds": 0}))), Deleted::Gone);
        assert_eq!(still_there(&json!({"kind": "Status", "status": "Success"})), Deleted::Gone);
    }
}
