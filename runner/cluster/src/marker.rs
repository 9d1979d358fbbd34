//! What windlass leaves in a cluster besides the release: who applied what last, and the salt of its keyed digests.
//!
//! The marker is the fence between runners: the epoch of an environment's lease, written by compare-and-set, so that a runner whose lease
//! passed on finds a higher epoch and stops. It also holds the inventory, from which prune and verify work.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use secrecy::SecretBox;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use windlass_core::failure::ClusterFailure;
use windlass_core::name::{Digest, EnvironmentName, RunId};
use windlass_core::object::{ObjectRef, ObjectView};

use crate::connection::Cluster;
use crate::error::{ClusterError, Request};
use crate::transport::{Call, Failed};

/// The Secret with the salt.
const KEY_NAME: &str = "windlass-key";

/// Bytes of the salt: as many as SHA-256 gives.
const KEY_LENGTH: usize = 32;

/// What the last run of an environment left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marker {
    /// Of the lease under which it was written; never decreases.
    pub epoch: u64,
    /// The run that wrote it.
    pub run: RunId,
    /// The release that was applied.
    pub release: Digest,
    /// The objects of the release.
    pub inventory: Vec<InventoryItem>,
}

/// An object that a release holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InventoryItem {
    /// Which object.
    #[serde(flatten)]
    pub object: ObjectRef,
    /// Its identity: prune deletes this one and no later one of the same name.
    pub uid: String,
    /// What was applied.
    pub digest: Digest,
}

/// The salt of the keyed digests by which secret values are compared. Never printed.
pub type DigestKey = SecretBox<[u8; KEY_LENGTH]>;

impl Cluster {
    /// The marker of an environment and its resource version; none if nothing was ever applied.
    pub async fn read_marker(
        &self,
        environment: &EnvironmentName,
    ) -> Result<Option<(Marker, String)>, ClusterError> {
        let reference = self.own("ConfigMap", marker_name(environment));
        let Some(object) = self.get(&reference).await? else { return Ok(None) };
        let marker = decode(&object).ok_or_else(|| {
            let words = "it is not a marker that this version of windlass can read";
            let hint = format!("look at it with `kubectl get configmap {} -o yaml`", reference.name);
            ClusterError::new(ClusterFailure::Invalid, &Request::of("read", &reference), words)
                .with_hint(hint)
        })?;
        Ok(Some((marker, resource_version(&object))))
    }

