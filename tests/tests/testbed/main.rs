//! What other tests may expect of the test bed.

mod recorded;

use windlass_tests::testbed::{Bed, Namespace};

/// A StatefulSet of three with a volume each.
const DATABASE: &str = "
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 3
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      containers:
      - {name: main, image: 'db:1', volumeMounts: [{name: data, mountPath: /data}]}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], storageClassName: local-path, resources: {requests: {storage: 1Gi}}}
";

fn deployment(annotations: &str, container: &str) -> String {
    format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}, annotations: {{{annotations}}}}}
    spec: {{containers: [{{name: main, image: 'web:1'{container}}}]}}
"
    )
}

/// Waits until a field of the only pod has that value.
#[track_caller]
fn wait_for(space: &Namespace, path: &str, value: &str) {
    // A selector that finds nothing yet is an error to `kubectl wait`, not something to wait for.
    let made = ["wait", "--for=jsonpath={.status.replicas}=1", "deployment/web", "--timeout=30s"];
    space.kubectl(&made).expect_success();
    let condition = format!("--for=jsonpath={path}={value}");
    space.kubectl(&["wait", &condition, "pod", "--selector=app=web", "--timeout=30s"]).expect_success();
}

#[test]
fn a_stateful_set_becomes_ready_with_its_volumes() {
    let space = Bed::shared().namespace();
    space.apply(DATABASE);
    space.kubectl(&["rollout", "status", "statefulset/db", "--timeout=60s"]).expect_success();
    let claims =
        space.kubectl(&["get", "pvc", "--output=jsonpath={.items[*].status.phase}"]).expect_success();
    assert_eq!(claims, "Bound Bound Bound");
}

#[test]
fn a_claim_can_be_refused() {
    let space = Bed::shared().namespace();
    space.apply(
        &DATABASE.replace(
            "{name: data}\n    spec",
            "{name: data, annotations: {testbed/fault: refused}}\n    spec",
        ),
    );
    wait_for_event(&space, "ProvisioningFailed");
    let phase =
        space.kubectl(&["get", "pvc", "data-db-0", "--output=jsonpath={.status.phase}"]).expect_success();
    assert_eq!(phase, "Pending");
}

#[test]
fn a_changed_image_alone_makes_an_update_fail() {
    let space = Bed::shared().namespace();
    space.apply(&deployment("", ""));
    space.kubectl(&["rollout", "status", "deployment/web", "--timeout=30s"]).expect_success();
    space.kubectl(&["set", "image", "deployment/web", "main=web:missing"]).expect_success();
    wait_for_event(&space, "Failed");
    let events = space.kubectl(&["get", "events", "--output=jsonpath={.items[*].message}"]).expect_success();
    assert!(events.contains("Failed to pull image \"web:missing\": rpc error: code = NotFound"), "{events}");
    let available = ["wait", "--for=condition=Available", "deployment/web", "--timeout=1s"];
    space.kubectl(&available).expect_success();
}

#[test]
fn a_crash_leaves_its_exit_code_and_its_last_words() {
    let space = Bed::shared().namespace();
    space.apply(&deployment("testbed/fault: crash, testbed/exit-code: '3', testbed/log: 'no database'", ""));
    wait_for(&space, "{.status.containerStatuses[0].lastState.terminated.exitCode}", "3");
    wait_for(&space, "{.status.containerStatuses[0].restartCount}", "1");
    let log = ["logs", "deployment/web", "--previous"];
    assert_eq!(space.kubectl(&log).expect_success(), "no database\n");
}

#[test]
fn a_missing_config_map_heals_when_it_is_made() {
    let space = Bed::shared().namespace();
    let environment = ", envFrom: [{configMapRef: {name: settings}}]";
    space.apply(&deployment("testbed/speed: '10'", environment));
    let reason = "{.status.containerStatuses[0].state.waiting.reason}";
    wait_for(&space, reason, "CreateContainerConfigError");
    let log = space.kubectl(&["logs", "deployment/web"]).expect_failure();
    assert!(log.contains("is waiting to start: CreateContainerConfigError"), "{log}");
    space.kubectl(&["create", "configmap", "settings"]).expect_success();
    space.kubectl(&["rollout", "status", "deployment/web", "--timeout=30s"]).expect_success();
}

#[test]
fn a_log_can_be_followed_to_its_end() {
    let space = Bed::shared().namespace();
    space.apply(&deployment("testbed/fault: crash-late, testbed/seconds: '2', testbed/log: 'up'", ""));
    wait_for(&space, "{.status.phase}", "Running");
    assert_eq!(space.kubectl(&["logs", "deployment/web", "--follow"]).expect_success(), "up\n");
}

#[test]
fn a_pod_that_asks_for_an_unknown_fault_says_so() {
    let space = Bed::shared().namespace();
    space.apply(&deployment("testbed/fault: crahs", ""));
    wait_for_event(&space, "UnknownFault");
}

#[track_caller]
fn wait_for_event(space: &Namespace, reason: &str) {
    let field = format!("--field-selector=reason={reason}");
    space.kubectl(&["wait", "--for=create", "event", &field, "--timeout=30s"]).expect_success();
}

#[test]
fn namespaces_do_not_meet() {
    let (one, other) = (Bed::shared().namespace(), Bed::shared().namespace());
    one.apply(&deployment("", ""));
    assert_ne!(one.name(), other.name());
    assert!(!other.kubectl(&["get", "deployment", "web"]).success);
}

#[test]
fn a_namespace_is_deleted_with_its_value() {
    let bed = Bed::shared();
    let space = bed.namespace();
    let name = space.name().to_owned();
    drop(space);
    let gone = format!("namespace/{name}");
    bed.kubectl(&["wait", "--for=delete", &gone, "--timeout=60s"]).expect_success();
}
