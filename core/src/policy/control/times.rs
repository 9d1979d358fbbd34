//! Times of day, days and dates as the file writes them.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Weekday};

use crate::document::nearest::nearest;
use crate::policy::window::{TimeOfDay, Weekdays, Zone};

/// Reads `9`, `09`, `9:00`, `17:30`, and `24:00` for the end of the day.
pub(super) fn time_of_day(text: &str) -> Option<TimeOfDay> {
    let (hour, minute) = text.split_once(':').unwrap_or((text, "00"));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !(1..=2).contains(&hour.len()) || minute.len() != 2 || !digits(hour) || !digits(minute) {
        return None;
    }
    TimeOfDay::new(hour.parse().ok()?, minute.parse().ok()?)
}

/// Reads `mon`, `Mon`, `Monday`.
pub(super) fn weekday(text: &str) -> Option<Weekday> {
    let word = text.to_ascii_lowercase();
    Weekdays::WORDS.iter().find(|(_, short, long)| word == *short || word == *long).map(|(day, ..)| *day)
}

/// The day most likely meant by a word that is none.
pub(super) fn nearest_weekday(text: &str) -> Option<&'static str> {
    nearest(text, Weekdays::WORDS.iter().flat_map(|(_, short, long)| [*short, *long]))
}

/// Which end of a freeze a date without a time stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Bound {
    /// The first instant.
    From,
    /// The first instant that is no longer meant. A date alone is meant to its end.
    Until,
}

/// Reads a date, a date with a time of day, or either with an offset or `Z`. Without an offset the zone's clock is meant.
pub(super) fn moment(text: &str, zone: &Zone, bound: Bound) -> Option<Timestamp> {
    // jiff would drop a zone in brackets behind a civil time, and so mean another instant than is written.
    if text.contains('[') {
        return None;
    }
    // A date alone has ten characters; jiff would read it as its midnight.
    let civil: DateTime = match text.len() {
        10 => {
            let date: Date = text.parse().ok()?;
            if bound == Bound::Until { date.tomorrow().ok()? } else { date }
                .to_datetime(jiff::civil::Time::midnight())
        }
        _ => match text.parse::<Timestamp>() {
            Ok(instant) => return Some(instant),
            Err(_) => text.parse().ok()?,
        },
    };
    match bound {
        Bound::From => zone.first_at(civil),
        Bound::Until => zone.last_before(civil),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_day_end_at_24_00() {
        for (text, shown) in
            [("9", "09:00"), ("09", "09:00"), ("9:30", "09:30"), ("17:05", "17:05"), ("24:00", "24:00")]
        {
            assert_eq!(time_of_day(text).map(|time| time.to_string()).as_deref(), Some(shown), "{text}");
        }
        for bad in ["", "25", "24:01", "9:5", "9:60", "17.30", "5pm", "-1", "+9", "009:00", "99999"] {
            assert_eq!(time_of_day(bad), None, "{bad}");
        }
    }

    #[test]
    fn days_are_read_short_and_long() {
        assert_eq!(weekday("Fri"), Some(Weekday::Friday));
        assert_eq!(weekday("friday"), Some(Weekday::Friday));
        assert_eq!(weekday("Freitag"), None);
        assert_eq!(nearest_weekday("wensday"), Some("wednesday"));
    }

    fn check_moment(text: &str, bound: Bound, expected: Option<&str>) {
        let berlin = Zone::named("Europe/Berlin").unwrap();
        let moment = moment(text, &berlin, bound).map(|instant| instant.to_string());
        assert_eq!(moment.as_deref(), expected, "{text}");
    }

    #[test]
    fn a_date_alone_is_meant_to_its_end() {
        check_moment("2026-12-23", Bound::From, Some("2026-12-22T23:00:00Z"));
        check_moment("2026-12-23", Bound::Until, Some("2026-12-23T23:00:00Z"));
    }

    #[test]
    fn a_moment_without_offset_is_of_the_zone() {
        check_moment("2026-12-23T18:00", Bound::From, Some("2026-12-23T17:00:00Z"));
        check_moment("2026-12-23 18:00", Bound::From, Some("2026-12-23T17:00:00Z"));
        check_moment("2026-12-23T18:00Z", Bound::From, Some("2026-12-23T18:00:00Z"));
        check_moment("2026-12-23T18:00-05:00", Bound::Until, Some("2026-12-23T23:00:00Z"));
        for bad in
            ["", "tomorrow", "2026-02-30", "23.12.2026", "2026-12-23T25:00", "2026-12-23T18:00[Asia/Tokyo]"]
        {
            check_moment(bad, Bound::From, None);
        }
    }
}
