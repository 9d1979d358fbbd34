//! `retain-volume`: deleting an object does not delete data.

use serde_json::Value;

use crate::lints::context::{Context, Rendered, Spot};
use crate::lints::manifest::Step;
use crate::lints::reporter::Reporter;
use crate::lints::{Level, Lint};

pub(super) const LINT: Lint = Lint {
    name: "retain-volume",
    level: Level::Warning,
    summary: "a volume would be deleted together with its claim, its StatefulSet or a replica",
    page: include_str!("../../../../docs/reference/lints/retain-volume.md"),
    check,
};

/// The class that Hetzner's volume driver brings along, and makes the default: it deletes a volume with its claim.
const HETZNER_CLASS: &str = "hcloud-volumes";

fn check(context: &Context<'_>, reporter: &mut Reporter<'_>) {
    for rendered in context.objects() {
        let object = rendered.object.to_json();
        match rendered.object.kind() {
            "StorageClass" => class(context, rendered, &object, reporter),
            "StatefulSet" => {
                retention(context, rendered, &object, reporter);
                for template in object["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten() {
                    claim(context, rendered, &template["spec"], reporter);
                }
            }
            "PersistentVolumeClaim" => claim(context, rendered, &object["spec"], reporter),
            _ => {}
        }
    }
}

/// `reclaimPolicy` is `Delete` where a class does not say.
fn class(context: &Context<'_>, rendered: Rendered<'_>, object: &Value, reporter: &mut Reporter<'_>) {
    if object["reclaimPolicy"] != "Retain" {
        let message = format!("`{}` deletes a volume with its claim", rendered.title());
        let hint = "write `reclaimPolicy: Retain`; a class cannot be changed, so give it a new name as well";
        reporter.spot(context.locate(rendered, &[Step::Key("reclaimPolicy")]), message, hint);
    }
}

fn retention(context: &Context<'_>, rendered: Rendered<'_>, object: &Value, reporter: &mut Reporter<'_>) {
    const POLICY: &str = "persistentVolumeClaimRetentionPolicy";
    for (key, when) in [("whenDeleted", "it is deleted"), ("whenScaled", "it is scaled down")] {
        if object["spec"][POLICY][key] == "Delete" {
            let message = format!("`{}` deletes its claims when {when}", rendered.title());
            let path = [Step::Key("spec"), Step::Key(POLICY), Step::Key(key)];
            reporter.spot(context.locate(rendered, &path), message, format!("write `{key}: Retain`"));
        }
    }
}

fn claim(context: &Context<'_>, rendered: Rendered<'_>, spec: &Value, reporter: &mut Reporter<'_>) {
    let class = spec["storageClassName"].as_str();
    // Bound by name to a volume that is there already: no class makes it.
    let is_bound = spec["volumeName"].as_str().is_some();
    if rendered.folder.provider != "hetzner" || is_bound || class.is_some_and(|class| class != HETZNER_CLASS)
    {
        return;
    }
    let said = if class.is_some() { "takes" } else { "names no class, and gets" };
    let message =
        format!("`{}` {said} `{HETZNER_CLASS}`, which deletes a volume with its claim", rendered.title());
    let hint =
        "name a class with `reclaimPolicy: Retain`, such as `hcloud-volumes-retain` of the reference tree";
    let spot = class_line(context, rendered).unwrap_or_else(|| {
        let templates = [Step::Key("spec"), Step::Key("volumeClaimTemplates")];
        context.locate(rendered, &templates)
    });
    reporter.spot(spot, message, hint);
}

/// The line that names the class, in whichever of the object's files does: a patch by operations has no path to follow.
fn class_line<'a>(context: &'a Context<'_>, rendered: Rendered<'_>) -> Option<Spot<'a>> {
    let names = |line: &str| {
        let (_, value) = line.split_once(": ")?;
        (value.trim().trim_matches(['"', '\'']) == HETZNER_CLASS).then_some(())
    };
    context.sources(rendered.object).find_map(|file| {
        let (number, _) = file.lines().find(|(_, line)| names(line).is_some())?;
        Some(Spot { file: &file.path, line: Some(number) })
    })
}

#[cfg(test)]
mod tests {
    use crate::lints::tests::{SMALL, check};

    fn check_object(name: &str, text: &str, expected: &[&str]) {
        let base = SMALL.text("infra/k8s/base/kustomization.yaml");
        let base = base.replace("resources:\n", &format!("resources:\n  - {name}\n"));
        let path = format!("infra/k8s/base/{name}");
        let expected: Vec<_> = expected.iter().map(|found| format!("{path}:{found}")).collect();
        let found = check("retain-volume", &[("infra/k8s/base/kustomization.yaml", &base), (&path, text)]);
        assert_eq!(found, expected);
    }

    #[test]
    fn a_class_must_keep_its_volumes() {
        let class =
            "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: fast}\nprovisioner: x\n";
        let message = "`StorageClass/fast` deletes a volume with its claim";
        check_object("fast.storageclass.yaml", class, &[&format!("1: {message}")]);
        check_object(
            "fast.storageclass.yaml",
            &format!("{class}reclaimPolicy: Delete\n"),
            &[&format!("5: {message}")],
        );
        check_object("fast.storageclass.yaml", &format!("{class}reclaimPolicy: Retain\n"), &[]);
    }

    #[test]
    fn a_claim_on_hetzner_must_name_another_class_than_the_default() {
        let claim =
            "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: x}\nspec:\n  accessModes: []\n";
        let gets = "`PersistentVolumeClaim/x` names no class, and gets `hcloud-volumes`, which deletes a volume with its claim";
        check_object("x.persistentvolumeclaim.yaml", claim, &[&format!("4: {gets}")]);
        let takes = "`PersistentVolumeClaim/x` takes `hcloud-volumes`, which deletes a volume with its claim";
        let named = format!("{claim}  storageClassName: hcloud-volumes\n");
        check_object("x.persistentvolumeclaim.yaml", &named, &[&format!("6: {takes}")]);
        let kept = format!("{claim}  storageClassName: hcloud-volumes-retain\n");
        check_object("x.persistentvolumeclaim.yaml", &kept, &[]);
    }

    #[test]
    fn a_stateful_set_must_not_delete_its_claims() {
        let set = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: s}\nspec:\n  persistentVolumeClaimRetentionPolicy:\n    whenDeleted: Retain\n    whenScaled: Delete\n";
        check_object(
            "s.statefulset.yaml",
            set,
            &["7: `StatefulSet/s` deletes its claims when it is scaled down"],
        );
    }
}
