//! Tables of paths and templates, and the promise that what comes of a template is JSON.

use proptest::prelude::*;
use serde_json::value::RawValue;

use super::{Input, InputError, MAX_INPUT, Path, SyntaxError, Transformer};
use crate::clock::Timestamp;
use crate::event::{Event, Recorded};
use crate::pattern::value::{Kind, Value};

/// The event of EventBridge's documentation.
const INSTANCE: &str = r#"{"version":"0","id":"7bf73129-1428-4cd3-a780-95db273d1602","detail-type":"EC2 Instance State-change Notification",
    "source":"aws.ec2","account":"123456789012","time":"2015-11-11T21:29:54Z","region":"us-east-1",
    "resources":["arn:aws:ec2:us-east-1:123456789012:instance/i-abcd1111"],
    "detail":{"instance-id":"i-0123456789","state":"RUNNING"}}"#;

/// A detail in which everything is awkward.
const AWKWARD: &str = r#"{"quoted": "say \"hi\"\n\\", "huge": 1e400, "exact": 1.50, "yes": true, "nothing": null, "half": "\ud800",
    "list": [ {"id": 1}, {"id": "two"}, {}, 4 ], "object": {"a b": {"it's": "x<y"}, "caf\u00e9": 2},
    "twice": "first", "twice": "last", "empty": []}"#;

fn recorded(json: &str) -> Recorded {
    let event = serde_json::from_str(json).expect("an event");
    Recorded { sequence: 7, event, published: Timestamp::from_millis(1_589_379_579_250), cause: None }
}

fn awkward() -> Recorded {
    let detail = RawValue::from_string(AWKWARD.to_owned()).expect("JSON");
    let event = Event::new("test", "Awkward", Timestamp::from_millis(1_589_379_579_000), detail);
    Recorded { sequence: 8, event, published: Timestamp::from_millis(1_589_379_579_250), cause: None }
}

fn transformer(paths: &[(&str, &str)], template: &str) -> Result<Input, SyntaxError> {
    let paths = paths.iter().map(|(name, path)| ((*name).to_owned(), Path::parse(path).expect("a path")));
    Transformer::new(paths.collect(), template).map(Input::Transformer)
}

