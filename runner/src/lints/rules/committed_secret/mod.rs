//! `committed-secret`: no secret is in the repository.
//!
//! Four things are looked for: values of a Secret that are not the placeholder, in a file or made by a generator; kubeconfigs with
//! credentials; private keys; and tokens by the shapes that their issuers gave them. No finding ever holds a value.

mod credentials;
mod tokens;

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::lints::context::{Context, Rendered, Spot};
use crate::lints::manifest::{self, SecretField};
use crate::lints::reporter::Reporter;
use crate::lints::yaml::Node;
use crate::lints::{Level, Lint};

pub(super) const LINT: Lint = Lint {
    name: "committed-secret",
    level: Level::Error,
    summary: "a file holds a value of a Secret, a private key, a kubeconfig with credentials, or a token",
    page: include_str!("../../../../../docs/reference/lints/committed-secret.md"),
    check,
};

const WITHDRAW: &str = "it is in the history now: withdraw it where it was issued, then write the placeholder or leave the file out";

fn check(context: &Context<'_>, reporter: &mut Reporter<'_>) {
    let mut lines = BTreeSet::new();
    in_files(context, reporter, &mut lines);
    for rendered in context.objects().filter(|rendered| rendered.object.kind() == "Secret") {
        in_generated(context, rendered, reporter);
    }
    for file in context.files.all() {
        for found in credentials::find(file) {
            // A token in a Secret has been reported as the value that it is.
            if lines.insert((file.path.clone(), found.line)) {
                reporter.line(&file.path, found.line, format!("this is {}", found.what), WITHDRAW);
            }
        }
    }
}

/// Secrets and patches of Secrets as they are written.
fn in_files(context: &Context<'_>, reporter: &mut Reporter<'_>, lines: &mut BTreeSet<(String, usize)>) {
    for (_, file) in context.files.inside() {
        for document in file.documents() {
            for (field, entry) in manifest::secret_entries(document) {
                let is_value = entry.value.text().is_some_and(|text| is_value(context, field, text));
                if is_value && lines.insert((file.path.clone(), entry.line)) {
                    let message = format!("`{}` of the Secret has a value", entry.key);
                    reporter.line(&file.path, entry.line, message, hint(context));
                }
            }
        }
    }
}

/// Values of a rendered Secret that no Secret in a file states: a generator or a patch by operations made them.
fn in_generated(context: &Context<'_>, rendered: Rendered<'_>, reporter: &mut Reporter<'_>) {
    let object = rendered.object.to_json();
    for field in SecretField::ALL {
        for (key, value) in object[field.key()].as_object().into_iter().flatten() {
            let is_value = value.as_str().is_some_and(|text| is_value(context, field, text));
            if is_value && !is_written(context, rendered, key) {
                let message = format!("`{key}` of `{}` has a value", rendered.title());
                reporter.spot(mention(context, rendered, key), message, hint(context));
            }
        }
    }
}

/// Whether a value is a secret: neither nothing, nor the placeholder, nor encrypted by SOPS.
fn is_value(context: &Context<'_>, field: SecretField, text: &str) -> bool {
    let placeholder = context.repository.placeholder;
    let decoded = || STANDARD.decode(text.trim()).is_ok_and(|bytes| bytes == placeholder.as_bytes());
    let is_placeholder = text.trim() == placeholder || (field == SecretField::Data && decoded());
    !text.is_empty() && !is_placeholder && !text.starts_with("ENC[")
}

/// Whether a file states a value of the key, and so has been reported as it is written.
fn is_written(context: &Context<'_>, rendered: Rendered<'_>, key: &str) -> bool {
    let states = |document: &Node| {
        manifest::secret_entries(document).any(|(field, entry)| {
            entry.key == key && entry.value.text().is_some_and(|text| is_value(context, field, text))
        })
    };
    context.sources(rendered.object).any(|file| file.documents().iter().any(states))
}

/// The line that mentions a key, in the last of the object's files that does, because a patch overrides. Kustomizations count: a generator
/// stands there.
fn mention<'a>(context: &'a Context<'_>, rendered: Rendered<'a>, key: &str) -> Spot<'a> {
    let files = rendered.object.files().iter().filter_map(|path| context.files.get(path));
    let mentions = |line: &str| line.split(|letter: char| !is_key_letter(letter)).any(|word| word == key);
    let mentioned = files.filter_map(|file| {
        let (number, _) = file.lines().find(|(_, line)| mentions(line))?;
        Some(Spot { file: &file.path, line: Some(number) })
    });
    mentioned.max().unwrap_or(Spot { file: &rendered.folder.kustomization, line: Some(1) })
}

