use super::*;
use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Every type, most with all that its payload can say, each in the same envelope.
fn examples() -> Vec<Value> {
    let examples: Vec<Value> = serde_json::from_str(include_str!("examples.json")).unwrap();
    examples.into_iter().map(envelope).collect()
}

fn envelope(mut event: Value) -> Value {
    let attributes = json!({
        "specversion": "1.0",
        "id": "8f1c",
        "source": "https://git.example/acme/shop",
        "subject": "main",
        "time": "2026-11-20T17:57:00.5+01:00",
        "datacontenttype": "application/json",
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "sampled": true,
        "sequence": 7,
    });
    event.as_object_mut().unwrap().extend(attributes.as_object().unwrap().clone());
    event
}

fn parse(event: &Value) -> Result<Event, EventError> {
    Event::parse(&serde_json::to_vec(event).unwrap())
}

/// An example of the type with one member set, by a path such as `data.environment`; `Value::Null` in `with` removes it.
fn example(name: &str, path: &str, with: &Value) -> Value {
    let full = format!("dev.windlass.{name}");
    let mut event = examples().into_iter().find(|event| event["type"] == full.as_str()).unwrap();
    let (parent, member) = path.rsplit_once('.').unwrap_or(("", path));
    let parent = if parent.is_empty() { String::new() } else { format!("/{}", parent.replace('.', "/")) };
    let members = event.pointer_mut(&parent).unwrap().as_object_mut().unwrap();
    if with.is_null() {
        members.remove(member).expect("the member to remove should be there");
    } else {
        members.insert(member.to_owned(), with.clone());
    }
    event
}

#[track_caller]
fn check_refused(name: &str, path: &str, with: &Value, message: &str) {
    let event = example(name, path, with);
    assert_eq!(parse(&event).expect_err("the event should be refused").to_string(), message);
    assert!(!validator_of(&event).is_valid(&event), "the schema should refuse it too");
}

fn validator(event_type: EventType) -> Validator {
    jsonschema::options().should_validate_formats(true).build(&schema(event_type)).unwrap()
}

/// The schema of the type that the event says, or of any where it says none.
fn validator_of(event: &Value) -> Validator {
    let named = event["type"].as_str().and_then(EventType::named);
    validator(named.unwrap_or(EventType::Push))
}

#[test]
fn every_type_has_an_example_that_is_read_and_written_back() {
    let mut seen = std::collections::BTreeSet::new();
    for example in examples() {
        let event = parse(&example).unwrap_or_else(|error| panic!("{error}\n{example}"));
        assert_eq!(event.event_type().as_str(), example["type"]);
        assert_eq!(parse(&event.to_json()).unwrap(), event);
        assert!(validator(event.event_type()).is_valid(&example), "{example}");
        assert!(validator(event.event_type()).is_valid(&event.to_json()));
        seen.insert(event.event_type());
    }
    assert_eq!(seen.len(), EventType::ALL.len());
}

#[test]
fn the_envelope_keeps_identity_time_and_extensions() {
    let event = parse(&examples()[0]).unwrap();
    assert_eq!(event.identity.to_string(), "8f1c of https://git.example/acme/shop");
    assert_eq!(event.time.unwrap().to_string(), "2026-11-20T16:57:00.5Z");
    assert!(event.traceparent().unwrap().starts_with("00-0af7"));
    assert_eq!(event.tracestate(), None);
    assert_eq!(event.extensions["sampled"], Extension::Truth(true));
    assert_eq!(event.extensions["sequence"], Extension::Number(7));
    assert_eq!(event.to_json()["traceparent"], examples()[0]["traceparent"]);
}

#[test]
fn a_push_says_what_changed_and_where() {
    let EventData::Push(push) = parse(&examples()[0]).unwrap().data else { panic!("a push") };
    assert_eq!(push.reference.branch(), Some("main"));
    assert_eq!(push.changed.unwrap().all().collect::<Vec<_>>(), ["a.yaml", "dir/b c.yaml"]);
    let EventData::Push(tag) = parse(&examples()[1]).unwrap().data else { panic!("a push") };
    assert_eq!((tag.reference.branch(), tag.before, tag.changed), (None, None, None));
}

