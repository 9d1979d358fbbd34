//! Which fields each transformation changes: the defaults, and what kustomizations add to them.

use std::sync::{Arc, OnceLock};

use crate::error::{InFile, Result};
use crate::facts::{field_specs, name_references};
use crate::field_spec::{FieldSpec, NameReference, compare_gvks, merge_specs};
use crate::kustomization::fields::{Fields, Strictness};
use crate::kustomization::parts;
use crate::loader::Loader;
use crate::yaml::{Dialect, Duplicates, Limits, parse_document};

/// The fields of all transformations.
#[derive(Clone, Debug, Default)]
pub(crate) struct TransformerConfig {
    pub(crate) name_prefix: Arc<Vec<FieldSpec>>,
    pub(crate) name_suffix: Arc<Vec<FieldSpec>>,
    pub(crate) namespace: Arc<Vec<FieldSpec>>,
    /// Labels with their selectors.
    pub(crate) common_labels: Arc<Vec<FieldSpec>>,
    /// Fields the `labels` of a kustomization always reach; empty by default.
    pub(crate) labels: Arc<Vec<FieldSpec>>,
    pub(crate) template_labels: Arc<Vec<FieldSpec>>,
    pub(crate) common_annotations: Arc<Vec<FieldSpec>>,
    pub(crate) name_reference: Arc<Vec<NameReference>>,
    pub(crate) var_reference: Arc<Vec<FieldSpec>>,
    pub(crate) images: Arc<Vec<FieldSpec>>,
    pub(crate) replicas: Arc<Vec<FieldSpec>>,
}

