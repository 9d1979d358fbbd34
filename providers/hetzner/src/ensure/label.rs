//! The labels of what is there.

use crate::client::model::{Labels, Resource};
use crate::ensure::{Work, failed};
use crate::error::HetznerError;
use crate::owner;
use crate::plan::facts::named;
use crate::plan::step::Kind;

impl Work<'_> {
    /// Gives a resource the labels that it should have and keeps those that others gave it.
    pub(super) async fn relabel(&self, kind: Kind, name: &str) -> Result<(), HetznerError> {
        let facts = self.facts;
        match kind {
            Kind::Server => self.label(kind, &facts.servers, name).await,
            Kind::LoadBalancer => self.label(kind, &facts.balancers, name).await,
            Kind::Firewall => self.label(kind, &facts.firewalls, name).await,
            Kind::PlacementGroup => self.label(kind, &facts.groups, name).await,
            Kind::Network => self.label(kind, &facts.networks, name).await,
            Kind::SshKey => self.label(kind, &facts.keys, name).await,
        }
    }

    async fn label<T: Resource>(&self, kind: Kind, list: &[T], name: &str) -> Result<(), HetznerError> {
        let gone = || HetznerError::Gone { kind: kind.word(), name: name.to_owned() };
        let resource = named(list, name).ok_or_else(gone)?;
        // The API replaces the whole map.
        let mut labels = resource.labels().clone();
        labels.remove(owner::PROTECTED);
        labels.extend(self.wanted_labels(kind, name));
        let labelled = self.client.label::<T>(resource.id(), &labels).await;
        labelled.map_err(failed(&format!("labelling {} `{name}`", kind.word())))
    }

    fn wanted_labels(&self, kind: Kind, name: &str) -> Labels {
        let mut labels = self.want.labels.clone();
        if let Some(server) =
            self.want.servers.iter().find(|server| kind == Kind::Server && server.name == name)
        {
            // What a server was made from does not change with the file.
            labels.extend(server.labels.clone().into_iter().filter(|(key, _)| key != owner::MADE_FROM));
        }
        labels
    }
}
