//! `[plugins.stack-manager.config]`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};
use trialbridge_plugin::{Failure, Host, permanent};

/// The most warm stacks of one type.
const MOST_WARM: usize = 1000;

/// The configuration.
#[derive(Debug)]
pub(crate) struct Config {
    /// What to keep in stock, by type of trial.
    pub(crate) pools: BTreeMap<String, Pool>,
    /// What the URLs of stacks begin with, without a slash at the end: where leads reach the daemon. Empty if the URLs are to be
    /// paths on the daemon.
    public_url: String,
}

/// The stock of a type.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pool {
    /// How many stacks wait for a trial: 0 to 1000.
    pub(crate) warm: usize,
    /// The folder in `templates` that stacks are copies of.
    pub(crate) template: String,
}

impl Config {
    /// Reads what the operator says.
    ///
    /// # Errors
    ///
    /// Permanent; says what is wrong, and in which table of rules.toml.
    pub(crate) fn read(host: &Host) -> Result<Self, Failure> {
        Self::parse(&host.config_text()).map_err(permanent)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let at = |place: &str, reason: &str| format!("[plugins.stack-manager.config{place}]: {reason}");
        let members: Map<String, Value> = serde_json::from_str(text).map_err(|error| at("", &error.to_string()))?;
        if let Some(unknown) = members.keys().find(|name| !["pools", "public-url"].contains(&name.as_str())) {
            return Err(at("", &format!("unknown field `{unknown}`, expected `pools` or `public-url`")));
        }
        let public_url = members.get("public-url").map_or(Some(""), Value::as_str);
        let public_url =
            public_url.filter(|url| url.is_empty() || url.starts_with("http://") || url.starts_with("https://"));
        let public_url = public_url.ok_or_else(|| at("", "public-url must be like \"https://trials.example.com\""))?;
        let pools = members.get("pools").ok_or_else(|| at("", "missing field `pools`; add a table for each type"))?;
        let pools = pools.as_object().ok_or_else(|| at(".pools", "must be a table with a table for each type"))?;
        let pools = pools.iter().map(|(name, pool)| {
            let pool = Pool::parse(name, pool).map_err(|reason| at(&format!(".pools.{name}"), &reason))?;
            Ok((name.clone(), pool))
        });
        let public_url = public_url.trim_end_matches('/').to_owned();
        Ok(Self { pools: pools.collect::<Result<_, String>>()?, public_url })
    }

    /// Where a stack is served.
    pub(crate) fn url(&self, stack_id: &str) -> String {
        format!("{}/stacks/{stack_id}/", self.public_url)
    }
}

impl Pool {
    fn parse(trial_type: &str, pool: &Value) -> Result<Self, String> {
        if !is_name(trial_type) {
            return Err("the name of a type is 1 to 64 of `A-Z a-z 0-9 _ -`".to_owned());
        }
        let pool = Self::deserialize(pool).map_err(|error| error.to_string())?;
        if pool.warm > MOST_WARM {
            return Err(format!("warm = {} is too many; keep at most {MOST_WARM}", pool.warm));
        }
        if !is_name(&pool.template) {
            let reason = "must be the name of a folder in templates/, 1 to 64 of `A-Z a-z 0-9 _ -`";
            return Err(format!("template = {:?} {reason}", pool.template));
        }
        Ok(pool)
    }
}

fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let message = Config::parse(text).expect_err("the text is malformed");
        assert_eq!(message, format!("[plugins.stack-manager.config{expected}"), "{text}");
    }

    #[test]
    fn mistakes_are_named_with_their_table() {
        check("{}", "]: missing field `pools`; add a table for each type");
        check(r#"{"pool":{}}"#, "]: unknown field `pool`, expected `pools` or `public-url`");
        check(r#"{"public-url":"trials"}"#, "]: public-url must be like \"https://trials.example.com\"");
        check(r#"{"pools":3}"#, ".pools]: must be a table with a table for each type");
        check(r#"{"pools":{"ACS":{"warm":3}}}"#, ".pools.ACS]: missing field `template`");
        check(
            r#"{"pools":{"ACS":{"warm":-3,"template":"acs"}}}"#,
            ".pools.ACS]: invalid value: integer `-3`, expected usize",
        );
        check(
            r#"{"pools":{"ACS":{"warm":1001,"template":"acs"}}}"#,
            ".pools.ACS]: warm = 1001 is too many; keep at most 1000",
        );
        check(
            r#"{"pools":{"ACS":{"warm":3,"template":"../acs"}}}"#,
            ".pools.ACS]: template = \"../acs\" must be the name of a folder in templates/, 1 to 64 of `A-Z a-z 0-9 _ -`",
        );
        check(
            r#"{"pools":{"A/B":{"warm":3,"template":"acs"}}}"#,
            ".pools.A/B]: the name of a type is 1 to 64 of `A-Z a-z 0-9 _ -`",
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
