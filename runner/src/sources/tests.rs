//! Sources over repositories that the `git` command makes.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;
use windlass_core::name::Commit;
use windlass_kustomize::{EntryKind, FileTree as _};

use super::*;

/// A repository in a folder that goes away with it.
pub(super) struct Sandbox {
    folder: TempDir,
}

impl Sandbox {
    /// An empty folder.
    pub(super) fn folder() -> Self {
        Self { folder: TempDir::new().unwrap() }
    }

    /// A repository on branch `main` without a commit.
    pub(super) fn repository() -> Self {
        let sandbox = Self::folder();
        sandbox.git(&["init", "--quiet", "--initial-branch=main"]);
        sandbox
    }

    pub(super) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(super) fn git(&self, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .args([
                "-c",
                "user.name=Ada",
                "-c",
                "user.email=ada@example.org",
                "-c",
                "protocol.file.allow=always",
            ])
            .args(arguments)
            .current_dir(self.path())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("HOME", self.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    pub(super) fn write(&self, path: &str, text: &str) {
        let place = self.path().join(path);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        fs::write(place, text).unwrap();
    }

    pub(super) fn link(&self, path: &str, target: &str) {
        symlink(target, self.path().join(path)).unwrap();
    }

    /// Commits everything and gives the id.
    pub(super) fn commit(&self, message: &str) -> Commit {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]);
        Commit::new(self.git(&["rev-parse", "HEAD"]))
    }

    pub(super) fn open(&self) -> Source {
        Source::open(self.path(), Path::new("infra")).unwrap()
    }
}

/// A repository with one commit that has `infra/app.yaml`.
fn with_app() -> (Sandbox, Commit) {
    let sandbox = Sandbox::repository();
    sandbox.write("infra/app.yaml", "kind: A\n");
    let commit = sandbox.commit("Add the app");
    (sandbox, commit)
}

fn sketch(changed: &[ChangedFile]) -> String {
    let line = |file: &ChangedFile| {
        let sign = match file.kind {
            ChangeKind::Added => '+',
            ChangeKind::Modified => '~',
            ChangeKind::Deleted => '-',
        };
        format!("{sign}{}", file.path)
    };
    changed.iter().map(line).collect::<Vec<_>>().join(" ")
}

#[test]
fn every_name_of_a_commit_resolves() {
    let (sandbox, first) = with_app();
    sandbox.git(&["tag", "--annotate", "v1", "--message", "one"]);
    sandbox.git(&["branch", "release/1"]);
    let second = sandbox.commit("Second");
    let source = sandbox.open();
    for name in [
        "v1",
        "release/1",
        "refs/tags/v1",
        "heads/release/1",
        first.as_str(),
        &first.as_str()[..7],
        &first.as_str()[..7].to_uppercase(),
    ] {
        assert_eq!(source.resolve(Some(name)).unwrap(), first, "{name}");
    }
    for name in [None, Some("HEAD"), Some("@"), Some("main")] {
        assert_eq!(source.resolve(name).unwrap(), second, "{name:?}");
    }
}

#[test]
fn a_bare_clone_and_packed_objects_read_the_same() {
    let (sandbox, commit) = with_app();
    sandbox.git(&["clone", "--quiet", "--bare", ".", "bare.git"]);
    sandbox.git(&["-C", "bare.git", "gc", "--quiet"]);
    let bare = Source::open(&sandbox.path().join("bare.git"), Path::new("infra")).unwrap();
    assert_eq!(bare.resolve(Some("main")).unwrap(), commit);
    assert_eq!(bare.resolve(Some(&commit.as_str()[..8])).unwrap(), commit);
    assert_eq!(sketch(&bare.changed_files(None, &commit).unwrap()), "+infra/app.yaml");
    assert!(matches!(bare.resolve_work_tree(), Err(SourceError::NoWorkTree { .. })));
}

#[test]
fn a_linked_work_tree_has_its_own_head() {
    let (sandbox, _) = with_app();
    sandbox.git(&["worktree", "add", "--quiet", "-b", "side", "linked"]);
    sandbox.git(&["-C", "linked", "commit", "--quiet", "--allow-empty", "--message", "On the side"]);
    let side = Commit::new(sandbox.git(&["rev-parse", "side"]));
    let source = Source::open(&sandbox.path().join("linked"), Path::new("infra")).unwrap();
    assert_eq!(source.resolve(None).unwrap(), side);
}