#[test]
fn the_documented_examples_come_out_as_documented() {
    let paths = [
        ("timestamp", "$.time"),
        ("instance", "$.detail.instance-id"),
        ("state", "$.detail.state"),
        ("resource", "$.resources[0]"),
    ];
    let event = recorded(INSTANCE);
    for (template, expected) in [
        (r#""instance <instance> is in <state>""#, r#""instance i-0123456789 is in RUNNING""#),
        (r#""instance \"<instance>\" is in <state>""#, r#""instance \"i-0123456789\" is in RUNNING""#),
        (
            "{\n  \"instance\" : <instance>,\n  \"state\": <state>\n}\n",
            r#"{"instance":"i-0123456789","state":"RUNNING"}"#,
        ),
        (
            r#"{"instance" : <instance>, "state": "<state>", "instanceStatus": "instance \"<instance>\" is in <state>"}"#,
            r#"{"instance":"i-0123456789","state":"RUNNING","instanceStatus":"instance \"i-0123456789\" is in RUNNING"}"#,
        ),
        (
            r#"{"instance" : <instance>, "state": [ 9, <state>, true ], "Transformed" : "Yes"}"#,
            r#"{"instance":"i-0123456789","state":[9,"RUNNING",true],"Transformed":"Yes"}"#,
        ),
        (
            r#"{"ruleArn" : <aws.events.rule-arn>, "ruleName" : <aws.events.rule-name>, "at": "<timestamp>"}"#,
            r#"{"ruleArn":"arn:aws:events:us-east-1:123456789012:rule/example","ruleName":"example","at":"2015-11-11T21:29:54Z"}"#,
        ),
        (r#""<aws.events.rule-name> triggered""#, r#""example triggered""#),
        (
            r#"["<resource>", <aws.events.event.ingestion-time>]"#,
            r#"["arn:aws:ec2:us-east-1:123456789012:instance/i-abcd1111","2020-05-13T14:19:39Z"]"#,
        ),
    ] {
        let input = transformer(&paths, template).unwrap_or_else(|error| panic!("{template}: {error}"));
        assert_eq!(input.shape("example", &event).as_deref(), Ok(expected), "{template}");
    }
}

#[test]
fn the_event_can_be_taken_with_and_without_its_detail() {
    let event = recorded(INSTANCE);
    let whole = event.event.to_json();
    let rest = whole.replace(r#","detail":{"instance-id":"i-0123456789","state":"RUNNING"}"#, "");
    let input = transformer(&[], "[<aws.events.event.json>, <aws.events.event>]").expect("a template");
    assert_eq!(input.shape("r", &event), Ok(format!("[{whole},{rest}]")));
    assert!(!rest.contains("RUNNING") && rest.ends_with('}'));

    let text = transformer(&[], r#""<aws.events.event.json>""#).expect("a template").shape("r", &event);
    let text: String = serde_json::from_str(&text.expect("it is small")).expect("a string");
    assert_eq!(text, whole);
}

#[test]
fn quotes_decide_between_values_and_text() {
    let paths = [
        ("quoted", "$.detail.quoted"),
        ("huge", "$.detail.huge"),
        ("exact", "$.detail.exact"),
        ("yes", "$.detail.yes"),
        ("nothing", "$.detail.nothing"),
        ("half", "$.detail.half"),
        ("first", "$.detail.list[0]"),
        ("object", "$.detail.object['a b']"),
        ("gone", "$.detail.gone.further"),
        ("ids", "$.detail.list[*].id"),
        ("none", "$.detail.empty[*]"),
    ];
    let event = awkward();
    for (template, expected) in [
        ("<quoted>", r#""say \"hi\"\n\\""#),
        (r#""<quoted>!""#, r#""say \"hi\"\n\\!""#),
        ("[<huge>,<exact>,<yes>,<nothing>,<half>]", r#"[1e400,1.50,true,null,"\ud800"]"#),
        (r#""<huge> <exact> <yes> <nothing> <half>""#, r#""1e400 1.50 true null \ud800""#),
        ("[<first>, <object>]", r#"[{"id": 1},{"it's": "x<y"}]"#),
        (r#""<first> <object>""#, r#""{\"id\": 1} {\"it's\": \"x<y\"}""#),
        (r#"{"gone": <gone>, "text": "<gone>", "more": "a <gone> b"}"#, r#"{"gone":null,"text":"","more":"a  b"}"#),
        (r#"[<ids>, <none>, "<ids>"]"#, r#"[[1,"two"],[],"[1,\"two\"]"]"#),
        (r#""1 \<yes\> 2 > 1 \\<yes> \u00fc""#, r#""1 <yes> 2 > 1 \\true \u00fc""#),
        ("\n\"one: <yes>\"\r\n\n  \"\"\n\"<exact>\"", r#""one: true\n\n1.50""#),
        (" { \"a  b\" : [ 1 , \" \t\" ] }".replace('\t', "\\t").as_str(), r#"{"a  b":[1," \t"]}"#),
    ] {
        let input = transformer(&paths, template).unwrap_or_else(|error| panic!("{template}: {error}"));
        assert_eq!(input.shape("r", &event).as_deref(), Ok(expected), "{template}");
    }
}

#[test]
fn paths_find_parts_of_the_event() {
    let event = awkward().event.to_json();
    for (path, expected) in [
        ("$", Some(event.as_str())),
        ("$.detail-type", Some(r#""Awkward""#)),
        ("$.resources", Some("[]")),
        ("$.resources[0]", None),
        ("$.detail.list[1].id", Some(r#""two""#)),
        ("$['detail'][\"list\"][3]", Some("4")),
        ("$.detail.list[3].id", None),
        ("$.detail.list.id", None),
        ("$.detail[0]", None),
        ("$.detail.object.café", Some("2")),
        (r"$.detail.object['a b']['it\'s']", Some(r#""x<y""#)),
        ("$.detail.object['a b'].*", Some(r#"["x<y"]"#)),
        ("$.detail.twice", Some(r#""last""#)),
        ("$.detail.list[*]", Some(r#"[{"id": 1},{"id": "two"},{},4]"#)),
        ("$.detail.gone[*]", Some("[]")),
        ("$.detail.list[99999999999999]", None),
    ] {
        let found = Path::parse(path).unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(found.find(&event).as_deref(), expected, "{path}");
        assert_eq!(found.to_string(), path);
    }
    let deep = format!("{}1{}", "[".repeat(50_000), "]".repeat(50_000));
    let path = Path::parse("$[0][0][0]").expect("a path");
    assert_eq!(path.find(&deep).map(|found| found.len()), Some(deep.len() - 6));
}

#[test]
fn what_is_no_path_is_pointed_at() {
    for (path, place, message) in [
        ("", "", "a path begins with `$`, the event"),
        ("detail", "detail", "a path begins with `$`, the event"),
        ("$.", ".", "there is no name after `.`"),
        ("$..id", "..", "there is no name after `.`"),
        ("$.a b", " ", "` ` cannot stand here"),
        ("$detail", "d", "`d` cannot stand here"),
        ("$.a[-1]", "[-1]", "`[-1]` is not supported"),
        ("$.a[0:2].b", "[0:2]", "`[0:2]` is not supported"),
        ("$.a[?(@.b)]", "[?(@.b)]", "`[?(@.b)]` is not supported"),
        ("$.a[]", "[]", "`[]` is not supported"),
        ("$.a[0", "[0", "a bracket that does not end"),
        ("$.a['b]", "['b]", "a name that does not end"),
        ("$.a['b\\", "['b\\", "a name that does not end"),
        ("$['é'x]", "['é'x]", "a bracket that does not end after the name"),
    ] {
        let error = Path::parse(path).expect_err(path);
        assert_eq!((&path[error.span.clone()], error.message.as_str()), (place, message), "{path}");
    }
    assert!(Path::parse(&format!("$.{}", "a".repeat(254))).is_ok());
    assert!(Path::parse(&format!("$.{}", "a".repeat(255))).is_err());
}

#[test]
fn what_is_no_template_is_pointed_at() {
    let paths = [("type", "$.detail.type")];
    for (template, place, message) in [
        (" ", " ", "the template is empty"),
        ("{\"a\": <tpye>}", "<tpye>", "input-paths has no `tpye`"),
        ("<aws.events.rule>", "<aws.events.rule>", "there is no reserved variable `aws.events.rule`"),
        ("\"é <type\"", "<type", "a placeholder that does not end"),
        ("\"1 < 2\"", "<", "a placeholder that does not end"),
        ("\"<a b>\"", "<a b>", "`<a b>` is no placeholder"),
        ("\"<>\"", "<>", "`<>` is no placeholder"),
        ("{\"a\": 5<type>}", "<type>", "`<type>` cannot stand here"),
        ("[<type><type>]", "<type>", "`<type>` cannot stand here"),
        ("<type> is", "i", "expected the end of the text, found `i`"),
        ("{<type>: 1}", "<type>", "`<type>` cannot stand here"),
        ("{\"<type>\": 1}", "<type>", "`<type>` stands in the name of a member"),
        ("{\"a\": <type>", "", "expected `,` or `}`, and the text ends"),
        ("{\"a: <type>}", "\"a: <type>}", "a string that does not end"),
        ("\"one\"\n<type>", "<type>", "`<type>` cannot stand here"),
        ("\"one\"\n5", "5", "a string should stand here"),
        ("\"one\" \"two\"", "\"", "expected the end of the text, found `\"`"),
        ("\"\\u00<type>\"", "\\u", "an escape without four hexadecimal digits"),
    ] {
        let error = transformer(&paths, template).expect_err(template);
        let shown = &template[error.span.clone()];
        assert_eq!((shown, error.message.as_str()), (place, message), "{template}");
    }
    assert!(transformer(&[], &format!("\"{}\"", "a".repeat(8190))).is_ok());
    assert!(transformer(&[], &format!("\"{}\"", "a".repeat(8191))).is_err());
}

#[test]
fn constants_are_json() {
    let string = |text: &str| Value { span: 0..0, kind: Kind::String(text.to_owned()) };
    let constant = Input::constant(&string("{\"a\": [1.50, null]} ")).expect("JSON");
    assert_eq!(constant, Input::Constant("{\"a\":[1.50,null]}".to_owned()));
    assert_eq!(constant.shape("r", &awkward()).as_deref(), Ok("{\"a\":[1.50,null]}"));
    let number = Value { span: 0..0, kind: Kind::Number("7".to_owned()) };
    assert_eq!(Input::constant(&number), Ok(Input::Constant("7".to_owned())));
    assert_eq!(Input::constant(&string("sales")).expect_err("no JSON").span, 0..5);
}

#[test]
fn what_is_too_large_is_an_error() {
    let detail = format!(r#"{{"a": "{}"}}"#, "x".repeat(MAX_INPUT - 10));
    let detail = RawValue::from_string(detail).expect("JSON");
    let event = Event::new("test", "Large", Timestamp::from_millis(0), detail);
    let event = Recorded { sequence: 1, event, published: Timestamp::from_millis(0), cause: None };
    let path = |text: &str| Input::Path(Path::parse(text).expect("a path"));
    assert_eq!(path("$.detail").shape("r", &event).map(|json| json.len()), Ok(MAX_INPUT - 1));
    assert_eq!(path("$").shape("r", &event), Err(InputError::TooLarge));
    let many = format!("\"{}\"", "<a>".repeat(2700));
    assert_eq!(
        transformer(&[("a", "$.detail.a")], &many).expect("a template").shape("r", &event),
        Err(InputError::TooLarge)
    );
}

/// JSON text in which placeholders stand wherever they may.
fn template() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "<a>",
        "<b>",
        "<c>",
        "<gone>",
        "<all>",
        "<aws.events.rule-arn>",
        "<aws.events.event>",
        "<aws.events.event.json>",
    ]);
    let word = prop_oneof![name.clone().prop_map(str::to_owned), r#"[a-z >]{0,3}|\\\\|\\"|\\<|\\n|\\u00e9|😀"#];
    let string = prop::collection::vec(word, 0..5).prop_map(|words| format!("\"{}\"", words.concat()));
    let leaf = prop_oneof![name.prop_map(str::to_owned), string, "-?[1-9][0-9]?|true|null"];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[ {} ]", items.join(" ,\n"))),
            prop::collection::vec(inner, 0..4).prop_map(|items| {
                let members = items.iter().enumerate().map(|(number, item)| format!("\"{number}\" : {item}"));
                format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
            }),
        ]
    })
}

/// Any JSON value.
fn value() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        r#"[a-z"\\<>{}\n\t😀 ]{0,8}"#.prop_map(Into::into),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Into::into),
            prop::collection::btree_map(r#"[a-z"\\ ]{0,3}"#, inner, 0..3)
                .prop_map(|members| members.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

proptest! {
    #[test]
    fn what_comes_of_a_template_is_json(template in template(), a in value(), b in value(), c in value(), pretty: bool) {
        let detail = serde_json::json!({ "a": a, "b": b, "c": c });
        let detail = if pretty { serde_json::to_string_pretty(&detail) } else { serde_json::to_string(&detail) };
        let detail = RawValue::from_string(detail.expect("JSON")).expect("JSON");
        let event = Event::new("test", "Any", Timestamp::from_millis(0), detail);
        let event = Recorded { sequence: 1, event, published: Timestamp::from_millis(0), cause: None };
        let paths = [("a", "$.detail.a"), ("b", "$.detail['b']"), ("c", "$.detail.c"), ("gone", "$.gone"), ("all", "$.detail.*")];
        let input = transformer(&paths, &template).map_err(|error| TestCaseError::fail(format!("{template}: {error}")))?;
        let shaped = input.shape("r", &event).expect("it is small");
        let read = serde_json::from_str::<serde_json::Value>(&shaped);
        prop_assert!(read.is_ok(), "{template} becomes {shaped}");
    }

    #[test]
    fn what_is_accepted_as_a_template_makes_json(template in r#"([\[\]{}",:\\ \n<>a1]|<a>|"<a>"){0,12}"#) {
        let paths = [("a", "$.detail")];
        if let Ok(input) = transformer(&paths, &template) {
            let shaped = input.shape("r", &awkward()).expect("it is small");
            prop_assert!(RawValue::from_string(shaped.clone()).is_ok(), "{template} becomes {shaped}");
        }
    }
}
