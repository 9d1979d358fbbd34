//! What happens on the way: tokens, the rate limit, faults, and what is kept of calls.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use windlass_hetzner_emulator::{Clock, Effect, Emulator, Fault, Latencies, Limits, SimulatedClock};

use super::bench::Bench;
use super::client::{ask, ask_as, send};

const SERVERS: &str = "/v1/servers";

fn body(name: &str) -> Value {
    json!({"name": name, "server_type": "cx23", "image": "debian-12", "location": "fsn1"})
}

fn names(emulator: &Emulator) -> Vec<String> {
    emulator.resources("servers").iter().map(|server| server["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_token_is_asked_for() {
    let emulator = Emulator::start().await.unwrap();
    let refused = ask_as(&emulator, "another", "GET", SERVERS, &Value::Null).await.unwrap();
    assert_eq!((refused.status, refused.code()), (401, "unauthorized"));
    let refused = ask_as(&emulator, "another", "GET", "/_emulator/calls", &Value::Null).await.unwrap();
    assert_eq!(refused.status, 401);
    assert_eq!(ask(&emulator, "GET", SERVERS, &Value::Null).await.unwrap().status, 200);
}

#[tokio::test]
async fn requests_run_out_and_come_back_one_by_one() {
    let limits = Limits { requests: 3, ..Limits::default() };
    let bench = Bench::with(limits).await;
    let get = || ask(&bench.emulator, "GET", SERVERS, &Value::Null);
    let remaining = |reply: &super::client::Reply| reply.header("ratelimit-remaining").unwrap().to_owned();
    let first = get().await.unwrap();
    assert_eq!(first.header("ratelimit-limit"), Some("3"));
    assert_eq!(remaining(&first), "2");
    let reset: i64 = first.header("ratelimit-reset").unwrap().parse().unwrap();
    assert_eq!(reset, bench.clock.now().as_second() + 1200);
    assert_eq!(first.header("x-correlation-id").map(str::len), Some(16));
    get().await.unwrap();
    get().await.unwrap();
    let refused = get().await.unwrap();
    assert_eq!((refused.status, refused.code()), (429, "rate_limit_exceeded"));
    bench.pass(1200);
    assert_eq!(get().await.unwrap().status, 200);
    assert_eq!(get().await.unwrap().status, 429);
}

#[tokio::test]
async fn what_is_not_json_is_refused() {
    let emulator = Emulator::start().await.unwrap();
    let refused = ask(&emulator, "POST", SERVERS, &json!([1])).await.unwrap();
    assert_eq!((refused.status, refused.code()), (400, "json_error"));
    let missing = ask(&emulator, "GET", "/v2/servers", &Value::Null).await.unwrap();
    assert_eq!(missing.status, 404);
}

#[tokio::test]
async fn a_lenient_emulator_takes_fields_that_do_not_exist() {
    let emulator = Emulator::builder().lenient().start().await.unwrap();
    let mut wish = body("a");
    wish["colour"] = "red".into();
    assert_eq!(ask(&emulator, "POST", SERVERS, &wish).await.unwrap().status, 201);
    assert_eq!(ask(&emulator, "GET", "/v1/servers?colour=red", &Value::Null).await.unwrap().status, 200);
}

/// What a fault does to the creation of a server: what the client sees, and whether there is one.
async fn check_fault(effect: Effect, status: Option<u16>, is_made: bool) {
    let emulator = Emulator::start().await.unwrap();
    emulator.fault(Fault::new(effect.clone()).of("POST", "/servers"));
    let reply = ask(&emulator, "POST", SERVERS, &body("a")).await;
    assert_eq!(reply.as_ref().map(|reply| reply.status), status, "{effect:?} {reply:?}");
    assert_eq!(!names(&emulator).is_empty(), is_made, "{effect:?}");
    let call = emulator.calls().pop().unwrap();
    assert_eq!((call.status, call.done), (status, is_made), "{effect:?}");
    let next = ask(&emulator, "POST", SERVERS, &body("b")).await.unwrap();
    assert_eq!(next.status, if status == Some(429) { 429 } else { 201 }, "only one call is befallen");
}

#[tokio::test]
async fn faults_befall_a_call_before_or_after_it_is_done() {
    for status in [409, 412, 423, 500, 503] {
        check_fault(Effect::refuse(status), Some(status), false).await;
    }
    check_fault(Effect::refuse(429), Some(429), false).await;
    check_fault(Effect::DrainBucket, Some(429), false).await;
    check_fault(Effect::refuse_after(504), Some(504), true).await;
    check_fault(Effect::LoseRequest, None, false).await;
    check_fault(Effect::LoseAnswer, None, true).await;
}

#[tokio::test]
async fn a_call_that_hangs_is_done_or_not_when_its_client_goes() {
    for (effect, is_made) in [(Effect::HangBefore, false), (Effect::HangAfter, true)] {
        let emulator = Emulator::start().await.unwrap();
        emulator.fault(Fault::new(effect).of("POST", "/servers"));
        let connection = send(&emulator, emulator.token(), "POST", SERVERS, &body("a")).await;
        emulator.called(1).await;
        drop(connection);
        assert_eq!(!names(&emulator).is_empty(), is_made);
    }
}

#[tokio::test]
async fn a_call_is_done_though_its_client_has_gone() {
    let clock = SimulatedClock::new(Timestamp::UNIX_EPOCH);
    let latencies = Latencies::none().calls(Duration::from_secs(1));
    let builder = Emulator::builder().clock(Clock::Simulated(clock.clone())).latencies(latencies);
    let emulator = builder.start().await.unwrap();
    let connection = send(&emulator, emulator.token(), "POST", SERVERS, &body("a")).await;
    while emulator.calls().is_empty() {
        tokio::task::yield_now().await;
    }
    drop(connection);
    while !clock.advance_to_next() {
        tokio::task::yield_now().await;
    }
    emulator.called(1).await;
    assert_eq!(names(&emulator), ["a"]);
}

#[tokio::test]
async fn actions_fail_or_take_longer_on_demand() {
    let bench = Bench::new().await;
    let fail =
        Effect::FailActions { code: "action_failed".to_owned(), command: Some("start_server".to_owned()) };
    bench.emulator.fault(Fault::new(fail).of("POST", "/servers"));
    let made = ask(&bench.emulator, "POST", SERVERS, &body("a")).await.unwrap().body;
    let slow = Effect::SlowActions { seconds: 100.0, command: Some("create_server".to_owned()) };
    bench.emulator.fault(Fault::new(slow).of("POST", "/servers"));
    let late = ask(&bench.emulator, "POST", SERVERS, &body("b")).await.unwrap().body;
    bench.pass(60);
    let start = bench.get(&format!("/actions/{}", made["next_actions"][0]["id"]));
    assert_eq!(
        (&start["action"]["status"], &start["action"]["error"]["code"]),
        (&json!("error"), &json!("action_failed"))
    );
    assert_eq!(bench.get("/servers?name=a")["servers"][0]["status"], "off");
    let create = bench.get(&format!("/actions/{}", late["action"]["id"]));
    assert_eq!((&create["action"]["status"], &create["action"]["progress"]), (&json!("running"), &json!(56)));
    bench.pass(60);
    assert_eq!(bench.get("/servers?name=b")["servers"][0]["status"], "running");
}

#[tokio::test]
async fn calls_are_kept_with_what_was_said() {
    let emulator = Emulator::start().await.unwrap();
    ask(&emulator, "GET", "/v1/servers?name=a", &Value::Null).await.unwrap();
    let made = ask(&emulator, "POST", SERVERS, &body("a")).await.unwrap();
    ask(&emulator, "POST", SERVERS, &body("a")).await.unwrap();
    let calls = emulator.calls();
    let told: Vec<(&str, &str, Option<u16>)> =
        calls.iter().map(|call| (call.method.as_str(), call.path.as_str(), call.status)).collect();
    let expected = [
        ("GET", "/servers?name=a", Some(200)),
        ("POST", "/servers", Some(201)),
        ("POST", "/servers", Some(409)),
    ];
    assert_eq!(told, expected);
    assert_eq!(calls.iter().filter(|call| call.is_write()).count(), 2);
    assert_eq!(calls[1].request.as_ref().unwrap()["name"], "a");
    assert_eq!(calls[1].answer.as_ref(), Some(&made.body));
    assert_eq!(Some(&*calls[1].correlation), made.header("x-correlation-id"));
    emulator.forget_calls();
    assert!(emulator.calls().is_empty());
}

#[tokio::test]
async fn another_process_steers_it_over_http() {
    let bench = Bench::new().await;
    let admin = |method: &'static str, path: &'static str, body: Value| {
        let emulator = &bench.emulator;
        async move { ask(emulator, method, &format!("/_emulator{path}"), &body).await.unwrap() }
    };
    let fault = json!({"method": "GET", "path": "/servers", "effect": {"refuse": {"status": 503, "code": "unavailable"}}});
    assert_eq!(admin("POST", "/faults", fault.clone()).await.status, 204);
    let listed = admin("GET", "/faults", Value::Null).await.body;
    assert_eq!(listed["faults"][0]["effect"], fault["effect"]);
    assert_eq!(ask(&bench.emulator, "GET", SERVERS, &Value::Null).await.unwrap().status, 503);
    assert_eq!(admin("GET", "/calls", Value::Null).await.body["calls"][0]["status"], 503);
    assert_eq!(
        admin("POST", "/shortages", json!({"server_type": "cx23", "location": "fsn1"})).await.status,
        204
    );
    assert_eq!(ask(&bench.emulator, "POST", SERVERS, &body("a")).await.unwrap().status, 412);
    admin("DELETE", "/shortages", Value::Null).await;
    assert_eq!(ask(&bench.emulator, "POST", SERVERS, &body("a")).await.unwrap().status, 201);
    let before = bench.clock.now();
    assert_eq!(admin("POST", "/clock", json!({"advance": 11})).await.status, 204);
    assert_eq!(bench.clock.now().duration_since(before).as_secs(), 11);
    assert_eq!(bench.get("/servers")["servers"][0]["status"], "running");
    assert_eq!(admin("POST", "/faults", json!({"effect": "explode"})).await.status, 400);
    assert_eq!(admin("PUT", "/faults", Value::Null).await.status, 405);
    assert_eq!(admin("GET", "/weather", Value::Null).await.status, 404);
}

#[tokio::test]
async fn simulated_time_measures_a_client_that_polls() {
    let clock = SimulatedClock::new(Timestamp::UNIX_EPOCH);
    let latencies = Latencies::usual().calls(Duration::from_millis(100));
    let builder = Emulator::builder().clock(Clock::Simulated(clock.clone())).latencies(latencies);
    let emulator = builder.start().await.unwrap();
    let work = async {
        ask(&emulator, "POST", SERVERS, &body("a")).await.unwrap();
        loop {
            let list = ask(&emulator, "GET", SERVERS, &Value::Null).await.unwrap();
            if list.body["servers"][0]["status"] == "running" {
                break;
            }
            clock.sleep(Duration::from_millis(400)).await;
        }
    };
    tokio::select! {
        () = work => {}
        () = clock.drive(Duration::from_millis(20)) => unreachable!("it runs until it is dropped"),
    }
    // Created at 0.1 and running at 11.1; asked at 0.2, 0.7, … and 11.2.
    assert_eq!(clock.now().as_millisecond(), 11_200);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_servers_at_once_share_nothing() {
    let limits = Limits { servers: 500, ..Limits::default() };
    let emulator = std::sync::Arc::new(Emulator::builder().limits(limits).start().await.unwrap());
    let tasks: Vec<_> = (0..100)
        .map(|index| {
            let emulator = std::sync::Arc::clone(&emulator);
            tokio::spawn(async move {
                // Each name twice: one of the two is refused.
                ask(&emulator, "POST", SERVERS, &body(&format!("s{}", index / 2))).await.unwrap().status
            })
        })
        .collect();
    let mut statuses = Vec::new();
    for task in tasks {
        statuses.push(task.await.unwrap());
    }
    assert_eq!(statuses.iter().filter(|status| **status == 201).count(), 50);
    assert_eq!(statuses.iter().filter(|status| **status == 409).count(), 50);
    let servers = emulator.resources("servers");
    let addresses: std::collections::BTreeSet<&str> =
        servers.iter().map(|server| server["public_net"]["ipv4"]["ip"].as_str().unwrap()).collect();
    assert_eq!(addresses.len(), 50);
}
