//! The reference tree: clean as it stands, and one change of it for each lint.

use super::{Fixture, LINTS};

const BASE: &str = "infra/k8s/base/kustomization.yaml";
const DEV: &str = "infra/k8s/hetzner/dev/kustomization.yaml";
const PROD: &str = "infra/k8s/hetzner/prod/kustomization.yaml";
const POLICY: &str = "infra/deploy-control.yaml";
const SECRET: &str = "infra/k8s/base/secrets/postgres-passwords.secret.yaml";
const SET: &str = "infra/k8s/base/statefulsets/postgres.statefulset.yaml";
const SERVICE: &str = "infra/k8s/base/services/postgres-serv.service.yaml";
const CLASS: &str = "infra/k8s/hetzner/dev/storageclasses/hcloud-volumes-retain.storageclass.yaml";

const FREEZE: &str =
    "enabled: true\n      freezes: [{from: 2020-01-01, until: 2099-01-01, reason: retired}]\n      timezone";
const NO_FREEZE: &str =
    "enabled: false\n      freezes: [{from: 2020-01-01, until: 2099-01-01, reason: retired}]\n      timezone";
const MAIL: &str = "rollback_on_failure: true\n      mail: {enabled: true, auto_deploy: true, require_approval: false, rollback_on_failure: true}\n";

type Change = fn(&Fixture) -> Fixture;

/// A lint, what to do to the tree, the file in which it is found, and a text of that line; none where the file as a whole is meant.
const CHANGES: [(&str, Change, &str, Option<&str>); 31] = [
    (
        "architecture",
        |tree| {
            let kind = "instance_type: cpx32";
            tree.edited(cluster("prod"), kind, "instance_type: cpx32\n    fallback_instance_types: [cax31]")
        },
        cluster("prod"),
        Some("fallback_instance_types"),
    ),
    (
        "cluster-config",
        |tree| tree.edited(cluster("dev"), "protect_against_deletion", "protect_from_deletion"),
        cluster("dev"),
        Some("protect_from_deletion"),
    ),
    (
        "cluster-name",
        |tree| tree.edited(cluster("dev"), "hetzner-dev-cluster", "dev-cluster"),
        cluster("dev"),
        Some("cluster_name: dev-cluster"),
    ),
    (
        "cluster-networks",
        |tree| tree.edited(cluster("test"), "subnet: 10.0.0.0/16", "subnet: 10.43.0.0/16"),
        cluster("test"),
        Some("subnet:"),
    ),
    (
        "cluster-token",
        |tree| tree.edited(cluster("dev"), "cluster_name:", "hetzner_token: example\ncluster_name:"),
        cluster("dev"),
        Some("hetzner_token"),
    ),
    (
        "cluster-unsupported",
        |tree| tree.edited(cluster("dev"), "networking:\n", "networking:\n  cni: {mode: cilium}\n"),
        cluster("dev"),
        Some("cilium"),
    ),
    (
        "committed-secret",
        |tree| {
            tree.edited(
                SECRET,
                "  POSTGRES_SA_PASSWORD: StrongBase64Password",
                "  POSTGRES_SA_PASSWORD: hunter2",
            )
        },
        SECRET,
        Some("hunter2"),
    ),
    (
        "deprecated-field",
        |tree| tree.edited(DEV, "resources:\n  - ../../base\n", "bases:\n  - ../../base\nresources:\n"),
        DEV,
        Some("bases:"),
    ),
    (
        "egress-rules",
        |tree| tree.edited(cluster("prod"), "port: \"123\"", "port: \"124\""),
        cluster("prod"),
        Some("custom_firewall_rules:"),
    ),
    (
        "even-masters",
        |tree| {
            let fewer =
                tree.edited(cluster("prod"), "cpx22\n  instance_count: 3", "cpx22\n  instance_count: 2");
            fewer.edited(cluster("prod"), "[fsn1, nbg1, hel1]", "[fsn1, nbg1]")
        },
        cluster("prod"),
        Some("instance_count: 2"),
    ),
    (
        "file-name",
        |tree| {
            let path = "infra/k8s/base/services/postgres.yaml";
            let moved = tree.with(&[(path, &tree.text(SERVICE))]).without(SERVICE);
            moved.edited(BASE, "services/postgres-serv.service.yaml", "services/postgres.yaml")
        },
        "infra/k8s/base/services/postgres.yaml",
        Some("apiVersion"),
    ),
    (
        "firewall-slots",
        |tree| {
            let rule = |port| format!("      - {{port: {port}, source_ips: [203.0.113.0/24]}}\n");
            let rules: String = (500..550).map(|half| rule(2 * half)).collect();
            let list = "custom_firewall_rules:\n";
            tree.edited(cluster("prod"), list, &format!("{list}{rules}"))
        },
        cluster("prod"),
        Some("custom_firewall_rules:"),
    ),
    (
        "image-set-once",
        |tree| tree.edited(SET, "image: postgis/postgis", "image: postgis/postgis:18-3.4"),
        SET,
        Some("image: postgis/postgis:18-3.4"),
    ),
    (
        "labels-missing",
        |tree| tree.edited(PROD, "provider: hetzner", "provider: podman"),
        PROD,
        Some("labels:"),
    ),
    (
        "leftover-placeholder",
        |tree| tree.edited(SET, "value: postgres_sa", "value: StrongBase64Password"),
        SET,
        Some("value: StrongBase64Password"),
    ),
    (
        "minimal-base",
        |tree| tree.edited(SET, "  serviceName:", "  replicas: 1\n  serviceName:"),
        SET,
        Some("replicas: 1"),
    ),
    (
        "mount-trap",
        |tree| tree.edited(SET, "/var/lib/postgresql/data/pgdata", "/var/lib/postgresql/data"),
        SET,
        Some("- name: data"),
    ),
    (
        "network-zone",
        |tree| tree.edited(cluster("test"), "    location: nbg1", "    location: ash"),
        cluster("test"),
        Some("location: ash"),
    ),
    (
        "never-opens",
        |tree| {
            let frozen = tree.edited(POLICY, "enabled: false\n      timezone", NO_FREEZE);
            frozen.edited(POLICY, "enabled: true\n      timezone", FREEZE)
        },
        POLICY,
        Some("      enabled: true"),
    ),
    ("not-yaml", |tree| tree.edited(DEV, "labels:\n", "labels: [\n"), DEV, None),
    (
        "open-access",
        |tree| tree.edited(cluster("prod"), "api: [\"203.0.113.0/24\"]", "api: [\"0.0.0.0/0\"]"),
        cluster("prod"),
        Some("api:"),
    ),
    (
        "overlay-missing",
        |tree| tree.without("infra/k8s/podman/local/kustomization.yaml"),
        POLICY,
        Some("    enabled: true"),
    ),
    (
        "policy",
        |tree| tree.edited(POLICY, "global:\n", "global:\n  auto_deply: true\n"),
        POLICY,
        Some("auto_deply"),
    ),
    (
        "provider-ambiguous",
        |tree| tree.with(&[("infra/k8s/podman/dev/kustomization.yaml", "resources: [../../base]\n")]),
        POLICY,
        Some("    enabled: true"),
    ),
    (
        "registry-mirror",
        |tree| {
            let (on, off) = ("mirror:\n    enabled: true", "mirror:\n    enabled: false");
            tree.edited(cluster("test"), on, off)
        },
        cluster("test"),
        Some("enabled: false"),
    ),
    ("render", |tree| tree.without(SERVICE), BASE, None),
    (
        "retain-volume",
        |tree| tree.edited(CLASS, "reclaimPolicy: Retain", "reclaimPolicy: Delete"),
        CLASS,
        Some("reclaimPolicy: Delete"),
    ),
    ("service-empty", |tree| tree.edited(POLICY, "rollback_on_failure: true\n", MAIL), POLICY, Some("mail:")),
    (
        "service-unknown",
        |tree| tree.edited(SERVICE, "  labels:\n    app: postgres", "  labels:\n    app: database"),
        SERVICE,
        Some("app: database"),
    ),
    (
        "service-unlabelled",
        |tree| tree.edited(SERVICE, "  labels:\n    app: postgres", "  labels:\n    team: data"),
        SERVICE,
        Some("labels:"),
    ),
    (
        "wireguard-tcp",
        |tree| {
            let list = "custom_firewall_rules:\n";
            let rule = "      - {port: 51820, source_ips: [203.0.113.0/24]}\n";
            tree.edited(cluster("prod"), list, &format!("{list}{rule}"))
        },
        cluster("prod"),
        Some("port: 51820"),
    ),
];

