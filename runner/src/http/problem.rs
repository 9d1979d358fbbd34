//! What a request that fails is answered with: problem details (RFC 9457), with the code, text and hints that the command line gives too.

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;
use windlass_core::event::EventError;
use windlass_core::queue::QueueError;
use windlass_store::StoreError;

use crate::stop::{Cause, chain};

/// The media type of problem details.
pub(super) const PROBLEM_TYPE: &str = "application/problem+json";

/// Seconds after which it is worth asking again.
const RETRY_SECONDS: u16 = 5;

/// Why a request failed.
#[derive(Debug, Clone)]
pub struct Problem {
    pub(super) status: StatusCode,
    /// What proves who asks, in an answer to somebody who did not.
    challenge: &'static str,
    body: Box<ProblemView>,
}

/// The body of an answer to a request that failed.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(super) struct ProblemView {
    /// The status's own phrase.
    title: String,
    /// The status.
    status: u16,
    /// For programs: a stable word.
    code: String,
    /// For people: what is wrong, naming the thing.
    detail: String,
    /// The member of the request that is wrong, such as `data.ref`.
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    /// What to do, with commands.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hints: Vec<String>,
}

impl Problem {
    /// A problem in a word for programs and a sentence for people.
    pub(super) fn new(status: StatusCode, code: impl Into<String>, detail: impl Into<String>) -> Self {
        let body = ProblemView {
            title: status.canonical_reason().unwrap_or_default().to_owned(),
            status: status.as_u16(),
            code: code.into(),
            detail: detail.into(),
            path: None,
            hints: Vec::new(),
        };
        Self { status, challenge: "Bearer realm=\"windlass\"", body: Box::new(body) }
    }

    /// The request says something that cannot be.
    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "usage", detail)
    }

    /// Nobody knows who asks.
    pub(super) fn unauthorised(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "token_unknown", detail)
    }

    /// Nobody knows who asks, where something else than a token proves it.
    pub(super) fn unauthorised_by(challenge: &'static str, code: &str, detail: impl Into<String>) -> Self {
        Self { challenge, ..Self::new(StatusCode::UNAUTHORIZED, code, detail) }
    }

    /// Who asks may not.
    pub(super) fn forbidden(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, detail)
    }

    /// There is no such thing.
    pub(super) fn not_found(code: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, detail)
    }

    /// Names the member of the request that is wrong.
    pub(super) fn at(mut self, path: impl Into<String>) -> Self {
        self.body.path = Some(path.into());
        self
    }

    /// Adds what to do.
    pub(super) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.body.hints.push(hint.into());
        self
    }

    /// An event that cannot be read; `place` is where in the request it stands.
    pub(super) fn of_event(error: &EventError, place: &str) -> Self {
        let status = match error {
            EventError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        };
        let mut problem = Self::new(status, "event_invalid", chain(error));
        problem.body.hints.extend(error.hint());
        match (error.path(), place) {
            (None | Some("."), "") => problem,
            (None | Some("."), place) => problem.at(place),
            (Some(path), "") => problem.at(path),
            (Some(path), place) => problem.at(format!("{place}.{path}")),
        }
    }
}

impl From<Cause> for Problem {
    fn from(cause: Cause) -> Self {
        let status = match cause.code.as_str() {
            "run_unknown" | "environment_unknown" => StatusCode::NOT_FOUND,
            "not_waiting" | "decided" | "stale_approval" | "frozen" => StatusCode::CONFLICT,
            "usage" | "event_invalid" => StatusCode::BAD_REQUEST,
            "store" | "queue" => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let mut problem = Self::new(status, cause.code, cause.text);
        problem.body.hints = cause.hints;
        problem
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::UnknownRun(_) => {
                Self::not_found("run_unknown", error.to_string()).with_hint("list them: `GET /v1/runs`")
            }
            error => Cause::from(error).into(),
        }
    }
}

impl From<QueueError> for Problem {
    fn from(error: QueueError) -> Self {
        Cause::from(error).into()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        if self.status.is_server_error() {
            tracing::warn!(code = self.body.code, detail = self.body.detail, "could not answer a request");
        }
        let body = serde_json::to_vec(&self.body).expect("a problem is plain data");
        let mut response = (self.status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_TYPE));
        match self.status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(self.challenge));
            }
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                headers.insert(RETRY_AFTER, HeaderValue::from(RETRY_SECONDS));
            }
            _ => {}
        }
        response
    }
}
