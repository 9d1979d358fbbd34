//! Objects under `transformers`, `generators` and `validators`: the builtin ones run, all others are refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::accumulate::Scope;
use crate::error::{InFile, Problem, Result};
use crate::field_spec::FieldSpec;
use crate::generate::{self, Kind};
use crate::kustomization::fields::{Fields, Strictness};
use crate::kustomization::parts::{
    self, Generator, GeneratorOptions, Image, ReplacementField, Replica, Selector,
};
use crate::resource::Resource;
use crate::transform::namespace::{Namespace, Subjects};
use crate::transform::{Transformer, patch, replacement, value_add};
use crate::yaml::{Dialect, Duplicates, Limits, Map, Node, Scalar, Text, Value, parse_document};

const INSTEAD: &str = "use the fields of the kustomization or a builtin transformer, or commit what your own `kustomize build` prints";

/// Refuses a plugin by name.
pub(crate) fn refuse<T>(config: &Resource, role: &str) -> Result<T> {
    let what = format!("the {role} {} of `{}`", config.id(), config.api_version());
    Problem::Refused { what, instead: INSTEAD }.fail()
}

fn is_builtin(config: &Resource) -> bool {
    config.api_version() == "builtin"
}

/// The configuration as kustomize hands it to a plugin: printed and read again.
fn reread(config: &Resource) -> Result<Node> {
    let value = Value::from_node(&config.node)
        .map_err(|source| Problem::Unprintable { object: config.id().to_string(), source })?;
    Ok(value.to_exact_node())
}

/// The transformation that an object configures.
pub(crate) fn transformer(scope: &Scope<'_>, config: &Resource) -> Result<Transformer> {
    if !is_builtin(config) {
        return refuse(config, "transformer");
    }
    let node = reread(config)?;
    let mut fields = Fields::of(&node, "", Strictness::Lenient)?;
    Ok(match config.kind() {
        "PrefixTransformer" => prefix(&mut fields)?,
        "SuffixTransformer" => suffix(&mut fields)?,
        "PrefixSuffixTransformer" => {
            let mut again = Fields::of(&node, "", Strictness::Lenient)?;
            Transformer::Several(vec![prefix(&mut fields)?, suffix(&mut again)?])
        }
        "LabelTransformer" => entries(&mut fields, "labels")?,
        "AnnotationsTransformer" => entries(&mut fields, "annotations")?,
        "NamespaceTransformer" => namespace(&mut fields)?,
        "ImageTagTransformer" => {
            let image = fields.nested("imageTag")?.map(Image::read).transpose()?.unwrap_or_default();
            Transformer::Image(image, specs(&mut fields)?)
        }
        "ReplicaCountTransformer" => {
            let replica = fields.nested("replica")?.map(Replica::read).transpose()?.unwrap_or_default();
            Transformer::Replicas(replica, specs(&mut fields)?)
        }
        "PatchStrategicMergeTransformer" => {
            let (paths, patches) = (fields.texts("paths")?, fields.text("patches")?);
            Transformer::StrategicMerge(patch::StrategicMerge::load(scope, &paths, &patches)?)
        }
        "PatchTransformer" => Transformer::Patch(patch::Patch::load(scope, &parts::Patch::read(fields)?)?),
        "PatchJson6902Transformer" => {
            let target = fields.nested("target")?.map(Selector::read).transpose()?;
            let (path, text) = (fields.text("path")?, fields.text("jsonOp")?);
            Transformer::JsonPatch(patch::TargetedJsonPatch::from_parts(
                scope,
                target.as_ref(),
                &path,
                &text,
            )?)
        }
        "ReplacementTransformer" => {
            let replacements = fields.list("replacements", ReplacementField::read)?;
            Transformer::Replacements(replacement::load(scope, &replacements)?)
        }
        "ValueAddTransformer" => Transformer::ValueAdd(value_add(scope, &mut fields)?),
        "HashTransformer" => Transformer::Hash,
        _ => return refuse(config, "transformer"),
    })
}

fn specs(fields: &mut Fields<'_>) -> Result<Arc<Vec<FieldSpec>>> {
    parts::field_specs(fields, "fieldSpecs").map(Arc::new)
}

/// The specs of a prefix or suffix, which must be given.
fn name_specs(fields: &mut Fields<'_>) -> Result<Arc<Vec<FieldSpec>>> {
    let specs = specs(fields)?;
    if specs.is_empty() {
        let reason = "must list the fields to change".to_owned();
        return Problem::InvalidField { field: "fieldSpecs".to_owned(), reason }.fail();
    }
    Ok(specs)
}

fn prefix(fields: &mut Fields<'_>) -> Result<Transformer> {
    Ok(Transformer::Prefix(fields.text("prefix")?, name_specs(fields)?))
}

fn suffix(fields: &mut Fields<'_>) -> Result<Transformer> {
    Ok(Transformer::Suffix(fields.text("suffix")?, name_specs(fields)?))
}

fn entries(fields: &mut Fields<'_>, name: &'static str) -> Result<Transformer> {
    Ok(Transformer::Entries(fields.text_map(name)?.unwrap_or_default(), specs(fields)?))
}

