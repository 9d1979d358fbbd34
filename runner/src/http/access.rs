//! Who asks, and what they may do.

use std::fmt;
use std::net::SocketAddr;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::Api;
use super::config::HttpConfig;
use super::problem::Problem;
use super::token::{TokenDigest, TokenName};
use crate::stop::Cause;

/// What somebody may do. Each role may do what the ones before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Look.
    Viewer,
    /// Send events, go back, cancel.
    Deployer,
    /// Approve and reject.
    Approver,
    /// Pause and resume, and pass a closed window.
    Admin,
}

impl Role {
    /// The role's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Deployer => "deployer",
            Self::Approver => "approver",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The name of the token; none without one.
    pub name: Option<TokenName>,
    /// What they may do.
    pub role: Role,
}

impl Caller {
    /// As runs, approvals and the audit log name them.
    pub fn as_str(&self) -> &str {
        self.name.as_ref().map_or("anonymous", TokenName::as_str)
    }

    /// Refuses who may not.
    pub fn require(&self, role: Role) -> Result<(), Problem> {
        if self.role >= role {
            return Ok(());
        }
        Err(Problem::forbidden(
            "role_missing",
            format!("this needs the role `{role}`, and `{}` has `{}`", self.as_str(), self.role),
        ))
    }
}

/// Who is let in.
#[derive(Debug, Clone)]
pub struct Access {
    tokens: Vec<(TokenName, Role, TokenDigest)>,
    anonymous: Option<Role>,
}

impl Access {
    /// Who is let in at an address.
    ///
    /// Where no token is configured, whoever reaches the loopback interface may look and do nothing else, and no other interface is listened at.
    /// More for those without a token must be written, and never holds beyond loopback: every program of the machine could use it, but no other.
    pub fn new(config: &HttpConfig, address: SocketAddr) -> Result<Self, Cause> {
        let is_loopback = address.ip().is_loopback();
        let make = "make a token: `windlass token new NAME --role deployer`";
        if config.tokens.is_empty() && !is_loopback {
            let text = format!("nobody could be told from anybody at `{address}`: no token is configured");
            return Err(Cause::new("config_invalid", text)
                .with_hint(make)
                .with_hint("or listen on loopback: `windlass serve --listen 127.0.0.1:7878`"));
        }
        if let Some(role) = config.anonymous.filter(|role| *role > Role::Viewer && !is_loopback) {
            let text =
                format!("`http.anonymous` is `{role}`, which holds on loopback only, and not at `{address}`");
            return Err(Cause::new("config_invalid", text).with_hint(make));
        }
        if config.anonymous.is_some() && !is_loopback && config.hosts.is_empty() {
            let text = format!(
                "`http.anonymous` at `{address}` needs `http.hosts`: a page of elsewhere could give itself any other name"
            );
            return Err(Cause::new("config_invalid", text)
                .with_hint("write the names under which it is reached: `http.hosts = [\"NAME\"]`"));
        }
        let looking = (config.tokens.is_empty() && is_loopback).then_some(Role::Viewer);
        let tokens = config.tokens.iter().map(|(name, token)| (name.clone(), token.role, token.sha256));
        Ok(Self { tokens: tokens.collect(), anonymous: config.anonymous.or(looking) })
    }

    /// What whoever starts the server should know of who is let in; none where everybody needs a token.
    pub fn warning(&self) -> Option<String> {
        let role = self.anonymous?;
        Some(if role == Role::Viewer {
            "requests without a token may look and ask for nothing: `windlass token new NAME --role deployer` makes a token".to_owned()
        } else {
            format!(
                "every program of this machine may act as `{role}`, without a token: so `http.anonymous` says"
            )
        })
    }

    /// Whether some requests are answered without a token.
    pub fn is_open(&self) -> bool {
        self.anonymous.is_some()
    }

    /// Who sent a request with these headers.
    fn caller(&self, headers: &HeaderMap) -> Result<Caller, Problem> {
        let mut given = headers.get_all(AUTHORIZATION).iter();
        match (given.next(), given.next()) {
            (None, _) => self.without_token(),
            (Some(value), None) => {
                let token = value
                    .to_str()
                    .ok()
                    .and_then(bearer)
                    .ok_or_else(|| Problem::unauthorised("`Authorization` must be `Bearer TOKEN`"))?;
                self.holder(token).ok_or_else(|| Problem::unauthorised("the token is not known here"))
            }
            (Some(_), Some(_)) => Err(Problem::unauthorised("`Authorization` is there more than once")),
        }
    }

    fn without_token(&self) -> Result<Caller, Problem> {
        let role = self
            .anonymous
            .ok_or_else(|| Problem::unauthorised("this needs a token: `Authorization: Bearer TOKEN`"))?;
        Ok(Caller { name: None, role })
    }

    /// Looks at every token, so that the time taken does not tell which one is near.
    fn holder(&self, token: &str) -> Option<Caller> {
        let shown = TokenDigest::of(token);
        let mut found = None;
        for (name, role, digest) in &self.tokens {
            if digest.is(&shown) {
                found = Some(Caller { name: Some(name.clone()), role: *role });
            }
        }
        found
    }
}

