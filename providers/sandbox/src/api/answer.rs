//! What is answered.

use std::convert::Infallible;

use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt as _};
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use serde_json::Value;

use super::problem::Problem;

pub(crate) type Body = UnsyncBoxBody<Bytes, Infallible>;

pub(crate) type Answer = Response<Body>;

pub(crate) fn json(code: u16, value: &Value) -> Answer {
    let bytes = serde_json::to_vec(value).expect("JSON values always serialise");
    bytes_of(code, "application/json", bytes.into())
}

pub(crate) fn text(code: u16, text: impl Into<String>) -> Answer {
    bytes_of(code, "text/plain; charset=utf-8", Bytes::from(text.into()))
}

pub(crate) fn problem(problem: &Problem) -> Answer {
    json(problem.code, &problem.status())
}

pub(crate) fn bytes_of(code: u16, content_type: &'static str, bytes: Bytes) -> Answer {
    with_body(code, content_type, Full::new(bytes).boxed_unsync())
}

/// An answer that goes on for as long as there is more.
pub(crate) fn stream(content_type: &'static str, pieces: BoxStream<'static, Bytes>) -> Answer {
    let frames = pieces.map(|bytes| Ok(Frame::data(bytes)));
    with_body(200, content_type, StreamBody::new(frames).boxed_unsync())
}

fn with_body(code: u16, content_type: &'static str, body: Body) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = StatusCode::from_u16(code).expect("codes are those of HTTP");
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    answer
}

/// Adds what the writer should know (RFC 7234 5.5, code 299, as Kubernetes uses it).
pub(crate) fn warn(mut answer: Answer, warnings: &[String]) -> Answer {
    for warning in warnings {
        let text = warning.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{text}\"")) {
            answer.headers_mut().append(header::WARNING, value);
        }
    }
    answer
}
