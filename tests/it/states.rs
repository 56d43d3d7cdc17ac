//! Definitions in rules.toml: they wait through restarts, retry, catch, and bad ones are refused.

use std::time::Duration;

use serde_json::{Value, json};
use trialbridge::trials::Request;

use crate::support::process::command;
use crate::support::server::Server;
use crate::support::{World, install, of_type, plugin};

/// Rules with assign-trial alone, and this definition.
fn rules(definition: &str, grants: &str) -> String {
    format!(
        r#"
[trials.ACS]
default-ttl = "14d"
minimum-ttl = "1s"
maximum-ttl = "90d"

[stacks]
folder = "${{data}}/stacks"

[plugins.assign-trial]
trials = "read-write"
emit = ["OnlineTrial", "assign-trial"]
kv = {{ pool = "read-write", stacks = "read-write", assignments = "read-write", waiting = "read-write", history = "read-write" }}
folders = {{ stacks = {{ path = "${{data}}/stacks", access = "read" }} }}
{grants}

[plugins.assign-trial.config]
definition = '''{definition}'''

[[rules]]
name = "assign-trial"
event-pattern = {{ source = ["OnlineTrial", "assign-trial"], detail-type = ["TrialRequested", "TrialExpired", "TrialCancelled", "ExecutionContinued", "HistoryOutdated"] }}
targets = ["assign-trial"]
"#
    )
}

async fn request(world: &World) -> String {
    let request = Request { lead_id: "lead-1".to_owned(), trial_type: "ACS".to_owned(), ..Request::default() };
    world.host.trials().request(request).await.unwrap().trial.trial_id
}

async fn history(world: &World, id: &str) -> Value {
    let answer = reqwest::get(format!("http://{}/trials/{id}/history", world.host.address())).await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.json().await.unwrap()
}

