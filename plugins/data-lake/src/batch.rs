//! Batches: open while events come in, sealed until their file is there.
//!
//! A call may make 240 changes, so a batch is kept in few keys: its rows are lines, which are appended to chunks.

use serde::{Deserialize, Serialize};
use trialbridge_plugin::{Event, Failure, Host, NewEvent, permanent};

use crate::config::{Config, Format};
use crate::row::Row;
use crate::{BATCH_SEALED, SOURCE, parquet_file, sink};

/// The open batches, by partition.
pub(crate) const OPEN: &str = "lake-open";

/// The sealed batches, by id.
pub(crate) const SEALED: &str = "lake-sealed";

/// The lines of both, by the batch's id and the chunk's number. Apart from the others, because those are listed.
pub(crate) const CHUNKS: &str = "lake-chunks";

/// A chunk takes lines up to so many bytes: each event writes its whole chunk again.
const CHUNK: usize = 16 << 10;

/// A longer line is cut into chunks of so many bytes; a value may have 256 KiB.
const PIECE: usize = 128 << 10;

/// A batch of so many chunks is full, because dropping it removes them all in one call.
const MOST_CHUNKS: u32 = 200;

/// How many batches one sweep seals or asks for again; each takes three changes.
const SWEEP: usize = 50;

/// Milliseconds after which the file of a sealed batch is asked for again: its first request may be a dead letter.
const ASK_AGAIN: u64 = 600_000;

/// A batch.
#[derive(Debug, Deserialize, Serialize)]
struct Batch {
    id: String,
    partition: String,
    /// The lowest and the highest sequence in it.
    first: u64,
    last: u64,
    events: u64,
    bytes: u64,
    chunks: u32,
    /// When its first event came, and once it is sealed, when its file was asked for. Milliseconds since the epoch.
    since: u64,
    /// What its file is made of, from when it is sealed.
    format: Option<Format>,
}

/// The detail of `BatchSealed`.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    batch_id: String,
}

/// Appends an event to the open batch of its partition, and seals this if it is full.
pub(crate) fn append(event: &Event, host: &Host, config: &Config) -> Result<(), Failure> {
    let row = Row::new(event)?;
    let partition = row.partition();
    let mut line = serde_json::to_vec(&row).map_err(permanent)?;
    line.push(b'\n');
    let open = host.kv(OPEN).get::<Batch>(&partition)?;
    let mut batch = open.unwrap_or_else(|| Batch {
        id: host.new_id(),
        partition: partition.clone(),
        first: event.sequence,
        last: event.sequence,
        events: 0,
        bytes: 0,
        chunks: 0,
        since: host.now(),
        format: None,
    });
    // A delivery that was retried may come after later events.
    batch.first = batch.first.min(event.sequence);
    batch.last = batch.last.max(event.sequence);
    batch.events += 1;
    batch.bytes += line.len() as u64;
    batch.push(host, line)?;
    let full = batch.events >= config.max_events || batch.bytes >= config.max_bytes || batch.chunks >= MOST_CHUNKS;
    if full { batch.seal(host, config) } else { Ok(host.kv(OPEN).set(&partition, &batch)?) }
}

/// Seals what is old, and asks again for the files that are late.
pub(crate) fn sweep(host: &Host, config: &Config) -> Result<(), Failure> {
    let now = host.now();
    let age = config.max_age_seconds.saturating_mul(1000);
    let mut left = SWEEP;
    for entry in host.kv(OPEN).entries::<Batch>("") {
        let (_, batch) = entry?;
        if left > 0 && now.saturating_sub(batch.since) >= age {
            batch.seal(host, config)?;
            left -= 1;
        }
    }
    for entry in host.kv(SEALED).entries::<Batch>("") {
        let (id, mut batch) = entry?;
        if left > 0 && now.saturating_sub(batch.since) >= ASK_AGAIN {
            host.warn("a file of the data lake is late, and is asked for again", &[("file", &batch.name())]);
            batch.since = now;
            host.kv(SEALED).set(&id, &batch)?;
            batch.ask(host)?;
            left -= 1;
        }
    }
    Ok(())
}

