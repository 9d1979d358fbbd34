//! `not-yaml`: every file that is called YAML is YAML.

use crate::lints::context::Context;
use crate::lints::reporter::Reporter;
use crate::lints::{Level, Lint};

pub(super) const LINT: Lint = Lint {
    name: "not-yaml",
    level: Level::Error,
    summary: "a file that is called YAML cannot be read as YAML",
    page: include_str!("../../../../docs/reference/lints/not-yaml.md"),
    check,
};

fn check(context: &Context<'_>, reporter: &mut Reporter<'_>) {
    for (_, file) in context.files.inside() {
        // The policy has a reader of its own, which says more.
        if file.path == context.policy_path {
            continue;
        }
        if let Some(Err(fault)) = &file.yaml {
            let hint = "mend the line or one before it: most often an indentation, a tab, or a missing quote";
            reporter.place(&file.path, (fault.line, fault.column), &fault.message, hint);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::lints::tests::check;

    #[test]
    fn a_broken_file_is_reported_even_if_no_overlay_reads_it() {
        let found = check("not-yaml", &[("infra/k8s/base/notes.yaml", "a: 1\nb: [1\n")]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("infra/k8s/base/notes.yaml:"), "{found:?}");
    }
}
