//! `render`: every overlay renders.

use windlass_kustomize::Error;

use crate::lints::context::{Context, Spot};
use crate::lints::overlays::{Folder, Found};
use crate::lints::reporter::Reporter;
use crate::lints::{Level, Lint};

pub(super) const LINT: Lint = Lint {
    name: "render",
    level: Level::Error,
    summary: "an overlay cannot be rendered",
    page: include_str!("../../../../docs/reference/lints/render.md"),
    check,
};

fn check(context: &Context<'_>, reporter: &mut Reporter<'_>) {
    for overlay in &context.overlays {
        let Found::Folder(folder) = &overlay.found else { continue };
        let Err(error) = &folder.build else { continue };
        if is_said_elsewhere(context, error) {
            continue;
        }
        let spot = Spot {
            file: error.file().unwrap_or(&folder.kustomization),
            line: error.line().and_then(|line| usize::try_from(line).ok()),
        };
        reporter.spot(spot, message(error), hint(folder, error));
    }
}

/// Whether `not-yaml` reports the same.
fn is_said_elsewhere(context: &Context<'_>, error: &Error) -> bool {
    let file = error.file().and_then(|path| context.files.get(path));
    file.is_some_and(|file| matches!(file.yaml, Some(Err(_))))
}

fn message(error: &Error) -> String {
    let first = std::error::Error::source(error);
    let causes = std::iter::successors(first, |cause| cause.source()).map(ToString::to_string);
    std::iter::once(error.problem().to_string()).chain(causes).collect::<Vec<_>>().join(": ")
}

fn hint(folder: &Folder, error: &Error) -> String {
    error.hint().unwrap_or_else(|| format!("mend it until `windlass render {}` prints objects", folder.path))
}

#[cfg(test)]
mod tests {
    use crate::lints::tests::{SMALL, check};

    #[test]
    fn a_missing_file_is_reported_where_it_is_named() {
        let found = SMALL.without("infra/k8s/base/deployments/shop.deployment.yaml").findings("render");
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("infra/k8s/base/kustomization.yaml"), "{found:?}");
    }

    #[test]
    fn a_file_that_is_not_yaml_is_left_to_its_own_lint() {
        let broken = ("infra/k8s/base/deployments/shop.deployment.yaml", "a: [1\n");
        assert!(check("render", &[broken]).is_empty());
        assert_eq!(check("not-yaml", &[broken]).len(), 1);
    }
}
