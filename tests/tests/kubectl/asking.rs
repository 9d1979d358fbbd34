//! What the API says of itself and of whoever asks, and what it refuses.

use windlass_tests::testbed::{Bed, Namespace};

use crate::{columns, fails, run, shows, web};

#[test]
fn explain_knows_the_fields() {
    let space = Bed::shared().namespace();
    let told = columns(&run(&space, "explain deployment.spec.strategy"));
    shows(
        &told,
        &[
            "GROUP: apps\nKIND: Deployment\nVERSION: v1\n",
            "FIELD: strategy <DeploymentStrategy>",
            "rollingUpdate <RollingUpdateDeployment>",
            "type <string>",
        ],
    );
    shows(
        &run(&space, "explain pod --recursive"),
        &["containers\t<[]Container> -required-", "livenessProbe\t<Probe>"],
    );
    shows(&fails(&space, "explain deployment.spec.colour"), &["field \"colour\" does not exist"]);
}

#[test]
fn kinds_and_versions_are_listed() {
    let space = Bed::shared().namespace();
    let kinds = columns(&run(&space, "api-resources"));
    shows(&kinds, &["deployments deploy apps/v1 true Deployment", "namespaces ns v1 false Namespace"]);
    shows(&run(&space, "version"), &["Server Version: v1.34."]);
}

#[test]
fn can_i_answers_an_administrator() {
    let space = Bed::shared().namespace();
    assert_eq!(run(&space, "auth can-i create deployments"), "yes\n");
    shows(
        &columns(&run(&space, "auth can-i --list")),
        &["Resources Non-Resource URLs Resource Names Verbs", "*.* [] [] [*]"],
    );
}

#[test]
fn can_i_answers_whom_roles_bind() {
    let space = Bed::shared().namespace();
    run(&space, "create serviceaccount robot");
    run(&space, "create role reader --verb=get,list --resource=configmaps,pods/log");
    run(&space, &format!("create rolebinding reader --role=reader --serviceaccount={}:robot", space.name()));
    become_robot(&space);
    shows(
        &run(&space, "auth whoami -o jsonpath={.status.userInfo}"),
        &[&format!("system:serviceaccount:{}:robot", space.name())],
    );
    assert_eq!(run(&space, "auth can-i list configmaps"), "yes\n");
    assert_eq!(run(&space, "auth can-i get pods --subresource=log"), "yes\n");
    let no = space.kubectl(&["auth", "can-i", "delete", "configmaps"]);
    assert_eq!((no.success, no.stdout.as_str()), (false, "no\n"));
    shows(
        &columns(&run(&space, "auth can-i --list")),
        &["configmaps [] [] [get list]", "selfsubjectaccessreviews.authorization.k8s.io [] [] [create]"],
    );
    run(&space, "get configmaps");
    shows(
        &fails(&space, "get secrets"),
        &["Error from server (Forbidden): secrets is forbidden: User \"system:serviceaccount:"],
    );
}

fn become_robot(space: &Namespace) {
    let token = run(space, "create token robot");
    run(space, &format!("config set-credentials robot --token={}", token.trim()));
    run(space, "config set-context --current --user=robot");
}

#[test]
fn whoever_is_not_known_is_not_let_in() {
    let space = Bed::shared().namespace();
    run(&space, "config set-credentials robot --token=guessed");
    run(&space, "config set-context --current --user=robot");
    shows(&fails(&space, "get pods"), &["You must be logged in to the server"]);
}

#[test]
fn what_needs_a_process_is_refused_with_the_reason() {
    let space = Bed::shared().namespace();
    web(&space);
    let reason = "is not possible in a sandbox: its pods are simulated";
    shows(&fails(&space, "exec deployment/web -- ls"), &["`exec` ", reason]);
    shows(&fails(&space, "port-forward deployment/web 0:80"), &["`portforward` ", reason]);
    shows(&fails(&space, "attach deployment/web"), &["`attach` ", reason]);
    shows(&fails(&space, "exec nobody -- ls"), &["pods \"nobody\" not found"]);
}

#[test]
fn kinds_that_are_not_served_are_unknown() {
    let space = Bed::shared().namespace();
    shows(&fails(&space, "top pods"), &["Metrics API not available"]);
    shows(&fails(&space, "get shops"), &["the server doesn't have a resource type \"shops\""]);
}

#[test]
fn webhooks_are_refused_rather_than_passed_over() {
    let space = Bed::shared().namespace();
    let hook = "{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingWebhookConfiguration, metadata: {name: w}, webhooks: []}";
    let made = space.kubectl_with(&["apply", "--server-side", "-f", "-"], hook);
    shows(&made.expect_failure(), &["no matches for kind \"ValidatingWebhookConfiguration\""]);
}
