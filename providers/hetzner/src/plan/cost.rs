//! What a cluster costs in a month.
//!
//! Prices are decimal texts with up to ten digits behind the point; they are added as whole numbers and rounded once, upward.

use std::collections::BTreeMap;

use windlass_core::provider::Money;

use crate::client::model::{Amount, Price};
use crate::plan::facts::Facts;

/// Parts of the currency's unit that amounts are counted in.
const SCALE: i128 = 10_i128.pow(10);
const DIGITS: usize = 10;

/// What costs: how many of each type in each location.
#[derive(Debug, Default)]
pub(crate) struct Bill {
    servers: BTreeMap<(String, String), i128>,
    addresses: BTreeMap<String, i128>,
    balancers: BTreeMap<(String, String), i128>,
}

impl Bill {
    pub(crate) fn server(&mut self, kind: &str, location: &str, has_ipv4: bool) {
        *self.servers.entry((kind.to_owned(), location.to_owned())).or_default() += 1;
        if has_ipv4 {
            *self.addresses.entry(location.to_owned()).or_default() += 1;
        }
    }

    pub(crate) fn balancer(&mut self, kind: &str, location: &str) {
        *self.balancers.entry((kind.to_owned(), location.to_owned())).or_default() += 1;
    }

    /// The sum; none if a price is not known.
    pub(crate) fn total(&self, facts: &Facts) -> Option<Money> {
        let pricing = &facts.pricing;
        let listed = |types: &[crate::client::model::PricedType], kind: &str, location: &str| {
            at(&types.iter().find(|priced| priced.name == kind)?.prices, location)
        };
        let mut total = 0;
        for ((kind, location), count) in &self.servers {
            total += count * listed(&pricing.server_types, kind, location)?;
        }
        for ((kind, location), count) in &self.balancers {
            total += count * listed(&pricing.load_balancer_types, kind, location)?;
        }
        for (location, count) in &self.addresses {
            let ipv4 = pricing.primary_ips.iter().find(|priced| priced.kind == "ipv4")?;
            total += count * at(&ipv4.prices, location)?;
        }
        Some(Money { cents: cents(total), currency: pricing.currency.clone() })
    }
}

/// What a volume costs in a month.
pub(crate) fn volume(gigabytes: f64, price: &Amount, currency: &str) -> Option<Money> {
    #[expect(clippy::cast_possible_truncation, reason = "volumes have whole gigabytes, ten thousand at most")]
    let gigabytes = gigabytes as i128;
    Some(Money { cents: cents(gigabytes * parsed(&price.net)?), currency: currency.to_owned() })
}

/// What a load balancer costs in a month.
pub(crate) fn balancer(kind: &str, location: &str, facts: &Facts) -> Option<Money> {
    let mut bill = Bill::default();
    bill.balancer(kind, location);
    bill.total(facts)
}

fn at(prices: &[Price], location: &str) -> Option<i128> {
    parsed(&prices.iter().find(|price| price.location == location)?.price_monthly.net)
}

/// `3.2900000000` in parts of the unit.
fn parsed(text: &str) -> Option<i128> {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(part) || whole.len() > 12 {
        return None;
    }
    let part: String = part.chars().chain(std::iter::repeat('0')).take(DIGITS).collect();
    Some(whole.parse::<i128>().ok()? * SCALE + part.parse::<i128>().ok()?)
}

fn cents(parts: i128) -> i64 {
    let cents = (parts * 100 + SCALE - 1) / SCALE;
    i64::try_from(cents).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<i64>) {
        assert_eq!(parsed(text).map(cents), expected, "{text}");
    }

    #[test]
    fn prices_are_rounded_upward_once() {
        check("3.2900000000", Some(329));
        check("3.2900000001", Some(330));
        check("0.5", Some(50));
        check("12", Some(1200));
    }

    #[test]
    fn what_is_no_price_is_none() {
        for text in ["", ".5", "-1", "1,5", "free"] {
            check(text, None);
        }
    }

    #[test]
    fn parts_of_a_cent_add_up() {
        assert_eq!(cents(3 * parsed("0.0040").unwrap()), 2);
    }
}
