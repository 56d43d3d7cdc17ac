//! What is sent to CloudWatch, and when.

use std::time::Duration;

use serde_json::{Value, json};
use trialbridge_plugin::http::Response;
use trialbridge_plugin::testing::World;
use trialbridge_plugin::{Access, Event, Failure, Need};

use crate::Metrics;

const ENDPOINT: &str = "https://monitoring.eu-central-1.amazonaws.com/";

fn world() -> World<Metrics> {
    let mut world = World::new();
    world.configure(json!({ "cloudwatch": { "endpoint": ENDPOINT, "dimensions": { "Stage": "test" } } }));
    for bucket in ["metrics-even", "metrics-odd"] {
        world.grant(Need::Kv(bucket.to_owned(), Access::ReadWrite));
    }
    world.grant(Need::Http);
    world.grant(Need::Emit("metrics".to_owned()));
    world
}

/// The schedule fires, and what it leads to happens. The first failure.
fn send(world: &mut World<Metrics>) -> Result<(), Failure> {
    let event = world.event("trialbridge", "Scheduled Event", json!({}));
    world.set_input(json!({ "send": "cloudwatch" }));
    world.attempt(&event, 1)?;
    world.settle(|event: &Event| event.source == "metrics").map(drop)
}

fn sent(world: &World<Metrics>, number: usize) -> Vec<(String, String)> {
    form_urlencoded::parse(&world.requests()[number].body).into_owned().collect()
}

#[test]
fn what_a_minute_kept_is_sent_once_in_the_next() {
    let mut world = world();
    world.answer("POST", ENDPOINT, Ok(Response::new(200, "")));
    for seconds in [0.5, 1.5] {
        let detail = json!({ "type": "ACS", "secondsToAssign": seconds });
        world.handle("OnlineTrial", "TrialAssigned", detail).expect("it is kept");
    }
    send(&mut world).expect("there is nothing yet");
    assert_eq!(world.requests().len(), 0);
    world.advance(Duration::from_secs(60));
    send(&mut world).expect("it is sent");
    send(&mut world).expect("it was sent");
    assert_eq!(world.requests().len(), 1);
    let form = sent(&world, 0);
    let shown: Vec<String> = form.iter().take(12).map(|(name, value)| format!("{name}={value}")).collect();
    assert_eq!(
        shown,
        [
            "Action=PutMetricData",
            "Version=2010-08-01",
            "Namespace=trialbridge",
            "MetricData.member.1.MetricName=events_total",
            "MetricData.member.1.Timestamp=2020-05-13T14:19:00Z",
            "MetricData.member.1.Unit=Count",
            "MetricData.member.1.Value=2",
            "MetricData.member.1.Dimensions.member.1.Name=Stage",
            "MetricData.member.1.Dimensions.member.1.Value=test",
            "MetricData.member.1.Dimensions.member.2.Name=source",
            "MetricData.member.1.Dimensions.member.2.Value=OnlineTrial",
            "MetricData.member.1.Dimensions.member.3.Name=detail_type",
        ]
    );
    let has = |name: &str, value: &str| form.contains(&(format!("MetricData.member.3.{name}"), value.to_owned()));
    assert!(has("StatisticValues.SampleCount", "2") && has("StatisticValues.Sum", "2"), "{form:?}");
    assert!(has("StatisticValues.Minimum", "0.5") && has("StatisticValues.Maximum", "1.5"), "{form:?}");
    for bucket in ["metrics", "metrics-even", "metrics-odd"] {
        assert!(world.keys(bucket).is_empty());
    }
}

#[test]
fn much_is_sent_in_several_requests_and_nothing_is_lost() {
    let mut world = world();
    world.answer("POST", ENDPOINT, Ok(Response::new(200, "")));
    for _ in 0..450 {
        world.handle("test", "Much", json!({})).expect("it is kept");
    }
    world.advance(Duration::from_secs(60));
    send(&mut world).expect("it is sent");
    let counted =
        |number| sent(&world, number).iter().find(|(name, _)| name.ends_with(".Value")).map(|(_, value)| value.clone());
    let counted: Vec<Option<String>> = (0..world.requests().len()).map(counted).collect();
    assert_eq!(counted, ["200", "200", "50"].map(|count| Some(count.to_owned())));
}

