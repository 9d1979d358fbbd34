//! Freezes and pauses: what people ordered to stand still.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::judge::{Court, Finding};
use super::text::opens_in_words;
use super::{GateCode, HoldKind, HoldScope, PersonHold, Rule, ServiceScope};
use crate::name::ServiceName;

impl<'a> Court<'a> {
    /// No person has frozen or paused the run, or the services that it needs.
    pub(super) fn frozen(&mut self) -> Finding {
        let on = self.holds_of_the_run();
        if let Some(hold) = longest(on.iter().copied().filter(|hold| self.passes(hold).is_none())) {
            return self.in_words(hold);
        }
        let services = self.holds_of_services();
        if !services.is_empty() {
            return self.leave_out_held(services);
        }
        match longest(on.into_iter()) {
            Some(hold) => self.in_words(hold).passed_by(self.passes(hold).unwrap_or_default()),
            None => Finding::ok(None, "nobody froze or paused it"),
        }
    }

    fn on(&self) -> impl Iterator<Item = &'a PersonHold> {
        let now = self.input.now;
        self.input.holds.iter().filter(move |hold| hold.until.is_none_or(|until| now < until))
    }

    /// The holds that are on and concern the run as a whole.
    fn holds_of_the_run(&self) -> Vec<&'a PersonHold> {
        let concerns = |hold: &&PersonHold| match &hold.scope {
            HoldScope::Everything => true,
            HoldScope::Environment(name) => name == self.input.environment,
            HoldScope::Service { .. } => false,
        };
        self.on().filter(concerns).collect()
    }

    /// The services that a hold stops, each with the one that lasts longest.
    fn holds_of_services(&self) -> BTreeMap<&'a ServiceName, &'a PersonHold> {
        let stopping = |name: &ServiceName| {
            longest(self.on().filter(|hold| self.passes(hold).is_none()).filter(|hold| match &hold.scope {
                HoldScope::Service { environment, service } => {
                    service == name && environment.as_ref().is_none_or(|own| own == self.input.environment)
                }
                HoldScope::Everything | HoldScope::Environment(_) => false,
            }))
        };
        self.going.iter().filter_map(|name| Some((*name, stopping(name)?))).collect()
    }

    fn leave_out_held(&mut self, services: BTreeMap<&'a ServiceName, &'a PersonHold>) -> Finding {
        // A whole overlay goes as soon as the first of its services may; services that were named wait for the last.
        let mut ends = services.values().map(|hold| hold.until);
        let opens = match self.input.services {
            ServiceScope::Whole(_) => ends.flatten().min(),
            ServiceScope::Named(_) => ends.try_fold(Timestamp::MIN, |last, end| Some(last.max(end?))),
        };
        let is_frozen = services.values().any(|hold| hold.kind == HoldKind::Freeze);
        let code = if is_frozen { GateCode::Frozen } else { GateCode::Paused };
        let holds = services.into_iter().map(|(name, hold)| (name, (None, self.says(hold)))).collect();
        self.leave_out_for(Rule::Frozen, code, "stand still", holds).until(opens)
    }

    /// Why this run passes a hold, if it does.
    fn passes(&self, hold: &PersonHold) -> Option<&'static str> {
        match hold.kind {
            HoldKind::Freeze => self.rollback(),
            HoldKind::Pause => self.by_person(),
        }
    }

    fn in_words(&self, hold: &PersonHold) -> Finding {
        let code = match hold.kind {
            HoldKind::Freeze => GateCode::Frozen,
            HoldKind::Pause => GateCode::Paused,
        };
        Finding::held(code, None, self.says(hold)).until(hold.until)
    }

    fn says(&self, hold: &PersonHold) -> String {
        let word = match hold.kind {
            HoldKind::Freeze => "frozen",
            HoldKind::Pause => "paused",
        };
        let until = match hold.until {
            Some(until) => format!("until {}", opens_in_words(until, self.input.now, self.zone())),
            None => "until it is lifted".to_owned(),
        };
        format!("{word} by {} {until}: {}", hold.who, hold.reason)
    }
}

/// The hold that lasts longest; one without an end outlasts all.
fn longest<'a>(holds: impl Iterator<Item = &'a PersonHold>) -> Option<&'a PersonHold> {
    holds.max_by_key(|hold| hold.until.unwrap_or(Timestamp::MAX))
}
