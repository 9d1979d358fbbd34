//! Everything that goes wrong, at every call: it ends right, or stops with a cause and goes on when it is asked again. Nothing is made twice,
//! nothing is left over.

#![expect(clippy::unwrap_used, reason = "tests say what is wrong by panicking")]

#[expect(dead_code, reason = "other tests use the rest of it")]
#[path = "../cluster/world.rs"]
mod world;

use std::time::Duration;

use windlass_core::provider::{ClusterSpec, Provider as _};
use windlass_hetzner_emulator::{Effect, Fault};

use crate::world::{CANARIES, Setting, Silent, World, told};

/// What a cluster of one master and one worker is made of.
const WHOLE: [&str; 7] = [
    "firewalls/shop",
    "networks/shop",
    "placement_groups/shop-masters",
    "placement_groups/shop-w-1",
    "servers/shop-master1",
    "servers/shop-pool-w-worker1",
    "ssh_keys/shop",
];

/// A call that is not answered is waited for so long, by the clock of the machine.
const HANGING: Duration = Duration::from_secs(2);

async fn world() -> World {
    World::with(Setting { timeout: HANGING, ..Setting::default() }).await
}

fn spec(world: &World) -> ClusterSpec {
    world.spec(1, 1, "")
}

/// How many calls it takes when nothing goes wrong.
async fn calls_without_faults() -> usize {
    let world = world().await;
    world.ensure(&spec(&world)).await.unwrap_or_else(|error| panic!("{}", told(&error)));
    world.calls().len()
}

/// The cluster is whole, and one removal takes all of it away.
async fn check_whole(mut world: World, case: &str) {
    world.emulator.clear_faults();
    world.restart();
    let spec = spec(&world);
    world.ensure(&spec).await.unwrap_or_else(|error| panic!("{case}: {}", told(&error)));
    assert_eq!(world.inventory(), WHOLE, "{case}");
    assert_eq!(world.plan(&spec).await.changes, [], "{case}");
    assert_eq!(world.fleet.cluster.lock().unwrap().nodes.len(), 2, "{case}");
    world.remove().await;
    assert_eq!(world.inventory(), Vec::<String>::new(), "{case}: something is left over");
}

async fn at_every_call(name: &str, effect: Effect) {
    for at in 0..calls_without_faults().await {
        let world = world().await;
        world.emulator.fault(Fault::new(effect.clone()).after(u32::try_from(at).unwrap()));
        let case = format!("{name} at call {at}");
        if let Err(error) = world.ensure(&spec(&world)).await {
            let words = told(&error);
            assert!(
                !words.is_empty() && CANARIES.iter().all(|canary| !words.contains(canary)),
                "{case}: {words}"
            );
        }
        check_whole(world, &case).await;
    }
}

macro_rules! at_every_call {
    ($($name:ident: $effect:expr;)*) => {
        $(#[tokio::test]
        async fn $name() {
            at_every_call(stringify!($name), $effect).await;
        })*
    };
}

fn ending_in(code: &str) -> Effect {
    Effect::FailActions { code: code.to_owned(), command: None }
}

fn refused(status: u16, code: &str) -> Effect {
    Effect::Refuse { status, code: code.to_owned() }
}

at_every_call! {
    bad_request: Effect::refuse(400);
    unknown_token: Effect::refuse(401);
    forbidden: Effect::refuse(403);
    no_more_resources: refused(403, "resource_limit_exceeded");
    maintenance: refused(403, "maintenance");
    not_found: Effect::refuse(404);
    conflict: Effect::refuse(409);
    name_taken: refused(409, "uniqueness_error");
    out_of_stock: Effect::refuse(412);
    service_error: Effect::refuse(422);
    invalid_input: refused(422, "invalid_input");
    placement_error: refused(422, "placement_error");
    locked: Effect::refuse(423);
    protected: refused(423, "protected");
    too_many_requests: Effect::refuse(429);
    server_error: Effect::refuse(500);
    server_error_after_it_was_done: Effect::refuse_after(500);
    bad_gateway: Effect::refuse(502);
    bad_gateway_after_it_was_done: Effect::refuse_after(502);
    unavailable: Effect::refuse(503);
    timeout: Effect::refuse(504);
    timeout_after_it_was_done: Effect::refuse_after(504);
    lost_request: Effect::LoseRequest;
    lost_answer: Effect::LoseAnswer;
    hanging_request: Effect::HangBefore;
    hanging_answer: Effect::HangAfter;
    drained_bucket: Effect::DrainBucket;
    slow_actions: Effect::SlowActions { seconds: 120.0, command: None };
    failed_actions_for_want_of_stock: ending_in("resource_unavailable");
    failed_actions: ending_in("action_failed");
}

/// A process that dies leaves nothing but what is on disk and at Hetzner's.
#[tokio::test]
async fn a_run_that_is_killed_at_any_call_is_taken_up_again() {
    for at in 1..=calls_without_faults().await {
        let world = world().await;
        let spec = spec(&world);
        tokio::select! {
            biased;
            () = world.emulator.called(at) => {}
            done = world.provider.ensure(&spec, &Silent) => drop(done),
        }
        check_whole(world, &format!("killed at call {at}")).await;
    }
}

#[tokio::test]
async fn a_removal_that_is_killed_at_any_call_is_taken_up_again() {
    let calls = {
        let world = world().await;
        world.ensure(&spec(&world)).await.unwrap();
        world.emulator.forget_calls();
        world.remove().await;
        world.calls().len()
    };
    for at in 1..=calls {
        let mut world = world().await;
        world.ensure(&spec(&world)).await.unwrap();
        let before = world.calls().len();
        let name = crate::world::CLUSTER.parse().unwrap();
        tokio::select! {
            biased;
            () = world.emulator.called(before + at) => {}
            done = world.provider.remove(&name, windlass_core::provider::Removal::Final, &Silent) => drop(done),
        }
        world.restart();
        world.remove().await;
        assert_eq!(world.inventory(), Vec::<String>::new(), "killed at call {at}");
    }
}
