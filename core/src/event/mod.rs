//! Events: what asks for work or reports a fact, as CloudEvents 1.0 in JSON.
//!
//! [`Event::parse`] reads the structured JSON form: the envelope's attributes with the payload under `data`. Each type has one payload type,
//! and its JSON Schema ([`schema`]) is made from that type, so that what is published is what is read. Additional members of a payload are
//! refused: an event that asks for something this version does not know must not be taken for one that asks for less. Extension attributes
//! of the envelope are kept as they are, `traceparent` and `tracestate` among them.
//!
//! What [`affects`] answers is which environments a push concerns, and why.

pub mod affects;
mod envelope;
mod error;
mod payload;
mod schema;
mod strict;
#[cfg(test)]
mod tests;
pub mod text;

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use error::EventError;
pub use payload::{
    ApprovalGiven, ChangedFiles, ClusterDeleted, ClusterFailed, ClusterReady, ClusterRequested, ClusterWork,
    DeployRequested, DriftDetected, DriftedObject, EventData, EventType, PullRequest, PullRequestAction,
    Push, RollbackRequested, ScheduleFired,
};
pub use schema::schema;

/// The largest event that is read, in bytes. The specification asks for at least 64 KiB; a push that lists ten thousand files needs more.
pub const MAX_EVENT_BYTES: usize = 1024 * 1024;

/// The most attributes of an event, extensions included.
pub const MAX_ATTRIBUTES: usize = 40;

/// The media type of an event in structured form.
pub const CONTENT_TYPE: &str = "application/cloudevents+json";

/// The attribute that names the verified sender, from CloudEvents' extension "Auth Context". The HTTP API writes it over whatever was sent; who
/// may write to a broker may also write this.
pub const SENDER: &str = "authid";

/// What every type of event begins with.
pub const TYPE_PREFIX: &str = "dev.windlass.";

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Who sent it, and which of the sender's events it is.
    pub identity: EventIdentity,
    /// What it is about, in the sender's words.
    pub subject: Option<String>,
    /// When it happened, by the sender's clock: never used to order events.
    pub time: Option<Timestamp>,
    /// Where the sender's schema of `data` lies.
    pub dataschema: Option<String>,
    /// Extension attributes.
    pub extensions: BTreeMap<String, Extension>,
    /// The payload, which also says the type.
    pub data: EventData,
}

/// What makes an event the same event: two deliveries with one identity are one event.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventIdentity {
    /// The sender, a URI reference such as `https://github.com/acme/shop`.
    pub source: String,
    /// Unique among the sender's events.
    pub id: String,
}

impl fmt::Display for EventIdentity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} of {}", self.id, self.source)
    }
}

/// The value of an extension attribute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Extension {
    /// Text; also how JSON carries CloudEvents' times and URIs.
    Text(String),
    /// A truth.
    Truth(bool),
    /// A whole number of 32 bits.
    Number(i32),
}

impl Event {
    /// Reads an event in structured JSON form.
    ///
    /// # Errors
    ///
    /// The text is too large, not JSON, or no `CloudEvent` of a known type; the error names the member by its path, what was found, and what
    /// was expected.
    pub fn parse(text: &[u8]) -> Result<Self, EventError> {
        envelope::parse(text)
    }

    /// The event in structured JSON form.
    pub fn to_json(&self) -> serde_json::Value {
        envelope::to_json(self)
    }

    /// The same as the bytes of a message.
    pub fn to_message(&self) -> Vec<u8> {
        self.to_json().to_string().into_bytes()
    }

    /// The type, without the prefix that all types share.
    pub fn event_type(&self) -> EventType {
        self.data.event_type()
    }

    /// W3C trace context of the sender, if it sent one.
    pub fn traceparent(&self) -> Option<&str> {
        self.extension_text("traceparent")
    }

    /// W3C trace state of the sender, if it sent one.
    pub fn tracestate(&self) -> Option<&str> {
        self.extension_text("tracestate")
    }

    /// Who sent it, as whoever let it in has found and not as the sender claims ([`SENDER`]).
    pub fn sender(&self) -> Option<&str> {
        self.extension_text(SENDER)
    }

    fn extension_text(&self, name: &str) -> Option<&str> {
        match self.extensions.get(name) {
            Some(Extension::Text(text)) => Some(text),
            _ => None,
        }
    }
}
