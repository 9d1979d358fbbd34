//! The contract, for clusters in the Hetzner Cloud.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use windlass_core::name::{ClusterName, ProviderName};
use windlass_core::provider::{
    Capabilities, Cluster, ClusterPlan, ClusterSpec, Kubeconfig, Progress, Provider, ProviderError, Removal,
    Removed,
};

use crate::bootstrap::kubeconfig::redirected;
use crate::bootstrap::settings::url;
use crate::client::actions::Poller;
use crate::client::clock::{Clock, MachineClock};
use crate::client::model::Resource as _;
use crate::client::{Client, ClientConfig, ENDPOINT};
use crate::config::{ClusterConfig, ClusterFile};
use crate::ensure::{self, Work, failed};
use crate::error::HetznerError;
use crate::layout;
use crate::lints;
use crate::machines::{Machines, RealMachines};
use crate::owner;
use crate::plan::blueprint::{Blueprint, Role};
use crate::plan::facts::{NodeFacts, named};
use crate::plan::{Facts, Plan, decide};
use crate::remove::Remains;
use crate::state::{self, State};

/// How long an answer of the API may take, where nothing else is said. Creates of many servers at once are answered slowly.
pub const TIMEOUT: Duration = Duration::from_mins(1);

/// What the provider is set up with.
pub struct HetznerConfig {
    /// Where the API is: [`ENDPOINT`], or what `HCLOUD_ENDPOINT` names.
    pub endpoint: String,
    /// The project's token; `HCLOUD_TOKEN`. Without one the provider can do nothing, and says so when it is asked.
    pub token: Option<SecretString>,
    /// How long an answer of the API may take: [`TIMEOUT`].
    pub timeout: Duration,
    /// The folder in which the secrets and kubeconfigs of clusters are kept.
    pub data: PathBuf,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The way onto servers and into their cluster.
    pub machines: Arc<dyn Machines>,
}

impl HetznerConfig {
    /// The real thing: the project whose token `HCLOUD_TOKEN` holds, at [`ENDPOINT`] or where `HCLOUD_ENDPOINT` says. The variables are those of
    /// Hetzner's own tools.
    pub fn from_environment(data: PathBuf) -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|text| !text.trim().is_empty());
        Self {
            endpoint: variable("HCLOUD_ENDPOINT").unwrap_or_else(|| ENDPOINT.to_owned()),
            token: variable("HCLOUD_TOKEN").map(SecretString::from),
            timeout: TIMEOUT,
            data,
            clock: Arc::new(MachineClock::default()),
            machines: Arc::new(RealMachines),
        }
    }
}

impl fmt::Debug for HetznerConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HetznerConfig")
            .field("endpoint", &self.endpoint)
            .field("data", &self.data)
            .finish_non_exhaustive()
    }
}

/// Clusters of k3s in the Hetzner Cloud.
#[derive(Debug)]
pub struct HetznerProvider {
    name: ProviderName,
    config: HetznerConfig,
    /// One client for all work, so that what the API says of its limit is known to the next.
    client: OnceLock<Client>,
}

impl HetznerProvider {
    /// A provider for the project of a token. Nothing is asked yet.
    pub fn new(config: HetznerConfig) -> Self {
        let name = "hetzner".parse().expect("it is a label");
        Self { name, config, client: OnceLock::new() }
    }

    /// A client with a count of its own.
    fn client(&self, file: Option<&ClusterConfig>) -> Result<(Client, SecretString), HetznerError> {
        let named = file.and_then(|file| file.hetzner_token.as_ref());
        let token = match (&self.config.token, named) {
            (Some(token), _) => token.clone(),
            (None, Some(named)) => SecretString::from(named.expose().to_owned()),
            (None, None) => return Err(HetznerError::NoToken),
        };
        let made = || {
            Client::new(&ClientConfig {
                endpoint: self.config.endpoint.clone(),
                token: token.clone(),
                timeout: self.config.timeout,
                clock: Arc::clone(&self.config.clock),
            })
        };
        // A token of a file may be for another project, whose limit is its own.
        let client = match (&self.config.token, self.client.get()) {
            (None, _) => made()?,
            (Some(_), Some(client)) => client.counted(),
            (Some(_), None) => {
                let client = made()?;
                self.client.get_or_init(|| client).counted()
            }
        };
        Ok((client, token))
    }

