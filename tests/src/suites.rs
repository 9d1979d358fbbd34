//! Which case of the suites that need a cluster runs on which kind of cluster.
//!
//! The same code runs everywhere; a case that does not apply to a kind is named here, with the reason. `tests/run` skips it there, fails if
//! it passes all the same, and fails if another case did not run. `docs/reference/cluster-suite.md` is written from this.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::path::{Path, PathBuf};

/// What stands behind a kubeconfig of the tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClusterKind {
    /// A real control plane with simulated nodes.
    TestBed,
    /// The `sandbox` provider: a Kubernetes API with controllers and nodes in one process.
    Sandbox,
    /// A real control plane whose only node is real.
    RealNode,
}

impl ClusterKind {
    /// Every kind, in the order of the table's columns.
    pub const ALL: [Self; 3] = [Self::TestBed, Self::Sandbox, Self::RealNode];

    /// What `TESTBED_KIND` calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::TestBed => "test-bed",
            Self::Sandbox => "sandbox",
            Self::RealNode => "real-node",
        }
    }

    /// The kind of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// What `TESTBED_KIND` asks for; the test bed where it is not set.
    pub fn asked_for() -> Self {
        let Some(name) = std::env::var_os("TESTBED_KIND") else { return Self::TestBed };
        let kind = name.to_str().and_then(Self::named);
        kind.unwrap_or_else(|| {
            panic!("TESTBED_KIND is `test-bed`, `sandbox` or `real-node`, not {}", name.display())
        })
    }
}

/// A test target whose cases need a cluster.
#[derive(Debug)]
pub struct Suite {
    /// What the target is called.
    pub name: &'static str,
    /// What it tries.
    tries: &'static str,
    /// The kinds of cluster to which no case of it applies, with the reason.
    nowhere_on: &'static [(ClusterKind, &'static str)],
}

/// Every suite that runs on more than one kind of cluster, and the one that is about the real node.
pub const SUITES: [Suite; 4] = [
    Suite {
        name: "cluster",
        tries: "access to a cluster: plan, apply, watch, delete, the marker, what is refused",
        nowhere_on: &[],
    },
    Suite {
        name: "rollout",
        tries: "the whole program: events, gates, deployments, failures and their words, rollback",
        nowhere_on: &[(
            ClusterKind::RealNode,
            "it asks simulated nodes for failures; `node` tells its story with processes",
        )],
    },
    Suite {
        name: "kubectl",
        tries: "`kubectl` 1.34: what it shows, and how it ends",
        nowhere_on: &[(ClusterKind::RealNode, NO_IMAGES)],
    },
    Suite {
        name: "node",
        tries: "what needs processes: the database of `infra/`, deployed, changed, broken and rolled back",
        nowhere_on: &[
            (ClusterKind::TestBed, "no process runs in a simulated pod"),
            (ClusterKind::Sandbox, "no process runs in a simulated pod"),
        ],
    },
];

/// A case that does not apply to a kind of cluster.
#[derive(Debug)]
struct Exemption {
    suite: &'static str,
    case: &'static str,
    kind: ClusterKind,
    why: &'static str,
}

/// All of them.
const EXEMPTIONS: &[Exemption] = &[
    Exemption {
        suite: "cluster",
        case: "pods::a_webhook_that_is_down_is_found",
        kind: ClusterKind::Sandbox,
        why: "it has no admission webhooks, and refuses their configuration",
    },
    Exemption {
        suite: "cluster",
        case: "delete::a_pod_is_ended_and_its_set_makes_it_again",
        kind: ClusterKind::RealNode,
        why: NO_IMAGES,
    },
    Exemption {
        suite: "cluster",
        case: "pods::a_full_quota_does_not_stop_an_update_in_place",
        kind: ClusterKind::RealNode,
        why: NO_IMAGES,
    },
    Exemption {
        suite: "cluster",
        case: "watch::a_rollout_is_seen_from_the_set_to_its_pods_and_events",
        kind: ClusterKind::RealNode,
        why: NO_IMAGES,
    },
    Exemption {
        suite: "cluster",
        case: "watch::what_was_there_before_the_watch_is_reported_first",
        kind: ClusterKind::RealNode,
        why: NO_IMAGES,
    },
    Exemption {
        suite: "kubectl",
        case: "asking::what_needs_a_process_is_refused_with_the_reason",
        kind: ClusterKind::TestBed,
        why: "its kubelets refuse it in other words",
    },
    Exemption {
        suite: "kubectl",
        case: "asking::webhooks_are_refused_rather_than_passed_over",
        kind: ClusterKind::TestBed,
        why: "it has webhooks",
    },
];

