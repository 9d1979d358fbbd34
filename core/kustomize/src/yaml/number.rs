//! Floats as Go prints them.

/// Go's `strconv.FormatFloat(float, 'g', -1, 64)`: scientific below 1e-4 and from 1e6 on.
pub(crate) fn go_format(float: f64) -> String {
    let scientific = format!("{float:e}");
    let (mantissa, exponent) =
        scientific.split_once('e').expect("`{:e}` of a finite float writes an exponent");
    let exponent: i32 = exponent.parse().expect("the exponent of a float is a small integer");
    if (-4..6).contains(&exponent) {
        return format!("{float}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

/// The float as Go's `encoding/json` writes it: scientific below 1e-6 and from 1e21 on.
pub(crate) fn json_format(float: f64) -> String {
    let magnitude = float.abs();
    if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        let scientific = format!("{float:e}");
        return match scientific.split_once('e') {
            Some((mantissa, exponent)) if !exponent.starts_with('-') => format!("{mantissa}e+{exponent}"),
            _ => scientific,
        };
    }
    format!("{float}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_follow_go() {
        let check = |float: f64, yaml: &str, json: &str| {
            assert_eq!(go_format(float), yaml);
            assert_eq!(json_format(float), json);
        };
        check(123_456_789.5, "1.234567895e+08", "123456789.5");
        check(0.5, "0.5", "0.5");
        check(1e21, "1e+21", "1e+21");
        check(1e-7, "1e-07", "1e-7");
        check(0.00012, "0.00012", "0.00012");
        check(1e19, "1e+19", "10000000000000000000");
        check(-1.5e300, "-1.5e+300", "-1.5e+300");
    }
}
