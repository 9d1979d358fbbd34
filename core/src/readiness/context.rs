//! What a judge must know beyond the object itself.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::object::ObjectView;

/// Facts from other objects that decide the readiness of one. An empty context is always allowed: it waits longer, never shorter.
#[derive(Debug, Clone, Default)]
pub struct Context {
    late_binding_classes: BTreeSet<String>,
    default_class_binds_late: bool,
    claims_waiting_for_consumer: BTreeSet<(String, String)>,
    claims_in_use: BTreeSet<(String, String)>,
    publishing_ingress_classes: BTreeSet<String>,
}

impl Context {
    /// Learns from an object: the binding mode of a `StorageClass`, the claims that a pod or the template of running pods uses, the class of an
    /// Ingress that has got an address. Other objects teach nothing.
    pub fn learn(&mut self, object: &Value) {
        let view = ObjectView::new(object);
        match view.kind() {
            "StorageClass" => self.learn_class(view),
            "Ingress" => self.learn_ingress(view),
            "Pod" => self.learn_claims(view, "/spec/volumes"),
            // Its pods come when their time comes, which may be long after the rollout.
            "CronJob" => {}
            _ => self.learn_claims(view, "/spec/template/spec/volumes"),
        }
    }

    /// Learns from a core/v1 Event: the volume controller says `WaitForFirstConsumer` of a claim whose class binds late.
    pub fn learn_event(&mut self, event: &Value) {
        let view = ObjectView::new(event);
        if view.text("/reason") == Some("WaitForFirstConsumer")
            && view.text("/involvedObject/kind") == Some("PersistentVolumeClaim")
        {
            let namespace = view.text("/involvedObject/namespace").unwrap_or_default();
            let name = view.text("/involvedObject/name").unwrap_or_default();
            self.claims_waiting_for_consumer.insert((namespace.to_owned(), name.to_owned()));
        }
    }

    /// Whether the volume of a claim is only made once a pod uses the claim, and no pod does.
    ///
    /// `volumeBindingMode: WaitForFirstConsumer` of the class (Kubernetes docs, "Storage Classes"). A class that is not known
    /// counts as immediate, unless the controller said otherwise.
    pub(crate) fn waits_for_consumer(&self, claim: ObjectView<'_>) -> bool {
        let key = (claim.namespace().unwrap_or_default().to_owned(), claim.name().to_owned());
        let binds_late = match claim.text("/spec/storageClassName") {
            Some(class) => self.late_binding_classes.contains(class),
            None => self.default_class_binds_late,
        };
        (binds_late || self.claims_waiting_for_consumer.contains(&key)) && !self.claims_in_use.contains(&key)
    }

    /// Whether an Ingress of this class was seen with an address, so that its controller is known to publish them.
    pub(super) fn publishes_addresses(&self, ingress: ObjectView<'_>) -> bool {
        self.publishing_ingress_classes.contains(ingress_class(ingress))
    }

    fn learn_class(&mut self, class: ObjectView<'_>) {
        if class.text("/volumeBindingMode") != Some("WaitForFirstConsumer") {
            return;
        }
        self.late_binding_classes.insert(class.name().to_owned());
        if class.annotation("storageclass.kubernetes.io/is-default-class") == Some("true") {
            self.default_class_binds_late = true;
        }
    }

    fn learn_ingress(&mut self, ingress: ObjectView<'_>) {
        if !ingress.list("/status/loadBalancer/ingress").is_empty() {
            self.publishing_ingress_classes.insert(ingress_class(ingress).to_owned());
        }
    }

    fn learn_claims(&mut self, user: ObjectView<'_>, volumes: &str) {
        if user.integer("/spec/replicas") == Some(0) {
            return;
        }
        let namespace = user.namespace().unwrap_or_default();
        let claims = user
            .list(volumes)
            .iter()
            .filter_map(|volume| ObjectView::new(volume).text("/persistentVolumeClaim/claimName"));
        self.claims_in_use.extend(claims.map(|claim| (namespace.to_owned(), claim.to_owned())));
    }
}

fn ingress_class(ingress: ObjectView<'_>) -> &str {
    ingress
        .text("/spec/ingressClassName")
        .or_else(|| ingress.annotation("kubernetes.io/ingress.class"))
        .unwrap_or_default()
}
