//! The parts a kustomization is made of.

use std::collections::BTreeMap;

use super::fields::Fields;
use crate::error::{Problem, Result};
use crate::field_spec::{FieldSpec, NameReference};
use crate::id::{Gvk, IdSelector};
use crate::yaml::Text;

/// Resources chosen by id, labels and annotations; the parts of the id may be regular expressions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selector {
    pub(crate) id: IdSelector,
    pub(crate) annotations: Text,
    pub(crate) labels: Text,
}

/// A patch by file or inline, of either kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Patch {
    pub(crate) path: Text,
    pub(crate) text: Text,
    pub(crate) target: Option<Selector>,
    pub(crate) allow_name_change: bool,
    pub(crate) allow_kind_change: bool,
}

/// Labels and where they go.
#[derive(Clone, Debug, Default)]
pub(crate) struct Label {
    pub(crate) pairs: BTreeMap<Text, Text>,
    pub(crate) include_selectors: bool,
    pub(crate) include_templates: bool,
    pub(crate) fields: Vec<FieldSpec>,
}

/// A change of an image.
#[derive(Clone, Debug, Default)]
pub(crate) struct Image {
    pub(crate) name: Text,
    pub(crate) new_name: Text,
    pub(crate) tag_suffix: Text,
    pub(crate) new_tag: Text,
    pub(crate) digest: Text,
}

/// A change of a count.
#[derive(Clone, Debug, Default)]
pub(crate) struct Replica {
    pub(crate) name: Text,
    pub(crate) count: i64,
}

/// A value taken from one resource and put into others.
#[derive(Clone, Debug, Default)]
pub(crate) struct Replacement {
    pub(crate) source: Option<Source>,
    pub(crate) source_value: Option<Text>,
    pub(crate) targets: Option<Vec<Target>>,
}

/// A replacement, inline or in a file.
#[derive(Clone, Debug)]
pub(crate) struct ReplacementField {
    pub(crate) path: Text,
    pub(crate) replacement: Replacement,
}

/// Where a replacement takes its value.
#[derive(Clone, Debug, Default)]
pub(crate) struct Source {
    pub(crate) id: IdSelector,
    pub(crate) field_path: Text,
    pub(crate) options: FieldOptions,
}

/// Where a replacement puts its value.
#[derive(Clone, Debug, Default)]
pub(crate) struct Target {
    pub(crate) select: Option<Selector>,
    pub(crate) reject: Vec<Selector>,
    pub(crate) field_paths: Vec<Text>,
    pub(crate) options: FieldOptions,
}

/// Which part of a text a replacement is about, and whether it may make the field.
#[derive(Clone, Debug, Default)]
pub(crate) struct FieldOptions {
    pub(crate) delimiter: Text,
    pub(crate) index: i64,
    pub(crate) create: bool,
}

/// A name for a value of a resource, written `$(NAME)` where it is used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Var {
    pub(crate) name: Text,
    pub(crate) object: IdSelector,
    pub(crate) field_path: Text,
}

/// The order of the output.
#[derive(Clone, Debug, Default)]
pub(crate) struct SortOptions {
    pub(crate) order: Text,
    pub(crate) legacy: Option<LegacyOrder>,
}

/// The kinds that come first and last.
#[derive(Clone, Debug, Default)]
pub(crate) struct LegacyOrder {
    pub(crate) first: Vec<Text>,
    pub(crate) last: Vec<Text>,
}

/// A ConfigMap or Secret to be made.
#[derive(Clone, Debug, Default)]
pub(crate) struct Generator {
    pub(crate) name: Text,
    pub(crate) namespace: Text,
    pub(crate) behavior: Text,
    pub(crate) literals: Vec<Text>,
    pub(crate) files: Vec<Text>,
    pub(crate) envs: Vec<Text>,
    /// Of a Secret.
    pub(crate) secret_type: Text,
    pub(crate) options: Option<GeneratorOptions>,
}

/// What all generated objects have.
#[derive(Clone, Debug, Default)]
pub(crate) struct GeneratorOptions {
    pub(crate) labels: BTreeMap<Text, Text>,
    pub(crate) annotations: BTreeMap<Text, Text>,
    pub(crate) disable_name_suffix_hash: bool,
    pub(crate) immutable: bool,
}