#[test]
fn a_missing_attribute_is_named() {
    for (path, message) in [
        ("specversion", "`specversion` is missing: expected `1.0`"),
        ("id", "`id` is missing: expected one line of 1 to 256 characters"),
        (
            "source",
            "`source` is missing: expected a URI reference without spaces, of at most 1024 characters",
        ),
        ("type", "`type` is missing: expected the type of the event, such as `dev.windlass.push`"),
        ("data", "`data` is missing: expected an object"),
    ] {
        check_refused("push", path, &Value::Null, message);
    }
}

#[test]
fn a_wrong_attribute_says_what_was_found_and_expected() {
    check_refused("push", "specversion", &json!("0.3"), "`specversion` is the text \"0.3\": expected `1.0`");
    check_refused("push", "id", &json!(7), "`id` is the number 7: expected one line of 1 to 256 characters");
    check_refused("push", "data", &json!([]), "`data` is a list: expected an object");
    check_refused(
        "push",
        "time",
        &json!("2026-02-30T00:00:00Z"),
        "`time` is the text \"2026-02-30T00:00:00Z\": expected a time as RFC 3339 writes it, such as `2026-11-20T17:57:00Z`",
    );
    check_refused(
        "push",
        "datacontenttype",
        &json!("text/xml"),
        "`datacontenttype` is the text \"text/xml\": expected `application/json`",
    );
    check_refused(
        "push",
        "data_base64",
        &json!("e30="),
        "`data_base64` is the text \"e30=\": expected no such member: attributes are named with lower-case letters and digits, and payloads are under `data`",
    );
    check_refused(
        "push",
        "sequence",
        &json!(2_147_483_648_u64),
        "`sequence` is the number 2147483648: expected text of at most 4096 characters, a truth or a whole number of 32 bits",
    );
    check_refused(
        "push",
        "sequence",
        &json!({}),
        "`sequence` is an object: expected text of at most 4096 characters, a truth or a whole number of 32 bits",
    );
}

#[test]
fn an_unknown_type_names_the_nearest() {
    for (name, nearest) in [
        ("dev.windlass.deploy.request", Some("dev.windlass.deploy.requested")),
        ("push", Some("dev.windlass.push")),
        ("dev.windlass.pul_request", Some("dev.windlass.pull_request")),
        ("com.example.order.created", None),
    ] {
        let event = example("push", "type", &json!(name));
        let error = parse(&event).unwrap_err();
        let EventError::UnknownType { nearest: found, .. } = &error else { panic!("{error}") };
        assert_eq!(*found, nearest);
        assert_eq!(
            error.to_string(),
            format!("`type` is `{name}`, which is no type of event that is read here")
        );
        assert!(error.hint().is_some());
    }
}

#[test]
fn a_wrong_payload_names_the_member_by_its_path() {
    let deploy = |problem: &str| format!("`data.{problem}");
    check_refused(
        "deploy.requested",
        "data.environment",
        &Value::Null,
        "`data` does not fit `dev.windlass.deploy.requested`: missing field `environment`",
    );
    check_refused(
        "deploy.requested",
        "data.environment",
        &json!(3),
        &deploy(
            "environment` does not fit `dev.windlass.deploy.requested`: invalid type: integer `3`, expected a string",
        ),
    );
    check_refused(
        "deploy.requested",
        "data.services",
        &json!([]),
        &deploy(
            "services` does not fit `dev.windlass.deploy.requested`: invalid length 0, expected a list of 1 to 100 entries",
        ),
    );
    check_refused(
        "approval.given",
        "data.decision",
        &json!("maybe"),
        &deploy(
            "decision` does not fit `dev.windlass.approval.given`: unknown variant `maybe`, expected `approved` or `rejected`",
        ),
    );
    check_refused(
        "approval.given",
        "data.digest",
        &json!("abc"),
        &deploy(
            "digest` does not fit `dev.windlass.approval.given`: expected a digest of 64 lower-case hexadecimal digits",
        ),
    );
    check_refused(
        "push",
        "data.changed.added",
        &json!(["a", 5]),
        &deploy(
            "changed.added[1]` does not fit `dev.windlass.push`: invalid type: integer `5`, expected a string",
        ),
    );
    check_refused(
        "push",
        "data.after",
        &json!("main"),
        &deploy(
            "after` does not fit `dev.windlass.push`: expected a full commit id of 40 or 64 lower-case hexadecimal digits",
        ),
    );
    let unknown = "override` does not fit `dev.windlass.deploy.requested`: unknown field `override`, expected one of `environment`, `services`, `commit`, `requester`, `reason`, `override_reason`";
    check_refused("deploy.requested", "data.override", &json!(true), &deploy(unknown));
}

