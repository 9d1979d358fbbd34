use super::*;

/// Texts as a kubelet, a scheduler and the controllers wrote them on the test bed, and some that other registries and runtimes write.
const TABLE: &[(About, &str, Option<Cause>)] = &[
    (
        About::Pull,
        r#"Failed to pull image "127.0.0.1:5001/tools:missing": rpc error: code = NotFound desc = failed to pull and unpack image "127.0.0.1:5001/tools:missing": failed to resolve reference "127.0.0.1:5001/tools:missing": 127.0.0.1:5001/tools:missing: not found"#,
        Some(Cause::ImageNotFound),
    ),
    (
        About::Pull,
        r#"rpc error: code = NotFound desc = failed to pull and unpack image "ghcr.io/acme/api:1": no match for platform in manifest: not found"#,
        Some(Cause::ImageNotFound),
    ),
    (
        About::Pull,
        "Error response from daemon: manifest for acme/api:9 not found: manifest unknown",
        Some(Cause::ImageNotFound),
    ),
    (
        About::Pull,
        r#"Failed to pull image "127.0.0.1:5002/tools:1": failed to pull and unpack image "127.0.0.1:5002/tools:1": failed to resolve reference "127.0.0.1:5002/tools:1": pulling from host 127.0.0.1:5002 failed with status code [manifests 1]: 401 Unauthorized"#,
        Some(Cause::ImageDenied),
    ),
    (
        About::Pull,
        "failed to authorize: failed to fetch anonymous token: unexpected status from GET request to https://ghcr.io/token: 403 Forbidden",
        Some(Cause::ImageDenied),
    ),
    (
        About::Pull,
        "pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed",
        Some(Cause::ImageDenied),
    ),
    (
        About::Pull,
        r#"Failed to pull image "127.0.0.1:5003/tools:1": failed to pull and unpack image "127.0.0.1:5003/tools:1": failed to resolve reference "127.0.0.1:5003/tools:1": pulling from host 127.0.0.1:5003 failed with status code [manifests 1]: 429 Too Many Requests"#,
        Some(Cause::RegistryRateLimited),
    ),
    (
        About::Pull,
        "toomanyrequests: You have reached your unauthenticated pull rate limit.",
        Some(Cause::RegistryRateLimited),
    ),
    (
        About::Pull,
        r#"Failed to pull image "127.0.0.1:5009/tools:1": failed to pull and unpack image "127.0.0.1:5009/tools:1": failed to resolve reference "127.0.0.1:5009/tools:1": failed to do request: Head "http://127.0.0.1:5009/v2/tools/manifests/1": dial tcp 127.0.0.1:5009: connect: connection refused"#,
        Some(Cause::RegistryDown),
    ),
    (
        About::Pull,
        r#"failed to resolve reference "registry.invalid/tools:1": failed to do request: Head "https://registry.invalid/v2/tools/manifests/1": dial tcp: lookup registry.invalid on 10.255.255.53:53: no such host"#,
        Some(Cause::RegistryDown),
    ),
    (
        About::Pull,
        r#"Failed to pull image "acme/denied:429": connect: connection refused"#,
        Some(Cause::RegistryDown),
    ),
    (About::Pull, r#"Back-off pulling image "127.0.0.1:5001/tools:missing""#, None),
    (About::Pull, "write /var/lib/containerd/tmp: no space left on device", None),
    (
        About::Container,
        r#"Error: failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "/bin/nothing": stat /bin/nothing: no such file or directory: unknown"#,
        Some(Cause::CommandCannotStart),
    ),
    (
        About::Container,
        r#"failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: error mounting "/var/lib/kubelet/x" to rootfs at "/etc/app.conf": not a directory"#,
        Some(Cause::VolumeMountFailed),
    ),
    (
        About::Container,
        "Error: couldn't find key absent in Secret rec-config-key-missing/s",
        Some(Cause::ConfigurationMissing),
    ),
    (About::Container, r#"Error: configmap "absent" not found"#, Some(Cause::ConfigurationMissing)),
    (
        About::Container,
        r#"Error: container has runAsNonRoot and image will run as root (pod: "web-5f558fdb6c-h59lx_rec(87e6fc6d)", container: main)"#,
        Some(Cause::SecurityContextRefused),
    ),
    (
        About::Container,
        "Error: container has runAsNonRoot and image has non-numeric user (app), cannot verify user is non-root",
        Some(Cause::SecurityContextRefused),
    ),
    (About::Container, "Error: InvalidImageName", Some(Cause::ImageNameInvalid)),
    (About::Container, "Error: ErrImageNeverPull", Some(Cause::ImageNeverPulled)),
    (About::Container, "Error: ErrImagePull", None),
    (About::Container, "Error: ImagePullBackOff", None),
    (About::Container, "Error: context deadline exceeded", None),
    (
        About::Mount,
        r#"MountVolume.SetUp failed for volume "v" : configmap "absent" not found"#,
        Some(Cause::ConfigurationMissing),
    ),
    (
        About::Mount,
        r#"MountVolume.SetUp failed for volume "v" : secret "absent" not found"#,
        Some(Cause::ConfigurationMissing),
    ),
    (
        About::Mount,
        r#"MountVolume.SetUp failed for volume "v" : configmap references non-existent config key: absent"#,
        Some(Cause::ConfigurationMissing),
    ),
    (
        About::Mount,
        r#"MountVolume.SetUp failed for volume "v" : hostPath type check failed: /absent/path is not a directory"#,
        Some(Cause::VolumeMountFailed),
    ),
    (
        About::Mount,
        r#"Multi-Attach error for volume "pvc-1" Volume is already exclusively attached to one node"#,
        Some(Cause::VolumeMountFailed),
    ),
    (
        About::Scheduling,
        "0/4 nodes are available: 1 Insufficient cpu, 3 node(s) didn't match Pod's node affinity/selector. no new claims to deallocate, preemption: 0/4 nodes are available: 4 Preemption is not helpful for scheduling.",
        Some(Cause::Unschedulable),
    ),
    (
        About::Scheduling,
        "0/4 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found",
        Some(Cause::VolumePending),
    ),
    (
        About::Scheduling,
        r#"0/4 nodes are available: persistentvolumeclaim "data" not found"#,
        Some(Cause::VolumePending),
    ),
    (
        About::Creation,
        r#"Error creating: pods "web-7c648987cc-vnsxx" is forbidden: exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1"#,
        Some(Cause::QuotaExceeded),
    ),
    (
        About::Creation,
        r#"create Pod db-0 in StatefulSet db failed error: pods "db-0" is forbidden: failed quota: q: must specify limits.memory for: main"#,
        Some(Cause::QuotaExceeded),
    ),
    (
        About::Creation,
        r#"(combined from similar events): Error creating: pods "web-5679784549-nqsnn" is forbidden: maximum memory usage per Container is 64Mi, but limit is 1Gi"#,
        Some(Cause::LimitRangeRefused),
    ),
    (
        About::Creation,
        r#"Error creating: pods "web-7c648987cc-hj9mh" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false (container "main" must set securityContext.allowPrivilegeEscalation=false)"#,
        Some(Cause::PodSecurityRefused),
    ),
    (
        About::Creation,
        r#"Error creating: Internal error occurred: failed calling webhook "w.example.com": failed to call webhook: Post "https://127.0.0.1:5009/check?timeout=2s": dial tcp 127.0.0.1:5009: connect: connection refused"#,
        Some(Cause::WebhookDown),
    ),
    (
        About::Creation,
        r#"Error creating: admission webhook "w.example.com" denied the request: no latest tags"#,
        Some(Cause::AdmissionRefused),
    ),
    (
        About::Creation,
        r#"Error creating: pods "web-1" is forbidden: error looking up service account shop/api: serviceaccount "api" not found"#,
        Some(Cause::ConfigurationMissing),
    ),
    (
        About::Creation,
        r#"Error creating: Pod "web-1" is invalid: spec.containers[0].image: Required value"#,
        Some(Cause::AdmissionRefused),
    ),
    (About::Creation, "Error creating: etcdserver: request timed out", None),
];

#[test]
fn recorded_messages_tell_their_cause() {
    for (about, message, cause) in TABLE {
        assert_eq!(classify(*about, message), *cause, "{about:?}: {message}");
    }
}

#[test]
fn missing_object_or_key_is_named() {
    let check = |message: &str, kind, name: &str, key: Option<&str>| {
        let expect = Missing { kind, name: name.into(), key: key.map(Into::into) };
        assert_eq!(missing(message), Some(expect), "{message}");
    };
    check("Error: couldn't find key absent in Secret rec/s", "Secret", "s", Some("absent"));
    check("couldn't find key DB_URL in ConfigMap shop/env", "ConfigMap", "env", Some("DB_URL"));
    check("Error: configmap \"absent\" not found", "ConfigMap", "absent", None);
    check("MountVolume.SetUp failed for volume \"v\" : secret \"tls\" not found", "Secret", "tls", None);
    check(
        "error looking up service account shop/api: serviceaccount \"api\" not found",
        "ServiceAccount",
        "api",
        None,
    );
    assert_eq!(missing("configmap references non-existent config key: absent"), None);
}

#[test]
fn essence_is_the_end_of_the_chain() {
    let check = |about, message, expect| assert_eq!(essence(about, message), expect);
    check(About::Pull, TABLE[0].1, "127.0.0.1:5001/tools:missing: not found");
    check(About::Pull, TABLE[8].1, "dial tcp 127.0.0.1:5009: connect: connection refused");
    check(About::Container, TABLE[13].1, "stat /bin/nothing: no such file or directory");
    check(About::Container, "Error: configmap \"absent\" not found", "configmap \"absent\" not found");
    check(About::Container, TABLE[17].1, "container has runAsNonRoot and image will run as root");
    check(
        About::Creation,
        TABLE[32].1,
        "exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1",
    );
    check(
        About::Scheduling,
        TABLE[29].1,
        "0/4 nodes are available: 1 Insufficient cpu, 3 node(s) didn't match Pod's node affinity/selector",
    );
    check(About::Pull, "", "");
}