/// What a key of a Secret consists of.
fn is_key_letter(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.')
}

fn hint(context: &Context<'_>) -> String {
    format!(
        "write `{}`, and keep the value in a source of secrets; what is no secret belongs in a ConfigMap",
        context.repository.placeholder
    )
}

#[cfg(test)]
mod tests {
    use crate::lints::tests::{SMALL, check};

    const PATH: &str = "infra/k8s/base/shop.secret.yaml";

    fn check_secret(data: &str, expected: &[&str]) {
        let text = format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: shop}}\n{data}");
        let expected: Vec<_> = expected.iter().map(|found| format!("{PATH}:{found}")).collect();
        assert_eq!(check("committed-secret", &[(PATH, &text)]), expected, "{data}");
    }

    #[test]
    fn only_the_placeholder_may_stand_in_a_secret() {
        check_secret(
            "stringData:\n  A: StrongBase64Password\n  B: hunter2\n",
            &["6: `B` of the Secret has a value"],
        );
        check_secret("data:\n  A: aHVudGVyMg==\n", &["5: `A` of the Secret has a value"]);
        check_secret("data:\n  A: U3Ryb25nQmFzZTY0UGFzc3dvcmQ=\n", &[]);
        check_secret("stringData:\n  A: ENC[AES256_GCM,data:x]\n  B: ''\n", &[]);
    }

    #[test]
    fn a_value_is_never_shown() {
        let text = "kind: Secret\nmetadata: {name: shop}\nstringData: {A: hunter2}\n";
        let report = SMALL.with(&[(PATH, text)]).report();
        assert!(report.has_errors());
        assert!(!report.to_text().contains("hunter2"));
        assert!(!serde_json::to_string(&report).unwrap().contains("hunter2"));
    }

    #[test]
    fn a_generator_is_looked_through() {
        let path = "infra/k8s/base/kustomization.yaml";
        let generator = "secretGenerator:\n  - name: shop\n    literals:\n      - A=StrongBase64Password\n      - PASSWORD=hunter2\n    options: {disableNameSuffixHash: true}\n";
        let text = SMALL.text(path) + generator;
        let line = text.lines().position(|line| line.contains("PASSWORD")).unwrap() + 1;
        let found = check("committed-secret", &[(path, &text)]);
        assert_eq!(found, [format!("{path}:{line}: `PASSWORD` of `Secret/shop` has a value")]);
    }

    #[test]
    fn a_patch_by_operations_is_looked_through() {
        let base = SMALL.text("infra/k8s/base/kustomization.yaml");
        let base = base.replace("resources:\n", "resources:\n  - shop.secret.yaml\n");
        let secret =
            "apiVersion: v1\nkind: Secret\nmetadata: {name: shop}\nstringData: {A: StrongBase64Password}\n";
        let overlay = SMALL.text("infra/k8s/hetzner/dev/kustomization.yaml");
        let overlay = overlay.replace(
            "patches:\n",
            "patches:\n  - {path: patches/shop.secret.yaml, target: {kind: Secret}}\n",
        );
        let patch = "- op: replace\n  path: /stringData/A\n  value: hunter2\n";
        let changes = [
            ("infra/k8s/base/kustomization.yaml", base.as_str()),
            (PATH, secret),
            ("infra/k8s/hetzner/dev/kustomization.yaml", overlay.as_str()),
            ("infra/k8s/hetzner/dev/patches/shop.secret.yaml", patch),
        ];
        let place = "infra/k8s/hetzner/dev/patches/shop.secret.yaml:2";
        assert_eq!(
            check("committed-secret", &changes),
            [format!("{place}: `A` of `Secret/shop` has a value")]
        );
    }

    #[test]
    fn a_token_in_a_secret_is_reported_once() {
        let token = format!("{}_{}", "ghp", "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zA1bC2");
        check_secret(&format!("stringData:\n  A: {token}\n"), &["5: `A` of the Secret has a value"]);
    }

    #[test]
    fn every_file_of_the_repository_is_searched() {
        let token = format!("token = {}_{}\n", "ghp", "aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zA1bC2");
        assert_eq!(
            check("committed-secret", &[("scripts/release.sh", &token)]),
            ["scripts/release.sh:1: this is a GitHub token"]
        );
    }
}
