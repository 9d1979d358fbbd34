//! ARCHITECTURE.md is true: what it names exists, and what must be found through it is named.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn every_path_in_it_exists() {
    let named = paths(&page());
    assert!(named.len() > 50, "hardly any path was found: {named:?}");
    let missing: Vec<_> = named.iter().filter(|path| !root().join(path).exists()).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md names what is not there: {missing:?}");
}

#[test]
fn every_stage_is_in_it() {
    let named = paths(&page());
    for file in files(&root().join("runner/src/stages"), "rs") {
        let path = file.strip_prefix(root()).unwrap().to_str().unwrap();
        assert!(path.ends_with("mod.rs") || named.contains(path), "ARCHITECTURE.md does not name `{path}`");
    }
}

#[test]
fn every_trait_is_in_it() {
    let named = words(&page());
    let crates = ["core", "providers", "runner", "tests"].map(|folder| files(&root().join(folder), "rs"));
    let mut traits = BTreeSet::new();
    for file in crates.concat() {
        let text = fs::read_to_string(file).unwrap();
        traits.extend(text.lines().filter_map(|line| after(line, "pub trait ")).map(str::to_owned));
    }
    assert!(traits.contains("Provider"), "no traits were found: {traits:?}");
    let missing: Vec<_> = traits.difference(&named).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md does not name the traits {missing:?}");
}

#[test]
fn every_table_is_in_it() {
    let named = words(&page());
    let mut tables = BTreeSet::new();
    for file in files(&root().join("runner/store/migrations"), "sql") {
        let text = fs::read_to_string(file).unwrap();
        tables.extend(text.lines().filter_map(|line| after(line, "CREATE TABLE ")).map(str::to_owned));
    }
    assert!(tables.contains("runs"), "no tables were found: {tables:?}");
    let missing: Vec<_> = tables.difference(&named).collect();
    assert!(missing.is_empty(), "ARCHITECTURE.md does not name the tables {missing:?}");
}

#[test]
fn a_path_is_told_from_other_code() {
    let found = paths(
        "`core`, `core/src/run.rs`, `deny.toml`, `source`, `RunState::after`, `k8s/<provider>`, `windlass serve`",
    );
    assert_eq!(found, BTreeSet::from(["core/src/run.rs", "deny.toml"].map(str::to_owned)));
}

fn page() -> String {
    fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap()
}

/// What stands in backticks and reads as a path: parts with slashes, or the name of a source file.
fn paths(text: &str) -> BTreeSet<String> {
    let is_part = |character: char| character.is_ascii_alphanumeric() || "._-/".contains(character);
    let is_source = |word: &str| [".rs", ".md", ".toml", ".sql"].iter().any(|end| word.ends_with(end));
    words(text)
        .into_iter()
        .filter(|word| word.chars().all(is_part) && (word.contains('/') || is_source(word)))
        .collect()
}

/// What stands in backticks within a line.
fn words(text: &str) -> BTreeSet<String> {
    let in_line = |line: &str| line.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    text.lines().filter(|line| !line.starts_with("```")).flat_map(in_line).collect()
}

/// The name that follows a phrase at the beginning of a line.
fn after<'line>(line: &'line str, phrase: &str) -> Option<&'line str> {
    let rest = line.trim_start().strip_prefix(phrase)?;
    rest.split(|character: char| !character.is_alphanumeric() && character != '_').next()
}

fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|own| own == extension) {
            found.push(path);
        }
    }
    found
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}
