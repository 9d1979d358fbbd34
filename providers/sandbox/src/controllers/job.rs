//! Jobs: pods that come to an end, so many of them.

use k8s_openapi::api::batch::v1::{Job, JobCondition, JobSpec, JobStatus, UncountedTerminatedPods};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::decision::{Decision, Moment, Told};
use super::pods::{self, count, later, unless_zero};
use super::view::{Subject, View, controller_reference, is_deleted, name_of, namespace_of, uid_of};
use super::{Controller, ownership};

/// Keeps a pod that has ended until it was counted.
const TRACKING: &str = "batch.kubernetes.io/job-tracking";
/// After a pod failed the next is made so many seconds later, then twice as many, up to the last.
const FIRST_DELAY: i64 = 10;
const LAST_DELAY: i64 = 600;

/// The controller of jobs.
#[derive(Debug)]
pub(crate) struct Jobs;

impl Controller for Jobs {
    fn name(&self) -> &'static str {
        "job-controller"
    }

    fn concerned(&self, object: &Value, _: &dyn View) -> Vec<Subject> {
        let subject = Subject::of_value(object);
        if subject.is::<Job>() {
            return vec![subject];
        }
        Subject::controller_of::<Job>(object).filter(|_| subject.is::<Pod>()).into_iter().collect()
    }

    fn decide(&self, subject: &Subject, view: &dyn View, moment: &Moment) -> Decision {
        let Some(job) = view.find::<Job>(&subject.namespace, &subject.name) else {
            return Decision::default();
        };
        let mut decision = Decision::default();
        let selector = job.spec.as_ref().and_then(|spec| spec.selector.clone()).unwrap_or_default();
        let pods = ownership::claim(&job, &selector, view, &mut decision);
        let status = job.status.clone().unwrap_or_default();
        let mut work = Work { job, pods, status, now: moment.now, decision };
        if work.end().is_some() {
            work.clean_up();
        } else {
            work.step(moment.refusal.is_some());
        }
        work.decision
    }
}

struct Work {
    job: Job,
    pods: Vec<Pod>,
    status: JobStatus,
    now: Timestamp,
    decision: Decision,
}

impl Work {
    fn spec(&self) -> &JobSpec {
        self.job.spec.as_ref().expect("the API server lets in no job without one")
    }

    fn is_suspended(&self) -> bool {
        self.spec().suspend == Some(true)
    }

    fn condition(&self, kind: &str) -> Option<&JobCondition> {
        let conditions = self.status.conditions.iter().flatten();
        conditions.into_iter().find(|condition| condition.type_ == kind && condition.status == "True")
    }

    /// When the job came to an end.
    fn end(&self) -> Option<Timestamp> {
        let end = self.condition("Complete").or_else(|| self.condition("Failed"))?;
        Some(end.last_transition_time.as_ref()?.0)
    }

    fn step(&mut self, was_refused: bool) {
        let before = self.status.clone();
        if self.status.start_time.is_none() && !self.is_suspended() {
            self.status.start_time = Some(Time(self.now));
        }
        self.count_ended();
        self.judge();
        if self.is_ending() {
            self.stop();
        } else if !was_refused && !is_deleted(&self.job) {
            self.keep_running();
            self.tell_whether_suspended();
        }
        let active: Vec<&Pod> = self.pods.iter().filter(|pod| pods::is_active(pod)).collect();
        let ready = count(active.iter().filter(|pod| pods::is_ready(pod)));
        let leaving = count(self.pods.iter().filter(|pod| is_deleted(*pod) && !pods::has_finished(pod)));
        self.status.active = unless_zero(count(&active));
        self.status.ready = Some(ready);
        self.status.terminating = Some(leaving);
        self.status.uncounted_terminated_pods = Some(UncountedTerminatedPods::default());
        let active = active.len();
        self.announce(&before);
        self.let_go();
        self.finish(active, leaving);
        if self.status != before {
            let status = self.status.clone();
            self.decision.status(&self.job, &status);
        }
    }

    /// Before pods that ended are counted and let go, the status names them: nothing is counted twice or lost should the controller die.
    fn announce(&mut self, before: &JobStatus) {
        let uids = |phase: &str| {
            let ended = self.pods.iter().filter(|pod| is_tracked(pod) && pods::phase(pod) == phase);
            let uids: Vec<String> = ended.map(|pod| uid_of(pod).to_owned()).collect();
            Some(uids).filter(|uids| !uids.is_empty())
        };
        let ended = UncountedTerminatedPods { succeeded: uids("Succeeded"), failed: uids("Failed") };
        if ended != UncountedTerminatedPods::default() {
            let status = JobStatus {
                succeeded: before.succeeded,
                failed: before.failed,
                uncounted_terminated_pods: Some(ended),
                ..self.status.clone()
            };
            self.decision.status(&self.job, &status);
        }
    }

