//! What a pod asks for: the fault that one of its containers shows, and the numbers that go with it.
//!
//! A pod asks by the annotation `testbed/fault: NAME` on its template, or by an image whose tag is `NAME`, so that a
//! changed image alone is enough. A pod that asks for nothing starts, becomes ready and stops at once.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;

/// Something that goes wrong with a container, named as pods ask for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// `missing`, `repository-missing`: the registry answers 404.
    Missing,
    /// `forbidden`: the registry answers 401.
    Forbidden,
    /// `rate-limited`: the registry answers 429.
    RateLimited,
    /// `registry-down`: nobody listens at the registry's address.
    RegistryDown,
    /// `registry-unresolvable`: the registry's name has no address.
    RegistryUnresolvable,
    /// `never-pull`: the image is absent and the pull policy is `Never`.
    NeverPull,
    /// `command-missing`: the image has no such program.
    CommandMissing,
    /// `run-as-root`: the image runs as root and the pod forbids that.
    RunAsRoot,
    /// `mount-fails`: a volume cannot be mounted; only events say so.
    MountFails,
    /// `crash`: exits with `testbed/exit-code` (1) right after the start.
    Crash,
    /// `crash-late`: becomes ready and exits after `testbed/seconds` (6).
    CrashLate,
    /// `out-of-memory`: killed by the kernel right after the start.
    OutOfMemory,
    /// `exit-zero`: exits with 0 right after the start.
    ExitZero,
    /// `slow`: becomes ready after `testbed/seconds` (5); an init container runs that long.
    Slow,
    /// `never-ready`: runs, and nobody answers its readiness probe.
    NeverReady,
    /// `wrong-answer`: runs, and answers its readiness probe with `testbed/exit-code` (500) as HTTP status.
    WrongAnswer,
    /// `liveness-kills`: its liveness probe fails from the start.
    LivenessKills,
    /// `startup-fails`: its startup probe never passes.
    StartupFails,
    /// `slow-termination`: does not end when asked to, only when killed after its grace period.
    SlowTermination,
}

impl Fault {
    /// The fault of that name, if there is one.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "missing" | "repository-missing" => Self::Missing,
            "forbidden" => Self::Forbidden,
            "rate-limited" => Self::RateLimited,
            "registry-down" => Self::RegistryDown,
            "registry-unresolvable" => Self::RegistryUnresolvable,
            "never-pull" => Self::NeverPull,
            "command-missing" => Self::CommandMissing,
            "run-as-root" => Self::RunAsRoot,
            "mount-fails" => Self::MountFails,
            "crash" => Self::Crash,
            "crash-late" => Self::CrashLate,
            "out-of-memory" => Self::OutOfMemory,
            "exit-zero" => Self::ExitZero,
            "slow" => Self::Slow,
            "never-ready" => Self::NeverReady,
            "wrong-answer" => Self::WrongAnswer,
            "liveness-kills" => Self::LivenessKills,
            "startup-fails" => Self::StartupFails,
            "slow-termination" => Self::SlowTermination,
            _ => return None,
        })
    }

    /// Whether the container runs on even if it was meant to come to an end.
    pub(crate) fn outlives_its_work(self) -> bool {
        use Fault::{LivenessKills, NeverReady, SlowTermination, StartupFails, WrongAnswer};
        matches!(self, LivenessKills | NeverReady | SlowTermination | StartupFails | WrongAnswer)
    }

    /// Whether the pod keeps the times of a real kubelet. Being slow to become ready needs no more than its own time.
    pub(crate) fn keeps_recorded_times(self) -> bool {
        self != Self::Slow
    }
}

/// What the annotations of a pod say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    fault: Option<Fault>,
    container: Option<String>,
    /// `testbed/exit-code`
    pub(crate) exit_code: Option<i32>,
    /// `testbed/seconds`
    pub(crate) seconds: Option<Duration>,
    /// `testbed/times`: how many runs of the container show the fault, before one that does not.
    pub(crate) times: Option<usize>,
    /// `testbed/log`: what the container writes.
    pub(crate) log: Option<String>,
    /// `testbed/pace: recorded`: a pod with which nothing is wrong keeps the times of a real kubelet too.
    pub(crate) keeps_recorded_times: bool,
    /// `testbed/speed`: how many times faster than recorded everything about this pod happens.
    pub(crate) speed: Option<f64>,
}

impl Request {
    /// Reads the annotations of a pod.
    ///
    /// # Errors
    /// Says which annotation cannot be understood: a test that misspells a fault must not pass for lack of one.
    pub(crate) fn of(pod: &Pod) -> Result<Self, String> {
        let fault = match annotation(pod, "fault") {
            Some(name) => Some(Fault::named(name).ok_or(format!("testbed/fault: there is no `{name}`"))?),
            None => None,
        };
        Ok(Self {
            fault,
            container: annotation(pod, "container").map(str::to_owned),
            exit_code: number(pod, "exit-code")?,
            seconds: number(pod, "seconds")?.map(duration).transpose()?,
            times: number(pod, "times")?,
            log: annotation(pod, "log").map(str::to_owned),
            keeps_recorded_times: annotation(pod, "pace") == Some("recorded"),
            speed: number(pod, "speed")?.map(speed).transpose()?,
        })
    }

    /// The fault a container shows: by its image's tag, or by annotation when it is the container that
    /// `testbed/container` names (without it, the first that is not an init container).
    pub(crate) fn fault_of(&self, container: &str, image: &str, is_first: bool) -> Option<Fault> {
        let is_meant = self.container.as_deref().map_or(is_first, |name| name == container);
        self.fault.filter(|_| is_meant).or_else(|| Fault::named(crate::image::tag(image)?))
    }
}

fn annotation<'p>(pod: &'p Pod, name: &str) -> Option<&'p str> {
    let annotations = pod.metadata.annotations.as_ref()?;
    annotations.get(&format!("testbed/{name}")).map(|value| value.trim())
}

fn number<N: std::str::FromStr>(pod: &Pod, name: &str) -> Result<Option<N>, String> {
    annotation(pod, name)
        .map(|text| text.parse().map_err(|_| format!("testbed/{name}: `{text}` is not a number")))
        .transpose()
}

fn duration(seconds: f64) -> Result<Duration, String> {
    Duration::try_from_secs_f64(seconds).map_err(|error| format!("testbed/seconds: {error}"))
}

/// Far outside of this, moments would not fit into a duration.
fn speed(times: f64) -> Result<f64, String> {
    let is_usable = (0.01..=1000.0).contains(&times);
    is_usable.then_some(times).ok_or(format!("testbed/speed: {times} is not between 0.01 and 1000"))
}
