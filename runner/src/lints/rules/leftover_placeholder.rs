//! `leftover-placeholder`: the placeholder stands only where it is replaced, as a whole value of a Secret.

use crate::lints::context::{Context, Spot};
use crate::lints::files::SourceFile;
use crate::lints::manifest;
use crate::lints::reporter::Reporter;
use crate::lints::yaml::{self, Node, Value};
use crate::lints::{Level, Lint};

pub(super) const LINT: Lint = Lint {
    name: "leftover-placeholder",
    level: Level::Error,
    summary: "the placeholder stands where nothing replaces it",
    page: include_str!("../../../../docs/reference/lints/leftover-placeholder.md"),
    check,
};

const HINT: &str = "put it under `data` or `stringData` of a Secret, as the whole value of a key, and refer to that key from here";

fn check(context: &Context<'_>, reporter: &mut Reporter<'_>) {
    let placeholder = context.repository.placeholder;
    if placeholder.is_empty() {
        return;
    }
    for (_, file) in context.files.inside() {
        for document in file.documents() {
            let mut lines = Vec::new();
            let allowed = allowed(document, placeholder);
            collect(document, placeholder, &allowed, &mut lines);
            for line in lines {
                report(&Spot { file: &file.path, line: Some(line) }, reporter);
            }
        }
    }
    in_generated(context, reporter);
}

fn report(spot: &Spot<'_>, reporter: &mut Reporter<'_>) {
    reporter.spot(*spot, "the placeholder stands where nothing replaces it", HINT);
}

/// The scalars of a document that are replaced, or that make one that is: by address, for two may be equal.
fn allowed(document: &Node, placeholder: &str) -> Vec<*const Node> {
    let values = manifest::secret_entries(document).map(|(_, entry)| &entry.value);
    let of_secret = values.filter(|value| value.text() == Some(placeholder));
    let operations = manifest::json_patch(document).unwrap_or_default();
    let of_operations = operations
        .iter()
        .filter(|operation| is_of_secret(operation))
        .filter_map(|operation| operation.get("value"));
    let of_operations = of_operations.filter(|value| value.text() == Some(placeholder));
    let literals = document.get("secretGenerator").map(Node::items).unwrap_or_default();
    let literals = literals.iter().filter_map(|generator| generator.get("literals")).flat_map(Node::items);
    let of_generators = literals.filter(|literal| is_literal(literal, placeholder));
    let patches = document.get("patches").map(Node::items).unwrap_or_default();
    let inline = patches.iter().filter_map(|patch| patch.get("patch"));
    let of_patches = inline.filter(|patch| is_good_patch(patch, placeholder));
    of_secret.chain(of_operations).chain(of_generators).chain(of_patches).map(std::ptr::from_ref).collect()
}

fn is_of_secret(operation: &Node) -> bool {
    let path = operation.text_at(&["path"]).unwrap_or_default();
    path.starts_with("/data/") || path.starts_with("/stringData/")
}

/// `KEY=placeholder`.
fn is_literal(literal: &Node, placeholder: &str) -> bool {
    let value = literal.text().and_then(|text| text.split_once('=')).map(|(_, value)| value);
    value.is_some_and(|value| value.trim_matches(['"', '\'']) == placeholder)
}

/// A patch in the kustomization itself, judged as if it were a file.
fn is_good_patch(patch: &Node, placeholder: &str) -> bool {
    let documents = patch.text().and_then(|text| yaml::documents(text).ok()).unwrap_or_default();
    let mut lines = Vec::new();
    for document in &documents {
        collect(document, placeholder, &allowed(document, placeholder), &mut lines);
    }
    lines.is_empty()
}

fn collect(node: &Node, placeholder: &str, allowed: &[*const Node], lines: &mut Vec<usize>) {
    match &node.value {
        Value::Scalar { text, .. } => {
            if text.contains(placeholder) && !allowed.contains(&std::ptr::from_ref(node)) {
                lines.push(node.line);
            }
        }
        Value::List(items) => items.iter().for_each(|item| collect(item, placeholder, allowed, lines)),
        Value::Mapping(entries) => {
            for entry in entries {
                if entry.key.contains(placeholder) {
                    lines.push(entry.line);
                }
                collect(&entry.value, placeholder, allowed, lines);
            }
        }
    }
}

/// Files that a generator turns into something else than a Secret.
fn in_generated(context: &Context<'_>, reporter: &mut Reporter<'_>) {
    for rendered in context.objects().filter(|rendered| rendered.object.kind() != "Secret") {
        if !rendered.object.to_yaml().contains(context.repository.placeholder) {
            continue;
        }
        let is_plain = |file: &&SourceFile| file.yaml.is_none();
        for file in context.sources(rendered.object).filter(is_plain) {
            if let Some(line) = file.line_with(context.repository.placeholder) {
                report(&Spot { file: &file.path, line: Some(line) }, reporter);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::lints::tests::{SMALL, check};

    const MESSAGE: &str = "the placeholder stands where nothing replaces it";

    fn check_file(path: &str, text: &str, lines: &[usize]) {
        let expected: Vec<_> = lines.iter().map(|line| format!("{path}:{line}: {MESSAGE}")).collect();
        assert_eq!(check("leftover-placeholder", &[(path, text)]), expected, "{text}");
    }

    #[test]
    fn a_whole_value_of_a_secret_is_where_it_belongs() {
        let path = "infra/k8s/base/shop.secret.yaml";
        let secret = "kind: Secret\nmetadata: {name: shop}\nstringData:\n  A: StrongBase64Password\n";
        check_file(path, secret, &[]);
        let part = secret.replace("A: Strong", "A: postgres://shop:Strong");
        check_file(path, &part, &[4]);
        let name = secret.replace("name: shop", "name: StrongBase64Password");
        check_file(path, &name, &[2]);
    }

    #[test]
    fn anywhere_else_it_stays_as_it_is() {
        let map = "kind: ConfigMap\nmetadata: {name: shop}\ndata:\n  A: StrongBase64Password # template\n";
        check_file("infra/k8s/base/shop.configmap.yaml", map, &[4]);
        check_file("infra/k8s/base/shop.configmap.yaml", "# StrongBase64Password\nkind: ConfigMap\n", &[]);
    }

    #[test]
    fn patches_and_generators_of_a_secret_may_hold_it() {
        let path = "infra/k8s/hetzner/dev/patches/shop.secret.yaml";
        check_file(path, "- op: add\n  path: /stringData/B\n  value: StrongBase64Password\n", &[]);
        check_file(path, "- op: add\n  path: /metadata/labels/B\n  value: StrongBase64Password\n", &[3]);
        let path = "infra/k8s/base/kustomization.yaml";
        let with = |tail: &str| SMALL.text(path) + tail;
        check_file(path, &with("secretGenerator:\n  - {name: s, literals: [A=StrongBase64Password]}\n"), &[]);
        let line = SMALL.text(path).lines().count() + 2;
        check_file(
            path,
            &with("configMapGenerator:\n  - {name: s, literals: [A=StrongBase64Password]}\n"),
            &[line],
        );
    }

    #[test]
    fn a_file_that_becomes_a_config_map_is_looked_into() {
        let path = "infra/k8s/base/kustomization.yaml";
        let text = SMALL.text(path) + "configMapGenerator:\n  - {name: s, envs: [shop.env]}\n";
        let env = ("infra/k8s/base/shop.env", "COLOUR=blue\nPASSWORD=StrongBase64Password\n");
        let found = check("leftover-placeholder", &[(path, &text), env]);
        assert_eq!(found, [format!("{}:2: {MESSAGE}", env.0)]);
    }
}