pub(crate) fn gvk(fields: &mut Fields<'_>) -> Result<Gvk> {
    Ok(Gvk { group: fields.text("group")?, version: fields.text("version")?, kind: fields.text("kind")? })
}

fn id_selector(fields: &mut Fields<'_>) -> Result<IdSelector> {
    Ok(IdSelector { gvk: gvk(fields)?, name: fields.text("name")?, namespace: fields.text("namespace")? })
}

/// The list of field specs at `name`.
pub(crate) fn field_specs(fields: &mut Fields<'_>, name: &'static str) -> Result<Vec<FieldSpec>> {
    fields.list(name, |mut fields| {
        let spec = FieldSpec::new(gvk(&mut fields)?, &fields.text("path")?, fields.flag("create")?);
        fields.finish()?;
        Ok(spec)
    })
}

/// The list of name references at `name`.
pub(crate) fn name_references(fields: &mut Fields<'_>, name: &'static str) -> Result<Vec<NameReference>> {
    fields.list(name, |mut fields| {
        let reference =
            NameReference { target: gvk(&mut fields)?, referrers: field_specs(&mut fields, "fieldSpecs")? };
        fields.finish()?;
        Ok(reference)
    })
}

/// The metadata of a kustomization says nothing to a build, but must be well-formed.
pub(crate) fn check_metadata(fields: &mut Fields<'_>) -> Result<()> {
    let Some(mut metadata) = fields.nested("metadata")? else { return Ok(()) };
    metadata.text("name")?;
    metadata.text("namespace")?;
    metadata.text_map("labels")?;
    metadata.text_map("annotations")?;
    metadata.finish()
}

impl Selector {
    pub(crate) fn read(mut fields: Fields<'_>) -> Result<Self> {
        let selector = Self {
            id: id_selector(&mut fields)?,
            annotations: fields.text("annotationSelector")?,
            labels: fields.text("labelSelector")?,
        };
        fields.finish()?;
        Ok(selector)
    }
}

impl Patch {
    pub(crate) fn read(mut fields: Fields<'_>) -> Result<Self> {
        let mut patch = Self {
            path: fields.text("path")?,
            text: fields.text("patch")?,
            target: fields.nested("target")?.map(Selector::read).transpose()?,
            ..Self::default()
        };
        if let Some(mut options) = fields.nested("options")? {
            patch.allow_name_change = options.flag("allowNameChange")?;
            patch.allow_kind_change = options.flag("allowKindChange")?;
            options.finish()?;
        }
        fields.finish()?;
        Ok(patch)
    }
}

impl Label {
    pub(crate) fn read(mut fields: Fields<'_>) -> Result<Self> {
        let label = Self {
            pairs: fields.text_map("pairs")?.unwrap_or_default(),
            include_selectors: fields.flag("includeSelectors")?,
            include_templates: fields.flag("includeTemplates")?,
            fields: field_specs(&mut fields, "fields")?,
        };
        fields.finish()?;
        Ok(label)
    }
}

impl Image {
    pub(crate) fn read(mut fields: Fields<'_>) -> Result<Self> {
        let image = Self {
            name: fields.text("name")?,
            new_name: fields.text("newName")?,
            tag_suffix: fields.text("tagSuffix")?,
            new_tag: fields.text("newTag")?,
            digest: fields.text("digest")?,
        };
        fields.finish()?;
        Ok(image)
    }
}

impl Replica {
    pub(crate) fn read(mut fields: Fields<'_>) -> Result<Self> {
        let replica =
            Self { name: fields.text("name")?, count: fields.integer("count")?.unwrap_or_default() };
        fields.finish()?;
        Ok(replica)
    }
}

impl Replacement {
    fn read_from(fields: &mut Fields<'_>) -> Result<Self> {
        let source = fields.nested("source")?.map(Source::read).transpose()?;
        let source_value = fields.optional_text("sourceValue")?;
        let mut given = false;
        let targets = fields.list("targets", |fields| {
            given = true;
            Target::read(fields)
        })?;
        Ok(Self { source, source_value, targets: given.then_some(targets) })
    }

    pub(crate) fn read(mut fields: Fields<'_>) -> Result<Self> {
        let replacement = Self::read_from(&mut fields)?;
        fields.finish()?;
        Ok(replacement)
    }
}

