//! Following and steering what runs.

use windlass_tests::testbed::Bed;

use crate::{WEB, columns, fails, run, shows, web};

#[test]
fn rollout_status_ends_when_all_is_new() {
    let space = Bed::shared().namespace();
    web(&space);
    assert_eq!(run(&space, "rollout status deployment/web"), "deployment \"web\" successfully rolled out\n");
    run(&space, "set image deployment/web main=web:2");
    let told = run(&space, "rollout status deployment/web --timeout=60s");
    assert!(told.ends_with("deployment \"web\" successfully rolled out\n"), "{told}");
    let images = run(&space, "get pods -l app=web -o jsonpath={.items[*].spec.containers[0].image}");
    assert!(images.contains("web:2"), "{images}");
}

#[test]
fn rollout_status_fails_with_the_rollout() {
    let space = Bed::shared().namespace();
    space.apply(
        &WEB.replace("progressDeadlineSeconds: 60", "progressDeadlineSeconds: 1")
            .replace("web:1", "web:missing"),
    );
    let told = fails(&space, "rollout status deployment/web --timeout=60s");
    assert_eq!(told, "error: deployment \"web\" exceeded its progress deadline\n");
    let reason = "{.status.containerStatuses[0].state.waiting.reason}=ImagePullBackOff";
    run(&space, &format!("wait --for=jsonpath={reason} pod -l app=web --timeout=60s"));
    shows(&columns(&run(&space, "get pods -l app=web")), &[" 0/1 "]);
}

#[test]
fn rollout_restart_makes_new_pods() {
    let space = Bed::shared().namespace();
    web(&space);
    let pods = "get pods -l app=web -o jsonpath={.items[*].metadata.name}";
    let before = run(&space, pods);
    assert_eq!(run(&space, "rollout restart deployment/web"), "deployment.apps/web restarted\n");
    run(&space, "rollout status deployment/web --timeout=60s");
    for name in before.split(' ') {
        run(&space, &format!("wait --for=delete pod/{name} --timeout=60s"));
    }
    assert_eq!(
        columns(&run(&space, "get pods -l app=web --no-headers")).matches(" 1/1 Running 0 ").count(),
        2
    );
}

#[test]
fn rollout_undo_returns_to_the_revision_before() {
    let space = Bed::shared().namespace();
    web(&space);
    run(&space, "set image deployment/web main=web:2");
    run(&space, "rollout status deployment/web --timeout=60s");
    let history = columns(&run(&space, "rollout history deployment/web"));
    shows(&history, &["REVISION CHANGE-CAUSE", "\n1 <none>", "\n2 <none>"]);
    assert_eq!(run(&space, "rollout undo deployment/web"), "deployment.apps/web rolled back\n");
    let image = "get deployment web -o jsonpath={.spec.template.spec.containers[0].image}";
    assert_eq!(run(&space, image), "web:1");
}

#[test]
fn scale_changes_the_number_of_pods() {
    let space = Bed::shared().namespace();
    web(&space);
    assert_eq!(run(&space, "scale deployment/web --replicas=3"), "deployment.apps/web scaled\n");
    run(&space, "rollout status deployment/web --timeout=60s");
    assert_eq!(columns(&run(&space, "get pods -l app=web --no-headers")).matches(" 1/1 Running ").count(), 3);
    shows(
        &fails(&space, "scale deployment/web --current-replicas=7 --replicas=1"),
        &["Expected replicas to be 7, was 3"],
    );
    run(&space, "scale deployment/web --replicas=0");
    run(&space, "wait --for=delete pod -l app=web --timeout=60s");
}

#[test]
fn logs_are_those_of_the_container() {
    let space = Bed::shared().namespace();
    web(&space);
    let told = space.kubectl(&["logs", "deployment/web"]);
    assert_eq!(told.expect_success(), "started\n");
    shows(&fails(&space, "logs deployment/web -c other"), &["container other is not valid for pod web-"]);
    shows(
        &fails(&space, "logs deployment/web --previous"),
        &["previous terminated container \"main\" in pod \"web-"],
    );
}

#[test]
fn logs_tell_the_last_words_of_the_container_before() {
    let space = Bed::shared().namespace();
    let crash = "{testbed/fault: crash, testbed/exit-code: \"3\", testbed/log: \"FATAL: no such role\", testbed/speed: \"10\"}";
    space.apply(&WEB.replace(
        "    metadata: {labels: {app: web}}",
        &format!("    metadata: {{labels: {{app: web}}, annotations: {crash}}}"),
    ));
    run(&space, "wait --for=jsonpath={.status.replicas}=2 deployment/web --timeout=60s");
    let restarted = "wait --for=jsonpath={.status.containerStatuses[0].lastState.terminated.exitCode}=3 pod -l app=web --timeout=60s";
    run(&space, restarted);
    shows(&run(&space, "logs -l app=web --previous"), &["FATAL: no such role"]);
    let told = columns(&run(&space, "describe pods -l app=web"));
    shows(
        &told,
        &[
            "\nLast State: Terminated\nReason: Error\n",
            "\nExit Code: 3\n",
            "Back-off restarting failed container",
        ],
    );
}

#[test]
fn events_are_told() {
    let space = Bed::shared().namespace();
    web(&space);
    let told = columns(&run(&space, "events --for deployment/web"));
    shows(
        &told,
        &[
            "LAST SEEN TYPE REASON OBJECT MESSAGE",
            "Normal ScalingReplicaSet Deployment/web Scaled up replica set web-",
        ],
    );
    shows(
        &columns(&run(&space, "get events --field-selector reason=Started")),
        &[" Normal Started pod/web-"],
    );
    assert_eq!(run(&space, "events --types=Warning"), "");
}

#[test]
fn a_job_is_waited_for() {
    let space = Bed::shared().namespace();
    run(&space, "create job once --image=once:1");
    run(&space, "wait --for=condition=Complete job/once --timeout=60s");
    shows(
        &columns(&run(&space, "get job once")),
        &["NAME STATUS COMPLETIONS DURATION AGE\nonce Complete 1/1 "],
    );
}
