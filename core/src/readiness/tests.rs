use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::*;

/// An object of a kind with a spec and a status, of generation 2.
fn object(api_version: &str, kind: &str, spec: Value, status: Value) -> Value {
    json!({"apiVersion": api_version, "kind": kind,
        "metadata": {"name": "it", "namespace": "shop", "generation": 2}, "spec": spec, "status": status})
}

/// Judges with an empty context; `expect` is `ready`, or how the reason begins, with `FAILED cause:` before it for a failure.
#[track_caller]
fn check(object: &Value, expect: &str) {
    check_in(&Context::default(), object, expect);
}

#[track_caller]
fn check_in(context: &Context, object: &Value, expect: &str) {
    let said = match judge(object, context) {
        Readiness::Ready => "ready".to_owned(),
        Readiness::Progressing { reason } => reason,
        Readiness::Failed { cause, reason } => format!("FAILED {cause}: {reason}"),
    };
    assert!(said.starts_with(expect), "expected `{expect}`, got `{said}`");
}

fn deployment(spec: Value, status: Value) -> Value {
    object("apps/v1", "Deployment", spec, status)
}

fn stateful_set(spec: Value, status: Value) -> Value {
    object("apps/v1", "StatefulSet", spec, status)
}

#[test]
fn deployment_waits_for_the_first_count_that_lacks() {
    let counts = |updated: i64, replicas: i64, ready: i64, available: i64| {
        let status = json!({"observedGeneration": 2, "updatedReplicas": updated, "replicas": replicas,
            "readyReplicas": ready, "availableReplicas": available});
        deployment(json!({"replicas": 3}), status)
    };
    check(&counts(0, 3, 3, 3), "0 of 3 replicas are updated");
    check(&counts(3, 4, 3, 3), "1 old replicas are still there");
    check(&counts(3, 3, 2, 2), "2 of 3 replicas are ready");
    check(&counts(3, 3, 3, 2), "2 of 3 replicas are available");
    check(&counts(3, 3, 3, 3), "ready");
}

#[test]
fn deployment_without_replicas_means_one() {
    check(&deployment(json!({}), json!({"observedGeneration": 2})), "0 of 1 replicas are updated");
    check(&deployment(json!({"replicas": 0}), json!({"observedGeneration": 2})), "ready");
}

#[test]
fn deployment_fails_at_its_progress_deadline() {
    let status = json!({"observedGeneration": 2, "conditions": [{"type": "Progressing", "status": "False",
        "reason": "ProgressDeadlineExceeded", "message": "ReplicaSet \"web-1\" has timed out progressing."}]});
    check(&deployment(json!({"replicas": 1}), status), "FAILED deadline_exceeded: ReplicaSet \"web-1\"");
}

#[test]
fn paused_deployment_says_that_it_is_paused() {
    let status = json!({"observedGeneration": 2});
    check(&deployment(json!({"replicas": 1, "paused": true}), status), "it is paused");
}

#[test]
fn workload_that_no_controller_has_seen_is_not_ready() {
    for kind in ["Deployment", "ReplicaSet", "StatefulSet", "DaemonSet"] {
        let unseen = object("apps/v1", kind, json!({"replicas": 0}), json!({"replicas": 0}));
        check(&unseen, &format!("the {kind} controller has not seen it yet"));
    }
}

#[test]
fn replica_set_waits_for_its_pods() {
    let counts = |replicas: i64, ready: i64, available: i64| {
        let status = json!({"observedGeneration": 2, "replicas": replicas, "readyReplicas": ready,
            "availableReplicas": available});
        object("apps/v1", "ReplicaSet", json!({"replicas": 2}), status)
    };
    check(&counts(1, 1, 1), "1 of 2 pods are created");
    check(&counts(3, 2, 2), "1 surplus pods are still there");
    check(&counts(2, 1, 1), "1 of 2 pods are ready");
    check(&counts(2, 2, 0), "0 of 2 pods are available");
    check(&counts(2, 2, 2), "ready");
}

