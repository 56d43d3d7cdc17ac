//! Features of a map like those that aws/event-ruler measures itself with, and its categories of rules.
//!
//! Its own file, citylots2, is 190 MB of San Francisco. What is generated here has the same members, sizes and kinds of values; the
//! coordinates are arrays in arrays, as GeoJSON has them. Whether `properties` come before `geometry` matters to engines that stop
//! reading when they know enough.

use std::fmt::Write;

use serde_json::{Value, json};

use super::Workload;
use crate::random::Random;

const STREETS: [&str; 24] = [
    "UNKNOWN",
    "MARKET",
    "MISSION",
    "FULTON",
    "JEFFERSON",
    "MASON",
    "HYDE",
    "CHESTNUT",
    "BEACH",
    "ACADIA",
    "BLAKE",
    "DRUMM",
    "RHODE ISLAND",
    "STEINER",
    "JACKSON",
    "WASHINGTON",
    "LARKIN",
    "STANYAN",
    "SLOAT",
    "DOLORES",
    "CORBETT",
    "VALLEJO",
    "BOSWORTH",
    "FOERSTER",
];
const STREET_TYPES: [&str; 5] = ["ST", "AVE", "BLVD", "CT", "WAY"];

/// A lot of land.
struct Lot {
    /// Block and lot.
    id: String,
    /// The members `properties` and `geometry`, as text.
    properties: String,
    geometry: String,
    /// Where its outline begins.
    x: f64,
    y: f64,
}

/// Every category, with the members in either order.
pub(crate) fn all(events: usize) -> Vec<Workload> {
    let lots = lots(events);
    let categories = categories(&lots);
    let mut workloads = Vec::new();
    for (order, properties_first) in [("properties first", true), ("geometry first", false)] {
        for (category, rules) in &categories {
            workloads.push(Workload {
                name: format!("citylots {category}, {order}"),
                rules: rules.iter().map(Value::to_string).collect(),
                events: lots.iter().map(|lot| feature(lot, properties_first)).collect(),
            });
        }
    }
    workloads
}

/// The categories of rules, by name. "COMBO" is all that have no `anything-but` of something else than values, which only ours can do.
fn categories(lots: &[Lot]) -> Vec<(&'static str, Vec<Value>)> {
    let property = |name: &str, condition: Value| json!({ "properties": { name: [condition] } });
    let coordinates = |conditions: Value| json!({ "geometry": { "coordinates": [{ "numeric": conditions }] } });
    let rules = |name: &str, operator: &str, operands: &[Value]| -> Vec<Value> {
        operands.iter().map(|operand| property(name, json!({ operator: operand }))).collect()
    };
    let anything_but = |operator: &str, operands: [Value; 5]| {
        rules("STREET", "anything-but", &operands.map(|operand| json!({ operator: operand })))
    };
    let [a, b, c, d] = [1, 2, 3, 4].map(|fifth| &lots[lots.len() / 5 * fifth]);

    let exact = [&a.id, &b.id, &c.id, &d.id].map(|id| property("MAPBLKLOT", json!(id)));
    let exact = [&exact[..], &[property("MAPBLKLOT", json!("NOWHERE"))]].concat();
    let wildcards = [format!("{}*", &a.id[..3]), "2*0*1*7".to_owned(), format!("*{}", &b.id[4..]), "3*5*2".to_owned()];
    let wildcard = wildcards.iter().map(|text| json!(text)).chain([json!("NO*RE")]);
    let wildcard = rules("MAPBLKLOT", "wildcard", &wildcard.collect::<Vec<_>>());
    let prefix = rules("STREET", "prefix", &["AC", "BL", "DR", "FU", "RH"].map(Value::from));
    let suffix = rules("STREET", "suffix", &["ON", "KE", "MM", "ER", "TH"].map(Value::from));
    let mut ignore_case =
        rules("STREET", "equals-ignore-case", &["jefferson", "bEaCh", "HyDe", "CHESTNUT"].map(Value::from));
    ignore_case.extend(rules("ST_TYPE", "equals-ignore-case", &["st".into()]));
    let numeric = vec![
        coordinates(json!(["=", a.x])),
        coordinates(json!(["=", b.y])),
        coordinates(json!(["<", -122.45])),
        coordinates(json!([">", 37.77])),
        coordinates(json!([">=", -122.44, "<", -122.41])),
    ];
    let mut anything_but_values = rules("STREET", "anything-but", &[json!(["FULTON"]), json!(["MASON", "BEACH"])]);
    anything_but_values.extend(rules("ST_TYPE", "anything-but", &[json!("ST")]));
    anything_but_values.extend(rules("FROM_ST", "anything-but", &[json!(["441", "443"])]));
    anything_but_values.push(json!({ "geometry": { "type": [{ "anything-but": ["Polygon"] }] } }));
    let shaped = |shape: &str, conditions: Value| json!({ "geometry": { "type": [shape], "coordinates": [{ "numeric": conditions }] } });
    let complex_arrays = vec![
        shaped("Polygon", json!(["=", c.x])),
        shaped("MultiPolygon", json!([">", 37.75])),
        shaped("Polygon", json!(["<", -122.45])),
        shaped("Polygon", json!([">", -122.42, "<", 0])),
        json!({
            "properties": { "ODD_EVEN": ["E"] },
            "geometry": { "type": [{ "prefix": "Poly" }], "coordinates": [{ "numeric": [">", 37.8, "<", 37.81] }, d.y] },
        }),
    ];
    let combo = [&exact, &wildcard, &prefix, &suffix, &ignore_case, &numeric, &anything_but_values, &complex_arrays];
    let combo = combo.into_iter().flatten().cloned().collect();
    vec![
        ("EXACT", exact),
        ("WILDCARD", wildcard),
        ("PREFIX", prefix),
        ("SUFFIX", suffix),
        ("EQUALS_IGNORE_CASE", ignore_case),
        ("NUMERIC", numeric),
        ("ANYTHING_BUT", anything_but_values),
        ("ANYTHING_BUT_PREFIX", anything_but("prefix", ["AC", "BL", "DR", "FU", "RH"].map(Value::from))),
        ("ANYTHING_BUT_SUFFIX", anything_but("suffix", ["ON", "KE", "MM", "ER", "TH"].map(Value::from))),
        (
            "ANYTHING_BUT_IGNORE_CASE",
            anything_but("equals-ignore-case", ["jefferson", "bEaCh", "HyDe", "FULTON", "mason"].map(Value::from)),
        ),
        ("ANYTHING_BUT_WILDCARD", anything_but("wildcard", ["A*", "*ON", "J*F*N", "*O*", "M*T"].map(Value::from))),
        ("COMPLEX_ARRAYS", complex_arrays),
        ("COMBO", combo),
    ]
}

