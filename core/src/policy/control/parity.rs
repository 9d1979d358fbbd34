//! All environments have the same keys; only values differ.
//!
//! A key that only one of them has is a decision that was made for one and forgotten for the others. Lists are values: how many windows or
//! freezes there are may differ, whether the key is there may not.

use std::collections::BTreeMap;

use crate::document::section::Reader;
use crate::document::{Entry, Node, Value};
use crate::policy::problem::Place;

/// Reports every key that one environment has and another lacks.
///
/// Keys that every environment must have are left to their own message, and so are keys below one that is missing itself.
pub(super) fn check(reader: &mut Reader<'_>, root: &Node) {
    let Some(Node { value: Value::Mapping(environments), .. }) = root.get("environments") else { return };
    let mappings = |entry: &&Entry| matches!(entry.value.value, Value::Mapping(_));
    let sides: Vec<Side<'_>> = environments
        .iter()
        .filter(mappings)
        .map(|entry| Side { environment: &entry.key.value, node: &entry.value })
        .collect();
    compare(reader, &sides, "");
}

/// The same mapping in one of the environments.
#[derive(Clone, Copy)]
struct Side<'a> {
    environment: &'a str,
    node: &'a Node,
}

fn compare(reader: &mut Reader<'_>, sides: &[Side<'_>], path: &str) {
    let mut holders: BTreeMap<&str, (Side<'_>, Place)> = BTreeMap::new();
    for side in sides {
        for entry in entries(side.node) {
            holders.entry(&entry.key.value).or_insert((*side, entry.key.place));
        }
    }
    for (key, (holder, place)) in holders {
        let path = if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        let mut below = Vec::new();
        for side in sides {
            match side.node.get(key) {
                Some(node) if matches!(node.value, Value::Mapping(_)) => below.push(Side { node, ..*side }),
                Some(_) => {}
                None if reader.said_unknown(place) || reader.said_missing(side.node.place, key) => {}
                None => report(reader, *side, &path, holder.environment, place),
            }
        }
        compare(reader, &below, &path);
    }
}

fn entries(node: &Node) -> &[Entry] {
    match &node.value {
        Value::Mapping(entries) => entries,
        Value::Scalar { .. } | Value::List(_) => &[],
    }
}

fn report(reader: &mut Reader<'_>, lacking: Side<'_>, path: &str, holder: &str, place: Place) {
    let message = format!(
        "environment `{}` lacks `{path}`, which `{holder}` has in line {}",
        lacking.environment, place.line
    );
    let hint = format!(
        "all environments have the same keys: add `{path}` to `{}`, or remove it from `{holder}`",
        lacking.environment
    );
    reader.report(lacking.node.place, lacking.node.length, message, Some(hint));
}
