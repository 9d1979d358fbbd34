//! The kustomization file: what may stand in it, read strictly.

pub(crate) mod fields;
pub(crate) mod parts;

use std::collections::BTreeMap;

use crate::error::{Problem, Result};
use crate::yaml::{Dialect, Duplicates, Limits, Text, parse_document};
use fields::{Fields, Strictness};
use parts::{Generator, GeneratorOptions, Image, Label, Patch, ReplacementField, Replica, SortOptions, Var};

/// The names a kustomization file may have.
pub(crate) const FILE_NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// Whether a directory is built on its own or into the one that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Kustomization,
    Component,
}

/// A kustomization file.
#[derive(Clone, Debug)]
pub(crate) struct Kustomization {
    pub(crate) kind: Kind,
    pub(crate) name_prefix: Text,
    pub(crate) name_suffix: Text,
    pub(crate) namespace: Text,
    pub(crate) common_labels: BTreeMap<Text, Text>,
    pub(crate) labels: Vec<Label>,
    pub(crate) common_annotations: BTreeMap<Text, Text>,
    pub(crate) patches_strategic_merge: Vec<Text>,
    pub(crate) patches_json6902: Vec<Patch>,
    pub(crate) patches: Vec<Patch>,
    pub(crate) images: Vec<Image>,
    pub(crate) replacements: Vec<ReplacementField>,
    pub(crate) replicas: Vec<Replica>,
    pub(crate) vars: Vec<Var>,
    pub(crate) sort_options: Option<SortOptions>,
    pub(crate) resources: Vec<Text>,
    pub(crate) components: Vec<Text>,
    pub(crate) crds: Vec<Text>,
    pub(crate) config_maps: Vec<Generator>,
    pub(crate) secrets: Vec<Generator>,
    pub(crate) generator_options: Option<GeneratorOptions>,
    pub(crate) configurations: Vec<Text>,
    pub(crate) generators: Vec<Text>,
    pub(crate) transformers: Vec<Text>,
    pub(crate) validators: Vec<Text>,
    pub(crate) build_metadata: Vec<Text>,
    pub(crate) openapi: BTreeMap<Text, Text>,
}

impl Kustomization {
    /// Reads a kustomization file.
    ///
    /// # Errors
    ///
    /// If it is malformed, empty, has an unknown field or one of the wrong type, or asks for something this
    /// renderer refuses.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let document = parse_document(text, 1, Dialect::V2, Duplicates::LastWins, Limits::default())?;
        let Some(node) = document.filter(|node| !node.is_null()) else {
            return Problem::EmptyKustomization.fail();
        };
        let mut fields = Fields::of(&node, "", Strictness::Strict)?;
        refuse_helm(&mut fields)?;
        let has_content = fields.has_content_besides(&["apiVersion", "kind"]);
        let kind = read_kind(&mut fields)?;
        let kustomization = Self::read(&mut fields, kind)?;
        fields.finish()?;
        if has_content { Ok(kustomization) } else { Problem::EmptyKustomization.fail() }
    }

    fn read(fields: &mut Fields<'_>, kind: Kind) -> Result<Self> {
        parts::check_metadata(fields)?;
        let mut resources = fields.texts("resources")?;
        resources.extend(fields.texts("bases")?);
        let mut images = fields.list("images", Image::read)?;
        images.extend(fields.list("imageTags", Image::read)?);
        Ok(Self {
            kind,
            name_prefix: fields.text("namePrefix")?,
            name_suffix: fields.text("nameSuffix")?,
            namespace: fields.text("namespace")?,
            common_labels: fields.text_map("commonLabels")?.unwrap_or_default(),
            labels: fields.list("labels", Label::read)?,
            common_annotations: fields.text_map("commonAnnotations")?.unwrap_or_default(),
            patches_strategic_merge: fields.texts("patchesStrategicMerge")?,
            patches_json6902: fields.list("patchesJson6902", Patch::read)?,
            patches: fields.list("patches", Patch::read)?,
            images,
            replacements: fields.list("replacements", ReplacementField::read)?,
            replicas: fields.list("replicas", Replica::read)?,
            vars: fields.list("vars", Var::read)?,
            sort_options: fields.nested("sortOptions")?.map(SortOptions::read).transpose()?,
            resources,
            components: fields.texts("components")?,
            crds: fields.texts("crds")?,
            config_maps: fields.list("configMapGenerator", |fields| Generator::read(fields, false))?,
            secrets: fields.list("secretGenerator", |fields| Generator::read(fields, true))?,
            generator_options: fields.nested("generatorOptions")?.map(GeneratorOptions::read).transpose()?,
            configurations: fields.texts("configurations")?,
            generators: fields.texts("generators")?,
            transformers: fields.texts("transformers")?,
            validators: fields.texts("validators")?,
            build_metadata: fields.texts("buildMetadata")?,
            openapi: fields.text_map("openapi")?.unwrap_or_default(),
        })
    }

    pub(crate) fn has_build_metadata(&self, option: &str) -> bool {
        self.build_metadata.iter().any(|chosen| chosen == option)
    }
}

fn read_kind(fields: &mut Fields<'_>) -> Result<Kind> {
    let line = fields.line();
    let api_version = fields.text("apiVersion")?;
    let kind = fields.text("kind")?;
    let (kind, expected) = match kind.as_str() {
        "" | "Kustomization" => (Kind::Kustomization, "kustomize.config.k8s.io/v1beta1"),
        "Component" => (Kind::Component, "kustomize.config.k8s.io/v1alpha1"),
        other => {
            let reason = format!("must be `Kustomization` or `Component`, found `{other}`");
            return Problem::InvalidField { field: "kind".to_owned(), reason }.at_line(line);
        }
    };
    if !api_version.is_empty() && api_version != expected {
        let reason = format!("must be `{expected}` for this kind, found `{api_version}`");
        return Problem::InvalidField { field: "apiVersion".to_owned(), reason }.at_line(line);
    }
    Ok(kind)
}

fn refuse_helm(fields: &mut Fields<'_>) -> Result<()> {
    // Settings for charts; without charts they do nothing.
    fields.take("helmGlobals");
    for field in ["helmCharts", "helmChartInflationGenerator"] {
        if !fields.items(field)?.is_empty() {
            return Problem::Refused {
                what: format!("`{field}`"),
                instead: "render the chart with `helm template` into the repository, or commit what your own `kustomize build` prints",
            }
            .at_line(fields.line());
        }
    }
    Ok(())
}
