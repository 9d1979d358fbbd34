//! An event comes in, its run waits, somebody approves, and it goes on: all over HTTP.

use serde_json::json;
use windlass_tests::world::CANARIES;

use crate::server::{ROLES, Server, follow_until, nowhere, with_tokens, world};

const EVENT: &str = "content-type: application/cloudevents+json\r\n";
const JSON: &str = "content-type: application/json\r\n";

#[test]
fn a_push_is_held_and_goes_on_when_somebody_approves() {
    let world = world(nowhere());
    let tokens = with_tokens(&world);
    let token = |name: &str| tokens.iter().find(|(own, _)| own == name).unwrap().1.as_str();
    let before = world.git(&["rev-parse", "HEAD"]);
    world.edit("infra/k8s/hetzner/prod/patches/postgres.statefulset.yaml", |text| format!("# Anew.\n{text}"));
    let after = world.commit("Touch prod");
    let server = Server::start(world);

    let mut following = server.follow("/v1/runs/events", token("eve"));
    let push = json!({"specversion": "1.0", "id": "push-1", "source": "/forge", "type": "dev.windlass.push",
        "data": {"repository": "acme/shop", "ref": "refs/heads/main", "before": before, "after": after, "author": "ada"}});
    let sent = server.ask("POST", "/v1/events", token("ci"), EVENT, &push.to_string());
    assert_eq!((sent.status, &sent.json()["inbox"]), (202, &json!("e-1")), "{sent:?}");
    let held = follow_until(&mut following, |run| run["state"] == "held");
    assert_eq!(
        (&held["environment"], &held["held"]["code"]),
        (&json!("prod"), &json!("approval_missing")),
        "{held:#}"
    );
    let run = held["id"].as_str().unwrap();

    let approve = |name: &str| {
        server.ask(
            "POST",
            &format!("/v1/runs/{run}/approve"),
            token(name),
            JSON,
            &json!({"digest": held["digest"]}).to_string(),
        )
    };
    assert_eq!(approve("ci").status, 403, "a deployer may not");
    let approved = approve("grace");
    assert_eq!(
        (approved.status, &approved.json()["approvals"][0]["approver"]),
        (200, &json!("grace")),
        "{approved:?}"
    );
    // It goes on to the cluster, which is not there: that is tried again later, and no approval is missing any more.
    let on = follow_until(&mut following, |run| {
        run["state"] == "held" && run["held"]["code"] != "approval_missing"
    });
    assert!(
        on["stages"]
            .as_array()
            .unwrap()
            .iter()
            .any(|stage| stage["stage"] == "secrets" || stage["stage"] == "apply"),
        "{on:#}"
    );
    assert_eq!(approve("grace").status, 200, "said again, it answers the same");

    let by_command = server.world.windlass_json(&["runs", "show", run]).1;
    assert_eq!(
        by_command,
        server.get(&format!("/v1/runs/{run}"), token("eve")).json(),
        "one value everywhere"
    );
}

#[test]
fn who_sends_in_the_name_of_another_does_not_approve_it() {
    let world = world(nowhere());
    let tokens = with_tokens(&world);
    let token = |name: &str| tokens.iter().find(|(own, _)| own == name).unwrap().1.as_str();
    let server = Server::start(world);
    let mut following = server.follow("/v1/runs/events", token("eve"));
    let deploy = json!({"specversion": "1.0", "id": "1", "source": "/forge", "type": "dev.windlass.deploy.requested",
        "data": {"environment": "prod", "requester": "ada"}});
    assert_eq!(server.ask("POST", "/v1/events", token("grace"), EVENT, &deploy.to_string()).status, 202);
    let held = follow_until(&mut following, |run| run["state"] == "held");
    let approve = format!("/v1/runs/{}/approve", held["id"].as_str().unwrap());
    assert_eq!(server.ask("POST", &approve, token("grace"), "", "").status, 200);
    let still = follow_until(&mut following, |run| run["state"] == "held");
    assert_eq!(still["held"]["code"], "approval_missing");
    assert!(
        still["held"]["text"].as_str().unwrap().contains("grace asked for the run and cannot approve it"),
        "{still:#}"
    );
    assert_eq!(server.ask("POST", &approve, token("root"), "", "").status, 200);
    follow_until(&mut following, |run| run["held"]["code"] != "approval_missing" && run["state"] == "held");
}

#[test]
fn no_token_and_no_secret_is_ever_said_or_written() {
    let world = world(nowhere());
    let tokens = with_tokens(&world);
    let server = Server::start(world);
    let deploy = json!({"specversion": "1.0", "id": "1", "source": "/forge", "type": "dev.windlass.deploy.requested",
        "data": {"environment": "dev", "requester": "ada"}});
    let mut answers = String::new();
    for (_, token) in &tokens {
        for (method, path, headers, body) in [
            ("GET", "/v1/runs", "", String::new()),
            ("GET", "/v1/environments", "", String::new()),
            ("GET", &format!("/v1/runs?token={token}"), "", String::new()),
            ("GET", "/nowhere", "", String::new()),
            ("POST", "/v1/events", EVENT, deploy.to_string()),
            ("POST", "/v1/events", EVENT, "{".to_owned()),
            ("POST", "/v1/environments/dev/pause", JSON, json!({"reason": "quiet"}).to_string()),
        ] {
            answers.push_str(&server.ask(method, path, token, headers, &body).body);
        }
    }
    assert_eq!(server.get("/v1/runs", &format!("{}x", tokens[0].1)).status, 401);
    let written = server.world.everything_written();
    let said = server.stop();
    assert!(said.contains("/v1/events"), "the log tells of requests, or this test looks at nothing:\n{said}");
    let secret = tokens.iter().map(|(_, token)| token.as_str()).chain(CANARIES.map(|(_, value)| value));
    for secret in secret {
        let find = |bytes: &[u8]| bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!find(&written), "`{secret}` was written");
        assert!(!said.contains(secret), "`{secret}` was logged:\n{said}");
        assert!(!answers.contains(secret), "`{secret}` was answered");
    }
    assert_eq!(tokens.len(), ROLES.len());
}
