//! What to look at, by cause.

use super::Cause;
use super::container::Container;
use super::diagnosis::Hint;
use super::evidence::Trouble;
use super::message::missing;
use super::seen::SeenObject;
use crate::object::{ObjectRef, ObjectView};

/// The hints of a trouble, the most useful first, and always the way to the page of its code.
pub(super) fn hints(
    trouble: &Trouble<'_>,
    object: &ObjectRef,
    told_by: Option<&SeenObject>,
    container: Option<&Container<'_>>,
) -> Vec<Hint> {
    let place = Place {
        object,
        told_by: told_by.map_or(object, |told_by| &told_by.reference),
        pull_secrets: told_by.map_or_else(Vec::new, |told_by| pull_secrets(told_by.view())),
        container: container.map(|container| container.name),
        attempt_ended: container.is_some_and(Container::is_dead),
    };
    let mut hints = match trouble.telling() {
        cause @ (Cause::ImageNotFound
        | Cause::ImageNameInvalid
        | Cause::ImageNeverPulled
        | Cause::ImageDenied
        | Cause::RegistryDown
        | Cause::RegistryRateLimited
        | Cause::ImagePullFailed) => vec![image(cause, &place)],
        Cause::ConfigurationMissing => configuration(trouble.message, &place),
        cause @ (Cause::Crash
        | Cause::InitFailed
        | Cause::ExitsWithZero
        | Cause::OutOfMemory
        | Cause::CommandCannotStart
        | Cause::SecurityContextRefused
        | Cause::ContainerNotCreated) => container_hints(cause, &place),
        cause @ (Cause::ProbeNeverPasses | Cause::LivenessKills | Cause::StartupKills) => {
            probe(cause, &place)
        }
        cause => vec![cluster(cause, &place)],
    };
    let code = trouble.cause.code();
    hints.push(with_command("what this code means, and more to try", format!("windlass explain {code}")));
    hints
}

struct Place<'a> {
    object: &'a ObjectRef,
    told_by: &'a ObjectRef,
    pull_secrets: Vec<&'a str>,
    container: Option<&'a str>,
    attempt_ended: bool,
}

fn pull_secrets(pod: ObjectView<'_>) -> Vec<&str> {
    pod.list("/spec/imagePullSecrets")
        .iter()
        .filter_map(|secret| ObjectView::new(secret).text("/name"))
        .collect()
}

impl Place<'_> {
    fn in_namespace(&self, rest: &str) -> String {
        match &self.object.namespace {
            Some(namespace) => format!("kubectl -n {namespace} {rest}"),
            None => format!("kubectl {rest}"),
        }
    }

    fn describe(&self) -> String {
        self.in_namespace(&format!("describe {} {}", self.told_by.kind.to_lowercase(), self.told_by.name))
    }

    fn field(&self, path: &str) -> String {
        let Place { object, .. } = self;
        let path = if object.kind == "Pod" { path.replace(".spec.template", "") } else { path.to_owned() };
        self.in_namespace(&format!(
            "get {} {} -o jsonpath='{{{path}}}'",
            object.kind.to_lowercase(),
            object.name
        ))
    }

    fn logs(&self) -> String {
        let container = self.container.map_or_else(String::new, |container| format!(" -c {container}"));
        // After a restart the proof is in the log of the attempt before.
        let previous = if self.attempt_ended { "" } else { " --previous" };
        self.in_namespace(&format!("logs {}{container}{previous}", self.told_by.name))
    }
}

fn with_command(text: &str, command: String) -> Hint {
    Hint { text: text.to_owned(), command: Some(command) }
}

fn image(cause: Cause, place: &Place<'_>) -> Hint {
    let pull_secrets = || place.field(".spec.template.spec.imagePullSecrets");
    let images = || place.field(".spec.template.spec.containers[*].image");
    match cause {
        Cause::ImageDenied => with_command(&credentials(place), pull_secrets()),
        Cause::RegistryRateLimited => with_command(
            "this is not about the change: pull with an account or from a mirror; see which pull secret is used",
            pull_secrets(),
        ),
        Cause::RegistryDown => with_command(
            "this is not about the change: the node cannot reach the registry; see what it says",
            place.describe(),
        ),
        Cause::ImageNeverPulled => {
            with_command("load the image onto the node, or let `imagePullPolicy` allow a pull", images())
        }
        Cause::ImageNotFound => with_command(
            "check that the repository and the tag exist, and that the tag was pushed for the node's platform",
            images(),
        ),
        _ => with_command("check the image reference", images()),
    }
}

