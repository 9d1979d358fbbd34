//! May this run go ahead now, and if not, why, and until when?
//!
//! [`judge`] is a pure function of the policy, of what people decided and of the time. It answers with every rule, in this order:
//!
//! | rule | holds | passed by |
//! |---|---|---|
//! | [`Frozen`](Rule::Frozen) | a person's freeze or, for automatic events, pause is on | rollback; a pause also by manual |
//! | [`KillSwitch`](Rule::KillSwitch) | `global.auto_deploy: false` | manual, rollback |
//! | [`EnvironmentEnabled`](Rule::EnvironmentEnabled) | the environment's `enabled: false` | — |
//! | [`ServiceEnabled`](Rule::ServiceEnabled) | the service's `enabled: false` | — |
//! | [`CommitBarred`](Rule::CommitBarred) | the commit failed here and was rolled back | rollback |
//! | [`Window`](Rule::Window) | outside of `deployment_windows`, or in a freeze of them | rollback, emergency override |
//! | [`EnvironmentAutoDeploy`](Rule::EnvironmentAutoDeploy) | the environment's `auto_deploy: false`; of a cluster run, the one of its configuration | manual, rollback |
//! | [`ServiceAutoDeploy`](Rule::ServiceAutoDeploy) | the service's `auto_deploy: false` | manual, rollback |
//! | [`Approval`](Rule::Approval) | `require_manual_approval` or `require_approval`, and approvals are missing | rollback |
//!
//! # The way back is never held
//!
//! A rollback passes every rule but `enabled`: whoever asks for the way back asks because something is broken now. A disabled environment
//! or service is not windlass's to touch, not even backwards.
//!
//! # Clusters
//!
//! A run that makes or removes a cluster is judged by the same rules, and concerns no service. Whether it may come by itself is said by the
//! cluster's own configuration ([`ClusterSwitch`]), where nothing written means no: machines cost money.
//!
//! # Several services in one run
//!
//! A run normally carries the whole overlay. A rule that holds single services then leaves *them* out, and their objects stay as they are;
//! the rest goes. The run is held where nobody is left, by the rule that left out the last. A person who names services
//! ([`ServiceScope::Named`]) gets all of them or none: one that is held holds the run. Approval is of the run as a whole: one service that
//! asks for it asks for all that go with it, because what is approved is one set of objects. A service without an entry in the policy
//! follows its environment.
//!
//! # Several rules at once
//!
//! The first rule that holds decides. A window opens by itself and an approval can be given meanwhile, so the judging goes on behind a closed
//! window, and the answer names everything that will still be waited for. Behind any other hold the rest is not reached. A rejection is
//! final and decides wherever it is reached.

mod approval;
mod hold;
mod judge;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::cluster::ClusterSwitch;
use super::control::DeployControl;
use crate::name::{Commit, Digest, EnvironmentName, ServiceName};
use crate::run::Trigger;

pub use judge::judge;

/// Everything that a judgement depends on.
#[derive(Debug, Clone)]
pub struct GateInput<'a> {
    /// The policy, as of the commit that is judged.
    pub control: &'a DeployControl,
    /// The environment that the run is for.
    pub environment: &'a EnvironmentName,
    /// The services that the run concerns; none of a run about a cluster.
    pub services: ServiceScope,
    /// `auto_deploy` of the cluster's configuration, where the run is about the cluster; it stands for the environment's.
    pub cluster: Option<&'a ClusterSwitch>,
    /// Why the run exists.
    pub trigger: Trigger,
    /// What it would apply.
    pub commit: &'a Commit,
    /// The commits that are barred in this environment.
    pub barred: &'a [BarredCommit],
    /// Freezes and pauses, of any scope; those that are over do not count.
    pub holds: &'a [PersonHold],
    /// An emergency override of the window, if one was given for this run.
    pub window_override: Option<&'a WindowOverride>,
    /// What approvers decided on this run.
    pub approvals: &'a [Approval],
    /// The digest of the rendered objects; `None` before they are rendered.
    pub digest: Option<&'a Digest>,
    /// Who asked for the run or made the change, in the spelling of `approvers`; `None`: nobody known.
    pub requester: Option<&'a str>,
    /// Who sent the event, as verified: what a sender says of the requester is only a claim. `None`: the event came without proof of identity.
    pub sender: Option<&'a str>,
    /// The instant of the judgement.
    pub now: Timestamp,
}

/// Which services a run concerns, and what it means when one of them is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServiceScope {
    /// The whole overlay: a held service is left out.
    Whole(BTreeSet<ServiceName>),
    /// These, by name: all or none.
    Named(BTreeSet<ServiceName>),
}

impl ServiceScope {
    /// The services.
    pub fn services(&self) -> &BTreeSet<ServiceName> {
        match self {
            Self::Whole(services) | Self::Named(services) => services,
        }
    }
}

