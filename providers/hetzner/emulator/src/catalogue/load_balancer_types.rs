//! Kinds of load balancers.

use serde_json::{Value, json};

use super::prices::{self, Amount};
use super::{LOCATIONS, Offer};
use crate::kind::Id;

/// A kind of load balancer, by how much it takes.
#[derive(Debug)]
pub(crate) struct LoadBalancerType {
    pub(crate) id: Id,
    pub(crate) name: &'static str,
    connections: u32,
    pub(crate) services: usize,
    pub(crate) targets: usize,
    certificates: u32,
    monthly: Amount,
}

/// All of them.
pub(crate) const LOAD_BALANCER_TYPES: &[LoadBalancerType] = &[
    of(1, "lb11", (10_000, 5, 25, 10), 53_900),
    of(2, "lb21", (20_000, 15, 75, 25), 164_000),
    of(3, "lb31", (40_000, 30, 150, 50), 329_000),
];

const fn of(
    id: Id,
    name: &'static str,
    (connections, services, targets, certificates): (u32, usize, usize, u32),
    monthly: u64,
) -> LoadBalancerType {
    LoadBalancerType { id, name, connections, services, targets, certificates, monthly: Amount(monthly) }
}

impl Offer for LoadBalancerType {
    fn id(&self) -> Id {
        self.id
    }

    fn name(&self) -> &'static str {
        self.name
    }
}

impl LoadBalancerType {
    pub(super) fn prices(&self) -> Vec<Value> {
        prices::by_location(self.monthly, LOCATIONS.iter())
    }

    pub(crate) fn view(&self) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "description": self.name.to_uppercase(),
            "max_connections": self.connections,
            "max_services": self.services,
            "max_targets": self.targets,
            "max_assigned_certificates": self.certificates,
            "deprecated": null,
            "prices": self.prices(),
        })
    }
}
