//! Requests in the Query protocol and answers in XML, as AWS has them.

use std::time::Duration;

use serde_json::json;
use trialbridge_plugin::http::Response;
use trialbridge_plugin::testing::World;
use trialbridge_plugin::{Event, Level, Need};

use crate::StackManager;

const ENDPOINT: &str = "https://cloudformation.eu-central-1.amazonaws.com";

/// A world in which one stack of CloudFormation was ordered, and its id.
fn ordered() -> (World<StackManager>, String) {
    let mut world = World::<StackManager>::new();
    world.grant(Need::Http);
    world.folder("stacks");
    world.configure(json!({ "pools": { "CLOUD": { "warm": 1, "cloudformation": {
        "endpoint": ENDPOINT,
        "owner": "trials-test",
        "template-url": "https://bucket.s3.amazonaws.com/trial.yaml",
        "parameters": { "Name": "trial of {{type}}: {{stackId}}", "Size": 2 },
        "tags": { "Team": "trials & co" },
        "capabilities": ["CAPABILITY_IAM"],
    } } } }));
    world.answer("POST", &format!("{ENDPOINT}/"), Ok(Response::new(200, described("", ""))));
    world.handle("trialbridge", "Scheduled Event", json!({})).unwrap();
    let stack_id = world.keys("stacks")[0].to_owned();
    (world, stack_id)
}

/// What is answered from now on.
fn script(world: &mut World<StackManager>, answers: &[(u16, String)]) {
    for (status, body) in answers {
        world.answer("POST", &format!("{ENDPOINT}/"), Ok(Response::new(*status, body.as_str())));
    }
    // The last answer of before stays until it is given once more: a reconciliation takes it, and finds nothing to do.
    world.handle("trialbridge", "Scheduled Event", json!({})).unwrap();
}

fn ok() -> String {
    "<Response/>".to_owned()
}

/// An answer to DescribeStacks; without a status, one without stacks.
fn described(stack_id: &str, status: &str) -> String {
    let stack = format!(
        "<member><StackName>trialbridge-{stack_id}</StackName><StackStatus>{status}</StackStatus>\
         <StackStatusReason>because of &amp; it</StackStatusReason><Outputs><member><OutputKey>Url</OutputKey>\
         <OutputValue>https://t.example/{stack_id}?a=1&amp;b=2</OutputValue></member></Outputs></member>"
    );
    let stack = if status.is_empty() { String::new() } else { stack };
    format!(
        "<DescribeStacksResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\"><DescribeStacksResult>\
         <Stacks>{stack}</Stacks></DescribeStacksResult></DescribeStacksResponse>"
    )
}

fn error(code: &str, message: &str) -> String {
    format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    )
}

/// Handles what the plugin says to itself; the types of the rest.
fn settle(world: &mut World<StackManager>) -> Vec<Event> {
    let own = ["StackCreateRequested", "StackDeleteRequested", "StackPollDue", "ReconcileContinued"];
    world.settle(|event| own.contains(&event.detail_type.as_str())).unwrap()
}

fn names(events: &[Event]) -> Vec<&str> {
    events.iter().map(|event| event.detail_type.as_str()).collect()
}

/// The members of the last form that was sent.
fn sent(world: &World<StackManager>) -> Vec<(String, String)> {
    form_urlencoded::parse(&world.requests().last().unwrap().body).into_owned().collect()
}

