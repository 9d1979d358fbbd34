//! What an answer says when it is no success: `Status`.

use serde_json::{Value, json};

use crate::apply::{Conflict, Operation};
use crate::objects::{Expired, Kind, ObjectError, Resource};

/// A refusal, in the words of a Kubernetes API server.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Problem {
    pub(crate) code: u16,
    reason: &'static str,
    pub(crate) message: String,
    details: Value,
}

/// What is wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldProblem {
    reason: &'static str,
    /// `spec.template.spec.containers[0].image`
    pub(crate) field: String,
    pub(crate) message: String,
}

impl FieldProblem {
    pub(crate) fn required(field: impl Into<String>, detail: &str) -> Self {
        let message =
            if detail.is_empty() { "Required value".to_owned() } else { format!("Required value: {detail}") };
        Self { reason: "FieldValueRequired", field: field.into(), message }
    }

    pub(crate) fn invalid(field: impl Into<String>, value: &Value, detail: &str) -> Self {
        let message = format!("Invalid value: {value}: {detail}");
        Self { reason: "FieldValueInvalid", field: field.into(), message }
    }

    pub(crate) fn unsupported(field: impl Into<String>, value: &Value, allowed: &[String]) -> Self {
        let allowed: Vec<String> =
            allowed.iter().filter(|one| !one.is_empty()).map(|one| format!("{one:?}")).collect();
        let message = format!("Unsupported value: {value}: supported values: {}", allowed.join(", "));
        Self { reason: "FieldValueNotSupported", field: field.into(), message }
    }

    pub(crate) fn duplicate(field: impl Into<String>, value: &Value) -> Self {
        Self {
            reason: "FieldValueDuplicate",
            field: field.into(),
            message: format!("Duplicate value: {value}"),
        }
    }

    pub(crate) fn forbidden(field: impl Into<String>, detail: &str) -> Self {
        Self { reason: "FieldValueForbidden", field: field.into(), message: format!("Forbidden: {detail}") }
    }

    pub(crate) fn not_found(field: impl Into<String>, value: &Value) -> Self {
        Self { reason: "FieldValueNotFound", field: field.into(), message: format!("Not found: {value}") }
    }
}

impl Problem {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: Value::Null }
    }

    fn about(mut self, kind: &str, group: &str, name: &str) -> Self {
        self.details = json!({});
        for (field, text) in [("name", name), ("group", group), ("kind", kind)] {
            if !text.is_empty() {
                self.details[field] = text.into();
            }
        }
        self
    }

    fn about_resource(self, resource: &Resource, name: &str) -> Self {
        self.about(&resource.plural, &resource.group, name)
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(crate) fn unauthorised() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    /// Admission refuses: `pods "a" is forbidden: WHY`.
    pub(crate) fn forbidden(resource: &Resource, name: &str, why: &str) -> Self {
        let name_shown = if name.is_empty() { String::new() } else { format!(" \"{name}\"") };
        Self::new(403, "Forbidden", format!("{resource}{name_shown} is forbidden: {why}"))
            .about_resource(resource, name)
    }

    pub(crate) fn not_found(resource: &Resource, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{resource} \"{name}\" not found")).about_resource(resource, name)
    }

    /// The kind, or the way of asking, is not served.
    pub(crate) fn not_served() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource").about("", "", "")
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
            .about("", "", "")
    }

    pub(crate) fn not_acceptable(offered: &str) -> Self {
        let message = format!("only the following media types are accepted: {offered}");
        Self::new(406, "NotAcceptable", message)
    }

    pub(crate) fn already_exists(resource: &Resource, name: &str) -> Self {
        Self::new(409, "AlreadyExists", format!("{resource} \"{name}\" already exists"))
            .about_resource(resource, name)
    }

    pub(crate) fn conflict(resource: &Resource, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {resource} \"{name}\": {why}");
        Self::new(409, "Conflict", message).about_resource(resource, name)
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        let message = format!("the request is larger than {limit} bytes");
        Self::new(413, "RequestEntityTooLarge", message)
    }

    pub(crate) fn unsupported_media(accepted: &[&str]) -> Self {
        let message = format!(
            "the body of the request was in an unknown format - accepted media types include: {}",
            accepted.join(", ")
        );
        Self::new(415, "UnsupportedMediaType", message)
    }

    pub(crate) fn too_many_requests(message: &str) -> Self {
        Self::new(429, "TooManyRequests", message)
    }

    /// A server's error, which is how a wish that does not fit the schema is answered.
    pub(crate) fn untyped(message: impl Into<String>) -> Self {
        Self::new(500, "", message)
    }

    /// A JSON patch that cannot be made to the object.
    pub(crate) fn untyped_invalid(why: &str) -> Self {
        Self::new(
            422,
            "Invalid",
            format!("the server rejected our request due to an error in our request: {why}"),
        )
        .about("", "", "")
    }

    /// A wish for what is in a pod: pods of a sandbox are simulated.
    pub(crate) fn nothing_runs(wanted: &str) -> Self {
        let message = format!(
            "`{wanted}` is not possible in a sandbox: its pods are simulated, and no process runs in them"
        );
        Self::new(501, "NotImplemented", message)
    }

    pub(crate) fn of_kubelet(code: u16, message: &str) -> Self {
        let reason = if code == 404 { "NotFound" } else { "BadRequest" };
        Self::new(code, reason, message)
    }

    /// Content that is not valid.
    pub(crate) fn invalid(kind: &str, group: &str, name: &str, problems: &[FieldProblem]) -> Self {
        let listed: Vec<String> =
            problems.iter().map(|one| format!("{}: {}", one.field, one.message)).collect();
        let listed = if let [only] = &listed[..] { only.clone() } else { format!("[{}]", listed.join(", ")) };
        let kind_shown = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        let mut problem = Self::new(422, "Invalid", format!("{kind_shown} \"{name}\" is invalid: {listed}"))
            .about(kind, group, name);
        let cause =
            |one: &FieldProblem| json!({"reason": one.reason, "message": one.message, "field": one.field});
        problem.details["causes"] = problems.iter().map(cause).collect();
        problem
    }

    /// Fields that somebody else owns.
    pub(crate) fn conflicts(conflicts: &[Conflict]) -> Self {
        let causes: Vec<Value> = conflicts.iter().map(cause).collect();
        let listed = match conflicts {
            [only] => format!("Apply failed with 1 conflict: {}: {}", conflict_with(only), only.path),
            _ => format!("Apply failed with {} conflicts: {}", conflicts.len(), grouped(conflicts)),
        };
        let mut problem = Self::new(409, "Conflict", listed);
        problem.details = json!({"causes": causes});
        problem
    }

    pub(crate) fn status(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": self.message, "code": self.code,
        });
        if !self.reason.is_empty() {
            status["reason"] = self.reason.into();
        }
        if !self.details.is_null() {
            status["details"] = self.details.clone();
        }
        status
    }
}

