//! Where the file says what it says.

use std::collections::BTreeMap;

use windlass_core::document::{Node, Value};
use windlass_core::policy::problem::Place;

/// The place of every key and list item, by its path: `networking.allowed_networks.custom_firewall_rules[2].port`.
#[derive(Debug, Clone, Default)]
pub struct Places(BTreeMap<String, (Place, usize)>);

impl Places {
    pub(super) fn of(root: &Node) -> Self {
        let mut places = Self::default();
        places.enter("", root);
        places
    }

    /// Where a path is stated: the key itself, or else the nearest one above it that is there, or else the file's beginning.
    pub fn of_path(&self, path: &str) -> Place {
        self.span(path).0
    }

    /// Whether the file itself states a path.
    pub fn states(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }

    pub(super) fn span(&self, path: &str) -> (Place, usize) {
        let mut path = path;
        loop {
            if let Some(span) = self.0.get(path) {
                return *span;
            }
            match path.rfind(['.', '[']) {
                Some(at) => path = &path[..at],
                None => return (Place { line: 1, column: 1 }, 1),
            }
        }
    }

    fn enter(&mut self, path: &str, node: &Node) {
        match &node.value {
            Value::Scalar { .. } => {}
            Value::List(items) => {
                for (at, item) in items.iter().enumerate() {
                    let path = format!("{path}[{at}]");
                    self.0.insert(path.clone(), (item.place, item.length));
                    self.enter(&path, item);
                }
            }
            Value::Mapping(entries) => {
                for entry in entries {
                    let dot = if path.is_empty() { "" } else { "." };
                    let path = format!("{path}{dot}{}", entry.key.value);
                    let length = entry.key.value.chars().count();
                    self.0.insert(path.clone(), (entry.key.place, length));
                    self.enter(&path, &entry.value);
                }
            }
        }
    }
}
