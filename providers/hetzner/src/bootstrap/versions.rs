//! Everything that is fetched while a cluster is made, with its version: the only list of them.

/// Where a release of k3s is: `{release}` is written with `%2B` for `+`.
pub(crate) const K3S: &str = "https://github.com/k3s-io/k3s/releases/download";

/// The cloud controller manager, in the variant that makes routes in the private network.
pub(crate) const CLOUD_CONTROLLER: Manifest = Manifest {
    name: "hcloud-cloud-controller-manager-v1.33.0",
    url: "https://github.com/hetznercloud/hcloud-cloud-controller-manager/releases/download/v1.33.0/ccm-networks.yaml",
};

/// The driver of volumes.
pub(crate) const VOLUME_DRIVER: Manifest = Manifest {
    name: "hcloud-csi-v2.21.2",
    url: "https://raw.githubusercontent.com/hetznercloud/csi-driver/v2.21.2/deploy/kubernetes/hcloud-csi.yml",
};

/// The network that the published manifest of the cloud controller manager names for pods.
pub(crate) const CLOUD_CONTROLLER_PODS: &str = "10.244.0.0/16";

/// A manifest that k3s applies by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// Its file's name, without the ending.
    pub(crate) name: &'static str,
    /// Where it is.
    pub(crate) url: &'static str,
}
