//! Which environments a change of files concerns, and why.
//!
//! An environment is affected by what its render reads, by its own part of the policy, and by its cluster's configuration. Nothing else
//! counts: a changed README deploys nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::name::EnvironmentName;
use crate::policy::control::DeployControl;
use crate::run::RunKind;

/// What is known of a repository at the commit that arrived.
#[derive(Debug, Clone)]
pub struct Change<'a> {
    /// The paths that differ from what was there before; `None`: nobody knows.
    pub files: Option<&'a BTreeSet<String>>,
    /// The path of deploy-control.yaml.
    pub policy_file: &'a str,
    /// The policy before, if it is known and could be read.
    pub policy_before: Option<&'a DeployControl>,
    /// The policy now.
    pub policy: &'a DeployControl,
    /// What each environment's deployment is made from.
    pub sources: &'a BTreeMap<EnvironmentName, Sources>,
}

/// The files that an environment is made from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// Every file that its render reads, or looks for in vain, before the change and now.
    pub render: BTreeSet<String>,
    /// The folder whose `*.yaml` files configure its cluster, without a `/` at the end; `None`: windlass does not own its cluster.
    pub cluster_folder: Option<String>,
}

/// An environment that a change concerns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Affected {
    /// The environment.
    pub environment: EnvironmentName,
    /// The run that it gets: a deploy run, or a cluster run, which asks for the deploy run itself once the cluster is ready, so that there is
    /// none beside it.
    pub run: RunKind,
    /// Why: every reason, those of the run that it gets first.
    pub because: Vec<Because>,
}

/// Why an environment is affected.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Because {
    /// The file configures its cluster.
    ClusterFile(String),
    /// Its render reads the file.
    RenderFile(String),
    /// Its policy, or what holds for every environment, now says something else.
    Policy(String),
    /// The policy changed, and what it said before is not known.
    PolicyUnknownBefore(String),
    /// What changed is not known.
    ChangeUnknown,
}

/// The environments of the policy that a change concerns, by name.
///
/// Where nobody knows what changed, every environment gets a deploy run, which changes nothing where nothing differs. It gets no cluster run:
/// machines are not touched on a guess.
pub fn affected(change: &Change<'_>) -> Vec<Affected> {
    change.policy.environments.keys().filter_map(|environment| of_environment(change, environment)).collect()
}

fn of_environment(change: &Change<'_>, environment: &EnvironmentName) -> Option<Affected> {
    let mut because: Vec<Because> = match change.files {
        None => vec![Because::ChangeUnknown],
        Some(files) => {
            let sources = change.sources.get(environment);
            let of_file = |file: &String| sources.and_then(|sources| sources.reason(file));
            files.iter().filter_map(of_file).chain(of_policy(change, files, environment)).collect()
        }
    };
    because.sort();
    let run = match because.first()? {
        Because::ClusterFile(_) => RunKind::Cluster,
        _ => RunKind::Deploy,
    };
    Some(Affected { environment: environment.clone(), run, because })
}

impl Sources {
    fn reason(&self, file: &String) -> Option<Because> {
        if self.cluster_folder.as_deref().is_some_and(|folder| is_yaml_in(folder, file)) {
            return Some(Because::ClusterFile(file.clone()));
        }
        self.render.contains(file).then(|| Because::RenderFile(file.clone()))
    }
}

/// Whether the file is a `*.yaml` directly in the folder.
fn is_yaml_in(folder: &str, file: &str) -> bool {
    let name = file.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/'));
    let stem = name.and_then(|name| name.strip_suffix(".yaml"));
    stem.is_some_and(|stem| !stem.is_empty() && !stem.contains('/'))
}

