//! The functions by name, and those on texts, numbers and objects.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::Digest;

use super::parse::OPEN_BACKSLASH;
use super::{Known, arrays};

/// The function whose first argument has braces.
pub(super) const FORMAT: &str = "States.Format";

/// The most characters that are encoded, decoded or hashed.
const MOST_CHARACTERS: usize = 10_000;

/// Every function.
pub(super) const TABLE: &[Known] = &[
    Known { name: FORMAT, least: 1, most: usize::MAX, compute: |arguments, _| format(arguments) },
    Known { name: "States.StringToJson", least: 1, most: 1, compute: |arguments, _| string_to_json(&arguments[0]) },
    Known {
        name: "States.JsonToString",
        least: 1,
        most: 1,
        compute: |arguments, _| Ok(arguments[0].to_string().into()),
    },
    Known { name: "States.StringSplit", least: 2, most: 2, compute: |arguments, _| split(arguments) },
    Known { name: "States.Array", least: 0, most: usize::MAX, compute: |arguments, _| Ok(arguments.into()) },
    Known { name: "States.ArrayPartition", least: 2, most: 2, compute: |arguments, _| arrays::partition(arguments) },
    Known { name: "States.ArrayContains", least: 2, most: 2, compute: |arguments, _| arrays::contains(arguments) },
    Known { name: "States.ArrayRange", least: 3, most: 3, compute: |arguments, _| arrays::range(arguments) },
    Known { name: "States.ArrayGetItem", least: 2, most: 2, compute: |arguments, _| arrays::get_item(arguments) },
    Known { name: "States.ArrayLength", least: 1, most: 1, compute: |arguments, _| arrays::length(arguments) },
    Known { name: "States.ArrayUnique", least: 1, most: 1, compute: |arguments, _| arrays::unique(arguments) },
    Known { name: "States.Base64Encode", least: 1, most: 1, compute: |arguments, _| base64_encode(&arguments[0]) },
    Known { name: "States.Base64Decode", least: 1, most: 1, compute: |arguments, _| base64_decode(&arguments[0]) },
    Known { name: "States.Hash", least: 2, most: 2, compute: |arguments, _| hash(arguments) },
    Known { name: "States.JsonMerge", least: 3, most: 3, compute: |arguments, _| merge(arguments) },
    Known { name: "States.MathRandom", least: 2, most: 3, compute: math_random },
    Known { name: "States.MathAdd", least: 2, most: 2, compute: |arguments, _| math_add(arguments) },
    Known { name: "States.UUID", least: 0, most: 0, compute: |_, random| Ok(uuid(random).into()) },
];

/// A text argument.
pub(super) fn text<'a>(value: &'a Value, what: &str) -> Result<&'a str, String> {
    value.as_str().ok_or_else(|| format!("{what} must be a text, and is {value}"))
}

/// A whole number; one with a fraction is rounded.
pub(super) fn integer(value: &Value, what: &str) -> Result<i64, String> {
    let rounded = || value.as_f64().map(f64::round).filter(|number| number.abs() < 9e15).map(|number| number as i64);
    value.as_i64().or_else(rounded).ok_or_else(|| format!("{what} must be a whole number, and is {value}"))
}

/// Puts arguments in the place of `{}`. `\'`, `\{`, `\}` and `\\` stand for the character.
fn format(arguments: &[Value]) -> Result<Value, String> {
    let template = text(&arguments[0], "the template")?;
    let mut values = arguments[1..].iter();
    let mut filled = String::new();
    let mut chars = template.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c @ ('\'' | '{' | '}' | '\\')) => filled.push(c),
                _ => return Err(format!("in {template:?} {OPEN_BACKSLASH}")),
            },
            '{' if chars.peek() == Some(&'}') => {
                chars.next();
                match values.next() {
                    Some(Value::String(text)) => filled.push_str(text),
                    Some(Value::Array(_) | Value::Object(_)) => {
                        return Err(
                            "a value is an array or an object; States.JsonToString makes a text of it".to_owned()
                        );
                    }
                    Some(other) => filled.push_str(&other.to_string()),
                    None => return Err(format!("{template:?} has more {{}} than there are values")),
                }
            }
            '{' | '}' => return Err(format!("{template:?} has a single {c}; write \\{c} for the character")),
            c => filled.push(c),
        }
    }
    match values.len() {
        0 => Ok(filled.into()),
        left => Err(format!("{template:?} has {left} {{}} fewer than there are values")),
    }
}

