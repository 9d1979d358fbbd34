//! Tying a failure to a change of the same run.

use super::{Cause, Diagnosis, Likely};
use crate::object::ObjectRef;

/// A field that this run changed. Values are shown to people: leave them out for Secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedField {
    /// The object that was changed.
    pub object: ObjectRef,
    /// The path as plans write it: `spec.template.spec.containers[api].env[DB_POOL]`.
    pub path: String,
    /// The value before, where it may be shown.
    pub from: Option<String>,
    /// The value now, where it may be shown.
    pub to: Option<String>,
    /// Where it was changed: file and line, commit.
    pub source: Option<String>,
}

impl Diagnosis {
    /// Looks for the change that explains the failure, after the logs were added.
    ///
    /// A change explains it if the cause speaks of its field (a missing image and a changed `image`), if the proof names it (a log line
    /// with the name of a changed variable), or if nothing else of the pods was changed. Without such a rule nothing is said.
    pub fn tie(&mut self, changes: &[ChangedField]) {
        let of_pods: Vec<&ChangedField> =
            changes.iter().filter(|change| self.is_of_its_pods(change)).collect();
        let by_field = of_pods.iter().copied().find(|change| self.speaks_of(change));
        let by_name = || changes.iter().find(|change| self.proof_names(change));
        self.likely = by_field
            .map(|change| likely(change, "the cause is in this field"))
            .or_else(|| by_name().map(|change| likely(change, "what it says names this")))
            .or_else(|| match of_pods[..] {
                [only] => Some(likely(only, "nothing else of its pods was changed in this run")),
                _ => None,
            });
    }

    /// Whether a change is in the failed object and can reach the container that failed.
    fn is_of_its_pods(&self, change: &ChangedField) -> bool {
        let other_container = self.container.as_ref().is_some_and(|container| {
            change.path.contains("ontainers[")
                && !change.path.contains(&format!("ontainers[{}]", container.name))
        });
        change.object == self.object && !change.path.starts_with("metadata.") && !other_container
    }

    fn speaks_of(&self, change: &ChangedField) -> bool {
        fields(self.underlying.unwrap_or(self.cause)).iter().any(|field| change.path.contains(field))
    }

    /// Whether the proof holds the name of the changed thing as a whole word: the key of a `ConfigMap`, the name of a variable.
    fn proof_names(&self, change: &ChangedField) -> bool {
        let name = change.path.rsplit(['.', '[']).next().unwrap_or_default().trim_end_matches(']');
        // Shorter names are words of any log.
        if name.len() < 4 {
            return false;
        }
        let lines = self.proof.logs.iter().flat_map(|log| &log.lines).chain(&self.proof.message);
        lines.into_iter().any(|line| has_word(line, name))
    }
}

fn has_word(line: &str, word: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        !line[..at].chars().next_back().is_some_and(inside)
            && !line[at + word.len()..].chars().next().is_some_and(inside)
    })
}

fn likely(change: &ChangedField, why: &str) -> Likely {
    let values = match (&change.from, &change.to) {
        (Some(from), Some(to)) => format!(" ({from} → {to})"),
        (None, Some(to)) => format!(" (now {to})"),
        (Some(from), None) => format!(" (was {from})"),
        (None, None) => String::new(),
    };
    Likely {
        text: format!("`{}` of {}{values}: {why}", change.path, change.object),
        path: change.path.clone(),
        source: change.source.clone(),
    }
}

/// Parts of paths that a cause speaks of.
fn fields(cause: Cause) -> &'static [&'static str] {
    match cause {
        Cause::ImageNotFound | Cause::ImageNameInvalid => &["].image"],
        Cause::ImageDenied => &["].image", "imagePullSecrets"],
        Cause::ImageNeverPulled => &["imagePullPolicy", "].image"],
        Cause::CommandCannotStart => &["].command", "].args", "].image"],
        Cause::SecurityContextRefused => &["securityContext", "].image"],
        Cause::OutOfMemory => &["resources.limits"],
        Cause::ConfigurationMissing => {
            &["envFrom", "configMap", "secret", "].env[", "serviceAccountName", "priorityClassName"]
        }
        Cause::VolumeMountFailed => &["volumes", "volumeMounts"],
        Cause::VolumePending => {
            &["volumeClaimTemplates", "storageClassName", "volumes", "resources.requests.storage"]
        }
        Cause::Unschedulable => {
            &["resources.requests", "nodeSelector", "affinity", "tolerations", "topologySpreadConstraints"]
        }
        Cause::ProbeNeverPasses => &["readinessProbe", "].ports"],
        Cause::LivenessKills => &["livenessProbe"],
        Cause::StartupKills => &["startupProbe"],
        Cause::QuotaExceeded => &["spec.replicas", "resources."],
        Cause::LimitRangeRefused => &["resources."],
        Cause::PodSecurityRefused => &["securityContext", "hostPath", "hostNetwork", "hostPID", "hostIPC"],
        Cause::DeadlineExceeded => &["progressDeadlineSeconds", "activeDeadlineSeconds"],
        _ => &[],
    }
}
