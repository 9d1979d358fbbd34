//! Collecting the proof of a failure from what was seen.

use jiff::Timestamp;

use super::container::{Container, containers};
use super::diagnosis::{ContainerRef, EventLine, Exit, Proof, Unfinished};
use super::event::SeenEvent;
use super::exit::exit_words;
use super::finding::Finding;
use super::headline::headline;
use super::hints::hints;
use super::message::{About, essence};
use super::rollout::Rollout;
use super::scrub::scrub;
use super::seen::{Key, SeenObject};
use super::{Cause, Diagnosis, Ended, revision};
use crate::object::ObjectView;
use crate::readiness::{Context, judge};

/// What a diagnosis is about: a cause at an object that tells, or at the applied object alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trouble<'a> {
    pub(super) target: usize,
    pub(super) cause: Cause,
    pub(super) underlying: Option<Cause>,
    pub(super) subject: Option<&'a Key>,
    pub(super) container: Option<&'a str>,
    pub(super) message: &'a str,
    pub(super) times: u32,
    pub(super) since: Option<Timestamp>,
}

impl<'a> Trouble<'a> {
    pub(super) fn of(finding: &Finding<'a>) -> Trouble<'a> {
        Trouble {
            target: finding.target,
            cause: finding.sighting.cause,
            underlying: None,
            subject: Some(finding.subject),
            container: finding.sighting.container.as_deref(),
            message: &finding.sighting.message,
            times: finding.sighting.times,
            since: None,
        }
    }

    pub(super) fn of_object(target: usize, cause: Cause, message: &'a str) -> Trouble<'a> {
        Trouble {
            target,
            cause,
            underlying: None,
            subject: None,
            container: None,
            message,
            times: 1,
            since: None,
        }
    }

    /// The cause that tells most: what befell it, where the cause itself is only that something did.
    pub(super) fn telling(&self) -> Cause {
        self.underlying.unwrap_or(self.cause)
    }
}

/// Events kept in a diagnosis.
const EVENT_LINES: usize = 8;

impl Rollout {
    /// Puts together what is known about a trouble.
    pub(super) fn diagnose(&self, at: Timestamp, trouble: Trouble<'_>, ended: Ended) -> Diagnosis {
        let target = &self.targets[trouble.target];
        let subject = trouble.subject.or_else(|| self.first_unready_pod(trouble.target));
        let told_by = subject.and_then(|key| self.seen.get(key));
        let pod = told_by.filter(|object| object.reference.kind == "Pod");
        let container = pod.and_then(|pod| container_of(pod, &trouble));
        let events = self.events_of(&target.key, subject);
        let proof = proof(&trouble, container.as_ref());
        Diagnosis {
            code: trouble.cause.code().to_owned(),
            cause: trouble.cause,
            underlying: trouble.underlying,
            headline: headline(&trouble, &target.reference, container.as_ref(), &proof),
            ended,
            named_at: self.named_at(&trouble).unwrap_or(at),
            gave_up_at: at,
            object: target.reference.clone(),
            at_object: told_by
                .map(|object| object.reference.clone())
                .filter(|object| *object != target.reference),
            container: container
                .map(|container| ContainerRef { name: container.name.to_owned(), init: container.is_init }),
            hints: hints(&trouble, &target.reference, told_by, container.as_ref()),

            proof,
            events: event_lines(&events),
            likely: None,
            not_it: pod
                .map_or_else(Vec::new, |pod| self.sound(pod, &events, container.as_ref(), trouble.target)),
            unfinished: self.unfinished(),
            done: Vec::new(),
        }
    }

    /// When the cause was named first, at this object or another of the same target.
    fn named_at(&self, trouble: &Trouble<'_>) -> Option<Timestamp> {
        let object = &self.targets[trouble.target].reference;
        let named =
            self.named().iter().filter(|named| named.cause == trouble.cause && named.object == *object);
        trouble.since.or_else(|| named.map(|named| named.since).min())
    }

    fn first_unready_pod(&self, target: usize) -> Option<&Key> {
        let pods = self.seen.pods().into_iter().filter(|(_, pod)| !pod.view().is_deleting());
        pods.filter(|(_, pod)| !judge(&pod.value, &Context::default()).is_ready())
            .find(|(key, _)| self.concerned(key) == Some(target))
            .map(|(key, _)| key)
    }

    /// What is known of the applied object and of the object that tells, the oldest first.
    fn events_of(&self, target: &Key, subject: Option<&Key>) -> Vec<&SeenEvent> {
        let other = subject.filter(|subject| *subject != target);
        let mut events: Vec<&SeenEvent> =
            [Some(target), other].into_iter().flatten().flat_map(|key| self.seen.events(key)).collect();
        events.sort_by_key(|event| event.last);
        events
    }

    fn unfinished(&self) -> Vec<Unfinished> {
        let unfinished = self.targets.iter().filter_map(|target| {
            let reason = scrub(target.readiness.reason()?);
            Some(Unfinished { object: target.reference.clone(), reason })
        });
        unfinished.collect()
    }

    /// What was checked and is sound, to spare the reader the usual steps.
    fn sound(
        &self,
        pod: &SeenObject,
        events: &[&SeenEvent],
        container: Option<&Container<'_>>,
        target: usize,
    ) -> Vec<String> {
        let view = pod.view();
        let all = containers(view);
        let started = all.iter().any(Container::was_created);
        let past_init = !container.is_some_and(|container| container.is_init);
        let inits = all.iter().filter(|container| container.is_init);
        let facts = [
            (
                container.is_some_and(|container| container.was_created() || container.was_pulled(events)),
                "image pulled",
            ),
            (view.text("/spec/nodeName").is_some(), "scheduled"),
            (started || view.is("PodReadyToStartContainers"), "volumes mounted"),
            (
                past_init && inits.clone().count() > 0 && inits.clone().all(Container::is_ready),
                "init containers passed",
            ),
        ];
        let mut sound: Vec<String> =
            facts.iter().filter(|(holds, _)| *holds).map(|(_, words)| (*words).to_owned()).collect();
        match self.old_pods_serving(target) {
            0 => {}
            1 => sound.push("1 old pod keeps serving".to_owned()),
            count => sound.push(format!("{count} old pods keep serving")),
        }
        sound
    }

    fn old_pods_serving(&self, target: usize) -> usize {
        let is_target = |key: &Key| *key == self.targets[target].key;
        let pods = self
            .seen
            .pods()
            .into_iter()
            .filter(|(_, pod)| !pod.view().is_deleting() && pod.view().is("Ready"));
        pods.filter(|(key, _)| {
            revision::has_owner(&self.seen, key, is_target) && self.concerned(key) != Some(target)
        })
        .count()
    }
}

/// The container of the trouble; for a trouble without one, the first that is not ready.
fn container_of<'a>(pod: &'a SeenObject, trouble: &Trouble<'_>) -> Option<Container<'a>> {
    let all = containers(pod.view());
    match trouble.container {
        Some(name) => all.into_iter().find(|container| container.name == name),
        None if is_about_the_pod(trouble.cause) => None,
        None => all.into_iter().find(|container| !container.is_ready()),
    }
}

/// Causes that are no container's.
fn is_about_the_pod(cause: Cause) -> bool {
    matches!(
        cause,
        Cause::Unschedulable
            | Cause::VolumePending
            | Cause::VolumeMountFailed
            | Cause::PodRefused
            | Cause::ConfigurationMissing
    )
}

fn proof(trouble: &Trouble<'_>, container: Option<&Container<'_>>) -> Proof {
    let message = scrub(essence(about(trouble.telling()), trouble.message));
    Proof {
        message: Some(message).filter(|message| !message.is_empty()),
        exit: container.and_then(exit),
        restarts: container.map_or(0, Container::restarts),
        attempt_ended: container.is_some_and(Container::is_dead),
        image: container.and_then(|container| container.spec.text("/image")).map(scrub),
        probe: container.and_then(|container| probe(trouble.telling(), container)),
        logs: Vec::new(),
    }
}

/// Where the texts of a cause come from.
pub(super) fn about(cause: Cause) -> About {
    match cause {
        Cause::ImageNotFound
        | Cause::ImageNameInvalid
        | Cause::ImageNeverPulled
        | Cause::ImageDenied
        | Cause::RegistryRateLimited
        | Cause::RegistryDown
        | Cause::ImagePullFailed => About::Pull,
        Cause::CommandCannotStart | Cause::SecurityContextRefused | Cause::ConfigurationMissing => {
            About::Container
        }
        Cause::Unschedulable => About::Scheduling,
        Cause::QuotaExceeded
        | Cause::LimitRangeRefused
        | Cause::PodSecurityRefused
        | Cause::AdmissionRefused
        | Cause::WebhookDown => About::Creation,
        _ => About::Mount,
    }
}

fn exit(container: &Container<'_>) -> Option<Exit> {
    let end = container.last_end()?;
    let code = end.integer("/exitCode")?;
    let ran = end.time("/finishedAt").zip(end.time("/startedAt"));
    Some(Exit {
        code,
        words: exit_words(code),
        reason: end.text("/reason").unwrap_or_default().to_owned(),
        ran_seconds: ran
            .map(|(end, start)| end.as_second() - start.as_second())
            .filter(|seconds| *seconds >= 0),
    })
}

/// The probe in words: what it asks, and how much time it gives.
fn probe(cause: Cause, container: &Container<'_>) -> Option<String> {
    let field = match cause {
        Cause::ProbeNeverPasses => "readinessProbe",
        Cause::LivenessKills => "livenessProbe",
        Cause::StartupKills => "startupProbe",
        _ => return None,
    };
    let probe = ObjectView::new(container.spec.at(&format!("/{field}"))?);
    let number = |pointer: &str, default: i64| probe.integer(pointer).unwrap_or(default);
    let pace = format!(
        "every {}s, fails after {} times, {}s to answer",
        number("/periodSeconds", 10),
        number("/failureThreshold", 3),
        number("/timeoutSeconds", 1)
    );
    Some(format!("{field} {}, {pace}", probe_question(probe)))
}

fn probe_question(probe: ObjectView<'_>) -> String {
    let port = |pointer: &str| match probe.at(pointer) {
        Some(serde_json::Value::String(name)) => name.clone(),
        Some(number) => number.to_string(),
        None => "?".to_owned(),
    };
    if probe.at("/httpGet").is_some() {
        return format!(
            "GET {} on port {}",
            probe.text("/httpGet/path").unwrap_or("/"),
            port("/httpGet/port")
        );
    }
    if probe.at("/tcpSocket").is_some() {
        return format!("connects to port {}", port("/tcpSocket/port"));
    }
    if probe.at("/grpc").is_some() {
        return format!("asks gRPC on port {}", port("/grpc/port"));
    }
    let command: Vec<&str> =
        probe.list("/exec/command").iter().filter_map(serde_json::Value::as_str).collect();
    scrub(&format!("runs `{}`", command.join(" ")))
}

/// Warnings and kills, the last ones.
fn event_lines(events: &[&SeenEvent]) -> Vec<EventLine> {
    let telling: Vec<&&SeenEvent> =
        events.iter().filter(|event| event.is_warning || event.reason == "Killing").collect();
    let line = |event: &SeenEvent| EventLine {
        at: event.last,
        reason: event.reason.clone(),
        message: event.message.clone(),
        times: event.times(),
    };
    telling[telling.len().saturating_sub(EVENT_LINES)..].iter().map(|event| line(event)).collect()
}

/// Whether a workload's pods use a claim: named in a volume of its template, or made from a claim template of a StatefulSet, whose
/// claims are called `TEMPLATE-SET-ORDINAL`.
pub(super) fn uses_claim(workload: ObjectView<'_>, claim: &str) -> bool {
    let volumes = workload.list("/spec/template/spec/volumes").iter().chain(workload.list("/spec/volumes"));
    let named = volumes
        .filter_map(|volume| ObjectView::new(volume).text("/persistentVolumeClaim/claimName"))
        .any(|name| name == claim);
    let made = workload.list("/spec/volumeClaimTemplates").iter().any(|template| {
        let prefix = format!("{}-{}-", ObjectView::new(template).name(), workload.name());
        claim.strip_prefix(&prefix).is_some_and(|ordinal| ordinal.parse::<u32>().is_ok())
    });
    named || made
}
