//! Looking at objects, writing and deleting them.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use windlass_tests::testbed::{Bed, programs};

use crate::{WEB, columns, fails, run, shows, web};

const DATABASE: &str = "
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 2
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: main, image: 'db:1', volumeMounts: [{name: data, mountPath: /data}]}]}
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], storageClassName: local-path, resources: {requests: {storage: 1Gi}}}
";

#[test]
fn get_shows_a_table_with_the_columns_of_the_kind() {
    let space = Bed::shared().namespace();
    web(&space);
    let deployments = columns(&run(&space, "get deployments"));
    assert!(deployments.starts_with("NAME READY UP-TO-DATE AVAILABLE AGE\nweb 2/2 2 2 "), "{deployments}");
    let pods = columns(&run(&space, "get pods"));
    assert!(pods.starts_with("NAME READY STATUS RESTARTS AGE\nweb-"), "{pods}");
    assert_eq!(pods.matches(" 1/1 Running 0 ").count(), 2, "{pods}");
    let wide = columns(&run(&space, "get deployment web -o wide"));
    shows(&wide, &["CONTAINERS IMAGES SELECTOR", "main web:1 app=web"]);
    shows(&run(&space, "get all"), &["deployment.apps/web", "replicaset.apps/web-", "pod/web-"]);
    assert_eq!(
        run(&space, "get pods -o name").lines().filter(|line| line.starts_with("pod/web-")).count(),
        2
    );
    assert_eq!(
        fails(&space, "get deployment shop"),
        "Error from server (NotFound): deployments.apps \"shop\" not found\n"
    );
}

#[test]
fn get_answers_whole_objects() {
    let space = Bed::shared().namespace();
    web(&space);
    let yaml = run(&space, "get deployment web -o yaml");
    shows(
        &yaml,
        &[
            "apiVersion: apps/v1\nkind: Deployment\n",
            "\n  name: web\n",
            "      - image: web:1\n",
            "\n  readyReplicas: 2\n",
        ],
    );
    assert!(!yaml.contains("managedFields"), "{yaml}");
    let path = "get deployment web -o jsonpath={.spec.template.spec.containers[0].ports[0].containerPort}";
    assert_eq!(run(&space, path), "80");
}

#[test]
fn get_finds_by_labels_and_fields() {
    let space = Bed::shared().namespace();
    space.apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: a, labels: {tier: front}}}");
    space.apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: b, labels: {tier: back}}}");
    assert_eq!(run(&space, "get configmaps -l tier=front -o name"), "configmap/a\n");
    assert_eq!(run(&space, "get configmaps -l tier -o name"), "configmap/a\nconfigmap/b\n");
    assert_eq!(run(&space, "get configmaps -l tier!=front,tier -o name"), "configmap/b\n");
    assert_eq!(run(&space, "get configmaps --field-selector metadata.name=b -o name"), "configmap/b\n");
    let table = columns(&run(&space, "get configmaps -l tier -L tier"));
    shows(&table, &["NAME DATA AGE TIER\na 0 ", " front\nb 0 "]);
    assert_eq!(run(&space, "get configmaps -l tier=none --ignore-not-found"), "");
}

#[test]
fn get_goes_on_with_what_changes() {
    let space = Bed::shared().namespace();
    space.apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {key: one}}");
    let mut watch = Command::new(programs().join("kubectl"));
    watch.arg("--kubeconfig").arg(space.kubeconfig());
    watch.args(["get", "configmap", "a", "--watch", "-o", "jsonpath={.data.key}{'\\n'}"]);
    let mut watch = watch.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "one");
    space.apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {key: two}}");
    assert_eq!(lines.next().unwrap().unwrap(), "two");
    watch.kill().unwrap();
    watch.wait().unwrap();
}

#[test]
fn describe_tells_of_a_pod_with_its_events() {
    let space = Bed::shared().namespace();
    web(&space);
    let told = columns(&run(&space, "describe pods -l app=web"));
    shows(
        &told,
        &[
            "\nStatus: Running\n",
            "\nControlled By: ReplicaSet/web-",
            "\nImage: web:1\n",
            "\nState: Running\n",
            "\nReady True\n",
            "\nQoS Class: BestEffort\n",
            "default-scheduler Successfully assigned ",
            "kubelet Started container main",
        ],
    );
}

#[test]
fn describe_tells_of_a_stateful_set_with_its_events() {
    let space = Bed::shared().namespace();
    space.apply(DATABASE);
    run(&space, "rollout status statefulset/db --timeout=60s");
    let told = columns(&run(&space, "describe statefulset db"));
    shows(
        &told,
        &[
            "\nReplicas: 2 desired | 2 total\n",
            "\nPods Status: 2 Running / 0 Waiting / 0 Succeeded / 0 Failed\n",
            "\nStorageClass: local-path\n",
            "SuccessfulCreate",
            "create Pod db-1 in StatefulSet db successful",
        ],
    );
    shows(&columns(&run(&space, "describe pvc data-db-0")), &["\nStatus: Bound\n", "\nUsed By: db-0\n"]);
}