    /// Counts the pods that have ended since the last time; the finalizer tells which were counted.
    fn count_ended(&mut self) {
        let (mut succeeded, mut failed) = (0, 0);
        for pod in self.pods.iter().filter(|pod| is_tracked(pod)) {
            match pods::phase(pod) {
                "Succeeded" => succeeded += 1,
                "Failed" => failed += 1,
                _ => {}
            }
        }
        self.status.succeeded = unless_zero(self.status.succeeded.unwrap_or_default() + succeeded);
        self.status.failed = unless_zero(self.status.failed.unwrap_or_default() + failed);
    }

    /// Finds out whether the job has failed.
    fn judge(&mut self) {
        if self.is_ending() {
            return;
        }
        let limit = self.spec().backoff_limit.unwrap_or(6);
        let restarts: i32 = self.pods.iter().filter(|pod| pods::is_active(pod)).map(restarts).sum();
        let restarts_in_place = self.restart_policy() == "OnFailure" && restarts > 0 && restarts >= limit;
        if self.status.failed.unwrap_or_default() > limit || restarts_in_place {
            return self.fail("BackoffLimitExceeded", "Job has reached the specified backoff limit");
        }
        let deadline = self.spec().active_deadline_seconds.filter(|_| !self.is_suspended());
        let Some((start, seconds)) = self.status.start_time.as_ref().zip(deadline) else { return };
        let at = later(start.0, seconds);
        if at <= self.now {
            self.fail("DeadlineExceeded", "Job was active longer than specified deadline");
        } else {
            self.decision.look_again(at);
        }
    }

    fn restart_policy(&self) -> &str {
        let spec = self.spec().template.spec.as_ref();
        spec.and_then(|spec| spec.restart_policy.as_deref()).unwrap_or("Never")
    }

    fn fail(&mut self, reason: &str, message: &str) {
        self.set_condition("FailureTarget", "True", reason, message);
    }

    fn is_ending(&self) -> bool {
        self.condition("FailureTarget").is_some() || self.condition("SuccessCriteriaMet").is_some()
    }

    fn stop(&mut self) {
        let active: Vec<Pod> = self.pods.iter().filter(|pod| pods::is_active(pod)).cloned().collect();
        for pod in active {
            self.delete(&pod);
        }
    }

    /// Makes the pods that are missing and takes those that are too many.
    fn keep_running(&mut self) {
        let active: Vec<Pod> = self.pods.iter().filter(|pod| pods::is_active(pod)).cloned().collect();
        let wanted = if self.is_suspended() { 0 } else { self.wanted(count(&active)) };
        let missing = wanted - count(&active);
        for pod in active.iter().take(missing.min(0).unsigned_abs() as usize) {
            self.delete(pod);
        }
        if missing > 0 {
            match self.delayed_until() {
                Some(at) if at > self.now => self.decision.look_again(at),
                _ => (0..missing).for_each(|_| self.create()),
            }
        }
        if wanted == 0 && active.is_empty() && self.has_all() {
            let message = "Reached expected number of succeeded pods";
            self.set_condition("SuccessCriteriaMet", "True", "CompletionsReached", message);
        }
    }

    /// How many pods should run: as many as may at once, never more than are still to succeed.
    fn wanted(&self, active: i32) -> i32 {
        let parallelism = self.spec().parallelism.unwrap_or(1);
        let succeeded = self.status.succeeded.unwrap_or_default();
        match self.completions() {
            Some(completions) => parallelism.min(completions - succeeded).max(0),
            // Once one has succeeded the others are only waited for.
            None if succeeded > 0 => active,
            None => parallelism,
        }
    }

    /// How many pods have to succeed; none where one success means the end of a queue.
    fn completions(&self) -> Option<i32> {
        let spec = self.spec();
        spec.completions.or_else(|| spec.parallelism.is_none().then_some(1))
    }

    fn has_all(&self) -> bool {
        let succeeded = self.status.succeeded.unwrap_or_default();
        self.completions().map_or(succeeded > 0, |completions| succeeded >= completions)
    }

    /// When the next pod may be made after the last ones failed.
    fn delayed_until(&self) -> Option<Timestamp> {
        let ends = self.pods.iter().filter(|pod| pods::has_finished(pod));
        let mut ends: Vec<(Timestamp, bool)> =
            ends.filter_map(|pod| Some((ended(pod)?, pods::phase(pod) == "Failed"))).collect();
        ends.sort();
        let failures = ends.iter().rev().take_while(|(_, failed)| *failed).count();
        let last = ends.last().filter(|_| failures > 0)?.0;
        let factor = 2_i64.saturating_pow(u32::try_from(failures - 1).unwrap_or(u32::MAX));
        Some(later(last, FIRST_DELAY.saturating_mul(factor).min(LAST_DELAY)))
    }

