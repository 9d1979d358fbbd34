//! The status of a pod, from what the last look showed.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{
    ContainerState, ContainerStateRunning, ContainerStateTerminated, ContainerStateWaiting, ContainerStatus,
    HostIP, PodCondition, PodIP, PodStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use sha2::{Digest, Sha256};

use crate::Moment;
use crate::container::{Container, Role, Run};
use crate::fault::Fault;
use crate::pod::{Effect, Life, PodWorker, Step};

/// What was told last, and since when each condition holds.
#[derive(Debug, Default)]
pub(crate) struct Told {
    status: Option<PodStatus>,
    transitions: BTreeMap<&'static str, (bool, Moment)>,
}

impl PodWorker {
    /// Tells the status if it differs from what was told last.
    pub(crate) fn tell_status(&mut self, at: Moment) {
        let status = self.status(at);
        self.tell(at, status);
    }

    pub(crate) fn tell(&mut self, at: Moment, mut status: PodStatus) {
        status.conditions = Some(self.conditions(at, &status));
        if self.told.status.as_ref() != Some(&status) {
            self.told.status = Some(status.clone());
            self.agenda.add(at, Step::Tell(Effect::Status(Box::new(status))));
        }
    }

    /// The status as known at `now`.
    pub(crate) fn status(&mut self, now: Moment) -> PodStatus {
        let statuses = |is_main: bool| {
            let wanted = self.containers.iter().filter(|container| (container.role == Role::Main) == is_main);
            let statuses: Vec<_> = wanted.map(|container| self.container_status(container, now)).collect();
            Some(statuses).filter(|statuses| !statuses.is_empty())
        };
        let has_address = self.sandbox.is_some_and(|sandbox| sandbox <= self.seen) || self.is_past_living();
        let mut status = PodStatus {
            observed_generation: self.pod.metadata.generation,
            phase: Some(self.phase().to_owned()),
            host_ip: Some("127.0.0.1".to_owned()),
            host_ips: Some(vec![HostIP { ip: "127.0.0.1".to_owned() }]),
            pod_ip: has_address.then(|| self.ip.clone()),
            pod_ips: has_address.then(|| vec![PodIP { ip: self.ip.clone() }]),
            start_time: Some(self.time(Moment::ZERO)),
            init_container_statuses: statuses(false),
            container_statuses: statuses(true),
            ..PodStatus::default()
        };
        status.conditions = Some(self.conditions(now, &status));
        status
    }

    fn is_past_living(&self) -> bool {
        self.life != Life::Living
    }

