//! Walks the kustomizations from the root down and carries resources, settings and vars up.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::build::FileTable;
use crate::config::TransformerConfig;
use crate::crds;
use crate::error::{InFile, Problem, Result, in_kustomization};
use crate::generate;
use crate::kustomization::parts::Var;
use crate::kustomization::{FILE_NAMES, Kind, Kustomization};
use crate::loader::{File, Loader};
use crate::plugins;
use crate::resource::{FileId, Resource, read_resources};
use crate::resources::Resources;
use crate::schema::Schemas;
use crate::transform::origin::{self, Origin};
use crate::transform::{self, Step, vars};
use crate::yaml::Text;

/// What all kustomizations of a build share.
#[derive(Debug)]
pub(crate) struct Session<'t> {
    pub(crate) files: &'t FileTable,
    pub(crate) schemas: RefCell<Schemas>,
}

impl<'t> Session<'t> {
    pub(crate) fn new(files: &'t FileTable) -> Self {
        Self { files, schemas: RefCell::default() }
    }
}

/// What a kustomization hands to the one above it.
#[derive(Debug, Default)]
pub(crate) struct Accumulated {
    pub(crate) resources: Resources,
    pub(crate) config: TransformerConfig,
    pub(crate) vars: BTreeMap<Text, Var>,
}

/// One kustomization being built.
#[derive(Debug)]
pub(crate) struct Scope<'a> {
    pub(crate) session: &'a Session<'a>,
    pub(crate) loader: &'a Loader<'a>,
    pub(crate) kustomization: &'a Kustomization,
    /// Its file.
    pub(crate) file: FileId,
    /// Its file's name in its directory.
    pub(crate) file_name: &'static str,
    /// The directory as written on the way here, if origins are recorded.
    pub(crate) origin: Option<Origin>,
}

/// Builds the root kustomization up to the point where names are final.
pub(crate) fn accumulate_root(
    session: &Session<'_>,
    loader: &Loader<'_>,
) -> Result<(Accumulated, Kustomization)> {
    let (kustomization, file, file_name) = load(loader)?;
    session.schemas.borrow_mut().set_root(&kustomization.openapi, loader).in_file(&file.path)?;
    let origin = (!kustomization.build_metadata.is_empty()).then(Origin::default);
    let scope = Scope {
        session,
        loader,
        kustomization: &kustomization,
        file: session.files.id(&file.path),
        file_name,
        origin,
    };
    let accumulated = scope.accumulate(Accumulated::default());
    Ok((in_kustomization(accumulated, &file.path, file.text()?)?, kustomization))
}

/// Finds and reads the one kustomization file of a directory.
fn load(loader: &Loader<'_>) -> Result<(Kustomization, File, &'static str)> {
    let mut found = None;
    for name in FILE_NAMES {
        let Some(file) = loader.load_if_present(name)? else { continue };
        if found.replace((file, name)).is_some() {
            return Problem::SeveralKustomizations { directory: shown(loader) }.fail();
        }
    }
    let Some((file, name)) = found else {
        return Problem::NoKustomization { directory: shown(loader) }.fail();
    };
    let kustomization = file.text().and_then(Kustomization::parse).in_file(&file.path)?;
    Ok((kustomization, file, name))
}

fn shown(loader: &Loader<'_>) -> String {
    if loader.root().is_empty() { ".".to_owned() } else { loader.root().to_owned() }
}

