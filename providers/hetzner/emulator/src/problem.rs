//! What an answer says when it is no success: `{"error": {"code", "message", "details"}}`.

use std::borrow::Cow;

use serde_json::{Value, json};

use crate::kind::{Id, Kind};

/// A refusal, with the status and the code that the API documents for it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Problem {
    pub(crate) status: u16,
    code: Cow<'static, str>,
    message: String,
    /// In a box, so that results stay small.
    details: Box<Value>,
}

/// What is wrong with one field of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldProblem {
    /// `rules.0.port`
    pub(crate) name: String,
    pub(crate) message: String,
}

impl Problem {
    pub(crate) fn new(
        status: u16,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
        details: Value,
    ) -> Self {
        Self { status, code: code.into(), message: message.into(), details: Box::new(details) }
    }

    fn plain(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self::new(status, code, message, Value::Null)
    }

    pub(crate) fn body(&self) -> Value {
        json!({"error": {"code": self.code, "message": self.message, "details": self.details}})
    }

    pub(crate) fn unreadable(why: &str) -> Self {
        Self::plain(400, "json_error", format!("the request body is not valid JSON: {why}"))
    }

    pub(crate) fn unauthorised() -> Self {
        Self::plain(401, "unauthorized", "unable to authenticate")
    }

    /// A limit of the project is reached: `server_limit`, `network_limit`, …
    pub(crate) fn limit(name: &str, message: impl Into<String>) -> Self {
        Self::new(403, "resource_limit_exceeded", message, json!({"limits": [{"name": name}]}))
    }

    pub(crate) fn not_found(kind: Kind, id: Id) -> Self {
        Self::plain(404, "not_found", format!("{} with ID '{id}' not found", kind.singular()))
    }

    pub(crate) fn no_such_path() -> Self {
        Self::plain(404, "not_found", "the requested path does not exist")
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::plain(405, "method_not_allowed", "the method is not allowed on this path")
    }

    /// A name, or a key, that is there already.
    pub(crate) fn not_unique(kind: Kind, field: &str) -> Self {
        let message = format!("{} {field} is already used", kind.singular());
        Self::new(409, "uniqueness_error", message, json!({"fields": [{"name": field}]}))
    }

    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::plain(409, "conflict", message)
    }

    pub(crate) fn gone(message: &str) -> Self {
        Self::plain(410, "deprecated_api_endpoint", message)
    }

    /// What was asked for cannot be had now: stock, ports, address families.
    pub(crate) fn precondition(code: &'static str, message: impl Into<String>) -> Self {
        Self::plain(412, code, message)
    }

    pub(crate) fn invalid(fields: &[FieldProblem]) -> Self {
        let message = match fields {
            [only] => format!("invalid input in field '{}': {}", only.name, only.message),
            several => format!(
                "invalid input in fields {}",
                several.iter().map(|field| format!("'{}'", field.name)).collect::<Vec<_>>().join(", ")
            ),
        };
        let fields: Vec<Value> =
            fields.iter().map(|field| json!({"name": field.name, "messages": [field.message]})).collect();
        Self::new(422, "invalid_input", message, json!({"fields": fields}))
    }

    pub(crate) fn invalid_field(name: &str, message: impl Into<String>) -> Self {
        Self::invalid(&[FieldProblem { name: name.to_owned(), message: message.into() }])
    }

    /// Understood, and not possible: the codes that single operations document.
    pub(crate) fn refused(code: &'static str, message: impl Into<String>) -> Self {
        Self::plain(422, code, message)
    }

    pub(crate) fn locked(kind: Kind, id: Id) -> Self {
        Self::plain(
            423,
            "locked",
            format!("{} with ID '{id}' is locked by an action that runs", kind.singular()),
        )
    }

    pub(crate) fn protected(kind: Kind, id: Id) -> Self {
        Self::plain(423, "protected", format!("{} with ID '{id}' is protected", kind.singular()))
    }

    pub(crate) fn rate_limited(limit: u32) -> Self {
        Self::plain(429, "rate_limit_exceeded", format!("limit of {limit} requests per hour reached"))
    }
}
