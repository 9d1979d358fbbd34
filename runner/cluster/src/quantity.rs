//! Comparing what pods ask for.

use std::collections::BTreeMap;

use serde_json::Value;

/// Whether a pod specification asks for no more than another, of every resource, in requests and in limits: what a quota counts.
///
/// A quantity that cannot be read counts as more.
pub(crate) fn asks_for_no_more(old: &Value, new: &Value) -> bool {
    let old = asked(old);
    asked(new).into_iter().all(|(resource, amount)| match (amount, old.get(&resource)) {
        (Some(amount), Some(Some(old))) => amount <= *old,
        _ => false,
    })
}

/// The sums over the containers, by `requests.cpu` and the like; `None` where one cannot be read. Init containers count as if they ran
/// beside the others, which is more than they need and the same on both sides.
fn asked(spec: &Value) -> BTreeMap<String, Option<f64>> {
    let mut sums: BTreeMap<String, Option<f64>> = BTreeMap::new();
    let containers =
        ["containers", "initContainers"].into_iter().filter_map(|list| spec[list].as_array()).flatten();
    for container in containers {
        for side in ["requests", "limits"] {
            for (name, quantity) in container["resources"][side].as_object().into_iter().flatten() {
                let sum = sums.entry(format!("{side}.{name}")).or_insert(Some(0.0));
                *sum = sum.and_then(|sum| Some(sum + amount(quantity)?));
            }
        }
    }
    sums
}

/// A quantity as a number (Kubernetes API, "Quantity"): a decimal with a binary or decimal suffix or an exponent.
fn amount(quantity: &Value) -> Option<f64> {
    let text = match quantity {
        Value::String(text) => text.as_str(),
        other => return other.as_f64(),
    };
    let end =
        text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-' || c == '+')).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let factor = match suffix {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => 1024.0_f64.powi(2),
        "Gi" => 1024.0_f64.powi(3),
        "Ti" => 1024.0_f64.powi(4),
        "Pi" => 1024.0_f64.powi(5),
        "Ei" => 1024.0_f64.powi(6),
        exponent => 10.0_f64.powi(exponent.strip_prefix(['e', 'E'])?.parse().ok()?),
    };
    number.parse::<f64>().ok().map(|number| number * factor)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn spec(requests: &Value) -> Value {
        json!({"containers": [{"resources": {"requests": requests}}]})
    }

    #[track_caller]
    fn check(old: &Value, new: &Value, expected: bool) {
        assert_eq!(asks_for_no_more(&spec(old), &spec(new)), expected, "{old} {new}");
    }

    #[test]
    fn quantities_compare_across_suffixes() {
        check(&json!({"cpu": "1"}), &json!({"cpu": "1000m"}), true);
        check(&json!({"cpu": "1"}), &json!({"cpu": "1001m"}), false);
        check(&json!({"memory": "1Gi"}), &json!({"memory": "1024Mi"}), true);
        check(&json!({"memory": "1G"}), &json!({"memory": "1Gi"}), false);
        check(&json!({"memory": "1e3"}), &json!({"memory": 1000}), true);
    }

    #[test]
    fn a_new_or_unreadable_demand_is_more() {
        check(&json!({}), &json!({"cpu": "1m"}), false);
        check(&json!({"cpu": "1m"}), &json!({}), true);
        check(&json!({"cpu": "1"}), &json!({"cpu": "much"}), false);
    }

    #[test]
    fn containers_are_summed() {
        let two = json!({"containers": [{"resources": {"limits": {"cpu": "1"}}}, {"resources": {"limits": {"cpu": "1"}}}]});
        let one = json!({"containers": [{"resources": {"limits": {"cpu": "2"}}}]});
        assert!(asks_for_no_more(&one, &two) && asks_for_no_more(&two, &one));
    }
}
