//! What a person can do about an answer of the API server: what to change, or the command that shows more.

use windlass_core::diagnosis::Cause;
use windlass_core::failure::ClusterFailure;
use windlass_core::object::ObjectRef;

use crate::error::ClusterError;

/// The advice on an error, where there is one that helps.
pub(crate) fn on(error: &ClusterError) -> Option<String> {
    let object = error.object();
    Some(match error.failure() {
        ClusterFailure::Unauthorised => "renew the kubeconfig of this cluster".to_owned(),
        ClusterFailure::Forbidden => {
            format!(
                "see what is allowed with `kubectl auth can-i --list{}`",
                in_namespace(object, "--namespace")
            )
        }
        ClusterFailure::Immutable => {
            "keep the value, or give the object another name: nothing is deleted and made again by itself"
                .to_owned()
        }
        ClusterFailure::FieldConflict => {
            "leave the field out of the overlay, or let windlass take it with `conflicts: take`".to_owned()
        }
        ClusterFailure::UnknownKind => format!(
            "add its CustomResourceDefinition to the release, or see what is served with `kubectl api-resources --api-group={}`",
            object?.group()
        ),
        ClusterFailure::Invalid => on_invalid(object?, error),
        ClusterFailure::StaleWrite => "somebody wrote it at the same time: deploy again".to_owned(),
        ClusterFailure::Refused => on_refusal(error.cause().unwrap_or(Cause::AdmissionRefused), object),
        _ => return None,
    })
}

/// What the field may be, in the words of the API server's own schema.
fn on_invalid(object: &ObjectRef, error: &ClusterError) -> String {
    let fields = error.fields().first().map(|problem| problem.field.as_str());
    let path = fields.map_or_else(String::new, |field| format!(".{}", without_indexes(field)));
    let version = if object.group().is_empty() {
        String::new()
    } else {
        format!(" --api-version={}", object.api_version)
    };
    format!("see what it takes with `kubectl explain {}{path}{version}`", object.kind.to_lowercase())
}

/// `spec.containers[0].ports` is `spec.containers.ports` to `kubectl explain`.
fn without_indexes(field: &str) -> String {
    let mut depth = 0_u32;
    let outside = |letter: &char| match letter {
        '[' => {
            depth += 1;
            false
        }
        ']' => {
            depth = depth.saturating_sub(1);
            false
        }
        _ => depth == 0,
    };
    field.chars().filter(outside).collect()
}

fn on_refusal(cause: Cause, object: Option<&ObjectRef>) -> String {
    let here = in_namespace(object, "-n");
    match cause {
        Cause::QuotaExceeded => {
            format!(
                "ask for less, or have the quota raised; see what is used with `kubectl describe quota{here}`"
            )
        }
        Cause::LimitRangeRefused => {
            format!("keep to the limits of the namespace: `kubectl describe limitrange{here}`")
        }
        Cause::PodSecurityRefused => {
            let name = object.and_then(|object| object.namespace.as_deref()).unwrap_or_default();
            format!(
                "change the `securityContext` that it names, or see which level the namespace enforces with `kubectl get namespace {name} --show-labels`"
            )
        }
        Cause::WebhookDown => {
            "this is not about the change: start the webhook's service, or see which are registered with \
             `kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations`"
                .to_owned()
        }
        _ => "change what the rule names, or ask whoever owns the rule; see the rules with \
              `kubectl get validatingwebhookconfigurations,validatingadmissionpolicies`"
            .to_owned(),
    }
}

/// The flag that names an object's namespace, after a space.
fn in_namespace(object: Option<&ObjectRef>, flag: &str) -> String {
    let namespace = object.and_then(|object| object.namespace.as_deref());
    namespace.map_or_else(String::new, |namespace| format!(" {flag} {namespace}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Request;

    #[track_caller]
    fn check(failure: ClusterFailure, cause: Option<Cause>, expected: &str) {
        let object = ObjectRef {
            api_version: "apps/v1".to_owned(),
            kind: "Deployment".to_owned(),
            namespace: Some("shop".to_owned()),
            name: "api".to_owned(),
        };
        let error = ClusterError::new(failure, &Request::of("apply", &object), "no").with_cause(cause);
        let advice = on(&error).unwrap_or_default();
        assert!(advice.contains(expected), "{failure:?}: {advice}");
    }

    #[test]
    fn every_refusal_of_an_object_comes_with_what_to_do() {
        check(ClusterFailure::Invalid, None, "`kubectl explain deployment --api-version=apps/v1`");
        check(ClusterFailure::Forbidden, None, "`kubectl auth can-i --list --namespace shop`");
        check(ClusterFailure::Refused, Some(Cause::QuotaExceeded), "`kubectl describe quota -n shop`");
        check(
            ClusterFailure::Refused,
            Some(Cause::LimitRangeRefused),
            "`kubectl describe limitrange -n shop`",
        );
        check(
            ClusterFailure::Refused,
            Some(Cause::PodSecurityRefused),
            "`kubectl get namespace shop --show-labels`",
        );
        check(ClusterFailure::Refused, Some(Cause::WebhookDown), "not about the change");
        check(ClusterFailure::Refused, None, "ask whoever owns the rule");
        check(ClusterFailure::StaleWrite, None, "deploy again");
        check(ClusterFailure::UnknownKind, None, "--api-group=apps");
    }

    #[test]
    fn a_field_is_asked_for_without_its_indexes() {
        assert_eq!(
            without_indexes("spec.containers[0].ports[1].containerPort"),
            "spec.containers.ports.containerPort"
        );
        assert_eq!(without_indexes("metadata.labels[a.b/c]"), "metadata.labels");
        assert_eq!(without_indexes("spec]["), "spec");
    }
}
