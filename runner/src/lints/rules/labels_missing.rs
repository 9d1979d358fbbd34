//! `labels-missing`: every object says which environment and provider it is of.

use crate::lints::context::{Context, Rendered};
use crate::lints::manifest::Step;
use crate::lints::overlays::{Folder, Overlay};
use crate::lints::reporter::Reporter;
use crate::lints::{Level, Lint};

pub(super) const LINT: Lint = Lint {
    name: "labels-missing",
    level: Level::Error,
    summary: "an object lacks the label `environment` or `provider`, or has the value of another overlay",
    page: include_str!("../../../../docs/reference/lints/labels-missing.md"),
    check,
};

fn check(context: &Context<'_>, reporter: &mut Reporter<'_>) {
    for (overlay, folder) in context.folders() {
        for (label, value) in [("environment", overlay.environment.as_str()), ("provider", &folder.provider)]
        {
            check_label(context, (overlay, folder), label, value, reporter);
        }
    }
}

fn check_label(
    context: &Context<'_>,
    (overlay, folder): (&Overlay<'_>, &Folder),
    label: &str,
    value: &str,
    reporter: &mut Reporter<'_>,
) {
    let objects = folder.build.iter().flat_map(|build| &build.objects);
    let (good, bad): (Vec<_>, Vec<_>) =
        objects.partition(|object| object.labels().any(|entry| entry == (label, value)));
    let hint = format!(
        "add `{label}: {value}` to `labels` of `{}`: `labels: [{{pairs: {{{label}: {value}}}}}]`",
        folder.kustomization
    );
    // What all lack, the overlay lacks.
    if good.is_empty() && !bad.is_empty() {
        let message = format!("no object carries the label `{label}: {value}`");
        let line = kustomization_line(context, folder);
        reporter.line(&folder.kustomization, line, message, hint);
        return;
    }
    for object in bad {
        let rendered = Rendered { overlay, folder, object };
        let path = [Step::Key("metadata"), Step::Key("labels"), Step::Key(label)];
        let has = object.labels().find(|(key, _)| *key == label);
        let title = rendered.title();
        let message = match has {
            Some((_, other)) => {
                format!("`{title}` has the label `{label}: {other}` in the overlay of `{value}`")
            }
            None => format!("`{title}` lacks the label `{label}: {value}`"),
        };
        reporter.spot(context.locate(rendered, &path), message, hint.clone());
    }
}

fn kustomization_line(context: &Context<'_>, folder: &Folder) -> usize {
    let file = context.files.get(&folder.kustomization);
    let root = file.and_then(|file| file.documents().first());
    root.and_then(|root| root.entry("labels")).map_or(1, |entry| entry.line)
}

#[cfg(test)]
mod tests {
    use crate::lints::tests::{SMALL, check};

    const PATH: &str = "infra/k8s/hetzner/dev/kustomization.yaml";

    #[test]
    fn an_overlay_without_labels_is_reported_once_for_each() {
        let text = SMALL.text(PATH);
        let (without, _) = text.split_once("labels:").unwrap();
        let found = check("labels-missing", &[(PATH, without)]);
        let expected = ["environment: dev", "provider: hetzner"];
        assert_eq!(found, expected.map(|label| format!("{PATH}:1: no object carries the label `{label}`")));
    }

    #[test]
    fn labels_of_another_overlay_are_found() {
        let text = SMALL.text(PATH).replace("environment: dev", "environment: test");
        let found = check("labels-missing", &[(PATH, &text)]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].ends_with("no object carries the label `environment: dev`"), "{found:?}");
    }
}
