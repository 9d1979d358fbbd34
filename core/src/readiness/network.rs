//! Service and Ingress.

use serde_json::Value;

use crate::object::ObjectView;

use super::{Context, Readiness};

/// A Service of type `LoadBalancer` needs an address: an IP or a host name in `status.loadBalancer.ingress`, which the cloud
/// controller (on k3s: servicelb) writes. kstatus is content with a cluster IP, which every Service has at once.
/// All other types are ready when stored.
pub(super) fn service(view: ObjectView<'_>) -> Readiness {
    if view.text("/spec/type") == Some("LoadBalancer") && !has_address(view) {
        return Readiness::progressing("the load balancer has no address yet");
    }
    Readiness::Ready
}

/// An Ingress waits for an address only where its controller is known to publish one.
///
/// Whether a controller writes `status.loadBalancer` is its own choice (an nginx controller without `--publish-service` never
/// does), so waiting for every Ingress would hang for ever on sound clusters. An Ingress of the same class with an address is
/// the proof that this one will get it too.
pub(super) fn ingress(view: ObjectView<'_>, context: &Context) -> Readiness {
    if has_address(view) || !context.publishes_addresses(view) {
        return Readiness::Ready;
    }
    Readiness::progressing("the ingress controller has not published an address yet")
}

fn has_address(view: ObjectView<'_>) -> bool {
    let filled = |address: &Value, field: &str| {
        address.get(field).and_then(Value::as_str).is_some_and(|text| !text.is_empty())
    };
    view.list("/status/loadBalancer/ingress")
        .iter()
        .any(|address| filled(address, "ip") || filled(address, "hostname"))
}
