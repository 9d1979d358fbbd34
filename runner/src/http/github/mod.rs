//! `/v1/hooks/github`: pushes as GitHub tells them. Who sent a request is proved by its signature, and nothing of it is read before that holds.

mod config;
mod payload;
mod signature;

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use utoipa::ToSchema;

pub use self::config::GithubConfig;
use self::payload::Asked;
use self::signature::Secrets;
use super::Api;
use super::body;
use super::events::{self, Accepted};
use super::problem::{Problem, ProblemView};
use crate::stop::Cause;
use crate::variables::Variables;

pub(crate) use self::config::SECRET_VARIABLE;

/// The most bytes of a request. GitHub describes at most 2,048 commits of a push, each in about two thousand bytes.
const MOST: usize = 5 * 1024 * 1024;

/// Requests whose bodies are in memory at a time: anybody may send one, and the signature is known when all of it is there.
const AT_ONCE: usize = 8;

/// GitHub gives a delivery up after ten seconds; whoever takes longer to send one is not GitHub.
const PATIENCE: Duration = Duration::from_secs(10);

/// What takes deliveries of one repository.
#[derive(Debug)]
pub struct GithubHook {
    repository: String,
    secrets: Secrets,
    room: Semaphore,
}

/// What became of a delivery.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Delivered)]
pub(super) struct Delivered {
    /// What was done, or why nothing is.
    detail: String,
    /// The event that it was taken over as; null where nothing is done.
    event: Option<Accepted>,
}

impl GithubHook {
    /// Takes deliveries, if a repository is configured. Its secret must be there: without one, anybody could deploy.
    pub fn open(config: &GithubConfig, variables: &Variables) -> Result<Option<Self>, Cause> {
        let Some(repository) = config.repository.clone() else { return Ok(None) };
        let secrets = config.secrets(variables)?;
        Ok(Some(Self { repository, secrets, room: Semaphore::new(AT_ONCE) }))
    }

    /// The body of a request that GitHub signed.
    async fn signed(&self, request: Request<Body>) -> Result<Vec<u8>, Problem> {
        // Before a byte of the body is read: most of what anybody sends has none.
        let signature = signature::of(request.headers())?;
        let place = self.room.acquire().await.expect("nobody closes it");
        let read = timeout(PATIENCE, body::read_at_most(request, MOST)).await;
        let bytes = read.map_err(|_| {
            let text = format!("the body was not there within {} seconds", PATIENCE.as_secs());
            Problem::new(StatusCode::REQUEST_TIMEOUT, "too_slow", text)
        })??;
        drop(place);
        if self.secrets.have_signed(&bytes, &signature) { Ok(bytes) } else { Err(signature::wrong()) }
    }
}

/// Take what GitHub delivers
///
/// For a webhook of a repository: `application/json`, with a secret. A push to a branch becomes an event, a `ping` is answered, and with anything else
/// nothing is done. A delivery that was taken within 30 days is recognised by its content, whichever id it carries.
#[utoipa::path(
    post, path = "/v1/hooks/github", tag = "events", operation_id = "takeGithubDelivery",
    params(
        ("X-Hub-Signature-256" = String, Header, description = "`sha256=` and the HMAC-SHA256 of the body with the webhook's secret, in hexadecimal digits"),
        ("X-GitHub-Event" = String, Header, description = "What the delivery is of, such as `push`"),
        ("X-GitHub-Delivery" = String, Header, description = "The delivery's id"),
    ),
    request_body(content = Object, description = "At most 5 MiB, as GitHub sends it"),
    responses(
        (status = 202, body = Delivered, description = "A push is durable, or nothing is done, and why"),
        (status = 200, body = Delivered, description = "A `ping`, or a push that was taken already"),
        (status = 400, body = ProblemView, content_type = "application/problem+json", description = "It is signed, and not what GitHub sends"),
        (status = 401, body = ProblemView, content_type = "application/problem+json", description = "The signature is missing or wrong"),
        (status = 403, body = ProblemView, content_type = "application/problem+json", description = "It is of another repository"),
        (status = 404, body = ProblemView, content_type = "application/problem+json", description = "No repository is configured"),
        (status = 408, body = ProblemView, content_type = "application/problem+json", description = "The body took too long"),
        (status = 413, body = ProblemView, content_type = "application/problem+json", description = "More than 5 MiB"),
        (status = 415, body = ProblemView, content_type = "application/problem+json", description = "It is no JSON: choose `application/json` in the webhook's settings"),
    ),
    security(("signature" = []))
)]
pub(super) async fn deliver(
    State(api): State<Api>,
    request: Request<Body>,
) -> Result<(StatusCode, Json<Delivered>), Problem> {
    let hook = api.0.github.as_ref().ok_or_else(unconfigured)?;
    let headers = request.headers().clone();
    let bytes = hook.signed(request).await?;
    tracing::Span::current().record("caller", "github");
    if body::media_type(&headers) != "application/json" {
        return Err(body::unsupported(
            &body::media_type(&headers),
            "`application/json`: the webhook's `Content type`",
        ));
    }
    let (kind, delivery) = (text_of(&headers, "x-github-event")?, text_of(&headers, "x-github-delivery")?);
    let (detail, event) = match payload::read(kind, delivery, &bytes, &hook.repository)? {
        Asked::Nothing(why) => (why, None),
        Asked::Answer => {
            let detail = format!("windlass takes pushes to `{}`", hook.repository);
            return Ok((StatusCode::OK, Json(Delivered { detail, event: None })));
        }
        Asked::Event(event) => {
            let message = serde_json::to_vec(&event.to_json()).expect("an event is plain data");
            let accepted = events::publish(api.engine(), &event.identity, &message).await?;
            (format!("`{}` was taken over", event.subject.unwrap_or_default()), Some(accepted))
        }
    };
    let is_known = event.as_ref().is_some_and(|event| event.duplicate);
    let status = if is_known { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Json(Delivered { detail, event })))
}

fn unconfigured() -> Problem {
    Problem::not_found("hook_unknown", "nothing is taken from GitHub here").with_hint(
        "name the repository and where the webhook's secret lies: `[http.github]` in windlass.toml",
    )
}

/// A header that GitHub sends once.
fn text_of<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, Problem> {
    let mut values = headers.get_all(name).iter();
    let value = match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    };
    value.filter(|text| (1..=128).contains(&text.len())).ok_or_else(|| {
        Problem::bad_request(format!("`{name}` must be there once, in 1 to 128 printable characters"))
            .at(name)
    })
}
