//! The files of the repository, read once, and what each is by its path.

use windlass_kustomize::FileTree;

use super::yaml::{self, Node};

/// Text files above this size are not searched: nobody writes one, and a pull request can bring any.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// All files that are looked at, by path.
#[derive(Debug)]
pub(super) struct Files {
    infra: String,
    files: Vec<SourceFile>,
}

/// One file.
#[derive(Debug)]
pub(super) struct SourceFile {
    pub(super) path: String,
    /// None where it is not text, or too large.
    pub(super) text: Option<String>,
    /// None where it is no YAML by its name, or not below the folder of the infrastructure.
    pub(super) yaml: Option<Result<Vec<Node>, yaml::Fault>>,
}

impl Files {
    /// Reads the files at `paths`; one that cannot be read is passed over, because nothing can be said of it here and the render will.
    pub(super) fn read(tree: &dyn FileTree, infra: &str, paths: &[String]) -> Self {
        let infra = infra.trim_matches('/').to_owned();
        let mut files: Vec<_> =
            paths.iter().filter_map(|path| SourceFile::read(tree, &infra, path)).collect();
        files.sort_by(|left, right| left.path.cmp(&right.path));
        files.dedup_by(|left, right| left.path == right.path);
        Self { infra, files }
    }

    /// All of them.
    pub(super) fn all(&self) -> &[SourceFile] {
        &self.files
    }

    /// The file at a path.
    pub(super) fn get(&self, path: &str) -> Option<&SourceFile> {
        let at = self.files.binary_search_by(|file| file.path.as_str().cmp(path)).ok()?;
        self.files.get(at)
    }

    /// The path of something in the folder of the infrastructure.
    pub(super) fn path(&self, inside: &str) -> String {
        if self.infra.is_empty() { inside.to_owned() } else { format!("{}/{inside}", self.infra) }
    }

    /// The files below the folder of the infrastructure, each with its path in there.
    pub(super) fn inside(&self) -> impl Iterator<Item = (&str, &SourceFile)> {
        self.files.iter().filter_map(|file| Some((inside(&self.infra, &file.path)?, file)))
    }

    /// The kustomizations below `k8s`, with the path of their folder in the folder of the infrastructure.
    pub(super) fn kustomizations(&self) -> impl Iterator<Item = (&str, &SourceFile, &Node)> {
        self.inside().filter(|(path, _)| path.starts_with("k8s/") && is_kustomization(path)).filter_map(
            |(path, file)| {
                let (folder, _) = path.rsplit_once('/')?;
                Some((folder, file, file.documents().first()?))
            },
        )
    }

    /// The YAML files of objects and patches below `k8s`, with their path in the folder of the infrastructure: neither kustomizations nor
    /// what describes a cluster.
    pub(super) fn manifests(&self) -> impl Iterator<Item = (&str, &SourceFile)> {
        self.inside().filter(|(path, file)| {
            path.starts_with("k8s/")
                && file.yaml.is_some()
                && !is_kustomization(path)
                && !path.contains("/cluster/")
        })
    }

    /// The files that describe clusters, with the provider and the environment they are for.
    pub(super) fn clusters(&self) -> impl Iterator<Item = (&str, &str, &SourceFile)> {
        self.inside().filter_map(|(path, file)| {
            let folder = path.strip_prefix("k8s/")?.strip_suffix("/cluster/cluster-config.yaml")?;
            let (provider, environment) = folder.split_once('/').filter(|(_, rest)| !rest.contains('/'))?;
            Some((provider, environment, file))
        })
    }

    /// The files that describe Hetzner clusters, with the environment they are for.
    pub(super) fn hetzner_clusters(&self) -> impl Iterator<Item = (&str, &SourceFile, &Node)> {
        self.clusters()
            .filter(|(provider, ..)| *provider == "hetzner")
            .filter_map(|(_, environment, file)| Some((environment, file, file.documents().first()?)))
    }
}

impl SourceFile {
    fn read(tree: &dyn FileTree, infra: &str, path: &str) -> Option<Self> {
        let place = tree.locate(path).ok()??;
        let bytes = tree.read(&place.path).ok()?;
        let text = (bytes.len() <= MAX_BYTES).then(|| String::from_utf8(bytes).ok()).flatten();
        let is_yaml = inside(infra, path).is_some() && (is_yaml(path) || is_kustomization(path));
        let yaml = text.as_deref().filter(|_| is_yaml).map(yaml::documents);
        Some(Self { path: path.to_owned(), text, yaml })
    }

    /// The documents, if it is YAML.
    pub(super) fn documents(&self) -> &[Node] {
        match &self.yaml {
            Some(Ok(documents)) => documents,
            _ => &[],
        }
    }

    /// The lines of the text with their numbers.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.iter().flat_map(|text| text.lines().enumerate().map(|(at, line)| (at + 1, line)))
    }

    /// The first line that contains `wanted`.
    pub(super) fn line_with(&self, wanted: &str) -> Option<usize> {
        self.lines().find(|(_, line)| line.contains(wanted)).map(|(number, _)| number)
    }
}

/// The last part of a path.
pub(super) fn file_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// Whether a file is a kustomization; these are the names that kustomize looks for.
pub(super) fn is_kustomization(path: &str) -> bool {
    matches!(file_name(path), "kustomization.yaml" | "kustomization.yml" | "Kustomization")
}

fn is_yaml(path: &str) -> bool {
    matches!(file_name(path).rsplit_once('.'), Some((_, "yaml" | "yml")))
}

fn inside<'a>(infra: &str, path: &'a str) -> Option<&'a str> {
    if infra.is_empty() { Some(path) } else { path.strip_prefix(infra)?.strip_prefix('/') }
}
