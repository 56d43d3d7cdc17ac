//! The functions on arrays.

use serde_json::Value;

use super::functions::integer;

/// The most items that a range may have.
const LONGEST_RANGE: usize = 1000;

/// Pieces of so many items; the last may have fewer.
pub(super) fn partition(arguments: &[Value]) -> Result<Value, String> {
    let size = usize::try_from(integer(&arguments[1], "the size")?).ok().filter(|size| *size > 0);
    let size = size.ok_or_else(|| format!("the size must be at least 1, and is {}", arguments[1]))?;
    Ok(array(&arguments[0])?.chunks(size).map(|piece| Value::from(piece.to_vec())).collect())
}

pub(super) fn contains(arguments: &[Value]) -> Result<Value, String> {
    Ok(array(&arguments[0])?.iter().any(|item| same(item, &arguments[1])).into())
}

/// First, last, which is in it if a step hits it, and step.
pub(super) fn range(arguments: &[Value]) -> Result<Value, String> {
    let first = integer(&arguments[0], "the first number")?;
    let last = integer(&arguments[1], "the last number")?;
    let step = integer(&arguments[2], "the step")?;
    if step == 0 {
        return Err("the step must not be 0".to_owned());
    }
    let mut items = Vec::new();
    let mut next = Some(first);
    while let Some(item) = next.filter(|item| if step > 0 { *item <= last } else { *item >= last }) {
        if items.len() == LONGEST_RANGE {
            return Err(format!("the range has more than {LONGEST_RANGE} items"));
        }
        items.push(Value::from(item));
        next = item.checked_add(step);
    }
    Ok(items.into())
}

pub(super) fn get_item(arguments: &[Value]) -> Result<Value, String> {
    let items = array(&arguments[0])?;
    let index = integer(&arguments[1], "the index")?;
    let item = usize::try_from(index).ok().and_then(|index| items.get(index));
    item.cloned().ok_or_else(|| format!("there is no item {index} in an array of {}", items.len()))
}

pub(super) fn length(arguments: &[Value]) -> Result<Value, String> {
    Ok(array(&arguments[0])?.len().into())
}

/// Each item once, where it is first.
pub(super) fn unique(arguments: &[Value]) -> Result<Value, String> {
    let mut items: Vec<Value> = Vec::new();
    for item in array(&arguments[0])? {
        if !items.iter().any(|other| same(item, other)) {
            items.push(item.clone());
        }
    }
    Ok(items.into())
}

fn array(value: &Value) -> Result<&Vec<Value>, String> {
    value.as_array().ok_or_else(|| format!("the first argument must be an array, and is {value}"))
}

/// Whether two values are the same; 1 and 1.0 are.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one == other || one.as_f64() == other.as_f64(),
        _ => one == other,
    }
}
