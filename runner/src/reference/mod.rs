//! The pages of `docs/reference` that are written from the code.
//!
//! Each is held to the code by a test. With `WINDLASS_WRITE_REFERENCE=1` in the environment `cargo test --package windlass reference` writes them anew.

mod command_line;
mod config;
mod events;
mod http;

use std::fmt::Write as _;
use std::path::Path;

/// Fails unless the page of this name is `expected`.
pub(crate) fn hold(name: &str, expected: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/reference").join(name);
    if std::env::var_os("WINDLASS_WRITE_REFERENCE").is_some() {
        std::fs::write(&file, expected).expect("docs/reference can be written");
    }
    let committed = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(committed, expected, "write docs/reference/{name} anew with WINDLASS_WRITE_REFERENCE=1");
}

/// A table with these heads; its cells may hold any text, an empty table is none.
fn table<const N: usize>(page: &mut String, heads: [&str; N], rows: &[[String; N]]) {
    if rows.is_empty() {
        return;
    }
    writeln!(page, "\n| {} |\n|{}", heads.join(" | "), "---|".repeat(N)).expect("a string takes all");
    for row in rows {
        let cells = row.each_ref().map(|cell| cell.replace('|', "\\|").replace('\n', " "));
        writeln!(page, "| {} |", cells.join(" | ")).expect("a string takes all");
    }
}
