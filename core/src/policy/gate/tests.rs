use super::*;
use proptest::prelude::*;

/// `prod` with two services, closed outside of office hours, approved by dana or sam.
const POLICY: &str = "\
global:
  auto_deploy: true
environments:
  prod:
    enabled: true
    auto_deploy: true
    require_manual_approval: false
    deployment_windows:
      enabled: false
      timezone: Europe/Berlin
      allowed_days: [mon, tue, wed, thu, fri]
      allowed_hours: {from: 09:00, to: 17:00}
      freezes:
        - {from: 2026-12-23, until: 2027-01-03, reason: holidays}
    approval:
      approvers: [dana, sam]
    services:
      api:
        enabled: true
        auto_deploy: true
        require_approval: false
        rollback_on_failure: true
      web:
        enabled: true
        auto_deploy: true
        require_approval: false
        rollback_on_failure: true
";

const WINDOWS_ON: (&str, &str) = ("windows:\n      enabled: false", "windows:\n      enabled: true");
const KILLED: (&str, &str) = ("global:\n  auto_deploy: true", "global:\n  auto_deploy: false");
const DISABLED: (&str, &str) = ("prod:\n    enabled: true", "prod:\n    enabled: false");
const NO_AUTO: (&str, &str) =
    ("auto_deploy: true\n    require_manual", "auto_deploy: false\n    require_manual");
const NO_API: (&str, &str) = ("api:\n        enabled: true", "api:\n        enabled: false");
const NO_WEB: (&str, &str) = ("web:\n        enabled: true", "web:\n        enabled: false");
const API_BY_HAND: (&str, &str) = (
    "api:\n        enabled: true\n        auto_deploy: true",
    "api:\n        enabled: true\n        auto_deploy: false",
);
const WEB_BY_HAND: (&str, &str) = (
    "web:\n        enabled: true\n        auto_deploy: true",
    "web:\n        enabled: true\n        auto_deploy: false",
);
const APPROVED: (&str, &str) = ("require_manual_approval: false", "require_manual_approval: true");
const API_APPROVED: (&str, &str) = ("        require_approval: false", "        require_approval: true");
const TWO_OF_TWO: (&str, &str) = ("approvers: [dana, sam]", "approvers: [dana, sam]\n      count: 2");
const ALLOW_SELF: (&str, &str) = ("approvers: [dana, sam]", "approvers: [dana, sam]\n      allow_self: true");

/// A Friday at 18:57 in Berlin: the window has closed.
const FRIDAY_EVENING: &str = "2026-11-20T17:57:00Z";
/// The Monday after, at 10:00.
const MONDAY_MORNING: &str = "2026-11-23T09:00:00Z";

/// A case: the policy with some edits, and everything else that a judgement takes.
#[derive(Debug, Clone)]
struct Case {
    control: DeployControl,
    environment: EnvironmentName,
    services: ServiceScope,
    cluster: Option<ClusterSwitch>,
    trigger: Trigger,
    commit: Commit,
    barred: Vec<BarredCommit>,
    holds: Vec<PersonHold>,
    window_override: Option<WindowOverride>,
    approvals: Vec<Approval>,
    digest: Option<Digest>,
    requester: Option<String>,
    sender: Option<String>,
    now: Timestamp,
}

fn service(name: &str) -> ServiceName {
    name.parse().unwrap()
}

fn both() -> BTreeSet<ServiceName> {
    ["api", "web"].map(service).into_iter().collect()
}

fn case(trigger: Trigger, edits: &[(&str, &str)]) -> Case {
    let text = edits.iter().fold(POLICY.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "nothing to replace: {from}");
        text.replacen(from, to, 1)
    });
    Case {
        control: DeployControl::parse("deploy-control.yaml", &text)
            .unwrap_or_else(|problems| panic!("{}", problems.render())),
        environment: "prod".parse().unwrap(),
        services: ServiceScope::Whole(both()),
        cluster: None,
        trigger,
        commit: Commit::new("4e1a9b2c"),
        barred: Vec::new(),
        holds: Vec::new(),
        window_override: None,
        approvals: Vec::new(),
        digest: Some(Digest::of(b"new")),
        requester: Some("kim".to_owned()),
        sender: None,
        now: MONDAY_MORNING.parse().unwrap(),
    }
}

