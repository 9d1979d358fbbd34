//! The worker of one pod: when it synchronises, what it looks at, what it tells.
//!
//! A kubelet does three things with a pod. It *synchronises*: first it tells the status it knows, then it starts what
//! is missing. It *looks* every second at what runs, and synchronises when that changed. It *tries again* some seconds
//! after a synchronisation that failed. That a status comes after the event that explains it, and a back-off state only
//! with the next attempt, is nothing but the consequence.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, PodStatus};

use crate::Moment;
use crate::agenda::Agenda;
use crate::container::{Container, Role};
use crate::facts::Facts;
use crate::fault::{Fault, Request};
use crate::pace::Pace;
use crate::status::Told;

/// What the API server is to be told.
#[derive(Clone, Debug)]
pub enum Effect {
    Event(Occurrence),
    Status(Box<PodStatus>),
    /// The pod has ended and may be removed.
    Gone,
}

/// An event of a pod.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Occurrence {
    pub severity: Severity,
    pub reason: &'static str,
    pub message: String,
    /// The part of the pod that is meant.
    pub field_path: Option<String>,
}

/// The type of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Severity {
    Normal,
    Warning,
}

/// The kubelet's work on one pod.
#[derive(Debug)]
pub struct PodWorker {
    pub(crate) pod: Pod,
    pub(crate) request: Request,
    pub(crate) pace: Pace,
    pub(crate) epoch: Timestamp,
    pub(crate) ip: String,
    pub(crate) containers: Vec<Container>,
    /// When the pod has its network.
    pub(crate) sandbox: Option<Moment>,
    pub(crate) agenda: Agenda<Step>,
    pub(crate) told: Told,
    pub(crate) life: Life,
    volumes: Volumes,
    /// Until when a synchronisation is under way.
    busy: Moment,
    /// The moment of the last synchronisation: what is known of the containers.
    pub(crate) seen: Moment,
    first_look: Moment,
    /// A synchronisation that a failed probe or a mounted volume asks for.
    pub(crate) demanded: Option<Moment>,
    retry: Option<Moment>,
}

/// What is to be done at a moment.
#[derive(Debug)]
pub(crate) enum Step {
    Tell(Effect),
    /// Readiness may have changed.
    Refresh,
    Probe(usize),
    Mount(Duration),
    SandboxGone,
    /// All containers of a pod that is done or deleted have ended.
    Ended,
}

/// How far a pod is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    Living,
    /// All containers ended and none is to be restarted.
    Finishing,
    Deleted,
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Volumes {
    Untried,
    Failing,
    Mounted,
}

impl PodWorker {
    /// Takes up a pod that was bound to a simulated node at `epoch` and gets the address `ip`.
    pub fn new(pod: Pod, epoch: Timestamp, ip: String) -> Self {
        let (request, misunderstood) = match Request::of(&pod) {
            Ok(request) => (request, None),
            Err(message) => (Request::default(), Some(message)),
        };
        let containers = containers(&pod, &request);
        let is_faulty = |c: &Container| c.fault(&request).is_some_and(Fault::keeps_recorded_times);
        let is_slow = request.keeps_recorded_times || containers.iter().any(is_faulty);
        let pace = if is_slow { Pace::RECORDED } else { Pace::QUICK };
        let mut worker = Self {
            pod,
            request,
            pace,
            epoch,
            ip,
            containers,
            sandbox: None,
            agenda: Agenda::new(),
            told: Told::default(),
            life: Life::Living,
            volumes: Volumes::Untried,
            busy: Moment::ZERO,
            seen: Moment::ZERO,
            first_look: Moment::MAX,
            demanded: Some(Moment::ZERO),
            retry: None,
        };
        if let Some(message) = misunderstood {
            worker.life = Life::Finishing;
            worker.tell_event(Moment::ZERO, Severity::Warning, "UnknownFault", &message, None);
        }
        worker
    }

    /// How many times faster than recorded this pod lives: a moment is real time multiplied by it.
    pub fn speed(&self) -> f64 {
        self.request.speed.unwrap_or(1.0)
    }

    pub fn pod(&self) -> &Pod {
        &self.pod
    }

    /// When there is next something to do.
    pub fn next(&self) -> Option<Moment> {
        [self.agenda.next(), self.next_synchronisation()].into_iter().flatten().min()
    }

    /// Does all that is due by `now` and returns what to tell, in order.
    pub fn wake(&mut self, now: Moment, facts: &Facts) -> Vec<(Moment, Effect)> {
        let mut effects = Vec::new();
        while let Some(at) = self.next().filter(|at| *at <= now) {
            if self.agenda.next() == Some(at) {
                let step = self.agenda.take();
                effects
                    .extend(step.and_then(|step| self.perform(at, step, facts)).map(|effect| (at, effect)));
            } else {
                self.synchronise(at, facts);
            }
        }
        effects
    }

    fn perform(&mut self, at: Moment, step: Step, facts: &Facts) -> Option<Effect> {
        match step {
            Step::Tell(effect) => return Some(effect),
            Step::Refresh => self.tell_status(at),
            Step::Probe(index) => self.probe(at, index),
            Step::Mount(delay) => self.mount(at, delay, facts),
            Step::SandboxGone => {
                self.sandbox = None;
                self.tell_status(at);
            }
            Step::Ended => self.tell_end(at),
        }
        None
    }

    fn next_synchronisation(&self) -> Option<Moment> {
        if self.life != Life::Living || self.volumes == Volumes::Failing {
            return None;
        }
        let next = [self.demanded, self.retry, self.next_look()].into_iter().flatten().min()?;
        Some(next.max(self.busy))
    }

