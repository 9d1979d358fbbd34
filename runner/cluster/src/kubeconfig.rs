//! Which kubeconfigs are taken: inline credentials for one server whose certificate is checked.
//!
//! A kubeconfig comes from a store or a provider and is used by a service with rights of its own. One that names programs or files would make
//! that service run them or send them away (CVE-2022-24817: a kubeconfig with `exec` ran code in a deployment controller), so it is refused.

use kube::config::{AuthInfo, Cluster, Kubeconfig};
use windlass_core::failure::ClusterFailure;

use crate::error::{ClusterError, Request};

/// Reads a kubeconfig down to its current context.
pub(crate) fn read(yaml: &str) -> Result<Kubeconfig, ClusterError> {
    // The parser's own words quote lines of the text, which may hold the credentials.
    let mut kubeconfig =
        Kubeconfig::from_yaml(yaml).map_err(|_| unusable("it is not a kubeconfig in YAML"))?;
    let name = kubeconfig.current_context.clone().ok_or_else(|| unusable("it names no current context"))?;
    let context = kubeconfig
        .contexts
        .iter()
        .find(|context| context.name == name)
        .and_then(|context| context.context.clone())
        .ok_or_else(|| unusable(format!("it has no context `{name}`")))?;
    let user = context.user.clone().unwrap_or_default();
    kubeconfig.clusters.retain(|cluster| cluster.name == context.cluster);
    kubeconfig.auth_infos.retain(|auth_info| auth_info.name == user);
    if let Some(cluster) = kubeconfig.clusters.first().and_then(|named| named.cluster.as_ref()) {
        refuse(reference_of_cluster(cluster), &name)?;
        check_server(cluster)?;
    }
    if let Some(user) = kubeconfig.auth_infos.first().and_then(|named| named.auth_info.as_ref()) {
        refuse(reference_of_user(user), &name)?;
    }
    Ok(kubeconfig)
}

/// The first field that reaches outside of the kubeconfig.
fn reference_of_cluster(cluster: &Cluster) -> Option<&'static str> {
    if cluster.certificate_authority.is_some() {
        Some("certificate-authority")
    } else if cluster.proxy_url.is_some() {
        Some("proxy-url")
    } else {
        None
    }
}

fn reference_of_user(user: &AuthInfo) -> Option<&'static str> {
    let fields = [
        (user.exec.is_some(), "exec"),
        (user.auth_provider.is_some(), "auth-provider"),
        (user.token_file.is_some(), "tokenFile"),
        (user.client_certificate.is_some(), "client-certificate"),
        (user.client_key.is_some(), "client-key"),
    ];
    fields.into_iter().find_map(|(is_set, name)| is_set.then_some(name))
}

fn refuse(field: Option<&'static str>, context: &str) -> Result<(), ClusterError> {
    let Some(field) = field else { return Ok(()) };
    let error = unusable(format!("`{field}` reaches outside of it, and credentials must stand in it"));
    Err(error.with_hint(match field {
        // What a program answers is short-lived; flattening does not replace it.
        "exec" | "auth-provider" => "make an account with `kubectl create serviceaccount windlass`, give it its rights, and use the token from \
                                     `kubectl create token windlass --duration=8760h`"
            .to_owned(),
        _ => format!("write one with `kubectl config view --flatten --minify --context {context} > FILE`"),
    }))
}

/// Credentials go only to a server that proves who it is, or to this machine.
fn check_server(cluster: &Cluster) -> Result<(), ClusterError> {
    if cluster.insecure_skip_tls_verify == Some(true) {
        let hint = "put the authority's certificate into `certificate-authority-data`";
        return Err(
            unusable("`insecure-skip-tls-verify` would send the credentials to anyone").with_hint(hint)
        );
    }
    let address: http::Uri = cluster
        .server
        .as_deref()
        .unwrap_or_default()
        .parse()
        .map_err(|_| unusable("its `server` is not a URL"))?;
    match address.scheme_str() {
        Some("https") => Ok(()),
        Some("http") if matches!(address.host(), Some("127.0.0.1" | "[::1]" | "localhost")) => Ok(()),
        _ => Err(unusable("its `server` must begin with `https://`")),
    }
}

fn unusable(why: impl Into<String>) -> ClusterError {
    ClusterError::new(ClusterFailure::Unauthorised, &Request::about("use", "the kubeconfig"), why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kubeconfig(cluster: &str, user: &str) -> String {
        format!(
            "current-context: c\ncontexts: [{{name: c, context: {{cluster: k, user: u}}}}, {{name: other, context: {{cluster: o, user: o}}}}]\n\
             clusters: [{{name: k, cluster: {{{cluster}}}}}, {{name: o, cluster: {{server: 'http://o'}}}}]\n\
             users: [{{name: u, user: {{{user}}}}}, {{name: o, user: {{exec: {{command: x}}}}}}]\n"
        )
    }

    #[track_caller]
    fn refused(cluster: &str, user: &str, words: &str) {
        let error = read(&kubeconfig(cluster, user)).unwrap_err();
        assert_eq!(error.to_string(), format!("cannot use the kubeconfig: {words}"));
        assert_eq!(error.failure(), ClusterFailure::Unauthorised);
    }

    const SERVER: &str = "server: 'https://10.0.0.1:6443'";

    #[test]
    fn what_runs_programs_or_reads_files_is_refused() {
        for (user, field) in [
            ("exec: {command: /bin/sh}", "exec"),
            ("auth-provider: {name: gcp}", "auth-provider"),
            ("tokenFile: /etc/shadow", "tokenFile"),
            ("client-certificate: /x", "client-certificate"),
            ("client-key: /x", "client-key"),
            ("client-key: /x, client-key-data: eA==", "client-key"),
        ] {
            refused(
                SERVER,
                user,
                &format!("`{field}` reaches outside of it, and credentials must stand in it"),
            );
        }
        for (field, value) in [("certificate-authority", "/x"), ("proxy-url", "http://p")] {
            refused(
                &format!("{SERVER}, {field}: '{value}'"),
                "token: t",
                &format!("`{field}` reaches outside of it, and credentials must stand in it"),
            );
        }
    }

    #[test]
    fn the_way_to_an_inline_kubeconfig_is_shown() {
        let error = read(&kubeconfig(SERVER, "client-key: /x")).unwrap_err();
        assert_eq!(
            error.hint(),
            Some("write one with `kubectl config view --flatten --minify --context c > FILE`")
        );
    }

    #[test]
    fn a_server_must_prove_who_it_is() {
        refused(
            &format!("{SERVER}, insecure-skip-tls-verify: true"),
            "token: t",
            "`insecure-skip-tls-verify` would send the credentials to anyone",
        );
        refused("server: 'http://10.0.0.1'", "token: t", "its `server` must begin with `https://`");
        refused(
            "server: 'http://127.0.0.1.example.com'",
            "token: t",
            "its `server` must begin with `https://`",
        );
        assert!(read(&kubeconfig("server: 'http://127.0.0.1:8001'", "token: t")).is_ok());
    }

    #[test]
    fn only_the_current_context_is_kept() {
        let kept = read(&kubeconfig(SERVER, "token: t")).unwrap();
        assert_eq!(
            (kept.clusters.len(), kept.auth_infos.len()),
            (1, 1),
            "the other user's exec is not looked at"
        );
    }

    #[test]
    fn a_broken_kubeconfig_is_not_repeated() {
        for text in ["token: hunter2: x", "- hunter2", "current-context: c\nusers: hunter2"] {
            let error = read(text).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
    }
}
