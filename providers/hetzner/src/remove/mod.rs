//! Takes a cluster away: everything that carries its label, and nothing else.

use futures::try_join;
use windlass_core::provider::{Progress, Removal, Removed};

use crate::client::Client;
use crate::client::actions::Poller;
use crate::client::error::{ClientError, ErrorCode};
use crate::client::model::{
    Firewall, LoadBalancer, Network, PlacementGroup, Pricing, PrivateNet, Resource, Server, SshKey, Volume,
};
use crate::client::request::{Choice, RemoveFrom};
use crate::ensure::{PATIENCE, delete, failed};
use crate::error::HetznerError;
use crate::owner;
use crate::plan::cost;
use crate::plan::facts::Facts;
use crate::plan::refusal::shown;
use crate::plan::step::Kind;

/// Marks a volume that the driver of volumes made (hetznercloud/csi-driver, docs).
const DRIVER: (&str, &str) = ("managed-by", "csi-driver");
/// Marks a load balancer that the cloud controller manager made for a Service.
const CONTROLLER: &str = "hcloud-ccm/service-uid";

/// What a cluster is made of, and what its controllers made.
#[derive(Debug, Default)]
pub(crate) struct Remains {
    servers: Vec<Server>,
    balancers: Vec<LoadBalancer>,
    firewalls: Vec<Firewall>,
    groups: Vec<PlacementGroup>,
    networks: Vec<Network>,
    keys: Vec<SshKey>,
    volumes: Vec<Volume>,
    services: Vec<LoadBalancer>,
    pricing: Pricing,
}

#[derive(serde::Deserialize)]
struct Priced {
    #[serde(default)]
    pricing: Pricing,
}

impl Remains {
    /// Reads what is there.
    pub(crate) async fn read(client: &Client, cluster: &str) -> Result<Self, ClientError> {
        let mut remains = Self::default();
        let (servers, balancers, firewalls, groups, networks, keys, volumes) = try_join!(
            client.list::<Server>(""),
            client.list::<LoadBalancer>(""),
            client.list::<Firewall>(""),
            client.list::<PlacementGroup>(""),
            client.list::<Network>(""),
            client.list::<SshKey>(""),
            client.list::<Volume>(""),
        )?;
        remains.servers = ours(cluster, servers);
        remains.firewalls = ours(cluster, firewalls);
        remains.groups = ours(cluster, groups);
        remains.networks = ours(cluster, networks);
        remains.keys = ours(cluster, keys);
        remains.volumes = volumes.into_iter().filter(|volume| remains.may_have(volume)).collect();
        let (own, others): (Vec<_>, Vec<_>) =
            balancers.into_iter().partition(|balancer| owner::may_remove(cluster, balancer));
        remains.services = others.into_iter().filter(|balancer| remains.may_serve(balancer)).collect();
        remains.balancers = own;
        if !remains.volumes.is_empty() || !remains.services.is_empty() {
            remains.pricing = client.get::<Priced>("/pricing").await?.pricing;
        }
        Ok(remains)
    }

    /// A volume says whether the driver made it, and not for which cluster: one that is attached elsewhere is another's.
    fn may_have(&self, volume: &Volume) -> bool {
        let is_made = volume.labels.get(DRIVER.0).is_some_and(|value| value == DRIVER.1);
        let is_elsewhere = volume.server.is_some_and(|at| !self.servers.iter().any(|server| server.id == at));
        is_made && !is_elsewhere && !self.is_empty()
    }

    /// A load balancer of a Service is of this cluster if it is in its network.
    fn may_serve(&self, balancer: &LoadBalancer) -> bool {
        let is_in = |net: &PrivateNet| self.networks.iter().any(|network| network.id == net.network);
        balancer.labels.contains_key(CONTROLLER) && balancer.private_net.iter().any(is_in)
    }

    /// Whether there is nothing of the cluster.
    pub(crate) fn is_empty(&self) -> bool {
        self.named().is_empty() && self.balancers.is_empty()
    }

