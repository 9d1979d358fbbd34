//! What is served, for clients that ask: discovery, whole and by group.

use std::borrow::Cow;
use std::collections::BTreeMap;

use http::header;
use serde_json::{Value, json};

use super::VERSION;
use super::answer::{self, Answer};
use super::request::Call;
use crate::objects::kinds::NAMESPACE;
use crate::objects::{Kind, Subresource};

/// The form in which all of it is answered at once.
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

const VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

type Kinds = [Cow<'static, Kind>];

pub(super) fn version() -> Value {
    json!({
        "major": "1", "minor": "34", "gitVersion": VERSION, "gitCommit": "", "gitTreeState": "", "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "", "compiler": "", "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
    })
}

/// Answers a path of discovery; none for a group that is not served.
pub(super) fn answer(kinds: &Kinds, call: &Call, parts: &[&str]) -> Option<Answer> {
    let wants_all = call.header(header::ACCEPT).contains("as=APIGroupDiscoveryList");
    let value = match parts {
        ["api"] if wants_all => return Some(aggregated(kinds, true)),
        ["apis"] if wants_all => return Some(aggregated(kinds, false)),
        ["api"] => json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}),
        ["apis"] => {
            let groups: Vec<Value> =
                groups(kinds).iter().map(|(name, versions)| group(name, versions)).collect();
            json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
        }
        ["apis", name] => {
            let mut group = groups(kinds).get(*name).map(|versions| group(name, versions))?;
            group["kind"] = "APIGroup".into();
            group["apiVersion"] = "v1".into();
            group
        }
        ["api", version] => resources(kinds, "", version)?,
        ["apis", group, version] => resources(kinds, group, version)?,
        _ => return None,
    };
    Some(answer::json(200, &value))
}

/// The groups but the core one, with their versions.
fn groups(kinds: &Kinds) -> BTreeMap<&str, Vec<&str>> {
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for kind in kinds.iter().filter(|kind| !kind.group.is_empty()) {
        let versions = groups.entry(&kind.group).or_default();
        if !versions.contains(&kind.version.as_ref()) {
            versions.push(&kind.version);
        }
    }
    groups
}

fn group(name: &str, versions: &[&str]) -> Value {
    let version = |version: &&str| json!({"groupVersion": format!("{name}/{version}"), "version": version});
    let listed: Vec<Value> = versions.iter().map(version).collect();
    json!({"name": name, "preferredVersion": listed[0], "versions": listed})
}

fn resources(kinds: &Kinds, group: &str, version: &str) -> Option<Value> {
    let of_group: Vec<&Kind> = kinds
        .iter()
        .map(AsRef::as_ref)
        .filter(|kind: &&Kind| kind.group == group && kind.version == version)
        .collect();
    let first = of_group.first()?;
    let resources: Vec<Value> = of_group.iter().flat_map(|kind| resource(kind)).collect();
    Some(
        json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": first.api_version(), "resources": resources}),
    )
}

/// The entry of a kind, and those of its subresources.
fn resource(kind: &Kind) -> Vec<Value> {
    let mut entry = json!({
        "name": kind.plural, "singularName": kind.singular(), "namespaced": kind.is_namespaced(), "kind": kind.kind, "verbs": verbs(kind),
    });
    name_shortly(&mut entry, kind);
    let below = kind.subresources.iter().map(|subresource| {
        let (group, version, name) = response(kind, *subresource);
        let mut entry = json!({
            "name": format!("{}/{}", kind.plural, subresource.name()), "singularName": "", "namespaced": kind.is_namespaced(),
            "kind": name, "verbs": subresource_verbs(*subresource),
        });
        if group != kind.group {
            entry["group"] = group.into();
            entry["version"] = version.into();
        }
        entry
    });
    std::iter::once(entry).chain(below).collect()
}

fn name_shortly(entry: &mut Value, kind: &Kind) {
    if !kind.short_names.is_empty() {
        entry["shortNames"] = json!(kind.short_names);
    }
    if !kind.categories.is_empty() {
        entry["categories"] = json!(kind.categories);
    }
}

fn verbs(kind: &Kind) -> Vec<&'static str> {
    if !kind.is_kept() {
        return vec!["create"];
    }
    VERBS.into_iter().filter(|verb| kind != &NAMESPACE || *verb != "deletecollection").collect()
}

fn subresource_verbs(subresource: Subresource) -> &'static [&'static str] {
    match subresource {
        Subresource::Status | Subresource::Scale => &["get", "patch", "update"],
        Subresource::Log => &["get"],
        Subresource::Finalize => &["update"],
        Subresource::Binding | Subresource::Eviction | Subresource::Token => &["create"],
    }
}

/// Group, version and kind of what a subresource takes.
fn response(kind: &Kind, subresource: Subresource) -> (&str, &str, &str) {
    match subresource {
        Subresource::Status | Subresource::Log | Subresource::Finalize => {
            (&kind.group, &kind.version, &kind.kind)
        }
        Subresource::Scale => ("autoscaling", "v1", "Scale"),
        Subresource::Binding => ("", "v1", "Binding"),
        Subresource::Eviction => ("policy", "v1", "Eviction"),
        Subresource::Token => ("authentication.k8s.io", "v1", "TokenRequest"),
    }
}

fn aggregated(kinds: &Kinds, is_core: bool) -> Answer {
    let mut names: Vec<(&str, Vec<&str>)> = groups(kinds).into_iter().collect();
    if is_core {
        names = vec![("", vec!["v1"])];
    }
    let items: Vec<Value> = names
        .iter()
        .map(|(group, versions)| {
            let version = |version: &&str| {
                let of_version = kinds.iter().filter(|kind| kind.group == *group && kind.version == *version);
                let resources: Vec<Value> = of_version.map(|kind| aggregated_resource(kind)).collect();
                json!({"version": version, "resources": resources, "freshness": "Current"})
            };
            let versions: Vec<Value> = versions.iter().map(version).collect();
            let metadata = if group.is_empty() {
                json!({"creationTimestamp": null})
            } else {
                json!({"name": group, "creationTimestamp": null})
            };
            json!({"metadata": metadata, "versions": versions})
        })
        .collect();
    let list = json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items});
    let bytes = serde_json::to_vec(&list).expect("JSON values always serialise");
    answer::bytes_of(200, AGGREGATED, bytes.into())
}

fn aggregated_resource(kind: &Kind) -> Value {
    let response_kind =
        |group: &str, version: &str, name: &str| json!({"group": group, "version": version, "kind": name});
    let mut entry = json!({
        "resource": kind.plural, "responseKind": response_kind(&kind.group, &kind.version, &kind.kind),
        "scope": if kind.is_namespaced() { "Namespaced" } else { "Cluster" },
        "singularResource": kind.singular(), "verbs": verbs(kind),
    });
    name_shortly(&mut entry, kind);
    let below: Vec<Value> = kind
        .subresources
        .iter()
        .map(|subresource| {
            let (group, version, name) = response(kind, *subresource);
            json!({
                "subresource": subresource.name(), "responseKind": response_kind(group, version, name),
                "verbs": subresource_verbs(*subresource),
            })
        })
        .collect();
    if !below.is_empty() {
        entry["subresources"] = below.into();
    }
    entry
}
