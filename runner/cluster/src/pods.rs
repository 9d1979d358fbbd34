//! One Pod of each template, tried without making it.
//!
//! A workload is accepted although its pods cannot live: a used-up quota, the Pod Security level, a limit range, a missing service account or
//! a webhook that does not answer show only later, as events of a controller. A Pod made with `dryRun=All` is refused at once.
//!
//! A pod that is refused is not always a rollout that fails, and a false alarm would stop a release that works. So these refusals do not
//! count, and are told as skipped:
//!
//! * a quota, when the rollout replaces pods one by one and the new pod asks for no more than the old one ([`replaces_in_place`]);
//! * whatever the rules of the namespace say, when the release changes these rules (its quota, limit range or the namespace itself);
//! * a service account that comes with the release, or the `default` one of a namespace that was just made;
//! * rights: who may not make pods can still apply workloads.

use std::collections::BTreeSet;

use futures::FutureExt as _;
use futures::StreamExt as _;
use serde_json::{Value, json};
use windlass_core::diagnosis::Cause;
use windlass_core::failure::ClusterFailure;
use windlass_core::object::{ObjectRef, ObjectView};

use crate::connection::Cluster;
use crate::error::{ClusterError, Request};
use crate::kinds::encode;
use crate::plan::{Change, Planned, Refusals, Unchecked};
use crate::quantity::asks_for_no_more;
use crate::read::PARALLEL;
use crate::transport::{Call, Failed};

/// What trying the pods of a release has shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PodsTried {
    /// Workloads of which a pod can live.
    pub accepted: Vec<ObjectRef>,
    /// Workloads of which no pod was tried, or whose refusal does not count, and why.
    pub skipped: Vec<(ObjectRef, String)>,
    /// What the API server warns about.
    pub warnings: Vec<String>,
}

/// The answer for one workload.
enum Tried {
    Accepted(Vec<String>),
    Skipped(String),
    Refused(ClusterError),
}

impl Cluster {
    /// Tries one Pod of every template that the plan writes.
    ///
    /// # Errors
    ///
    /// The refusals, each naming its workload, with [`ClusterError::cause`].
    pub async fn dry_run_pods(&self, planned: &[Planned]) -> Result<PodsTried, Refusals> {
        let coming = Coming::of(planned);
        let workloads = planned.iter().filter_map(|planned| Some((planned, Template::of(planned)?)));
        let asked = workloads.map(|(planned, template)| {
            let coming = &coming;
            async move { (&planned.reference, self.try_pod(planned, &template, coming).await) }.boxed()
        });
        let asked: Vec<_> = asked.collect();
        let answers: Vec<_> = futures::stream::iter(asked).buffered(PARALLEL).collect().await;
        let mut tried = PodsTried::default();
        let mut refused = Vec::new();
        for (reference, answer) in answers {
            match answer {
                Tried::Accepted(warnings) => {
                    tried.accepted.push(reference.clone());
                    tried.warnings.extend(warnings);
                }
                Tried::Skipped(why) => tried.skipped.push((reference.clone(), why)),
                Tried::Refused(error) => refused.push(error),
            }
        }
        if refused.is_empty() { Ok(tried) } else { Err(Refusals::new(refused)) }
    }

    async fn try_pod(&self, planned: &Planned, template: &Template, coming: &Coming) -> Tried {
        if let Some(Unchecked::NamespaceComes(name)) = &planned.unchecked {
            return Tried::Skipped(format!("its namespace `{name}` comes with this release"));
        }
        if template.wants_no_pods {
            return Tried::Skipped("it wants no pods".to_owned());
        }
        let namespace = planned.reference.namespace.as_deref().unwrap_or(self.default_namespace());
        let request = Request::of("run a pod of", &planned.reference);
        let path = format!("/api/v1/namespaces/{}/pods?dryRun=All", encode(namespace));
        let call =
            Call::with_body(http::Method::POST, path, &template.pod(coming, namespace), request.clone());
        match self.transport.try_call(&call).await {
            Ok(answer) => Tried::Accepted(answer.warnings),
            Err(Failed::Status(status)) => {
                let missing_account = status.missing_account();
                judge(status.into_error(&request), missing_account.as_deref(), planned, template, coming)
            }
            Err(Failed::Other(error)) => Tried::Refused(error),
        }
    }
}

/// Whether a refused pod means a refused rollout.
fn judge(
    error: ClusterError,
    missing_account: Option<&str>,
    planned: &Planned,
    template: &Template,
    coming: &Coming,
) -> Tried {
    let namespace = planned.reference.namespace.as_deref().unwrap_or_default();
    if error.failure() == ClusterFailure::Forbidden {
        return Tried::Skipped("these credentials may not make pods".to_owned());
    }
    if missing_account
        .is_some_and(|account| account == "default" || coming.has("ServiceAccount", namespace, account))
    {
        return Tried::Skipped("its service account is not there yet".to_owned());
    }
    let by_rule = matches!(
        error.cause(),
        Some(Cause::QuotaExceeded | Cause::LimitRangeRefused | Cause::PodSecurityRefused)
    );
    if by_rule && coming.changed_rules.contains(namespace) {
        return Tried::Skipped(format!(
            "the release changes the rules of the namespace, which now say: {}",
            error.words()
        ));
    }
    let is_full = error.cause() == Some(Cause::QuotaExceeded) && error.words().contains("exceeded quota");
    if is_full && replaces_in_place(planned, template) {
        return Tried::Skipped(
            "a quota is used up, and the rollout needs no more of it than the old pods give back".to_owned(),
        );
    }
    Tried::Refused(error)
}