fn of_policy(
    change: &Change<'_>,
    files: &BTreeSet<String>,
    environment: &EnvironmentName,
) -> Option<Because> {
    if !files.contains(change.policy_file) {
        return None;
    }
    let file = change.policy_file.to_owned();
    let Some(before) = change.policy_before else { return Some(Because::PolicyUnknownBefore(file)) };
    let differs = before.global != change.policy.global
        || before.environments.get(environment) != change.policy.environments.get(environment);
    differs.then_some(Because::Policy(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = "\
global: {auto_deploy: true}
environments:
  dev: &environment
    enabled: true
    auto_deploy: true
    require_manual_approval: false
    deployment_windows: {enabled: false}
    services: {}
  prod: *environment
";

    const FILE: &str = "infra/deploy-control.yaml";

    fn policy(text: &str) -> DeployControl {
        DeployControl::parse(FILE, text).unwrap_or_else(|problems| panic!("{}", problems.render()))
    }

    fn sources() -> BTreeMap<EnvironmentName, Sources> {
        let of = |environment: &str| {
            let overlay = format!("infra/k8s/hetzner/{environment}");
            let render =
                ["infra/k8s/base/kustomization.yaml".to_owned(), format!("{overlay}/kustomization.yaml")];
            let cluster_folder = Some(format!("{overlay}/cluster"));
            (environment.parse().unwrap(), Sources { render: render.into(), cluster_folder })
        };
        [of("dev"), of("prod")].into()
    }

    /// What each affected environment gets, as `dev deploy file,file`.
    fn answer(files: Option<&[&str]>, before: Option<&DeployControl>, policy: &DeployControl) -> Vec<String> {
        let files: Option<BTreeSet<String>> =
            files.map(|files| files.iter().map(|file| (*file).to_owned()).collect());
        let change = Change {
            files: files.as_ref(),
            policy_file: FILE,
            policy_before: before,
            policy,
            sources: &sources(),
        };
        let words = |affected: Affected| {
            let because: Vec<_> = affected
                .because
                .iter()
                .map(|because| match because {
                    Because::ClusterFile(file) | Because::RenderFile(file) => {
                        file.rsplit('/').next().unwrap()
                    }
                    Because::Policy(_) => "policy",
                    Because::PolicyUnknownBefore(_) => "policy?",
                    Because::ChangeUnknown => "?",
                })
                .collect();
            format!("{} {:?} {}", affected.environment, affected.run, because.join(","))
        };
        affected(&change).into_iter().map(words).collect()
    }

    #[track_caller]
    fn check(files: &[&str], expected: &[&str]) {
        let policy = policy(POLICY);
        assert_eq!(answer(Some(files), Some(&policy), &policy), expected);
    }

    #[test]
    fn a_file_of_base_reaches_all() {
        check(
            &["infra/k8s/base/kustomization.yaml"],
            &["dev Deploy kustomization.yaml", "prod Deploy kustomization.yaml"],
        );
    }

    #[test]
    fn a_file_of_one_overlay_reaches_that_one() {
        check(&["infra/k8s/hetzner/dev/kustomization.yaml"], &["dev Deploy kustomization.yaml"]);
    }

    #[test]
    fn a_file_that_no_render_reads_reaches_nobody() {
        check(&["README.md", "infra/k8s/base/notes.txt"], &[]);
        check(&[], &[]);
    }

    #[test]
    fn a_cluster_file_asks_for_a_cluster_run_alone() {
        let cluster = "infra/k8s/hetzner/prod/cluster/cluster-config.yaml";
        check(&[cluster], &["prod Cluster cluster-config.yaml"]);
        check(
            &[cluster, "infra/k8s/hetzner/prod/kustomization.yaml"],
            &["prod Cluster cluster-config.yaml,kustomization.yaml"],
        );
    }

    #[test]
    fn only_yaml_directly_in_the_cluster_folder_configures_it() {
        for other in
            ["cluster/README.md", "cluster/old/a.yaml", "cluster.yaml", "cluster/.yaml", "clusters/a.yaml"]
        {
            check(&[&format!("infra/k8s/hetzner/prod/{other}")], &[]);
        }
    }

    #[test]
    fn a_policy_reaches_the_environment_whose_part_changed() {
        let before = policy(POLICY);
        let only_prod = POLICY.replace("  prod: *environment", "  prod:\n    enabled: false\n    auto_deploy: true\n    require_manual_approval: false\n    deployment_windows: {enabled: false}\n    services: {}");
        assert_eq!(answer(Some(&[FILE]), Some(&before), &policy(&only_prod)), ["prod Deploy policy"]);
        let comment = format!("# moved by a comment\n{POLICY}");
        assert_eq!(answer(Some(&[FILE]), Some(&before), &policy(&comment)), Vec::<String>::new());
        let global = POLICY.replacen("true", "false", 1);
        assert_eq!(
            answer(Some(&[FILE]), Some(&before), &policy(&global)),
            ["dev Deploy policy", "prod Deploy policy"]
        );
    }

    #[test]
    fn a_new_environment_is_affected_by_its_policy() {
        let now = POLICY.replace("  prod:", "  test: *environment\n  prod:");
        assert_eq!(answer(Some(&[FILE]), Some(&policy(POLICY)), &policy(&now)), ["test Deploy policy"]);
    }

    #[test]
    fn a_policy_whose_past_is_unknown_reaches_all() {
        let now = policy(POLICY);
        assert_eq!(answer(Some(&[FILE]), None, &now), ["dev Deploy policy?", "prod Deploy policy?"]);
    }

    #[test]
    fn an_unknown_change_deploys_all_and_touches_no_cluster() {
        let now = policy(POLICY);
        assert_eq!(answer(None, Some(&now), &now), ["dev Deploy ?", "prod Deploy ?"]);
    }
}