/// The token of `Bearer TOKEN`. The scheme's letters may be of either case (RFC 9110, 11.1).
fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim_start_matches(' ');
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// Finds out who asks before any handler runs; whoever is nobody gets no further.
pub(super) async fn authenticate(
    State(api): State<Api>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let caller = api.access().caller(request.headers())?;
    tracing::Span::current().record("caller", caller.as_str());
    request.extensions_mut().insert(caller);
    Ok(next.run(request).await)
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Self>().cloned();
        // A route outside of `authenticate` would be a mistake of ours: nobody gets in through it.
        caller.ok_or_else(|| Problem::unauthorised("nobody was asked for a token here"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::config::{Listen, TokenConfig};

    fn config(tokens: &[(&str, Role)], anonymous: Option<Role>) -> HttpConfig {
        let token = |(name, role): &(&str, Role)| {
            (
                name.parse().unwrap(),
                TokenConfig { role: *role, sha256: TokenDigest::of(&format!("token of {name}")) },
            )
        };
        HttpConfig {
            listen: Listen::None,
            hosts: Vec::new(),
            anonymous,
            connections: 8,
            streams: 2,
            github: crate::http::github::GithubConfig::default(),
            tokens: tokens.iter().map(token).collect(),
        }
    }

    fn access(tokens: &[(&str, Role)], anonymous: Option<Role>, address: &str) -> Result<Access, Cause> {
        Access::new(&config(tokens, anonymous), address.parse().unwrap())
    }

    fn caller(access: &Access, header: Option<&str>) -> Result<Caller, Problem> {
        let mut headers = HeaderMap::new();
        if let Some(value) = header {
            headers.insert(AUTHORIZATION, value.parse().unwrap());
        }
        access.caller(&headers)
    }

    const TWO: [(&str, Role); 2] = [("ci", Role::Deployer), ("ada", Role::Admin)];

    #[test]
    fn a_token_tells_who_asks() {
        let access = access(&TWO, None, "0.0.0.0:80").unwrap();
        for header in ["Bearer token of ci", "bearer token of ci", "BEARER  token of ci"] {
            let caller = caller(&access, Some(header)).unwrap();
            assert_eq!((caller.as_str(), caller.role), ("ci", Role::Deployer), "{header}");
        }
        for wrong in [
            "Bearer",
            "Bearer ",
            "Basic token of ci",
            "token of ci",
            "Bearer token of c",
            "Bearer token of cii",
        ] {
            assert_eq!(caller(&access, Some(wrong)).unwrap_err().status.as_u16(), 401, "{wrong}");
        }
        assert_eq!(caller(&access, None).unwrap_err().status.as_u16(), 401);
    }

    #[test]
    fn without_tokens_loopback_may_look_and_nobody_else_is_let_in() {
        for loopback in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1"] {
            let access = access(&[], None, loopback).unwrap();
            assert_eq!(caller(&access, None).unwrap().role, Role::Viewer, "{loopback}");
            assert!(caller(&access, Some("Bearer anything")).is_err());
        }
        for open in ["0.0.0.0:1", "[::]:1", "10.0.0.1:1"] {
            let refused = access(&[], Some(Role::Viewer), open).unwrap_err();
            assert!(refused.text.contains("no token is configured"), "{}", refused.text);
        }
    }

    #[test]
    fn what_those_without_a_token_may_do_is_written_and_stays_on_loopback() {
        assert_eq!(
            caller(&access(&[], Some(Role::Admin), "127.0.0.1:1").unwrap(), None).unwrap().role,
            Role::Admin
        );
        let refused = access(&TWO, Some(Role::Deployer), "0.0.0.0:1").unwrap_err();
        assert!(refused.text.contains("`http.anonymous` is `deployer`"), "{}", refused.text);
        let refused = access(&TWO, Some(Role::Viewer), "0.0.0.0:1").unwrap_err();
        assert!(refused.text.contains("needs `http.hosts`"), "{}", refused.text);
        let named =
            HttpConfig { hosts: vec!["windlass.example".to_owned()], ..config(&TWO, Some(Role::Viewer)) };
        assert_eq!(
            caller(&Access::new(&named, "0.0.0.0:1".parse().unwrap()).unwrap(), None).unwrap().role,
            Role::Viewer
        );
        assert!(
            caller(&access(&TWO, None, "127.0.0.1:1").unwrap(), None).is_err(),
            "with tokens, everybody needs one"
        );
    }

    #[test]
    fn each_role_may_what_the_ones_before_it_may() {
        let roles = [Role::Viewer, Role::Deployer, Role::Approver, Role::Admin];
        for (rank, role) in roles.iter().enumerate() {
            let caller = Caller { name: None, role: *role };
            for (needed_rank, needed) in roles.iter().enumerate() {
                assert_eq!(caller.require(*needed).is_ok(), rank >= needed_rank, "{role} for {needed}");
            }
        }
    }
}