/// Writes the file of a sealed batch, and drops the batch. One that is gone was written before.
pub(crate) fn write(event: &Event, host: &Host, config: &Config) -> Result<(), Failure> {
    let id = event.read::<Request>()?.batch_id;
    let Some(batch) = host.kv(SEALED).get::<Batch>(&id)? else { return Ok(()) };
    let format = batch.format.unwrap_or_default();
    let mut rows = batch.rows(host)?;
    rows.sort_by_key(|row| row.sequence);
    let bytes = match format {
        Format::Parquet => parquet_file::encode(&rows).map_err(permanent)?,
        Format::JsonLines => {
            let mut lines = Vec::new();
            for row in &rows {
                serde_json::to_writer(&mut lines, row).map_err(permanent)?;
                lines.push(b'\n');
            }
            lines
        }
    };
    sink::put(host, config, &batch.name(), format, bytes)?;
    for chunk in 0..batch.chunks {
        host.kv(CHUNKS).delete(&batch.chunk(chunk))?;
    }
    host.kv(SEALED).delete(&id)?;
    host.counter("data_lake_files_total", &[], 1)?;
    host.counter("data_lake_events_total", &[], batch.events)?;
    Ok(())
}

impl Batch {
    /// The path of its file. No two batches share their first sequence, as no event is in both.
    fn name(&self) -> String {
        let extension = self.format.unwrap_or_default().extension();
        format!("{}/part-{:020}-{:020}.{extension}", self.partition, self.first, self.last)
    }

    fn chunk(&self, number: u32) -> String {
        format!("{}/{number:04}", self.id)
    }

    /// Appends a line to the last chunk if it fits in there, and begins another if not.
    fn push(&mut self, host: &Host, line: Vec<u8>) -> Result<(), Failure> {
        let chunks = host.kv(CHUNKS);
        if let Some(last) = self.chunks.checked_sub(1) {
            let key = self.chunk(last);
            let mut chunk = chunks.get_bytes(&key)?.ok_or_else(|| self.damaged("its last chunk is missing"))?;
            if chunk.len() + line.len() <= CHUNK {
                chunk.extend(line);
                return Ok(chunks.set_bytes(&key, &chunk)?);
            }
        }
        for piece in line.chunks(PIECE) {
            chunks.set_bytes(&self.chunk(self.chunks), piece)?;
            self.chunks += 1;
        }
        Ok(())
    }

    fn seal(mut self, host: &Host, config: &Config) -> Result<(), Failure> {
        self.since = host.now();
        self.format = Some(config.format);
        host.kv(OPEN).delete(&self.partition)?;
        host.kv(SEALED).set(&self.id, &self)?;
        self.ask(host)
    }

    fn ask(&self, host: &Host) -> Result<(), Failure> {
        Ok(host.emit(NewEvent::new(SOURCE, BATCH_SEALED, Request { batch_id: self.id.clone() }))?)
    }

    fn rows(&self, host: &Host) -> Result<Vec<Row>, Failure> {
        let mut lines = Vec::new();
        for number in 0..self.chunks {
            let chunk = host.kv(CHUNKS).get_bytes(&self.chunk(number))?;
            lines.extend(chunk.ok_or_else(|| self.damaged(&format!("chunk {number} is missing")))?);
        }
        let rows = serde_json::Deserializer::from_slice(&lines).into_iter().collect::<Result<Vec<Row>, _>>();
        let rows = rows.map_err(|error| self.damaged(&error.to_string()))?;
        if rows.len() as u64 != self.events {
            return Err(self.damaged(&format!("it has {} rows and should have {}", rows.len(), self.events)));
        }
        Ok(rows)
    }

    fn damaged(&self, reason: &str) -> Failure {
        permanent(format!("the batch {} of {} is damaged: {reason}", self.id, self.partition))
    }
}
