//! Reading one container of a pod: what keeps it from starting, how often it died, what its probes say.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Cause;
use super::event::SeenEvent;
use super::message::{About, classify};
use super::sighting::Sighting;
use crate::object::ObjectView;

/// A container of a pod's spec and its status, which comes only when the kubelet has seen the pod.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Container<'a> {
    pub(crate) name: &'a str,
    pub(crate) is_init: bool,
    /// Whether it is meant to run for ever: containers of pods that restart always, and sidecars (init containers with
    /// `restartPolicy: Always`).
    pub(crate) runs_for_ever: bool,
    pub(crate) spec: ObjectView<'a>,
    status: Option<ObjectView<'a>>,
}

/// All containers of a pod, init containers first, as they start.
pub(crate) fn containers(pod: ObjectView<'_>) -> Vec<Container<'_>> {
    let always = pod.text("/spec/restartPolicy").is_none_or(|policy| policy == "Always");
    let init = pod.list("/spec/initContainers").iter().filter_map(|spec| {
        let sidecar = ObjectView::new(spec).text("/restartPolicy") == Some("Always");
        Container::find(spec, pod.list("/status/initContainerStatuses"), !sidecar, sidecar)
    });
    let main = pod
        .list("/spec/containers")
        .iter()
        .filter_map(|spec| Container::find(spec, pod.list("/status/containerStatuses"), false, always));
    init.chain(main).collect()
}

impl<'a> Container<'a> {
    fn find(
        spec: &'a Value,
        statuses: &'a [Value],
        is_init: bool,
        runs_for_ever: bool,
    ) -> Option<Container<'a>> {
        let name = ObjectView::new(spec).text("/name")?;
        let status = statuses.iter().map(ObjectView::new).find(|status| status.text("/name") == Some(name));
        Some(Container { name, is_init, runs_for_ever, spec: ObjectView::new(spec), status })
    }

    fn at(&self, pointer: &str) -> Option<&'a Value> {
        self.status?.at(pointer)
    }

    fn text(&self, pointer: &str) -> Option<&'a str> {
        self.at(pointer)?.as_str()
    }

    pub(crate) fn waiting_reason(&self) -> Option<&'a str> {
        self.text("/state/waiting/reason")
    }

    pub(crate) fn is_running(&self) -> bool {
        self.at("/state/running").is_some()
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.at("/ready").and_then(Value::as_bool) == Some(true)
    }

    fn has_passed_startup(&self) -> bool {
        self.at("/started").and_then(Value::as_bool) == Some(true)
    }

    /// Whether the node has its image.
    pub(crate) fn was_pulled(&self, events: &[&SeenEvent]) -> bool {
        self.own(events).iter().any(|event| event.reason == "Pulled")
    }

    /// Whether the runtime has created it at least this time, so that image, configuration and volumes were there.
    pub(crate) fn was_created(&self) -> bool {
        self.is_running() || (self.is_dead() && !self.could_not_start())
    }

    pub(crate) fn restarts(&self) -> u32 {
        let count = self.at("/restartCount").and_then(Value::as_u64).unwrap_or(0);
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// Whether its last attempt has ended and the next has not begun.
    pub(crate) fn is_dead(&self) -> bool {
        self.at("/state/terminated").is_some() || self.waiting_reason() == Some("CrashLoopBackOff")
    }

    /// How its last attempt ended: the present state if that is an end, else the one before.
    pub(crate) fn last_end(&self) -> Option<ObjectView<'a>> {
        self.at("/state/terminated").or_else(|| self.at("/lastState/terminated")).map(ObjectView::new)
    }

    /// How many attempts have ended, ever. `restartCount` counts the attempts that were followed by another.
    pub(crate) fn deaths(&self) -> u32 {
        self.restarts().saturating_add(u32::from(self.is_dead()))
    }

    /// The runtime's words for "the process could not be executed", written as an end of the container.
    fn could_not_start(&self) -> bool {
        let reason = self.last_end().and_then(|end| end.text("/reason"));
        matches!(reason, Some("StartError" | "ContainerCannotRun"))
    }

    /// Everything that status and events tell about the container.
    pub(crate) fn read(&self, events: &[&SeenEvent], before: Option<&Baselines>) -> Vec<Sighting> {
        let events = self.own(events);
        let before = before.and_then(|baselines| baselines.0.get(self.name));
        let mut sightings = Vec::new();
        if !self.was_created() {
            sightings.extend(events.iter().filter_map(|event| start_event(event)));
            sightings.extend(self.start_status().filter(|_| !self.is_unchanged(before)));
        }
        let kills = kills(&events, "liveness").saturating_add(kills(&events, "startup"));
        sightings.extend(self.death(kills, before));
        sightings.extend(self.probes(&events));
        for sighting in &mut sightings {
            sighting.container = Some(self.name.to_owned());
        }
        sightings
    }

    /// Whether it still waits for what it waited for when the run began: a pull that backs off for minutes says nothing about an
    /// image that was pushed meanwhile.
    fn is_unchanged(&self, before: Option<&Baseline>) -> bool {
        before.is_some_and(|before| {
            before.waiting.is_some() && before.waiting.as_deref() == self.waiting_reason()
        })
    }

    /// What the waiting state says about a container that does not start (kubelet, `pkg/kubelet/images` and `kuberuntime`).
    fn start_status(&self) -> Option<Sighting> {
        let reason = self.waiting_reason()?;
        let message = self.text("/state/waiting/message").unwrap_or_default();
        let read = |about, otherwise| classify(about, message).unwrap_or(otherwise);
        let cause = match reason {
            "ErrImagePull" | "ImagePullBackOff" | "ImageInspectError" => {
                read(About::Pull, Cause::ImagePullFailed)
            }
            "InvalidImageName" => Cause::ImageNameInvalid,
            "ErrImageNeverPull" => Cause::ImageNeverPulled,
            "RegistryUnavailable" => Cause::RegistryDown,
            "SignatureValidationFailed" => Cause::ImageDenied,
            "CreateContainerConfigError" | "CreateContainerError" => {
                read(About::Container, Cause::ContainerNotCreated)
            }
            "RunContainerError" => read(About::Container, Cause::CommandCannotStart),
            "CrashLoopBackOff" if self.could_not_start() => Cause::CommandCannotStart,
            _ => return None,
        };
        Some(Sighting::new(cause, message))
    }

    /// Deaths that no probe caused, since the run began. One that serves again is over it.
    fn death(&self, kills: u32, before: Option<&Baseline>) -> Option<Sighting> {
        let deaths =
            self.deaths().saturating_sub(before.map_or(0, |before| before.deaths)).saturating_sub(kills);
        if deaths == 0 || self.is_ready() {
            return None;
        }
        let (cause, words) = self.cause_of_death()?;
        Some(Sighting::new(cause, &words).times(deaths))
    }

    /// What the last end tells; nothing for work that was done.
    fn cause_of_death(&self) -> Option<(Cause, String)> {
        let end = self.last_end()?;
        let code = end.integer("/exitCode").unwrap_or(0);
        let cause = match end.text("/reason") {
            Some("OOMKilled") => Cause::OutOfMemory,
            Some("StartError" | "ContainerCannotRun") => Cause::CommandCannotStart,
            _ if code == 0 && self.runs_for_ever => Cause::ExitsWithZero,
            _ if code == 0 => return None,
            _ if self.is_init => Cause::InitFailed,
            _ => Cause::Crash,
        };
        let message = end.text("/message").filter(|message| !message.is_empty());
        Some((cause, message.map_or_else(|| format!("exit code {code}"), str::to_owned)))
    }

    /// How often the kubelet announced to kill it for a probe.
    pub(crate) fn kills(&self, events: &[&SeenEvent]) -> u32 {
        let own: Vec<&SeenEvent> = self.own(events);
        kills(&own, "liveness").saturating_add(kills(&own, "startup"))
    }

    /// What befell a container that was ready: a kill for a probe, else its last end.
    pub(crate) fn what_befell(&self, events: &[&SeenEvent]) -> Option<(Cause, String)> {
        let own = self.own(events);
        let killed = self.probes(&own).into_iter().find(|probe| {
            matches!(probe.cause, Cause::LivenessKills | Cause::StartupKills) && probe.times > 0
        });
        killed.map(|probe| (probe.cause, probe.message)).or_else(|| self.cause_of_death())
    }

    fn own<'e>(&self, events: &[&'e SeenEvent]) -> Vec<&'e SeenEvent> {
        events.iter().copied().filter(|event| event.container.as_deref() == Some(self.name)).collect()
    }

    /// What probes say. A probe that fails is named at once; what counts is whether the kubelet kills for it.
    fn probes(&self, events: &[&SeenEvent]) -> Vec<Sighting> {
        let mut sightings = Vec::new();
        let latest = |probe: &str| events.iter().rev().find_map(|event| failed_probe(event, probe));
        if let Some(answer) = latest("Liveness") {
            sightings.push(Sighting::new(Cause::LivenessKills, answer).times(kills(events, "liveness")));
        }
        if let Some(answer) = latest("Startup")
            && !self.has_passed_startup()
        {
            sightings.push(Sighting::new(Cause::StartupKills, answer).times(kills(events, "startup")));
        }
        if let Some(answer) = latest("Readiness")
            && !self.is_ready()
            && !self.is_dead()
        {
            sightings.push(Sighting::new(Cause::ProbeNeverPasses, answer));
        }
        sightings
    }
}

