//! The XML of answers.

use std::collections::BTreeMap;

use roxmltree::{Document, Node};

use crate::provider::{Error, Status};

/// A page of DescribeStacks.
pub(super) struct Page {
    /// The stacks.
    pub(super) stacks: Vec<Described>,
    /// What to ask for the next page with; nothing if this is the last.
    pub(super) next: Option<String>,
}

/// A stack as CloudFormation describes it.
#[derive(Debug)]
pub(super) struct Described {
    /// Its name.
    pub(super) name: String,
    status: String,
    reason: Option<String>,
    outputs: BTreeMap<String, String>,
    tags: BTreeMap<String, String>,
}

/// Reads an answer to DescribeStacks.
///
/// # Errors
///
/// Failed if it is none.
pub(super) fn stacks(text: &str) -> Result<Page, Error> {
    let wrong = |reason: &str| Error::Failed(format!("CloudFormation's answer is not understood: {reason}"));
    let document = Document::parse(text).map_err(|error| wrong(&error.to_string()))?;
    let result = child(document.root_element(), "DescribeStacksResult");
    let result = result.ok_or_else(|| wrong("it has no DescribeStacksResult"))?;
    let stacks =
        members(result, "Stacks").map(|stack| described(stack).ok_or_else(|| wrong("a stack has no name or status")));
    let next = child_text(result, "NextToken").filter(|token| !token.is_empty());
    Ok(Page { stacks: stacks.collect::<Result<_, _>>()?, next })
}

/// Code and message of an answer that is an error.
pub(super) fn error(text: &str) -> Option<(String, String)> {
    let document = Document::parse(text).ok()?;
    let error = document.descendants().find(|node| is(*node, "Error"))?;
    Some((child_text(error, "Code")?, child_text(error, "Message").unwrap_or_default()))
}

impl Described {
    /// How far it is. `url_output` is the output that is its URL.
    pub(super) fn status(&self, url_output: &str) -> Status {
        let reason = || match &self.reason {
            Some(reason) => format!("CloudFormation: {}: {reason}", self.status),
            None => format!("CloudFormation: {}", self.status),
        };
        match self.status.as_str() {
            "DELETE_COMPLETE" => Status::Absent,
            "DELETE_IN_PROGRESS" => Status::Deleting,
            "DELETE_FAILED" => Status::DeletionFailed(reason()),
            // A rollback that is under way ends in one of these.
            "CREATE_FAILED" | "ROLLBACK_FAILED" | "ROLLBACK_COMPLETE" => Status::Failed(reason()),
            // Somebody may change a stack by hand, and it serves all the same.
            status if status.ends_with("_COMPLETE") || status.starts_with("UPDATE_") => {
                Status::Ready(self.outputs.get(url_output).filter(|url| !url.is_empty()).cloned())
            }
            _ => Status::Building,
        }
    }

    /// Whether it is there and not on its way out.
    pub(super) fn exists(&self) -> bool {
        !matches!(self.status.as_str(), "DELETE_COMPLETE" | "DELETE_IN_PROGRESS")
    }

    /// The value of a tag.
    pub(super) fn tag(&self, tag: &str) -> Option<&str> {
        self.tags.get(tag).map(String::as_str)
    }
}

fn described(stack: Node<'_, '_>) -> Option<Described> {
    let pairs = |list: &str, key: &str, value: &str| {
        members(stack, list).filter_map(|pair| Some((child_text(pair, key)?, child_text(pair, value)?))).collect()
    };
    Some(Described {
        name: child_text(stack, "StackName")?,
        status: child_text(stack, "StackStatus")?,
        reason: child_text(stack, "StackStatusReason").filter(|reason| !reason.is_empty()),
        outputs: pairs("Outputs", "OutputKey", "OutputValue"),
        tags: pairs("Tags", "Key", "Value"),
    })
}

/// The elements of a list.
fn members<'a, 'input>(node: Node<'a, 'input>, list: &str) -> impl Iterator<Item = Node<'a, 'input>> {
    child(node, list).into_iter().flat_map(|list| list.children()).filter(|member| is(*member, "member"))
}

fn child_text(node: Node<'_, '_>, name: &str) -> Option<String> {
    child(node, name).map(|child| child.text().unwrap_or_default().trim().to_owned())
}

fn child<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    node.children().find(|child| is(*child, name))
}

/// Whether a node is an element of this name, whatever its namespace.
fn is(node: Node<'_, '_>, name: &str) -> bool {
    node.is_element() && node.tag_name().name() == name
}