#[test]
fn a_list_is_no_object_and_an_object_no_word() {
    let start = "does not fit `dev.windlass";
    check_refused(
        "push",
        "data.changed",
        &json!([[], [], []]),
        &format!("`data.changed` {start}.push`: invalid type: sequence, expected struct ChangedFiles"),
    );
    check_refused(
        "drift.detected",
        "data.objects",
        &json!([["Pod", null, "a", []]]),
        &format!(
            "`data.objects[0]` {start}.drift.detected`: invalid type: sequence, expected struct DriftedObject"
        ),
    );
    check_refused(
        "approval.given",
        "data.decision",
        &json!({ "approved": null }),
        &format!("`data.decision` {start}.approval.given`: invalid type: map, expected a string"),
    );
}

#[test]
fn what_is_no_event_at_all_is_refused_in_bounded_words() {
    let error = |text: &[u8]| Event::parse(text).unwrap_err().to_string();
    assert_eq!(error(b"{"), "the event is not JSON");
    assert_eq!(error(b"[1]"), "`.` is a list: expected an object with the attributes of a CloudEvent");
    assert_eq!(
        error(&vec![b' '; MAX_EVENT_BYTES + 1]),
        "the event has 1048577 bytes, at most 1048576 are read"
    );
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(error(deep.as_bytes()), "the event is not JSON");
    let long = example("deploy.requested", "data.environment", &json!("x\u{1b}".repeat(100_000)));
    let message = parse(&long).unwrap_err().to_string();
    assert!(message.len() < 600 && !message.contains('\u{1b}'), "{message}");
    let many: Map<String, Value> = (0..50).map(|index| (format!("e{index}"), json!(1))).collect();
    assert_eq!(
        error(&serde_json::to_vec(&many).unwrap()),
        "the event has 50 attributes, at most 40 are read"
    );
}

#[test]
fn every_hint_of_an_error_is_a_sentence_with_a_command_or_a_word() {
    let wrong = parse(&example("push", "data.after", &json!("main"))).unwrap_err();
    assert_eq!(wrong.hint().unwrap(), "see what it takes with `windlass schema dev.windlass.push`");
    assert_eq!(EventType::named("push"), Some(EventType::Push));
    assert_eq!(EventType::named("dev.windlass.push"), Some(EventType::Push));
    assert_eq!(EventType::named("pushed"), None);
}

/// The schemas in `core/schemas` are what the types say. With `WINDLASS_WRITE_SCHEMAS=1` in the environment they are written first.
#[test]
fn the_shipped_schemas_are_those_of_the_types() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
    let name = |event_type: &EventType| format!("{event_type}.json");
    for event_type in EventType::ALL {
        let path = folder.join(name(event_type));
        let expected = serde_json::to_string_pretty(&schema(*event_type)).unwrap() + "\n";
        if std::env::var_os("WINDLASS_WRITE_SCHEMAS").is_some() {
            std::fs::write(&path, &expected).unwrap();
        }
        let shipped = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(shipped, expected, "{event_type}: write the schemas anew with WINDLASS_WRITE_SCHEMAS=1");
    }
    let shipped: std::collections::BTreeSet<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(shipped, EventType::ALL.iter().map(name).collect());
}

