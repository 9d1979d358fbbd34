//! The rules, one function each, and the order in which they are asked.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::approval;
use super::text::{list, opens_in_words};
use super::{
    ApprovalState, Decision, GateAnswer, GateCode, GateInput, Rule, RuleAnswer, RuleVerdict, ServiceAnswer,
    ServiceScope, UsedOverride,
};
use crate::name::ServiceName;
use crate::policy::cluster::ClusterSwitch;
use crate::policy::control::{EnvironmentPolicy, ServicePolicy};
use crate::policy::problem::{Place, Placed};
use crate::policy::window::WindowState;
use crate::run::Trigger;

/// Judges a run.
pub fn judge(input: &GateInput<'_>) -> GateAnswer {
    let Some(policy) = input.control.environments.get(input.environment) else {
        return unknown_environment(input);
    };
    let going = input.services.services().iter().collect();
    let mut court =
        Court { input, policy, going, left_out: BTreeMap::new(), approval: None, overridden: None };
    let mut findings = Vec::new();
    for rule in Rule::ALL {
        let finding = court.ask(rule);
        let ends = finding.verdict == RuleVerdict::Held && !rule.is_wait();
        findings.push((rule, finding));
        if ends {
            break;
        }
    }
    court.answer(findings)
}

/// What one rule found.
pub(super) struct Finding {
    verdict: RuleVerdict,
    code: GateCode,
    place: Option<Place>,
    says: String,
    opens: Option<Timestamp>,
}

impl Finding {
    pub(super) fn ok(place: Option<Place>, says: impl Into<String>) -> Self {
        Self { verdict: RuleVerdict::Ok, code: GateCode::Pass, place, says: says.into(), opens: None }
    }

    pub(super) fn held(code: GateCode, place: Option<Place>, says: impl Into<String>) -> Self {
        Self { verdict: RuleVerdict::Held, code, place, says: says.into(), opens: None }
    }

    /// The same, and when it lets go by itself: of use only while it holds.
    pub(super) fn until(self, opens: Option<Timestamp>) -> Self {
        let opens = opens.filter(|_| self.verdict == RuleVerdict::Held);
        Self { opens, ..self }
    }

    /// The same rule, but this run passes it.
    pub(super) fn passed_by(self, why: &str) -> Self {
        let says = format!("{}, but {why}", self.says);
        Self { verdict: RuleVerdict::PassedBy, code: GateCode::Pass, says, opens: None, ..self }
    }

    /// The same rule, passed by if there is a reason to.
    fn unless(self, why: Option<&str>) -> Self {
        match why {
            Some(why) if self.verdict == RuleVerdict::Held => self.passed_by(why),
            _ => self,
        }
    }
}

/// Why one service is held.
struct ServiceHold {
    rule: Rule,
    place: Option<Place>,
    says: String,
}

/// A judgement while it is made.
pub(super) struct Court<'a> {
    pub(super) input: &'a GateInput<'a>,
    policy: &'a EnvironmentPolicy,
    pub(super) going: BTreeSet<&'a ServiceName>,
    left_out: BTreeMap<&'a ServiceName, ServiceHold>,
    approval: Option<ApprovalState>,
    overridden: Option<UsedOverride>,
}

impl<'a> Court<'a> {
    fn ask(&mut self, rule: Rule) -> Finding {
        let control = self.input.control;
        match rule {
            Rule::Frozen => self.frozen(),
            Rule::KillSwitch => {
                let auto_deploy = &control.global.auto_deploy;
                self.automatic(auto_deploy, GateCode::KillSwitch, "`global.auto_deploy`")
            }
            Rule::EnvironmentEnabled => {
                let enabled = &self.policy.enabled;
                truth(enabled, GateCode::EnvironmentDisabled, "`enabled`")
            }
            Rule::ServiceEnabled => {
                let disabled =
                    self.services(|service| (!service.enabled.value).then_some(service.enabled.place));
                self.leave_out(rule, GateCode::ServiceDisabled, "disabled", disabled)
            }
            Rule::CommitBarred => self.barred().unless(self.rollback()),
            Rule::Window => self.window(),
            Rule::EnvironmentAutoDeploy => self.auto_deploy(),
            Rule::ServiceAutoDeploy => self.service_auto_deploy(),
            Rule::Approval => self.approved(),
        }
    }

