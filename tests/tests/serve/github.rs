//! What GitHub delivers becomes runs, once what was pushed is here.

use std::path::Path;
use std::process::Command;

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use windlass_tests::world::World;

use crate::server::{Answer, Server, follow_until, nowhere, world};

const SECRET: &str = "canary-of-github-Xoh4ieth";

/// A server that takes the pushes of `acme/shop`.
fn serve(world: World) -> Server {
    world.configure_more("[http.github]\nrepository = \"acme/shop\"\n");
    Server::start_with(world, |serve| {
        serve.env("WINDLASS_GITHUB_SECRET", SECRET);
    })
}

fn push(before: &str, after: &str) -> String {
    json!({
        "ref": "refs/heads/main", "before": before, "after": after, "created": false, "deleted": false, "forced": false,
        "repository": {"id": 186_853_002, "full_name": "acme/shop", "private": true, "pushed_at": 1_557_933_657},
        "pusher": {"name": "ada", "email": "ada@example.org"}, "sender": {"login": "ada", "id": 21_031_067, "type": "User"},
        "head_commit": {"id": after, "message": "Touch prod", "author": {"name": "Grace", "email": "grace@example.org", "username": "grace"}},
        "commits": [],
    })
    .to_string()
}

fn signature(secret: &str, body: &str) -> String {
    let mut code = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    code.update(body.as_bytes());
    code.finalize().into_bytes().iter().fold("sha256=".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

fn deliver(server: &Server, delivery: &str, secret: &str, body: &str) -> Answer {
    let headers = format!(
        "content-type: application/json\r\nx-github-event: push\r\nx-github-delivery: {delivery}\r\nx-hub-signature-256: {}\r\n",
        signature(secret, body)
    );
    server.ask("POST", "/v1/hooks/github", "", &headers, body)
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let mut git = Command::new("git");
    git.current_dir(folder)
        .args(["-c", "user.name=grace", "-c", "user.email=grace@example.org"])
        .args(arguments);
    let output = git.output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn a_push_is_told_before_its_commit_is_here_and_becomes_a_run() {
    let (world, elsewhere) = (world(nowhere()), tempfile::tempdir().unwrap());
    let forge = elsewhere.path().join("forge");
    let repository = world.repository();
    git(elsewhere.path(), &["clone", "--quiet", repository.to_str().unwrap(), "forge"]);
    let patch = forge.join("infra/k8s/hetzner/prod/patches/postgres.statefulset.yaml");
    std::fs::write(&patch, format!("# Anew.\n{}", std::fs::read_to_string(&patch).unwrap())).unwrap();
    git(&forge, &["commit", "--quiet", "--all", "--message", "Touch prod"]);
    let body = push(&git(&forge, &["rev-parse", "HEAD~1"]), &git(&forge, &["rev-parse", "HEAD"]));

    let server = serve(world);
    let mut following = server.follow("/v1/runs/events", "");
    let taken = deliver(&server, "1", SECRET, &body);
    assert_eq!((taken.status, &taken.json()["event"]["inbox"]), (202, &json!("e-1")), "{taken:?}");
    let event = |server: &Server| server.get("/v1/events", "").json()[0].clone();
    assert_eq!((&event(&server)["status"], &event(&server)["sender"]), (&json!("new"), &json!("ada")));
    git(&repository, &["fetch", "--quiet", forge.to_str().unwrap(), "main:refs/remotes/forge/main"]);
    let held = follow_until(&mut following, |run| run["state"] == "held");
    assert_eq!((&held["environment"], &held["requester"]), (&json!("prod"), &json!("grace")), "{held:#}");
    assert_eq!(event(&server)["status"], "planned");

    for delivery in ["1", "2"] {
        let again = deliver(&server, delivery, SECRET, &body);
        assert_eq!(
            (again.status, &again.json()["event"]["duplicate"]),
            (200, &Value::Bool(true)),
            "{again:?}"
        );
    }
    assert_eq!(server.get("/v1/events", "").json().as_array().unwrap().len(), 1);
}

#[test]
fn what_somebody_else_signs_is_refused_and_nothing_of_it_is_said() {
    let server = serve(world(nowhere()));
    let body = push(&"a".repeat(40), &"b".repeat(40));
    let refused = deliver(&server, "canary-delivery", "canary-of-somebody-else", &body);
    assert_eq!((refused.status, &refused.json()["code"]), (401, &json!("signature_wrong")), "{refused:?}");
    assert_eq!(server.get("/v1/events", "").json(), json!([]));
    let right = signature(SECRET, &body);
    let written = server.world.everything_written();
    let said = server.stop();
    assert!(
        said.contains("/v1/hooks/github"),
        "the log tells of requests, or this test looks at nothing:\n{said}"
    );
    for secret in [SECRET, &right[7..], &signature("canary-of-somebody-else", &body)[7..], "canary-delivery"]
    {
        assert!(!said.contains(secret), "`{secret}` was logged:\n{said}");
        assert!(!refused.body.contains(secret), "`{secret}` was answered");
        assert!(
            !written.windows(secret.len()).any(|window| window == secret.as_bytes()),
            "`{secret}` was written"
        );
    }
}

#[test]
fn without_its_secret_it_does_not_start() {
    let world = world(nowhere());
    world.configure_more("[http.github]\nrepository = \"acme/shop\"\n");
    world
        .windlass(&["serve", "--listen", "127.0.0.1:0"])
        .expect(2)
        .says("the secret of GitHub's webhook is nowhere")
        .says("WINDLASS_GITHUB_SECRET");
}
