//! What a guest says: its log lines, and its standard output and error, within one limit for each call.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

use super::egress::Egress;

/// The longest line of standard output, in bytes; a longer one is broken.
const LINE: usize = 4096;

/// Where a guest's words go. Clones are the same.
#[derive(Clone)]
pub(super) struct Output(Arc<Mutex<State>>);

struct State {
    /// Whose words they are.
    plugin: String,
    /// What knows the secrets that the words must not have.
    egress: Arc<Egress>,
    /// How many bytes a call may say.
    limit: u64,
    /// How many more this call may say.
    left: u64,
    /// What was printed since the last line break.
    line: Vec<u8>,
}

/// The call said more than it may.
#[derive(Debug, thiserror::Error)]
#[error("the output limit of {0} bytes is exceeded")]
pub(super) struct Exceeded(u64);

impl Output {
    pub(super) fn new(plugin: &str, limit: u64, egress: Arc<Egress>) -> Self {
        Self(Arc::new(Mutex::new(State { plugin: plugin.to_owned(), egress, limit, left: limit, line: Vec::new() })))
    }

    /// Gives the next call its whole limit.
    pub(super) fn begin_call(&self) {
        let mut state = self.state();
        state.left = state.limit;
    }

    /// Prints what stands on an unfinished line.
    pub(super) fn end_call(&self) {
        self.state().print();
    }

    /// Counts `bytes` that are said.
    pub(super) fn spend(&self, bytes: usize) -> Result<(), Exceeded> {
        let mut state = self.state();
        state.left = state.left.checked_sub(bytes as u64).ok_or(Exceeded(state.limit))?;
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn print(&mut self) {
        if !self.line.is_empty() {
            let line = String::from_utf8_lossy(&self.line);
            let line = self.egress.redactor.text(line.trim_end());
            tracing::info!(target: "trialbridge::guest", plugin = %self.plugin, "{line}");
            self.line.clear();
        }
    }
}

impl IsTerminal for Output {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Output {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        // Only WASI 0.3 asks for this, and guests are not linked to it.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Output {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.spend(bytes.len()).map_err(|error| StreamError::Trap(error.into()))?;
        let mut state = self.state();
        for byte in bytes {
            if byte == b'\n' || state.line.len() >= LINE {
                state.print();
            }
            if byte != b'\n' {
                state.line.push(byte);
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 * 1024)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Output {
    async fn ready(&mut self) {}
}
