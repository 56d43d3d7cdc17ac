//! Stacks of CloudFormation, over its own protocol, against moto: many trials from the request to the deleted stack, templates that fail or are rolled
//! back, and a daemon that is killed while stacks are made.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use trialbridge::storage::KeyRange;
use trialbridge::trials::Request;

use crate::support::moto::Moto;
use crate::support::process::Process;
use crate::support::server::receive;
use crate::support::{PATIENCE, World, of_type, plugin, repository, stacks};

/// How many trials there are.
const TRIALS: usize = 50;

/// How many stacks are kept warm for them.
const WARM: usize = 8;

/// How often the daemon is killed.
const KILLS: usize = 6;

/// A queue whose URL is that of the stack.
const TEMPLATE: &str =
    r#"{"Resources":{"Queue":{"Type":"AWS::SQS::Queue"}},"Outputs":{"Url":{"Value":{"Ref":"Queue"}}}}"#;

/// A queue, and then a bucket with a name that buckets cannot have.
const IMPOSSIBLE: &str = r#"{"Resources":{"Queue":{"Type":"AWS::SQS::Queue"},
    "Bucket":{"Type":"AWS::S3::Bucket","DependsOn":"Queue","Properties":{"BucketName":"No"}}}}"#;

/// The rest of the tables of stack-manager: a destination that the host signs for, and pools. moto takes any credentials; these are not the name of
/// the project, because a secret is taken out of answers wherever it stands.
fn settings(port: u16, pools: &str) -> String {
    format!(
        r#"
http = [{{ url = "http://127.0.0.1:{port}", methods = ["POST"], time = "30s", sign = {{ aws = {{ service = "cloudformation", region = "eu-central-1", access-key-id = "aws-id", secret-access-key = "aws-key" }} }} }}]

{pools}

[secrets]
aws-id = {{ env = "CARGO_PKG_LICENSE" }}
aws-key = {{ env = "CARGO_PKG_LICENSE" }}
"#
    )
}

/// The pool of a type; `more` is what is said besides.
fn pool(name: &str, warm: usize, port: u16, more: &str) -> String {
    format!(
        r#"
[plugins.stack-manager.config.pools.{name}]
warm = {warm}
poll-interval = "500ms"
{more}
[plugins.stack-manager.config.pools.{name}.cloudformation]
endpoint = "http://127.0.0.1:{port}"
owner = "trials-test"
template-body = '''{TEMPLATE}'''
tags = {{ Team = "trials & co" }}
"#
    )
}

/// A daemon with the plugins that matter here.
async fn world(rules: &str) -> World {
    let plugins: [(&str, &[u8]); 2] =
        [("assign-trial", &plugin("assign-trial")), ("stack-manager", &plugin("stack-manager"))];
    World::new(rules, &plugins).await
}

/// The names of the stacks that the daemon holds for warm.
fn warm(world: &World) -> Vec<String> {
    let stored = world.storage().scan(&KeyRange::kv("pool", ""), usize::MAX).unwrap();
    let names = stored.into_iter().filter(|(_, stored)| stored.value.ends_with(b"\"WARM\"}")).map(|(key, _)| {
        let trialbridge::storage::Key::Kv { key, .. } = key else { panic!("{key} is not in a bucket") };
        format!("trialbridge-{}", key.split_once('/').unwrap().1)
    });
    names.collect()
}

