//! What can be asked of an object beside the object itself.

use std::sync::Arc;

use http::Method;
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::answer::{self, Answer};
use super::problem::Problem;
use super::request::Call;
use super::write::{answer_written, body, patch};
use super::{Api, Target};
use crate::kubelet::LogRequest;
use crate::objects::kinds::{POD, POD_DISRUPTION_BUDGET, SERVICE_ACCOUNT};
use crate::objects::{Deleted, Deletion, Mode, Subresource, meta};
use crate::writing::{Part, fits, patched};

/// What needs a process or a network in the pod.
const INSIDE: [&str; 4] = ["attach", "exec", "portforward", "proxy"];

/// How long a token is said to be good for, in seconds.
const TOKEN_LASTS: i64 = 3600;

impl Api {
    pub(super) async fn answer_subresource(&self, call: &Call, target: &Target) -> Result<Answer, Problem> {
        let name = target.subresource.as_deref().unwrap_or_default();
        let has = |one: Subresource| target.kind().has(one) && one.name() == name;
        if target.kind() == &POD && INSIDE.contains(&name) {
            self.find(target, target.name())?;
            return Err(Problem::nothing_runs(name));
        }
        match call.method {
            Method::GET if has(Subresource::Log) => self.log(call, target).await,
            Method::GET if has(Subresource::Status) => self.get(call, target, target.name()),
            Method::PUT if has(Subresource::Status) => self.replace_part(call, target, Part::Status),
            Method::PATCH if has(Subresource::Status) => self.patch_part(call, target, Part::Status),
            Method::PUT if has(Subresource::Finalize) => self.finalize(call, target),
            Method::POST if has(Subresource::Binding) => self.bind(call, target),
            Method::POST if has(Subresource::Eviction) => self.evict(call, target),
            Method::POST if has(Subresource::Token) => self.issue_token(call, target),
            _ if has(Subresource::Scale) => self.scale(call, target),
            _ if [Subresource::Log, Subresource::Status].into_iter().any(has) => {
                Err(Problem::method_not_allowed())
            }
            _ => Err(Problem::not_served()),
        }
    }

    async fn log(&self, call: &Call, target: &Target) -> Result<Answer, Problem> {
        let pod = self.find(target, target.name())?;
        let container = container_of(&pod, call.text("container"))?;
        if pod["spec"]["nodeName"].as_str().unwrap_or_default().is_empty() {
            return Err(Problem::bad_request(format!("pod {} does not have a host assigned", target.name())));
        }
        let request = LogRequest {
            namespace: target.namespace().to_owned(),
            pod: target.name().to_owned(),
            container,
            previous: call.flag("previous"),
            follow: call.flag("follow"),
            timestamps: call.flag("timestamps"),
            tail_lines: call.number("tailLines"),
            limit_bytes: call.number("limitBytes"),
        };
        let text = self
            .shared
            .kubelet
            .log(&request)
            .await
            .map_err(|error| Problem::of_kubelet(error.code, &error.message))?;
        Ok(answer::stream("text/plain", text))
    }

    fn finalize(&self, call: &Call, target: &Target) -> Result<Answer, Problem> {
        let sent = body(call)?;
        if call.mode()? == Mode::DryRun {
            return self.get(call, target, target.name());
        }
        let finalized = self.objects().update(target.kind(), None, target.name(), |namespace| {
            namespace["spec"]["finalizers"] =
                sent["spec"]["finalizers"].as_array().cloned().unwrap_or_default().into();
        })?;
        Ok(answer::json(200, &finalized))
    }

    fn bind(&self, call: &Call, target: &Target) -> Result<Answer, Problem> {
        let node = body(call)?["target"]["name"].as_str().unwrap_or_default().to_owned();
        let pod = self.find(target, target.name())?;
        if node.is_empty() {
            return Err(Problem::bad_request("target.name: Required value"));
        }
        let bound = pod["spec"]["nodeName"].as_str().unwrap_or_default();
        if !bound.is_empty() {
            let why = format!("pod {} is already assigned to node {bound:?}", target.name());
            return Err(Problem::conflict(&target.kind().resource(), target.name(), &why));
        }
        if call.mode()? == Mode::Write {
            self.objects().update(target.kind(), target.namespace.as_deref(), target.name(), |pod| {
                pod["spec"]["nodeName"] = node.into();
            })?;
        }
        Ok(answer::json(201, &success()))
    }

