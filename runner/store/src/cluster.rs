//! The clusters that runs have made, and the way into each, sealed.

use jiff::Timestamp;
use serde_json::json;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use windlass_core::name::{ClusterName, EnvironmentName, ProviderName, RunId};
use windlass_core::provider::Kubeconfig;

use crate::audit::RUNNER;
use crate::cells::{Cells, integer, micros};
use crate::edit::Edit;
use crate::error::StoreError;
use crate::key::Key;
use crate::seal;
use crate::store::Store;

/// A cluster with the way into it, as a run publishes it for its environment.
#[derive(Debug, Clone)]
pub struct ClusterToPublish {
    /// Who made it.
    pub provider: ProviderName,
    /// Its name.
    pub name: ClusterName,
    /// What its API server calls itself, where that is known.
    pub version: Option<String>,
    /// The way into it.
    pub kubeconfig: Kubeconfig,
}

/// A cluster that a run has made. The way into it is [`Store::kubeconfig`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedCluster {
    /// Whose it is.
    pub environment: EnvironmentName,
    /// Who made it.
    pub provider: ProviderName,
    /// Its name.
    pub name: ClusterName,
    /// What its API server calls itself, where that is known.
    pub version: Option<String>,
    /// The run that published it.
    pub run: RunId,
    /// When.
    pub published_at: Timestamp,
}

const PURPOSE: &str = "kubeconfigs";

const PUBLISH: &str =
    "INSERT INTO clusters (environment, provider, name, version, kubeconfig, run, published_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
    ON CONFLICT (environment) DO UPDATE SET provider = excluded.provider, name = excluded.name,
    version = excluded.version, kubeconfig = excluded.kubeconfig, run = excluded.run,
    published_at = excluded.published_at";
const WITHDRAW: &str = "DELETE FROM clusters WHERE environment = ?1";
const ONE: &str = "SELECT * FROM clusters WHERE environment = ?1";
const ALL: &str = "SELECT * FROM clusters ORDER BY environment";

impl Store {
    /// The cluster that was published for an environment, if one was.
    pub async fn cluster(
        &self,
        environment: &EnvironmentName,
    ) -> Result<Option<PublishedCluster>, StoreError> {
        let row = sqlx::query(ONE).bind(environment.as_str()).fetch_optional(self.readers()).await?;
        row.as_ref().map(read_cluster).transpose()
    }

    /// Every published cluster, by environment.
    pub async fn clusters(&self) -> Result<Vec<PublishedCluster>, StoreError> {
        sqlx::query(ALL).fetch_all(self.readers()).await?.iter().map(read_cluster).collect()
    }

    /// The way into the cluster of an environment, if this is the cluster that was published for it.
    pub async fn kubeconfig(
        &self,
        environment: &EnvironmentName,
        provider: &ProviderName,
        name: &ClusterName,
    ) -> Result<Option<Kubeconfig>, StoreError> {
        let row = sqlx::query(ONE).bind(environment.as_str()).fetch_optional(self.readers()).await?;
        let Some(row) = row else { return Ok(None) };
        let published = read_cluster(&row)?;
        if published.provider != *provider || published.name != *name {
            return Ok(None);
        }
        let sealed = Cells(&row).bytes("kubeconfig")?;
        let opened = seal::open(self.key(), PURPOSE, &place(environment, provider, name), &sealed);
        let text = opened.and_then(|bytes| String::from_utf8(bytes).ok());
        let tampered = || StoreError::Corrupt { what: "a sealed kubeconfig", value: name.to_string() };
        text.map(|text| Some(Kubeconfig::new(text))).ok_or_else(tampered)
    }
}

/// Where a kubeconfig belongs: moved to the row of another environment it does not open.
fn place(environment: &EnvironmentName, provider: &ProviderName, name: &ClusterName) -> String {
    format!("{environment}/{provider}/{name}")
}

