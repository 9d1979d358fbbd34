//! Why a rollout does not become ready, from the first report that tells.
//!
//! A [`Rollout`] is fed with watch reports and answers a [`Verdict`] after each. It reads events as well as statuses (the event
//! comes first, and some causes are only in events), looks at pods of the new revision only, and never waits for a back-off state.
//! What it sees it *names* at once; it *gives up* when the [`Patience`] with the cause is over. Then it hands out a [`Diagnosis`].
//!
//! After everything was ready, a [`Soak`] watches on for what dies later. [`trapped_pods`] finds the pods that block a StatefulSet
//! after a rollback.
//!
//! The order in which statuses and events of one fact arrive is not defined (they come by different watches), so everything is
//! read from the latest state of an object together with its events, never from a transition.

mod cause;
mod concern;
mod container;
#[expect(clippy::module_inception, reason = "the file holds the value for which the folder is named")]
mod diagnosis;
mod event;
mod evidence;
mod exit;
mod finding;
mod headline;
mod hints;
mod likely;
mod message;
mod patience;
mod pod;
mod progress;
mod render;
mod report;
mod revision;
mod rollout;
mod scrub;
mod seen;
mod sighting;
mod soak;
mod trap;
mod verdict;
mod workload;

pub use cause::{Cause, UnknownCause};
pub use diagnosis::{
    ContainerRef, Diagnosis, Ended, EventLine, Exit, Hint, LOG_LINES, Likely, LogRequest, LogTail, Proof,
    Unfinished,
};
pub use exit::exit_words;
pub use finding::Named;
pub use likely::ChangedField;
pub use patience::{Allowance, Patience};
pub use progress::{ObjectProgress, PodProgress, Progress, WaitingOn};
pub use report::{Change, Report};
pub use rollout::{Rollout, Settings};
pub use scrub::scrub;
pub use soak::{Soak, SoakVerdict};
pub use trap::{TrappedPod, trapped_pods};
pub use verdict::Verdict;
pub use workload::refusal_cause;

#[cfg(test)]
mod replay;
#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "literals of JSON read best where they are used")]
mod tests;
