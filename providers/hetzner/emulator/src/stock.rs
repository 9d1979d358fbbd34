//! What is sold out: a server type that cannot be had in a location.

use serde::{Deserialize, Serialize};

/// A server type that a location has no room for. `POST /servers` is answered with 412.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Shortage {
    /// `cx23`
    pub server_type: String,
    /// `fsn1`
    pub location: String,
    /// Whether `server_types[].locations[].available` says so. It does not always.
    #[serde(default = "shown")]
    pub shown: bool,
    /// How many creations are refused before there is room again; for ever if it is missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
}

fn shown() -> bool {
    true
}

impl Shortage {
    /// Sold out for ever, and said to be.
    pub fn new(server_type: &str, location: &str) -> Self {
        Self { server_type: server_type.to_owned(), location: location.to_owned(), shown: true, times: None }
    }

    /// Sold out, while the list says that it can be had.
    pub fn hidden(mut self) -> Self {
        self.shown = false;
        self
    }

    /// Only for so many creations.
    pub fn times(mut self, creations: u32) -> Self {
        self.times = Some(creations);
        self
    }
}

/// Everything that is sold out.
#[derive(Debug, Default)]
pub(crate) struct Stock(Vec<Shortage>);

impl Stock {
    pub(crate) fn sell_out(&mut self, shortage: Shortage) {
        self.0.push(shortage);
    }

    pub(crate) fn refill(&mut self) {
        self.0.clear();
    }

    pub(crate) fn all(&self) -> &[Shortage] {
        &self.0
    }

    /// Whether the list of server types says that it can be had.
    pub(crate) fn shows(&self, server_type: &str, location: &str) -> bool {
        !self.0.iter().any(|one| one.shown && one.server_type == server_type && one.location == location)
    }

    /// Tries to take one. A shortage that has refused often enough is over.
    pub(crate) fn take(&mut self, server_type: &str, location: &str) -> bool {
        let short = self.0.iter_mut().find(|one| one.server_type == server_type && one.location == location);
        let Some(shortage) = short else { return true };
        shortage.times = shortage.times.map(|times| times.saturating_sub(1));
        self.0.retain(|one| one.times != Some(0));
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shortage_is_of_one_type_in_one_location() {
        let mut stock = Stock::default();
        stock.sell_out(Shortage::new("cx23", "fsn1").times(2));
        stock.sell_out(Shortage::new("cx33", "fsn1").hidden());
        assert!(!stock.shows("cx23", "fsn1"));
        assert!(stock.shows("cx23", "nbg1"));
        assert!(stock.shows("cx33", "fsn1"));
        assert!(!stock.take("cx33", "fsn1"));
        assert!(stock.take("cx23", "nbg1"));
        assert_eq!([0; 3].map(|_| stock.take("cx23", "fsn1")), [false, false, true]);
    }
}
