//! The answer as people read it on a terminal: plain text, no colour, shapes doubled by words.

use std::fmt::{Display, Write as _};

use jiff::{SignedDuration, Timestamp};

use super::{Decision, GateAnswer, RuleAnswer, RuleVerdict};
use crate::policy::window::Zone;

impl GateAnswer {
    /// The whole explanation as a table, one rule a line, then the services that are left out, then what follows.
    pub fn to_text(&self) -> String {
        let zone = Zone::named(&self.timezone).unwrap_or(Zone::UTC);
        let mut text = format!("Gates for {}, at {}\n", self.environment, clock(self.at, self.at, &zone));
        let width = self.rules.iter().map(|answer| answer.says.chars().count()).max().unwrap_or(0).min(60);
        for answer in &self.rules {
            self.write_rule(&mut text, answer, width);
        }
        for answer in self.left_out() {
            let by = answer.line.map_or_else(String::new, |line| format!("   {}:{line}", self.file));
            writeln!(text, "  service {}: left out, {}{by}", answer.service, answer.says)
                .expect("writing to a string cannot fail");
        }
        text + &self.summary()
    }

    fn write_rule(&self, text: &mut String, answer: &RuleAnswer, width: usize) {
        let word = match answer.verdict {
            RuleVerdict::Ok => "ok",
            RuleVerdict::PassedBy => "passed",
            RuleVerdict::Held => "HELD",
            RuleVerdict::Refused => "REFUSED",
            RuleVerdict::NotReached => "-",
        };
        let place = answer.line.map_or_else(String::new, |line| format!("{}:{line}", self.file));
        let line = format!("  {word:<8}{:<25}{:<width$}   {place}", answer.rule.as_str(), answer.says);
        writeln!(text, "{}", line.trim_end()).expect("writing to a string cannot fail");
    }

    /// What follows, in one sentence without its full stop.
    pub fn summary(&self) -> String {
        let Some(rule) = self.deciding else {
            return match &self.overridden {
                None => "passes".to_owned(),
                Some(used) => format!("passes, overridden by {}: {}", used.who, used.reason),
            };
        };
        let word = if self.decision == Decision::Refused { "refused" } else { "held" };
        let answer = self.rule(rule);
        let place = answer.line.map_or_else(String::new, |line| format!(" ({}:{line})", self.file));
        format!("{word} by {rule}: {}{place}", answer.says)
    }
}

/// An instant with its distance from `now`: "Mon 09:00 Europe/Berlin (in 2d 14h)".
pub(super) fn opens_in_words(at: Timestamp, now: Timestamp, zone: &Zone) -> String {
    format!("{} (in {})", clock(at, now, zone), distance(at.duration_since(now)))
}

/// An instant as its zone's clock shows it; with the date, unless a weekday alone says which day of this week is meant.
fn clock(at: Timestamp, now: Timestamp, zone: &Zone) -> String {
    let is_near = (1..6 * 24).contains(&at.duration_since(now).as_hours());
    let format = if is_near { "%a %H:%M" } else { "%a %Y-%m-%d %H:%M" };
    format!("{} {}", at.to_zoned(zone.rules().clone()).strftime(format), zone.name())
}

/// A length of time in its two largest units, rounded down.
fn distance(duration: SignedDuration) -> String {
    let minutes = duration.as_mins();
    let (days, hours, minutes) = (minutes / 1440, minutes / 60 % 24, minutes % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => "less than a minute".to_owned(),
        (0, 0, minutes) => format!("{minutes}m"),
        (0, hours, minutes) => format!("{hours}h {minutes}m"),
        (days, hours, _) => format!("{days}d {hours}h"),
    }
}

/// Names in backticks, separated by commas.
pub(super) fn list<T: Display>(names: impl IntoIterator<Item = T>) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}
