//! A namespace, and a connection whose context it is.

use serde_json::{Value, json};
use windlass_cluster::{AppliedObject, ApplyOptions, Cluster, NoHook, Planned};
use windlass_core::object::ObjectRef;
use windlass_core::provider::Kubeconfig;
use windlass_tests::testbed::{Bed, Namespace};

pub(crate) struct Space {
    pub(crate) namespace: Namespace<'static>,
    pub(crate) cluster: Cluster,
}

impl Space {
    pub(crate) async fn new() -> Space {
        let namespace = Bed::shared().namespace();
        let kubeconfig = std::fs::read_to_string(namespace.kubeconfig()).unwrap();
        let cluster = Cluster::connect(&Kubeconfig::new(kubeconfig)).await.unwrap();
        Space { namespace, cluster }
    }

    pub(crate) fn name(&self) -> &str {
        self.namespace.name()
    }

    pub(crate) fn reference(&self, api_version: &str, kind: &str, name: &str) -> ObjectRef {
        ObjectRef {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            namespace: Some(self.name().to_owned()),
            name: name.to_owned(),
        }
    }

    pub(crate) async fn plan(&self, objects: &[Value]) -> Vec<Planned> {
        self.cluster.dry_run(objects, &ApplyOptions::default()).await.unwrap()
    }

    pub(crate) async fn apply(&self, objects: &[Value]) -> Vec<AppliedObject> {
        let planned = self.plan(objects).await;
        self.cluster.apply(&planned, &NoHook).await.unwrap()
    }

    pub(crate) async fn get(&self, api_version: &str, kind: &str, name: &str) -> Option<Value> {
        self.cluster.get(&self.reference(api_version, kind, name)).await.unwrap()
    }
}

pub(crate) fn config_map(name: &str, value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"key": value}})
}

/// A workload with one container of an image.
pub(crate) fn workload(kind: &str, name: &str, image: &str) -> Value {
    let mut object = json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": {
        "replicas": 1,
        "selector": {"matchLabels": {"app": name}},
        "template": {
            "metadata": {"labels": {"app": name}},
            "spec": {"containers": [{"name": "main", "image": image}]},
        },
    }});
    if kind == "StatefulSet" {
        object["spec"]["serviceName"] = name.into();
    }
    object
}
