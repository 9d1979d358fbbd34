//! What controllers decide.

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::view::{Known, Subject, uid_of};
use crate::objects::Propagation;

/// What is to be written, in this order, and when to look again though nothing changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Decision {
    pub(crate) writes: Vec<Write>,
    pub(crate) again: Option<Timestamp>,
}

/// One call of the API server, and what is told of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Write {
    Create {
        object: Value,
        told: Option<Told>,
    },
    /// A JSON merge patch of everything but the status.
    Change {
        subject: Subject,
        merge: Value,
    },
    /// A whole status. The real controllers write annotations in the same call, which does not count as a new generation.
    Status {
        subject: Subject,
        status: Value,
        annotations: BTreeMap<String, String>,
    },
    /// Deletes the object of this UID.
    Delete {
        subject: Subject,
        uid: String,
        propagation: Option<Propagation>,
        told: Option<Told>,
    },
    Tell(Occurrence),
    /// Binds a pod to a node.
    Bind {
        pod: Subject,
        node: String,
    },
    /// Takes the finalizer of the API server from a namespace whose content is gone.
    Finalize {
        namespace: String,
    },
}

/// An event.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Occurrence {
    pub(crate) about: Subject,
    pub(crate) uid: String,
    /// `Normal` or `Warning`.
    pub(crate) severity: &'static str,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

/// What is told of a call: one event when it was done, another when it was refused.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Told {
    pub(crate) about: Subject,
    pub(crate) uid: String,
    pub(crate) done: Option<Words>,
    pub(crate) refused: Option<Words>,
}

/// A reason and a message, in which `{name}` stands for the object written and `{error}` for why it was refused.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Words {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

/// When a decision is made.
#[derive(Clone, Debug)]
pub(crate) struct Moment {
    /// In whole seconds, as objects hold times.
    pub(crate) now: Timestamp,
    /// Why the last decision about the same object could not be carried out. What was refused is not asked for again now.
    pub(crate) refusal: Option<String>,
}

impl Decision {
    pub(crate) fn create<T: Serialize>(&mut self, object: &T, told: Option<Told>) {
        self.writes.push(Write::Create { object: value(object), told });
    }

    pub(crate) fn change<T: Known>(&mut self, object: &T, merge: Value) {
        self.writes.push(Write::Change { subject: Subject::of(object), merge });
    }

    pub(crate) fn status<T: Known>(&mut self, object: &T, status: &impl Serialize) {
        let (subject, status) = (Subject::of(object), value(status));
        self.writes.push(Write::Status { subject, status, annotations: BTreeMap::new() });
    }

    pub(crate) fn delete<T: Known>(&mut self, object: &T, told: Option<Told>) {
        let (subject, uid) = (Subject::of(object), uid_of(object).to_owned());
        self.writes.push(Write::Delete { subject, uid, propagation: None, told });
    }

    /// Deletes an object after all that it owns.
    pub(crate) fn delete_foreground<T: Known>(&mut self, object: &T) {
        let (subject, uid) = (Subject::of(object), uid_of(object).to_owned());
        let propagation = Some(Propagation::Foreground);
        self.writes.push(Write::Delete { subject, uid, propagation, told: None });
    }

    /// Deletes an object of any kind, and afterwards what it owns.
    pub(crate) fn delete_value(&mut self, object: &Value) {
        let uid = object["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        let (subject, propagation) = (Subject::of_value(object), Some(Propagation::Background));
        self.writes.push(Write::Delete { subject, uid, propagation, told: None });
    }

    pub(crate) fn tell<T: Known>(
        &mut self,
        about: &T,
        severity: &'static str,
        reason: &'static str,
        message: String,
    ) {
        let (about, uid) = (Subject::of(about), uid_of(about).to_owned());
        self.writes.push(Write::Tell(Occurrence { about, uid, severity, reason, message }));
    }

    /// Looks again at `moment`, or earlier if that was already asked for.
    pub(crate) fn look_again(&mut self, moment: Timestamp) {
        self.again = Some(self.again.map_or(moment, |earlier| earlier.min(moment)));
    }
}

impl Told {
    pub(crate) fn about<T: Known>(about: &T) -> Self {
        Self { about: Subject::of(about), uid: uid_of(about).to_owned(), done: None, refused: None }
    }

    pub(crate) fn done(self, reason: &'static str, message: impl Into<String>) -> Self {
        Self { done: Some(Words { reason, message: message.into() }), ..self }
    }

    pub(crate) fn refused(self, reason: &'static str, message: impl Into<String>) -> Self {
        Self { refused: Some(Words { reason, message: message.into() }), ..self }
    }
}

/// An object as JSON.
pub(crate) fn value(object: &impl Serialize) -> Value {
    serde_json::to_value(object).expect("objects of Kubernetes are JSON")
}
