//! CloudEvents over HTTP: the structured, batched and binary content modes of the "HTTP Protocol Binding for `CloudEvents`", version 1.0.2.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use percent_encoding::percent_decode;
use serde_json::{Map, Value};
use windlass_core::event::{CONTENT_TYPE, Event, SENDER};

use super::access::Caller;
use super::body;
use super::problem::Problem;

/// The media type of several events in structured form.
pub(super) const BATCH_TYPE: &str = "application/cloudevents-batch+json";

/// The most events of one request.
const MOST: usize = 100;

/// What the headers of attributes begin with in binary mode.
const PREFIX: &str = "ce-";

/// An event as it will be published.
#[derive(Debug, Clone)]
pub(super) struct Received {
    /// What it says.
    pub(super) event: Event,
    /// The same in structured form, with its verified sender.
    pub(super) message: Vec<u8>,
    /// Where in the request it stands; empty where it is all of it.
    pub(super) place: String,
}

/// The events of a request, all of them good: one that is not refuses the request, so that nobody has to find out which were taken.
pub(super) fn receive(headers: &HeaderMap, bytes: &[u8], caller: &Caller) -> Result<Vec<Received>, Problem> {
    let kind = body::media_type(headers);
    match kind.as_str() {
        CONTENT_TYPE => Ok(vec![structured(bytes, caller)?]),
        BATCH_TYPE => batch(bytes, caller),
        // Only binary mode has attributes in headers; what the body is, is then told by the media type.
        _ if headers.contains_key("ce-specversion") => Ok(vec![binary(headers, &kind, bytes, caller)?]),
        _ => Err(body::unsupported(
            &kind,
            &format!("`{CONTENT_TYPE}`, `{BATCH_TYPE}`, or `application/json` with `ce-` headers"),
        )),
    }
}

/// One event in structured form, with its verified sender.
pub(super) fn structured(bytes: &[u8], caller: &Caller) -> Result<Received, Problem> {
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(members)) => stamped(members, caller, String::new()),
        // Whatever it is, the reader of events says it in its own words.
        _ => match Event::parse(bytes) {
            Err(error) => Err(Problem::of_event(&error, "")),
            Ok(_) => Err(Problem::bad_request("the event is not an object")),
        },
    }
}

fn batch(bytes: &[u8], caller: &Caller) -> Result<Vec<Received>, Problem> {
    let events: Vec<Value> = serde_json::from_slice(bytes)
        .map_err(|error| Problem::bad_request(format!("the batch is not a list of events: {error}")))?;
    if events.len() > MOST {
        return Err(Problem::bad_request(format!(
            "the batch has {} events, at most {MOST} are taken",
            events.len()
        )));
    }
    let one = |(index, event): (usize, Value)| match event {
        Value::Object(members) => stamped(members, caller, format!("[{index}]")),
        _ => Err(Problem::bad_request("an event of the batch is not an object").at(format!("[{index}]"))),
    };
    events.into_iter().enumerate().map(one).collect()
}

fn binary(headers: &HeaderMap, kind: &str, bytes: &[u8], caller: &Caller) -> Result<Received, Problem> {
    let mut members = Map::new();
    for (name, value) in headers {
        let Some(attribute) = name.as_str().strip_prefix(PREFIX) else { continue };
        let text = attribute_of(name, value)?;
        // Two values for one attribute: whoever reads the first and whoever reads the last would see two events.
        if members.insert(attribute.to_owned(), Value::String(text)).is_some() {
            return Err(
                Problem::bad_request(format!("the header `{name}` is there more than once")).at(attribute)
            );
        }
    }
    if kind != "application/json" {
        return Err(body::unsupported(kind, "the data as `application/json`"));
    }
    let data = serde_json::from_slice(bytes)
        .map_err(|error| Problem::bad_request(format!("the data is not JSON: {error}")).at("data"))?;
    members.insert("data".to_owned(), data);
    stamped(members, caller, String::new())
}

/// The value of an attribute in a header: a quoted string is unquoted, then percent-encoded octets are decoded, once, as UTF-8 (3.1.3.2).
fn attribute_of(name: &HeaderName, value: &HeaderValue) -> Result<String, Problem> {
    let unquoted = unquoted(value.as_bytes());
    let decoded = percent_decode(&unquoted).decode_utf8();
    decoded.map(String::from).map_err(|_| Problem::bad_request(format!("the header `{name}` is not UTF-8")))
}

/// A quoted string of RFC 9110, 5.6.4 without its quotes and backslashes; any other value as it is.
fn unquoted(value: &[u8]) -> Vec<u8> {
    let Some(inner) = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")) else {
        return value.to_vec();
    };
    let mut plain = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(byte) = bytes.next() {
        plain.extend(if *byte == b'\\' { bytes.next() } else { Some(byte) });
    }
    plain
}

