//! The end of a pod: it is done, or it was deleted.

use k8s_openapi::api::core::v1::{ContainerState, ContainerStateTerminated, Pod, PodStatus};

use crate::Moment;
use crate::container::End;
use crate::pod::{Effect, Life, PodWorker, Severity, Step};

impl PodWorker {
    /// Takes note of a changed pod: a deletion stops it.
    pub fn update(&mut self, pod: Pod, now: Moment) {
        let is_deleted = pod.metadata.deletion_timestamp.is_some();
        self.pod = pod;
        if is_deleted && matches!(self.life, Life::Living | Life::Finishing) {
            self.delete(now);
        }
    }

    /// Whether nothing of the pod runs or will run again by itself.
    pub(crate) fn is_finished(&self, now: Moment) -> bool {
        let is_over = |index: usize| {
            let container = &self.containers[index];
            let has_ended = container.last_run(now).is_some_and(|run| run.end_before(now).is_some());
            has_ended && !self.is_to_be_started(container, now)
        };
        let (init, main): (Vec<usize>, Vec<usize>) = (0..self.containers.len())
            .partition(|index| self.containers[*index].role != crate::container::Role::Main);
        let init_failed =
            init.into_iter().any(|index| is_over(index) && !self.containers[index].has_completed(now));
        init_failed || (!main.is_empty() && main.into_iter().all(is_over))
    }

    /// All that is to run has run: the pod is told finished when its sandbox is gone.
    pub(crate) fn finish(&mut self, now: Moment) {
        self.life = Life::Finishing;
        self.agenda.add(now + self.pace.cleanup, Step::Ended);
    }

    fn delete(&mut self, now: Moment) {
        let was_finishing = self.life == Life::Finishing;
        self.life = Life::Deleted;
        self.agenda.retain(|at, step| at <= now && matches!(step, Step::Tell(_)));
        self.seen = now;
        let has_run = self.containers.iter().any(|container| container.last_run(now).is_some());
        if !has_run {
            self.delete_unstarted(now);
            return;
        }
        if !was_finishing {
            self.tell_status(now);
        }
        let ended = self.stop_containers(now);
        self.agenda.add(ended, Step::Ended);
        self.agenda.add(ended + self.pace.cleanup, Step::Tell(Effect::Gone));
    }

    /// Asks every running container to stop; returns when the last one has.
    fn stop_containers(&mut self, now: Moment) -> Moment {
        let grace = self.grace();
        let mut ended = now;
        for index in 0..self.containers.len() {
            let container = &mut self.containers[index];
            if !container.is_running(now) {
                continue;
            }
            let (after, exit_code) = container.stops_after(grace, &self.pace);
            if let Some(run) = container.runs.last_mut() {
                run.end = Some(End::exited(now + after, exit_code));
            }
            ended = ended.max(now + after);
            let message = format!("Stopping container {}", container.name());
            let field_path = container.field_path();
            self.tell_event(now, Severity::Normal, "Killing", &message, Some(field_path));
        }
        ended
    }

    /// A pod that never ran a container: the kubelet forgets why, and then does not know its containers any more.
    fn delete_unstarted(&mut self, now: Moment) {
        for container in &mut self.containers {
            container.waiting = None;
        }
        self.tell_status(now);
        self.agenda.add(now + self.pace.stop, Step::SandboxGone);
        let gone = now + self.pace.cleanup;
        let mut status = self.status(now);
        status.phase = Some("Failed".to_owned());
        let sandbox =
            status.conditions.iter_mut().flatten().find(|one| one.type_ == "PodReadyToStartContainers");
        if let Some(sandbox) = sandbox {
            "False".clone_into(&mut sandbox.status);
        }
        for container in
            status.container_statuses.iter_mut().chain(&mut status.init_container_statuses).flatten()
        {
            container.state =
                Some(ContainerState { terminated: Some(unknown()), ..ContainerState::default() });
        }
        self.agenda.add(gone, Step::Tell(Effect::Status(Box::new(status))));
        self.agenda.add(gone, Step::Tell(Effect::Gone));
    }

    /// Tells the final phase.
    pub(crate) fn tell_end(&mut self, at: Moment) {
        self.seen = at;
        if self.life == Life::Finishing {
            self.life = Life::Over;
        }
        self.sandbox = None;
        let status = PodStatus { phase: Some(self.final_phase(at).to_owned()), ..self.status(at) };
        self.tell(at, status);
    }

    pub(crate) fn final_phase(&self, now: Moment) -> &'static str {
        let runs = self.containers.iter().filter_map(|container| container.last_run(now));
        let failed = runs.filter_map(|run| run.end_before(now)).any(|end| end.exit_code != 0);
        if failed { "Failed" } else { "Succeeded" }
    }
}

fn unknown() -> ContainerStateTerminated {
    ContainerStateTerminated {
        exit_code: 137,
        reason: Some("ContainerStatusUnknown".to_owned()),
        message: Some("The container could not be located when the pod was terminated".to_owned()),
        ..ContainerStateTerminated::default()
    }
}
