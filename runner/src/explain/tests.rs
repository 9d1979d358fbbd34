use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory as _;
use clap::error::ErrorKind;
use windlass_core::failure::ClusterFailure;
use windlass_core::policy::gate::GateCode;

use super::*;
use crate::cli::args::Cli;
use crate::cli::words::words_of;

const SECTIONS: [&str; 3] = ["What it means", "What windlass does", "How to mend it"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every file below a folder with this ending.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            found.extend(files(&entry, ending));
        } else if entry.to_string_lossy().ends_with(ending) {
            found.push(entry);
        }
    }
    found
}

/// The code of the crates that errors come from, without their tests.
fn sources() -> Vec<String> {
    let folders = ["runner/src", "runner/store/src", "runner/cluster/src", "core/src", "providers"];
    let all = folders.iter().flat_map(|folder| files(&root().join(folder), ".rs"));
    // What the sandbox says is an API server's, in the words of Kubernetes; what an emulator says is that of its cloud.
    let foreign = ["test", "providers/sandbox", "/emulator/"];
    let is_ours = |path: &str| !foreign.iter().any(|part| path.contains(part));
    let is_code = |file: &PathBuf| is_ours(&file.to_string_lossy());
    let without_tests = |text: String| text.split("#[cfg(test)]\nmod ").next().unwrap_or_default().to_owned();
    all.filter(is_code).map(|file| without_tests(fs::read_to_string(file).unwrap())).collect()
}

/// The words that code gives to causes of errors and to reasons of ends.
fn words_in_code() -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    for text in sources() {
        for maker in ["Cause::new(", "Reason::new("] {
            for after in text.split(maker).skip(1) {
                let word = after.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next());
                words.extend(word.map(str::to_owned));
            }
        }
        for maker in [
            "Problem::new(",
            "Problem::not_found(",
            "Problem::forbidden(",
            "Problem::unauthorised_by(",
            "Self::new(StatusCode::",
        ] {
            for after in text.split(maker).skip(1) {
                let arguments = after.split(';').next().unwrap_or_default();
                let word = arguments.split('"').nth(1).filter(|word| !word.contains(' '));
                words.extend(word.map(str::to_owned));
            }
        }
        for after in text.split("\"code\\\":\\\"").skip(1) {
            words.extend(after.split('\\').next().map(str::to_owned));
        }
        for after in text.split("Cause { code: \"").skip(1) {
            words.extend(after.split('"').next().map(str::to_owned));
        }
    }
    words
}

#[test]
fn every_word_has_a_page_and_every_page_a_word() {
    let mut words = words_in_code();
    words.extend(ClusterFailure::ALL.map(|failure| failure.as_str().to_owned()));
    words.extend(GateCode::ALL.map(|code| code.as_str().to_owned()));
    words.extend(Cause::ALL.iter().map(|cause| cause.word().to_owned()));
    // These are no trouble.
    for fine in ["pass", "verified"] {
        assert!(words.remove(fine), "`{fine}` is no word any more");
    }
    let pages: BTreeSet<String> = PAGES.iter().map(|(word, _)| (*word).to_owned()).collect();
    let missing: Vec<_> = words.difference(&pages).collect();
    assert!(missing.is_empty(), "no page in docs/reference/errors for {missing:?}");
    let idle: Vec<_> = pages.difference(&words).collect();
    assert!(idle.is_empty(), "nothing says {idle:?}");
}

#[test]
fn every_file_is_a_page() {
    let folder = root().join("docs/reference/errors");
    let found: BTreeSet<String> = files(&folder, ".md")
        .iter()
        .map(|file| file.file_stem().unwrap().to_string_lossy().into_owned())
        .filter(|name| name != "README")
        .collect();
    assert_eq!(found, PAGES.iter().map(|(word, _)| (*word).to_owned()).collect());
    assert!(PAGES.is_sorted(), "the pages stand in the order of their words");
}

