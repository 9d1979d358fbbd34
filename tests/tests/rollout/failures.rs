//! What people read when something is wrong: the place, the cause once and what to do; nothing is applied and nothing is lost.
//!
//! The whole answers stand in `snapshots/`, to be read aloud. `WRITE_SNAPSHOTS=1` writes them anew.

use std::path::{Path, PathBuf};

use serde_json::json;
use windlass_tests::testbed::{Bed, Namespace};
use windlass_tests::world::{Ran, World};

const OVERLAY: &str = "infra/k8s/podman/local/kustomization.yaml";
const POLICY: &str = "infra/deploy-control.yaml";
const STATEFUL_SET: &str = "infra/k8s/base/statefulsets/postgres.statefulset.yaml";

/// A world in which something is wrong.
struct Case {
    space: Namespace<'static>,
    world: World,
}

impl Case {
    fn new() -> Self {
        let space = Bed::shared().namespace();
        let world = World::new(space.kubeconfig());
        Self { space, world }
    }

    /// Deploys, and holds that this ends so, in these words, without a trace in the cluster.
    #[track_caller]
    fn refuses(&self, name: &str, code: i32) {
        self.world.commit(name);
        let ran = self.world.windlass(&["deploy", "-e", "local"]);
        ran.expect(code);
        self.reads(name, &ran);
        self.nothing_applied();
        let runs = self.world.runs();
        assert_eq!(runs[0]["state"], "refused", "{:#}", runs[0]);
    }

    /// Holds that the namespace has nothing but what Kubernetes and windlass's own key put there.
    #[track_caller]
    fn nothing_applied(&self) {
        let kinds = "all,configmap,secret,persistentvolumeclaim";
        let found = self.space.kubectl(&["get", kinds, "-o", "name"]);
        let own = ["configmap/kube-root-ca.crt", "secret/windlass-key"];
        let found = found.expect_success();
        let foreign: Vec<_> = found.lines().filter(|name| !own.contains(name)).collect();
        assert!(foreign.is_empty(), "{foreign:?}");
    }

    /// Holds that the answer is the one that was read and found good.
    #[track_caller]
    fn reads(&self, name: &str, ran: &Ran) {
        let text = self.masked(&format!("{}{}[exit {}]\n", ran.stderr, ran.stdout, ran.code));
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/rollout/snapshots/{name}.txt"));
        if std::env::var_os("WRITE_SNAPSHOTS").is_some() {
            std::fs::create_dir_all(file.parent().expect("a file is in a folder"))
                .expect("the folder is made");
            std::fs::write(&file, &text).expect("the snapshot is written");
        }
        let expected = std::fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(text, expected, "\nanswered:\n{text}\nexpected by {name}.txt:\n{expected}");
    }

    /// Without what differs from run to run: namespace, folder, commit, times, digests.
    fn masked(&self, text: &str) -> String {
        let folder = self.world.data_dir();
        let folder = folder.parent().expect("the data directory is in the world").display().to_string();
        let commit = self.world.git(&["rev-parse", "--short=7", "HEAD"]);
        let text = text.replace(&folder, "<folder>").replace(self.space.name(), "<namespace>");
        let text = text.replace(&commit, "<commit>").replace(&self.server(), "<server>");
        // Which of the two the controller had said by then is a matter of moments.
        let text = text.replace("0 of 1 pods are updated", "0 of 1 pods are ready");
        // What is waited for meanwhile depends on who is faster.
        let stays = |line: &&str| !line.starts_with("  ◐ waiting on ");
        text.lines().filter(stays).map(|line| masked_line(line) + "\n").collect()
    }

    /// The address of the API server.
    fn server(&self) -> String {
        let kubeconfig = std::fs::read_to_string(self.space.kubeconfig()).expect("the kubeconfig is there");
        let server = kubeconfig.lines().find_map(|line| line.trim().strip_prefix("server: "));
        server.expect("a kubeconfig names its server").to_owned()
    }

    /// A kubeconfig of the world that differs from the administrator's by what `kubectl config` is told.
    fn kubeconfig(&self, arguments: &[&[&str]]) -> PathBuf {
        let file = self.world.data_dir().with_file_name("kubeconfig");
        std::fs::copy(self.space.kubeconfig(), &file).expect("the kubeconfig is copied");
        for arguments in arguments {
            let file = file.display().to_string();
            let arguments = [&["config", "--kubeconfig", &file][..], arguments].concat();
            self.space.kubectl(&arguments).expect_success();
        }
        file
    }

