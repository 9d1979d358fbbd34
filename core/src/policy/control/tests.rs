use super::*;
use crate::policy::window::{TimeOfDay, Weekdays};
use proptest::prelude::*;

/// The keys of the specification and no others, for two environments with one service.
const PLAIN: &str = "\
global:
  auto_deploy: true
environments:
  dev:
    enabled: true
    auto_deploy: true
    require_manual_approval: false
    deployment_windows:
      enabled: false
    services:
      postgres:
        enabled: true
        auto_deploy: true
        require_approval: false
        rollback_on_failure: true
  prod:
    enabled: true
    auto_deploy: false
    require_manual_approval: true
    deployment_windows:
      enabled: true
    services:
      postgres:
        enabled: true
        auto_deploy: false
        require_approval: true
        rollback_on_failure: true
";

/// One environment with everything that can be said.
const FULL: &str = "\
global: {auto_deploy: true}
environments:
  prod:
    enabled: true
    auto_deploy: true
    require_manual_approval: true
    provider: hetzner
    branch: release
    timeout: 15m
    deployment_windows:
      enabled: true
      timezone: Europe/Berlin
      windows:
        - {days: [mon, Tuesday, fri], from: '09:00', to: 17:00}
        - from: 22:00
          to: 06:00
      freezes:
        - {from: 2026-12-23, until: 2027-01-02, reason: holidays}
    approval:
      approvers: [dana, sam]
      count: 2
      allow_self: true
    services:
      postgres:
        enabled: true
        auto_deploy: true
        require_approval: false
        rollback_on_failure: true
        conflicts: refuse
        prune: false
        protect: [Secret/licence, ConfigMap]
        recreate: allow
        patience: {volume_pending: 30s}
";

fn parse(text: &str) -> DeployControl {
    DeployControl::parse("deploy-control.yaml", text)
        .unwrap_or_else(|problems| panic!("{}", problems.render()))
}

fn problems(text: &str) -> Vec<String> {
    let problems = DeployControl::parse("f", text).expect_err("the text should have problems");
    problems.0.iter().map(|problem| problem.to_string().lines().next().unwrap().to_owned()).collect()
}

/// `PLAIN` with one text replaced everywhere gives exactly these problems.
#[track_caller]
fn check(from: &str, to: &str, expected: &[&str]) {
    assert!(PLAIN.contains(from), "nothing to replace");
    assert_eq!(problems(&PLAIN.replace(from, to)), expected);
}

/// `FULL` with one text replaced gives one problem, with this message and hint.
#[track_caller]
fn check_full(from: &str, to: &str, message: &str, hint: &str) {
    assert!(FULL.contains(from), "nothing to replace");
    let Err(Problems(problems)) = DeployControl::parse("f", &FULL.replacen(from, to, 1)) else {
        panic!("no problem in `{to}`")
    };
    let shown: Vec<_> =
        problems.iter().map(|problem| (problem.message.as_str(), problem.hint.as_deref())).collect();
    assert_eq!(shown, [(message, Some(hint))]);
}

fn name<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

#[test]
fn the_keys_of_the_specification_are_enough() {
    let control = parse(PLAIN);
    let (dev, prod) = (&control.environments[&name("dev")], &control.environments[&name("prod")]);
    assert!(control.global.auto_deploy.value && dev.auto_deploy.value && !prod.auto_deploy.value);
    assert_eq!((dev.branch.value.as_str(), prod.branch.value.as_str()), ("dev", "main"));
    assert_eq!((dev.timeout.value.as_secs(), prod.timeout.value.as_secs()), (300, 600));
    assert_eq!(dev.provider, None);
    assert!(prod.deployment_windows.enabled.value && prod.deployment_windows.weekly.is_empty());
    let postgres = &prod.services[&name("postgres")];
    assert_eq!((postgres.conflicts.value, postgres.recreate.value), (Conflicts::Take, Recreate::Refuse));
    assert!(postgres.protect.value.iter().any(|kept| kept.covers("PersistentVolumeClaim", "data-0")));
    assert!(postgres.prune.value && postgres.require_approval.value);
}

#[test]
fn the_policy_of_the_reference_tree_is_read() {
    let control = parse(include_str!("../../../../infra/deploy-control.yaml"));
    let names: Vec<_> = control.environments.keys().map(EnvironmentName::as_str).collect();
    assert_eq!(names, ["dev", "local", "prod", "test"]);
}

#[test]
fn every_value_keeps_its_line() {
    let control = parse(PLAIN);
    let prod = &control.environments[&name("prod")];
    assert_eq!(control.global.auto_deploy.place.line, 2);
    assert_eq!(prod.enabled.place.line, 17);
    assert_eq!(prod.deployment_windows.enabled.place.line, 21);
    assert_eq!(prod.services[&name("postgres")].require_approval.place.line, 26);
    // What is left out stands at the environment.
    assert_eq!(prod.branch.place.line, 16);
}