impl Case {
    fn judge(&self) -> GateAnswer {
        judge(&GateInput {
            control: &self.control,
            environment: &self.environment,
            services: self.services.clone(),
            cluster: self.cluster.as_ref(),
            trigger: self.trigger,
            commit: &self.commit,
            barred: &self.barred,
            holds: &self.holds,
            window_override: self.window_override.as_ref(),
            approvals: &self.approvals,
            digest: self.digest.as_ref(),
            requester: self.requester.as_deref(),
            sender: self.sender.as_deref(),
            now: self.now,
        })
    }

    fn at(mut self, now: &str) -> Self {
        self.now = now.parse().unwrap();
        self
    }

    /// A run about the cluster, whose configuration says this.
    fn of_cluster(mut self, auto_deploy: Option<bool>) -> Self {
        self.services = ServiceScope::Whole(BTreeSet::new());
        let (file, line) = ("cluster-config.yaml".to_owned(), auto_deploy.map(|_| 7));
        self.cluster = Some(ClusterSwitch { file, line, auto_deploy: auto_deploy.unwrap_or(false) });
        self
    }

    fn with_hold(mut self, kind: HoldKind, scope: HoldScope) -> Self {
        let (who, reason) = ("dana".to_owned(), "incident".to_owned());
        self.holds.push(PersonHold { kind, scope, who, reason, until: None });
        self
    }

    fn with_override(mut self, permitted: bool, reason: &str) -> Self {
        let (who, reason) = ("sam".to_owned(), reason.to_owned());
        self.window_override = Some(WindowOverride { who, reason, permitted, until: None });
        self
    }

    fn barring(mut self) -> Self {
        self.barred
            .push(BarredCommit { commit: self.commit.clone(), reason: "rolled back by r-16".to_owned() });
        self
    }

    fn decided(mut self, approver: &str, decision: ApprovalDecision, render: &str) -> Self {
        let digest = Digest::of(render.as_bytes());
        self.approvals.push(Approval { approver: approver.to_owned(), decision, digest });
        self
    }

    fn approved_by(self, approver: &str) -> Self {
        self.decided(approver, ApprovalDecision::Approved, "new")
    }

    /// The decision, its code, and for the rule that the code belongs to its line.
    #[track_caller]
    fn check(self, decision: Decision, code: GateCode) -> GateAnswer {
        let answer = self.judge();
        assert_eq!((answer.decision, answer.code), (decision, code), "{}", answer.to_text());
        answer
    }

    #[track_caller]
    fn passes(self) -> GateAnswer {
        self.check(Decision::Pass, GateCode::Pass)
    }

    #[track_caller]
    fn held(self, code: GateCode) -> GateAnswer {
        self.check(Decision::Held, code)
    }
}

fn verdicts(answer: &GateAnswer) -> String {
    let word = |answer: &RuleAnswer| match answer.verdict {
        RuleVerdict::Ok => "o",
        RuleVerdict::PassedBy => "p",
        RuleVerdict::Held => "H",
        RuleVerdict::Refused => "R",
        RuleVerdict::NotReached => "-",
    };
    answer.rules.iter().map(word).collect()
}

use Trigger::{Automatic, Manual, Rollback};

#[test]
fn with_nothing_against_it_every_run_passes() {
    for trigger in [Automatic, Manual, Rollback] {
        let answer = case(trigger, &[]).passes();
        assert_eq!(verdicts(&answer), "ooooooooo");
        assert_eq!(answer.going().count(), 2);
        assert!(answer.may_render());
    }
}

#[test]
fn a_freeze_holds_all_but_the_way_back() {
    let frozen = |trigger| case(trigger, &[]).with_hold(HoldKind::Freeze, HoldScope::Everything);
    let answer = frozen(Automatic).held(GateCode::Frozen);
    assert_eq!(verdicts(&answer), "H--------");
    assert!(!answer.may_render());
    assert_eq!(answer.rule(Rule::Frozen).says, "frozen by dana until it is lifted: incident");
    frozen(Manual).held(GateCode::Frozen);
    assert_eq!(verdicts(&frozen(Rollback).passes()), "poooooooo");
}

#[test]
fn a_pause_holds_automatic_runs_only() {
    let here = HoldScope::Environment("prod".parse().unwrap());
    case(Automatic, &[]).with_hold(HoldKind::Pause, here.clone()).held(GateCode::Paused);
    case(Manual, &[]).with_hold(HoldKind::Pause, here.clone()).passes();
    case(Rollback, &[]).with_hold(HoldKind::Pause, here).passes();
}

