//! The plugin against a host in memory.

use std::time::Duration;

use serde_json::{Value, json};
use trialbridge_plugin::http::{Error, Request, Response};
use trialbridge_plugin::testing::World;
use trialbridge_plugin::{Event, Failure, Level};

use crate::Slack;
use crate::text::length;

const HOOK: &str = "https://hooks.slack.com/services/T0/B0/x";
const METHOD: &str = "https://slack.com/api/chat.postMessage";

fn world(config: Value) -> World<Slack> {
    // What one test was asked to wait for is nothing to the next.
    crate::pace::restart();
    crate::sent::restart();
    let mut world = World::new();
    world.configure(config);
    world
}

fn hook() -> World<Slack> {
    world(json!({ "webhook": HOOK }))
}

fn bot() -> World<Slack> {
    world(json!({ "token": "secret-slack-00", "channel": "C1" }))
}

fn assigned(world: &mut World<Slack>, lead: &str) -> Event {
    let trial = world.request("t1", lead, "ACS", Duration::from_secs(60));
    let mut detail = trial.detail();
    detail.insert("url".to_owned(), json!("https://x/stacks/1/?a=1&b=2"));
    detail.insert("secondsToAssign".to_owned(), json!(0.25));
    world.event("OnlineTrial", "TrialAssigned", detail)
}

fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).expect("a message is JSON")
}

fn answer(status: u16, body: &str, headers: &[(&str, &str)]) -> Result<Response, Error> {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Ok(Response { headers, ..Response::new(status, body) })
}

#[test]
fn an_assigned_trial_is_told_once() {
    let mut world = hook();
    world.answer("POST", HOOK, answer(200, "ok", &[]));
    let event = assigned(&mut world, "<!channel>");
    world.attempt(&event, 1).expect("it is sent");
    world.attempt(&event, 2).expect("it was sent");
    assert_eq!(world.requests().len(), 1);
    assert_eq!(world.requests()[0].headers[0].1, "application/json; charset=utf-8");
    let id = &event.id;
    assert_eq!(
        body(&world.requests()[0]),
        json!({
            "text": "Lead &lt;!channel&gt; has a trial of ACS",
            "blocks": [
                { "type": "header", "text": { "type": "plain_text", "text": "Trial assigned: ACS", "emoji": true } },
                { "type": "section", "text": { "type": "mrkdwn",
                    "text": "Lead *&lt;!channel&gt;* can begin: https://x/stacks/1/?a=1&amp;b=2" } },
                // There is no stack, and so nothing about it.
                { "type": "section", "fields": [
                    { "type": "mrkdwn", "text": "*Trial*\nt1" },
                    { "type": "mrkdwn",
                      "text": "*Ends*\n<!date^1589379639^{date_short_pretty} {time}|2020-05-13T14:20:39Z>" },
                    { "type": "mrkdwn", "text": "*Seconds to assign*\n0.25" },
                ] },
                { "type": "context", "elements": [{ "type": "mrkdwn", "text": format!("TrialAssigned {id}") }] },
            ],
        })
    );
}

#[test]
fn what_was_sent_and_not_committed_is_not_sent_again() {
    let mut world = hook();
    world.answer("POST", HOOK, answer(200, "ok", &[]));
    let event = assigned(&mut world, "1234567890");
    world.attempt(&event, 1).expect("it is sent");
    for key in world.keys("slack").into_iter().map(str::to_owned).collect::<Vec<_>>() {
        world.delete("slack", &key);
    }
    world.attempt(&event, 1).expect("it is noted");
    assert_eq!((world.requests().len(), world.keys("slack").len()), (1, 2));
}