#[test]
fn a_commit_made_after_opening_is_found() {
    let (sandbox, _) = with_app();
    let source = sandbox.open();
    let later = sandbox.commit("Later");
    sandbox.git(&["gc", "--quiet"]);
    assert_eq!(source.resolve(Some("main")).unwrap(), later);
    assert_eq!(source.summary(&later).unwrap().subject, "Later");
}

#[test]
fn texts_that_are_no_revision_never_reach_the_repository() {
    let (sandbox, _) = with_app();
    let folder = Sandbox::folder();
    folder.write("infra/app.yaml", "");
    for source in [sandbox.open(), folder.open()] {
        for text in ["", "-n", "--upload-pack=touch x", "main\n", "ma\0in", "\u{1b}[2J"] {
            let refused = source.resolve(Some(text)).unwrap_err();
            assert!(matches!(refused, SourceError::IllegalRevision { .. }), "{text:?}: {refused}");
            assert!(!refused.to_string().contains(char::is_control), "{refused:?}");
        }
    }
}

#[test]
fn unknown_names_say_how_to_see_the_known_ones() {
    let (sandbox, _) = with_app();
    let source = sandbox.open();
    for name in [
        "nowhere",
        "config",
        "description",
        "index",
        "objects",
        "info/exclude",
        "refs/heads",
        "abc",
        "0123456789",
        "main:infra",
        "HEAD~1",
        "../HEAD",
        ":/Add",
        "main@{upstream}",
        &"a".repeat(40),
        &"a".repeat(41),
    ] {
        let unknown = source.resolve(Some(name)).unwrap_err();
        assert!(matches!(unknown, SourceError::UnknownRevision { .. }), "{name}: {unknown:?}");
        assert!(unknown.hint().unwrap().contains("log --all"));
    }
    let tree = sandbox.git(&["rev-parse", "HEAD^{tree}"]);
    assert!(matches!(source.resolve(Some(&tree)), Err(SourceError::UnknownRevision { .. })));
}

#[test]
fn a_branch_named_like_a_commit_does_not_stand_for_it() {
    let (sandbox, first) = with_app();
    let second = sandbox.commit("Second");
    sandbox.git(&["update-ref", &format!("refs/heads/{first}"), second.as_str()]);
    let source = sandbox.open();
    assert_eq!(source.resolve(Some(first.as_str())).unwrap(), first);
    assert_eq!(source.resolve(Some(&format!("refs/heads/{first}"))).unwrap(), second);
}

#[test]
fn a_beginning_of_several_commits_is_ambiguous() {
    let (sandbox, _) = with_app();
    // Ids of four digits collide soon: commits are made by one fast import until two begin alike.
    let commit =
        |number| format!("commit refs/heads/many\ncommitter A <a@example.org> {number} +0000\ndata 0\n\n");
    let stream: String = (0..700).map(commit).collect();
    sandbox.write("stream", &stream);
    let output = Command::new("git")
        .args(["fast-import", "--quiet", "--force"])
        .current_dir(sandbox.path())
        .stdin(fs::File::open(sandbox.path().join("stream")).unwrap())
        .status();
    assert!(output.unwrap().success());
    let mut ids: Vec<_> = sandbox.git(&["rev-list", "many"]).lines().map(|id| id[..4].to_owned()).collect();
    ids.sort();
    let twice = ids.windows(2).find(|pair| pair[0] == pair[1]).expect("700 fixed commits hold such a pair")
        [0]
    .clone();
    assert!(matches!(sandbox.open().resolve(Some(&twice)), Err(SourceError::AmbiguousRevision { .. })));
}

#[test]
fn a_new_repository_has_no_commit() {
    let unborn = Sandbox::repository().open().resolve(None).unwrap_err();
    assert!(matches!(unborn, SourceError::NoCommit { .. }), "{unborn:?}");
}