#[test]
fn a_pause_does_not_hide_a_freeze() {
    let answer = case(Manual, &[])
        .with_hold(HoldKind::Pause, HoldScope::Everything)
        .with_hold(HoldKind::Freeze, HoldScope::Environment("prod".parse().unwrap()));
    answer.held(GateCode::Frozen);
}

#[test]
fn of_several_holds_the_one_that_stops_the_run_longest_decides() {
    let until = |text: &str| Some(text.parse().unwrap());
    let mut case = case(Manual, &[])
        .with_hold(HoldKind::Freeze, HoldScope::Everything)
        .with_hold(HoldKind::Freeze, HoldScope::Everything)
        .with_hold(HoldKind::Pause, HoldScope::Everything);
    case.holds[0].until = until("2026-11-25T00:00:00Z");
    case.holds[1].until = until("2026-11-24T00:00:00Z");
    assert_eq!(case.held(GateCode::Frozen).opens, until("2026-11-25T00:00:00Z"));
}

#[test]
fn a_service_stands_still_until_the_last_of_its_holds_ends() {
    let until = |text: &str| Some(text.parse().unwrap());
    let api = HoldScope::Service { environment: None, service: service("api") };
    let web = HoldScope::Service { environment: Some("prod".parse().unwrap()), service: service("web") };
    let mut case = case(Automatic, &[])
        .with_hold(HoldKind::Freeze, api.clone())
        .with_hold(HoldKind::Pause, api)
        .with_hold(HoldKind::Pause, web);
    case.holds[0].until = until("2026-11-25T00:00:00Z");
    case.holds[1].until = until("2026-11-24T00:00:00Z");
    case.holds[2].until = until("2026-11-26T00:00:00Z");
    let answer = case.clone().held(GateCode::Frozen);
    assert_eq!(
        answer.opens,
        until("2026-11-25T00:00:00Z"),
        "a whole overlay goes when the first service may"
    );
    case.services = ServiceScope::Named(both());
    assert_eq!(
        case.clone().held(GateCode::Frozen).opens,
        until("2026-11-26T00:00:00Z"),
        "named ones go together"
    );
    case.holds[2].until = None;
    assert_eq!(case.held(GateCode::Frozen).opens, None);
    assert!(answer.services[0].says.starts_with("frozen by dana until Wed 01:00"), "{}", answer.to_text());
}

#[test]
fn a_hold_elsewhere_or_over_does_not_count() {
    case(Automatic, &[]).with_hold(HoldKind::Freeze, HoldScope::Environment("dev".parse().unwrap())).passes();
    let elsewhere = HoldScope::Service { environment: Some("dev".parse().unwrap()), service: service("api") };
    case(Automatic, &[]).with_hold(HoldKind::Freeze, elsewhere).passes();
    let mut over = case(Automatic, &[]).with_hold(HoldKind::Freeze, HoldScope::Everything);
    over.holds[0].until = Some(over.now);
    over.passes();
}

#[test]
fn a_hold_with_an_end_says_when_it_lets_go() {
    let mut ending = case(Automatic, &[]).with_hold(HoldKind::Freeze, HoldScope::Everything);
    let until = "2026-11-23T15:00:00Z".parse().unwrap();
    ending.holds[0].until = Some(until);
    let answer = ending.held(GateCode::Frozen);
    assert_eq!(answer.opens, Some(until));
    assert_eq!(
        answer.rule(Rule::Frozen).says,
        "frozen by dana until Mon 16:00 Europe/Berlin (in 6h 0m): incident"
    );
}

#[test]
fn a_frozen_service_is_left_out_and_the_rest_goes() {
    let frozen = HoldScope::Service { environment: None, service: service("api") };
    let answer = case(Automatic, &[]).with_hold(HoldKind::Freeze, frozen).passes();
    let left_out: Vec<_> =
        answer.left_out().map(|answer| (answer.service.as_str(), answer.left_out_by)).collect();
    assert_eq!(left_out, [("api", Some(Rule::Frozen))]);
    assert_eq!(answer.going().map(ServiceName::as_str).collect::<Vec<_>>(), ["web"]);
}