#[test]
fn apply_tells_what_it_did_and_removes_what_is_wanted_no_more() {
    let space = Bed::shared().namespace();
    let apply = |manifest: &str| space.kubectl_with(&["apply", "-f", "-"], manifest).expect_success();
    let manifest =
        |data: &str| format!("{{apiVersion: v1, kind: ConfigMap, metadata: {{name: a}}, data: {data}}}");
    assert_eq!(apply(&manifest("{x: '1', y: '2'}")), "configmap/a created\n");
    assert_eq!(apply(&manifest("{x: '1', y: '2'}")), "configmap/a unchanged\n");
    assert_eq!(apply(&manifest("{x: '3'}")), "configmap/a configured\n");
    assert_eq!(run(&space, "get configmap a -o jsonpath={.data}"), "{\"x\":\"3\"}");
    // Lists of containers merge by name (strategic merge), so that what others added stays.
    assert_eq!(apply(WEB), "deployment.apps/web created\n");
    run(&space, "set env deployment/web COLOUR=blue");
    assert_eq!(apply(&WEB.replace("web:1", "web:2")), "deployment.apps/web configured\n");
    let container = "get deployment web -o jsonpath={.spec.template.spec.containers[*]['image','env']}";
    shows(&run(&space, container), &["web:2", "COLOUR"]);
}

#[test]
fn server_side_apply_names_who_owns_a_field() {
    let space = Bed::shared().namespace();
    let apply = |image: &str, more: &[&str]| {
        let arguments = [&["apply", "--server-side", "-f", "-"], more].concat();
        space.kubectl_with(&arguments, &WEB.replace("web:1", image))
    };
    assert_eq!(apply("web:1", &[]).expect_success(), "deployment.apps/web serverside-applied\n");
    let refused = apply("web:2", &["--field-manager=somebody"]).expect_failure();
    shows(
        &refused,
        &[
            "Apply failed with 1 conflict: conflict with \"kubectl\": .spec.template.spec.containers[name=\"main\"].image",
            "--force-conflicts",
        ],
    );
    apply("web:2", &["--field-manager=somebody", "--force-conflicts"]).expect_success();
    let image = "get deployment web -o jsonpath={.spec.template.spec.containers[0].image}";
    assert_eq!(run(&space, image), "web:2");
    let owners = "get deployment web --show-managed-fields -o jsonpath={.metadata.managedFields[*].manager}";
    shows(&run(&space, owners), &["kubectl", "somebody"]);
}

#[test]
fn a_mistake_in_a_manifest_is_named() {
    let space = Bed::shared().namespace();
    let apply = |manifest: &str| space.kubectl_with(&["apply", "-f", "-"], manifest).expect_failure();
    shows(
        &apply(&WEB.replace("replicas: 2", "replica: 2")),
        &["strict decoding error: unknown field \"spec.replica\""],
    );
    shows(
        &apply(&WEB.replace("containerPort: 80", "containerPort: 80000")),
        &["containerPort: Invalid value: 80000"],
    );
    let unknown = apply("{apiVersion: example.org/v1, kind: Shop, metadata: {name: a}}");
    shows(&unknown, &["no matches for kind \"Shop\" in version \"example.org/v1\""]);
}

#[test]
fn diff_shows_what_an_apply_would_change() {
    let space = Bed::shared().namespace();
    web(&space);
    let diff =
        |manifest: &str, more: &[&str]| space.kubectl_with(&[&["diff", "-f", "-"], more].concat(), manifest);
    assert_eq!(diff(WEB, &["--server-side"]).expect_success(), "");
    let changed = diff(&WEB.replace("web:1", "web:2"), &["--server-side"]);
    assert!(!changed.success);
    shows(&changed.stdout, &["\n-      - image: web:1\n", "\n+      - image: web:2\n"]);
    shows(
        &diff(&WEB.replace("replicas: 2", "replicas: 3"), &[]).stdout,
        &["\n-  replicas: 2\n", "\n+  replicas: 3\n"],
    );
    assert_eq!(run(&space, "get deployment web -o jsonpath={.spec.replicas}"), "2");
}

#[test]
fn delete_waits_until_the_object_is_gone() {
    let space = Bed::shared().namespace();
    web(&space);
    shows(
        &run(&space, "delete deployment web --cascade=foreground --timeout=60s"),
        &["deployment.apps \"web\" deleted"],
    );
    assert_eq!(run(&space, "get deployments,replicasets,pods --ignore-not-found"), "");
    shows(&fails(&space, "delete deployment web"), &["deployments.apps \"web\" not found"]);
    assert_eq!(run(&space, "delete deployment web --ignore-not-found"), "");
}

#[test]
fn delete_takes_what_labels_select_and_can_leave_pods() {
    let space = Bed::shared().namespace();
    web(&space);
    run(&space, "delete deployment -l app=web --cascade=orphan");
    assert_eq!(columns(&run(&space, "get pods -l app=web --no-headers")).lines().count(), 2);
    run(&space, "delete replicasets,pods -l app=web --timeout=60s");
    assert_eq!(run(&space, "get replicasets,pods --ignore-not-found"), "");
}
