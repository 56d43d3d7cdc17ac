//! The columns of the lake, in their order. New ones go to the end: readers that unite files by name
//! (`union_by_name` of DuckDB, schema merging of Spark) then read old and new files together.

use crate::row::{Row, millis};

/// A column: its name, and what a row has there.
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) get: Get,
}

/// How a column is read from a row; its type follows from it.
pub(crate) enum Get {
    /// A 64-bit number that every row has.
    Number(fn(&Row) -> i64),
    /// A text, or nothing.
    Text(fn(&Row) -> Option<&str>),
    /// Milliseconds since the epoch, UTC, or nothing.
    Time(fn(&Row) -> Option<i64>),
}

/// Every column.
pub(crate) const COLUMNS: [Column; 14] = [
    Column { name: "sequence", get: Get::Number(|row| i64::try_from(row.sequence).unwrap_or(i64::MAX)) },
    Column { name: "id", get: Get::Text(|row| Some(&row.id)) },
    Column { name: "time", get: Get::Time(|row| millis(&row.time)) },
    Column { name: "source", get: Get::Text(|row| Some(&row.source)) },
    Column { name: "detail_type", get: Get::Text(|row| Some(&row.detail_type)) },
    Column { name: "account", get: Get::Text(|row| Some(&row.account)) },
    Column { name: "region", get: Get::Text(|row| Some(&row.region)) },
    Column { name: "trial_id", get: Get::Text(|row| row.trial_id.as_deref()) },
    Column { name: "lead_id", get: Get::Text(|row| row.lead_id.as_deref()) },
    Column { name: "type", get: Get::Text(|row| row.trial_type.as_deref()) },
    Column { name: "status", get: Get::Text(|row| row.status.as_deref()) },
    Column { name: "requested_at", get: Get::Time(|row| row.requested_at.as_deref().and_then(millis)) },
    Column { name: "expires_at", get: Get::Time(|row| row.expires_at.as_deref().and_then(millis)) },
    Column { name: "detail", get: Get::Text(|row| Some(&row.detail)) },
];
