//! `LimitRange`: what containers get where they ask for nothing, and how much they may ask for.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::api::problem::Problem;
use crate::objects::kinds::{LIMIT_RANGE, PERSISTENT_VOLUME_CLAIM, POD};
use crate::objects::{Kind, Objects, meta};
use crate::writing::check::Quantity;

fn limits(objects: &Objects, object: &Value, of: &str) -> Vec<Value> {
    let ranges: Vec<Arc<Value>> = objects.list(&LIMIT_RANGE, Some(meta::text(object, "namespace"))).items;
    let all = ranges.iter().flat_map(|range| range["spec"]["limits"].as_array().into_iter().flatten());
    all.filter(|limit| limit["type"] == of).cloned().collect()
}

/// Gives containers the requests and limits that the namespace says; what only has a maximum has that as its limit.
pub(super) fn fill(objects: &Objects, pod: &mut Value) {
    for limit in limits(objects, pod, "Container") {
        let or = |first: &str, then: &str| limit.get(first).or_else(|| limit.get(then)).cloned();
        let defaults = [
            ("limits", or("default", "max")),
            ("requests", or("defaultRequest", "default").or_else(|| or("min", "max"))),
        ];
        for field in ["initContainers", "containers"] {
            for container in pod["spec"].get_mut(field).and_then(Value::as_array_mut).into_iter().flatten() {
                let resources = &mut container["resources"];
                for (what, amounts) in &defaults {
                    for (name, amount) in amounts.as_ref().and_then(Value::as_object).into_iter().flatten() {
                        if resources[*what].get(name).is_none() {
                            let own_limit =
                                resources["limits"].get(name).filter(|_| *what == "requests").cloned();
                            resources[*what][name] = own_limit.unwrap_or_else(|| amount.clone());
                        }
                    }
                }
            }
        }
    }
}

pub(super) fn check_pod(objects: &Objects, pod: &Value) -> Result<(), Problem> {
    let mut complaints = Vec::new();
    for limit in limits(objects, pod, "Container") {
        for field in ["initContainers", "containers"] {
            for container in pod["spec"][field].as_array().into_iter().flatten() {
                complain(&limit, &container["resources"], "Container", &mut complaints);
            }
        }
    }
    refuse(&POD, pod, &complaints)
}

pub(super) fn check_claim(objects: &Objects, kind: &Kind, claim: &Value) -> Result<(), Problem> {
    if kind != &PERSISTENT_VOLUME_CLAIM {
        return Ok(());
    }
    let mut complaints = Vec::new();
    for limit in limits(objects, claim, "PersistentVolumeClaim") {
        let requests = &claim["spec"]["resources"]["requests"];
        complain(&limit, &json!({"requests": requests}), "PersistentVolumeClaim", &mut complaints);
    }
    refuse(kind, claim, &complaints)
}

/// Says which amounts are below the minimum or above the maximum.
fn complain(limit: &Value, resources: &Value, of: &str, complaints: &mut Vec<String>) {
    let usage = if of == "PersistentVolumeClaim" { "" } else { "usage " };
    for (bound, name, is_wrong) in [
        (
            "minimum",
            "min",
            (|asked: Quantity, bound: Quantity| asked < bound) as fn(Quantity, Quantity) -> bool,
        ),
        ("maximum", "max", |asked, bound| asked > bound),
    ] {
        for (resource, amount) in limit[name].as_object().into_iter().flatten() {
            let shown = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            for what in ["requests", "limits"] {
                let Some(asked) = resources[what].get(resource) else { continue };
                let is_judged =
                    what == "limits" || name == "min" || resources["limits"].get(resource).is_none();
                let (Some(asked_for), Some(allowed)) = (Quantity::parse(asked), Quantity::parse(amount))
                else {
                    continue;
                };
                if is_judged && is_wrong(asked_for, allowed) {
                    let word = what.trim_end_matches('s');
                    complaints.push(format!(
                        "{bound} {resource} {usage}per {of} is {}, but {word} is {}",
                        shown(amount),
                        shown(asked)
                    ));
                }
            }
        }
    }
}

fn refuse(kind: &Kind, object: &Value, complaints: &[String]) -> Result<(), Problem> {
    let why = match complaints {
        [] => return Ok(()),
        [only] => only.clone(),
        several => format!("[{}]", several.join(", ")),
    };
    Err(Problem::forbidden(&kind.resource(), meta::text(object, "name"), &why))
}
