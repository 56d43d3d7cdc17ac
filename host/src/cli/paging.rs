//! Lists that come in pages.

use serde_json::{Value, json};

use super::client::{Client, Query};
use super::failure::{Failure, say};
use super::output::Output;

/// The page size when all pages are wanted.
const LARGEST_PAGE: &str = "1000";

/// Which part of a list.
#[derive(clap::Args)]
pub(crate) struct Paging {
    /// The most entries to show
    #[arg(long, value_name = "N", default_value = "100", value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
    /// Go on after this place, which the list before has named
    #[arg(long, value_name = "CURSOR")]
    after: Option<String>,
    /// Show all entries
    #[arg(long, conflicts_with_all = ["limit", "after"])]
    all: bool,
}

impl Paging {
    /// The part of the list at `path` that is wanted: the daemon's answer, whose entries are its member `entries`.
    pub(crate) async fn get(
        &self,
        client: &Client,
        path: &[&str],
        filters: &Query<'_>,
        entries: &str,
    ) -> Result<Value, Failure> {
        let limit = self.limit.to_string();
        let limit = if self.all { LARGEST_PAGE } else { &limit };
        let mut after = self.after.clone();
        let mut gathered = Vec::new();
        loop {
            let mut query = filters.to_vec();
            query.extend([("limit", Some(limit)), ("after", after.as_deref())]);
            let mut page = client.get(path, &query).await?;
            if !self.all {
                return Ok(page);
            }
            if let Value::Array(more) = page[entries].take() {
                gathered.extend(more);
            }
            after = cursor(&page);
            if after.is_none() {
                return Ok(json!({ entries: gathered, "next": null }));
            }
        }
    }

    /// Prints a list, and to people how to go on.
    pub(crate) fn print(
        &self,
        page: &Value,
        output: &Output,
        text: impl FnOnce(&Value) -> String,
    ) -> Result<(), Failure> {
        output.print(page, text)?;
        if let (Some(next), super::output::Format::Text) = (cursor(page), output.format()) {
            say(&format!("there may be more: --after {next}, or --all"));
        }
        Ok(())
    }
}

fn cursor(page: &Value) -> Option<String> {
    match &page["next"] {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}
