//! `overlay-missing`: every environment of the policy has an overlay.

use crate::lints::context::Context;
use crate::lints::overlays::Found;
use crate::lints::reporter::Reporter;
use crate::lints::{Level, Lint};

pub(super) const LINT: Lint = Lint {
    name: "overlay-missing",
    level: Level::Error,
    summary: "the policy names an environment that has no overlay `k8s/<provider>/<environment>`",
    page: include_str!("../../../../docs/reference/lints/overlay-missing.md"),
    check,
};

fn check(context: &Context<'_>, reporter: &mut Reporter<'_>) {
    for overlay in &context.overlays {
        let Found::Nothing { provider } = &overlay.found else { continue };
        let environment = overlay.environment;
        let folder = format!("k8s/{}/{environment}", provider.as_deref().unwrap_or("<provider>"));
        let wanted = context.files.path(&format!("{folder}/kustomization.yaml"));
        let message = format!("environment `{environment}` has no overlay: there is no `{wanted}`");
        let place = overlay.policy.provider.as_ref().map_or(overlay.policy.enabled.place, |name| name.place);
        let hint = format!("add the overlay, or remove `{environment}` from the policy");
        reporter.line(context.policy_path, place.line, message, hint);
    }
}

#[cfg(test)]
mod tests {
    use crate::lints::tests::{SMALL, check};

    #[test]
    fn an_environment_without_a_folder_is_reported_in_the_policy() {
        let found = SMALL.without("infra/k8s/hetzner/dev/kustomization.yaml").findings("overlay-missing");
        let message =
            "environment `dev` has no overlay: there is no `infra/k8s/<provider>/dev/kustomization.yaml`";
        assert_eq!(found, [format!("infra/deploy-control.yaml:5: {message}")]);
    }

    #[test]
    fn the_provider_that_the_policy_names_must_have_it() {
        let text = SMALL.policy().replace("  dev:\n", "  dev:\n    provider: podman\n");
        let found = check("overlay-missing", &[("infra/deploy-control.yaml", &text)]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("`infra/k8s/podman/dev/kustomization.yaml`"), "{found:?}");
    }
}