/// What an event tells about a container that does not start. `Error: ErrImagePull` only repeats that something failed.
fn start_event(event: &SeenEvent) -> Option<Sighting> {
    let cause = match event.reason.as_str() {
        "ErrImageNeverPull" => Cause::ImageNeverPulled,
        "InspectFailed" => classify(About::Pull, &event.message).unwrap_or(Cause::ImagePullFailed),
        "Failed" if event.message.starts_with("Failed to pull image") => {
            classify(About::Pull, &event.message).unwrap_or(Cause::ImagePullFailed)
        }
        "Failed" => classify(About::Container, &event.message)?,
        _ => return None,
    };
    Some(Sighting::new(cause, &event.message))
}

/// How often the kubelet announced to kill the container for a probe: `Container main failed liveness probe, will be restarted`.
fn kills(events: &[&SeenEvent], probe: &str) -> u32 {
    let announcement = format!("failed {probe} probe");
    let announced =
        events.iter().filter(|event| event.reason == "Killing" && event.message.contains(&announcement));
    announced.map(|event| event.times()).fold(0, u32::saturating_add)
}

/// The answer of a failed probe: what follows `Readiness probe failed: `.
fn failed_probe<'e>(event: &'e SeenEvent, probe: &str) -> Option<&'e str> {
    if event.reason != "Unhealthy" {
        return None;
    }
    let said = event.message.strip_prefix(probe)?.strip_prefix(" probe ")?;
    Some(said.split_once(": ").map_or("", |(_, answer)| answer).trim())
}

/// What was already wrong with the containers of a pod when it was first seen.
#[derive(Debug, Default)]
pub(crate) struct Baselines(BTreeMap<String, Baseline>);

#[derive(Debug)]
struct Baseline {
    deaths: u32,
    waiting: Option<String>,
}

impl Baselines {
    pub(crate) fn of(pod: ObjectView<'_>) -> Baselines {
        let baseline = |container: Container<'_>| {
            let waiting = container.waiting_reason().map(str::to_owned);
            (container.name.to_owned(), Baseline { deaths: container.deaths(), waiting })
        };
        Baselines(containers(pod).into_iter().map(baseline).collect())
    }

    /// Forgets what a container waited for, once it waits for something else: coming back to it is new.
    pub(crate) fn compare(&mut self, pod: ObjectView<'_>) {
        for container in containers(pod) {
            if let Some(baseline) = self.0.get_mut(container.name)
                && baseline.waiting.as_deref() != container.waiting_reason()
            {
                baseline.waiting = None;
            }
        }
    }
}
