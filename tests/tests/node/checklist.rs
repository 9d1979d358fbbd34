//! What has to be true of a database that windlass brings to a real cluster, step by step as a person would check it.

use serde_json::json;
use windlass_tests::testbed::{Bed, Namespace};
use windlass_tests::world::{CANARIES, Ran, World};

const POLICY: &str = "infra/deploy-control.yaml";
const INIT: &str = "infra/k8s/base/configmaps/postgres-init.configmap.yaml";
const VERSION: &str = "infra/k8s/base/kustomization.yaml";
const DEV: &str = "infra/k8s/hetzner/dev/patches/postgres.statefulset.yaml";
const SECRET: &str = "ACCOUNT_SERVICE_DB_USER_PASSWORD";
const DEPLOY: [&str; 3] = ["deploy", "-e", "dev"];
const PLAN: [&str; 4] = ["plan", "-e", "dev", "--exit-code"];

const DIFFERENCES: i32 = 3;
const HELD: i32 = 5;
const ROLLED_BACK: i32 = 6;

/// A repository whose `dev` is a namespace of the real node.
struct Shop {
    space: Namespace<'static>,
    world: World,
}

#[test]
fn a_push_to_dev_brings_a_database_with_everything_in_it() {
    let shop = Shop::new();
    shop.push("150m").expect(0).says("verified");
    let [run] = shop.world.runs().try_into().expect("one run");
    assert_eq!((&run["environment"], &run["state"]), (&json!("dev"), &json!("verified")));
    let phases = ["get", "pods", "-l", "app=postgres", "-o", "jsonpath={.items[*].status.phase}"];
    assert_eq!(shop.kubectl(&phases), "Running");

    let databases = shop.list_databases_from_another_pod();
    for database in ["account_db", "messaging_db", "property_db", "appdb"] {
        assert!(databases.contains(database), "`{database}` is missing:\n{databases}");
        let extensions = "select string_agg(extname, ' ' order by extname) from pg_extension
            where extname in ('uuid-ossp', 'postgis', 'pg_trgm')";
        assert_eq!(shop.ask(database, extensions), "pg_trgm postgis uuid-ossp", "{database}");
        let schemas = "select string_agg(nspname, ' ' order by nspname) from pg_namespace
            where nspname in ('reference', 'config', 'audit')";
        assert_eq!(shop.ask(database, schemas), "audit config reference", "{database}");
    }
}

#[test]
fn a_changed_configuration_leaves_the_pod_and_a_deleted_pod_comes_back_with_its_data() {
    let shop = Shop::deployed();
    let pod = shop.pod();
    shop.change_configuration("once more");
    shop.world.windlass(&DEPLOY).expect(0).says("0 created, 1 changed");
    assert!(shop.configuration().contains("-- once more"), "{}", shop.configuration());
    assert_eq!(shop.pod(), pod);

    shop.ask("appdb", "create table audit.kept as select 42 as value");
    shop.kubectl(&["delete", "pod", "postgres-0"]);
    shop.kubectl(&["rollout", "status", "statefulset/postgres", "--timeout=180s"]);
    assert_ne!(shop.pod(), pod);
    assert_eq!(shop.ask("appdb", "select value from audit.kept"), "42");
}

#[test]
fn a_changed_secret_value_is_noticed_and_deployed() {
    let mut shop = Shop::deployed();
    shop.world.windlass(&PLAN).expect(0);
    shop.world.set_secret(SECRET, Some("another-value-Iek6aeth"));
    shop.world.windlass(&PLAN).expect(DIFFERENCES);
    // The Secret, and the pods that read it when they start.
    let pod = shop.pod();
    shop.world.windlass(&DEPLOY).expect(0).says("0 created, 2 changed");
    assert_ne!(shop.pod(), pod);
    let template = format!("go-template={{{{.data.{SECRET} | base64decode}}}}");
    let value = shop.kubectl(&["get", "secret", "postgres-passwords", "-o", &template]);
    assert_eq!(value, "another-value-Iek6aeth");
}