#[test]
fn stateful_set_waits_until_the_update_revision_is_current() {
    let counts = |updated: i64, ready: i64, current: &str| {
        let status = json!({"observedGeneration": 2, "replicas": 3, "updatedReplicas": updated, "readyReplicas": ready,
            "availableReplicas": ready, "currentRevision": current, "updateRevision": "db-2"});
        stateful_set(json!({"replicas": 3, "updateStrategy": {"type": "RollingUpdate"}}), status)
    };
    check(&counts(1, 2, "db-1"), "1 of 3 pods are updated");
    check(&counts(3, 2, "db-1"), "2 of 3 pods are ready");
    check(&counts(3, 3, "db-1"), "the update is not finished");
    check(&counts(3, 3, "db-2"), "ready");
}

#[test]
fn stateful_set_partition_keeps_low_ordinals() {
    let with = |partition: i64, updated: i64| {
        let status = json!({"observedGeneration": 2, "replicas": 3, "updatedReplicas": updated, "readyReplicas": 3,
            "currentRevision": "db-1", "updateRevision": "db-2"});
        let strategy = json!({"type": "RollingUpdate", "rollingUpdate": {"partition": partition}});
        stateful_set(json!({"replicas": 3, "updateStrategy": strategy}), status)
    };
    check(&with(2, 0), "0 of 1 pods are updated");
    check(&with(2, 1), "ready");
    check(&with(5, 0), "ready");
}

#[test]
fn stateful_set_on_delete_is_ready_with_old_pods() {
    let status = json!({"observedGeneration": 2, "replicas": 1, "readyReplicas": 1, "currentRevision": "db-1",
        "updateRevision": "db-2"});
    check(&stateful_set(json!({"replicas": 1, "updateStrategy": {"type": "OnDelete"}}), status), "ready");
    let unready = json!({"observedGeneration": 2, "replicas": 1});
    let spec = json!({"replicas": 1, "updateStrategy": {"type": "OnDelete"}});
    check(&stateful_set(spec, unready), "0 of 1 pods are ready");
}

#[test]
fn stateful_set_waits_for_min_ready_seconds() {
    let status = json!({"observedGeneration": 2, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1,
        "availableReplicas": 0, "currentRevision": "db-1", "updateRevision": "db-1"});
    check(&stateful_set(json!({"replicas": 1, "minReadySeconds": 10}), status), "0 of 1 pods are available");
}

#[test]
fn daemon_set_waits_for_every_node() {
    let counts = |current: i64, updated: i64, ready: i64, available: i64| {
        let status = json!({"observedGeneration": 2, "desiredNumberScheduled": 2, "currentNumberScheduled": current,
            "updatedNumberScheduled": updated, "numberReady": ready, "numberAvailable": available});
        object("apps/v1", "DaemonSet", json!({}), status)
    };
    check(&counts(1, 1, 1, 1), "1 of 2 nodes have a pod");
    check(&counts(2, 1, 2, 2), "1 of 2 nodes have an updated pod");
    check(&counts(2, 2, 1, 1), "1 of 2 nodes have a ready pod");
    check(&counts(2, 2, 2, 1), "1 of 2 nodes have an available pod");
    check(&counts(2, 2, 2, 2), "ready");
}

#[test]
fn daemon_set_without_a_matching_node_is_ready() {
    let status = json!({"observedGeneration": 2, "desiredNumberScheduled": 0, "currentNumberScheduled": 0});
    check(&object("apps/v1", "DaemonSet", json!({}), status), "ready");
}

fn job(spec: Value, status: Value) -> Value {
    object("batch/v1", "Job", spec, status)
}

#[test]
fn running_job_is_progressing() {
    check(&job(json!({}), json!({"active": 1})), "0 of 1 pods succeeded, 1 running");
    check(
        &job(json!({"completions": 3}), json!({"succeeded": 2, "failed": 1})),
        "2 of 3 pods succeeded, 0 running, 1 failed",
    );
    check(&job(json!({"suspend": true}), json!({})), "it is suspended");
}

