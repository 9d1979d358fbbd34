//! Probes that do not pass.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Container as Specification, Probe};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::Moment;
use crate::container::End;
use crate::fault::{Fault, Request};
use crate::pod::{PodWorker, Severity, Step};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProbeKind {
    Readiness,
    Liveness,
    Startup,
}

impl ProbeKind {
    /// The probe that a fault makes fail.
    pub(crate) fn failing_with(fault: Fault) -> Option<Self> {
        match fault {
            Fault::NeverReady | Fault::WrongAnswer => Some(Self::Readiness),
            Fault::LivenessKills => Some(Self::Liveness),
            Fault::StartupFails => Some(Self::Startup),
            _ => None,
        }
    }

    fn of(self, container: &Specification) -> Option<&Probe> {
        match self {
            Self::Readiness => container.readiness_probe.as_ref(),
            Self::Liveness => container.liveness_probe.as_ref(),
            Self::Startup => container.startup_probe.as_ref(),
        }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Readiness => "readiness",
            Self::Liveness => "liveness",
            Self::Startup => "startup",
        }
    }
}

/// A probe that fails again and again while one run of a container lasts.
#[derive(Clone, Debug)]
pub(crate) struct Probing {
    pub(crate) kind: ProbeKind,
    pub(crate) period: Duration,
    /// How many failures end the run; a readiness probe never does.
    pub(crate) patience: Option<i32>,
    pub(crate) failures: i32,
    /// The number of the run it belongs to.
    pub(crate) run: usize,
    pub(crate) message: String,
    /// When it last failed.
    pub(crate) last: Moment,
}

impl Probing {
    pub(crate) fn new(
        fault: Fault,
        container: &Specification,
        request: &Request,
        ip: &str,
        run: usize,
    ) -> Option<Self> {
        let kind = ProbeKind::failing_with(fault)?;
        let declared = kind.of(container);
        let seconds = declared.and_then(|probe| probe.period_seconds).unwrap_or(10);
        let patience = declared.and_then(|probe| probe.failure_threshold).unwrap_or(3);
        let answer = declared.map(|probe| answer(probe, fault, request, ip, container)).unwrap_or_default();
        let mut word = kind.word().to_owned();
        word[..1].make_ascii_uppercase();
        Some(Self {
            kind,
            period: Duration::from_secs(u64::try_from(seconds).unwrap_or(10).max(1)),
            patience: (kind != ProbeKind::Readiness).then_some(patience),
            failures: 0,
            run,
            message: format!("{word} probe failed: {answer}"),
            last: Moment::ZERO,
        })
    }
}

impl PodWorker {
    /// Begins to probe containers that were seen to run for the first time.
    pub(crate) fn watch_probes(&mut self, at: Moment) {
        for (index, container) in self.containers.iter_mut().enumerate() {
            let run = container.runs_at(at).len();
            let is_watched = container.probing.as_ref().is_some_and(|probing| probing.run == run);
            if !container.is_running(at) || is_watched {
                continue;
            }
            if let Some(ready) = container.last_run(at).and_then(|run| run.ready).filter(|ready| *ready > at)
            {
                self.agenda.add(ready, Step::Refresh);
            }
            let Some(fault) = container.last_run(at).and_then(|run| run.fault) else { continue };
            container.probing = Probing::new(fault, &container.specification, &self.request, &self.ip, run);
            let is_readiness = container.probing.as_ref().is_some_and(|probing| probing.patience.is_none());
            // Readiness is asked as soon as the container is seen, the others within their first period.
            let first = if is_readiness { at } else { at + self.pace.probe };
            self.agenda.add(first, Step::Probe(index));
        }
    }

    /// A probe fails once more.
    pub(crate) fn probe(&mut self, at: Moment, index: usize) {
        let container = &mut self.containers[index];
        let (field_path, is_running) = (container.field_path(), container.is_running(at));
        let runs = container.runs_at(at).len();
        let Some(probing) = container.probing.as_mut().filter(|probing| is_running && probing.run == runs)
        else {
            return;
        };
        probing.failures += 1;
        probing.last = at;
        let (message, next) = (probing.message.clone(), at + probing.period);
        let is_over = probing.patience.is_some_and(|patience| probing.failures >= patience);
        if is_over {
            container.condemned = Some(probing.kind);
            self.demanded = Some(at);
        } else {
            self.agenda.add(next, Step::Probe(index));
        }
        self.tell_event(at, Severity::Warning, "Unhealthy", &message, Some(field_path));
    }

    /// Ends the containers that a probe condemned; returns when that is done.
    pub(crate) fn kill_condemned(&mut self, at: Moment) -> Moment {
        let grace = self.grace();
        let mut done = at;
        for index in 0..self.containers.len() {
            let container = &mut self.containers[index];
            let Some(kind) = container.condemned.take() else { continue };
            let (name, word) = (container.name(), kind.word());
            let message = format!("Container {name} failed {word} probe, will be restarted");
            let field_path = container.field_path();
            let (after, exit_code) = container.stops_after(grace, &self.pace);
            if let Some(run) = container.runs.last_mut() {
                run.end = Some(End::exited(at + after, exit_code));
            }
            done = done.max(at + after);
            self.tell_event(at, Severity::Normal, "Killing", &message, Some(field_path));
        }
        done
    }
}

/// What the kubelet quotes as the probe's answer: nobody listens, or an HTTP status; a command says nothing.
fn answer(probe: &Probe, fault: Fault, request: &Request, ip: &str, container: &Specification) -> String {
    if let Some(http) = &probe.http_get {
        if fault == Fault::WrongAnswer {
            return format!("HTTP probe failed with statuscode: {}", request.exit_code.unwrap_or(500));
        }
        let address = format!("{ip}:{}", port(&http.port, container));
        let scheme = http.scheme.as_deref().unwrap_or("HTTP").to_ascii_lowercase();
        let path = http.path.as_deref().unwrap_or("/");
        return format!(
            "Get \"{scheme}://{address}{path}\": dial tcp {address}: connect: connection refused"
        );
    }
    match &probe.tcp_socket {
        Some(tcp) => format!("dial tcp {ip}:{}: connect: connection refused", port(&tcp.port, container)),
        None => String::new(),
    }
}

fn port(port: &IntOrString, container: &Specification) -> String {
    match port {
        IntOrString::Int(number) => number.to_string(),
        IntOrString::String(name) => {
            let declared = container.ports.iter().flatten().find(|port| port.name.as_ref() == Some(name));
            declared.map_or(name.clone(), |port| port.container_port.to_string())
        }
    }
}
