//! The Kubernetes API over the objects of a cluster.

mod answer;
mod discovery;
mod openapi;
pub(crate) mod problem;
mod read;
mod request;
mod review;
mod selector;
pub(crate) mod served;
mod server;
mod subresource;
mod table;
mod users;
mod watch;
mod write;

use std::fmt;
use std::sync::Arc;

use http::{Method, header};
use secrecy::SecretString;

use crate::kubelet::Kubelet;
use crate::objects::{Kind, Objects};
use answer::Answer;
use problem::Problem;
use request::Call;
use served::{Kinds, Served};
use users::{Attempt, User, Users};

pub(crate) use server::{Identity, Server};
pub(crate) use users::new_token;

/// What the version endpoint says: the Kubernetes whose behaviour is followed.
pub(crate) const VERSION: &str = "v1.34.4+sandbox";

/// The API of one cluster. Clones share it.
#[derive(Clone)]
pub(crate) struct Api {
    shared: Arc<Shared>,
}

struct Shared {
    objects: Objects,
    kinds: Kinds,
    kubelet: Arc<dyn Kubelet>,
    users: Users,
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").field("objects", &self.shared.objects).finish_non_exhaustive()
    }
}

/// What a path leads to.
#[derive(Debug)]
struct Target {
    served: Served,
    namespace: Option<String>,
    name: Option<String>,
    subresource: Option<String>,
}

impl Target {
    fn kind(&self) -> &Kind {
        &self.served.kind
    }

    /// The object that is meant, in the words of an error.
    fn name(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or_default()
    }
}

impl Api {
    pub(crate) fn new(objects: Objects, administrator: SecretString, kubelet: Arc<dyn Kubelet>) -> Self {
        let kinds = Kinds::new(objects.clone());
        let users = Users::new(administrator);
        Self { shared: Arc::new(Shared { objects, kinds, kubelet, users }) }
    }

    fn objects(&self) -> &Objects {
        &self.shared.objects
    }

    /// Whose token a request carries.
    fn user(&self, headers: &http::HeaderMap) -> Option<User> {
        let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| self.shared.users.find(token.trim()))?
    }

    async fn answer(&self, call: &Call) -> Answer {
        let parts: Vec<&str> = call.path.iter().map(String::as_str).collect();
        if let Some(answer) = self.about_the_server(call, &parts) {
            return answer;
        }
        let answered = match self.target(&parts) {
            Ok(target) => self.answer_about(call, &target).await,
            Err(answer) => return *answer,
        };
        answered.unwrap_or_else(|problem| answer::problem(&problem))
    }

    /// Paths that lead to no kind.
    fn about_the_server(&self, call: &Call, parts: &[&str]) -> Option<Answer> {
        let is_read = call.method == Method::GET;
        match parts {
            ["healthz" | "readyz" | "livez", ..] if is_read => Some(answer::text(200, "ok")),
            ["version"] if is_read => Some(answer::json(200, &discovery::version())),
            ["api" | "apis"] | ["api" | "apis", _] | ["apis", _, _] if is_read => {
                discovery::answer(&self.shared.kinds.all(), call, parts)
            }
            ["openapi", "v3", rest @ ..] if is_read => openapi::answer(&self.shared.kinds.all(), rest),
            _ => None,
        }
    }

    /// What a path leads to. What is no group at all is answered as a web server does.
    fn target(&self, parts: &[&str]) -> Result<Target, Box<Answer>> {
        let (group, version, rest) = match parts {
            ["api", version, rest @ ..] if !rest.is_empty() => ("", *version, rest),
            ["apis", group, version, rest @ ..] if !rest.is_empty() => (*group, *version, rest),
            _ => return Err(Box::new(answer::text(404, "404 page not found\n"))),
        };
        let owned = |text: &str| Some(text.to_owned());
        let (namespace, rest) = match rest {
            ["namespaces", name, plural, rest @ ..] if !matches!(*plural, "status" | "finalize") => {
                (owned(name), [&[*plural], rest].concat())
            }
            rest => (None, rest.to_vec()),
        };
        let is_group =
            self.shared.kinds.all().iter().any(|kind| kind.group == group && kind.version == version);
        if !is_group {
            return Err(Box::new(answer::text(404, "404 page not found\n")));
        }
        let not_served = || Box::new(answer::problem(&Problem::not_served()));
        let served = self.shared.kinds.by_path(group, version, rest[0]).ok_or_else(not_served)?;
        if rest.len() > 3 || namespace.is_some() && !served.kind.is_namespaced() {
            return Err(not_served());
        }
        let (name, subresource) =
            (rest.get(1).and_then(|text| owned(text)), rest.get(2).and_then(|text| owned(text)));
        Ok(Target { served, namespace, name, subresource })
    }

    async fn answer_about(&self, call: &Call, target: &Target) -> Result<Answer, Problem> {
        if !target.kind().is_kept() {
            return self.review(call, target);
        }
        self.check_rights(call, target)?;
        if target.kind().is_namespaced() && target.namespace.is_none() && target.name.is_some() {
            return Err(Problem::not_served());
        }
        if target.subresource.is_some() {
            return self.answer_subresource(call, target).await;
        }
        match (&call.method, &target.name) {
            (&Method::GET, _) if call.flag("watch") => self.watch(call, target),
            (&Method::GET, Some(name)) => self.get(call, target, name),
            (&Method::GET, None) => self.list(call, target),
            (&Method::POST, None) => self.create(call, target),
            (&Method::PUT, Some(_)) => self.replace(call, target),
            (&Method::PATCH, Some(_)) => self.patch(call, target),
            (&Method::DELETE, Some(name)) => self.delete(call, target, name),
            (&Method::DELETE, None) => self.delete_all(call, target),
            _ => Err(Problem::method_not_allowed()),
        }
    }

    fn check_rights(&self, call: &Call, target: &Target) -> Result<(), Problem> {
        let verb = match (&call.method, &target.name) {
            (&Method::GET, _) if call.flag("watch") => "watch",
            (&Method::GET, Some(_)) => "get",
            (&Method::GET, None) => "list",
            (&Method::POST, _) => "create",
            (&Method::PUT, _) => "update",
            (&Method::PATCH, _) => "patch",
            (&Method::DELETE, Some(_)) => "delete",
            _ => "deletecollection",
        };
        let attempt = Attempt {
            verb,
            resource: target.kind().resource(),
            subresource: target.subresource.as_deref(),
            namespace: target.namespace.as_deref(),
            name: target.name.as_deref(),
        };
        call.user.check(self.objects(), &attempt)
    }
}

/// Metadata alone, for clients that need no more.
fn partial(object: &serde_json::Value) -> serde_json::Value {
    serde_json::json!({
        "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"],
    })
}
