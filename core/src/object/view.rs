//! Reading the fields that every object has.

use jiff::Timestamp;
use serde_json::Value;

/// A read-only view of an object. Fields that are absent or of another type read as absent.
#[derive(Debug, Clone, Copy)]
pub struct ObjectView<'a>(&'a Value);

/// An entry of `metadata.ownerReferences`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner<'a> {
    /// Kind of the owner.
    pub kind: &'a str,
    /// Name of the owner, in the same namespace unless it is cluster-scoped.
    pub name: &'a str,
    /// UID of the owner: a later object of the same name is another owner.
    pub uid: &'a str,
    /// Whether this owner is the managing controller; at most one is.
    pub is_controller: bool,
}

/// An entry of `status.conditions`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Condition<'a> {
    /// `Ready`, `Available`, …
    pub kind: &'a str,
    /// Whether it holds.
    pub status: Status,
    /// A word for programs; empty if absent.
    pub reason: &'a str,
    /// A sentence for people; empty if absent.
    pub message: &'a str,
    /// The generation it was judged for, where the controller says so.
    pub observed_generation: Option<i64>,
}

/// The three values of a condition. Anything else that a controller writes reads as unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// The controller cannot tell.
    Unknown,
}

impl<'a> ObjectView<'a> {
    /// Looks at an object.
    pub fn new(object: &'a Value) -> ObjectView<'a> {
        ObjectView(object)
    }

    /// The value at a JSON pointer (RFC 6901).
    pub fn at(self, pointer: &str) -> Option<&'a Value> {
        self.0.pointer(pointer)
    }

    /// The text at a JSON pointer.
    pub fn text(self, pointer: &str) -> Option<&'a str> {
        self.at(pointer)?.as_str()
    }

    /// The integer at a JSON pointer.
    pub fn integer(self, pointer: &str) -> Option<i64> {
        self.at(pointer)?.as_i64()
    }

    /// Whether the value at a JSON pointer is `true`.
    pub fn flag(self, pointer: &str) -> bool {
        self.at(pointer).and_then(Value::as_bool) == Some(true)
    }

    /// The array at a JSON pointer; empty if there is none.
    pub fn list(self, pointer: &str) -> &'a [Value] {
        self.at(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// The RFC 3339 time at a JSON pointer.
    pub fn time(self, pointer: &str) -> Option<Timestamp> {
        self.text(pointer)?.parse().ok()
    }

    /// `kind`, empty if absent.
    pub fn kind(self) -> &'a str {
        self.text("/kind").unwrap_or_default()
    }

    /// The API group, empty for the core group.
    pub fn group(self) -> &'a str {
        self.text("/apiVersion").and_then(|version| version.split_once('/')).map_or("", |(group, _)| group)
    }

    /// `metadata.name`, empty if absent.
    pub fn name(self) -> &'a str {
        self.text("/metadata/name").unwrap_or_default()
    }

    /// `metadata.namespace`, if set and not empty.
    pub fn namespace(self) -> Option<&'a str> {
        self.text("/metadata/namespace").filter(|namespace| !namespace.is_empty())
    }

    /// `metadata.uid`.
    pub fn uid(self) -> Option<&'a str> {
        self.text("/metadata/uid").filter(|uid| !uid.is_empty())
    }

    /// `metadata.generation`: counts the changes of the wish.
    pub fn generation(self) -> Option<i64> {
        self.integer("/metadata/generation")
    }

    /// `status.observedGeneration`: the generation the status speaks of.
    pub fn observed_generation(self) -> Option<i64> {
        self.integer("/status/observedGeneration")
    }

    /// When the API server stored it, to the second.
    pub fn created_at(self) -> Option<Timestamp> {
        self.time("/metadata/creationTimestamp")
    }

    /// Whether deletion was asked for; finalizers or a grace period may keep the object for a while.
    pub fn is_deleting(self) -> bool {
        self.at("/metadata/deletionTimestamp").is_some_and(|time| !time.is_null())
    }

    /// The value of a label.
    pub fn label(self, name: &str) -> Option<&'a str> {
        self.at("/metadata/labels")?.get(name)?.as_str()
    }

    /// The value of an annotation.
    pub fn annotation(self, name: &str) -> Option<&'a str> {
        self.at("/metadata/annotations")?.get(name)?.as_str()
    }

    /// The service that owns the object: the label `app.kubernetes.io/name`, else `app`.
    pub fn service(self) -> Option<&'a str> {
        self.label("app.kubernetes.io/name").or_else(|| self.label("app"))
    }

    /// The owners, in the order written.
    pub fn owners(self) -> impl Iterator<Item = Owner<'a>> {
        self.list("/metadata/ownerReferences").iter().filter_map(|owner| {
            let view = ObjectView(owner);
            Some(Owner {
                kind: view.kind(),
                name: view.text("/name")?,
                uid: view.text("/uid")?,
                is_controller: view.flag("/controller"),
            })
        })
    }

    /// The owner that manages this object.
    pub fn controller(self) -> Option<Owner<'a>> {
        self.owners().find(|owner| owner.is_controller)
    }

    /// The conditions, leaving out those judged for an older generation: they speak of a wish that is gone.
    pub fn conditions(self) -> impl Iterator<Item = Condition<'a>> {
        let generation = self.generation();
        self.list("/status/conditions").iter().filter_map(Condition::read).filter(move |condition| {
            match (condition.observed_generation, generation) {
                (Some(observed), Some(generation)) => observed >= generation,
                _ => true,
            }
        })
    }

    /// The condition of a type.
    pub fn condition(self, kind: &str) -> Option<Condition<'a>> {
        self.conditions().find(|condition| condition.kind == kind)
    }

    /// Whether the condition of a type is there and true.
    pub fn is(self, kind: &str) -> bool {
        self.condition(kind).is_some_and(|condition| condition.status == Status::True)
    }
}

