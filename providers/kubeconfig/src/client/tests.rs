use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

/// Files with these texts, in a folder that goes with the value.
fn files(texts: &[&str]) -> (TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().unwrap();
    let write = |(index, text): (usize, &&str)| {
        let file = folder.path().join(index.to_string());
        std::fs::write(&file, text).unwrap();
        file
    };
    let files = texts.iter().enumerate().map(write).collect();
    (folder, files)
}

fn taken(texts: &[&str], context: Option<&str>) -> Result<Value, KubeconfigError> {
    let (_folder, files) = files(texts);
    minimal(&files, context).map(|text| serde_json::from_str(&text).unwrap())
}

const TWO: &str = "
apiVersion: v1
kind: Config
current-context: dev
preferences: {colors: true}
contexts:
- {name: dev, context: {cluster: k, user: u, namespace: shop}}
- {name: prod, context: {cluster: p, user: broken}}
clusters:
- name: k
  cluster: {server: 'https://10.0.0.1:6443', certificate-authority-data: Y2E=, certificate-authority: /old/ca.crt, extensions: [{name: x}]}
- {name: p, cluster: {server: 'https://10.0.0.2:6443'}}
users:
- {name: u, user: {token: 0123, as: robot}}
- {name: broken, user: {exec: {command: /bin/sh, args: [-c, id]}}}
";

#[test]
fn one_context_is_taken_with_what_it_needs() {
    let expected = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "dev",
        "contexts": [{"name": "dev", "context": {"cluster": "k", "user": "u", "namespace": "shop"}}],
        "clusters": [{"name": "k", "cluster": {"server": "https://10.0.0.1:6443", "certificate-authority-data": "Y2E="}}],
        "users": [{"name": "u", "user": {"token": "0123", "as": "robot"}}],
    });
    assert_eq!(taken(&[TWO], None).unwrap(), expected);
    assert_eq!(taken(&[TWO], Some("dev")).unwrap(), expected);
}

#[track_caller]
fn refused(cluster: &str, user: &str, message: &str) {
    let text = format!(
        "current-context: c\ncontexts: [{{name: c, context: {{cluster: k, user: u}}}}]\n\
         clusters: [{{name: k, cluster: {{server: 'https://k', {cluster}}}}}]\nusers: [{{name: u, user: {{{user}}}}}]\n"
    );
    let error = taken(&[&text], None).unwrap_err();
    assert_eq!(error.to_string(), message);
}

#[test]
fn programs_files_and_unchecked_servers_are_refused() {
    let program = |field: &str| {
        format!("`{field}` of context `c` makes `kubectl` run a program, which windlass does not do")
    };
    refused("", "exec: {command: aws}", &program("exec"));
    refused("", "auth-provider: {name: gcp}", &program("auth-provider"));
    let file = |field: &str| format!("`{field}` of context `c` refers to another file");
    refused("certificate-authority: /ca", "token: t", &file("certificate-authority"));
    refused("", "tokenFile: /t", &file("tokenFile"));
    refused("", "token: t, tokenFile: /t", &file("tokenFile"));
    refused("", "client-certificate: /c", &file("client-certificate"));
    refused("", "client-certificate-data: eA==, client-key: /k", &file("client-key"));
    refused(
        "insecure-skip-tls-verify: true",
        "token: t",
        "context `c` skips the check of the server's certificate, so the credentials could go to anyone",
    );
    refused(
        "proxy-url: 'http://p'",
        "token: t",
        "context `c` goes through a proxy, which windlass does not do",
    );
}

#[test]
fn the_first_of_several_files_counts() {
    let first = "current-context: c\nusers: [{name: u, user: {token: first}}]";
    let second = "current-context: d\ncontexts: [{name: c, context: {cluster: k, user: u}}]\n\
                  clusters: [{name: k, cluster: {server: 'https://k'}}]\nusers: [{name: u, user: {token: second}}]";
    let taken = taken(&[first, second], None).unwrap();
    assert_eq!(taken.pointer("/users/0/user/token"), Some(&json!("first")));
    assert_eq!(taken["current-context"], "c");
}

#[test]
fn what_is_missing_is_named() {
    let check = |text: &str, context: Option<&str>, message: &str| {
        assert_eq!(taken(&[text], context).unwrap_err().to_string(), message);
    };
    check(TWO, Some("stage"), "the kubeconfig has no context `stage`");
    check("contexts: null", None, "the kubeconfig names no current context");
    check("current-context: ''", None, "the kubeconfig names no current context");
    let context = "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u}}]";
    check(context, None, "the kubeconfig has no cluster `k`");
    let cluster = format!("{context}\nclusters: [{{name: k, cluster: {{server: 'https://k'}}}}]");
    check(&cluster, None, "the kubeconfig has no user `u`");
}

#[test]
fn a_broken_file_is_named_and_not_repeated() {
    let (_folder, files) = files(&["users:\n- {name: u, user: {token: [hunter2}}"]);
    let error = minimal(&files, None).unwrap_err();
    assert!(matches!(&error, KubeconfigError::Malformed { line: Some(2), .. }), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("hunter2"));
    let missing = minimal(&["/nonexistent/kubeconfig".into()], None).unwrap_err();
    assert_eq!(missing.to_string(), "kubeconfig `/nonexistent/kubeconfig` cannot be read");
}

#[test]
fn files_are_looked_for_where_kubectl_does() {
    let home = Path::new("/home/jane");
    let paths = |texts: &[&str]| texts.iter().map(PathBuf::from).collect::<Vec<_>>();
    assert_eq!(default_files(Some("/a::/b"), Some(home)).unwrap(), paths(&["/a", "/b"]));
    assert_eq!(default_files(Some(""), Some(home)).unwrap(), paths(&["/home/jane/.kube/config"]));
    assert_eq!(default_files(None, Some(home)).unwrap(), paths(&["/home/jane/.kube/config"]));
    assert!(default_files(None, None).is_err());
}
