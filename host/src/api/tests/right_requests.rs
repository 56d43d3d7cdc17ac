//! What is answered when everything is right.

use serde_json::{Value, json};

use super::{World, request};

#[tokio::test]
async fn a_trial_is_requested_seen_extended_and_cancelled() {
    let world = World::new();
    let body = r#"{"leadId":"1234567890","type":"ACS","ttl":"30s"}"#;
    let answer =
        world.send(request("POST", "/trials", &[("content-type", "application/json; charset=UTF-8")], body)).await;
    let trial = answer.json();
    let id = trial["trialId"].as_str().expect("it has an id").to_owned();
    assert_eq!(answer.status, 201);
    assert_eq!(answer.header("location"), format!("/trials/{id}"));
    assert_eq!(answer.header("etag"), format!("\"{}\"", trial["version"]));
    let expected = json!({
        "version": trial["version"], "trialId": id, "leadId": "1234567890", "type": "ACS",
        "requestedAt": 1_589_379_579, "status": "REQUESTED", "expiresAt": 1_589_379_609
    });
    assert_eq!(trial, expected);
    assert_eq!(world.get(&format!("/trials/{id}")).await.json(), expected);

    let extended = world.put("PATCH", &format!("/trials/{id}"), r#"{"ttl":90.5}"#).await;
    assert_eq!(extended.status, 200);
    assert_eq!(extended.json()["expiresAt"], json!(1_589_379_669.5));
    let cancelled = world.put("DELETE", &format!("/trials/{id}"), "").await;
    assert_eq!((cancelled.status.as_u16(), cancelled.json()), (200, extended.json()));
    assert_eq!(world.get(&format!("/trials/{id}")).await.status, 404);
    let events = world.get("/events").await.json();
    let kinds: Vec<&Value> =
        events["events"].as_array().expect("a list").iter().map(|e| &e["event"]["detail-type"]).collect();
    assert_eq!(kinds, ["TrialRequested", "TrialExtended", "TrialCancelled"]);
}

#[tokio::test]
async fn asking_twice_makes_one_trial() {
    let world = World::new();
    let body = r#"{"leadId":"1","type":"ACS","ttl":60}"#;
    let headers = [("content-type", "application/json"), ("idempotency-key", "order 17")];
    let first = world.send(request("POST", "/trials", &headers, body)).await;
    let second = world.send(request("POST", "/trials", &headers, body)).await;
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (201, 200));
    assert_eq!(first.json(), second.json());
    assert_eq!(second.header("location"), first.header("location"));
    assert_eq!(world.storage().last_sequence(), 1);
}

#[tokio::test]
async fn trials_are_listed_in_pages() {
    let world = World::new();
    for number in 0..5 {
        let body = format!(r#"{{"leadId":"1","type":"ACS","trialId":"t{number}"}}"#);
        world.put("POST", "/trials", &body).await;
    }
    for filter in ["", "&status=REQUESTED", "&type=ACS", "&status=REQUESTED&type=ACS"] {
        let (mut ids, mut after) = (Vec::new(), String::new());
        loop {
            let page = world.get(&format!("/trials?limit=2{filter}{after}")).await.json();
            let trials = page["trials"].as_array().expect("a list");
            ids.extend(trials.iter().map(|trial| trial["trialId"].as_str().expect("it has an id").to_owned()));
            let Some(next) = page["next"].as_str() else { break };
            after = format!("&after={next}");
        }
        assert_eq!(ids, ["t0", "t1", "t2", "t3", "t4"], "{filter}");
    }
    assert_eq!(world.get("/trials?status=ASSIGNED").await.json(), json!({ "trials": [], "next": null }));
    assert_eq!(world.get("/trials?type=XYZ").await.json(), json!({ "trials": [], "next": null }));
}

#[tokio::test]
async fn events_are_published_and_read_back() {
    let world = World::new();
    for number in 1..=3 {
        let body = format!(
            "{{\"source\":\"s{number}\",\"detail-type\":\"T\",\"id\":\"e{number}\",\"detail\":{{ \"trialId\":\"t{number}\"}}}}"
        );
        let answer = world.put("POST", "/events", &body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()),
            (202, json!({ "id": format!("e{number}"), "seq": number }))
        );
    }
    let first = json!({ "seq": 1, "event": {
        "version": "0", "id": "e1", "detail-type": "T", "source": "s1", "account": "000000000000",
        "time": "2020-05-13T14:19:39Z", "region": "local", "resources": [], "detail": { "trialId": "t1" }
    } });
    assert_eq!(world.get("/events?limit=1").await.json(), json!({ "events": [first], "next": 1 }));
    for (query, expected) in [
        ("", vec![1, 2, 3]),
        ("?after=1", vec![2, 3]),
        ("?after=99", vec![]),
        ("?source=s2", vec![2]),
        ("?detail-type=T&trialId=t3", vec![3]),
        ("?source=s1&trialId=t3", vec![]),
    ] {
        let page = world.get(&format!("/events{query}")).await.json();
        let sequences: Vec<u64> =
            page["events"].as_array().expect("a list").iter().filter_map(|e| e["seq"].as_u64()).collect();
        assert_eq!((sequences, &page["next"]), (expected, &Value::Null), "{query}");
    }
}

