//! Carries a plan out.
//!
//! What servers need is made first and in parallel (key, network, firewall, groups, load balancer), then all servers at once, each with the
//! firewall from its first moment; then the control plane, workers having joined meanwhile by themselves. Everything can be cut off anywhere: the
//! next run reads what is there and goes on. There is no other way of recovering.

mod create;
mod foundation;
mod label;
mod nodes;
mod server;

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::future::{join, join_all};
use futures::stream::{FuturesUnordered, StreamExt as _};
use secrecy::SecretString;
use serde::Serialize;
use windlass_core::provider::{Kubeconfig, Progress};

use crate::client::Client;
use crate::client::actions::Poller;
use crate::client::error::{ClientError, ErrorCode};
use crate::client::model::Resource;
use crate::config::ClusterConfig;
use crate::error::HetznerError;
use crate::machines::Machines;
use crate::plan::Plan;
use crate::plan::blueprint::Blueprint;
use crate::plan::facts::Facts;
use crate::plan::step::{Kind, Step};
use crate::state::State;

/// How long an action may take. An image that is slow to copy takes minutes.
pub(crate) const PATIENCE: Duration = Duration::from_mins(15);
/// Servers that are made at a time: the calls of a cluster of fifty fit into the budget.
const AT_A_TIME: usize = 20;
/// How long something may be locked by what else goes on with it.
const LOCKED: Duration = Duration::from_mins(5);
const LOCKED_PAUSE: Duration = Duration::from_secs(2);

/// What carrying a plan out works with.
pub(crate) struct Work<'a> {
    pub(crate) client: &'a Client,
    pub(crate) poller: &'a Poller,
    pub(crate) config: &'a ClusterConfig,
    pub(crate) want: &'a Blueprint,
    pub(crate) facts: &'a Facts,
    pub(crate) state: &'a State,
    pub(crate) machines: &'a dyn Machines,
    pub(crate) progress: &'a dyn Progress,
    /// The way into the cluster, where it was published before.
    pub(crate) way: Option<Kubeconfig>,
    /// Numbers of resources by kind and name: those that were there and those that were made since.
    pub(crate) ids: Mutex<BTreeMap<(Kind, String), u64>>,
    /// Hetzner's token, which the cluster's controllers need too.
    pub(crate) token: &'a SecretString,
    /// Where the API is, if it is not where it usually is.
    pub(crate) endpoint: Option<&'a str>,
}

/// Numbers of everything that is there.
pub(crate) fn known(facts: &Facts) -> BTreeMap<(Kind, String), u64> {
    fn of<T: Resource>(kind: Kind, list: &[T]) -> impl Iterator<Item = ((Kind, String), u64)> + '_ {
        list.iter().map(move |resource| ((kind, resource.name().to_owned()), resource.id()))
    }
    of(Kind::Server, &facts.servers)
        .chain(of(Kind::LoadBalancer, &facts.balancers))
        .chain(of(Kind::Firewall, &facts.firewalls))
        .chain(of(Kind::PlacementGroup, &facts.groups))
        .chain(of(Kind::Network, &facts.networks))
        .chain(of(Kind::SshKey, &facts.keys))
        .collect()
}

impl Work<'_> {
    /// Carries a plan out, waits until the cluster can take work, and answers with the release that it runs.
    pub(crate) async fn carry_out(&self, plan: &Plan) -> Result<String, HetznerError> {
        for drift in &plan.drift {
            self.progress.report(&format!("left as it is: {drift}"));
        }
        self.foundations(plan).await?;
        self.forget(plan).await?;
        let (servers, balancer) = join(self.servers(plan), self.balancer(plan)).await;
        servers.and(balancer)?;
        self.control_plane(plan).await
    }

    /// Everything that servers need before they start, and what has no part in it.
    async fn foundations(&self, plan: &Plan) -> Result<(), HetznerError> {
        let steps = plan.steps.iter().map(|step| self.foundation(step));
        // All are carried to their end: one that is cut off because another failed would leave its outcome open.
        join_all(steps).await.into_iter().collect()
    }

    /// What is done with servers: those of different servers at once, those of one in turn.
    async fn servers(&self, plan: &Plan) -> Result<(), HetznerError> {
        let mut chains: BTreeMap<&str, Vec<&Step>> = BTreeMap::new();
        for step in &plan.steps {
            if let Step::CreateServer { name, .. }
            | Step::AttachServer { name, .. }
            | Step::StartServer { name } = step
            {
                chains.entry(name).or_default().push(step);
            }
        }
        let mut running = FuturesUnordered::new();
        let mut ends = Vec::new();
        for steps in chains.into_values() {
            if running.len() == AT_A_TIME {
                ends.extend(running.next().await);
            }
            running.push(self.server(steps));
        }
        ends.extend(running.collect::<Vec<_>>().await);
        ends.into_iter().collect()
    }

    fn id(&self, kind: Kind, name: &str) -> Result<u64, HetznerError> {
        let ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        let id = ids.get(&(kind, name.to_owned())).copied();
        id.ok_or_else(|| HetznerError::Gone { kind: kind.word(), name: name.to_owned() })
    }

    fn learn(&self, kind: Kind, name: &str, id: u64) {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).insert((kind, name.to_owned()), id);
    }

    /// Sets an action going and waits for its end. What else goes on with the resource is waited for.
    async fn act<T: Resource>(
        &self,
        id: u64,
        action: &str,
        request: &(impl Serialize + Sync),
        done: &[ErrorCode],
    ) -> Result<(), ClientError> {
        let start = self.client.clock().now();
        loop {
            let error = match self.client.act::<T>(id, action, request, done).await {
                Ok(actions) => return self.poller.wait(&actions, PATIENCE).await,
                Err(error) => error,
            };
            let waited = self.client.clock().now().saturating_sub(start);
            if error.code() != Some(&ErrorCode::Locked) || waited > LOCKED {
                return Err(error);
            }
            self.client.clock().sleep(LOCKED_PAUSE).await;
        }
    }
}

/// Deletes a resource and waits until it is gone.
pub(crate) async fn delete<T: Resource>(
    client: &Client,
    poller: &Poller,
    kind: Kind,
    name: &str,
    id: u64,
) -> Result<(), HetznerError> {
    let doing = format!("removing {} `{name}`", kind.word());
    let start = client.clock().now();
    loop {
        let error = match client.delete::<T>(id).await {
            Ok(actions) => return poller.wait(&actions, PATIENCE).await.map_err(failed(&doing)),
            Err(error) => error,
        };
        // What used it until a moment ago may still be on its way out.
        let passes = matches!(error.code(), Some(ErrorCode::Locked | ErrorCode::ResourceInUse));
        if !passes || client.clock().now().saturating_sub(start) > LOCKED {
            return Err(failed(&doing)(error));
        }
        client.clock().sleep(LOCKED_PAUSE).await;
    }
}

/// Says what a call was for.
pub(crate) fn failed(doing: &str) -> impl FnOnce(ClientError) -> HetznerError + use<> {
    let doing = doing.to_owned();
    move |source| HetznerError::Api { doing, source }
}
