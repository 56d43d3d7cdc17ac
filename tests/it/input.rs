//! What a target makes of an event is what its plugin gets as the delivery's input.

use serde_json::json;

use crate::support::{World, guest};

const RULES: &str = r#"
[plugins.misbehave]
kv = { echo = "read-write" }

[[rules]]
name = "as-it-is"
event-pattern = { source = ["test"] }
targets = ["misbehave"]

[[rules]]
name = "constant"
event-pattern = { source = ["test"] }
targets = [{ plugin = "misbehave", input = { channel = "sales", urgent = true } }]

[[rules]]
name = "path"
event-pattern = { source = ["test"] }
targets = [{ plugin = "misbehave", input-path = "$.detail" }]

[[rules]]
name = "transformed"
event-pattern = { source = ["test"] }

[[rules.targets]]
plugin = "misbehave"

[rules.targets.input-transformer]
input-paths = { lead = "$.detail.lead", what = "$.detail-type", gone = "$.detail.gone" }
template = '''
{
  "text": "<what> of \"<lead>\" (<aws.events.rule-name>)",
  "lead": <lead>,
  "gone": <gone>,
  "arn": <aws.events.rule-arn>,
  "at": <aws.events.event.ingestion-time>
}
'''
"#;

#[tokio::test(flavor = "multi_thread")]
async fn each_plugin_gets_the_input_that_its_target_shapes() {
    let world = World::new(RULES, &[("misbehave", &guest("misbehave"))]).await;
    world.publish("test", "Request", json!({ "do": "input", "lead": "Ann \"A\"" })).await;
    world.settle().await;
    let input = |rule: &str| world.kv("echo", rule);
    assert_eq!(input("as-it-is").as_deref(), Some("none"));
    assert_eq!(input("constant").as_deref(), Some(r#"{"channel":"sales","urgent":true}"#));
    assert_eq!(input("path").as_deref(), Some(r#"{"do":"input","lead":"Ann \"A\""}"#));
    let transformed = concat!(
        r#"{"text":"Request of \"Ann \"A\"\" (transformed)","lead":"Ann \"A\"","gone":null,"#,
        r#""arn":"arn:aws:events:local:000000000000:rule/transformed","at":"2020-05-13T14:19:39Z"}"#
    );
    assert_eq!(input("transformed").as_deref(), Some(transformed));
    world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_input_that_is_too_large_makes_a_dead_letter_that_says_so() {
    let repeated = format!("input-transformer = {{ template = '\"{}\"' }}", "<aws.events.event.json>".repeat(300));
    let rules = RULES.replace("input-path = \"$.detail\"", &repeated);
    let world = World::new(&rules, &[("misbehave", &guest("misbehave"))]).await;
    world.publish("test", "Request", json!({ "do": "input", "lead": "x".repeat(1000) })).await;
    world.settle().await;
    let letters = world.dead_letters().await;
    assert_eq!(letters.len(), 1, "{letters:?}");
    let (rule, error) = (&letters[0]["rule"], letters[0]["error"].as_str().unwrap());
    assert_eq!(rule, "path");
    assert_eq!(error, "the input is larger than 262144 bytes; let the target take less of the event");
    assert_eq!((&letters[0]["attempts"], world.kv("echo", "path")), (&json!(1), None));
    assert!(world.kv("echo", "constant").is_some(), "the others go on");
    world.host.shutdown().await;
}