#[test]
fn a_bot_writes_into_its_channel() {
    let mut world = bot();
    world.answer("POST", METHOD, answer(200, r#"{"ok":true,"ts":"1.2"}"#, &[]));
    let event = assigned(&mut world, "1234567890");
    world.attempt(&event, 1).expect("it is sent");
    let request = &world.requests()[0];
    assert!(request.headers.contains(&("Authorization".to_owned(), "Bearer secret-slack-00".to_owned())));
    assert_eq!(body(request)["channel"], "C1");
}

#[test]
fn any_event_can_have_a_message_and_the_rule_a_say_in_it() {
    let mut world = world(json!({
        "webhook": HOOK,
        "messages": { "StackFailed": { "text": "{{source}}: {{detail.reason}}", "context": ["{{input.team}}", "{{input.no}}"] } },
    }));
    world.answer("POST", HOOK, answer(200, "ok", &[]));
    world.set_input(json!({ "team": "ops" }));
    world.handle("stack-manager", "StackFailed", json!({ "reason": "a < b" })).expect("it is sent");
    assert_eq!(
        body(&world.requests()[0]),
        json!({ "text": "stack-manager: a &lt; b",
            "blocks": [{ "type": "context", "elements": [{ "type": "mrkdwn", "text": "ops" }] }] })
    );
    world.handle("somebody", "Something", json!({})).expect("it is ignored");
    assert_eq!((world.requests().len(), world.logged(Level::Warn)), (1, 1));
}

#[test]
fn nothing_exceeds_the_limits_of_slack() {
    let long = "🎉&{{detail.long}}";
    let many = vec![long; 70];
    let mut world = world(json!({
        "webhook": HOOK,
        "messages": { "Much": { "text": long, "header": long, "sections": many, "fields": many, "context": many } },
    }));
    world.answer("POST", HOOK, answer(200, "ok", &[]));
    world.handle("test", "Much", json!({ "long": "<&>é\n".repeat(20_000) })).expect("it is sent");
    let message = body(&world.requests()[0]);
    assert!(length(message["text"].as_str().expect("a text")) <= 40_000);
    let blocks = message["blocks"].as_array().expect("blocks");
    assert_eq!(blocks.len(), 50);
    for block in blocks {
        let most = if block["type"] == "header" { 150 } else { 3000 };
        assert!(length(block["text"]["text"].as_str().expect("a text")) <= most, "{block}");
    }
}

/// What becomes of a message that is answered so, by a webhook or by a method.
fn check(mut world: World<Slack>, status: u16, said: &str, headers: &[(&str, &str)], expected: &Failure) {
    for url in [HOOK, METHOD] {
        world.answer("POST", url, answer(status, said, headers));
    }
    let event = assigned(&mut world, "1234567890");
    assert_eq!(world.attempt(&event, 1).as_ref(), Err(expected), "{status} {said}");
    assert_eq!(world.keys("slack").len(), 0);
}

#[test]
fn what_slack_says_is_understood() {
    let permanent = |reason: &str| Failure::Permanent(reason.to_owned());
    let retry = |reason: &str| Failure::Retry(reason.to_owned());
    let after = |seconds, reason: &str| Failure::RetryAfter(Duration::from_secs(seconds), reason.to_owned());
    for (status, said, headers, expected) in [
        (429, "rate_limited", &[("retry-after", "7")][..], after(7, "Slack asked for a pause of 7 s: 429 ratelimited")),
        (429, "", &[], after(30, "Slack asked for a pause of 30 s: 429 ratelimited")),
        (503, "<html>", &[], retry("Slack cannot take the message now: 503 ")),
        (500, "rollup_error", &[], retry("Slack cannot take the message now: 500 rollup_error")),
        (
            404,
            "no_service",
            &[],
            permanent(
                "Slack refused the message: 404 no_service: the webhook was removed or disabled; make a new one and change the secret",
            ),
        ),
        (400, "odd_thing", &[], permanent("Slack refused the message: 400 odd_thing")),
        (403, "<html>no</html>", &[], permanent("Slack refused the message: 403")),
    ] {
        check(hook(), status, said, headers, &expected);
    }
    for (status, said, headers, expected) in [
        (
            200,
            r#"{"ok":false,"error":"ratelimited"}"#,
            &[("Retry-After", "3")][..],
            after(3, "Slack asked for a pause of 3 s: 200 ratelimited"),
        ),
        (
            200,
            r#"{"ok":false,"error":"fatal_error"}"#,
            &[],
            retry("Slack cannot take the message now: 200 fatal_error"),
        ),
        (
            200,
            r#"{"ok":false,"error":"invalid_blocks","response_metadata":{"messages":["[ERROR] must be shorter"]}}"#,
            &[],
            permanent(
                "Slack refused the message: 200 invalid_blocks ([ERROR] must be shorter): a text of the message is malformed; mend messages in the configuration",
            ),
        ),
        (
            200,
            r#"{"ok":false,"error":"channel_not_found"}"#,
            &[],
            permanent(
                "Slack refused the message: 200 channel_not_found: there is no such channel, or the bot cannot see it; mend channel, or invite the bot",
            ),
        ),
        (200, "<html>", &[], retry("the answer, 200, is not one of Slack's; is a proxy between?")),
    ] {
        check(bot(), status, said, headers, &expected);
    }
    let mut world = hook();
    world.answer("POST", HOOK, Err(Error::Failed("nobody answered".to_owned())));
    let event = assigned(&mut world, "1234567890");
    assert_eq!(world.attempt(&event, 1), Err(retry("nobody answered")));
}

#[test]
fn a_pause_is_kept_by_those_who_come_meanwhile() {
    let mut world = hook();
    world.answer("POST", HOOK, answer(429, "", &[("retry-after", "5")]));
    world.answer("POST", HOOK, answer(200, "ok", &[]));
    let first = assigned(&mut world, "1");
    let second = assigned(&mut world, "2");
    assert!(matches!(world.attempt(&first, 1), Err(Failure::RetryAfter(wait, _)) if wait.as_secs() == 5));
    assert!(matches!(world.attempt(&second, 1), Err(Failure::RetryAfter(wait, _)) if wait.as_secs() == 6));
    assert_eq!(world.requests().len(), 1);
    world.advance(Duration::from_secs(5));
    world.attempt(&first, 2).expect("the pause is over");
    world.advance(Duration::from_secs(1));
    world.attempt(&second, 2).expect("it is its turn");
    assert_eq!(world.requests().len(), 3);
}

#[test]
fn old_notes_are_forgotten() {
    let mut world = world(json!({ "webhook": HOOK, "remember-days": 1 }));
    world.answer("POST", HOOK, answer(200, "ok", &[]));
    for lead in ["1", "2"] {
        let event = assigned(&mut world, lead);
        world.attempt(&event, 1).expect("it is sent");
        world.advance(Duration::from_secs(12 * 3600 + 1));
    }
    assert_eq!(world.keys("slack").len(), 4);
    world.handle("trialbridge", "Scheduled Event", json!({})).expect("it forgets");
    let keys = world.keys("slack");
    assert!(keys.len() == 2 && keys.iter().any(|key| key.starts_with("sent/slack/")), "{keys:?}");
    assert_eq!(world.requests().len(), 2);
}

#[test]
fn a_wrong_configuration_is_named() {
    let message = |messages: Value| json!({ "webhook": HOOK, "messages": messages });
    for (config, expected) in [
        (json!({}), "there is neither a webhook nor a token; add webhook = \"${secret:NAME}\", or token and channel"),
        (json!({ "webhook": HOOK, "token": "x" }), "there are a webhook and a token; keep one of them"),
        (json!({ "webhook": HOOK, "channel": "x" }), "channel: a webhook has its own channel; remove this"),
        (json!({ "token": "x" }), "channel: a token needs to know where to write; add channel = \"C0123456789\""),
        (json!({ "webhook": "x" }), "webhook: must be a URL, and so must be the secret that it comes from"),
        (json!({ "webhook": HOOK, "remember-days": 0 }), "remember-days: 0 is not between 1 and 366"),
        (message(json!({ "X": { "header": "x" } })), "messages.X: missing field `text`"),
        (message(json!({ "X": { "text": " " } })), "messages.X.text: is empty, and is what notifications show"),
        (
            message(json!({ "X": { "text": "x", "fields": ["a", "{{b"] } })),
            "messages.X.fields[1]: `{{b` has no end; close it with }}",
        ),
        (
            json!({ "webhok": HOOK }),
            "webhok: unknown field `webhok`, expected one of `webhook`, `token`, `channel`, `api`, `remember-days`, `messages`",
        ),
    ] {
        let mut world = world(config);
        let failed = world.handle("OnlineTrial", "TrialAssigned", json!({})).expect_err("it is wrong");
        assert_eq!(failed, Failure::Permanent(format!("[plugins.slack.config]: {expected}")));
    }
}
