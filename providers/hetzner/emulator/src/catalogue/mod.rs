//! What Hetzner sells: the same for every project.

mod images;
mod isos;
mod load_balancer_types;
mod locations;
mod prices;
mod server_types;

pub(crate) use images::{IMAGES, StockImage};
pub(crate) use isos::{find as find_iso, keep as keep_isos, views as isos};
pub(crate) use load_balancer_types::{LOAD_BALANCER_TYPES, LoadBalancerType};
pub(crate) use locations::{LOCATIONS, Location};
pub(crate) use prices::pricing;
pub(crate) use server_types::{SERVER_TYPES, ServerType};

use crate::form::Reference;
use crate::kind::Id;

/// A thing of the catalogue.
pub(crate) trait Offer {
    fn id(&self) -> Id;
    fn name(&self) -> &'static str;
}

/// The offer that a request names.
pub(crate) fn find<'a, T: Offer>(offers: &'a [T], reference: &Reference) -> Option<&'a T> {
    offers.iter().find(|offer| match reference {
        Reference::Id(id) => offer.id() == *id,
        Reference::Name(name) => offer.name() == name,
    })
}