fn string_to_json(value: &Value) -> Result<Value, String> {
    serde_json::from_str(text(value, "the argument")?).map_err(|error| format!("the text is no JSON: {error}"))
}

/// Pieces between any of the characters given; empty ones are left out.
fn split(arguments: &[Value]) -> Result<Value, String> {
    let (whole, separators) = (text(&arguments[0], "the text")?, text(&arguments[1], "the separators")?);
    Ok(whole.split(|c| separators.contains(c)).filter(|piece| !piece.is_empty()).collect())
}

fn base64_encode(value: &Value) -> Result<Value, String> {
    Ok(STANDARD.encode(short(text(value, "the argument")?)?).into())
}

fn base64_decode(value: &Value) -> Result<Value, String> {
    let bytes =
        STANDARD.decode(short(text(value, "the argument")?)?).map_err(|error| format!("not Base64: {error}"))?;
    String::from_utf8(bytes).map(Value::String).map_err(|_| "what was encoded is no text".to_owned())
}

fn hash(arguments: &[Value]) -> Result<Value, String> {
    let data = match &arguments[0] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let data = short(&data)?.as_bytes();
    Ok(match text(&arguments[1], "the algorithm")? {
        "MD5" => hex(&md5::Md5::digest(data)),
        "SHA-1" => hex(&sha1::Sha1::digest(data)),
        "SHA-256" => hex(&sha2::Sha256::digest(data)),
        "SHA-384" => hex(&sha2::Sha384::digest(data)),
        "SHA-512" => hex(&sha2::Sha512::digest(data)),
        other => return Err(format!("there is no algorithm {other:?}, but MD5, SHA-1, SHA-256, SHA-384 and SHA-512")),
    }
    .into())
}

/// One object over another, not deeply: the language knows nothing else yet.
fn merge(arguments: &[Value]) -> Result<Value, String> {
    let [Value::Object(one), Value::Object(other), deeply] = arguments else {
        return Err("the first two arguments must be objects".to_owned());
    };
    if *deeply != Value::Bool(false) {
        return Err("the third argument must be false: objects are not merged deeply".to_owned());
    }
    let mut merged = one.clone();
    merged.extend(other.clone());
    Ok(merged.into())
}

/// A number from the first up to, and without, the second. With a seed it is always the same.
fn math_random(arguments: &[Value], random: &mut dyn FnMut() -> u64) -> Result<Value, String> {
    let (start, end) = (integer(&arguments[0], "the start")?, integer(&arguments[1], "the end")?);
    if start >= end {
        return Err(format!("the end, {end}, must be greater than the start, {start}"));
    }
    let number = match arguments.get(2) {
        Some(seed) => mix(integer(seed, "the seed")? as u64),
        None => random(),
    };
    let below = i128::from(end) - i128::from(start);
    Ok(json!((i128::from(start) + i128::from(number) % below) as i64))
}

fn math_add(arguments: &[Value]) -> Result<Value, String> {
    let (one, other) = (integer(&arguments[0], "the first number")?, integer(&arguments[1], "the second number")?);
    one.checked_add(other).map(Value::from).ok_or_else(|| format!("{one} and {other} are too much together"))
}

/// A UUID of version 4.
fn uuid(random: &mut dyn FnMut() -> u64) -> String {
    let high = (random() & !0xf000) | 0x4000;
    let low = (random() & (u64::MAX >> 2)) | (1 << 63);
    let (high, low) = (format!("{high:016x}"), format!("{low:016x}"));
    format!("{}-{}-{}-{}-{}", &high[..8], &high[8..12], &high[12..], &low[..4], &low[4..])
}

fn short(text: &str) -> Result<&str, String> {
    match text.chars().count() {
        0..=MOST_CHARACTERS => Ok(text),
        count => Err(format!("the text has {count} characters, and at most {MOST_CHARACTERS} are allowed")),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// splitmix64: the numbers of neighbouring seeds have nothing to do with one another.
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
