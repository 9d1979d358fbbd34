//! One container: its runs, what the kubelet remembers about it, and how it behaves.

use std::time::Duration;

use k8s_openapi::api::core::v1::Container as Specification;

use crate::Moment;
use crate::backoff::BackOff;
use crate::fault::{Fault, Request};
use crate::pace::Pace;
use crate::probe::{ProbeKind, Probing};

/// How soon a container that crashes at once does so: before anyone looks.
const AT_ONCE: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(crate) struct Container {
    pub(crate) specification: Specification,
    pub(crate) role: Role,
    pub(crate) runs: Vec<Run>,
    /// Why the kubelet could not start it the last time it tried.
    pub(crate) waiting: Option<Waiting>,
    pub(crate) pulls: BackOff,
    pub(crate) restarts: BackOff,
    pub(crate) probing: Option<Probing>,
    /// The probe that decided that this run must end.
    pub(crate) condemned: Option<ProbeKind>,
    fault: Option<Fault>,
    shown: usize,
}

/// When a container runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Before the others, to its end.
    Init,
    /// Before the others, and on with them.
    Sidecar,
    Main,
}

/// The state that a container which is not running is said to wait in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) reason: &'static str,
    pub(crate) message: String,
}

/// One life of a container.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// `None` when the runtime could not start it.
    pub(crate) started: Option<Moment>,
    pub(crate) created: Moment,
    pub(crate) end: Option<End>,
    /// When its probes first answer well, if they ever do.
    pub(crate) ready: Option<Moment>,
    pub(crate) fault: Option<Fault>,
    pub(crate) output: String,
}

#[derive(Clone, Debug)]
pub(crate) struct End {
    pub(crate) at: Moment,
    pub(crate) exit_code: i32,
    pub(crate) reason: &'static str,
    pub(crate) message: Option<String>,
}

impl End {
    pub(crate) fn exited(at: Moment, exit_code: i32) -> Self {
        let reason = if exit_code == 0 { "Completed" } else { "Error" };
        Self { at, exit_code, reason, message: None }
    }
}

impl Run {
    pub(crate) fn end_before(&self, moment: Moment) -> Option<&End> {
        self.end.as_ref().filter(|end| end.at <= moment)
    }

    pub(crate) fn is_running(&self, moment: Moment) -> bool {
        self.started.is_some_and(|started| started <= moment) && self.end_before(moment).is_none()
    }
}

impl Container {
    pub(crate) fn new(specification: Specification, role: Role, fault: Option<Fault>) -> Self {
        Self {
            specification,
            role,
            runs: Vec::new(),
            waiting: None,
            pulls: BackOff::default(),
            restarts: BackOff::default(),
            probing: None,
            condemned: None,
            fault,
            shown: 0,
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.specification.name
    }

    pub(crate) fn image(&self) -> &str {
        self.specification.image.as_deref().unwrap_or_default()
    }

    /// The path by which events name a container.
    pub(crate) fn field_path(&self) -> String {
        let list = if self.role == Role::Main { "containers" } else { "initContainers" };
        format!("spec.{list}{{{}}}", self.name())
    }

    /// The fault it shows now: none once it was shown as often as asked for.
    pub(crate) fn fault(&self, request: &Request) -> Option<Fault> {
        self.fault.filter(|_| request.times.is_none_or(|times| self.shown < times))
    }

    pub(crate) fn show_fault(&mut self) {
        self.shown += 1;
    }

    /// Runs that exist at that moment, the last one last.
    pub(crate) fn runs_at(&self, moment: Moment) -> &[Run] {
        let known = self.runs.iter().take_while(|run| run.created <= moment).count();
        &self.runs[..known]
    }

    pub(crate) fn last_run(&self, moment: Moment) -> Option<&Run> {
        self.runs_at(moment).last()
    }

    /// When the last run that is over ended.
    pub(crate) fn last_end(&self, moment: Moment) -> Option<Moment> {
        self.runs_at(moment).iter().rev().find_map(|run| run.end_before(moment)).map(|end| end.at)
    }

    pub(crate) fn is_running(&self, moment: Moment) -> bool {
        self.last_run(moment).is_some_and(|run| run.is_running(moment))
    }

    /// Whether it did what an init container is for.
    pub(crate) fn has_completed(&self, moment: Moment) -> bool {
        let end = self.last_run(moment).and_then(|run| run.end_before(moment));
        end.is_some_and(|end| end.exit_code == 0)
    }

    /// The run that begins at `started`, with its whole future as far as nobody interferes.
    pub(crate) fn begin(&mut self, started: Moment, runs_to_end: bool, pace: &Pace, request: &Request) {
        let fault = self.fault(request);
        if fault.is_some() {
            self.show_fault();
        }
        let end = end_of(fault, runs_to_end, request).map(|(after, exit_code)| End {
            reason: if fault == Some(Fault::OutOfMemory) {
                "OOMKilled"
            } else {
                End::exited(started, exit_code).reason
            },
            ..End::exited(started + after, exit_code)
        });
        let is_probed =
            self.specification.readiness_probe.is_some() || self.specification.startup_probe.is_some();
        let ready = match fault {
            Some(Fault::NeverReady | Fault::WrongAnswer | Fault::StartupFails) => None,
            Some(Fault::Slow) if !runs_to_end => {
                Some(started + request.seconds.unwrap_or(Duration::from_secs(5)))
            }
            _ if is_probed => Some(started + pace.first_look + pace.probe),
            _ => Some(started),
        };
        self.waiting = None;
        self.runs.push(Run {
            started: Some(started),
            created: started,
            end,
            ready,
            fault,
            output: output(fault, request),
        });
    }

    /// How long it takes to end when it is asked to, and with which exit code.
    pub(crate) fn stops_after(&self, grace: Duration, pace: &Pace) -> (Duration, i32) {
        match self.runs.last().and_then(|run| run.fault) {
            Some(Fault::SlowTermination | Fault::LivenessKills | Fault::StartupFails) => {
                // The kubelet waits for two seconds at least before it kills.
                (grace.max(Duration::from_secs(2)) + pace.stop, 137)
            }
            _ => (pace.stop, 0),
        }
    }
}

/// After how long a container ends by itself, and with which exit code.
fn end_of(fault: Option<Fault>, runs_to_end: bool, request: &Request) -> Option<(Duration, i32)> {
    let failure = request.exit_code.unwrap_or(1);
    match fault {
        Some(Fault::Crash) => Some((AT_ONCE, failure)),
        Some(Fault::CrashLate) => Some((request.seconds.unwrap_or(Duration::from_secs(6)), failure)),
        Some(Fault::OutOfMemory) => Some((AT_ONCE, 137)),
        Some(Fault::ExitZero) => Some((AT_ONCE, 0)),
        Some(Fault::Slow) if runs_to_end => Some((request.seconds.unwrap_or(Duration::from_secs(5)), 0)),
        Some(fault) if fault.outlives_its_work() => None,
        _ => runs_to_end.then_some((Duration::from_millis(5), 0)),
    }
}

fn output(fault: Option<Fault>, request: &Request) -> String {
    let text = request.log.as_deref().unwrap_or(match fault {
        Some(Fault::Crash) => "starting\nfatal: no database",
        Some(Fault::CrashLate) => "up\npanic: lost it",
        Some(Fault::ExitZero) => "done",
        Some(Fault::OutOfMemory) => "",
        _ => "started",
    });
    text.lines().flat_map(|line| [line, "\n"]).collect()
}
