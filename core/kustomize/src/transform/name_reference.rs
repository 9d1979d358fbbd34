//! Fields that hold the name of another object follow when that name changes.

use std::collections::{BTreeSet, HashMap};

use crate::error::{Problem, Result};
use crate::field_spec::{FieldSpec, NameReference};
use crate::id::Gvk;
use crate::resource::{FileId, Resource};
use crate::resources::Resources;
use crate::yaml::{Map, Node, Scalar, Text};

/// Updates all references, once names are final.
///
/// # Errors
///
/// If a name may refer to several objects that are called differently now.
pub(crate) fn update(resources: &mut Resources, references: &[NameReference]) -> Result<()> {
    let candidates = Candidates::of(resources);
    let by_kind = specs_by_kind(references);
    for at in 0..resources.len() {
        check_subjects(resources.get(at))?;
        let original = resources.get(at).original_id().to_gvk();
        let any = Text::default();
        let specs: BTreeSet<(usize, usize)> = [&original.kind, &any]
            .into_iter()
            .flat_map(|kind| by_kind.get(kind).into_iter().flatten().copied())
            .collect();
        for (reference, referrer) in specs {
            let (target, spec) = (&references[reference].target, &references[reference].referrers[referrer]);
            if spec.gvk.selects_gvk(&original) {
                Update { resources, candidates: &candidates, at, target, spec }.run()?;
            }
        }
    }
    Ok(())
}

/// Positions of specs by the kind of the objects they are for.
fn specs_by_kind(references: &[NameReference]) -> HashMap<Text, Vec<(usize, usize)>> {
    let mut by_kind: HashMap<Text, Vec<(usize, usize)>> = HashMap::new();
    for (at, reference) in references.iter().enumerate() {
        for (referrer, spec) in reference.referrers.iter().enumerate() {
            by_kind.entry(spec.gvk.kind.clone()).or_default().push((at, referrer));
        }
    }
    by_kind
}

/// What references can mean: resources whose id changed. References do not change these facts, so they are
/// collected once.
struct Candidates {
    /// Positions by each previous name.
    by_name: HashMap<Text, Vec<usize>>,
    facts: Vec<Facts>,
    /// Positions by original effective namespace.
    by_original_namespace: HashMap<Text, Vec<usize>>,
}

/// What is asked of a candidate.
struct Facts {
    name: Text,
    namespace: Text,
    effective_namespace: Text,
    original_namespace: Text,
    cluster_scoped: bool,
    is_service_account: bool,
}

impl Candidates {
    fn of(resources: &Resources) -> Self {
        let mut by_name: HashMap<Text, Vec<usize>> = HashMap::new();
        let mut by_original_namespace: HashMap<Text, Vec<usize>> = HashMap::new();
        let mut facts = Vec::with_capacity(resources.len());
        for (at, resource) in resources.iter().enumerate() {
            for id in resource.previous_ids() {
                let positions = by_name.entry(id.name.into()).or_default();
                if positions.last() != Some(&at) {
                    positions.push(at);
                }
            }
            let (id, original) = (resource.id(), resource.original_id());
            let original_namespace = Text::from(original.effective_namespace());
            by_original_namespace.entry(original_namespace.clone()).or_default().push(at);
            facts.push(Facts {
                name: id.name.into(),
                namespace: id.namespace.into(),
                effective_namespace: id.effective_namespace().into(),
                original_namespace,
                cluster_scoped: id.cluster_scoped,
                is_service_account: id.kind == "ServiceAccount",
            });
        }
        Self { by_name, facts, by_original_namespace }
    }
}

/// Who refers: what decides which candidates it can see.
struct Referrer<'a> {
    effective_namespace: &'a str,
    cluster_scoped: bool,
    /// Of a `RoleBinding`, the namespaces of the service accounts it names.
    subject_namespaces: BTreeSet<Text>,
    /// Of a binding, what its `roleRef` says beside the name.
    role: Option<Gvk>,
}

impl<'a> Referrer<'a> {
    fn of(resource: &'a Resource, facts: &'a Facts) -> Self {
        Self {
            effective_namespace: &facts.effective_namespace,
            cluster_scoped: facts.cluster_scoped,
            subject_namespaces: subject_namespaces(resource),
            role: role_of(resource),
        }
    }

