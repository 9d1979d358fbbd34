//! What [`Queue`] promises, one behaviour at a time.
//!
//! A backend says how to reach an empty queue and how to open sessions on it, and calls [`run_all`]:
//!
//! ```
//! use windlass_core::queue::Queue;
//! use windlass_tests::conformance::queue::{Place, run_all};
//!
//! # struct Mine;
//! #[async_trait::async_trait]
//! impl Place for Mine {
//!     async fn open(&self) -> Box<dyn Queue> {
//!         # unimplemented!()
//!         // connect
//!     }
//! }
//!
//! async fn my_queue_keeps_the_contract() {
//!     run_all(async || Mine).await;
//! }
//! ```
//!
//! Nothing here asserts a duration. Where something must happen, the suite waits for it, and gives up after [`PATIENCE`].

#![expect(clippy::unwrap_used, reason = "a suite fails as tests do")]

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::time::timeout;
use windlass_core::queue::{Delivery, Depth, Queue, Settled, Verdict};

/// How long the suite waits for what must happen. Brokers need seconds to see that a session is gone.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// How long the suite looks for what must not happen.
const GLANCE: Duration = Duration::from_millis(100);

/// An empty queue that nobody else uses.
#[async_trait]
pub trait Place: Send + Sync {
    /// Opens a session on it. Dropping the session ends it, however much it has in hand.
    async fn open(&self) -> Box<dyn Queue>;
}

macro_rules! cases {
    ($($case:ident)*) => {
        /// Every case, in the words that name it.
        pub const CASES: &[&str] = &[$(stringify!($case)),*];

        /// Runs one case.
        pub async fn run(case: &str, place: &dyn Place) {
            match case {
                $(stringify!($case) => $case(place).await,)*
                other => panic!("there is no case `{other}`"),
            }
        }
    };
}

cases! {
    a_message_arrives_as_it_was_published
    an_empty_message_arrives
    every_byte_arrives
    a_big_message_arrives
    equal_messages_are_two_deliveries
    a_quiet_queue_keeps_its_order
    many_messages_arrive_once_each
    many_publishers_lose_nothing
    a_published_message_outlives_its_session
    an_empty_queue_gives_nothing
    a_waiting_receiver_is_woken
    a_waiting_receiver_is_woken_by_another_session
    a_receiver_does_not_wait_for_more_than_there_is
    max_is_the_most_that_is_handed_out
    two_receivers_never_share_a_delivery
    what_is_in_hand_is_not_handed_out_again
    what_is_in_hand_returns_when_its_session_is_gone
    what_was_taken_never_returns
    only_what_was_not_settled_returns
    verdicts_come_in_any_order
    each_token_gets_its_own_answer
    settling_twice_is_stale
    a_token_of_an_earlier_session_is_stale
    a_stale_verdict_settles_nothing
    a_stale_token_stays_stale_when_the_message_is_in_hand_again
    what_was_released_returns
    what_was_released_with_a_delay_returns
    a_release_keeps_the_message_for_others
    what_was_rejected_is_dead
    the_first_attempt_is_one
    a_receive_that_is_given_up_loses_nothing
    depth_counts_what_waits_and_what_is_in_hand
}

/// Runs every case, each on a place of its own.
pub async fn run_all<P: Place>(fresh: impl AsyncFn() -> P) {
    for case in CASES {
        run(case, &fresh().await).await;
    }
}

