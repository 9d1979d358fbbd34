//! One trace from whoever called windlass to the last request of the run.

use windlass_tests::testbed::Bed;
use windlass_tests::world::{CANARIES, Ran, World};

use crate::collector::{Collector, Span};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

/// The kinds of spans, by their numbers in the protocol.
const INTERNAL: i32 = 1;
const SERVER: i32 = 2;
const CLIENT: i32 = 3;
const PRODUCER: i32 = 4;
const CONSUMER: i32 = 5;

fn run(world: &World, collector: &Collector, arguments: &[&str]) -> Ran {
    let mut program = world.program();
    program.env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint);
    program.env("TRACEPARENT", format!("00-{TRACE}-{CALLER}-01"));
    Ran::of(program.args(["--log", "info"]).args(arguments))
}

#[track_caller]
fn one<'spans>(spans: &'spans [Span], name: &str) -> &'spans Span {
    let found: Vec<_> = spans.iter().filter(|span| span.name == name).collect();
    assert_eq!(
        found.len(),
        1,
        "`{name}` among {:?}",
        spans.iter().map(|span| &span.name).collect::<Vec<_>>()
    );
    found[0]
}

#[test]
fn a_deploy_is_one_trace_from_its_event_to_its_requests() {
    let space = Bed::shared().namespace();
    let world = World::new(space.kubeconfig());
    let collector = Collector::start();
    run(&world, &collector, &["deploy", "-e", "local"]).expect(0);
    let spans = collector.spans();
    for span in &spans {
        assert_eq!(span.trace, TRACE, "{span:#?}");
        assert!(span.parent == CALLER || spans.iter().any(|other| other.id == span.parent), "{span:#?}");
    }

    let send = one(&spans, "send dev.windlass.deploy.requested");
    assert_eq!((send.parent.as_str(), send.kind), (CALLER, PRODUCER));
    let event = one(&spans, "process dev.windlass.deploy.requested");
    assert_eq!((&event.parent, event.kind), (&send.id, CONSUMER));
    assert_eq!(event.get("cloudevents.event_source"), "/windlass/cli");
    let run = one(&spans, "RUN local");
    assert_eq!((&run.parent, run.kind), (&event.id, SERVER));
    assert_eq!(run.get("cicd.pipeline.result"), "success");
    assert_eq!(run.get("cicd.pipeline.run.id"), "r-1");
    assert_eq!(run.get("deployment.environment.name"), "local");
    assert_eq!(run.get("vcs.ref.head.revision"), world.git(&["rev-parse", "HEAD"]));
    for stage in ["gate", "render", "secrets", "apply", "wait", "verify"] {
        let span = one(&spans, stage);
        assert_eq!((&span.parent, span.kind), (&run.id, INTERNAL), "{stage}");
        assert_eq!(span.get("cicd.pipeline.task.run.result"), "success", "{stage}");
    }
    let written = "PATCH /apis/apps/v1/namespaces/{namespace}/statefulsets/{name}";
    let apply = one(&spans, "apply");
    let calls: Vec<_> = spans.iter().filter(|span| span.name == written && span.parent == apply.id).collect();
    assert!(!calls.is_empty(), "apply wrote the StatefulSet: {spans:#?}");
    for call in calls {
        assert_eq!((call.kind, call.get("http.request.method")), (CLIENT, "PATCH"));
        assert!(["200", "201"].contains(&call.get("http.response.status_code")), "{call:#?}");
        assert_eq!(call.get("k8s.namespace.name"), space.name());
    }
    expect_metrics(&collector);
    let logs = collector.logs();
    assert!(logs.iter().any(|(line, trace)| line == "planned" && trace == TRACE), "{logs:?}");
    expect_no_secrets(&collector);
}

