//! Key, network, firewall, groups and load balancer: what servers need, and what stands before them.

use serde::Serialize;

use crate::bootstrap::settings::API_PORT;
use crate::client::error::ErrorCode;
use crate::client::model::{Firewall, LoadBalancer, Network, PlacementGroup, Resource, SshKey};
use crate::client::request::{
    self, Algorithm, ApplyTo, Attach, Choice, CreateFirewall, CreateLoadBalancer, CreateNetwork,
    CreatePlacementGroup, CreateSshKey, CreateSubnet, HealthCheck, Service, SetRules,
};
use crate::ensure::{Work, failed};
use crate::error::HetznerError;
use crate::firewall::Rule;
use crate::plan::Plan;
use crate::plan::step::{Kind, Step};

impl Work<'_> {
    /// Carries out a step that comes before servers; any other is passed over.
    pub(super) async fn foundation(&self, step: &Step) -> Result<(), HetznerError> {
        let labels = self.want.labels.clone();
        match step {
            Step::CreateKey { name, public_key } => {
                let request = CreateSshKey { name: name.clone(), public_key: public_key.clone(), labels };
                self.made::<SshKey>(Kind::SshKey, name, &request).await
            }
            Step::CreateNetwork { name, range, zone } => {
                let subnet =
                    CreateSubnet { kind: "cloud", ip_range: range.clone(), network_zone: zone.clone() };
                let (ip_range, subnets) = (range.clone(), vec![subnet]);
                let request = CreateNetwork { name: name.clone(), ip_range, labels, subnets };
                self.made::<Network>(Kind::Network, name, &request).await
            }
            Step::CreateFirewall { name, rules, selector } => {
                let (rules, apply_to) = (sent(rules), vec![Choice::of(selector)]);
                let request = CreateFirewall { name: name.clone(), labels, rules, apply_to };
                self.made::<Firewall>(Kind::Firewall, name, &request).await
            }
            Step::CreateGroup { name } => {
                let request = CreatePlacementGroup { name: name.clone(), labels, kind: "spread" };
                self.made::<PlacementGroup>(Kind::PlacementGroup, name, &request).await
            }
            Step::CreateBalancer { name, kind, location } => self.create_balancer(name, kind, location).await,
            Step::SetRules { name, rules, .. } => self.set_rules(name, rules).await,
            Step::ApplyFirewall { name, selector } => self.apply_firewall(name, selector).await,
            Step::Relabel { kind, name } => self.relabel(*kind, name).await,
            _ => Ok(()),
        }
    }

    async fn made<T: Resource>(
        &self,
        kind: Kind,
        name: &str,
        request: &(impl Serialize + Sync),
    ) -> Result<(), HetznerError> {
        let made: T = self.create(kind, name, &self.want.labels, request).await?;
        self.progress.report(&format!("{} `{}` is there", kind.word(), made.name()));
        Ok(())
    }

    async fn create_balancer(&self, name: &str, kind: &str, location: &str) -> Result<(), HetznerError> {
        let request = CreateLoadBalancer {
            name: name.to_owned(),
            labels: self.want.labels.clone(),
            load_balancer_type: kind.to_owned(),
            location: location.to_owned(),
            algorithm: Algorithm { kind: "round_robin" },
            services: vec![api_service()],
        };
        self.made::<LoadBalancer>(Kind::LoadBalancer, name, &request).await
    }

    async fn set_rules(&self, name: &str, rules: &[Rule]) -> Result<(), HetznerError> {
        let (id, request) = (self.id(Kind::Firewall, name)?, SetRules { rules: sent(rules) });
        let set = self.act::<Firewall>(id, "set_rules", &request, &[]).await;
        set.map_err(failed(&format!("setting the rules of firewall `{name}`")))?;
        self.progress.report(&format!("firewall `{name}` has {} rules", rules.len()));
        Ok(())
    }

    async fn apply_firewall(&self, name: &str, selector: &str) -> Result<(), HetznerError> {
        let (id, request) =
            (self.id(Kind::Firewall, name)?, ApplyTo { apply_to: vec![Choice::of(selector)] });
        let done = [ErrorCode::FirewallAlreadyApplied];
        let applied = self.act::<Firewall>(id, "apply_to_resources", &request, &done).await;
        applied.map_err(failed(&format!("putting firewall `{name}` on its servers")))
    }

    /// Brings the load balancer into the network, then tells it its targets: privately, they are reached through the network only.
    pub(super) async fn balancer(&self, plan: &Plan) -> Result<(), HetznerError> {
        for step in &plan.steps {
            match step {
                Step::AttachBalancer { name, address } => {
                    let network = self.id(Kind::Network, self.want.network.name())?;
                    let request = Attach { network, ip: Some(address.to_string()) };
                    let (id, done) =
                        (self.id(Kind::LoadBalancer, name)?, [ErrorCode::LoadBalancerAlreadyAttached]);
                    let attached = self.act::<LoadBalancer>(id, "attach_to_network", &request, &done).await;
                    attached.map_err(failed(&format!("bringing load balancer `{name}` into the network")))?;
                }
                Step::TargetBalancer { name, selector } => {
                    let (id, done) = (self.id(Kind::LoadBalancer, name)?, [ErrorCode::TargetAlreadyDefined]);
                    let target = Choice::privately(selector);
                    let added = self.act::<LoadBalancer>(id, "add_target", &target, &done).await;
                    added.map_err(failed(&format!("telling load balancer `{name}` its targets")))?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn sent(rules: &[Rule]) -> Vec<request::Rule> {
    rules.iter().map(request::Rule::from).collect()
}

/// Passes connections on as they are: TLS ends at the API server, which asks for the client's certificate.
fn api_service() -> Service {
    let health_check = HealthCheck { protocol: "tcp", port: API_PORT, interval: 5, timeout: 3, retries: 3 };
    let (listen_port, destination_port) = (API_PORT, API_PORT);
    Service { protocol: "tcp", listen_port, destination_port, proxyprotocol: false, health_check }
}
