//! Stacks that AWS makes from a template, over CloudFormation's Query API. The host signs the requests: the destination says how.
//!
//! * `settings`: what the operator says
//! * `query`: a request, and what is made of its answer
//! * `answer`: the XML of answers

mod answer;
mod query;
mod settings;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests;

use serde_json::Value;
use trialbridge_plugin::Host;

use self::answer::Described;
use self::query::{Query, Trouble};
pub(crate) use self::settings::{Account, Template, Written};
use crate::provider::{Error, Extent, Found, Order, Provider, Readiness, Recipe, Status, Tenant};

/// The tags by which stacks are found again.
const OWNER: &str = "trialbridge:owner";
const STACK_ID: &str = "trialbridge:stack-id";
const TYPE: &str = "trialbridge:type";

/// The most pages of a list of stacks: each has 100 stacks at most.
const MOST_PAGES: usize = 100;

/// Asks CloudFormation.
pub(crate) struct CloudFormation<'a> {
    host: &'a Host,
    account: &'a Account,
}

impl<'a> CloudFormation<'a> {
    /// Asks for stacks of this account.
    pub(crate) fn new(host: &'a Host, account: &'a Account) -> Self {
        Self { host, account }
    }

    fn send(&self, query: &Query) -> Result<String, Trouble> {
        query.send(self.host, &self.account.endpoint)
    }

    /// The stack as CloudFormation knows it, if it does.
    fn describe(&self, stack_id: &str) -> Result<Option<Described>, Error> {
        let query = Query::new("DescribeStacks").with("StackName", name(stack_id));
        match self.send(&query) {
            Ok(text) => Ok(answer::stacks(&text)?.stacks.pop()),
            Err(Trouble::NotThere) => Ok(None),
            Err(trouble) => Err(trouble.into()),
        }
    }

    fn begin_deletion(&self, stack_id: &str) -> Result<Status, Error> {
        match self.send(&Query::new("DeleteStack").with("StackName", name(stack_id))) {
            Ok(_) => Ok(Status::Deleting),
            Err(Trouble::NotThere) => Ok(Status::Absent),
            Err(trouble) => Err(trouble.into()),
        }
    }
}

impl Provider for CloudFormation<'_> {
    fn create(&mut self, order: &Order<'_>) -> Result<Status, Error> {
        let Recipe::Template(template) = order.recipe else {
            return Err(Error::Refused("a stack of CloudFormation is made from a template".to_owned()));
        };
        // The token follows from the stack and not from the delivery, because different deliveries may ask for the same stack.
        let mut query = Query::new("CreateStack")
            .with("StackName", name(order.stack_id))
            .with("ClientRequestToken", format!("create-{}", name(order.stack_id)));
        query = match template.as_ref() {
            Template { body: Some(body), .. } => query.with("TemplateBody", body),
            Template { url, .. } => query.with("TemplateURL", url.as_deref().unwrap_or_default()),
        };
        if let Some(role) = &template.role_arn {
            query = query.with("RoleARN", role);
        }
        for (number, (parameter, value)) in (1..).zip(&template.parameters) {
            let value = match value {
                Value::String(text) => {
                    text.replace("{{stackId}}", order.stack_id).replace("{{type}}", order.trial_type)
                }
                other => other.to_string(),
            };
            query = query.with(format!("Parameters.member.{number}.ParameterKey"), parameter);
            query = query.with(format!("Parameters.member.{number}.ParameterValue"), value);
        }
        let own = [(OWNER, self.account.owner.as_str()), (STACK_ID, order.stack_id), (TYPE, order.trial_type)];
        let others = template.tags.iter().map(|(tag, value)| (tag.as_str(), value.as_str()));
        for (number, (tag, value)) in (1..).zip(own.into_iter().chain(others)) {
            query = query.with(format!("Tags.member.{number}.Key"), tag);
            query = query.with(format!("Tags.member.{number}.Value"), value);
        }
        for (number, capability) in (1..).zip(&template.capabilities) {
            query = query.with(format!("Capabilities.member.{number}"), capability);
        }
        match self.send(&query) {
            Ok(_) => Ok(Status::Building),
            // An earlier attempt has asked for it.
            Err(Trouble::Exists) => self.status(order.stack_id),
            Err(trouble) => Err(trouble.into()),
        }
    }

    fn status(&mut self, stack_id: &str) -> Result<Status, Error> {
        Ok(self.describe(stack_id)?.map_or(Status::Absent, |stack| stack.status(&self.account.url_output)))
    }

    fn configure(&mut self, _stack_id: &str, _tenant: &Tenant) -> Result<Readiness, Error> {
        // Nothing in it is of one trial: whoever needs that has a parameter of the template, or a rule that sends StackReserved on.
        Ok(Readiness::Vouched)
    }

    fn delete(&mut self, stack_id: &str) -> Result<Status, Error> {
        if self.begin_deletion(stack_id)? == Status::Absent {
            return Ok(Status::Absent);
        }
        Ok(match self.status(stack_id) {
            Ok(gone @ (Status::Absent | Status::Deleting)) => gone,
            // What it says of the stack may be a moment old.
            _ => Status::Deleting,
        })
    }

    fn list(&mut self) -> Result<Option<Vec<Found>>, Error> {
        let mut found = Vec::new();
        let mut next = None;
        for _ in 0..MOST_PAGES {
            let mut query = Query::new("DescribeStacks");
            if let Some(token) = next {
                query = query.with("NextToken", token);
            }
            let page = answer::stacks(&self.send(&query)?)?;
            let own = page.stacks.iter().filter(|stack| stack.tag(OWNER) == Some(&self.account.owner));
            let own = own.filter(|stack| stack.exists());
            found.extend(own.filter_map(|stack| {
                let stack_id = stack.tag(STACK_ID)?.to_owned();
                // Only what has the name that follows from its id was made here.
                (stack.name == name(&stack_id)).then(|| Found {
                    name: stack.name.clone(),
                    stack_id,
                    extent: Extent::Whole,
                })
            }));
            next = page.next;
            if next.is_none() {
                found.sort();
                return Ok(Some(found));
            }
        }
        Err(Error::Refused(format!("CloudFormation lists more than {MOST_PAGES} pages of stacks")))
    }

    fn discard(&mut self, found: &Found) -> Result<(), Error> {
        self.begin_deletion(&found.stack_id).map(drop)
    }
}

/// The name of a stack: a letter, then letters, digits and `-`, at most 128.
fn name(stack_id: &str) -> String {
    format!("trialbridge-{}", stack_id.replace('_', "-"))
}