/// What goes in comes out.
pub async fn a_message_arrives_as_it_was_published(place: &dyn Place) {
    arrives(place, br#"{"specversion":"1.0","id":"1"}"#).await;
}

/// No bytes are a message too.
pub async fn an_empty_message_arrives(place: &dyn Place) {
    arrives(place, b"").await;
}

/// A message is bytes, not text.
pub async fn every_byte_arrives(place: &dyn Place) {
    let every: Vec<u8> = (0..=u8::MAX).collect();
    arrives(place, &every).await;
}

/// A forge's largest events have megabytes.
pub async fn a_big_message_arrives(place: &dyn Place) {
    let big: Vec<u8> = (0..4 * 1024 * 1024_u32).map(|index| (index % 251) as u8).collect();
    arrives(place, &big).await;
}

/// A queue does not look into messages: who wants each event once recognises it by its identity.
pub async fn equal_messages_are_two_deliveries(place: &dyn Place) {
    let queue = place.open().await;
    publish(&*queue, &["same", "same"]).await;
    let deliveries = collect(&*queue, 2).await;
    assert_eq!(texts(&deliveries), ["same", "same"]);
    assert_ne!(deliveries[0].token, deliveries[1].token);
}

/// Where nothing goes wrong and nobody competes, first in is first out.
pub async fn a_quiet_queue_keeps_its_order(place: &dyn Place) {
    let queue = place.open().await;
    let messages: Vec<_> = (0..20).map(|index| format!("message {index}")).collect();
    for message in &messages {
        queue.publish(message.as_bytes()).await.unwrap();
    }
    assert_eq!(texts(&collect(&*queue, 20).await), messages);
}

/// Nothing is lost and nothing doubled while nothing goes wrong.
pub async fn many_messages_arrive_once_each(place: &dyn Place) {
    const COUNT: usize = 300;
    let queue = place.open().await;
    for index in 0..COUNT {
        queue.publish(format!("message {index:03}").as_bytes()).await.unwrap();
    }
    let mut found = Vec::new();
    while found.len() < COUNT {
        // More than a session may have in hand, so they must come in turns.
        let deliveries = patient_receive(&*queue, COUNT).await;
        settle_all(&*queue, &deliveries, &Verdict::Taken).await;
        found.extend(texts(&deliveries));
    }
    let expected: BTreeSet<_> = (0..COUNT).map(|index| format!("message {index:03}")).collect();
    assert_eq!((found.len(), found.into_iter().collect::<BTreeSet<_>>()), (COUNT, expected));
    nothing_comes(&*queue).await;
}

/// Publishing is safe from several sessions at once.
pub async fn many_publishers_lose_nothing(place: &dyn Place) {
    let (one, two, three) = (place.open().await, place.open().await, place.open().await);
    tokio::join!(publish(&*one, &["a", "b"]), publish(&*two, &["c", "d"]), publish(&*three, &["e", "f"]));
    let found: BTreeSet<_> = texts(&collect(&*one, 6).await).into_iter().collect();
    assert_eq!(found, ["a", "b", "c", "d", "e", "f"].map(str::to_owned).into());
}

/// What `publish` has answered is durable.
pub async fn a_published_message_outlives_its_session(place: &dyn Place) {
    publish(&*place.open().await, &["kept"]).await;
    assert_eq!(texts(&collect(&*place.open().await, 1).await), ["kept"]);
}

/// Waiting ends without a message, and that is not an error.
pub async fn an_empty_queue_gives_nothing(place: &dyn Place) {
    nothing_comes(&*place.open().await).await;
}

/// A receiver that waits gets what comes meanwhile.
pub async fn a_waiting_receiver_is_woken(place: &dyn Place) {
    let queue = place.open().await;
    let (deliveries, ()) = tokio::join!(collect(&*queue, 1), publish(&*queue, &["late"]));
    assert_eq!(texts(&deliveries), ["late"]);
}

/// The same from another session: that is how events come in life.
pub async fn a_waiting_receiver_is_woken_by_another_session(place: &dyn Place) {
    let (receiver, publisher) = (place.open().await, place.open().await);
    let (deliveries, ()) = tokio::join!(collect(&*receiver, 1), publish(&*publisher, &["late"]));
    assert_eq!(texts(&deliveries), ["late"]);
}

/// The wait is for the first message, not for a full hand.
pub async fn a_receiver_does_not_wait_for_more_than_there_is(place: &dyn Place) {
    let queue = place.open().await;
    publish(&*queue, &["only"]).await;
    let received = timeout(PATIENCE, queue.receive(10, PATIENCE * 10)).await;
    assert_eq!(texts(&received.expect("there was a message").unwrap()), ["only"]);
}

/// Nobody is given more than they asked for.
pub async fn max_is_the_most_that_is_handed_out(place: &dyn Place) {
    let queue = place.open().await;
    publish(&*queue, &["a", "b", "c", "d", "e"]).await;
    let mut all = Vec::new();
    while all.len() < 5 {
        let some = patient_receive(&*queue, 2).await;
        assert!((1..=2).contains(&some.len()), "{} messages were handed out, not 1 or 2", some.len());
        all.extend(some);
    }
    assert_eq!(texts(&all), ["a", "b", "c", "d", "e"]);
}

/// Receivers divide the messages among them.
pub async fn two_receivers_never_share_a_delivery(place: &dyn Place) {
    const COUNT: usize = 100;
    let (one, two) = (place.open().await, place.open().await);
    for index in 0..COUNT {
        one.publish(format!("{index:03}").as_bytes()).await.unwrap();
    }
    let missing = AtomicUsize::new(COUNT);
    let (first, second) = tokio::join!(drain(&*one, &missing), drain(&*two, &missing));
    let found: Vec<_> = [texts(&first), texts(&second)].concat();
    let distinct: BTreeSet<_> = found.iter().collect();
    assert_eq!(distinct.len(), found.len(), "a message was handed to both");
    assert_eq!(distinct.len(), COUNT);
}

/// A message in hand waits for its verdict.
pub async fn what_is_in_hand_is_not_handed_out_again(place: &dyn Place) {
    let (queue, other) = (place.open().await, place.open().await);
    publish(&*queue, &["once"]).await;
    let _in_hand = collect(&*queue, 1).await;
    nothing_comes(&*queue).await;
    nothing_comes(&*other).await;
}

/// Whoever dies with a message in hand does not take it along.
pub async fn what_is_in_hand_returns_when_its_session_is_gone(place: &dyn Place) {
    let queue = place.open().await;
    publish(&*queue, &["a", "b", "c"]).await;
    let in_hand = collect(&*queue, 3).await;
    assert_eq!(in_hand.len(), 3);
    drop(queue);
    let found: BTreeSet<_> = texts(&collect(&*place.open().await, 3).await).into_iter().collect();
    assert_eq!(found, ["a", "b", "c"].map(str::to_owned).into());
}

/// What was taken over is the taker's from then on.
pub async fn what_was_taken_never_returns(place: &dyn Place) {
    let queue = place.open().await;
    publish(&*queue, &["taken"]).await;
    settle_all(&*queue, &collect(&*queue, 1).await, &Verdict::Taken).await;
    nothing_comes(&*queue).await;
    drop(queue);
    nothing_comes(&*place.open().await).await;
}

/// A verdict is about one delivery, not about its neighbours.
pub async fn only_what_was_not_settled_returns(place: &dyn Place) {
    let queue = place.open().await;
    publish(&*queue, &["a", "b", "c"]).await;
    let in_hand = collect(&*queue, 3).await;
    settle_all(&*queue, &in_hand[1..2], &Verdict::Taken).await;
    drop(queue);
    let found: BTreeSet<_> = texts(&collect(&*place.open().await, 2).await).into_iter().collect();
    assert_eq!(found, ["a", "c"].map(str::to_owned).into());
}

/// What was taken over together need not be what was delivered together, and a neighbour may have another verdict.
pub async fn verdicts_come_in_any_order(place: &dyn Place) {
    let queue = place.open().await;
    publish(&*queue, &["a", "b", "c", "d", "e", "f"]).await;
    let in_hand = collect(&*queue, 6).await;
    settle_all(&*queue, &[in_hand[3].clone(), in_hand[1].clone()], &Verdict::Taken).await;
    settle_all(&*queue, &in_hand[..1], &Verdict::Reject("cannot be read".to_owned())).await;
    settle_all(&*queue, &in_hand[4..5], &Verdict::Taken).await;
    drop(queue);
    let queue = place.open().await;
    let found: BTreeSet<_> = texts(&collect(&*queue, 2).await).into_iter().collect();
    assert_eq!(found, ["c", "f"].map(str::to_owned).into());
    nothing_comes(&*queue).await;
}

/// A token that is stale keeps no other from being settled.
pub async fn each_token_gets_its_own_answer(place: &dyn Place) {
    let queue = place.open().await;
    publish(&*queue, &["a", "b"]).await;
    let in_hand = collect(&*queue, 2).await;
    settle_all(&*queue, &in_hand[..1], &Verdict::Taken).await;
    let tokens = [in_hand[0].token.clone(), in_hand[1].token.clone(), in_hand[1].token.clone()];
    let settled = queue.settle(&tokens, &Verdict::Taken).await.unwrap();
    assert_eq!(settled, [Settled::Stale, Settled::Done, Settled::Stale]);
    nothing_comes(&*queue).await;
}

/// A verdict that was given cannot be given again; that is an answer, not an error.
pub async fn settling_twice_is_stale(place: &dyn Place) {
    let queue = place.open().await;
    publish(&*queue, &["a"]).await;
    let delivery = collect(&*queue, 1).await.remove(0);
    assert_eq!(settle(&*queue, &delivery, &Verdict::Taken).await, Settled::Done);
    for verdict in [Verdict::Taken, Verdict::Release(Duration::ZERO), Verdict::Reject("late".to_owned())] {
        assert_eq!(settle(&*queue, &delivery, &verdict).await, Settled::Stale);
    }
}

/// Tokens die with their session.
pub async fn a_token_of_an_earlier_session_is_stale(place: &dyn Place) {
    let queue = place.open().await;
    publish(&*queue, &["a"]).await;
    let old = collect(&*queue, 1).await.remove(0);
    drop(queue);
    let queue = place.open().await;
    let new = collect(&*queue, 1).await.remove(0);
    assert_eq!(settle(&*queue, &old, &Verdict::Taken).await, Settled::Stale);
    assert_eq!(settle(&*queue, &new, &Verdict::Taken).await, Settled::Done);
}

/// A verdict that came too late must not settle somebody else's delivery of the same message.
pub async fn a_stale_verdict_settles_nothing(place: &dyn Place) {
    let queue = place.open().await;
    publish(&*queue, &["a"]).await;
    let old = collect(&*queue, 1).await.remove(0);
    drop(queue);
    let queue = place.open().await;
    let _new = collect(&*queue, 1).await;
    settle(&*queue, &old, &Verdict::Taken).await;
    drop(queue);
    assert_eq!(texts(&collect(&*place.open().await, 1).await), ["a"]);
}

/// The same within one session: each time a message is handed out is a delivery of its own.
pub async fn a_stale_token_stays_stale_when_the_message_is_in_hand_again(place: &dyn Place) {
    let queue = place.open().await;
    publish(&*queue, &["a"]).await;
    let first = collect(&*queue, 1).await;
    settle_all(&*queue, &first, &Verdict::Release(Duration::ZERO)).await;
    let second = collect(&*queue, 1).await;
    assert_eq!(settle(&*queue, &first[0], &Verdict::Taken).await, Settled::Stale);
    settle_all(&*queue, &second, &Verdict::Taken).await;
}

/// What was not the message's fault is tried again.
pub async fn what_was_released_returns(place: &dyn Place) {
    let queue = place.open().await;
    publish(&*queue, &["again"]).await;
    settle_all(&*queue, &collect(&*queue, 1).await, &Verdict::Release(Duration::ZERO)).await;
    assert_eq!(texts(&collect(&*queue, 1).await), ["again"]);
}

/// A delay is a wish; that the message returns is not.
pub async fn what_was_released_with_a_delay_returns(place: &dyn Place) {
    let queue = place.open().await;
    publish(&*queue, &["later"]).await;
    settle_all(&*queue, &collect(&*queue, 1).await, &Verdict::Release(Duration::from_millis(150))).await;
    assert_eq!(texts(&collect(&*queue, 1).await), ["later"]);
}

/// Whoever released a message need not be the one who gets it next.
pub async fn a_release_keeps_the_message_for_others(place: &dyn Place) {
    let queue = place.open().await;
    publish(&*queue, &["for another"]).await;
    settle_all(&*queue, &collect(&*queue, 1).await, &Verdict::Release(Duration::ZERO)).await;
    drop(queue);
    assert_eq!(texts(&collect(&*place.open().await, 1).await), ["for another"]);
}

/// What can never be taken over is put aside and kept.
pub async fn what_was_rejected_is_dead(place: &dyn Place) {
    let queue = place.open().await;
    publish(&*queue, &["bad", "good"]).await;
    let in_hand = collect(&*queue, 2).await;
    settle_all(&*queue, &in_hand[..1], &Verdict::Reject("cannot be read".to_owned())).await;
    settle_all(&*queue, &in_hand[1..], &Verdict::Taken).await;
    nothing_comes(&*queue).await;
    depth_becomes(&*queue, Depth { dead: 1, ..Depth::default() }).await;
    drop(queue);
    nothing_comes(&*place.open().await).await;
}

/// Attempts count from one. Further ones are advisory, because brokers count differently.
pub async fn the_first_attempt_is_one(place: &dyn Place) {
    let queue = place.open().await;
    publish(&*queue, &["a"]).await;
    let first = collect(&*queue, 1).await;
    assert_eq!(first[0].attempt, 1);
    settle_all(&*queue, &first, &Verdict::Release(Duration::ZERO)).await;
    assert!(collect(&*queue, 1).await[0].attempt >= 1);
}

/// A receiver may stop waiting at any moment, as every loop does that also listens for something else.
pub async fn a_receive_that_is_given_up_loses_nothing(place: &dyn Place) {
    const COUNT: usize = 20;
    let queue = place.open().await;
    let (mut found, mut published) = (BTreeSet::new(), 0);
    while published < COUNT {
        queue.publish(format!("{published:02}").as_bytes()).await.unwrap();
        // Given up after ever more turns of the runtime, so that every place of the call is cut once.
        tokio::select! {
            biased;
            received = queue.receive(1, PATIENCE) => found.extend(texts(&received.unwrap())),
            () = turns(published * 3) => {}
        }
        published += 1;
    }
    drop(queue);
    let queue = place.open().await;
    while found.len() < COUNT {
        found.extend(texts(&patient_receive(&*queue, COUNT).await));
    }
    assert_eq!(found.len(), COUNT);
}

/// For health and metrics: what waits and what is in hand.
pub async fn depth_counts_what_waits_and_what_is_in_hand(place: &dyn Place) {
    let queue = place.open().await;
    depth_becomes(&*queue, Depth::default()).await;
    publish(&*queue, &["a", "b", "c"]).await;
    depth_becomes(&*queue, Depth { waiting: 3, ..Depth::default() }).await;
    let in_hand = patient_receive(&*queue, 1).await;
    depth_becomes(&*queue, Depth { waiting: 2, unsettled: 1, dead: 0 }).await;
    settle_all(&*queue, &in_hand, &Verdict::Taken).await;
    depth_becomes(&*queue, Depth { waiting: 2, ..Depth::default() }).await;
}

async fn arrives(place: &dyn Place, message: &[u8]) {
    let queue = place.open().await;
    queue.publish(message).await.unwrap();
    let deliveries = collect(&*queue, 1).await;
    assert!(deliveries[0].message == message, "the message arrived changed");
    settle_all(&*queue, &deliveries, &Verdict::Taken).await;
}

async fn publish(queue: &dyn Queue, messages: &[&str]) {
    for message in messages {
        queue.publish(message.as_bytes()).await.unwrap();
    }
}

/// Receives until there are `count`.
async fn collect(queue: &dyn Queue, count: usize) -> Vec<Delivery> {
    let mut all = Vec::new();
    while all.len() < count {
        all.extend(patient_receive(queue, count - all.len()).await);
    }
    all
}

async fn patient_receive(queue: &dyn Queue, max: usize) -> Vec<Delivery> {
    let received = queue.receive(max, PATIENCE).await.unwrap();
    assert!(!received.is_empty(), "no message came within {PATIENCE:?}");
    received
}

/// Receives a few at a time until, with whoever else receives, nothing is missing.
async fn drain(queue: &dyn Queue, missing: &AtomicUsize) -> Vec<Delivery> {
    let (mut all, deadline) = (Vec::new(), Instant::now() + PATIENCE);
    while missing.load(Ordering::Relaxed) > 0 && Instant::now() < deadline {
        let some = queue.receive(3, GLANCE).await.unwrap();
        missing.fetch_sub(some.len(), Ordering::Relaxed);
        all.extend(some);
    }
    all
}

async fn nothing_comes(queue: &dyn Queue) {
    let received = queue.receive(10, GLANCE).await.unwrap();
    assert!(received.is_empty(), "{:?} came, and nothing should", texts(&received));
}

async fn settle_all(queue: &dyn Queue, deliveries: &[Delivery], verdict: &Verdict) {
    let tokens: Vec<_> = deliveries.iter().map(|delivery| delivery.token.clone()).collect();
    let settled = queue.settle(&tokens, verdict).await.unwrap();
    assert_eq!(settled, vec![Settled::Done; tokens.len()]);
}

async fn settle(queue: &dyn Queue, delivery: &Delivery, verdict: &Verdict) -> Settled {
    let settled = queue.settle(std::slice::from_ref(&delivery.token), verdict).await.unwrap();
    assert_eq!(settled.len(), 1, "one token, {} answers", settled.len());
    settled[0]
}

/// Brokers count a moment later than they act.
async fn depth_becomes(queue: &dyn Queue, expected: Depth) {
    let settled = timeout(PATIENCE, async {
        while queue.depth().await.unwrap() != expected {
            tokio::time::sleep(GLANCE / 10).await;
        }
    });
    if settled.await.is_err() {
        assert_eq!(queue.depth().await.unwrap(), expected);
    }
}

async fn turns(count: usize) {
    for _ in 0..count {
        tokio::task::yield_now().await;
    }
}

fn texts(deliveries: &[Delivery]) -> Vec<String> {
    deliveries.iter().map(|delivery| String::from_utf8_lossy(&delivery.message).into_owned()).collect()
}