    /// Deletes a pod unless that would be one too many for a disruption budget.
    fn evict(&self, call: &Call, target: &Target) -> Result<Answer, Problem> {
        let options = body(call)?["deleteOptions"].clone();
        let pod = self.find(target, target.name())?;
        let budgets = self.objects().list(&POD_DISRUPTION_BUDGET, target.namespace.as_deref()).items;
        let labels = &pod["metadata"]["labels"];
        let of_pod = budgets.iter().find(|budget| fits(&budget["spec"]["selector"], labels));
        if of_pod
            .is_some_and(|budget| budget["status"]["disruptionsAllowed"].as_i64().unwrap_or_default() <= 0)
        {
            let words = "Cannot evict pod as it would violate the pod's disruption budget.";
            return Err(Problem::too_many_requests(words));
        }
        let deletion = Deletion {
            uid: options["preconditions"]["uid"].as_str().map(str::to_owned),
            grace: options["gracePeriodSeconds"].as_i64(),
            ..Deletion::default()
        };
        let (Deleted::Gone(_) | Deleted::Marked(_)) = self.objects().delete_in(
            call.mode()?,
            target.kind(),
            target.namespace.as_deref(),
            target.name(),
            &deletion,
        )?;
        Ok(answer::json(201, &success()))
    }

    fn issue_token(&self, call: &Call, target: &Target) -> Result<Answer, Problem> {
        self.objects()
            .get(&SERVICE_ACCOUNT, target.namespace.as_deref(), target.name())
            .ok_or_else(|| Problem::not_found(&SERVICE_ACCOUNT.resource(), target.name()))?;
        let mut request = body(call)?;
        let token = self.shared.users.issue(target.namespace(), target.name());
        let expires = Timestamp::now() + SignedDuration::from_secs(TOKEN_LASTS);
        request["apiVersion"] = "authentication.k8s.io/v1".into();
        request["kind"] = "TokenRequest".into();
        request["status"] =
            json!({"token": token.expose_secret(), "expirationTimestamp": meta::moment(expires)});
        Ok(answer::json(201, &request))
    }

    fn scale(&self, call: &Call, target: &Target) -> Result<Answer, Problem> {
        let object = self.find(target, target.name())?;
        let present = scale_of(&object);
        let wanted = match call.method {
            Method::GET => return Ok(answer::json(200, &present)),
            Method::PUT => body(call)?,
            Method::PATCH => patched(&present, &patch(call, target)?, &target.served.schema)?,
            _ => return Err(Problem::method_not_allowed()),
        };
        let (seen, now) = (meta::text(&wanted, "resourceVersion"), meta::text(&object, "resourceVersion"));
        if !seen.is_empty() && seen != now {
            let why =
                "the object has been modified; please apply your changes to the latest version and try again";
            return Err(Problem::conflict(&target.kind().resource(), target.name(), why));
        }
        let replicas = wanted["spec"]["replicas"].as_i64().unwrap_or_default();
        let change = crate::writing::Patch::Merge(json!({"spec": {"replicas": replicas}}));
        let manager = call.manager();
        let write = self.writing(call, target, &manager, Part::Scale)?;
        let mut written = write.patch(target.namespace(), target.name(), &change)?;
        written.object = Arc::new(scale_of(&written.object));
        Ok(answer_written(&written))
    }
}

fn success() -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201})
}

/// The container whose output is meant: the one that is named, or the only one.
fn container_of(pod: &Value, wanted: Option<&str>) -> Result<String, Problem> {
    let names = |field: &str| -> Vec<String> {
        let containers = pod["spec"][field].as_array().into_iter().flatten();
        containers.filter_map(|one| one["name"].as_str()).map(str::to_owned).collect()
    };
    let (own, init) = (names("containers"), names("initContainers"));
    let pod = meta::text(pod, "name");
    match (wanted, &own[..]) {
        (Some(name), _) if own.iter().chain(&init).any(|one| one == name) => Ok(name.to_owned()),
        (Some(name), _) => Err(Problem::bad_request(format!("container {name} is not valid for pod {pod}"))),
        (None, [only]) => Ok(only.clone()),
        (None, _) => Err(Problem::bad_request(format!(
            "a container name must be specified for pod {pod}, choose one of: [{}]",
            own.iter().chain(&init).cloned().collect::<Vec<_>>().join(" ")
        ))),
    }
}

/// `Scale` of `autoscaling/v1`.
fn scale_of(object: &Value) -> Value {
    let labels = object["spec"]["selector"]["matchLabels"].as_object().into_iter().flatten();
    let selector: Vec<String> =
        labels.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
    let metadata = &object["metadata"];
    json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"], "creationTimestamp": metadata["creationTimestamp"],
        },
        "spec": {"replicas": object["spec"]["replicas"].as_i64().unwrap_or_default()},
        "status": {"replicas": object["status"]["replicas"].as_i64().unwrap_or_default(), "selector": selector.join(",")},
    })
}
