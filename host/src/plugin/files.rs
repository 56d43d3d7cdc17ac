//! Files: what a guest writes to one is written at once, in its own thread.
//!
//! wasmtime-wasi writes each piece in another thread, and the guest's waits for it, though that one may wait for the disk (`plugin::blocking`).

use bytes::Bytes;
use futures_util::FutureExt;
use wasmtime::component::{Linker, Resource};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::filesystem::types::{ErrorCode, HostDescriptor};
use wasmtime_wasi::p2::{DynOutputStream, FsResult, OutputStream, Pollable, StreamError, StreamResult};

use super::guest::Guest;

/// The interface whose streams these are, as wasmtime-wasi names it.
const INTERFACE: &str = "wasi:filesystem/types@0.2.12";

/// The functions that make them.
const WRITE: &str = "[method]descriptor.write-via-stream";
const APPEND: &str = "[method]descriptor.append-via-stream";

/// A stream into a file.
struct AtOnce(DynOutputStream);

/// Has guests write to files at once.
///
/// # Errors
///
/// If wasmtime-wasi is not linked.
pub(super) fn write_at_once(linker: &mut Linker<Guest>) -> Result<()> {
    linker.allow_shadowing(true);
    let mut types = linker.instance(INTERFACE)?;
    types.func_wrap(WRITE, |mut guest: StoreContextMut<'_, Guest>, (file, offset): (Resource<Descriptor>, u64)| {
        let stream = guest.data_mut().filesystem().write_via_stream(file, offset);
        at_once(guest.data_mut(), stream)
    })?;
    types.func_wrap(APPEND, |mut guest: StoreContextMut<'_, Guest>, (file,): (Resource<Descriptor>,)| {
        let stream = guest.data_mut().filesystem().append_via_stream(file);
        at_once(guest.data_mut(), stream)
    })?;
    linker.allow_shadowing(false);
    Ok(())
}

/// What a function answers whose stream is to write at once.
fn at_once(
    guest: &mut Guest,
    stream: FsResult<Resource<DynOutputStream>>,
) -> Result<(Result<Resource<DynOutputStream>, ErrorCode>,)> {
    match stream {
        Ok(stream) => {
            let table = guest.filesystem().table;
            let stream: DynOutputStream = Box::new(AtOnce(table.delete(stream)?));
            Ok((Ok(table.push(stream)?),))
        }
        Err(error) => Ok((Err(error.downcast()?),)),
    }
}

impl OutputStream for AtOnce {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        // Only guests with folders have files, and theirs block the thread that they run in, so this is over at once.
        let written = self.0.blocking_write_and_flush(bytes).now_or_never();
        written.unwrap_or_else(|| Err(StreamError::trap("a file was not written at once")))
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.0.flush()
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        self.0.check_write()
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for AtOnce {
    async fn ready(&mut self) {
        self.0.ready().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_functions_are_those_of_wasmtime_wasi() {
        let mut linker = Linker::<Guest>::new(&wasmtime::Engine::default());
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).expect("a linker");
        for function in [WRITE, APPEND] {
            let mut types = linker.instance(INTERFACE).expect("an interface");
            let defined = types.func_wrap(function, |_: StoreContextMut<'_, Guest>, (): ()| Ok(()));
            assert!(defined.is_err(), "{function} is not there to be replaced");
        }
        write_at_once(&mut linker).expect("they can be replaced");
    }
}
