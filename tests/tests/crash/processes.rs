//! Several processes on one data directory, and one that is asked to stop.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStderr, Command, Stdio};

use windlass_core::run::Stage;
use windlass_tests::world::{Ran, World};

use crate::shop::{DEPLOY, Shop, expect_journal, text};

const VERIFIED: [(Stage, bool); 6] = [
    (Stage::Gate, true),
    (Stage::Render, true),
    (Stage::Secrets, true),
    (Stage::Apply, true),
    (Stage::Wait, true),
    (Stage::Verify, true),
];

const STATEFUL_SET: &str = "infra/k8s/base/statefulsets/postgres.statefulset.yaml";

#[test]
fn a_second_process_sends_and_watches_while_the_first_carries() {
    let shop = Shop::new();
    let serving = Serving::start(&shop.world);
    shop.world.windlass(&["serve", "--until-idle"]).expect(9).says("another windlass works");
    shop.world.windlass(&DEPLOY).expect(0).says("verified");
    let [run] = shop.world.runs().try_into().expect("one run");
    expect_journal(&shop.world.run(&text(&run["id"])), &VERIFIED);
    assert_eq!(shop.standing().generation, 1);
    assert_eq!(serving.stop(), Some(0));
}

#[test]
fn a_process_that_is_asked_to_stop_finishes_the_run_in_hand() {
    let shop = Shop::new();
    make_slow(&shop.world);
    let serving = Serving::start(&shop.world);
    shop.world.windlass(&["deploy", "-e", "local", "--detach"]).expect(0);
    // Made by the apply; the pod that the run waits for takes its time after that.
    let made = ["wait", "--for=create", "pod/postgres-0", "--timeout=60s"];
    shop.space.kubectl(&made).expect_success();
    assert_eq!(serving.stop(), Some(0));
    let [run] = shop.world.runs().try_into().expect("one run");
    let run = shop.world.run(&text(&run["id"]));
    assert_eq!(run["state"], "verified", "{run:#}");
    expect_journal(&run, &VERIFIED);
}

#[test]
fn a_deploy_that_is_interrupted_ends_its_step_and_goes_on_later() {
    let shop = Shop::new();
    make_slow(&shop.world);
    let deploy = Deploying::start(&shop.world);
    let made = ["wait", "--for=create", "pod/postgres-0", "--timeout=60s"];
    shop.space.kubectl(&made).expect_success();
    let ran = deploy.interrupt();
    ran.expect(130).says("finishing the current step").says("applied (").says("`windlass runs watch r-1`");
    let standing = shop.world.run("r-1");
    assert_eq!(standing["state"], "wait", "{standing:#}");
    shop.world.windlass(&["runs", "watch", "r-1"]).expect(0).says("verified");
    assert_eq!(shop.standing().generation, 1, "nothing was applied a second time");
}

#[test]
fn an_interrupted_watcher_leaves_the_run_to_the_process_that_carries_it() {
    let shop = Shop::new();
    make_slow(&shop.world);
    let serving = Serving::start(&shop.world);
    let deploy = Deploying::start(&shop.world);
    let made = ["wait", "--for=create", "pod/postgres-0", "--timeout=60s"];
    shop.space.kubectl(&made).expect_success();
    let ran = deploy.interrupt();
    ran.expect(130).says("goes on in another process").says("`windlass runs cancel r-1`");
    shop.world.windlass(&["runs", "watch", "r-1"]).expect(0).says("verified");
    assert_eq!(serving.stop(), Some(0));
}

/// A `windlass deploy` that is on its way.
struct Deploying(Child);

impl Deploying {
    fn start(world: &World) -> Self {
        let mut deploy = world.program();
        deploy.args(DEPLOY).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(deploy.spawn().unwrap())
    }

    /// Presses Ctrl-C and answers with what the command came to.
    fn interrupt(self) -> Ran {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args(["-s", "INT", &id]).status().unwrap().success());
        let output = self.0.wait_with_output().unwrap();
        Ran {
            code: output.status.code().unwrap_or(137),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

fn make_slow(world: &World) {
    let template = "  template:\n    metadata:\n";
    let slow = "      annotations: {testbed/fault: slow, testbed/seconds: '3'}\n";
    world.replace(STATEFUL_SET, template, &format!("{template}{slow}"));
    world.commit("Start slowly");
}

/// A windlass that works until it is told to stop.
#[derive(Debug)]
struct Serving {
    process: Child,
    /// Kept open, since it goes on talking.
    _talk: BufReader<ChildStderr>,
}

impl Serving {
    /// Starts it and waits until it says that it works.
    fn start(world: &World) -> Self {
        let mut serve = world.program();
        serve
            .args(["serve", "--listen", "none"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut process = serve.spawn().unwrap();
        let mut talk = BufReader::new(process.stderr.take().unwrap());
        let mut line = String::new();
        talk.read_line(&mut line).unwrap();
        assert!(line.starts_with("windlass works on"), "{line}");
        Self { process, _talk: talk }
    }

    /// Asks it to stop and answers with its exit code once it has.
    fn stop(mut self) -> Option<i32> {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &id]).status().unwrap().success());
        self.process.wait().unwrap().code()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // Gone already, unless the test failed.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
