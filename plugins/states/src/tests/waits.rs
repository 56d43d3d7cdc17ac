//! Waits.

use serde_json::{Value, json};

use super::{Run, START, one};
use crate::Step;
use crate::problem::names;

#[test]
fn a_wait_ends_when_its_time_has_come() {
    let cases = [
        (json!({ "Seconds": 10 }), START + 10_000),
        (json!({ "SecondsPath": "$.seconds" }), START + 3 * 24 * 60 * 60 * 1000),
        (json!({ "Timestamp": "2020-05-14T00:00:00Z" }), 1_589_414_400_000),
        (json!({ "TimestampPath": "$.at" }), START + 1_500),
    ];
    for (fields, expected) in cases {
        let mut state = json!({ "Type": "Wait", "OutputPath": "$.at" });
        state.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let input = json!({ "seconds": 3 * 24 * 60 * 60, "at": "2020-05-13T14:19:40.5Z" });
        let mut run = Run::new(&one(state), input);
        assert_eq!(run.go(), Step::Wait { until: Some(expected) }, "{fields}");
        run.now = expected - 1;
        assert_eq!(run.go(), Step::Wait { until: Some(expected) }, "{fields}");
        run.now = expected;
        assert_eq!(run.go(), Step::Done(json!("2020-05-13T14:19:40.5Z")), "{fields}");
    }
    let past = one(json!({ "Type": "Wait", "Timestamp": "2001-01-01T00:00:00Z" }));
    assert_eq!(Run::new(&past, json!(1)).go(), Step::Done(json!(1)));
    for (fields, value) in [("SecondsPath", json!(-1)), ("SecondsPath", json!("1")), ("TimestampPath", json!("soon"))] {
        let wait: Value = one(json!({ "Type": "Wait", fields: "$" }));
        assert_eq!(Run::new(&wait, value).end().unwrap_err().error, names::RUNTIME);
    }
}
