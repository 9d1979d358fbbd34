//! An environment's cluster: does it answer, do the clocks agree, may windlass do there what it does, is there what the overlay names?

use std::collections::BTreeSet;

use jiff::SignedDuration;
use windlass_cluster::{Cluster, Right};
use windlass_core::name::{Commit, EnvironmentName};
use windlass_core::object::{ObjectRef, ObjectView};

use super::{Part, Verdict};
use crate::engine::Engine;
use crate::stages::render::RenderedObject;
use crate::stop::{Stop, cluster_cause};

/// Clocks that differ by more make the times of events and of leases misleading; the answer's own time is to the second.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_secs(5);

/// What windlass does to every object of a release.
const ON_RELEASE: [&str; 6] = ["get", "list", "watch", "create", "patch", "delete"];

/// Looks at the cluster; what is behind a way that is closed is not looked at.
pub(super) async fn examine(
    engine: &Engine,
    environment: &EnvironmentName,
    commit: &Commit,
    objects: &[RenderedObject],
    part: &mut Part,
) {
    let cluster = match engine.connect(environment, commit).await.map_err(Stop::into_cause) {
        Ok(cluster) => cluster,
        Err(cause) => return part.cause("cluster", Verdict::Failed, &cause),
    };
    part.ok(
        "cluster",
        format!("{} at {}, namespace {}", cluster.version(), cluster.server(), cluster.default_namespace()),
    );
    clock(engine, &cluster, part).await;
    rights(&cluster, objects, part).await;
    storage_classes(&cluster, objects, part).await;
    marker(engine, environment, &cluster, part).await;
}

async fn clock(engine: &Engine, cluster: &Cluster, part: &mut Part) {
    let Ok(Some(theirs)) = cluster.server_time().await else { return };
    let ahead = engine.now().duration_since(theirs);
    if ahead.abs() <= CLOCK_TOLERANCE {
        return part.ok("clock", "agrees with the API server's");
    }
    let word = if ahead.is_negative() { "behind" } else { "ahead of" };
    let found = format!("this machine's clock is {} s {word} the API server's", ahead.abs().as_secs());
    part.warn("clock", found, "set the clocks by NTP: `timedatectl set-ntp true`");
}

/// The rights that a deploy of these objects needs, beside what windlass keeps for itself: its key and its marker.
fn needed(objects: &[RenderedObject]) -> BTreeSet<Right> {
    let mut rights = BTreeSet::new();
    for reference in objects.iter().filter_map(|rendered| ObjectRef::of(&rendered.object).ok()) {
        rights.extend(ON_RELEASE.map(|verb| Right {
            verb,
            api_version: reference.api_version.clone(),
            kind: reference.kind.clone(),
            part: None,
            namespace: reference.namespace.clone(),
        }));
    }
    let own = |verb, api_version: &str, kind: &str, part| Right {
        verb,
        api_version: api_version.to_owned(),
        kind: kind.to_owned(),
        part,
        namespace: None,
    };
    rights.extend(["get", "list", "watch", "create", "delete"].map(|verb| own(verb, "v1", "Pod", None)));
    rights.extend(["list", "watch"].map(|verb| own(verb, "v1", "Event", None)));
    rights.insert(own("get", "v1", "Pod", Some("log")));
    rights.extend(["get", "create"].map(|verb| own(verb, "v1", "Secret", None)));
    rights.extend(["get", "create", "update"].map(|verb| own(verb, "v1", "ConfigMap", None)));
    rights
}

async fn rights(cluster: &Cluster, objects: &[RenderedObject], part: &mut Part) {
    let (needed, mut missing) = (needed(objects), Vec::new());
    let asked = needed.len();
    for right in needed {
        match cluster.may(&right).await {
            Ok(true) => {}
            Ok(false) => missing.push(in_words(&right)),
            // A kind that comes with the release is not known yet.
            Err(error) if error.failure() == windlass_core::failure::ClusterFailure::UnknownKind => {}
            Err(error) => return part.cause("rights", Verdict::Failed, &cluster_cause(&error)),
        }
    }
    if missing.is_empty() {
        return part.ok("rights", format!("all {asked} that a deploy needs"));
    }
    let fix = format!(
        "give the account a role with them, and see what it has: `kubectl auth can-i --list --namespace {}`",
        cluster.default_namespace()
    );
    part.fail("rights", format!("may not {}", missing.join(", ")), fix);
}

fn in_words(right: &Right) -> String {
    let kind = right.part.map_or_else(|| right.kind.clone(), |part| format!("{}/{part}", right.kind));
    let place = right.namespace.as_ref().map_or_else(String::new, |namespace| format!(" in {namespace}"));
    format!("{} {kind}{place}", right.verb)
}

/// The storage classes that the overlay names and does not bring itself.
async fn storage_classes(cluster: &Cluster, objects: &[RenderedObject], part: &mut Part) {
    let views = || objects.iter().map(|rendered| ObjectView::new(&rendered.object));
    let brought: BTreeSet<_> =
        views().filter(|view| view.kind() == "StorageClass").map(ObjectView::name).collect();
    let claims = views().flat_map(|view| {
        let templates = view.list("/spec/volumeClaimTemplates").iter().map(ObjectView::new);
        templates.chain(Some(view).filter(|view| view.kind() == "PersistentVolumeClaim")).collect::<Vec<_>>()
    });
    let named: BTreeSet<_> = claims.filter_map(|claim| claim.text("/spec/storageClassName")).collect();
    for class in named.difference(&brought) {
        match cluster.has_storage_class(class).await {
            Ok(true) => part.ok("storage", format!("class {class}")),
            Ok(false) => {
                let found = format!("there is no storage class `{class}`, which the overlay names");
                part.fail("storage", found, "see which there are: `kubectl get storageclass`");
            }
            Err(error) => part.cause("storage", Verdict::Warning, &cluster_cause(&error)),
        }
    }
}

/// What the cluster says was applied there last, beside what is remembered here.
async fn marker(engine: &Engine, environment: &EnvironmentName, cluster: &Cluster, part: &mut Part) {
    let marker = match cluster.read_marker(environment).await {
        Ok(marker) => marker.map(|(marker, _)| marker),
        Err(error) => return part.cause("release", Verdict::Failed, &cluster_cause(&error)),
    };
    let known = engine.store.releases(environment).await.unwrap_or_default();
    match marker {
        None => part.ok("release", "nothing was deployed here by windlass yet"),
        Some(marker) if known.iter().any(|release| release.digest == marker.release) => {
            part.ok("release", format!("{} of {}", marker.release.short(), marker.run));
        }
        Some(marker) => part.warn(
            "release",
            format!("{} was applied by another data directory", marker.release.short()),
            format!("use that one, or take the environment over with `windlass deploy -e {environment}`"),
        ),
    }
}
