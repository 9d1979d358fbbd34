//! What it costs. Prices are near the real ones and meant for sums that are compared, not for invoices.

use serde_json::{Value, json};

use super::{LOAD_BALANCER_TYPES, LOCATIONS, Location, SERVER_TYPES};
use crate::kind::Id;

/// In percent.
const VAT: u64 = 19;

/// Of what a price per hour is a month's price: 26 days of 24 hours, so that who runs all month pays by the month.
const HOURS: u64 = 624;

const TERABYTE: u64 = 1 << 40;

/// An amount in ten-thousandths of a euro, without tax.
#[derive(Debug, Clone, Copy)]
pub(super) struct Amount(pub(super) u64);

impl Amount {
    pub(super) fn view(self) -> Value {
        json!({"net": written(self.0 * 100), "gross": written(self.0 * (100 + VAT))})
    }

    fn hourly(self) -> Self {
        Self(self.0.div_ceil(HOURS))
    }
}

/// Millionths of a euro as the API writes decimals.
fn written(millionths: u64) -> String {
    format!("{}.{:06}0000", millionths / 1_000_000, millionths % 1_000_000)
}

/// The prices of a server or load balancer in the locations where it can be had.
pub(super) fn by_location<'a>(monthly: Amount, locations: impl Iterator<Item = &'a Location>) -> Vec<Value> {
    let in_location = |location: &Location| {
        let monthly = Amount(monthly.0 * surcharge(location) / 100);
        json!({
            "location": location.name,
            "price_hourly": monthly.hourly().view(),
            "price_monthly": monthly.view(),
            "included_traffic": if location.zone == "eu-central" { 20 * TERABYTE } else { TERABYTE },
            "price_per_tb_traffic": Amount(10_000).view(),
        })
    };
    locations.map(in_location).collect()
}

/// In percent of the price in Europe.
fn surcharge(location: &Location) -> u64 {
    match location.zone {
        "eu-central" => 100,
        "ap-southeast" => 140,
        _ => 120,
    }
}

/// `GET /pricing`
pub(crate) fn pricing() -> Value {
    let per_location = |monthly: Amount| -> Vec<Value> {
        LOCATIONS
            .iter()
            .map(|location| {
                json!({
                    "location": location.name,
                    "price_hourly": monthly.hourly().view(),
                    "price_monthly": monthly.view(),
                })
            })
            .collect()
    };
    let monthly_only = |monthly: Amount| -> Vec<Value> {
        LOCATIONS
            .iter()
            .map(|location| json!({"location": location.name, "price_monthly": monthly.view()}))
            .collect()
    };
    let of_type = |id: Id, name: &str, prices: Vec<Value>| json!({"id": id, "name": name, "prices": prices});
    json!({"pricing": {
        "currency": "EUR",
        "vat_rate": format!("{VAT}.000000"),
        "image": {"price_per_gb_month": Amount(110).view()},
        "volume": {"price_per_gb_month": Amount(440).view()},
        "server_backup": {"percentage": "20.0000000000"},
        "floating_ip": {"price_monthly": Amount(30_000).view()},
        "floating_ips": [
            {"type": "ipv4", "prices": monthly_only(Amount(30_000))},
            {"type": "ipv6", "prices": monthly_only(Amount(10_000))},
        ],
        "primary_ips": [
            {"type": "ipv4", "prices": per_location(Amount(5_000))},
            {"type": "ipv6", "prices": per_location(Amount(0))},
        ],
        "server_types": SERVER_TYPES.iter().map(|it| of_type(it.id, it.name, it.prices())).collect::<Vec<_>>(),
        "load_balancer_types":
            LOAD_BALANCER_TYPES.iter().map(|it| of_type(it.id, it.name, it.prices())).collect::<Vec<_>>(),
    }})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_decimals_with_and_without_tax() {
        assert_eq!(Amount(34_900).view(), json!({"net": "3.4900000000", "gross": "4.1531000000"}));
        assert_eq!(Amount(5_000).hourly().view()["net"], "0.0009000000");
        assert_eq!(
            pricing()["pricing"]["primary_ips"][1]["prices"][0]["price_monthly"]["net"],
            "0.0000000000"
        );
    }
}
