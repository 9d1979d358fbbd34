//! Reading an answer that is not a success: which failure it is, and what of its words can be shown.
//!
//! The API server answers with a `Status` (Kubernetes API conventions, "Response Status Kind"). Code, `reason` and `details` decide
//! wherever they can. Where Kubernetes gives nothing but a sentence, the sentences are listed in this file and nowhere else.

use std::time::Duration;

use serde::Deserialize;
use windlass_core::diagnosis::Cause;
use windlass_core::failure::ClusterFailure;

use crate::advice;
use crate::error::{ClusterError, FieldProblem, Request};

/// No message is longer: admission can repeat a whole object.
const LONGEST_WORDS: usize = 1_000;

/// What is said of a Secret when the server's own words cannot be shown (argo-cd#16193: an error text printed the values).
const WORDS_LEFT_OUT: &str =
    "the server refuses it; its words are left out because they may repeat values of the Secret";

/// A `Status`, as far as it is read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Status {
    code: u16,
    reason: String,
    message: String,
    details: Details,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Details {
    name: String,
    kind: String,
    causes: Vec<StatusCause>,
    retry_after_seconds: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct StatusCause {
    reason: String,
    message: String,
    field: String,
}

/// A field that another manager owns, out of a refused apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Conflict {
    pub(crate) manager: String,
    pub(crate) field: String,
}

impl Status {
    /// Reads the body of an answer; what is not a `Status` (a proxy's page, `404 page not found`) is known by its code only.
    pub(crate) fn read(code: u16, body: &[u8]) -> Status {
        let mut status: Status = serde_json::from_slice(body).unwrap_or_default();
        status.code = code;
        status
    }

    /// The HTTP status.
    pub(crate) fn code(&self) -> u16 {
        self.code
    }

    /// Reads the object of a watch's `ERROR` event.
    pub(crate) fn of_event(object: serde_json::Value) -> Status {
        serde_json::from_value(object).unwrap_or_default()
    }

    /// The fields over which an apply without force conflicts.
    pub(crate) fn conflicts(&self) -> Vec<Conflict> {
        let conflict = |cause: &StatusCause| {
            let manager = cause.message.split('"').nth(1).unwrap_or_default().to_owned();
            let field = cause.field.trim_start_matches('.').to_owned();
            (cause.reason == "FieldManagerConflict").then_some(Conflict { manager, field })
        };
        self.details.causes.iter().filter_map(conflict).collect()
    }

    /// The field names in the order given, for a failure that lists what may be changed: `updates to statefulset spec for fields other
    /// than 'replicas', 'template' … are forbidden`.
    pub(crate) fn changeable_fields(&self) -> Vec<String> {
        let listed = |cause: &StatusCause| -> Vec<String> {
            let Some((_, list)) = cause.message.split_once("for fields other than") else {
                return Vec::new();
            };
            list.split('\'').skip(1).step_by(2).map(str::to_owned).collect()
        };
        self.details.causes.iter().flat_map(listed).collect()
    }

    /// Takes the header `Retry-After` where `details` has no time of its own.
    pub(crate) fn with_retry_after(mut self, wait: Option<Duration>) -> Status {
        let seconds = self.details.retry_after_seconds.or(wait.map(|wait| wait.as_secs()));
        self.details.retry_after_seconds = seconds;
        self
    }

    /// Whether asking again may help, and how long the server asks to wait.
    pub(crate) fn worth_another_try(&self) -> (bool, Option<Duration>) {
        let may_pass = matches!(self.failure(), ClusterFailure::Throttled | ClusterFailure::ServerError)
            || is_webhook_down(&self.message);
        (may_pass, self.details.retry_after_seconds.map(Duration::from_secs))
    }

    /// The namespace that is not there, where that is what is missing.
    pub(crate) fn missing_namespace(&self) -> Option<&str> {
        (self.code == 404 && self.details.kind == "namespaces").then_some(self.details.name.as_str())
    }

    /// The service account that a pod names and that is not there: `error looking up service account shop/api: serviceaccount "api" not found`.
    pub(crate) fn missing_account(&self) -> Option<String> {
        let (_, rest) = self.message.split_once("error looking up service account ")?;
        let (account, _) = rest.split_once(':')?;
        account.split_once('/').map(|(_, name)| name.to_owned())
    }

