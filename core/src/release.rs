//! Which release a rollback returns to.

use serde::{Deserialize, Serialize};

use crate::name::{Commit, Digest, RunId};

/// What is remembered of a release: rendered objects of a commit for an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// The run that applied it.
    pub run: RunId,
    /// Where the objects came from.
    pub commit: Commit,
    /// The objects, by content.
    pub digest: Digest,
    /// Whether that run verified.
    pub verified: bool,
}

/// There is no release to return to, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum NoTarget {
    /// Nothing was ever verified here.
    #[error("this is the first release of the environment: there is nothing to return to")]
    FirstRelease,
    /// The failing objects are those of the last verified release: applying them again would change nothing, and going further back was
    /// not asked for.
    #[error(
        "the failing objects are those of the last verified release: the cause lies outside of this change"
    )]
    SameObjects,
    /// By hand: no verified release differs from what is live.
    #[error("no other verified release is recorded")]
    NoOther,
    /// By hand: the release asked for was never verified here.
    #[error("the release asked for was never verified in this environment")]
    NotVerified,
}

/// Where an automatic rollback returns to when `failing` does not become ready: the last verified release.
///
/// `releases` are the environment's in the order they were applied. A release further back than the last verified one is never chosen:
/// data may have moved on with the newer one.
pub fn automatic_target<'a>(releases: &'a [Release], failing: &Digest) -> Result<&'a Release, NoTarget> {
    let last = releases.iter().rev().find(|release| release.verified).ok_or(NoTarget::FirstRelease)?;
    if last.digest == *failing { Err(NoTarget::SameObjects) } else { Ok(last) }
}

/// Where `windlass rollback` without an argument returns to: the last verified release that differs from what is live and whose commit nobody
/// went back from already, so that a second rollback goes further and not forth.
pub fn manual_target(
    releases: &[Release],
    is_barred: impl Fn(&Commit) -> bool,
) -> Result<&Release, NoTarget> {
    let live = &releases.last().ok_or(NoTarget::FirstRelease)?.digest;
    let mut verified = releases.iter().rev().filter(|release| release.verified).peekable();
    if verified.peek().is_none() {
        return Err(NoTarget::FirstRelease);
    }
    verified.find(|release| release.digest != *live && !is_barred(&release.commit)).ok_or(NoTarget::NoOther)
}

/// The verified release that `--to` names: a run, or a commit or digest by any unambiguous beginning of at least four characters.
pub fn named_target<'a>(releases: &'a [Release], to: &str) -> Result<&'a Release, NoTarget> {
    let is_named = |release: &&Release| {
        to.parse().is_ok_and(|run: RunId| run == release.run)
            || to.len() >= 4
                && (release.commit.as_str().starts_with(to) || release.digest.as_str().starts_with(to))
    };
    releases.iter().rev().filter(|release| release.verified).find(is_named).ok_or(NoTarget::NotVerified)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Releases from a sketch such as `a+ b-`: content, and whether it was verified.
    fn history(sketch: &str) -> Vec<Release> {
        let release = |(index, word): (usize, &str)| Release {
            run: RunId(index as u64 + 1),
            commit: Commit::new(format!("{}000000", &word[..1])),
            digest: Digest::of(&word.as_bytes()[..1]),
            verified: word.ends_with('+'),
        };
        sketch.split_whitespace().enumerate().map(release).collect()
    }

    fn automatic(sketch: &str, failing: &str) -> Result<RunId, NoTarget> {
        automatic_target(&history(sketch), &Digest::of(failing.as_bytes())).map(|release| release.run)
    }

    fn manual(sketch: &str) -> Result<RunId, NoTarget> {
        manual_target(&history(sketch), |_| false).map(|release| release.run)
    }

    #[test]
    fn a_failure_returns_to_the_last_verified_release() {
        assert_eq!(automatic("a+ b+ c-", "c"), Ok(RunId(2)));
        assert_eq!(automatic("a+ b- c-", "c"), Ok(RunId(1)));
    }

    #[test]
    fn a_first_release_has_nothing_to_return_to() {
        assert_eq!(automatic("", "a"), Err(NoTarget::FirstRelease));
        assert_eq!(automatic("a-", "a"), Err(NoTarget::FirstRelease));
        assert_eq!(manual(""), Err(NoTarget::FirstRelease));
        assert_eq!(manual("a-"), Err(NoTarget::FirstRelease));
    }

    #[test]
    fn the_same_objects_are_not_rolled_back_past_themselves() {
        assert_eq!(automatic("a+ b+ b-", "b"), Err(NoTarget::SameObjects));
    }

    #[test]
    fn by_hand_a_good_release_yields_to_the_one_before() {
        assert_eq!(manual("a+ b+"), Ok(RunId(1)));
        assert_eq!(manual("a+ b+ b+"), Ok(RunId(1)));
        assert_eq!(manual("a+ b-"), Ok(RunId(1)));
        assert_eq!(manual("a+ a+"), Err(NoTarget::NoOther));
    }

    #[test]
    fn a_second_rollback_by_hand_does_not_go_forth_again() {
        let releases = history("a+ b+ c+ b+");
        let left = Commit::new("c000000");
        let target = manual_target(&releases, |commit| *commit == left);
        assert_eq!(target.map(|release| release.run), Ok(RunId(1)));
    }

    #[test]
    fn a_named_release_must_have_been_verified() {
        let releases = history("a+ b- c+");
        assert_eq!(named_target(&releases, "r-1").map(|release| release.run), Ok(RunId(1)));
        assert_eq!(named_target(&releases, "c000").map(|release| release.run), Ok(RunId(3)));
        assert_eq!(named_target(&releases, "b000"), Err(NoTarget::NotVerified));
        assert_eq!(named_target(&releases, "c"), Err(NoTarget::NotVerified));
    }
}