const fn cluster(environment: &str) -> &'static str {
    match environment.as_bytes() {
        b"dev" => "infra/k8s/hetzner/dev/cluster/cluster-config.yaml",
        b"test" => "infra/k8s/hetzner/test/cluster/cluster-config.yaml",
        _ => "infra/k8s/hetzner/prod/cluster/cluster-config.yaml",
    }
}

#[test]
fn the_reference_tree_is_clean() {
    let report = Fixture::reference().report();
    assert!(report.is_clean(), "{}", report.to_text());
    let overlays: Vec<_> = report.overlays.iter().map(|overlay| overlay.path.as_str()).collect();
    let expected = ["hetzner/dev", "podman/local", "hetzner/prod", "hetzner/test"];
    assert_eq!(overlays, expected.map(|overlay| format!("infra/k8s/{overlay}")));
}

#[test]
fn each_lint_alone_finds_its_change_of_the_reference_tree() {
    let reference = Fixture::reference();
    for (lint, change, file, excerpt) in CHANGES {
        let tree = change(&reference);
        let report = tree.report();
        let text = report.to_text();
        assert!(!report.is_clean(), "{lint} finds nothing");
        assert!(report.findings.iter().all(|finding| finding.lint == lint), "not only {lint}:\n{text}");
        assert!(report.findings.iter().all(|finding| finding.file == file), "not in {file}:\n{text}");
        for finding in report.findings {
            let content = tree.text(file);
            let line = finding.line.and_then(|line| content.lines().nth(line - 1)).unwrap_or_default();
            assert!(excerpt.is_none_or(|excerpt| line.contains(excerpt)), "{lint} points at `{line}`");
        }
    }
}

#[test]
fn every_lint_has_a_change() {
    let changed: Vec<_> = CHANGES.iter().map(|(lint, ..)| *lint).collect();
    let known: Vec<_> = LINTS.iter().map(|lint| lint.name).collect();
    assert_eq!(changed, known);
}
