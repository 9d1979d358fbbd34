//! How long each cause is borne before the run gives up.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Cause;

/// What must happen before a cause, once named, ends the wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowance {
    /// Nothing: no retry mends it.
    AtOnce,
    /// It persists for this long.
    For(Duration),
    /// It happens this often in one container.
    Times(u32),
    /// The deadline of the object or of the run passes: it may mend itself, or it is not this change's fault.
    Deadline,
}

/// The patience with one service: the defaults of a situation, and what the service sets itself.
///
/// On a first release there is nothing to return to, and a crash or a missing object is often just order (the database comes up
/// after the service), so patience is longer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Patience {
    first_release: bool,
    overrides: BTreeMap<Cause, Duration>,
}

impl Patience {
    /// The defaults for an update of something that runs, or for a first release.
    pub fn new(first_release: bool) -> Patience {
        Patience { first_release, overrides: BTreeMap::new() }
    }

    /// The same with the durations that a service sets: `services.<service>.patience.<cause>` of deploy-control.yaml.
    /// A duration replaces a count: "after thirty seconds" instead of "at the second time".
    pub fn with(mut self, overrides: &BTreeMap<Cause, Duration>) -> Patience {
        self.overrides.extend(overrides);
        self
    }

    /// What is allowed of a cause.
    pub fn allowance(&self, cause: Cause) -> Allowance {
        match self.overrides.get(&cause) {
            Some(duration) => Allowance::For(*duration),
            None => self.default_allowance(cause),
        }
    }

    fn default_allowance(&self, cause: Cause) -> Allowance {
        use Allowance::{AtOnce, Deadline};
        match cause {
            Cause::ImageNotFound | Cause::ImageNameInvalid | Cause::ImageNeverPulled | Cause::ImageDenied => {
                if self.first_release {
                    seconds(30)
                } else {
                    AtOnce
                }
            }
            Cause::RegistryRateLimited | Cause::RegistryDown | Cause::ProbeNeverPasses | Cause::Timeout => {
                Deadline
            }
            Cause::Crash | Cause::InitFailed | Cause::LivenessKills | Cause::StartupKills => {
                Allowance::Times(if self.first_release { 4 } else { 2 })
            }
            Cause::ExitsWithZero | Cause::OutOfMemory => Allowance::Times(2),
            Cause::ConfigurationMissing => self.longer(5, 60),
            Cause::ContainerNotCreated => self.longer(30, 60),
            Cause::ImagePullFailed | Cause::Unschedulable | Cause::PodRefused => self.longer(60, 120),
            Cause::VolumePending | Cause::VolumeMountFailed => self.longer(90, 180),
            Cause::WebhookDown => seconds(30),
            Cause::CommandCannotStart
            | Cause::SecurityContextRefused
            | Cause::QuotaExceeded
            | Cause::LimitRangeRefused
            | Cause::PodSecurityRefused
            | Cause::AdmissionRefused
            | Cause::HealthyThenNot
            | Cause::JobFailed
            | Cause::DeadlineExceeded
            | Cause::Stalled
            | Cause::Gone => AtOnce,
        }
    }

    fn longer(&self, update: u64, first_release: u64) -> Allowance {
        seconds(if self.first_release { first_release } else { update })
    }
}

fn seconds(seconds: u64) -> Allowance {
    Allowance::For(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_release_is_borne_longer_but_never_shorter() {
        let weight = |allowance: Allowance| match allowance {
            Allowance::AtOnce => Duration::ZERO,
            Allowance::For(duration) => duration,
            Allowance::Times(times) => Duration::from_secs(u64::from(times)),
            Allowance::Deadline => Duration::MAX,
        };
        for cause in Cause::ALL {
            let (update, first) =
                (Patience::new(false).allowance(*cause), Patience::new(true).allowance(*cause));
            assert!(weight(first) >= weight(update), "{cause}");
        }
    }

    #[test]
    fn what_a_service_sets_replaces_the_default() {
        let overrides = BTreeMap::from([(Cause::Crash, Duration::from_secs(30))]);
        let patience = Patience::new(false).with(&overrides);
        assert_eq!(patience.allowance(Cause::Crash), Allowance::For(Duration::from_secs(30)));
        assert_eq!(patience.allowance(Cause::OutOfMemory), Allowance::Times(2));
    }
}
