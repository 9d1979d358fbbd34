//! The journal with its large values: what does not fit into a row is kept as content and referred to.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use windlass_core::name::{Digest, RunId};
use windlass_store::{StageRecord, Store, StoreError, VALUE_LIMIT};

/// A value that is kept elsewhere.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Elsewhere {
    /// Where its JSON is kept.
    content: Digest,
}

/// Values up to this size stay in the row: most are far smaller, and room is left for the row's own limit.
const IN_PLACE: usize = VALUE_LIMIT / 2;

/// The value as it is journalled: itself, or where it is kept.
pub async fn put(store: &Store, value: Value) -> Result<Value, StoreError> {
    let bytes = serde_json::to_vec(&value).expect("a JSON value is plain data");
    if bytes.len() <= IN_PLACE {
        return Ok(value);
    }
    let content = store.put_artefact(&bytes).await?;
    Ok(serde_json::to_value(Elsewhere { content }).expect("a digest is plain data"))
}

/// The journal of a run, with every value in place.
pub async fn load(store: &Store, run: RunId) -> Result<Vec<StageRecord>, StoreError> {
    let mut journal = store.journal(run).await?;
    for record in &mut journal {
        for value in [&mut record.result, &mut record.error].into_iter().flatten() {
            if let Ok(elsewhere) = serde_json::from_value::<Elsewhere>(value.clone()) {
                let bytes = store.artefact(&elsewhere.content).await?;
                *value = serde_json::from_slice(&bytes)
                    .expect("what was put was JSON, and its digest still holds");
            }
        }
    }
    Ok(journal)
}