#[test]
fn a_disabled_environment_takes_no_push_and_a_person_returns_to_the_release_before() {
    let shop = Shop::deployed();
    let first = shop.configuration();
    shop.change_configuration("a second release");
    shop.world.windlass(&DEPLOY).expect(0);
    let pod = shop.pod();
    shop.world.windlass(&["rollback", "-e", "dev"]).expect(0).says("verified");
    assert_eq!(shop.configuration(), first);
    assert_eq!(shop.pod(), pod);

    let switch = "  dev:\n    branch: main\n    enabled: ";
    shop.world.replace(POLICY, &format!("{switch}true"), &format!("{switch}false"));
    shop.push("170m").expect(HELD);
    let newest = shop.world.runs().swap_remove(0);
    let held = shop.world.run(newest["id"].as_str().unwrap());
    assert_eq!(held["held"]["code"], "environment_disabled", "{held:#}");
    assert_eq!(shop.pod(), pod);
    assert_eq!(shop.configuration(), first);
}

#[test]
fn an_image_that_cannot_be_had_is_named_and_rolled_back() {
    let shop = Shop::deployed();
    shop.ask("appdb", "create table audit.kept as select 42 as value");
    shop.world.replace(VERSION, "18-3.4", "none");
    // At once and for good: a registry that does not answer might answer later.
    let container = "        - name: postgres\n";
    shop.world.replace(DEV, container, &format!("{container}          imagePullPolicy: Never\n"));
    shop.world.commit("Name an image that nobody has");
    shop.world.windlass(&DEPLOY).expect(ROLLED_BACK).says("postgis/postgis:none");
    let ready = ["wait", "--for=condition=Ready", "pod/postgres-0", "--timeout=0s"];
    shop.kubectl(&ready);
    assert_eq!(shop.ask("appdb", "select value from audit.kept"), "42");
}

impl Shop {
    fn new() -> Self {
        let space = Bed::real_node().namespace();
        let world = World::new(space.kubeconfig());
        Self { space, world }
    }

    /// With a first release that was verified.
    fn deployed() -> Self {
        let shop = Self::new();
        shop.world.windlass(&DEPLOY).expect(0).says("verified");
        shop
    }

    /// Pushes a change that concerns nobody but `dev`: what its database asks of the processor.
    fn push(&self, cpu: &str) -> Ran {
        let before = self.world.git(&["rev-parse", "HEAD"]);
        self.world.edit(DEV, |patch| patch.replacen("cpu: 100m", &format!("cpu: {cpu}"), 1));
        let after = self.world.commit("More for dev");
        let event = self.world.push_event(cpu, &before, &after);
        self.world.windlass(&["events", "send", event.to_str().unwrap()])
    }

    /// Adds a comment to the first script of the database, which has run long ago.
    fn change_configuration(&self, comment: &str) {
        let line = "    SET log_statement = 'none';\n";
        self.world.replace(INIT, line, &format!("{line}    -- {comment}\n"));
        self.world.commit(comment);
    }

    fn configuration(&self) -> String {
        self.kubectl(&["get", "configmap", "postgres-init", "-o", "jsonpath={.data.init\\.sql}"])
    }

    /// The identity of the database's pod.
    fn pod(&self) -> String {
        self.kubectl(&["get", "pod", "postgres-0", "-o", "jsonpath={.metadata.uid}"])
    }

    #[track_caller]
    fn kubectl(&self, arguments: &[&str]) -> String {
        self.space.kubectl(arguments).expect_success()
    }

    /// What a statement answers, asked inside the database's own pod.
    #[track_caller]
    fn ask(&self, database: &str, statement: &str) -> String {
        let psql =
            ["exec", "postgres-0", "--", "psql", "-U", "postgres_sa", "-d", database, "-tAc", statement];
        self.kubectl(&psql).trim().to_owned()
    }

    /// As another service would come: by the name of the Service and with the password.
    fn list_databases_from_another_pod(&self) -> String {
        let password = format!("--env=PGPASSWORD={}", CANARIES[0].1);
        let image = "--image=docker.io/postgis/postgis:18-3.4";
        let psql = ["psql", "-h", "postgres-serv", "-U", "postgres_sa", "-d", "postgres", "-l"];
        self.kubectl(
            &[&["run", "client", image, "--restart=Never", &password, "--command", "--"][..], &psql].concat(),
        );
        let ended = ["wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/client", "--timeout=60s"];
        let ended = self.space.kubectl(&ended);
        let said = self.kubectl(&["logs", "client"]);
        assert!(ended.success, "{said}");
        said
    }
}