#[test]
fn a_stack_is_created_polled_warm_with_its_output_and_deleted() {
    let (mut world, id) = ordered();
    let message = format!("Stack with id trialbridge-{id} does not exist");
    script(
        &mut world,
        &[
            (200, ok()),
            (200, described(&id, "CREATE_IN_PROGRESS")),
            (400, error("Throttling", "Rate exceeded")),
            (200, described(&id, "CREATE_COMPLETE")),
            (200, ok()),
            (200, described(&id, "DELETE_IN_PROGRESS")),
            (400, error("ValidationError", &message)),
        ],
    );
    assert_eq!(names(&settle(&mut world)), ["StackCreated"]);
    let form = sent(&world);
    let expected = [
        ("Action", "CreateStack".to_owned()),
        ("Version", "2010-05-15".to_owned()),
        ("StackName", format!("trialbridge-{id}")),
        ("ClientRequestToken", format!("create-trialbridge-{id}")),
        ("TemplateURL", "https://bucket.s3.amazonaws.com/trial.yaml".to_owned()),
        ("Parameters.member.1.ParameterKey", "Name".to_owned()),
        ("Parameters.member.1.ParameterValue", format!("trial of CLOUD: {id}")),
        ("Parameters.member.2.ParameterKey", "Size".to_owned()),
        ("Parameters.member.2.ParameterValue", "2".to_owned()),
        ("Tags.member.1.Key", "trialbridge:owner".to_owned()),
        ("Tags.member.1.Value", "trials-test".to_owned()),
        ("Tags.member.2.Key", "trialbridge:stack-id".to_owned()),
        ("Tags.member.2.Value", id.clone()),
        ("Tags.member.3.Key", "trialbridge:type".to_owned()),
        ("Tags.member.3.Value", "CLOUD".to_owned()),
        ("Tags.member.4.Key", "Team".to_owned()),
        ("Tags.member.4.Value", "trials & co".to_owned()),
        ("Capabilities.member.1", "CAPABILITY_IAM".to_owned()),
    ];
    assert_eq!(form, expected.map(|(name, value)| (name.to_owned(), value)));
    assert_eq!(world.requests().last().unwrap().headers[0].1, "application/x-www-form-urlencoded; charset=utf-8");

    let mut said = Vec::new();
    for _ in 0..3 {
        world.advance(Duration::from_secs(20));
        said.extend(settle(&mut world));
    }
    assert_eq!(names(&said), ["StackWarm"]);
    let warm: serde_json::Value = said[0].read().unwrap();
    assert_eq!(warm["url"], json!(format!("https://t.example/{id}?a=1&b=2")));

    // The pool is made smaller. DeleteStack; it is under way; it is gone.
    world.configure(json!({ "pools": {} }));
    world.handle("stack-manager", "ReconcileContinued", json!({ "after": "pools/" })).unwrap();
    assert_eq!(names(&settle(&mut world)), [""; 0]);
    world.advance(Duration::from_secs(20));
    assert_eq!(names(&settle(&mut world)), ["StackDeleted"]);
    assert_eq!(world.keys("stacks"), [""; 0]);
}

#[test]
fn a_request_that_is_repeated_finds_the_stack_and_a_wrong_one_fails_with_its_reason() {
    let (mut world, id) = ordered();
    let exists = error("AlreadyExistsException", "Stack already exists");
    script(&mut world, &[(400, exists), (200, described(&id, "CREATE_COMPLETE"))]);
    assert_eq!(names(&settle(&mut world)), ["StackCreated", "StackWarm"]);

    let (mut world, _) = ordered();
    let wrong = |message| (400, error("ValidationError", message));
    script(&mut world, &[wrong("Template format error"), wrong("Stack does not exist")]);
    let said = settle(&mut world);
    assert_eq!(names(&said), ["StackFailed", "StackDeleted"]);
    let failed: serde_json::Value = said[0].read().unwrap();
    assert_eq!(failed["reason"].as_str().unwrap().split(": ").last(), Some("Template format error"));
}

#[test]
fn rollbacks_and_failed_deletions_are_said_with_their_reasons() {
    let (mut world, id) = ordered();
    let states = [
        "ROLLBACK_IN_PROGRESS",
        "ROLLBACK_COMPLETE",
        "",
        "DELETE_IN_PROGRESS",
        "DELETE_FAILED",
        "",
        "DELETE_IN_PROGRESS",
        "DELETE_COMPLETE",
    ];
    let mut answers = vec![(200, ok())];
    answers.extend(states.map(|state| (200, if state.is_empty() { ok() } else { described(&id, state) })));
    script(&mut world, &answers);
    settle(&mut world);
    let mut said = Vec::new();
    for _ in 0..4 {
        world.advance(Duration::from_secs(20));
        said.extend(settle(&mut world));
    }
    assert_eq!(names(&said), ["StackFailed", "StackFailed", "StackDeleted"]);
    let part =
        |event: &Event, name: &str| event.read::<serde_json::Value>().unwrap()[name].as_str().unwrap().to_owned();
    assert_eq!(part(&said[0], "reason"), "CloudFormation: ROLLBACK_COMPLETE: because of & it");
    assert_eq!(part(&said[1], "reason"), "CloudFormation: DELETE_FAILED: because of & it");
    assert_eq!([0, 1, 2].map(|number| part(&said[number], "state")), ["CREATING", "DELETING", "FAILED"]);
}

#[test]
fn credentials_that_are_not_taken_cost_no_stack() {
    let (mut world, id) = ordered();
    script(
        &mut world,
        &[
            (403, error("InvalidClientTokenId", "The security token included in the request is invalid.")),
            (200, ok()),
            (400, error("RequestExpired", "Request has expired.")),
            (403, error("ExpiredToken", "The security token included in the request is expired")),
            (403, "<html>a proxy's own</html>".to_owned()),
            (200, described(&id, "CREATE_COMPLETE")),
        ],
    );
    let mut said = settle(&mut world);
    for _ in 0..5 {
        world.advance(Duration::from_secs(120));
        said.extend(settle(&mut world));
    }
    assert_eq!(names(&said), ["StackCreated", "StackWarm"]);
    let warned = world.logs().iter().filter(|line| line.level == Level::Warn);
    let advised = warned.filter(|line| line.fields.iter().any(|(_, value)| value.contains("SIGHUP")));
    assert_eq!(advised.count(), 4);
}
