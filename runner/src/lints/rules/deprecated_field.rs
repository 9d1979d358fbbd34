//! `deprecated-field`: kustomizations use no field that kustomize has deprecated.

use crate::lints::context::Context;
use crate::lints::reporter::Reporter;
use crate::lints::{Level, Lint};

pub(super) const LINT: Lint = Lint {
    name: "deprecated-field",
    level: Level::Error,
    summary: "a kustomization uses a field that kustomize has deprecated",
    page: include_str!("../../../../docs/reference/lints/deprecated-field.md"),
    check,
};

/// The fields of a kustomization that are deprecated, and what to write instead.
const DEPRECATED: [(&str, &str); 6] = [
    ("bases", "list the folders under `resources`"),
    ("patchesStrategicMerge", "list each file under `patches`, as `- path: FILE`"),
    ("patchesJson6902", "move the entries to `patches`: `path` or `patch`, and `target`, stay as they are"),
    (
        "commonLabels",
        "write `labels`, with `includeSelectors: true` for objects that run already: their selectors cannot be changed",
    ),
    ("vars", "write `replacements`"),
    ("imageTags", "write `images`"),
];

fn check(context: &Context<'_>, reporter: &mut Reporter<'_>) {
    for (_, file, kustomization) in context.files.kustomizations() {
        for entry in kustomization.entries() {
            if let Some((field, instead)) = DEPRECATED.iter().find(|(field, _)| *field == entry.key) {
                reporter.line(&file.path, entry.line, format!("`{field}` is deprecated"), *instead);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lints::tests::check;

    #[test]
    fn each_field_is_found_in_its_line() {
        let path = "infra/k8s/base/kustomization.yaml";
        for (field, _) in DEPRECATED {
            let text = format!("# why\nresources: []\n{field}: []\n");
            let found = check("deprecated-field", &[(path, &text)]);
            assert_eq!(found, [format!("{path}:3: `{field}` is deprecated")]);
        }
    }
}
