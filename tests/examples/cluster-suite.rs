//! Tells `tests/run` which cases run where.
//!
//! ```sh
//! cargo run --package windlass-tests --example cluster-suite -- summary
//! cargo run --package windlass-tests --example cluster-suite -- exempt KIND SUITE
//! cargo run --package windlass-tests --example cluster-suite -- held KIND SUITE  # reads what `cargo test` said
//! ```

use std::io::{self, Write as _};

use windlass_tests::suites::{ClusterKind, SUITES, exempt, mistakes, summary};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let answer = match words[..] {
        ["summary"] => summary(),
        ["exempt", kind, suite] => exempt(suite_of(suite)?, kind_of(kind)?).join("\n"),
        ["held", kind, suite] => {
            let found = mistakes(suite_of(suite)?, kind_of(kind)?, &io::read_to_string(io::stdin())?);
            if !found.is_empty() {
                return Err(found.join("\n").into());
            }
            String::new()
        }
        _ => return Err("usage: summary | exempt KIND SUITE | held KIND SUITE".into()),
    };
    io::stdout().write_all(answer.as_bytes())?;
    Ok(())
}

fn kind_of(name: &str) -> Result<ClusterKind, String> {
    ClusterKind::named(name).ok_or_else(|| format!("there is no kind of cluster `{name}`"))
}

fn suite_of(name: &str) -> Result<&'static str, String> {
    let suite = SUITES.iter().find(|suite| suite.name == name);
    suite.map(|suite| suite.name).ok_or_else(|| format!("there is no suite `{name}`"))
}