#[test]
fn places_that_are_no_source_are_named() {
    let sandbox = Sandbox::folder();
    let missing = Source::open(&sandbox.path().join("nowhere"), Path::new("infra")).unwrap_err();
    assert!(matches!(missing, SourceError::NoSuchRepository { .. }), "{missing:?}");
    let empty = Source::open(sandbox.path(), Path::new("infra")).unwrap_err();
    assert!(matches!(empty, SourceError::NotASource { enclosing: None, .. }), "{empty:?}");
    let (repository, _) = with_app();
    let inside = Source::open(&repository.path().join("infra"), Path::new("infra")).unwrap_err();
    assert!(inside.hint().unwrap().contains("cd "), "{inside:?}");
    sandbox.write(".git/HEAD", "nonsense");
    let damaged = Source::open(sandbox.path(), Path::new("infra")).unwrap_err();
    assert!(matches!(damaged, SourceError::Unreadable { .. }), "{damaged:?}");
}

#[test]
fn changed_files_are_those_between_two_commits() {
    let (sandbox, first) = with_app();
    sandbox.write("infra/app.yaml", "kind: B\n");
    sandbox.write("infra/dev/patch.yaml", "x");
    sandbox.write("README.md", "hello");
    let second = sandbox.commit("Second");
    fs::remove_file(sandbox.path().join("infra/app.yaml")).unwrap();
    sandbox.write("infra/app.yaml/now-a-folder.yaml", "x");
    let third = sandbox.commit("Third");
    let source = sandbox.open();
    let check = |from: Option<&Commit>, to: &Commit, expected: &str| {
        assert_eq!(sketch(&source.changed_files(from, to).unwrap()), expected);
    };
    check(None, &first, "+infra/app.yaml");
    check(Some(&first), &second, "+README.md ~infra/app.yaml +infra/dev/patch.yaml");
    check(Some(&second), &first, "-README.md ~infra/app.yaml -infra/dev/patch.yaml");
    check(Some(&second), &second, "");
    check(Some(&second), &third, "-infra/app.yaml +infra/app.yaml/now-a-folder.yaml");
}

#[test]
fn a_mode_or_a_submodule_that_changes_is_a_change() {
    let (sandbox, first) = with_app();
    fs::set_permissions(sandbox.path().join("infra/app.yaml"), fs::Permissions::from_mode(0o755)).unwrap();
    let second = sandbox.commit("Executable");
    let (other, _) = with_app();
    sandbox.git(&["submodule", "--quiet", "add", &other.path().display().to_string(), "infra/vendor"]);
    let third = sandbox.commit("Submodule");
    let source = sandbox.open();
    assert_eq!(sketch(&source.changed_files(Some(&first), &second).unwrap()), "~infra/app.yaml");
    assert_eq!(sketch(&source.changed_files(Some(&second), &third).unwrap()), "+.gitmodules +infra/vendor");
}

#[test]
fn ancestors_are_found_through_merges() {
    let (sandbox, first) = with_app();
    sandbox.git(&["checkout", "--quiet", "-b", "side"]);
    let side = sandbox.commit("Side");
    sandbox.git(&["checkout", "--quiet", "main"]);
    let second = sandbox.commit("Second");
    let source = sandbox.open();
    assert!(source.is_ancestor(&first, &second).unwrap());
    assert!(source.is_ancestor(&second, &second).unwrap());
    assert!(!source.is_ancestor(&second, &first).unwrap());
    assert!(!source.is_ancestor(&side, &second).unwrap());
    sandbox.git(&["merge", "--quiet", "--no-edit", "side"]);
    let merged = source.resolve(None).unwrap();
    assert!(source.is_ancestor(&side, &merged).unwrap());
}

#[test]
fn a_shallow_clone_does_not_guess() {
    let (sandbox, first) = with_app();
    sandbox.commit("Second");
    let last = sandbox.commit("Third");
    let url = format!("file://{}", sandbox.path().display());
    sandbox.git(&["clone", "--quiet", "--depth=2", &url, "shallow"]);
    let source = Source::open(&sandbox.path().join("shallow"), Path::new("infra")).unwrap();
    let unknown = source.is_ancestor(&first, &last).unwrap_err();
    assert!(matches!(unknown, SourceError::UnknownRevision { .. }), "{unknown:?}");
    let unrelated = source.is_ancestor(&last, &source.resolve(Some(&last.as_str()[..9])).unwrap());
    assert!(unrelated.unwrap());
    let parent = Commit::new(sandbox.git(&["rev-parse", "HEAD~1"]));
    let ends = source.is_ancestor(&last, &parent).unwrap_err();
    assert!(matches!(ends, SourceError::ShallowHistory { .. }), "{ends:?}");
}

