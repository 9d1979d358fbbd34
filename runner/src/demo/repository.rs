//! A Git repository that is written without `git`.

use std::collections::BTreeMap;
use std::path::Path;

use gix::bstr::BString;
use gix::objs::Tree;
use gix::objs::tree::{Entry, EntryKind};
use gix::{ObjectId, Repository, ThreadSafeRepository};
use windlass_core::name::Commit;

use crate::skeleton::Files;

/// Who writes the commits.
const AUTHOR: (&str, &str) = ("Ada", "ada@example.org");

/// A bare repository in the making.
#[derive(Debug)]
pub(super) struct DemoRepository {
    repository: Repository,
    /// Seconds since 1970, as Git writes a time.
    time: String,
}

impl DemoRepository {
    /// Makes an empty repository at `path`, whose commits all bear this time.
    pub(super) fn create(path: &Path, seconds: i64) -> gix::Result<Self> {
        let kind = gix::create::Kind::Bare;
        let options = gix::open::Options::isolated();
        let repository =
            ThreadSafeRepository::init_opts(path, kind, gix::create::Options::default(), options)?;
        Ok(Self { repository: repository.to_thread_local(), time: format!("{seconds} +0000") })
    }

    /// Commits `files`, and nothing else, to a branch.
    pub(super) fn commit(
        &self,
        branch: &str,
        subject: &str,
        files: &Files,
        parent: Option<&Commit>,
    ) -> gix::Result<Commit> {
        let paths = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let tree = self.tree(&paths)?;
        let parent = parent.map(|commit| {
            ObjectId::from_hex(commit.as_str().as_bytes()).expect("a commit of this repository is an id")
        });
        let author =
            gix::actor::SignatureRef { name: AUTHOR.0.into(), email: AUTHOR.1.into(), time: &self.time };
        let reference = format!("refs/heads/{branch}");
        let commit = self.repository.commit_as(author, author, reference.as_str(), subject, tree, parent)?;
        Ok(Commit::new(commit.to_string()))
    }

    /// Lets a second branch begin at a commit.
    pub(super) fn branch(&self, name: &str, commit: &Commit) -> gix::Result<()> {
        let id =
            ObjectId::from_hex(commit.as_str().as_bytes()).expect("a commit of this repository is an id");
        let reference = format!("refs/heads/{name}");
        let committer =
            gix::actor::SignatureRef { name: AUTHOR.0.into(), email: AUTHOR.1.into(), time: &self.time };
        let edit = gix::refs::transaction::RefEdit::update(
            reference.as_str().try_into().expect("a plain word makes a reference"),
            id,
            gix::refs::transaction::PreviousValue::MustNotExist,
            format!("branch: created {name}"),
        );
        self.repository.edit_references_as(Some(edit), Some(committer))?;
        Ok(())
    }

    /// Writes the tree of these paths, folders by folders.
    fn tree(&self, paths: &BTreeMap<&str, &str>) -> gix::Result<ObjectId> {
        let mut entries = Vec::new();
        let mut folders: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
        for (path, text) in paths {
            if let Some((folder, rest)) = path.split_once('/') {
                folders.entry(folder).or_default().insert(rest, text);
            } else {
                entries.push(entry(EntryKind::Blob, path, self.repository.write_blob(text)?.detach()));
            }
        }
        for (folder, paths) in &folders {
            entries.push(entry(EntryKind::Tree, folder, self.tree(paths)?));
        }
        // Git's own order, in which a folder is compared as if its name ended in a slash.
        entries.sort();
        Ok(self.repository.write_object(&Tree { entries })?.detach())
    }
}

fn entry(kind: EntryKind, name: &str, oid: ObjectId) -> Entry {
    Entry { mode: kind.into(), filename: BString::from(name), oid }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sources::Source;

    #[test]
    fn what_is_committed_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shop.git");
        let repository = DemoRepository::create(&path, 1_700_000_000).unwrap();
        let files = |text: &str| {
            let pairs =
                [("infra/a/b.yaml", text), ("infra/a.yaml", "2"), ("infra/a-b/c.yaml", "3"), ("z", "4")];
            pairs.map(|(path, text)| (path.to_owned(), text.to_owned())).into()
        };
        let first = repository.commit("dev", "Start", &files("1"), None).unwrap();
        repository.branch("main", &first).unwrap();
        let second = repository.commit("dev", "Go on", &files("one"), Some(&first)).unwrap();

        let source = Source::open(&path, Path::new("infra")).unwrap();
        assert_eq!(source.resolve(Some("dev")).unwrap(), second);
        assert_eq!(source.resolve(None).unwrap(), first);
        assert!(source.is_ancestor(&first, &second).unwrap());
        let read = |path: &str| source.tree(&second).unwrap().file(path).unwrap().map(|bytes| bytes.to_vec());
        assert_eq!(read("infra/a/b.yaml"), Some(b"one".to_vec()));
        assert_eq!(read("infra/a-b/c.yaml"), Some(b"3".to_vec()));
        let changed = source.changed_files(Some(&first), &second).unwrap();
        assert_eq!(changed.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(), ["infra/a/b.yaml"]);
        assert_eq!(source.summary(&second).unwrap().subject, "Go on");
    }
}