    /// The first look after something changed that no synchronisation has seen yet.
    fn next_look(&self) -> Option<Moment> {
        let runs = self.containers.iter().flat_map(|container| &container.runs);
        let of_runs =
            runs.flat_map(|run| [Some(run.created), run.started, run.end.as_ref().map(|end| end.at)]);
        let changes = of_runs.chain([self.sandbox]).flatten();
        let change = changes.filter(|change| *change > self.seen).min()?.max(self.busy);
        let late = change.saturating_sub(self.first_look);
        let periods = late.div_duration_f64(self.pace.look).ceil();
        Some(self.first_look + self.pace.look.mul_f64(periods))
    }

    fn synchronise(&mut self, at: Moment, facts: &Facts) {
        self.seen = at;
        (self.demanded, self.retry) = (None, None);
        self.tell_status(at);
        if self.is_finished(at) {
            self.finish(at);
            return;
        }
        if self.volumes == Volumes::Untried {
            self.mount(at, Duration::from_millis(500), facts);
            if self.volumes == Volumes::Failing {
                return;
            }
        }
        self.watch_probes(at);
        let mut cursor = self.kill_condemned(at);
        if self.sandbox.is_none() {
            cursor += self.pace.sandbox;
            self.sandbox = Some(cursor);
            self.first_look = cursor + self.pace.first_look;
        }
        let mut all_well = true;
        for index in self.to_start(cursor) {
            all_well &= self.start(index, &mut cursor, facts);
        }
        self.busy = cursor;
        if !all_well {
            self.fall_back_to_recorded_times(cursor);
            self.retry = Some(cursor + self.pace.retry);
        }
    }

    /// A pod in trouble that nobody asked for keeps the times of a real kubelet from then on.
    fn fall_back_to_recorded_times(&mut self, now: Moment) {
        if self.pace.look != Pace::RECORDED.look {
            self.pace = Pace::RECORDED;
            self.first_look = now + self.pace.first_look;
        }
    }

    /// The containers to start now, in order.
    fn to_start(&self, now: Moment) -> Vec<usize> {
        for (index, container) in self.containers.iter().enumerate() {
            match container.role {
                Role::Sidecar if container.is_running(now) => {}
                Role::Init if container.has_completed(now) => {}
                Role::Init if container.is_running(now) => return Vec::new(),
                Role::Init | Role::Sidecar => return vec![index],
                Role::Main => break,
            }
        }
        let mains = self.containers.iter().enumerate().filter(|(_, container)| container.role == Role::Main);
        mains.filter(|(_, container)| self.is_to_be_started(container, now)).map(|(index, _)| index).collect()
    }

    /// Whether the pod's restart policy wants another run of a container.
    pub(crate) fn is_to_be_started(&self, container: &Container, now: Moment) -> bool {
        let Some(run) = container.last_run(now) else { return true };
        let Some(end) = run.end_before(now) else { return false };
        match self.restart_policy() {
            "Never" => container.role == Role::Sidecar,
            "OnFailure" => end.exit_code != 0 || container.role == Role::Sidecar,
            _ => container.role != Role::Init || end.exit_code != 0,
        }
    }

    pub(crate) fn restart_policy(&self) -> &str {
        let spec = self.pod.spec.as_ref();
        spec.and_then(|spec| spec.restart_policy.as_deref()).unwrap_or("Always")
    }

    fn mount(&mut self, at: Moment, delay: Duration, facts: &Facts) {
        let is_asked_for = |c: &Container| c.fault(&self.request) == Some(Fault::MountFails);
        let asked_for = self.containers.iter().any(is_asked_for).then(|| {
            "MountVolume.SetUp failed for volume \"data\" : mount failed: exit status 32".to_owned()
        });
        let Some(message) = asked_for.or_else(|| facts.volumes_lack(&self.pod)) else {
            if self.volumes == Volumes::Failing {
                self.demanded = Some(at);
            }
            self.volumes = Volumes::Mounted;
            return;
        };
        self.volumes = Volumes::Failing;
        let told = at + Duration::from_millis(150);
        self.tell_event(told, Severity::Warning, "FailedMount", &message, None);
        // The volume manager doubles its delay up to two minutes.
        self.agenda.add(at + delay, Step::Mount((2 * delay).min(Duration::from_secs(122))));
    }

    pub(crate) fn grace(&self) -> Duration {
        let asked = self.pod.metadata.deletion_grace_period_seconds;
        let declared = self.pod.spec.as_ref().and_then(|spec| spec.termination_grace_period_seconds);
        Duration::from_secs(asked.or(declared).and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(30))
    }

    pub(crate) fn tell_event(
        &mut self,
        at: Moment,
        severity: Severity,
        reason: &'static str,
        message: &str,
        field_path: Option<String>,
    ) {
        // The API server refuses longer ones; the kubelet cuts them.
        let message = message.chars().take(1024).collect();
        let occurrence = Occurrence { severity, reason, message, field_path };
        self.agenda.add(at, Step::Tell(Effect::Event(occurrence)));
    }
}

fn containers(pod: &Pod, request: &Request) -> Vec<Container> {
    let Some(spec) = &pod.spec else { return Vec::new() };
    let fault = |name: &str, image: Option<&str>, is_first| {
        request.fault_of(name, image.unwrap_or_default(), is_first)
    };
    let init = spec.init_containers.iter().flatten().map(|container| {
        let role =
            if container.restart_policy.as_deref() == Some("Always") { Role::Sidecar } else { Role::Init };
        Container::new(container.clone(), role, fault(&container.name, container.image.as_deref(), false))
    });
    let main = spec.containers.iter().enumerate().map(|(index, container)| {
        let fault = fault(&container.name, container.image.as_deref(), index == 0);
        Container::new(container.clone(), Role::Main, fault)
    });
    init.chain(main).collect()
}