#[test]
fn the_kill_switch_stops_what_is_automatic() {
    let answer = case(Automatic, &[KILLED]).held(GateCode::KillSwitch);
    assert_eq!((verdicts(&answer).as_str(), answer.rule(Rule::KillSwitch).line), ("oH-------", Some(2)));
    assert_eq!(verdicts(&case(Manual, &[KILLED]).passes()), "opooooooo");
    case(Rollback, &[KILLED]).passes();
}

#[test]
fn a_disabled_environment_is_nobodys_to_touch() {
    for trigger in [Automatic, Manual, Rollback] {
        let answer = case(trigger, &[DISABLED]).held(GateCode::EnvironmentDisabled);
        assert_eq!(
            (verdicts(&answer).as_str(), answer.rule(Rule::EnvironmentEnabled).line),
            ("ooH------", Some(5))
        );
    }
}

#[test]
fn a_disabled_service_is_left_out_and_the_last_one_holds_the_run() {
    let answer = case(Manual, &[NO_API]).passes();
    assert_eq!(
        answer.left_out().map(|answer| (answer.line, answer.says.as_str())).collect::<Vec<_>>(),
        [(Some(19), "disabled")]
    );
    let answer = case(Manual, &[NO_API, NO_WEB]).held(GateCode::ServiceDisabled);
    assert_eq!(answer.rule(Rule::ServiceEnabled).says, "`api`, `web`: disabled");
    case(Rollback, &[NO_API, NO_WEB]).held(GateCode::ServiceDisabled);
}

#[test]
fn the_rule_that_leaves_out_the_last_service_holds_the_run() {
    case(Automatic, &[NO_API, WEB_BY_HAND]).held(GateCode::ServiceAutoDeployOff);
    case(Manual, &[NO_API, WEB_BY_HAND]).passes();
}

#[test]
fn who_names_services_gets_all_or_none() {
    let mut named = case(Manual, &[NO_API]);
    named.services = ServiceScope::Named(both());
    named.clone().held(GateCode::ServiceDisabled);
    named.services = ServiceScope::Named([service("web")].into());
    named.passes();
}

#[test]
fn a_service_without_a_policy_follows_its_environment() {
    let mut other = case(Automatic, &[NO_API, NO_WEB]);
    other.services = ServiceScope::Whole([service("extra")].into());
    other.clone().passes();
    other.services = ServiceScope::Whole(BTreeSet::new());
    other.passes();
}

#[test]
fn a_barred_commit_comes_back_only_as_the_way_back() {
    let answer = case(Manual, &[]).barring().held(GateCode::CommitBarred);
    assert_eq!(verdicts(&answer), "ooooH----");
    assert_eq!(answer.rule(Rule::CommitBarred).says, "4e1a9b2 is barred here: rolled back by r-16");
    case(Rollback, &[]).barring().passes();
    let mut newer = case(Automatic, &[]).barring();
    newer.commit = Commit::new("77ab0c3d");
    newer.passes();
}

#[test]
fn a_closed_window_holds_and_says_when_it_opens() {
    for trigger in [Automatic, Manual] {
        let answer = case(trigger, &[WINDOWS_ON]).at(FRIDAY_EVENING).held(GateCode::WindowClosed);
        let window = answer.rule(Rule::Window);
        assert_eq!(window.says, "closed; opens Mon 09:00 Europe/Berlin (in 2d 14h)");
        assert_eq!((window.line, answer.opens), (Some(12), Some("2026-11-23T08:00:00Z".parse().unwrap())));
        assert!(answer.may_render());
    }
    case(Rollback, &[WINDOWS_ON]).at(FRIDAY_EVENING).passes();
    let open = case(Automatic, &[WINDOWS_ON]).passes();
    assert_eq!(open.rule(Rule::Window).says, "open; closes Mon 17:00 Europe/Berlin (in 7h 0m)");
}

#[test]
fn a_freeze_of_the_policy_holds_in_an_open_window() {
    let answer = case(Manual, &[WINDOWS_ON]).at("2026-12-28T10:00:00Z").held(GateCode::WindowFreeze);
    assert_eq!(
        answer.rule(Rule::Window).says,
        "frozen for holidays; opens Mon 2027-01-04 09:00 Europe/Berlin (in 6d 22h)"
    );
    assert_eq!(answer.rule(Rule::Window).line, Some(14));
    case(Rollback, &[WINDOWS_ON]).at("2026-12-28T10:00:00Z").passes();
}