impl TransformerConfig {
    /// What applies without `configurations`.
    pub(crate) fn defaults() -> &'static Self {
        static DEFAULTS: OnceLock<TransformerConfig> = OnceLock::new();
        DEFAULTS.get_or_init(|| {
            let mut config = Self {
                name_prefix: Arc::new(field_specs::names()),
                name_suffix: Arc::new(field_specs::names()),
                namespace: Arc::new(field_specs::namespaces()),
                common_labels: Arc::new(field_specs::labels()),
                labels: Arc::default(),
                template_labels: Arc::new(field_specs::template_labels()),
                common_annotations: Arc::new(field_specs::annotations()),
                name_reference: Arc::new(name_references::defaults()),
                var_reference: Arc::new(field_specs::vars()),
                images: Arc::new(field_specs::images()),
                replicas: Arc::new(field_specs::replicas()),
            };
            config.sort();
            config
        })
    }

    /// The defaults with the `configurations` of a kustomization.
    pub(crate) fn load(loader: &Loader<'_>, paths: &[crate::yaml::Text]) -> Result<Self> {
        let mut config = Self::defaults().clone();
        let mut own = Self::default();
        for path in paths {
            let file = loader.load(path)?;
            let one = file.text().and_then(Self::parse).in_file(&file.path)?;
            own.merge(&one).in_file(&file.path)?;
        }
        config.merge(&own)?;
        config.settle()?;
        Ok(config)
    }

    fn parse(text: &str) -> Result<Self> {
        let Some(node) = parse_document(text, 1, Dialect::V2, Duplicates::Refused, Limits::default())? else {
            return Ok(Self::default());
        };
        let mut fields = Fields::of(&node, "", Strictness::Coercing)?;
        let mut config = Self {
            name_prefix: Arc::new(parts::field_specs(&mut fields, "namePrefix")?),
            name_suffix: Arc::new(parts::field_specs(&mut fields, "nameSuffix")?),
            namespace: Arc::new(parts::field_specs(&mut fields, "namespace")?),
            common_labels: Arc::new(parts::field_specs(&mut fields, "commonLabels")?),
            labels: Arc::new(parts::field_specs(&mut fields, "labels")?),
            template_labels: Arc::new(parts::field_specs(&mut fields, "templateLabels")?),
            common_annotations: Arc::new(parts::field_specs(&mut fields, "commonAnnotations")?),
            name_reference: Arc::new(parts::name_references(&mut fields, "nameReference")?),
            var_reference: Arc::new(parts::field_specs(&mut fields, "varReference")?),
            images: Arc::new(parts::field_specs(&mut fields, "images")?),
            replicas: Arc::new(parts::field_specs(&mut fields, "replicas")?),
        };
        fields.finish()?;
        config.sort();
        Ok(config)
    }

    /// Adds what `other` has and this has not.
    ///
    /// # Errors
    ///
    /// If both have a field with another `create`.
    pub(crate) fn merge(&mut self, other: &Self) -> Result<()> {
        merge_shared(&mut self.name_prefix, &other.name_prefix)?;
        merge_shared(&mut self.name_suffix, &other.name_suffix)?;
        merge_shared(&mut self.namespace, &other.namespace)?;
        merge_shared(&mut self.common_labels, &other.common_labels)?;
        merge_shared(&mut self.labels, &other.labels)?;
        merge_shared(&mut self.template_labels, &other.template_labels)?;
        merge_shared(&mut self.common_annotations, &other.common_annotations)?;
        merge_shared(&mut self.var_reference, &other.var_reference)?;
        merge_shared(&mut self.images, &other.images)?;
        merge_shared(&mut self.replicas, &other.replicas)?;
        self.merge_references(&other.name_reference)
    }

    fn merge_references(&mut self, incoming: &Arc<Vec<NameReference>>) -> Result<()> {
        if self.name_reference.is_empty() {
            self.name_reference = Arc::clone(incoming);
            return Ok(());
        }
        if incoming.is_empty() || Arc::ptr_eq(&self.name_reference, incoming) {
            return Ok(());
        }
        let references = Arc::make_mut(&mut self.name_reference);
        for reference in incoming.iter() {
            match references.iter_mut().find(|known| known.target == reference.target) {
                Some(known) => merge_specs(&mut known.referrers, &reference.referrers)?,
                None => references.push(reference.clone()),
            }
        }
        references.sort_by(|left, right| compare_gvks(&left.target, &right.target));
        Ok(())
    }

    /// Drops specs that a more particular one before them makes redundant, as a merge into nothing does.
    fn settle(&mut self) -> Result<()> {
        for specs in self.lists() {
            let mut settled = Vec::with_capacity(specs.len());
            merge_specs(&mut settled, specs)?;
            *specs = Arc::new(settled);
        }
        Ok(())
    }

    fn lists(&mut self) -> [&mut Arc<Vec<FieldSpec>>; 10] {
        [
            &mut self.name_prefix,
            &mut self.name_suffix,
            &mut self.namespace,
            &mut self.common_labels,
            &mut self.labels,
            &mut self.template_labels,
            &mut self.common_annotations,
            &mut self.var_reference,
            &mut self.images,
            &mut self.replicas,
        ]
    }

    fn sort(&mut self) {
        for specs in self.lists() {
            Arc::make_mut(specs).sort_by(|left, right| compare_gvks(&left.gvk, &right.gvk));
        }
        Arc::make_mut(&mut self.name_reference)
            .sort_by(|left, right| compare_gvks(&left.target, &right.target));
    }
}

/// Merges two shared lists; the usual case, that both are the defaults, costs nothing.
fn merge_shared(into: &mut Arc<Vec<FieldSpec>>, incoming: &Arc<Vec<FieldSpec>>) -> Result<()> {
    if into.is_empty() {
        *into = Arc::clone(incoming);
        return Ok(());
    }
    if incoming.is_empty() || Arc::ptr_eq(into, incoming) {
        return Ok(());
    }
    let specs = Arc::make_mut(into);
    merge_specs(specs, incoming)?;
    specs.sort_by(|left, right| compare_gvks(&left.gvk, &right.gvk));
    Ok(())
}
