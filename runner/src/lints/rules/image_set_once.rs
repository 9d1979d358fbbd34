//! `image-set-once`: the version of an image stands in one place, under `images:` of the base, and is a version.

use crate::lints::context::Context;
use crate::lints::files::SourceFile;
use crate::lints::manifest::{self, Image, rendered_containers};
use crate::lints::reporter::Reporter;
use crate::lints::yaml::Node;
use crate::lints::{Level, Lint};

pub(super) const LINT: Lint = Lint {
    name: "image-set-once",
    level: Level::Error,
    summary: "the version of an image is missing, is `latest`, or is set elsewhere than under `images:` of the base",
    page: include_str!("../../../../docs/reference/lints/image-set-once.md"),
    check,
};

const IN_THE_BASE: &str =
    "write the name alone, and the version as `newTag` under `images:` in the base's kustomization";

fn check(context: &Context<'_>, reporter: &mut Reporter<'_>) {
    for (_, file) in context.files.manifests() {
        for document in file.documents() {
            in_containers(file, document, reporter);
            in_operations(file, document, reporter);
        }
    }
    for (folder, file, kustomization) in context.files.kustomizations() {
        if folder != "k8s/base" && !folder.starts_with("k8s/base/") {
            in_images(file, kustomization, reporter);
        }
    }
    in_objects(context, reporter);
}

/// An object or patch that carries a version.
fn in_containers(file: &SourceFile, document: &Node, reporter: &mut Reporter<'_>) {
    for container in manifest::pod(document).iter().flat_map(|pod| manifest::containers(pod)) {
        let Some(reference) = container.text_at(&["image"]) else { continue };
        let image = Image::parse(reference);
        if image.tag.or(image.digest).is_some() {
            let line = container.entry("image").map_or(container.line, |entry| entry.line);
            reporter.line(&file.path, line, format!("`{reference}` carries its version here"), IN_THE_BASE);
        }
    }
}

/// A patch by operations that sets an image.
fn in_operations(file: &SourceFile, document: &Node, reporter: &mut Reporter<'_>) {
    for operation in manifest::json_patch(document).unwrap_or_default() {
        let is_image = operation.text_at(&["path"]).is_some_and(|path| path.ends_with("/image"));
        if is_image && operation.get("value").is_some() {
            reporter.line(&file.path, operation.line, "a patch sets an image", IN_THE_BASE);
        }
    }
}

/// An overlay that sets a version. Another name for the same image, as of a mirror, is an environment's own matter.
fn in_images(file: &SourceFile, kustomization: &Node, reporter: &mut Reporter<'_>) {
    for image in kustomization.get("images").map(Node::items).unwrap_or_default() {
        let name = image.text_at(&["name"]).unwrap_or_default();
        for key in ["newTag", "digest"] {
            if let Some(entry) = image.entry(key) {
                let message = format!("the overlay sets a version of `{name}` of its own");
                let hint = "set it under `images:` of the base: an environment runs a commit, and a commit has one version";
                reporter.line(&file.path, entry.line, message, hint);
            }
        }
    }
}

/// An object that ends up without a version, or with one that moves.
fn in_objects(context: &Context<'_>, reporter: &mut Reporter<'_>) {
    for rendered in context.objects() {
        let object = rendered.object.to_json();
        for container in rendered_containers(&object) {
            let Some(reference) = container.value["image"].as_str() else { continue };
            let image = Image::parse(reference);
            let message = match (image.tag, image.digest) {
                (None, None) => format!("`{reference}` has no version, which means `latest`"),
                (Some("latest"), None) => format!("`{reference}` has no fixed version"),
                (Some(_), None) | (_, Some(_)) => continue,
            };
            let hint = format!(
                "name a version: `newTag` of `{}` under `images:` in the base's kustomization",
                image.repository
            );
            reporter.spot(context.locate(rendered, &container.path_to("image")), message, hint);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::lints::tests::{SMALL, check};

    #[test]
    fn an_image_without_a_version_is_reported_where_it_is_named() {
        let path = "infra/k8s/base/kustomization.yaml";
        let text = SMALL.text(path).replace("newTag: 1.4.0", "newName: mirror/shop");
        let found = check("image-set-once", &[(path, &text)]);
        let message = "`mirror/shop` has no version, which means `latest`";
        assert_eq!(found, [format!("infra/k8s/base/deployments/shop.deployment.yaml:18: {message}")]);
    }

    #[test]
    fn an_overlay_may_name_a_mirror_but_no_version() {
        let path = "infra/k8s/hetzner/dev/kustomization.yaml";
        let mirror = format!("{}images: [{{name: example/shop, newName: mirror/shop}}]\n", SMALL.text(path));
        assert!(check("image-set-once", &[(path, &mirror)]).is_empty());
        let version = mirror.replace("newName: mirror/shop", "newTag: 1.5.0");
        let found = check("image-set-once", &[(path, &version)]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("the overlay sets a version of `example/shop` of its own"), "{found:?}");
    }

    #[test]
    fn a_patch_by_operations_may_not_set_an_image() {
        let file = "infra/k8s/hetzner/dev/patches/shop-image.deployment.yaml";
        let patch =
            "- op: replace\n  path: /spec/template/spec/containers/0/image\n  value: example/shop:2\n";
        assert_eq!(check("image-set-once", &[(file, patch)]), [format!("{file}:1: a patch sets an image")]);
    }
}
