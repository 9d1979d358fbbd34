//! What is wrong with an event.

use std::fmt;

use serde_json::Value;

/// The text is no event that can be read.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// More bytes than are read.
    #[error("the event has {bytes} bytes, at most {} are read", super::MAX_EVENT_BYTES)]
    TooLarge {
        /// The size of the text.
        bytes: usize,
    },
    /// More attributes than are read.
    #[error("the event has {attributes} attributes, at most {} are read", super::MAX_ATTRIBUTES)]
    TooManyAttributes {
        /// How many there are.
        attributes: usize,
    },
    /// The text is not JSON.
    #[error("the event is not JSON")]
    NotJson(#[source] serde_json::Error),
    /// An attribute that must be there is not.
    #[error("`{path}` is missing: expected {expected}")]
    Missing {
        /// The member.
        path: String,
        /// What should be there.
        expected: String,
    },
    /// A member holds something else than it should.
    #[error("`{path}` is {found}: expected {expected}")]
    Unexpected {
        /// The member.
        path: String,
        /// What is there, shortened.
        found: String,
        /// What should be there.
        expected: String,
    },
    /// The event is of a type that is not read.
    #[error("`type` is `{found}`, which is no type of event that is read here")]
    UnknownType {
        /// The type, shortened.
        found: String,
        /// The type that was most likely meant.
        nearest: Option<&'static str>,
    },
    /// The payload does not fit the type.
    #[error("`{path}` does not fit `{event_type}`: {problem}")]
    Payload {
        /// The member, from `data` on.
        path: String,
        /// The type of the event, in full.
        event_type: String,
        /// What was found and what was expected, shortened.
        problem: String,
    },
}

impl EventError {
    /// What to do about it, if there is more to say than the message does.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::UnknownType { nearest: Some(nearest), .. } => Some(format!("did you mean `{nearest}`?")),
            Self::UnknownType { nearest: None, .. } => {
                Some("list the types with `windlass schema`".to_owned())
            }
            Self::Payload { event_type, .. } => {
                Some(format!("see what it takes with `windlass schema {event_type}`"))
            }
            Self::TooLarge { .. } => {
                Some("leave out `changed`: the files are then read from the repository".to_owned())
            }
            Self::NotJson(_) => {
                Some("see an event's shape with `windlass schema dev.windlass.push`".to_owned())
            }
            _ => None,
        }
    }

    /// The member that is wrong, by its path; none where the text as a whole is.
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Missing { path, .. } | Self::Unexpected { path, .. } | Self::Payload { path, .. } => {
                Some(path)
            }
            Self::UnknownType { .. } => Some("type"),
            Self::TooLarge { .. } | Self::TooManyAttributes { .. } | Self::NotJson(_) => None,
        }
    }

    pub(super) fn missing(path: &str, expected: impl Into<String>) -> Self {
        Self::Missing { path: path.to_owned(), expected: expected.into() }
    }

    pub(super) fn unexpected(path: &str, found: &Value, expected: impl Into<String>) -> Self {
        Self::Unexpected { path: path.to_owned(), found: Found(found).to_string(), expected: expected.into() }
    }
}

/// A JSON value in a few words.
struct Found<'a>(&'a Value);

impl fmt::Display for Found<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Null => formatter.write_str("null"),
            Value::Bool(truth) => write!(formatter, "{truth}"),
            Value::Number(number) => write!(formatter, "the number {number}"),
            Value::String(text) => write!(formatter, "the text \"{}\"", shortened(text, 60)),
            Value::Array(_) => formatter.write_str("a list"),
            Value::Object(_) => formatter.write_str("an object"),
        }
    }
}

/// A text fit for a message: one line of at most `most` characters.
pub(super) fn shortened(text: &str, most: usize) -> String {
    let printable = |letter: char| if letter.is_control() { ' ' } else { letter };
    let mut short: String = text.chars().take(most).map(printable).collect();
    if text.chars().nth(most).is_some() {
        short.push('…');
    }
    short
}
