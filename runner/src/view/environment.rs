//! An environment as people and programs see it.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use windlass_core::name::{Commit, Digest, EnvironmentName, RunId};
use windlass_core::policy::gate::HoldKind;
use windlass_store::{Store, StoreError};

use crate::engine::Engine;
use crate::stop::Cause;

/// How an environment stands.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Environment)]
pub struct EnvironmentView {
    /// Its name.
    #[schema(value_type = String)]
    pub name: EnvironmentName,
    /// The pause or freeze, while somebody has stopped its runs. One whose time is over is still told.
    pub paused: Option<PauseView>,
    /// Why a person must look before anything automatic happens here.
    pub attention: Option<String>,
    /// Commits that it takes no more, because they failed here.
    pub barred: Vec<BarView>,
    /// The last release that was verified.
    pub verified: Option<ReleaseView>,
    /// The run that is at the cluster now.
    #[schema(value_type = Option<String>)]
    pub at_work: Option<RunId>,
}

/// A pause or freeze.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Pause)]
pub struct PauseView {
    /// `pause`: automatic runs wait; `freeze`: every run but a rollback.
    #[schema(value_type = String)]
    pub kind: HoldKind,
    /// Who paused.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Until when; null: until it is resumed.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Timestamp>,
}

/// A commit that failed.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Bar)]
pub struct BarView {
    /// Which.
    #[schema(value_type = String)]
    pub commit: Commit,
    /// The run that failed with it.
    #[schema(value_type = String)]
    pub run: RunId,
    /// Why.
    pub reason: String,
}

/// A release that was verified.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Release)]
pub struct ReleaseView {
    /// The run that made it.
    #[schema(value_type = String)]
    pub run: RunId,
    /// Its commit.
    #[schema(value_type = String)]
    pub commit: Commit,
    /// Its digest.
    #[schema(value_type = String)]
    pub digest: Digest,
}

impl EnvironmentView {
    /// Reads how one stands.
    pub async fn load(store: &Store, name: &EnvironmentName) -> Result<Self, StoreError> {
        let (row, bars, releases) =
            (store.environment(name).await?, store.bars(name).await?, store.releases(name).await?);
        let bars =
            bars.into_iter().map(|bar| BarView { commit: bar.commit, run: bar.run, reason: bar.reason });
        let verified = releases.into_iter().rfind(|release| release.verified);
        Ok(Self {
            name: row.name,
            paused: row.frozen.map(|freeze| PauseView {
                kind: freeze.kind,
                by: freeze.by,
                reason: freeze.reason,
                until: freeze.until,
            }),
            attention: row.attention,
            barred: bars.collect(),
            verified: verified.map(|release| ReleaseView {
                run: release.run,
                commit: release.commit,
                digest: release.digest,
            }),
            at_work: row.lease_run,
        })
    }

    /// Reads how all stand: those of the policy, and those that something was heard of.
    pub async fn all(engine: &Engine) -> Result<Vec<Self>, Cause> {
        let heard_of = engine.store.environments().await?.into_iter().map(|row| row.name);
        let control = engine.present_control()?;
        let names: BTreeSet<_> = control.environments.keys().cloned().chain(heard_of).collect();
        let mut views = Vec::with_capacity(names.len());
        for name in &names {
            views.push(Self::load(&engine.store, name).await?);
        }
        Ok(views)
    }
}
