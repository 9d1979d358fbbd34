//! The garbage collector: objects go with their owners.
//!
//! In the background: what has lost its last owner is deleted. In the foreground: an owner waits, by a finalizer, for those of its dependents that
//! say so. Orphaned: dependents forget an owner before that goes.

use serde_json::{Value, json};

use super::Controller;
use super::decision::{Decision, Moment, Write};
use super::view::{Subject, View};
use crate::objects::Propagation;

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

/// The garbage collector.
#[derive(Debug)]
pub(crate) struct Garbage;

impl Controller for Garbage {
    fn name(&self) -> &'static str {
        "garbage-collector-controller"
    }

    fn concerned(&self, object: &Value, view: &dyn View) -> Vec<Subject> {
        let subject = Subject::of_value(object);
        let is_there = find(&subject, view).is_some_and(|found| uid(&found) == uid(object));
        // An owner may be waiting for this one; those that it owned have lost it.
        let mut concerned: Vec<Subject> =
            owners(object).iter().map(|owner| owner_subject(owner, &subject.namespace)).collect();
        if is_there {
            concerned.push(subject);
        }
        if !is_there || is_leaving(object) {
            concerned.extend(dependents(object, view).iter().map(|one| Subject::of_value(one)));
        }
        concerned
    }

    fn decide(&self, subject: &Subject, view: &dyn View, _: &Moment) -> Decision {
        let mut decision = Decision::default();
        let Some(object) = find(subject, view) else { return decision };
        if is_leaving(&object) {
            release(&object, view, &mut decision);
        } else if !owners(&object).is_empty() {
            judge(&object, view, &mut decision);
        }
        decision
    }
}

/// Deletes an object whose owners are all gone, or that keeps the last of them from going.
fn judge(object: &Value, view: &dyn View, decision: &mut Decision) {
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default();
    let mut solid = 0;
    let mut waiting = 0;
    for owner in owners(object) {
        match find(&owner_subject(&owner, namespace), view) {
            // Owners of kinds that are not known here cannot be judged.
            None if !is_known(&owner, view) => solid += 1,
            Some(found) if found["metadata"]["uid"] == owner["uid"] => {
                if has_finalizer(&found, FOREGROUND) && is_leaving(&found) {
                    waiting += 1;
                } else {
                    solid += 1;
                }
            }
            _ => {}
        }
    }
    if solid > 0 {
        return;
    }
    let has_own = !dependents(object, view).is_empty();
    let propagation = if waiting > 0 && has_own { Propagation::Foreground } else { Propagation::Background };
    decision.writes.push(Write::Delete {
        subject: Subject::of_value(object),
        uid: uid(object).to_owned(),
        propagation: Some(propagation),
        told: None,
    });
}

/// Lets an object go that waits for the collector.
fn release(object: &Value, view: &dyn View, decision: &mut Decision) {
    let dependents = dependents(object, view);
    if has_finalizer(object, ORPHAN) {
        for dependent in &dependents {
            let others: Vec<Value> = owners(dependent)
                .into_iter()
                .filter(|owner| owner["uid"] != object["metadata"]["uid"])
                .collect();
            let merge = json!({ "metadata": { "ownerReferences": others } });
            decision.writes.push(Write::Change { subject: Subject::of_value(dependent), merge });
        }
        without_finalizer(object, ORPHAN, decision);
    }
    let blocks = |dependent: &Value| {
        let mut mine =
            owners(dependent).into_iter().filter(|owner| owner["uid"] == object["metadata"]["uid"]);
        mine.any(|owner| owner["blockOwnerDeletion"] == true)
    };
    if has_finalizer(object, FOREGROUND) && !dependents.iter().any(|one| blocks(one)) {
        without_finalizer(object, FOREGROUND, decision);
    }
}

fn without_finalizer(object: &Value, finalizer: &str, decision: &mut Decision) {
    let all = object["metadata"]["finalizers"].as_array().into_iter().flatten();
    let others: Vec<&Value> = all.filter(|one| *one != finalizer).collect();
    let merge = json!({ "metadata": { "finalizers": others } });
    decision.writes.push(Write::Change { subject: Subject::of_value(object), merge });
}

fn find(subject: &Subject, view: &dyn View) -> Option<std::sync::Arc<Value>> {
    view.get(&subject.api_version, &subject.kind, &subject.namespace, &subject.name)
}

fn uid(object: &Value) -> &str {
    object["metadata"]["uid"].as_str().unwrap_or_default()
}

fn is_leaving(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

fn has_finalizer(object: &Value, finalizer: &str) -> bool {
    object["metadata"]["finalizers"].as_array().is_some_and(|all| all.iter().any(|one| one == finalizer))
}

fn owners(object: &Value) -> Vec<Value> {
    object["metadata"]["ownerReferences"].as_array().cloned().unwrap_or_default()
}

/// Owners are in the namespace of what they own, or in none.
fn owner_subject(owner: &Value, namespace: &str) -> Subject {
    let text = |field: &str| owner[field].as_str().unwrap_or_default().to_owned();
    let is_node = owner["kind"] == "Node" || owner["kind"] == "Namespace";
    let namespace = if is_node { String::new() } else { namespace.to_owned() };
    Subject { api_version: text("apiVersion"), kind: text("kind"), namespace, name: text("name") }
}

fn is_known(owner: &Value, view: &dyn View) -> bool {
    view.serves(owner["apiVersion"].as_str().unwrap_or_default(), owner["kind"].as_str().unwrap_or_default())
}

fn dependents(owner: &Value, view: &dyn View) -> Vec<std::sync::Arc<Value>> {
    let mut all = view.everything();
    all.retain(|object| {
        let owners = object["metadata"]["ownerReferences"].as_array();
        owners.is_some_and(|owners| owners.iter().any(|one| one["uid"] == owner["metadata"]["uid"]))
    });
    all
}

#[cfg(test)]
mod tests;
