//! Reading typed values out of rows, and the other way round.

use std::str::FromStr;

use jiff::Timestamp;
use serde::de::IntoDeserializer as _;
use serde::de::value::{Error as WordError, StringDeserializer};
use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use windlass_core::name::Digest;

use crate::error::StoreError;

/// A row whose columns are read by name and type.
#[derive(Clone, Copy)]
pub(crate) struct Cells<'row>(pub(crate) &'row SqliteRow);

impl Cells<'_> {
    pub(crate) fn text(self, column: &'static str) -> Result<String, StoreError> {
        Ok(self.0.try_get(column)?)
    }

    pub(crate) fn maybe_text(self, column: &'static str) -> Result<Option<String>, StoreError> {
        Ok(self.0.try_get(column)?)
    }

    pub(crate) fn bytes(self, column: &'static str) -> Result<Vec<u8>, StoreError> {
        Ok(self.0.try_get(column)?)
    }

    pub(crate) fn flag(self, column: &'static str) -> Result<bool, StoreError> {
        Ok(self.0.try_get(column)?)
    }

    pub(crate) fn number(self, column: &'static str) -> Result<u64, StoreError> {
        Ok(self.0.try_get(column)?)
    }

    pub(crate) fn small(self, column: &'static str) -> Result<u32, StoreError> {
        Ok(self.0.try_get(column)?)
    }

    pub(crate) fn maybe_number(self, column: &'static str) -> Result<Option<u64>, StoreError> {
        Ok(self.0.try_get(column)?)
    }

    pub(crate) fn time(self, column: &'static str) -> Result<Timestamp, StoreError> {
        timestamp(column, self.0.try_get(column)?)
    }

    pub(crate) fn maybe_time(self, column: &'static str) -> Result<Option<Timestamp>, StoreError> {
        self.0.try_get::<Option<i64>, _>(column)?.map(|micros| timestamp(column, micros)).transpose()
    }

    /// A value that is parsed from text, such as a name or a state.
    pub(crate) fn parsed<T: FromStr>(self, column: &'static str) -> Result<T, StoreError> {
        let text = self.text(column)?;
        text.parse().map_err(|_| StoreError::Corrupt { what: column, value: text })
    }

    /// A value that serde writes as one word, such as a trigger or a digest.
    pub(crate) fn word<T: for<'de> Deserialize<'de>>(self, column: &'static str) -> Result<T, StoreError> {
        from_word(column, self.text(column)?)
    }

    pub(crate) fn maybe_digest(self, column: &'static str) -> Result<Option<Digest>, StoreError> {
        self.maybe_text(column)?.map(|text| from_word(column, text)).transpose()
    }

    pub(crate) fn json<T: for<'de> Deserialize<'de>>(self, column: &'static str) -> Result<T, StoreError> {
        let text = self.text(column)?;
        serde_json::from_str(&text).map_err(|_| StoreError::Corrupt { what: column, value: text })
    }

    pub(crate) fn maybe_json<T: for<'de> Deserialize<'de>>(
        self,
        column: &'static str,
    ) -> Result<Option<T>, StoreError> {
        if self.maybe_text(column)?.is_some() { self.json(column).map(Some) } else { Ok(None) }
    }
}

fn timestamp(what: &'static str, micros: i64) -> Result<Timestamp, StoreError> {
    Timestamp::from_microsecond(micros).map_err(|_| StoreError::Corrupt { what, value: micros.to_string() })
}

fn from_word<T: for<'de> Deserialize<'de>>(what: &'static str, text: String) -> Result<T, StoreError> {
    let word: StringDeserializer<WordError> = text.clone().into_deserializer();
    T::deserialize(word).map_err(|_| StoreError::Corrupt { what, value: text })
}

/// The one word that serde writes for a value without fields.
pub(crate) fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        other => unreachable!("a value without fields is written as one word, not as {other:?}"),
    }
}

/// A number as SQLite keeps it. What does not fit names no row.
pub(crate) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A time as SQLite keeps it: microseconds.
pub(crate) fn micros(time: Timestamp) -> i64 {
    time.as_microsecond()
}
