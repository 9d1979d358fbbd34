//! Secrets from the sources into the objects, and nowhere else.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;
use windlass_core::failure::FailureClass;

use super::*;
use crate::variables::Variables;

const PLACEHOLDER: &str = "StrongBase64Password";

fn key() -> DigestKey {
    DigestKey::new([7; 32])
}

fn config(directories: &[&std::path::Path]) -> SecretsConfig {
    let directories = directories.iter().map(|path| path.to_path_buf()).collect();
    SecretsConfig { placeholder: PLACEHOLDER.to_owned(), environment: true, directories }
}

fn sources(variables: &[(&str, &str)], directories: &[&std::path::Path]) -> SecretSources {
    SecretSources::from_config(
        &config(directories),
        &"prod-eu".parse().unwrap(),
        &Variables::fixed(variables.iter().copied()),
    )
}

fn secret(name: &str, field: &str, values: impl Into<Value>) -> Value {
    let values = values.into();
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "shop"}, field: values})
}

fn workload(kind: &str, container: impl Into<Value>) -> Value {
    let container = container.into();
    let template = json!({"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [container]}});
    json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "db", "namespace": "shop"}, "spec": {"template": template}})
}

fn takes(secret: &str, key: &str) -> Value {
    json!({"name": "db", "env": [{"name": "X", "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}]})
}

fn seal_with(objects: &[Value], variables: &[(&str, &str)]) -> Result<Sealed, SealRefused> {
    seal(objects, &sources(variables, &[]), PLACEHOLDER, &key())
}

/// The texts of the problems, one to a line.
fn problems(refused: &SealRefused) -> String {
    refused.problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

fn annotation<'a>(object: &'a Value, path: &str, name: &str) -> Option<&'a str> {
    object.pointer(path)?.get("annotations")?.get(name)?.as_str()
}

fn stamps(sealed: &Sealed, at: usize) -> (Option<String>, Option<String>) {
    let object = &sealed.expose()[at];
    let digest = annotation(object, "/metadata", DIGEST_ANNOTATION).map(str::to_owned);
    (digest, annotation(object, "/spec/template/metadata", SECRETS_ANNOTATION).map(str::to_owned))
}

#[test]
fn placeholders_become_the_values_that_their_keys_name() {
    let objects = [
        secret("plain", "stringData", json!({"A": PLACEHOLDER, "B": "literal"})),
        secret(
            "encoded",
            "data",
            json!({"A": STANDARD.encode(PLACEHOLDER), "B": PLACEHOLDER, "C": STANDARD.encode("literal")}),
        ),
    ];
    let sealed = seal_with(&objects, &[("A", "one \"two\""), ("B", "zwölf")]).unwrap();
    let [plain, encoded] = sealed.expose() else { panic!("two objects") };
    assert_eq!(plain["stringData"], json!({"A": "one \"two\"", "B": "literal"}));
    let data = json!({"A": STANDARD.encode("one \"two\""), "B": STANDARD.encode("zwölf"), "C": STANDARD.encode("literal")});
    assert_eq!(encoded["data"], data);
    assert_eq!(sealed.values().len(), 2);
}

#[test]
fn wrapped_base64_of_the_placeholder_is_recognised() {
    let wrapped =
        format!("{}\n{}\n", &STANDARD.encode(PLACEHOLDER)[..20], &STANDARD.encode(PLACEHOLDER)[20..]);
    let sealed = seal_with(&[secret("s", "data", json!({"A": wrapped}))], &[("A", "value")]).unwrap();
    assert_eq!(sealed.expose()[0]["data"]["A"], STANDARD.encode("value"));
}

#[test]
fn the_environments_own_variable_goes_before_everybodys() {
    let objects = [secret("s", "stringData", json!({"A": PLACEHOLDER, "B": PLACEHOLDER}))];
    let sealed =
        seal_with(&objects, &[("A", "all"), ("A__PROD_EU", "own"), ("B", "all"), ("B__DEV", "other")])
            .unwrap();
    assert_eq!(sealed.expose()[0]["stringData"], json!({"A": "own", "B": "all"}));
}

#[test]
fn folders_are_asked_in_order_after_the_variables() {
    let (first, second) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    for (path, text) in [
        (first.path().join("A"), "file"),
        (first.path().join("B"), "first\n"),
        (second.path().join("B"), "second"),
        (second.path().join("C"), "two newlines\n\n"),
        (second.path().join("D"), "windows\r\n"),
        (second.path().join("E"), " spaces \n "),
    ] {
        fs::write(path, text).unwrap();
    }
    fs::create_dir_all(second.path().join("prod-eu")).unwrap();
    fs::write(second.path().join("prod-eu/C"), "own\n").unwrap();
    let keys: serde_json::Map<_, _> =
        ["A", "B", "C", "D", "E"].map(|key| (key.to_owned(), PLACEHOLDER.into())).into_iter().collect();
    let objects = [secret("s", "stringData", Value::Object(keys))];
    let credentials = second.path().display().to_string();
    let sources = sources(&[("A", "variable"), ("CREDENTIALS_DIRECTORY", &credentials)], &[first.path()]);
    let sealed = seal(&objects, &sources, PLACEHOLDER, &key()).unwrap();
    let expected = json!({"A": "variable", "B": "first", "C": "own", "D": "windows", "E": " spaces \n "});
    assert_eq!(sealed.expose()[0]["stringData"], expected);
}

#[test]
fn only_one_newline_at_the_end_is_not_the_values() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("A"), "text\n\n").unwrap();
    let objects = [secret("s", "stringData", json!({"A": PLACEHOLDER}))];
    let sealed = seal(&objects, &sources(&[], &[folder.path()]), PLACEHOLDER, &key()).unwrap();
    assert_eq!(sealed.expose()[0]["stringData"]["A"], "text\n");
}

#[test]
fn a_mounted_secret_is_a_folder_of_links() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("..2026_01")).unwrap();
    fs::write(folder.path().join("..2026_01/A"), "mounted").unwrap();
    symlink("..2026_01", folder.path().join("..data")).unwrap();
    symlink("..data/A", folder.path().join("A")).unwrap();
    let objects = [secret("s", "stringData", json!({"A": PLACEHOLDER}))];
    let sealed = seal(&objects, &sources(&[], &[folder.path()]), PLACEHOLDER, &key()).unwrap();
    assert_eq!(sealed.expose()[0]["stringData"]["A"], "mounted");
}

