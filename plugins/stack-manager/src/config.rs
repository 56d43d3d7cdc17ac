//! `[plugins.stack-manager.config]`.

mod pool;

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde_json::{Map, Value};
use trialbridge_plugin::{Failure, Host};

pub(crate) use self::pool::Pool;
use crate::provider::Kind;

/// The fields of the table.
const FIELDS: [&str; 3] = ["pools", "public-url", "unknown-stacks"];

/// The configuration.
#[derive(Debug)]
pub(crate) struct Config {
    /// What to keep in stock, by type of trial.
    pub(crate) pools: BTreeMap<String, Pool>,
    /// What becomes of stacks that a provider has and nobody knows.
    pub(crate) unknown_stacks: UnknownStacks,
    /// What the URLs of stacks begin with, without a slash at the end: where leads reach the daemon. Empty if the URLs are to be
    /// paths on the daemon.
    public_url: String,
}

/// What becomes of stacks that a provider has and nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnknownStacks {
    /// They are deleted.
    Delete,
    /// They are logged and counted.
    Report,
}

impl Config {
    /// Reads what the operator says.
    ///
    /// # Errors
    ///
    /// Permanent; says what is wrong, and where in the table.
    pub(crate) fn read(host: &Host) -> Result<Rc<Self>, Failure> {
        host.checked_config(|config| Self::parse(config.text()))
    }

    /// Whether a configuration is right, before the plugin serves under it.
    ///
    /// # Errors
    ///
    /// What is wrong, and where.
    pub(crate) fn check(config: &trialbridge_plugin::Config) -> Result<(), String> {
        Self::parse(config.text()).map(drop)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let members: Map<String, Value> = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if let Some(unknown) = members.keys().find(|name| !FIELDS.contains(&name.as_str())) {
            let [pools, url, stacks] = FIELDS;
            return Err(format!("unknown field `{unknown}`, expected `{pools}`, `{url}` or `{stacks}`"));
        }
        let public_url = members.get("public-url").map_or(Some(""), Value::as_str);
        let public_url =
            public_url.filter(|url| url.is_empty() || url.starts_with("http://") || url.starts_with("https://"));
        let public_url = public_url.ok_or("public-url must be like \"https://trials.example.com\"")?;
        let unknown_stacks = match members.get("unknown-stacks").map(Value::as_str) {
            None | Some(Some("delete")) => UnknownStacks::Delete,
            Some(Some("report")) => UnknownStacks::Report,
            Some(_) => return Err("unknown-stacks must be \"delete\" or \"report\"".to_owned()),
        };
        let pools = members.get("pools").ok_or("missing field `pools`; add a table for each type")?;
        let pools = pools.as_object().ok_or("pools: must be a table with a table for each type")?;
        let pools = pools.iter().map(|(name, pool)| {
            let pool = Pool::parse(name, pool).map_err(|reason| format!("pools.{name}: {reason}"))?;
            Ok((name.clone(), pool))
        });
        let public_url = public_url.trim_end_matches('/').to_owned();
        Ok(Self { pools: pools.collect::<Result<_, String>>()?, unknown_stacks, public_url })
    }

    /// Every provider that may have stacks. Folders there may be always: those of a type that was removed, for one.
    pub(crate) fn kinds(&self) -> BTreeSet<Kind> {
        let configured = self.pools.values().map(|pool| pool.kind.clone());
        configured.chain([Kind::Directory]).collect()
    }

    /// Where a stack of this provider is served, if that follows from its id.
    pub(crate) fn url_of(&self, kind: &Kind, stack_id: &str) -> Option<String> {
        (*kind == Kind::Directory).then(|| self.url(stack_id))
    }