    /// Writes the marker if it is as expected: not there, or at this resource version. Gives the new resource version.
    ///
    /// # Errors
    ///
    /// [`ClusterFailure::StaleWrite`] when somebody else wrote in between; never when the answer to an own write was lost.
    pub async fn write_marker(
        &self,
        environment: &EnvironmentName,
        marker: &Marker,
        expected: Option<&str>,
    ) -> Result<String, ClusterError> {
        let reference = self.own("ConfigMap", marker_name(environment));
        let object = encode(&reference, marker, expected);
        match self.write(&reference, &object, expected.is_some()).await {
            Ok(stored) => Ok(resource_version(&stored)),
            Err(error) if error.failure() == ClusterFailure::StaleWrite => {
                match self.read_marker(environment).await? {
                    Some((stored, version)) if stored == *marker && Some(version.as_str()) != expected => {
                        Ok(version)
                    }
                    _ => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// The salt of this cluster's keyed digests, made at the first call. Calls at the same time get the same one.
    pub async fn digest_key(&self) -> Result<DigestKey, ClusterError> {
        let reference = self.own("Secret", KEY_NAME.to_owned());
        if let Some(secret) = self.get(&reference).await? {
            return key_of(&secret, &reference);
        }
        let secret = new_key(&reference)?;
        match self.write(&reference, &secret, false).await {
            Ok(stored) => key_of(&stored, &reference),
            Err(error) if error.failure() == ClusterFailure::StaleWrite => {
                let stored = self.get(&reference).await?.ok_or(error)?;
                key_of(&stored, &reference)
            }
            Err(error) => Err(error),
        }
    }

    /// The reference of an object that belongs to windlass itself.
    fn own(&self, kind: &str, name: String) -> ObjectRef {
        ObjectRef {
            api_version: "v1".to_owned(),
            kind: kind.to_owned(),
            namespace: Some(self.default_namespace().to_owned()),
            name,
        }
    }

    async fn write(
        &self,
        reference: &ObjectRef,
        object: &Value,
        is_there: bool,
    ) -> Result<Value, ClusterError> {
        let request = Request::of("write", reference);
        let path = self.path(reference, &request).await?;
        let collection = path.rsplit_once('/').map_or("", |(collection, _)| collection).to_owned();
        let (method, path) =
            if is_there { (http::Method::PUT, path) } else { (http::Method::POST, collection) };
        let call = Call::with_body(method, format!("{path}?fieldManager=windlass"), object, request.clone());
        match self.transport.try_call(&call).await {
            Ok(answer) => answer.json(&request),
            // An update of what somebody deleted is as stale as one of what somebody changed.
            Err(Failed::Status(status)) if is_there && status.failure() == ClusterFailure::NotFound => {
                Err(ClusterError::new(ClusterFailure::StaleWrite, &request, "it was deleted in between"))
            }
            Err(failed) => Err(failed.into_error(&request)),
        }
    }
}

fn marker_name(environment: &EnvironmentName) -> String {
    format!("windlass-{environment}")
}

fn resource_version(object: &Value) -> String {
    ObjectView::new(object).text("/metadata/resourceVersion").unwrap_or_default().to_owned()
}

fn metadata(reference: &ObjectRef, expected: Option<&str>) -> Value {
    let mut metadata = json!({
        "name": reference.name,
        "namespace": reference.namespace,
        "labels": {"app.kubernetes.io/managed-by": "windlass"},
    });
    if let Some(version) = expected {
        metadata["resourceVersion"] = version.into();
    }
    metadata
}

/// The inventory has one line for each object: `kubectl` shows it readably, and 5,000 of them stay below the 1 MiB of a `ConfigMap`.
fn encode(reference: &ObjectRef, marker: &Marker, expected: Option<&str>) -> Value {
    let line = |item: &InventoryItem| {
        let object = &item.object;
        let namespace = object.namespace.as_deref().unwrap_or_default();
        format!(
            "{} {} {namespace}/{} {} {}\n",
            object.api_version, object.kind, object.name, item.uid, item.digest
        )
    };
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata(reference, expected),
        "data": {
            "epoch": marker.epoch.to_string(),
            "run": marker.run.to_string(),
            "release": marker.release.as_str(),
            "inventory": marker.inventory.iter().map(line).collect::<String>(),
        },
    })
}

fn decode(object: &Value) -> Option<Marker> {
    let view = ObjectView::new(object);
    let inventory: Option<Vec<InventoryItem>> =
        view.text("/data/inventory").unwrap_or_default().lines().map(decode_item).collect();
    Some(Marker {
        epoch: view.text("/data/epoch")?.parse().ok()?,
        run: view.text("/data/run")?.parse().ok()?,
        release: digest(view.text("/data/release")?)?,
        inventory: inventory?,
    })
}

fn decode_item(line: &str) -> Option<InventoryItem> {
    let mut words = line.split(' ');
    let (api_version, kind, name, uid, hash) =
        (words.next()?, words.next()?, words.next()?, words.next()?, words.next()?);
    let (namespace, name) = name.split_once('/')?;
    let object = ObjectRef {
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
        namespace: Some(namespace.to_owned()).filter(|namespace| !namespace.is_empty()),
        name: name.to_owned(),
    };
    Some(InventoryItem { object, uid: uid.to_owned(), digest: digest(hash)? })
}

fn digest(text: &str) -> Option<Digest> {
    serde_json::from_value(text.into()).ok()
}

fn new_key(reference: &ObjectRef) -> Result<Value, ClusterError> {
    let mut key = vec![0; KEY_LENGTH];
    rustls::crypto::ring::default_provider().secure_random.fill(&mut key).map_err(|_| {
        let request = Request::of("make", reference);
        ClusterError::new(ClusterFailure::ServerError, &request, "this machine gives no random bytes")
    })?;
    let data = BTreeMap::from([("key", ByteString(key))]);
    Ok(json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "immutable": true,
        "metadata": metadata(reference, None), "data": data,
    }))
}