    /// Which failure this is.
    pub(crate) fn failure(&self) -> ClusterFailure {
        match self.code {
            400 | 422 => self.failure_of_content(),
            401 => ClusterFailure::Unauthorised,
            403 if is_access_denial(&self.message) => ClusterFailure::Forbidden,
            403 => ClusterFailure::Refused,
            // The server names what it did not find, unless it is the path itself: then it does not serve the kind.
            404 if self.details.name.is_empty() => ClusterFailure::UnknownKind,
            404 => ClusterFailure::NotFound,
            409 if !self.conflicts().is_empty() => ClusterFailure::FieldConflict,
            409 => ClusterFailure::StaleWrite,
            410 => ClusterFailure::Expired,
            429 => ClusterFailure::Throttled,
            500 if is_apply_of_nonsense(&self.message) => ClusterFailure::Invalid,
            500 if is_webhook_down(&self.message) => ClusterFailure::Refused,
            408 | 500..=599 => ClusterFailure::ServerError,
            _ => ClusterFailure::Invalid,
        }
    }

    fn failure_of_content(&self) -> ClusterFailure {
        if refusal(&self.message).is_some() {
            ClusterFailure::Refused
        } else if self.details.causes.iter().any(|cause| is_immutability(&cause.message)) {
            ClusterFailure::Immutable
        } else {
            ClusterFailure::Invalid
        }
    }

