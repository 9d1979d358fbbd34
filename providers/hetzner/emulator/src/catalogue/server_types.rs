//! Kinds of servers.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::prices::{self, Amount};
use super::{LOCATIONS, Location, Offer};
use crate::kind::Id;
use crate::stock::Stock;

/// A kind of server.
#[derive(Debug)]
pub(crate) struct ServerType {
    pub(crate) id: Id,
    pub(crate) name: &'static str,
    cores: u32,
    /// In gigabytes.
    memory: u32,
    /// In gigabytes.
    pub(crate) disk: u64,
    monthly: Amount,
    family: &'static Family,
}

/// What server types of a line have in common.
#[derive(Debug)]
struct Family {
    category: &'static str,
    cpu: &'static str,
    architecture: &'static str,
    /// Whether a location has it.
    zones: &'static [&'static str],
    /// Where it is not sold any more: announced, and until when.
    retired: Option<(&'static str, &'static str)>,
}

const EUROPE: &[&str] = &["eu-central"];
const AMERICA: &[&str] = &["us-east", "us-west"];
const BESIDE_AMERICA: &[&str] = &["eu-central", "ap-southeast"];
const EVERYWHERE: &[&str] = &["eu-central", "us-east", "us-west", "ap-southeast"];

const fn shared(category: &'static str, zones: &'static [&'static str]) -> Family {
    Family { category, cpu: "shared", architecture: "x86", zones, retired: None }
}

const CX3: Family = shared("Cost-Optimized", EUROPE);
const CX2: Family = Family { retired: Some(("2025-10-01T00:00:00Z", "2026-01-01T00:00:00Z")), ..CX3 };
const CPX2: Family = shared("Regular Performance", BESIDE_AMERICA);
const CPX1: Family = shared("Regular Performance", AMERICA);
const CAX: Family = Family { architecture: "arm", ..CX3 };
const CCX: Family = Family { cpu: "dedicated", ..shared("General Purpose", EVERYWHERE) };

/// All of them.
pub(crate) const SERVER_TYPES: &[ServerType] = &[
    of(22, "cpx11", (2, 2, 40), 43_500, &CPX1),
    of(23, "cpx21", (3, 4, 80), 75_500, &CPX1),
    of(24, "cpx31", (4, 8, 160), 136_000, &CPX1),
    of(25, "cpx41", (8, 16, 240), 252_000, &CPX1),
    of(26, "cpx51", (16, 32, 360), 549_000, &CPX1),
    of(45, "cax11", (2, 4, 40), 37_900, &CAX),
    of(93, "cax21", (4, 8, 80), 64_900, &CAX),
    of(94, "cax31", (8, 16, 160), 124_900, &CAX),
    of(95, "cax41", (16, 32, 320), 244_900, &CAX),
    of(96, "ccx13", (2, 8, 80), 124_900, &CCX),
    of(97, "ccx23", (4, 16, 160), 244_900, &CCX),
    of(98, "ccx33", (8, 32, 240), 484_900, &CCX),
    of(99, "ccx43", (16, 64, 360), 964_900, &CCX),
    of(100, "ccx53", (32, 128, 600), 1_924_900, &CCX),
    of(101, "ccx63", (48, 192, 960), 2_884_900, &CCX),
    of(104, "cx22", (2, 4, 40), 37_900, &CX2),
    of(105, "cx32", (4, 8, 80), 68_000, &CX2),
    of(106, "cx42", (8, 16, 160), 164_000, &CX2),
    of(107, "cx52", (16, 32, 320), 324_000, &CX2),
    of(108, "cpx12", (1, 2, 40), 39_900, &CPX2),
    of(109, "cpx22", (2, 4, 80), 64_900, &CPX2),
    of(110, "cpx32", (4, 8, 160), 109_900, &CPX2),
    of(111, "cpx42", (8, 16, 320), 199_900, &CPX2),
    of(112, "cpx52", (12, 24, 480), 284_900, &CPX2),
    of(113, "cpx62", (16, 32, 640), 389_900, &CPX2),
    of(114, "cx23", (2, 4, 40), 34_900, &CX3),
    of(115, "cx33", (4, 8, 80), 54_900, &CX3),
    of(116, "cx43", (8, 16, 160), 94_900, &CX3),
    of(117, "cx53", (16, 32, 320), 174_900, &CX3),
];

const fn of(
    id: Id,
    name: &'static str,
    (cores, memory, disk): (u32, u32, u64),
    monthly: u64,
    family: &'static Family,
) -> ServerType {
    ServerType { id, name, cores, memory, disk, monthly: Amount(monthly), family }
}

impl Offer for ServerType {
    fn id(&self) -> Id {
        self.id
    }

    fn name(&self) -> &'static str {
        self.name
    }
}

impl ServerType {
    pub(crate) fn architecture(&self) -> &'static str {
        self.family.architecture
    }

    /// Whether a location has this type at all.
    pub(crate) fn is_in(&self, location: &Location) -> bool {
        self.family.zones.contains(&location.zone)
    }

    /// Whether it is too late to make a server of this type.
    pub(crate) fn is_retired(&self, now: Timestamp) -> bool {
        let until = self.family.retired.map(|(_, until)| until);
        until.and_then(|until| until.parse::<Timestamp>().ok()).is_some_and(|until| until <= now)
    }

    pub(super) fn prices(&self) -> Vec<Value> {
        prices::by_location(self.monthly, self.locations())
    }

    fn locations(&self) -> impl Iterator<Item = &'static Location> {
        LOCATIONS.iter().filter(|location| self.is_in(location))
    }

    pub(crate) fn view(&self, now: Timestamp, stock: &Stock) -> Value {
        let deprecation = self
            .family
            .retired
            .map(|(announced, until)| json!({"announced": announced, "unavailable_after": until}));
        let locations: Vec<Value> = self
            .locations()
            .map(|location| {
                let available = !self.is_retired(now) && stock.shows(self.name, location.name);
                json!({
                    "id": location.id,
                    "name": location.name,
                    "deprecation": deprecation,
                    "available": available,
                    "recommended": available && deprecation.is_none(),
                })
            })
            .collect();
        json!({
            "id": self.id,
            "name": self.name,
            "description": self.name.to_uppercase(),
            "category": self.family.category,
            "cores": self.cores,
            "memory": self.memory,
            "disk": self.disk,
            "deprecated": deprecation.is_some(),
            "deprecation": deprecation,
            "prices": self.prices(),
            "storage_type": "local",
            "cpu_type": self.family.cpu,
            "architecture": self.family.architecture,
            "locations": locations,
        })
    }
}
