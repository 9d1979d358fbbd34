//! The order of the output.

use std::cmp::Ordering;
use std::collections::HashMap;

use crate::error::{Problem, Result};
use crate::id::Id;
use crate::kustomization::parts::{LegacyOrder, SortOptions};
use crate::resource::Resource;
use crate::resources::Resources;
use crate::yaml::Text;

/// What others depend on, before everything else.
const FIRST: [&str; 22] = [
    "Namespace",
    "ResourceQuota",
    "StorageClass",
    "CustomResourceDefinition",
    "ServiceAccount",
    "PodSecurityPolicy",
    "Role",
    "ClusterRole",
    "RoleBinding",
    "ClusterRoleBinding",
    "ConfigMap",
    "Secret",
    "Endpoints",
    "Service",
    "LimitRange",
    "PriorityClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
];
/// What could keep everything else from being created.
const LAST: [&str; 2] = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

/// Position of a kind: negative for the first ones, positive for the last, 0 for those between.
pub(crate) fn rank(kind: &str) -> isize {
    let at = |list: &[&str]| {
        list.iter().position(|listed| *listed == kind).and_then(|at| isize::try_from(at).ok())
    };
    at(&FIRST).map(|at| at - FIRST.len().cast_signed()).or_else(|| at(&LAST).map(|at| at + 1)).unwrap_or(0)
}

/// Sorts as the `sortOptions` of the root kustomization say.
pub(crate) fn apply(resources: &mut Resources, options: &SortOptions) -> Result<()> {
    let fail = |field: &str, reason: &str| {
        Problem::InvalidField { field: field.to_owned(), reason: reason.to_owned() }.fail()
    };
    match (options.order.as_str(), &options.legacy) {
        ("fifo", None) => Ok(()),
        ("fifo", Some(_)) => fail("sortOptions.legacySortOptions", "needs `order: legacy`"),
        ("legacy", None) => sort_legacy(resources),
        ("legacy", Some(order)) => sort(resources, &ranks(order)),
        _ => fail("sortOptions.order", "must be `fifo` or `legacy`"),
    }
}

/// Sorts by the built-in lists.
///
/// # Errors
///
/// If two resources have the same id, which only this order looks at.
pub(crate) fn sort_legacy(resources: &mut Resources) -> Result<()> {
    sort(
        resources,
        &ranks(&LegacyOrder {
            first: FIRST.map(Text::new_static).into(),
            last: LAST.map(Text::new_static).into(),
        }),
    )
}

fn ranks(order: &LegacyOrder) -> HashMap<Text, isize> {
    let first = order.first.iter().enumerate();
    let first = first.map(|(at, kind)| (kind.clone(), at.cast_signed() - order.first.len().cast_signed()));
    let last = order.last.iter().enumerate().map(|(at, kind)| (kind.clone(), at.cast_signed() + 1));
    first.chain(last).collect()
}

fn sort(resources: &mut Resources, ranks: &HashMap<Text, isize>) -> Result<()> {
    let rank = |resource: &Resource| ranks.get(resource.kind()).copied().unwrap_or(0);
    resources
        .sort_by(|left, right| rank(left).cmp(&rank(right)).then_with(|| compare(&left.id(), &right.id())));
    resources.check_unique()
}

/// Group, version and kind, then namespace, then name; what is missing sorts as a tilde, after all letters.
fn compare(left: &Id<'_>, right: &Id<'_>) -> Ordering {
    let or = |text: &str, none: &'static str| if text.is_empty() { none.to_owned() } else { text.to_owned() };
    let gvk = |id: &Id<'_>| format!("{}_{}_{}", or(id.group, "~G"), or(id.version, "~V"), or(id.kind, "~K"));
    let rest = |id: &Id<'_>| format!("{}|{}", or(id.namespace, "~X"), or(id.name, "~N"));
    let by_gvk = gvk(left).cmp(&gvk(right));
    // Among namespaces the order of groups is turned around, so that the ones of Kubernetes come first.
    let by_gvk = if left.kind == "Namespace"
        && right.kind == "Namespace"
        && (left.group.is_empty() || right.group.is_empty())
    {
        by_gvk.reverse()
    } else {
        by_gvk
    };
    by_gvk.then_with(|| rest(left).cmp(&rest(right)))
}
