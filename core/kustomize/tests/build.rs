//! What a build tells beside the YAML, and what it refuses.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use proptest::prelude::*;
use windlass_kustomize::{
    Build, Directory, Error, FileTree, LoadRestrictor, MemoryTree, Options, Problem, Reorder, YamlProblem,
    build,
};

const MAP: &str =
    "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: map, namespace: space, labels: {app: web}}\n";

fn tree(files: &[(&str, &str)]) -> MemoryTree {
    let mut tree = MemoryTree::default();
    for (path, content) in files {
        tree.insert(*path, content);
    }
    tree
}

fn render(files: &[(&str, &str)], target: &str) -> Result<Build, Error> {
    build(&tree(files), target, &Options::default())
}

fn set(paths: &[&str]) -> BTreeSet<String> {
    paths.iter().map(|path| (*path).to_owned()).collect()
}

#[test]
fn objects_know_what_they_are() {
    let build = render(&[("kustomization.yaml", "resources: [map.yaml]"), ("map.yaml", MAP)], "").unwrap();
    let object = &build.objects[0];
    assert_eq!((object.api_version(), object.kind(), object.name()), ("v1", "ConfigMap", "map"));
    assert_eq!(object.namespace(), Some("space"));
    assert_eq!(object.labels().collect::<Vec<_>>(), [("app", "web")]);
    assert_eq!(object.to_json()["metadata"]["labels"]["app"], "web");
}

#[test]
fn objects_know_the_files_that_made_them() {
    let files = [
        (
            "base/kustomization.yaml",
            "resources: [map.yaml, other.yaml]\nconfigMapGenerator: [{name: gen, envs: [gen.env]}]",
        ),
        ("base/map.yaml", MAP),
        ("base/other.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\n"),
        ("base/gen.env", "A=1\n"),
        ("over/kustomization.yaml", "resources: [../base]\npatches: [{path: patch.yaml}]"),
        (
            "over/patch.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: map, namespace: space}\ndata: {a: b}\n",
        ),
        ("unused.yaml", MAP),
    ];
    let build = render(&files, "over").unwrap();
    let both = ["base/kustomization.yaml", "over/kustomization.yaml"];
    let of = |name: &str| {
        let object = build.objects.iter().find(|object| object.name().starts_with(name)).unwrap();
        object.files().clone()
    };
    assert_eq!(of("map"), set(&[both[0], both[1], "base/map.yaml", "over/patch.yaml"]));
    assert_eq!(of("other"), set(&[both[0], both[1], "base/other.yaml"]));
    assert_eq!(of("gen"), set(&[both[0], both[1], "base/gen.env"]));
    let all = [both[0], both[1], "base/map.yaml", "base/other.yaml", "base/gen.env", "over/patch.yaml"];
    assert_eq!(build.files, set(&all));
}

#[test]
fn failed_builds_know_the_files_they_read() {
    let files = [
        ("kustomization.yaml", "resources: [map.yaml, broken.yaml]"),
        ("map.yaml", MAP),
        ("broken.yaml", "a: ["),
    ];
    let error = render(&files, "").unwrap_err();
    assert_eq!(*error.files(), set(&["kustomization.yaml", "map.yaml", "broken.yaml"]));
    assert_eq!((error.file(), error.line()), (Some("broken.yaml"), Some(1)));
}

#[test]
fn every_place_is_written_alike_and_comes_with_a_hint() {
    let app = |content: &'static str| [("app/kustomization.yaml", content)];
    says(&app("a: 1\nb: [\n"), "app/kustomization.yaml:2:4: the YAML is malformed: ", "mend the line");
    says(
        &app("\nresorces: []\n"),
        "app/kustomization.yaml:2: field `resorces` is unknown",
        "did you mean `resources`?",
    );
    says(
        &app("resources:\n  - here.yaml\n  - absent.yaml\n"),
        "app/kustomization.yaml:2: `here.yaml` does not exist",
        "git add",
    );
    says(
        &app("images: [{nam: a}]\n"),
        "app/kustomization.yaml:1: field `images[0].nam` is unknown",
        "`name`",
    );
    says(&app("replicas: 3\nquite_another: 1\n"), "app/kustomization.yaml:1: field `replicas` must be", "");
}

/// Checks that a build of `files` in `app` fails with these words, and a hint that holds `hint`.
#[track_caller]
fn says(files: &[(&str, &str)], words: &str, hint: &str) {
    let error = render(files, "app").expect_err(words);
    assert!(error.to_string().starts_with(words), "{error}");
    let given = error.hint().unwrap_or_default();
    assert!(given.contains(hint), "{error}: {given}");
}

