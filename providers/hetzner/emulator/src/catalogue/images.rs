//! Images that everyone can make servers from.

use crate::kind::Id;

/// An image for one architecture.
#[derive(Debug)]
pub(crate) struct StockImage {
    pub(crate) id: Id,
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) flavor: &'static str,
    pub(crate) version: &'static str,
    pub(crate) architecture: &'static str,
    /// `system`, or `app` for a system with a program in it.
    pub(crate) kind: &'static str,
    /// Hosts keep a copy: a server starts in seconds.
    pub(crate) rapid: bool,
    pub(crate) deprecated: Option<&'static str>,
}

/// All of them, twice where there are two architectures.
pub(crate) const IMAGES: &[StockImage] = &[
    system(67_794_396, "ubuntu-22.04", "Ubuntu 22.04", ("ubuntu", "22.04"), "x86"),
    system(103_908_130, "ubuntu-22.04", "Ubuntu 22.04", ("ubuntu", "22.04"), "arm"),
    system(161_547_269, "ubuntu-24.04", "Ubuntu 24.04", ("ubuntu", "24.04"), "x86"),
    system(161_547_270, "ubuntu-24.04", "Ubuntu 24.04", ("ubuntu", "24.04"), "arm"),
    system(114_690_387, "debian-12", "Debian 12", ("debian", "12"), "x86"),
    system(114_690_389, "debian-12", "Debian 12", ("debian", "12"), "arm"),
    system(310_557_660, "debian-13", "Debian 13", ("debian", "13"), "x86"),
    system(310_557_662, "debian-13", "Debian 13", ("debian", "13"), "arm"),
    system(232_894_932, "fedora-42", "Fedora 42", ("fedora", "42"), "x86"),
    system(134_486_971, "rocky-9", "Rocky Linux 9", ("rocky", "9"), "x86"),
    system(134_486_972, "alma-9", "AlmaLinux 9", ("alma", "9"), "x86"),
    system(118_129_087, "centos-stream-9", "CentOS Stream 9", ("centos", "stream9"), "x86"),
    system(261_111_111, "opensuse-15", "openSUSE Leap 15", ("opensuse", "15"), "x86"),
    StockImage {
        deprecated: Some("2025-05-01T00:00:00Z"),
        ..system(15_512_617, "ubuntu-20.04", "Ubuntu 20.04", ("ubuntu", "20.04"), "x86")
    },
    StockImage {
        kind: "app",
        rapid: false,
        ..system(40_093_247, "docker-ce", "Docker CE", ("ubuntu", "24.04"), "x86")
    },
];

const fn system(
    id: Id,
    name: &'static str,
    description: &'static str,
    (flavor, version): (&'static str, &'static str),
    architecture: &'static str,
) -> StockImage {
    StockImage {
        id,
        name,
        description,
        flavor,
        version,
        architecture,
        kind: "system",
        rapid: true,
        deprecated: None,
    }
}