impl Scope<'_> {
    /// Resources, generators, components, then transformations; `above` is what a component adds to.
    fn accumulate(&self, above: Accumulated) -> Result<Accumulated> {
        let mut all = above;
        self.add_resources(&mut all, &self.kustomization.resources)?;
        all.config.merge(&TransformerConfig::load(self.loader, &self.kustomization.configurations)?)?;
        all.config.merge(&crds::load(self.loader, &self.kustomization.crds)?)?;
        for generated in generate::run(self)? {
            all.resources.absorb(generated)?;
        }
        self.add_components(&mut all)?;
        all.resources.add_file(self.file);
        for step in transform::configure(self, &all.config)? {
            step.run(&mut all.resources, self.session)?;
        }
        self.validate()?;
        vars::merge(&mut all, &self.kustomization.vars)?;
        Ok(all)
    }

    /// Adds files and directories of `resources`.
    fn add_resources(&self, all: &mut Accumulated, paths: &[Text]) -> Result<()> {
        for path in paths {
            if self.loader.is_file(path) {
                all.resources.append_all(self.read_file(path)?)?;
                continue;
            }
            let below = self.loader.descend(path)?;
            let sub = self.accumulate_below(&below, path, Kind::Kustomization, Accumulated::default())?;
            all.merge(sub)?;
        }
        Ok(())
    }

    fn add_components(&self, all: &mut Accumulated) -> Result<()> {
        for path in &self.kustomization.components {
            let below = self.loader.descend(path)?;
            let above = std::mem::take(all);
            all.merge(self.accumulate_below(&below, path, Kind::Component, above)?)?;
        }
        Ok(())
    }

    fn accumulate_below(
        &self,
        loader: &Loader<'_>,
        path: &str,
        wanted: Kind,
        above: Accumulated,
    ) -> Result<Accumulated> {
        let (mut kustomization, file, file_name) = load(loader)?;
        kustomization.build_metadata.clone_from(&self.kustomization.build_metadata);
        self.session.schemas.borrow_mut().set_below(&kustomization.openapi, loader).in_file(&file.path)?;
        if kustomization.kind != wanted {
            let reason = match wanted {
                Kind::Component => "must be `Component`, because it is listed under `components`",
                Kind::Kustomization => "must not be `Component`, because it is listed under `resources`",
            };
            let problem = Problem::InvalidField { field: "kind".to_owned(), reason: reason.to_owned() };
            return Err(problem).in_file(&file.path);
        }
        let scope = Scope {
            session: self.session,
            loader,
            kustomization: &kustomization,
            file: self.session.files.id(&file.path),
            file_name,
            origin: self.origin.as_ref().map(|origin| origin.below(path)),
        };
        in_kustomization(scope.accumulate(above), &file.path, file.text()?)
    }

    /// The resources of a file, with their origin.
    pub(crate) fn read_file(&self, path: &str) -> Result<Vec<Resource>> {
        let file = self.loader.load(path)?;
        let id = self.session.files.id(&file.path);
        let nodes = file.text().and_then(read_resources).in_file(&file.path)?;
        let annotation = self.origin.as_ref().map(|origin| origin.of_file(path));
        let resource = |node| {
            let mut resource = Resource::new(node);
            resource.add_file(id);
            if let Some(annotation) = &annotation {
                origin::set(&mut resource, annotation);
            }
            resource
        };
        Ok(nodes.into_iter().map(resource).collect())
    }

    /// The objects that configure transformers or generators: files, directories, or written inline.
    pub(crate) fn read_plugins(&self, entries: &[Text]) -> Result<Vec<Resource>> {
        let mut all = Accumulated::default();
        let mut paths = Vec::new();
        for entry in entries {
            let Ok(nodes) = read_resources(entry) else {
                paths.push(entry.clone());
                continue;
            };
            for node in nodes {
                let mut resource = Resource::new(node);
                resource.add_file(self.file);
                if let Some(origin) = &self.origin {
                    origin::set(&mut resource, &origin.of_file(self.file_name));
                }
                all.resources.append(resource)?;
            }
        }
        self.add_resources(&mut all, &paths)?;
        Ok(all.resources.into_vec())
    }

    /// Validators are plugins, and the builtin ones have nothing to validate.
    fn validate(&self) -> Result<()> {
        match self.read_plugins(&self.kustomization.validators)?.first() {
            Some(validator) => plugins::refuse(validator, "validator"),
            None => Ok(()),
        }
    }
}

impl Accumulated {
    fn merge(&mut self, other: Self) -> Result<()> {
        if self.resources.len() == 0 {
            self.resources = other.resources;
            self.resources.check_unique()?;
        } else {
            self.resources.append_all(other.resources.into_vec())?;
        }
        self.config.merge(&other.config)?;
        for (_, var) in other.vars {
            vars::add(&mut self.vars, var)?;
        }
        Ok(())
    }
}

impl Step {
    /// Runs the transformation, records its origin and drops what it deleted.
    fn run(self, resources: &mut Resources, session: &Session<'_>) -> Result<()> {
        self.transformer.apply(resources, session)?;
        if let Some(origin) = &self.origin {
            origin::record_transformation(resources, origin);
        }
        resources.drop_deleted();
        Ok(())
    }
}