    fn create(&mut self) {
        let owner = controller_reference(&self.job);
        let mut pod = pods::from_template(&self.spec().template, namespace_of(&self.job), owner);
        pod.metadata.generate_name = Some(format!("{}-", name_of(&self.job)));
        pod.metadata.finalizers.get_or_insert_default().push(TRACKING.to_owned());
        let told = Told::about(&self.job)
            .done("SuccessfulCreate", "Created pod: {name}")
            .refused("FailedCreate", "Error creating: {error}");
        self.decision.create(&pod, Some(told));
    }

    fn delete(&mut self, pod: &Pod) {
        let told = Told::about(&self.job)
            .done("SuccessfulDelete", "Deleted pod: {name}")
            .refused("FailedDelete", "Error deleting: {error}");
        self.decision.delete(pod, Some(told));
    }

    fn tell_whether_suspended(&mut self) {
        let was_suspended = self.condition("Suspended").is_some();
        if self.is_suspended() && !was_suspended {
            self.set_condition("Suspended", "True", "JobSuspended", "Job suspended");
            self.decision.tell(&self.job, "Normal", "Suspended", "Job suspended".to_owned());
        } else if !self.is_suspended() && was_suspended {
            self.set_condition("Suspended", "False", "JobResumed", "Job resumed");
            self.decision.tell(&self.job, "Normal", "Resumed", "Job resumed".to_owned());
            self.status.start_time = Some(Time(self.now));
        }
    }

    /// Says that the job is over, once no pod of it runs any more.
    fn finish(&mut self, active: usize, leaving: i32) {
        if active > 0 || leaving > 0 {
            return;
        }
        if let Some(target) = self.condition("FailureTarget").cloned() {
            let (reason, message) = (target.reason.unwrap_or_default(), target.message.unwrap_or_default());
            self.set_condition("Failed", "True", &reason, &message);
            let reason = match reason.as_str() {
                "DeadlineExceeded" => "DeadlineExceeded",
                _ => "BackoffLimitExceeded",
            };
            self.decision.tell(&self.job, "Warning", reason, message);
        } else if self.condition("SuccessCriteriaMet").is_some() {
            let message = "Reached expected number of succeeded pods";
            self.set_condition("Complete", "True", "CompletionsReached", message);
            self.status.completion_time = Some(Time(self.now));
            self.decision.tell(&self.job, "Normal", "Completed", "Job completed".to_owned());
        }
    }

    /// Takes the finalizer from pods that were counted.
    fn let_go(&mut self) {
        for pod in self.pods.iter().filter(|pod| is_tracked(pod) && pods::has_finished(pod)) {
            let others = pod.metadata.finalizers.iter().flatten().filter(|one| *one != TRACKING);
            let finalizers: Vec<&String> = others.collect();
            self.decision.change(pod, json!({ "metadata": { "finalizers": finalizers } }));
        }
    }

    /// Deletes a job that has been over for `ttlSecondsAfterFinished`.
    fn clean_up(&mut self) {
        self.let_go();
        let lifetime = self.spec().ttl_seconds_after_finished;
        let Some((end, seconds)) = self.end().zip(lifetime).filter(|_| !is_deleted(&self.job)) else {
            return;
        };
        let at = later(end, i64::from(seconds));
        if at <= self.now {
            self.decision.delete_foreground(&self.job);
        } else {
            self.decision.look_again(at);
        }
    }

    fn set_condition(&mut self, kind: &str, status: &str, reason: &str, message: &str) {
        let conditions = self.status.conditions.get_or_insert_default();
        conditions.retain(|condition| condition.type_ != kind);
        conditions.push(JobCondition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: Some(reason.to_owned()),
            message: Some(message.to_owned()),
            last_probe_time: Some(Time(self.now)),
            last_transition_time: Some(Time(self.now)),
        });
    }
}

fn is_tracked(pod: &Pod) -> bool {
    pod.metadata.finalizers.iter().flatten().any(|finalizer| finalizer == TRACKING)
}

/// How often the containers of a pod were started again.
fn restarts(pod: &Pod) -> i32 {
    let Some(status) = &pod.status else { return 0 };
    let all = status.container_statuses.iter().chain(&status.init_container_statuses).flatten();
    all.map(|container| container.restart_count).sum()
}

/// When the last container of a pod ended.
fn ended(pod: &Pod) -> Option<Timestamp> {
    let statuses = pod.status.as_ref()?.container_statuses.iter().flatten();
    let ends =
        statuses.filter_map(|one| Some(one.state.as_ref()?.terminated.as_ref()?.finished_at.as_ref()?.0));
    ends.max().or_else(|| Some(pod.metadata.creation_timestamp.as_ref()?.0))
}

#[cfg(test)]
mod tests;