#[test]
fn the_additions_are_read() {
    let control = parse(FULL);
    let prod = &control.environments[&name("prod")];
    assert_eq!(prod.provider.as_ref().map(|provider| provider.value.as_str()), Some("hetzner"));
    assert_eq!((prod.branch.value.as_str(), prod.timeout.value.as_secs()), ("release", 900));
    let windows = &prod.deployment_windows;
    assert_eq!(windows.timezone.value.name(), "Europe/Berlin");
    let [office, night] = windows.weekly.as_slice() else { panic!("two windows") };
    assert_eq!(office.value.from, TimeOfDay::new(9, 0).unwrap());
    assert_eq!((office.place.line, night.value.days), (14, Weekdays::ALL));
    let freeze = &windows.freezes[0].value;
    assert_eq!(freeze.from.to_string(), "2026-12-22T23:00:00Z");
    assert_eq!(
        (freeze.until.to_string(), freeze.reason.as_str()),
        ("2027-01-02T23:00:00Z".to_owned(), "holidays")
    );
    assert_eq!((prod.approval.count.value, prod.approval.approvers.value.len()), (2, 2));
    let postgres = &prod.services[&name("postgres")];
    assert_eq!((postgres.conflicts.value, postgres.recreate.value), (Conflicts::Refuse, Recreate::Allow));
    let keeps = |kind, name| postgres.protect.value.iter().any(|kept| kept.covers(kind, name));
    assert!(keeps("Secret", "licence") && !keeps("Secret", "other") && keeps("ConfigMap", "any"));
    assert!(!keeps("PersistentVolumeClaim", "data-0"), "the list replaces the default");
    assert_eq!(postgres.patience[&Cause::VolumePending].value.as_secs(), 30);
}

#[test]
fn an_unknown_key_names_the_nearest_and_is_not_also_missing() {
    check(
        "        auto_deploy",
        "        auto_deply",
        &[
            "f:13:9: unknown key `auto_deply` in service `postgres` of environment `dev`",
            "f:25:9: unknown key `auto_deply` in service `postgres` of environment `prod`",
        ],
    );
    let Err(Problems(problems)) = DeployControl::parse("f", &PLAIN.replacen("enabled", "enabeld", 1)) else {
        panic!("no problem")
    };
    assert_eq!(problems.len(), 1);
    assert_eq!(problems[0].hint.as_deref(), Some("did you mean `enabled`?"));
    assert_eq!(problems[0].excerpt, "    enabeld: true");
}

#[test]
fn all_problems_are_reported_at_once_in_the_order_of_the_file() {
    let text = PLAIN
        .replacen("auto_deploy: true", "auto_deploy: yes", 1)
        .replacen("    enabled: true\n    auto", "    enabled: 1\n    auto", 1)
        .replacen("      enabled: false\n", "      enabled: false\n      timezone: Europe/Berln\n", 1);
    assert_eq!(
        problems(&text),
        [
            "f:2:16: `auto_deploy` in `global` must be `true` or `false`, found `yes`",
            "f:5:14: `enabled` in environment `dev` must be `true` or `false`, found `1`",
            "f:10:17: `timezone` in `deployment_windows` in environment `dev` must be the name of a time zone, found `Europe/Berln`",
            "f:21:5: environment `prod` lacks `deployment_windows.timezone`, which `dev` has in line 10",
        ]
    );
}

#[test]
fn missing_keys_are_named_where_they_belong() {
    check(
        "        rollback_on_failure: true\n",
        "",
        &[
            "f:11:7: missing key `rollback_on_failure` in service `postgres` of environment `dev`",
            "f:22:7: missing key `rollback_on_failure` in service `postgres` of environment `prod`",
        ],
    );
    assert_eq!(problems("global:\n  auto_deploy: true\n"), ["f:1:1: missing key `environments` in the file"]);
}

#[test]
fn a_quoted_truth_is_text() {
    check(
        "global:\n  auto_deploy: true",
        "global:\n  auto_deploy: \"true\"",
        &["f:2:16: `auto_deploy` in `global` must be `true` or `false`, found the text \"true\""],
    );
}

#[test]
fn duplicate_keys_are_reported_with_both_lines() {
    check(
        "  dev:\n",
        "  dev:\n    enabled: false\n",
        &["f:6:5: key `enabled` appears twice, first in line 5"],
    );
}

