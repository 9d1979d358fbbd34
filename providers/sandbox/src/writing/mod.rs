//! What becomes of what somebody wants to write: decoded, defaulted, admitted, checked, its owner noted, stored.

mod admission;
mod check;
mod decode;
mod defaults;
mod patch;
mod warnings;

use std::borrow::Cow;
use std::sync::Arc;

use serde_json::Value;

pub(crate) use admission::admit_deletion;
pub(crate) use admission::quota::used;
pub(crate) use check::fits;
pub(crate) use patch::{Patch, patched};

use crate::api::problem;
use crate::api::problem::{FieldProblem, Problem};
use crate::api::served::Served;
use crate::apply::{self, Operation, Writer};
use crate::objects::kinds::NAMESPACE;
use crate::objects::{Kind, Mode, Objects, Subresource, keep_all_but_status, keep_status, meta};
use crate::schema::{self, KindSchema};

/// How often a write that names no version is tried while others write the object.
const TRIES: usize = 5;

/// A write: to what, by whom, how strictly.
#[derive(Debug)]
pub(crate) struct Write<'w> {
    pub(crate) objects: &'w Objects,
    pub(crate) served: &'w Served,
    pub(crate) mode: Mode,
    /// `fieldManager`
    pub(crate) manager: &'w str,
    pub(crate) strictness: Strictness,
    /// Whether only the status is written, or the object without it.
    pub(crate) part: Part,
}

/// What is done about unknown and doubled fields (`fieldValidation`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strictness {
    Ignore,
    Warn,
    Strict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Object,
    Status,
    /// The replicas, by `scale`.
    Scale,
}

/// What was stored, and what the writer should know.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) object: Arc<Value>,
    pub(crate) is_new: bool,
    pub(crate) warnings: Vec<String>,
}

/// Makes an object as the API does, for controllers: their pods are defaulted and admitted like any others.
pub(crate) fn create_for_controller(
    objects: &Objects,
    kind: &'static Kind,
    object: Value,
) -> Result<Arc<Value>, String> {
    let schema = schema::of_kind(kind).ok_or_else(|| format!("`{}` is not served", kind.kind))?;
    let served =
        Served { kind: Cow::Borrowed(kind), schema: KindSchema::BuiltIn(schema), columns: Value::Null };
    let write = Write {
        objects,
        served: &served,
        mode: Mode::Write,
        manager: "kube-controller-manager",
        strictness: Strictness::Ignore,
        part: Part::Object,
    };
    write.create(object, Vec::new()).map(|written| written.object).map_err(|problem| problem.message)
}

