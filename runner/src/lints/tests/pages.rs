//! Every lint has a page, every page a lint, and the examples on the pages are what they say they are.

use std::fs;
use std::path::PathBuf;

use super::{Fixture, LINTS, SMALL};
use crate::lints::{Level, Lint};

const SECTIONS: [&str; 5] = ["What it finds", "Why", "Wrong", "Right", "How to mend it"];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/lints")
}

/// The text under a heading of a page.
fn section<'a>(lint: &'a Lint, heading: &str) -> &'a str {
    let (_, rest) = lint
        .page
        .split_once(&format!("\n## {heading}\n"))
        .unwrap_or_else(|| panic!("{} has no section {heading}", lint.name));
    rest.split_once("\n## ").map_or(rest, |(text, _)| text)
}

/// The small tree with the files of a section, each named by the comment in its first line.
fn example(lint: &Lint, heading: &str) -> Fixture {
    let mut tree = SMALL.clone();
    let mut blocks = 0;
    for block in section(lint, heading).split("```").skip(1).step_by(2) {
        let (_, body) = block.split_once('\n').unwrap();
        let (path, text) =
            body.strip_prefix("# ").and_then(|body| body.split_once('\n')).unwrap_or_else(|| {
                panic!("an example of {} does not name its file", lint.name);
            });
        tree = tree.with(&[(path, text)]);
        blocks += 1;
    }
    assert!(blocks > 0, "{} has no example under {heading}", lint.name);
    tree
}

#[test]
fn every_page_belongs_to_a_lint() {
    let mut pages: Vec<_> = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "README.md")
        .collect();
    pages.sort();
    let expected: Vec<_> = LINTS.iter().map(|lint| format!("{}.md", lint.name)).collect();
    assert_eq!(pages, expected);
}

#[test]
fn every_page_says_what_the_table_says() {
    for lint in LINTS {
        let level = if lint.level == Level::Error { "Error" } else { "Warning" };
        let beginning = format!("# {}\n\n{level}: {}.\n", lint.name, lint.summary);
        assert!(lint.page.starts_with(&beginning), "{} should begin with\n{beginning}", lint.name);
        for heading in SECTIONS {
            assert!(section(lint, heading).trim().len() > 20, "{} says nothing under {heading}", lint.name);
        }
    }
}

#[test]
fn every_wrong_example_is_found_by_its_lint_alone() {
    for lint in LINTS {
        let report = example(lint, "Wrong").report();
        assert!(!report.is_clean(), "{} does not find its example", lint.name);
        let is_alone = report.findings.iter().all(|finding| finding.lint == lint.name);
        assert!(is_alone, "the example of {} is wrong in other ways:\n{}", lint.name, report.to_text());
    }
}

#[test]
fn every_right_example_is_clean() {
    for lint in LINTS {
        let report = example(lint, "Right").report();
        assert!(report.is_clean(), "{}:\n{}", lint.name, report.to_text());
    }
}

#[test]
fn the_index_lists_every_lint() {
    let rows = LINTS
        .iter()
        .map(|lint| format!("| [`{}`]({}.md) | {} | {} |\n", lint.name, lint.name, lint.level, lint.summary));
    let table: String = rows.collect();
    let index = fs::read_to_string(folder().join("README.md")).unwrap();
    assert!(index.contains(&table), "the index should contain\n{table}");
}
