//! Pod disruption budgets: how many pods may be taken away.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet, StatefulSet};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::Value;

use super::Controller;
use super::decision::{Decision, Moment};
use super::deployment::{Rounding, share};
use super::pods::{self, count, selects};
use super::view::{Subject, View, is_deleted, namespace_of, read};

/// The controller of disruption budgets.
#[derive(Debug)]
pub(crate) struct Budgets;

impl Controller for Budgets {
    fn name(&self) -> &'static str {
        "controllermanager"
    }

    fn concerned(&self, object: &Value, view: &dyn View) -> Vec<Subject> {
        let subject = Subject::of_value(object);
        if subject.is::<PodDisruptionBudget>() {
            return vec![subject];
        }
        let is_counted = subject.is::<Pod>()
            || subject.is::<Deployment>()
            || subject.is::<ReplicaSet>()
            || subject.is::<StatefulSet>();
        if !is_counted {
            return Vec::new();
        }
        view.all::<PodDisruptionBudget>(&subject.namespace).iter().map(Subject::of).collect()
    }

    fn decide(&self, subject: &Subject, view: &dyn View, moment: &Moment) -> Decision {
        let mut decision = Decision::default();
        let Some(budget) = view.find::<PodDisruptionBudget>(&subject.namespace, &subject.name) else {
            return decision;
        };
        let status = status(&budget, view, moment);
        if budget.status.as_ref() != Some(&status) {
            decision.status(&budget, &status);
        }
        decision
    }
}

fn status(budget: &PodDisruptionBudget, view: &dyn View, moment: &Moment) -> PodDisruptionBudgetStatus {
    let pods = selected(budget, view);
    let (expected, desired) = goal(budget, &pods, view);
    let healthy = count(pods.iter().filter(|pod| pods::is_ready(pod) && !is_deleted(*pod)));
    let allowed = if expected > 0 { (healthy - desired).max(0) } else { 0 };
    PodDisruptionBudgetStatus {
        current_healthy: healthy,
        desired_healthy: desired,
        expected_pods: expected,
        disruptions_allowed: allowed,
        disrupted_pods: None,
        observed_generation: budget.metadata.generation,
        conditions: Some(vec![condition(budget, allowed > 0, moment)]),
    }
}

/// The living pods that a budget means. Other than elsewhere, a selector without requirements means all.
fn selected(budget: &PodDisruptionBudget, view: &dyn View) -> Vec<Pod> {
    let Some(selector) = budget.spec.as_ref().and_then(|spec| spec.selector.clone()) else {
        return Vec::new();
    };
    let is_everything = selector.match_labels.as_ref().is_none_or(BTreeMap::is_empty)
        && selector.match_expressions.as_ref().is_none_or(Vec::is_empty);
    let mut pods = view.all::<Pod>(namespace_of(budget));
    pods.retain(|pod| {
        !pods::has_finished(pod) && (is_everything || selects(&selector, pod.metadata.labels.as_ref()))
    });
    pods
}

/// How many pods there should be, and how many of them healthy.
fn goal(budget: &PodDisruptionBudget, pods: &[Pod], view: &dyn View) -> (i32, i32) {
    let spec = budget.spec.clone().unwrap_or_default();
    match (spec.max_unavailable, spec.min_available) {
        (Some(unavailable), _) => {
            let expected = scale(pods, view);
            (expected, (expected - share(&unavailable, expected, Rounding::Up)).max(0))
        }
        (None, Some(IntOrString::Int(available))) => (count(pods), available),
        (None, Some(available)) => {
            let expected = scale(pods, view);
            (expected, share(&available, expected, Rounding::Up))
        }
        (None, None) => (count(pods), 1),
    }
}

/// What the controllers of these pods are asked for, all together.
fn scale(pods: &[Pod], view: &dyn View) -> i32 {
    let mut replicas: BTreeMap<String, i32> = BTreeMap::new();
    for pod in pods {
        let owners = pod.metadata.owner_references.iter().flatten();
        for owner in owners.filter(|owner| owner.controller == Some(true)) {
            let namespace = namespace_of(pod);
            let found = view.get(&owner.api_version, &owner.kind, namespace, &owner.name);
            let top = found.and_then(|found| of_deployment(&found, view).or(Some(found)));
            let wanted = top.and_then(|top| top["spec"]["replicas"].as_i64()).unwrap_or_default();
            replicas.insert(owner.uid.clone(), i32::try_from(wanted).unwrap_or(i32::MAX));
        }
    }
    replicas.values().sum()
}

/// A replica set of a deployment is asked for by that.
fn of_deployment(set: &Value, view: &dyn View) -> Option<std::sync::Arc<Value>> {
    read::<ReplicaSet>(set)?;
    let owner = Subject::controller_of::<Deployment>(set)?;
    view.get(&owner.api_version, &owner.kind, &owner.namespace, &owner.name)
}

fn condition(budget: &PodDisruptionBudget, is_allowed: bool, moment: &Moment) -> Condition {
    let status = if is_allowed { "True" } else { "False" };
    let before = budget.status.as_ref().and_then(|status| status.conditions.as_ref()?.first());
    let since =
        before.filter(|before| before.status == status).map(|before| before.last_transition_time.clone());
    Condition {
        type_: "DisruptionAllowed".to_owned(),
        status: status.to_owned(),
        reason: if is_allowed { "SufficientPods" } else { "InsufficientPods" }.to_owned(),
        message: String::new(),
        observed_generation: budget.metadata.generation,
        last_transition_time: since.unwrap_or(Time(moment.now)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::controllers::bench::Bench;
    use crate::objects::kinds::{DEPLOYMENT, POD, POD_DISRUPTION_BUDGET};

    fn check(rule: &Value, expect: [i64; 3]) {
        let mut bench = Bench::new();
        let template = json!({
            "metadata": { "labels": { "app": "web" } }, "spec": { "containers": [{ "name": "main", "image": "web:1" }] },
        });
        let selector = json!({ "matchLabels": { "app": "web" } });
        bench.create(
            &DEPLOYMENT,
            json!({ "metadata": { "name": "web" }, "spec": { "replicas": 4, "selector": selector, "template": template } }),
        );
        let mut spec = rule.clone();
        spec["selector"] = selector;
        bench.create(&POD_DISRUPTION_BUDGET, json!({ "metadata": { "name": "web" }, "spec": spec }));
        bench.run_pods(|_| false);
        bench.make_unready(&bench.names(&POD)[0]);
        bench.settle();
        let status = &bench.get(&POD_DISRUPTION_BUDGET, "web")["status"];
        let found = ["currentHealthy", "desiredHealthy", "disruptionsAllowed"];
        assert_eq!(found.map(|count| status[count].as_i64().unwrap()), expect, "{rule}");
        let reason = if expect[2] > 0 { "SufficientPods" } else { "InsufficientPods" };
        assert_eq!(status["conditions"][0]["reason"], reason);
    }

    #[test]
    fn a_budget_counts_what_may_be_taken_away() {
        check(&json!({ "minAvailable": 2 }), [3, 2, 1]);
        check(&json!({ "minAvailable": "75%" }), [3, 3, 0]);
        check(&json!({ "maxUnavailable": 2 }), [3, 2, 1]);
        check(&json!({ "maxUnavailable": "50%" }), [3, 2, 1]);
    }
}
