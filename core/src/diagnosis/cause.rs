//! The causes for which a rollout cannot become ready, one word and one code each.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

macro_rules! causes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $slug:literal, $headline:literal;)*) => {
        /// Why an object cannot become ready.
        ///
        /// The code is stable: it is what `windlass explain` takes and what a page is written for. The word (`image_not_found`)
        /// is what `patience` in `deploy-control.yaml` and JSON output use.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Cause {
            $($(#[$doc])* $variant,)*
        }

        impl Cause {
            /// All causes, the most telling first: where several are seen at once, the first of this list is the answer.
            pub const ALL: &'static [Cause] = &[$(Cause::$variant),*];

            /// The stable code: `WL0501`.
            pub const fn code(self) -> &'static str {
                match self { $(Cause::$variant => $code,)* }
            }

            /// The word used in files and JSON: `image_not_found`.
            pub const fn word(self) -> &'static str {
                match self { $(Cause::$variant => $slug,)* }
            }

            /// What happened, in words that follow "FAILED:".
            pub const fn headline(self) -> &'static str {
                match self { $(Cause::$variant => $headline,)* }
            }
        }
    };
}

causes! {
    /// The registry has no such repository or tag, or none for the node's platform.
    ImageNotFound = "WL0511", "image_not_found", "the image does not exist";
    /// The image reference cannot be parsed.
    ImageNameInvalid = "WL0512", "image_name_invalid", "the image name is not valid";
    /// `imagePullPolicy: Never`, and the node does not have the image.
    ImageNeverPulled = "WL0513", "image_never_pulled", "the image may not be pulled and is not on the node";
    /// The registry answered 401 or 403.
    ImageDenied = "WL0514", "image_denied", "the registry refuses access to the image";
    /// The registry asks to slow down (429).
    RegistryRateLimited = "WL0516", "registry_rate_limited", "the registry limits the rate of pulls";
    /// The registry does not answer, or its name does not resolve.
    RegistryDown = "WL0515", "registry_down", "the registry cannot be reached";
    /// A pull failed for a reason that its text does not tell.
    ImagePullFailed = "WL0517", "image_pull_failed", "the image cannot be pulled";
    /// The container runtime cannot execute the command.
    CommandCannotStart = "WL0505", "command_cannot_start", "the command cannot be started";
    /// The security context and the image contradict each other.
    SecurityContextRefused = "WL0523", "security_context_refused", "the security context refuses the container";
    /// A `ConfigMap`, Secret, key, service account or priority class that the pod names does not exist.
    ConfigurationMissing = "WL0521", "configuration_missing", "something the pod refers to does not exist";
    /// A volume cannot be attached or mounted.
    VolumeMountFailed = "WL0522", "volume_mount_failed", "a volume cannot be mounted";
    /// The container runtime cannot create the container, for a reason that its text does not tell.
    ContainerNotCreated = "WL0524", "container_not_created", "the container cannot be created";
    /// Killed by the kernel for its memory limit.
    OutOfMemory = "WL0503", "out_of_memory", "the container runs out of memory";
    /// An init container fails.
    InitFailed = "WL0504", "init_failed", "an init container fails";
    /// Killed again and again because the liveness probe fails.
    LivenessKills = "WL0542", "liveness_kills", "the liveness probe fails and the container is killed";
    /// Killed again and again because the startup probe never passes.
    StartupKills = "WL0543", "startup_kills", "the startup probe never passes and the container is killed";
    /// The process ends well, but is meant to run for ever.
    ExitsWithZero = "WL0502", "exits_with_zero", "the container ends by itself with exit code 0";
    /// The process ends with an error.
    Crash = "WL0501", "crash", "the container stops right after start";
    /// A quota of the namespace is used up, or demands a limit that is not set.
    QuotaExceeded = "WL0551", "quota_exceeded", "a quota of the namespace refuses the pods";
    /// A limit range refuses what the pod asks for.
    LimitRangeRefused = "WL0552", "limit_range_refused", "a limit range of the namespace refuses the pods";
    /// The Pod Security level of the namespace refuses the pod.
    PodSecurityRefused = "WL0553", "pod_security_refused", "the Pod Security level of the namespace refuses the pods";
    /// An admission webhook, an admission policy or the API server itself refuses the pod.
    AdmissionRefused = "WL0554", "admission_refused", "admission refuses the pods";
    /// An admission webhook does not answer and its policy is to fail.
    WebhookDown = "WL0555", "webhook_down", "an admission webhook does not answer";
    /// A claim gets no volume.
    VolumePending = "WL0532", "volume_pending", "a volume claim gets no volume";
    /// No node takes the pod.
    Unschedulable = "WL0531", "unschedulable", "no node can take the pod";
    /// The kubelet refused or evicted the pod.
    PodRefused = "WL0533", "pod_refused", "the node refuses or evicts the pod";
    /// The readiness probe has not passed once.
    ProbeNeverPasses = "WL0541", "probe_never_passes", "the readiness probe never passes";
    /// Ready once, and then not.
    HealthyThenNot = "WL0571", "healthy_then_not", "it was ready and then failed";
    /// The Job used up its retries, or its failure policy ended it.
    JobFailed = "WL0562", "job_failed", "the Job failed";
    /// The object's own deadline passed: `progressDeadlineSeconds` or `activeDeadlineSeconds`.
    DeadlineExceeded = "WL0561", "deadline_exceeded", "its own deadline passed";
    /// The controller of the object says that it failed or is stalled.
    Stalled = "WL0563", "stalled", "its controller reports a failure";
    /// Deleted by someone while windlass waited for it.
    Gone = "WL0564", "gone", "it was deleted while the run waited for it";
    /// The run's time is over and no more telling cause was seen.
    Timeout = "WL0572", "timeout", "it did not become ready in time";
}

impl Cause {
    /// What is seen while there is still hope: "has not passed yet" where the headline says "never passes".
    pub const fn so_far(self) -> &'static str {
        match self {
            Cause::ProbeNeverPasses => "the readiness probe has not passed yet",
            Cause::LivenessKills => "the liveness probe fails",
            Cause::StartupKills => "the startup probe has not passed yet",
            Cause::ExitsWithZero => "the container ended by itself with exit code 0",
            Cause::Crash => "the container stopped",
            Cause::InitFailed => "an init container failed",
            Cause::VolumePending => "a volume claim has no volume yet",
            Cause::Unschedulable => "no node can take the pod yet",
            other => other.headline(),
        }
    }
}

/// A word that is not the name of a cause.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{0}` is not a cause")]
pub struct UnknownCause(pub String);

impl FromStr for Cause {
    type Err = UnknownCause;

    fn from_str(word: &str) -> Result<Cause, UnknownCause> {
        Cause::ALL
            .iter()
            .copied()
            .find(|cause| cause.word() == word)
            .ok_or_else(|| UnknownCause(word.to_owned()))
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_and_words_are_unique() {
        let codes: BTreeSet<&str> = Cause::ALL.iter().map(|cause| cause.code()).collect();
        let words: BTreeSet<&str> = Cause::ALL.iter().map(|cause| cause.word()).collect();
        assert_eq!(codes.len(), Cause::ALL.len());
        assert_eq!(words.len(), Cause::ALL.len());
    }

    #[test]
    fn word_is_the_serialised_form_and_parses_back() {
        for cause in Cause::ALL {
            assert_eq!(serde_json::to_value(cause).unwrap(), cause.word());
            assert_eq!(cause.word().parse(), Ok(*cause));
        }
        assert_eq!("crashes".parse::<Cause>().unwrap_err().to_string(), "`crashes` is not a cause");
    }
}
