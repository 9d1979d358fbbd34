//! Counting approvals.

use std::collections::BTreeSet;

use super::{Approval, ApprovalDecision, ApprovalState, GateInput};
use crate::name::Digest;
use crate::policy::control::ApprovalPolicy;

/// What the approvals of a run come to.
pub(super) struct Count {
    pub(super) state: ApprovalState,
    /// Who said no to what would be applied now.
    pub(super) rejected_by: Option<String>,
    /// Approvals that do not count, in words.
    pub(super) notes: Vec<String>,
}

impl Count {
    pub(super) fn is_enough(&self) -> bool {
        self.state.approved_by.len() >= self.state.needed
    }
}

/// Counts who approved the render that would be applied, each person once.
///
/// Who asked for the run, or sent the event that did, cannot approve it unless `allow_self` says so, but can reject it: saying no to oneself needs no second pair of eyes.
pub(super) fn count(policy: &ApprovalPolicy, input: &GateInput<'_>) -> Count {
    let approvers = &policy.approvers.value;
    let state = ApprovalState {
        needed: policy.count.value,
        approved_by: BTreeSet::new(),
        approvers: approvers.clone(),
        void: BTreeSet::new(),
    };
    let mut count = Count { state, rejected_by: None, notes: Vec::new() };
    for approval in input.approvals {
        let who = &approval.approver;
        if !approvers.is_empty() && !approvers.contains(who) {
            count.notes.push(format!("{who} is not an approver"));
        } else if input.digest.is_none() {
            count.notes.push(format!("what {who} decided on must be rendered again first"));
        } else if input.digest != Some(&approval.digest) {
            count.notes.push(void(approval, input));
            count.state.void.insert(who.clone());
        } else if approval.decision == ApprovalDecision::Rejected {
            count.rejected_by.get_or_insert_with(|| who.clone());
        } else if [input.requester, input.sender].contains(&Some(who.as_str())) && !policy.allow_self.value {
            count.notes.push(format!("{who} asked for the run and cannot approve it"));
        } else {
            count.state.approved_by.insert(who.clone());
        }
    }
    count
}

fn void(approval: &Approval, input: &GateInput<'_>) -> String {
    let word = match approval.decision {
        ApprovalDecision::Approved => "approval",
        ApprovalDecision::Rejected => "rejection",
    };
    let now = input.digest.map_or("", Digest::short);
    format!("the {word} by {} is void: it was of {}, now {now}", approval.approver, approval.digest.short())
}
