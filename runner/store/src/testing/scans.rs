//! What SQLite does for the queries that run again and again: a hundred thousand parked runs must cost them nothing.

use sqlx::Row as _;

use crate::Store;
use crate::testing::{TTL, at, environment, event, open_leading};

/// Many held runs, and history, written straight into the table.
const FILL: &str = "WITH RECURSIVE series (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < ?1)
    INSERT INTO runs (event, environment, replay, trigger, commit_id, lane, requester, services, subject,
        created_at, updated_at, state, version, wake_at, held_at, hold_code, hold_text, hold_due, ended_at)
    SELECT 1, 'dev', n, 'automatic', 'c0ffee', 'lane ' || n, 'ada', '[]', 'Say hello', 0, 0,
        CASE WHEN ?2 THEN 'held' ELSE 'verified' END, 0,
        CASE WHEN ?2 THEN ?3 + n END, CASE WHEN ?2 THEN 0 END, CASE WHEN ?2 THEN 'window' END,
        CASE WHEN ?2 THEN 'the window is closed' END, CASE WHEN ?2 THEN ?3 + n END, CASE WHEN ?2 THEN NULL ELSE 0 END
    FROM series";

async fn fill(store: &Store, count: i64, is_held: bool, due: i64) {
    store.take_over(&[event("1")], at(0)).await.unwrap();
    store.raise_epoch(&environment("dev"), 0).await.unwrap();
    let query = sqlx::query(FILL).bind(count).bind(is_held).bind(at(due).as_microsecond());
    query.execute(store.writer()).await.unwrap();
}

async fn plan_of(store: &Store, sql: &str) -> Vec<String> {
    let query = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}")));
    let rows = query.fetch_all(store.readers()).await.unwrap();
    rows.iter().map(|row| row.get::<String, _>("detail")).collect()
}

async fn check(sql: &str, index: &str) {
    let (_dir, store, _leadership) = open_leading().await;
    let plan = plan_of(&store, sql).await;
    assert!(plan.iter().any(|step| step.contains(index)), "`{index}` is not used: {plan:#?}");
    // Environments are few; every other table is entered by an index.
    let scans_table = |step: &&String| {
        ["SCAN runs", "SCAN inbox", "SCAN queue", "SCAN leases"].iter().any(|scan| step.starts_with(scan))
            && !step.contains("INDEX")
    };
    assert_eq!(plan.iter().find(scans_table), None, "{plan:#?}");
}

#[tokio::test]
async fn claiming_looks_only_at_runs_that_can_be_claimed() {
    check(crate::claim::NEXT, "runs_claimable").await;
}

#[tokio::test]
async fn waking_looks_only_at_runs_that_are_due() {
    check(crate::pause::DUE, "runs_due (wake_at>? AND wake_at<?)").await;
    check(crate::pause::NEXT_DUE, "runs_due").await;
    check(crate::pause::HELD, "runs_held (environment=?)").await;
}

#[tokio::test]
async fn following_looks_only_at_what_changed() {
    check(crate::run::CHANGED, "runs_changed (updated_at>?)").await;
}

#[tokio::test]
async fn superseding_looks_only_at_the_lane() {
    check(crate::plan::OLDER_OF_LANE, "runs_lane (environment=? AND kind=? AND lane=? AND id<?)").await;
}

#[tokio::test]
async fn taking_over_looks_only_at_the_identity() {
    check(crate::inbox::TAKE, "inbox_identity (source=? AND event_id=? AND received_at>?)").await;
    check(crate::inbox::PENDING, "inbox_new").await;
}

#[tokio::test]
async fn the_lease_and_a_new_leader_look_only_at_what_is_at_work() {
    check(crate::lease::IN_EXECUTE, "runs_in_execute (environment=?").await;
    check(crate::leadership::VOID_CLAIMS, "runs_claimed").await;
}

#[tokio::test]
async fn the_queue_looks_only_at_what_waits() {
    check(crate::queue::NEXT_VISIBLE, "queue_visible").await;
    check(crate::queue::RECEIVE, "queue_waiting").await;
    check(crate::queue::OTHERS, "queue_in_hand").await;
}

#[tokio::test]
async fn a_hundred_thousand_parked_runs_are_a_row_each() {
    let (_dir, store, leadership) = open_leading().await;
    fill(&store, 100_000, true, 1000).await;
    assert!(store.claim(&leadership, at(0), TTL).await.unwrap().is_none());
    assert_eq!(store.wake_due(at(1000)).await.unwrap(), 0);
    assert_eq!(
        store.next_due().await.unwrap().map(jiff::Timestamp::as_microsecond),
        Some(at(1000).as_microsecond() + 1)
    );

    let size = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
    let bytes: i64 = sqlx::query_scalar(size).fetch_one(store.readers()).await.unwrap();
    assert!(bytes / 100_000 <= 4096, "{} bytes for each parked run", bytes / 100_000);
}