impl<'a> Condition<'a> {
    fn read(condition: &'a Value) -> Option<Condition<'a>> {
        let view = ObjectView(condition);
        Some(Condition {
            kind: view.text("/type")?,
            status: match view.text("/status") {
                Some("True") => Status::True,
                Some("False") => Status::False,
                _ => Status::Unknown,
            },
            reason: view.text("/reason").unwrap_or_default(),
            message: view.text("/message").unwrap_or_default(),
            observed_generation: view.integer("/observedGeneration"),
        })
    }

    /// What the controller says about it: the message, else the reason.
    pub fn words(&self) -> &'a str {
        if self.message.is_empty() { self.reason } else { self.message }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn conditions_of_an_older_generation_are_left_out() {
        let object = json!({"metadata": {"generation": 3}, "status": {"conditions": [
            {"type": "Ready", "status": "True", "observedGeneration": 2},
            {"type": "Synced", "status": "True", "observedGeneration": 3},
            {"type": "Plain", "status": "maybe"},
        ]}});
        let view = ObjectView::new(&object);
        assert!(!view.is("Ready"));
        assert!(view.is("Synced"));
        assert_eq!(view.condition("Plain").unwrap().status, Status::Unknown);
    }

    #[test]
    fn only_the_managing_owner_is_the_controller() {
        let object = json!({"metadata": {"ownerReferences": [
            {"kind": "Backup", "name": "b", "uid": "1"},
            {"kind": "ReplicaSet", "name": "r", "uid": "2", "controller": true},
            {"kind": "Broken"},
        ]}});
        let view = ObjectView::new(&object);
        assert_eq!(view.controller().map(|owner| owner.uid), Some("2"));
        assert_eq!(view.owners().count(), 2);
    }

    #[test]
    fn the_recommended_label_names_the_service() {
        let object = json!({"metadata": {"labels": {"app": "old", "app.kubernetes.io/name": "api"}}});
        assert_eq!(ObjectView::new(&object).service(), Some("api"));
    }

    #[test]
    fn a_null_deletion_time_is_no_deletion() {
        assert!(!ObjectView::new(&json!({"metadata": {"deletionTimestamp": null}})).is_deleting());
        assert!(
            ObjectView::new(&json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}))
                .is_deleting()
        );
    }
}
