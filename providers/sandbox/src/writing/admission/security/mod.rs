//! Pod Security: what the level of a namespace allows of a pod (`pod-security.kubernetes.io/enforce`).
//!
//! The levels are those of Kubernetes' Pod Security Standards: `baseline` keeps pods from the node, `restricted` also from privileges
//! within. Rules and words are those of 1.34, one function to a rule.

mod baseline;
mod restricted;

use std::collections::BTreeSet;

use serde_json::Value;

use crate::api::problem::Problem;
use crate::objects::kinds::{NAMESPACE, POD};
use crate::objects::{Objects, meta};

const ENFORCE: &str = "pod-security.kubernetes.io/enforce";

/// What a pod does that a rule forbids, in the words of the rule.
type Violation = Option<String>;

pub(super) fn check(objects: &Objects, pod: &Value) -> Result<(), Problem> {
    let namespace = objects.get(&NAMESPACE, None, meta::text(pod, "namespace"));
    let level =
        namespace.as_ref().and_then(|namespace| namespace["metadata"]["labels"].get(ENFORCE)?.as_str());
    let violations = match level {
        Some("baseline") => baseline::violations(&pod["spec"]),
        Some("restricted") => restricted::violations(&pod["spec"]),
        _ => return Ok(()),
    };
    if violations.is_empty() {
        return Ok(());
    }
    let level = level.unwrap_or_default();
    let why = format!("violates PodSecurity \"{level}:latest\": {}", violations.join(", "));
    Err(Problem::forbidden(&POD.resource(), meta::text(pod, "name"), &why))
}

fn containers(spec: &Value) -> impl Iterator<Item = &Value> {
    ["initContainers", "containers", "ephemeralContainers"]
        .into_iter()
        .flat_map(|field| spec[field].as_array().into_iter().flatten())
}

/// `container "a"`, `containers "a", "b"`: those for which something holds.
fn those(spec: &Value, is_one: impl Fn(&Value) -> bool) -> Option<String> {
    let names: Vec<&str> =
        containers(spec).filter(|one| is_one(one)).filter_map(|one| one["name"].as_str()).collect();
    (!names.is_empty()).then(|| format!("{} {}", plural("container", names.len()), quoted(&names)))
}

/// `pod and container "a"`: everything whose security context has something.
fn setters(spec: &Value, is_set_so: impl Fn(&Value) -> bool) -> Option<String> {
    let pod = is_set_so(&spec["securityContext"]).then(|| "pod".to_owned());
    let containers = those(spec, |one| is_set_so(&one["securityContext"]));
    let all: Vec<String> = pod.into_iter().chain(containers).collect();
    (!all.is_empty()).then(|| all.join(" and "))
}

/// The values that a function finds in the security contexts of a pod and its containers, each once.
fn values<'s>(spec: &'s Value, find: impl Fn(&'s Value) -> Option<&'s str>) -> BTreeSet<&'s str> {
    let contexts = containers(spec).map(|one| &one["securityContext"]);
    std::iter::once(&spec["securityContext"]).chain(contexts).filter_map(find).collect()
}

fn plural(word: &str, count: usize) -> String {
    if count == 1 { word.to_owned() } else { format!("{word}s") }
}

fn quoted<'t>(texts: impl IntoIterator<Item = &'t (impl AsRef<str> + 't)>) -> String {
    texts.into_iter().map(|text| format!("{:?}", text.as_ref())).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