    fn phase(&self) -> &'static str {
        let has_run = |container: &Container| container.last_run(self.seen).is_some();
        let mut main = self.containers.iter().filter(|container| container.role == Role::Main);
        // A pod whose containers all ended is said to run, or to be pending if it was never seen to run, until
        // nothing is left of it.
        let was_running = || {
            let told = self.told.status.as_ref().and_then(|status| status.phase.as_deref());
            told == Some("Running")
        };
        let all_have_run = main.all(has_run);
        if all_have_run && (!self.is_finished(self.seen) || was_running()) { "Running" } else { "Pending" }
    }

    fn container_status(&self, container: &Container, now: Moment) -> ContainerStatus {
        let runs = container.runs_at(self.seen);
        let run = runs.last();
        let is_running = run.is_some_and(|run| run.is_running(self.seen));
        let answers = run.and_then(|run| run.ready).is_some_and(|ready| ready <= now);
        let ready = match container.role {
            Role::Init => container.has_completed(self.seen),
            _ => is_running && answers,
        };
        let fails_startup = run.and_then(|run| run.fault) == Some(Fault::StartupFails);
        let (state, last_state) = self.states(container, runs);
        ContainerStatus {
            name: container.name().to_owned(),
            image: container.image().to_owned(),
            image_id: run.map(|_| image_id(container.image())).unwrap_or_default(),
            container_id: run.map(|_| self.container_id(container, runs.len())),
            ready,
            started: Some(is_running && !fails_startup),
            restart_count: i32::try_from(runs.len().saturating_sub(1)).unwrap_or(i32::MAX),
            state: Some(state),
            last_state: Some(last_state),
            ..ContainerStatus::default()
        }
    }

    /// The state of a container and the one before it.
    fn states(&self, container: &Container, runs: &[Run]) -> (ContainerState, ContainerState) {
        let number = runs.len();
        let before = number.checked_sub(2).map(|index| self.state_of(container, &runs[index], index + 1));
        let now = runs.last().map(|run| self.state_of(container, run, number));
        let is_awaited = self.is_to_be_started(container, self.seen) && self.life == Life::Living;
        match (&container.waiting, now) {
            // What the kubelet could not start is waiting, whatever became of its last run.
            (Some(waiting), last) if is_awaited && self.is_its_turn(container) => {
                let message = Some(waiting.message.clone());
                (state_waiting(waiting.reason, message), last.or(before).unwrap_or_default())
            }
            (_, Some(state)) => (state, before.unwrap_or_default()),
            (_, None) => {
                let has_init = self.containers.iter().any(|container| container.role != Role::Main);
                let reason = if has_init { "PodInitializing" } else { "ContainerCreating" };
                (state_waiting(reason, None), ContainerState::default())
            }
        }
    }

    /// Whether the containers that must come before have done so.
    fn is_its_turn(&self, container: &Container) -> bool {
        container.role != Role::Main || self.incomplete().is_empty()
    }

    fn state_of(&self, container: &Container, run: &Run, number: usize) -> ContainerState {
        match run.end_before(self.seen) {
            Some(end) => ContainerState {
                terminated: Some(ContainerStateTerminated {
                    exit_code: end.exit_code,
                    reason: Some(end.reason.to_owned()),
                    message: end.message.clone(),
                    started_at: Some(run.started.map_or(Time(Timestamp::UNIX_EPOCH), |at| self.time(at))),
                    finished_at: Some(self.time(end.at)),
                    container_id: Some(self.container_id(container, number)),
                    ..ContainerStateTerminated::default()
                }),
                ..ContainerState::default()
            },
            None => ContainerState {
                running: Some(ContainerStateRunning { started_at: run.started.map(|at| self.time(at)) }),
                ..ContainerState::default()
            },
        }
    }

    /// The init containers that have not done their part.
    fn incomplete(&self) -> Vec<&str> {
        let init = self.containers.iter().filter(|container| match container.role {
            Role::Init => !container.has_completed(self.seen),
            Role::Sidecar => !container.is_running(self.seen) && self.life == Life::Living,
            Role::Main => false,
        });
        init.map(Container::name).collect()
    }

    fn conditions(&mut self, now: Moment, status: &PodStatus) -> Vec<PodCondition> {
        let phase = status.phase.as_deref().unwrap_or_default();
        let statuses = status.container_statuses.iter().flatten();
        let unready: Vec<&str> = statuses.filter(|one| !one.ready).map(|one| one.name.as_str()).collect();
        let outcome = if self.is_finished(self.seen) { self.final_phase(self.seen) } else { phase };
        let unready_because = match outcome {
            "Succeeded" => ("PodCompleted", None),
            "Failed" => ("PodFailed", None),
            _ => (
                "ContainersNotReady",
                Some(format!("containers with unready status: [{}]", unready.join(" "))),
            ),
        };
        let unready_because = (!unready.is_empty()).then_some(unready_because);
        let incomplete = self.incomplete();
        let incomplete_because = (!incomplete.is_empty()).then(|| {
            let names = incomplete.join(" ");
            ("ContainersNotInitialized", Some(format!("containers with incomplete status: [{names}]")))
        });
        let completed = (outcome == "Succeeded").then_some(("PodCompleted", None));
        let no_sandbox = self.sandbox.is_none_or(|sandbox| sandbox > self.seen);
        [
            ("PodReadyToStartContainers", !no_sandbox, None),
            ("Initialized", incomplete_because.is_none(), incomplete_because.or(completed)),
            ("Ready", unready_because.is_none(), unready_because.clone()),
            ("ContainersReady", unready_because.is_none(), unready_because),
            ("PodScheduled", true, None),
        ]
        .map(|(kind, holds, because)| self.condition(now, kind, holds, because))
        .into()
    }

    fn condition(
        &mut self,
        now: Moment,
        kind: &'static str,
        holds: bool,
        because: Option<(&str, Option<String>)>,
    ) -> PodCondition {
        let since = self.told.transitions.entry(kind).or_insert((holds, now));
        if since.0 != holds {
            *since = (holds, now);
        }
        let since = since.1;
        let (reason, message) =
            because.map_or((None, None), |(reason, message)| (Some(reason.to_owned()), message));
        PodCondition {
            type_: kind.to_owned(),
            status: if holds { "True" } else { "False" }.to_owned(),
            last_transition_time: Some(self.time(since)),
            observed_generation: self.pod.metadata.generation,
            reason,
            message,
            ..PodCondition::default()
        }
    }

    /// The real time of a moment, in whole seconds as Kubernetes writes it.
    pub(crate) fn time(&self, moment: Moment) -> Time {
        let real = moment.div_f64(self.speed());
        let time = self.epoch + SignedDuration::from_secs(i64::try_from(real.as_secs()).unwrap_or_default());
        Time(Timestamp::from_second(time.as_second()).unwrap_or(time))
    }

    fn container_id(&self, container: &Container, number: usize) -> String {
        let uid = self.pod.metadata.uid.as_deref().unwrap_or_default();
        format!("containerd://{}", digest(&format!("{uid}/{}/{number}", container.name())))
    }
}

fn state_waiting(reason: &str, message: Option<String>) -> ContainerState {
    let waiting = ContainerStateWaiting { reason: Some(reason.to_owned()), message };
    ContainerState { waiting: Some(waiting), ..ContainerState::default() }
}

fn image_id(image: &str) -> String {
    let name =
        crate::image::tag(image).and_then(|tag| image.strip_suffix(&format!(":{tag}"))).unwrap_or(image);
    format!("{name}@sha256:{}", digest(image))
}

fn digest(text: &str) -> String {
    let bytes = Sha256::digest(text.as_bytes());
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}