impl Write<'_> {
    fn kind(&self) -> &Kind {
        &self.served.kind
    }

    /// Adds an object that was sent.
    pub(crate) fn create_sent(&self, object: Value) -> Result<Written, Problem> {
        let (object, warnings) = decode::decode(self, object)?;
        self.create(object, warnings)
    }

    fn create(&self, mut object: Value, warnings: Vec<String>) -> Result<Written, Problem> {
        meta::generate_name(&mut object);
        meta::metadata(&mut object).shift_remove("managedFields");
        self.prepare_new(&mut object)?;
        let writer = self.writer(Operation::Update);
        if !self.manager.is_empty() && self.manager != "kube-controller-manager" {
            apply::track(None, &mut object, &self.served.schema, &writer);
        }
        self.insert(object, warnings)
    }

    /// Everything but the owner.
    fn prepare_new(&self, object: &mut Value) -> Result<(), Problem> {
        let kind = self.kind();
        meta::metadata(object).shift_remove("resourceVersion");
        if kind.has(Subresource::Status) {
            object.as_object_mut().expect("decoded objects are objects").shift_remove("status");
        }
        meta::stamp_new(kind, object);
        defaults::fill(kind, &self.served.schema, object);
        defaults::fill_new(self.objects, kind, object);
        self.check_namespace(object)?;
        admission::admit_new(self.objects, kind, object)?;
        let problems = check::new(kind, &self.served.schema, object);
        problem::invalid(kind, meta::text(object, "name"), &problems)
    }

    fn check_namespace(&self, object: &Value) -> Result<(), Problem> {
        if !self.kind().is_namespaced() {
            return Ok(());
        }
        let namespace = meta::text(object, "namespace");
        let found = self.objects.get(&NAMESPACE, None, namespace);
        let not_found = || Problem::not_found(&NAMESPACE.resource(), namespace);
        found.map(drop).ok_or_else(not_found)
    }

    fn insert(&self, object: Value, mut warnings: Vec<String>) -> Result<Written, Problem> {
        let object = self.objects.create_stamped(self.mode, self.kind(), object)?;
        warnings.extend(warnings::of(self.kind(), None, &object));
        Ok(Written { object, is_new: true, warnings })
    }

    /// Puts an object that was sent in the place of the stored one.
    pub(crate) fn replace_sent(&self, object: Value) -> Result<Written, Problem> {
        let (object, warnings) = decode::decode(self, object)?;
        let namespace = meta::text(&object, "namespace").to_owned();
        let live = self.live(&namespace, meta::text(&object, "name"))?;
        self.replace(&live, object, warnings)
    }

    pub(crate) fn live(&self, namespace: &str, name: &str) -> Result<Arc<Value>, Problem> {
        let namespace = self.kind().is_namespaced().then_some(namespace);
        let live = self.objects.get(self.kind(), namespace, name);
        live.ok_or_else(|| Problem::not_found(&self.kind().resource(), name))
    }

    /// What is said of an object that was changed by others at every try.
    fn never_still(&self, name: &str) -> Problem {
        Problem::conflict(&self.kind().resource(), name, "it changes all the time")
    }

    fn replace(
        &self,
        live: &Arc<Value>,
        mut object: Value,
        warnings: Vec<String>,
    ) -> Result<Written, Problem> {
        self.prepare_next(live, &mut object)?;
        apply::track(Some(live), &mut object, &self.served.schema, &self.writer(Operation::Update));
        self.store(live, object, warnings)
    }

    /// Changes an object; what changes in between is looked at again, unless the change names a version.
    pub(crate) fn patch(&self, namespace: &str, name: &str, patch: &Patch) -> Result<Written, Problem> {
        for _ in 0..TRIES {
            let live = self.live(namespace, name)?;
            let (object, warnings) = decode::patched(self, patched(&live, patch, &self.served.schema)?)?;
            let names_version =
                meta::text(&object, "resourceVersion") != meta::text(&live, "resourceVersion");
            match self.replace(&live, object, warnings) {
                Err(problem) if problem.code == 409 && !names_version && self.is_stale(&live) => {}
                other => return other,
            }
        }
        Err(self.never_still(name))
    }

    /// Server-side apply: makes the object be as wished.
    pub(crate) fn apply(
        &self,
        namespace: &str,
        name: &str,
        wish: &Value,
        is_forced: bool,
    ) -> Result<Written, Problem> {
        if self.manager.is_empty() {
            let missing = FieldProblem::required("fieldManager", "is required for apply patch");
            return Err(Problem::invalid("PatchOptions", "meta.k8s.io", "", &[missing]));
        }
        let wish = decode::wish(self, namespace, name, wish.clone())?;
        for _ in 0..TRIES {
            match self.apply_once(namespace, name, &wish, is_forced) {
                Err(problem) if problem.is_race() => {}
                other => return other,
            }
        }
        Err(self.never_still(name))
    }

    fn apply_once(
        &self,
        namespace: &str,
        name: &str,
        wish: &Value,
        is_forced: bool,
    ) -> Result<Written, Problem> {
        let writer = self.writer(Operation::Apply);
        let schema = &self.served.schema;
        let live = self.live(namespace, name).ok();
        let merged = apply::apply(live.as_deref(), wish, schema, &writer, is_forced);
        let mut object = merged.map_err(|conflicts| Problem::conflicts(&conflicts))?;
        let Some(live) = live else {
            if !meta::text(wish, "uid").is_empty() {
                return Err(Problem::conflict(
                    &self.kind().resource(),
                    name,
                    "uid mismatch: the provided object specified uid, and no existing object was found",
                ));
            }
            let managed_fields = object["metadata"]["managedFields"].clone();
            self.prepare_new(&mut object)?;
            meta::metadata(&mut object).insert("managedFields".to_owned(), managed_fields);
            return self.insert(object, Vec::new());
        };
        self.prepare_next(&live, &mut object)?;
        self.store(&live, object, Vec::new())
    }

    fn prepare_next(&self, live: &Arc<Value>, object: &mut Value) -> Result<(), Problem> {
        let kind = self.kind();
        let metadata = meta::metadata(object);
        metadata.entry("resourceVersion").or_insert_with(|| live["metadata"]["resourceVersion"].clone());
        if self.part == Part::Status {
            return Ok(());
        }
        keep_status(kind, live, object);
        defaults::keep(kind, live, object);
        defaults::fill(kind, &self.served.schema, object);
        meta::stamp_next(kind, live, object);
        admission::admit_next(self.objects, kind, live, object)?;
        let problems = check::next(kind, &self.served.schema, live, object);
        problem::invalid(kind, meta::text(object, "name"), &problems)
    }

    fn store(&self, live: &Value, object: Value, mut warnings: Vec<String>) -> Result<Written, Problem> {
        let keep = if self.part == Part::Status { keep_all_but_status } else { keep_status };
        let object = self.objects.replace_in(self.mode, self.kind(), object, keep)?;
        warnings.extend(warnings::of(self.kind(), Some(live), &object));
        Ok(Written { object, is_new: false, warnings })
    }

    fn is_stale(&self, live: &Value) -> bool {
        let namespace = self.kind().is_namespaced().then(|| meta::text(live, "namespace"));
        let now = self.objects.get(self.kind(), namespace, meta::text(live, "name"));
        now.is_some_and(|now| meta::text(&now, "resourceVersion") != meta::text(live, "resourceVersion"))
    }

    fn writer(&self, operation: Operation) -> Writer {
        let subresource = match self.part {
            Part::Object => "",
            Part::Status => "status",
            Part::Scale => "scale",
        };
        Writer {
            manager: self.manager.to_owned(),
            operation,
            subresource: subresource.to_owned(),
            api_version: self.kind().api_version(),
        }
    }
}

impl Problem {
    /// Whether somebody else was faster, so that trying again helps.
    fn is_race(&self) -> bool {
        self.code == 409
            && (self.message.contains("the object has been modified")
                || self.message.contains("already exists"))
    }
}
