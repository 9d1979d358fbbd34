//! Bringing a database to the schema of this program: each migration in one transaction with the version it leads to.

use std::path::Path;

use sqlx::sqlite::{SqliteConnection, SqlitePool};

use crate::error::StoreError;

/// The schema's history; the position in the list, from one, is the version.
const MIGRATIONS: [&str; 4] = [
    include_str!("../migrations/0001_initial.sql"),
    include_str!("../migrations/0002_freeze_kind.sql"),
    include_str!("../migrations/0003_changes.sql"),
    include_str!("../migrations/0004_cluster_runs.sql"),
];

const META: &str = "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT";
const VERSION: &str = "SELECT value FROM meta WHERE name = 'schema_version'";
const SET_VERSION: &str = "INSERT INTO meta (name, value) VALUES ('schema_version', ?1)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value";

/// Applies what is missing, or refuses a database that a newer program has written.
pub(crate) async fn migrate(writer: &SqlitePool, dir: &Path) -> Result<(), StoreError> {
    let mut writing = writer.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::query(META).execute(&mut *writing).await?;
    let found = version(&mut writing).await?;
    writing.commit().await?;

    let known = u32::try_from(MIGRATIONS.len()).expect("migrations are written by hand");
    if found > known {
        return Err(StoreError::SchemaTooNew { path: dir.to_owned(), found, known });
    }
    for (target, migration) in (1..).zip(MIGRATIONS).skip_while(|(target, _)| *target <= found) {
        let mut writing = writer.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::raw_sql(migration).execute(&mut *writing).await?;
        sqlx::query(SET_VERSION).bind(target.to_string()).execute(&mut *writing).await?;
        writing.commit().await?;
        tracing::debug!(version = target, "brought the store to a newer schema");
    }
    Ok(())
}

async fn version(connection: &mut SqliteConnection) -> Result<u32, StoreError> {
    let found: Option<String> = sqlx::query_scalar(VERSION).fetch_optional(connection).await?;
    let Some(value) = found else { return Ok(0) };
    value.parse().map_err(|_| StoreError::Corrupt { what: "schema version", value })
}

#[cfg(test)]
mod tests {
    use super::MIGRATIONS;
    use crate::{Store, StoreError};

    #[tokio::test]
    async fn a_newer_schema_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).await.unwrap();
        sqlx::query(super::SET_VERSION).bind("99").execute(store.writer()).await.unwrap();
        store.close().await;

        let refused = Store::open(dir.path()).await.unwrap_err();
        assert!(matches!(refused, StoreError::SchemaTooNew { found: 99, known: 4, .. }), "{refused:?}");
    }

    #[tokio::test]
    async fn opening_again_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        for _ in 0..3 {
            let store = Store::open(dir.path()).await.unwrap();
            let version: String =
                sqlx::query_scalar(super::VERSION).fetch_one(store.readers()).await.unwrap();
            assert_eq!(version, MIGRATIONS.len().to_string());
            store.close().await;
        }
    }
}
