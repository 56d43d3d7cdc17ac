//! Where files go. Writing one again puts the same file in its place.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use trialbridge_plugin::http::Request;
use trialbridge_plugin::{Failure, Host, retry};

use crate::config::{Config, Format, S3};
use crate::row::escape;

/// The granted folder.
pub(crate) const FOLDER: &str = "lake";

/// How long the answer to an upload may take, the sending of the file with it: `time` of the destination is meant to be what ends it.
const TIMEOUT: Duration = Duration::from_secs(60 * 60);

/// Puts a file in its place.
///
/// # Errors
///
/// Retry for what may pass, and for a folder that cannot be written: the batch is kept until somebody has mended it.
pub(crate) fn put(host: &Host, config: &Config, name: &str, format: Format, bytes: Vec<u8>) -> Result<(), Failure> {
    match &config.s3 {
        Some(s3) => upload(host, s3, name, format, bytes),
        None => {
            let root = host.folder(FOLDER);
            // Two deliveries that ask for one batch do not write into each other's file.
            let draft = format!(".{}.tmp", escape(&host.delivery().id));
            save(&root, name, &draft, &bytes).map_err(|error| {
                retry(format!(
                    "the file {name} cannot be written into the folder `{FOLDER}`: {error}; does rules.toml grant it?"
                ))
            })
        }
    }
}

/// Readers see the whole file or none of it, and once it is saved, a power cut leaves it there: its batch is dropped then.
fn save(root: &Path, name: &str, draft: &str, bytes: &[u8]) -> io::Result<()> {
    let path = root.join(name);
    let folder = path.parent().unwrap_or(root);
    fs::create_dir_all(folder)?;
    let draft = folder.join(draft);
    let mut file = File::create(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&draft, &path)?;
    // The names of the file and of the folders around it, which may be new, are in the folders above them.
    for folder in path.ancestors().skip(1).take_while(|folder| folder.starts_with(root)) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

fn upload(host: &Host, s3: &S3, name: &str, format: Format, bytes: Vec<u8>) -> Result<(), Failure> {
    let media_type = match format {
        Format::Parquet => "application/vnd.apache.parquet",
        Format::JsonLines => "application/x-ndjson",
    };
    let request = Request::new("PUT", url(s3, name)).header("Content-Type", media_type).timeout(TIMEOUT).body(bytes);
    host.send(&request)?.success()?;
    Ok(())
}

/// The URL of an object. Keys are escaped as signatures of S3 want them: everything but the slashes between their parts.
pub(crate) fn url(s3: &S3, name: &str) -> String {
    let region = s3.region.as_deref().unwrap_or_default();
    let endpoint = s3.endpoint.clone().unwrap_or_else(|| format!("https://s3.{region}.amazonaws.com"));
    let endpoint = endpoint.trim_end_matches('/');
    let parts = s3.prefix.split('/').chain(name.split('/')).filter(|part| !part.is_empty());
    let key = parts.map(escape).collect::<Vec<_>>().join("/");
    let bucket = &s3.bucket;
    match endpoint.split_once("://") {
        Some((scheme, host)) if !s3.path_style => format!("{scheme}://{bucket}.{host}/{key}"),
        _ => format!("{endpoint}/{bucket}/{key}"),
    }
}
