//! What a method and a path ask for.

use http::Method;

use crate::kind::{Id, Kind};
use crate::problem::Problem;

/// What a request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    Pricing,
    /// Some actions by their IDs, of whatever kind.
    SomeActions,
    Action(Id),
    List(Kind),
    Create(Kind),
    Get(Kind, Id),
    Update(Kind, Id),
    Delete(Kind, Id),
    ActionsOfKind(Kind),
    ActionsOf(Kind, Id),
    ActionOf(Kind, Option<Id>, Id),
    Command(Kind, Id, String),
    Metrics(Kind, Id),
    /// What is attached to a network.
    Members(Id),
}

impl Route {
    /// `path` is what follows `/v1/`.
    pub(crate) fn of(method: &Method, path: &str) -> Result<Self, Problem> {
        let segments: Vec<&str> = path.split('/').collect();
        let routes = Self::at(&segments)?;
        let found = routes.into_iter().find(|(other, _)| other == method);
        found.map(|(_, route)| route).ok_or_else(Problem::method_not_allowed)
    }

    /// All that can be asked for at a path.
    fn at(segments: &[&str]) -> Result<Vec<(Method, Self)>, Problem> {
        let get = |route| vec![(Method::GET, route)];
        match segments {
            ["pricing"] => return Ok(get(Self::Pricing)),
            ["actions"] => return Ok(get(Self::SomeActions)),
            ["actions", id] => return Ok(get(Self::Action(number(id)?))),
            // Deprecated on 2026-06-02; gone since 2026-10-01.
            ["datacenters", ..] => {
                return Err(Problem::gone("datacenters were removed, use locations and server types"));
            }
            _ => {}
        }
        let (first, rest) = segments.split_first().ok_or_else(Problem::no_such_path)?;
        let kind = Kind::of_path(first).ok_or_else(Problem::no_such_path)?;
        match rest {
            [] => Ok(Self::collection(kind)),
            ["actions"] if kind.has_actions() => Ok(get(Self::ActionsOfKind(kind))),
            ["actions", action] if kind.has_actions() => Ok(get(Self::ActionOf(kind, None, number(action)?))),
            [id] => Ok(Self::single(kind, number(id)?)),
            [id, "actions"] if kind.has_actions() => Ok(get(Self::ActionsOf(kind, number(id)?))),
            [id, "metrics"] if matches!(kind, Kind::Server | Kind::LoadBalancer) => {
                Ok(get(Self::Metrics(kind, number(id)?)))
            }
            [id, "members"] if kind == Kind::Network => Ok(get(Self::Members(number(id)?))),
            [id, "actions", last] if kind.has_actions() => {
                let id = number(id)?;
                Ok(match last.parse() {
                    Ok(action) => get(Self::ActionOf(kind, Some(id), action)),
                    Err(_) => vec![(Method::POST, Self::Command(kind, id, (*last).to_owned()))],
                })
            }
            _ => Err(Problem::no_such_path()),
        }
    }

    fn collection(kind: Kind) -> Vec<(Method, Self)> {
        let mut routes = vec![(Method::GET, Self::List(kind))];
        // Images are made by an action of a server.
        if kind.can_be_changed() && kind != Kind::Image {
            routes.push((Method::POST, Self::Create(kind)));
        }
        routes
    }

    fn single(kind: Kind, id: Id) -> Vec<(Method, Self)> {
        let mut routes = vec![(Method::GET, Self::Get(kind, id))];
        if kind.can_be_changed() {
            routes.push((Method::PUT, Self::Update(kind, id)));
            routes.push((Method::DELETE, Self::Delete(kind, id)));
        }
        routes
    }
}

fn number(segment: &str) -> Result<Id, Problem> {
    segment.parse().map_err(|_| Problem::no_such_path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(method: &Method, path: &str, expected: &Result<Route, u16>) {
        assert_eq!(Route::of(method, path).map_err(|problem| problem.status), *expected, "{method} {path}");
    }

    #[test]
    fn paths_are_told_apart() {
        let (get, post) = (Method::GET, Method::POST);
        check(&get, "servers", &Ok(Route::List(Kind::Server)));
        check(&post, "servers", &Ok(Route::Create(Kind::Server)));
        check(&get, "servers/7", &Ok(Route::Get(Kind::Server, 7)));
        check(&get, "servers/actions", &Ok(Route::ActionsOfKind(Kind::Server)));
        check(&get, "servers/actions/3", &Ok(Route::ActionOf(Kind::Server, None, 3)));
        check(&get, "servers/7/actions/3", &Ok(Route::ActionOf(Kind::Server, Some(7), 3)));
        check(&post, "servers/7/actions/reboot", &Ok(Route::Command(Kind::Server, 7, "reboot".to_owned())));
        check(&get, "servers/7/metrics", &Ok(Route::Metrics(Kind::Server, 7)));
        check(&get, "actions/3", &Ok(Route::Action(3)));
        check(&Method::DELETE, "ssh_keys/1", &Ok(Route::Delete(Kind::SshKey, 1)));
    }

    #[test]
    fn what_is_not_there_says_how() {
        let (get, post) = (Method::GET, Method::POST);
        check(&get, "", &Err(404));
        check(&get, "server", &Err(404));
        check(&get, "servers/x", &Err(404));
        check(&get, "ssh_keys/1/actions", &Err(404));
        check(&get, "servers/1/actions/2/3", &Err(404));
        check(&Method::PATCH, "servers/1", &Err(405));
        check(&post, "images", &Err(405));
        check(&post, "locations", &Err(405));
        check(&get, "servers/1/actions/reboot", &Err(405));
        check(&get, "datacenters", &Err(410));
        check(&get, "datacenters/1", &Err(410));
    }
}
