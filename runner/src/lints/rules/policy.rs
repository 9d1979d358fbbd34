//! `policy`: deploy-control.yaml is there and says what it may say, with the same keys for every environment.

use crate::lints::context::{Context, Policy};
use crate::lints::reporter::Reporter;
use crate::lints::{Level, Lint};

pub(super) const LINT: Lint = Lint {
    name: "policy",
    level: Level::Error,
    summary: "deploy-control.yaml is missing, or has unknown, missing or repeated keys, wrong values, or keys that only some environments have",
    page: include_str!("../../../../docs/reference/lints/policy.md"),
    check,
};

fn check(context: &Context<'_>, reporter: &mut Reporter<'_>) {
    let path = context.policy_path;
    match context.policy {
        Policy::Read(_) => {}
        Policy::Missing => {
            let message = "the policy is missing: nothing says when anything is deployed";
            reporter.file(path, message, "write one: `windlass explain policy` shows the smallest");
        }
        Policy::Unreadable => {
            reporter.file(path, "the policy is not a text", "save it as UTF-8");
        }
        Policy::Wrong(problems) => {
            for problem in &problems.0 {
                let hint = problem.hint.as_deref();
                let hint = hint.unwrap_or("the keys are described in `windlass explain policy`");
                reporter.place(path, (problem.place.line, problem.place.column), &problem.message, hint);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::lints::tests::{SMALL, check};

    #[test]
    fn every_problem_of_the_policy_is_reported_with_its_place() {
        let text = SMALL.policy().replace("auto_deploy: true", "auto_deploy: perhaps");
        let found = check("policy", &[("infra/deploy-control.yaml", &text)]);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].starts_with("infra/deploy-control.yaml:2: "), "{found:?}");
    }

    #[test]
    fn a_missing_policy_is_reported() {
        let found = SMALL.without("infra/deploy-control.yaml").findings("policy");
        assert_eq!(
            found,
            ["infra/deploy-control.yaml: the policy is missing: nothing says when anything is deployed"]
        );
    }
}