    /// Cluster-wide objects see everything, others what is cluster-wide or in the same namespace.
    fn sees(&self, candidate: &Facts) -> bool {
        self.cluster_scoped
            || candidate.cluster_scoped
            || candidate.effective_namespace == self.effective_namespace
            || self.subject_namespaces.contains(&candidate.namespace)
    }

    /// The same, but service accounts may be anywhere among what is seen.
    fn may_refer_to(&self, candidate: &Facts) -> bool {
        self.cluster_scoped
            || candidate.cluster_scoped
            || candidate.is_service_account
            || candidate.effective_namespace == self.effective_namespace
    }
}

/// The namespace of a service account that a role binding names cannot be blank.
fn check_subjects(resource: &Resource) -> Result<()> {
    if resource.kind() != "RoleBinding" {
        return Ok(());
    }
    for subject in resource.node.get("subjects").and_then(Node::as_list).unwrap_or_default() {
        let is_account = subject.get("kind").is_some_and(|kind| kind.text() == "ServiceAccount");
        if is_account && subject.get("namespace").is_some_and(Node::is_null) {
            let reason = "the namespace of a service account under `subjects` is blank".to_owned();
            return Problem::Transformation { object: resource.id().to_string(), reason }
                .at_line(subject.line());
        }
    }
    Ok(())
}

fn subject_namespaces(resource: &Resource) -> BTreeSet<Text> {
    let is_binding = resource.kind() == "RoleBinding";
    let subjects = resource.node.get("subjects").and_then(Node::as_list).filter(|_| is_binding);
    let subjects = subjects.unwrap_or_default().iter();
    let accounts =
        subjects.filter(|subject| subject.get("kind").is_some_and(|kind| kind.text() == "ServiceAccount"));
    accounts.filter_map(|subject| subject.get("namespace")).map(|namespace| namespace.text().into()).collect()
}

fn role_of(resource: &Resource) -> Option<Gvk> {
    let role = resource.node.get("roleRef")?;
    Some(Gvk {
        group: role.get("apiGroup")?.text().into(),
        version: Text::default(),
        kind: role.get("kind")?.text().into(),
    })
}

struct Update<'a> {
    resources: &'a mut Resources,
    candidates: &'a Candidates,
    /// The referrer.
    at: usize,
    target: &'a Gvk,
    spec: &'a FieldSpec,
}

impl Update<'_> {
    fn run(self) -> Result<()> {
        if !self.spec.is_present(&self.resources.get(self.at).node) {
            return Ok(());
        }
        // The object is changed apart from the list, which has to be looked at meanwhile.
        let mut node = self.resources.get(self.at).node.clone();
        let mut files: Vec<FileId> = Vec::new();
        let resource = self.resources.get(self.at);
        let referrer = Referrer::of(resource, &self.candidates.facts[self.at]);
        let choice = Choice { update: &self, referrer: &referrer, resource };
        self.spec.visit_any(&mut node, &mut |field| choice.field(field, &mut files))?;
        self.resources.change(self.at, |resource| {
            resource.node = node;
            resource.add_files(&files);
        });
        Ok(())
    }
}

struct Choice<'a> {
    update: &'a Update<'a>,
    referrer: &'a Referrer<'a>,
    resource: &'a Resource,
}

