//! `service-unlabelled`: every object belongs to a service.

use crate::lints::context::Context;
use crate::lints::manifest::Step;
use crate::lints::reporter::Reporter;
use crate::lints::{Level, Lint};

pub(super) const LINT: Lint = Lint {
    name: "service-unlabelled",
    level: Level::Warning,
    summary: "an object belongs to no service: it has neither the label `app` nor `app.kubernetes.io/name`",
    page: include_str!("../../../../docs/reference/lints/service-unlabelled.md"),
    check,
};

/// What services share: it belongs to all of them.
const SHARED: [&str; 2] = ["Namespace", "CustomResourceDefinition"];

fn check(context: &Context<'_>, reporter: &mut Reporter<'_>) {
    for rendered in context.objects() {
        if rendered.service().is_some() || SHARED.contains(&rendered.object.kind()) {
            continue;
        }
        let message = format!("`{}` belongs to no service", rendered.title());
        let hint = "label it `app: SERVICE` with the service of the policy that it is part of";
        let path = [Step::Key("metadata"), Step::Key("labels")];
        reporter.spot(context.locate(rendered, &path), message, hint);
    }
}

#[cfg(test)]
mod tests {
    use crate::lints::tests::{SMALL, check};

    const PATH: &str = "infra/k8s/base/deployments/shop.deployment.yaml";

    #[test]
    fn an_object_without_a_service_is_reported_in_its_file() {
        let text = SMALL.text(PATH).replacen("    app: shop", "    team: web", 1);
        let found = check("service-unlabelled", &[(PATH, &text)]);
        assert_eq!(found, [format!("{PATH}:5: `Deployment/shop` belongs to no service")]);
    }

    #[test]
    fn the_recommended_label_does_too() {
        let text = SMALL.text(PATH).replacen("    app: shop", "    app.kubernetes.io/name: shop", 1);
        assert!(check("service-unlabelled", &[(PATH, &text)]).is_empty());
    }
}
