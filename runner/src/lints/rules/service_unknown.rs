//! `service-unknown`: the service that an object names is one of the policy's.

use std::collections::{BTreeMap, BTreeSet};

use crate::lints::context::{Context, Spot};
use crate::lints::manifest::Step;
use crate::lints::reporter::Reporter;
use crate::lints::{Level, Lint};

pub(super) const LINT: Lint = Lint {
    name: "service-unknown",
    level: Level::Error,
    summary: "an object names a service that the policy of its environment does not know",
    page: include_str!("../../../../docs/reference/lints/service-unknown.md"),
    check,
};

fn check(context: &Context<'_>, reporter: &mut Reporter<'_>) {
    let objects: Vec<_> = context.objects().collect();
    let mut found: BTreeMap<(Spot<'_>, String), BTreeSet<&str>> = BTreeMap::new();
    for rendered in &objects {
        let Some((label, service)) = rendered.service() else { continue };
        let known = &rendered.overlay.policy.services;
        if known.keys().any(|name| name.as_str() == service) {
            continue;
        }
        let path = [Step::Key("metadata"), Step::Key("labels"), Step::Key(label)];
        let what = format!("`{}` is of service `{service}`", rendered.title());
        let environments = found.entry((context.locate(*rendered, &path), what)).or_default();
        environments.insert(rendered.overlay.environment.as_str());
    }
    // One finding for an object of the base, however many environments lack its service.
    for ((spot, what), environments) in found {
        let names: Vec<_> = environments.iter().map(|name| format!("`{name}`")).collect();
        let message = format!("{what}, which the policy of {} does not know", names.join(", "));
        let hint = "correct the label, or add the service under `services:` of every environment";
        reporter.spot(spot, message, hint);
    }
}

#[cfg(test)]
mod tests {
    use crate::lints::tests::{SMALL, check};

    #[test]
    fn a_service_that_the_policy_lacks_is_reported_at_the_label() {
        let path = "infra/k8s/base/deployments/shop.deployment.yaml";
        let text = SMALL.text(path).replacen("    app: shop", "    app: shpo", 1);
        let found = check("service-unknown", &[(path, &text)]);
        let message = "`Deployment/shop` is of service `shpo`, which the policy of `dev` does not know";
        assert_eq!(found, [format!("{path}:6: {message}")]);
    }
}
