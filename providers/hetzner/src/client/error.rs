//! Why a call came to nothing.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A call of Hetzner's API came to nothing. No variant can hold the token: it is only in a header.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The API was not reached, so nothing was done.
    #[error("`{call}` could not be sent")]
    NotSent {
        /// Method and path.
        call: String,
        /// What the transport says.
        source: BoxError,
    },
    /// No whole answer came back. Whether it was done is not known.
    #[error("`{call}` was not answered")]
    NoAnswer {
        /// Method and path.
        call: String,
        /// What the transport says.
        source: BoxError,
    },
    /// The API refused.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// The answer is not what the API's description promises. Whether it was done is not known.
    #[error("the answer to `{call}` cannot be read")]
    Garbled {
        /// Method and path.
        call: String,
        /// What is wrong with it.
        source: BoxError,
    },
    /// What a call set going ended badly.
    #[error("`{command}` failed: {message} ({code})")]
    ActionFailed {
        /// What was going on, such as `create_server`.
        command: String,
        /// The API's code.
        code: ErrorCode,
        /// The API's words.
        message: String,
    },
    /// The API no longer knows what a call set going.
    #[error("the API does not know action {id} any more, or it did not end in time")]
    ActionLost {
        /// The action.
        id: u64,
    },
}

impl ClientError {
    /// Whether nothing can have been done.
    pub fn is_undone(&self) -> bool {
        match self {
            Self::NotSent { .. } => true,
            Self::Refused(refusal) => refusal.status < 500,
            Self::NoAnswer { .. }
            | Self::Garbled { .. }
            | Self::ActionFailed { .. }
            | Self::ActionLost { .. } => false,
        }
    }

    /// The API's code, where it gave one.
    pub fn code(&self) -> Option<&ErrorCode> {
        match self {
            Self::Refused(refusal) => Some(&refusal.code),
            Self::ActionFailed { code, .. } => Some(code),
            Self::NotSent { .. } | Self::NoAnswer { .. } | Self::Garbled { .. } | Self::ActionLost { .. } => {
                None
            }
        }
    }
}

/// An error that the API answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Method and path.
    pub call: String,
    /// The HTTP status.
    pub status: u16,
    /// The code.
    pub code: ErrorCode,
    /// The API's words.
    pub message: String,
    /// Fields that it objects to, of `invalid_input`, or limits that are reached.
    pub details: Vec<String>,
    /// By which Hetzner's support finds the call (`X-Correlation-Id`).
    pub correlation: Option<String>,
}

impl Refusal {
    #[cfg(test)]
    pub fn about(call: &str) -> Self {
        let (call, code) = (call.to_owned(), ErrorCode::Other(String::new()));
        Self { call, status: 400, code, message: String::new(), details: Vec::new(), correlation: None }
    }