/// A commit that failed in an environment and must not come back by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BarredCommit {
    /// The commit.
    pub commit: Commit,
    /// Why, such as "rolled back by r-17".
    pub reason: String,
}

/// A person's order that something stands still.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonHold {
    /// How much stands still.
    pub kind: HoldKind,
    /// Where.
    pub scope: HoldScope,
    /// Who ordered it.
    pub who: String,
    /// Why.
    pub reason: String,
    /// The first instant at which it no longer holds; `None`: until someone lifts it.
    pub until: Option<Timestamp>,
}

/// How much a person's hold stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldKind {
    /// Automatic and manual deployments.
    Freeze,
    /// Automatic deployments.
    Pause,
}

/// Where a person's hold applies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldScope {
    /// Everywhere.
    Everything,
    /// In one environment.
    Environment(EnvironmentName),
    /// For one service, in one environment or in all.
    Service {
        /// The environment; `None`: all.
        environment: Option<EnvironmentName>,
        /// The service.
        service: ServiceName,
    },
}

/// An emergency override: it passes the window, nothing else, and is audited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowOverride {
    /// Who gave it.
    pub who: String,
    /// Why; an override without a reason does not count.
    pub reason: String,
    /// Whether `who` has the right to give it, as the caller found.
    pub permitted: bool,
    /// The first instant at which it no longer counts; `None`: it counts for this run whenever it starts.
    pub until: Option<Timestamp>,
}

/// What one approver decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Who, verified by the caller.
    pub approver: String,
    /// Yes or no.
    pub decision: ApprovalDecision,
    /// The render that was looked at: the decision is void for any other.
    pub digest: Digest,
}

/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalDecision {
    /// Go ahead.
    Approved,
    /// Not this.
    Rejected,
}

/// A rule of the gate, in the order in which rules are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// No person has frozen or paused it.
    Frozen,
    /// Automatic deployment is on at all.
    KillSwitch,
    /// The environment is enabled.
    EnvironmentEnabled,
    /// The service is enabled.
    ServiceEnabled,
    /// The commit has not failed here.
    CommitBarred,
    /// A deployment window is open.
    Window,
    /// The environment takes automatic events.
    EnvironmentAutoDeploy,
    /// The service takes automatic events.
    ServiceAutoDeploy,
    /// Enough people approved.
    Approval,
}

impl Rule {
    /// Every rule, in order.
    pub const ALL: [Self; 9] = [
        Self::Frozen,
        Self::KillSwitch,
        Self::EnvironmentEnabled,
        Self::ServiceEnabled,
        Self::CommitBarred,
        Self::Window,
        Self::EnvironmentAutoDeploy,
        Self::ServiceAutoDeploy,
        Self::Approval,
    ];

    /// The rule's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Frozen => "frozen",
            Self::KillSwitch => "kill_switch",
            Self::EnvironmentEnabled => "environment_enabled",
            Self::ServiceEnabled => "service_enabled",
            Self::CommitBarred => "commit_barred",
            Self::Window => "window",
            Self::EnvironmentAutoDeploy => "environment_auto_deploy",
            Self::ServiceAutoDeploy => "service_auto_deploy",
            Self::Approval => "approval",
        }
    }

    /// Whether a hold by this rule leaves a run free to be rendered: it ends by itself or by consent, and consent needs the render.
    pub fn is_wait(self) -> bool {
        matches!(self, Self::Window | Self::Approval)
    }
}

/// What one rule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleVerdict {
    /// Nothing against it.
    Ok,
    /// It would hold, but not this kind of run, or it was overridden.
    PassedBy,
    /// It holds the run.
    Held,
    /// It ends the run.
    Refused,
    /// A rule before it ended the judging.
    NotReached,
}

/// Why a run is where it is: a word that stays the same over versions, for scripts and pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateCode {
    /// Nothing holds the run.
    Pass,
    /// A person froze it.
    Frozen,
    /// A person paused it.
    Paused,
    /// `global.auto_deploy` is false.
    KillSwitch,
    /// The policy has no such environment.
    EnvironmentUnknown,
    /// The environment is disabled.
    EnvironmentDisabled,
    /// Every service that was left, or one that was named, is disabled.
    ServiceDisabled,
    /// The commit is barred.
    CommitBarred,
    /// No window is open.
    WindowClosed,
    /// A freeze of the policy is on.
    WindowFreeze,
    /// The environment takes no automatic events.
    EnvironmentAutoDeployOff,
    /// The cluster's configuration lets no change be carried out without asking.
    ClusterAutoDeployOff,
    /// No service that was left takes automatic events.
    ServiceAutoDeployOff,
    /// Approvals are missing.
    ApprovalMissing,
    /// An approver said no.
    ApprovalRejected,
}

/// What one rule said, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleAnswer {
    /// The rule.
    pub rule: Rule,
    /// What it says.
    pub verdict: RuleVerdict,
    /// The line of the policy's file, if the rule stands there.
    pub line: Option<usize>,
    /// The same in words, without the rule's name.
    pub says: String,
}

