//! Kubeconfig files: finding them, and taking out what one context needs.
//!
//! Several files are read as `kubectl` reads them: of two entries with one name the first counts (Kubernetes docs, "Organizing Cluster Access
//! Using kubeconfig Files").

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::error::KubeconfigError;

/// A kubeconfig file, as far as it is read. It holds credentials and cannot be printed.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct File {
    current_context: Option<String>,
    clusters: Option<Vec<NamedCluster>>,
    contexts: Option<Vec<NamedContext>>,
    users: Option<Vec<NamedUser>>,
}

#[derive(Serialize, Deserialize)]
struct NamedCluster {
    name: String,
    cluster: Cluster,
}

#[derive(Serialize, Deserialize)]
struct NamedContext {
    name: String,
    context: Context,
}

#[derive(Serialize, Deserialize)]
struct NamedUser {
    name: String,
    user: User,
}

#[derive(Serialize, Deserialize)]
struct Context {
    cluster: String,
    #[serde(default)]
    user: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Cluster {
    server: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate_authority_data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tls_server_name: Option<String>,
    #[serde(skip_serializing)]
    certificate_authority: Option<String>,
    #[serde(skip_serializing)]
    insecure_skip_tls_verify: Option<bool>,
    #[serde(skip_serializing)]
    proxy_url: Option<String>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct User {
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_certificate_data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_key_data: Option<String>,
    #[serde(rename = "as", skip_serializing_if = "Option::is_none")]
    impersonated: Option<String>,
    #[serde(rename = "as-uid", skip_serializing_if = "Option::is_none")]
    impersonated_uid: Option<String>,
    #[serde(rename = "as-groups", skip_serializing_if = "Option::is_none")]
    impersonated_groups: Option<Vec<String>>,
    #[serde(rename = "as-user-extra", skip_serializing_if = "Option::is_none")]
    impersonated_extra: Option<BTreeMap<String, Vec<String>>>,
    #[serde(skip_serializing)]
    client_certificate: Option<String>,
    #[serde(skip_serializing)]
    client_key: Option<String>,
    #[serde(rename = "tokenFile", skip_serializing)]
    token_file: Option<String>,
    #[serde(skip_serializing)]
    exec: Option<IgnoredAny>,
    #[serde(skip_serializing)]
    auth_provider: Option<IgnoredAny>,
}

/// What is handed out.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Minimal {
    #[serde(rename = "apiVersion")]
    api_version: &'static str,
    kind: &'static str,
    current_context: String,
    contexts: [NamedContext; 1],
    clusters: [NamedCluster; 1],
    users: [NamedUser; 1],
}

/// The files `kubectl` would read, for `$KUBECONFIG` and the home folder as given.
pub(crate) fn default_files(
    variable: Option<&str>,
    home: Option<&Path>,
) -> Result<Vec<PathBuf>, KubeconfigError> {
    let listed: Vec<PathBuf> = std::env::split_paths(variable.unwrap_or_default())
        .filter(|file| !file.as_os_str().is_empty())
        .collect();
    if !listed.is_empty() {
        return Ok(listed);
    }
    home.map(|home| vec![home.join(".kube/config")]).ok_or(KubeconfigError::NoFile)
}

/// A kubeconfig with one context and nothing that reaches outside of it, as JSON, which is YAML.
pub(crate) fn minimal(files: &[PathBuf], context: Option<&str>) -> Result<String, KubeconfigError> {
    let files = files.iter().map(|file| read(file)).collect::<Result<Vec<File>, _>>()?;
    let current = files.iter().find_map(|file| file.current_context.clone()).filter(|name| !name.is_empty());
    let name = context.map(str::to_owned).or(current).ok_or(KubeconfigError::NoCurrentContext)?;
    let minimal = take(files, name)?;
    Ok(serde_json::to_string(&minimal).expect("texts and lists of texts always serialise"))
}

fn read(file: &Path) -> Result<File, KubeconfigError> {
    let text = std::fs::read_to_string(file)
        .map_err(|source| KubeconfigError::Unreadable { file: file.to_owned(), source })?;
    // The parser's own error shows the line it stumbled over, which may be a credential.
    serde_saphyr::from_str(&text).map_err(|error| KubeconfigError::Malformed {
        file: file.to_owned(),
        line: error.location().map(|location| location.line()),
    })
}

fn take(files: Vec<File>, name: String) -> Result<Minimal, KubeconfigError> {
    let (mut contexts, mut clusters, mut users) = (Vec::new(), Vec::new(), Vec::new());
    for file in files {
        contexts.extend(file.contexts.unwrap_or_default());
        clusters.extend(file.clusters.unwrap_or_default());
        users.extend(file.users.unwrap_or_default());
    }
    let missing = |kind: &'static str, name: &str| KubeconfigError::Missing { kind, name: name.to_owned() };
    let context =
        contexts.into_iter().find(|context| context.name == name).ok_or_else(|| missing("context", &name))?;
    let wanted = &context.context;
    let cluster = clusters
        .into_iter()
        .find(|cluster| cluster.name == wanted.cluster)
        .ok_or_else(|| missing("cluster", &wanted.cluster))?;
    let user = users
        .into_iter()
        .find(|user| user.name == wanted.user)
        .ok_or_else(|| missing("user", &wanted.user))?;
    check_cluster(&cluster.cluster, &name)?;
    check_user(&user.user, &name)?;
    Ok(Minimal {
        api_version: "v1",
        kind: "Config",
        current_context: name,
        contexts: [context],
        clusters: [cluster],
        users: [user],
    })
}

fn check_cluster(cluster: &Cluster, context: &str) -> Result<(), KubeconfigError> {
    let context = context.to_owned();
    if cluster.insecure_skip_tls_verify == Some(true) {
        return Err(KubeconfigError::Insecure { context });
    }
    if cluster.proxy_url.is_some() {
        return Err(KubeconfigError::Proxy { context });
    }
    // Inline data counts before a file (client-go), so a file beside it is not needed.
    if cluster.certificate_authority.is_some() && cluster.certificate_authority_data.is_none() {
        return Err(KubeconfigError::RefersToFile { field: "certificate-authority", context });
    }
    Ok(())
}

fn check_user(user: &User, context: &str) -> Result<(), KubeconfigError> {
    let programs = [(user.exec.is_some(), "exec"), (user.auth_provider.is_some(), "auth-provider")];
    if let Some((_, field)) = programs.into_iter().find(|(is_set, _)| *is_set) {
        return Err(KubeconfigError::RunsProgram { field, context: context.to_owned() });
    }
    let files = [
        (user.token_file.is_some(), "tokenFile"),
        (user.client_certificate.is_some() && user.client_certificate_data.is_none(), "client-certificate"),
        (user.client_key.is_some() && user.client_key_data.is_none(), "client-key"),
    ];
    match files.into_iter().find(|(is_set, _)| *is_set) {
        Some((_, field)) => Err(KubeconfigError::RefersToFile { field, context: context.to_owned() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
