//! A namespace for one test.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

use tempfile::NamedTempFile;

use super::{Answer, Bed, command};

/// A namespace that no other test knows, with a kubeconfig whose context is set to it.
#[derive(Debug)]
pub struct Namespace<'b> {
    bed: &'b Bed,
    name: String,
    kubeconfig: NamedTempFile,
}

impl<'b> Namespace<'b> {
    pub(super) fn create(bed: &'b Bed) -> Self {
        let name = unused_name();
        let manifest = format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}}}}}");
        bed.kubectl_with(&["create", "--filename", "-"], &manifest).expect_success();
        // Pods are refused until the controller has made their account.
        let account =
            ["wait", "--for=create", "serviceaccount/default", "--timeout=30s", "--namespace", &name];
        bed.kubectl(&account).expect_success();
        let kubeconfig = NamedTempFile::new().expect("a temporary file");
        std::fs::copy(bed.kubeconfig(), kubeconfig.path()).expect("the bed's kubeconfig can be read");
        let set = ["config", "set-context", "--current", "--namespace", &name];
        command::kubectl(kubeconfig.path(), &set, "").expect_success();
        Self { bed, name, kubeconfig }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// An administrator's kubeconfig for this namespace.
    pub fn kubeconfig(&self) -> &Path {
        self.kubeconfig.path()
    }

    pub fn bed(&self) -> &'b Bed {
        self.bed
    }

    /// Runs `kubectl` in the namespace.
    pub fn kubectl(&self, arguments: &[&str]) -> Answer {
        self.kubectl_with(arguments, "")
    }

    /// Runs `kubectl` with something to read on its standard input.
    pub fn kubectl_with(&self, arguments: &[&str], input: &str) -> Answer {
        command::kubectl(self.kubeconfig(), arguments, input)
    }

    /// Applies manifests to the namespace.
    #[track_caller]
    pub fn apply(&self, manifests: &str) {
        let arguments = ["apply", "--server-side", "--filename", "-"];
        self.kubectl_with(&arguments, manifests).expect_success();
    }

    /// Lets the namespace have so many pods.
    #[track_caller]
    pub fn limit_pods(&self, quota: &str, pods: u32) {
        self.apply(&format!(
            "{{apiVersion: v1, kind: ResourceQuota, metadata: {{name: {quota}}}, spec: {{hard: {{pods: {pods}}}}}}}"
        ));
    }

    /// A token of a service account, which is made if it is not there.
    #[track_caller]
    pub fn token(&self, account: &str) -> String {
        self.apply(&format!("{{apiVersion: v1, kind: ServiceAccount, metadata: {{name: {account}}}}}"));
        let path = format!("/api/v1/namespaces/{}/serviceaccounts/{account}/token", self.name);
        let request = r#"{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}"#;
        let answer = self.kubectl_with(&["create", "--raw", &path, "--filename", "-"], request);
        let answer: serde_json::Value = serde_json::from_str(&answer.expect_success()).expect("an object");
        answer["status"]["token"].as_str().expect("a token").to_owned()
    }
}

impl Drop for Namespace<'_> {
    fn drop(&mut self) {
        // Nobody waits for it: the next test has a namespace of its own.
        self.bed.kubectl(&["delete", "namespace", &self.name, "--wait=false"]);
    }
}

/// Two processes that share a bed must not meet.
fn unused_name() -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let (process, count) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    format!("test-{:x}-{process:x}-{count}", since.as_millis())
}
