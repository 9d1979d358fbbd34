//! When an environment is open: windows, time zones, freezes.
//!
//! # How the keys combine
//!
//! * `enabled: false`: the environment is always open, and freezes do not count either.
//! * `allowed_days` × `allowed_hours`: open on each of the days from `from` to `to`. Days left out: every day. Hours left out: the whole day.
//! * `windows`: a list of such pairs; open when any of them is. `windows` beside `allowed_days` or `allowed_hours` is an error of the file:
//!   two ways of saying one thing would leave open which counts.
//! * `freezes`: closed, whatever the windows say.
//!
//! A window whose `to` lies before its `from` ends on the next day and belongs to the day it opens: `days: [fri], from: 22:00, to: 06:00` is
//! open on Saturday at 05:00 and closed on Friday at 05:00. `to` itself is outside.
//!
//! # When the clock is changed
//!
//! A window opens at *the first instant at which the clock of its zone shows `from` or later*, and closes at *the first instant after which
//! the clock never again shows a time before `to`*. Both always exist, once each, so a window opens once a day on every day:
//!
//! * `from` in a gap (the clock skips it): opens the moment the gap ends. jiff's `compatible` disambiguation, as RFC 5545, would open later
//!   by what `from` lies inside the gap.
//! * `from` in an overlap (the clock shows it twice): opens at the first.
//! * `to` in a gap: closes the moment of the jump. A window wholly inside a gap does not open on that day.
//! * `to` in an overlap: closes at the second. Only a `to` at the very start of the overlap closes at the first, because from there on the
//!   clock never shows a time before it.
//!
//! A window's length in real time therefore differs on such days, by no more than the clock was moved. A day that a zone leaves out (Apia,
//! 30 December 2011) opens no window.

use std::sync::LazyLock;

use jiff::civil::{Date, DateTime, Time, Weekday};
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use serde::{Serialize, Serializer};

use super::problem::Placed;

/// How far ahead openings are looked for: a year and a month, so that what opens once a year is found.
pub const HORIZON: SignedDuration = SignedDuration::from_hours(400 * 24);

/// The zone rules of the IANA release that is compiled in: every runner and every replay comes to the same answer, on whatever machine.
static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// A time zone by its IANA name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    /// UTC, the zone of a policy that names none.
    pub const UTC: Self = Self(TimeZone::UTC);

    /// The zone of this name, in any letter case.
    pub fn named(name: &str) -> Option<Self> {
        ZONES.get(name).ok().map(Self)
    }

    /// The IANA name.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// The rules.
    pub fn rules(&self) -> &TimeZone {
        &self.0
    }

    /// Every known name.
    pub(crate) fn names() -> impl Iterator<Item = String> {
        ZONES.available().map(|name| name.as_str().to_owned())
    }

    /// The first instant at which the clock shows `civil` or later.
    pub(crate) fn first_at(&self, civil: DateTime) -> Option<Timestamp> {
        let moment = self.0.to_ambiguous_timestamp(civil);
        match moment.offset() {
            AmbiguousOffset::Gap { .. } => self.change_after(moment.earlier().ok()?),
            AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => moment.earlier().ok(),
        }
    }

    /// The first instant after which the clock never again shows a time before `civil`.
    pub(crate) fn last_before(&self, civil: DateTime) -> Option<Timestamp> {
        let moment = self.0.to_ambiguous_timestamp(civil);
        match moment.offset() {
            AmbiguousOffset::Unambiguous { .. } => moment.earlier().ok(),
            AmbiguousOffset::Gap { .. } => self.change_after(moment.earlier().ok()?),
            AmbiguousOffset::Fold { .. } => {
                let first = moment.earlier().ok()?;
                let is_start =
                    self.change_after(first).is_some_and(|change| self.0.to_datetime(change) == civil);
                if is_start { Some(first) } else { moment.later().ok() }
            }
        }
    }

    fn change_after(&self, at: Timestamp) -> Option<Timestamp> {
        self.0.following(at).next().map(|transition| transition.timestamp())
    }

    fn date_of(&self, at: Timestamp) -> Date {
        self.0.to_datetime(at).date()
    }
}

impl Serialize for Zone {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// The `deployment_windows` of an environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeploymentWindows {
    /// Whether anything below counts.
    pub enabled: Placed<bool>,
    /// The zone whose clock the times are of. Default: UTC.
    pub timezone: Placed<Zone>,
    /// The weekly windows; empty: always open, apart from freezes.
    pub weekly: Vec<Placed<WeeklyWindow>>,
    /// Times at which nothing starts, whatever the windows say.
    pub freezes: Vec<Placed<Freeze>>,
}