/// Keeps a cluster for the environment of the run. Part of a larger write.
pub(crate) async fn publish(
    connection: &mut SqliteConnection,
    key: &Key,
    edit: &mut Edit,
    wanted: &ClusterToPublish,
    now: Timestamp,
) -> Result<(), StoreError> {
    let ClusterToPublish { provider, name, version, kubeconfig } = wanted;
    let environment = &edit.run.environment;
    let place = place(environment, provider, name);
    sqlx::query(PUBLISH)
        .bind(environment.as_str())
        .bind(provider.as_str())
        .bind(name.as_str())
        .bind(version)
        .bind(seal::seal(key, PURPOSE, &place, kubeconfig.expose().as_bytes()))
        .bind(integer(edit.run.id.0))
        .bind(micros(now))
        .execute(connection)
        .await?;
    edit.note(
        RUNNER,
        "publish cluster",
        json!({ "provider": provider, "cluster": name, "version": version }),
    );
    Ok(())
}

/// Forgets the cluster of the run's environment. Part of a larger write.
pub(crate) async fn withdraw(connection: &mut SqliteConnection, edit: &mut Edit) -> Result<(), StoreError> {
    sqlx::query(WITHDRAW).bind(edit.run.environment.as_str()).execute(connection).await?;
    edit.note(RUNNER, "withdraw cluster", json!({}));
    Ok(())
}

