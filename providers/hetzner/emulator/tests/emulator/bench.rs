//! An emulator whose time stands, and a few words to ask it. Every exchange is held to the official document.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use windlass_hetzner_emulator::{Clock, Emulator, Latencies, Limits, SimulatedClock};
use windlass_tests::hetzner::{ApiDocument, Exchange};

pub(crate) struct Bench {
    pub(crate) emulator: Emulator,
    pub(crate) clock: SimulatedClock,
    /// What succeeded, as the document writes it: `GET /servers/{id}`
    pub(crate) succeeded: Mutex<BTreeSet<String>>,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        Self::with(Limits::default()).await
    }

    pub(crate) async fn with(limits: Limits) -> Self {
        let clock = SimulatedClock::new("2026-11-24T08:00:00Z".parse::<Timestamp>().unwrap());
        let emulator = Emulator::builder()
            .clock(Clock::Simulated(clock.clone()))
            .latencies(Latencies::usual())
            .limits(limits)
            .start()
            .await
            .unwrap();
        Self { emulator, clock, succeeded: Mutex::default() }
    }

    #[track_caller]
    fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let (status, answer) = self.emulator.ask(method, path, body);
        let request = Some(body).filter(|body| !body.is_null());
        let shown = Some(&answer).filter(|answer| !answer.is_null());
        let document = ApiDocument::get();
        let problems = document.problems(&Exchange { method, path, request, status, answer: shown });
        assert!(problems.is_empty(), "{problems:#?}\n{method} {path} {body}\n{status} {answer:#}");
        if status < 300 {
            let plain = path.split('?').next().unwrap_or_default();
            self.succeeded.lock().unwrap().extend(document.template(method, plain));
        }
        (status, answer)
    }

    #[track_caller]
    pub(crate) fn ok(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.ask(method, path, &body);
        assert!((200..300).contains(&status), "{method} {path} {body}: {status} {answer}");
        answer
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Value {
        self.ok("GET", path, Value::Null)
    }

    /// Does a command, and lets its action end.
    #[track_caller]
    pub(crate) fn done(&self, path: &str, body: Value) -> Value {
        let answer = self.ok("POST", path, body);
        self.pass(200);
        answer
    }

    /// A refusal: status, code, and the fields that are wrong: `422 invalid_input name`
    #[track_caller]
    pub(crate) fn refused(&self, method: &str, path: &str, body: Value) -> String {
        let (status, answer) = self.ask(method, path, &body);
        let error = &answer["error"];
        let fields = error["details"]["fields"].as_array().into_iter().flatten();
        let names = fields.map(|field| field["name"].as_str().unwrap());
        let words: Vec<&str> = error["code"].as_str().into_iter().chain(names).collect();
        format!("{status} {}", words.join(" "))
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    #[track_caller]
    pub(crate) fn server(&self, name: &str, more: Value) -> Value {
        let mut body =
            json!({"name": name, "server_type": "cx23", "image": "ubuntu-24.04", "location": "fsn1"});
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        self.ok("POST", "/servers", body)
    }

    #[track_caller]
    pub(crate) fn network(&self) -> u64 {
        let subnets = json!([{"type": "cloud", "network_zone": "eu-central", "ip_range": "10.0.0.0/24"}]);
        let body = json!({"name": "private", "ip_range": "10.0.0.0/16", "subnets": subnets});
        id(&self.ok("POST", "/networks", body)["network"])
    }
}

pub(crate) fn id(view: &Value) -> u64 {
    view["id"].as_u64().unwrap_or_else(|| panic!("{view} has no ID"))
}

pub(crate) const PUBLIC_KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPY3q6nsTPPKkJBUE4HGaXmSsLYJwpOWC9sNdqRDkaX";

/// openssl req -x509 -newkey ed25519 -nodes -subj /CN=x -addext subjectAltName=DNS:example.com
pub(crate) const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\n\
    MIIBRjCB+aADAgECAhRcHThgcxMaBxzEPBzQWMUQUlAsgzAFBgMrZXAwDDEKMAgG\n\
    A1UEAwwBeDAgFw0yNjExMjQwMzQxNDhaGA8yMTI2MTAzMTAzNDE0OFowDDEKMAgG\n\
    A1UEAwwBeDAqMAUGAytlcAMhAC7yM70HXRqd4R0q/iwN6ifyov4D4ikJoEJNA2df\n\
    V5pdo2swaTAdBgNVHQ4EFgQUJulwuXATwXI/jkoHjTgLXsvyh/wwHwYDVR0jBBgw\n\
    FoAUJulwuXATwXI/jkoHjTgLXsvyh/wwDwYDVR0TAQH/BAUwAwEB/zAWBgNVHREE\n\
    DzANggtleGFtcGxlLmNvbTAFBgMrZXADQQAiiHVEtGfqYYwEa/aA/TpwsfcTwyb9\n\
    mShYR5XrkbeMmEgkoy/2nkKvgWRJOjAPHbkwgeoIwC0aITQGa9oZ3xwL\n\
    -----END CERTIFICATE-----";

/// Nobody looks into it.
pub(crate) const PRIVATE_KEY: &str = "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n";
