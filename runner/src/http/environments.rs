//! `/v1/environments`: how each stands, and what people do about it.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use serde::Deserialize;
use utoipa::{IntoResponses, ToSchema};
use windlass_core::event::text::{Line, Revision};
use windlass_core::event::{EventData, RollbackRequested};
use windlass_core::name::EnvironmentName;
use windlass_core::policy::gate::HoldKind;
use windlass_store::Freeze;

use super::Api;
use super::access::{Caller, Role};
use super::body;
use super::events::{self, Accepted};
use super::problem::{Problem, ProblemView};
use crate::decide;
use crate::view::EnvironmentView;

/// The way back.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Back {
    /// A verified release by run, commit or digest; left out for the last verified one that is not live.
    #[schema(value_type = Option<String>)]
    to: Option<Revision>,
    /// Why; recorded.
    #[schema(value_type = Option<String>)]
    reason: Option<Line>,
}

/// A pause or a freeze.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Pausing {
    /// Why; shown wherever the environment is.
    reason: String,
    /// Until this time; until resumed, where it is left out.
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<jiff::Timestamp>,
}

/// What stopping an environment is answered with.
#[expect(
    dead_code,
    reason = "it describes answers, which handlers make of values and problems: there is never one"
)]
#[derive(IntoResponses)]
enum Stopped {
    /// The environment as it stands now
    #[response(status = 200)]
    Stands(EnvironmentView),
    /// The reason is missing, or the time is over
    #[response(status = 400, content_type = "application/problem+json")]
    Unclear(ProblemView),
    /// There is no such environment
    #[response(status = 404, content_type = "application/problem+json")]
    Unknown(ProblemView),
    /// A pause of what is frozen, which stops more
    #[response(status = 409, content_type = "application/problem+json")]
    Frozen(ProblemView),
}

/// List the environments and how each stands
#[utoipa::path(
    get, path = "/v1/environments", tag = "environments", operation_id = "listEnvironments",
    responses((status = 200, body = Vec<EnvironmentView>, description = "Those of the policy, and those that something was heard of")),
    security(("token" = ["viewer"]), ())
)]
pub(super) async fn list(State(api): State<Api>) -> Result<Json<Vec<EnvironmentView>>, Problem> {
    Ok(Json(EnvironmentView::all(api.engine()).await?))
}

/// Return to the last verified release, or to the one named
///
/// With an `Idempotency-Key` a request that is repeated asks once.
#[utoipa::path(
    post, path = "/v1/environments/{env}/rollback", tag = "environments", operation_id = "rollback",
    params(
        ("env" = String, Path, description = "The environment"),
        ("Idempotency-Key" = Option<String>, Header, description = "Names this request among those of the token, in at most 256 characters"),
    ),
    request_body(content = Option<Back>),
    responses(
        (status = 202, body = Accepted, description = "The event that asks for it; `GET /v1/runs` shows the run"),
        (status = 404, body = ProblemView, content_type = "application/problem+json", description = "There is no such environment"),
    ),
    security(("token" = ["deployer"]))
)]
pub(super) async fn rollback(
    State(api): State<Api>,
    Path(name): Path<String>,
    caller: Caller,
    request: Request<Body>,
) -> Result<(StatusCode, Json<Accepted>), Problem> {
    caller.require(Role::Deployer)?;
    let environment = named(&api, &name)?;
    let key = idempotency_key(request.headers())?;
    let back: Back = body::json(request).await?;
    let requester = caller.as_str().to_owned().try_into().expect("a caller's name is one line");
    let data = RollbackRequested { environment, to: back.to, requester, reason: back.reason };
    let accepted = events::ask(&api, &caller, key, EventData::RollbackRequested(data)).await?;
    Ok((StatusCode::ACCEPTED, Json(accepted)))
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().ok().filter(|text| (1..=256).contains(&text.len()));
    text.map(|text| Some(text.to_owned())).ok_or_else(|| {
        Problem::bad_request("`Idempotency-Key` must be 1 to 256 printable characters").at("Idempotency-Key")
    })
}

/// Stop automatic runs of an environment
#[utoipa::path(
    post, path = "/v1/environments/{env}/pause", tag = "environments", operation_id = "pause",
    params(("env" = String, Path, description = "The environment")),
    request_body(content = Pausing),
    responses(Stopped),
    security(("token" = ["admin"]))
)]
pub(super) async fn pause(
    state: State<Api>,
    name: Path<String>,
    caller: Caller,
    request: Request<Body>,
) -> Result<Json<EnvironmentView>, Problem> {
    stand_still(state, name, &caller, request, HoldKind::Pause).await
}

/// Stop every run of an environment but rollbacks
#[utoipa::path(
    post, path = "/v1/environments/{env}/freeze", tag = "environments", operation_id = "freeze",
    params(("env" = String, Path, description = "The environment")),
    request_body(content = Pausing),
    responses(Stopped),
    security(("token" = ["admin"]))
)]
pub(super) async fn freeze(
    state: State<Api>,
    name: Path<String>,
    caller: Caller,
    request: Request<Body>,
) -> Result<Json<EnvironmentView>, Problem> {
    stand_still(state, name, &caller, request, HoldKind::Freeze).await
}

async fn stand_still(
    State(api): State<Api>,
    Path(name): Path<String>,
    caller: &Caller,
    request: Request<Body>,
    kind: HoldKind,
) -> Result<Json<EnvironmentView>, Problem> {
    caller.require(Role::Admin)?;
    let (engine, environment) = (api.engine(), named(&api, &name)?);
    let asked: Pausing = body::json(request).await?;
    if asked.reason.trim().is_empty() {
        return Err(Problem::bad_request("standing still needs a reason").at("reason"));
    }
    let freeze = Freeze { kind, by: caller.as_str().to_owned(), reason: asked.reason, until: asked.until };
    decide::stand_still(engine, &environment, &freeze).await?;
    Ok(Json(EnvironmentView::load(engine, &environment).await?))
}

/// Let an environment go on: lifts a pause or freeze, bars and the mark of a stuck run
#[utoipa::path(
    post, path = "/v1/environments/{env}/resume", tag = "environments", operation_id = "resume", params(("env" = String, Path, description = "The environment")),
    responses(
        (status = 200, body = EnvironmentView, description = "The environment as it stands now"),
        (status = 404, body = ProblemView, content_type = "application/problem+json", description = "There is no such environment"),
    ),
    security(("token" = ["admin"]))
)]
pub(super) async fn resume(
    State(api): State<Api>,
    Path(name): Path<String>,
    caller: Caller,
) -> Result<Json<EnvironmentView>, Problem> {
    caller.require(Role::Admin)?;
    let (engine, environment) = (api.engine(), named(&api, &name)?);
    decide::resume(engine, &environment, caller.as_str()).await?;
    Ok(Json(EnvironmentView::load(engine, &environment).await?))
}

/// The environment that a path names: one of the policy, so that nobody fills the store with names.
fn named(api: &Api, text: &str) -> Result<EnvironmentName, Problem> {
    let unknown = || {
        Problem::not_found(
            "environment_unknown",
            format!("there is no environment `{}`", text.escape_debug()),
        )
    };
    let name: EnvironmentName = text.parse().map_err(|_| unknown())?;
    let control = api.engine().present_control()?;
    if control.environments.contains_key(&name) { Ok(name) } else { Err(unknown()) }
}