/// Whether a service goes with the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceAnswer {
    /// The service.
    pub service: ServiceName,
    /// The rule that leaves it out, or, where services were named, holds the run; `None`: it goes.
    pub left_out_by: Option<Rule>,
    /// The line of the policy's file, if that rule stands there.
    pub line: Option<usize>,
    /// Why, in words; empty where it goes.
    pub says: String,
}

/// What the gate decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Go ahead.
    Pass,
    /// Park the run.
    Held,
    /// End the run.
    Refused,
}

/// An override that was used: to be audited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsedOverride {
    /// Who gave it.
    pub who: String,
    /// Why.
    pub reason: String,
    /// What it passed, in words.
    pub passed: String,
}

/// How the approvals of a run stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalState {
    /// How many different persons must approve.
    pub needed: usize,
    /// Who approved what would be applied now.
    pub approved_by: BTreeSet<String>,
    /// Who may approve; empty: everyone with the approver's role.
    pub approvers: BTreeSet<String>,
    /// Whether what was decided on was another render.
    pub void: BTreeSet<String>,
}

/// The gate's answer with its whole explanation. As JSON it is what machines get; [`GateAnswer::to_text`] is for people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateAnswer {
    /// The environment.
    pub environment: EnvironmentName,
    /// The instant of the judgement.
    pub at: Timestamp,
    /// What follows.
    pub decision: Decision,
    /// Why.
    pub code: GateCode,
    /// The rule that decides; `None` where nothing holds the run.
    pub deciding: Option<Rule>,
    /// When the deciding rule lets go by itself; `None`: never, or nothing holds.
    pub opens: Option<Timestamp>,
    /// The policy's file, which the lines are of.
    pub file: String,
    /// The zone in which times are best shown, by IANA name.
    pub timezone: String,
    /// Every rule, in order.
    pub rules: Vec<RuleAnswer>,
    /// Every service that the run concerns.
    pub services: Vec<ServiceAnswer>,
    /// How the approvals stand; `None` where none is asked for or the rule was not reached.
    pub approval: Option<ApprovalState>,
    /// The override that let the run pass a closed window, if one did.
    pub overridden: Option<UsedOverride>,
}

impl GateAnswer {
    /// Whether the run may be rendered now: it passes, or only a window and approvals stand in its way.
    pub fn may_render(&self) -> bool {
        self.decision != Decision::Refused
            && self.rules.iter().all(|answer| answer.verdict != RuleVerdict::Held || answer.rule.is_wait())
    }

    /// The services that go with the run.
    pub fn going(&self) -> impl Iterator<Item = &ServiceName> {
        self.services.iter().filter(|answer| answer.left_out_by.is_none()).map(|answer| &answer.service)
    }

    /// The services that are left out.
    pub fn left_out(&self) -> impl Iterator<Item = &ServiceAnswer> {
        self.services.iter().filter(|answer| answer.left_out_by.is_some())
    }

    /// What one rule said.
    pub fn rule(&self, rule: Rule) -> &RuleAnswer {
        self.rules.iter().find(|answer| answer.rule == rule).expect("an answer names every rule")
    }
}

macro_rules! display_word {
    ($($type:ty),*) => {$(
        impl std::fmt::Display for $type {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.as_str())
            }
        }
    )*};
}
display_word!(Rule, GateCode);

impl GateCode {
    /// Every code.
    pub const ALL: [Self; 15] = [
        Self::Pass,
        Self::Frozen,
        Self::Paused,
        Self::KillSwitch,
        Self::EnvironmentUnknown,
        Self::EnvironmentDisabled,
        Self::ServiceDisabled,
        Self::CommitBarred,
        Self::WindowClosed,
        Self::WindowFreeze,
        Self::EnvironmentAutoDeployOff,
        Self::ClusterAutoDeployOff,
        Self::ServiceAutoDeployOff,
        Self::ApprovalMissing,
        Self::ApprovalRejected,
    ];

    /// The code of a word.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == word)
    }

    /// The code's word, as in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Frozen => "frozen",
            Self::Paused => "paused",
            Self::KillSwitch => "kill_switch",
            Self::EnvironmentUnknown => "environment_unknown",
            Self::EnvironmentDisabled => "environment_disabled",
            Self::ServiceDisabled => "service_disabled",
            Self::CommitBarred => "commit_barred",
            Self::WindowClosed => "window_closed",
            Self::WindowFreeze => "window_freeze",
            Self::EnvironmentAutoDeployOff => "environment_auto_deploy_off",
            Self::ClusterAutoDeployOff => "cluster_auto_deploy_off",
            Self::ServiceAutoDeployOff => "service_auto_deploy_off",
            Self::ApprovalMissing => "approval_missing",
            Self::ApprovalRejected => "approval_rejected",
        }
    }
}