#[test]
fn an_override_passes_the_window_and_is_recorded() {
    let answer = case(Manual, &[WINDOWS_ON]).at(FRIDAY_EVENING).with_override(true, "outage").passes();
    let used = answer.overridden.as_ref().unwrap();
    assert_eq!((used.who.as_str(), used.reason.as_str()), ("sam", "outage"));
    assert_eq!(answer.rule(Rule::Window).verdict, RuleVerdict::PassedBy);
    assert_eq!(answer.summary(), "passes, overridden by sam: outage");
}

#[test]
fn an_override_needs_a_right_a_reason_and_its_time() {
    let closed = || case(Manual, &[WINDOWS_ON]).at(FRIDAY_EVENING);
    let answer = closed().with_override(false, "outage").held(GateCode::WindowClosed);
    assert!(answer.rule(Rule::Window).says.ends_with("; sam may not override it"), "{}", answer.to_text());
    closed().with_override(true, "  ").held(GateCode::WindowClosed);
    let mut over = closed().with_override(true, "outage");
    over.window_override.as_mut().unwrap().until = Some(over.now);
    assert_eq!(over.held(GateCode::WindowClosed).overridden, None);
}

#[test]
fn an_override_passes_nothing_but_the_window() {
    for (edit, code) in [(DISABLED, GateCode::EnvironmentDisabled), (APPROVED, GateCode::ApprovalMissing)] {
        case(Manual, &[WINDOWS_ON, edit]).at(FRIDAY_EVENING).with_override(true, "outage").held(code);
    }
    case(Manual, &[])
        .with_hold(HoldKind::Freeze, HoldScope::Everything)
        .with_override(true, "outage")
        .held(GateCode::Frozen);
}

#[test]
fn an_override_in_an_open_window_is_not_used() {
    assert_eq!(case(Manual, &[WINDOWS_ON]).with_override(true, "outage").passes().overridden, None);
}

#[test]
fn auto_deploy_concerns_automatic_events_only() {
    let answer = case(Automatic, &[NO_AUTO]).held(GateCode::EnvironmentAutoDeployOff);
    assert_eq!(
        (verdicts(&answer).as_str(), answer.rule(Rule::EnvironmentAutoDeploy).line),
        ("ooooooH--", Some(6))
    );
    assert_eq!(verdicts(&case(Manual, &[NO_AUTO]).passes()), "oooooopoo");
    case(Rollback, &[NO_AUTO]).passes();
    let answer = case(Automatic, &[API_BY_HAND]).passes();
    assert_eq!(answer.rule(Rule::ServiceAutoDeploy).says, "`api` left out: `auto_deploy` is false");
    assert_eq!(case(Manual, &[API_BY_HAND]).passes().left_out().count(), 0);
    case(Automatic, &[API_BY_HAND, WEB_BY_HAND]).held(GateCode::ServiceAutoDeployOff);
}

#[test]
fn an_approval_is_asked_for_by_the_environment_or_a_service_that_goes() {
    let answer = case(Automatic, &[APPROVED]).held(GateCode::ApprovalMissing);
    assert_eq!(answer.rule(Rule::Approval).says, "0 of 1 given; may approve: `dana`, `sam`");
    assert_eq!(answer.rule(Rule::Approval).line, Some(7));
    let answer = case(Manual, &[API_APPROVED]).held(GateCode::ApprovalMissing);
    assert_eq!(
        answer.rule(Rule::Approval).says,
        "0 of 1 given, asked for by `api`; may approve: `dana`, `sam`"
    );
    case(Manual, &[API_APPROVED, NO_API]).passes();
    case(Rollback, &[APPROVED]).passes();
}

#[test]
fn approvals_count_persons_and_not_clicks() {
    case(Manual, &[APPROVED]).approved_by("sam").passes();
    let twice = case(Manual, &[APPROVED, TWO_OF_TWO]).approved_by("sam").approved_by("sam");
    assert_eq!(twice.held(GateCode::ApprovalMissing).approval.unwrap().approved_by.len(), 1);
    case(Manual, &[APPROVED, TWO_OF_TWO]).approved_by("sam").approved_by("dana").passes();
}

