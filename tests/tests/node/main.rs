//! What only a real node can show: pods that are processes.

mod checklist;

use std::path::Path;
use std::process::Command;

use windlass_tests::testbed::{Bed, programs};

fn overlay(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/k8s").join(name);
    let built = Command::new(programs().join("kustomize")).arg("build").arg(folder).output().unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    String::from_utf8(built.stdout).unwrap()
}

#[test]
fn the_database_of_infra_runs_and_keeps_its_data() {
    let space = Bed::real_node().namespace();
    space.apply(&overlay("hetzner/dev"));
    space.kubectl(&["rollout", "status", "statefulset/postgres", "--timeout=120s"]).expect_success();
    let ask = |statement: &str| {
        let psql = [
            "exec",
            "postgres-0",
            "--",
            "psql",
            "--username=postgres_sa",
            "--dbname=appdb",
            "-tAc",
            statement,
        ];
        space.kubectl(&psql).expect_success().trim().to_owned()
    };
    assert_eq!(ask("select count(*) from pg_extension where extname = 'postgis'"), "1");
    ask("create table audit.kept (value int)");
    space.kubectl(&["delete", "pod", "postgres-0"]).expect_success();
    space.kubectl(&["rollout", "status", "statefulset/postgres", "--timeout=120s"]).expect_success();
    assert_eq!(ask("select count(*) from audit.kept"), "0");
}
