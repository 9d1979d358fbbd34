//! Reading what a request carries, never more than is allowed.

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequestParts, Query};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Request, StatusCode};
use serde::de::DeserializeOwned;
use windlass_core::event::MAX_EVENT_BYTES;

use super::problem::Problem;
use crate::stop::chain;

/// A decision or a request of a person: a reason and little more.
const SMALL: usize = 16 * 1024;

/// The media type of a request without parameters, in lower case; empty where none is named.
pub(super) fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// The whole body of a request, of an event's size at most. One that says beforehand that it is larger is not read at all.
pub(super) async fn read(request: Request<Body>) -> Result<Vec<u8>, Problem> {
    read_at_most(request, MAX_EVENT_BYTES).await
}

/// The whole body of a request, of so many bytes at most.
pub(super) async fn read_at_most(request: Request<Body>, most: usize) -> Result<Vec<u8>, Problem> {
    let announced =
        request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|bytes| bytes > most) {
        return Err(too_large(most));
    }
    let read = to_bytes(request.into_body(), most).await;
    read.map(Vec::from).map_err(|error| {
        let is_limit = std::error::Error::source(&error)
            .is_some_and(<dyn std::error::Error>::is::<http_body_util::LengthLimitError>);
        if is_limit { too_large(most) } else { Problem::bad_request("the body ended before it was whole") }
    })
}

/// JSON of a person's request. No body stands for the default.
pub(super) async fn json<T: DeserializeOwned + Default>(request: Request<Body>) -> Result<T, Problem> {
    let kind = media_type(request.headers());
    let bytes = read_at_most(request, SMALL).await?;
    if bytes.is_empty() {
        return Ok(T::default());
    }
    if kind != "application/json" {
        return Err(unsupported(&kind, "application/json"));
    }
    let mut text = serde_json::Deserializer::from_slice(&bytes);
    serde_path_to_error::deserialize(&mut text).map_err(|error| {
        let path = error.path().to_string();
        Problem::bad_request(format!("the body is not what is asked for: {}", error.into_inner())).at(path)
    })
}

/// The parameters behind the question mark.
#[derive(Debug)]
pub(super) struct Asked<T>(pub(super) T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Query(asked) = Query::try_from_uri(&parts.uri).map_err(|error| {
            Problem::bad_request(format!("the query is not what is asked for: {}", chain(&error)))
        })?;
        Ok(Self(asked))
    }
}

/// The body is of a kind that is not read.
pub(super) fn unsupported(kind: &str, known: &str) -> Problem {
    let found = if kind.is_empty() {
        "there is no `Content-Type`".to_owned()
    } else {
        format!("`{}` is not read here", kind.escape_debug())
    };
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media_type", found).with_hint(format!("send {known}"))
}

fn too_large(most: usize) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", format!("the body has more than {most} bytes"))
}