    /// Reads the body of an answer that is no success. What is no error envelope, such as the page of a gateway, is kept out.
    pub fn read(call: &str, status: u16, body: &[u8], correlation: Option<String>) -> Self {
        let envelope: Envelope = serde_json::from_slice(body).unwrap_or_default();
        let code = match envelope.error.code {
            Some(code) => ErrorCode::from(code),
            None => ErrorCode::from_status(status),
        };
        let message = envelope.error.message.unwrap_or_else(|| "no reason given".to_owned());
        let details = envelope.error.details.as_ref().map(details).unwrap_or_default();
        Self { call: call.to_owned(), status, code, message, details, correlation }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` was refused: {} ({}, {})", self.call, self.message, self.code, self.status)?;
        if !self.details.is_empty() {
            write!(f, "; {}", self.details.join("; "))?;
        }
        self.correlation.iter().try_for_each(|id| write!(f, "; correlation id {id}"))
    }
}

#[derive(Default, Deserialize)]
struct Envelope {
    #[serde(default)]
    error: Said,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Said {
    code: Option<String>,
    message: Option<String>,
    details: Option<Value>,
}

/// `details.fields[]` as `name: messages`, `details.limits[]` by name.
fn details(details: &Value) -> Vec<String> {
    let list = |key: &str| details[key].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let fields = list("fields").into_iter().map(|field| {
        let messages: Vec<String> = field["messages"].as_array().into_iter().flatten().map(text).collect();
        format!("field `{}`: {}", text(&field["name"]), messages.join(", "))
    });
    fields
        .chain(list("limits").into_iter().map(|limit| format!("limit `{}`", text(&limit["name"]))))
        .collect()
}

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// The API's error codes (docs.hetzner.cloud, "Errors"), as far as they are told apart here.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum ErrorCode {
            $($(#[$doc])* $variant,)*
            /// Any other.
            Other(String),
        }

        impl From<String> for ErrorCode {
            fn from(text: String) -> Self {
                match text.as_str() {
                    $($text => Self::$variant,)*
                    _ => Self::Other(text),
                }
            }
        }

        impl fmt::Display for ErrorCode {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$variant => $text,)*
                    Self::Other(text) => text,
                })
            }
        }
    };
}

codes! {
    /// The token is not known.
    Unauthorized = "unauthorized",
    /// The token may only read.
    TokenReadonly = "token_readonly",
    /// The token may not do this.
    Forbidden = "forbidden",
    /// The API is being worked on.
    Maintenance = "maintenance",
    /// The project has as many as it may.
    ResourceLimitExceeded = "resource_limit_exceeded",
    /// It is not there.
    NotFound = "not_found",
    /// The name, or the address, is taken.
    UniquenessError = "uniqueness_error",
    /// Something else changed it at the same time.
    Conflict = "conflict",
    /// No such server can be had there at the moment.
    ResourceUnavailable = "resource_unavailable",
    /// The placement group cannot take it.
    PlacementError = "placement_error",
    /// A field is not right.
    InvalidInput = "invalid_input",
    /// It cannot be done at the moment, such as an address that is not free.
    ServiceError = "service_error",
    /// Another action works on it.
    Locked = "locked",
    /// It is protected against deletion.
    Protected = "protected",
    /// It is used by something else.
    ResourceInUse = "resource_in_use",
    /// The firewall is on it already.
    FirewallAlreadyApplied = "firewall_already_applied",
    /// The firewall is not on it any more.
    FirewallAlreadyRemoved = "firewall_already_removed",
    /// What the firewall should be taken off is not what it is on.
    FirewallResourceNotFound = "firewall_resource_not_found",
    /// The target is there already.
    TargetAlreadyDefined = "target_already_defined",
    /// The server is in the network already.
    ServerAlreadyAttached = "server_already_attached",
    /// The load balancer is in the network already.
    LoadBalancerAlreadyAttached = "load_balancer_already_attached",
    /// Too many requests.
    RateLimitExceeded = "rate_limit_exceeded",
    /// Something is broken at Hetzner's.
    ServerError = "server_error",
    /// The API is not there at the moment.
    Unavailable = "unavailable",
    /// It took too long; whether it was done is not known.
    Timeout = "timeout",
}

impl ErrorCode {
    /// For an answer without an envelope, which comes from a gateway and not from the API.
    fn from_status(status: u16) -> Self {
        match status {
            401 => Self::Unauthorized,
            403 => Self::Forbidden,
            404 => Self::NotFound,
            429 => Self::RateLimitExceeded,
            503 => Self::Unavailable,
            504 => Self::Timeout,
            status => Self::Other(format!("status {status}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_code_field_and_correlation() {
        let body = br#"{"error":{"code":"invalid_input","message":"invalid input in field 'name'","details":{"fields":[{"name":"name","messages":["is too long"]}]}}}"#;
        let refusal = Refusal::read("POST /servers", 422, body, Some("4711".to_owned()));
        assert_eq!(
            refusal.to_string(),
            "`POST /servers` was refused: invalid input in field 'name' (invalid_input, 422); field `name`: is too long; correlation id 4711"
        );
    }

    #[test]
    fn the_page_of_a_gateway_is_told_by_its_status() {
        let refusal = Refusal::read("GET /servers", 504, b"<html>gateway</html>", None);
        assert_eq!((refusal.code, refusal.message.as_str()), (ErrorCode::Timeout, "no reason given"));
    }

    #[test]
    fn an_unknown_code_is_kept() {
        let refusal =
            Refusal::read("GET /servers", 418, br#"{"error":{"code":"teapot","message":"short"}}"#, None);
        assert_eq!(refusal.code, ErrorCode::Other("teapot".to_owned()));
        assert_eq!(refusal.code.to_string(), "teapot");
    }

    #[test]
    fn only_what_the_api_refused_is_known_to_be_undone() {
        let read = |status| ClientError::Refused(Box::new(Refusal::read("POST /servers", status, b"", None)));
        assert!(read(409).is_undone() && read(429).is_undone());
        assert!(!read(500).is_undone() && !read(504).is_undone());
    }
}
