//! The path of a request without the names in it: what traces and metrics tell requests apart by.

/// A path of the Kubernetes API, taken apart by its rules: `/api/VERSION` or `/apis/GROUP/VERSION`, then `namespaces/NAME` for what is in one, then
/// `RESOURCE`, `NAME` and `SUBRESOURCE`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Route<'path> {
    /// With `{namespace}` and `{name}` in place of names.
    pub(crate) template: String,
    /// The namespace, if the path is in one.
    pub(crate) namespace: Option<&'path str>,
}

impl<'path> Route<'path> {
    pub(crate) fn of(path: &'path str) -> Self {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let head = match parts.first() {
            Some(&"api") => 2,
            Some(&"apis") => 3,
            // `/version`, `/healthz`: no names in them.
            _ => parts.len(),
        };
        let (head, rest) = parts.split_at(head.min(parts.len()));
        let (namespace, rest) = match rest {
            ["namespaces", namespace, rest @ ..] if !rest.is_empty() => (Some(*namespace), rest),
            rest => (None, rest),
        };
        let mut template: Vec<&str> = head.to_vec();
        if namespace.is_some() {
            template.extend(["namespaces", "{namespace}"]);
        }
        template.extend(rest.iter().enumerate().map(|(at, part)| if at == 1 { "{name}" } else { part }));
        Self { template: format!("/{}", template.join("/")), namespace }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, template: &str, namespace: Option<&str>) {
        assert_eq!(Route::of(path), Route { template: template.to_owned(), namespace }, "{path}");
    }

    #[test]
    fn names_are_left_out() {
        check("/api/v1/namespaces/shop/pods", "/api/v1/namespaces/{namespace}/pods", Some("shop"));
        check(
            "/api/v1/namespaces/shop/pods/cart-0/log",
            "/api/v1/namespaces/{namespace}/pods/{name}/log",
            Some("shop"),
        );
        check(
            "/apis/apps/v1/namespaces/shop/statefulsets/postgres",
            "/apis/apps/v1/namespaces/{namespace}/statefulsets/{name}",
            Some("shop"),
        );
        check(
            "/apis/storage.k8s.io/v1/storageclasses/fast",
            "/apis/storage.k8s.io/v1/storageclasses/{name}",
            None,
        );
        check("/api/v1/namespaces/shop", "/api/v1/namespaces/{name}", None);
        check("/api/v1/namespaces", "/api/v1/namespaces", None);
        check("/apis/apps/v1", "/apis/apps/v1", None);
        check("/apis", "/apis", None);
        check("/version", "/version", None);
    }
}
