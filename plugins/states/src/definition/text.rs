//! Definitions as texts, in which an object may have a name twice. A value no longer shows that, so it is found while the text is read.

use std::cell::RefCell;
use std::fmt::{self, Formatter};

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::{Mistake, below};

/// Reads a text as JSON, and says which names are there twice.
///
/// # Errors
///
/// One mistake, if it is no JSON.
pub(super) fn read(text: &str) -> Result<(Value, Vec<Mistake>), Mistake> {
    let twice = RefCell::new(Vec::new());
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Place { at: "$".to_owned(), twice: &twice }.deserialize(&mut deserializer);
    let value = value.and_then(|value| deserializer.end().map(|()| value));
    match value {
        Ok(value) => Ok((value, twice.into_inner())),
        Err(error) => Err(Mistake { path: "$".to_owned(), message: format!("is not JSON: {error}") }),
    }
}

/// A place in the text, which is about to be read.
struct Place<'a> {
    at: String,
    twice: &'a RefCell<Vec<Mistake>>,
}

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) =
            access.next_element_seed(Place { at: format!("{}[{}]", self.at, items.len()), twice: self.twice })?
        {
            items.push(item);
        }
        Ok(items.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = access.next_key::<String>()? {
            let at = below(&self.at, &name);
            if members.contains_key(&name) {
                let message = "is there twice, and an object has each name once".to_owned();
                self.twice.borrow_mut().push(Mistake { path: at.clone(), message });
            }
            let value = access.next_value_seed(Place { at, twice: self.twice })?;
            members.insert(name, value);
        }
        Ok(members.into())
    }
}