#[test]
fn environments_have_the_same_keys_down_to_those_of_services() {
    check(
        "  prod:\n",
        "  prod:\n    branch: main\n",
        &["f:4:3: environment `dev` lacks `branch`, which `prod` has in line 17"],
    );
    let text = PLAIN.replacen("    services:\n", "    services:\n      cart: {enabled: true, auto_deploy: true, require_approval: true, rollback_on_failure: true}\n", 1);
    assert_eq!(
        problems(&text),
        ["f:23:5: environment `prod` lacks `services.cart`, which `dev` has in line 11"]
    );
    let text = PLAIN.replacen("        enabled: true\n", "        enabled: true\n        prune: false\n", 1);
    assert_eq!(
        problems(&text),
        ["f:24:7: environment `prod` lacks `services.postgres.prune`, which `dev` has in line 13"]
    );
}

#[test]
fn lists_are_values_and_may_differ_in_length() {
    let windows = |list: &str| format!("      windows: [{list}]\n");
    let text = PLAIN
        .replacen(
            "      enabled: false\n",
            &format!("      enabled: false\n{}", windows("{from: 9, to: 17}")),
            1,
        )
        .replacen(
            "windows:\n      enabled: true\n",
            &format!(
                "windows:\n      enabled: true\n{}",
                windows("{from: 9, to: 12}, {days: [mon], from: 13, to: 17}")
            ),
            1,
        );
    parse(&text);
}

#[test]
fn wrong_types_say_what_was_found() {
    check_full(
        "enabled: true\n    auto",
        "enabled: [true]\n    auto",
        "`enabled` in environment `prod` must be `true` or `false`, found a list",
        "write one value after the colon",
    );
    check_full(
        "services:\n      postgres:",
        "services:\n      - postgres:",
        "`services` in environment `prod` must be a mapping, found a list",
        "write `key: value` lines below it, two spaces deeper",
    );
    check_full(
        "count: 2",
        "count: two",
        "`count` in `approval` in environment `prod` must be a whole number from 1 to 100, found `two`",
        "write a number such as `1`",
    );
    check_full(
        "timeout: 15m",
        "timeout: 900",
        "`timeout` in environment `prod` must be a duration from one second to 24 hours, found `900`",
        "give it a unit: `900s` or `900m`",
    );
    check_full(
        "timeout: 15m",
        "timeout: -15m",
        "`timeout` in environment `prod` must be a duration from one second to 24 hours, found `-15m`",
        "write it as `300s`, `10m` or `1h30m`",
    );
    check_full(
        "branch: release",
        "branch:",
        "`branch` in environment `prod` must be text, found nothing",
        "write one line of text",
    );
    check_full(
        "conflicts: refuse",
        "conflicts: never",
        "`conflicts` in service `postgres` of environment `prod` must be `take` or `refuse`, found `never`",
        "write `take` or `refuse`",
    );
}

#[test]
fn a_cause_that_is_none_names_the_nearest() {
    let message = "unknown key `volume_pendign` in `patience` in service `postgres` of environment `prod`";
    check_full("volume_pending", "volume_pendign", message, "did you mean `volume_pending`?");
}

#[test]
fn windows_that_make_no_sense_are_refused_with_a_way_out() {
    let place = "`deployment_windows` in environment `prod`";
    check_full(
        "fri]",
        "fry]",
        &format!(
            "an entry of `days` in an entry of `windows` in {place} must be a day of the week, found `fry`"
        ),
        "did you mean `fri`?",
    );
    check_full(
        "to: 17:00",
        "to: 25:00",
        &format!(
            "`to` in an entry of `windows` in {place} must be a time of day from 00:00 to 24:00, found `25:00`"
        ),
        "write it as in `09:00` or `17:30`",
    );
    check_full(
        "to: 06:00",
        "to: 22:00",
        &format!("an entry of `windows` in {place} is never open: from 22:00 to 22:00"),
        "for the whole day write `from: 00:00` and `to: 24:00`",
    );
    check_full(
        "from: 2026-12-23",
        "from: 2027-02-01",
        &format!("an entry of `freezes` in {place} ends before it begins"),
        "exchange `from` and `until`",
    );
    check_full(
        "Europe/Berlin",
        "Berlin/Europe",
        &format!("`timezone` in {place} must be the name of a time zone, found `Berlin/Europe`"),
        "write an IANA name such as `Europe/Berlin` or `UTC`",
    );
    check_full(
        "      windows:",
        "      allowed_days: [mon]\n      windows:",
        &format!("{place} has `windows` beside `allowed_days` or `allowed_hours`"),
        "keep one of the two ways: an entry of `windows` can say `days`, `from` and `to`",
    );
}

#[test]
fn days_and_hours_make_one_window() {
    let text = PLAIN.replace("      enabled: true\n    services", "      enabled: true\n      allowed_days: [mon]\n      allowed_hours: {from: 9, to: 17:30}\n    services")
        .replace("      enabled: false\n    services", "      enabled: false\n      allowed_days: [mon]\n      allowed_hours: {from: 9, to: 17:30}\n    services");
    let control = parse(&text);
    let [window] = control.environments[&name("prod")].deployment_windows.weekly.as_slice() else {
        panic!("one window")
    };
    assert_eq!(
        (window.value.from.to_string(), window.value.to.to_string()),
        ("09:00".to_owned(), "17:30".to_owned())
    );
    assert_eq!(window.place.line, 25);
}