#[test]
fn order_of_the_output_can_be_that_of_the_input() {
    let files = [
        ("kustomization.yaml", "resources: [all.yaml]"),
        (
            "all.yaml",
            "apiVersion: v1\nkind: Service\nmetadata: {name: b}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n",
        ),
    ];
    let names = |reorder| {
        let build = build(&tree(&files), "", &Options::default().with_reorder(reorder)).unwrap();
        build.objects.iter().map(|object| object.name().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(Reorder::Legacy), ["a", "b"]);
    assert_eq!(names(Reorder::None), ["b", "a"]);
}

#[test]
fn files_outside_need_permission() {
    let tree = tree(&[("app/kustomization.yaml", "resources: [../map.yaml]"), ("map.yaml", MAP)]);
    let error = build(&tree, "app", &Options::default()).unwrap_err();
    assert!(matches!(error.problem(), Problem::OutsideRoot { .. }), "{error}");
    let options = Options::default().with_load_restrictor(LoadRestrictor::None);
    assert_eq!(build(&tree, "app", &options).unwrap().objects.len(), 1);
}

#[test]
fn links_do_not_lead_out_of_a_kustomization() {
    let mut tree = tree(&[("app/kustomization.yaml", "resources: [link.yaml]"), ("map.yaml", MAP)]);
    tree.insert_link("app/link.yaml", "../map.yaml");
    let error = build(&tree, "app", &Options::default()).unwrap_err();
    assert!(matches!(error.problem(), Problem::OutsideRoot { .. }), "{error}");
}

#[cfg(unix)]
#[test]
fn links_do_not_lead_out_of_a_directory() {
    let root = std::env::temp_dir().join(format!("windlass-kustomize-links-{}", std::process::id()));
    std::fs::create_dir_all(root.join("tree")).unwrap();
    std::fs::write(root.join("secret.yaml"), MAP).unwrap();
    std::os::unix::fs::symlink("../secret.yaml", root.join("tree/link.yaml")).unwrap();
    let found = Directory::open(root.join("tree")).unwrap().locate("link.yaml");
    std::fs::remove_dir_all(&root).unwrap();
    assert_eq!(found.unwrap_err().kind(), std::io::ErrorKind::PermissionDenied);
}

/// Checks that a build of `files` in `app` fails with a message that holds `part`, and a hint if `hints`.
fn refuses(files: &[(&str, &str)], part: &str, hints: bool) {
    let error = render(files, "app").expect_err(part);
    assert!(error.to_string().contains(part), "{error}");
    assert_eq!(error.hint().is_some(), hints, "{error}");
}

#[test]
fn what_needs_the_network_or_a_process_is_refused_by_name() {
    let app = |content: &'static str| [("app/kustomization.yaml", content)];
    refuses(&app("resources: [https://example.com/a.yaml]"), "`https://example.com/a.yaml`", true);
    refuses(&app("resources: [github.com/a/b//c?ref=v1]"), "`github.com/a/b//c?ref=v1`", true);
    refuses(&app("components: [git@example.com:a/b]"), "`git@example.com:a/b`", true);
    refuses(&app("helmCharts: [{name: a}]"), "`helmCharts`", true);
    let plugin = "apiVersion: example.com/v1\nkind: Plugin\nmetadata: {name: p}\n";
    for role in ["transformers", "generators", "validators"] {
        let content = format!("{role}: [plugin.yaml]");
        refuses(&[("app/kustomization.yaml", &content), ("app/plugin.yaml", plugin)], "Plugin `p`", true);
    }
}

#[test]
fn cycles_are_found() {
    refuses(&[("app/kustomization.yaml", "resources: [.]")], "cycle", true);
    refuses(
        &[("app/kustomization.yaml", "resources: [..]"), ("kustomization.yaml", "resources: [app]")],
        "cycle",
        true,
    );
    let files =
        [("app/kustomization.yaml", "resources: [../b]"), ("b/kustomization.yaml", "resources: [../app]")];
    refuses(&files, "cycle", true);
}

/// Checks that reading `resource` fails with a bound.
fn exceeds(resource: &str) {
    let error = render(&[("kustomization.yaml", "resources: [a.yaml]"), ("a.yaml", resource)], "")
        .expect_err("it is too much");
    match error.problem() {
        Problem::Yaml(YamlProblem::TooLarge { .. } | YamlProblem::Malformed(_)) => {}
        other => panic!("{other}"),
    }
}

#[test]
fn hostile_documents_cost_little() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let below = format!("*a{}", level - 1);
        writeln!(bomb, "a{level}: &a{level} [{}]", vec![below; 9].join(", ")).unwrap();
    }
    exceeds(&bomb);
    exceeds(&format!("a: {}{}", "[".repeat(100_000), "]".repeat(100_000)));
    let deep = (0..5000).fold(String::new(), |deep, level| deep + &" ".repeat(level) + "a:\n");
    exceeds(&deep);
    exceeds(&format!("a: {}", "x".repeat(9 << 20)));
    let text = "x".repeat(1 << 20);
    exceeds(&format!("a: &a {text}\nb: [{}]\n", vec!["*a"; 100].join(", ")));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_kustomization_makes_a_build_panic(
        fields in prop::collection::vec(("(resources|patches|labels|images|replacements|vars|configMapGenerator|namespace|namePrefix|transformers|generators|sortOptions|openapi)", "[-a-z:{}\\[\\], \n]{0,40}"), 0..4),
        resource in "[-a-zA-Z:{}\\[\\], \n]{0,80}",
    ) {
        let kustomization = fields.iter().fold(String::new(), |text, (field, value)| text + field + ": " + value + "\n");
        let files = [("kustomization.yaml", kustomization.as_str()), ("a", resource.as_str()), ("b", MAP)];
        if let Ok(build) = render(&files, "") {
            prop_assert!(build.files.contains("kustomization.yaml"));
        }
    }
}
