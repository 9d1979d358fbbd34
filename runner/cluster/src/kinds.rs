//! Where objects of a kind are found in the API: the plural of the kind and whether it lives in namespaces.
//!
//! For the kinds that Kubernetes itself serves this is known without a call. Of others only their own group and version is asked, once:
//! the whole of discovery is a hundred answers on a cluster with operators, and a release needs two.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use windlass_core::failure::ClusterFailure;
use windlass_core::object::{ObjectRef, ObjectView, Scope, scope};

use crate::error::{ClusterError, Request};
use crate::transport::{Call, Failed, Transport};

/// A kind as the API serves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) plural: String,
    pub(crate) scope: Scope,
}

/// What discovery has answered, by group and version.
#[derive(Debug, Default)]
pub(crate) struct KindCache(Mutex<HashMap<String, Arc<HashMap<String, Kind>>>>);

impl KindCache {
    /// The kind, from what is known or by asking for its group and version.
    pub(crate) async fn find(
        &self,
        transport: &Transport,
        api_version: &str,
        kind: &str,
        request: &Request,
    ) -> Result<Kind, ClusterError> {
        if let Some(kind) = built_in(api_version, kind) {
            return Ok(kind);
        }
        if let Some(kind) = self.known(api_version, kind) {
            return Ok(kind);
        }
        let served = Arc::new(discover(transport, api_version, kind, request).await?);
        self.0.lock().expect("no holder panics").insert(api_version.to_owned(), Arc::clone(&served));
        served.get(kind).cloned().ok_or_else(|| unknown(api_version, kind, request))
    }

    fn known(&self, api_version: &str, kind: &str) -> Option<Kind> {
        self.0.lock().expect("no holder panics").get(api_version)?.get(kind).cloned()
    }
}

async fn discover(
    transport: &Transport,
    api_version: &str,
    kind: &str,
    request: &Request,
) -> Result<HashMap<String, Kind>, ClusterError> {
    let call = Call::get(api_root(api_version), request.clone());
    let answer = match transport.try_call(&call).await {
        Ok(answer) => answer,
        Err(Failed::Status(status)) if status.failure() == ClusterFailure::UnknownKind => {
            return Err(unknown(api_version, kind, request));
        }
        Err(failed) => return Err(failed.into_error(request)),
    };
    let list = answer.json(request)?;
    let kinds = ObjectView::new(&list).list("/resources").iter().filter_map(served_kind);
    Ok(kinds.collect())
}

/// An entry of an `APIResourceList`; subresources such as `deployments/status` are none.
fn served_kind(resource: &Value) -> Option<(String, Kind)> {
    let view = ObjectView::new(resource);
    let plural = view.text("/name").filter(|name| !name.contains('/'))?.to_owned();
    let scope = if view.flag("/namespaced") { Scope::Namespaced } else { Scope::Cluster };
    Some((view.text("/kind")?.to_owned(), Kind { plural, scope }))
}

fn unknown(api_version: &str, kind: &str, request: &Request) -> ClusterError {
    let words = format!("the cluster does not know the kind `{kind}` of `{api_version}`");
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    ClusterError::new(ClusterFailure::UnknownKind, request, words).with_hint(format!(
        "add its CustomResourceDefinition to the release, or see what is served with `kubectl api-resources --api-group={group}`"
    ))
}

/// A kind of Kubernetes' own API, in a version that every supported server has.
pub(crate) fn built_in(api_version: &str, kind: &str) -> Option<Kind> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let is_stable = version == "v1" || (group, version) == ("autoscaling", "v2");
    let is_younger = matches!(
        kind,
        "VolumeAttributesClass" | "MutatingAdmissionPolicy" | "MutatingAdmissionPolicyBinding"
    ) || group == "resource.k8s.io";
    let scope = scope(group, kind).filter(|_| is_stable && !is_younger)?;
    Some(Kind { plural: plural(kind), scope })
}

/// The plural of a built-in kind: the English rule in lower case, with the one exception Kubernetes has.
fn plural(kind: &str) -> String {
    let kind = kind.to_ascii_lowercase();
    match kind.as_str() {
        "endpoints" => kind,
        _ if kind.ends_with('s') => format!("{kind}es"),
        _ => kind.strip_suffix('y').map_or_else(|| format!("{kind}s"), |stem| format!("{stem}ies")),
    }
}

/// Where a group and version is served: the core group has a root of its own.
fn api_root(api_version: &str) -> String {
    if api_version.contains('/') {
        format!("/apis/{}", encode_path(api_version))
    } else {
        format!("/api/{}", encode_path(api_version))
    }
}

impl Kind {
    /// The path of the objects of this kind, in a namespace where one is given.
    pub(crate) fn collection(&self, api_version: &str, namespace: Option<&str>) -> String {
        let root = api_root(api_version);
        match namespace.filter(|_| self.scope == Scope::Namespaced) {
            Some(namespace) => format!("{root}/namespaces/{}/{}", encode(namespace), self.plural),
            None => format!("{root}/{}", self.plural),
        }
    }
}

/// Checks what becomes a part of a path: Kubernetes' own rule for names that are path segments (`IsValidPathSegmentName`).
pub(crate) fn check_name(reference: &ObjectRef, request: &Request) -> Result<(), ClusterError> {
    let is_segment = |text: &str| !matches!(text, "" | "." | "..") && !text.contains(['/', '%']);
    let namespace = reference.namespace.as_deref().unwrap_or("default");
    if is_segment(&reference.name) && is_segment(namespace) {
        return Ok(());
    }
    let words = "its name or namespace is `.` or `..`, or has `/` or `%` in it";
    Err(ClusterError::new(ClusterFailure::Invalid, request, words))
}