    /// What is there, and the way into the cluster if there is one. Where one was handed out and no master is there, the token is of another project,
    /// or the control plane is lost: neither is to be made anew unasked.
    async fn look(
        &self,
        client: &Client,
        want: &Blueprint,
    ) -> Result<(Facts, Option<Kubeconfig>), HetznerError> {
        let mut facts = Facts::read(client, None).await.map_err(failed("reading what is in the project"))?;
        let way = state::published(&self.config.data, &want.cluster).map_err(about(&want.cluster))?;
        let is_master = |name: &str| want.masters().any(|master| master.name == name);
        let ours = facts.servers.iter().filter(|server| owner::may_remove(&want.cluster, *server));
        let role = |server: &crate::client::model::Server| {
            server.labels.get(owner::ROLE).map(String::as_str) == Some(Role::Master.word())
        };
        let lives = ours.into_iter().any(|server| role(server) || is_master(server.name()));
        let Some(way) = way else { return Ok((facts, None)) };
        if !lives {
            return Err(HetznerError::MastersGone(want.cluster.clone()));
        }
        let (nodes, way) = self.nodes(way, want, &facts).await?;
        facts.nodes = Some(nodes);
        Ok((facts, Some(way)))
    }

    /// Asks the cluster for its nodes: where the way in was published to, or, where nobody answers there any more, at its other masters.
    async fn nodes(
        &self,
        way: Kubeconfig,
        want: &Blueprint,
        facts: &Facts,
    ) -> Result<(Vec<NodeFacts>, Kubeconfig), HetznerError> {
        let first = match self.config.machines.nodes(&way).await {
            Ok(nodes) => return Ok((nodes, way)),
            Err(error) => error,
        };
        let masters =
            want.masters().filter_map(|master| named(&facts.servers, &master.name)?.public_net.address());
        for address in masters.filter(|_| first.passing) {
            let other = redirected(&way, &url(address));
            if let Ok(nodes) = self.config.machines.nodes(&other).await {
                return Ok((nodes, other));
            }
        }
        Err(HetznerError::Unreachable { cluster: want.cluster.clone(), source: first })
    }

    async fn planned(&self, want: &ClusterSpec) -> Result<Plan, HetznerError> {
        let (config, blueprint) = read(want)?;
        let (client, _) = self.client(Some(&config))?;
        let (facts, _) = self.look(&client, &blueprint).await?;
        decided(&blueprint, &facts)
    }

    async fn ensured(&self, want: &ClusterSpec, progress: &dyn Progress) -> Result<Cluster, HetznerError> {
        let (config, blueprint) = read(want)?;
        let (client, token) = self.client(Some(&config))?;
        let state = State::open(&self.config.data, &blueprint.cluster).map_err(about(&blueprint.cluster))?;
        settle_intents(&client, &state).await?;
        let (facts, way) = self.look(&client, &blueprint).await?;
        let has_servers = facts.servers.iter().any(|server| owner::may_remove(&blueprint.cluster, server));
        if state.is_new && has_servers {
            return Err(HetznerError::LostSecret(blueprint.cluster));
        }
        let plan = decided(&blueprint, &facts)?;
        state.keep().map_err(about(&blueprint.cluster))?;
        let poller = Poller::new(client.clone());
        let endpoint = (self.config.endpoint != ENDPOINT).then_some(self.config.endpoint.as_str());
        let work = Work {
            client: &client,
            poller: &poller,
            config: &config,
            want: &blueprint,
            facts: &facts,
            state: &state,
            machines: self.config.machines.as_ref(),
            progress,
            way,
            ids: Mutex::new(ensure::known(&facts)),
            token: &token,
            endpoint,
        };
        let version = tokio::select! {
            done = work.carry_out(&plan) => done?,
            error = poller.run() => return Err(failed("waiting for actions")(error)),
        };
        // What is done on machines and in the cluster is a write too, though not of Hetzner's API.
        let writes = client.writes() + plan.steps.iter().filter(|step| step.is_in_cluster()).count() as u64;
        tracing::info!(cluster = %want.name, calls = client.calls(), writes, remaining = client.remaining(), "ensured");
        Ok(Cluster { name: want.name.clone(), version: Some(version), writes })
    }

    async fn removed(
        &self,
        cluster: &ClusterName,
        removal: Removal,
        progress: &dyn Progress,
    ) -> Result<Removed, HetznerError> {
        let (client, _) = self.client(None)?;
        let name = cluster.as_str();
        let state = self.to_remove(name, removal)?;
        let remains = Remains::read(&client, name).await.map_err(failed("reading what is in the project"))?;
        if let Some(state) = &state {
            if remains.is_empty() && state.is_published() && !state.is_being_removed() {
                let (cluster, folder) = (name.to_owned(), state.folder().to_owned());
                return Err(HetznerError::NothingThere { cluster, folder });
            }
            if !remains.is_protected() {
                state.begin_removal().map_err(about(name))?;
            }
        }
        let poller = Poller::new(client.clone());
        let removed = tokio::select! {
            removed = remains.remove(name, removal, &client, &poller, progress) => removed?,
            error = poller.run() => return Err(failed("waiting for actions")(error)),
        };
        if let Some(state) = state {
            state.forget().map_err(about(name))?;
        }
        Ok(removed)
    }