/// Some days of the week, from one time of day to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WeeklyWindow {
    /// The days on which it opens.
    pub days: Weekdays,
    /// When it opens.
    pub from: TimeOfDay,
    /// When it closes; not after `from`: on the next day.
    pub to: TimeOfDay,
}

/// Minutes since midnight as the clock shows them, up to 24:00.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeOfDay(u16);

impl TimeOfDay {
    /// The start of the day.
    pub const MIDNIGHT: Self = Self(0);
    /// The end of the day, 24:00.
    pub const END: Self = Self(24 * 60);

    /// A time of day, if there is one with this hour and minute.
    pub fn new(hour: u16, minute: u16) -> Option<Self> {
        let minutes = hour.checked_mul(60)?.checked_add(minute)?;
        (minute < 60 && minutes <= Self::END.0).then_some(Self(minutes))
    }

    /// The moment on `date`; 24:00 is the midnight that ends it.
    fn on(self, date: Date) -> Option<DateTime> {
        if self == Self::END {
            return date.tomorrow().ok().map(|next| next.to_datetime(Time::midnight()));
        }
        let part = |value: u16| i8::try_from(value).expect("hours and minutes are below 60");
        Some(date.at(part(self.0 / 60), part(self.0 % 60), 0, 0))
    }
}

impl std::fmt::Display for TimeOfDay {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl Serialize for TimeOfDay {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A set of days of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Weekdays(u8);

impl Weekdays {
    /// The days from Monday, with the words of the file.
    pub(crate) const WORDS: [(Weekday, &'static str, &'static str); 7] = [
        (Weekday::Monday, "mon", "monday"),
        (Weekday::Tuesday, "tue", "tuesday"),
        (Weekday::Wednesday, "wed", "wednesday"),
        (Weekday::Thursday, "thu", "thursday"),
        (Weekday::Friday, "fri", "friday"),
        (Weekday::Saturday, "sat", "saturday"),
        (Weekday::Sunday, "sun", "sunday"),
    ];

    /// All seven.
    pub const ALL: Self = Self(0b111_1111);

    /// The set with one more day.
    pub fn with(self, day: Weekday) -> Self {
        Self(self.0 | 1 << day.to_monday_zero_offset())
    }

    /// Whether the day is in the set.
    pub fn contains(self, day: Weekday) -> bool {
        self.0 & (1 << day.to_monday_zero_offset()) != 0
    }
}

impl FromIterator<Weekday> for Weekdays {
    fn from_iter<I: IntoIterator<Item = Weekday>>(days: I) -> Self {
        days.into_iter().fold(Self::default(), Self::with)
    }
}

impl Serialize for Weekdays {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer
            .collect_seq(Self::WORDS.iter().filter(|(day, ..)| self.contains(*day)).map(|(_, word, _)| word))
    }
}

/// A time at which nothing starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Freeze {
    /// The first frozen instant.
    pub from: Timestamp,
    /// The first instant that is free again.
    pub until: Timestamp,
    /// Why, for everyone who is held by it.
    pub reason: String,
}

/// Whether an environment is open at some instant, and when that changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WindowState<'a> {
    /// Windows are switched off: always open.
    Off,
    /// Open.
    Open {
        /// The first instant that is closed; `None`: not within [`HORIZON`].
        closes: Option<Timestamp>,
        /// The window; `None` where only freezes are listed.
        window: Option<&'a Placed<WeeklyWindow>>,
    },
    /// Outside of every window.
    Closed {
        /// The first instant that is open; `None`: not within [`HORIZON`].
        opens: Option<Timestamp>,
    },
    /// In a freeze.
    Frozen {
        /// The first instant that is open, after this freeze and any other; `None`: not within [`HORIZON`].
        opens: Option<Timestamp>,
        /// The freeze, of several that hold now the one that ends last.
        freeze: &'a Placed<Freeze>,
    },
}

