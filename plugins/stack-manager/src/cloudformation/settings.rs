//! What the operator says of stacks of CloudFormation: `[plugins.stack-manager.config.pools.TYPE.cloudformation]`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The longest template that can be sent as it is, in bytes. CloudFormation's limit.
const LONGEST_BODY: usize = 51_200;

/// Where stacks are, and what is theirs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Account {
    /// Where CloudFormation answers.
    pub(super) endpoint: String,
    /// What tells the stacks of this daemon from those of others in the same account.
    pub(super) owner: String,
    /// The output that is the URL of a stack.
    pub(super) url_output: String,
}

/// What stacks are made from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Template {
    /// The template itself.
    pub(super) body: Option<String>,
    /// Or where it is.
    pub(super) url: Option<String>,
    /// The values of its parameters. `{{stackId}}` and `{{type}}` stand for those of the stack.
    pub(super) parameters: Map<String, Value>,
    /// What stacks are tagged with besides.
    pub(super) tags: BTreeMap<String, String>,
    /// What the template may do that has to be acknowledged.
    pub(super) capabilities: Vec<String>,
    /// The role that makes what is in the stack.
    pub(super) role_arn: Option<String>,
}

/// Both as they are written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Written {
    endpoint: String,
    owner: Option<String>,
    url_output: Option<String>,
    template_body: Option<String>,
    template_url: Option<String>,
    #[serde(default)]
    parameters: Map<String, Value>,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(default)]
    capabilities: Vec<String>,
    role_arn: Option<String>,
}

impl Written {
    /// Whether it can be meant.
    ///
    /// # Errors
    ///
    /// What is wrong, and what to write instead.
    pub(crate) fn check(self) -> Result<(Account, Template), String> {
        let endpoint = self.endpoint;
        if !["https://", "http://"].iter().any(|scheme| endpoint.len() > scheme.len() && endpoint.starts_with(scheme)) {
            let sample = "https://cloudformation.eu-central-1.amazonaws.com";
            return Err(format!("endpoint = {endpoint:?} must be like {sample:?}"));
        }
        match (&self.template_body, &self.template_url) {
            (Some(body), None) if body.len() > LONGEST_BODY => {
                let size = body.len();
                return Err(format!(
                    "template-body has {size} bytes, and CloudFormation takes {LONGEST_BODY}; put it into S3 and write template-url"
                ));
            }
            (Some(_), None) | (None, Some(_)) => {}
            (Some(_), Some(_)) => {
                return Err("a template is in one place; write either template-body or template-url".to_owned());
            }
            (None, None) => {
                return Err("cloudformation needs a template; write either template-body or template-url".to_owned());
            }
        }
        if let Some((parameter, value)) =
            self.parameters.iter().find(|(_, value)| matches!(value, Value::Array(_) | Value::Object(_) | Value::Null))
        {
            return Err(format!("parameters: {parameter} is {value}, and must be a text, a number or a boolean"));
        }
        // There is no default, because two daemons with one would delete each other's stacks as unknown.
        let Some(owner) = self.owner.filter(|owner| (1..=128).contains(&owner.len())) else {
            return Err("cloudformation needs an owner that no other daemon in the account has; write owner = \"trials-production\"".to_owned());
        };
        let account = Account {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            owner,
            url_output: self.url_output.unwrap_or_else(|| "Url".to_owned()),
        };
        let template = Template {
            body: self.template_body,
            url: self.template_url,
            parameters: self.parameters,
            tags: self.tags,
            capabilities: self.capabilities,
            role_arn: self.role_arn,
        };
        Ok((account, template))
    }
}
