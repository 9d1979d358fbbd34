//! `mount-trap`: PostgreSQL keeps its data below a mounted volume, and not at its root.
//!
//! The volumes of a cloud are file systems of their own, with a `lost+found` at their root, and `initdb` refuses a directory that is not
//! empty. The images of PostgreSQL 18 and later keep their data in `/var/lib/postgresql/<version>/docker`, and refuse to start when a volume
//! is mounted at the older `/var/lib/postgresql/data` and `PGDATA` does not say that it is meant.

use serde_json::Value;

use crate::lints::context::{Context, Rendered};
use crate::lints::manifest::{Container, Image, Step, pod_path, rendered_containers};
use crate::lints::reporter::Reporter;
use crate::lints::{Level, Lint};

pub(super) const LINT: Lint = Lint {
    name: "mount-trap",
    level: Level::Error,
    summary: "PostgreSQL would find its data directory at the root of a volume, or not on the volume at all",
    page: include_str!("../../../../docs/reference/lints/mount-trap.md"),
    check,
};

/// Where the images keep data up to version 17.
const OLD_DATA: &str = "/var/lib/postgresql/data";

/// The first version whose images keep their data elsewhere.
const FIRST_NEW: u32 = 18;

fn check(context: &Context<'_>, reporter: &mut Reporter<'_>) {
    for rendered in context.objects() {
        let object = rendered.object.to_json();
        let volumes = persistent_volumes(&object);
        for container in rendered_containers(&object) {
            if is_postgres(container.value) {
                check_container(context, rendered, &container, &volumes, reporter);
            }
        }
    }
}

fn check_container(
    context: &Context<'_>,
    rendered: Rendered<'_>,
    container: &Container<'_>,
    volumes: &[&str],
    reporter: &mut Reporter<'_>,
) {
    let mounts: Vec<Mount<'_>> = mounts(container.value, volumes);
    let Some(trap) = trap(container.value, &mounts) else { return };
    let mut path = container.path_to("volumeMounts");
    path.push(Step::Named(trap.mount.name));
    let title = rendered.title();
    reporter.spot(context.locate(rendered, &path), format!("`{title}` {}", trap.message), trap.hint);
}

/// A persistent volume in a container.
#[derive(Debug, Clone, Copy)]
struct Mount<'a> {
    name: &'a str,
    path: &'a str,
    has_sub_path: bool,
}

struct Trap<'a> {
    mount: Mount<'a>,
    message: String,
    hint: String,
}

fn trap<'a>(container: &Value, mounts: &[Mount<'a>]) -> Option<Trap<'a>> {
    let data = data_directory(container)?;
    let below = format!("set `PGDATA` to a directory below the mount, such as `{OLD_DATA}/pgdata`");
    if let Some(&mount) = mounts.iter().find(|mount| mount.path == data && !mount.has_sub_path) {
        let message =
            format!("keeps its data at the root of a volume, `{data}`, where `lost+found` makes initdb fail");
        return Some(Trap { mount, message, hint: below });
    }
    let on_volume = mounts.iter().any(|mount| is_within(&data, mount.path));
    let &mount = mounts.iter().find(|mount| is_within(mount.path, "/var/lib/postgresql") && !on_volume)?;
    let message = if mount.path == OLD_DATA {
        format!(
            "mounts a volume at `{OLD_DATA}`, which the images from version {FIRST_NEW} refuse: their data is in `{data}`"
        )
    } else {
        format!(
            "mounts a volume at `{}`, but keeps its data in `{data}`, which no restart survives",
            mount.path
        )
    };
    Some(Trap { mount, message, hint: below })
}

/// Where the server keeps its data; none if the image's version is not known and nothing else says it.
fn data_directory(container: &Value) -> Option<String> {
    let variables = container["env"].as_array();
    let set = variables.into_iter().flatten().find(|variable| variable["name"] == "PGDATA");
    if let Some(variable) = set {
        return variable["value"].as_str().map(|path| path.trim_end_matches('/').to_owned());
    }
    let version = major_version(container["image"].as_str()?)?;
    let new = format!("/var/lib/postgresql/{version}/docker");
    Some(if version < FIRST_NEW { OLD_DATA.to_owned() } else { new })
}