fn request(trial_type: &str, number: usize) -> Request {
    Request {
        lead_id: format!("lead-{number}"),
        trial_type: trial_type.to_owned(),
        ttl: Some(Duration::from_secs(3600)),
        ..Request::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_trials_leave_the_warm_stacks_and_no_others() {
    let moto = Moto::start().await;
    let pools = pool("CLOUD", WARM, moto.port, "");
    let world = world(&stacks::rules(&["CLOUD"], &settings(moto.port, &pools))).await;
    for number in 0..TRIALS {
        world.host.trials().request(request("CLOUD", number)).await.unwrap();
    }
    let count = |detail_type| of_type(&world.journal(), detail_type).len();
    stacks::until(&world, "all are assigned", || count("TrialAssigned") == TRIALS).await;
    stacks::until(&world, "the pool is full", || warm(&world).len() == WARM).await;
    assert_eq!(moto.stacks().await.len(), TRIALS + WARM);
    let assigned = of_type(&world.journal(), "TrialAssigned");
    let urls: BTreeSet<&str> = assigned.iter().map(|detail| detail["url"].as_str().unwrap()).collect();
    assert_eq!(urls.len(), TRIALS);
    assert!(urls.iter().all(|url| url.starts_with("https://sqs.eu-central-1.amazonaws.com/")), "{urls:?}");

    world.clock.advance(Duration::from_secs(3600));
    stacks::until(&world, "all are deleted", || count("StackDeleted") == TRIALS).await;
    stacks::until(&world, "the pool is full", || warm(&world).len() == WARM).await;
    world.settle().await;
    assert_eq!(moto.stacks().await, warm(&world));
    assert_eq!(world.dead_letters().await, [Value::Null; 0]);

    // One goes and two come by other hands: one of them is marked as if it were this daemon's, and the other is somebody else's.
    let gone = warm(&world).remove(0);
    moto.ask("DeleteStack", &[("StackName", &gone)]).await;
    for (name, owner) in [("trialbridge-cloud-stranger", "trials-test"), ("trialbridge-cloud-other", "trials-other")] {
        let stack_id = name.strip_prefix("trialbridge-").unwrap();
        let mut stack = vec![("StackName", name), ("TemplateBody", TEMPLATE)];
        stack.extend([("Tags.member.1.Key", "trialbridge:owner"), ("Tags.member.1.Value", owner)]);
        stack.extend([("Tags.member.2.Key", "trialbridge:stack-id"), ("Tags.member.2.Value", stack_id)]);
        moto.ask("CreateStack", &stack).await;
    }
    world.clock.advance(Duration::from_secs(60));
    let failed = world.wait_for_event("StackFailed").await;
    assert_eq!(
        (format!("trialbridge-{}", failed["stackId"].as_str().unwrap()), &failed["state"]),
        (gone, &json!("WARM"))
    );
    let started = Instant::now();
    loop {
        let mut expected = warm(&world);
        expected.push("trialbridge-cloud-other".to_owned());
        expected.sort();
        let listed = moto.stacks().await;
        if listed == expected && listed.len() == WARM + 1 {
            break;
        }
        assert!(started.elapsed() < PATIENCE, "{listed:?} are there, and {expected:?} should be");
        world.clock.advance(Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.host.shutdown().await;
}

/// Passes requests on to moto, and says of every stack that was made that it was rolled back, and of the first that is to be deleted that this failed, until
/// it is asked again. moto itself knows neither.
async fn rolling_back(moto: u16) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let client = reqwest::Client::new();
    let stuck = Arc::new(Mutex::new(None::<String>));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (client, stuck) = (client.clone(), stuck.clone());
            tokio::spawn(async move {
                let mut seen = receive(&mut stream).await?;
                let field = |name: &str| {
                    let mut fields = form_urlencoded::parse(seen.body.as_bytes());
                    fields.find(|(field, _)| field == name).map(|(_, value)| value.into_owned())
                };
                let (action, stack) = (field("Action"), field("StackName"));
                let state = {
                    let mut stuck = stuck.lock().unwrap();
                    if action.as_deref() == Some("DeleteStack") && stuck.is_none() {
                        stuck.clone_from(&stack);
                        seen.body = seen.body.replace("DeleteStack", "DescribeStacks");
                    }
                    if stuck.is_some() && *stuck == stack { "DELETE_FAILED" } else { "ROLLBACK_COMPLETE" }
                };
                let header = |name: &str| seen.header(name).unwrap_or_default().to_owned();
                let request = client.post(format!("http://127.0.0.1:{moto}/")).body(seen.body.clone());
                let request = request.header("authorization", header("authorization"));
                let answer = request.header("content-type", header("content-type")).send().await.ok()?;
                let status = answer.status().as_u16();
                let text = answer.text().await.ok()?;
                let text = text.replace(
                    "<StackStatus>CREATE_COMPLETE</StackStatus>",
                    &format!("<StackStatus>{state}</StackStatus><StackStatusReason>The following resource(s) failed: [Queue].</StackStatusReason>"),
                );
                let length = text.len();
                let answer = format!(
                    "HTTP/1.1 {status} X\r\ncontent-type: text/xml\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{text}"
                );
                stream.write_all(answer.as_bytes()).await.ok()?;
                stream.shutdown().await.ok()
            });
        }
    });
    port
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_that_rolls_back_fails_the_trial_and_leaves_nothing() {
    let moto = Moto::start().await;
    let port = rolling_back(moto.port).await;
    let pools = pool("BROKEN", 1, port, "retry-budget = 2");
    let rules = stacks::rules(&["BROKEN"], &settings(port, &pools));
    let reason = "CloudFormation: ROLLBACK_COMPLETE: The following resource(s) failed: [Queue].";
    let undeleted = fails(&moto, &rules, reason).await;
    let reason = "CloudFormation: DELETE_FAILED: The following resource(s) failed: [Queue].";
    assert_eq!(undeleted, [json!(reason)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_template_with_what_aws_refuses_fails_the_trial_and_leaves_nothing() {
    let moto = Moto::start().await;
    let pools = pool("BROKEN", 1, moto.port, "retry-budget = 2").replace(TEMPLATE, IMPOSSIBLE);
    let rules = stacks::rules(&["BROKEN"], &settings(moto.port, &pools));
    // moto says so at once, and leaves what it has made so far.
    let reason = "CloudFormation answered 400 InvalidBucketName: The specified bucket is not valid.";
    assert_eq!(fails(&moto, &rules, reason).await, [Value::Null; 0]);
}

/// Requests a trial whose stacks fail for this reason. Why stacks could not be deleted at first; in the end all are.
async fn fails(moto: &Moto, rules: &str, reason: &str) -> Vec<Value> {
    let world = world(&rules.replace("wait-seconds = 3600", "wait-seconds = 120")).await;
    world.host.trials().request(request("BROKEN", 1)).await.unwrap();
    let count = |detail_type| of_type(&world.journal(), detail_type).len();
    stacks::until(&world, "the trial failed", || count("TrialAssignmentFailed") == 1).await;
    let failed = || {
        of_type(&world.journal(), "StackFailed")
            .into_iter()
            .partition::<Vec<_>, _>(|failed| failed["state"] == "CREATING")
    };
    stacks::until(&world, "all are deleted", || count("StackDeleted") == failed().0.len()).await;
    let (created, deleted) = failed();
    assert!(created.len() >= 2, "it was tried again");
    assert!(created.iter().all(|failed| failed["reason"].as_str().unwrap().ends_with(reason)), "{created:?}");
    assert_eq!(moto.stacks().await, [""; 0]);
    assert_eq!(world.storage().scan(&KeyRange::kv("stacks", ""), usize::MAX).unwrap().len(), 0);
    world.host.shutdown().await;
    deleted.iter().map(|failed| failed["reason"].clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_is_killed_while_stacks_are_made_loses_none() {
    let moto = Moto::start().await;
    let folder = tempfile::tempdir().unwrap();
    let (config, data) = (folder.path().join("rules.toml"), folder.path().join("data"));
    let rules =
        stacks::rules(&["CLOUD"], &settings(moto.port, &pool("CLOUD", 20, moto.port, "concurrent-creations = 3")));
    std::fs::write(&config, rules).unwrap();
    for round in 0..KILLS {
        let mut daemon = Process::start(&config, &repository().join("plugins"), &data);
        let started = Instant::now();
        // What is under way by then differs from run to run; what must hold does not.
        while moto.stacks().await.len() < 1 + 2 * round {
            assert!(started.elapsed() < PATIENCE, "no stack is made");
        }
        daemon.kill();
        assert!(moto.stacks().await.len() < 20, "it is killed while stacks are made");
    }
    let daemon = Process::start(&config, &repository().join("plugins"), &data);
    let started = Instant::now();
    loop {
        let text = reqwest::get(format!("{}/events?limit=1000", daemon.url)).await.unwrap().text().await.unwrap();
        let page: Value = serde_json::from_str(&text).unwrap();
        let events = page["events"].as_array().unwrap();
        let warm = events.iter().map(|entry| &entry["event"]).filter(|event| event["detail-type"] == "StackWarm");
        let warm: BTreeSet<String> =
            warm.map(|event| format!("trialbridge-{}", event["detail"]["stackId"].as_str().unwrap())).collect();
        if warm.len() == 20 {
            let listed: BTreeSet<String> = moto.stacks().await.into_iter().collect();
            assert_eq!(listed, warm, "every stack is known, and every one that is known is there");
            return;
        }
        assert!(warm.len() < 20, "no stack is made twice: {warm:?}");
        assert!(started.elapsed() < PATIENCE * 3, "the pool does not fill: {warm:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