#[test]
fn only_approvers_can_approve_and_not_their_own_run() {
    let answer = case(Manual, &[APPROVED]).approved_by("eve").held(GateCode::ApprovalMissing);
    assert!(answer.rule(Rule::Approval).says.ends_with("eve is not an approver"));
    let mut own = case(Manual, &[APPROVED]).approved_by("dana");
    own.requester = Some("dana".to_owned());
    own.clone().held(GateCode::ApprovalMissing);
    own.control = case(Manual, &[APPROVED, ALLOW_SELF]).control;
    own.passes();
}

#[test]
fn who_sent_the_event_cannot_approve_it_under_the_name_of_another() {
    let mut spoofed = case(Manual, &[APPROVED]).approved_by("dana");
    spoofed.sender = Some("dana".to_owned());
    let answer = spoofed.clone().held(GateCode::ApprovalMissing);
    assert!(answer.rule(Rule::Approval).says.ends_with("dana asked for the run and cannot approve it"));
    spoofed.approved_by("sam").passes();
}

#[test]
fn without_a_list_every_approver_may_approve() {
    let open = || case(Manual, &[APPROVED, ("      approvers: [dana, sam]", "      count: 1")]);
    assert!(
        open()
            .held(GateCode::ApprovalMissing)
            .rule(Rule::Approval)
            .says
            .ends_with("may approve: any approver")
    );
    open().approved_by("eve").passes();
    open().approved_by("kim").held(GateCode::ApprovalMissing);
}

#[test]
fn an_approval_of_another_render_is_void_and_the_answer_says_so() {
    let stale = case(Manual, &[APPROVED]).decided("sam", ApprovalDecision::Approved, "old");
    let answer = stale.held(GateCode::ApprovalMissing);
    let (old, new) = (Digest::of(b"old"), Digest::of(b"new"));
    let note = format!("the approval by sam is void: it was of {}, now {}", old.short(), new.short());
    assert!(answer.rule(Rule::Approval).says.ends_with(&note), "{}", answer.to_text());
    assert!(answer.approval.unwrap().void.contains("sam"));
    case(Manual, &[APPROVED])
        .decided("sam", ApprovalDecision::Rejected, "old")
        .held(GateCode::ApprovalMissing);
}

#[test]
fn before_the_render_no_approval_counts_but_the_render_may_be_made() {
    let mut early = case(Manual, &[APPROVED]).approved_by("sam");
    early.digest = None;
    assert!(early.held(GateCode::ApprovalMissing).may_render());
}

#[test]
fn a_rejection_by_an_approver_ends_the_run() {
    let rejected = |edits: &[_], who| {
        case(Manual, edits).approved_by("dana").decided(who, ApprovalDecision::Rejected, "new")
    };
    let answer = rejected(&[APPROVED], "sam").check(Decision::Refused, GateCode::ApprovalRejected);
    assert_eq!(answer.rule(Rule::Approval).says, "rejected by sam");
    assert!(!answer.may_render());
    rejected(&[APPROVED], "eve").passes();
    // A closed window would open; a no stays a no.
    rejected(&[APPROVED, WINDOWS_ON], "sam")
        .at(FRIDAY_EVENING)
        .check(Decision::Refused, GateCode::ApprovalRejected);
}

#[test]
fn behind_a_closed_window_the_answer_names_what_else_is_waited_for() {
    let answer = case(Automatic, &[WINDOWS_ON, APPROVED]).at(FRIDAY_EVENING).held(GateCode::WindowClosed);
    assert_eq!((verdicts(&answer).as_str(), answer.deciding), ("oooooHooH", Some(Rule::Window)));
}

#[test]
fn an_unknown_environment_is_refused() {
    let mut unknown = case(Manual, &[]);
    unknown.environment = "staging".parse().unwrap();
    let answer = unknown.check(Decision::Refused, GateCode::EnvironmentUnknown);
    assert_eq!(
        answer.summary(),
        "refused by environment_enabled: the policy has no environment `staging`; it has `prod`"
    );
}

