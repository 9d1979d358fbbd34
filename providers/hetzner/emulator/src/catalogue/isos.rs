//! Discs that can be put into a server.

use serde_json::{Value, json};

use crate::form::Reference;
use crate::kind::Id;
use crate::query::Query;

/// ID, name, architecture.
const ISOS: &[(Id, &str, &str)] = &[
    (551, "virtio-win-0.1.141.iso", "x86"),
    (8636, "debian-12.5.0-amd64-netinst.iso", "x86"),
    (8637, "debian-12.5.0-arm64-netinst.iso", "arm"),
    (26_022, "nixos-minimal-24.05-x86_64-linux.iso", "x86"),
];

pub(crate) fn views() -> Vec<Value> {
    ISOS.iter().map(|(id, name, architecture)| view(*id, name, architecture)).collect()
}

/// The disc that a request names.
pub(crate) fn find(reference: &Reference) -> Option<Value> {
    views().into_iter().find(|iso| match reference {
        Reference::Id(id) => iso["id"] == *id,
        Reference::Name(name) => iso["name"] == **name,
    })
}

/// Keeps those of the architectures that are asked for.
pub(crate) fn keep(isos: &mut Vec<Value>, query: &Query) {
    let wanted: Vec<&str> = query.all("architecture").collect();
    if !wanted.is_empty() {
        isos.retain(|iso| iso["architecture"].as_str().is_some_and(|it| wanted.contains(&it)));
    }
}

fn view(id: Id, name: &str, architecture: &str) -> Value {
    json!({
        "id": id,
        "name": name,
        "description": name.trim_end_matches(".iso"),
        "type": "public",
        "deprecation": null,
        "architecture": architecture,
    })
}
