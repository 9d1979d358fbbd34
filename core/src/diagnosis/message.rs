//! Reading causes out of message texts.
//!
//! Kubernetes tells most causes by a reason, a field or an exit code. For some it gives nothing but a sentence: why a pull failed, why
//! a controller could not create a pod. Those sentences are read here and nowhere else, and the recorded ones are the test.

use super::Cause;

/// What a message speaks of; the same words mean different things in different places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum About {
    /// Pulling an image: event `Failed`, waiting reasons `ErrImagePull` and `ImagePullBackOff`.
    Pull,
    /// Creating or starting a container: event `Failed`, `CreateContainerConfigError`, `CreateContainerError`, `RunContainerError`.
    Container,
    /// Attaching or mounting a volume: events `FailedMount` and `FailedAttachVolume`.
    Mount,
    /// Finding a node: event `FailedScheduling`, condition `PodScheduled`.
    Scheduling,
    /// A controller creating pods: event `FailedCreate`, condition `ReplicaFailure`.
    Creation,
}

/// The cause that a message tells, if it tells one.
///
/// The first matching line of the table decides. Matching is on phrases that hold a space or a colon, so that the name of an image
/// or an object cannot imitate one.
pub(crate) fn classify(about: About, message: &str) -> Option<Cause> {
    let message = message.to_ascii_lowercase();
    table(about)
        .iter()
        .find(|(phrases, _)| phrases.iter().any(|phrase| message.contains(phrase)))
        .map(|(_, cause)| *cause)
}

type Table = &'static [(&'static [&'static str], Cause)];

fn table(about: About) -> Table {
    match about {
        About::Pull => PULL,
        About::Container => CONTAINER,
        About::Mount => MOUNT,
        About::Scheduling => SCHEDULING,
        About::Creation => CREATION,
    }
}

/// Texts of containerd, of CRI-O and of registries. A refusal comes before "not found": registries say "repository does not exist
/// or may require authorization" to those who are not logged in.
const PULL: Table = &[
    (&["429 too many requests", "toomanyrequests:", "pull rate limit"], Cause::RegistryRateLimited),
    (
        &[
            "401 unauthorized",
            "403 forbidden",
            "unauthorized: ",
            "authorization failed",
            "authentication required",
            "pull access denied",
            "access forbidden",
            "no basic auth credentials",
            "denied: ",
            "insufficient_scope: ",
        ],
        Cause::ImageDenied,
    ),
    (
        &[
            ": not found",
            "manifest unknown",
            "name unknown",
            "404 not found",
            "no matching manifest",
            "no match for platform",
        ],
        Cause::ImageNotFound,
    ),
    (&["invalid reference format", "couldn't parse image name"], Cause::ImageNameInvalid),
    (
        &[
            "connection refused",
            "connection reset",
            "no such host",
            "i/o timeout",
            "no route to host",
            "network is unreachable",
            "tls handshake timeout",
            "context deadline exceeded",
            "server misbehaving",
            "temporary failure in name resolution",
            "x509: ",
            "500 internal server error",
            "502 bad gateway",
            "503 service unavailable",
            "504 gateway",
            "unexpected eof",
        ],
        Cause::RegistryDown,
    ),
];

/// Texts of the kubelet and of runc. A mount inside the container comes before the command: both end in "no such file or directory".
const CONTAINER: Table = &[
    (&["error: invalidimagename"], Cause::ImageNameInvalid),
    (&["error: errimageneverpull"], Cause::ImageNeverPulled),
    (
        &["configmap \"", "secret \"", "couldn't find key ", "references non-existent", "serviceaccount \""],
        Cause::ConfigurationMissing,
    ),
    (
        &[
            "runasnonroot",
            "run as root",
            "runasuser",
            "non-numeric user",
            "apparmor",
            "seccomp",
            "unable to find user",
        ],
        Cause::SecurityContextRefused,
    ),
    (&["error mounting ", "failed to prepare subpath", "failed to create subpath"], Cause::VolumeMountFailed),
    (
        &[
            "exec: ",
            "exec format error",
            "executable file not found",
            "no command specified",
            "unable to start container process",
            "starting container process caused",
        ],
        Cause::CommandCannotStart,
    ),
];

const MOUNT: Table = &[
    (
        &["configmap \"", "secret \"", "references non-existent", "couldn't find key "],
        Cause::ConfigurationMissing,
    ),
    (&[" "], Cause::VolumeMountFailed),
];

const SCHEDULING: Table =
    &[(&["persistentvolumeclaim"], Cause::VolumePending), (&[" "], Cause::Unschedulable)];

/// Texts of the API server's admission, as controllers hand them on.
const CREATION: Table = &[
    (&["failed calling webhook"], Cause::WebhookDown),
    (&["exceeded quota: ", "failed quota: "], Cause::QuotaExceeded),
    (&["violates podsecurity "], Cause::PodSecurityRefused),
    (
        &[
            " usage per container",
            " usage per pod",
            " usage per persistentvolumeclaim",
            "limit to request ratio per",
        ],
        Cause::LimitRangeRefused,
    ),
    (
        &[
            "error looking up service account",
            "serviceaccount \"",
            "no priorityclass with name",
            "runtimeclass.node.k8s.io \"",
        ],
        Cause::ConfigurationMissing,
    ),
    (&["denied the request", "denied request: ", "is forbidden: ", " is invalid: "], Cause::AdmissionRefused),
];

/// An object, or a key of it, that a pod names and that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Missing {
    /// `ConfigMap`, `Secret`, …
    pub(crate) kind: &'static str,
    /// Name of the object; empty where the message gives only the key.
    pub(crate) name: String,
    /// The key inside it, if the object is there and the key is not.
    pub(crate) key: Option<String>,
}

