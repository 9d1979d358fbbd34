//! What somebody asks about themselves: may I, what may I, who am I (`kubectl auth`). Nothing of it is kept.

use http::Method;
use serde_json::{Value, json};

use super::answer::{self, Answer};
use super::problem::{FieldProblem, Problem};
use super::request::Call;
use super::users::{Attempt, User};
use super::write::body;
use super::{Api, Target};
use crate::objects::kinds::{SELF_SUBJECT_ACCESS_REVIEW, SELF_SUBJECT_RULES_REVIEW};
use crate::objects::{Kind, Resource};

/// What everybody may read who is known.
const OPEN_PATHS: [&str; 7] = ["/api", "/apis", "/healthz", "/livez", "/openapi", "/readyz", "/version"];

impl Api {
    /// Answers a question, which everybody may ask who is known.
    pub(super) fn review(&self, call: &Call, target: &Target) -> Result<Answer, Problem> {
        if call.method != Method::POST || target.name.is_some() {
            return Err(Problem::method_not_allowed());
        }
        let kind = target.kind();
        let mut review = body(call)?;
        if !review.is_object() {
            return Err(Problem::bad_request(format!("the body must be a {}", kind.kind)));
        }
        let status = match kind {
            kind if kind == &SELF_SUBJECT_ACCESS_REVIEW => self.access(&call.user, kind, &review["spec"])?,
            kind if kind == &SELF_SUBJECT_RULES_REVIEW => self.rules(&call.user, &review["spec"])?,
            _ => json!({"userInfo": {"username": call.user.name(), "groups": call.user.groups()}}),
        };
        review["apiVersion"] = kind.api_version().into();
        review["kind"] = kind.kind.as_ref().into();
        review["status"] = status;
        Ok(answer::json(201, &review))
    }

    fn access(&self, user: &User, kind: &Kind, spec: &Value) -> Result<Value, Problem> {
        let (resource, path) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
        let is_allowed = match (resource.is_object(), path.is_object()) {
            (true, false) => self.may(user, resource),
            (false, true) => *user == User::Administrator || may_read(path),
            _ => {
                let why = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
                let problem = FieldProblem::invalid("spec.resourceAttributes", resource, why);
                return Err(Problem::invalid(&kind.kind, &kind.group, "", &[problem]));
            }
        };
        Ok(json!({"allowed": is_allowed}))
    }

    fn may(&self, user: &User, attributes: &Value) -> bool {
        let text = |field: &str| attributes[field].as_str().filter(|text| !text.is_empty());
        let owned = |field: &str| text(field).unwrap_or_default().to_owned().into();
        let attempt = Attempt {
            verb: text("verb").unwrap_or_default(),
            resource: Resource { group: owned("group"), plural: owned("resource") },
            subresource: text("subresource"),
            namespace: text("namespace"),
            name: text("name"),
        };
        user.check(self.objects(), &attempt).is_ok()
    }

    /// Every rule that holds in a namespace, and what holds for everybody.
    fn rules(&self, user: &User, spec: &Value) -> Result<Value, Problem> {
        let namespace = spec["namespace"].as_str().filter(|namespace| !namespace.is_empty());
        let namespace = namespace.ok_or_else(|| Problem::bad_request("no namespace on request"))?;
        let everybody = [
            json!({"verbs": ["create"], "apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"]}),
            json!({"verbs": ["create"], "apiGroups": ["authorization.k8s.io"],
                "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"]}),
        ];
        let of_resources = user.rules(self.objects(), Some(namespace)).into_iter();
        let of_resources = of_resources.filter(|rule| rule["resources"].is_array()).chain(everybody);
        let mut of_paths = vec![json!({"verbs": ["get"], "nonResourceURLs": OPEN_PATHS})];
        if *user == User::Administrator {
            of_paths.insert(0, json!({"verbs": ["*"], "nonResourceURLs": ["*"]}));
        }
        Ok(json!({
            "resourceRules": of_resources.collect::<Vec<_>>(), "nonResourceRules": of_paths, "incomplete": false,
        }))
    }
}

fn may_read(attributes: &Value) -> bool {
    let path = attributes["path"].as_str().unwrap_or_default();
    let is_open =
        |open: &str| path.strip_prefix(open).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    attributes["verb"] == "get" && OPEN_PATHS.iter().any(|open| is_open(open))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_may_read_what_the_server_says_of_itself() {
        let may = |verb: &str, path: &str| may_read(&json!({"verb": verb, "path": path}));
        assert!(may("get", "/api") && may("get", "/apis/apps/v1") && may("get", "/version"));
        assert!(!may("get", "/apiary") && !may("get", "/metrics") && !may("post", "/api"));
    }
}
