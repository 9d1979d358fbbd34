//! A server: made where there is one, brought into the network, started.

use std::time::Duration;

use secrecy::ExposeSecret as _;

use crate::bootstrap::cloud_init::{self, NodeSetup};
use crate::bootstrap::settings;
use crate::client::error::{ClientError, ErrorCode};
use crate::client::model::{Server, ServerStatus};
use crate::client::request::{Attach, CreateServer, EnabledAddresses, FirewallRef, Nothing};
use crate::config::Nodes;
use crate::ensure::create::Made;
use crate::ensure::{PATIENCE, Work, delete, failed};
use crate::error::HetznerError;
use crate::plan::blueprint::{Candidate, Role, WantedKey, WantedServer};
use crate::plan::decide::same_key;
use crate::plan::step::{Kind, Step};
use crate::user_data;

/// How often a place in a group is asked for before the next location is tried.
const PLACEMENTS: u32 = 3;
const PAUSE: Duration = Duration::from_secs(2);

impl Work<'_> {
    /// The steps of one server, in turn.
    pub(super) async fn server(&self, steps: Vec<&Step>) -> Result<(), HetznerError> {
        for step in steps {
            match step {
                Step::CreateServer { name, candidates } => self.create_server(name, candidates).await?,
                Step::AttachServer { name, address } => {
                    let network = self.id(Kind::Network, self.want.network.name())?;
                    let request = Attach { network, ip: address.map(|address| address.to_string()) };
                    let (id, done) = (self.id(Kind::Server, name)?, [ErrorCode::ServerAlreadyAttached]);
                    let attached = self.act::<Server>(id, "attach_to_network", &request, &done).await;
                    attached.map_err(failed(&format!("bringing server `{name}` into the network")))?;
                }
                Step::StartServer { name } => {
                    let id = self.id(Kind::Server, name)?;
                    let started = self.act::<Server>(id, "poweron", &Nothing {}, &[]).await;
                    started.map_err(failed(&format!("starting server `{name}`")))?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Tries one candidate after the other while there is none of it to be had.
    async fn create_server(&self, name: &str, candidates: &[Candidate]) -> Result<(), HetznerError> {
        let wanted = self.want.servers.iter().find(|server| server.name == name);
        let wanted =
            wanted.ok_or_else(|| HetznerError::Gone { kind: Kind::Server.word(), name: name.to_owned() })?;
        let mut refused = Vec::new();
        for candidate in candidates {
            let Candidate { kind, location } = candidate;
            match self.try_candidate(wanted, candidate).await? {
                Ok(server) => {
                    self.learn(Kind::Server, name, server.id);
                    self.progress.report(&format!("server `{name}` is there, {kind} in {location}"));
                    return Ok(());
                }
                Err(error) => {
                    self.progress.report(&format!("there is no {kind} in {location} for `{name}`"));
                    refused.push((format!("{kind} in {location}"), error));
                }
            }
        }
        let (tried, mut errors): (Vec<String>, Vec<ClientError>) = refused.into_iter().unzip();
        let (server, tried) = (name.to_owned(), tried.join(", "));
        Err(HetznerError::Stock { server, tried, source: errors.pop().map(Box::new) })
    }

    /// Makes a server of a type in a location. The inner error says that there is none, or no place for it.
    async fn try_candidate(
        &self,
        wanted: &WantedServer,
        candidate: &Candidate,
    ) -> Result<Result<Server, ClientError>, HetznerError> {
        let request = self.request(wanted, candidate)?;
        let mut tries = 1;
        loop {
            let made =
                self.create_once::<Server>(Kind::Server, &wanted.name, &request.labels, &request).await?;
            let error = match made {
                Ok(made) => match self.come_up(made, wanted).await? {
                    Ok(server) => return Ok(Ok(server)),
                    Err(error) => error,
                },
                Err(error) => error,
            };
            match error.code() {
                Some(ErrorCode::PlacementError) if tries < PLACEMENTS => tries += 1,
                Some(ErrorCode::ResourceUnavailable | ErrorCode::PlacementError) => return Ok(Err(error)),
                _ => return Err(failed(&format!("creating server `{}`", wanted.name))(error)),
            }
            self.client.clock().sleep(PAUSE).await;
        }
    }

    /// Waits until a server is made. One that could not be is removed, so that its name is free for the next.
    async fn come_up(
        &self,
        made: Made<Server>,
        wanted: &WantedServer,
    ) -> Result<Result<Server, ClientError>, HetznerError> {
        let (server, end) = match made {
            Made::Answered(created) => {
                let end = self.poller.wait(&created.actions, PATIENCE).await;
                (created.resource, end)
            }
            Made::Found(server) => {
                let end = self.initialised(&server).await;
                (server, end)
            }
        };
        let Err(error) = end else { return Ok(Ok(server)) };
        if !matches!(error, ClientError::ActionFailed { .. }) {
            return Err(failed(&format!("creating server `{}`", wanted.name))(error));
        }
        delete::<Server>(self.client, self.poller, Kind::Server, &wanted.name, server.id).await?;
        Ok(Err(error))
    }

    /// Waits until a server whose actions are not known is made.
    async fn initialised(&self, server: &Server) -> Result<(), ClientError> {
        let start = self.client.clock().now();
        while self.client.clock().now().saturating_sub(start) < PATIENCE {
            match self.client.read::<Server>(server.id).await? {
                Some(server) if server.status == ServerStatus::Initializing => {}
                Some(_) => return Ok(()),
                None => break,
            }
            self.client.clock().sleep(PAUSE).await;
        }
        Err(ClientError::ActionLost { id: server.id })
    }

    fn request(&self, wanted: &WantedServer, candidate: &Candidate) -> Result<CreateServer, HetznerError> {
        let mut labels = self.want.labels.clone();
        labels.extend(wanted.labels.clone());
        let group = wanted.group.as_ref().map(|group| self.id(Kind::PlacementGroup, group)).transpose()?;
        // One whose address is chosen here is brought into the network before it starts.
        let waits = wanted.address.is_some();
        let network = self.id(Kind::Network, self.want.network.name())?;
        let (enable_ipv4, enable_ipv6) = wanted.public;
        Ok(CreateServer {
            name: wanted.name.clone(),
            labels,
            server_type: candidate.kind.clone(),
            image: wanted.image.clone(),
            location: candidate.location.clone(),
            placement_group: group,
            ssh_keys: vec![self.key_name().to_owned()],
            networks: if waits { Vec::new() } else { vec![network] },
            firewalls: vec![FirewallRef { firewall: self.id(Kind::Firewall, &self.want.firewall.name)? }],
            public_net: EnabledAddresses { enable_ipv4, enable_ipv6 },
            user_data: self.user_data(wanted)?,
            start_after_create: !waits,
        })
    }

    /// The name under which the project has the key. A key that it has under another name is used under that.
    fn key_name(&self) -> &str {
        match &self.want.key {
            WantedKey::Existing(name) => name,
            WantedKey::Own { name, public_key } => {
                let same = self.facts.keys.iter().find(|known| same_key(&known.public_key, public_key));
                same.map_or(name, |known| &known.name)
            }
        }
    }

    fn user_data(&self, wanted: &WantedServer) -> Result<String, HetznerError> {
        let nodes = self.nodes_of(wanted);
        let agent_token = self.state.secret.agent_token();
        let settings = match (wanted.role, self.join_address(Some(&wanted.name))) {
            (Role::Worker, Some(join)) => {
                Some(settings::worker(self.config, nodes, &wanted.name, join, &agent_token))
            }
            _ => None,
        };
        let text = cloud_init::user_data(&NodeSetup {
            config: self.config,
            nodes,
            role: wanted.role,
            name: &wanted.name,
            host_key: &self.state.secret.host_key(&wanted.name),
            private: self.config.networking.private_network.subnet,
            settings: settings.as_ref(),
        });
        user_data::packed(text.expose_secret())
            .map_err(|source| HetznerError::UserData { server: wanted.name.clone(), source })
    }

    /// What the pool of a server says.
    fn nodes_of(&self, wanted: &WantedServer) -> &Nodes {
        let mut pools = self.config.worker_node_pools.iter();
        let pool = pools.find(|pool| wanted.role == Role::Worker && pool.name == wanted.pool);
        pool.map_or(&self.config.masters_pool.nodes, |pool| &pool.nodes)
    }
}
