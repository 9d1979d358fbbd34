//! `windlass doctor`: is everything there that a deploy needs, and what mends what is not?
//!
//! Each file looks at one part: this machine, the repository, an environment's cluster, the values of its secrets. Nothing is changed, but that
//! a broker's queue is declared, as `serve` would; and no value of a secret is shown.

mod cluster;
mod machine;
mod repository;
mod secrets;

use std::fmt::Write as _;

use serde::Serialize;
use windlass_core::name::EnvironmentName;

use crate::engine::Engine;
use crate::stop::Cause;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// A deploy works, but somebody should look.
    Warning,
    /// A deploy would not work.
    Failed,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What part of the whole: `machine`, `repository`, or an environment.
    pub part: String,
    /// What was looked at.
    pub name: &'static str,
    /// How it came out.
    pub verdict: Verdict,
    /// What was found, in words.
    pub found: String,
    /// What to do, with a command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// Everything that was looked at.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The checks, in the order of the parts.
    pub checks: Vec<Check>,
}

/// Looks at everything: of the environments at the one named, or at all of the policy.
pub async fn examine(engine: &Engine, only: Option<&EnvironmentName>) -> Report {
    let mut checks = machine::examine(engine).await;
    let (commit, control, found) = repository::examine(engine);
    checks.extend(found);
    let environments = control.iter().flat_map(|control| &control.environments);
    for (environment, policy) in environments.filter(|(name, _)| only.is_none_or(|only| only == *name)) {
        let commit = commit.as_ref().expect("a policy is of a commit");
        let mut part = Part::new(environment.as_str());
        match engine.render(environment, policy, commit) {
            Ok(objects) => {
                part.ok("overlay", format!("renders {} objects", objects.len()));
                secrets::examine(engine, environment, &objects, &mut part);
                cluster::examine(engine, environment, commit, &objects, &mut part).await;
            }
            Err(cause) => part.cause("overlay", Verdict::Failed, &cause),
        }
        checks.extend(part.checks);
    }
    Report { checks }
}

/// The checks of a part, as they come.
#[derive(Debug)]
struct Part {
    name: String,
    checks: Vec<Check>,
}

impl Part {
    fn new(name: &str) -> Self {
        Self { name: name.to_owned(), checks: Vec::new() }
    }

    fn push(&mut self, name: &'static str, verdict: Verdict, found: impl Into<String>, fix: Option<String>) {
        let (part, found) = (self.name.clone(), found.into());
        self.checks.push(Check { part, name, verdict, found, fix });
    }

    fn ok(&mut self, name: &'static str, found: impl Into<String>) {
        self.push(name, Verdict::Ok, found, None);
    }

    fn warn(&mut self, name: &'static str, found: impl Into<String>, fix: impl Into<String>) {
        self.push(name, Verdict::Warning, found, Some(fix.into()));
    }

    fn fail(&mut self, name: &'static str, found: impl Into<String>, fix: impl Into<String>) {
        self.push(name, Verdict::Failed, found, Some(fix.into()));
    }

    /// What an error says, with its hints, or the page of its word.
    fn cause(&mut self, name: &'static str, verdict: Verdict, cause: &Cause) {
        let page = || format!("see what it means: `windlass explain {}`", cause.code);
        let fix = if cause.hints.is_empty() { page() } else { cause.hints.join("; ") };
        self.push(name, verdict, cause.text.clone(), Some(fix));
    }
}

impl Report {
    /// The worst of all checks.
    pub fn worst(&self) -> Verdict {
        self.checks.iter().map(|check| check.verdict).max().unwrap_or(Verdict::Ok)
    }

    /// For people: part by part, what is wrong with what mends it.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        let mut part = "";
        for check in &self.checks {
            if check.part != part {
                part = &check.part;
                writeln!(text, "{part}").expect("writing to a string cannot fail");
            }
            let sign = match check.verdict {
                Verdict::Ok => "✓",
                Verdict::Warning => "‼",
                Verdict::Failed => "×",
            };
            let found = check.found.replace('\n', "\n                 ");
            writeln!(text, "  {sign} {:<12} {found}", check.name).expect("writing to a string cannot fail");
            if let Some(fix) = &check.fix {
                writeln!(text, "      fix: {fix}").expect("writing to a string cannot fail");
            }
        }
        text + &self.summary()
    }

    fn summary(&self) -> String {
        let count = |verdict| self.checks.iter().filter(|check| check.verdict == verdict).count();
        let (warnings, failed) = (count(Verdict::Warning), count(Verdict::Failed));
        match (failed, warnings) {
            (0, 0) => format!("\n{} checks, all well\n", self.checks.len()),
            _ => format!("\n{} checks: {failed} failed, {warnings} to look at\n", self.checks.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_names_what_is_wrong_and_what_mends_it() {
        let mut part = Part::new("dev");
        part.ok("overlay", "renders 5 objects");
        part.warn("clock", "3 s behind", "set the clock");
        part.cause("cluster", Verdict::Failed, &Cause::new("unreachable", "no answer"));
        let report = Report { checks: part.checks };
        assert_eq!(report.worst(), Verdict::Failed);
        let expected = "\
dev
  ✓ overlay      renders 5 objects
  ‼ clock        3 s behind
      fix: set the clock
  × cluster      no answer
      fix: see what it means: `windlass explain unreachable`

3 checks: 1 failed, 1 to look at
";
        assert_eq!(report.to_text(), expected);
    }
}
