//! From servers to a cluster that takes work: the control plane is founded and joined, nodes are upgraded and taken out, and the way in is
//! handed out once everything is ready.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use futures::future::join_all;
use secrecy::{ExposeSecret as _, SecretString};
use windlass_core::provider::Kubeconfig;

use crate::bootstrap::kubeconfig;
use crate::bootstrap::master::{self, Controllers};
use crate::bootstrap::settings::{self, MasterSettings};
use crate::client::model::{LoadBalancer, Resource as _, Server};
use crate::ensure::{Work, delete, failed};
use crate::error::HetznerError;
use crate::machines::{Leaving, Machine, MachineError, Script, Wanted};
use crate::owner;
use crate::plan::Plan;
use crate::plan::blueprint::Role;
use crate::plan::facts::named;
use crate::plan::step::{Kind, Step};

/// How long a fresh server may take until its sshd answers and cloud-init is through.
const START: Duration = Duration::from_mins(10);
/// How long a cluster may take to become ready: images are pulled over the internet.
const READY: Duration = Duration::from_mins(20);
const PAUSE: Duration = Duration::from_secs(2);
/// What is named of many things that are not ready.
const NAMED: usize = 3;

/// Servers and load balancer, as they are now.
struct Standing {
    servers: Vec<Server>,
    balancer: Option<LoadBalancer>,
}