#[test]
fn a_summary_shows_author_and_subject_without_tricks() {
    let (sandbox, _) = with_app();
    let commit = sandbox.commit("Raise\u{1b}[2J memory\u{202e}\nof the database\n\nBecause.");
    let summary = sandbox.open().summary(&commit).unwrap();
    assert_eq!(summary.author.as_deref(), Some("Ada"));
    assert_eq!(summary.subject, "Raise [2J memory  of the database");
    assert!(summary.committed_at.is_some());
}

/// Both kinds of source over the same files.
fn both_trees(make: impl Fn(&Sandbox)) -> [(Sandbox, Tree); 2] {
    let (repository, folder) = (Sandbox::repository(), Sandbox::folder());
    make(&repository);
    make(&folder);
    repository.commit("All");
    [repository, folder].map(|sandbox| {
        let source = sandbox.open();
        let tree = source.tree(&source.resolve(None).unwrap()).unwrap();
        (sandbox, tree)
    })
}

fn text(tree: &Tree, path: &str) -> Option<String> {
    tree.file(path).unwrap().map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
}

#[test]
fn a_tree_reads_files_and_folders() {
    let make = |sandbox: &Sandbox| {
        sandbox.write("infra/base/app.yaml", "kind: A\n");
        sandbox.write("infra/empty.yaml", "");
        sandbox.write("infra/base-extra/x", "");
    };
    for (_sandbox, tree) in both_trees(make) {
        assert_eq!(text(&tree, "infra/base/app.yaml").as_deref(), Some("kind: A\n"));
        assert_eq!(text(&tree, "infra/empty.yaml").as_deref(), Some(""));
        assert_eq!(text(&tree, "infra/base"), None);
        assert_eq!(text(&tree, "infra/nothing"), None);
        assert_eq!(tree.folder("infra").unwrap().unwrap(), ["base", "base-extra", "empty.yaml"]);
        assert_eq!(tree.folder("").unwrap().unwrap(), ["infra"]);
        assert_eq!(tree.folder("infra/empty.yaml").unwrap(), None);
        assert_eq!(tree.locate("infra/base/").unwrap().unwrap().kind, EntryKind::Directory);
        assert_eq!(tree.locate("infra/empty.yaml").unwrap().unwrap().kind, EntryKind::File);
    }
}

#[test]
fn a_tree_follows_links_inside_and_names_those_that_leave() {
    let secret = tempfile::NamedTempFile::new().unwrap();
    let absolute = secret.path().display().to_string();
    let make = |sandbox: &Sandbox| {
        sandbox.write("infra/base/app.yaml", "kind: A\n");
        sandbox.link("infra/prod", "base");
        sandbox.link("infra/environ", "/proc/self/environ");
        sandbox.link("infra/absolute", &absolute);
        sandbox.link("infra/up", "../../../../../../etc/passwd");
        sandbox.link("infra/dangling", "nothing");
        sandbox.link("infra/circle", "circle");
    };
    for (_sandbox, tree) in both_trees(make) {
        assert_eq!(text(&tree, "infra/prod/app.yaml").as_deref(), Some("kind: A\n"));
        assert_eq!(tree.locate("infra/prod/app.yaml").unwrap().unwrap().path, "infra/base/app.yaml");
        assert_eq!(text(&tree, "infra/dangling"), None);
        for path in ["infra/environ", "infra/absolute", "infra/up"] {
            assert!(matches!(tree.file(path), Err(SourceError::LinkLeavesRepository { .. })), "{path}");
        }
        assert!(matches!(tree.file("infra/circle"), Err(SourceError::LinkCircle { .. })));
    }
}

