//! What is wrong with a request, and the problem it gets.

use expect_test::expect;
use serde_json::Value;

use super::{World, request};

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

/// Method, path, headers, body.
type Wrong<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str);

#[tokio::test]
async fn each_names_the_field_and_how_to_mend_it() {
    let deep = format!("{{\"source\":\"s\",\"detail-type\":\"t\",\"detail\":\"{}\"}}", "x".repeat(1024 * 1024));
    let detail =
        format!("{{\"source\":\"s\",\"detail-type\":\"t\",\"detail\":{{\"x\":\"{}\"}}}}", "x".repeat(256 * 1024));
    let lead = format!("{{\"leadId\":\"{}\",\"type\":\"ACS\"}}", "x".repeat(257));
    let key = "x".repeat(257);
    let wrong: [Wrong<'_>; 69] = [
        ("GET", "/trails", &[], ""),
        ("GET", "/trials/", &[], ""),
        ("POST", "/stacks", JSON, "{}"),
        ("PUT", "/trials", JSON, "{}"),
        ("DELETE", "/trials", &[], ""),
        ("POST", "/trials/t1", JSON, "{}"),
        ("GET", "/deliveries/redrive", &[], ""),
        ("POST", "/healthz", &[], ""),
        ("POST", "/stacks/x/", &[], ""),
        ("POST", "/trials", &[], "{}"),
        ("POST", "/trials", &[("content-type", "text/plain")], "{}"),
        ("POST", "/trials", &[("content-type", "application/x-www-form-urlencoded")], "leadId=1"),
        ("POST", "/trials", &[("content-type", "application/json; charset=latin1")], "{}"),
        ("POST", "/trials", JSON, ""),
        ("POST", "/trials", JSON, "{\"leadId\":\"1\",\n \"type\" \"ACS\"}"),
        ("POST", "/trials", JSON, "{\"leadId\":\"1\""),
        ("POST", "/trials", JSON, "{} {}"),
        ("POST", "/trials", JSON, "[\"1\",\"ACS\",null,null]"),
        ("POST", "/trials", JSON, "null"),
        ("POST", "/trials", JSON, "{}"),
        ("POST", "/trials", JSON, "{\"leadId\":\"1\"}"),
        ("POST", "/trials", JSON, "{\"leadId\":1,\"type\":\"ACS\"}"),
        ("POST", "/trials", JSON, "{\"leadId\":\"1\",\"type\":\"ACS\",\"tll\":\"1d\"}"),
        ("POST", "/trials", JSON, "{\"leadId\":\"1\",\"leadId\":\"2\",\"type\":\"ACS\"}"),
        ("POST", "/trials", JSON, "{\"leadId\":\"\",\"type\":\"ACS\"}"),
        ("POST", "/trials", JSON, &lead),
        ("POST", "/trials", JSON, "{\"leadId\":\"1\",\"type\":\"XYZ\"}"),
        ("POST", "/trials", JSON, "{\"leadId\":\"1\",\"type\":\"ACS\",\"ttl\":\"soon\"}"),
        ("POST", "/trials", JSON, "{\"leadId\":\"1\",\"type\":\"ACS\",\"ttl\":\"91d\"}"),
        ("POST", "/trials", JSON, "{\"leadId\":\"1\",\"type\":\"ACS\",\"ttl\":0}"),
        ("POST", "/trials", JSON, "{\"leadId\":\"1\",\"type\":\"ACS\",\"ttl\":-5}"),
        ("POST", "/trials", JSON, "{\"leadId\":\"1\",\"type\":\"ACS\",\"ttl\":-0.5}"),
        ("POST", "/trials", JSON, "{\"leadId\":\"1\",\"type\":\"ACS\",\"ttl\":18446744073709551615}"),
        ("POST", "/trials", JSON, "{\"leadId\":\"1\",\"type\":\"ACS\",\"ttl\":true}"),
        ("POST", "/trials", JSON, "{\"leadId\":\"1\",\"type\":\"ACS\",\"trialId\":\"a/b\"}"),
        ("POST", "/trials", JSON, "{\"leadId\":\"1\",\"type\":\"ACS\",\"trialId\":\"\"}"),
        ("POST", "/trials", JSON, "{\"leadId\":\"2\",\"type\":\"ACS\",\"trialId\":\"taken\"}"),
        ("POST", "/trials", JSON, "{\"leadId\":\"1\",\"type\":\"ACS\",\"trialId\":\"ended\"}"),
        ("POST", "/trials", &[JSON[0], ("idempotency-key", &key)], "{\"leadId\":\"1\",\"type\":\"ACS\"}"),
        ("POST", "/trials", &[JSON[0], ("idempotency-key", "ä")], "{\"leadId\":\"1\",\"type\":\"ACS\"}"),
        ("GET", "/trials/nobody", &[], ""),
        ("GET", "/trials/%ff", &[], ""),
        ("GET", "/trials?limit=0", &[], ""),
        ("GET", "/trials?limit=1001", &[], ""),
        ("GET", "/trials?limit=many", &[], ""),
        ("GET", "/trials?state=ASSIGNED", &[], ""),
        ("GET", "/trials?status=", &[], ""),
        ("GET", "/trials?type=ACS&type=XYZ", &[], ""),
        ("GET", "/trials?status=ASSIGNED&after=t1", &[], ""),
        ("PATCH", "/trials/taken", JSON, "{}"),
        ("PATCH", "/trials/taken", JSON, "{\"ttl\":\"1s\"}"),
        ("PATCH", "/trials/nobody", JSON, "{\"ttl\":\"1d\"}"),
        ("DELETE", "/trials/nobody", &[], ""),
        ("POST", "/events", JSON, &deep),
        ("POST", "/events", JSON, &detail),
        ("POST", "/events", JSON, "{\"source\":\"s\",\"detail\":{}}"),
        ("POST", "/events", JSON, "{\"source\":\"s\",\"detailType\":\"t\",\"detail\":{}}"),
        ("POST", "/events", JSON, "{\"source\":\"s\",\"detail-type\":\"t\",\"detail\":[]}"),
        ("POST", "/events", JSON, "{\"source\":\"trialbridge\",\"detail-type\":\"t\",\"detail\":{}}"),
        ("POST", "/events", JSON, "{\"source\":\"s\",\"detail-type\":\"t\",\"detail\":{},\"time\":\"now\"}"),
        ("GET", "/events?after=-1", &[], ""),
        ("GET", "/events?detailType=t", &[], ""),
        ("GET", "/events/tail", &[("last-event-id", "x")], ""),
        ("GET", "/rules/none", &[], ""),
        ("GET", "/plugins/none?x=1", &[], ""),
        ("GET", "/deliveries?state=lost", &[], ""),
        ("GET", "/deliveries/assign-trial/x/0", &[], ""),
        ("POST", "/deliveries/redrive", JSON, "{\"ids\":[\"assign-trial/7/0\"]}"),
        ("POST", "/deliveries/redrive", JSON, "{\"all\":true,\"plugin\":\"p\"}"),
    ];
    let world = World::new();
    for id in ["taken", "ended"] {
        let body = format!("{{\"leadId\":\"1\",\"type\":\"ACS\",\"trialId\":\"{id}\"}}");
        assert_eq!(world.put("POST", "/trials", &body).await.status, 201);
    }
    assert_eq!(world.put("DELETE", "/trials/ended", "").await.status, 200);

    let mut report = String::new();
    for (method, path, headers, body) in wrong {
        let answer = world.send(request(method, path, headers, body)).await;
        assert_eq!(answer.header("content-type"), "application/problem+json", "{method} {path}");
        let problem = answer.json();
        assert_eq!(problem["type"], "about:blank");
        assert_eq!(problem["status"], answer.status.as_u16());
        assert_eq!(problem["title"], answer.status.canonical_reason().expect("it has one"));
        assert_eq!(answer.headers.contains_key("allow"), answer.status == 405, "{method} {path}");
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let allow = if answer.status == 405 { format!(" [{}]", answer.header("allow")) } else { String::new() };
        let shown: String = body.chars().take(80).collect::<String>().replace('\n', " ");
        report.extend([format!("{method} {path} {shown}").trim_end(), "\n"]);
        let (status, field, detail) = (answer.status.as_u16(), text(&problem["field"]), text(&problem["detail"]));
        report.push_str(&format!("    {status} {field}: {detail}{allow}\n"));
    }
    expect![[r#"
        GET /trails
            404 -: there is nothing at /trails; GET / lists the paths
        GET /trials/
            404 -: there is nothing at /trials/; GET / lists the paths
        POST /stacks {}
            404 -: there is nothing at /stacks; GET / lists the paths
        PUT /trials {}
            405 -: PUT cannot be done at /trials; the header `allow` says what can [GET,HEAD,POST]
        DELETE /trials
            405 -: DELETE cannot be done at /trials; the header `allow` says what can [GET,HEAD,POST]
        POST /trials/t1 {}
            405 -: POST cannot be done at /trials/t1; the header `allow` says what can [GET,HEAD,PATCH,DELETE]
        GET /deliveries/redrive
            405 -: GET cannot be done at /deliveries/redrive; the header `allow` says what can [POST]
        POST /healthz
            405 -: POST cannot be done at /healthz; the header `allow` says what can [GET,HEAD]
        POST /stacks/x/
            405 -: POST cannot be done at /stacks/x/; the header `allow` says what can [GET,HEAD]
        POST /trials {}
            415 content-type: is missing; send `content-type: application/json`
        POST /trials {}
            415 content-type: is `text/plain`, and only application/json in UTF-8 is taken
        POST /trials leadId=1
            415 content-type: is `application/x-www-form-urlencoded`, and only application/json in UTF-8 is taken
        POST /trials {}
            415 content-type: is `application/json; charset=latin1`, and only application/json in UTF-8 is taken
        POST /trials
            400 body: is empty; send a JSON object
        POST /trials {"leadId":"1",  "type" "ACS"}
            400 body: is not JSON: expected `:` at line 2 column 9
        POST /trials {"leadId":"1"
            400 body: is not JSON: EOF while parsing an object at line 1 column 13
        POST /trials {} {}
            400 body: is not JSON: trailing characters at line 1 column 4
        POST /trials ["1","ACS",null,null]
            400 body: must be a JSON object, in braces
        POST /trials null
            400 body: must be a JSON object, in braces
        POST /trials {}
            400 leadId: is missing
        POST /trials {"leadId":"1"}
            400 type: is missing
        POST /trials {"leadId":1,"type":"ACS"}
            400 leadId: invalid type: integer `1`, expected a string
        POST /trials {"leadId":"1","type":"ACS","tll":"1d"}
            400 tll: is not a field; there are `leadId`, `type`, `ttl`, `trialId`
        POST /trials {"leadId":"1","leadId":"2","type":"ACS"}
            400 leadId: is there twice; give it once
        POST /trials {"leadId":"","type":"ACS"}
            400 leadId: must not be empty
        POST /trials {"leadId":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
            400 leadId: has 257 bytes, and at most 256 are allowed
        POST /trials {"leadId":"1","type":"XYZ"}
            400 type: `XYZ` is not a type of trial; rules.toml has: ACS
        POST /trials {"leadId":"1","type":"ACS","ttl":"soon"}
            400 ttl: `soon` is not a duration; write a whole number and a unit, like 500ms, 30s, 10m, 12h or 14d
        POST /trials {"leadId":"1","type":"ACS","ttl":"91d"}
            400 ttl: 91d is out of range; a trial of type ACS lives from 1s to 90d
        POST /trials {"leadId":"1","type":"ACS","ttl":0}
            400 ttl: 0s is out of range; a trial of type ACS lives from 1s to 90d
        POST /trials {"leadId":"1","type":"ACS","ttl":-5}
            400 ttl: invalid type: integer `-5`, expected a time like "30s" or "14d", or a number of seconds
        POST /trials {"leadId":"1","type":"ACS","ttl":-0.5}
            400 ttl: -0.5 is not a time; write it like "30s", or as seconds
        POST /trials {"leadId":"1","type":"ACS","ttl":18446744073709551615}
            400 ttl: 18446744073709551615s is out of range; a trial of type ACS lives from 1s to 90d
        POST /trials {"leadId":"1","type":"ACS","ttl":true}
            400 ttl: invalid type: boolean `true`, expected a time like "30s" or "14d", or a number of seconds
        POST /trials {"leadId":"1","type":"ACS","trialId":"a/b"}
            400 trialId: '/' is not allowed in an id; use A-Z a-z 0-9 . _ : -
        POST /trials {"leadId":"1","type":"ACS","trialId":""}
            400 trialId: must not be empty
        POST /trials {"leadId":"2","type":"ACS","trialId":"taken"}
            409 trialId: trial `taken` exists with another leadId; choose another id, or repeat the request as it was
        POST /trials {"leadId":"1","type":"ACS","trialId":"ended"}
            409 trialId: trial `ended` was requested before and ended at 2020-05-13T14:19:39Z; its id can be used again 24 h after that
        POST /trials {"leadId":"1","type":"ACS"}
            400 Idempotency-Key: has 257 bytes, and at most 256 are allowed
        POST /trials {"leadId":"1","type":"ACS"}
            400 Idempotency-Key: must be visible ASCII
        GET /trials/nobody
            404 -: there is no trial `nobody`; it may have ended
        GET /trials/%ff
            400 path: is not UTF-8 where it is decoded
        GET /trials?limit=0
            400 limit: 0 is out of range; ask for 1 to 1000
        GET /trials?limit=1001
            400 limit: 1001 is out of range; ask for 1 to 1000
        GET /trials?limit=many
            400 limit: `many` is not a whole number
        GET /trials?state=ASSIGNED
            400 state: is not a parameter; there are status, type, limit, after
        GET /trials?status=
            400 status: must be 1 to 512 bytes without NUL; leave it out if it does not matter
        GET /trials?type=ACS&type=XYZ
            400 type: is there twice; give it once
        GET /trials?status=ASSIGNED&after=t1
            400 after: `t1` is not a cursor; give the `next` of the page before, with the same filters
        PATCH /trials/taken {}
            400 ttl: is missing
        PATCH /trials/taken {"ttl":"1s"}
            400 ttl: would end the trial before 2020-05-27T14:19:39Z, when it ends now; cancel it instead
        PATCH /trials/nobody {"ttl":"1d"}
            404 -: there is no trial `nobody`; it may have ended
        DELETE /trials/nobody
            404 -: there is no trial `nobody`; it may have ended
        POST /events {"source":"s","detail-type":"t","detail":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
            413 body: is larger than the 1048576 bytes there may be
        POST /events {"source":"s","detail-type":"t","detail":{"x":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
            400 detail: has 262152 bytes, and at most 262144 are allowed
        POST /events {"source":"s","detail":{}}
            400 detail-type: is missing
        POST /events {"source":"s","detailType":"t","detail":{}}
            400 detailType: is not a field; there are `version`, `id`, `detail-type`, `source`, `account`, `time`, `region`, `resources`, `detail`
        POST /events {"source":"s","detail-type":"t","detail":[]}
            400 detail: must be a JSON object
        POST /events {"source":"trialbridge","detail-type":"t","detail":{}}
            400 source: `trialbridge` is reserved; choose another source
        POST /events {"source":"s","detail-type":"t","detail":{},"time":"now"}
            400 time: `now` is not a time; write it like 2020-05-13T14:19:39Z
        GET /events?after=-1
            400 after: `-1` is not a sequence; give the `seq` of an event, or 0
        GET /events?detailType=t
            400 detailType: is not a parameter; there are id, source, detail-type, trialId, limit, after
        GET /events/tail
            400 Last-Event-ID: `x` is not a sequence; give the `seq` of an event, or 0
        GET /rules/none
            404 -: there is no rule `none`; GET /rules lists them
        GET /plugins/none?x=1
            404 -: there is no plugin `none`; GET /plugins lists them
        GET /deliveries?state=lost
            400 state: `lost` is not a state; there are ready, waiting, dead and acknowledged
        GET /deliveries/assign-trial/x/0
            400 id: `assign-trial/x/0` is not the id of a delivery; it looks like assign-trial/17/0
        POST /deliveries/redrive {"ids":["assign-trial/7/0"]}
            404 ids: `assign-trial/7/0` is not a dead letter; list those there are with `trialbridge delivery list --dead`
        POST /deliveries/redrive {"all":true,"plugin":"p"}
            400 body: must have one of `ids`, `plugin` and `all: true`
    "#]].assert_eq(&report);
}
