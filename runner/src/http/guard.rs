//! What holds for every request, whatever it asks for.

use std::time::Duration;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, ORIGIN, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::sensitive_headers::SetSensitiveRequestHeadersLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tracing::Instrument as _;

use super::Api;
use super::problem::Problem;

/// What GitHub proves itself with.
const SIGNATURE: HeaderName = HeaderName::from_static("x-hub-signature-256");

/// The longest that an answer may take to begin. Streams begin at once.
const LONGEST: Duration = Duration::from_secs(30);

/// Names of the loopback interface.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// What browsers are told: nothing here is a page, nothing may frame it, nothing is kept.
const HEADERS: [(HeaderName, &str); 4] = [
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (REFERRER_POLICY, "no-referrer"),
    (CACHE_CONTROL, "no-store"),
];

/// Puts around the routes what holds for each: a span, a handler that panics answered, headers, and no token in any log.
pub(super) fn around(router: Router) -> Router {
    let with_headers = HEADERS.iter().fold(router, |router, (name, value)| {
        router.layer(SetResponseHeaderLayer::if_not_present(name.clone(), HeaderValue::from_static(value)))
    });
    with_headers
        .layer(CatchPanicLayer::custom(|_| internal().into_response()))
        .layer(from_fn(in_span))
        .layer(SetSensitiveRequestHeadersLayer::new([AUTHORIZATION, SIGNATURE]))
}

fn internal() -> Problem {
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal",
        "the request made windlass fail; the log says how",
    )
}

/// A span for each request, by the route and not by the path, which may hold anything. What a request carries is never logged.
async fn in_span(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("none", MatchedPath::as_str).to_owned();
    let span = tracing::debug_span!("request", method = %request.method(), route, caller = tracing::field::Empty, status = tracing::field::Empty);
    async {
        let response = next.run(request).await;
        tracing::Span::current().record("status", response.status().as_u16());
        response
    }
    .instrument(span)
    .await
}

/// Gives up on an answer that takes too long.
pub(super) async fn in_time(request: Request, next: Next) -> Response {
    let late = |_| {
        Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too_slow",
            format!("the request took longer than {} seconds", LONGEST.as_secs()),
        )
        .into_response()
    };
    tokio::time::timeout(LONGEST, next.run(request)).await.unwrap_or_else(late)
}

/// Refuses what a browser sends for a page of another site, and what was sent to another name.
///
/// A page of elsewhere cannot read an answer, but could ask; and a name of elsewhere that suddenly leads here makes it a page of the same
/// site ("DNS rebinding"). Where requests without a token are answered, only names of loopback are ours.
pub(super) async fn same_site(
    State(api): State<Api>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let host = host(request.headers(), request.uri())?;
    let known = &api.0.hosts;
    let is_ours = if known.is_empty() {
        !api.access().is_open() || is_loopback(host.host())
    } else {
        known.iter().any(|name| name.eq_ignore_ascii_case(host.host()))
    };
    if !is_ours {
        let text = format!("this is not served under the name `{}`", host.host().escape_debug());
        return Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, "host_unknown", text)
            .with_hint("add the name to `http.hosts` in windlass.toml"));
    }
    let mut origins = request.headers().get_all(ORIGIN).iter();
    if origins.any(|origin| !is_of(origin, &host)) {
        return Err(Problem::forbidden("other_site", "a page of another site asked for this"));
    }
    Ok(next.run(request).await)
}

/// The one host that a request names. HTTP/1.1 wants exactly one (RFC 9112, 3.2); an absolute target goes before it.
fn host(headers: &HeaderMap, target: &Uri) -> Result<Authority, Problem> {
    let mut named = headers.get_all(HOST).iter();
    let (first, second) = (named.next(), named.next());
    let authority = match (target.authority(), first, second) {
        (Some(authority), _, None) => Some(authority.clone()),
        (None, Some(host), None) => host.to_str().ok().and_then(|host| host.parse().ok()),
        _ => None,
    };
    authority.filter(|authority: &Authority| !authority.host().is_empty()).ok_or_else(|| {
        Problem::bad_request("`Host` must be there once, and be a name or an address").at("Host")
    })
}

fn is_loopback(host: &str) -> bool {
    LOOPBACK.iter().any(|name| name.eq_ignore_ascii_case(host))
}

/// Whether an origin is this very site.
fn is_of(origin: &HeaderValue, host: &Authority) -> bool {
    let authority =
        origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host.as_str()))
}

/// The answer to a path that leads nowhere.
pub(super) async fn no_such_path() -> Problem {
    Problem::not_found("path_unknown", "there is nothing at this path")
        .with_hint("every path is in `GET /v1/openapi.json`")
}

/// The answer to a method that a path does not have; which it has is in `Allow`.
pub(super) async fn no_such_method(method: Method) -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_unknown", format!("this path knows no `{method}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_host(headers: &[&str], target: &str, expected: Option<&str>) {
        let map: HeaderMap =
            headers.iter().map(|host| (HOST, HeaderValue::from_str(host).unwrap())).collect();
        let found = host(&map, &target.parse().unwrap()).ok();
        assert_eq!(found.as_ref().map(Authority::as_str), expected, "{headers:?} {target}");
    }

    #[test]
    fn a_request_names_one_host() {
        check_host(&["localhost:7878"], "/", Some("localhost:7878"));
        check_host(&["[::1]:80"], "/", Some("[::1]:80"));
        check_host(&["a"], "http://b/", Some("b"));
        check_host(&[], "/", None);
        check_host(&[""], "/", None);
        check_host(&["a", "a"], "/", None);
        check_host(&["a b"], "/", None);
    }

    #[test]
    fn an_origin_is_this_site_or_another() {
        let host: Authority = "localhost:7878".parse().unwrap();
        for (origin, expected) in [
            ("http://localhost:7878", true),
            ("http://LOCALHOST:7878", true),
            ("http://localhost:1", false),
            ("http://localhost", false),
            ("https://evil.example", false),
            ("null", false),
            ("http://localhost:7878.evil.example", false),
        ] {
            assert_eq!(is_of(&HeaderValue::from_static(origin), &host), expected, "{origin}");
        }
    }
}