    /// Why a rollback passes a rule, if this run is one.
    pub(super) fn rollback(&self) -> Option<&'static str> {
        (self.input.trigger == Trigger::Rollback).then_some("the way back is never held")
    }

    /// Why a run passes a rule that concerns automatic events only, if it does.
    pub(super) fn by_person(&self) -> Option<&'static str> {
        match self.input.trigger {
            Trigger::Automatic => None,
            Trigger::Manual => Some("a person asked for this run"),
            Trigger::Rollback => self.rollback(),
        }
    }

    /// A rule that concerns automatic events only.
    fn automatic(&self, value: &Placed<bool>, code: GateCode, key: &str) -> Finding {
        truth(value, code, key).unless(self.by_person())
    }

    /// The switch of the environment, or of the cluster that the run is about.
    fn auto_deploy(&self) -> Finding {
        if let Some(switch) = self.input.cluster {
            return cluster_switch(switch).unless(self.by_person());
        }
        let auto_deploy = &self.policy.auto_deploy;
        self.automatic(auto_deploy, GateCode::EnvironmentAutoDeployOff, "`auto_deploy`")
    }

    fn barred(&self) -> Finding {
        let commit = self.input.commit;
        match self.input.barred.iter().find(|barred| barred.commit == *commit) {
            None => Finding::ok(None, format!("{} is not barred", commit.short())),
            Some(barred) => {
                let says = format!("{} is barred here: {}", commit.short(), barred.reason);
                Finding::held(GateCode::CommitBarred, None, says)
            }
        }
    }

    fn window(&mut self) -> Finding {
        let windows = &self.policy.deployment_windows;
        let (now, zone) = (self.input.now, self.zone());
        let opens_words = |opens: Option<Timestamp>| match opens {
            Some(opens) => format!("opens {}", opens_in_words(opens, now, zone)),
            None => "does not open within 400 days".to_owned(),
        };
        let finding = match windows.state(now) {
            WindowState::Off => Finding::ok(Some(windows.enabled.place), "windows are switched off"),
            WindowState::Open { closes, window } => {
                let place = window.map_or(windows.enabled.place, |window| window.place);
                let closes = closes.map(|closes| format!("; closes {}", opens_in_words(closes, now, zone)));
                Finding::ok(Some(place), format!("open{}", closes.unwrap_or_default()))
            }
            WindowState::Closed { opens } => {
                let place = windows.weekly.first().map_or(windows.enabled.place, |window| window.place);
                let says = format!("closed; {}", opens_words(opens));
                Finding::held(GateCode::WindowClosed, Some(place), says).until(opens)
            }
            WindowState::Frozen { opens, freeze } => {
                let says = format!("frozen for {}; {}", freeze.value.reason, opens_words(opens));
                Finding::held(GateCode::WindowFreeze, Some(freeze.place), says).until(opens)
            }
        };
        self.overridden(finding.unless(self.rollback()))
    }

    /// Lets an emergency override pass a closed window, or says why it does not count.
    fn overridden(&mut self, finding: Finding) -> Finding {
        let given = self.input.window_override.filter(|_| finding.verdict == RuleVerdict::Held);
        let Some(given) = given else { return finding };
        let objection = if !given.permitted {
            Some(format!("{} may not override it", given.who))
        } else if given.reason.trim().is_empty() {
            Some("the override gives no reason".to_owned())
        } else if given.until.is_some_and(|until| until <= self.input.now) {
            Some(format!("the override by {} is over", given.who))
        } else {
            None
        };
        if let Some(objection) = objection {
            return Finding { says: format!("{}; {objection}", finding.says), ..finding };
        }
        let (who, reason) = (given.who.clone(), given.reason.clone());
        let why = format!("overridden by {who}: {reason} (recorded)");
        self.overridden = Some(UsedOverride { who, reason, passed: finding.says.clone() });
        finding.passed_by(&why)
    }

    fn service_auto_deploy(&mut self) -> Finding {
        let off = self.services(|service| (!service.auto_deploy.value).then_some(service.auto_deploy.place));
        match self.by_person() {
            Some(why) if !off.is_empty() => {
                let place = off.values().next().copied();
                let names = list(off.keys());
                let held = Finding::held(
                    GateCode::ServiceAutoDeployOff,
                    place,
                    format!("`auto_deploy` is false for {names}"),
                );
                held.passed_by(why)
            }
            _ => self.leave_out(
                Rule::ServiceAutoDeploy,
                GateCode::ServiceAutoDeployOff,
                "`auto_deploy` is false",
                off,
            ),
        }
    }

    fn approved(&mut self) -> Finding {
        let environment = &self.policy.require_manual_approval;
        let asking =
            self.services(|service| service.require_approval.value.then_some(service.require_approval.place));
        let place = if environment.value { Some(environment.place) } else { asking.values().next().copied() };
        let Some(place) = place else {
            return Finding::ok(Some(environment.place), "none asked for");
        };
        let by =
            if environment.value { String::new() } else { format!(", asked for by {}", list(asking.keys())) };
        let count = approval::count(&self.policy.approval, self.input);
        let (needed, given) = (count.state.needed, count.state.approved_by.len());
        let who = if count.state.approvers.is_empty() {
            "any approver".to_owned()
        } else {
            list(&count.state.approvers)
        };
        let mut says = format!("{given} of {needed} given{by}; may approve: {who}");
        for note in &count.notes {
            says = format!("{says}; {note}");
        }
        let finding = if let Some(rejector) = &count.rejected_by {
            let rejected =
                Finding::held(GateCode::ApprovalRejected, Some(place), format!("rejected by {rejector}"));
            match self.rollback() {
                Some(why) => rejected.passed_by(why),
                None => Finding { verdict: RuleVerdict::Refused, ..rejected },
            }
        } else if count.is_enough() {
            Finding::ok(Some(place), format!("approved by {}", list(&count.state.approved_by)))
        } else {
            Finding::held(GateCode::ApprovalMissing, Some(place), says).unless(self.rollback())
        };
        self.approval = Some(count.state);
        finding
    }

    pub(super) fn zone(&self) -> &'a crate::policy::window::Zone {
        &self.policy.deployment_windows.timezone.value
    }

    /// The services that still go and of which `test` finds something, with the place of it.
    fn services(&self, test: impl Fn(&ServicePolicy) -> Option<Place>) -> BTreeMap<&'a ServiceName, Place> {
        let policies = self.going.iter().filter_map(|name| Some((*name, self.policy.services.get(*name)?)));
        policies.filter_map(|(name, policy)| Some((name, test(policy)?))).collect()
    }

    fn leave_out(
        &mut self,
        rule: Rule,
        code: GateCode,
        says: &str,
        places: BTreeMap<&'a ServiceName, Place>,
    ) -> Finding {
        let holds = places.into_iter().map(|(name, place)| (name, (Some(place), says.to_owned()))).collect();
        self.leave_out_for(rule, code, says, holds)
    }

    /// Takes held services out of the run, or holds the run where that is not what was asked or nobody is left.
    pub(super) fn leave_out_for(
        &mut self,
        rule: Rule,
        code: GateCode,
        says: &str,
        holds: BTreeMap<&'a ServiceName, (Option<Place>, String)>,
    ) -> Finding {
        if holds.is_empty() {
            return Finding::ok(None, "no service is held");
        }
        let place = holds.values().find_map(|(place, _)| *place);
        let names = list(holds.keys());
        let only = if holds.len() == 1 { holds.values().next().map(|(_, own)| own.clone()) } else { None };
        for (name, (place, says)) in holds {
            self.going.remove(name);
            self.left_out.insert(name, ServiceHold { rule, place, says });
        }
        let says = only.unwrap_or_else(|| says.to_owned());
        if self.going.is_empty() || matches!(self.input.services, ServiceScope::Named(_)) {
            return Finding::held(code, place, format!("{names}: {says}"));
        }
        Finding::ok(place, format!("{names} left out: {says}"))
    }

    fn answer(self, findings: Vec<(Rule, Finding)>) -> GateAnswer {
        let refused = findings.iter().find(|(_, finding)| finding.verdict == RuleVerdict::Refused);
        let held = findings.iter().find(|(_, finding)| finding.verdict == RuleVerdict::Held);
        let deciding = refused.or(held);
        let decision = match deciding {
            None => Decision::Pass,
            Some((_, finding)) if finding.verdict == RuleVerdict::Refused => Decision::Refused,
            Some(_) => Decision::Held,
        };
        GateAnswer {
            environment: self.input.environment.clone(),
            at: self.input.now,
            decision,
            code: deciding.map_or(GateCode::Pass, |(_, finding)| finding.code),
            deciding: deciding.map(|(rule, _)| *rule),
            opens: deciding.and_then(|(_, finding)| finding.opens),
            file: self.input.control.file.clone(),
            timezone: self.zone().name().to_owned(),
            services: self.service_answers(),
            approval: self.approval,
            overridden: self.overridden,
            rules: rule_answers(findings),
        }
    }

    fn service_answers(&self) -> Vec<ServiceAnswer> {
        let answer = |service: &ServiceName| {
            let hold = self.left_out.get(service);
            ServiceAnswer {
                service: service.clone(),
                left_out_by: hold.map(|hold| hold.rule),
                line: hold.and_then(|hold| hold.place).map(|place| place.line),
                says: hold.map(|hold| hold.says.clone()).unwrap_or_default(),
            }
        };
        self.input.services.services().iter().map(answer).collect()
    }
}

