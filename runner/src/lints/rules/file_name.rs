//! `file-name`: a file is called `{name}.{kind}.yaml`, after the object in it.

use crate::lints::context::Context;
use crate::lints::files::{SourceFile, file_name};
use crate::lints::manifest;
use crate::lints::reporter::Reporter;
use crate::lints::yaml::Node;
use crate::lints::{Level, Lint};

pub(super) const LINT: Lint = Lint {
    name: "file-name",
    level: Level::Error,
    summary: "a file is not called `{name}.{kind}.yaml` after the one object in it",
    page: include_str!("../../../../docs/reference/lints/file-name.md"),
    check,
};

fn check(context: &Context<'_>, reporter: &mut Reporter<'_>) {
    for (path, file) in context.files.manifests() {
        let documents = file.documents();
        let objects: Vec<&Node> = documents.iter().filter(|node| manifest::kind(node).is_some()).collect();
        match objects.as_slice() {
            [] if documents.iter().any(|node| manifest::json_patch(node).is_some()) => {
                operations(file, reporter);
            }
            [] => {}
            [object] if path.contains("/patches/") => patch(file, object, reporter),
            [object] => whole(file, object, reporter),
            [_, second, ..] => {
                let message = format!("the file holds {} objects", objects.len());
                let hint = "one object in a file, called `{name}.{kind}.yaml`";
                reporter.line(&file.path, second.line, message, hint);
            }
        }
    }
}

/// A file with an object carries the object's name and kind.
fn whole(file: &SourceFile, object: &Node, reporter: &mut Reporter<'_>) {
    let name = object.text_at(&["metadata", "name"]).unwrap_or_default();
    let kind = kind_word(object);
    // A role such as `system:reader` has a name that no file system likes.
    let wanted = format!("{}.{kind}.yaml", name.replace([':', '/'], "-"));
    if file_name(&file.path) != wanted {
        let message = format!("the file of `{}/{name}` is not called after it", kind_as_written(object));
        reporter.line(&file.path, object.line, message, rename(file, &wanted));
    }
}

/// A patch carries the kind; its name says what it is about, and one object may have several.
fn patch(file: &SourceFile, object: &Node, reporter: &mut Reporter<'_>) {
    let kind = kind_word(object);
    let has_name = file_name(&file.path).strip_suffix(&format!(".{kind}.yaml"));
    if has_name.is_none_or(str::is_empty) {
        let name = object.text_at(&["metadata", "name"]).unwrap_or("name");
        let message = format!("the patch of a `{}` does not carry that kind", kind_as_written(object));
        reporter.line(&file.path, object.line, message, rename(file, &format!("{name}.{kind}.yaml")));
    }
}

/// A list of operations does not name its object: the file has to.
fn operations(file: &SourceFile, reporter: &mut Reporter<'_>) {
    let stem = file_name(&file.path).strip_suffix(".yaml");
    let parts = stem.and_then(|stem| stem.rsplit_once('.'));
    let is_kind = |kind: &str| {
        !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    if !parts.is_some_and(|(name, kind)| !name.is_empty() && is_kind(kind)) {
        let message = "the patch does not say which kind of object it is for";
        reporter.line(&file.path, 1, message, rename(file, "{name}.{kind}.yaml"));
    }
}

fn rename(file: &SourceFile, wanted: &str) -> String {
    format!("rename `{}` to `{wanted}`, and where a kustomization names it", file_name(&file.path))
}

fn kind_as_written(object: &Node) -> &str {
    manifest::kind(object).unwrap_or_default()
}

fn kind_word(object: &Node) -> String {
    kind_as_written(object).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use crate::lints::tests::check;

    fn check_name(path: &str, text: &str, expected: &[&str]) {
        assert_eq!(check("file-name", &[(path, text)]), expected, "{path}");
    }

    const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\n";

    #[test]
    fn an_object_gives_its_file_name_and_kind() {
        let message = "the file of `ConfigMap/settings` is not called after it";
        check_name("infra/k8s/base/settings.configmap.yaml", MAP, &[]);
        for name in
            ["settings.yaml", "settings.configmap.yml", "other.configmap.yaml", "settings.secret.yaml"]
        {
            let path = format!("infra/k8s/base/{name}");
            check_name(&path, MAP, &[&format!("{path}:1: {message}")]);
        }
    }

    #[test]
    fn a_patch_carries_the_kind() {
        check_name("infra/k8s/hetzner/dev/patches/settings-debug.configmap.yaml", MAP, &[]);
        let path = "infra/k8s/hetzner/dev/patches/debug.yaml";
        check_name(path, MAP, &[&format!("{path}:1: the patch of a `ConfigMap` does not carry that kind")]);
    }

    #[test]
    fn a_list_of_operations_says_its_kind_by_its_name() {
        let operations = "- op: remove\n  path: /data/x\n";
        check_name("infra/k8s/hetzner/dev/patches/settings.configmap.yaml", operations, &[]);
        let path = "infra/k8s/hetzner/dev/patches/settings.yaml";
        let message = "the patch does not say which kind of object it is for";
        check_name(path, operations, &[&format!("{path}:1: {message}")]);
    }

    #[test]
    fn a_file_holds_one_object() {
        let path = "infra/k8s/base/settings.configmap.yaml";
        let two = format!("{MAP}---\n{MAP}");
        check_name(path, &two, &[&format!("{path}:5: the file holds 2 objects")]);
    }

    #[test]
    fn what_is_no_object_may_be_called_anything() {
        check_name("infra/k8s/base/values.yaml", "colour: blue\n", &[]);
    }
}