#[test]
fn job_is_ready_when_complete_and_failed_as_soon_as_that_is_certain() {
    let with = |kind: &str, reason: &str| {
        job(
            json!({}),
            json!({"conditions": [{"type": kind, "status": "True", "reason": reason, "message": "said"}]}),
        )
    };
    check(&with("SuccessCriteriaMet", "CompletionsReached"), "0 of 1 pods succeeded");
    check(&with("Complete", "CompletionsReached"), "ready");
    check(&with("Failed", "BackoffLimitExceeded"), "FAILED job_failed: said");
    check(&with("FailureTarget", "DeadlineExceeded"), "FAILED deadline_exceeded: said");
}

#[test]
fn cron_job_is_ready_when_stored() {
    check(&object("batch/v1", "CronJob", json!({"suspend": true}), json!({})), "ready");
}

#[test]
fn pod_is_judged_by_its_life() {
    let pod = |status: Value| object("v1", "Pod", json!({}), status);
    let ready = |value: &str| json!([{"type": "Ready", "status": value, "reason": "ContainersNotReady"}]);
    check(&pod(json!({})), "no node yet");
    check(&pod(json!({"phase": "Running", "conditions": ready("True")})), "ready");
    check(&pod(json!({"phase": "Running", "conditions": ready("False")})), "ContainersNotReady");
    check(&pod(json!({"phase": "Succeeded"})), "ready");
    check(&pod(json!({"phase": "Failed"})), "FAILED crash");
    check(
        &pod(json!({"phase": "Failed", "reason": "Evicted", "message": "disk"})),
        "FAILED pod_refused: Evicted: disk",
    );
    let waiting = json!({"phase": "Pending", "initContainerStatuses":
        [{"name": "migrate", "ready": false, "state": {"waiting": {"reason": "PodInitializing"}}}]});
    check(&pod(waiting), "init container `migrate`: PodInitializing");
    let scheduling = json!({"phase": "Pending", "conditions":
        [{"type": "PodScheduled", "status": "False", "message": "0/4 nodes are available"}]});
    check(&pod(scheduling), "no node yet: 0/4 nodes");
}

fn claim(class: Option<&str>, phase: &str) -> Value {
    object("v1", "PersistentVolumeClaim", json!({"storageClassName": class}), json!({"phase": phase}))
}

fn late_binding(name: &str) -> Value {
    json!({"kind": "StorageClass", "metadata": {"name": name}, "volumeBindingMode": "WaitForFirstConsumer"})
}

#[test]
fn claim_is_ready_when_bound() {
    check(&claim(Some("fast"), "Bound"), "ready");
    check(&claim(Some("fast"), "Pending"), "no volume yet from storage class `fast`");
    check(&claim(Some("fast"), "Lost"), "FAILED volume_pending");
}

#[test]
fn claim_that_waits_for_its_first_consumer_holds_nothing() {
    let mut context = Context::default();
    context.learn(&late_binding("late"));
    check_in(&context, &claim(Some("late"), "Pending"), "ready");
    check_in(&context, &claim(Some("fast"), "Pending"), "no volume yet");
    context.learn(&json!({"kind": "Pod", "metadata": {"namespace": "shop"},
        "spec": {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "it"}}]}}));
    check_in(&context, &claim(Some("late"), "Pending"), "no volume yet");
}

#[test]
fn claim_without_a_class_binds_as_the_default_class_does() {
    let mut context = Context::default();
    let mut class = late_binding("late");
    class["metadata"]["annotations"] = json!({"storageclass.kubernetes.io/is-default-class": "true"});
    context.learn(&class);
    check_in(&context, &claim(None, "Pending"), "ready");
}

#[test]
fn claim_is_known_to_bind_late_from_the_event_alone() {
    let mut context = Context::default();
    context.learn_event(&json!({"reason": "WaitForFirstConsumer",
        "involvedObject": {"kind": "PersistentVolumeClaim", "namespace": "shop", "name": "it"}}));
    check_in(&context, &claim(Some("any"), "Pending"), "ready");
}

