//! Amounts of resources.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// An amount in thousandths: `500m` is 500, `1Gi` is 1,073,741,824,000. What cannot be read is nothing.
///
/// The suffixes are those of Kubernetes: decimal ones from `n` to `E`, binary ones from `Ki` to `Ei`, and exponents.
pub(crate) fn thousandths(quantity: &Quantity) -> i128 {
    let text = quantity.0.trim();
    let end = text.find(|letter: char| !matches!(letter, '0'..='9' | '.' | '+' | '-')).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let factor = match suffix {
        "" => 1e3,
        "n" => 1e-6,
        "u" => 1e-3,
        "m" => 1.0,
        "k" => 1e6,
        "M" => 1e9,
        "G" => 1e12,
        "T" => 1e15,
        "P" => 1e18,
        "E" => 1e21,
        "Ki" => 1024e3,
        "Mi" => 1024f64.powi(2) * 1e3,
        "Gi" => 1024f64.powi(3) * 1e3,
        "Ti" => 1024f64.powi(4) * 1e3,
        "Pi" => 1024f64.powi(5) * 1e3,
        "Ei" => 1024f64.powi(6) * 1e3,
        _ => return text.parse::<f64>().map_or(0, |number| whole(number * 1e3)),
    };
    number.parse::<f64>().map_or(0, |number| whole(number * factor))
}

/// The least whole number that is not less, as the API server rounds.
fn whole(number: f64) -> i128 {
    #[expect(clippy::cast_possible_truncation, reason = "a conversion of f64 to i128 saturates")]
    let whole = number.ceil() as i128;
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_with_their_suffixes() {
        let check = |text: &str, expect: i128| {
            assert_eq!(thousandths(&Quantity(text.to_owned())), expect, "{text}");
        };
        check("8", 8_000);
        check("500m", 500);
        check("1.5", 1_500);
        check("1Ki", 1_024_000);
        check("32Gi", 34_359_738_368_000);
        check("1k", 1_000_000);
        check("1e3", 1_000_000);
        check("100n", 1);
        check("", 0);
        check("much", 0);
    }
}
