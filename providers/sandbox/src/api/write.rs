//! Creating, changing and deleting.

use serde_json::{Value, json};

use super::answer::{self, Answer};
use super::problem::Problem;
use super::read::selector;
use super::request::Call;
use super::{Api, Target, served};
use crate::objects::kinds::{CUSTOM_RESOURCE_DEFINITION, NAMESPACE};
use crate::objects::{Deleted, Deletion, Mode, Propagation, meta};
use crate::writing::{Part, Patch, Strictness, Write, Written, admit_deletion};

const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

/// The forms in which a change may be sent.
const PATCHES: [&str; 4] = [
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
];

impl Api {
    /// A write to what a path leads to, as the request wants it.
    pub(super) fn writing<'w>(
        &'w self,
        call: &Call,
        target: &'w Target,
        manager: &'w str,
        part: Part,
    ) -> Result<Write<'w>, Problem> {
        let strictness = match call.text("fieldValidation") {
            None | Some("Warn") => Strictness::Warn,
            Some("Strict") => Strictness::Strict,
            Some("Ignore") => Strictness::Ignore,
            Some(other) => return Err(Problem::bad_request(format!("invalid fieldValidation {other:?}"))),
        };
        Ok(Write {
            objects: self.objects(),
            served: &target.served,
            mode: call.mode()?,
            manager,
            strictness,
            part,
        })
    }

    pub(super) fn create(&self, call: &Call, target: &Target) -> Result<Answer, Problem> {
        let mut object = body(call)?;
        in_namespace(target, &mut object)?;
        let manager = call.manager();
        let written = self.writing(call, target, &manager, Part::Object)?.create_sent(object)?;
        Ok(answer_written(&written))
    }

    pub(super) fn replace(&self, call: &Call, target: &Target) -> Result<Answer, Problem> {
        self.replace_part(call, target, Part::Object)
    }

    pub(super) fn replace_part(&self, call: &Call, target: &Target, part: Part) -> Result<Answer, Problem> {
        let mut object = body(call)?;
        in_namespace(target, &mut object)?;
        if meta::text(&object, "name") != target.name() {
            return Err(Problem::bad_request(format!(
                "the name of the object ({}) does not match the name on the URL ({})",
                meta::text(&object, "name"),
                target.name()
            )));
        }
        let manager = call.manager();
        let written = self.writing(call, target, &manager, part)?.replace_sent(object)?;
        Ok(answer_written(&written))
    }

    pub(super) fn patch(&self, call: &Call, target: &Target) -> Result<Answer, Problem> {
        self.patch_part(call, target, Part::Object)
    }

    pub(super) fn patch_part(&self, call: &Call, target: &Target, part: Part) -> Result<Answer, Problem> {
        let is_apply = call.content_type() == "application/apply-patch+yaml";
        let manager =
            if is_apply { call.text("fieldManager").unwrap_or_default().to_owned() } else { call.manager() };
        let write = self.writing(call, target, &manager, part)?;
        let (namespace, name) = (target.namespace(), target.name());
        let written = if is_apply {
            write.apply(namespace, name, &call.yaml()?, call.flag("force"))?
        } else {
            if call.query.contains_key("force") {
                return Err(Problem::bad_request(
                    "force: Forbidden: may not be specified for non-apply patch",
                ));
            }
            write.patch(namespace, name, &patch(call, target)?)?
        };
        Ok(answer_written(&written))
    }

    pub(super) fn delete(&self, call: &Call, target: &Target, name: &str) -> Result<Answer, Problem> {
        let (deletion, mode) = deletion(call)?;
        let kind = target.kind();
        admit_deletion(kind, name)?;
        if kind == &CUSTOM_RESOURCE_DEFINITION && mode == Mode::Write {
            self.withdraw(name);
        }
        let deleted = self.objects().delete_in(mode, kind, target.namespace.as_deref(), name, &deletion)?;
        match deleted {
            Deleted::Gone(object) => {
                let details = json!({
                    "name": name, "group": kind.group, "kind": kind.plural, "uid": meta::text(&object, "uid"),
                });
                Ok(answer::json(
                    200,
                    &json!({
                        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details,
                    }),
                ))
            }
            Deleted::Marked(object) if kind == &NAMESPACE && mode == Mode::Write => {
                let marked = self.objects().update(kind, None, name, |namespace| {
                    namespace["status"]["phase"] = "Terminating".into();
                });
                Ok(answer::json(200, &marked.unwrap_or(object)))
            }
            Deleted::Marked(object) => Ok(answer::json(200, &object)),
        }
    }

    /// Deletes every object that is selected, and answers with them.
    pub(super) fn delete_all(&self, call: &Call, target: &Target) -> Result<Answer, Problem> {
        let (deletion, mode) = deletion(call)?;
        let (kind, selector) = (target.kind(), selector(call, target)?);
        if kind.is_namespaced() && target.namespace.is_none() || kind == &NAMESPACE {
            return Err(Problem::method_not_allowed());
        }
        let listed = self.objects().list(kind, target.namespace.as_deref());
        let mut items = Vec::new();
        for object in listed.items.iter().filter(|object| selector.selects(object)) {
            // One that is gone by now was deleted by somebody else.
            let name = meta::text(object, "name");
            let _ = self.objects().delete_in(mode, kind, target.namespace.as_deref(), name, &deletion);
            items.push(Value::clone(object));
        }
        let metadata = json!({"resourceVersion": listed.version.to_string()});
        let list = json!({"kind": format!("{}List", kind.kind), "apiVersion": kind.api_version(), "metadata": metadata, "items": items});
        Ok(answer::json(200, &list))
    }

    /// Takes the objects of a kind away with its definition.
    fn withdraw(&self, definition: &str) {
        let Some(definition) = self.objects().get(&CUSTOM_RESOURCE_DEFINITION, None, definition) else {
            return;
        };
        for (kind, _) in served::kinds_of(&definition) {
            self.objects().forget(&kind.resource());
        }
    }
}

