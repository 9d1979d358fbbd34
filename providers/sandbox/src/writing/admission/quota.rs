//! `ResourceQuota`: how much of everything a namespace may hold.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::api::problem::Problem;
use crate::objects::kinds::{KINDS, POD, RESOURCE_QUOTA};
use crate::objects::{Kind, Objects, meta};
use crate::writing::check::Quantity;

/// Refuses what would need more than a quota leaves. What is used is counted now, from the objects themselves.
pub(super) fn check(objects: &Objects, kind: &Kind, object: &Value) -> Result<(), Problem> {
    if !kind.is_namespaced() {
        return Ok(());
    }
    let namespace = meta::text(object, "namespace");
    for quota in objects.list(&RESOURCE_QUOTA, Some(namespace)).items {
        let hard = quota["spec"]["hard"].as_object().cloned().unwrap_or_default();
        let (mut requested, mut used, mut limited) = (Vec::new(), Vec::new(), Vec::new());
        for (resource, limit) in &hard {
            let Some(asked) = usage(kind, object, resource) else { continue };
            let all = in_use(objects, kind, namespace, resource);
            let Some(Quantity(limit_amount)) = Quantity::parse(limit) else { continue };
            if asked > 0 && all + asked > limit_amount {
                let shown = limit.as_str().map_or_else(|| limit.to_string(), str::to_owned);
                requested.push(format!("{resource}={}", amount(resource, asked)));
                used.push(format!("{resource}={}", amount(resource, all)));
                limited.push(format!("{resource}={shown}"));
            }
        }
        if !requested.is_empty() {
            let why = format!(
                "exceeded quota: {}, requested: {}, used: {}, limited: {}",
                meta::text(&quota, "name"),
                requested.join(","),
                used.join(","),
                limited.join(",")
            );
            return Err(Problem::forbidden(&kind.resource(), meta::text(object, "name"), &why));
        }
    }
    Ok(())
}

/// What is used of everything that a quota limits, for its status.
pub(crate) fn used(objects: &Objects, quota: &Value) -> BTreeMap<String, String> {
    let namespace = meta::text(quota, "namespace");
    let resources = quota["spec"]["hard"].as_object().into_iter().flatten();
    let total = |resource: &String| -> i128 {
        KINDS
            .iter()
            .filter(|kind| kind.is_namespaced())
            .map(|kind| in_use(objects, kind, namespace, resource))
            .sum()
    };
    resources.map(|(resource, _)| (resource.clone(), amount(resource, total(resource)))).collect()
}

fn in_use(objects: &Objects, kind: &Kind, namespace: &str, resource: &str) -> i128 {
    let all = objects.list(kind, Some(namespace)).items;
    all.iter().filter_map(|object| usage(kind, object, resource)).sum()
}

/// How much of a resource an object needs, in thousandths; none where it needs nothing that is so called.
fn usage(kind: &Kind, object: &Value, resource: &str) -> Option<i128> {
    const ONE: i128 = 1_000;
    let is_counted =
        resource == kind.plural || resource.strip_prefix("count/") == Some(&kind.resource().to_string());
    if kind != &POD {
        return is_counted.then_some(ONE);
    }
    if matches!(object["status"]["phase"].as_str(), Some("Succeeded" | "Failed")) {
        return None;
    }
    if is_counted {
        return Some(ONE);
    }
    let (what, name) = resource.split_once('.').unwrap_or(("requests", resource));
    let of = |container: &Value| {
        Quantity::parse(container["resources"][what].get(name)?).map(|Quantity(amount)| amount)
    };
    let containers: Vec<i128> =
        object["spec"]["containers"].as_array().into_iter().flatten().filter_map(of).collect();
    (!containers.is_empty()).then(|| containers.into_iter().sum())
}

fn amount(resource: &str, thousandths: i128) -> String {
    let is_cpu = resource.ends_with("cpu");
    if is_cpu && thousandths % 1_000 != 0 {
        format!("{thousandths}m")
    } else {
        (thousandths / 1_000).to_string()
    }
}
