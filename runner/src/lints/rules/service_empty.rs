//! `service-empty`: every enabled service has an object.

use crate::lints::context::Context;
use crate::lints::reporter::Reporter;
use crate::lints::{Level, Lint};

pub(super) const LINT: Lint = Lint {
    name: "service-empty",
    level: Level::Warning,
    summary: "the policy enables a service in an environment whose overlay has no object of it",
    page: include_str!("../../../../docs/reference/lints/service-empty.md"),
    check,
};

fn check(context: &Context<'_>, reporter: &mut Reporter<'_>) {
    let objects: Vec<_> = context.objects().collect();
    for (overlay, _) in context.folders() {
        let environment = overlay.environment;
        for (service, policy) in overlay.policy.services.iter().filter(|(_, policy)| policy.enabled.value) {
            let has_object = objects.iter().any(|rendered| {
                rendered.overlay.environment == environment
                    && rendered.service().is_some_and(|(_, name)| name == service.as_str())
            });
            if !has_object {
                let message = format!("service `{service}` has no object in the overlay of `{environment}`");
                let hint = format!(
                    "label its objects `app: {service}`, or set `enabled: false` for it in environment `{environment}`"
                );
                reporter.line(context.policy_path, policy.enabled.place.line, message, hint);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::lints::tests::{SMALL, check};

    fn with_mail(enabled: bool) -> String {
        let mail = format!(
            "      mail: {{enabled: {enabled}, auto_deploy: true, require_approval: false, rollback_on_failure: true}}\n"
        );
        SMALL.policy() + &mail
    }

    #[test]
    fn a_service_without_an_object_is_reported_in_the_policy() {
        let found = check("service-empty", &[("infra/deploy-control.yaml", &with_mail(true))]);
        let message = "infra/deploy-control.yaml:16: service `mail` has no object in the overlay of `dev`";
        assert_eq!(found, [message]);
    }

    #[test]
    fn a_disabled_service_needs_none() {
        assert!(check("service-empty", &[("infra/deploy-control.yaml", &with_mail(false))]).is_empty());
    }
}
