//! How objects go.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::error::ObjectError;
use super::kinds::{JOB, Kind, POD, Resource};
use super::meta::{self, text};

/// The finalizers under which the garbage collector first deletes, or lets go, what an object owns.
const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

/// How an object is to be deleted: `DeleteOptions`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deletion {
    /// What becomes of the objects that it owns; by default what its kind does.
    pub propagation: Option<Propagation>,
    /// Only if the object has this identity.
    pub uid: Option<String>,
    /// Only if the object is at this version.
    pub resource_version: Option<String>,
    /// How long a pod may take to end, in seconds; by default what the pod says. With 0 it is gone at once.
    pub grace: Option<i64>,
}

/// What becomes of the objects that a deleted one owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagation {
    /// They are deleted after it.
    Background,
    /// They are deleted before it.
    Foreground,
    /// They stay.
    Orphan,
}

/// What became of an object that was deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deleted {
    /// It is gone; its last state.
    Gone(Arc<Value>),
    /// It goes when what holds it lets it go.
    Marked(Arc<Value>),
}

impl Deletion {
    /// Fails unless the object is the one that is meant.
    pub(crate) fn check(&self, kind: &Kind, object: &Value) -> Result<(), ObjectError> {
        let demands =
            [("UID", "uid", &self.uid), ("ResourceVersion", "resourceVersion", &self.resource_version)];
        for (name, field, wanted) in demands {
            let found = text(object, field);
            if let Some(wanted) = wanted.as_deref().filter(|wanted| *wanted != found) {
                return Err(precondition(kind, object, name, wanted, found));
            }
        }
        Ok(())
    }
}

pub(crate) fn precondition(
    kind: &Kind,
    object: &Value,
    field: &str,
    wanted: &str,
    found: &str,
) -> ObjectError {
    let becomes = if field == "UID" { "deleted and then recreated" } else { "modified" };
    ObjectError::Precondition {
        resource: Resource { group: kind.group.clone(), plural: kind.kind.clone() },
        name: text(object, "name").to_owned(),
        problem: format!(
            "the {field} in the precondition ({wanted}) does not match the {field} in record ({found}). The object might have been {becomes}"
        ),
    }
}

/// The object with its mark of deletion; none if it goes at once.
pub(crate) fn marked(kind: &Kind, object: &Value, deletion: &Deletion) -> Option<Value> {
    let mut marked = object.clone();
    set_finalizers(&mut marked, deletion.propagation.unwrap_or_else(|| by_default(kind, object)));
    let grace = if kind == &POD { grace(object, deletion.grace) } else { 0 };
    if grace == 0 && !meta::is_held(kind, &marked) {
        return None;
    }
    let is_first = text(object, "deletionTimestamp").is_empty();
    let before = object["metadata"]["deletionGracePeriodSeconds"].as_i64();
    if is_first || before.is_some_and(|before| grace < before) {
        let at = Timestamp::now() + SignedDuration::from_secs(grace);
        let metadata = meta::metadata(&mut marked);
        metadata.insert("deletionTimestamp".to_owned(), meta::moment(at).into());
        metadata.insert("deletionGracePeriodSeconds".to_owned(), grace.into());
        if is_first && kind.counts_generations {
            metadata.insert("generation".to_owned(), (meta::generation(object) + 1).into());
        }
    }
    Some(marked)
}

/// A job leaves its pods, as it did before there was a garbage collector; everything else takes what it owns with it.
fn by_default(kind: &Kind, object: &Value) -> Propagation {
    let finalizers = object["metadata"]["finalizers"].as_array();
    let has = |name: &str| finalizers.is_some_and(|list| list.iter().any(|one| one == name));
    if has(ORPHAN) || (kind == &JOB && !has(FOREGROUND)) {
        Propagation::Orphan
    } else if has(FOREGROUND) {
        Propagation::Foreground
    } else {
        Propagation::Background
    }
}

fn set_finalizers(object: &mut Value, propagation: Propagation) {
    let wanted = match propagation {
        Propagation::Background => None,
        Propagation::Foreground => Some(FOREGROUND),
        Propagation::Orphan => Some(ORPHAN),
    };
    let metadata = meta::metadata(object);
    let list = metadata.get("finalizers").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut list: Vec<Value> = list.into_iter().filter(|one| one != FOREGROUND && one != ORPHAN).collect();
    list.extend(wanted.map(Value::from));
    if list.is_empty() {
        metadata.shift_remove("finalizers");
    } else {
        metadata.insert("finalizers".to_owned(), json!(list));
    }
}

/// How long a pod may take to end: nothing runs in one that is not bound to a node, or that has ended.
fn grace(pod: &Value, asked: Option<i64>) -> i64 {
    let is_bound = pod["spec"]["nodeName"].as_str().is_some_and(|node| !node.is_empty());
    let has_ended = matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    if !is_bound || has_ended {
        return 0;
    }
    let own = pod["spec"]["terminationGracePeriodSeconds"].as_i64();
    asked.or(own).unwrap_or(30).max(0)
}
