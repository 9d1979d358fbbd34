//! What a lint has found, and how it is shown.

use std::fmt;

use serde::Serialize;

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The tree must not be deployed like this.
    Error,
    /// Most likely not what was meant; it may stay.
    Warning,
}

impl Level {
    /// The word of the output.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}

/// One thing that a lint has found. Never holds the value of a secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The file, relative to the repository.
    pub file: String,
    /// The line, from 1; none where the finding is about the file as a whole, or about one that is missing.
    pub line: Option<usize>,
    /// The column, from 1 and in characters, where one is known.
    pub column: Option<usize>,
    /// How much it weighs.
    pub level: Level,
    /// The lint's name, which [`explain`](super::explain) knows.
    pub lint: &'static str,
    /// What is wrong: lower case, names in backticks, no final full stop.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl fmt::Display for Finding {
    /// Two lines or more of plain text: place, level, lint and message; then the hint, indented.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.file)?;
        for number in [self.line, self.line.and(self.column)].into_iter().flatten() {
            write!(formatter, ":{number}")?;
        }
        write!(formatter, ": {}[{}]: {}\n  hint: {}", self.level, self.lint, self.message, self.hint)
    }
}

/// What a check has found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The findings, ordered by file, line, column, level and lint; none twice.
    pub findings: Vec<Finding>,
    /// The overlays that were rendered.
    pub overlays: Vec<CheckedOverlay>,
    /// How many files were looked at.
    pub files: usize,
}

/// An overlay that renders.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckedOverlay {
    /// Its environment.
    pub environment: String,
    /// Its provider.
    pub provider: String,
    /// Its folder.
    pub path: String,
    /// How many objects it renders to.
    pub objects: usize,
}

impl Report {
    /// How many findings are errors.
    pub fn errors(&self) -> usize {
        self.count(Level::Error)
    }

    /// How many findings are warnings.
    pub fn warnings(&self) -> usize {
        self.count(Level::Warning)
    }

    /// Whether a finding is an error.
    pub fn has_errors(&self) -> bool {
        self.errors() > 0
    }

    /// Whether nothing was found.
    pub fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// All findings and one line that sums them up, as plain text.
    pub fn to_text(&self) -> String {
        let seen = format!("{}, {}", counted(self.files, "file"), counted(self.overlays.len(), "overlay"));
        if self.is_clean() {
            return format!("nothing found in {seen}\n");
        }
        let findings: Vec<_> = self.findings.iter().map(Finding::to_string).collect();
        let (errors, warnings) = (counted(self.errors(), "error"), counted(self.warnings(), "warning"));
        let sum = format!("{errors}, {warnings} in {seen}; `windlass explain LINT` says more");
        format!("{}\n\n{sum}\n", findings.join("\n"))
    }

    fn count(&self, level: Level) -> usize {
        self.findings.iter().filter(|finding| finding.level == level).count()
    }
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding() -> Finding {
        Finding {
            file: "infra/k8s/base/x.yaml".to_owned(),
            line: Some(12),
            column: None,
            level: Level::Error,
            lint: "minimal-base",
            message: "the base sets `replicas`".to_owned(),
            hint: "move it to a patch".to_owned(),
        }
    }

    #[test]
    fn a_finding_is_two_lines() {
        let expected = "infra/k8s/base/x.yaml:12: error[minimal-base]: the base sets `replicas`\n  hint: move it to a patch";
        assert_eq!(finding().to_string(), expected);
    }

    #[test]
    fn a_column_is_shown_only_with_its_line() {
        let placed = Finding { column: Some(3), ..finding() }.to_string();
        assert!(placed.starts_with("infra/k8s/base/x.yaml:12:3: "), "{placed}");
        let whole = Finding { line: None, column: Some(3), ..finding() }.to_string();
        assert!(whole.starts_with("infra/k8s/base/x.yaml: "), "{whole}");
    }

    #[test]
    fn a_report_sums_itself_up() {
        let warning = Finding { level: Level::Warning, ..finding() };
        let report = Report { findings: vec![finding(), warning], overlays: Vec::new(), files: 1 };
        assert!(report.has_errors());
        assert!(
            report
                .to_text()
                .ends_with("\n1 error, 1 warning in 1 file, 0 overlays; `windlass explain LINT` says more\n")
        );
        let clean = Report { findings: Vec::new(), overlays: Vec::new(), files: 31 };
        assert_eq!(clean.to_text(), "nothing found in 31 files, 0 overlays\n");
    }

    #[test]
    fn machines_read_names_and_numbers() {
        let json = serde_json::to_value(finding()).unwrap();
        assert_eq!(json["level"], "error");
        assert_eq!(json["lint"], "minimal-base");
        assert_eq!(json["line"], 12);
    }
}
