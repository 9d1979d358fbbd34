//! GitHub Actions: an annotation for each object that failed, at its file, and the summary of the step.
//!
//! The commands are lines of output (GitHub docs, "Workflow commands"). Texts from outside are escaped, so that no log line of a container
//! becomes a command.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;

use windlass_core::run::{Outcome, RunState};

use crate::engine::Engine;
use crate::printer::Printer;
use crate::stages::render::ReleaseContent;
use crate::stop::Cause;
use crate::variables::Variables;
use crate::view::{RunView, gist, in_words};

/// An error at a place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Annotation {
    file: Option<String>,
    line: Option<u32>,
    column: Option<u32>,
    message: String,
}

/// Says what failed, and adds the runs to the summary of the step.
pub(super) async fn report(engine: &Engine, printer: Printer, views: &[RunView]) -> Result<(), Cause> {
    for view in views {
        let release = match &view.digest {
            Some(digest) => serde_json::from_slice(&engine.store.artefact(digest).await?).ok(),
            None => None,
        };
        for annotation in annotations(view, release.as_ref()) {
            let title = format!("{} {} → {}", view.id, view.state, view.environment);
            printer.say(&annotation.to_command(&title));
        }
    }
    if let Some(file) = Variables::Process.text("GITHUB_STEP_SUMMARY") {
        let mut file = OpenOptions::new().append(true).create(true).open(file)?;
        file.write_all(summary(views).as_bytes())?;
    }
    Ok(())
}

/// What failed in a run: the object of its diagnosis, or each problem that its reason names.
fn annotations(view: &RunView, release: Option<&ReleaseContent>) -> Vec<Annotation> {
    let has_failed = matches!(
        view.state,
        RunState::Ended(Outcome::RolledBack | Outcome::Refused | Outcome::Failed | Outcome::Stuck)
    );
    let Some(reason) = view.reason.as_ref().filter(|_| has_failed) else { return Vec::new() };
    let Some(diagnosis) = &view.diagnosis else { return problems(&reason.text) };
    let likely = diagnosis.likely.as_ref().and_then(|likely| likely.source.clone());
    let source = || release.and_then(|release| release.sources_of(&diagnosis.object).into_iter().next());
    let message = reason.text.lines().next().unwrap_or_default().to_owned();
    vec![Annotation { file: likely.or_else(source), message, ..Annotation::default() }]
}

/// The problems of a text, each with the place that it begins with or the first file that made its object; else the text's first line.
fn problems(text: &str) -> Vec<Annotation> {
    let mut found: Vec<Annotation> = Vec::new();
    for line in text.lines() {
        if let Some(placed) = placed(line) {
            found.push(placed);
        } else if line.starts_with("cannot ") {
            found.push(Annotation { message: line.to_owned(), ..Annotation::default() });
        } else if let (Some(file), Some(last)) =
            (line.trim_start().strip_prefix("made by "), found.last_mut())
        {
            last.file.get_or_insert_with(|| file.to_owned());
        }
    }
    if found.is_empty() {
        let message = text.lines().next().unwrap_or_default().to_owned();
        found.push(Annotation { message, ..Annotation::default() });
    }
    found
}

/// `file.yaml:12:3: what is wrong`, with or without the column.
fn placed(line: &str) -> Option<Annotation> {
    let (place, message) = line.split_once(": ")?;
    let mut parts = place.split(':');
    let file = parts.next().filter(|file| !file.contains([' ', '`']) && file.contains('.'))?;
    let number = parts.next()?.parse().ok()?;
    let column = parts.next().map(str::parse).transpose().ok()?;
    Some(Annotation { file: Some(file.to_owned()), line: Some(number), column, message: message.to_owned() })
}

impl Annotation {
    fn to_command(&self, title: &str) -> String {
        let mut command = format!("::error title={}", property(title));
        if let Some(file) = &self.file {
            write!(command, ",file={}", property(file)).expect("writing to a string cannot fail");
        }
        for (name, number) in [("line", self.line), ("col", self.column)] {
            if let Some(number) = number {
                write!(command, ",{name}={number}").expect("writing to a string cannot fail");
            }
        }
        format!("{command}::{}", escaped(&self.message))
    }
}

