//! Where servers stand.

use serde_json::{Value, json};

use super::Offer;
use crate::kind::Id;

/// A place with data centres.
#[derive(Debug, PartialEq)]
pub(crate) struct Location {
    pub(crate) id: Id,
    pub(crate) name: &'static str,
    description: &'static str,
    country: &'static str,
    city: &'static str,
    latitude: f64,
    longitude: f64,
    pub(crate) zone: &'static str,
}

/// All of them.
pub(crate) const LOCATIONS: &[Location] = &[
    location(1, "fsn1", "Falkenstein DC Park 1", "DE", "Falkenstein", (50.476_12, 12.370_071), "eu-central"),
    location(2, "nbg1", "Nuremberg DC Park 1", "DE", "Nuremberg", (49.452_102, 11.076_665), "eu-central"),
    location(3, "hel1", "Helsinki DC Park 1", "FI", "Helsinki", (60.169_855, 24.938_379), "eu-central"),
    location(4, "ash", "Ashburn, VA", "US", "Ashburn, VA", (39.045_821, -77.487_073), "us-east"),
    location(5, "hil", "Hillsboro, OR", "US", "Hillsboro, OR", (45.542_22, -122.951_924), "us-west"),
    location(6, "sin", "Singapore", "SG", "Singapore", (1.283_333, 103.833_333), "ap-southeast"),
];

const fn location(
    id: Id,
    name: &'static str,
    description: &'static str,
    country: &'static str,
    city: &'static str,
    (latitude, longitude): (f64, f64),
    zone: &'static str,
) -> Location {
    Location { id, name, description, country, city, latitude, longitude, zone }
}

impl Offer for Location {
    fn id(&self) -> Id {
        self.id
    }

    fn name(&self) -> &'static str {
        self.name
    }
}

impl Location {
    pub(crate) fn view(&self) -> Value {
        json!({
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "country": self.country,
            "city": self.city,
            "latitude": self.latitude,
            "longitude": self.longitude,
            "network_zone": self.zone,
        })
    }

    pub(crate) fn is_zone(name: &str) -> bool {
        LOCATIONS.iter().any(|location| location.zone == name)
    }
}
