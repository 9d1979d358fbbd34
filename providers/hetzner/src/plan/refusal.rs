//! Why there is no plan.

use std::fmt;

use windlass_core::provider::Money;

use crate::plan::step::Kind;

/// Something that cannot be planned. Nothing was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// A name of ours is taken by a resource that is not ours.
    Foreign {
        /// Its kind.
        kind: Kind,
        /// The name.
        name: String,
    },
    /// A resource that the file names does not exist.
    Missing {
        /// Its kind.
        kind: Kind,
        /// The name.
        name: String,
    },
    /// The API knows no such location.
    UnknownLocation(String),
    /// The API knows no such server type.
    UnknownType(String),
    /// Servers would be in zones that no network spans.
    Zones {
        /// A location in the first zone.
        one: String,
        /// A location in another.
        other: String,
    },
    /// The network of the cluster has other addresses than the file says, and servers in it.
    NetworkRange {
        /// Its name.
        name: String,
        /// The addresses that it has.
        has: String,
        /// The addresses that it should have.
        wants: String,
    },
    /// Too few masters are well for one of them to go.
    Quorum {
        /// The masters that are well.
        ready: usize,
        /// All of them.
        all: usize,
    },
    /// Every master would go.
    LastMaster,
    /// The release is older than what runs.
    Downgrade {
        /// A node.
        node: String,
        /// What it runs.
        from: String,
        /// What is wanted.
        to: String,
    },
    /// Kubernetes is upgraded one minor version at a time.
    SkipsMinor {
        /// What runs.
        from: String,
        /// What is wanted.
        to: String,
    },
    /// It costs more than the file allows.
    OverBudget {
        /// What it costs in a month.
        cost: Money,
        /// What it may.
        ceiling: Money,
    },
    /// What it costs cannot be said, and the file sets a limit.
    NoPrice {
        /// What it may cost in a month.
        ceiling: Money,
    },
    /// The prices are in another currency than the budget.
    Currency {
        /// That of the prices.
        has: String,
        /// That of the budget.
        wants: String,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Foreign { kind, name } => {
                write!(
                    f,
                    "{} `{name}` is in the project already and does not belong to this cluster",
                    kind.word()
                )
            }
            Self::Missing { kind, name } => write!(f, "the project has no {} `{name}`", kind.word()),
            Self::UnknownLocation(name) => write!(f, "there is no location `{name}`"),
            Self::UnknownType(name) => write!(f, "there is no server type `{name}`"),
            Self::Zones { one, other } => write!(f, "`{one}` and `{other}` are in different network zones"),
            Self::NetworkRange { name, has, wants } => {
                write!(f, "network `{name}` is {has} and cannot become {wants}")
            }
            Self::Quorum { ready, all } => {
                write!(f, "only {ready} of {all} masters are ready, too few to take one away")
            }
            Self::LastMaster => f.write_str("no master of the running control plane would be left"),
            Self::Downgrade { node, from, to } => {
                write!(f, "node `{node}` runs {from}, which is newer than {to}")
            }
            Self::SkipsMinor { from, to } => {
                write!(f, "an upgrade from {from} to {to} skips a minor version")
            }
            Self::OverBudget { cost, ceiling } => {
                write!(f, "the cluster would cost {} in a month, more than {}", shown(cost), shown(ceiling))
            }
            Self::NoPrice { ceiling } => {
                write!(
                    f,
                    "not all prices are known, so that it cannot be held to {} in a month",
                    shown(ceiling)
                )
            }
            Self::Currency { has, wants } => write!(f, "prices are in {has} and the budget is in {wants}"),
        }
    }
}

/// `12.34 EUR`
pub(crate) fn shown(money: &Money) -> String {
    format!("{}.{:02} {}", money.cents / 100, money.cents % 100, money.currency)
}
