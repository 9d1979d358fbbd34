//! Following runs: server-sent events (the HTML standard, 9.2), made when the client is ready to take one.
//!
//! Nothing is kept for a client. A stream remembers the last change that it told and asks the store for what came after, so that a slow reader
//! sees each run as it stands and not every step in between, and one that comes back says with `Last-Event-ID` where it was.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::str::FromStr;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures::stream;
use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, watch};
use windlass_core::name::RunId;
use windlass_store::{RunRow, StoreError};

use super::Api;
use super::problem::{Problem, ProblemView};
use super::runs::named;
use crate::view::RunView;

/// A comment at least this often: whoever has gone is noticed, and what stands between keeps the connection open.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How long a client waits before it comes back.
const RETRY: Duration = Duration::from_secs(2);

/// Changes read from the store at a time.
const PAGE: u32 = 50;

/// Follow every run
///
/// Server-sent events of the type `run`, each with a run as `GET /v1/runs/{id}` shows it, from now on or after `Last-Event-ID`. A run that changed
/// several times since the last event is told once, as it stands.
#[utoipa::path(
    get, path = "/v1/runs/events", tag = "runs", operation_id = "followRuns",
    params(("Last-Event-ID" = Option<String>, Header, description = "The `id` of the last event that was seen")),
    responses(
        (status = 200, body = String, content_type = "text/event-stream", description = "Changes, until the client goes or the server stops"),
        (status = 503, body = ProblemView, content_type = "application/problem+json", description = "As many follow as may: try again after `Retry-After`"),
    ),
    security(("token" = ["viewer"]), ())
)]
pub(super) async fn of_all(State(api): State<Api>, headers: HeaderMap) -> Result<Response, Problem> {
    let told = last_event(&headers)?.unwrap_or(Mark { at: api.engine().now(), run: RunId(0) });
    open(&api, None, told)
}

/// Follow a run to its end
///
/// Server-sent events of the type `run`, the first with the run as it stands. The stream ends with the run; whoever comes back after that with
/// `Last-Event-ID` is answered 204, which tells an `EventSource` to stay away.
#[utoipa::path(
    get, path = "/v1/runs/{id}/events", tag = "runs", operation_id = "followRun",
    params(
        ("id" = String, Path, description = "The run, such as `r-17`"),
        ("Last-Event-ID" = Option<String>, Header, description = "The `id` of the last event that was seen"),
    ),
    responses(
        (status = 200, body = String, content_type = "text/event-stream", description = "Changes, until the run has ended"),
        (status = 204, description = "The run has ended and the client knows"),
        (status = 404, body = ProblemView, content_type = "application/problem+json", description = "There is no such run"),
        (status = 503, body = ProblemView, content_type = "application/problem+json", description = "As many follow as may: try again after `Retry-After`"),
    ),
    security(("token" = ["viewer"]), ())
)]
pub(super) async fn of_one(
    State(api): State<Api>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let row = api.engine().store.run(named(&id)?).await?;
    let told = last_event(&headers)?;
    if row.state.outcome().is_some() && told.is_some_and(|told| told >= Mark::of(&row)) {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    open(&api, Some(row.id), told.unwrap_or(Mark::NOTHING))
}

/// Where a stream is: the last change that was told. In the order of the store's changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Mark {
    at: Timestamp,
    run: RunId,
}

impl Mark {
    const NOTHING: Self = Self { at: Timestamp::UNIX_EPOCH, run: RunId(0) };

    fn of(row: &RunRow) -> Self {
        Self { at: row.updated_at, run: row.id }
    }

    /// As an event's `id`.
    fn to_text(self) -> String {
        format!("{}-{}", self.at.as_microsecond(), self.run.0)
    }
}

impl FromStr for Mark {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (at, run) = text.split_once('-').ok_or(())?;
        let at = at.parse().ok().and_then(|at| Timestamp::from_microsecond(at).ok()).ok_or(())?;
        // The store counts in signed numbers.
        let run = run.parse().ok().filter(|run| i64::try_from(*run).is_ok()).ok_or(())?;
        Ok(Self { at, run: RunId(run) })
    }
}

