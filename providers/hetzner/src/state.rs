//! What the provider keeps of a cluster on disk: its secret, its kubeconfig, and what was about to be made.
//!
//! Everything else is read from Hetzner and from the cluster itself each time.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use secrecy::ExposeSecret as _;
use windlass_core::provider::Kubeconfig;

use crate::intents::{Intent, Intents};
use crate::keys::ClusterSecret;

/// The folder of a cluster could not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StateError {
    /// Somebody else works on the cluster.
    #[error("another process works on the cluster: it holds `{}`", .0.display())]
    Busy(PathBuf),
    /// A file cannot be read or written.
    #[error("`{}` cannot be used", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The secret is not what was written.
    #[error("`{}` does not hold the secret of a cluster", .0.display())]
    Damaged(PathBuf),
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    Random(#[source] getrandom::Error),
}

/// The folder of a cluster, and the right to work on it, until it is dropped.
#[derive(Debug)]
pub(crate) struct State {
    folder: PathBuf,
    pub(crate) secret: ClusterSecret,
    /// Whether the secret was made just now, and is not kept yet: what runs already cannot have been made with it.
    pub(crate) is_new: bool,
    pub(crate) intents: Intents,
    pub(crate) open: Vec<Intent>,
    _lock: File,
}

impl State {
    /// Opens the folder of a cluster, which is made if it is not there.
    pub(crate) fn open(data: &Path, cluster: &str) -> Result<Self, StateError> {
        let folder = data.join(cluster);
        let about = |file: &Path| {
            let file = file.to_owned();
            move |source| StateError::File { file, source }
        };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(about(&folder))?;
        let lock = lock(&folder.join("lock"))?;
        let (secret, is_new) = secret(&folder.join("secret"))?;
        let file = folder.join("intents");
        let (intents, open) = Intents::open(&file).map_err(about(&file))?;
        Ok(Self { folder, secret, is_new, intents, open, _lock: lock })
    }

    /// Whether this is the way into the cluster that was handed out.
    pub(crate) fn has_published(&self, kubeconfig: &Kubeconfig) -> Result<bool, StateError> {
        let published = read(&kubeconfig_file(&self.folder))?;
        Ok(published.is_some_and(|published| published.expose() == kubeconfig.expose()))
    }

    /// Hands out the way into the cluster: whole, or as it was.
    pub(crate) fn publish(&self, kubeconfig: &Kubeconfig) -> Result<(), StateError> {
        let file = kubeconfig_file(&self.folder);
        write(&file, kubeconfig.expose().as_bytes()).map_err(|source| StateError::File { file, source })
    }

    /// Writes a new secret down. Only then may anything be made with it.
    pub(crate) fn keep(&self) -> Result<(), StateError> {
        if !self.is_new {
            return Ok(());
        }
        let file = self.folder.join("secret");
        write(&file, self.secret.text().expose_secret().as_bytes())
            .map_err(|source| StateError::File { file, source })
    }

    /// Writes down that the cluster is being removed: from now on nothing that is left of it is no surprise.
    pub(crate) fn begin_removal(&self) -> Result<(), StateError> {
        let file = removal_file(&self.folder);
        write(&file, b"").map_err(|source| StateError::File { file, source })
    }

    /// Whether a removal of the cluster has begun.
    pub(crate) fn is_being_removed(&self) -> bool {
        removal_file(&self.folder).exists()
    }

    /// Whether a way into the cluster was handed out.
    pub(crate) fn is_published(&self) -> bool {
        kubeconfig_file(&self.folder).exists()
    }

    /// Where all this is kept.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Forgets the cluster.
    pub(crate) fn forget(self) -> Result<(), StateError> {
        let folder = self.folder.clone();
        fs::remove_dir_all(&folder).map_err(|source| StateError::File { file: folder, source })
    }
}

/// Whether anything is kept of a cluster.
pub(crate) fn is_known(data: &Path, cluster: &str) -> bool {
    data.join(cluster).join("secret").exists()
}

