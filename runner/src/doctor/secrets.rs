//! The values of an environment's secrets: which are there and where they come from, never what they are.

use std::collections::BTreeMap;

use serde_json::Value;
use windlass_core::name::EnvironmentName;

use super::Part;
use crate::engine::Engine;
use crate::secrets::places;
use crate::stages::render::RenderedObject;

/// Asks every source for every placeholder of the overlay.
pub(super) fn examine(
    engine: &Engine,
    environment: &EnvironmentName,
    objects: &[RenderedObject],
    part: &mut Part,
) {
    let objects: Vec<Value> = objects.iter().map(|rendered| rendered.object.clone()).collect();
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for place in places(&objects, &engine.secret_sources(environment), engine.placeholder()) {
        match place {
            Ok((_, source)) => *found.entry(kind_of(&source)).or_default() += 1,
            Err(refused) => {
                let fix = refused
                    .hint()
                    .unwrap_or_else(|| "see what it means: `windlass explain secret_missing`".to_owned());
                part.fail("secret", refused.to_string(), fix);
            }
        }
    }
    if !found.is_empty() {
        let listed: Vec<_> = found.iter().map(|(source, count)| format!("{count} from {source}")).collect();
        part.ok("secrets", listed.join(", "));
    }
}

/// `variable` of "variable `A`", the folder of "file `/run/secrets/A`".
fn kind_of(source: &str) -> String {
    let folder =
        source.strip_prefix("file `").and_then(|path| path.rsplit_once('/')).map(|(folder, _)| folder);
    folder.map_or_else(|| "variables".to_owned(), |folder| format!("`{folder}`"))
}