/// The entries of a history: states and events.
fn steps(history: &Value) -> Vec<String> {
    let entries = history["entries"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    entries.map(|entry| format!("{} {}", text(&entry["state"]), text(&entry["event"]))).collect()
}

#[tokio::test]
async fn a_wait_of_days_survives_restarts() {
    let definition = json!({ "StartAt": "Wait", "States": {
        "Wait": { "Type": "Wait", "Seconds": 3 * 24 * 60 * 60, "Next": "Say" },
        "Say": { "Type": "Task", "Resource": "emitEvent", "Parameters": { "detailType": "Waited" }, "End": true },
    } });
    let world = World::on_disk(&rules(&definition.to_string(), "")).await;
    install(&make(world.plugins()), "assign-trial", &plugin("assign-trial"));
    let world = world.restart_after(Duration::ZERO).await;
    let id = request(&world).await;
    world.settle().await;
    let waiting = history(&world, &id).await;
    assert_eq!(steps(&waiting), [" ExecutionStarted", "Wait StateEntered", "Wait WaitStarted"]);

    let cancelled = request(&world).await;
    world.settle().await;
    world.host.trials().cancel(&cancelled).await.unwrap();
    let failed = world.wait_for_event("TrialAssignmentFailed").await;
    assert_eq!(failed["reason"], "the trial was cancelled before a stack was assigned");
    world.settle().await;
    assert_eq!(steps(&history(&world, &cancelled).await).last().map(String::as_str), Some(" ExecutionAborted"));

    let world = world.restart_after(Duration::from_secs(2 * 24 * 60 * 60)).await;
    world.settle().await;
    world
        .wait_until("the history of the stopped one is gone", || {
            world.kv("history", &format!("{cancelled}/assign-trial")).is_none()
        })
        .await;
    assert!(of_type(&world.journal(), "Waited").is_empty());
    let world = world.restart_after(Duration::from_secs(24 * 60 * 60)).await;
    assert_eq!(world.wait_for_event("Waited").await["trialId"], json!(id));
    world.settle().await;
    let ended = history(&world, &id).await;
    assert_eq!(steps(&ended).last().map(String::as_str), Some(" ExecutionSucceeded"));
    let end = ended["entries"].as_array().unwrap().last().unwrap();
    assert_eq!((&end["at"], &end["plugin"]), (&json!(1_589_379_579.0 + 259_200.0), &json!("assign-trial")));

    // The history goes with the trial.
    world.host.trials().cancel(&id).await.unwrap();
    world.settle().await;
    let url = format!("http://{}/trials/{id}/history", world.host.address());
    assert_eq!(reqwest::get(url).await.unwrap().status(), 404);
    world.host.shutdown().await;
}

#[tokio::test]
async fn requests_are_retried_and_what_fails_for_good_is_caught() {
    let server = Server::http().await;
    let request_to = |path: &str, next: &str| {
        json!({
            "Type": "Task", "Resource": "httpRequest", "ResultPath": "$.answer", "Next": next,
            "Parameters": { "method": "POST", "url": format!("http://127.0.0.1:{}{path}", server.port), "body": { "lead.$": "$.trial.leadId" } },
            "Retry": [{ "ErrorEquals": ["States.Http.StatusCode.503"], "IntervalSeconds": 10, "BackoffRate": 3.0, "MaxAttempts": 2 }],
            "Catch": [{ "ErrorEquals": ["States.TaskFailed"], "ResultPath": "$.error", "Next": "Fail" }],
        })
    };
    let definition = json!({ "StartAt": "Twice", "States": {
        "Twice": request_to("/failing?2", "Ever"),
        "Ever": request_to("/failing?99", "Unreached"),
        "Unreached": { "Type": "Succeed" },
        "Fail": {
            "Type": "Task", "Resource": "emitEvent", "End": true,
            "Parameters": { "detailType": "TrialAssignmentFailed", "detail": { "reason.$": "$.error.Error" } },
        },
    } });
    let grants = format!(r#"http = ["http://127.0.0.1:{}"]"#, server.port);
    let world =
        World::new(&rules(&definition.to_string(), &grants), &[("assign-trial", &plugin("assign-trial"))]).await;
    let id = request(&world).await;
    // A retry of either state: 10 s after the first attempt, 30 s after the second.
    for (sent, wait) in [(1, 10), (2, 30), (4, 10), (5, 30)] {
        world.wait_until("a request is sent and its retry is set", || server.seen().len() == sent).await;
        world.settle().await;
        world.clock.advance(Duration::from_secs(wait - 1));
        world.settle().await;
        assert_eq!(server.seen().len(), sent, "it is not sent before its time");
        world.clock.advance(Duration::from_secs(1));
    }
    let failed = world.wait_for_event("TrialAssignmentFailed").await;
    assert_eq!((&failed["trialId"], &failed["reason"]), (&json!(id), &json!("States.Http.StatusCode.503")));
    let keys: Vec<_> = server.seen().iter().map(|seen| seen.header("idempotency-key").unwrap().to_owned()).collect();
    assert!(keys[..3].iter().all(|key| *key == keys[0]) && keys[3..].iter().all(|key| *key == keys[3]), "{keys:?}");
    assert_ne!(keys[0], keys[3]);

    world.settle().await;
    let server_url = format!("http://{}", world.host.address());
    let shown = tokio::task::spawn_blocking(move || {
        command().args(["trial", "history", &id]).env("TRIALBRIDGE_SERVER", server_url).output().unwrap()
    });
    let shown = shown.await.unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    let line = shown.lines().find(|line| line.contains("ErrorCaught")).unwrap();
    assert!(
        line.contains("Ever") && line.contains("error=States.Http.StatusCode.503") && line.contains("next=Fail"),
        "{shown}"
    );
    assert_eq!(shown.matches("RetryScheduled").count(), 4, "{shown}");
    world.host.shutdown().await;
}

#[tokio::test]
async fn a_bad_definition_is_refused_and_the_one_before_serves() {
    let say = |word: &str, next: &str| {
        let state =
            json!({ "Type": "Task", "Resource": "emitEvent", "Parameters": { "detailType": word }, "Next": next });
        json!({ "StartAt": "Say", "States": { "Say": state, "Done": { "Type": "Succeed" } } }).to_string()
    };
    let world = World::new(&rules(&say("Good", "Done"), ""), &[("assign-trial", &plugin("assign-trial"))]).await;
    let write = |definition: &str| {
        std::fs::write(world.folder.path().join("rules.toml"), rules(definition, "")).unwrap();
    };
    write(&say("Bad", "Dnoe"));
    let refused = world.wait_for_event("RulesRejected").await["error"].to_string().replace('\\', "");
    assert!(refused.contains(r#"$.States.Say.Next: there is no state "Dnoe"; did you mean "Done"?"#), "{refused}");
    request(&world).await;
    world.wait_for_event("Good").await;

    let checked = {
        let (config, plugins) = (world.folder.path().join("rules.toml"), world.plugins());
        let data = world.folder.path().join("elsewhere");
        tokio::task::spawn_blocking(move || {
            let mut check = command();
            check.arg("check").arg("--config").arg(config).arg("--plugins").arg(plugins).arg("--data").arg(data);
            check.output().unwrap()
        })
    };
    let checked = checked.await.unwrap();
    let said = String::from_utf8_lossy(&checked.stdout).into_owned() + &String::from_utf8_lossy(&checked.stderr);
    assert!(!checked.status.success() && said.contains("$.States.Say.Next: there is no state \"Dnoe\""), "{said}");

    write(&say("Better", "Done"));
    world.wait_for_event("RulesReloaded").await;
    request(&world).await;
    world.wait_for_event("Better").await;
    world.host.shutdown().await;
}

fn make(folder: std::path::PathBuf) -> std::path::PathBuf {
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