#[test]
fn a_render_reads_what_the_tree_holds_and_hears_why_it_cannot() {
    let make = |sandbox: &Sandbox| {
        sandbox.write("infra/base/app.yaml", "kind: A\n");
        sandbox.link("infra/out", "/etc");
    };
    for (_sandbox, tree) in both_trees(make) {
        let tree: &dyn windlass_kustomize::FileTree = &tree;
        assert_eq!(tree.read("infra/base/app.yaml").unwrap(), b"kind: A\n");
        assert_eq!(tree.read("infra/base").unwrap_err().kind(), std::io::ErrorKind::NotFound);
        assert_eq!(tree.locate("infra/nothing").unwrap(), None);
        let refused = tree.locate("infra/out/passwd").unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the symbolic link `infra/out` leads out of the repository, to `/etc`"
        );
    }
}

#[test]
fn the_reference_tree_renders_the_same_from_a_commit_and_from_a_folder() {
    let reference = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let sandbox = Sandbox::repository();
    let copied =
        Command::new("cp").arg("-r").arg(reference.join("infra")).arg(sandbox.path()).status().unwrap();
    assert!(copied.success());
    let commit = sandbox.commit("Reference");
    let source = sandbox.open();
    let trees = [source.tree(&commit), source.tree(&source.resolve_work_tree().unwrap())];
    let render = |tree: &dyn windlass_kustomize::FileTree| {
        windlass_kustomize::build(tree, "infra/k8s/hetzner/prod", &windlass_kustomize::Options::default())
            .unwrap()
    };
    let expected = render(&windlass_kustomize::Directory::open(reference).unwrap());
    for tree in trees {
        let build = render(&tree.unwrap());
        assert_eq!(build.to_yaml(), expected.to_yaml());
        assert_eq!(build.files, expected.files);
    }
}

#[test]
fn a_submodule_is_refused_by_name() {
    let (sandbox, _) = with_app();
    let (other, _) = with_app();
    sandbox.git(&["submodule", "--quiet", "add", &other.path().display().to_string(), "infra/vendor"]);
    let commit = sandbox.commit("Submodule");
    let refused = sandbox.open().tree(&commit).unwrap().file("infra/vendor/infra/app.yaml").unwrap_err();
    assert!(matches!(&refused, SourceError::Submodule { path } if path == "infra/vendor"), "{refused:?}");
}

#[test]
fn a_pointer_of_large_file_storage_is_text() {
    let (sandbox, _) = with_app();
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n";
    sandbox.write(".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n");
    sandbox.write("infra/data.bin", pointer);
    sandbox.git(&["config", "filter.lfs.clean", "cat"]);
    let commit = sandbox.commit("Pointer");
    assert_eq!(text(&sandbox.open().tree(&commit).unwrap(), "infra/data.bin").as_deref(), Some(pointer));
}

#[test]
fn a_tree_does_not_change_under_a_run() {
    for sandbox in [with_app().0, Sandbox::folder()] {
        sandbox.write("infra/app.yaml", "kind: A\n");
        let source = sandbox.open();
        let tree = source.tree(&source.resolve_work_tree().unwrap()).unwrap();
        sandbox.write("infra/app.yaml", "kind: B\n");
        assert_eq!(text(&tree, "infra/app.yaml").as_deref(), Some("kind: A\n"));
        assert!(matches!(source.tree(tree.commit()), Err(SourceError::WorkTreeChanged { .. })));
    }
}

/// Builds a tree object with names that no Git would check out, as an attacker's push can.
#[test]
fn hostile_names_in_a_tree_reach_nothing_outside_of_it() {
    let (sandbox, _) = with_app();
    let blob = sandbox.git(&["hash-object", "-w", "infra/app.yaml"]);
    let raw: Vec<u8> = ["..", ".git", "a/b"]
        .iter()
        .flat_map(|name| {
            let id = gix::ObjectId::from_hex(blob.as_bytes()).unwrap();
            [b"100644 ", name.as_bytes(), b"\0", id.as_bytes()].concat()
        })
        .collect();
    fs::write(sandbox.path().join("raw"), raw).unwrap();
    let tree = sandbox.git(&["hash-object", "-w", "--literally", "-t", "tree", "raw"]);
    let commit = Commit::new(sandbox.git(&["commit-tree", &tree, "-m", "hostile"]));
    let tree = sandbox.open().tree(&commit).unwrap();
    assert_eq!(tree.file("../x").unwrap(), None);
    assert_eq!(tree.file("..").unwrap(), None);
    assert_eq!(tree.file("a/b").unwrap(), None);
}