impl ReplacementField {
    pub(crate) fn read(mut fields: Fields<'_>) -> Result<Self> {
        let path = fields.text("path")?;
        let replacement = Replacement::read_from(&mut fields)?;
        let line = fields.line();
        fields.finish()?;
        if !path.is_empty() && (replacement.source.is_some() || replacement.targets.is_some()) {
            let reason = "has both a path and an inline replacement".to_owned();
            return Problem::Replacement { reason }.at_line(line);
        }
        Ok(Self { path, replacement })
    }
}

impl Source {
    fn read(mut fields: Fields<'_>) -> Result<Self> {
        let source = Self {
            id: id_selector(&mut fields)?,
            field_path: fields.text("fieldPath")?,
            options: FieldOptions::read(fields.nested("options")?)?,
        };
        fields.finish()?;
        Ok(source)
    }
}

impl Target {
    fn read(mut fields: Fields<'_>) -> Result<Self> {
        let target = Self {
            select: fields.nested("select")?.map(Selector::read).transpose()?,
            reject: fields.list("reject", Selector::read)?,
            field_paths: fields.texts("fieldPaths")?,
            options: FieldOptions::read(fields.nested("options")?)?,
        };
        fields.finish()?;
        Ok(target)
    }
}

impl FieldOptions {
    fn read(fields: Option<Fields<'_>>) -> Result<Self> {
        let Some(mut fields) = fields else { return Ok(Self::default()) };
        let options = Self {
            delimiter: fields.text("delimiter")?,
            index: fields.integer("index")?.unwrap_or_default(),
            create: fields.flag("create")?,
        };
        // Known to kustomize, and without effect there.
        fields.text("encoding")?;
        fields.finish()?;
        Ok(options)
    }
}

impl Var {
    pub(crate) fn read(mut fields: Fields<'_>) -> Result<Self> {
        let mut var = Self { name: fields.text("name")?, ..Self::default() };
        if let Some(mut object) = fields.nested("objref")? {
            let api_version = object.text("apiVersion")?;
            var.object = id_selector(&mut object)?;
            object.finish()?;
            match api_version.split('/').collect::<Vec<_>>()[..] {
                [""] => {}
                [version] => var.object.gvk.version = version.into(),
                [group, version] => {
                    var.object.gvk.group = group.into();
                    var.object.gvk.version = version.into();
                }
                _ => {}
            }
        }
        if let Some(mut field) = fields.nested("fieldref")? {
            var.field_path = field.text("fieldPath")?;
            field.finish()?;
        }
        if var.field_path.is_empty() {
            var.field_path = Text::new_static("metadata.name");
        }
        fields.finish()?;
        Ok(var)
    }
}

impl SortOptions {
    pub(crate) fn read(mut fields: Fields<'_>) -> Result<Self> {
        let mut options = Self { order: fields.text("order")?, legacy: None };
        if let Some(mut legacy) = fields.nested("legacySortOptions")? {
            options.legacy =
                Some(LegacyOrder { first: legacy.texts("orderFirst")?, last: legacy.texts("orderLast")? });
            legacy.finish()?;
        }
        fields.finish()?;
        Ok(options)
    }
}

impl Generator {
    pub(crate) fn read(mut fields: Fields<'_>, is_secret: bool) -> Result<Self> {
        let mut envs = fields.texts("envs")?;
        let env = fields.text("env")?;
        if !env.is_empty() {
            envs.push(env);
        }
        let generator = Self {
            name: fields.text("name")?,
            namespace: fields.text("namespace")?,
            behavior: fields.text("behavior")?,
            literals: fields.texts("literals")?,
            files: fields.texts("files")?,
            envs,
            secret_type: if is_secret { fields.text("type")? } else { Text::default() },
            options: fields.nested("options")?.map(GeneratorOptions::read).transpose()?,
        };
        fields.finish()?;
        Ok(generator)
    }
}

impl GeneratorOptions {
    pub(crate) fn read(mut fields: Fields<'_>) -> Result<Self> {
        let options = Self {
            labels: fields.text_map("labels")?.unwrap_or_default(),
            annotations: fields.text_map("annotations")?.unwrap_or_default(),
            disable_name_suffix_hash: fields.flag("disableNameSuffixHash")?,
            immutable: fields.flag("immutable")?,
        };
        fields.finish()?;
        Ok(options)
    }
}
