//! What applying a release would do: every object is applied for real up to the point of storing it.
//!
//! The API server answers a server-side apply with `dryRun=All` after defaults, validation and admission, so what it refuses now it would
//! refuse then, and what it returns is what would be stored. Every object is asked before any is written, and all that is wrong is collected.
//!
//! An object whose namespace or definition comes with the same release cannot be asked yet. It is planned as created and
//! [unchecked](Planned::unchecked); [`Cluster::apply`](crate::Cluster::apply) checks it as soon as its namespace or definition is there,
//! before anything else is written.

use std::collections::BTreeSet;
use std::fmt;

use futures::FutureExt as _;
use futures::StreamExt as _;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use windlass_core::failure::{ClusterFailure, FailureClass};
use windlass_core::object::{ObjectRef, ObjectView};

use crate::adopt::{is_own, left_behind, taken_over};
use crate::connection::Cluster;
use crate::diff::{FieldChange, diff, differing};
use crate::error::{ClusterError, Request};
use crate::kinds::{Definitions, Kind, check_name, encode};
use crate::read::PARALLEL;
use crate::status::{Conflict, Status};
use crate::transport::{Answer, Call, Failed};

/// The one field manager under which windlass applies. Another name would leave the fields of earlier releases behind.
pub const FIELD_MANAGER: &str = "windlass";

/// How often a live object that changes under the plan is read again.
const READS: usize = 3;

/// How a release is applied.
pub struct ApplyOptions {
    /// Whether an object of the release may not take fields from other managers: then such a field is an error, else it is reported.
    pub refuse_conflicts: Box<dyn Fn(&Value) -> bool + Send + Sync>,
}

impl Default for ApplyOptions {
    /// Fields are taken.
    fn default() -> Self {
        ApplyOptions { refuse_conflicts: Box::new(|_| false) }
    }
}

impl fmt::Debug for ApplyOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApplyOptions").finish_non_exhaustive()
    }
}

/// What applying one object would do.
#[derive(Clone)]
pub struct Planned {
    /// The object, with the namespace it lives in.
    pub reference: ObjectRef,
    /// The object as wanted.
    pub object: Value,
    /// The object as it is.
    pub live: Option<Value>,
    /// The object as it would be, defaults included; none while it is unchecked.
    pub would: Option<Value>,
    /// What would happen.
    pub change: Change,
    /// Fields that other managers own and that would be taken.
    pub taken: Vec<TakenField>,
    /// What the API server warns about.
    pub warnings: Vec<String>,
    /// Why the API server could not be asked yet.
    pub unchecked: Option<Unchecked>,
    pub(crate) force: bool,
}

/// What would happen to an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// It is not there.
    Created,
    /// It is there and differs.
    Changed {
        /// The fields that differ. None when windlass only becomes an owner of fields that are as wanted already.
        fields: Vec<FieldChange>,
    },
    /// It is as wanted, and windlass owns what it wants; it is not written.
    Unchanged,
}

/// A field that another manager owns and that would be taken from it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenField {
    /// Who owns it: `kubectl-client-side-apply`, `kube-controller-manager`, …
    pub manager: String,
    /// The field as the API server writes it: `spec.template.spec.containers[name="api"].image`.
    pub path: String,
    /// When that manager last wrote the object, where it is known.
    pub since: Option<Timestamp>,
}

/// Why an object could not be asked about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unchecked {
    /// Its namespace comes with the same release.
    NamespaceComes(String),
    /// Its `CustomResourceDefinition` comes with the same release.
    DefinitionComes(String),
}

/// A release that cannot be applied: everything that is wrong with it.
#[derive(Debug)]
pub struct Refusals(Vec<ClusterError>);

impl Refusals {
    /// At least one error.
    pub(crate) fn new(errors: Vec<ClusterError>) -> Refusals {
        debug_assert!(!errors.is_empty(), "a refusal has a reason");
        Refusals(errors)
    }

    /// What is wrong, in the order of the objects.
    pub fn errors(&self) -> &[ClusterError] {
        &self.0
    }

    /// What to do about it: while one error is the author's to mend, trying again cannot help; nor while one is the operator's.
    pub fn class(&self) -> FailureClass {
        let has = |class: FailureClass| self.0.iter().any(|error| error.class() == class);
        [FailureClass::User, FailureClass::Permanent]
            .into_iter()
            .find(|class| has(*class))
            .unwrap_or(FailureClass::Transient)
    }
}

impl From<ClusterError> for Refusals {
    fn from(error: ClusterError) -> Refusals {
        Refusals(vec![error])
    }
}

impl fmt::Display for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Refusals {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.first().and_then(|error| error.source())
    }
}

