//! Keeps every event it is given in a data lake: files of Parquet or JSON Lines, in Hive's folders.
//!
//! ```text
//! detail-type=TrialAssigned/date=2026-11-23/part-00000000000000000012-00000000000000000987.parquet
//! ```
//!
//! An event is appended to the open batch of its detail type and date. A batch that is full or old is sealed:
//! from that commit on, neither its events nor the name of its file change, and `BatchSealed` asks for the file. The file is written, which
//! may happen again after a crash and then writes the same rows under the same name, and only the commit after it drops the batch. So the
//! lake ends up with one copy of each event that was handled.
//!
//! A schedule seals the batches that are old, and asks again for the files that were not written in time.

mod batch;
mod columns;
mod config;
mod parquet_file;
mod row;
mod sink;
#[cfg(test)]
mod tests;

use trialbridge_plugin::{Access, Description, Event, Failure, Host, Plugin};

use crate::config::Config;

/// Who says that a batch is sealed.
const SOURCE: &str = "data-lake";

/// What is said of a sealed batch; the detail is its key.
const BATCH_SEALED: &str = "BatchSealed";

/// The plugin.
pub struct DataLake;

trialbridge_plugin::export!(DataLake);

impl Plugin for DataLake {
    fn describe() -> Description {
        // A folder or HTTP, too: which of them the configuration says.
        Description::new("keeps events in a data lake, as Parquet or JSON Lines", env!("CARGO_PKG_VERSION"))
            .kv(batch::OPEN, Access::ReadWrite)
            .kv(batch::SEALED, Access::ReadWrite)
            .kv(batch::CHUNKS, Access::ReadWrite)
            .emit(SOURCE)
    }

    fn check_config(config: &trialbridge_plugin::Config) -> Result<(), String> {
        Config::parse(config).map(drop)
    }

    fn handle(event: &Event, host: &Host) -> Result<(), Failure> {
        let config = Config::read(host)?;
        match event.kind() {
            (SOURCE, BATCH_SEALED) => batch::write(event, host, &config),
            ("trialbridge", "Scheduled Event") => batch::sweep(host, &config),
            _ => batch::append(event, host, &config),
        }
    }
}