#[test]
fn values_that_are_no_text_fit_data_only() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("A"), [0xff, 0x00, 0xfe]).unwrap();
    let sources = sources(&[], &[folder.path()]);
    let sealed =
        seal(&[secret("s", "data", json!({"A": PLACEHOLDER}))], &sources, PLACEHOLDER, &key()).unwrap();
    assert_eq!(sealed.expose()[0]["data"]["A"], STANDARD.encode([0xff, 0x00, 0xfe]));
    let refused =
        seal(&[secret("s", "stringData", json!({"A": PLACEHOLDER}))], &sources, PLACEHOLDER, &key())
            .unwrap_err();
    assert!(matches!(refused.problems.as_slice(), [SealProblem::NotText { .. }]), "{refused}");
}

#[test]
fn everything_that_is_missing_is_named_at_once() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("EMPTY"), "\n").unwrap();
    let objects = [
        secret("one", "stringData", json!({"A": PLACEHOLDER, "GIVEN": PLACEHOLDER, "EMPTY": PLACEHOLDER})),
        secret(
            "two",
            "data",
            json!({"B": PLACEHOLDER, "SAME": PLACEHOLDER, "../up": PLACEHOLDER, "..data": PLACEHOLDER}),
        ),
    ];
    let variables = [("GIVEN", "canary"), ("SAME", PLACEHOLDER)];
    let refused = seal(&objects, &sources(&variables, &[folder.path()]), PLACEHOLDER, &key()).unwrap_err();
    let shown = problems(&refused).replace(&folder.path().display().to_string(), "…");
    insta::assert_snapshot!(shown, @"
    no source has a value for `A` of Secret `shop/one`; asked: variable `A__PROD_EU`, variable `A`, file `…/prod-eu/A`, file `…/A`
    the value for `EMPTY` of Secret `shop/one` is empty in file `…/EMPTY`
    no source has a value for `B` of Secret `shop/two`; asked: variable `B__PROD_EU`, variable `B`, file `…/prod-eu/B`, file `…/B`
    the value for `SAME` of Secret `shop/two` in variable `SAME` is the placeholder itself
    `../up` of Secret `shop/two` is no key that a Secret can have: use letters, digits, `-`, `_` and `.`
    `..data` of Secret `shop/two` is no key that a Secret can have: use letters, digits, `-`, `_` and `.`
    ");
    assert!(refused.to_string().starts_with("6 placeholders cannot be replaced: "), "{refused}");
    assert_eq!(refused.class(), FailureClass::Permanent);
    assert_eq!(refused.hint().as_deref(), Some("export A__PROD_EU=…"));
}