/// The text of a command, in one line.
pub(super) fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a property, which `:` and `,` would end.
fn property(text: &str) -> String {
    escaped(text).replace(':', "%3A").replace(',', "%2C")
}

/// A line that is no command, whatever it says.
pub(super) fn harmless(line: &str) -> String {
    if line.trim_start().starts_with("::") { line.replacen("::", ": :", 1) } else { line.to_owned() }
}

/// The runs as a table, each that is not verified with its whole story folded below.
fn summary(views: &[RunView]) -> String {
    let rows: Vec<String> = views.iter().map(row).collect();
    let mut text = format!(
        "### windlass\n\n| run | environment | commit | outcome | stages |\n|---|---|---|---|---|\n{}\n",
        rows.join("\n")
    );
    for view in views.iter().filter(|view| view.outcome() != Some(Outcome::Verified)) {
        // A fence inside of the story would end it.
        let story = view.conclusion().replace("```", "` ` `");
        let title = format!("{} {}", view.id, view.state);
        write!(text, "\n<details><summary>{title}</summary>\n\n```text\n{story}\n```\n\n</details>\n")
            .expect("writing to a string cannot fail");
    }
    text + "\n"
}

fn row(view: &RunView) -> String {
    let stage = |stage: &crate::view::StageView| {
        let sign = if stage.ok == Some(false) { "✗ " } else { "" };
        format!("{sign}{} {}", stage.stage, stage.took.map(in_words).unwrap_or_default())
    };
    let stages: Vec<_> = view.stages.iter().map(stage).collect();
    let held =
        view.held.as_ref().map(|held| format!(": {}", gist(&held.code, &held.text))).unwrap_or_default();
    format!(
        "| {} | {} | `{}` {} | {}{} | {} |",
        view.id,
        view.environment,
        view.commit.short(),
        cell(&view.subject),
        view.state,
        cell(&held),
        stages.join(", ")
    )
}

/// A text that stays in its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let commands: Vec<_> = problems(text).iter().map(|found| found.to_command("r-1")).collect();
        assert_eq!(commands, expected);
    }

    #[test]
    fn a_problem_is_marked_where_it_stands() {
        check(
            "infra/k8s/base/a.yaml:17:9: the YAML is malformed\nhint: mend it",
            &["::error title=r-1,file=infra/k8s/base/a.yaml,line=17,col=9::the YAML is malformed"],
        );
        check(
            "a.yaml:3: field `x` is unknown",
            &["::error title=r-1,file=a.yaml,line=3::field `x` is unknown"],
        );
    }

    #[test]
    fn every_refused_object_is_marked_at_the_first_file_that_made_it() {
        let text = "cannot apply `ConfigMap a/b`: no\n  made by one.yaml\n          two.yaml\ncannot apply `Secret a/c`: 100% no";
        let expected = [
            "::error title=r-1,file=one.yaml::cannot apply `ConfigMap a/b`: no",
            "::error title=r-1::cannot apply `Secret a/c`: 100%25 no",
        ];
        check(text, &expected);
    }

    #[test]
    fn what_has_no_place_is_still_said() {
        check("no source has a value for `A`", &["::error title=r-1::no source has a value for `A`"]);
    }

    #[test]
    fn no_text_becomes_a_command_or_another_cell() {
        assert_eq!(harmless("  ::set-output name=a::b"), "  : :set-output name=a::b");
        assert_eq!(harmless("a ::b"), "a ::b");
        let hostile = Annotation { message: "a\n::error::b".to_owned(), ..Annotation::default() };
        assert_eq!(hostile.to_command("t,x=1"), "::error title=t%2Cx=1::a%0A::error::b");
        assert_eq!(cell("a|b\n<img>"), "a\\|b &lt;img>");
    }
}