/// So many lots. One of a hundred has two outlines.
fn lots(count: usize) -> Vec<Lot> {
    let mut random = Random::new(4);
    (0..count).map(|_| lot(&mut random)).collect()
}

fn lot(random: &mut Random) -> Lot {
    let (block, number) = (format!("{:04}", random.below(8_000)), format!("{:03}", random.below(300)));
    let id = format!("{block}{number}");
    let house = random.below(3_000);
    let street = random.one_of(&STREETS);
    let properties = json!({
        "MAPBLKLOT": id,
        "BLKLOT": id,
        "BLOCK_NUM": block,
        "LOT_NUM": number,
        "FROM_ST": house.to_string(),
        "TO_ST": house.to_string(),
        "STREET": street,
        "ST_TYPE": (street != "UNKNOWN").then(|| random.one_of(&STREET_TYPES)),
        "ODD_EVEN": if house.is_multiple_of(2) { "E" } else { "O" },
    });
    let (x, y) = (random.between(-122.51, -122.37), random.between(37.71, 37.83));
    let ring = ring(x, y, random);
    let geometry = if random.percent(1) {
        format!(r#"{{"type":"MultiPolygon","coordinates":[[{ring}],[{}]]}}"#, self::ring(x + 0.001, y, random))
    } else {
        format!(r#"{{"type":"Polygon","coordinates":[{ring}]}}"#)
    };
    Lot { id, properties: properties.to_string(), geometry, x, y }
}

/// An outline that begins and ends here, of 5 to 27 points.
fn ring(x: f64, y: f64, random: &mut Random) -> String {
    let mut ring = format!("[[{x},{y},0]");
    for _ in 0..3 + random.below(23) {
        let (x, y) = (x + random.between(-0.0005, 0.0005), y + random.between(-0.0005, 0.0005));
        write!(ring, ",[{x},{y},0]").unwrap();
    }
    write!(ring, ",[{x},{y},0]]").unwrap();
    ring
}

/// The text of the event.
fn feature(lot: &Lot, properties_first: bool) -> Vec<u8> {
    let Lot { properties, geometry, .. } = lot;
    let text = if properties_first {
        format!(r#"{{"type":"Feature","properties":{properties},"geometry":{geometry}}}"#)
    } else {
        format!(r#"{{"type":"Feature","geometry":{geometry},"properties":{properties}}}"#)
    };
    text.into_bytes()
}