fn cause(conflict: &Conflict) -> Value {
    json!({"reason": "FieldManagerConflict", "message": conflict_with(conflict), "field": conflict.path})
}

/// `conflict with "kubectl-client-side-apply" using apps/v1 at 2026-11-24T00:00:00Z`: of who applied, the name is enough.
fn conflict_with(conflict: &Conflict) -> String {
    let owner = &conflict.owner;
    let subresource = match owner.subresource.as_str() {
        "" => String::new(),
        subresource => format!(" with subresource {subresource:?}"),
    };
    let since = match owner.operation {
        Operation::Update => format!(" using {} at {}", owner.api_version, conflict.since),
        Operation::Apply => String::new(),
    };
    format!("conflict with {:?}{subresource}{since}", owner.manager)
}

/// By owner: `conflicts with "kubectl" using v1:\n- .data.a\n- .data.b`.
fn grouped(conflicts: &[Conflict]) -> String {
    let mut owners: Vec<String> = conflicts.iter().map(conflict_with).collect();
    owners.dedup();
    let listed = owners.iter().map(|owner| {
        let paths: Vec<String> = conflicts
            .iter()
            .filter(|one| conflict_with(one) == *owner)
            .map(|one| format!("\n- {}", one.path))
            .collect();
        format!("{}:{}", owner.replacen("conflict", "conflicts", 1), paths.concat())
    });
    listed.collect::<Vec<_>>().join("\n")
}

impl From<ObjectError> for Problem {
    fn from(error: ObjectError) -> Self {
        let message = error.to_string();
        match error {
            ObjectError::NotFound { resource, name } => Self::not_found(&resource, &name),
            ObjectError::AlreadyExists { resource, name } => Self::already_exists(&resource, &name),
            ObjectError::Stale { resource, name } | ObjectError::Precondition { resource, name, .. } => {
                Self::new(409, "Conflict", message).about_resource(&resource, &name)
            }
            ObjectError::Terminating { resource, name, namespace } => {
                let mut problem = Self::new(403, "Forbidden", message).about_resource(&resource, &name);
                problem.details["causes"] = json!([{
                    "reason": "NamespaceTerminating", "field": "metadata.namespace",
                    "message": format!("namespace {namespace} is being terminated"),
                }]);
                problem
            }
        }
    }
}

impl From<Expired> for Problem {
    fn from(expired: Expired) -> Self {
        Self::new(410, "Expired", expired.to_string())
    }
}

/// How messages about a kind's content call it.
pub(crate) fn invalid(kind: &Kind, name: &str, problems: &[FieldProblem]) -> Result<(), Problem> {
    if problems.is_empty() { Ok(()) } else { Err(Problem::invalid(&kind.kind, &kind.group, name, problems)) }
}