#[test]
fn load_balancer_needs_an_address() {
    let service = |kind: &str, ingress: Value| {
        object("v1", "Service", json!({"type": kind}), json!({"loadBalancer": {"ingress": ingress}}))
    };
    check(&service("ClusterIP", json!([])), "ready");
    check(&service("LoadBalancer", json!([])), "the load balancer has no address yet");
    check(&service("LoadBalancer", json!([{"ip": ""}])), "the load balancer has no address yet");
    check(&service("LoadBalancer", json!([{"ip": "192.0.2.1"}])), "ready");
    check(&service("LoadBalancer", json!([{"hostname": "lb.example.com"}])), "ready");
}

#[test]
fn ingress_waits_only_where_its_controller_publishes_addresses() {
    let ingress = |class: &str, addresses: Value| {
        let status = json!({"loadBalancer": {"ingress": addresses}});
        object("networking.k8s.io/v1", "Ingress", json!({"ingressClassName": class}), status)
    };
    check(&ingress("traefik", json!([])), "ready");
    let mut context = Context::default();
    context.learn(&ingress("traefik", json!([{"ip": "192.0.2.1"}])));
    check_in(&context, &ingress("traefik", json!([])), "the ingress controller has not published");
    check_in(&context, &ingress("nginx", json!([])), "ready");
}

fn with_condition(api_version: &str, kind: &str, condition: Value) -> Value {
    object(api_version, kind, json!({}), json!({"conditions": [condition]}))
}

#[test]
fn governing_objects_fail_only_for_their_target() {
    let budget = |reason: &str| json!({"type": "DisruptionAllowed", "status": "False", "reason": reason, "message": "m"});
    check(&with_condition("policy/v1", "PodDisruptionBudget", budget("InsufficientPods")), "ready");
    check(&with_condition("policy/v1", "PodDisruptionBudget", budget("SyncFailed")), "m");
    let scaler = |kind: &str| json!({"type": kind, "status": "False", "reason": "FailedGetScale", "message": "no target"});
    check(&with_condition("autoscaling/v2", "HorizontalPodAutoscaler", scaler("ScalingActive")), "ready");
    check(&with_condition("autoscaling/v2", "HorizontalPodAutoscaler", scaler("AbleToScale")), "no target");
}

#[test]
fn definition_is_ready_when_established() {
    let definition = |conditions: Value| {
        object(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            json!({}),
            json!({"conditions": conditions}),
        )
    };
    check(&definition(json!([])), "the API server does not serve it yet");
    check(
        &definition(json!([{"type": "Established", "status": "False", "reason": "Installing"}])),
        "Established is False: Installing",
    );
    check(&definition(json!([{"type": "Established", "status": "True"}])), "ready");
    let clash = json!([{"type": "NamesAccepted", "status": "False", "message": "plural is in use"},
        {"type": "Established", "status": "False"}]);
    check(&definition(clash), "FAILED stalled: NamesAccepted is False: plural is in use");
}

#[test]
fn aggregated_api_waits_for_its_backend() {
    let api = |status: &str| json!({"type": "Available", "status": status, "reason": "MissingEndpoints"});
    let kind = "APIService";
    check(&object("apiregistration.k8s.io/v1", kind, json!({}), json!({})), "the API server has not checked");
    check(
        &with_condition("apiregistration.k8s.io/v1", kind, api("False")),
        "Available is False: MissingEndpoints",
    );
    check(&with_condition("apiregistration.k8s.io/v1", kind, api("True")), "ready");
}

#[test]
fn namespace_is_ready_unless_it_goes_away() {
    let namespace = |phase: &str| object("v1", "Namespace", json!({}), json!({"phase": phase}));
    check(&namespace("Active"), "ready");
    check(&namespace("Terminating"), "it is being deleted");
}

