//! `/healthz` and `/readyz`: whether the process lives, whether it can do its work, and `/metrics`: how it does.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;
use windlass_core::queue::Queue as _;

use super::Api;
use super::problem::Problem;
use crate::stop::chain;

/// Whether windlass can do its work.
///
/// It is ready without its broker: people see and approve, events of this machine and over HTTP are taken, runs go on, and what waits at the broker
/// stays there. Taking windlass out of a load balancer for that would mend nothing and shut people out. Whoever wants to know is told here, and
/// by the metric `windlass_queue_depth`, which falls silent.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Readiness)]
pub(super) struct ReadyView {
    /// The database answers, and took what was written last.
    store: bool,
    /// The queue answers.
    queue: bool,
    /// The broker was there when it was last looked for; null where none is configured. Without it windlass is ready nevertheless.
    broker: Option<bool>,
    /// It takes new work; not any more once it was asked to stop.
    taking: bool,
}

/// Whether the process lives
#[utoipa::path(get, path = "/healthz", tag = "health", operation_id = "lives", responses((status = 200, body = String, content_type = "text/plain", description = "It does")), security(()))]
pub(super) async fn lives() -> &'static str {
    "ok\n"
}

/// Whether it can do its work
#[utoipa::path(
    get, path = "/readyz", tag = "health", operation_id = "ready",
    responses((status = 200, body = ReadyView, description = "It can"), (status = 503, body = ReadyView, description = "It cannot, and what is wrong")),
    security(())
)]
pub(super) async fn ready(State(api): State<Api>) -> (StatusCode, Json<ReadyView>) {
    let engine = api.engine();
    let (store, queue) = (engine.store.next_due().await, engine.queue.depth().await);
    for error in
        [store.as_ref().err().map(|error| chain(error)), queue.as_ref().err().map(|error| chain(error))]
            .into_iter()
            .flatten()
    {
        tracing::warn!(error, "not ready");
    }
    let (store, queue) = (store.is_ok() && engine.is_store_working(), queue.is_ok());
    let taking = !*api.0.stopped.borrow();
    let broker = api.0.broker.as_ref().map(|reached| *reached.borrow());
    let ready = store && queue && taking;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(ReadyView { store, queue, broker, taking }))
}

/// Metrics, in the text format of Prometheus
#[utoipa::path(
    get, path = "/metrics", tag = "health", operation_id = "metrics",
    responses((status = 200, body = String, content_type = "text/plain", description = "Every metric as it stands")),
    security(("token" = ["viewer"]), ())
)]
pub(super) async fn metrics(State(api): State<Api>) -> Result<impl IntoResponse, Problem> {
    crate::metrics::refresh(api.engine()).await?;
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], crate::metrics::render()))
}
