//! The transformations of a kustomization and the order they run in.

pub(crate) mod field_path;
pub(crate) mod hash;
pub(crate) mod images;
pub(crate) mod json_patch;
pub(crate) mod labels;
pub(crate) mod merge;
pub(crate) mod name_reference;
pub(crate) mod names;
pub(crate) mod namespace;
pub(crate) mod order;
pub(crate) mod origin;
pub(crate) mod patch;
pub(crate) mod replacement;
pub(crate) mod replicas;
pub(crate) mod structured;
pub(crate) mod value_add;
pub(crate) mod vars;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::accumulate::{Scope, Session};
use crate::config::TransformerConfig;
use crate::error::Result;
use crate::field_spec::{FieldSpec, merge_specs};
use crate::kustomization::parts::{Image, Label, Replica};
use crate::plugins;
use crate::resources::Resources;
use crate::yaml::Text;
use origin::Origin;

/// One transformation, ready to run.
#[derive(Debug)]
pub(crate) enum Transformer {
    StrategicMerge(patch::StrategicMerge),
    Patch(patch::Patch),
    JsonPatch(patch::TargetedJsonPatch),
    Namespace(namespace::Namespace),
    Prefix(Text, Arc<Vec<FieldSpec>>),
    Suffix(Text, Arc<Vec<FieldSpec>>),
    /// Labels or annotations: both set entries of maps.
    Entries(BTreeMap<Text, Text>, Arc<Vec<FieldSpec>>),
    Replicas(Replica, Arc<Vec<FieldSpec>>),
    Image(Image, Arc<Vec<FieldSpec>>),
    Replacements(Vec<replacement::Replacement>),
    ValueAdd(value_add::ValueAdd),
    Hash,
    /// Several in a row that count as one.
    Several(Vec<Transformer>),
}

/// A transformation and what to note about it on the resources.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) transformer: Transformer,
    pub(crate) origin: Option<String>,
}

impl Transformer {
    pub(crate) fn apply(self, resources: &mut Resources, session: &Session<'_>) -> Result<()> {
        match self {
            Self::StrategicMerge(patches) => patches.apply(resources, session),
            Self::Patch(patch) => patch.apply(resources, session),
            Self::JsonPatch(patch) => patch.apply(resources),
            Self::Namespace(namespace) => namespace.apply(resources),
            Self::Prefix(prefix, specs) => names::add_prefix(resources, &prefix, &specs),
            Self::Suffix(suffix, specs) => names::add_suffix(resources, &suffix, &specs),
            Self::Entries(entries, specs) => labels::set_entries(resources, &entries, &specs),
            Self::Replicas(replica, specs) => replicas::set(resources, &replica, &specs),
            Self::Image(image, specs) => images::change(resources, &image, &specs),
            Self::Replacements(replacements) => replacement::apply_all(resources, &replacements),
            Self::ValueAdd(value) => value.apply(resources),
            Self::Hash => hash::add_to_names(resources),
            Self::Several(several) => several.into_iter().try_for_each(|one| one.apply(resources, session)),
        }
    }
}

/// All transformations of a kustomization, the fields of its file first, then `transformers`.
pub(crate) fn configure(scope: &Scope<'_>, config: &TransformerConfig) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    let mut add = |kind: &str, transformer: Transformer| {
        let origin = scope.origin.as_ref().map(|origin| origin.of_builtin(scope.file_name, kind));
        steps.push(Step { transformer, origin });
    };
    let kustomization = scope.kustomization;
    if !kustomization.patches_strategic_merge.is_empty() {
        let patches = patch::StrategicMerge::load(scope, &kustomization.patches_strategic_merge, "")?;
        add("PatchStrategicMergeTransformer", Transformer::StrategicMerge(patches));
    }
    for one in &kustomization.patches {
        add("PatchTransformer", Transformer::Patch(patch::Patch::load(scope, one)?));
    }
    if !kustomization.namespace.is_empty() {
        let namespace = namespace::Namespace::new(&kustomization.namespace, &config.namespace);
        add("NamespaceTransformer", Transformer::Namespace(namespace));
    }
    if !kustomization.name_prefix.is_empty() {
        let prefix = kustomization.name_prefix.clone();
        add("PrefixTransformer", Transformer::Prefix(prefix, Arc::clone(&config.name_prefix)));
    }
    if !kustomization.name_suffix.is_empty() {
        let suffix = kustomization.name_suffix.clone();
        add("SuffixTransformer", Transformer::Suffix(suffix, Arc::clone(&config.name_suffix)));
    }
    for (entries, specs) in label_entries(scope, config)? {
        add("LabelTransformer", Transformer::Entries(entries, specs));
    }
    if !kustomization.common_annotations.is_empty() {
        let entries = kustomization.common_annotations.clone();
        add("AnnotationsTransformer", Transformer::Entries(entries, Arc::clone(&config.common_annotations)));
    }
    for one in &kustomization.patches_json6902 {
        let patch = patch::TargetedJsonPatch::load(scope, one)?;
        add("PatchJson6902Transformer", Transformer::JsonPatch(patch));
    }
    for replica in &kustomization.replicas {
        add("ReplicaCountTransformer", Transformer::Replicas(replica.clone(), Arc::clone(&config.replicas)));
    }
    for image in &kustomization.images {
        add("ImageTagTransformer", Transformer::Image(image.clone(), Arc::clone(&config.images)));
    }
    if !kustomization.replacements.is_empty() {
        let replacements = replacement::load(scope, &kustomization.replacements)?;
        add("ReplacementTransformer", Transformer::Replacements(replacements));
    }
    for config in scope.read_plugins(&kustomization.transformers)? {
        let origin = Origin::of_plugin(&config);
        steps.push(Step { transformer: plugins::transformer(scope, &config)?, origin });
    }
    Ok(steps)
}

/// Labels and where they go.
type LabelEntries = (BTreeMap<Text, Text>, Arc<Vec<FieldSpec>>);

/// The labels with their fields; `commonLabels` come last, even if there are none, once there are `labels`.
fn label_entries(scope: &Scope<'_>, config: &TransformerConfig) -> Result<Vec<LabelEntries>> {
    let kustomization = scope.kustomization;
    if kustomization.labels.is_empty() && kustomization.common_labels.is_empty() {
        return Ok(Vec::new());
    }
    let mut all = Vec::new();
    for label in &kustomization.labels {
        all.push((label.pairs.clone(), Arc::new(label_specs(label, config)?)));
    }
    all.push((kustomization.common_labels.clone(), Arc::clone(&config.common_labels)));
    Ok(all)
}

fn label_specs(label: &Label, config: &TransformerConfig) -> Result<Vec<FieldSpec>> {
    let mut specs = label.fields.clone();
    merge_specs(&mut specs, &config.labels)?;
    if label.include_selectors {
        merge_specs(&mut specs, &config.common_labels)?;
        return Ok(specs);
    }
    if label.include_templates {
        merge_specs(&mut specs, &config.template_labels)?;
    }
    merge_specs(&mut specs, &[FieldSpec::of("", "", "", "metadata/labels", true)])?;
    Ok(specs)
}
