use serde_json::{Value, json};

use crate::controllers::bench::Bench;
use crate::objects::kinds::{JOB, POD};

fn job(spec: &Value) -> Value {
    let mut job = json!({
        "metadata": { "name": "migrate" },
        "spec": {
            "completions": 1, "parallelism": 1, "backoffLimit": 0,
            "selector": { "matchLabels": { "job-name": "migrate" } },
            "template": {
                "metadata": { "labels": { "job-name": "migrate" } },
                "spec": { "restartPolicy": "Never", "containers": [{ "name": "main", "image": "job:1" }] },
            },
        },
    });
    crate::controllers::merge::merge(&mut job["spec"], spec);
    job
}

fn running(spec: &Value) -> Bench {
    let mut bench = Bench::new();
    bench.create(&JOB, job(spec));
    bench.settle();
    bench
}

fn ends(bench: &mut Bench, phase: &str) {
    let pod = bench.all(&POD).into_iter().find(|pod| pod["status"]["phase"] == "Pending").unwrap();
    bench.end(pod["metadata"]["name"].as_str().unwrap(), phase);
    bench.settle();
}

fn has(bench: &Bench, kind: &str, reason: &str) -> bool {
    let conditions =
        bench.get(&JOB, "migrate")["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions.iter().any(|one| one["type"] == kind && one["status"] == "True" && one["reason"] == reason)
}

#[test]
fn a_job_is_complete_when_enough_pods_succeeded() {
    let mut bench = running(&json!({ "completions": 3, "parallelism": 2 }));
    assert_eq!(bench.names(&POD).len(), 2);
    for _ in 0..3 {
        assert!(!has(&bench, "Complete", "CompletionsReached"));
        ends(&mut bench, "Succeeded");
    }
    assert!(has(&bench, "Complete", "CompletionsReached"));
    assert_eq!(bench.get(&JOB, "migrate")["status"]["succeeded"], 3);
    assert_eq!(bench.names(&POD).len(), 3);
}

#[test]
fn a_job_fails_beyond_its_limit() {
    let mut bench = running(&json!({}));
    ends(&mut bench, "Failed");
    assert!(has(&bench, "Failed", "BackoffLimitExceeded"));
    let told = bench.events("Job");
    assert_eq!(told.last().unwrap(), "BackoffLimitExceeded: Job has reached the specified backoff limit");
}

#[test]
fn pods_that_were_counted_can_go() {
    let mut bench = running(&json!({}));
    assert_eq!(bench.all(&POD)[0]["metadata"]["finalizers"], json!(["batch.kubernetes.io/job-tracking"]));
    ends(&mut bench, "Succeeded");
    assert_eq!(bench.all(&POD)[0]["metadata"]["finalizers"], json!([]));
}

#[test]
fn a_suspended_job_has_no_pods_until_it_is_resumed() {
    let mut bench = running(&json!({ "suspend": true }));
    assert!(bench.names(&POD).is_empty());
    assert!(has(&bench, "Suspended", "JobSuspended"));
    bench.patch(&JOB, "migrate", &json!({ "spec": { "suspend": false } }));
    bench.settle();
    assert_eq!(bench.names(&POD).len(), 1);
    assert!(!has(&bench, "Suspended", "JobSuspended"));
}

#[test]
fn a_deadline_that_has_passed_ends_the_job_and_its_pods() {
    let mut bench = running(&json!({ "activeDeadlineSeconds": 0 }));
    bench.run_pods(|_| false);
    assert!(has(&bench, "Failed", "DeadlineExceeded"));
    assert!(bench.names(&POD).is_empty());
}

#[test]
fn a_job_that_is_over_is_deleted_after_its_time() {
    let mut bench = running(&json!({ "ttlSecondsAfterFinished": 0 }));
    ends(&mut bench, "Succeeded");
    assert!(!bench.exists(&JOB, "migrate"));
}
