//! `never-opens`: an environment whose windows never open.

use crate::lints::context::Context;
use crate::lints::reporter::Reporter;
use crate::lints::{Level, Lint};

pub(super) const LINT: Lint = Lint {
    name: "never-opens",
    level: Level::Warning,
    summary: "the windows and freezes of an environment let nothing start within 400 days",
    page: include_str!("../../../../docs/reference/lints/never-opens.md"),
    check,
};

fn check(context: &Context<'_>, reporter: &mut Reporter<'_>) {
    let Some(control) = context.policy.control() else { return };
    for (name, environment) in &control.environments {
        let windows = &environment.deployment_windows;
        if environment.enabled.value && windows.never_opens(context.repository.now) {
            let message = format!("nothing can be deployed to `{name}` within 400 days");
            let hint =
                "open a window, end a freeze, or say what is meant with `enabled: false` in the environment";
            reporter.line(context.policy_path, windows.enabled.place.line, message, hint);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::lints::tests::{SMALL, check};

    fn check_windows(windows: &str, expected: &[&str]) {
        let off = "deployment_windows:\n      enabled: false\n";
        let text = SMALL.policy();
        assert!(text.contains(off));
        let text = text.replace(off, &format!("deployment_windows:\n      enabled: true\n{windows}"));
        assert_eq!(check("never-opens", &[("infra/deploy-control.yaml", &text)]), expected);
    }

    #[test]
    fn a_freeze_of_years_is_reported() {
        let freeze =
            "      freezes: [{from: 2020-01-01T00:00:00Z, until: 2099-01-01T00:00:00Z, reason: retired}]\n";
        let message = "infra/deploy-control.yaml:9: nothing can be deployed to `dev` within 400 days";
        check_windows(freeze, &[message]);
    }

    #[test]
    fn a_window_once_a_week_is_enough() {
        check_windows("      allowed_days: [Mon]\n", &[]);
    }
}
