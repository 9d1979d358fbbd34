//! Reading `deployment_windows`.

use super::times::{self, Bound};
use crate::document::Node;
use crate::document::nearest::nearest;
use crate::document::section::{Reader, Section};
use crate::policy::problem::Placed;
use crate::policy::window::{DeploymentWindows, Freeze, TimeOfDay, Weekdays, WeeklyWindow, Zone};

const KEYS: [&str; 6] = ["enabled", "timezone", "allowed_days", "allowed_hours", "windows", "freezes"];

/// More windows than a week has half days are a mistake.
const MOST_WINDOWS: usize = 64;

/// Enough for ten years of holidays.
const MOST_FREEZES: usize = 256;

pub(super) fn read(reader: &mut Reader<'_>, node: &Node, what: &str) -> Option<DeploymentWindows> {
    let section = reader.section(node, what, &KEYS)?;
    let enabled = reader.needed(&section, "enabled", Reader::truth);
    let timezone = reader.optional(&section, "timezone", Zone::UTC, Reader::zone);
    let weekly = reader.weekly(&section);
    // The dates are read even where the zone is unknown: their own mistakes are worth reporting in the same pass.
    let zone = timezone.as_ref().map_or(Zone::UTC, |timezone| timezone.value.clone());
    let freezes = reader.optional(&section, "freezes", Vec::new(), |reader, node, what| {
        reader.list(node, what, MOST_FREEZES, |reader, item, what| reader.freeze(item, what, &zone))
    });
    Some(DeploymentWindows {
        enabled: enabled?,
        timezone: timezone?,
        weekly: weekly?,
        freezes: freezes?.value,
    })
}

impl Reader<'_> {
    fn zone(&mut self, node: &Node, what: &str) -> Option<Zone> {
        let text = self.text(node, what)?;
        if let Some(zone) = Zone::named(text) {
            return Some(zone);
        }
        let names: Vec<String> = Zone::names().collect();
        let hint = match nearest(text, names.iter().map(String::as_str)) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => "write an IANA name such as `Europe/Berlin` or `UTC`".to_owned(),
        };
        self.refuse(node, what, "the name of a time zone", &hint)
    }

    /// The windows, said in one of two ways; none means always.
    fn weekly(&mut self, section: &Section<'_>) -> Option<Vec<Placed<WeeklyWindow>>> {
        let windows = self.optional(section, "windows", Vec::new(), |reader, node, what| {
            let windows = reader.list(node, what, MOST_WINDOWS, Self::window)?;
            if windows.is_empty() {
                return reader.refuse(
                    node,
                    what,
                    "one window or more",
                    "leave the key out to be always open",
                );
            }
            Some(windows)
        });
        let everywhere = self.days_and_hours(section);
        let both = section.get("windows").zip(section.get("allowed_days").or(section.get("allowed_hours")));
        if let Some((_, node)) = both {
            let message = format!("{} has `windows` beside `allowed_days` or `allowed_hours`", section.what);
            let hint = "keep one of the two ways: an entry of `windows` can say `days`, `from` and `to`";
            self.report(node.place, node.length, message, Some(hint.to_owned()));
        }
        let mut weekly = windows?.value;
        weekly.extend(everywhere?);
        Some(weekly)
    }

    /// `allowed_days` × `allowed_hours`: one window, or none where neither is there.
    fn days_and_hours(&mut self, section: &Section<'_>) -> Option<Vec<Placed<WeeklyWindow>>> {
        let days = self.optional(section, "allowed_days", Weekdays::ALL, Self::days);
        let whole_day = (TimeOfDay::MIDNIGHT, TimeOfDay::END);
        let hours = self.optional(section, "allowed_hours", whole_day, |reader, node, what| {
            let hours = reader.section(node, what, &["from", "to"])?;
            reader.hours(&hours)
        });
        let (days, hours) = (days?, hours?);
        let stated = section.get("allowed_hours").or(section.get("allowed_days"));
        let (from, to) = hours.value;
        let window = |node: &Node| Placed::new(WeeklyWindow { days: days.value, from, to }, node.place);
        Some(stated.map(window).into_iter().collect())
    }

    fn window(&mut self, node: &Node, what: &str) -> Option<Placed<WeeklyWindow>> {
        let section = self.section(node, &format!("an entry of {what}"), &["days", "from", "to"])?;
        let days = self.optional(&section, "days", Weekdays::ALL, Self::days);
        let hours = self.hours(&section);
        let (from, to) = hours?;
        Some(Placed::new(WeeklyWindow { days: days?.value, from, to }, node.place))
    }

    fn hours(&mut self, section: &Section<'_>) -> Option<(TimeOfDay, TimeOfDay)> {
        let from = self.needed(section, "from", Self::time_of_day);
        let to = self.needed(section, "to", Self::time_of_day);
        let (from, to) = (from?, to?);
        if from.value == TimeOfDay::END || from.value == to.value {
            let message = format!("{} is never open: from {} to {}", section.what, from.value, to.value);
            let hint = "for the whole day write `from: 00:00` and `to: 24:00`";
            self.report(from.place, 5, message, Some(hint.to_owned()));
            return None;
        }
        Some((from.value, to.value))
    }

    fn time_of_day(&mut self, node: &Node, what: &str) -> Option<TimeOfDay> {
        let text = self.text(node, what)?;
        match times::time_of_day(text) {
            Some(time) => Some(time),
            None => self.refuse(
                node,
                what,
                "a time of day from 00:00 to 24:00",
                "write it as in `09:00` or `17:30`",
            ),
        }
    }

    fn days(&mut self, node: &Node, what: &str) -> Option<Weekdays> {
        let days = self.list(node, what, 7, |reader, item, what| {
            let what = format!("an entry of {what}");
            let text = reader.text(item, &what)?;
            if let Some(day) = times::weekday(text) {
                return Some(day);
            }
            let hint = match times::nearest_weekday(text) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "write `mon`, `tue`, `wed`, `thu`, `fri`, `sat`, `sun`, or the whole English word"
                    .to_owned(),
            };
            reader.refuse(item, &what, "a day of the week", &hint)
        })?;
        if days.is_empty() {
            return self.refuse(node, what, "one day or more", "leave the key out for every day");
        }
        Some(days.into_iter().collect())
    }

    fn freeze(&mut self, node: &Node, what: &str, zone: &Zone) -> Option<Placed<Freeze>> {
        let section = self.section(node, &format!("an entry of {what}"), &["from", "until", "reason"])?;
        let from =
            self.needed(&section, "from", |reader, node, what| reader.moment(node, what, zone, Bound::From));
        let until = self
            .needed(&section, "until", |reader, node, what| reader.moment(node, what, zone, Bound::Until));
        let reason =
            self.needed(&section, "reason", |reader, node, what| reader.text(node, what).map(str::to_owned));
        let (from, until, reason) = (from?, until?, reason?.value);
        if until.value <= from.value {
            let message = format!("{} ends before it begins", section.what);
            self.report(until.place, 5, message, Some("exchange `from` and `until`".to_owned()));
            return None;
        }
        Some(Placed::new(Freeze { from: from.value, until: until.value, reason }, node.place))
    }

    fn moment(&mut self, node: &Node, what: &str, zone: &Zone, bound: Bound) -> Option<jiff::Timestamp> {
        let text = self.text(node, what)?;
        match times::moment(text, zone, bound) {
            Some(moment) => Some(moment),
            None => self.refuse(
                node,
                what,
                "a date, or a date and a time",
                "write it as in `2026-12-23`, `2026-12-23T18:00` or `2026-12-23T18:00+01:00`",
            ),
        }
    }
}
