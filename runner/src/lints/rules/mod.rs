//! The lints: one file each.

mod cluster_name;
mod committed_secret;
mod deprecated_field;
mod egress_rules;
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
mod registry_mirror;
mod render;
mod retain_volume;
mod service_empty;
mod service_unknown;
mod service_unlabelled;

use super::Lint;

/// Every lint, by name.
pub static LINTS: &[Lint] = &[
    cluster_name::LINT,
    committed_secret::LINT,
    deprecated_field::LINT,
    egress_rules::LINT,
    file_name::LINT,
    image_set_once::LINT,
    labels_missing::LINT,
    leftover_placeholder::LINT,
    minimal_base::LINT,
    mount_trap::LINT,
    never_opens::LINT,
    not_yaml::LINT,
    overlay_missing::LINT,
    policy::LINT,
    provider_ambiguous::LINT,
    registry_mirror::LINT,
    render::LINT,
    retain_volume::LINT,
    service_empty::LINT,
    service_unknown::LINT,
    service_unlabelled::LINT,
];