/// Objects hold values of Secrets and are left out.
impl fmt::Debug for Planned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Planned")
            .field("reference", &self.reference)
            .field("change", &self.change)
            .field("taken", &self.taken)
            .field("warnings", &self.warnings)
            .field("unchecked", &self.unchecked)
            .finish_non_exhaustive()
    }
}

impl Planned {
    /// Whether applying would write the object.
    pub fn is_write(&self) -> bool {
        self.change != Change::Unchanged
    }
}

impl Unchecked {
    /// In words that follow "not checked yet:".
    pub fn reason(&self) -> String {
        match self {
            Unchecked::NamespaceComes(name) => format!("its namespace `{name}` comes with this release"),
            Unchecked::DefinitionComes(name) => format!("its definition `{name}` comes with this release"),
        }
    }
}

/// What the objects of a release say about each other.
struct Release {
    definitions: Definitions,
    namespaces: BTreeSet<String>,
}

impl Release {
    fn of(objects: &[Value]) -> Release {
        let views = objects.iter().map(ObjectView::new);
        let namespaces = views.filter(|view| view.kind() == "Namespace" && view.group().is_empty());
        Release {
            definitions: Definitions::of(objects),
            namespaces: namespaces.map(|view| view.name().to_owned()).collect(),
        }
    }
}

impl Cluster {
    /// Plans the apply of a release without writing. The plan is in the order of apply.
    ///
    /// # Errors
    ///
    /// Everything that the API server refuses, and every object that cannot be asked about. Fields of other managers are an error where
    /// [`ApplyOptions::refuse_conflicts`] says so.
    pub async fn dry_run(&self, objects: &[Value], options: &ApplyOptions) -> Result<Vec<Planned>, Refusals> {
        let release = Release::of(objects);
        let asked: Vec<_> =
            objects.iter().map(|object| self.plan(object, &release, options).boxed()).collect();
        let answers: Vec<_> = futures::stream::iter(asked).buffer_unordered(PARALLEL).collect().await;
        let mut planned = Vec::with_capacity(objects.len());
        let mut refused = Vec::new();
        for answer in answers {
            match answer {
                Ok(object) => planned.push(object),
                Err(error) => refused.push(error),
            }
        }
        planned.sort_by(|one, other| one.reference.cmp(&other.reference));
        refused.extend(doubles(&planned));
        if refused.is_empty() {
            return Ok(planned);
        }
        refused.sort_by(|one, other| one.object().cmp(&other.object()));
        Err(Refusals::new(refused))
    }

    async fn plan(
        &self,
        object: &Value,
        release: &Release,
        options: &ApplyOptions,
    ) -> Result<Planned, ClusterError> {
        let reference = ObjectRef::of(object).map_err(|error| {
            let request = Request::about("apply", "an object of the release");
            ClusterError::new(ClusterFailure::Invalid, &request, error.to_string())
        })?;
        let request = Request::of("apply", &reference);
        check_name(&reference, &request)?;
        let force = !(options.refuse_conflicts)(object);
        let kind = match self.kind(&reference.api_version, &reference.kind, &request).await {
            Err(error) if error.failure() == ClusterFailure::UnknownKind => {
                let coming = release.definitions.find(&reference.api_version, &reference.kind);
                let (kind, definition) = coming.ok_or(error)?;
                let reference = self.located(reference, kind.scope);
                let unchecked = Unchecked::DefinitionComes(definition.clone());
                return Ok(Planned::unchecked(reference, object, unchecked, force));
            }
            kind => kind?,
        };
        self.ask(self.located(reference, kind.scope), &kind, object, release, force).await
    }

    async fn ask(
        &self,
        reference: ObjectRef,
        kind: &Kind,
        object: &Value,
        release: &Release,
        force: bool,
    ) -> Result<Planned, ClusterError> {
        let request = Request::of("apply", &reference);
        let question = Question::new(&reference, kind, object, &request);
        let unforced = question.call(false);
        let (live, answer) = tokio::join!(self.get(&reference), self.transport.try_call(&unforced));
        let mut taken = Vec::new();
        let answer = match answer {
            Err(Failed::Status(status)) if force && status.failure() == ClusterFailure::FieldConflict => {
                taken = status.conflicts();
                self.transport.try_call(&question.call(true)).await
            }
            answer => answer,
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(Failed::Status(status)) => {
                return match status.missing_namespace().filter(|name| release.namespaces.contains(*name)) {
                    Some(name) => {
                        let unchecked = Unchecked::NamespaceComes(name.to_owned());
                        Ok(Planned::unchecked(reference, object, unchecked, force))
                    }
                    None => Err(explain(status, live.ok().flatten().as_ref(), object, &request)),
                };
            }
            Err(failed) => return Err(failed.into_error(&request)),
        };
        self.compare(reference, live?, &answer, object, &taken, force).await
    }

