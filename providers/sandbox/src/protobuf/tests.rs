use proptest::prelude::*;
use serde_json::json;

use super::*;

/// A field of bytes: a text or a message.
fn bytes(number: u64, content: impl AsRef<[u8]>) -> Vec<u8> {
    let content = content.as_ref();
    [varint(number << 3 | 2).as_slice(), varint(content.len() as u64).as_slice(), content].concat()
}

fn number(number: u64, value: i64) -> Vec<u8> {
    [varint(number << 3), varint(value.cast_unsigned())].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut encoded = Vec::new();
    while value > 0x7f {
        encoded.push(u8::try_from(value & 0x7f).unwrap() | 0x80);
        value >>= 7;
    }
    encoded.push(u8::try_from(value).unwrap());
    encoded
}

fn body(api_version: &str, kind: &str, object: &[Vec<u8>]) -> Vec<u8> {
    let of = [bytes(1, api_version), bytes(2, kind)].concat();
    [MAGIC.to_vec(), bytes(1, of), bytes(2, object.concat()), bytes(3, ""), bytes(4, "")].concat()
}

#[track_caller]
fn check(api_version: &str, kind: &str, object: &[Vec<u8>], expect: &Value) {
    let mut read = decode(&body(api_version, kind, object)).unwrap();
    assert_eq!(read["apiVersion"].take(), api_version);
    assert_eq!(read["kind"].take(), kind);
    let read: Map<_, _> =
        read.as_object().unwrap().clone().into_iter().filter(|(_, value)| !value.is_null()).collect();
    assert_eq!(Value::Object(read), *expect);
}

#[test]
fn what_is_not_set_is_left_out() {
    let metadata = [bytes(1, "shop"), bytes(2, ""), number(7, 0), bytes(8, "")].concat();
    check(
        "v1",
        "Namespace",
        &[bytes(1, metadata), bytes(2, "")],
        &json!({"metadata": {"name": "shop"}, "spec": {}}),
    );
}

#[test]
fn a_zero_that_somebody_wants_is_kept() {
    // `replicas` is a pointer in Go, and `minReadySeconds` is not.
    let spec = [number(1, 0), number(5, 0)].concat();
    check("apps/v1", "Deployment", &[bytes(2, spec)], &json!({"spec": {"replicas": 0}}));
}

#[test]
fn bytes_are_base64_in_json_and_maps_come_entry_by_entry() {
    let entry = |key: &str, value: &[u8]| bytes(2, [bytes(1, key), bytes(2, value)].concat());
    let object = [entry("a", b"\xff\x00"), entry("b", b""), bytes(3, "Opaque")];
    check("v1", "Secret", &object, &json!({"data": {"a": "/wA=", "b": ""}, "type": "Opaque"}));
}

#[test]
fn a_source_stands_in_the_place_of_its_field() {
    let config_map = bytes(19, bytes(1, bytes(1, "settings")));
    let volume = bytes(1, [bytes(1, "data"), bytes(2, config_map)].concat());
    let expect = json!({"spec": {"volumes": [{"name": "data", "configMap": {"name": "settings"}}]}});
    check("v1", "Pod", &[bytes(2, volume)], &expect);
}

#[test]
fn numbers_texts_and_times_are_told_apart() {
    let surge =
        |of: i64, count: i64, share: &str| [number(1, of), number(2, count), bytes(3, share)].concat();
    let rolling = [bytes(1, surge(0, -1, "")), bytes(2, surge(1, 0, "25%"))].concat();
    let spec = bytes(4, [bytes(1, "RollingUpdate"), bytes(2, rolling)].concat());
    let deleted = bytes(9, [number(1, 1_700_000_000), number(2, 0)].concat());
    let expect = json!({
        "metadata": {"deletionTimestamp": "2023-11-14T22:13:20Z"},
        "spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": -1, "maxSurge": "25%"}}},
    });
    check("apps/v1", "Deployment", &[bytes(1, deleted), bytes(2, spec)], &expect);
    let renewed = bytes(4, [number(1, 1_700_000_000), number(2, 1_500)].concat());
    check(
        "coordination.k8s.io/v1",
        "Lease",
        &[bytes(2, renewed)],
        &json!({"spec": {"renewTime": "2023-11-14T22:13:20.000001Z"}}),
    );
}

#[test]
fn quantities_are_texts() {
    let limit = bytes(1, [bytes(1, "cpu"), bytes(2, bytes(1, "100m"))].concat());
    let container = bytes(2, [bytes(1, "main"), bytes(8, limit)].concat());
    let expect =
        json!({"spec": {"containers": [{"name": "main", "resources": {"limits": {"cpu": "100m"}}}]}});
    check("v1", "Pod", &[bytes(2, container)], &expect);
}

#[test]
fn options_have_the_version_of_what_they_are_about() {
    check("apps/v1", "DeleteOptions", &[number(1, 5)], &json!({"gracePeriodSeconds": 5}));
}

#[test]
fn what_cannot_be_read_is_refused() {
    assert_eq!(decode(b"{}"), Err(ProtobufError::Malformed));
    assert_eq!(decode(&body("v1", "Pod", &[number(2, 1)])), Err(ProtobufError::Malformed));
    let unknown = decode(&body("example.org/v1", "Shop", &[])).unwrap_err();
    assert_eq!(unknown.to_string(), "`Shop` of `example.org/v1` cannot be read from protobuf");
}

#[test]
fn every_field_with_a_number_is_one_of_its_schema() {
    for (name, fields) in numbers() {
        let Some(schema) = schema::published(name) else { continue };
        for field in fields.values() {
            let Field::Named { name: field, .. } = field else { continue };
            assert!(schema["properties"].get(field).is_some(), "`{name}` has no `{field}`");
        }
    }
}

proptest! {
    #[test]
    fn no_body_is_too_strange(noise in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&noise);
        let _ = decode(&body("apps/v1", "Deployment", std::slice::from_ref(&noise)));
        let _ = decode(&body("v1", "Pod", &[bytes(1, &noise), bytes(2, &noise)]));
    }
}
