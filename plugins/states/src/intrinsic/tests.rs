//! Every function in a table: a call with what it is, or what is said of it.

use serde_json::{Value, json};

use super::Function;
use crate::path::Context;
use crate::template::Scene;

fn call(text: &str, input: &Value) -> Result<Value, String> {
    let context = Context::new(Box::new(|| json!({ "Execution": { "Id": "run-1" } })));
    let mut next = 41;
    let mut random = || {
        next += 1;
        next
    };
    let function = Function::parse(text)?;
    let mut scene = Scene { input, context: &context, random: &mut random };
    function.call(&mut scene).map_err(|problem| problem.to_string())
}

#[test]
fn functions_compute() {
    let input = json!({
        "name": "Ada", "list": [1, 2, 3, 4, 5], "double": [1, 1.0, "1", [1], [1]], "json": "{\"a\":[1]}",
        "one": { "a": { "x": 1 }, "b": 1 }, "other": { "a": { "y": 2 } }, "odd, name": 7,
    });
    let cases = [
        ("States.Format('{} has {} of {}', $.name, $.list[0], States.ArrayLength($.list))", json!("Ada has 1 of 5")),
        (r"States.Format('\{\} {} \'\\ {}', null, true)", json!(r"{} null '\ true")),
        ("States.Format($$.Execution.Id)", json!("run-1")),
        ("States.StringToJson($.json)", json!({ "a": [1] })),
        ("States.JsonToString($.one)", json!(r#"{"a":{"x":1},"b":1}"#)),
        ("States.Array()", json!([])),
        (
            r"States.Array('a\{', 1.5, -2, true, null, $.name, $['odd, name'])",
            json!(["a{", 1.5, -2, true, null, "Ada", 7]),
        ),
        ("States.ArrayPartition($.list, 2)", json!([[1, 2], [3, 4], [5]])),
        ("States.ArrayContains($.list, 5.0)", json!(true)),
        ("States.ArrayContains($.list, '5')", json!(false)),
        ("States.ArrayRange(1, 9, 2)", json!([1, 3, 5, 7, 9])),
        ("States.ArrayRange(3, 0, -2)", json!([3, 1])),
        ("States.ArrayRange(3, 0, 1)", json!([])),
        ("States.ArrayGetItem($.list, 4)", json!(5)),
        ("States.ArrayLength($.list[?(@ > 2)])", json!(3)),
        ("States.ArrayUnique($.double)", json!([1, "1", [1]])),
        ("States.Base64Encode('Data to encode')", json!("RGF0YSB0byBlbmNvZGU=")),
        ("States.Base64Decode('RGVjb2RlZCBkYXRh')", json!("Decoded data")),
        ("States.Hash('abc', 'MD5')", json!("900150983cd24fb0d6963f7d28e17f72")),
        ("States.Hash('abc', 'SHA-1')", json!("a9993e364706816aba3e25717850c26c9cd0d89d")),
        ("States.Hash('abc', 'SHA-256')", json!("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")),
        ("States.JsonMerge($.one, $.other, false)", json!({ "a": { "y": 2 }, "b": 1 })),
        ("States.MathRandom(10, 20)", json!(12)),
        ("States.MathRandom(1, 2, 5)", json!(1)),
        ("States.MathAdd(111, -1)", json!(110)),
        ("States.MathAdd(1.5, 1.4)", json!(3)),
        ("States.StringSplit('This.is+a,test=string', '.+,=')", json!(["This", "is", "a", "test", "string"])),
        ("States.StringSplit(',a,,b,', ',')", json!(["a", "b"])),
        ("States.UUID()", json!("00000000-0000-402a-8000-00000000002b")),
    ];
    for (text, expected) in cases {
        assert_eq!(call(text, &input).as_ref(), Ok(&expected), "{text}");
    }
    for algorithm in ["SHA-384", "SHA-512"] {
        let digest = call(&format!("States.Hash('abc', '{algorithm}')"), &input).expect("it can be computed");
        assert!(digest.as_str().is_some_and(|digest| digest.starts_with(if algorithm == "SHA-384" {
            "cb00753f"
        } else {
            "ddaf35a1"
        })));
    }
    let seeded = "States.MathRandom(0, 1000000, 7)";
    assert_eq!(call(seeded, &input), call(seeded, &input));
}

#[test]
fn what_cannot_be_read_or_computed_says_why() {
    let cases = [
        ("States.Fromat('a')", r#"there is no intrinsic function "States.Fromat"; did you mean "States.Format"?"#),
        ("States.Format 'a'", "expected ( right after States.Format"),
        ("States.Format('a'", "expected , or ), found the end"),
        ("States.Format('a') b", r#"expected nothing more after the last ), found "b""#),
        ("States.Format('a, 1)", "expected ' at the end of the text"),
        ("States.Array(maybe)", "expected a 'text', a number"),
        ("States.Array(1x)", r#""1x" is no number"#),
        ("States.ArrayLength()", "States.ArrayLength takes 1 arguments, and is given 0"),
        ("States.MathRandom(1)", "States.MathRandom takes 2 to 3 arguments, and is given 1"),
        ("hello", "neither a path, which begins with $, nor an intrinsic function"),
        ("States.Format('{}')", r#"States.IntrinsicFailure: States.Format: "{}" has more {} than there are values"#),
        ("States.Format('', 1)", "has 1 {} fewer than there are values"),
        ("States.Format('{', 1)", "has a single {"),
        ("States.Array($.nothing)", "States.ParameterPathFailure: the path $.nothing finds nothing in the input"),
        ("States.StringToJson('{')", "the text is no JSON"),
        ("States.ArrayPartition(States.Array(), 0)", "the size must be at least 1, and is 0"),
        ("States.ArrayRange(0, 1000, 1)", "the range has more than 1000 items"),
        ("States.ArrayRange(0, 1, 0)", "the step must not be 0"),
        ("States.ArrayGetItem(States.Array(1), -1)", "there is no item -1 in an array of 1"),
        ("States.ArrayLength('a')", r#"the first argument must be an array, and is "a""#),
        ("States.Base64Decode('?')", "not Base64"),
        ("States.Hash('a', 'CRC')", r#"there is no algorithm "CRC""#),
        ("States.JsonMerge($, $, true)", "objects are not merged deeply"),
        ("States.MathRandom(2, 2)", "the end, 2, must be greater than the start, 2"),
        ("States.MathAdd('1', 2)", r#"the first number must be a whole number, and is "1""#),
    ];
    for (text, expected) in cases {
        let error = call(text, &json!({})).expect_err(text);
        assert!(error.contains(expected), "{text}: {error}");
    }
    let deep = format!("{}{}", "States.Array(".repeat(11), ")".repeat(11));
    assert!(call(&deep, &json!({})).expect_err("it is too deep").contains("more than 10 intrinsic functions"));
}
