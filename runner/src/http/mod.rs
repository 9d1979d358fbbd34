//! The HTTP API: events in, runs out, and what people decide.
//!
//! [`router`] is the list of all routes; each is registered together with its description, which is the OpenAPI document. [`listen`] serves it:
//! how many connections there are, how long a client may take, and how it ends. What a handler answers are the values of [`crate::view`], as `-o json`
//! prints them; what it refuses is a [`problem`].

pub mod access;
pub mod config;
pub mod github;
pub mod listen;
pub mod token;

mod body;
mod cloud_event;
mod environments;
mod events;
mod feed;
mod guard;
mod health;
mod openapi;
mod problem;
mod runs;
mod stream;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use tokio::sync::{Semaphore, watch};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::access::Access;
use self::feed::Feed;
use self::github::GithubHook;
use crate::engine::Engine;

/// What handlers work with.
#[derive(Debug, Clone)]
pub struct Api(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    engine: Arc<Engine>,
    access: Access,
    github: Option<GithubHook>,
    broker: Option<watch::Receiver<bool>>,
    hosts: Vec<String>,
    streams: Arc<Semaphore>,
    feed: Feed,
    stopped: watch::Receiver<bool>,
}

impl Api {
    /// An API over an engine. `broker` says whether the configured one is there; streams end when `stopped` says so.
    pub fn new(
        engine: Arc<Engine>,
        access: Access,
        github: Option<GithubHook>,
        broker: Option<watch::Receiver<bool>>,
        stopped: watch::Receiver<bool>,
    ) -> Self {
        let config = &engine.config.http;
        let streams = Arc::new(Semaphore::new(config.streams.min(Semaphore::MAX_PERMITS)));
        let hosts = config.hosts.clone();
        let feed = Feed::start(engine.store.clone());
        Self(Arc::new(Shared { engine, access, github, broker, hosts, streams, feed, stopped }))
    }

    fn engine(&self) -> &Arc<Engine> {
        &self.0.engine
    }

    fn access(&self) -> &Access {
        &self.0.access
    }
}

/// Every route with its description. Each of these asks who calls.
fn described() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(openapi::about())
        .routes(routes!(events::send, events::list))
        .routes(routes!(runs::list))
        .routes(routes!(stream::of_all))
        .routes(routes!(runs::show))
        .routes(routes!(stream::of_one))
        .routes(routes!(runs::approve))
        .routes(routes!(runs::reject))
        .routes(routes!(runs::cancel))
        .routes(routes!(environments::list))
        .routes(routes!(health::metrics))
        .routes(routes!(environments::rollback))
        .routes(routes!(environments::pause))
        .routes(routes!(environments::freeze))
        .routes(routes!(environments::resume))
}

/// Routes that answer anybody, or whoever signs: they tell nothing about what is deployed.
fn open() -> OpenApiRouter<Api> {
    OpenApiRouter::default()
        .routes(routes!(health::lives))
        .routes(routes!(health::ready))
        .routes(routes!(openapi::document))
        .routes(routes!(github::deliver))
}

/// The whole API.
pub fn router(api: &Api) -> Router {
    let asking = described()
        .layer(from_fn_with_state(api.clone(), access::authenticate))
        .layer(from_fn_with_state(api.clone(), guard::same_site));
    let (router, _) = asking.merge(open()).split_for_parts();
    let router = router
        .fallback(guard::no_such_path)
        .method_not_allowed_fallback(guard::no_such_method)
        .with_state(api.clone());
    guard::around(router.layer(from_fn(guard::in_time)))
}

pub use openapi::whole as openapi;
