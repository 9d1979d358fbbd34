//! The lints on whole trees: the reference tree is clean, each lint has a change of it that only it finds, and a page that tells the truth.

mod fixture;
mod pages;
mod reference;

use jiff::Timestamp;
use windlass_kustomize::{Directory, FileTree as _, MemoryTree};

pub(super) use self::fixture::{Fixture, SMALL};
use super::{LINTS, Repository, explain};

/// What one lint finds in the small tree with some files replaced, each finding as `file:line: message`.
pub(super) fn check(lint: &str, changes: &[(&str, &str)]) -> Vec<String> {
    SMALL.with(changes).findings(lint)
}

/// A Monday, long before every freeze of the fixtures ends.
fn now() -> Timestamp {
    "2026-03-02T10:00:00Z".parse().unwrap()
}

#[test]
fn the_small_tree_is_clean() {
    let report = SMALL.report();
    assert!(report.is_clean(), "{}", report.to_text());
    assert_eq!(report.overlays.len(), 1);
}

#[test]
fn names_are_sorted_and_unique() {
    assert!(LINTS.is_sorted_by(|left, right| left.name < right.name));
}

#[test]
fn a_lint_that_is_not_known_has_no_page() {
    assert!(explain("minimal-base").is_some_and(|page| page.starts_with("# minimal-base\n")));
    assert_eq!(explain("maximal-base"), None);
}

#[test]
fn the_same_tree_gives_the_same_report_in_whatever_order_it_is_listed() {
    let wrong = SMALL.with(&[("infra/k8s/base/b.yaml", "a: [1\n"), ("infra/k8s/base/a.yaml", "a: [1\n")]);
    let report = wrong.report();
    let files: Vec<_> = report.findings.iter().map(|finding| finding.file.as_str()).collect();
    assert_eq!(files, ["infra/k8s/base/a.yaml", "infra/k8s/base/b.yaml"]);
    let mut backwards = wrong.paths();
    backwards.reverse();
    assert_eq!(wrong.report_of(&backwards), report);
}

#[test]
fn a_folder_of_the_file_system_is_checked_like_a_tree_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    for path in SMALL.paths() {
        let file = folder.path().join(&path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, SMALL.text(&path)).unwrap();
    }
    let tree = Directory::open(folder.path()).unwrap();
    let paths = SMALL.paths();
    let repository = Repository {
        tree: &tree,
        paths: &paths,
        infra: "infra",
        placeholder: "StrongBase64Password",
        now: now(),
    };
    assert_eq!(super::check(&repository), SMALL.report());
}

#[test]
fn files_that_are_no_text_are_passed_over() {
    let mut tree = MemoryTree::default();
    tree.insert("infra/logo.png", [0x89, b'P', 0xff, 0xfe]);
    assert!(tree.locate("infra/logo.png").unwrap().is_some());
    let paths = ["infra/logo.png".to_owned(), "infra/gone.yaml".to_owned()];
    let repository = Repository { tree: &tree, paths: &paths, infra: "infra", placeholder: "x", now: now() };
    let report = super::check(&repository);
    assert_eq!(report.files, 1);
    assert_eq!(report.findings.len(), 1, "only the policy is missing: {}", report.to_text());
}