fn read_cluster(row: &SqliteRow) -> Result<PublishedCluster, StoreError> {
    let cells = Cells(row);
    Ok(PublishedCluster {
        environment: cells.parsed("environment")?,
        provider: cells.parsed("provider")?,
        name: cells.parsed("name")?,
        version: cells.maybe_text("version")?,
        run: RunId(cells.number("run")?),
        published_at: cells.time("published_at")?,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;
    use windlass_core::run::{Outcome, RunKind, Stage, Step};

    use super::*;
    use crate::testing::{TTL, at, environment, event, new_run, open_leading, planned};
    use crate::{Change, Claim, InboxStatus, Leadership, NewRun, Reason};

    const CANARY: &str = "canary-token-5b1f";

    fn wanted(name: &str) -> ClusterToPublish {
        ClusterToPublish {
            provider: "hetzner".parse().unwrap(),
            name: name.parse().unwrap(),
            version: Some("v1.34.4".to_owned()),
            kubeconfig: Kubeconfig::new(format!("user: {{token: {CANARY}}} # {name}")),
        }
    }

    /// A cluster run that is about to end well.
    async fn publishing(store: &Store, leadership: &Leadership, id: &str) -> Claim {
        let run = NewRun { kind: RunKind::Cluster, ..new_run("dev") };
        let run = planned(store, id, run, 0).await;
        let mut claim = store.claim_run(leadership, run.id, at(1), TTL).await.unwrap().unwrap();
        let nothing = json!({});
        let pass = |stage| [Change::Begin(stage, &nothing), Change::Finish(stage, &nothing)];
        let prepare = [pass(Stage::Gate), pass(Stage::Plan)].concat();
        store.write_run(&mut claim, &prepare, at(1)).await.unwrap();
        store.advance(&mut claim, Step::Prepared, at(1)).await.unwrap();
        store.acquire_lease(&mut claim, 0, at(1), TTL).await.unwrap().expect("nobody has the lease");
        assert_eq!(claim.run.state, windlass_core::run::RunState::At(Stage::Ensure));
        let make = [pass(Stage::Ensure), pass(Stage::Verify), pass(Stage::Publish)].concat();
        store.write_run(&mut claim, &make, at(2)).await.unwrap();
        claim
    }

    #[tokio::test]
    async fn a_published_cluster_is_found_by_what_it_is_and_not_otherwise() {
        let (_dir, store, leadership) = open_leading().await;
        let (dev, hetzner) = (environment("dev"), "hetzner".parse().unwrap());
        assert_eq!(store.cluster(&dev).await.unwrap(), None);
        let mut claim = publishing(&store, &leadership, "1").await;
        for name in ["first", "second"] {
            store.write_run(&mut claim, &[Change::PublishCluster(&wanted(name))], at(3)).await.unwrap();
        }
        let published = store.clusters().await.unwrap();
        assert_eq!(published.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["second"]);
        assert_eq!((published[0].run, published[0].published_at), (claim.run.id, at(3)));
        let found = store.kubeconfig(&dev, &hetzner, &"second".parse().unwrap()).await.unwrap().unwrap();
        assert!(found.expose().contains(CANARY));
        let other = [(&hetzner, "first"), (&"podman".parse().unwrap(), "second")];
        for (provider, name) in other {
            let found = store.kubeconfig(&dev, provider, &name.parse().unwrap()).await.unwrap();
            assert!(found.is_none(), "{provider} {name}");
        }
        store.write_run(&mut claim, &[Change::WithdrawCluster], at(4)).await.unwrap();
        assert_eq!(store.cluster(&dev).await.unwrap(), None);
        assert_eq!(store.audit_verify(&dev).await.unwrap().broken_at, None);
    }

    #[tokio::test]
    async fn the_way_in_lies_sealed_and_opens_only_in_its_place() {
        let (dir, store, leadership) = open_leading().await;
        let mut claim = publishing(&store, &leadership, "1").await;
        store.write_run(&mut claim, &[Change::PublishCluster(&wanted("made"))], at(3)).await.unwrap();
        let moved = "UPDATE clusters SET name = 'other'";
        sqlx::query(moved).execute(store.writer()).await.unwrap();
        let (dev, hetzner) = (environment("dev"), "hetzner".parse().unwrap());
        let refused = store.kubeconfig(&dev, &hetzner, &"other".parse().unwrap()).await;
        assert!(matches!(refused, Err(StoreError::Corrupt { .. })), "{refused:?}");
        store.close().await;
        for entry in fs::read_dir(dir.path()).unwrap() {
            let path = entry.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            let is_open = bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes());
            assert!(!is_open, "{}", path.display());
        }
    }

    #[tokio::test]
    async fn the_end_of_a_run_and_its_event_are_one() {
        let (_dir, store, leadership) = open_leading().await;
        let mut claim = publishing(&store, &leadership, "1").await;
        let ready = event("r-1.cluster.ready");
        let end = |outcome| Change::End(outcome, Reason::new("test", "as the test wants it"));
        let refused =
            store.write_run(&mut claim, &[Change::Emit(&ready), end(Outcome::RolledBack)], at(3)).await;
        assert!(matches!(refused, Err(StoreError::Step(_))), "{refused:?}");
        assert_eq!(store.events(10).await.unwrap().len(), 1, "an event whose run does not end is not sent");
        store.write_run(&mut claim, &[end(Outcome::Verified), Change::Emit(&ready)], at(4)).await.unwrap();
        let emitted = store.events(1).await.unwrap().remove(0);
        assert_eq!((emitted.id, emitted.status), (Some(ready.id), InboxStatus::New));
    }

    #[tokio::test]
    async fn what_a_provider_tells_is_kept_with_the_attempt() {
        let (_dir, store, leadership) = open_leading().await;
        let mut claim = publishing(&store, &leadership, "1").await;
        let lines = ["network made".to_owned(), "3 servers run".to_owned()];
        let early = store.write_run(&mut claim, &[Change::Progress(Stage::Publish, &lines)], at(3)).await;
        assert!(matches!(early, Err(StoreError::NotBegun { .. })), "{early:?}");
        store.begin_stage(&mut claim, Stage::Publish, &json!({}), at(3)).await.unwrap();
        for told in [&lines[..1], &lines] {
            store.write_run(&mut claim, &[Change::Progress(Stage::Publish, told)], at(4)).await.unwrap();
        }
        let journal = store.journal(claim.run.id).await.unwrap();
        assert_eq!(journal.last().unwrap().progress, lines);
        assert!(journal[..journal.len() - 1].iter().all(|record| record.progress.is_empty()));
    }

    #[tokio::test]
    async fn runs_of_another_kind_are_not_superseded() {
        let (_dir, store, _leadership) = open_leading().await;
        let of_kind = |kind| NewRun { kind, ..new_run("dev") };
        let cluster = planned(&store, "1", of_kind(RunKind::Cluster), 0).await.id;
        planned(&store, "2", of_kind(RunKind::Deploy), 1).await;
        assert_eq!(store.run(cluster).await.unwrap().superseded_by, None);
        let newer = planned(&store, "3", of_kind(RunKind::Cluster), 2).await.id;
        assert_eq!(store.run(cluster).await.unwrap().superseded_by, Some(newer));
    }
}