const NO_IMAGES: &str = "its pods must run, and their images are nowhere";

/// A case: its suite, and what the test harness calls it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Case {
    suite: &'static str,
    /// `apply::a_conflict_can_be_refused`
    pub name: String,
}

impl Case {
    /// Why it does not apply to a kind of cluster; none where it does.
    fn exempt_on(&self, kind: ClusterKind) -> Option<&'static str> {
        let suite = SUITES.iter().find(|suite| suite.name == self.suite)?;
        let whole = suite.nowhere_on.iter().find(|(elsewhere, _)| *elsewhere == kind).map(|(_, why)| *why);
        let is_it = |one: &&Exemption| one.suite == self.suite && one.case == self.name && one.kind == kind;
        whole.or_else(|| EXEMPTIONS.iter().find(is_it).map(|exemption| exemption.why))
    }

    /// The file it is in: `apply`.
    fn file(&self) -> &str {
        self.name.split_once("::").map_or("main", |(file, _)| file)
    }
}

/// The cases of a suite, as its sources have them.
pub fn cases(suite: &'static str) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(suite);
    let entries =
        std::fs::read_dir(&folder).expect("a suite is a folder").map(|entry| entry.expect("an entry").path());
    let sources = entries.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let mut cases: Vec<Case> = sources.flat_map(|path| cases_in(suite, &path)).collect();
    cases.sort();
    cases
}

fn cases_in(suite: &'static str, path: &PathBuf) -> Vec<Case> {
    let text = std::fs::read_to_string(path).expect("a source can be read");
    let module = path.file_stem().and_then(|stem| stem.to_str()).filter(|stem| *stem != "main");
    let mut cases = Vec::new();
    let mut is_test = false;
    for line in text.lines() {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if let Some(name) = function(line).filter(|_| is_test) {
            let name = module.map_or_else(|| name.to_owned(), |module| format!("{module}::{name}"));
            cases.push(Case { suite, name });
            is_test = false;
        }
    }
    cases
}

fn function(line: &str) -> Option<&str> {
    line.trim_start_matches("async ").strip_prefix("fn ")?.split('(').next()
}

/// The cases of a suite that do not apply to a kind of cluster, unless that is the whole suite.
pub fn exempt(suite: &str, kind: ClusterKind) -> Vec<&'static str> {
    let those = EXEMPTIONS.iter().filter(|one| one.suite == suite && one.kind == kind);
    those.map(|exemption| exemption.case).collect()
}

/// What is wrong with a run of a suite, from what `cargo test` said: cases that did not pass, and cases that did and should not have run.
pub fn mistakes(suite: &'static str, kind: ClusterKind, said: &str) -> Vec<String> {
    let passed: BTreeSet<&str> =
        said.lines().filter_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... ok")).collect();
    let all = cases(suite);
    let missing =
        all.iter().filter(|case| case.exempt_on(kind).is_none() && !passed.contains(case.name.as_str()));
    let missing = missing.map(|case| format!("`{}` did not pass on {}", case.name, kind.name()));
    let known: BTreeSet<&str> = all.iter().map(|case| case.name.as_str()).collect();
    let unknown = passed.difference(&known).map(|name| format!("`{name}` ran and is not in the table"));
    missing.chain(unknown).collect()
}