/// The way into a cluster, if it was handed out.
pub(crate) fn published(data: &Path, cluster: &str) -> Result<Option<Kubeconfig>, StateError> {
    read(&kubeconfig_file(&data.join(cluster)))
}

fn read(file: &Path) -> Result<Option<Kubeconfig>, StateError> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(Kubeconfig::new(text))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StateError::File { file: file.to_owned(), source }),
    }
}

fn kubeconfig_file(folder: &Path) -> PathBuf {
    folder.join("kubeconfig")
}

fn removal_file(folder: &Path) -> PathBuf {
    folder.join("removal")
}

/// The lock goes with the process, so that a crash leaves none behind.
fn lock(file: &Path) -> Result<File, StateError> {
    let about = |source| StateError::File { file: file.to_owned(), source };
    let opened =
        OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(file).map_err(about)?;
    match opened.try_lock() {
        Ok(()) => Ok(opened),
        Err(TryLockError::WouldBlock) => Err(StateError::Busy(file.to_owned())),
        Err(TryLockError::Error(source)) => Err(about(source)),
    }
}

fn secret(file: &Path) -> Result<(ClusterSecret, bool), StateError> {
    let about = |source| StateError::File { file: file.to_owned(), source };
    match fs::read_to_string(file) {
        Ok(text) => {
            let secret = ClusterSecret::parse(&text).ok_or_else(|| StateError::Damaged(file.to_owned()))?;
            Ok((secret, false))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let secret = ClusterSecret::generate().map_err(StateError::Random)?;
            Ok((secret, true))
        }
        Err(error) => Err(about(error)),
    }
}

/// Writes a file beside, syncs it, and puts it in place: a reader sees the old one or the new one.
fn write(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = file.with_extension("new");
    let mut written = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&beside)?;
    written.write_all(bytes)?;
    written.sync_all()?;
    fs::rename(&beside, file)?;
    File::open(file.parent().expect("a file of the provider is in a folder"))?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn one_process_works_on_a_cluster() {
        let data = tempfile::tempdir().unwrap();
        let _first = State::open(data.path(), "dev").unwrap();
        assert!(matches!(State::open(data.path(), "dev"), Err(StateError::Busy(_))));
        assert!(State::open(data.path(), "prod").is_ok());
    }

    #[test]
    fn a_secret_is_new_until_it_is_kept() {
        let data = tempfile::tempdir().unwrap();
        drop(State::open(data.path(), "dev").unwrap());
        let state = State::open(data.path(), "dev").unwrap();
        assert!(state.is_new && !is_known(data.path(), "dev"));
        state.keep().unwrap();
        let kept = state.secret.text().expose_secret().to_owned();
        drop(state);
        let state = State::open(data.path(), "dev").unwrap();
        assert!(!state.is_new && is_known(data.path(), "dev"));
        assert_eq!(state.secret.text().expose_secret(), kept);
    }

    #[test]
    fn what_is_kept_is_for_its_owner_only() {
        let data = tempfile::tempdir().unwrap();
        let state = State::open(data.path(), "dev").unwrap();
        state.keep().unwrap();
        state.publish(&Kubeconfig::new("canary")).unwrap();
        for file in fs::read_dir(data.path().join("dev")).unwrap() {
            let file = file.unwrap();
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0, "{:?}", file.path());
        }
        assert_eq!(published(data.path(), "dev").unwrap().unwrap().expose(), "canary");
    }

    #[test]
    fn a_cluster_that_is_forgotten_leaves_nothing() {
        let data = tempfile::tempdir().unwrap();
        State::open(data.path(), "dev").unwrap().forget().unwrap();
        assert_eq!(fs::read_dir(data.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_damaged_secret_is_not_replaced() {
        let data = tempfile::tempdir().unwrap();
        State::open(data.path(), "dev").unwrap().keep().unwrap();
        fs::write(data.path().join("dev/secret"), "gone").unwrap();
        assert!(matches!(State::open(data.path(), "dev"), Err(StateError::Damaged(_))));
    }
}
