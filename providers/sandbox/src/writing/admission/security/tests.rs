use serde_json::json;

use super::*;

/// A pod that may do anything that `restricted` allows, with changes.
fn pod(pod: &Value, container: &Value) -> Value {
    let context = json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
    let mut spec = json!({
        "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
        "volumes": [{"name": "s", "secret": {"secretName": "s"}}],
        "containers": [{"name": "a", "securityContext": context}],
    });
    json_patch::merge(&mut spec, pod);
    json_patch::merge(&mut spec["containers"][0], container);
    spec
}

#[track_caller]
fn check(spec: &Value, expect: &[&str]) {
    assert_eq!(restricted::violations(spec), expect, "{spec:#}");
}

#[test]
fn a_careful_pod_is_allowed() {
    check(&pod(&json!({}), &json!({})), &[]);
}

#[test]
fn a_pod_that_says_nothing_is_told_what_to_say() {
    let spec = json!({"containers": [{"name": "a"}, {"name": "b"}]});
    let who = "containers \"a\", \"b\"";
    check(
        &spec,
        &[
            &format!(
                "allowPrivilegeEscalation != false ({who} must set securityContext.allowPrivilegeEscalation=false)"
            ),
            &format!(
                "unrestricted capabilities ({who} must set securityContext.capabilities.drop=[\"ALL\"])"
            ),
            &format!("runAsNonRoot != true (pod or {who} must set securityContext.runAsNonRoot=true)"),
            &format!(
                "seccompProfile (pod or {who} must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")"
            ),
        ],
    );
    assert_eq!(baseline::violations(&spec), Vec::<String>::new());
}

#[test]
fn who_forbids_what_is_wanted_is_named() {
    let root = json!({"securityContext": {"runAsNonRoot": false, "runAsUser": 0}});
    check(
        &pod(&root, &root),
        &[
            "runAsNonRoot != true (pod and container \"a\" must not set securityContext.runAsNonRoot=false)",
            "runAsUser=0 (pod and container \"a\" must not set runAsUser=0)",
        ],
    );
    let open = json!({"securityContext": {"seccompProfile": {"type": "Unconfined"}}});
    let words =
        "seccompProfile (container \"a\" must not set securityContext.seccompProfile.type to \"Unconfined\")";
    check(&pod(&json!({}), &open), &[words]);
    assert_eq!(baseline::violations(&pod(&json!({}), &open)), [words]);
}

#[test]
fn reaching_for_the_node_is_forbidden() {
    let node =
        json!({"hostNetwork": true, "hostPID": true, "volumes": [{"name": "v", "hostPath": {"path": "/"}}]});
    let container = json!({
        "ports": [{"hostPort": 80}], "livenessProbe": {"httpGet": {"host": "10.0.0.1"}},
        "securityContext": {
            "privileged": true, "procMount": "Unmasked", "capabilities": {"add": ["SYS_ADMIN"]},
            "seLinuxOptions": {"type": "spc_t", "user": "u"}, "appArmorProfile": {"type": "Unconfined"},
        },
    });
    let who = "container \"a\"";
    let expect = [
        format!("forbidden AppArmor profile ({who} must not set AppArmor profile type to \"Unconfined\")"),
        format!(
            "non-default capabilities ({who} must not include \"SYS_ADMIN\" in securityContext.capabilities.add)"
        ),
        "host namespaces (hostNetwork=true, hostPID=true)".to_owned(),
        "hostPath volumes (volume \"v\")".to_owned(),
        format!("hostPort ({who} uses hostPort 80)"),
        format!("probe or lifecycle host ({who} uses probe or lifecycle host \"10.0.0.1\")"),
        format!("privileged ({who} must not set securityContext.privileged=true)"),
        format!("procMount ({who} must not set securityContext.procMount to \"Unmasked\")"),
        format!(
            "seLinuxOptions ({who} set forbidden securityContext.seLinuxOptions: type \"spc_t\"; user may not be set)"
        ),
    ];
    assert_eq!(baseline::violations(&pod(&node, &container)), expect);
}

#[test]
fn volumes_and_sysctls_are_named() {
    let spec = json!({
        "volumes": [{"name": "v", "nfs": {}}, {"name": "w", "hostPath": {}}],
        "securityContext": {"sysctls": [{"name": "kernel.msgmax", "value": "1"}]},
    });
    check(
        &pod(&spec, &json!({})),
        &[
            "hostPath volumes (volume \"w\")",
            "forbidden sysctls (kernel.msgmax)",
            "restricted volume types (volumes \"v\", \"w\" use restricted volume types \"hostPath\", \"nfs\")",
        ],
    );
}
