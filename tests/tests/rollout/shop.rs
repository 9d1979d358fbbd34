//! What tests of runs begin with and ask for again and again: environments that share nothing, edits of the policy, questions to the cluster.

use std::fmt::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use windlass_tests::testbed::{Bed, Namespace};
use windlass_tests::world::{Ran, World};

const POLICY: &str = "infra/deploy-control.yaml";
const OVERLAY: &str = "infra/k8s/podman/local/kustomization.yaml";
const PATCH: &str = "infra/k8s/podman/local/patches/postgres.statefulset.yaml";

/// The windows of every environment, as `infra/` writes them.
const WINDOWS: &str = "      enabled: false
      timezone: Europe/Berlin
      allowed_days: [Mon, Tue, Wed, Thu]
      allowed_hours: {from: \"09:00\", to: \"16:00\"}
";

/// A world, and the namespace in which its environments live. Most tests deploy `local`, which has no object outside of its namespace.
pub(crate) fn world() -> (Namespace<'static>, World) {
    let space = Bed::shared().namespace();
    let world = World::new(space.kubeconfig());
    (space, world)
}

/// Gives environments a namespace each, and takes the object out of them that they would share: the class of the volumes.
pub(crate) fn separate(world: &World, spaces: &[(&str, &Namespace<'_>)]) {
    let folder = world.data_dir().parent().expect("the state is in a folder").to_owned();
    let mut text = format!(
        "data_dir = \"{}\"\n[verify]\nsoak = \"1s\"\n[identity]\nname = \"ada\"\n",
        world.data_dir().display()
    );
    for (environment, space) in spaces {
        writeln!(text, "[clusters.{environment}]\nkubeconfig = \"{}\"", space.kubeconfig().display())
            .expect("writing to a string cannot fail");
    }
    std::fs::write(folder.join("windlass.toml"), text).expect("the configuration is written");
    for environment in ["dev", "test", "prod"] {
        let overlay = format!("infra/k8s/hetzner/{environment}");
        let class = "  - storageclasses/hcloud-volumes-retain.storageclass.yaml\n";
        world.replace(&format!("{overlay}/kustomization.yaml"), class, "");
        let patch = format!("{overlay}/patches/postgres-storage.statefulset.yaml");
        world.replace(&patch, "hcloud-volumes-retain", "hcloud-volumes");
    }
}

/// Changes one environment of the policy.
pub(crate) fn in_policy(world: &World, environment: &str, from: &str, to: &str) {
    world.edit(POLICY, |policy| {
        let start = policy.find(&format!("\n  {environment}:\n")).expect("the environment is there") + 1;
        let end = policy[start..].find("\n\n").map_or(policy.len(), |length| start + length);
        let (before, section, after) = (&policy[..start], &policy[start..end], &policy[end..]);
        assert!(section.contains(from), "`{environment}` does not hold `{from}`:\n{section}");
        format!("{before}{}{after}", section.replacen(from, to, 1))
    });
}

/// Gives an environment windows; every other keeps the same keys, as the policy demands, and has them off.
pub(crate) fn windows(world: &World, environment: &str, days: &str, freezes: &str) {
    let written = |enabled: bool, days: &str, freezes: &str| {
        format!(
            "      enabled: {enabled}\n      timezone: UTC\n      allowed_days: [{days}]\n      freezes: [{freezes}]\n"
        )
    };
    world.edit(POLICY, |policy| policy.replace(WINDOWS, &written(false, "Mon", "")));
    in_policy(world, environment, &written(false, "Mon", ""), &written(true, days, freezes));
}

/// A weekday on which it is neither today nor, should midnight pass meanwhile, tomorrow.
pub(crate) fn another_day() -> &'static str {
    // The first of January 1970 was a Thursday.
    const FROM_THURSDAY: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970").as_secs();
    FROM_THURSDAY[usize::try_from((seconds / 86_400 + 3) % 7).expect("a weekday is a small number")]
}

/// Gives `local` three replicas, or another number.
pub(crate) fn replicas(world: &World, count: u32) {
    world.edit(PATCH, |patch| {
        let lines = patch.lines().map(|line| match line.trim_start().strip_prefix("replicas: ") {
            Some(_) => format!("  replicas: {count}\n"),
            None => format!("{line}\n"),
        });
        lines.collect()
    });
}

/// Gives the image another tag: one that the simulated nodes know as a fault, or any other.
pub(crate) fn tag(world: &World, tag: &str) {
    world.edit("infra/k8s/base/kustomization.yaml", |text| {
        let lines = text.lines().map(|line| match line.trim_start().strip_prefix("newTag: ") {
            Some(_) => format!("    newTag: {tag}\n"),
            None => format!("{line}\n"),
        });
        lines.collect()
    });
}

/// Adds annotations to the pods of `local`.
pub(crate) fn annotate(world: &World, annotations: &str) {
    let marked = format!("  template:\n    metadata:\n      annotations: {annotations}\n    spec:\n");
    world.replace(PATCH, "  template:\n    spec:\n", &marked);
}

/// Adds an object to `local`.
pub(crate) fn add_object(world: &World, file: &str, manifest: &str) {
    world.edit(&format!("infra/k8s/podman/local/{file}"), |_| manifest.to_owned());
    world.replace(OVERLAY, "  - ../../base\n", &format!("  - ../../base\n  - {file}\n"));
}

/// Takes an object that was added out of `local` again.
pub(crate) fn remove_object(world: &World, file: &str) {
    world.replace(OVERLAY, &format!("  - {file}\n"), "");
}

/// Makes a change of the ConfigMap that all environments share.
pub(crate) fn change_base(world: &World) {
    let line = "# Changed once more.\n";
    world.edit("infra/k8s/base/configmaps/postgres-init.configmap.yaml", |text| format!("{line}{text}"));
}

/// Makes a change that only concerns one environment of Hetzner.
pub(crate) fn change_overlay(world: &World, environment: &str, cpu: &str) {
    let patch = format!("infra/k8s/hetzner/{environment}/patches/postgres.statefulset.yaml");
    world.edit(&patch, |text| {
        let mut is_first = true;
        let lines = text.lines().map(|line| {
            let is_request = line.trim_start().starts_with("cpu: ") && std::mem::take(&mut is_first);
            if is_request { format!("              cpu: {cpu}\n") } else { format!("{line}\n") }
        });
        lines.collect()
    });
}

/// Runs the program as somebody else.
pub(crate) fn as_person(world: &World, name: &str, arguments: &[&str]) -> Ran {
    Ran::of(world.program().env("WINDLASS_IDENTITY__NAME", name).args(arguments))
}

/// The newest run of an environment, whole.
pub(crate) fn newest(world: &World, environment: &str) -> Value {
    let runs = world.runs();
    let newest = runs.iter().find(|run| run["environment"] == environment);
    newest.unwrap_or_else(|| panic!("{environment} has no run: {runs:?}")).clone()
}

/// A run's name.
pub(crate) fn id(run: &Value) -> String {
    run["id"].as_str().expect("a run has an id").to_owned()
}

/// Every environment that has runs, with how many.
pub(crate) fn runs_by_environment(world: &World) -> Value {
    let mut counts = serde_json::Map::new();
    for run in world.runs() {
        let count = counts.entry(run["environment"].as_str().expect("a name")).or_insert(json!(0));
        *count = json!(count.as_u64().expect("a number") + 1);
    }
    Value::Object(counts)
}

/// Fails unless the newest run of an environment is held by this rule.
#[track_caller]
pub(crate) fn expect_held(world: &World, environment: &str, code: &str) -> Value {
    let run = newest(world, environment);
    assert_eq!(run["state"], "held", "{run:#}");
    assert_eq!(run["held"]["code"], code, "{run:#}");
    run
}

/// Sends a push of everything since `before`.
pub(crate) fn push(world: &World, id: &str, before: &str, after: &str) -> Ran {
    let event = world.push_event(id, before, after);
    world.windlass(&["events", "send", event.to_str().expect("a path is text")])
}

/// One field of the StatefulSet, or of what else `kubectl get` names.
pub(crate) fn ask(space: &Namespace<'_>, what: &[&str], path: &str) -> String {
    let output = format!("jsonpath={{{path}}}");
    space.kubectl(&[&["get"], what, &["-o", output.as_str()]].concat()).expect_success()
}

/// The versions of everything that a deployment writes here: they change with every write.
pub(crate) fn versions(space: &Namespace<'_>) -> String {
    ask(space, &["statefulset,configmap,secret,service"], ".items[*].metadata.resourceVersion")
}

/// Fails unless all replicas become ready with nobody's help.
#[track_caller]
pub(crate) fn expect_ready(space: &Namespace<'_>, count: u32) {
    let ready = format!("--for=jsonpath={{.status.readyReplicas}}={count}");
    space.kubectl(&["wait", &ready, "statefulset/postgres", "--timeout=60s"]).expect_success();
    let condition = ["wait", "--for=condition=Ready", "pod", "-l", "app=postgres", "--timeout=60s"];
    space.kubectl(&condition).expect_success();
}