/// 18 of `postgis/postgis:18-3.4`.
fn major_version(image: &str) -> Option<u32> {
    let tag = Image::parse(image).tag?;
    let digits = tag.find(|letter: char| !letter.is_ascii_digit()).map_or(tag, |end| &tag[..end]);
    digits.parse().ok()
}

fn is_postgres(container: &Value) -> bool {
    let repository = container["image"].as_str().map(|image| Image::parse(image).repository);
    let name = repository.map(|repository| repository.rsplit('/').next().unwrap_or(repository));
    matches!(name, Some("postgres" | "postgis"))
}

/// The names of the volumes that outlive a pod.
fn persistent_volumes(object: &Value) -> Vec<&str> {
    let path = object["kind"].as_str().and_then(pod_path).unwrap_or_default();
    let pod = path.iter().fold(object, |value, key| &value[*key]);
    let volumes = pod["volumes"].as_array().into_iter().flatten();
    let claimed = volumes.filter(|volume| volume.get("persistentVolumeClaim").is_some());
    let templates = object["spec"]["volumeClaimTemplates"].as_array().into_iter().flatten();
    let names = claimed.map(|volume| &volume["name"]);
    names.chain(templates.map(|template| &template["metadata"]["name"])).filter_map(Value::as_str).collect()
}

fn mounts<'a>(container: &'a Value, volumes: &[&str]) -> Vec<Mount<'a>> {
    let list = container["volumeMounts"].as_array().into_iter().flatten();
    let mount = |mount: &'a Value| {
        Some(Mount {
            name: mount["name"].as_str()?,
            path: mount["mountPath"].as_str()?.trim_end_matches('/'),
            has_sub_path: mount.get("subPath").or(mount.get("subPathExpr")).is_some(),
        })
    };
    list.filter_map(mount).filter(|mount| volumes.contains(&mount.name)).collect()
}

fn is_within(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(image: &str, data: Option<&str>, mount: &str, sub_path: bool, expected: Option<&str>) {
        let env = data.map(|path| json!([{"name": "PGDATA", "value": path}]));
        let container = json!({"image": image, "env": env});
        let mounts = [Mount { name: "data", path: mount, has_sub_path: sub_path }];
        let found = trap(&container, &mounts).map(|trap| trap.message);
        assert_eq!(found.is_some(), expected.is_some(), "{image} {data:?} {mount}: {found:?}");
        let as_expected = expected.is_none_or(|expected| found.as_ref().unwrap().contains(expected));
        assert!(as_expected, "{image} {data:?} {mount}: {found:?}");
    }

    #[test]
    fn data_at_the_root_of_a_volume_is_a_trap() {
        let root = Some("`lost+found`");
        check("postgres:16", None, "/var/lib/postgresql/data", false, root);
        check(
            "postgis/postgis:18-3.4",
            Some("/var/lib/postgresql/data/"),
            "/var/lib/postgresql/data",
            false,
            root,
        );
        check("postgres:16", None, "/var/lib/postgresql/data", true, None);
    }

    #[test]
    fn the_old_mount_is_a_trap_from_version_18() {
        let old = "/var/lib/postgresql/data";
        check("postgres:18", None, old, false, Some("which the images from version 18 refuse"));
        check("registry:5000/mirror/postgres:18.1-alpine", None, old, false, Some("version 18"));
        check("postgres:18", Some("/var/lib/postgresql/data/pgdata"), old, false, None);
        check("postgres:18", None, "/var/lib/postgresql", false, None);
    }

    #[test]
    fn data_beside_the_volume_is_a_trap() {
        check("postgres:16", None, "/var/lib/postgresql/backup", false, Some("no restart survives"));
        check("postgres:16", None, "/backup", false, None);
    }

    #[test]
    fn an_unknown_version_says_nothing() {
        check("postgres:latest", None, "/var/lib/postgresql/data", false, None);
        check("postgres", None, "/var/lib/postgresql/data", false, None);
    }

    #[test]
    fn only_volumes_that_outlive_the_pod_count() {
        let object = json!({"kind": "StatefulSet", "spec": {
            "template": {"spec": {"volumes": [
                {"name": "scratch", "emptyDir": {}}, {"name": "kept", "persistentVolumeClaim": {"claimName": "x"}}]}},
            "volumeClaimTemplates": [{"metadata": {"name": "data"}}]}});
        assert_eq!(persistent_volumes(&object), ["kept", "data"]);
    }
}
