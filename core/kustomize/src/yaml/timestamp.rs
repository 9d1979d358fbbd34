//! Dates and times as go-yaml recognises them, and the form they have after a pass through JSON.

/// Reads `text` in one of the four layouts go-yaml knows and writes it as RFC 3339 with nanoseconds.
///
/// The layouts: `2006-1-2T15:4:5[.frac]zone` with `T` or `t`, `2006-1-2 15:4:5[.frac]`, `2006-1-2`.
pub(crate) fn parse(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    if bytes.len() < 8 || bytes[4] != b'-' || !bytes[..4].iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut rest = Cursor { text: &text[5..] };
    let year: u32 = text[..4].parse().ok()?;
    let month = rest.number(1, 12)?;
    rest.expect(b'-')?;
    let day = rest.number(1, days_in(year, month))?;
    if rest.text.is_empty() {
        return Some(format!("{year:04}-{month:02}-{day:02}T00:00:00Z"));
    }
    let separator = rest.next()?;
    let hour = rest.number(0, 23)?;
    rest.expect(b':')?;
    let minute = rest.number(0, 59)?;
    rest.expect(b':')?;
    let second = rest.number(0, 59)?;
    let fraction = rest.fraction();
    let zone = match separator {
        b'T' | b't' => rest.zone()?,
        b' ' => "Z".to_owned(),
        _ => return None,
    };
    if !rest.text.is_empty() {
        return None;
    }
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}{zone}"))
}

fn days_in(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

struct Cursor<'a> {
    text: &'a str,
}

impl Cursor<'_> {
    fn next(&mut self) -> Option<u8> {
        let byte = *self.text.as_bytes().first().filter(|byte| byte.is_ascii())?;
        self.text = &self.text[1..];
        Some(byte)
    }

    fn expect(&mut self, wanted: u8) -> Option<()> {
        (self.next()? == wanted).then_some(())
    }

    fn digits(&self, limit: usize) -> usize {
        self.text.bytes().take(limit).take_while(u8::is_ascii_digit).count()
    }

    /// One or two digits within the range.
    fn number(&mut self, lowest: u32, highest: u32) -> Option<u32> {
        let (digits, rest) = self.text.split_at(self.digits(2));
        let number = digits.parse().ok()?;
        self.text = rest;
        (lowest..=highest).contains(&number).then_some(number)
    }

    /// An optional fraction of a second, without trailing zeros.
    fn fraction(&mut self) -> String {
        let Some(after) = self.text.strip_prefix(['.', ',']) else { return String::new() };
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return String::new();
        }
        let (fraction, rest) = after.split_at(digits);
        self.text = rest;
        let nanoseconds = fraction[..digits.min(9)].trim_end_matches('0');
        if nanoseconds.is_empty() { String::new() } else { format!(".{nanoseconds}") }
    }

    /// `Z` or `+hh:mm`; an offset of zero is written `Z`.
    fn zone(&mut self) -> Option<String> {
        let sign = self.next()?;
        if sign == b'Z' {
            return Some("Z".to_owned());
        }
        if !matches!(sign, b'+' | b'-') || self.digits(2) != 2 {
            return None;
        }
        let hours = self.number(0, 24)?;
        self.expect(b':')?;
        if self.digits(2) != 2 {
            return None;
        }
        let minutes = self.number(0, 60)?;
        if hours == 0 && minutes == 0 {
            return Some("Z".to_owned());
        }
        Some(format!("{}{hours:02}:{minutes:02}", char::from(sign)))
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(parse(text).as_deref(), expected, "{text:?}");
    }

    #[test]
    fn dates_and_times_become_rfc_3339() {
        check("2020-01-01", Some("2020-01-01T00:00:00Z"));
        check("2020-1-2", Some("2020-01-02T00:00:00Z"));
        check("2001-12-15 2:59:43.10", Some("2001-12-15T02:59:43.1Z"));
        check("2001-12-14t21:59:43.10-05:00", Some("2001-12-14T21:59:43.1-05:00"));
        check("2001-12-14T21:59:43+00:00", Some("2001-12-14T21:59:43Z"));
        check("2024-02-29", Some("2024-02-29T00:00:00Z"));
    }

    #[test]
    fn everything_else_is_not_a_timestamp() {
        for text in
            ["2023-02-29", "2020-01", "20-01-01", "2001-12-14 21:59:43.10 -5", "2020-01-01T", "2020-01-01x"]
        {
            check(text, None);
        }
    }
}
