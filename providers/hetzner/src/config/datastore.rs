//! `datastore`: where the cluster keeps its state.

use super::block::{Presence, block, preset, unset};
use super::scan::{Scan, whole};
use super::secret::Secret;

/// Where the cluster keeps its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatastoreMode {
    /// In etcd on the masters.
    Etcd,
    /// In a database elsewhere.
    External,
}

const MODES: [(&str, DatastoreMode); 2] =
    [("etcd", DatastoreMode::Etcd), ("external", DatastoreMode::External)];

block! {
    /// Where the cluster keeps its state.
    pub struct Datastore {
        /// `etcd` on the masters, or `external`.
        mode: DatastoreMode = |scan, node, what| scan.choice(node, what, &MODES), preset("etcd", "external");
        /// The address of an external database, with its credentials.
        external_datastore_endpoint: Option<Secret> = Scan::secret, unset("postgres://k3s@db.example.com/k3s");
        /// Snapshots of etcd.
        etcd: Etcd = Etcd::read, Presence::Block(Etcd::TABLE);
    }
}

block! {
    /// Snapshots of etcd, and an S3 storage for them. What is empty of `s3_` is taken from `ETCD_S3_ENDPOINT`, `ETCD_S3_REGION`,
    /// `ETCD_S3_BUCKET`, `ETCD_S3_ACCESS_KEY` and `ETCD_S3_SECRET_KEY`.
    pub struct Etcd {
        /// How many snapshots are kept.
        snapshot_retention: u32 = whole(0, 100_000), preset("24", "48");
        /// When one is taken: five fields of cron.
        snapshot_schedule_cron: String = Scan::text, preset("\"0 * * * *\"", "\"0 */6 * * *\"");
        /// Whether snapshots also go to an S3 storage.
        s3_enabled: bool = Scan::truth, preset("false", "true");
        /// The storage's host.
        s3_endpoint: Option<String> = Scan::maybe_text, preset("\"\"", "s3.example.com");
        /// The storage's region.
        s3_region: Option<String> = Scan::maybe_text, preset("\"\"", "eu-central");
        /// The bucket.
        s3_bucket: Option<String> = Scan::maybe_text, preset("\"\"", "snapshots");
        /// The folder in the bucket.
        s3_folder: Option<String> = Scan::maybe_text, preset("\"\"", "shop");
        /// The access key. Better kept in the environment.
        s3_access_key: Option<Secret> = Scan::secret, preset("\"\"", "AKIAEXAMPLE");
        /// The secret key. Better kept in the environment.
        s3_secret_key: Option<Secret> = Scan::secret, preset("\"\"", "example");
        /// Whether the bucket is named in the path instead of the host.
        s3_force_path_style: bool = Scan::truth, preset("false", "true");
    }
}
