//! What the reports about one object tell.

use jiff::Timestamp;

use super::Cause;
use super::scrub::scrub;

/// One cause, seen at one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sighting {
    pub(crate) cause: Cause,
    /// The container of the pod, where the cause is in one.
    pub(crate) container: Option<String>,
    /// How often it happened since the run began. Zero for a cause that has announced itself and not struck yet.
    pub(crate) times: u32,
    /// What Kubernetes says, without credentials.
    pub(crate) message: String,
    /// Whether it is only suspected: it is not named, but counts when its patience is over.
    pub(crate) is_suspicion: bool,
    /// Since when it has concerned an applied object.
    pub(crate) since: Option<Timestamp>,
    /// Whether it was handed out as named.
    pub(crate) is_named: bool,
}

impl Sighting {
    /// A cause seen once.
    pub(crate) fn new(cause: Cause, message: &str) -> Sighting {
        Sighting {
            cause,
            container: None,
            times: 1,
            message: scrub(message),
            is_suspicion: false,
            since: None,
            is_named: false,
        }
    }

    pub(crate) fn times(mut self, times: u32) -> Sighting {
        self.times = times;
        self
    }

    pub(crate) fn suspected(mut self) -> Sighting {
        self.is_suspicion = true;
        self
    }
}

/// Adds a sighting to those of the same object, so that one cause of one container is there once: an event and a status tell of
/// the same fact. The first message stays: events come first and hold the whole chain.
pub(crate) fn add(sightings: &mut Vec<Sighting>, new: Sighting) {
    match sightings.iter_mut().find(|known| known.cause == new.cause && known.container == new.container) {
        Some(known) => {
            known.times = known.times.max(new.times);
            known.is_suspicion &= new.is_suspicion;
            if known.message.is_empty() {
                known.message = new.message;
            }
        }
        None => sightings.push(new),
    }
}

/// Keeps since when each sighting has been there. One that vanishes and comes back starts anew.
pub(crate) fn keep_age(sightings: &mut [Sighting], before: &[Sighting]) {
    for sighting in sightings {
        let same = |known: &&Sighting| known.cause == sighting.cause && known.container == sighting.container;
        if let Some(known) = before.iter().find(same) {
            sighting.since = known.since;
            sighting.is_named = known.is_named;
        }
    }
}

/// Drops a vague cause where a precise one of the same container explains it.
pub(crate) fn drop_vague(sightings: &mut Vec<Sighting>) {
    const PULLS: [Cause; 6] = [
        Cause::ImageNotFound,
        Cause::ImageNameInvalid,
        Cause::ImageNeverPulled,
        Cause::ImageDenied,
        Cause::RegistryRateLimited,
        Cause::RegistryDown,
    ];
    const STARTS: [Cause; 4] = [
        Cause::CommandCannotStart,
        Cause::SecurityContextRefused,
        Cause::ConfigurationMissing,
        Cause::VolumeMountFailed,
    ];
    let explained = |vague: &Sighting, precise: &[Cause], all: &[Sighting]| {
        all.iter().any(|other| other.container == vague.container && precise.contains(&other.cause))
    };
    let all = sightings.clone();
    sightings.retain(|sighting| match sighting.cause {
        Cause::ImagePullFailed => !explained(sighting, &PULLS, &all),
        Cause::ContainerNotCreated => !explained(sighting, &STARTS, &all),
        _ => true,
    });
}