impl DeploymentWindows {
    /// What holds at `at`, and until when.
    pub fn state(&self, at: Timestamp) -> WindowState<'_> {
        if !self.enabled.value {
            return WindowState::Off;
        }
        if let Some(freeze) = self.freeze_at(at) {
            return WindowState::Frozen { opens: self.next_open(at), freeze };
        }
        let window = self.window_at(at);
        if window.is_some() || self.weekly.is_empty() {
            return WindowState::Open { closes: self.next_change(at), window };
        }
        WindowState::Closed { opens: self.next_change(at) }
    }

    /// Whether a run may start at `at`.
    pub fn is_open(&self, at: Timestamp) -> bool {
        let in_window = || self.weekly.is_empty() || self.window_at(at).is_some();
        !self.enabled.value || (self.freeze_at(at).is_none() && in_window())
    }

    /// The first open instant from `at` on, which is `at` itself if it is open; `None`: none within [`HORIZON`].
    pub fn next_open(&self, at: Timestamp) -> Option<Timestamp> {
        if self.is_open(at) { Some(at) } else { self.next_change(at) }
    }

    /// The first instant after `at` at which open turns to closed or closed to open; `None`: none within [`HORIZON`].
    pub fn next_change(&self, at: Timestamp) -> Option<Timestamp> {
        if !self.enabled.value {
            return None;
        }
        let was_open = self.is_open(at);
        let horizon = at.checked_add(HORIZON).unwrap_or(Timestamp::MAX);
        let mut cursor = at;
        loop {
            // Inside a freeze nothing else can change, however many windows come and go.
            cursor = match self.freeze_at(cursor) {
                Some(freeze) => freeze.value.until,
                None => self.next_edge(cursor)?,
            };
            if cursor > horizon {
                return None;
            }
            if self.is_open(cursor) != was_open {
                return Some(cursor);
            }
        }
    }

    /// Whether nothing can start within [`HORIZON`] of `at`: a policy that most likely says something else than was meant.
    pub fn never_opens(&self, at: Timestamp) -> bool {
        self.next_open(at).is_none()
    }

    fn freeze_at(&self, at: Timestamp) -> Option<&Placed<Freeze>> {
        let holds = |freeze: &&Placed<Freeze>| freeze.value.from <= at && at < freeze.value.until;
        self.freezes.iter().filter(holds).max_by_key(|freeze| freeze.value.until)
    }

    fn window_at(&self, at: Timestamp) -> Option<&Placed<WeeklyWindow>> {
        let zone = &self.timezone.value;
        let today = zone.date_of(at);
        let covers = |window: &&Placed<WeeklyWindow>| {
            // A window that opened yesterday may end today; and where the clock was set back over midnight, tomorrow was already there once.
            (-1..=1).filter_map(|offset| today.checked_add(i64::from(offset).days()).ok()).any(|date| {
                window.value.span_on(date, zone).is_some_and(|(opens, closes)| opens <= at && at < closes)
            })
        };
        self.weekly.iter().find(covers)
    }

    /// The first instant after `at` at which a window or freeze begins or ends.
    fn next_edge(&self, at: Timestamp) -> Option<Timestamp> {
        let freezes = self.freezes.iter().flat_map(|freeze| [freeze.value.from, freeze.value.until]);
        let mut best = freezes.filter(|edge| *edge > at).min();
        let zone = &self.timezone.value;
        let today = zone.date_of(at);
        // Two weeks: a weekly window recurs within one, and a zone may leave out a day.
        for offset in -1..=15_i64 {
            let Ok(date) = today.checked_add(offset.days()) else { continue };
            let is_behind = |best: Timestamp| zone.date_of(best).tomorrow().is_ok_and(|next| next < date);
            if best.is_some_and(is_behind) {
                break;
            }
            let spans = self.weekly.iter().filter_map(|window| window.value.span_on(date, zone));
            let edges = spans.flat_map(|(opens, closes)| [opens, closes]).filter(|edge| *edge > at);
            best = best.into_iter().chain(edges).min();
        }
        best
    }
}

impl WeeklyWindow {
    /// The whole day on these days.
    pub fn whole(days: Weekdays) -> Self {
        Self { days, from: TimeOfDay::MIDNIGHT, to: TimeOfDay::END }
    }

    /// The first open and the first closed instant of the window that opens on `date`, if one does.
    fn span_on(&self, date: Date, zone: &Zone) -> Option<(Timestamp, Timestamp)> {
        if !self.days.contains(date.weekday()) {
            return None;
        }
        let closing_date = if self.to <= self.from { date.tomorrow().ok()? } else { date };
        let opens = zone.first_at(self.from.on(date)?)?;
        let closes = zone.last_before(self.to.on(closing_date)?)?;
        (opens < closes).then_some((opens, closes))
    }
}

#[cfg(test)]
mod tests;
