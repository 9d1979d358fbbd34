//! The table of all keys, as `docs/reference/hetzner-cluster-config.md` shows it.

use std::fmt::Write as _;
use std::path::Path;

use super::{Key, Presence, Table, keys};
use crate::lints::UNSUPPORTED;

/// Where the page has its tables.
const BEGIN: &str = "<!-- keys: begin -->\n";
const END: &str = "<!-- keys: end -->\n";

#[test]
fn the_page_shows_every_key() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/hetzner-cluster-config.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (_, rest) = page.split_once(BEGIN).unwrap();
    let (shown, _) = rest.split_once(END).unwrap();
    let expected = tables();
    assert!(shown == expected, "the page should show, between its marks:\n{BEGIN}{expected}{END}");
}

fn tables() -> String {
    let mut text = String::new();
    section(keys(), "", &mut text);
    text
}

/// A mapping, then those in it. What several keys hold in common is shown once.
fn section(table: &'static Table, path: &str, text: &mut String) {
    let title = if path.is_empty() { "The file".to_owned() } else { format!("`{path}`") };
    write!(text, "\n## {title}\n\n{}\n\n| key | default | meaning |\n|---|---|---|\n", table.about.trim())
        .unwrap();
    for key in table.keys() {
        row(key, path, text);
    }
    for key in table.keys() {
        let Some(inner) = key.presence.table() else { continue };
        let list = if matches!(key.presence, Presence::Blocks(_)) { "[]" } else { "" };
        let inner_path = format!("{}{list}", joined(path, key.name));
        if !is_shown(path, key) {
            section(inner, &inner_path, text);
        }
    }
}

fn row(key: &Key, path: &str, text: &mut String) {
    let default = match key.presence {
        Presence::Required { .. } | Presence::RequiredBlock(_) => "must be there".to_owned(),
        Presence::Preset { default, .. } => format!("`{default}`"),
        Presence::Unset { .. } | Presence::UnsetBlock(_) => "none".to_owned(),
        Presence::Block(_) => "all defaults".to_owned(),
        Presence::Blocks(_) => "`[]`".to_owned(),
    };
    let mut about = key.about.trim().replace("  ", " ");
    let of_key = joined(path, key.name);
    for unsupported in UNSUPPORTED.iter().filter(|unsupported| unsupported.path == of_key) {
        write!(about, " **Refused:** windlass does not {}.", unsupported.what).unwrap();
    }
    writeln!(text, "| `{}` | {default} | {about} |", key.name).unwrap();
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// Addons that are on or off have a row each and a table once; so have labels and taints, which both kinds of pools have.
fn is_shown(path: &str, key: &Key) -> bool {
    let is_switch = matches!(key.name, "servicelb" | "metrics_server" | "local_path_storage_class");
    let is_of_pools = path == "worker_node_pools[]" && matches!(key.name, "labels" | "taints");
    is_switch || is_of_pools
}

#[test]
fn the_example_of_the_page_is_a_cluster_without_findings() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference/hetzner-cluster-config.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (_, rest) = page.split_once("```yaml\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    assert_eq!(crate::lints::check("cluster-config.yaml", example), []);
}