/// A key that must be true.
fn truth(value: &Placed<bool>, code: GateCode, key: &str) -> Finding {
    let says = format!("{key} is {}", value.value);
    if value.value {
        Finding::ok(Some(value.place), says)
    } else {
        Finding::held(code, Some(value.place), says)
    }
}

/// `auto_deploy` of a cluster's configuration. It stands in another file than the places of the other answers, and names it.
fn cluster_switch(switch: &ClusterSwitch) -> Finding {
    let says = match switch.line {
        Some(line) => format!("`auto_deploy` is {} in {}:{line}", switch.auto_deploy, switch.file),
        None => format!("`auto_deploy` is not written in {}, so a person asks", switch.file),
    };
    if switch.auto_deploy {
        Finding::ok(None, says)
    } else {
        Finding::held(GateCode::ClusterAutoDeployOff, None, says)
    }
}

fn rule_answers(findings: Vec<(Rule, Finding)>) -> Vec<RuleAnswer> {
    let reached = findings.len();
    let answers = findings.into_iter().map(|(rule, Finding { verdict, place, says, .. })| RuleAnswer {
        rule,
        verdict,
        line: place.map(|place| place.line),
        says,
    });
    let rest = Rule::ALL[reached..].iter().map(|rule| RuleAnswer {
        rule: *rule,
        verdict: RuleVerdict::NotReached,
        line: None,
        says: String::new(),
    });
    answers.chain(rest).collect()
}

/// No rule can be asked about an environment that the policy does not have; waiting would not help.
fn unknown_environment(input: &GateInput<'_>) -> GateAnswer {
    let known = list(input.control.environments.keys());
    let refusal = Finding {
        verdict: RuleVerdict::Refused,
        ..Finding::held(
            GateCode::EnvironmentUnknown,
            None,
            format!("the policy has no environment `{}`; it has {known}", input.environment),
        )
    };
    let code = refusal.code;
    let mut rules = rule_answers(Vec::new());
    for answer in &mut rules {
        if answer.rule == Rule::EnvironmentEnabled {
            (answer.verdict, answer.says) = (refusal.verdict, refusal.says.clone());
        }
    }
    GateAnswer {
        environment: input.environment.clone(),
        at: input.now,
        decision: Decision::Refused,
        code,
        deciding: Some(Rule::EnvironmentEnabled),
        opens: None,
        file: input.control.file.clone(),
        timezone: "UTC".to_owned(),
        rules,
        services: Vec::new(),
        approval: None,
        overridden: None,
    }
}
