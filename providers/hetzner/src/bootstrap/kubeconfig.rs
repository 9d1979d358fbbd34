//! The administrator's kubeconfig of k3s, made into one for the outside.

use serde_json::{Value, json};
use windlass_core::provider::Kubeconfig;

/// What k3s wrote is no kubeconfig. It is not shown: it holds a key.
#[derive(Debug, thiserror::Error)]
#[error("what k3s keeps at `/etc/rancher/k3s/k3s.yaml` is not a kubeconfig with one user")]
pub(crate) struct NotKubeconfig;

/// Points a kubeconfig of k3s, which is for the master itself, to the address at which the API is published. Names become the cluster's, so
/// that it can stand beside others.
pub(crate) fn published(text: &str, cluster: &str, server: &str) -> Result<Kubeconfig, NotKubeconfig> {
    let read: Value = serde_saphyr::from_str(text).map_err(|_| NotKubeconfig)?;
    let field = |path: &str| read.pointer(path).and_then(Value::as_str).ok_or(NotKubeconfig);
    let written = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": cluster,
        "clusters": [{"name": cluster, "cluster": {
            "server": server,
            "certificate-authority-data": field("/clusters/0/cluster/certificate-authority-data")?,
        }}],
        "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": cluster}}],
        "users": [{"name": cluster, "user": {
            "client-certificate-data": field("/users/0/user/client-certificate-data")?,
            "client-key-data": field("/users/0/user/client-key-data")?,
        }}],
    });
    Ok(Kubeconfig::new(written.to_string()))
}

/// The same way in, to another address of the API. One that the provider did not write is left as it is.
pub(crate) fn redirected(way: &Kubeconfig, server: &str) -> Kubeconfig {
    let Ok(mut read) = serde_json::from_str::<Value>(way.expose()) else { return way.clone() };
    match read.pointer_mut("/clusters/0/cluster/server") {
        Some(named) => *named = Value::String(server.to_owned()),
        None => return way.clone(),
    }
    Kubeconfig::new(read.to_string())
}
