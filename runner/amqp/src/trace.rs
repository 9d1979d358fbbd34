//! W3C trace context beside a message: the header `traceparent`, as most instrumentations of AMQP write it. The protocol itself has no binding.

use lapin::types::{AMQPValue, FieldTable};
use serde::Deserialize;

const HEADER: &str = "traceparent";

/// The headers of a message: the trace context of the event in it.
pub(crate) fn headers_of(message: &[u8]) -> FieldTable {
    #[derive(Deserialize)]
    struct Carried {
        traceparent: Option<String>,
    }
    let carried = serde_json::from_slice::<Carried>(message).ok().and_then(|carried| carried.traceparent);
    let mut headers = FieldTable::default();
    if let Some(traceparent) = carried.filter(|text| is_traceparent(text)) {
        headers.insert(HEADER.into(), AMQPValue::LongString(traceparent.into()));
    }
    headers
}

/// The trace context among the headers of a delivery.
pub(crate) fn of_headers(headers: Option<&FieldTable>) -> Option<String> {
    let text = match headers?.inner().get(HEADER)? {
        AMQPValue::LongString(text) => std::str::from_utf8(text.as_bytes()).ok()?.to_owned(),
        AMQPValue::ShortString(text) => text.to_string(),
        _ => return None,
    };
    is_traceparent(&text).then_some(text)
}

/// `version-trace-parent-flags` in lower-case hexadecimal digits (W3C Trace Context, section 3.2.2).
fn is_traceparent(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    let is_hexadecimal = |part: &&str| part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    parts.iter().map(|part| part.len()).eq([2, 32, 16, 2]) && parts.iter().all(is_hexadecimal)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn an_event_travels_with_its_trace() {
        let headers =
            headers_of(format!(r#"{{"id": "1", "traceparent": "{PARENT}", "data": {{}}}}"#).as_bytes());
        assert_eq!(of_headers(Some(&headers)).as_deref(), Some(PARENT));
    }

    #[test]
    fn what_is_no_trace_context_is_left_behind() {
        for message in [
            "no json",
            "{}",
            r#"{"traceparent": 1}"#,
            r#"{"traceparent": "00-0af7-b7ad-01"}"#,
            r#"{"traceparent": "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01"}"#,
        ] {
            assert_eq!(headers_of(message.as_bytes()), FieldTable::default(), "{message}");
        }
        let mut headers = FieldTable::default();
        headers.insert(HEADER.into(), AMQPValue::LongLongInt(1));
        assert_eq!(of_headers(Some(&headers)), None);
        assert_eq!(of_headers(None), None);
    }
}