#[test]
fn a_folder_is_named_by_its_content() {
    let folder = Sandbox::folder();
    folder.write("infra/app.yaml", "kind: A\n");
    folder.write("outside.txt", "1");
    let source = folder.open();
    let first = source.resolve(None).unwrap();
    assert!(first.as_str().starts_with("worktree-"), "{first}");
    assert_eq!(first.as_str().len(), "worktree-".len() + 64);
    folder.write("outside.txt", "2");
    assert_eq!(source.resolve(None).unwrap(), first);
    assert_eq!(source.resolve(Some(first.as_str())).unwrap(), first);
    folder.write("infra/app.yaml", "kind: B\n");
    assert_ne!(source.resolve(None).unwrap(), first);
    assert!(matches!(source.changed_files(None, &first), Err(SourceError::WorkTreeChanged { .. })));
    assert!(matches!(source.resolve(Some("main")), Err(SourceError::NoHistory { .. })));
    folder.write("infra/app.yaml", "kind: A\n");
    assert_eq!(source.resolve(None).unwrap(), first);
}

#[test]
fn moving_text_between_name_and_content_changes_the_digest() {
    let digest = |files: &[(&str, &str)]| {
        let folder = Sandbox::folder();
        for (path, text) in files {
            folder.write(path, text);
        }
        folder.open().resolve(None).unwrap()
    };
    assert_ne!(digest(&[("infra/a", "bc")]), digest(&[("infra/ab", "c")]));
    assert_ne!(digest(&[("infra/a", "1"), ("infra/b", "")]), digest(&[("infra/a", ""), ("infra/b", "1")]));
}

#[test]
fn uncommitted_files_are_deployed_only_when_asked_for() {
    let (sandbox, commit) = with_app();
    sandbox.write("infra/app.yaml", "kind: B\n");
    sandbox.write("infra/new.yaml", "x");
    let source = sandbox.open();
    assert_eq!(source.resolve(None).unwrap(), commit);
    let now = source.resolve_work_tree().unwrap();
    assert_eq!(
        sketch(&source.changed_files(Some(&commit), &now).unwrap()),
        "~infra/app.yaml +infra/new.yaml"
    );
    assert_eq!(
        sketch(&source.changed_files(Some(&now), &commit).unwrap()),
        "~infra/app.yaml -infra/new.yaml"
    );
    assert_eq!(sketch(&source.changed_files(None, &now).unwrap()), "+infra/app.yaml +infra/new.yaml");
    let summary = source.summary(&now).unwrap();
    assert_eq!((summary.author, summary.subject.as_str()), (None, "files under `infra`, not committed"));
}

#[test]
fn a_work_tree_without_changes_differs_in_nothing_from_its_commit() {
    let (sandbox, _) = with_app();
    sandbox.link("infra/link.yaml", "app.yaml");
    let commit = sandbox.commit("Link");
    let source = sandbox.open();
    assert_eq!(source.changed_files(Some(&commit), &source.resolve_work_tree().unwrap()).unwrap(), []);
}

#[test]
fn pipes_in_a_work_tree_are_not_waited_for() {
    let folder = Sandbox::folder();
    folder.write("infra/app.yaml", "");
    let source = folder.open();
    let before = source.resolve(None).unwrap();
    let made = Command::new("mkfifo").arg(folder.path().join("infra/pipe")).status().unwrap();
    assert!(made.success());
    assert_eq!(source.resolve(None).unwrap(), before);
}

#[test]
fn more_than_configuration_is_refused() {
    let folder = Sandbox::folder();
    folder.write("infra/app.yaml", "");
    let image = fs::File::create(folder.path().join("infra/disk.img")).unwrap();
    image.set_len(65 << 20).unwrap();
    assert!(matches!(folder.open().resolve(None), Err(SourceError::TooLarge { .. })));
}

#[test]
fn an_open_source_can_be_shared() {
    fn shared<T: Send + Sync>() {}
    shared::<Source>();
    shared::<SourceError>();
    shared::<Tree>();
}