fn credentials(place: &Place<'_>) -> String {
    match &place.pull_secrets[..] {
        [] => "the pod has no pull secret: add `imagePullSecrets` to it or to its service account".to_owned(),
        names => {
            format!("pull secret `{}` is refused, or its account may not read the image", names.join("`, `"))
        }
    }
}

fn configuration(message: &str, place: &Place<'_>) -> Vec<Hint> {
    let Some(missing) = missing(message).filter(|missing| !missing.name.is_empty()) else {
        return vec![with_command("see which object or key is missing", place.describe())];
    };
    let kind = missing.kind.to_lowercase();
    match missing.key {
        Some(key) => vec![with_command(
            &format!(
                "add `{key}` to {} `{}`, or mark the reference `optional: true`; see its keys",
                missing.kind, missing.name
            ),
            place.in_namespace(&format!("describe {kind} {}", missing.name)),
        )],
        None => vec![with_command(
            &format!(
                "add {} `{}` to the overlay, or correct the name; see what there is",
                missing.kind, missing.name
            ),
            place.in_namespace(&format!("get {kind}")),
        )],
    }
}

fn container_hints(cause: Cause, place: &Place<'_>) -> Vec<Hint> {
    let container = |field: &str| place.field(&format!(".spec.template.spec.containers[*].{field}"));
    vec![match cause {
        Cause::ExitsWithZero => with_command(
            "a Deployment runs for ever: if the work is done once, make it a Job; else see why the process ends",
            place.logs(),
        ),
        Cause::OutOfMemory => with_command(
            "raise `resources.limits.memory` in the overlay, or look for a leak; the present limit",
            container("resources.limits.memory"),
        ),
        Cause::CommandCannotStart => with_command(
            "the image has no such command, or it is not executable; see what is asked for",
            container("command"),
        ),
        Cause::SecurityContextRefused => with_command(
            "set `runAsUser` to a user of the image, or build the image with a numeric `USER`",
            place.field(".spec.template.spec.securityContext"),
        ),
        Cause::ContainerNotCreated => with_command("see what the node says", place.describe()),
        _ => with_command("the whole log of the attempt that failed", place.logs()),
    }]
}

fn probe(cause: Cause, place: &Place<'_>) -> Vec<Hint> {
    let field = match cause {
        Cause::LivenessKills => "livenessProbe",
        Cause::StartupKills => "startupProbe",
        _ => "readinessProbe",
    };
    let text = match cause {
        Cause::StartupKills => {
            "give a slow start more `failureThreshold` or `periodSeconds`, or correct the probe"
        }
        _ => "check path, port and time of the probe against what the program serves",
    };
    vec![
        with_command(text, place.field(&format!(".spec.template.spec.containers[*].{field}"))),
        with_command("what the program says", place.logs().replace(" --previous", "")),
    ]
}

fn cluster(cause: Cause, place: &Place<'_>) -> Hint {
    match cause {
        Cause::Unschedulable => with_command(
            "lower the requests, correct selectors, or add a node; see what is used",
            "kubectl describe nodes".to_owned(),
        ),
        Cause::VolumePending => with_command(
            "see that the storage class exists and its provisioner runs",
            "kubectl get storageclass".to_owned(),
        ),
        Cause::VolumeMountFailed | Cause::PodRefused => {
            with_command("see what the node says", place.describe())
        }
        Cause::QuotaExceeded => with_command(
            "lower replicas or requests, or raise the quota; used and limit",
            place.in_namespace("describe resourcequota"),
        ),
        Cause::LimitRangeRefused => {
            with_command("stay inside the limits of the namespace", place.in_namespace("describe limitrange"))
        }
        Cause::PodSecurityRefused => with_command(
            "set the fields that the message names, or use another level for the namespace",
            place.field(".spec.template.spec.securityContext"),
        ),
        Cause::AdmissionRefused | Cause::WebhookDown => with_command(
            "see which webhooks guard pods and whether their services run",
            "kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations".to_owned(),
        ),
        _ => with_command("see the state of the object", place.describe()),
    }
}