    /// A kubeconfig of somebody who is not the administrator.
    fn kubeconfig_with(&self, credentials: &str) -> PathBuf {
        let user = [&["set-credentials", "somebody"][..], &[credentials]].concat();
        self.kubeconfig(&[&user, &["set-context", "--current", "--user", "somebody"]])
    }
}

/// Durations, dates, digests and the names of pods that were only tried, by their form.
fn masked_line(line: &str) -> String {
    let mut masked = String::new();
    for word in line.split(' ') {
        let known = if is_duration(word) {
            let kept = masked.trim_end().len();
            masked.truncate(kept);
            " <time>"
        } else if is_form(word, "0000-00-00") {
            "<date>"
        } else if is_form(word, "00:00:00") || is_form(word, "00:00") {
            "<time>"
        } else if matches!(word, "Mon" | "Tue" | "Wed" | "Thu" | "Fri" | "Sat" | "Sun") {
            "<day>"
        } else if word.len() == 12 && word.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            "<digest>"
        } else if word.starts_with("\"postgres-") {
            "\"postgres-<pod>\""
        } else {
            word
        };
        masked.push_str(known);
        masked.push(' ');
    }
    masked.trim_end().to_owned()
}

fn is_duration(word: &str) -> bool {
    let number = word.strip_suffix('s').unwrap_or_default();
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

fn is_form(word: &str, form: &str) -> bool {
    word.len() == form.len()
        && word.bytes().zip(form.bytes()).all(
            |(byte, form)| {
                if form == b'0' { byte.is_ascii_digit() } else { byte == form }
            },
        )
}

#[test]
fn broken_yaml_is_named_with_its_line() {
    let case = Case::new();
    case.world.edit(OVERLAY, |text| format!("{text}broken: [\n"));
    case.refuses("broken-yaml", 2);
}

#[test]
fn an_unknown_key_of_the_policy_names_the_nearest() {
    let case = Case::new();
    case.world.edit(POLICY, |text| text.replacen("enabled: true", "enabeld: true", 1));
    case.refuses("unknown-key", 2);
}

#[test]
fn environments_have_the_same_keys() {
    let case = Case::new();
    case.world.edit(POLICY, |text| {
        let last = text.rfind("        rollback_on_failure").expect("the last service has the key");
        text[..last].to_owned()
    });
    case.refuses("key-parity", 2);
}

#[test]
fn an_unknown_field_of_a_kustomization_is_refused() {
    let case = Case::new();
    case.world.edit(OVERLAY, |text| format!("{text}resorces: []\n"));
    case.refuses("unknown-field", 2);
}

#[test]
fn a_manifest_that_no_yaml_reader_takes_is_named_with_its_place() {
    let case = Case::new();
    case.world.edit(STATEFUL_SET, |text| text.replacen("  replicas", "\treplicas", 1) + "spec: [\n");
    case.refuses("broken-manifest", 2);
}

#[test]
fn a_file_that_is_not_there_is_named_where_it_is_asked_for() {
    let case = Case::new();
    case.world.edit(OVERLAY, |text| text.replacen("  - ../../base", "  - ../../base\n  - absent.yaml", 1));
    case.refuses("missing-file", 2);
}

#[test]
fn an_environment_needs_an_overlay() {
    let case = Case::new();
    case.world.git(&["rm", "-r", "--quiet", "infra/k8s/podman"]);
    case.refuses("missing-overlay", 2);
}

#[test]
fn an_unknown_environment_is_answered_with_the_known_ones() {
    let case = Case::new();
    let ran = case.world.windlass(&["deploy", "-e", "staging"]);
    ran.expect(2);
    case.reads("unknown-environment", &ran);
    case.nothing_applied();
    assert_eq!(case.world.runs()[0]["state"], "refused");
}

#[test]
fn a_missing_secret_is_named_with_every_source_that_was_asked() {
    let mut case = Case::new();
    case.world.set_secret("POSTGRES_SA_PASSWORD", None);
    case.refuses("missing-secret", 2);
}

#[test]
fn an_empty_secret_is_not_a_value() {
    let mut case = Case::new();
    case.world.set_secret("POSTGRES_SA_PASSWORD", Some(""));
    case.refuses("empty-secret", 2);
}

#[test]
fn a_placeholder_outside_of_a_secret_is_never_applied() {
    let case = Case::new();
    case.world.replace(STATEFUL_SET, "value: postgres_sa", "value: StrongBase64Password");
    case.refuses("leftover-placeholder", 2);
}

#[test]
fn an_unreachable_cluster_parks_the_run_until_it_is_back() {
    let case = Case::new();
    let closed = case.kubeconfig(&[&["set", "clusters.testbed.server", "https://127.0.0.1:1"]]);
    case.world.configure(&closed);
    let ran = case.world.windlass(&["deploy", "-e", "local"]);
    ran.expect(1);
    case.reads("unreachable-cluster", &ran);
    case.nothing_applied();
    case.world
        .windlass(&["runs", "list"])
        .expect(0)
        .says("held")
        .says("cannot connect to the cluster of `local`");
    case.world.configure(case.space.kubeconfig());
    case.world.windlass(&["resume", "-e", "local"]).expect(0);
    case.world.windlass(&["runs", "watch", "r-1"]).expect(0).says("verified");
    assert_eq!(case.world.runs().len(), 1);
}

#[test]
fn credentials_that_the_server_does_not_know_are_refused() {
    let case = Case::new();
    case.world.configure(&case.kubeconfig_with("--token=expired"));
    case.refuses("unknown-credentials", 4);
}

#[test]
fn a_user_without_rights_is_refused() {
    let case = Case::new();
    let token = case.space.token("nobody");
    case.world.configure(&case.kubeconfig_with(&format!("--token={token}")));
    case.refuses("forbidden-user", 4);
}

#[test]
fn a_kubeconfig_that_runs_a_program_is_refused() {
    let case = Case::new();
    let runs = [
        "set-credentials",
        "somebody",
        "--exec-command=login",
        "--exec-api-version=client.authentication.k8s.io/v1",
    ];
    let file = case.kubeconfig(&[&runs, &["set-context", "--current", "--user", "somebody"]]);
    case.world.configure(&file);
    case.refuses("exec-kubeconfig", 2);
}

#[test]
fn a_missing_kubeconfig_is_named() {
    let case = Case::new();
    case.world.configure(&case.world.data_dir().with_file_name("absent"));
    case.refuses("missing-kubeconfig", 2);
}

#[test]
fn an_object_that_the_server_finds_invalid_is_named_with_its_field() {
    let case = Case::new();
    case.world.replace(STATEFUL_SET, "containerPort: 5432", "containerPort: 543200");
    case.refuses("invalid-object", 1);
}

#[test]
fn a_quota_that_no_pod_fits_into_stops_before_the_first_write() {
    let case = Case::new();
    case.space.limit_pods("full", 0);
    // A quota is enforced with certainty once its controller has counted.
    let counted = ["wait", "quota/full", "--for=jsonpath={.status.hard.pods}=0", "--timeout=60s"];
    case.space.kubectl(&counted).expect_success();
    case.world.commit("quota");
    let ran = case.world.windlass(&["deploy", "-e", "local"]);
    case.space.kubectl(&["delete", "quota", "full"]).expect_success();
    ran.expect(1);
    case.reads("quota", &ran);
    case.nothing_applied();
}

#[test]
fn pods_that_the_namespace_does_not_admit_stop_before_the_first_write() {
    let case = Case::new();
    let enforce = "pod-security.kubernetes.io/enforce=restricted";
    case.space.kubectl(&["label", "namespace", case.space.name(), enforce]).expect_success();
    case.world.replace(STATEFUL_SET, "runAsNonRoot: true", "runAsNonRoot: false");
    case.refuses("pod-security", 1);
}

#[test]
fn an_immutable_field_is_named_with_both_values() {
    let case = Case::new();
    case.world.windlass(&["deploy", "-e", "local"]).expect(0);
    let version = || {
        let version = ["get", "statefulset/postgres", "-o", "jsonpath={.metadata.generation}"];
        case.space.kubectl(&version).expect_success().to_owned()
    };
    let before = version();
    case.world.replace(STATEFUL_SET, "serviceName: postgres-headless", "serviceName: other");
    case.world.commit("immutable-field");
    let ran = case.world.windlass(&["deploy", "-e", "local"]);
    ran.expect(1);
    case.reads("immutable-field", &ran);
    assert_eq!(version(), before);
}

#[test]
fn a_field_of_another_manager_is_a_conflict_where_the_policy_refuses() {
    let case = Case::new();
    case.world.windlass(&["deploy", "-e", "local"]).expect(0);
    let theirs =
        "{apiVersion: v1, kind: ConfigMap, metadata: {name: postgres-init}, data: {init.sql: select 1}}";
    let apply =
        ["apply", "--server-side", "--force-conflicts", "--field-manager=somebody", "--filename", "-"];
    case.space.kubectl_with(&apply, theirs).expect_success();
    case.world.edit(POLICY, |text| {
        let key = "        rollback_on_failure: true";
        text.replace(key, &format!("{key}\n        conflicts: refuse"))
    });
    case.world.commit("conflict");
    let ran = case.world.windlass(&["deploy", "-e", "local"]);
    ran.expect(9);
    case.reads("conflict", &ran);
    let data = case.space.kubectl(&["get", "configmap/postgres-init", "-o", "jsonpath={.data}"]);
    assert!(data.expect_success().contains("select 1"), "the field was taken");
}

#[test]
fn a_bad_image_is_explained_once_and_gone_back_from() {
    let case = Case::new();
    case.world.windlass(&["deploy", "-e", "local"]).expect(0);
    case.world.replace("infra/k8s/base/kustomization.yaml", "newTag: 18-3.4", "newTag: missing");
    case.world.commit("bad-image");
    case.reads("bad-image", case.world.windlass(&["deploy", "-e", "local"]).expect(6));
}

#[test]
fn a_held_run_is_told_with_every_rule() {
    let case = Case::new();
    case.world.edit(POLICY, |text| text.replace("manual_approval: false", "manual_approval: true"));
    case.world.commit("approval");
    case.reads("held-for-approval", case.world.windlass(&["deploy", "-e", "local"]).expect(5));
    case.nothing_applied();
}

#[test]
fn a_way_back_that_is_not_there_is_said() {
    let case = Case::new();
    case.reads("no-way-back", case.world.windlass(&["rollback", "-e", "local"]).expect(1));
    case.nothing_applied();
}

#[test]
fn events_that_cannot_be_read_say_what_is_expected() {
    let case = Case::new();
    let wrong = case.world.event("wrong", "dev.windlass.push", &json!({"ref": 1}));
    let unknown = case.world.event("unknown", "dev.windlass.pusch", &json!({}));
    for (name, file) in [("event-wrong-schema", wrong), ("event-unknown-type", unknown)] {
        let ran = case.world.windlass(&["events", "send", &file.display().to_string()]);
        ran.expect(2);
        case.reads(name, &ran);
    }
    case.nothing_applied();
}

#[test]
fn an_event_that_arrives_twice_makes_one_run() {
    let case = Case::new();
    let data = json!({"environment": "local", "requester": "ada"});
    let file = case.world.event("twice", "dev.windlass.deploy.requested", &data).display().to_string();
    case.world.windlass(&["events", "send", &file]).expect(0);
    case.world.windlass(&["events", "send", &file]).expect(0).says("it arrived before as e-1");
    assert_eq!(case.world.runs().len(), 1);
}

#[test]
fn wrong_commands_say_what_is_right() {
    let mut case = Case::new();
    case.reads("no-run", case.world.windlass(&["runs", "show", "r-999"]).expect(2));
    case.reads("unknown-flag", case.world.windlass(&["deploy", "-e", "local", "--frce"]).expect(2));
    case.world.set_secret("POSTGRES_SA_PASSWORD", None);
    case.world.windlass(&["deploy", "-e", "local"]).expect(2);
    case.reads("approve-nothing", case.world.windlass(&["approve", "r-1"]).expect(9));
    case.reads("unknown-run", case.world.windlass(&["approve", "r-999"]).expect(2));
    case.nothing_applied();
}

#[test]
fn a_folder_without_a_repository_is_named() {
    let case = Case::new();
    let hidden = case.world.repository().with_file_name("elsewhere");
    std::fs::rename(case.world.repository(), &hidden).expect("the repository is moved");
    std::fs::create_dir(case.world.repository()).expect("an empty folder is made");
    let ran = case.world.windlass(&["deploy", "-e", "local"]);
    std::fs::remove_dir(case.world.repository()).expect("the empty folder is removed");
    std::fs::rename(&hidden, case.world.repository()).expect("the repository is moved back");
    ran.expect(2);
    case.reads("no-repository", &ran);
    case.nothing_applied();
}