/// Percent-encodes one segment of a path or one value of a query (RFC 3986 2.3).
pub(crate) fn encode(text: &str) -> String {
    encode_but(text, b"")
}

/// The same for a path, whose slashes stay.
fn encode_path(text: &str) -> String {
    encode_but(text, b"/")
}

fn encode_but(text: &str, kept: &[u8]) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || kept.contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("writing to a string cannot fail");
        }
    }
    encoded
}

/// The kinds that the `CustomResourceDefinition`s of a set will serve, by group, version and kind.
#[derive(Debug, Default)]
pub(crate) struct Definitions(HashMap<(String, String), (Kind, String)>);

impl Definitions {
    pub(crate) fn of(objects: &[Value]) -> Definitions {
        let definitions = objects.iter().map(ObjectView::new).filter(|view| {
            view.kind() == "CustomResourceDefinition" && view.group() == "apiextensions.k8s.io"
        });
        Definitions(definitions.flat_map(kinds_of_definition).collect())
    }

    /// The kind and the name of its definition.
    pub(crate) fn find(&self, api_version: &str, kind: &str) -> Option<&(Kind, String)> {
        self.0.get(&(api_version.to_owned(), kind.to_owned()))
    }
}

fn kinds_of_definition(view: ObjectView<'_>) -> Vec<((String, String), (Kind, String))> {
    let text = |pointer| view.text(pointer).unwrap_or_default().to_owned();
    let scope = if view.text("/spec/scope") == Some("Cluster") { Scope::Cluster } else { Scope::Namespaced };
    let kind = Kind { plural: text("/spec/names/plural"), scope };
    let versions =
        view.list("/spec/versions").iter().map(ObjectView::new).filter(|version| version.flag("/served"));
    let names = versions.filter_map(|version| version.text("/name"));
    let entry = |version: &str| {
        let api_version = format!("{}/{version}", text("/spec/group"));
        ((api_version, text("/spec/names/kind")), (kind.clone(), view.name().to_owned()))
    };
    names.map(entry).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(api_version: &str, kind: &str, namespace: Option<&str>, path: &str) {
        assert_eq!(built_in(api_version, kind).unwrap().collection(api_version, namespace), path);
    }

    #[test]
    fn built_in_kinds_have_a_path_without_a_call() {
        check("v1", "ConfigMap", Some("shop"), "/api/v1/namespaces/shop/configmaps");
        check("v1", "Namespace", None, "/api/v1/namespaces");
        check("v1", "Namespace", Some("shop"), "/api/v1/namespaces");
        check("v1", "Endpoints", Some("shop"), "/api/v1/namespaces/shop/endpoints");
        check("apps/v1", "StatefulSet", Some("shop"), "/apis/apps/v1/namespaces/shop/statefulsets");
        check("networking.k8s.io/v1", "NetworkPolicy", None, "/apis/networking.k8s.io/v1/networkpolicies");
        check("networking.k8s.io/v1", "IngressClass", None, "/apis/networking.k8s.io/v1/ingressclasses");
        check(
            "autoscaling/v2",
            "HorizontalPodAutoscaler",
            None,
            "/apis/autoscaling/v2/horizontalpodautoscalers",
        );
    }

    #[test]
    fn other_versions_and_groups_are_asked_for() {
        for (api_version, kind) in
            [("policy/v1beta1", "PodDisruptionBudget"), ("example.com/v1", "ConfigMap"), ("v2", "ConfigMap")]
        {
            assert_eq!(built_in(api_version, kind), None, "{api_version} {kind}");
        }
    }

    #[test]
    fn a_definition_says_which_kinds_it_serves() {
        let definitions = Definitions::of(&[json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "cups.example.com"},
            "spec": {"group": "example.com", "scope": "Cluster", "names": {"kind": "Cup", "plural": "cups"},
                "versions": [{"name": "v1", "served": true}, {"name": "v1alpha1", "served": false}]}})]);
        let (kind, definition) = definitions.find("example.com/v1", "Cup").unwrap();
        assert_eq!(
            (kind.plural.as_str(), kind.scope, definition.as_str()),
            ("cups", Scope::Cluster, "cups.example.com")
        );
        assert!(definitions.find("example.com/v1alpha1", "Cup").is_none());
    }

    #[test]
    fn names_cannot_leave_their_path() {
        let reference = |name: &str, namespace: &str| ObjectRef {
            api_version: "v1".into(),
            kind: "ConfigMap".into(),
            namespace: Some(namespace.into()),
            name: name.into(),
        };
        for (name, namespace) in
            [("..", "a"), ("a/../b", "a"), ("a", "b/secrets"), ("a", ".."), ("%2e%2e", "a")]
        {
            let reference = reference(name, namespace);
            assert!(check_name(&reference, &Request::of("read", &reference)).is_err(), "{reference:#}");
        }
        let good = reference("system:node", "a");
        assert!(check_name(&good, &Request::of("read", &good)).is_ok());
        assert_eq!(encode("system:node?x#y z"), "system%3Anode%3Fx%23y%20z");
    }
}
