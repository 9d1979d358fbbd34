//! `minimal-base`: the base holds only what is the same in every environment.

use crate::lints::context::Context;
use crate::lints::files::SourceFile;
use crate::lints::manifest;
use crate::lints::reporter::Reporter;
use crate::lints::yaml::{Entry, Node};
use crate::lints::{Level, Lint};

pub(super) const LINT: Lint = Lint {
    name: "minimal-base",
    level: Level::Error,
    summary: "the base sets replicas, resources, affinity, or the size or class of a volume, which belong to an environment",
    page: include_str!("../../../../docs/reference/lints/minimal-base.md"),
    check,
};

fn check(context: &Context<'_>, reporter: &mut Reporter<'_>) {
    for (_, file) in context.files.manifests().filter(|(path, _)| path.starts_with("k8s/base/")) {
        for document in file.documents() {
            for (what, entry) in of_an_environment(document) {
                report(file, what, entry, reporter);
            }
        }
    }
    for (folder, file, kustomization) in context.files.kustomizations() {
        let is_base = folder == "k8s/base" || folder.starts_with("k8s/base/");
        if let Some(entry) = kustomization.entry("replicas").filter(|_| is_base) {
            report(file, "`replicas`", entry, reporter);
        }
    }
}

fn report(file: &SourceFile, what: &str, entry: &Entry, reporter: &mut Reporter<'_>) {
    let message = format!("the base sets {what}, which differs from environment to environment");
    let hint = "move it to a patch of every overlay: `k8s/<provider>/<environment>/patches/`";
    reporter.line(&file.path, entry.line, message, hint);
}

/// The entries of an object that belong to an environment, those that are empty left out.
fn of_an_environment(document: &Node) -> Vec<(&'static str, &Entry)> {
    let pod = manifest::pod(document);
    let mut places = Vec::new();
    // A Job has no replicas, and nothing without pods has any.
    places.extend(pod.and(document.get("spec")).map(|spec| (spec, "replicas", "`replicas`")));
    places.extend(pod.map(|pod| (pod, "affinity", "`affinity`")));
    places.extend(pod.map(|pod| (pod, "resources", "`resources` of a pod")));
    let containers = pod.into_iter().flat_map(manifest::containers);
    places.extend(containers.map(|container| (container, "resources", "`resources` of a container")));
    for claim in manifest::claims(document) {
        places.push((claim, "resources", "the size of a volume"));
        places.push((claim, "storageClassName", "the class of a volume"));
    }
    let entries = places.into_iter().map(|(node, key, what)| (what, node.entry(key)));
    entries.filter_map(|(what, entry)| Some((what, entry.filter(|entry| !entry.value.is_empty())?))).collect()
}

#[cfg(test)]
mod tests {
    use crate::lints::tests::check;

    const SET: &str = "\
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: store}
spec:
  replicas: 2
  template:
    spec:
      affinity: {nodeAffinity: {}}
      containers:
        - name: store
          resources: {limits: {cpu: 1}}
        - name: empty
          resources: {}
  volumeClaimTemplates:
    - metadata: {name: data}
      spec:
        storageClassName: fast
        resources: {requests: {storage: 1Gi}}
";

    #[test]
    fn everything_of_an_environment_is_found_in_its_line() {
        let path = "infra/k8s/base/store.statefulset.yaml";
        let found = check("minimal-base", &[(path, SET)]);
        let lines: Vec<_> = found.iter().map(|finding| finding.split(':').nth(1).unwrap()).collect();
        assert_eq!(lines, ["5", "8", "11", "17", "18"]);
    }

    #[test]
    fn an_overlay_may_set_all_of_it() {
        let path = "infra/k8s/hetzner/dev/patches/store.statefulset.yaml";
        assert!(check("minimal-base", &[(path, SET)]).is_empty());
    }

    #[test]
    fn a_claim_of_its_own_counts_too() {
        let claim = "kind: PersistentVolumeClaim\nmetadata: {name: x}\nspec:\n  resources: {requests: {storage: 1Gi}}\n";
        let found = check("minimal-base", &[("infra/k8s/base/x.persistentvolumeclaim.yaml", claim)]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(":4: the base sets the size of a volume"), "{found:?}");
    }
}