#[tokio::test]
async fn rules_and_plugins_are_shown() {
    let world = World::new();
    let page = world.get("/rules").await.json();
    assert_eq!(page["reload"], json!({ "file": "rules.toml", "reloadedAt": 1_589_379_579, "error": null }));
    let retry = json!({ "maximumAttempts": 185, "maximumAge": "1d", "minimumBackoff": "1s", "maximumBackoff": "5m" });
    let first = json!({
        "name": "assign-trial", "description": "A trial gets a stack", "enabled": true,
        "pattern": { "source": ["OnlineTrial"], "detail-type": ["TrialRequested"] }, "schedule": null,
        "targets": [{ "id": "assign-trial", "plugin": "assign-trial", "retry": retry }]
    });
    assert_eq!(page["rules"][0], first);
    assert_eq!(world.get("/rules/assign-trial").await.json(), first);
    assert_eq!(page["rules"][1]["schedule"], "rate(1 minute)");
    let targets = &page["rules"][1]["targets"];
    assert_eq!(targets[0]["input"], json!({ "pools": ["ACS"] }));
    assert_eq!(targets[1]["inputPath"], "$.time");
    let transformer = json!({ "inputPaths": { "at": "$.time" }, "template": "\"at <at>\"" });
    assert_eq!(targets[2]["inputTransformer"], transformer);
    let broken = world.get("/plugins/broken").await.json();
    assert_eq!((&broken["state"], &broken["error"]), (&json!("REJECTED"), &json!("it is no component")));
    assert_eq!(world.get("/plugins").await.json(), json!({ "plugins": [broken] }));
}

#[tokio::test]
async fn rules_are_explained() {
    let world = World::new();
    let event = r#"{"source":"OnlineTrial","detail-type":"TrialExpired","id":"e1","detail":{}}"#;
    world.put("POST", "/events", event).await;
    let miss = json!({ "field": "detail-type", "seen": ["TrialExpired"], "condition": "[\"TrialRequested\"]",
        "add": "\"TrialExpired\"" });
    let expected = json!({ "rule": "assign-trial", "verdict": "no-match", "misses": [miss] });
    for question in
        [json!({ "eventId": "e1" }), json!({ "event": { "source": "OnlineTrial", "detail-type": "TrialExpired" } })]
    {
        let answer = world.put("POST", "/rules/explain", &question.to_string()).await.json();
        assert_eq!(answer["rules"][0], expected);
        assert_eq!(answer["rules"][1]["verdict"], "no-pattern");
    }
    let one = json!({ "rule": "assign-trial", "eventId": "e1" });
    assert_eq!(world.put("POST", "/rules/explain", &one.to_string()).await.json(), json!({ "rules": [expected] }));
    for (question, status, detail) in [
        (r#"{"eventId": "e2"}"#, 404, "there is no event `e2` in the journal"),
        (r#"{"event": {}, "rule": "none"}"#, 404, "there is no rule `none`"),
        (r#"{"event": []}"#, 400, "the event is not the JSON text of an object"),
        ("{}", 400, "give either `event`, a JSON object, or `eventId`"),
    ] {
        let answer = world.put("POST", "/rules/explain", question).await;
        assert!(answer.json()["detail"].to_string().contains(detail), "{question}: {}", answer.json());
        assert_eq!(answer.status.as_u16(), status, "{question}");
    }
}

#[tokio::test]
async fn deliveries_are_shown_and_redriven() {
    let world = World::new();
    world.put("POST", "/trials", r#"{"leadId":"1","type":"ACS"}"#).await;
    let owed = world.get("/deliveries").await.json();
    let expected = json!({
        "id": "assign-trial/1/0", "state": "ready", "rule": "assign-trial", "target": "assign-trial",
        "plugin": "assign-trial", "sequence": 1, "detailType": "TrialRequested", "created": 1_589_379_579, "attempts": 0
    });
    assert_eq!(owed, json!({ "deliveries": [expected], "next": null }));
    assert_eq!(world.get("/deliveries/assign-trial/1/0").await.json(), expected);
    assert_eq!(world.get("/deliveries/assign-trial/1/1").await.status, 404);

    for ordinal in 1..=3 {
        world.bury("slack", ordinal).await;
    }
    let dead = world.get("/deliveries?state=dead&plugin=slack&limit=2").await.json();
    assert_eq!(dead["deliveries"][0]["exhausted"], "PermanentFailure");
    assert_eq!(dead["deliveries"][0]["event"]["detail-type"], "Tested");
    let next = dead["next"].as_str().expect("there is more");
    let rest = world.get(&format!("/deliveries?state=dead&after={next}")).await.json();
    assert_eq!(rest["deliveries"][0]["id"], "slack/1/3");
    for (body, redriven) in [
        (r#"{"ids":["slack/1/1"]}"#, 1),
        (r#"{"plugin":"other"}"#, 0),
        (r#"{"plugin":"slack"}"#, 2),
        (r#"{"all":true}"#, 0),
    ] {
        let answer = world.put("POST", "/deliveries/redrive", body).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({ "redriven": redriven })), "{body}");
    }
    assert_eq!(world.get("/deliveries/slack/1/3").await.json()["state"], "ready");
}

#[tokio::test]
async fn metrics_and_the_index_are_shown() {
    let world = World::new();
    world.put("POST", "/trials", r#"{"leadId":"1","type":"ACS"}"#).await;
    let metrics = world.get("/metrics").await;
    assert_eq!(metrics.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert!(metrics.text().lines().any(|line| line == "trialbridge_events_total 1"), "{}", metrics.text());
    assert!(world.get("/").await.json()["paths"]["/trials"].is_string());
    assert_eq!(world.send(request("HEAD", "/trials", &[], "")).await.status, 200);
}