#[test]
fn without_a_source_the_refusal_says_so() {
    let none = SecretsConfig { environment: false, ..config(&[]) };
    let sources =
        SecretSources::from_config(&none, &"dev".parse().unwrap(), &Variables::fixed([("A", "1234")]));
    let refused =
        seal(&[secret("s", "data", json!({"A": PLACEHOLDER}))], &sources, PLACEHOLDER, &key()).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "no source has a value for `A` of Secret `shop/s`; asked: nothing, because no source is configured"
    );
}

#[test]
fn a_file_that_cannot_be_read_is_not_passed_over() {
    let folder = TempDir::new().unwrap();
    let large = fs::File::create(folder.path().join("A")).unwrap();
    large.set_len((1 << 20) + 1).unwrap();
    symlink("B", folder.path().join("B")).unwrap();
    let objects = [secret("s", "data", json!({"A": PLACEHOLDER, "B": PLACEHOLDER}))];
    let refused = seal(&objects, &sources(&[], &[folder.path()]), PLACEHOLDER, &key()).unwrap_err();
    assert!(
        matches!(
            refused.problems.as_slice(),
            [SealProblem::Unreadable { .. }, SealProblem::Unreadable { .. }]
        ),
        "{refused}"
    );
}

#[test]
fn a_key_named_like_the_environment_finds_no_folder() {
    let folder = TempDir::new().unwrap();
    fs::create_dir(folder.path().join("prod-eu")).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let refused = seal(
        &[secret("s", "data", json!({"prod-eu": PLACEHOLDER}))],
        &sources(&[], &[folder.path()]),
        PLACEHOLDER,
        &key(),
    );
    assert!(matches!(refused.unwrap_err().problems.as_slice(), [SealProblem::Missing { .. }]));
}

#[test]
fn placeholders_anywhere_else_are_named_with_object_and_path() {
    let config_map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "init"}, "data": {"init.sql": format!("PASSWORD '{PLACEHOLDER}'")}});
    let container = json!({"name": "db", "env": [{"name": "A"}, {"name": "B", "value": PLACEHOLDER}]});
    let custom = json!({"apiVersion": "example.org/v1", "kind": "Secret", "metadata": {"name": "custom"}, "data": {"A": PLACEHOLDER}});
    let inside =
        secret("url", "stringData", json!({"URL": format!("postgres://sa:{PLACEHOLDER}@db"), "fine": "x"}));
    let encoded = secret("encoded", "data", json!({"URL": STANDARD.encode(format!("x{PLACEHOLDER}y"))}));
    let annotated = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "annotations": {(PLACEHOLDER): "x"}}});
    let plain_base64 = secret("wrong-field", "stringData", json!({"A": STANDARD.encode(PLACEHOLDER)}));
    let objects =
        [config_map, workload("Deployment", container), custom, inside, encoded, annotated, plain_base64];
    let refused = seal_with(&objects, &[("A", "value"), ("URL", "value")]).unwrap_err();
    insta::assert_snapshot!(problems(&refused), @r#"
    the placeholder stands in ConfigMap `init` at `data["init.sql"]`, where nothing replaces it
    the placeholder stands in Deployment `shop/db` at `spec.template.spec.containers[0].env[1].value`, where nothing replaces it
    the placeholder stands in Secret `custom` at `data.A`, where nothing replaces it
    the placeholder stands in Secret `shop/url` at `stringData.URL`, where nothing replaces it
    the placeholder stands in Secret `shop/encoded` at `data.URL`, where nothing replaces it
    the placeholder stands in Service `s` at `metadata.annotations.StrongBase64Password`, where nothing replaces it
    the placeholder stands in Secret `shop/wrong-field` at `stringData.A`, where nothing replaces it
    "#);
    assert_eq!(refused.class(), FailureClass::User);
}