#[test]
fn unknown_kind_is_judged_by_its_conditions() {
    let custom =
        |conditions: Value| object("example.com/v1", "Thing", json!({}), json!({"conditions": conditions}));
    check(&custom(json!([])), "ready");
    check(&custom(json!([{"type": "Odd", "status": "False"}])), "ready");
    check(&custom(json!([{"type": "Ready", "status": "True"}])), "ready");
    check(
        &custom(json!([{"type": "Ready", "status": "False", "message": "waiting for DNS"}])),
        "Ready is False: waiting for DNS",
    );
    check(&custom(json!([{"type": "Available", "status": "Unknown"}])), "Available is Unknown");
    check(
        &custom(json!([{"type": "Succeeded", "status": "False", "reason": "Broke"}])),
        "FAILED stalled: Succeeded is False: Broke",
    );
    let stalled =
        json!([{"type": "Ready", "status": "True"}, {"type": "Stalled", "status": "True", "message": "no"}]);
    check(&custom(stalled), "FAILED stalled: Stalled is True: no");
    let reconciling = json!([{"type": "Ready", "status": "True"}, {"type": "Reconciling", "status": "True", "message": "soon"}]);
    check(&custom(reconciling), "Reconciling is True: soon");
}

#[test]
fn condition_of_an_older_generation_does_not_count() {
    let stale = json!({"type": "Ready", "status": "True", "observedGeneration": 1});
    let fresh =
        json!({"type": "Available", "status": "False", "observedGeneration": 2, "message": "not yet"});
    let thing = object("example.com/v1", "Thing", json!({}), json!({"conditions": [stale, fresh]}));
    check(&thing, "Available is False: not yet");
}

#[test]
fn object_that_is_being_deleted_is_not_ready() {
    let mut gone = object("v1", "ConfigMap", json!({}), json!({}));
    check(&gone, "ready");
    gone["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    check(&gone, "it is being deleted");
}

const KINDS: [(&str, &str); 18] = [
    ("apps/v1", "Deployment"),
    ("apps/v1", "ReplicaSet"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("batch/v1", "Job"),
    ("batch/v1", "CronJob"),
    ("v1", "Pod"),
    ("v1", "PersistentVolumeClaim"),
    ("v1", "PersistentVolume"),
    ("v1", "Service"),
    ("networking.k8s.io/v1", "Ingress"),
    ("policy/v1", "PodDisruptionBudget"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
    ("apiregistration.k8s.io/v1", "APIService"),
    ("v1", "Namespace"),
    ("v1", "ConfigMap"),
    ("example.com/v1", "Thing"),
];

/// Any JSON, with keys that the rules look for.
fn anything() -> impl Strategy<Value = Value> {
    let keys = prop::sample::select(vec![
        "replicas",
        "updatedReplicas",
        "readyReplicas",
        "phase",
        "conditions",
        "type",
        "status",
        "reason",
        "message",
        "state",
        "waiting",
        "terminated",
        "exitCode",
        "containerStatuses",
        "initContainerStatuses",
        "loadBalancer",
        "ingress",
        "name",
        "updateStrategy",
        "rollingUpdate",
        "partition",
        "observedGeneration",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop::sample::select(vec!["True", "False", "Ready", "Failed", "Running", "Bound", ""])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((keys.clone(), inner), 0..6).prop_map(|pairs| Value::Object(
                pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Map<_, _>>()
            )),
        ]
    })
}

proptest! {
    #[test]
    fn strange_objects_are_judged_without_panic(kind in prop::sample::select(KINDS.to_vec()), spec in anything(), status in anything()) {
        judge(&object(kind.0, kind.1, spec, status), &Context::default());
    }

    #[test]
    fn status_of_an_older_generation_is_never_ready(
        kind in prop::sample::select(KINDS.to_vec()),
        spec in anything(),
        status in anything(),
        generation in 1i64..1000,
        behind in 1i64..10,
    ) {
        let mut old = object(kind.0, kind.1, spec, json!({}));
        if let Value::Object(fields) = status {
            old["status"] = Value::Object(fields);
        }
        old["metadata"]["generation"] = json!(generation);
        old["status"]["observedGeneration"] = json!(generation - behind);
        prop_assert!(!judge(&old, &Context::default()).is_ready());
    }
}
