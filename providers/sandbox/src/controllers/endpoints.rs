//! Services: which pods answer for them.

use k8s_openapi::api::core::v1::{Endpoints, Pod, Service, ServicePort};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::{Value, json};

use super::Controller;
use super::decision::{Decision, Moment, value};
use super::pods;
use super::view::{
    Subject, View, controller_reference, is_deleted, label, name_of, namespace_of, read, uid_of,
};

const SERVICE_NAME: &str = "kubernetes.io/service-name";
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const MANAGER: &str = "endpointslice-controller.k8s.io";

/// The controller of endpoints and of endpoint slices.
#[derive(Debug)]
pub(crate) struct ServiceEndpoints;

impl Controller for ServiceEndpoints {
    fn name(&self) -> &'static str {
        "endpoint-slice-controller"
    }

    fn concerned(&self, object: &Value, view: &dyn View) -> Vec<Subject> {
        let subject = Subject::of_value(object);
        if subject.is::<Service>() {
            return vec![subject];
        }
        if subject.is::<EndpointSlice>() {
            return Subject::controller_of::<Service>(object).into_iter().collect();
        }
        let Some(pod) = read::<Pod>(object).filter(|_| subject.is::<Pod>()) else { return Vec::new() };
        let services = view.all::<Service>(&subject.namespace);
        services.iter().filter(|service| selects(service, &pod)).map(Subject::of).collect()
    }

    fn decide(&self, subject: &Subject, view: &dyn View, _: &Moment) -> Decision {
        let mut decision = Decision::default();
        let service = view.find::<Service>(&subject.namespace, &subject.name);
        // Without a selector, somebody else says who answers.
        let Some(service) = service.filter(|service| has_selector(service) && !is_deleted(service)) else {
            return decision;
        };
        let mut pods = view.all::<Pod>(&subject.namespace);
        pods.retain(|pod| selects(&service, pod) && !pods::has_finished(pod) && address(pod).is_some());
        write_slice(&service, &pods, view, &mut decision);
        write_endpoints(&service, &pods, view, &mut decision);
        decision
    }
}

fn has_selector(service: &Service) -> bool {
    service
        .spec
        .as_ref()
        .is_some_and(|spec| spec.selector.as_ref().is_some_and(|selector| !selector.is_empty()))
}

fn selects(service: &Service, pod: &Pod) -> bool {
    let selector = service.spec.as_ref().and_then(|spec| spec.selector.as_ref());
    has_selector(service) && selector.into_iter().flatten().all(|(key, value)| label(pod, key) == Some(value))
}

fn address(pod: &Pod) -> Option<&str> {
    pod.status.as_ref()?.pod_ip.as_deref().filter(|address| !address.is_empty())
}

/// Whether a pod answers: it is ready and stays, or the service does not ask.
fn answers(service: &Service, pod: &Pod) -> bool {
    let asks = service.spec.as_ref().is_none_or(|spec| spec.publish_not_ready_addresses != Some(true));
    !asks || pods::is_ready(pod) && !is_deleted(pod)
}

fn ports<'s>(service: &'s Service, pods: &'s [Pod]) -> impl Iterator<Item = Value> + 's {
    let ports = service.spec.as_ref().and_then(|spec| spec.ports.as_ref()).into_iter().flatten();
    ports.filter_map(move |port| {
        let number = match pods.first() {
            Some(pod) => target(port, pod)?,
            None => port.port,
        };
        let protocol = port.protocol.as_deref().unwrap_or("TCP");
        let mut told =
            json!({ "name": port.name.as_deref().unwrap_or_default(), "port": number, "protocol": protocol });
        if let Some(application) = &port.app_protocol {
            told["appProtocol"] = application.clone().into();
        }
        Some(told)
    })
}

/// The number of a service's port on a pod.
fn target(port: &ServicePort, pod: &Pod) -> Option<i32> {
    match &port.target_port {
        None => Some(port.port),
        Some(IntOrString::Int(number)) => Some(*number),
        Some(IntOrString::String(name)) => {
            let containers = &pod.spec.as_ref()?.containers;
            let mut ports = containers.iter().flat_map(|container| container.ports.iter().flatten());
            Some(ports.find(|port| port.name.as_ref() == Some(name))?.container_port)
        }
    }
}