impl Work<'_> {
    /// Everything that is done on machines and in the cluster. Answers with the release that its masters run.
    pub(super) async fn control_plane(&self, plan: &Plan) -> Result<String, HetznerError> {
        let standing = self.standing(plan).await?;
        let way = match &self.way {
            Some(way) => way.clone(),
            None => self.found(&standing).await?,
        };
        for step in &plan.steps {
            if let Step::Join { server } = step {
                // In turn: etcd takes one learner at a time.
                self.run(
                    &standing,
                    server,
                    "joining the control plane",
                    &self.join_script(&standing, server),
                )
                .await?;
                self.progress.report(&format!("`{server}` joined the control plane"));
            }
        }
        self.ready(&way).await?;
        self.upgrade(plan, &standing, &way).await?;
        self.remove(plan, &way).await?;
        if !self.state.has_published(&way).map_err(|source| self.about(source))? {
            self.state.publish(&way).map_err(|source| self.about(source))?;
            self.progress.report("the kubeconfig is published");
        }
        self.state.intents.clear().map_err(HetznerError::Intents)?;
        self.release(&way).await
    }

    /// Addresses are read again after servers were made: the answers to creates did not have them yet.
    async fn standing(&self, plan: &Plan) -> Result<Standing, HetznerError> {
        let needs =
            |step: &Step| matches!(step, Step::Found { .. } | Step::Join { .. } | Step::Upgrade { .. });
        let name = self.want.balancer.as_ref().map(|balancer| balancer.name.as_str());
        if !plan.steps.iter().any(needs) {
            let balancer = name.and_then(|name| named(&self.facts.balancers, name)).cloned();
            return Ok(Standing { servers: self.facts.servers.clone(), balancer });
        }
        let query = format!(
            "label_selector={}",
            owner::servers(&self.want.cluster).replace('=', "%3D").replace('/', "%2F")
        );
        let servers = self.client.list(&query).await.map_err(failed("reading the servers' addresses"))?;
        let balancer = match name {
            Some(name) => {
                self.client.find(name).await.map_err(failed("reading the load balancer's addresses"))?
            }
            None => None,
        };
        Ok(Standing { servers, balancer })
    }

    /// Founds the control plane on the first master, and fetches the way in.
    async fn found(&self, standing: &Standing) -> Result<Kubeconfig, HetznerError> {
        let first = self.want.servers.first().map(|server| server.name.clone()).unwrap_or_default();
        let settings = self.settings(standing, &first, None);
        let (token, network) = (self.token, self.want.network.name());
        let controllers = Controllers { token, network, endpoint: self.endpoint };
        let script = master::found(self.config, &settings, &controllers);
        self.run(standing, &first, "founding the control plane", &script).await?;
        self.progress.report(&format!("`{first}` founded the control plane"));
        let text = self.run(standing, &first, "reading the kubeconfig", &master::kubeconfig()).await?;
        let server = self.endpoint_of(standing, &first)?;
        let way = kubeconfig::published(text.expose_secret(), &self.want.cluster, &server);
        way.map_err(|source| HetznerError::Kubeconfig { server: first, source })
    }

    fn join_script(&self, standing: &Standing, server: &str) -> Script {
        let join = self.join_address(Some(server)).or_else(|| first_private(&standing.servers, server));
        master::join(self.config, &self.settings(standing, server, join))
    }

    fn settings(&self, standing: &Standing, name: &str, join: Option<Ipv4Addr>) -> SecretString {
        let (token, agent_token) = (self.state.secret.server_token(), self.state.secret.agent_token());
        let names = self.names(standing);
        let (token, agent_token, names) = (&token, &agent_token, names.as_slice());
        settings::master(&MasterSettings { config: self.config, name, token, agent_token, join, names })
    }

    /// Every name and address at which the Kubernetes API is reached: the certificate covers them.
    fn names(&self, standing: &Standing) -> Vec<String> {
        let masters = self.want.masters().filter_map(|master| named(&standing.servers, &master.name));
        let of_master = |server: &Server| [server.public_net.address(), private(server)];
        let balancer = standing.balancer.iter().flat_map(|balancer| {
            [balancer.public_net.address(), balancer.private_net.first().map(|net| net.ip)]
        });
        let addresses =
            masters.flat_map(of_master).chain(balancer).flatten().map(|address| address.to_string());
        self.config.api_server_hostname.clone().into_iter().chain(addresses).collect()
    }

    /// Where the Kubernetes API is published: under the name that the file gives it, before all masters, or on the first one.
    fn endpoint_of(&self, standing: &Standing, first: &str) -> Result<String, HetznerError> {
        if let Some(name) = &self.config.api_server_hostname {
            return Ok(format!("https://{name}:{}", settings::API_PORT));
        }
        let balancer = standing.balancer.as_ref().and_then(|balancer| balancer.public_net.address());
        let master = named(&standing.servers, first);
        let address = balancer.or_else(|| master?.public_net.address()).or_else(|| private(master?));
        let address = address
            .ok_or_else(|| HetznerError::Gone { kind: "address of server", name: first.to_owned() })?;
        Ok(settings::url(address))
    }

    /// Where nodes join: before all masters; at one that is known to be well, and never the joiner itself; or at the first one, which founds the
    /// control plane and whose address was chosen for it.
    pub(super) fn join_address(&self, joiner: Option<&str>) -> Option<Ipv4Addr> {
        if let Some(balancer) = &self.want.balancer {
            return Some(balancer.address);
        }
        let is_well =
            |name: &str| self.facts.nodes.iter().flatten().any(|node| node.name == name && node.ready);
        let mut others = self.want.masters().filter(|master| Some(master.name.as_str()) != joiner);
        let there = others.find_map(|master| {
            private(named(&self.facts.servers, &master.name).filter(|_| is_well(&master.name))?)
        });
        let first = self.want.servers.first()?;
        match there.or_else(|| private(named(&self.facts.servers, &first.name)?)) {
            Some(IpAddr::V4(address)) => Some(address),
            _ => first.address,
        }
    }

    /// Runs a script on a server, again and again while the server is still starting.
    async fn run(
        &self,
        standing: &Standing,
        server: &str,
        doing: &'static str,
        script: &Script,
    ) -> Result<SecretString, HetznerError> {
        let machine = self.machine(standing, server)?;
        let start = self.client.clock().now();
        loop {
            let error = match self.machines.run(&machine, script).await {
                Ok(said) => return Ok(said),
                Err(error) => error,
            };
            if !error.passing || self.client.clock().now().saturating_sub(start) > START {
                return Err(HetznerError::Machine { doing, server: server.to_owned(), source: error });
            }
            self.client.clock().sleep(PAUSE).await;
        }
    }

    fn machine(&self, standing: &Standing, name: &str) -> Result<Machine, HetznerError> {
        let gone = || HetznerError::Gone { kind: Kind::Server.word(), name: name.to_owned() };
        let server = named(&standing.servers, name).ok_or_else(gone)?;
        let ssh = &self.config.networking.ssh;
        let public = server.public_net.address().filter(|_| !ssh.use_private_ip);
        Ok(Machine {
            name: name.to_owned(),
            address: public.or_else(|| private(server)).ok_or_else(gone)?,
            port: ssh.port,
            key_file: ssh.private_key_path.clone(),
            host_key: self.state.secret.host_key(name).public,
        })
    }

    /// Waits until the cluster can take work, and says what it still lacks whenever that changes.
    async fn ready(&self, way: &Kubeconfig) -> Result<(), HetznerError> {
        let addons = &self.config.addons;
        let wanted = Wanted {
            nodes: self.want.servers.iter().map(|server| server.name.clone()).collect(),
            volumes: addons.csi_driver.enabled,
            mirror: addons.embedded_registry_mirror.enabled,
        };
        let mut told = Vec::new();
        let start = self.client.clock().now();
        loop {
            let lacks = match self.machines.lacks(way, &wanted).await {
                Ok(lacks) => lacks,
                Err(error) if error.passing => vec![error.what],
                Err(source) => return Err(self.unreachable(source)),
            };
            if lacks.is_empty() {
                return Ok(());
            }
            if self.client.clock().now().saturating_sub(start) > READY {
                return Err(HetznerError::NotReady { cluster: self.want.cluster.clone(), lacks });
            }
            if lacks != told {
                self.progress.report(&format!("waiting: {}", shortened(&lacks)));
                told = lacks;
            }
            self.client.clock().sleep(PAUSE).await;
        }
    }

    /// Masters in turn, then workers, as many at a time as the file says.
    async fn upgrade(&self, plan: &Plan, standing: &Standing, way: &Kubeconfig) -> Result<(), HetznerError> {
        let of = |wanted: Role| {
            plan.steps.iter().filter_map(move |step| match step {
                Step::Upgrade { server, role, .. } if *role == wanted => Some(server.as_str()),
                _ => None,
            })
        };
        for server in of(Role::Master) {
            self.upgrade_node(standing, way, server, Role::Master).await?;
        }
        let workers: Vec<&str> = of(Role::Worker).collect();
        let at_a_time = usize::try_from(self.config.k3s_upgrade_concurrency).unwrap_or(1).max(1);
        for some in workers.chunks(at_a_time) {
            let upgrades = some.iter().map(|server| self.upgrade_node(standing, way, server, Role::Worker));
            join_all(upgrades).await.into_iter().collect::<Result<(), _>>()?;
        }
        Ok(())
    }

    /// Brings a node to the wanted release, and waits until it says so and is ready: only then the next one may follow.
    async fn upgrade_node(
        &self,
        standing: &Standing,
        way: &Kubeconfig,
        server: &str,
        role: Role,
    ) -> Result<(), HetznerError> {
        self.run(standing, server, "upgrading k3s", &master::upgrade(self.config, role)).await?;
        let start = self.client.clock().now();
        loop {
            let nodes = self.machines.nodes(way).await;
            let has = |version: &str| {
                let nodes = nodes.as_ref().ok()?;
                nodes.iter().find(|node| node.name == server && node.ready && node.version == version)
            };
            if has(&self.want.release).is_some() {
                self.progress.report(&format!("node `{server}` runs {}", self.want.release));
                return Ok(());
            }
            if self.client.clock().now().saturating_sub(start) > START {
                let lacks = vec![format!("node `{server}` does not run {}", self.want.release)];
                return Err(HetznerError::NotReady { cluster: self.want.cluster.clone(), lacks });
            }
            self.client.clock().sleep(PAUSE).await;
        }
    }

    /// Takes nodes that died with their server out of the cluster, so that one of the same name may join.
    pub(super) async fn forget(&self, plan: &Plan) -> Result<(), HetznerError> {
        let Some(way) = &self.way else { return Ok(()) };
        for step in &plan.steps {
            if let Step::ForgetNode { name, role } = step {
                let left = self.machines.retire(way, name, *role, Leaving::Dead).await;
                left.map_err(|source| leaving(name, source))?;
                self.progress.report(&format!("node `{name}`, whose server is gone, left the cluster"));
            }
        }
        Ok(())
    }

    /// Takes away what is no longer wanted, one node after the other.
    async fn remove(&self, plan: &Plan, way: &Kubeconfig) -> Result<(), HetznerError> {
        for step in &plan.steps {
            match step {
                Step::RemoveServer { name, role } => {
                    let left = self.machines.retire(way, name, *role, Leaving::InOrder).await;
                    left.map_err(|source| leaving(name, source))?;
                    let id = self.id(Kind::Server, name)?;
                    delete::<Server>(self.client, self.poller, Kind::Server, name, id).await?;
                    self.progress.report(&format!("server `{name}` is gone"));
                }
                Step::Remove { kind, name } => self.remove_unused(*kind, name).await?,
                _ => {}
            }
        }
        Ok(())
    }

    async fn remove_unused(&self, kind: Kind, name: &str) -> Result<(), HetznerError> {
        let id = self.id(kind, name)?;
        let (client, poller) = (self.client, self.poller);
        match kind {
            Kind::LoadBalancer => delete::<LoadBalancer>(client, poller, kind, name, id).await?,
            Kind::PlacementGroup => {
                delete::<crate::client::model::PlacementGroup>(client, poller, kind, name, id).await?;
            }
            Kind::Server | Kind::Firewall | Kind::Network | Kind::SshKey => {}
        }
        self.progress.report(&format!("{} `{name}` is gone", kind.word()));
        Ok(())
    }

    async fn release(&self, way: &Kubeconfig) -> Result<String, HetznerError> {
        let nodes = self.machines.nodes(way).await.map_err(|source| self.unreachable(source))?;
        let first =
            self.want.servers.first().and_then(|first| nodes.iter().find(|node| node.name == first.name));
        Ok(first.map_or_else(|| self.want.release.clone(), |node| node.version.clone()))
    }

    fn unreachable(&self, source: MachineError) -> HetznerError {
        HetznerError::Unreachable { cluster: self.want.cluster.clone(), source }
    }

    fn about(&self, source: crate::state::StateError) -> HetznerError {
        HetznerError::State { cluster: self.want.cluster.clone(), source }
    }
}

fn leaving(node: &str, source: MachineError) -> HetznerError {
    HetznerError::Machine { doing: "taking the node out of the cluster", server: node.to_owned(), source }
}

/// The address of a server in the private network.
fn private(server: &Server) -> Option<IpAddr> {
    server.private_net.first().map(|net| net.ip)
}

/// The private address of a master other than this one.
fn first_private(servers: &[Server], but: &str) -> Option<Ipv4Addr> {
    let masters =
        servers.iter().filter(|server| server.labels.get(owner::ROLE).is_some_and(|role| role == "master"));
    masters.filter(|server| server.name() != but).find_map(|server| match private(server)? {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    })
}

fn shortened(lacks: &[String]) -> String {
    let named = lacks.iter().take(NAMED).cloned().collect::<Vec<_>>().join("; ");
    match lacks.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named}; and {more} more"),
    }
}