fn last_event(headers: &HeaderMap) -> Result<Option<Mark>, Problem> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    let mark = value.to_str().ok().and_then(|text| text.parse().ok());
    mark.map(Some).ok_or_else(|| {
        Problem::bad_request("`Last-Event-ID` is no id that was sent from here").at("Last-Event-ID")
    })
}

fn open(api: &Api, run: Option<RunId>, told: Mark) -> Result<Response, Problem> {
    let place = api.0.streams.clone().try_acquire_owned().map_err(|_| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too_many_streams",
            "as many clients follow runs as may",
        )
        .with_hint("come back later, or ask for `GET /v1/runs` from time to time")
    })?;
    let ticks = api.0.feed.follow();
    let following = Following {
        api: api.clone(),
        run,
        told,
        ahead: VecDeque::new(),
        ticks,
        is_first: true,
        is_over: false,
        _place: place,
    };
    let events = stream::unfold(following, |mut following| async move {
        let event = following.next().await?;
        Some((Ok::<_, Infallible>(event), following))
    });
    let mut response = Sse::new(events).into_response();
    // What stands between must not keep events back to make larger pieces of them.
    response.headers_mut().insert("x-accel-buffering", axum::http::HeaderValue::from_static("no"));
    Ok(response)
}

/// One client that follows.
struct Following {
    api: Api,
    /// The run that is followed; none for all.
    run: Option<RunId>,
    told: Mark,
    /// Changes that were read and not told: a page at most.
    ahead: VecDeque<RunRow>,
    ticks: watch::Receiver<u64>,
    is_first: bool,
    is_over: bool,
    /// Given back when the client goes.
    _place: OwnedSemaphorePermit,
}

impl Following {
    /// The next thing to tell; none when the stream is over. Runs only when the connection takes more.
    async fn next(&mut self) -> Option<Event> {
        if std::mem::take(&mut self.is_first) {
            return Some(Event::default().retry(RETRY).comment("windlass"));
        }
        loop {
            if self.is_over {
                return None;
            }
            match self.look().await {
                Ok(Some(event)) => return Some(event),
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(error = %crate::stop::chain(&error), "a stream of runs ends");
                    return None;
                }
            }
            if let Some(comment) = self.wait().await {
                return Some(Event::default().comment(comment));
            }
        }
    }

    /// A change that was not told yet.
    async fn look(&mut self) -> Result<Option<Event>, StoreError> {
        if self.ahead.is_empty() {
            self.ahead = self.changes().await?.into();
        }
        let Some(row) = self.ahead.pop_front() else { return Ok(None) };
        let view = RunView::load(&self.api.engine().store, row.id).await?;
        self.told = Mark::of(&row);
        self.is_over = self.run.is_some() && view.outcome().is_some();
        let data = serde_json::to_string(&view).expect("a view is plain data");
        Ok(Some(Event::default().id(self.told.to_text()).event("run").data(data)))
    }

    async fn changes(&mut self) -> Result<Vec<RunRow>, StoreError> {
        // Seen before looking, so that what changes after the look ends the wait.
        self.ticks.mark_unchanged();
        let store = &self.api.engine().store;
        match self.run {
            None => store.runs_changed((self.told.at, self.told.run), PAGE).await,
            Some(run) => {
                let row = store.run(run).await?;
                Ok(if Mark::of(&row) > self.told { vec![row] } else { Vec::new() })
            }
        }
    }

    /// Waits until it is worth looking; answers with what to say where the waiting itself is to be told.
    async fn wait(&mut self) -> Option<&'static str> {
        let mut stopped = self.api.0.stopped.clone();
        tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => {
                self.is_over = true;
                Some("windlass stops: come back later")
            }
            changed = self.ticks.changed() => {
                self.is_over = changed.is_err();
                None
            }
            () = tokio::time::sleep(HEARTBEAT) => Some("still here"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_is_written() {
        let mark = Mark { at: Timestamp::from_microsecond(1_763_938_800_000_001).unwrap(), run: RunId(17) };
        assert_eq!(mark.to_text().parse(), Ok(mark));
        for wrong in [
            "",
            "1",
            "-",
            "a-1",
            "1-b",
            "1-18446744073709551615",
            "99999999999999999999-1",
            "9223372036854775807-1",
        ] {
            assert_eq!(wrong.parse::<Mark>(), Err(()), "{wrong}");
        }
    }
}
