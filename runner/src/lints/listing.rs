//! The paths of all files of a source's tree.

use crate::sources::{Entry, SourceError, Tree};

/// Every file below a folder of a tree, sorted; the empty path is the whole tree.
///
/// Links are left out: what they lead to is listed where it is, and one that leads upwards would never end.
pub fn files_below(tree: &Tree, folder: &str) -> Result<Vec<String>, SourceError> {
    let mut files = Vec::new();
    let mut folders = vec![folder.trim_matches('/').to_owned()];
    while let Some(folder) = folders.pop() {
        for name in tree.list(&folder)?.unwrap_or_default() {
            let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            match tree.locate(&path)? {
                Some((real, Entry::File)) if real == path => files.push(path),
                Some((real, Entry::Folder)) if real == path => folders.push(path),
                _ => {}
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
        symlink("..", folder.path().join("infra/k8s/up")).unwrap();
        symlink("../a.yaml", folder.path().join("infra/k8s/link.yaml")).unwrap();
        let source = Source::open(folder.path(), Path::new("infra")).unwrap();
        let tree = source.tree(&source.resolve_work_tree().unwrap()).unwrap();
        assert_eq!(files_below(&tree, "").unwrap(), ["infra/a.yaml", "infra/k8s/b.yaml"]);
        assert_eq!(files_below(&tree, "infra/k8s").unwrap(), ["infra/k8s/b.yaml"]);
        assert!(files_below(&tree, "none").unwrap().is_empty());
    }
}
