//! Objects as rows, as `kubectl get` shows them.

mod columns;

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::partial;
use super::request::Call;
use super::served::Served;
use crate::objects::meta;
use columns::{Column, columns};

/// The rows of some objects, with the columns of their kind.
pub(super) fn table(served: &Served, objects: &[Arc<Value>], call: &Call, version: Option<u64>) -> Value {
    let columns = columns(served);
    let definitions: Vec<Value> = columns.iter().map(definition).collect();
    let includes_all = call.text("includeObject") == Some("Object");
    let rows: Vec<Value> = objects.iter().map(|object| row(&columns, object, includes_all)).collect();
    let mut table = whole(&definitions, &rows);
    if let Some(version) = version {
        table["metadata"]["resourceVersion"] = version.to_string().into();
    } else if let Some(object) = objects.first() {
        table["metadata"]["resourceVersion"] = object["metadata"]["resourceVersion"].clone();
    }
    table
}

/// A table of one row, for a watch.
pub(super) fn row_of(served: &Served, object: &Arc<Value>) -> Value {
    let columns = columns(served);
    let definitions: Vec<Value> = columns.iter().map(definition).collect();
    let mut table = whole(&definitions, &[row(&columns, object, false)]);
    table["metadata"]["resourceVersion"] = object["metadata"]["resourceVersion"].clone();
    table
}

fn whole(definitions: &[Value], rows: &[Value]) -> Value {
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {}, "columnDefinitions": definitions, "rows": rows,
    })
}

fn definition(column: &Column) -> Value {
    let format = if column.name == "Name" { "name" } else { "" };
    json!({"name": column.name, "type": column.kind, "format": format, "description": "", "priority": column.priority})
}

fn row(columns: &[Column], object: &Arc<Value>, includes_all: bool) -> Value {
    let cells: Vec<Value> = columns.iter().map(|column| (column.cell)(object)).collect();
    let object = if includes_all { Value::clone(object) } else { partial(object) };
    json!({"cells": cells, "object": object})
}

/// How long ago something was, in two units at most: `45s`, `3m12s`, `5h`, `12d`.
fn age(moment: &str) -> String {
    let Ok(then) = moment.parse::<Timestamp>() else { return "<unknown>".to_owned() };
    duration(Timestamp::now().as_second() - then.as_second())
}

fn age_of(object: &Value) -> String {
    age(meta::text(object, "creationTimestamp"))
}

fn duration(seconds: i64) -> String {
    let with = |whole: i64, unit: &str, rest: i64, small: &str| {
        if rest == 0 { format!("{whole}{unit}") } else { format!("{whole}{unit}{rest}{small}") }
    };
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match seconds {
        ..0 => "0s".to_owned(),
        0..120 => format!("{seconds}s"),
        120..600 => with(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => with(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => with(days, "d", hours % 24, "h"),
        _ => format!("{days}d"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_as_kubectl_shows_them() {
        for (seconds, expect) in [
            (-1, "0s"),
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (125, "2m5s"),
            (605, "10m"),
            (10_860, "3h1m"),
            (28_800, "8h"),
            (176_400, "2d1h"),
            (864_000, "10d"),
        ] {
            assert_eq!(duration(seconds), expect, "{seconds}");
        }
    }
}
