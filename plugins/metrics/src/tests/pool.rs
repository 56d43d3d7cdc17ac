//! How long pools starve.

use std::time::Duration;

use serde_json::json;
use trialbridge_plugin::testing::{Measure, START, World};

use crate::Metrics;

fn comes(world: &mut World<Metrics>, stack: &str) {
    let detail = json!({ "type": "ACS", "stackId": stack, "state": "WARM" });
    world.handle("stack-manager", "StackWarm", detail).expect("it is counted");
}

fn goes(world: &mut World<Metrics>, stack: &str) {
    let detail = json!({ "type": "ACS", "stackId": stack });
    world.handle("assign-trial", "StackReserved", detail).expect("it is counted");
}

/// Since when the pool is empty, and how long it was so each time.
fn starvation(world: &World<Metrics>) -> (f64, Vec<f64>) {
    let labels = [("type", "ACS")];
    let since = match world.metric("pool_empty_since_timestamp_seconds", &labels) {
        Some(Measure::Gauge(since)) => *since,
        other => panic!("{other:?}"),
    };
    match world.metric("pool_starvation_seconds", &labels) {
        Some(Measure::Histogram(values)) => (since, values.clone()),
        _ => (since, Vec::new()),
    }
}

#[test]
fn a_pool_starves_from_its_last_stack_to_its_next() {
    let mut world = World::<Metrics>::new();
    let second = START as f64 / 1000.0;
    comes(&mut world, "1");
    comes(&mut world, "2");
    goes(&mut world, "1");
    assert_eq!(starvation(&world), (0.0, vec![]));
    goes(&mut world, "2");
    assert_eq!(starvation(&world), (second, vec![]));
    world.advance(Duration::from_secs(30));
    comes(&mut world, "3");
    assert_eq!(starvation(&world), (0.0, vec![30.0]));
    assert_eq!(world.metric("warm_stacks", &[("type", "ACS")]), Some(&Measure::Gauge(1.0)));
}

#[test]
fn a_pool_that_never_was_filled_starves_from_its_first_order() {
    let mut world = World::<Metrics>::new();
    let second = START as f64 / 1000.0;
    let order = |world: &mut World<Metrics>, stack: &str| {
        let detail = json!({ "type": "ACS", "stackId": stack });
        world.handle("stack-manager", "StackCreateRequested", detail).expect("it is counted");
    };
    order(&mut world, "1");
    world.advance(Duration::from_secs(60));
    order(&mut world, "2");
    assert_eq!(starvation(&world), (second, vec![]));
    comes(&mut world, "2");
    order(&mut world, "3");
    assert_eq!(starvation(&world), (0.0, vec![60.0]));
}

#[test]
fn the_order_of_handlings_and_what_was_there_before_do_not_matter() {
    let mut world = World::<Metrics>::new();
    goes(&mut world, "before");
    goes(&mut world, "1");
    comes(&mut world, "1");
    comes(&mut world, "2");
    comes(&mut world, "2");
    goes(&mut world, "2");
    assert_eq!(starvation(&world), (START as f64 / 1000.0, vec![]));
}
