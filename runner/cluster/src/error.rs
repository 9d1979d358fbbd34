//! What can go wrong between windlass and an API server.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use windlass_core::diagnosis::Cause;
use windlass_core::failure::{ClusterFailure, FailureClass};
use windlass_core::object::ObjectRef;

use crate::diff::FieldChange;

/// A request to a cluster failed.
///
/// The message says what was asked of which object and what the server answered, without values that the server repeated: its words about
/// a Secret are left out, those about other objects lose what they quote of a body.
pub struct ClusterError(Box<Details>);

/// Behind a box, because most results are `Ok`.
struct Details {
    failure: ClusterFailure,
    request: Request,
    words: String,
    fields: Vec<FieldProblem>,
    immutable: Vec<FieldChange>,
    cause: Option<Cause>,
    retry_after: Option<Duration>,
    hint: Option<String>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What was asked, for messages: a verb and what it was about.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    verb: &'static str,
    target: Target,
}

#[derive(Debug, Clone)]
enum Target {
    Object(ObjectRef),
    Named(String),
}

/// What a request is about that is about a cluster as a whole.
pub(crate) const THE_CLUSTER: &str = "the cluster";

/// A field the server complains about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldProblem {
    /// The field as the server writes it: `spec.template.spec.containers[0].image`.
    pub field: String,
    /// What is wrong with it, without the value.
    pub problem: String,
}

impl Request {
    pub(crate) fn of(verb: &'static str, object: &ObjectRef) -> Request {
        Request { verb, target: Target::Object(object.clone()) }
    }

    /// For what is not one object; `target` follows the verb as it is.
    pub(crate) fn about(verb: &'static str, target: impl Into<String>) -> Request {
        Request { verb, target: Target::Named(target.into()) }
    }

    pub(crate) fn object(&self) -> Option<&ObjectRef> {
        match &self.target {
            Target::Object(object) => Some(object),
            Target::Named(_) => None,
        }
    }

    /// Whether the server's words may hold values that must stay secret.
    pub(crate) fn is_secret(&self) -> bool {
        self.object().is_some_and(|object| object.group().is_empty() && object.kind == "Secret")
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.target {
            Target::Object(object) => write!(f, "{} `{object:#}`", self.verb),
            Target::Named(target) => write!(f, "{} {target}", self.verb),
        }
    }
}

impl ClusterError {
    pub(crate) fn new(failure: ClusterFailure, request: &Request, words: impl Into<String>) -> ClusterError {
        ClusterError(Box::new(Details {
            failure,
            request: request.clone(),
            words: words.into(),
            fields: Vec::new(),
            immutable: Vec::new(),
            cause: None,
            retry_after: None,
            hint: None,
            source: None,
        }))
    }

    /// What kind of failure it is; its class says whether trying again can help.
    pub fn failure(&self) -> ClusterFailure {
        self.0.failure
    }

    /// What to do about it.
    pub fn class(&self) -> FailureClass {
        self.0.failure.class()
    }

    /// The object the request was about.
    pub fn object(&self) -> Option<&ObjectRef> {
        self.0.request.object()
    }

    /// What the server answered, for people: the message without the request.
    pub fn words(&self) -> &str {
        &self.0.words
    }

    /// The fields the server complains about.
    pub fn fields(&self) -> &[FieldProblem] {
        &self.0.fields
    }

    /// For [`ClusterFailure::Immutable`]: the fields that cannot be changed, with what they are and what was wanted.
    pub fn immutable(&self) -> &[FieldChange] {
        &self.0.immutable
    }

    /// For [`ClusterFailure::Refused`]: who refused, in the words of a diagnosis.
    pub fn cause(&self) -> Option<Cause> {
        self.0.cause
    }

    /// What a person can do, with a command where there is one.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// How long the server asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// Says which cluster was meant, where the request was about the cluster as a whole.
    pub fn naming_cluster(mut self, name: &str) -> ClusterError {
        if let Target::Named(target) = &mut self.0.request.target
            && target == THE_CLUSTER
        {
            name.clone_into(target);
        }
        self
    }

    /// The same with other words.
    pub(crate) fn saying(mut self, words: String) -> ClusterError {
        self.0.words = words;
        self
    }

    pub(crate) fn with_fields(mut self, fields: Vec<FieldProblem>) -> ClusterError {
        self.0.fields = fields;
        self
    }

    pub(crate) fn with_cause(mut self, cause: Option<Cause>) -> ClusterError {
        self.0.cause = cause;
        self
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> ClusterError {
        self.0.hint = Some(hint.into());
        self
    }

    pub(crate) fn with_retry_after(mut self, wait: Option<Duration>) -> ClusterError {
        self.0.retry_after = wait;
        self
    }

    pub(crate) fn caused_by(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> ClusterError {
        self.0.source = Some(source.into());
        self
    }

    /// Names the fields that cannot be changed, with both values.
    pub(crate) fn naming_immutable(mut self, changes: Vec<FieldChange>) -> ClusterError {
        if !changes.is_empty() {
            let listed: Vec<String> = changes.iter().map(ToString::to_string).collect();
            self.0.words = format!("cannot be changed once the object exists: {}", listed.join(", "));
        }
        self.0.immutable = changes;
        self
    }
}

impl fmt::Display for ClusterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: {}", self.0.request, self.0.words)
    }
}

impl fmt::Debug for ClusterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClusterError")
            .field("failure", &self.0.failure)
            .field("message", &self.to_string())
            .field("cause", &self.0.cause)
            .field("source", &self.0.source)
            .finish()
    }
}

impl Error for ClusterError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}