#[test]
fn labels_that_cloudwatch_does_not_take_are_made_to_fit() {
    let mut world = world();
    world.answer("POST", ENDPOINT, Ok(Response::new(200, "")));
    for kind in ["Größe\n🎉", "Gr\u{f6}\u{df}e??", " \u{a0}"] {
        world.handle("test", kind, json!({})).expect("it is kept");
    }
    world.advance(Duration::from_secs(60));
    send(&mut world).expect("it is sent");
    let form = sent(&world, 0);
    let kinds = form.windows(2).filter(|pair| pair[0].1 == "detail_type").map(|pair| pair[1].1.as_str());
    assert_eq!(kinds.collect::<Vec<_>>(), ["Gr??e??"]);
    let counts = form.iter().filter(|(name, _)| name.ends_with(".Value") && !name.contains("Dimensions"));
    assert_eq!(counts.map(|(_, value)| value.as_str()).collect::<Vec<_>>(), ["1", "2"]);
}

#[test]
fn what_is_too_large_for_a_record_is_sent_in_several_requests() {
    let mut world = world();
    let dimensions: Value = (0..27).map(|number| (format!("name-{number}"), json!("#".repeat(100)))).collect();
    world.configure(json!({ "cloudwatch": { "endpoint": ENDPOINT, "dimensions": dimensions } }));
    world.answer("POST", ENDPOINT, Ok(Response::new(200, "")));
    for number in 0..100 {
        world.handle("test", &format!("kind-{number}"), json!({})).expect("it is kept");
    }
    world.advance(Duration::from_secs(60));
    send(&mut world).expect("it is sent");
    let requests = world.requests().len();
    let mut kinds: Vec<String> = Vec::new();
    for number in 0..requests {
        let form = sent(&world, number);
        assert_eq!(form[3].0, "MetricData.member.1.MetricName");
        kinds.extend(form.into_iter().map(|(_, value)| value).filter(|value| value.starts_with("kind-")));
    }
    assert_eq!((requests, kinds.len()), (5, 100));
}

#[test]
fn what_cloudwatch_refuses_stays() {
    let refusal = |status: u16, body: &str| {
        let mut world = world();
        world.answer("POST", ENDPOINT, Ok(Response::new(status, body)));
        world.handle("test", "Event", json!({})).expect("it is kept");
        world.advance(Duration::from_secs(60));
        let failure = send(&mut world).expect_err("it is refused");
        assert_eq!(world.keys("metrics").len(), 1);
        failure
    };
    assert!(matches!(refusal(503, ""), Failure::Retry(_)));
    assert!(matches!(refusal(400, "<Code>Throttling</Code>"), Failure::Retry(_)));
    assert!(matches!(refusal(403, "<Code>InvalidClientTokenId</Code>"), Failure::Retry(_)));
    assert_eq!(
        refusal(400, "<Code>\n  InvalidParameterValue</Code>"),
        Failure::Permanent("CloudWatch answered 400: <Code> InvalidParameterValue</Code>".to_owned())
    );
}

#[test]
fn a_wrong_configuration_is_named() {
    const NAME: &str = "cloudwatch.dimensions: the name \"Größe\" is not 1 to 255 printable characters of ASCII, not all blank and not beginning with `:`";
    let cloudwatch = |cloudwatch: Value| json!({ "cloudwatch": cloudwatch });
    let dimensions = |dimensions: Value| cloudwatch(json!({ "endpoint": ENDPOINT, "dimensions": dimensions }));
    for (config, expected) in [
        (
            cloudwatch(json!({ "endpoint": "eu-central-1" })),
            "cloudwatch.endpoint: `eu-central-1` is no URL; write https://monitoring.REGION.amazonaws.com",
        ),
        (
            cloudwatch(json!({ "endpoint": ENDPOINT, "namespace": "AWS/x" })),
            "cloudwatch.namespace: `AWS/x` is not 1 to 255 of A-Z a-z 0-9 . _ - / # : and blank, not beginning with AWS/",
        ),
        (dimensions(json!({ "Größe": "1" })), NAME),
        (
            dimensions(json!({ "type": "x" })),
            "cloudwatch.dimensions: `type` is a label of the metrics; write another name",
        ),
        (
            dimensions(json!({ "Stage": " " })),
            "cloudwatch.dimensions.Stage: \" \" is not 1 to 1024 printable characters of ASCII, not all blank",
        ),
        (
            dimensions((0..28).map(|number| (number.to_string(), json!("x"))).collect()),
            "cloudwatch.dimensions: there are 28, and at most 27 are allowed",
        ),
        (cloudwatch(json!({})), "cloudwatch: missing field `endpoint`"),
        (json!({ "cloud": {} }), "cloud: unknown field `cloud`, expected `cloudwatch`"),
    ] {
        let mut world = world();
        world.configure(config);
        let failure = world.handle("test", "Event", json!({})).expect_err("it is wrong");
        assert_eq!(failure, Failure::Permanent(format!("[plugins.metrics.config]: {expected}")));
    }
}
