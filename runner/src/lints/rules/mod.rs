//! The lints: one file each.

mod cluster;
mod cluster_name;
mod committed_secret;
mod deprecated_field;
mod file_name;
mod image_set_once;
mod labels_missing;
mod leftover_placeholder;
mod minimal_base;
mod mount_trap;
mod never_opens;
mod not_yaml;
mod overlay_missing;
mod policy;
mod provider_ambiguous;
mod render;
mod retain_volume;
mod service_empty;
mod service_unknown;
mod service_unlabelled;

use super::Lint;

/// Every lint, by name.
pub static LINTS: &[Lint] = &[
    cluster::ARCHITECTURE,
    cluster::CONFIG,
    cluster_name::LINT,
    cluster::NETWORKS,
    cluster::TOKEN,
    cluster::UNSUPPORTED,
    committed_secret::LINT,
    deprecated_field::LINT,
    cluster::EGRESS_RULES,
    cluster::EVEN_MASTERS,
    file_name::LINT,
    cluster::FIREWALL_SLOTS,
    image_set_once::LINT,
    labels_missing::LINT,
    leftover_placeholder::LINT,
    minimal_base::LINT,
    mount_trap::LINT,
    cluster::NETWORK_ZONE,
    never_opens::LINT,
    not_yaml::LINT,
    cluster::OPEN_ACCESS,
    overlay_missing::LINT,
    policy::LINT,
    provider_ambiguous::LINT,
    cluster::REGISTRY_MIRROR,
    render::LINT,
    retain_volume::LINT,
    service_empty::LINT,
    service_unknown::LINT,
    service_unlabelled::LINT,
    cluster::WIREGUARD_TCP,
];
