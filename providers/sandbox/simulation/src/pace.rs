//! How fast a simulated kubelet works.

use std::time::Duration;

/// The times between the steps of a kubelet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// From taking up a pod to its network and sandbox.
    pub(crate) sandbox: Duration,
    /// Between an image that is there, a container made of it and the container's start.
    pub(crate) step: Duration,
    /// From the sandbox to the first look at what runs.
    pub(crate) first_look: Duration,
    /// Between two looks at what runs; only a look tells the kubelet what changed.
    pub(crate) look: Duration,
    /// From a synchronisation that failed to the next.
    pub(crate) retry: Duration,
    /// From seeing a container run to the first answer of its probe.
    pub(crate) probe: Duration,
    /// How long a container takes to end when asked to.
    pub(crate) stop: Duration,
    /// From the end of the last container to the pod being told finished or gone.
    pub(crate) cleanup: Duration,
}

impl Pace {
    /// As recorded from a real kubelet. It tries again after 10 to 15 s; the constant here stands for that.
    pub(crate) const RECORDED: Self = Self {
        sandbox: Duration::from_millis(400),
        step: Duration::from_millis(40),
        first_look: Duration::from_millis(450),
        look: Duration::from_secs(1),
        retry: Duration::from_secs(12),
        probe: Duration::from_millis(500),
        stop: Duration::from_millis(100),
        cleanup: Duration::from_millis(600),
    };

    /// For pods with which nothing is wrong: tests wait for many of them.
    pub(crate) const QUICK: Self = Self {
        sandbox: Duration::from_millis(15),
        step: Duration::from_millis(3),
        first_look: Duration::from_millis(20),
        look: Duration::from_millis(20),
        probe: Duration::from_millis(10),
        stop: Duration::from_millis(15),
        cleanup: Duration::from_millis(15),
        ..Self::RECORDED
    };
}
