//! A shop on the simulated nodes, and everything that could have been doubled.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;
use windlass_core::name::RunId;
use windlass_core::run::Stage;
use windlass_store::Store;
use windlass_tests::testbed::{Bed, Namespace};
use windlass_tests::world::{World, beside};

/// An environment without cluster-wide objects, so that shops do not meet.
pub(crate) const DEPLOY: [&str; 3] = ["deploy", "-e", "local"];

/// A world and the namespace that it deploys to.
#[derive(Debug)]
pub(crate) struct Shop {
    pub(crate) world: World,
    pub(crate) space: Namespace<'static>,
}

/// What stands in the cluster: equal after a killed and an undisturbed deployment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    objects: Vec<String>,
    revisions: usize,
    pub(crate) generation: u64,
}

impl Standing {
    /// The objects by kind and name.
    pub(crate) fn objects(&self) -> &[String] {
        &self.objects
    }
}

impl Shop {
    pub(crate) fn new() -> Self {
        let space = Bed::shared().namespace();
        let world = World::new(space.kubeconfig());
        let shop = Self { world, space };
        shop.set_soak_to_nothing();
        shop
    }

    /// A healthy release is believed at once: there is nothing to be learnt from watching it a second longer.
    fn set_soak_to_nothing(&self) {
        let file = self.world.repository().with_file_name("windlass.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains("soak = \"1s\""), "{text}");
        std::fs::write(file, text.replace("soak = \"1s\"", "soak = \"0s\"")).unwrap();
    }

    /// The build that has kill points, with these arguments.
    pub(crate) fn with_kill_points(&self, arguments: &[&str]) -> Command {
        let mut program = self.world.program_at(&beside("windlass-kill-points"));
        program.args(arguments);
        program
    }

    /// What the namespace holds. Fails unless every pod is ready.
    pub(crate) fn standing(&self) -> Standing {
        let kinds = "statefulset,configmap,secret,service,pvc,pod,controllerrevision";
        let answer = self.space.kubectl(&["get", kinds, "--output=json"]).expect_success();
        let objects: Value = serde_json::from_str(&answer).unwrap();
        let objects = objects["items"].as_array().unwrap();
        let named =
            |object: &Value| format!("{}/{}", text(&object["kind"]), text(&object["metadata"]["name"]));
        let of_kind = |kind: &'static str| objects.iter().filter(move |object| object["kind"] == kind);
        for pod in of_kind("Pod") {
            let conditions = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let is_ready = |condition: &Value| condition["type"] == "Ready" && condition["status"] == "True";
            assert!(conditions.iter().any(is_ready), "{} is not ready: {conditions:?}", named(pod));
        }
        let mut stable: Vec<_> =
            objects.iter().filter(|object| object["kind"] != "ControllerRevision").map(named).collect();
        stable.sort();
        Standing {
            objects: stable,
            revisions: of_kind("ControllerRevision").count(),
            generation: of_kind("StatefulSet")
                .map(|set| set["metadata"]["generation"].as_u64().unwrap())
                .sum(),
        }
    }

    /// The release that the cluster says it carries.
    pub(crate) fn marked_release(&self) -> String {
        let release = ["get", "configmap", "windlass-local", "--output=jsonpath={.data.release}"];
        self.space.kubectl(&release).expect_success()
    }

    /// The releases in the store: the run of each, and whether it is verified.
    pub(crate) fn releases(&self) -> Vec<(RunId, bool)> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let store = Store::open(&self.world.data_dir()).await.unwrap();
            let releases = store.releases(&"local".parse().unwrap()).await.unwrap();
            releases.iter().map(|release| (release.run, release.verified)).collect()
        })
    }
}

/// Fails unless each of these stages ended exactly once, so, and no other did.
pub(crate) fn expect_journal(run: &Value, expected: &[(Stage, bool)]) {
    let mut ends: BTreeMap<String, Vec<bool>> = BTreeMap::new();
    for stage in run["stages"].as_array().unwrap() {
        ends.entry(text(&stage["stage"])).or_default().extend(stage["ok"].as_bool());
    }
    let expected = expected.iter().map(|(stage, ok)| (stage.to_string(), vec![*ok])).collect();
    assert_eq!(ends, expected, "{run:#}");
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is not a text")).to_owned()
}