#[test]
fn every_object_is_stamped_with_its_digest() {
    let service =
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"a": 1, "b": 2}});
    let reordered = json!({"kind": "Service", "spec": {"b": 2, "a": 1}, "metadata": {"annotations": {DIGEST_ANNOTATION: "old"}, "name": "s"}, "apiVersion": "v1"});
    let changed =
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"a": 1, "b": 3}});
    let bare = json!({"apiVersion": "v1", "kind": "Service"});
    let sealed = seal_with(&[service, reordered, changed, bare], &[]).unwrap();
    let digests: Vec<_> = (0..4).map(|at| stamps(&sealed, at).0.unwrap()).collect();
    assert!(digests.iter().all(|digest| digest.len() == 64));
    assert_eq!(digests[0], digests[1]);
    assert_ne!(digests[0], digests[2]);
    let again = seal_with(sealed.expose(), &[]).unwrap();
    assert_eq!((0..3).map(|at| stamps(&again, at).0.unwrap()).collect::<Vec<_>>(), digests[..3]);
}

#[test]
fn a_secrets_digest_follows_its_values_and_needs_the_key() {
    let objects = [secret("s", "stringData", json!({"A": PLACEHOLDER}))];
    let digest = |value: &str, key: &DigestKey| {
        let sealed = seal(&objects, &sources(&[("A", value)], &[]), PLACEHOLDER, key).unwrap();
        (stamps(&sealed, 0).0.unwrap(), sealed.digests()[0].digest.clone())
    };
    assert_eq!(digest("one1", &key()), digest("one1", &key()));
    let (object, value) = digest("one1", &key());
    let (other_object, other_value) = digest("two2", &key());
    assert!(object != other_object && value != other_value);
    let (foreign_object, foreign_value) = digest("one1", &DigestKey::new([8; 32]));
    assert!(object != foreign_object && value != foreign_value);
}

#[test]
fn equal_values_in_two_places_do_not_look_equal() {
    let objects = [secret("s", "stringData", json!({"A": PLACEHOLDER, "B": PLACEHOLDER}))];
    let sealed = seal_with(&objects, &[("A", "same"), ("B", "same")]).unwrap();
    assert_ne!(sealed.digests()[0].digest, sealed.digests()[1].digest);
    assert_eq!(sealed.values().len(), 1);
}

#[test]
fn a_changed_value_restarts_what_takes_it_and_nothing_else() {
    let objects = [
        secret("s", "stringData", json!({"A": PLACEHOLDER, "B": PLACEHOLDER, "C": "literal"})),
        workload("StatefulSet", takes("s", "A")),
        workload("Deployment", takes("s", "B")),
        workload("DaemonSet", json!({"name": "db", "envFrom": [{"secretRef": {"name": "s"}}]})),
        workload("Deployment", json!({"name": "db", "volumeMounts": [{"name": "s", "mountPath": "/s"}]})),
        workload("ReplicaSet", takes("s", "A")),
        workload("Deployment", takes("elsewhere", "A")),
    ];
    let before = seal_with(&objects, &[("A", "one1"), ("B", "two2")]).unwrap();
    let same = seal_with(&objects, &[("A", "one1"), ("B", "two2")]).unwrap();
    let after = seal_with(&objects, &[("A", "new1"), ("B", "two2")]).unwrap();
    let changed = |one: &Sealed, other: &Sealed| -> Vec<usize> {
        (0..objects.len()).filter(|at| stamps(one, *at) != stamps(other, *at)).collect()
    };
    assert_eq!(changed(&before, &same), [0; 0]);
    assert_eq!(changed(&before, &after), [0, 1, 3]);
    let marked: Vec<_> = (0..objects.len()).filter(|at| stamps(&before, *at).1.is_some()).collect();
    assert_eq!(marked, [1, 2, 3]);
}