/// Whether a rollout ends an old pod before it makes a new one, and the new one asks for no more: then a full quota does not stop it.
///
/// `StatefulSet`s and `DaemonSet`s without surge always do. A Deployment does with `Recreate`, or where its `maxUnavailable` lets it end a
/// pod first (Kubernetes docs, "Deployments", "Max Unavailable"; percentages are rounded down, the default is 25 %).
fn replaces_in_place(planned: &Planned, template: &Template) -> bool {
    let Some(live) = &planned.live else { return false };
    let old = ObjectView::new(live);
    let new = ObjectView::new(planned.would.as_ref().unwrap_or(&planned.object));
    let replicas = |view: ObjectView<'_>| view.integer("/spec/replicas").unwrap_or(1);
    let grows = replicas(new) > replicas(old);
    let Some(old_template) = old.at(template.pointer) else { return false };
    let frees_first = match new.kind() {
        "StatefulSet" => true,
        "DaemonSet" => count(new.at("/spec/updateStrategy/rollingUpdate/maxSurge"), 0, 100) == 0,
        "Deployment" if new.text("/spec/strategy/type") == Some("Recreate") => true,
        "Deployment" => count(new.at("/spec/strategy/rollingUpdate/maxUnavailable"), 25, replicas(new)) > 0,
        _ => false,
    };
    frees_first && !grows && asks_for_no_more(&old_template["spec"], &template.value["spec"])
}

/// A number of pods, given as such or as a percentage of `of`.
fn count(value: Option<&Value>, default_percent: i64, of: i64) -> i64 {
    let percent = |percent: i64| of * percent / 100;
    match value {
        None => percent(default_percent),
        Some(Value::String(text)) => text.trim_end_matches('%').parse().map_or(0, percent),
        Some(value) => value.as_i64().unwrap_or_default(),
    }
}

/// What comes with the release and is not there yet.
struct Coming {
    objects: BTreeSet<(String, String, String)>,
    /// Namespaces whose rules for pods the release changes.
    changed_rules: BTreeSet<String>,
}

impl Coming {
    fn of(planned: &[Planned]) -> Coming {
        let new = planned.iter().filter(|planned| planned.change == Change::Created);
        let key = |reference: &ObjectRef| {
            let namespace = reference.namespace.clone().unwrap_or_default();
            (reference.kind.clone(), namespace, reference.name.clone())
        };
        let rules = planned.iter().filter(|planned| planned.is_write()).filter_map(|planned| {
            let reference = &planned.reference;
            match reference.kind.as_str() {
                "Namespace" => Some(reference.name.clone()),
                "ResourceQuota" | "LimitRange" => reference.namespace.clone(),
                _ => None,
            }
        });
        Coming {
            objects: new.map(|planned| key(&planned.reference)).collect(),
            changed_rules: rules.collect(),
        }
    }

    fn has(&self, kind: &str, namespace: &str, name: &str) -> bool {
        self.objects.contains(&(kind.to_owned(), namespace.to_owned(), name.to_owned()))
    }
}

/// The pod template of a workload.
struct Template {
    pointer: &'static str,
    value: Value,
    name: String,
    claims: Vec<String>,
    wants_no_pods: bool,
}

impl Template {
    /// The template of an object that the plan writes.
    fn of(planned: &Planned) -> Option<Template> {
        if !planned.is_write() {
            return None;
        }
        let object = planned.would.as_ref().unwrap_or(&planned.object);
        let view = ObjectView::new(object);
        let pointer = match (view.group(), view.kind()) {
            ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet")
            | ("batch", "Job")
            | ("", "ReplicationController") => "/spec/template",
            ("batch", "CronJob") => "/spec/jobTemplate/spec/template",
            _ => return None,
        };
        let claims = view.list("/spec/volumeClaimTemplates").iter();
        let claims = claims.map(|claim| ObjectView::new(claim).name().to_owned()).collect();
        let wants_no_pods = view.integer("/spec/replicas") == Some(0) || view.flag("/spec/suspend");
        Some(Template {
            pointer,
            value: view.at(pointer)?.clone(),
            name: view.name().to_owned(),
            claims,
            wants_no_pods,
        })
    }

    /// A pod as the controller would make it. Classes and accounts that only come with the release are left out: admission looks them up.
    fn pod(&self, coming: &Coming, namespace: &str) -> Value {
        let mut spec = self.value["spec"].clone();
        let account = spec["serviceAccountName"].as_str().unwrap_or_default().to_owned();
        let priority = spec["priorityClassName"].as_str().unwrap_or_default().to_owned();
        let runtime = spec["runtimeClassName"].as_str().unwrap_or_default().to_owned();
        if let Value::Object(fields) = &mut spec {
            if coming.has("ServiceAccount", namespace, &account) {
                fields.remove("serviceAccountName");
                fields.remove("serviceAccount");
            }
            if coming.has("PriorityClass", "", &priority) {
                fields.remove("priorityClassName");
            }
            if coming.has("RuntimeClass", "", &runtime) {
                fields.remove("runtimeClassName");
            }
            self.add_claims(fields);
        }
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "generateName": format!("{}-", self.name),
                "labels": self.value["metadata"]["labels"],
                "annotations": self.value["metadata"]["annotations"],
            },
            "spec": spec,
        })
    }

    /// The volumes that a `StatefulSet` makes for its pods; the claims themselves need not exist.
    fn add_claims(&self, spec: &mut serde_json::Map<String, Value>) {
        if self.claims.is_empty() {
            return;
        }
        let volumes = spec.entry("volumes").or_insert_with(|| json!([]));
        if let Value::Array(volumes) = volumes {
            volumes.extend(self.claims.iter().map(|claim| {
                json!({"name": claim, "persistentVolumeClaim": {"claimName": format!("{claim}-{}-0", self.name)}})
            }));
        }
    }
}

#[cfg(test)]
mod tests;
