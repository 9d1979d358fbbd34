//! Amounts of resources: `100m`, `1Gi`, `2e3`.

use serde_json::Value;

use super::Problems;
use crate::api::problem::FieldProblem;

/// An amount, in thousandths of its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Quantity(pub(crate) i128);

/// Suffixes with the thousandths that one of them is.
const SUFFIXES: [(&str, i128); 14] = [
    ("Ki", 1_000 << 10),
    ("Mi", 1_000 << 20),
    ("Gi", 1_000 << 30),
    ("Ti", 1_000 << 40),
    ("Pi", 1_000 << 50),
    ("Ei", 1_000 << 60),
    ("m", 1),
    ("k", 1_000_000),
    ("M", 1_000_000_000),
    ("G", 1_000_000_000_000),
    ("T", 1_000_000_000_000_000),
    ("P", 1_000_000_000_000_000_000),
    ("E", 1_000_000_000_000_000_000_000),
    ("", 1_000),
];

impl Quantity {
    pub(crate) fn parse(value: &Value) -> Option<Self> {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let (text, exponent) = exponent(&text);
        let (suffix, factor) = SUFFIXES.iter().find(|(suffix, _)| text.ends_with(suffix))?;
        let number = &text[..text.len() - suffix.len()];
        let (sign, number) = match number.strip_prefix('-') {
            Some(number) => (-1, number),
            None => (1, number.strip_prefix('+').unwrap_or(number)),
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        let digits = format!("{whole}{fraction}");
        if digits.is_empty() || digits.len() > 18 || !digits.chars().all(|one| one.is_ascii_digit()) {
            return None;
        }
        let scale = exponent - i32::try_from(fraction.len()).ok()?;
        let power = 10_i128.checked_pow(scale.unsigned_abs())?;
        let thousandths = digits.parse::<i128>().ok()?.checked_mul(*factor)?;
        let scaled =
            if scale < 0 { divided_up(thousandths, power) } else { thousandths.checked_mul(power)? };
        Some(Self(sign * scaled))
    }
}

/// Splits off a decimal exponent: `1e3`.
fn exponent(text: &str) -> (&str, i32) {
    let split =
        text.split_once(['e', 'E']).and_then(|(number, exponent)| Some((number, exponent.parse().ok()?)));
    split.unwrap_or((text, 0))
}

/// An amount that is smaller than a thousandth is one.
fn divided_up(amount: i128, by: i128) -> i128 {
    (amount + by - 1) / by
}

pub(super) fn check(value: &Value, field: &str, problems: &mut Problems) {
    match Quantity::parse(value) {
        None => {
            let detail =
                "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
            problems.push(FieldProblem::invalid(field, value, detail));
        }
        Some(Quantity(amount)) if amount < 0 => {
            problems.push(FieldProblem::invalid(field, value, "must be greater than or equal to 0"));
        }
        Some(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn amounts_are_read() {
        for (text, thousandths) in [
            ("1", 1_000),
            ("100m", 100),
            ("1.5", 1_500),
            ("1Ki", 1_024_000),
            ("2e3", 2_000_000),
            ("0.0001", 1),
            ("-1", -1_000),
            ("1k", 1_000_000),
        ] {
            assert_eq!(Quantity::parse(&json!(text)), Some(Quantity(thousandths)), "{text}");
        }
        for text in ["", "abc", "1 Gi", "1x", "--1", "1.2.3", "Gi"] {
            assert_eq!(Quantity::parse(&json!(text)), None, "{text}");
        }
        assert_eq!(Quantity::parse(&json!(2)), Some(Quantity(2_000)));
    }
}