fn key_of(secret: &Value, reference: &ObjectRef) -> Result<DigestKey, ClusterError> {
    let bytes =
        secret.pointer("/data/key").cloned().and_then(|key| serde_json::from_value::<ByteString>(key).ok());
    let key = bytes.and_then(|bytes| <[u8; KEY_LENGTH]>::try_from(bytes.0).ok()).ok_or_else(|| {
        let words = format!("its `key` is not {KEY_LENGTH} bytes long");
        let hint = format!("delete it with `kubectl delete secret {KEY_NAME}`; every secret value then counts as changed once");
        ClusterError::new(ClusterFailure::Invalid, &Request::of("read", reference), words).with_hint(hint)
    })?;
    Ok(SecretBox::new(Box::new(key)))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;

    fn reference() -> ObjectRef {
        ObjectRef {
            api_version: "v1".into(),
            kind: "ConfigMap".into(),
            namespace: Some("default".into()),
            name: "windlass-dev".into(),
        }
    }

    fn marker() -> Marker {
        let item = |api_version: &str, kind: &str, namespace: Option<&str>| InventoryItem {
            object: ObjectRef {
                api_version: api_version.into(),
                kind: kind.into(),
                namespace: namespace.map(Into::into),
                name: "system:x".into(),
            },
            uid: "3f0c".into(),
            digest: Digest::of(b"x"),
        };
        Marker {
            epoch: 7,
            run: RunId(17),
            release: Digest::of(b"r"),
            inventory: vec![
                item("apps/v1", "StatefulSet", Some("shop")),
                item("rbac.authorization.k8s.io/v1", "ClusterRole", None),
            ],
        }
    }

    #[test]
    fn a_marker_is_read_as_it_was_written() {
        let object = encode(&reference(), &marker(), Some("5"));
        assert_eq!(decode(&object), Some(marker()));
        assert_eq!(resource_version(&object), "5");
        let line = object.pointer("/data/inventory").and_then(Value::as_str).unwrap().lines().next().unwrap();
        assert_eq!(line, format!("apps/v1 StatefulSet shop/system:x 3f0c {}", Digest::of(b"x")));
    }

    #[test]
    fn five_thousand_objects_fit() {
        let mut marker = marker();
        let mut item = marker.inventory[0].clone();
        item.uid = "0190f5a4-0000-7000-8000-000000000000".into();
        item.object.name = "a-name-of-thirty-characters-xx".into();
        marker.inventory = vec![item; 5000];
        assert!(encode(&reference(), &marker, None).to_string().len() < 1 << 20);
    }

    #[test]
    fn what_is_not_a_marker_is_none() {
        for broken in [
            json!({}),
            json!({"data": {"epoch": "x", "run": "r-1", "release": "a"}}),
            json!({"data": {"epoch": "1", "run": "r-1", "release": "a", "inventory": "v1 ConfigMap"}}),
        ] {
            assert_eq!(decode(&broken), None, "{broken}");
        }
    }

    #[test]
    fn a_new_key_is_random_and_reads_back() {
        let key = |secret: &Value| *key_of(secret, &reference()).unwrap().expose_secret();
        let (one, other) = (new_key(&reference()).unwrap(), new_key(&reference()).unwrap());
        assert_ne!(key(&one), key(&other));
        assert!(key_of(&json!({"data": {"key": "c2hvcnQ="}}), &reference()).is_err());
    }
}
