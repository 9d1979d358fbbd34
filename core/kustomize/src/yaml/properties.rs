//! What must hold for any text and any value.

use proptest::prelude::*;

use super::{Dialect, Duplicates, Limits, Text, Value, emit, parse_document, parse_documents};

/// Texts with everything the emitter treats in its own way; line ends of YAML 1.1 alone are left out, because
/// readers of YAML 1.2 do not know them.
fn any_text() -> impl Strategy<Value = Text> {
    let part = prop_oneof![
        "[ -~]{0,12}",
        "[a-z ]{40,120}",
        Just("\n".to_owned()),
        Just("  ".to_owned()),
        Just("\t".to_owned()),
        "[äöü€😀\u{a0}\u{7}]{1,3}",
        prop::sample::select(vec![
            "yes",
            "~",
            "0400",
            "1:30",
            "2020-01-01",
            "- a",
            "a: b",
            "# c",
            ".inf",
            "---"
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(part, 0..4).prop_map(|parts| parts.concat().into())
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any_text().prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::List),
            prop::collection::btree_map(any_text(), inner, 0..5)
                .prop_map(|map| Value::Map(map.into_iter().collect())),
        ]
    })
}

fn sorted(value: &Value) -> Value {
    Value::from_node(&value.to_exact_node()).expect("what has a JSON form keeps it")
}

fn read(text: &str) -> Value {
    let node = parse_document(text, 1, Dialect::V3, Duplicates::Refused, Limits::default());
    let node =
        node.unwrap_or_else(|located| panic!("{:?} in line {}:\n{text}", located.problem, located.line));
    node.map_or(Value::Null, |node| Value::from_node(&node).expect("output has a JSON form"))
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(value in any_value()) {
        let value = sorted(&value);
        let mut text = String::new();
        emit(&value, &mut text);
        let again = read(&text);
        prop_assert_eq!(&again, &value, "{}", text);
        let mut twice = String::new();
        emit(&again, &mut twice);
        prop_assert_eq!(twice, text);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[ -~\n\t]{0,200}") {
        if let Ok(documents) = parse_documents(&text, Limits::default()) {
            for value in documents.iter().filter_map(|node| Value::from_node(node).ok()) {
                let mut out = String::new();
                emit(&value, &mut out);
                prop_assert_eq!(read(&out), value, "{}", out);
            }
        }
    }

    #[test]
    fn structure_in_any_shape_is_read_or_refused(text in "([-?:,\\[\\]{}&*!|>'\"%@#ab0 \n]|<<|- |: ){0,60}") {
        let _ = parse_documents(&text, Limits::default());
    }
}
