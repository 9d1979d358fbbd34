//! `/v1/runs`: what windlass does, and what people decide about it.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use serde::Deserialize;
use utoipa::{IntoParams, IntoResponses, ToSchema};
use windlass_core::name::{Digest, EnvironmentName, RunId};
use windlass_core::run::RunState;
use windlass_store::{Decision, RunFilter};

use super::Api;
use super::access::{Caller, Role};
use super::body::{self, Asked};
use super::problem::{Problem, ProblemView};
use crate::decide::{self, Said};
use crate::view::{RunPage, RunView};

/// The most runs of a page.
const MOST: u32 = 200;

/// Which runs to list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Only of this environment.
    env: Option<String>,
    /// Only in this state, such as `held` or `verified`.
    state: Option<String>,
    /// How many, newest first.
    #[param(default = 20, maximum = 200)]
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<String>,
}

/// What somebody says about a run.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Saying {
    /// Why; recorded.
    reason: Option<String>,
    /// The release that was looked at, as the run's `digest` tells it. Where it is given, a decision about another is refused.
    digest: Option<String>,
}

/// What a decision is answered with.
#[expect(
    dead_code,
    clippy::large_enum_variant,
    reason = "it describes answers, which handlers make of values and problems: there is never one"
)]
#[derive(IntoResponses)]
enum Decided {
    /// The decision is recorded
    #[response(status = 200)]
    Recorded(RunView),
    /// There is no such run
    #[response(status = 404, content_type = "application/problem+json")]
    Unknown(ProblemView),
    /// It waits for no approval, or something else was rendered since
    #[response(status = 409, content_type = "application/problem+json")]
    NotWaiting(ProblemView),
}

/// List runs, newest first
#[utoipa::path(
    get, path = "/v1/runs", tag = "runs", operation_id = "listRuns", params(Filter),
    responses(
        (status = 200, body = RunPage, description = "Runs, and where the next page begins"),
        (status = 400, body = ProblemView, content_type = "application/problem+json", description = "A parameter is wrong"),
    ),
    security(("token" = ["viewer"]), ())
)]
pub(super) async fn list(State(api): State<Api>, asked: Asked<Filter>) -> Result<Json<RunPage>, Problem> {
    let limit = asked.0.limit.unwrap_or(20).clamp(1, MOST);
    // One more than is shown tells whether there is a next page.
    let filter = RunFilter { limit: Some(limit + 1), ..filter(&asked.0)? };
    let store = &api.engine().store;
    let mut rows = store.runs(&filter).await?;
    let has_more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| has_more).map(|row| row.id);
    let mut runs = Vec::with_capacity(rows.len());
    for row in rows {
        runs.push(RunView::load(store, row.id).await?);
    }
    Ok(Json(RunPage { runs, next }))
}

fn filter(asked: &Filter) -> Result<RunFilter, Problem> {
    fn parse<T: std::str::FromStr>(name: &str, text: Option<&String>) -> Result<Option<T>, Problem>
    where
        T::Err: std::fmt::Display,
    {
        text.map(|text| {
            text.parse().map_err(|error: T::Err| Problem::bad_request(error.to_string()).at(name))
        })
        .transpose()
    }
    Ok(RunFilter {
        environment: parse::<EnvironmentName>("env", asked.env.as_ref())?,
        state: parse::<RunState>("state", asked.state.as_ref())?,
        before: parse::<RunId>("cursor", asked.cursor.as_ref())?,
        limit: None,
    })
}

/// The run that a path names. What is no id of a run names none.
pub(super) fn named(text: &str) -> Result<RunId, Problem> {
    text.parse().map_err(|_| {
        Problem::not_found(
            "run_unknown",
            format!("there is no run `{}`: they look like `r-17`", text.escape_debug()),
        )
        .with_hint("list them: `GET /v1/runs`")
    })
}

/// Show a run: stages, gate, changes, end
#[utoipa::path(
    get, path = "/v1/runs/{id}", tag = "runs", operation_id = "showRun", params(("id" = String, Path, description = "The run, such as `r-17`")),
    responses(
        (status = 200, body = RunView, description = "The run, whole"),
        (status = 404, body = ProblemView, content_type = "application/problem+json", description = "There is no such run"),
    ),
    security(("token" = ["viewer"]), ())
)]
pub(super) async fn show(State(api): State<Api>, Path(id): Path<String>) -> Result<Json<RunView>, Problem> {
    Ok(Json(RunView::load(&api.engine().store, named(&id)?).await?))
}

/// Approve a held run
///
/// The policy's rules hold as on the command line: who may approve, how many must, and that nobody approves what they asked for. The approver is
/// the name of the token. Approving again answers the same.
#[utoipa::path(
    post, path = "/v1/runs/{id}/approve", tag = "runs", operation_id = "approveRun", params(("id" = String, Path, description = "The run, such as `r-17`")),
    request_body(content = Option<Saying>),
    responses(Decided),
    security(("token" = ["approver"]))
)]
pub(super) async fn approve(
    state: State<Api>,
    path: Path<String>,
    caller: Caller,
    request: Request<Body>,
) -> Result<Json<RunView>, Problem> {
    decide(state, path, &caller, request, Decision::Approved).await
}

/// Reject a held run
#[utoipa::path(
    post, path = "/v1/runs/{id}/reject", tag = "runs", operation_id = "rejectRun", params(("id" = String, Path, description = "The run, such as `r-17`")),
    request_body(content = Option<Saying>),
    responses(Decided),
    security(("token" = ["approver"]))
)]
pub(super) async fn reject(
    state: State<Api>,
    path: Path<String>,
    caller: Caller,
    request: Request<Body>,
) -> Result<Json<RunView>, Problem> {
    decide(state, path, &caller, request, Decision::Rejected).await
}

async fn decide(
    State(api): State<Api>,
    Path(id): Path<String>,
    caller: &Caller,
    request: Request<Body>,
    decision: Decision,
) -> Result<Json<RunView>, Problem> {
    caller.require(Role::Approver)?;
    let id = named(&id)?;
    let saying: Saying = body::json(request).await?;
    let said = Said {
        by: caller.as_str().to_owned(),
        decision,
        reason: saying.reason,
        about: saying.digest.map(Digest::recorded),
    };
    decide::about_run(api.engine(), id, said).await?;
    Ok(Json(RunView::load(&api.engine().store, id).await?))
}

/// Stop a run that has not touched the cluster yet
#[utoipa::path(
    post, path = "/v1/runs/{id}/cancel", tag = "runs", operation_id = "cancelRun", params(("id" = String, Path, description = "The run, such as `r-17`")),
    responses(
        (status = 200, body = RunView, description = "The run as it stands: over, or asked to stop"),
        (status = 404, body = ProblemView, content_type = "application/problem+json", description = "There is no such run"),
    ),
    security(("token" = ["deployer"]))
)]
pub(super) async fn cancel(
    State(api): State<Api>,
    Path(id): Path<String>,
    caller: Caller,
) -> Result<Json<RunView>, Problem> {
    caller.require(Role::Deployer)?;
    let (engine, id) = (api.engine(), named(&id)?);
    engine.store.cancel(id, caller.as_str(), engine.now()).await?;
    Ok(Json(RunView::load(&engine.store, id).await?))
}
