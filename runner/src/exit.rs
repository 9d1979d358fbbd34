//! The exit codes: one table for the whole binary, no number with two meanings.

use std::process::ExitCode;

use windlass_core::run::Outcome;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Exit {
    /// Did what was asked.
    Ok,
    /// Could not do it: a cluster that does not answer, an object that it refuses, an internal error.
    Error,
    /// A wrong flag, or a file that is invalid; nothing was attempted.
    Usage,
    /// Only under `--exit-code`: the question was answered yes.
    Findings,
    /// Not logged in, or not allowed.
    Auth,
    /// Stopped by a gate; nothing was changed.
    Held,
    /// The release failed and the previous one serves again.
    RolledBack,
    /// Failed and not rolled back: a person must look.
    Broken,
    /// The watcher stopped waiting; the run goes on.
    Pending,
    /// Stopped by Ctrl-C.
    Interrupted,
    /// A stale approval, a field of another manager, a lock, a run that a newer one replaced.
    Conflict,
}

impl Exit {
    /// Every exit, with its code, name and meaning: the table of `windlass help-exit-codes`.
    pub const TABLE: [(Self, u8, &'static str, &'static str); 11] = [
        (Self::Ok, 0, "ok", "did what was asked"),
        (Self::Error, 1, "error", "could not do it: cluster unreachable, object refused, internal error"),
        (Self::Usage, 2, "usage", "a wrong flag or an invalid file; nothing was attempted"),
        (Self::Findings, 3, "findings", "only under --exit-code: there are differences"),
        (Self::Auth, 4, "auth", "not logged in, or not allowed"),
        (Self::Held, 5, "held", "stopped by a gate; nothing was changed"),
        (Self::RolledBack, 6, "rolled-back", "failed; the previous release serves again"),
        (Self::Broken, 7, "broken", "failed and not rolled back: a person must look"),
        (Self::Pending, 8, "pending", "stopped waiting; the run goes on"),
        (Self::Conflict, 9, "conflict", "stale approval, field of another manager, lock, superseded run"),
        (
            Self::Interrupted,
            130,
            "interrupted",
            "stopped by Ctrl-C; the run goes on from there at the next start",
        ),
    ];

    /// The process's exit code.
    pub fn code(self) -> u8 {
        Self::TABLE.iter().find(|row| row.0 == self).expect("every exit is in the table").1
    }

    /// How bad it is, to pick one exit for several runs.
    pub fn severity(self) -> usize {
        const ORDER: [Exit; 11] = [
            Exit::Ok,
            Exit::Findings,
            Exit::Pending,
            Exit::Conflict,
            Exit::Held,
            Exit::Usage,
            Exit::Auth,
            Exit::Error,
            Exit::RolledBack,
            Exit::Broken,
            Exit::Interrupted,
        ];
        ORDER.iter().position(|exit| *exit == self).expect("every exit is in the order")
    }

    /// What an outcome means to whoever waited for it. `refused` depends on why, so its cause decides.
    pub fn of(outcome: Outcome, refusal: Self) -> Self {
        match outcome {
            Outcome::Verified => Self::Ok,
            Outcome::RolledBack => Self::RolledBack,
            Outcome::Refused => refusal,
            Outcome::Failed | Outcome::Stuck => Self::Broken,
            Outcome::Superseded => Self::Conflict,
            Outcome::Cancelled => Self::Error,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_has_two_meanings() {
        let codes: std::collections::BTreeSet<_> = Exit::TABLE.iter().map(|row| row.1).collect();
        assert_eq!(codes.len(), Exit::TABLE.len());
        assert_eq!(Exit::RolledBack.code(), 6);
        assert!(Exit::TABLE.iter().all(|row| row.0.severity() < Exit::TABLE.len()));
    }

    #[test]
    fn the_readme_has_this_table() {
        let readme = include_str!("../../README.md");
        let section = readme.split_once("## Exit codes").expect("the section is there").1;
        let section = section.split("\n## ").next().unwrap_or_default();
        let rows: Vec<_> = section.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
        let expected: Vec<_> = Exit::TABLE
            .iter()
            .map(|(_, code, name, meaning)| format!("| {code} | {name} | {meaning} |"))
            .collect();
        let plain: Vec<_> = rows.iter().map(|row| row.replace('`', "")).collect();
        assert_eq!(plain, expected);
    }
}
