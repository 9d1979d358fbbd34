//! What a plain scalar means: the rules of go-yaml, in both of its versions.

use super::timestamp;

/// Which go-yaml reads the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// v2, YAML 1.1: `yes`, `on` and `y` are booleans. Kustomization files, JSON patches, and the emitter's
    /// question "must this string be quoted".
    V2,
    /// v3: resources. Booleans are `true` and `false` only, `0o17` is octal beside `017`.
    V3,
}

/// The meaning of a plain scalar without a tag.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Implicit {
    String,
    Null,
    Bool(bool),
    Int(i64),
    /// Above the range of `i64`.
    Unsigned(u64),
    Float(f64),
    /// A date or a time; its meaning is the text itself.
    Timestamp,
}

/// Resolves `text` as an untagged plain scalar.
pub(crate) fn resolve(text: &str, dialect: Dialect) -> Implicit {
    match text.as_bytes().first() {
        None => Implicit::Null,
        Some(b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~') => {
            word(text, dialect).unwrap_or(Implicit::String)
        }
        Some(b'.') => special_float(text).or_else(|| fraction(text)).unwrap_or(Implicit::String),
        Some(b'+' | b'-' | b'0'..=b'9') => special_float(text).unwrap_or_else(|| number(text)),
        Some(_) => Implicit::String,
    }
}

fn word(text: &str, dialect: Dialect) -> Option<Implicit> {
    match text {
        "true" | "True" | "TRUE" => Some(Implicit::Bool(true)),
        "false" | "False" | "FALSE" => Some(Implicit::Bool(false)),
        "~" | "null" | "Null" | "NULL" => Some(Implicit::Null),
        _ if dialect == Dialect::V3 => None,
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(Implicit::Bool(true)),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(Implicit::Bool(false)),
        _ => None,
    }
}

fn special_float(text: &str) -> Option<Implicit> {
    match text {
        ".nan" | ".NaN" | ".NAN" => Some(Implicit::Float(f64::NAN)),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Some(Implicit::Float(f64::INFINITY)),
        "-.inf" | "-.Inf" | "-.INF" => Some(Implicit::Float(f64::NEG_INFINITY)),
        _ => None,
    }
}

fn fraction(text: &str) -> Option<Implicit> {
    if is_float(text) { finite(text) } else { None }
}

fn number(text: &str) -> Implicit {
    if timestamp::parse(text).is_some() {
        return Implicit::Timestamp;
    }
    let without_underscores;
    let digits = if text.contains('_') {
        without_underscores = text.replace('_', "");
        without_underscores.as_str()
    } else {
        text
    };
    if let Some(integer) = integer(digits) {
        return integer;
    }
    if is_float(digits)
        && let Some(float) = finite(digits)
    {
        return float;
    }
    Implicit::String
}

/// Go's `ParseInt` and `ParseUint` with base 0: a prefix chooses the base, a leading zero is octal.
fn integer(text: &str) -> Option<Implicit> {
    let (negative, magnitude) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    let (digits, base) = match magnitude.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&magnitude[2..], 16),
        [b'0', b'b' | b'B', ..] => (&magnitude[2..], 2),
        [b'0', b'o' | b'O', ..] => (&magnitude[2..], 8),
        [b'0', _, ..] => (&magnitude[1..], 8),
        _ => (magnitude, 10),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let value = u64::from_str_radix(digits, base).ok()?;
    if negative {
        return 0_i64.checked_sub_unsigned(value).map(Implicit::Int);
    }
    match i64::try_from(value) {
        Ok(value) => Some(Implicit::Int(value)),
        // Only the signed parser takes a sign.
        Err(_) if text.starts_with('+') => None,
        Err(_) => Some(Implicit::Unsigned(value)),
    }
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, the floats both versions know.
fn is_float(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let mantissa_fits = match mantissa.split_once('.') {
        Some(("", fraction)) => !fraction.is_empty() && all_digits(fraction),
        Some((whole, fraction)) => all_digits(whole) && all_digits(fraction),
        None => !mantissa.is_empty() && all_digits(mantissa),
    };
    let exponent_fits = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !digits.is_empty() && all_digits(digits)
    });
    mantissa_fits && exponent_fits
}

/// Go refuses a float that is out of range; the text is then a string.
fn finite(text: &str) -> Option<Implicit> {
    text.parse::<f64>().ok().filter(|float| float.is_finite()).map(Implicit::Float)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, v2: Implicit, v3: Implicit) {
        assert_eq!(resolve(text, Dialect::V2), v2, "{text:?} in v2");
        assert_eq!(resolve(text, Dialect::V3), v3, "{text:?} in v3");
    }

    fn both(text: &str, expected: Implicit) {
        check(text, expected, expected);
    }

    #[test]
    fn integers_come_in_four_bases() {
        both("0400", Implicit::Int(256));
        both("0o600", Implicit::Int(384));
        both("0x1F", Implicit::Int(31));
        both("0b11", Implicit::Int(3));
        both("+0x10", Implicit::Int(16));
        both("-0o7", Implicit::Int(-7));
        both("1_000", Implicit::Int(1000));
        both("18446744073709551615", Implicit::Unsigned(u64::MAX));
        both("-9223372036854775808", Implicit::Int(i64::MIN));
    }

    #[test]
    fn what_is_no_octal_is_a_float() {
        both("089", Implicit::Float(89.0));
        both("1.", Implicit::Float(1.0));
        both(".5e3", Implicit::Float(500.0));
        both("100000000000000000000", Implicit::Float(1e20));
    }

    #[test]
    fn words_of_yaml_1_1_are_booleans_only_in_v2() {
        check("yes", Implicit::Bool(true), Implicit::String);
        check("n", Implicit::Bool(false), Implicit::String);
        check("OFF", Implicit::Bool(false), Implicit::String);
        both("True", Implicit::Bool(true));
        both("tRue", Implicit::String);
    }

    #[test]
    fn strings_that_look_like_numbers_stay_strings() {
        for text in
            ["1:30", "0x", "1e999", "+", "-", ".", "1.2.3", "0b", "1_0x", "12e", "+18446744073709551615"]
        {
            both(
                text,
                if text.starts_with('+') && text.len() > 1 {
                    Implicit::Float(18_446_744_073_709_551_615.0)
                } else {
                    Implicit::String
                },
            );
        }
    }

    #[test]
    fn dates_are_recognised() {
        both("2001-12-14", Implicit::Timestamp);
        both("2001-12-14t21:59:43.10-05:00", Implicit::Timestamp);
        both("2001-13-14", Implicit::String);
        both("2001-02-30", Implicit::String);
    }
}
