//! Pods and templates of pods.

use serde_json::{Value, json};

use super::quantity::{self, Quantity};
use super::{Problems, names};
use crate::api::problem::FieldProblem;

/// Resources that containers may ask for without a domain.
const STANDARD: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];

pub(super) fn spec(spec: &Value, path: &str, problems: &mut Problems) {
    let list = |field: &str| spec[field].as_array().map_or(&[][..], Vec::as_slice);
    let volumes = list("volumes");
    unique_names(volumes, &format!("{path}.volumes"), problems);
    if list("containers").is_empty() {
        problems.push(FieldProblem::required(format!("{path}.containers"), ""));
    }
    let mut seen = Vec::new();
    for field in ["initContainers", "containers"] {
        for (index, one) in list(field).iter().enumerate() {
            let path = format!("{path}.{field}[{index}]");
            if seen.contains(&&one["name"]) && !one["name"].is_null() {
                problems.push(FieldProblem::duplicate(format!("{path}.name"), &one["name"]));
            }
            seen.push(&one["name"]);
            container(one, &path, volumes, problems);
        }
    }
}

fn unique_names(items: &[Value], path: &str, problems: &mut Problems) {
    for (index, item) in items.iter().enumerate() {
        let field = format!("{path}[{index}].name");
        if items[..index].iter().any(|other| other["name"] == item["name"]) {
            problems.push(FieldProblem::duplicate(field, &item["name"]));
        } else {
            names::label(&item["name"], field, problems);
        }
    }
}

fn container(container: &Value, path: &str, volumes: &[Value], problems: &mut Problems) {
    names::label(&container["name"], format!("{path}.name"), problems);
    if container["image"].as_str().unwrap_or_default().is_empty() {
        problems.push(FieldProblem::required(format!("{path}.image"), ""));
    }
    let list = |field: &str| container[field].as_array().map_or(&[][..], Vec::as_slice);
    for (index, port) in list("ports").iter().enumerate() {
        let field = format!("{path}.ports[{index}].containerPort");
        if port["containerPort"].as_i64().unwrap_or_default() == 0 {
            problems.push(FieldProblem::required(field, ""));
        } else {
            port_number(&port["containerPort"], &field, problems);
        }
    }
    for (index, variable) in list("env").iter().enumerate() {
        if variable["name"].as_str().unwrap_or_default().is_empty() {
            problems.push(FieldProblem::required(format!("{path}.env[{index}].name"), ""));
        }
    }
    mounts(list("volumeMounts"), path, volumes, problems);
    resources(&container["resources"], path, problems);
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        self::probe(&container[probe], &format!("{path}.{probe}"), problems);
    }
}

fn mounts(mounts: &[Value], path: &str, volumes: &[Value], problems: &mut Problems) {
    for (index, mount) in mounts.iter().enumerate() {
        let path = format!("{path}.volumeMounts[{index}]");
        let is_known = volumes.iter().any(|volume| volume["name"] == mount["name"]);
        if mount["name"].as_str().unwrap_or_default().is_empty() {
            problems.push(FieldProblem::required(format!("{path}.name"), ""));
        } else if !is_known {
            problems.push(FieldProblem::not_found(format!("{path}.name"), &mount["name"]));
        }
        let place = &mount["mountPath"];
        if place.as_str().unwrap_or_default().is_empty() {
            problems.push(FieldProblem::required(format!("{path}.mountPath"), ""));
        } else if mounts[..index].iter().any(|other| other["mountPath"] == *place) {
            problems.push(FieldProblem::invalid(format!("{path}.mountPath"), place, "must be unique"));
        }
    }
}

fn resources(resources: &Value, path: &str, problems: &mut Problems) {
    let path = format!("{path}.resources");
    for what in ["limits", "requests"] {
        for (name, amount) in resources[what].as_object().into_iter().flatten() {
            let field = format!("{path}.{what}[{name}]");
            if !name.contains('/') && !STANDARD.contains(&name.as_str()) && !name.starts_with("hugepages-") {
                let detail = "must be a standard resource type or fully qualified";
                problems.push(FieldProblem::invalid(field.clone(), &json!(name), detail));
                problems.push(FieldProblem::invalid(
                    field,
                    &json!(name),
                    "must be a standard resource for containers",
                ));
                continue;
            }
            quantity::check(amount, &field, problems);
            let limit = resources["limits"].get(name).filter(|_| what == "requests");
            let is_above = limit.is_some_and(|limit| Quantity::parse(amount) > Quantity::parse(limit));
            if let Some(limit) = limit.filter(|_| is_above) {
                let limit = limit.as_str().map_or_else(|| limit.to_string(), str::to_owned);
                let detail = format!("must be less than or equal to {name} limit of {limit}");
                problems.push(FieldProblem::invalid(format!("{path}.requests"), amount, &detail));
            }
        }
    }
}

fn probe(probe: &Value, path: &str, problems: &mut Problems) {
    if probe.is_null() {
        return;
    }
    let handlers =
        ["exec", "httpGet", "tcpSocket", "grpc"].iter().filter(|one| probe.get(**one).is_some()).count();
    if handlers == 0 {
        problems.push(FieldProblem::required(path, "must specify a handler type"));
    } else if handlers > 1 {
        problems.push(FieldProblem::forbidden(path, "may not specify more than 1 handler type"));
    }
    for field in
        ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"]
    {
        super::not_negative(probe, path, field, problems);
    }
    let is_readiness = path.ends_with("readinessProbe");
    if !is_readiness && probe["successThreshold"].as_i64().is_some_and(|count| count > 1) {
        problems.push(FieldProblem::invalid(
            format!("{path}.successThreshold"),
            &probe["successThreshold"],
            "must be 1",
        ));
    }
}

pub(super) fn port_number(port: &Value, field: &str, problems: &mut Problems) {
    if !port.as_i64().is_some_and(|port| (1..=65_535).contains(&port)) {
        let port = if port.is_null() { &json!(0) } else { port };
        problems.push(FieldProblem::invalid(field, port, "must be between 1 and 65535, inclusive"));
    }
}