#[test]
fn the_reference_tree_is_sealed() {
    let tree = windlass_kustomize::Directory::open(concat!(env!("CARGO_MANIFEST_DIR"), "/../infra")).unwrap();
    let build = windlass_kustomize::build(&tree, "k8s/hetzner/prod", &windlass_kustomize::Options::default())
        .unwrap();
    let objects: Vec<Value> = build.objects.iter().map(windlass_kustomize::Object::to_json).collect();
    let refused = seal_with(&objects, &[]).unwrap_err();
    let missing = |problem: &SealProblem| match problem {
        SealProblem::Missing { at, .. } => at.key.clone(),
        other => panic!("{other}"),
    };
    let keys: Vec<_> = refused.problems.iter().map(missing).collect();
    assert_eq!(keys.len(), 4, "{refused}");
    let variables: Vec<_> = keys.iter().map(|key| (key.as_str(), "a password")).collect();
    let sealed = seal_with(&objects, &variables).unwrap();
    let restarted: Vec<_> = (0..objects.len()).filter(|at| stamps(&sealed, *at).1.is_some()).collect();
    let kinds: Vec<_> = restarted.iter().map(|at| sealed.expose()[*at]["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["StatefulSet"]);
}

#[test]
fn init_containers_count_and_secrets_of_other_namespaces_do_not() {
    let mut init = workload("Deployment", json!({"name": "main"}));
    init["spec"]["template"]["spec"]["initContainers"] = json!([takes("s", "A")]);
    let mut foreign = workload("Deployment", takes("s", "A"));
    foreign["metadata"]["namespace"] = json!("other");
    let literal = secret("t", "stringData", json!({"A": "literal"}));
    let objects = [
        secret("s", "stringData", json!({"A": PLACEHOLDER})),
        init,
        foreign,
        literal,
        workload("Deployment", takes("t", "A")),
    ];
    let sealed = seal_with(&objects, &[("A", "value")]).unwrap();
    let marked: Vec<_> = (0..objects.len()).filter(|at| stamps(&sealed, *at).1.is_some()).collect();
    assert_eq!(marked, [1]);
}

#[test]
fn nothing_public_shows_a_value() {
    const CANARY: &str = "canary-Hx7-\"quoted\"";
    let variables = [("A", CANARY), ("B", "")];
    let objects =
        [secret("s", "stringData", json!({"A": PLACEHOLDER})), workload("Deployment", takes("s", "A"))];
    let sealed = seal_with(&objects, &variables).unwrap();
    let sources = sources(&variables, &[]);
    let mut refused_objects = objects.to_vec();
    refused_objects.push(secret("t", "data", json!({"A": PLACEHOLDER, "B": PLACEHOLDER, "C": PLACEHOLDER})));
    let refused = seal(&refused_objects, &sources, PLACEHOLDER, &key()).unwrap_err();
    let shown = [
        format!("{sealed:?} {sealed:#?}"),
        format!("{:?} {}", sealed.digests(), serde_json::to_string(sealed.digests()).unwrap()),
        format!("{:?}", sealed.values()),
        format!("{:?}", sealed.redactor()),
        format!("{sources:?}"),
        format!("{:?}", sources.find("A")),
        format!("{:?}", key()),
        format!("{refused} {refused:?} {:?}", refused.hint()),
        serde_json::to_string(&refused.problems).unwrap(),
        format!("{:?} {}", config(&[]), serde_json::to_string(&config(&[])).unwrap()),
    ];
    let redactor = sealed.redactor();
    assert!(redactor.finds(&sealed.expose()[0].to_string()), "the search must be able to find");
    for text in shown {
        assert!(!redactor.finds(&text) && !text.contains("canary"), "{text}");
    }
    // Of the objects only the Secret holds the value.
    assert!(!redactor.finds(&sealed.expose()[1].to_string()));
}

fn redactor(values: &[&str]) -> Redactor {
    let values: Vec<_> = values.iter().map(|value| SecretValue::new(*value)).collect();
    Redactor::new(&values)
}

#[track_caller]
fn check_redacted(values: &[&str], text: &str, expected: &str) {
    assert_eq!(redactor(values).redact(text), expected);
}

#[test]
fn a_value_is_found_in_every_writing() {
    let value = "pa<ss> wörd\"&/+";
    let json = serde_json::to_string(value).unwrap();
    let go = json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026");
    for text in [
        value,
        "pa%3Css%3E%20w%C3%B6rd%22%26%2F%2B",
        "pa%3css%3e%20w%c3%b6rd%22%26%2f%2b",
        "pa%3Css%3E+w%C3%B6rd%22%26%2F%2B",
    ] {
        check_redacted(&[value], &format!("a {text} b"), "a «redacted» b");
    }
    for quoted in [
        json,
        go,
        format!("\"{}\"", STANDARD.encode(value)),
        format!("\"{}\"", URL_SAFE_NO_PAD.encode(value)),
    ] {
        check_redacted(&[value], &quoted, "\"«redacted»\"");
    }
}

#[test]
fn a_value_is_found_in_base64_of_something_longer() {
    let value = "correct horse battery";
    for before in ["", "u", "us", "usr", "user:"] {
        for after in ["", "@", "@db", "@db:5432"] {
            let text = STANDARD.encode(format!("{before}{value}{after}"));
            let redacted = redactor(&[value]).redact(&text).into_owned();
            assert!(
                redacted.contains("«redacted»") && redacted.len() < text.len(),
                "{before} {after}: {redacted}"
            );
        }
    }
}

#[test]
fn values_that_overlap_both_go_whole() {
    check_redacted(&["abcdef", "efghij"], "-abcdefghij-", "-«redacted»-");
    check_redacted(&["abcd", "abcdefgh"], "-abcdefgh-", "-«redacted»-");
    check_redacted(&["abab"], "-ababab-", "-«redacted»-");
}

#[test]
fn lines_of_a_long_value_are_found_alone() {
    let pem =
        "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\nshort\n-----END PRIVATE KEY-----\n";
    check_redacted(&[pem], "log: MIIEvQIBADANBgkqhkiG9w0BAQEFAASC short", "log: «redacted» short");
}

#[test]
fn short_values_are_not_searched_for() {
    check_redacted(&["abc", ""], "abc of the alphabet", "abc of the alphabet");
    check_redacted(&[], "nothing is known", "nothing is known");
}

#[test]
fn the_mark_itself_never_shows_a_value() {
    check_redacted(&["redacted"], "it is redacted", "it is ██");
    check_redacted(&["redacted", "██ab", "a«b»"], "it is redacted", "it is \u{e000}");
}

fn hostile_value() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9]{4,12}",
        "[ab«»]{4,8}",
        "(?s).{4,20}",
        Just("redacted".to_owned()),
        Just("dact".to_owned()),
        "[<>&\"\\\\ /+=%]{4,9}",
    ]
}