impl Choice<'_> {
    fn field(&self, field: &mut Node, files: &mut Vec<FileId>) -> Result<()> {
        match field {
            node if node.is_null() => Ok(()),
            Node::Scalar(scalar) => self.scalar(scalar, files),
            Node::Map(map) => self.map(map, files),
            Node::List(items) => items.iter_mut().try_for_each(|item| match item {
                node if node.is_null() => Ok(()),
                Node::Scalar(scalar) => self.scalar(scalar, files),
                Node::Map(map) => self.map(map, files),
                Node::List(_) => {
                    let (field, found) = (self.update.spec.path.to_string(), item.kind());
                    Problem::WrongType { field, expected: "a name or a map with one", found }
                        .at_line(item.line())
                }
            }),
        }
    }

    /// A name alone.
    fn scalar(&self, scalar: &mut Scalar, files: &mut Vec<FileId>) -> Result<()> {
        let same = |left: &Facts, right: &Facts| left.name == right.name;
        if let Some(at) = self.referral(&scalar.text, None, same)? {
            self.note(at, files);
            let name = &self.facts(at).name;
            if scalar.text != *name {
                scalar.replace(Scalar::untagged(name.clone()));
            }
        }
        Ok(())
    }

    /// A map with `name` and perhaps `namespace`, both of which follow.
    fn map(&self, map: &mut Map, files: &mut Vec<FileId>) -> Result<()> {
        let Some(name) = map.get("name").map(|name| Text::from(name.text())) else {
            let reason = "leads to a map without `name`".to_owned();
            return Problem::InvalidField { field: self.update.spec.path.to_string(), reason }.fail();
        };
        let namespace = map.get("namespace").map(|namespace| Text::from(namespace.text()));
        let same = |left: &Facts, right: &Facts| left.name == right.name && left.namespace == right.namespace;
        let Some(at) = self.referral(&name, namespace.as_ref(), same)? else { return Ok(()) };
        self.note(at, files);
        let facts = self.facts(at);
        if facts.name == name && facts.namespace.is_empty() {
            return Ok(());
        }
        map.set("name", Scalar::untagged(facts.name.clone()));
        if !facts.namespace.is_empty() {
            map.set("namespace", Scalar::untagged(facts.namespace.clone()));
        }
        Ok(())
    }

    fn facts(&self, at: usize) -> &Facts {
        &self.update.candidates.facts[at]
    }

    fn note(&self, at: usize, files: &mut Vec<FileId>) {
        if at != self.update.at {
            files.extend(&self.update.resources.get(at).files);
        }
    }

    /// The one resource the name means, if any.
    fn referral(
        &self,
        name: &str,
        namespace: Option<&Text>,
        is_same: fn(&Facts, &Facts) -> bool,
    ) -> Result<Option<usize>> {
        let known = self.update.candidates.by_name.get(name).map_or(&[][..], Vec::as_slice);
        let resource = |at: usize| self.update.resources.get(at);
        let mut found: Vec<usize> = known.iter().copied().filter(|&at| self.fits(at, namespace)).collect();
        if found.len() == 1 {
            return Ok(found.first().copied());
        }
        found.retain(|&at| resource(at).shares_context_with(self.resource, true));
        if found.len() > 1 {
            found.retain(|&at| resource(at).shares_context_with(self.resource, false));
        }
        match found.as_slice() {
            [] => Ok(None),
            [first, rest @ ..] if rest.iter().all(|&at| is_same(self.facts(*first), self.facts(at))) => {
                Ok(Some(*first))
            }
            several => {
                let candidates: Vec<String> =
                    several.iter().map(|&at| resource(at).id().to_string()).collect();
                Problem::AmbiguousReference {
                    name: name.to_owned(),
                    object: self.resource.id().to_string(),
                    candidates: candidates.join(", "),
                }
                .fail()
            }
        }
    }

    fn fits(&self, at: usize, namespace: Option<&Text>) -> bool {
        let (facts, resource) = (self.facts(at), self.update.resources.get(at));
        self.referrer.sees(facts)
            && namespace.is_none_or(|namespace| self.is_in(facts, namespace))
            && resource.previous_ids().any(|id| id.is_selected_by(self.update.target))
            && self.fits_role(resource)
            && self.referrer.may_refer_to(facts)
    }

    fn fits_role(&self, resource: &Resource) -> bool {
        match &self.referrer.role {
            Some(role) if self.update.spec.path.ends_with("roleRef/name") => {
                resource.previous_ids().any(|id| id.is_selected_by(role))
            }
            _ => true,
        }
    }

    /// A namespace means the original ones; only if nothing was in it, the current ones.
    fn is_in(&self, facts: &Facts, namespace: &Text) -> bool {
        let candidates = self.update.candidates;
        let originally = candidates.by_original_namespace.get(namespace).map_or(&[][..], Vec::as_slice);
        let any_there = originally.iter().any(|&at| self.referrer.sees(&candidates.facts[at]));
        let found = if any_there { &facts.original_namespace } else { &facts.effective_namespace };
        found == namespace && namespace != crate::id::NO_NAMESPACE
    }
}
