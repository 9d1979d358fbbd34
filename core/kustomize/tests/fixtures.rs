//! Every folder of `fixtures` is a build: `input`, and `expected.yaml` or `error.txt`.
//!
//! `expected.yaml` is what kustomize 5.8.1 prints; `error.txt` is our own message where kustomize 5.8.1 fails too. The
//! directory to build is named in `target`, if it is not the root of `input`.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::error::Error as _;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use windlass_kustomize::{Build, Directory, Error, FileTree, MemoryTree, Options, build};

fn cases() -> Vec<PathBuf> {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut cases: Vec<PathBuf> =
        std::fs::read_dir(fixtures).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    assert!(!cases.is_empty());
    cases
}

fn target(case: &Path) -> String {
    std::fs::read_to_string(case.join("target")).unwrap_or_default().trim().to_owned()
}

/// The files of a directory as a tree in memory.
fn in_memory(directory: &Path) -> MemoryTree {
    fn add(tree: &mut MemoryTree, directory: &Path, prefix: &str) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("{prefix}{}", path.file_name().unwrap().to_str().unwrap());
            if path.is_dir() {
                add(tree, &path, &format!("{name}/"));
            } else {
                tree.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    let mut tree = MemoryTree::default();
    add(&mut tree, directory, "");
    tree
}

fn message(error: &Error) -> String {
    let mut message = format!("{error}\n");
    let mut cause = error.source();
    while let Some(error) = cause {
        writeln!(message, "cause: {error}").unwrap();
        cause = error.source();
    }
    if let Some(hint) = error.hint() {
        writeln!(message, "hint: {hint}").unwrap();
    }
    message
}

fn check(case: &Path, tree: &dyn FileTree) {
    let expected = |file: &str| std::fs::read_to_string(case.join(file)).ok();
    let found: Result<Build, Error> = build(tree, &target(case), &Options::default());
    match (found, expected("expected.yaml"), expected("error.txt")) {
        (Ok(build), Some(yaml), None) => assert_eq!(build.to_yaml(), yaml, "{}", case.display()),
        (Err(error), None, Some(text)) => assert_eq!(message(&error), text, "{}", case.display()),
        (found, ..) => panic!("{}: unexpected outcome {found:?}", case.display()),
    }
}

#[test]
fn fixtures_render_from_a_directory() {
    for case in cases() {
        check(&case, &Directory::open(case.join("input")).unwrap());
    }
}

#[test]
fn fixtures_render_from_memory() {
    for case in cases() {
        check(&case, &in_memory(&case.join("input")));
    }
}

#[test]
fn objects_stand_alone_as_they_stand_together() {
    for case in cases() {
        if let Ok(build) = build(&in_memory(&case.join("input")), &target(&case), &Options::default()) {
            let alone: Vec<String> = build.objects.iter().map(windlass_kustomize::Object::to_yaml).collect();
            assert_eq!(alone.join("---\n"), build.to_yaml());
        }
    }
}