    /// Compares what is with what would be; both must speak of the same stored state.
    async fn compare(
        &self,
        reference: ObjectRef,
        mut live: Option<Value>,
        answer: &Answer,
        object: &Value,
        taken: &[Conflict],
        force: bool,
    ) -> Result<Planned, ClusterError> {
        let would = answer.json(&Request::of("apply", &reference))?;
        for _ in 1..READS {
            if live.as_ref().and_then(version_of) == version_of(&would) {
                break;
            }
            live = self.get(&reference).await?;
        }
        let change = match &live {
            None => Change::Created,
            Some(live) => {
                let mut fields = diff(live, &would);
                if force && taken_over(live).is_some() {
                    fields.extend(left_behind(live, &would));
                }
                let is_ours = own_fields(live) == own_fields(&would);
                if fields.is_empty() && is_ours { Change::Unchanged } else { Change::Changed { fields } }
            }
        };
        let since = |manager: &str| live.as_ref().and_then(|live| last_write(live, manager));
        let taken = taken.iter().map(|conflict| TakenField {
            manager: conflict.manager.clone(),
            path: conflict.field.clone(),
            since: since(&conflict.manager),
        });
        let taken = taken.collect();
        let warnings = answer.warnings.clone();
        Ok(Planned {
            reference,
            object: object.clone(),
            live,
            would: Some(would),
            change,
            taken,
            warnings,
            unchecked: None,
            force,
        })
    }
}

/// The two forms of one dry run.
struct Question {
    path: String,
    call: Call,
}

impl Question {
    fn new(reference: &ObjectRef, kind: &Kind, object: &Value, request: &Request) -> Question {
        let path = object_path(kind, reference);
        Question { call: Call::apply(String::new(), object, request.clone()), path }
    }

    /// Without force first: a refusal for a conflict is the server's own list of what would be taken.
    fn call(&self, force: bool) -> Call {
        let path = format!("{}?fieldManager={FIELD_MANAGER}&dryRun=All&force={force}", self.path);
        Call { path, ..self.call.clone() }
    }
}

pub(crate) fn object_path(kind: &Kind, reference: &ObjectRef) -> String {
    let collection = kind.collection(&reference.api_version, reference.namespace.as_deref());
    format!("{collection}/{}", encode(&reference.name))
}

impl Planned {
    fn unchecked(reference: ObjectRef, object: &Value, unchecked: Unchecked, force: bool) -> Planned {
        Planned {
            reference,
            object: object.clone(),
            live: None,
            would: None,
            change: Change::Created,
            taken: Vec::new(),
            warnings: Vec::new(),
            unchecked: Some(unchecked),
            force,
        }
    }
}

/// The error of a refused apply, naming the fields that cannot be changed with both values.
pub(crate) fn explain(
    status: Status,
    live: Option<&Value>,
    object: &Value,
    request: &Request,
) -> ClusterError {
    let may_change = status.changeable_fields();
    let error = status.into_error(request);
    match live {
        Some(live) if error.failure() == ClusterFailure::Immutable => {
            let fields: Vec<String> = error.fields().iter().map(|problem| problem.field.clone()).collect();
            error.naming_immutable(differing(live, object, &fields, &may_change))
        }
        _ => error,
    }
}

fn doubles(planned: &[Planned]) -> Vec<ClusterError> {
    let pairs = planned.windows(2).filter(|pair| pair[0].reference == pair[1].reference);
    let error = |pair: &[Planned]| {
        let request = Request::of("apply", &pair[0].reference);
        ClusterError::new(ClusterFailure::Invalid, &request, "the release holds it twice")
    };
    pairs.map(error).collect()
}

fn version_of(object: &Value) -> Option<&str> {
    ObjectView::new(object).text("/metadata/resourceVersion")
}

fn managers(object: &Value) -> &[Value] {
    ObjectView::new(object).list("/metadata/managedFields")
}

/// The fields that windlass owns by apply, as the server notes them.
fn own_fields(object: &Value) -> Option<&Value> {
    managers(object).iter().find(|entry| is_own(entry)).and_then(|entry| entry.get("fieldsV1"))
}

/// When a manager last wrote an object.
fn last_write(object: &Value, manager: &str) -> Option<Timestamp> {
    let entries = managers(object).iter().map(ObjectView::new);
    entries
        .filter(|entry| entry.text("/manager") == Some(manager))
        .filter_map(|entry| entry.time("/time"))
        .max()
}