fn namespace(fields: &mut Fields<'_>) -> Result<Transformer> {
    let mut metadata = fields.nested("metadata")?;
    let namespace =
        metadata.as_mut().map(|metadata| metadata.text("namespace")).transpose()?.unwrap_or_default();
    let subjects = match fields.text("setRoleBindingSubjects")?.as_str() {
        "" | "defaultOnly" => Subjects::Default,
        "allServiceAccounts" => Subjects::ServiceAccounts,
        "none" => Subjects::None,
        other => {
            let reason = format!("must be `defaultOnly`, `allServiceAccounts` or `none`, found `{other}`");
            return Problem::InvalidField { field: "setRoleBindingSubjects".to_owned(), reason }.fail();
        }
    };
    let unset_only = fields.flag("unsetOnly")?;
    Ok(Transformer::Namespace(Namespace { name: namespace, specs: specs(fields)?, unset_only, subjects }))
}

fn value_add(scope: &Scope<'_>, fields: &mut Fields<'_>) -> Result<value_add::ValueAdd> {
    let value = match fields.text("value")?.trim() {
        "" => Text::from(scope.loader.root().rsplit('/').next().unwrap_or_default()),
        value => value.into(),
    };
    let mut targets = fields.list("targets", value_target)?;
    let path = fields.text("targetFilePath")?;
    if !path.is_empty() {
        let file = scope.loader.load(&path)?;
        let text = file.text().in_file(&file.path)?;
        let document = parse_document(text, 1, Dialect::V2, Duplicates::LastWins, Limits::default())
            .in_file(&file.path)?;
        if let Some(node) = document {
            let mut fields = Fields::of(&node, "", Strictness::Lenient).in_file(&file.path)?;
            targets.extend(fields.list("targets", value_target).in_file(&file.path)?);
        }
    }
    if targets.is_empty() {
        let reason = "must name at least one target".to_owned();
        return Problem::InvalidField { field: "targets".to_owned(), reason }.fail();
    }
    Ok(value_add::ValueAdd { value, targets })
}

fn value_target(mut fields: Fields<'_>) -> Result<value_add::Target> {
    let selector = fields.nested("selector")?.map(Selector::read).transpose()?;
    let position = fields.integer("filePathPosition")?.unwrap_or_default();
    value_add::Target::new(selector.as_ref(), fields.text("fieldPath")?, position)
}

/// Runs the generator that an object configures.
pub(crate) fn generate(scope: &Scope<'_>, config: &Resource) -> Result<Vec<Resource>> {
    if !is_builtin(config) {
        return refuse(config, "generator");
    }
    let node = reread(config)?;
    let made = match config.kind() {
        "ConfigMapGenerator" => from_config(scope, Kind::ConfigMap, &node, config)?,
        "SecretGenerator" => from_config(scope, Kind::Secret, &node, config)?,
        "IAMPolicyGenerator" => service_account(&mut Fields::of(&node, "", Strictness::Lenient)?)?,
        _ => return refuse(config, "generator"),
    };
    Ok(vec![made])
}

/// A generator written as an object takes name and namespace from its metadata unless it names others.
fn from_config(scope: &Scope<'_>, kind: Kind, node: &Node, config: &Resource) -> Result<Resource> {
    let fields = Fields::of(node, "", Strictness::Lenient)?;
    let mut generator = Generator::read(fields, kind == Kind::Secret)?;
    if generator.name.is_empty() {
        generator.name = config.name().into();
    }
    if generator.namespace.is_empty() {
        generator.namespace = config.namespace().into();
    }
    let options = generator.options.clone().unwrap_or_default();
    let mut made = generate::make(scope, kind, &generator, &GeneratorOptions { ..options })?;
    made.add_files(&config.files);
    Ok(made)
}

/// A service account bound to one of Google Cloud.
fn service_account(fields: &mut Fields<'_>) -> Result<Resource> {
    let cloud = fields.text("cloud")?;
    if cloud != "gke" {
        let reason = format!("must be `gke`, found `{cloud}`");
        return Problem::InvalidField { field: "cloud".to_owned(), reason }.fail();
    }
    let part = |fields: &mut Fields<'_>, name: &'static str| -> Result<(Text, Text)> {
        match fields.nested(name)? {
            Some(mut part) => Ok((part.text("name")?, part.text("namespace")?)),
            None => Ok((Text::default(), Text::default())),
        }
    };
    let (name, namespace) = part(fields, "kubernetesService")?;
    let (account, project) = match fields.nested("serviceAccount")? {
        Some(mut part) => (part.text("name")?, part.text("projectId")?),
        None => (Text::default(), Text::default()),
    };
    let mut metadata = Map::default();
    metadata.set("name", Scalar::untagged(name));
    if !namespace.is_empty() {
        metadata.set("namespace", Scalar::untagged(namespace));
    }
    let mut root = Map::default();
    root.set("apiVersion", Scalar::string("v1"));
    root.set("kind", Scalar::string("ServiceAccount"));
    root.push(Scalar::untagged("metadata"), metadata.into());
    let mut made = Resource::new(root.into());
    let address: Text = format!("{account}@{project}.iam.gserviceaccount.com").into();
    made.set_annotations(&BTreeMap::from([("iam.gke.io/gcp-service-account".into(), address)]));
    Ok(made)
}