    /// The error that this answer is, for a request.
    pub(crate) fn into_error(self, request: &Request) -> ClusterError {
        let failure = self.failure();
        let cause = (failure == ClusterFailure::Refused)
            .then(|| refusal(&self.message).unwrap_or(Cause::AdmissionRefused));
        let fields = self.field_problems(request.is_secret());
        let error = ClusterError::new(failure, request, self.words(failure, &fields, request))
            .with_cause(cause)
            .with_retry_after(self.details.retry_after_seconds.map(Duration::from_secs))
            .with_fields(fields);
        match self.hint(&error) {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }

    /// What a person can do. A namespace that is missing is known from the details only, all else from the error.
    fn hint(&self, error: &ClusterError) -> Option<String> {
        match self.missing_namespace() {
            Some(name) => {
                Some(format!("make it with `kubectl create namespace {name}`, or add it to the release"))
            }
            None => advice::on(error),
        }
    }

    fn field_problems(&self, hide: bool) -> Vec<FieldProblem> {
        let problem = |cause: &StatusCause| FieldProblem {
            field: cause.field.trim_start_matches('.').to_owned(),
            problem: if hide {
                kind_of_problem(&cause.message).to_owned()
            } else {
                without_value(&cause.message)
            },
        };
        self.details.causes.iter().filter(|cause| !cause.field.is_empty()).map(problem).collect()
    }

    fn words(&self, failure: ClusterFailure, fields: &[FieldProblem], request: &Request) -> String {
        match failure {
            ClusterFailure::FieldConflict => self.words_of_conflict(),
            ClusterFailure::Unauthorised => "the server does not accept the credentials".to_owned(),
            ClusterFailure::UnknownKind => "the cluster does not know this kind".to_owned(),
            ClusterFailure::Invalid | ClusterFailure::Immutable if !fields.is_empty() => {
                let listed: Vec<String> = fields
                    .iter()
                    .map(|problem| format!("`{}`: {}", problem.field, problem.problem))
                    .collect();
                listed.join("; ")
            }
            _ if request.is_secret() && self.may_quote_values() => self.words_about_secret(),
            _ => self.server_words(),
        }
    }

    /// Who owns which fields.
    fn words_of_conflict(&self) -> String {
        let listed: Vec<String> = self
            .conflicts()
            .into_iter()
            .map(|conflict| format!("`{}` is owned by `{}`", conflict.field, conflict.manager))
            .collect();
        listed.join(", ")
    }

    /// An answer about the request itself names objects and users; one about the content may quote it.
    fn may_quote_values(&self) -> bool {
        !matches!(
            self.failure(),
            ClusterFailure::Forbidden | ClusterFailure::NotFound | ClusterFailure::Throttled
        )
    }

    fn words_about_secret(&self) -> String {
        let problems = typed_patch_problems(&self.message);
        if problems.is_empty() { WORDS_LEFT_OUT.to_owned() } else { problems.join("; ") }
    }

    fn server_words(&self) -> String {
        let problems = typed_patch_problems(&self.message);
        if !problems.is_empty() {
            return problems.join("; ");
        }
        if self.message.is_empty() {
            return format!("the server answered with status {}", self.code);
        }
        shorten(self.message.trim())
    }
}

/// Whether a 403 comes from the authorizer (`User "jane" cannot create resource "pods" …`) or from the guard against granting more than
/// one has, and not from admission: the answers differ in nothing else.
fn is_access_denial(message: &str) -> bool {
    (message.contains("User \"") && message.contains(" cannot "))
        || message.contains("attempting to grant RBAC permissions not currently held")
}

/// Who refused, of those that answer with a sentence only: the admission plug-ins of the API server.
fn refusal(message: &str) -> Option<Cause> {
    let says = |text: &str| message.contains(text);
    if is_webhook_down(message) {
        Some(Cause::WebhookDown)
    } else if says("exceeded quota:") || says("failed quota:") || says("insufficient quota") {
        Some(Cause::QuotaExceeded)
    } else if says("violates PodSecurity") {
        Some(Cause::PodSecurityRefused)
    } else if says("usage per Container is")
        || says("usage per Pod is")
        || says("per PersistentVolumeClaim is")
        || says("limit to request ratio per")
    {
        Some(Cause::LimitRangeRefused)
    } else if says("admission webhook \"") || says("ValidatingAdmissionPolicy '") {
        Some(Cause::AdmissionRefused)
    } else {
        None
    }
}

/// Whether a webhook with `failurePolicy: Fail` could not be asked.
fn is_webhook_down(message: &str) -> bool {
    message.contains("failed calling webhook ")
}

/// Whether a 500 says that the applied object does not fit the kind's schema: server-side apply answers so for unknown fields, wrong types,
/// duplicate keys and values that do not decode, and gives no reason.
fn is_apply_of_nonsense(message: &str) -> bool {
    message.starts_with("failed to create typed patch object")
        || message.starts_with("failed to convert new object")
}

/// Whether a field's problem is that it was set once and for all. Validation has no reason of its own for that.
fn is_immutability(problem: &str) -> bool {
    [
        "field is immutable",
        "is immutable after creation",
        "may not change once set",
        "may not be changed",
        "cannot be changed",
        "cannot change",
        "for fields other than",
        "may not change fields other than",
        "updates to ",
    ]
    .iter()
    .any(|words| problem.contains(words))
}

/// The kind of a field's problem: what stands before its value.
fn kind_of_problem(message: &str) -> &str {
    message.split_once(':').map_or("Invalid value", |(kind, _)| kind)
}

/// A field's problem without the value it is about: `Invalid value: {"a":"b"}: field is immutable` becomes `field is immutable`.
///
/// Kubernetes writes a problem as kind, value and detail between colons; short scalars stay, because they help and are no body.
fn without_value(message: &str) -> String {
    let message = message.split("\n@@").next().unwrap_or(message).trim();
    let Some((kind, rest)) = message.split_once(": ") else { return shorten(message) };
    if !matches!(
        kind,
        "Invalid value" | "Unsupported value" | "Duplicate value" | "Not found" | "Too long" | "Too many"
    ) {
        return shorten(message);
    }
    let length = value_length(rest);
    let (value, detail) = (&rest[..length], rest[length..].trim_start_matches(": "));
    match (is_short_scalar(value), detail.is_empty()) {
        (true, true) => format!("{kind}: {value}"),
        (true, false) => format!("{kind}: {value}: {}", shorten(detail)),
        (false, true) => kind.to_owned(),
        (false, false) => shorten(detail),
    }
}

fn is_short_scalar(value: &str) -> bool {
    value.len() <= 80 && !value.starts_with(['{', '[', '&', 'v']) && !value.starts_with("map[")
}

/// The length of a value at the beginning of `rest`: a quoted text with its escapes, else up to the last `: ` after a bracket, else up to
/// the first `: `.
fn value_length(rest: &str) -> usize {
    if rest.starts_with('"') {
        let mut escaped = false;
        for (index, byte) in rest.bytes().enumerate().skip(1) {
            match byte {
                b'"' if !escaped => return index + 1,
                b'\\' => escaped = !escaped,
                _ => escaped = false,
            }
        }
        return rest.len();
    }
    let bracketed = rest.rfind("}: ").max(rest.rfind("]: ")).map(|index| index + 1);
    bracketed.or_else(|| rest.find(": ")).unwrap_or(rest.len())
}

/// The lines of a failed typed patch, without what they found: `.data.a: expected string, got &value…` becomes `data.a: expected string`.
fn typed_patch_problems(message: &str) -> Vec<String> {
    if !message.starts_with("failed to create typed patch object") {
        return Vec::new();
    }
    let problems =
        message.split_once("): ").map_or("", |(_, problems)| problems.trim_start_matches("errors:"));
    problems
        .split('\n')
        .map(|line| line.split(", got ").next().unwrap_or(line).trim().trim_start_matches('.'))
        .filter(|line| !line.is_empty())
        .map(|line| match line.rsplit_once(": ") {
            Some((field, problem)) => format!("`{field}`: {problem}"),
            None => line.to_owned(),
        })
        .collect()
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(LONGEST_WORDS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