fn expect_metrics(collector: &Collector) {
    let metrics = collector.metrics();
    let has = |name: &str, labels: &[(&str, &str)]| {
        let series = metrics.get(name).unwrap_or_else(|| panic!("`{name}` among {:?}", metrics.keys()));
        let fits = |series: &std::collections::BTreeMap<String, String>| {
            labels.iter().all(|(name, value)| series.get(*name).map(String::as_str) == Some(*value))
        };
        assert!(series.iter().any(fits), "`{name}` with {labels:?} among {series:?}");
    };
    let local = ("deployment.environment.name", "local");
    has("windlass.runs", &[local, ("windlass.outcome", "verified")]);
    has("cicd.pipeline.run.duration", &[local, ("cicd.pipeline.result", "success")]);
    has(
        "windlass.stage.duration",
        &[local, ("cicd.pipeline.task.name", "apply"), ("windlass.stage.success", "true")],
    );
    has(
        "http.client.request.duration",
        &[("http.request.method", "PATCH"), ("http.response.status_code", "201")],
    );
    has("windlass.store.commit.duration", &[("db.operation.name", "plan")]);
    has(
        "messaging.client.consumed.messages",
        &[("messaging.system", "windlass"), ("windlass.intake.result", "new")],
    );
}

fn expect_no_secrets(collector: &Collector) {
    let raw = collector.raw();
    assert!(raw.len() > 10_000, "hardly anything was sent");
    for (name, value) in CANARIES {
        let found = raw.windows(value.len()).any(|window| window == value.as_bytes());
        assert!(!found, "the value of `{name}` was sent to the collector");
    }
}

#[test]
fn a_run_that_is_taken_up_again_goes_on_in_its_trace() {
    let space = Bed::shared().namespace();
    let world = World::new(space.kubeconfig());
    let collector = Collector::start();
    world.edit("infra/deploy-control.yaml", |policy| {
        let (before, local) = policy.split_once("\n  local:\n").unwrap();
        let held = local.replacen("require_manual_approval: false", "require_manual_approval: true", 1);
        format!("{before}\n  local:\n{held}")
    });
    world.commit("Ask before local is touched");
    let held = run(&world, &collector, &["deploy", "-e", "local"]);
    assert_ne!(held.code, 0, "{}", held.text());
    // By somebody else, in a process that belongs to no trace.
    let mut approve = world.program();
    approve.env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint).env("WINDLASS_IDENTITY__NAME", "grace");
    Ran::of(approve.args(["approve", "r-1"])).expect(0);
    let spans = collector.spans();
    let runs: Vec<_> = spans.iter().filter(|span| span.name == "RUN local").collect();
    assert_eq!(runs.len(), 2, "{runs:#?}");
    assert!(runs.iter().all(|run| run.trace == TRACE && run.parent == runs[0].parent), "{runs:#?}");
    assert_eq!(
        (runs[0].get("cicd.pipeline.run.state"), runs[0].get("windlass.hold.code")),
        ("pending", "approval_missing")
    );
    assert_eq!(runs[1].get("cicd.pipeline.result"), "success");
    let gates: Vec<_> = spans.iter().filter(|span| span.name == "gate").collect();
    let waits = |gate: &&&Span| gate.get("cicd.pipeline.task.run.result") == "success";
    assert_eq!(gates.iter().filter(waits).count(), gates.len(), "to wait is no failure: {gates:#?}");
    expect_no_secrets(&collector);
}

#[test]
fn without_an_endpoint_nothing_is_sent_and_the_trace_is_kept_all_the_same() {
    let space = Bed::shared().namespace();
    let world = World::new(space.kubeconfig());
    let collector = Collector::start();
    let mut program = world.program();
    program.env("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.endpoint).env("OTEL_SDK_DISABLED", "true");
    program.env("TRACEPARENT", format!("00-{TRACE}-{CALLER}-01"));
    Ran::of(program.args(["deploy", "-e", "local"])).expect(0);
    assert!(collector.raw().is_empty());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let run = runtime.block_on(async {
        let store = windlass_store::Store::open(&world.data_dir()).await.unwrap();
        store.run("r-1".parse().unwrap()).await.unwrap()
    });
    assert_eq!(run.traceparent, Some(format!("00-{TRACE}-{CALLER}-01")));
}

#[test]
fn a_collector_that_is_away_changes_nothing_but_that_it_is_not_told() {
    let world = World::new(std::path::Path::new("/nowhere"));
    let nobody = { std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap() };
    let mut program = world.program();
    program.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{nobody}"));
    let ran = Ran::of(program.args(["-o", "json", "deploy", "-e", "local", "--detach"]));
    ran.expect(0);
    let (_, events) = world.windlass_json(&["events", "list"]);
    assert_eq!(events, serde_json::json!([]), "it waits in the queue");
}