/// How many cases of each file apply where, for the end of a run.
pub fn summary() -> String {
    let mut rows = String::from("| cases of the cluster suites | all | test bed | sandbox | real node |\n");
    for suite in &SUITES {
        let all = cases(suite.name);
        let files: BTreeSet<&str> = all.iter().map(Case::file).collect();
        for file in files {
            let of_file: Vec<&Case> = all.iter().filter(|case| case.file() == file).collect();
            let applies = |kind| of_file.iter().filter(|case| case.exempt_on(kind).is_none()).count();
            let counts = ClusterKind::ALL.map(|kind| format!(" {} |", applies(kind))).concat();
            writeln!(rows, "| {}::{file} | {} |{counts}", suite.name, of_file.len())
                .expect("writing to a string cannot fail");
        }
    }
    rows
}

/// The page.
#[derive(Debug)]
pub struct Table;

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HEAD)?;
        let mut reasons: Vec<&str> = Vec::new();
        for suite in &SUITES {
            let all = cases(suite.name);
            writeln!(
                f,
                "\n## {}\n\n{} cases in `tests/tests/{0}`: {}.\n",
                suite.name,
                all.len(),
                suite.tries
            )?;
            writeln!(f, "| case | test bed | sandbox | real node |\n|---|---|---|---|")?;
            for case in &all {
                write!(f, "| {} |", case.name)?;
                for kind in ClusterKind::ALL {
                    match case.exempt_on(kind) {
                        None => write!(f, " runs |")?,
                        Some(why) => write!(f, " {} |", note(&mut reasons, why))?,
                    }
                }
                writeln!(f)?;
            }
        }
        writeln!(f, "\n## Why a case does not apply\n")?;
        reasons.iter().enumerate().try_for_each(|(index, why)| writeln!(f, "{}. {why}", index + 1))
    }
}

const HEAD: &str = "# Which case runs on which cluster

The suites below try windlass on three kinds of cluster with the same code: the *test bed* (a real Kubernetes control plane with simulated
nodes), the *sandbox* (the provider of `windlass demo`, an API in one process) and the *real node* (the control plane with a kubelet whose pods are
processes). `tests/run cluster rollout kubectl sandbox node` runs them. A number says why a case does not apply; `tests/run` fails where another one
does not run, and, but for the real node, where such a case passes all the same.

This page is written from `tests/src/suites.rs`, by `cargo test --package windlass-tests suites` with `WINDLASS_WRITE_REFERENCE=1`.
";

/// The number of a reason, which gets one when it is first given.
fn note<'w>(reasons: &mut Vec<&'w str>, why: &'w str) -> usize {
    let known = reasons.iter().position(|reason| *reason == why);
    1 + known.unwrap_or_else(|| {
        reasons.push(why);
        reasons.len() - 1
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_says_what_the_code_says() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference/cluster-suite.md");
        if std::env::var_os("WINDLASS_WRITE_REFERENCE").is_some() {
            std::fs::write(&path, Table.to_string()).unwrap();
        }
        let written = std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(
            written,
            Table.to_string(),
            "the end of the page's first section says how to write it anew"
        );
    }

    #[test]
    fn every_exempt_case_is_there() {
        for exemption in EXEMPTIONS {
            let all = cases(exemption.suite);
            assert!(all.iter().any(|case| case.name == exemption.case), "there is no `{}`", exemption.case);
        }
    }

    #[test]
    fn a_run_is_held_to_the_table() {
        let said: String = cases("cluster")
            .iter()
            .fold(String::new(), |said, case| said + "test " + &case.name + " ... ok\n");
        assert_eq!(mistakes("cluster", ClusterKind::TestBed, &said), Vec::<String>::new());
        let without_one = said.replacen("test ", "lost ", 1);
        assert_eq!(mistakes("cluster", ClusterKind::TestBed, &without_one).len(), 1);
        let with_more = format!("{said}test apply::something_new ... ok\n");
        let expect = ["`apply::something_new` ran and is not in the table"];
        assert_eq!(mistakes("cluster", ClusterKind::TestBed, &with_more), expect);
    }
}
