//! `provider-ambiguous`: an environment that several providers have says which one it means.

use crate::lints::context::Context;
use crate::lints::overlays::Found;
use crate::lints::reporter::Reporter;
use crate::lints::{Level, Lint};

pub(super) const LINT: Lint = Lint {
    name: "provider-ambiguous",
    level: Level::Error,
    summary: "several providers have an overlay of an environment, and the policy does not say which one counts",
    page: include_str!("../../../../docs/reference/lints/provider-ambiguous.md"),
    check,
};

fn check(context: &Context<'_>, reporter: &mut Reporter<'_>) {
    for overlay in &context.overlays {
        let Found::Several { providers } = &overlay.found else { continue };
        let environment = overlay.environment;
        let message = format!("environment `{environment}` has an overlay of each of {}", listed(providers));
        let first = &providers[0];
        let hint = format!("say which: `provider: {first}` in environment `{environment}`");
        reporter.line(context.policy_path, overlay.policy.enabled.place.line, message, hint);
    }
}

fn listed(providers: &[String]) -> String {
    providers.iter().map(|provider| format!("`{provider}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use crate::lints::tests::{SMALL, check};

    const OTHER: (&str, &str) = ("infra/k8s/podman/dev/kustomization.yaml", "resources: [../../base]\n");

    #[test]
    fn two_overlays_of_one_environment_are_reported() {
        let found = check("provider-ambiguous", &[OTHER]);
        let message = "environment `dev` has an overlay of each of `hetzner`, `podman`";
        assert_eq!(found, [format!("infra/deploy-control.yaml:5: {message}")]);
    }

    #[test]
    fn a_named_provider_settles_it() {
        let text = SMALL.policy().replace("  dev:\n", "  dev:\n    provider: hetzner\n");
        assert!(check("provider-ambiguous", &[OTHER, ("infra/deploy-control.yaml", &text)]).is_empty());
    }
}
