//! What Secrets of known types hold.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::Problems;
use crate::api::problem::FieldProblem;

/// What is missing in a Secret of a known type.
pub(super) fn content(secret: &Value, problems: &mut Problems) {
    let has = |key: &str| secret["data"].get(key).is_some();
    let needed: &[&str] = match secret["type"].as_str().unwrap_or_default() {
        "kubernetes.io/tls" => &["tls.crt", "tls.key"],
        "kubernetes.io/ssh-auth" => &["ssh-privatekey"],
        "kubernetes.io/dockercfg" => &[".dockercfg"],
        "kubernetes.io/dockerconfigjson" => &[".dockerconfigjson"],
        "kubernetes.io/basic-auth" if !has("username") && !has("password") => &["username", "password"],
        "kubernetes.io/service-account-token" => {
            let account = "kubernetes.io/service-account.name";
            if secret["metadata"]["annotations"][account].as_str().unwrap_or_default().is_empty() {
                problems.push(FieldProblem::required(format!("metadata.annotations[{account}]"), ""));
            }
            &[]
        }
        _ => &[],
    };
    for key in needed.iter().filter(|key| !has(key)) {
        problems.push(FieldProblem::required(format!("data[{key}]"), ""));
    }
    for key in needed.iter().filter(|key| key.starts_with(".docker") && has(key)) {
        if !is_base64_json(secret["data"][key].as_str().unwrap_or_default()) {
            let hidden = json!("<secret contents redacted>");
            problems.push(FieldProblem::invalid(format!("data[{key}]"), &hidden, "must be a JSON object"));
        }
    }
}

fn is_base64_json(text: &str) -> bool {
    let bytes = STANDARD.decode(text).unwrap_or_default();
    serde_json::from_slice::<Map<String, Value>>(&bytes).is_ok()
}