    /// Where a stack that is a folder is served.
    pub(crate) fn url(&self, stack_id: &str) -> String {
        format!("{}/stacks/{stack_id}/", self.public_url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let message = Config::parse(text).expect_err("the text is malformed");
        assert_eq!(message, expected, "{text}");
    }

    #[test]
    fn mistakes_are_named_with_their_table() {
        check("{}", "missing field `pools`; add a table for each type");
        check(r#"{"pool":{}}"#, "unknown field `pool`, expected `pools`, `public-url` or `unknown-stacks`");
        check(r#"{"public-url":"trials"}"#, "public-url must be like \"https://trials.example.com\"");
        check(r#"{"unknown-stacks":"keep"}"#, "unknown-stacks must be \"delete\" or \"report\"");
        check(r#"{"pools":3}"#, "pools: must be a table with a table for each type");
        check(
            r#"{"pools":{"ACS":{"warm":3}}}"#,
            "pools.ACS: it is not said what its stacks are; write one of template, command and cloudformation",
        );
        check(
            r#"{"pools":{"ACS":{"warm":3,"template":"acs","command":{}}}}"#,
            "pools.ACS: stacks cannot be of two providers; write one of template, command and cloudformation",
        );
        check(
            r#"{"pools":{"ACS":{"warm":-3,"template":"acs"}}}"#,
            "pools.ACS: invalid value: integer `-3`, expected usize",
        );
        check(
            r#"{"pools":{"ACS":{"warm":1001,"template":"acs"}}}"#,
            "pools.ACS: warm = 1001 is too many; keep at most 1000",
        );
        check(
            r#"{"pools":{"ACS":{"warm":3,"maximum":2,"template":"acs"}}}"#,
            "pools.ACS: maximum = 2 is less than warm = 3",
        );
        check(
            r#"{"pools":{"ACS":{"warm":3,"concurrent-creations":0,"template":"acs"}}}"#,
            "pools.ACS: concurrent-creations = 0 would build nothing; write at least 1",
        );
        check(
            r#"{"pools":{"ACS":{"warm":3,"maximum-age":"1 day","template":"acs"}}}"#,
            "pools.ACS: `1 day` is not a duration; write it like \"500ms\", \"30s\", \"10m\", \"12h\" or \"14d\"",
        );
        check(
            r#"{"pools":{"ACS":{"warm":3,"template":"../acs"}}}"#,
            "pools.ACS: template = \"../acs\" must be the name of a folder in templates/, 1 to 64 of `A-Z a-z 0-9 _ -`",
        );
        check(
            r#"{"pools":{"A/B":{"warm":3,"template":"acs"}}}"#,
            "pools.A/B: the name of a type is 1 to 64 of `A-Z a-z 0-9 _ -`",
        );
        check(
            r#"{"pools":{"ACS":{"warm":3,"cloudformation":{"endpoint":"cloudformation","template-url":"https://b/t"}}}}"#,
            "pools.ACS: endpoint = \"cloudformation\" must be like \"https://cloudformation.eu-central-1.amazonaws.com\"",
        );
        check(
            r#"{"pools":{"ACS":{"warm":3,"cloudformation":{"endpoint":"https://c","template-url":"https://b/t"}}}}"#,
            "pools.ACS: cloudformation needs an owner that no other daemon in the account has; write owner = \"trials-production\"",
        );
        check(
            r#"{"pools":{"ACS":{"warm":3,"cloudformation":{"endpoint":"https://c"}}}}"#,
            "pools.ACS: cloudformation needs a template; write either template-body or template-url",
        );
        assert!(Config::parse(r#"{"pools":{"ACS":{"warm":3,"template":"acs"}}}"#).is_ok());
    }

    #[test]
    fn urls_begin_as_they_are_told() {
        let url = |text: &str| Config::parse(text).expect("a configuration").url("acs-1");
        assert_eq!(url(r#"{"pools":{}}"#), "/stacks/acs-1/");
        assert_eq!(url(r#"{"pools":{},"public-url":"https://t.example/"}"#), "https://t.example/stacks/acs-1/");
    }
}
