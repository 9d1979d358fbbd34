//! The kinds of things that the API has.

/// A number that names one thing of a project. No two things of a project share one, whatever their kinds.
pub(crate) type Id = u64;

/// A kind of resource, by the words that paths, answers and actions have for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    Certificate,
    Firewall,
    FloatingIp,
    Image,
    Iso,
    LoadBalancer,
    LoadBalancerType,
    Location,
    Network,
    PlacementGroup,
    PrimaryIp,
    Server,
    ServerType,
    SshKey,
    Volume,
}

impl Kind {
    pub(crate) const ALL: [Self; 15] = [
        Self::Certificate,
        Self::Firewall,
        Self::FloatingIp,
        Self::Image,
        Self::Iso,
        Self::LoadBalancer,
        Self::LoadBalancerType,
        Self::Location,
        Self::Network,
        Self::PlacementGroup,
        Self::PrimaryIp,
        Self::Server,
        Self::ServerType,
        Self::SshKey,
        Self::Volume,
    ];

    /// The word of one: the key of an answer, the type of an action's resource.
    pub(crate) fn singular(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Firewall => "firewall",
            Self::FloatingIp => "floating_ip",
            Self::Image => "image",
            Self::Iso => "iso",
            Self::LoadBalancer => "load_balancer",
            Self::LoadBalancerType => "load_balancer_type",
            Self::Location => "location",
            Self::Network => "network",
            Self::PlacementGroup => "placement_group",
            Self::PrimaryIp => "primary_ip",
            Self::Server => "server",
            Self::ServerType => "server_type",
            Self::SshKey => "ssh_key",
            Self::Volume => "volume",
        }
    }

    /// The word of many: the segment of a path, the key of a list.
    pub(crate) fn plural(self) -> &'static str {
        match self {
            Self::Certificate => "certificates",
            Self::Firewall => "firewalls",
            Self::FloatingIp => "floating_ips",
            Self::Image => "images",
            Self::Iso => "isos",
            Self::LoadBalancer => "load_balancers",
            Self::LoadBalancerType => "load_balancer_types",
            Self::Location => "locations",
            Self::Network => "networks",
            Self::PlacementGroup => "placement_groups",
            Self::PrimaryIp => "primary_ips",
            Self::Server => "servers",
            Self::ServerType => "server_types",
            Self::SshKey => "ssh_keys",
            Self::Volume => "volumes",
        }
    }

    pub(crate) fn of_path(segment: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.plural() == segment)
    }

    /// Whether things of this kind can be made, changed or deleted. Images are made from servers.
    pub(crate) fn can_be_changed(self) -> bool {
        !matches!(self, Self::Iso | Self::LoadBalancerType | Self::Location | Self::ServerType)
    }

    /// Whether the API has actions for this kind.
    pub(crate) fn has_actions(self) -> bool {
        self.can_be_changed() && !matches!(self, Self::PlacementGroup | Self::SshKey)
    }
}