/// Texts that are near the edge of something.
#[rustfmt::skip]
const TEXTS: [&str; 40] = [
    "", " ", "a", "prod", "Prod", "-a", "a-", "a_b", "r-1", "r-", "r-x", "17", "refs/heads/main", "refs/", "refs/a b", "/abs",
    "rel/path", "main", "approved", "ensure", "opened", "1.0", "2026-11-20T17:57:00Z", "2026-11-20T17:57:60Z",
    "2026-11-20t17:57:00z", "2026-13-01T00:00:00Z", "2026-11-20T24:00:00Z", "2026-11-20T17:57:00.1234567890Z",
    "2026-11-20T17:57:00+24:00", "2026-11-20 17:57:00Z", "application/json", "a\nb", "\u{7f}", "\u{85}", "ä", "\u{0}",
    "https://a.example/b", "not a uri", "4e1a9b2c4e1a9b2c4e1a9b2c4e1a9b2c4e1a9b2c", "dev.windlass.push",
];

/// Lengths on both sides of every bound.
const LENGTHS: [usize; 9] = [63, 64, 65, 256, 257, 1024, 1025, 4096, 4097];

/// Values that are near the edge of something.
fn arbitrary_value() -> impl Strategy<Value = Value> {
    let others = [
        json!(null),
        json!(true),
        json!(0),
        json!(1.0),
        json!(1.5),
        json!(2_147_483_648_u64),
        json!(1e300),
        json!({}),
        json!({ "added": ["x"], "other": 1 }),
        json!({ "approved": null }),
        json!({ "ensure": null }),
        json!({ "opened": null }),
        json!([["Deployment", null, "api", []]]),
        json!([{ "kind": "A", "name": "b" }, { "kind": "A" }]),
        json!((0..101).map(|index| format!("s{index}")).collect::<Vec<_>>()),
    ];
    let items = [json!("a"), json!("B/"), json!(1), json!(null), json!("")];
    prop_oneof![
        prop::sample::select(TEXTS.to_vec()).prop_map(|text| json!(text)),
        "\\PC{0,6}".prop_map(|text| json!(text)),
        prop::sample::select(LENGTHS.to_vec()).prop_map(|length| json!("a".repeat(length))),
        prop::sample::select(others.to_vec()),
        prop::collection::vec(prop::sample::select(items.to_vec()), 0..4).prop_map(Value::Array),
    ]
}

/// The paths of every object in a value, as JSON pointers.
fn objects(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            found.push(at.to_owned());
            members.iter().for_each(|(name, member)| objects(member, &format!("{at}/{name}"), found));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| objects(item, &format!("{at}/{index}"), found));
        }
        _ => {}
    }
}

/// Sets, removes or adds one member of one object of an event.
fn mutate(event: &mut Value, object: usize, member: usize, name: Option<&str>, with: Option<Value>) {
    let mut found = Vec::new();
    objects(event, "", &mut found);
    let members = event.pointer_mut(&found[object % found.len()]).unwrap().as_object_mut().unwrap();
    let names: Vec<String> = members.keys().cloned().collect();
    let name = match name {
        Some(name) => name.to_owned(),
        None if names.is_empty() => return,
        None => names[member % names.len()].clone(),
    };
    match with {
        Some(value) => members.insert(name, value),
        None => members.remove(&name),
    };
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn schema_and_parser_agree_on_damaged_events(
        which in 0usize..13,
        object in 0usize..6,
        member in 0usize..16,
        name in prop::option::weighted(0.2, prop::sample::select(vec!["extra", "Extra", "a_b", "services", "reason", "changed", "tracestate", "dataschema", "to"])),
        with in prop::option::weighted(0.85, arbitrary_value()),
    ) {
        thread_local! {
            static VALIDATORS: std::collections::BTreeMap<EventType, Validator> =
                EventType::ALL.iter().map(|event_type| (*event_type, validator(*event_type))).collect();
        }
        let mut event = examples().swap_remove(which);
        let event_type = EventType::named(event["type"].as_str().unwrap()).unwrap();
        mutate(&mut event, object, member, name, with);
        // Another type's event is judged by another type's schema.
        prop_assume!(event["type"].as_str().and_then(EventType::named).is_none_or(|now| now == event_type));
        let read = parse(&event);
        let is_valid = VALIDATORS.with(|validators| validators[&event_type].is_valid(&event));
        prop_assert_eq!(read.is_ok(), is_valid, "{:?}\n{}", read.err().map(|error| error.to_string()), event);
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Event::parse(&bytes).is_err());
    }
}