#[test]
fn every_page_is_complete() {
    for (word, page) in PAGES {
        let cause = Cause::ALL.iter().find(|cause| cause.word() == *word);
        let title = cause.map_or(format!("# {word}\n"), |cause| format!("# {word} ({})\n", cause.code()));
        assert!(page.starts_with(&title), "{word} should begin with {title}");
        if let Some(cause) = cause {
            assert!(summary(page).eq_ignore_ascii_case(cause.headline()), "{word}: {}", summary(page));
        }
        for heading in SECTIONS {
            let section = page.split_once(&format!("\n## {heading}\n"));
            let text = section.map_or("", |(_, rest)| rest.split("\n## ").next().unwrap_or_default());
            assert!(text.trim().len() > 5, "{word} says nothing under `{heading}`");
        }
    }
}

#[test]
fn the_index_lists_every_page() {
    let row = |(word, page): &(&str, &str)| {
        let number = Cause::ALL
            .iter()
            .find(|cause| cause.word() == *word)
            .map_or_else(String::new, |cause| format!(" {}", cause.code()));
        let summary = summary(page);
        let lower =
            summary.chars().next().unwrap_or_default().to_lowercase().collect::<String>() + &summary[1..];
        (format!("| [`{word}`]({word}.md) |{number} | "), lower)
    };
    let readme = fs::read_to_string(root().join("docs/reference/errors/README.md")).unwrap();
    for page in PAGES {
        let (beginning, summary) = row(page);
        let line = readme.lines().find(|line| line.starts_with(&beginning));
        let said = line.unwrap_or_else(|| panic!("the index has no row `{beginning}`"));
        assert!(said.to_lowercase().contains(&summary.to_lowercase()), "{said} should say `{summary}`");
    }
    let rows = readme.lines().filter(|line| line.starts_with("| [")).count();
    assert_eq!(rows, PAGES.len());
}

/// Fails if a command line names a command or a flag that does not exist. Values in it may be placeholders.
fn assert_exists(line: &str, place: &str) {
    let words: Vec<String> = words_of(line)
        .into_iter()
        .map(|word| if word.contains('{') { "dev".to_owned() } else { word })
        .collect();
    // `COMMAND` stands for any.
    if words.len() < 2 || words[1] == "COMMAND" {
        return;
    }
    if let Err(error) = Cli::command().try_get_matches_from(&words) {
        let is_unknown = matches!(error.kind(), ErrorKind::InvalidSubcommand | ErrorKind::UnknownArgument);
        // A text may speak of a family of commands.
        assert!(!is_unknown, "{place} names `{line}`: {error}");
    }
}

#[test]
fn every_command_on_a_page_exists() {
    for (word, page) in PAGES {
        for line in page.lines().filter(|line| line.contains("windlass ") && !line.contains('`')) {
            if line.starts_with("windlass ") || line.contains("=ada windlass ") {
                assert_exists(line, word);
            }
        }
        for quoted in page.split('`').skip(1).step_by(2).filter(|quoted| quoted.starts_with("windlass ")) {
            assert_exists(quoted, word);
        }
    }
}

#[test]
fn every_command_in_a_hint_exists() {
    let mut found = 0;
    for text in sources() {
        for line in text.lines() {
            for quoted in line.split('`').skip(1).step_by(2).filter(|quoted| quoted.starts_with("windlass "))
            {
                assert_exists(quoted, line.trim());
                found += 1;
            }
        }
    }
    assert!(found > 40, "only {found} commands were found: is the search still right?");
}

#[test]
fn a_page_is_found_by_word_number_and_lint() {
    for name in ["image_not_found", "WL0511", "wl0511"] {
        let page = page(name).unwrap();
        assert!(page.starts_with("# image_not_found (WL0511)\n"), "{page}");
        assert!(page.contains("on a first release given up on after 30 s"), "{page}");
    }
    assert!(page("secret_missing").unwrap().contains("export POSTGRES_SA_PASSWORD"));
    assert!(page("minimal-base").unwrap().starts_with("# minimal-base"));
    assert_eq!(page("nothing"), None);
}

#[test]
fn an_unknown_name_finds_its_neighbour() {
    assert_eq!(nearest("secret_mising"), Some("secret_missing"));
    assert_eq!(nearest("WL0512x"), Some("WL0512"));
    assert_eq!(nearest("minimal_base"), Some("minimal-base"));
    assert_eq!(nearest("zzz"), None);
}
