//! Secrets: placeholders become values, in memory.
//!
//! Takes: an admitted release. Gives: the objects with their values, which cannot be printed. Touches: nothing but memory; the journal keeps
//! which keys were filled, never what with. May be repeated because values are looked up again. On failure: the run is refused, naming every
//! key that has no value, before anything is applied.

use std::collections::BTreeMap;

use futures::FutureExt as _;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use windlass_cluster::Cluster;
use windlass_core::name::{Digest, EnvironmentName};
use windlass_core::run::Stage;

use super::gate::Admitted;
use super::render::{ReleaseContent, Rendered};
use crate::engine::Engine;
use crate::run::Run;
use crate::secrets::{DigestKey, Sealed as SealedObjects};
use crate::stop::{Cause, Stop};

/// What the journal keeps of the sealing: for each `Secret/key` that was filled, a digest keyed by a salt that only the cluster has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretsRecord {
    /// `Secret/key` to the keyed digest of its value.
    pub filled: BTreeMap<String, Digest>,
}

/// A release with its values.
#[derive(Debug)]
pub struct Sealed {
    pub rendered: Rendered,
    pub record: SecretsRecord,
    /// The objects to apply; none when the journal says that they are applied already.
    pub objects: Option<SealedObjects>,
}

/// Performs the stage.
pub async fn seal(run: &mut Run, admitted: Admitted<Rendered>) -> Result<Sealed, Stop> {
    let Admitted(rendered) = admitted;
    let release = rendered.release.clone();
    let record = run
        .step(Stage::Secrets, Value::Null, move |run| {
            async move { Ok(fill_for(run, &release).await?.1) }.boxed()
        })
        .await?;
    // Values are not kept: a run that is taken up again before it has applied looks them up again.
    let objects =
        if run.has_ended(Stage::Apply) { None } else { Some(fill_for(run, &rendered.release).await?.0) };
    Ok(Sealed { rendered, record, objects })
}

/// Looks every value up and puts it in, for a run: what it learns, the run's texts are cleaned of.
pub async fn fill_for(
    run: &mut Run,
    release: &ReleaseContent,
) -> Result<(SealedObjects, SecretsRecord), Stop> {
    let cluster = run.cluster().await?;
    let filled = fill(&run.engine, &cluster, run.environment(), release).await?;
    run.learn(filled.0.values());
    Ok(filled)
}

/// Looks every value up and puts it in.
pub async fn fill(
    engine: &Engine,
    cluster: &Cluster,
    environment: &EnvironmentName,
    release: &ReleaseContent,
) -> Result<(SealedObjects, SecretsRecord), Stop> {
    let salt = cluster.digest_key().await?;
    let sources = engine.secret_sources(environment);
    let sealed = crate::secrets::seal(
        &release.objects(),
        &sources,
        engine.placeholder(),
        &DigestKey::new(*salt.expose_secret()),
    )
    .map_err(|missing| {
        let mut cause = Cause::new("secret_missing", crate::stop::chain(&missing));
        cause.hints.extend(missing.hint());
        Stop::Refuse(cause)
    })?;
    let filled = sealed.digests().iter().map(|value| (value.at.to_string(), value.digest.clone())).collect();
    Ok((sealed, SecretsRecord { filled }))
}