    /// What is kept of a cluster that is to be removed, and the right to work on it; none for a look, and where nothing is kept.
    fn to_remove(&self, name: &str, removal: Removal) -> Result<Option<State>, HetznerError> {
        if removal != Removal::Final || !state::is_known(&self.config.data, name) {
            return Ok(None);
        }
        State::open(&self.config.data, name).map(Some).map_err(about(name))
    }
}

/// Looks up what a run that was cut off was about to make. What is found shows in the lists that are read next.
async fn settle_intents(client: &Client, state: &State) -> Result<(), HetznerError> {
    use crate::client::model::{Firewall, LoadBalancer, Network, PlacementGroup, Server, SshKey};
    use crate::plan::step::Kind;
    for intent in &state.open {
        let name = &intent.name;
        let found = match intent.kind {
            Kind::Server => client.find::<Server>(name).await.map(|found| found.is_some()),
            Kind::LoadBalancer => client.find::<LoadBalancer>(name).await.map(|found| found.is_some()),
            Kind::Firewall => client.find::<Firewall>(name).await.map(|found| found.is_some()),
            Kind::PlacementGroup => client.find::<PlacementGroup>(name).await.map(|found| found.is_some()),
            Kind::Network => client.find::<Network>(name).await.map(|found| found.is_some()),
            Kind::SshKey => client.find::<SshKey>(name).await.map(|found| found.is_some()),
        };
        let found = found.map_err(failed(&format!("looking for {} `{name}`", intent.kind.word())))?;
        tracing::info!(kind = intent.kind.word(), name, found, "a create was cut off");
        state.intents.end(intent).map_err(HetznerError::Intents)?;
    }
    Ok(())
}

fn decided(want: &Blueprint, facts: &Facts) -> Result<Plan, HetznerError> {
    decide(want, facts).map_err(|refusals| HetznerError::Refused { cluster: want.cluster.clone(), refusals })
}

/// The file and what it asks for, if that is something that windlass does.
fn read(want: &ClusterSpec) -> Result<(ClusterConfig, Blueprint), HetznerError> {
    let cluster = want.name.as_str().to_owned();
    let text = want.config.as_deref().ok_or_else(|| HetznerError::NoConfig(cluster.clone()))?;
    let file = ClusterFile::parse("cluster-config.yaml", text);
    let file = file.map_err(|source| HetznerError::Config { cluster: cluster.clone(), source })?;
    let findings = lints::refusals(&file);
    let config = file.config;
    if config.cluster_name != want.name {
        return Err(HetznerError::OtherCluster { named: config.cluster_name.to_string(), wanted: cluster });
    }
    if !findings.is_empty() {
        return Err(HetznerError::Lints { cluster, findings });
    }
    let key = public_key(&config)?;
    let blueprint = layout::blueprint(&config, key);
    Ok((config, blueprint))
}

/// What `public_key_path` holds; nothing where a key of the project is used.
fn public_key(config: &ClusterConfig) -> Result<String, HetznerError> {
    let ssh = &config.networking.ssh;
    if ssh.existing_ssh_key_name.is_some() {
        return Ok(String::new());
    }
    let path = at_home(&ssh.public_key_path);
    let text = std::fs::read_to_string(&path);
    let text =
        text.map_err(|source| HetznerError::PublicKey { file: ssh.public_key_path.clone(), source })?;
    Ok(text.trim().to_owned())
}

/// A path of the file, in which `~` is the home folder.
pub(crate) fn at_home(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => PathBuf::from(home).join(rest),
        _ => PathBuf::from(path),
    }
}

fn about(cluster: &str) -> impl Fn(state::StateError) -> HetznerError + use<> {
    let cluster = cluster.to_owned();
    move |source| HetznerError::State { cluster: cluster.clone(), source }
}

#[async_trait]
impl Provider for HetznerProvider {
    fn name(&self) -> &ProviderName {
        &self.name
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            create: true,
            upgrade: true,
            scale: true,
            storage_classes: vec!["hcloud-volumes".to_owned()],
        }
    }

    async fn plan(&self, want: &ClusterSpec) -> Result<ClusterPlan, ProviderError> {
        self.planned(want).await.map(|plan| plan.told()).map_err(HetznerError::told)
    }

    async fn ensure(&self, want: &ClusterSpec, progress: &dyn Progress) -> Result<Cluster, ProviderError> {
        self.ensured(want, progress).await.map_err(HetznerError::told)
    }

    async fn connect(&self, cluster: &ClusterName) -> Result<Kubeconfig, ProviderError> {
        let way = state::published(&self.config.data, cluster.as_str()).map_err(about(cluster.as_str()));
        way.and_then(|way| way.ok_or_else(|| HetznerError::NotPublished(cluster.to_string())))
            .map_err(HetznerError::told)
    }

    async fn remove(
        &self,
        cluster: &ClusterName,
        removal: Removal,
        progress: &dyn Progress,
    ) -> Result<Removed, ProviderError> {
        self.removed(cluster, removal, progress).await.map_err(HetznerError::told)
    }
}
