//! Collects the findings of one lint.

use super::context::Spot;
use super::{Finding, Lint};

/// Where a lint says what it has found.
#[derive(Debug)]
pub(super) struct Reporter<'a> {
    lint: &'static Lint,
    findings: &'a mut Vec<Finding>,
}

impl<'a> Reporter<'a> {
    pub(super) fn new(lint: &'static Lint, findings: &'a mut Vec<Finding>) -> Self {
        Self { lint, findings }
    }

    /// The name of the lint.
    pub(super) fn lint(&self) -> &'static str {
        self.lint.name
    }

    /// Something in a line of a file.
    pub(super) fn line(
        &mut self,
        file: &str,
        line: usize,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.spot(Spot { file, line: Some(line) }, message, hint);
    }

    /// Something about a file as a whole, or one that is missing.
    pub(super) fn file(&mut self, file: &str, message: impl Into<String>, hint: impl Into<String>) {
        self.spot(Spot { file, line: None }, message, hint);
    }

    /// Something at a spot.
    pub(super) fn spot(&mut self, spot: Spot<'_>, message: impl Into<String>, hint: impl Into<String>) {
        self.add(spot, None, message.into(), hint.into());
    }

    /// Something at a line and column.
    pub(super) fn place(
        &mut self,
        file: &str,
        (line, column): (usize, usize),
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.add(Spot { file, line: Some(line) }, Some(column), message.into(), hint.into());
    }

    fn add(&mut self, spot: Spot<'_>, column: Option<usize>, message: String, hint: String) {
        self.findings.push(Finding {
            file: spot.file.to_owned(),
            line: spot.line,
            column,
            level: self.lint.level,
            lint: self.lint.name,
            message,
            hint,
        });
    }
}
