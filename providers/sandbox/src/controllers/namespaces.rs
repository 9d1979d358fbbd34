//! Namespaces: what every one of them has, and how it goes with all that is in it.

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use super::Controller;
use super::decision::{Decision, Moment, Write};
use super::view::{Subject, View, is_deleted, name_of};

/// The config map with the certificate of the API server, which pods read. That of `kube-system` is the original.
const ROOT_CERTIFICATE: &str = "kube-root-ca.crt";
const SYSTEM: &str = "kube-system";
const DEFAULT: &str = "default";

/// The controller of namespaces.
#[derive(Debug)]
pub(crate) struct Namespaces;

impl Controller for Namespaces {
    fn name(&self) -> &'static str {
        "namespace-controller"
    }

    fn concerned(&self, object: &Value, view: &dyn View) -> Vec<Subject> {
        let subject = Subject::of_value(object);
        if subject.is::<Namespace>() {
            return vec![subject];
        }
        let home = Subject::new::<Namespace>("", &subject.namespace);
        let is_leaving = view
            .get(&home.api_version, &home.kind, "", &home.name)
            .is_some_and(|namespace| namespace["metadata"]["deletionTimestamp"].is_string());
        let is_given = subject.is::<ServiceAccount>() && subject.name == DEFAULT
            || subject.is::<ConfigMap>() && subject.name == ROOT_CERTIFICATE;
        if is_given && subject.namespace == SYSTEM {
            return view.all::<Namespace>("").iter().map(Subject::of).collect();
        }
        if is_leaving || is_given { vec![home] } else { Vec::new() }
    }

    fn decide(&self, subject: &Subject, view: &dyn View, _: &Moment) -> Decision {
        let mut decision = Decision::default();
        match view.find::<Namespace>("", &subject.name) {
            Some(namespace) if is_deleted(&namespace) => empty(&namespace, view, &mut decision),
            Some(namespace) => furnish(&namespace, view, &mut decision),
            None => {}
        }
        decision
    }
}

/// Gives a namespace the service account that its pods run as, and the certificate by which they know the API server.
fn furnish(namespace: &Namespace, view: &dyn View, decision: &mut Decision) {
    let name = name_of(namespace);
    let metadata = |own: &str| ObjectMeta {
        name: Some(own.to_owned()),
        namespace: Some(name.to_owned()),
        ..ObjectMeta::default()
    };
    if view.find::<ServiceAccount>(name, DEFAULT).is_none() {
        decision.create(&ServiceAccount { metadata: metadata(DEFAULT), ..ServiceAccount::default() }, None);
    }
    let certificate = view.find::<ConfigMap>(SYSTEM, ROOT_CERTIFICATE).and_then(|map| map.data);
    let own = view.find::<ConfigMap>(name, ROOT_CERTIFICATE);
    match (certificate, own) {
        (Some(data), None) => {
            let metadata = metadata(ROOT_CERTIFICATE);
            decision.create(&ConfigMap { metadata, data: Some(data), ..ConfigMap::default() }, None);
        }
        (Some(data), Some(own)) if own.data.as_ref() != Some(&data) => {
            decision.change(&own, json!({ "data": data }));
        }
        _ => {}
    }
}

/// Deletes what is left in a namespace; when that is nothing, lets it go.
fn empty(namespace: &Namespace, view: &dyn View, decision: &mut Decision) {
    let status = namespace.status.as_ref();
    if status.and_then(|status| status.phase.as_deref()) != Some("Terminating") {
        decision.status(namespace, &json!({ "phase": "Terminating" }));
    }
    let name = name_of(namespace);
    let content = view.everything().into_iter().filter(|object| object["metadata"]["namespace"] == name);
    let mut is_empty = true;
    for object in content {
        is_empty = false;
        if object["metadata"]["deletionTimestamp"].is_null() {
            decision.delete_value(&object);
        }
    }
    if is_empty {
        decision.writes.push(Write::Finalize { namespace: name.to_owned() });
    }
}