    fn named(&self) -> Vec<(Kind, String)> {
        fn of<T: Resource>(kind: Kind, list: &[T]) -> impl Iterator<Item = (Kind, String)> + '_ {
            list.iter().map(move |resource| (kind, resource.name().to_owned()))
        }
        of(Kind::LoadBalancer, &self.balancers)
            .chain(of(Kind::Server, &self.servers))
            .chain(of(Kind::Firewall, &self.firewalls))
            .chain(of(Kind::PlacementGroup, &self.groups))
            .chain(of(Kind::Network, &self.networks))
            .chain(of(Kind::SshKey, &self.keys))
            .collect()
    }

    /// Whether the cluster must not be removed.
    pub(crate) fn is_protected(&self) -> bool {
        fn any<T: Resource>(list: &[T]) -> bool {
            list.iter().any(|resource| resource.labels().contains_key(owner::PROTECTED))
        }
        any(&self.servers)
            || any(&self.balancers)
            || any(&self.firewalls)
            || any(&self.groups)
            || any(&self.networks)
            || any(&self.keys)
    }

    /// What stays and costs money, with its price.
    fn left(&self) -> Vec<String> {
        let facts = Facts { pricing: self.pricing.clone(), ..Facts::default() };
        let at = |price: Option<windlass_core::provider::Money>| {
            price.map_or_else(String::new, |money| format!(", {} in a month", shown(&money)))
        };
        let volumes = self.volumes.iter().map(|volume| {
            let price =
                cost::volume(volume.size, &facts.pricing.volume.price_per_gb_month, &facts.pricing.currency);
            format!("volume `{}` of {} GB{}", volume.name, volume.size, at(price))
        });
        let services = self.services.iter().map(|balancer| {
            let price = cost::balancer(&balancer.load_balancer_type.name, &balancer.location.name, &facts);
            format!("load balancer `{}` of a Service{}", balancer.name, at(price))
        });
        volumes.chain(services).collect()
    }

    /// Removes it, or says what that would be.
    pub(crate) async fn remove(
        &self,
        cluster: &str,
        removal: Removal,
        client: &Client,
        poller: &Poller,
        progress: &dyn Progress,
    ) -> Result<Removed, HetznerError> {
        if self.is_protected() {
            return Err(HetznerError::Protected(cluster.to_owned()));
        }
        let removed =
            self.named().into_iter().map(|(kind, name)| format!("{} `{name}`", kind.word())).collect();
        let removed = Removed { removed, left: self.left() };
        if removal == Removal::Final {
            self.carry_out(cluster, client, poller, progress).await?;
        }
        Ok(removed)
    }

    /// What uses something goes before it: servers and load balancers first, at once; then what they were in.
    async fn carry_out(
        &self,
        cluster: &str,
        client: &Client,
        poller: &Poller,
        progress: &dyn Progress,
    ) -> Result<(), HetznerError> {
        let all = Removing { client, poller, progress };
        let selector = owner::servers(cluster);
        try_join!(
            all.of(Kind::Server, &self.servers),
            all.of(Kind::LoadBalancer, &self.balancers),
            all.lift(&self.firewalls, &selector)
        )?;
        try_join!(
            all.of(Kind::Firewall, &self.firewalls),
            all.of(Kind::PlacementGroup, &self.groups),
            all.of(Kind::Network, &self.networks),
            all.of(Kind::SshKey, &self.keys)
        )?;
        Ok(())
    }
}

fn ours<T: Resource>(cluster: &str, list: Vec<T>) -> Vec<T> {
    list.into_iter().filter(|resource| owner::may_remove(cluster, resource)).collect()
}

struct Removing<'a> {
    client: &'a Client,
    poller: &'a Poller,
    progress: &'a dyn Progress,
}

impl Removing<'_> {
    async fn of<T: Resource>(&self, kind: Kind, list: &[T]) -> Result<(), HetznerError> {
        let each = list.iter().map(async |resource| {
            delete::<T>(self.client, self.poller, kind, resource.name(), resource.id()).await?;
            self.progress.report(&format!("{} `{}` is gone", kind.word(), resource.name()));
            Ok(())
        });
        futures::future::join_all(each).await.into_iter().collect()
    }

    /// A firewall that is on something cannot be deleted, even where its selector chooses nothing.
    async fn lift(&self, firewalls: &[Firewall], selector: &str) -> Result<(), HetznerError> {
        for firewall in firewalls {
            let is_on = firewall.applied_to.iter().filter_map(|applied| applied.label_selector.as_ref());
            if !is_on.into_iter().any(|chosen| chosen.selector == selector) {
                continue;
            }
            let doing = format!("taking firewall `{}` off its servers", firewall.name);
            let request = RemoveFrom { remove_from: vec![Choice::of(selector)] };
            let done =
                [ErrorCode::NotFound, ErrorCode::FirewallAlreadyRemoved, ErrorCode::FirewallResourceNotFound];
            let lifted =
                self.client.act::<Firewall>(firewall.id, "remove_from_resources", &request, &done).await;
            let actions = lifted.map_err(failed(&doing))?;
            self.poller.wait(&actions, PATIENCE).await.map_err(failed(&doing))?;
        }
        Ok(())
    }
}