/// Writes who sent the event over whatever it says of that, and reads it.
fn stamped(mut members: Map<String, Value>, caller: &Caller, place: String) -> Result<Received, Problem> {
    members.remove(SENDER);
    members.insert(
        "authtype".to_owned(),
        Value::from(if caller.name.is_some() { "api_key" } else { "unauthenticated" }),
    );
    if let Some(name) = &caller.name {
        members.insert(SENDER.to_owned(), Value::from(name.as_str()));
    }
    let message = serde_json::to_vec(&members).expect("JSON that was read can be written");
    let event = Event::parse(&message).map_err(|error| Problem::of_event(&error, &place))?;
    Ok(Received { event, message, place })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::http::access::Role;

    fn ci() -> Caller {
        Caller { name: Some("ci".parse().unwrap()), role: Role::Deployer }
    }

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let pair = |(name, value): &(&str, &str)| {
            (name.parse::<HeaderName>().unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap())
        };
        pairs.iter().map(pair).collect()
    }

    const BINARY: [(&str, &str); 5] = [
        ("content-type", "application/json"),
        ("ce-specversion", "1.0"),
        ("ce-id", "1"),
        ("ce-source", "/forge"),
        ("ce-type", "dev.windlass.schedule.fired"),
    ];

    const DATA: &str = r#"{"schedule": "nightly", "environment": "dev"}"#;

    fn structured_text(more: &str) -> String {
        format!(
            r#"{{"specversion": "1.0", "id": "1", "source": "/forge", "type": "dev.windlass.schedule.fired"{more}, "data": {DATA}}}"#
        )
    }

    #[track_caller]
    fn check_refused(pairs: &[(&str, &str)], body: &str, status: u16, words: &str) {
        let refused = receive(&headers(pairs), body.as_bytes(), &ci()).expect_err(words);
        let text = format!("{refused:?}");
        assert!(refused.status.as_u16() == status && text.contains(words), "{text}");
    }

    #[test]
    fn every_mode_says_the_same() {
        let structured = receive(
            &headers(&[("content-type", "application/cloudevents+json; charset=utf-8")]),
            structured_text("").as_bytes(),
            &ci(),
        )
        .unwrap();
        let binary = receive(&headers(&BINARY), DATA.as_bytes(), &ci()).unwrap();
        let batch = receive(
            &headers(&[("content-type", BATCH_TYPE)]),
            format!("[{}]", structured_text("")).as_bytes(),
            &ci(),
        )
        .unwrap();
        assert_eq!(structured[0].event, binary[0].event);
        assert_eq!(structured[0].event, batch[0].event);
        assert_eq!(binary[0].event.sender(), Some("ci"));
    }

    #[test]
    fn an_attribute_in_a_header_is_unquoted_and_decoded_once() {
        for (header, expected) in [
            ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
            ("\"a \\\"quoted\\\" b\"", "a \"quoted\" b"),
            ("100%25 %2525", "100% %25"),
            ("half %2", "half %2"),
        ] {
            let received =
                receive(&headers(&[&BINARY[..], &[("ce-subject", header)]].concat()), DATA.as_bytes(), &ci())
                    .unwrap();
            assert_eq!(received[0].event.subject.as_deref(), Some(expected), "{header}");
        }
        check_refused(&[&BINARY[..], &[("ce-subject", "%ff")]].concat(), DATA, 400, "is not UTF-8");
    }

    #[test]
    fn who_sent_it_is_never_what_the_sender_says() {
        for more in [r#", "authid": "ada""#, r#", "authid": 7, "authtype": "system""#] {
            let received =
                receive(&headers(&[("content-type", CONTENT_TYPE)]), structured_text(more).as_bytes(), &ci())
                    .unwrap();
            assert_eq!(received[0].event.sender(), Some("ci"), "{more}");
            assert_eq!(Event::parse(&received[0].message).unwrap().sender(), Some("ci"));
        }
        let nobody = Caller { name: None, role: Role::Admin };
        let claimed = [&BINARY[..], &[("ce-authid", "ada")]].concat();
        assert_eq!(receive(&headers(&claimed), DATA.as_bytes(), &nobody).unwrap()[0].event.sender(), None);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        check_refused(&[("content-type", CONTENT_TYPE)], "{", 400, "the event is not JSON");
        check_refused(&[("content-type", CONTENT_TYPE)], "[]", 400, "expected an object");
        check_refused(
            &[("content-type", CONTENT_TYPE)],
            &structured_text("").replace("nightly", ""),
            400,
            "data.schedule",
        );
        let batch =
            format!("[{}, {}]", structured_text(""), structured_text("").replace("\"1.0\"", "\"0.3\""));
        check_refused(&[("content-type", BATCH_TYPE)], &batch, 400, "[1].specversion");
        check_refused(&[("content-type", BATCH_TYPE)], "[7]", 400, "[0]");
        check_refused(&[("content-type", "text/plain")], DATA, 415, "`text/plain` is not read here");
        check_refused(&[], DATA, 415, "there is no `Content-Type`");
        check_refused(&BINARY[1..], DATA, 415, "there is no `Content-Type`");
        check_refused(&BINARY, "{", 400, "the data is not JSON");
    }

    #[test]
    fn an_attribute_that_is_there_twice_is_refused() {
        let mut twice = headers(&BINARY);
        twice.append("ce-id", HeaderValue::from_static("2"));
        let refused = receive(&twice, DATA.as_bytes(), &ci()).unwrap_err();
        assert!(format!("{refused:?}").contains("`ce-id` is there more than once"), "{refused:?}");
    }

    proptest! {
        #[test]
        fn no_header_and_no_body_can_do_more_than_be_refused(value in prop::collection::vec(0x20u8..0xff, 0..60), body in prop::collection::vec(any::<u8>(), 0..60)) {
            prop_assume!(!value.contains(&0x7f));
            let mut map = headers(&BINARY);
            map.insert("ce-subject", HeaderValue::from_bytes(&value).unwrap());
            let _ = receive(&map, DATA.as_bytes(), &ci());
            for kind in [CONTENT_TYPE, BATCH_TYPE] {
                prop_assert!(receive(&headers(&[("content-type", kind)]), &body, &ci()).is_err());
            }
        }
    }
}