#[test]
fn people_read_a_table() {
    let answer = case(Automatic, &[WINDOWS_ON, APPROVED, API_BY_HAND]).at(FRIDAY_EVENING).judge();
    insta::assert_snapshot!(answer.to_text(), @r"
    Gates for prod, at Fri 2026-11-20 18:57 Europe/Berlin
      ok      frozen                   nobody froze or paused it
      ok      kill_switch              `global.auto_deploy` is true                        deploy-control.yaml:2
      ok      environment_enabled      `enabled` is true                                   deploy-control.yaml:5
      ok      service_enabled          no service is held
      ok      commit_barred            4e1a9b2 is not barred
      HELD    window                   closed; opens Mon 09:00 Europe/Berlin (in 2d 14h)   deploy-control.yaml:12
      ok      environment_auto_deploy  `auto_deploy` is true                               deploy-control.yaml:6
      ok      service_auto_deploy      `api` left out: `auto_deploy` is false              deploy-control.yaml:20
      HELD    approval                 0 of 1 given; may approve: `dana`, `sam`            deploy-control.yaml:7
      service api: left out, `auto_deploy` is false   deploy-control.yaml:20
    held by window: closed; opens Mon 09:00 Europe/Berlin (in 2d 14h) (deploy-control.yaml:12)
    ");
}

#[test]
fn machines_read_json_and_it_reads_back() {
    let answer = case(Automatic, &[WINDOWS_ON, APPROVED]).at(FRIDAY_EVENING).judge();
    let json = serde_json::to_value(&answer).unwrap();
    assert_eq!(json["code"], "window_closed");
    assert_eq!(json["deciding"], "window");
    assert_eq!(json["rules"][5]["verdict"], "held");
    assert_eq!(serde_json::from_value::<GateAnswer>(json).unwrap(), answer);
}

#[test]
fn codes_are_the_words_of_the_json() {
    for code in [
        GateCode::Pass,
        GateCode::WindowFreeze,
        GateCode::EnvironmentAutoDeployOff,
        GateCode::ApprovalRejected,
    ] {
        assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
    }
    for rule in Rule::ALL {
        assert_eq!(serde_json::to_value(rule).unwrap(), rule.as_str());
    }
}

/// Each thing that can stand against a run, by the rule that then holds it, in the order of the rules.
const AGAINST: [(Rule, Option<(&str, &str)>); 8] = [
    (Rule::Frozen, None),
    (Rule::KillSwitch, Some(KILLED)),
    (Rule::EnvironmentEnabled, Some(DISABLED)),
    (Rule::CommitBarred, None),
    (Rule::Window, Some(WINDOWS_ON)),
    (Rule::EnvironmentAutoDeploy, Some(NO_AUTO)),
    (Rule::ServiceAutoDeploy, None),
    (Rule::Approval, Some(APPROVED)),
];

/// A case in which exactly the chosen things stand against the run.
fn against(trigger: Trigger, chosen: u8) -> Case {
    let is_on = |index: usize| chosen & (1 << index) != 0;
    let mut edits: Vec<_> = AGAINST
        .iter()
        .enumerate()
        .filter(|(index, _)| is_on(*index))
        .filter_map(|(_, (_, edit))| *edit)
        .collect();
    if is_on(6) {
        edits.extend([API_BY_HAND, WEB_BY_HAND]);
    }
    let mut case = case(trigger, &edits).at(FRIDAY_EVENING);
    if is_on(0) {
        case = case.with_hold(HoldKind::Freeze, HoldScope::Everything);
    }
    if is_on(3) {
        case = case.barring();
    }
    case
}

/// Whether a rule can hold a run of this kind at all.
fn concerns(rule: Rule, trigger: Trigger) -> bool {
    match trigger {
        Automatic => true,
        Manual => !matches!(rule, Rule::KillSwitch | Rule::EnvironmentAutoDeploy | Rule::ServiceAutoDeploy),
        Rollback => matches!(rule, Rule::EnvironmentEnabled | Rule::ServiceEnabled),
    }
}

#[test]
fn in_every_combination_the_first_rule_in_order_decides() {
    for trigger in [Automatic, Manual, Rollback] {
        for chosen in 0..=u8::MAX {
            let answer = against(trigger, chosen).judge();
            let expected = AGAINST
                .iter()
                .enumerate()
                .find(|(index, (rule, _))| chosen & (1 << index) != 0 && concerns(*rule, trigger))
                .map(|(_, (rule, _))| *rule);
            assert_eq!(answer.deciding, expected, "{trigger:?} {chosen:08b}\n{}", answer.to_text());
            assert_eq!(answer.decision == Decision::Pass, expected.is_none());
        }
    }
}

#[test]
fn in_every_combination_a_rollback_is_held_by_enabled_alone() {
    for chosen in 0..=u8::MAX {
        let answer = against(Rollback, chosen).judge();
        assert_eq!(answer.decision == Decision::Held, chosen & 0b100 != 0);
    }
}

fn arbitrary_approval() -> impl Strategy<Value = Approval> {
    let who = prop::sample::select(vec!["dana", "sam", "kim", "eve"]);
    let decision = prop::sample::select(vec![ApprovalDecision::Approved, ApprovalDecision::Rejected]);
    let render = prop::sample::select(vec!["new", "old"]);
    (who, decision, render).prop_map(|(who, decision, render)| Approval {
        approver: who.to_owned(),
        decision,
        digest: Digest::of(render.as_bytes()),
    })
}

proptest! {
    #[test]
    fn one_more_approval_never_takes_a_pass_away(
        chosen: u8,
        given in prop::collection::vec(arbitrary_approval(), 0..5),
        more in arbitrary_approval(),
        needed_two: bool,
    ) {
        let mut case = against(Manual, chosen & 0b1111_0000 | 0b1000_0000);
        if needed_two {
            let count = &mut case.control.environments.get_mut(&case.environment).unwrap().approval.count;
            count.value = 2;
        }
        case.approvals = given;
        let before = case.judge();
        case.approvals.push(Approval { decision: ApprovalDecision::Approved, ..more });
        let after = case.judge();
        prop_assert!(before.decision != Decision::Pass || after.decision == Decision::Pass);
        prop_assert_eq!(before.decision == Decision::Refused, after.decision == Decision::Refused);
    }

    #[test]
    fn one_more_thing_against_it_never_frees_a_run(chosen: u8, more in 0u32..8, trigger in prop::sample::select(vec![Automatic, Manual, Rollback])) {
        let held = against(trigger, chosen).judge().decision == Decision::Held;
        let still_held = against(trigger, chosen | 1 << more).judge().decision == Decision::Held;
        prop_assert!(!held || still_held);
    }

    #[test]
    fn a_held_run_passes_when_it_is_said_to_open(minutes in 0i64..60 * 24 * 60) {
        let mut case = case(Automatic, &[WINDOWS_ON]);
        case.now += jiff::SignedDuration::from_mins(minutes);
        let answer = case.judge();
        if let Some(opens) = answer.opens {
            case.now = opens;
            prop_assert_eq!(case.judge().decision, Decision::Pass);
            case.now = opens - jiff::SignedDuration::from_nanos(1);
            prop_assert_eq!(case.judge().decision, Decision::Held);
        }
    }
}

#[test]
fn a_run_about_a_cluster_asks_the_clusters_own_switch() {
    case(Automatic, &[NO_AUTO, API_BY_HAND, WEB_BY_HAND]).of_cluster(Some(true)).passes();
    let answer = case(Automatic, &[]).of_cluster(Some(false)).held(GateCode::ClusterAutoDeployOff);
    assert_eq!(verdicts(&answer), "ooooooH--");
    let says = "`auto_deploy` is false in cluster-config.yaml:7";
    assert_eq!(answer.rule(Rule::EnvironmentAutoDeploy).says, says);
    let unwritten = case(Automatic, &[]).of_cluster(None).held(GateCode::ClusterAutoDeployOff);
    assert!(unwritten.summary().contains("not written in cluster-config.yaml"), "{}", unwritten.summary());
    assert_eq!(verdicts(&case(Manual, &[]).of_cluster(None).passes()), "oooooopoo");
}

#[test]
fn a_run_about_a_cluster_is_held_as_a_deploy_is() {
    case(Automatic, &[KILLED]).of_cluster(Some(true)).held(GateCode::KillSwitch);
    case(Manual, &[DISABLED]).of_cluster(Some(true)).held(GateCode::EnvironmentDisabled);
    case(Manual, &[])
        .of_cluster(None)
        .with_hold(HoldKind::Freeze, HoldScope::Everything)
        .held(GateCode::Frozen);
    case(Manual, &[WINDOWS_ON]).of_cluster(None).at(FRIDAY_EVENING).held(GateCode::WindowClosed);
    case(Manual, &[APPROVED]).of_cluster(None).held(GateCode::ApprovalMissing);
    case(Manual, &[APPROVED]).of_cluster(None).approved_by("dana").passes();
    // It concerns no service, so what services ask for is not asked of it.
    case(Manual, &[NO_API, NO_WEB, API_APPROVED]).of_cluster(None).passes();
}
