//! Times as answers have them: RFC 3339, whole seconds.

use jiff::{Timestamp, Unit};

pub(crate) fn written(time: Timestamp) -> String {
    time.round(Unit::Second).unwrap_or(time).to_string()
}
