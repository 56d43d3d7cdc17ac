//! /stacks/ID/: the files of a stack, while it lives.
//!
//! Everybody who has the address may look: leads open it in a browser. The pages are not ours, so they run in a sandbox
//! that has nothing to do with the API at the same address.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;

use super::path::Named;
use super::problem::Problem;
use super::{Context, reading};

/// The longest id of a stack, in bytes.
const MAX_ID: usize = 128;

/// What every file is sent with: it may have changed or gone the next time, it is what it says it is, its scripts run in
/// an origin of their own, and from there they may read the stack's files.
const HEADERS: [(HeaderName, &str); 5] = [
    (header::CACHE_CONTROL, "no-cache"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CONTENT_SECURITY_POLICY, "sandbox allow-forms allow-modals allow-popups allow-scripts"),
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    (header::REFERRER_POLICY, "no-referrer"),
];

/// Content types by the extension of a file's name.
const CONTENT_TYPES: [(&str, &str); 19] = [
    ("html", "text/html; charset=utf-8"),
    ("htm", "text/html; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("mjs", "text/javascript; charset=utf-8"),
    ("json", "application/json"),
    ("txt", "text/plain; charset=utf-8"),
    ("md", "text/plain; charset=utf-8"),
    ("xml", "application/xml"),
    ("svg", "image/svg+xml"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("ico", "image/x-icon"),
    ("woff2", "font/woff2"),
    ("wasm", "application/wasm"),
    ("pdf", "application/pdf"),
];

const GONE: &str = "<!doctype html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width\">
<title>This trial has ended</title>
<style>body { font: 1.1rem/1.6 system-ui, sans-serif; max-width: 32rem; margin: 20vh auto; padding: 0 1rem; }</style>
<h1>This trial has ended</h1>
<p>What was here has been removed, with everything in it. Thank you for trying!</p>
<p>If you would like to go on, ask whoever gave you this address for a new trial.</p>
";

/// What there is at a path.
enum Found {
    /// A file, its length in bytes and its content type.
    File(File, u64, &'static str),
    /// A folder, which is looked at with a slash at the end.
    Folder,
    /// A stack, but no such file in it.
    NoFile,
    /// No stack.
    NoStack,
}

/// `/stacks/ID`: sends on to where relative addresses in a page start from the stack.
pub(super) async fn without_slash(
    State(context): State<Context>,
    Named(id): Named,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    serve(context, id, String::new(), uri, headers).await
}

/// `/stacks/ID/`: the stack's first page.
pub(super) async fn index(
    State(context): State<Context>,
    Named(id): Named,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    serve(context, id, "index.html".to_owned(), uri, headers).await
}

/// `/stacks/ID/PATH`.
pub(super) async fn file(
    State(context): State<Context>,
    path: Result<Path<(String, String)>, axum::extract::rejection::PathRejection>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Path((id, mut path)) = path.map_err(|_| no_file(&uri))?;
    if path.ends_with('/') {
        path.push_str("index.html");
    }
    serve(context, id, path, uri, headers).await
}

async fn serve(context: Context, id: String, path: String, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    let folder = context.stacks.load_full().filter(|_| is_stack_id(&id)).ok_or_else(|| no_file(&uri))?;
    let found = reading({
        let id = id.clone();
        move || find(&folder, &id, &path)
    });
    match found.await {
        Ok(Found::File(file, length, content_type)) => {
            let content = ReaderStream::new(tokio::fs::File::from_std(file).take(length));
            let about = [(header::CONTENT_TYPE, content_type.to_owned()), (header::CONTENT_LENGTH, length.to_string())];
            Ok((HEADERS, about, Body::from_stream(content)).into_response())
        }
        Ok(Found::Folder) => {
            let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
            Ok(Redirect::temporary(&format!("{}/{query}", uri.path())).into_response())
        }
        Ok(Found::NoFile) => Err(no_file(&uri)),
        Ok(Found::NoStack) => Ok(gone(&id, &headers)),
        Err(error) => {
            tracing::error!(%error, path = uri.path(), "a stack's file cannot be read");
            Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, format!("the file cannot be read: {error}")))
        }
    }
}

/// Looks for a file of a stack. Links that lead out of the stack lead nowhere: the folder is a capability, and nothing
/// beyond it can be named.
fn find(folder: &Arc<PathBuf>, id: &str, path: &str) -> io::Result<Found> {
    let stack = match Dir::open_ambient_dir(folder.as_path(), ambient_authority()).and_then(|all| all.open_dir(id)) {
        Ok(stack) => stack,
        Err(error) if is_nothing_there(&error) => return Ok(Found::NoStack),
        Err(error) => return Err(error),
    };
    if path.is_empty() {
        return Ok(Found::Folder);
    }
    // Hidden files, the folder above, and names that other systems understand otherwise.
    if path.split('/').any(|part| part.is_empty() || part.starts_with('.') || part.contains(['\\', '\0'])) {
        return Ok(Found::NoFile);
    }
    let found = stack.metadata(path).and_then(|metadata| {
        if metadata.is_dir() {
            return Ok(Found::Folder);
        }
        if !metadata.is_file() {
            return Ok(Found::NoFile);
        }
        let file = stack.open(path)?.into_std();
        let length = file.metadata()?.len();
        Ok(Found::File(file, length, content_type(path)))
    });
    match found {
        Err(error) if is_nothing_there(&error) => Ok(Found::NoFile),
        found => found,
    }
}

/// Whether a file that cannot be opened is as good as none; leading out of the stack counts as permission denied.
fn is_nothing_there(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::NotFound
            | ErrorKind::NotADirectory
            | ErrorKind::PermissionDenied
            | ErrorKind::InvalidFilename
            | ErrorKind::InvalidInput
    )
}

fn is_stack_id(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.len() <= MAX_ID
        && text.bytes().next().is_some_and(fits)
        && text.bytes().all(|byte| fits(byte) || matches!(byte, b'.' | b'-'))
}

fn content_type(path: &str) -> &'static str {
    let extension = path.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).unwrap_or_default();
    let known = CONTENT_TYPES.iter().find(|(known, _)| *known == extension);
    known.map_or("application/octet-stream", |(_, content_type)| content_type)
}

fn no_file(uri: &Uri) -> Problem {
    Problem::not_found(format!("there is nothing at {}", uri.path()))
}

/// A page for people, and a problem for programs.
fn gone(id: &str, headers: &HeaderMap) -> Response {
    let accepted = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accepted.contains("json") && !accepted.contains("text/html") {
        return Problem::new(StatusCode::GONE, format!("there is no stack `{id}` any more")).into_response();
    }
    (StatusCode::GONE, [(header::CACHE_CONTROL, "no-cache")], Html(GONE)).into_response()
}