proptest! {
    #[test]
    fn redacted_text_holds_no_value_in_any_writing(
        values in prop::collection::vec(hostile_value(), 1..5),
        filler in prop::collection::vec("(?s).{0,6}", 6),
        order in prop::collection::vec((0usize..5, 0usize..6), 0..8),
    ) {
        let values: Vec<&str> = values.iter().map(String::as_str).filter(|value| value.len() >= 4).collect();
        prop_assume!(!values.is_empty());
        let mut text = String::new();
        for (value, writing) in order {
            let value = values[value % values.len()];
            text += &filler[writing];
            text += &match writing {
                0 | 1 => value.to_owned(),
                2 => STANDARD.encode(value),
                3 => URL_SAFE_NO_PAD.encode(value),
                4 => serde_json::to_string(value).unwrap(),
                _ => value[..value.floor_char_boundary(value.len() / 2)].to_owned(),
            };
        }
        let redactor = redactor(&values);
        let redacted = redactor.redact(&text);
        prop_assert!(!redactor.finds(&redacted), "{redacted:?}");
        for value in values {
            prop_assert!(!redacted.contains(value), "{value:?} in {redacted:?}");
            prop_assert!(!redacted.contains(&STANDARD.encode(value)), "{value:?} in {redacted:?}");
        }
    }

    #[test]
    fn text_without_a_value_stays_as_it_is(text in "[a-z ]{0,60}") {
        prop_assert_eq!(redactor(&["UPPER-CASE-ONLY"]).redact(&text), text.as_str());
    }

    #[test]
    fn sealing_never_leaves_a_placeholder(keys in prop::collection::btree_set("[A-Z]{1,6}", 1..6), encoded in any::<bool>()) {
        let placeholder = if encoded { STANDARD.encode(PLACEHOLDER) } else { PLACEHOLDER.to_owned() };
        let entries = keys.iter().map(|key| (key.clone(), Value::from(placeholder.clone()))).collect();
        let variables: Vec<_> = keys.iter().map(|key| (key.as_str(), "value")).collect();
        let sealed = seal_with(&[secret("s", "data", Value::Object(entries))], &variables).unwrap();
        let text = sealed.expose()[0].to_string();
        prop_assert!(!text.contains(PLACEHOLDER) && !text.contains(&STANDARD.encode(PLACEHOLDER)));
        prop_assert_eq!(sealed.digests().len(), keys.len());
    }
}
