//! `/v1/events`: events in, and what became of them.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};
use utoipa::{IntoParams, ToSchema};
use windlass_core::event::{ClusterWork, Event, EventData, EventIdentity};
use windlass_core::queue::Queue as _;
use windlass_store::{DEDUPLICATION, InboxEvent, Seen, StoreError};

use super::Api;
use super::access::{Caller, Role};
use super::body::{self, Asked};
use super::cloud_event::{self, Received};
use super::problem::{Problem, ProblemView};
use crate::engine::Engine;
use crate::view::EventView;

/// How long an answer waits for the event's place in the inbox. The event is durable before; only its number is not known yet.
const TAKE_OVER: Duration = Duration::from_secs(2);

/// What became of an event that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Accepted)]
pub(super) struct Accepted {
    /// Where the event comes from; with `id` its identity.
    pub source: String,
    /// Its id within the source.
    pub id: String,
    /// Its place in the inbox, such as `e-7`; null where the worker has not taken it over yet.
    pub inbox: Option<String>,
    /// Whether an event of this identity was there already. It is not taken a second time.
    pub duplicate: bool,
}

/// Which events to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Page {
    /// How many, newest first.
    #[param(default = 20, maximum = 200)]
    limit: Option<u32>,
}

/// Send an event, or several
///
/// A `CloudEvent` in structured or binary mode, or a batch of at most 100. It is answered when the event is durable. An event of a known identity
/// (`source` and `id`, for 30 days) is not taken again, so that a request can be repeated. A batch is taken whole or not at all.
#[utoipa::path(
    post, path = "/v1/events", tag = "events", operation_id = "sendEvent",
    request_body(description = "`application/cloudevents+json`, `application/cloudevents-batch+json`, or `application/json` with `ce-` headers", content(
        (Object = "application/cloudevents+json"), (Vec<Object> = "application/cloudevents-batch+json"), (Object = "application/json"),
    )),
    responses(
        (status = 202, body = Accepted, description = "The event is durable; for a batch a list"),
        (status = 200, body = Accepted, description = "Every event was known already; for a batch a list"),
        (status = 400, body = ProblemView, content_type = "application/problem+json", description = "An event is not valid: `path` names the member"),
        (status = 413, body = ProblemView, content_type = "application/problem+json", description = "More than 1 MiB"),
        (status = 415, body = ProblemView, content_type = "application/problem+json", description = "No media type of events"),
    ),
    security(("token" = ["deployer"]))
)]
pub(super) async fn send(
    State(api): State<Api>,
    caller: Caller,
    request: Request<Body>,
) -> Result<Response, Problem> {
    caller.require(Role::Deployer)?;
    let headers = request.headers().clone();
    let bytes = body::read(request).await?;
    let received = cloud_event::receive(&headers, &bytes, &caller)?;
    for one in &received {
        permit(&caller, one)?;
    }
    let is_batch = body::media_type(&headers) == cloud_event::BATCH_TYPE;
    let mut accepted = Vec::with_capacity(received.len());
    for one in &received {
        accepted.push(publish(api.engine(), &one.event.identity, &one.message).await?);
    }
    let status = if accepted.iter().all(|one| one.duplicate) { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok(match accepted.pop() {
        Some(one) if !is_batch => (status, Json(one)).into_response(),
        last => {
            accepted.extend(last);
            (status, Json(accepted)).into_response()
        }
    })
}

/// Refuses an event that asks for more than its sender may, or speaks in the name of another.
fn permit(caller: &Caller, received: &Received) -> Result<(), Problem> {
    let member = |name: &str| {
        if received.place.is_empty() { name.to_owned() } else { format!("{}.{name}", received.place) }
    };
    match &received.event.data {
        EventData::ApprovalGiven(given) => {
            caller.require(Role::Approver)?;
            if given.approver.as_str() == caller.as_str() {
                return Ok(());
            }
            let text =
                format!("`{}` cannot decide in the name of `{}`", caller.as_str(), given.approver.as_str());
            Err(Problem::forbidden("name_of_another", text).at(member("data.approver")))
        }
        EventData::DeployRequested(request) if request.override_reason.is_some() => {
            caller.require(Role::Admin).map_err(|problem| problem.at(member("data.override_reason")))
        }
        EventData::ClusterRequested(request) if request.work == ClusterWork::Remove => {
            caller.require(Role::Admin).map_err(|problem| problem.at(member("data.work")))
        }
        _ => Ok(()),
    }
}

/// Publishes an event, unless it is known, and waits a little for its place in the inbox.
pub(super) async fn publish(
    engine: &Engine,
    identity: &EventIdentity,
    message: &[u8],
) -> Result<Accepted, Problem> {
    let accepted = |known: Option<InboxEvent>, duplicate| Accepted {
        source: identity.source.clone(),
        id: identity.id.clone(),
        inbox: known.map(|event| event.inbox.to_string()),
        duplicate,
    };
    if let Some(known) = recent(engine, identity).await? {
        return Ok(accepted(Some(known), true));
    }
    let published = engine.queue.publish(message).await;
    engine.tell_store(published.is_ok());
    published?;
    Ok(accepted(taken_over(engine, identity).await?, false))
}

/// The event of an identity, unless it came so long ago that it would be taken again.
async fn recent(engine: &Engine, identity: &EventIdentity) -> Result<Option<InboxEvent>, StoreError> {
    let horizon = engine.now() - DEDUPLICATION;
    let known = engine.store.event_of(&identity.source, &identity.id).await?;
    Ok(known.filter(|event| event.received_at > horizon))
}

async fn taken_over(engine: &Engine, identity: &EventIdentity) -> Result<Option<InboxEvent>, StoreError> {
    let deadline = Instant::now() + TAKE_OVER;
    let mut seen = Seen::default();
    let waiting = async {
        loop {
            engine.store.changed(&mut seen, TAKE_OVER).await?;
            if let Some(event) = recent(engine, identity).await? {
                return Ok(Some(event));
            }
        }
    };
    timeout_at(deadline, waiting).await.unwrap_or(Ok(None))
}

/// An event of the API itself, for a person who asks for something.
pub(super) async fn ask(
    api: &Api,
    caller: &Caller,
    key: Option<String>,
    data: EventData,
) -> Result<Accepted, Problem> {
    let engine = api.engine();
    let id = key.unwrap_or_else(|| uuid::Uuid::now_v7().to_string());
    // Keys of two callers are two keys.
    let identity = EventIdentity { source: format!("/windlass/http/{}", caller.as_str()), id };
    let event = Event {
        identity,
        subject: None,
        time: Some(engine.now()),
        dataschema: None,
        extensions: std::collections::BTreeMap::new(),
        data,
    };
    let message = serde_json::to_vec(&event.to_json()).expect("an event is plain data");
    let received = cloud_event::structured(&message, caller)?;
    publish(engine, &received.event.identity, &received.message).await
}

/// List what arrived and what became of it
#[utoipa::path(
    get, path = "/v1/events", tag = "events", operation_id = "listEvents", params(Page),
    responses((status = 200, body = Vec<EventView>, description = "Events, newest first")),
    security(("token" = ["viewer"]), ())
)]
pub(super) async fn list(State(api): State<Api>, page: Asked<Page>) -> Result<Json<Vec<EventView>>, Problem> {
    let events = api.engine().store.events(page.0.limit.unwrap_or(20).min(200)).await?;
    Ok(Json(events.into_iter().map(EventView::of).collect()))
}
