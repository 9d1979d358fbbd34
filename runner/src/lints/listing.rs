//! The paths of all files of a source's tree.

use windlass_kustomize::{EntryKind, FileTree as _};

use crate::sources::{SourceError, Tree};

/// Every file below a folder of a tree, sorted; the empty path is the whole tree.
///
/// Links are left out: what they lead to is listed where it is, and one that leads upwards would never end.
pub fn files_below(tree: &Tree, folder: &str) -> Result<Vec<String>, SourceError> {
    let mut files = Vec::new();
    let mut folders = vec![folder.trim_matches('/').to_owned()];
    while let Some(folder) = folders.pop() {
        for name in tree.folder(&folder)?.unwrap_or_default() {
            let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            // A link that leads outside of the tree cannot be located, and is a link all the same.
            let Ok(Some(place)) = tree.locate(&path) else { continue };
            match place.kind {
                _ if place.path != path => {}
                EntryKind::File => files.push(path),
                EntryKind::Directory => folders.push(path),
            }
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::*;
    use crate::sources::Source;

    #[test]
    fn files_are_listed_and_links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let file = |path: &str| {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        };
        file("infra/k8s/b.yaml");
        file("infra/a.yaml");
        symlink("../../..", folder.path().join("infra/k8s/out")).unwrap();
        symlink("..", folder.path().join("infra/k8s/up")).unwrap();
        symlink("../a.yaml", folder.path().join("infra/k8s/link.yaml")).unwrap();
        let source = Source::open(folder.path(), Path::new("infra")).unwrap();
        let tree = source.tree(&source.resolve_work_tree().unwrap()).unwrap();
        assert_eq!(files_below(&tree, "").unwrap(), ["infra/a.yaml", "infra/k8s/b.yaml"]);
        assert_eq!(files_below(&tree, "infra/k8s").unwrap(), ["infra/k8s/b.yaml"]);
        assert!(files_below(&tree, "none").unwrap().is_empty());
    }
}
