//! What is wrong with a cluster that its file may well say: each a named lint, with a page in `docs/reference/lints`.
//!
//! All of it is judged from the file alone. What only the API knows, such as stock and prices, is judged when a plan is made.

mod access;
mod servers;
#[cfg(test)]
mod tests;
mod traffic;
mod unsupported;

use windlass_core::policy::problem::{Place, Problem};

use crate::config::ClusterFile;

pub use self::unsupported::{UNSUPPORTED, Unsupported};

/// Something that a lint has found. It never holds a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The lint's name.
    pub lint: &'static str,
    /// Where in the file.
    pub place: Place,
    /// What is wrong: lower case, names in backticks, no final full stop.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

/// The names of all lints.
pub const LINTS: &[&str] = &[
    "architecture",
    "cluster-config",
    "cluster-networks",
    "cluster-token",
    "cluster-unsupported",
    "egress-rules",
    "even-masters",
    "firewall-slots",
    "network-zone",
    "open-access",
    "registry-mirror",
    "wireguard-tcp",
];

/// The lints whose findings stop a plan: the API or k3s would refuse it, or something that was asked for would not be there.
const STOPPING: [&str; 7] = [
    "architecture",
    "cluster-config",
    "cluster-networks",
    "cluster-unsupported",
    "even-masters",
    "firewall-slots",
    "network-zone",
];

/// Everything that is wrong with the text of a file, in its order. `file` is how problems name it.
///
/// A text that cannot be read as a cluster's is a finding for each reason, and none of other lints.
pub fn check(file: &str, text: &str) -> Vec<Finding> {
    let problem = |problem: Problem| Finding {
        lint: "cluster-config",
        place: problem.place,
        message: problem.message,
        hint: problem.hint.unwrap_or_else(|| "the keys are those of hetzner-k3s 2.6".to_owned()),
    };
    match ClusterFile::parse(file, text) {
        Ok(file) => findings(&file),
        Err(problems) => problems.0.into_iter().map(problem).collect(),
    }
}

/// Everything that the lints find, in the order of the file.
pub fn findings(file: &ClusterFile) -> Vec<Finding> {
    let mut lints = Lints { file, findings: Vec::new() };
    traffic::check(&mut lints);
    access::check(&mut lints);
    servers::check(&mut lints);
    unsupported::check(&mut lints);
    lints.findings.sort_by(|one, other| {
        (one.place, one.lint, &one.message).cmp(&(other.place, other.lint, &other.message))
    });
    lints.findings
}

/// The findings that stop a plan. A plan must be made only where there is none.
pub fn refusals(file: &ClusterFile) -> Vec<Finding> {
    findings(file).into_iter().filter(|finding| STOPPING.contains(&finding.lint)).collect()
}

/// Where lints say what they find.
struct Lints<'a> {
    file: &'a ClusterFile,
    findings: Vec<Finding>,
}

impl Lints<'_> {
    /// Something about a path of the file, or what is nearest to it.
    fn add(&mut self, lint: &'static str, path: &str, message: impl Into<String>, hint: impl Into<String>) {
        let place = self.file.places.of_path(path);
        self.findings.push(Finding { lint, place, message: message.into(), hint: hint.into() });
    }
}