#[test]
fn approvals_that_can_never_be_enough_are_refused() {
    check_full(
        "count: 2",
        "count: 3",
        "`approval` in environment `prod` asks for 3 approvals of 2 approvers",
        "name more approvers, or lower `count`",
    );
}

#[test]
fn files_that_are_no_policy_say_why() {
    assert_eq!(problems(""), ["f:1:1: the file holds nothing"]);
    assert_eq!(problems("# only a comment\n"), ["f:1:1: the file holds nothing"]);
    assert_eq!(problems("- a\n"), ["f:1:1: the file must be a mapping, found a list"]);
    assert_eq!(
        problems("global: {auto_deploy: true}\n---\nb: 1\n")[0],
        "f:3:1: a second document begins here, only one is read"
    );
    assert!(problems("global: [a\n")[0].contains("not YAML"));
    assert_eq!(problems("a: &x {b: 1}\nc: {<<: *x}\n")[0], "f:2:5: merge keys are not read here");
    assert_eq!(problems("a: &x [*x]\n")[0], "f:1:8: this alias refers to the value it stands in");
}

#[test]
fn aliases_are_values_like_any_other() {
    let text = PLAIN
        .replacen(
            "      enabled: false\n",
            "      enabled: false\n      allowed_hours: &office {from: 9, to: 17}\n",
            1,
        )
        .replacen(
            "windows:\n      enabled: true\n",
            "windows:\n      enabled: true\n      allowed_hours: *office\n",
            1,
        );
    let control = parse(&text);
    let hours =
        |environment: &str| control.environments[&name(environment)].deployment_windows.weekly[0].clone();
    assert_eq!(hours("dev"), hours("prod"));
    assert_ne!(hours("dev").place.line, hours("prod").place.line);
}

#[test]
fn hostile_files_are_refused_in_bounded_work() {
    let bomb: String = (1..12).fold("a0: &a0 [x, x, x, x, x, x, x, x]\n".to_owned(), |text, level| {
        let below = format!("*a{}, ", level - 1).repeat(8);
        format!("{text}a{level}: &a{level} [{}]\n", below.trim_end_matches(", "))
    });
    assert!(problems(&bomb)[0].contains("more than 20000 values"));
    assert!(problems(&"[".repeat(100_000))[0].contains("not YAML"));
    let chain: String = (1..40).fold("a0: &a0 [x]\n".to_owned(), |text, level| {
        format!("{text}a{level}: &a{level} [*a{}]\n", level - 1)
    });
    assert!(problems(&chain)[0].contains("nested more than 24 deep"));
    assert!(problems(&"x".repeat(600_000))[0].contains("at most 524288 are read"));
    assert!(
        problems(&(0..30_000).map(|key| format!("k{key}: 1\n")).collect::<Vec<_>>().concat())[0]
            .contains("more than")
    );
}

#[test]
fn equality_is_of_values_and_not_of_lines() {
    let moved = format!("# a comment\n\n{PLAIN}");
    assert_eq!(parse(PLAIN).environments, parse(&moved).environments);
    assert_ne!(parse(PLAIN).environments, parse(&PLAIN.replacen("false", "true", 1)).environments);
}

#[test]
fn as_json_the_policy_shows_its_values() {
    let json = serde_json::to_value(parse(FULL)).unwrap();
    let prod = &json["environments"]["prod"];
    assert_eq!(prod["timeout"], "900s");
    assert_eq!(prod["deployment_windows"]["timezone"], "Europe/Berlin");
    assert_eq!(prod["deployment_windows"]["weekly"][0]["days"], serde_json::json!(["mon", "tue", "fri"]));
    assert_eq!(prod["services"]["postgres"]["patience"]["volume_pending"], "30s");
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_with_places_inside_it(text in "\\PC{0,200}") {
        if let Err(Problems(problems)) = DeployControl::parse("f", &text) {
            prop_assert!(!problems.is_empty());
            let lines = text.lines().count().max(1) + 1;
            prop_assert!(problems.iter().all(|problem| problem.place.line <= lines), "{problems:?}");
        }
    }

    #[test]
    fn a_damaged_policy_never_panics(at in 0..FULL.len(), length in 0usize..12, with in "[ -~\\n]{0,6}") {
        let end = (at + length).min(FULL.len());
        let text = format!("{}{with}{}", &FULL[..at], &FULL[end..]);
        if let Err(problems) = DeployControl::parse("f", &text) {
            prop_assert!(problems.render().starts_with("f:"));
        }
    }
}
