//! Render: the overlay of a commit as objects.
//!
//! Takes: what the gate let pass. Gives: the release, by digest. Touches: the store (the release's content). May be repeated because the same
//! commit renders to the same bytes. On failure: the run is refused, with file and line.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::FutureExt as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use windlass_core::name::{Digest, RunId, ServiceName};
use windlass_core::object::{ObjectRef, ObjectView};
use windlass_core::policy::control::EnvironmentPolicy;
use windlass_core::run::Stage;

use super::gate::Gated;
use crate::run::Run;
use crate::stop::{Cause, Stop};

/// What the journal keeps of a render.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenderRecord {
    /// The release, by content.
    pub digest: Digest,
    /// How many objects it has.
    pub objects: usize,
    /// Services whose objects were taken over from the live release, because the gate did not let them pass.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub carried_over: BTreeSet<ServiceName>,
}

/// A release, ready to be admitted.
#[derive(Debug)]
pub struct Rendered {
    pub gated: Gated,
    pub record: RenderRecord,
    pub release: Arc<ReleaseContent>,
}

/// The content of a release as the store keeps it: objects with placeholders, never with values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReleaseContent {
    /// The objects in the order that kustomize prints them.
    pub objects: Vec<RenderedObject>,
}

/// An object and the files that made it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RenderedObject {
    /// The object.
    pub object: Value,
    /// Files of the repository.
    pub files: Vec<String>,
}

impl ReleaseContent {
    /// The objects alone.
    pub fn objects(&self) -> Vec<Value> {
        self.objects.iter().map(|rendered| rendered.object.clone()).collect()
    }

    /// The files that made an object.
    pub fn files_of(&self, reference: &ObjectRef) -> Vec<String> {
        let is_it = |rendered: &&RenderedObject| {
            ObjectRef::of(&rendered.object)
                .is_ok_and(|own| own.kind == reference.kind && own.name == reference.name)
        };
        self.objects.iter().find(is_it).map(|rendered| rendered.files.clone()).unwrap_or_default()
    }

    /// The files in which somebody would mend an object: manifests and patches; of one that only kustomizations make, those.
    pub fn sources_of(&self, reference: &ObjectRef) -> Vec<String> {
        let is_kustomization = |file: &String| {
            let name = file.rsplit('/').next().unwrap_or_default();
            name.eq_ignore_ascii_case("kustomization.yaml") || name.eq_ignore_ascii_case("kustomization.yml")
        };
        let (kustomizations, written): (Vec<_>, Vec<_>) =
            self.files_of(reference).into_iter().partition(is_kustomization);
        if written.is_empty() { kustomizations } else { written }
    }

    /// The bytes that are stored; their digest names the release.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("objects are plain data")
    }
}

/// Performs the stage.
pub async fn render(run: &mut Run, gated: Gated) -> Result<Rendered, Stop> {
    let services = gated.record.services.clone();
    let policy = gated.policy(run)?.clone();
    let record = match run.row().rollback_to {
        Some(target) => {
            run.step(Stage::Render, Value::Null, move |run| take_recorded(run, target).boxed()).await?
        }
        None => run.step(Stage::Render, Value::Null, move |run| build(run, policy, services).boxed()).await?,
    };
    let release = Arc::new(load(run, &record.digest).await?);
    Ok(Rendered { gated, record, release })
}

/// Reads a release back from the store.
pub async fn load(run: &Run, digest: &Digest) -> Result<ReleaseContent, Stop> {
    let bytes = run.engine.store.artefact(digest).await?;
    serde_json::from_slice(&bytes).map_err(|error| {
        Stop::Refuse(Cause::new(
            "release_unreadable",
            format!("release `{}` cannot be read: {error}", digest.short()),
        ))
    })
}

/// A rollback by hand renders nothing: it takes the recorded release.
async fn take_recorded(run: &mut Run, target: RunId) -> Result<RenderRecord, Stop> {
    let releases = run.engine.store.releases(run.environment()).await?;
    let release =
        releases.iter().find(|release| release.run == target && release.verified).ok_or_else(|| {
            Stop::Refuse(Cause::new(
                "no_release",
                format!("`{target}` has no verified release in `{}`", run.environment()),
            ))
        })?;
    let content = load(run, &release.digest).await?;
    Ok(RenderRecord {
        digest: release.digest.clone(),
        objects: content.objects.len(),
        carried_over: BTreeSet::new(),
    })
}

async fn build(
    run: &mut Run,
    policy: EnvironmentPolicy,
    passing: BTreeSet<ServiceName>,
) -> Result<RenderRecord, Stop> {
    let fresh = run.engine.render(run.environment(), &policy, run.commit()).map_err(Stop::Refuse)?;
    let held: BTreeSet<ServiceName> =
        policy.services.keys().filter(|name| !passing.contains(*name)).cloned().collect();
    let live = match run.engine.store.releases(run.environment()).await?.pop() {
        Some(release) if !held.is_empty() => load(run, &release.digest).await?.objects,
        _ => Vec::new(),
    };
    let content = compose(fresh, live, &held);
    if content.objects.is_empty() {
        return Err(Stop::Refuse(
            Cause::new("empty_release", format!("the overlay of `{}` renders no object", run.environment()))
                .with_hint("an empty set would remove everything: check `resources:` of the overlay"),
        ));
    }
    let digest = run.engine.store.put_artefact(&content.to_bytes()).await?;
    Ok(RenderRecord { digest, objects: content.objects.len(), carried_over: held })
}

/// Fresh objects, but for services that the gate holds: theirs stay as they are live. A release always covers the whole environment, so that
/// returning to it never leaves a part behind.
fn compose(
    fresh: Vec<RenderedObject>,
    live: Vec<RenderedObject>,
    held: &BTreeSet<ServiceName>,
) -> ReleaseContent {
    let is_held = |rendered: &RenderedObject| {
        service_of(&rendered.object).is_some_and(|name| held.iter().any(|held| held.as_str() == name))
    };
    let mut objects: Vec<_> = fresh.into_iter().filter(|rendered| !is_held(rendered)).collect();
    objects.extend(live.into_iter().filter(is_held));
    ReleaseContent { objects }
}

/// The service that owns an object, by the labels `app` or `app.kubernetes.io/name`.
pub fn service_of(object: &Value) -> Option<&str> {
    let view = ObjectView::new(object);
    view.label("app").or_else(|| view.label("app.kubernetes.io/name"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(name: &str, service: Option<&str>, version: u32) -> RenderedObject {
        let labels = service.map_or(json!({}), |service| json!({"app": service}));
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}, "data": {"v": version}});
        RenderedObject { object, files: Vec::new() }
    }

    #[test]
    fn a_held_service_stays_as_it_is_live() {
        let fresh = vec![object("a", Some("a"), 2), object("b", Some("b"), 2), object("shared", None, 2)];
        let live = vec![object("a", Some("a"), 1), object("b", Some("b"), 1), object("b-old", Some("b"), 1)];
        let held = BTreeSet::from(["b".parse().unwrap()]);
        let expected = vec![
            object("a", Some("a"), 2),
            object("shared", None, 2),
            object("b", Some("b"), 1),
            object("b-old", Some("b"), 1),
        ];
        assert_eq!(compose(fresh, live, &held).objects, expected);
    }
}
