//! What all controllers want to know about pods.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Pod, PodCondition, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference};
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::decision::value;
use super::view::is_deleted;

/// The pod's phase; empty before the API server gave it one.
pub(crate) fn phase(pod: &Pod) -> &str {
    pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or_default()
}

pub(crate) fn has_finished(pod: &Pod) -> bool {
    matches!(phase(pod), "Succeeded" | "Failed")
}

/// Whether the pod counts as one of its controller's: neither finished nor on its way out.
pub(crate) fn is_active(pod: &Pod) -> bool {
    !has_finished(pod) && !is_deleted(pod)
}

pub(crate) fn condition<'p>(pod: &'p Pod, kind: &str) -> Option<&'p PodCondition> {
    pod.status.as_ref()?.conditions.as_ref()?.iter().find(|condition| condition.type_ == kind)
}

pub(crate) fn is_ready(pod: &Pod) -> bool {
    condition(pod, "Ready").is_some_and(|condition| condition.status == "True")
}

/// Since when the pod has been ready.
pub(crate) fn ready_since(pod: &Pod) -> Option<Timestamp> {
    let condition = condition(pod, "Ready").filter(|condition| condition.status == "True")?;
    Some(condition.last_transition_time.as_ref()?.0)
}

/// Whether the pod has been ready for `minReadySeconds`.
pub(crate) fn is_available(pod: &Pod, minimum: i32, now: Timestamp) -> bool {
    is_ready(pod) && available_at(pod, minimum).is_none_or(|at| at <= now)
}

/// When a ready pod becomes available, if that takes time at all.
pub(crate) fn available_at(pod: &Pod, minimum: i32) -> Option<Timestamp> {
    let since = ready_since(pod).filter(|_| minimum > 0)?;
    Some(later(since, i64::from(minimum)))
}

/// So many seconds later.
pub(crate) fn later(time: Timestamp, seconds: i64) -> Timestamp {
    time.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
}

/// The pod that a template describes, without a name.
pub(crate) fn from_template(template: &PodTemplateSpec, namespace: &str, owner: OwnerReference) -> Pod {
    let metadata = template.metadata.clone().unwrap_or_default();
    Pod {
        metadata: ObjectMeta {
            namespace: Some(namespace.to_owned()),
            labels: metadata.labels,
            annotations: metadata.annotations,
            finalizers: metadata.finalizers,
            owner_references: Some(vec![owner]),
            ..ObjectMeta::default()
        },
        spec: template.spec.clone(),
        status: None,
    }
}

/// A short text that stands for a value, in the letters that names of Kubernetes' own making use: no vowels, no digits
/// that look like letters. The real controllers hash their own memory layout, so that their texts differ from these.
pub(crate) fn hash(of: &impl Serialize) -> String {
    const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
    let text = value(of).to_string();
    let hash =
        text.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash.to_string().bytes().map(|digit| char::from(LETTERS[usize::from(digit) % LETTERS.len()])).collect()
}

/// Whether labels are among those a selector means. A selector that means everything is none that a controller acts on.
pub(crate) fn selects(selector: &LabelSelector, labels: Option<&BTreeMap<String, String>>) -> bool {
    let value = |key: &str| labels.and_then(|labels| labels.get(key));
    let wanted = selector.match_labels.iter().flatten();
    let mut expressions = selector.match_expressions.iter().flatten();
    let are_equal = wanted.clone().all(|(key, wanted)| value(key) == Some(wanted));
    let is_empty = wanted.count() == 0 && expressions.clone().count() == 0;
    let all_hold = expressions.all(|one| {
        let values = one.values.as_deref().unwrap_or_default();
        match one.operator.as_str() {
            "In" => value(&one.key).is_some_and(|value| values.contains(value)),
            "NotIn" => value(&one.key).is_none_or(|value| !values.contains(value)),
            "Exists" => value(&one.key).is_some(),
            "DoesNotExist" => value(&one.key).is_none(),
            _ => false,
        }
    });
    !is_empty && are_equal && all_hold
}

/// A count as a status holds it: nothing is left out.
pub(crate) fn unless_zero(count: i32) -> Option<i32> {
    (count != 0).then_some(count)
}

/// How many there are.
pub(crate) fn count<T>(items: impl IntoIterator<Item = T>) -> i32 {
    i32::try_from(items.into_iter().count()).unwrap_or(i32::MAX)
}