fn reference(pod: &Pod) -> Value {
    json!({ "kind": "Pod", "namespace": namespace_of(pod), "name": name_of(pod), "uid": uid_of(pod) })
}

fn write_slice(service: &Service, pods: &[Pod], view: &dyn View, decision: &mut Decision) {
    let endpoints: Vec<Value> = pods
        .iter()
        .map(|pod| {
            let conditions = json!({
                "ready": answers(service, pod), "serving": pods::is_ready(pod), "terminating": is_deleted(pod),
            });
            let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
            json!({
                "addresses": [address(pod)], "conditions": conditions, "nodeName": node,
                "targetRef": reference(pod),
            })
        })
        .collect();
    let ports: Vec<Value> = ports(service, pods).collect();
    let mut labels = json!({ SERVICE_NAME: name_of(service), MANAGED_BY: MANAGER });
    for (key, value) in service.metadata.labels.iter().flatten() {
        labels[key] = value.clone().into();
    }
    let slices = view.list("discovery.k8s.io/v1", "EndpointSlice", namespace_of(service));
    let found = slices.iter().find(|slice| {
        let labels = &slice["metadata"]["labels"];
        labels[SERVICE_NAME] == name_of(service) && labels[MANAGED_BY] == MANAGER
    });
    let content = json!({ "metadata": { "labels": labels }, "endpoints": endpoints, "ports": ports });
    let Some(found) = found else {
        let mut slice = content;
        slice["apiVersion"] = "discovery.k8s.io/v1".into();
        slice["kind"] = "EndpointSlice".into();
        slice["addressType"] = "IPv4".into();
        slice["metadata"]["generateName"] = format!("{}-", name_of(service)).into();
        slice["metadata"]["namespace"] = namespace_of(service).into();
        slice["metadata"]["ownerReferences"] = json!([controller_reference(service)]);
        return decision.create(&slice, None);
    };
    if found["endpoints"] != content["endpoints"] || found["ports"] != content["ports"] {
        let slice: Option<EndpointSlice> = read(found);
        if let Some(slice) = slice {
            decision.change(&slice, content);
        }
    }
}

/// The older form of the same, which some still read.
fn write_endpoints(service: &Service, pods: &[Pod], view: &dyn View, decision: &mut Decision) {
    let addresses = |wanted: bool| -> Vec<Value> {
        let pods = pods.iter().filter(|pod| answers(service, pod) == wanted && (wanted || !is_deleted(*pod)));
        pods.map(|pod| {
            let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
            json!({ "ip": address(pod), "nodeName": node, "targetRef": reference(pod) })
        })
        .collect()
    };
    let (ready, others) = (addresses(true), addresses(false));
    let mut subset = json!({});
    if !ready.is_empty() {
        subset["addresses"] = ready.into();
    }
    if !others.is_empty() {
        subset["notReadyAddresses"] = others.into();
    }
    let ports: Vec<Value> = ports(service, pods).collect();
    let is_empty = subset.as_object().is_some_and(serde_json::Map::is_empty);
    if !ports.is_empty() {
        subset["ports"] = ports.into();
    }
    let subsets = if is_empty { Value::Null } else { json!([subset]) };
    match view.find::<Endpoints>(namespace_of(service), name_of(service)) {
        None => {
            let mut endpoints = json!({
                "apiVersion": "v1", "kind": "Endpoints",
                "metadata": {
                    "name": name_of(service), "namespace": namespace_of(service), "labels": service.metadata.labels,
                    "ownerReferences": [controller_reference(service)],
                },
            });
            if !is_empty {
                endpoints["subsets"] = subsets;
            }
            decision.create(&endpoints, None);
        }
        Some(found) if found.subsets.as_ref().map(value).unwrap_or_default() != subsets => {
            decision.change(&found, json!({ "subsets": subsets }));
        }
        Some(_) => {}
    }
}
