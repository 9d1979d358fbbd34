//! Pods and templates of pods.

use serde_json::{Value, json};

use super::{items, set};

/// The mode of files from config maps and secrets: 0644.
const FILE_MODE: i64 = 0o644;

pub(super) fn fill(spec: &mut Value) {
    set(spec, "dnsPolicy", "ClusterFirst");
    set(spec, "restartPolicy", "Always");
    set(spec, "schedulerName", "default-scheduler");
    set(spec, "securityContext", json!({}));
    set(spec, "terminationGracePeriodSeconds", 30);
    if let Some(account) = spec.get("serviceAccountName").or_else(|| spec.get("serviceAccount")).cloned() {
        set(spec, "serviceAccount", account.clone());
        set(spec, "serviceAccountName", account);
    }
    for field in ["initContainers", "containers"] {
        items(spec, field).for_each(container);
    }
    items(spec, "volumes").for_each(volume);
}

fn container(container: &mut Value) {
    let image = container["image"].as_str().unwrap_or_default();
    set(container, "imagePullPolicy", if is_latest(image) { "Always" } else { "IfNotPresent" });
    set(container, "resources", json!({}));
    set(container, "terminationMessagePath", "/dev/termination-log");
    set(container, "terminationMessagePolicy", "File");
    requests_are_limits(&mut container["resources"]);
    items(container, "ports").for_each(|port| set(port, "protocol", "TCP"));
    for variable in items(container, "env") {
        field_reference(&mut variable["valueFrom"]);
        if variable["valueFrom"].is_null() {
            variable.as_object_mut().map(|variable| variable.shift_remove("valueFrom"));
        }
    }
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        if let Some(probe) = container.get_mut(probe) {
            self::probe(probe);
        }
    }
    for hook in ["postStart", "preStop"] {
        if let Some(hook) = container.get_mut("lifecycle").and_then(|lifecycle| lifecycle.get_mut(hook)) {
            http_get(hook);
        }
    }
}

/// Whether an image without a digest is `latest` or has no tag.
fn is_latest(image: &str) -> bool {
    let name = image.rsplit('/').next().unwrap_or(image);
    !image.contains('@') && name.split_once(':').is_none_or(|(_, tag)| tag == "latest")
}

/// What has a limit and no request asks for all of its limit.
fn requests_are_limits(resources: &mut Value) {
    let Some(Value::Object(limits)) = resources.get("limits").cloned() else { return };
    for (name, limit) in limits {
        set(&mut resources["requests"], &name, limit);
    }
}

fn probe(probe: &mut Value) {
    set(probe, "failureThreshold", 3);
    set(probe, "periodSeconds", 10);
    set(probe, "successThreshold", 1);
    set(probe, "timeoutSeconds", 1);
    http_get(probe);
    if let Some(grpc) = probe.get_mut("grpc") {
        set(grpc, "service", "");
    }
}

fn http_get(handler: &mut Value) {
    if let Some(get) = handler.get_mut("httpGet") {
        set(get, "path", "/");
        set(get, "scheme", "HTTP");
    }
}

fn field_reference(source: &mut Value) {
    if let Some(reference) = source.get_mut("fieldRef") {
        set(reference, "apiVersion", "v1");
    }
}

fn volume(volume: &mut Value) {
    let has_source = volume.as_object().is_some_and(|volume| volume.len() > 1);
    if !has_source {
        set(volume, "emptyDir", json!({}));
    }
    for source in ["configMap", "secret", "projected", "downwardAPI"] {
        if let Some(source) = volume.get_mut(source) {
            set(source, "defaultMode", FILE_MODE);
            items(source, "items").for_each(field_reference);
        }
    }
    if let Some(path) = volume.get_mut("hostPath") {
        set(path, "type", "");
    }
    if let Some(projected) = volume.get_mut("projected") {
        for source in items(projected, "sources") {
            if let Some(token) = source.get_mut("serviceAccountToken") {
                set(token, "expirationSeconds", 3600);
            }
            if let Some(fields) = source.get_mut("downwardAPI") {
                items(fields, "items").for_each(field_reference);
            }
        }
    }
    if let Some(template) = volume.get_mut("ephemeral").and_then(|one| one.get_mut("volumeClaimTemplate")) {
        set(&mut template["spec"], "volumeMode", "Filesystem");
    }
}

/// `status.qosClass`, from requests and limits of all containers.
pub(super) fn quality_of_service(spec: &Value) -> &'static str {
    let containers = ["initContainers", "containers"]
        .iter()
        .flat_map(|field| spec[*field].as_array().into_iter().flatten());
    let (mut is_any, mut is_guaranteed) = (false, true);
    for container in containers {
        let of = |what: &str, resource: &str| container["resources"][what].get(resource).cloned();
        for resource in ["cpu", "memory"] {
            let (request, limit) = (of("requests", resource), of("limits", resource));
            is_any |= request.is_some() || limit.is_some();
            is_guaranteed &= limit.is_some() && request == limit;
        }
    }
    match (is_any, is_guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}