/// What a message about missing configuration misses.
pub(crate) fn missing(message: &str) -> Option<Missing> {
    key_in_object(message).or_else(|| whole_object(message))
}

/// `couldn't find key KEY in Secret NAMESPACE/NAME`.
fn key_in_object(message: &str) -> Option<Missing> {
    let (_, after) = message.split_once("couldn't find key ")?;
    let (key, after) = after.split_once(" in ")?;
    let (kind, object) = after.split_once(' ')?;
    let name = object.split_whitespace().next()?.rsplit('/').next()?;
    Some(Missing { kind: kind_named(kind)?, name: name.to_owned(), key: Some(key.to_owned()) })
}

/// `configmap "NAME" not found`, also at the end of a longer chain.
fn whole_object(message: &str) -> Option<Missing> {
    ["configmap", "secret", "serviceaccount", "priorityclass"].iter().find_map(|word| {
        let (_, after) = message.split_once(&format!("{word} \""))?;
        let (name, after) = after.split_once('"')?;
        after.starts_with(" not found").then_some(())?;
        Some(Missing { kind: kind_named(word)?, name: name.to_owned(), key: None })
    })
}

fn kind_named(word: &str) -> Option<&'static str> {
    ["ConfigMap", "Secret", "ServiceAccount", "PriorityClass"]
        .into_iter()
        .find(|kind| kind.eq_ignore_ascii_case(word))
}

/// The part of a message that holds the real cause.
pub(crate) fn essence(about: About, message: &str) -> &str {
    let message = message.trim();
    match about {
        About::Pull | About::Container => end_of_chain(message),
        About::Mount => message,
        // The rest repeats the same for preemption.
        About::Scheduling => message.split(". ").next().unwrap_or(message),
        About::Creation => {
            ["is forbidden: ", "Internal error occurred: ", "Error creating: ", "failed error: "]
                .iter()
                .find_map(|opening| message.split_once(opening))
                .map_or(message, |(_, said)| said)
        }
    }
}

/// Go programs wrap errors from the outside in (`failed to A: failed to B: the cause`), so the cause is at the end; but the last
/// piece alone may be a stub (`not found`, `unknown`), which needs the piece before it.
fn end_of_chain(message: &str) -> &str {
    const ENOUGH: usize = 32;
    let message = message.strip_prefix("Error: ").unwrap_or(message);
    // The kubelet appends which pod it speaks of.
    let message = message.split(" (pod: ").next().unwrap_or(message).trim_end_matches(": unknown");
    let mut start = message.len();
    while let Some(colon) = message[..start].rfind(": ") {
        start = colon;
        if message.len() - (colon + 2) >= ENOUGH {
            return &message[colon + 2..];
        }
    }
    message
}

#[cfg(test)]
mod tests;