pub(super) fn answer_written(written: &Written) -> Answer {
    let code = if written.is_new { 201 } else { 200 };
    answer::warn(answer::json(code, &written.object), &written.warnings)
}

/// The object or the options that a request carries.
pub(super) fn body(call: &Call) -> Result<Value, Problem> {
    match call.content_type() {
        "application/json" | "" => call.json(),
        "application/yaml" => call.yaml(),
        PROTOBUF => call.protobuf(),
        _ => Err(Problem::unsupported_media(&["application/json", "application/yaml", PROTOBUF])),
    }
}

/// Puts an object into the namespace of the path.
fn in_namespace(target: &Target, object: &mut Value) -> Result<(), Problem> {
    if !object.is_object() {
        return Err(Problem::bad_request(format!("the body must be a {}", target.kind().kind)));
    }
    if !target.kind().is_namespaced() {
        return Ok(());
    }
    let Some(namespace) = &target.namespace else {
        return Err(Problem::method_not_allowed());
    };
    let found = meta::text(object, "namespace");
    if !found.is_empty() && found != namespace {
        return Err(Problem::bad_request(format!(
            "the namespace of the provided object does not match the namespace sent on the request ({found} and {namespace})"
        )));
    }
    meta::metadata(object).insert("namespace".to_owned(), namespace.as_str().into());
    Ok(())
}

pub(super) fn patch(call: &Call, target: &Target) -> Result<Patch, Problem> {
    match call.content_type() {
        "application/json-patch+json" => serde_json::from_slice(&call.body)
            .map(Patch::Json)
            .map_err(|error| Problem::bad_request(format!("error decoding patch: {error}"))),
        "application/merge-patch+json" => call.json().map(Patch::Merge),
        // Only built-in kinds say how their lists merge.
        "application/strategic-merge-patch+json"
            if target.served.columns.is_null() && crate::objects::kinds::KINDS.contains(&target.kind()) =>
        {
            call.json().map(Patch::Strategic)
        }
        _ => Err(Problem::unsupported_media(&PATCHES)),
    }
}

/// `DeleteOptions`, from the body or the query.
fn deletion(call: &Call) -> Result<(Deletion, Mode), Problem> {
    let options = body(call)?;
    let text = |name: &str| options[name].as_str().or(call.text(name)).map(str::to_owned);
    let propagation = match text("propagationPolicy").as_deref() {
        None if options["orphanDependents"] == true => Some(Propagation::Orphan),
        None | Some("") => None,
        Some("Background") => Some(Propagation::Background),
        Some("Foreground") => Some(Propagation::Foreground),
        Some("Orphan") => Some(Propagation::Orphan),
        Some(other) => return Err(Problem::bad_request(format!("invalid propagationPolicy {other:?}"))),
    };
    let demanded = |name: &str| options["preconditions"][name].as_str().map(str::to_owned);
    let query_grace = || call.text("gracePeriodSeconds").and_then(|seconds| seconds.parse().ok());
    let is_dry = options["dryRun"].as_array().is_some_and(|list| list.iter().any(|one| one == "All"));
    let deletion = Deletion {
        propagation,
        uid: demanded("uid"),
        resource_version: demanded("resourceVersion"),
        grace: options["gracePeriodSeconds"].as_i64().or_else(query_grace),
    };
    Ok((deletion, if is_dry { Mode::DryRun } else { call.mode()? }))
}
