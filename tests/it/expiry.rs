//! Trials expire on time, once, in order; by the manual clock, so that "on time" is exact.

use std::time::Duration;

use proptest::prelude::*;
use trialbridge::trials::Request;

use crate::support::{World, of_type};

const RULES: &str = "[trials.ACS]\ndefault-ttl = '1h'\nminimum-ttl = '1ms'\nmaximum-ttl = '90d'\n";

fn request(id: &str, ttl: u64) -> Request {
    Request {
        lead_id: "lead".to_owned(),
        trial_type: "ACS".to_owned(),
        ttl: Some(Duration::from_millis(ttl)),
        trial_id: Some(id.to_owned()),
        ..Request::default()
    }
}

fn expired(world: &World) -> Vec<String> {
    of_type(&world.journal(), "TrialExpired").iter().map(|e| e["trialId"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn never_early_and_at_once_when_due() {
    let world = World::new(RULES, &[]).await;
    world.host.trials().request(request("a", 1000)).await.unwrap();
    world.clock.advance(Duration::from_millis(999));
    world.host.trials().request(request("b", 1)).await.unwrap();
    assert!(world.host.trials().get("a").is_ok());
    assert!(expired(&world).is_empty());
    world.clock.advance(Duration::from_millis(1));
    assert!(world.host.trials().get("a").is_err());
    assert!(world.host.trials().list(&Default::default()).unwrap().trials.is_empty());
    world.wait_for("both expire", |journal| of_type(journal, "TrialExpired").len() == 2).await;
    world.host.shutdown().await;
}

#[tokio::test]
async fn a_backlog_expires_in_order() {
    let world = World::new(RULES, &[]).await;
    for (id, ttl) in [("c", 3000), ("a", 1000), ("d", 4000), ("b", 2000)] {
        world.host.trials().request(request(id, ttl)).await.unwrap();
    }
    // As after downtime: all of them are due when the timers look again.
    world.clock.advance(Duration::from_secs(10));
    world.wait_for("all expire", |journal| of_type(journal, "TrialExpired").len() == 4).await;
    assert_eq!(expired(&world), ["a", "b", "c", "d"]);
    world.host.shutdown().await;
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// A trial that is extended, cancelled and expired at one time lives or ends, once.
    #[test]
    fn a_trial_that_is_extended_at_the_last_moment_lives_or_expires(late in any::<bool>(), cancel in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::new(RULES, &[]).await;
            world.host.trials().request(request("a", 1000)).await.unwrap();
            world.clock.advance(Duration::from_millis(if late { 1000 } else { 999 }));
            let trials = world.host.trials();
            let extend = async { trials.extend("a", Duration::from_secs(60)).await.is_ok() };
            let cancel = async { cancel && trials.cancel("a").await.is_ok() };
            let push = async { world.clock.advance(Duration::from_millis(1)) };
            let (extended, cancelled, ()) = tokio::join!(extend, cancel, push);
            let lives = trials.get("a").is_ok();
            assert_eq!(lives, extended && !cancelled);
            world.clock.advance(Duration::from_secs(60));
            if !cancelled {
                world.wait_for("it expires", |journal| !of_type(journal, "TrialExpired").is_empty()).await;
            }
            // Whatever else is due has happened when a trial that ends later has expired.
            trials.request(request("last", 1)).await.unwrap();
            world.clock.advance(Duration::from_millis(1));
            world.wait_for("the last expires", |journal| {
                of_type(journal, "TrialExpired").iter().any(|e| e["trialId"] == "last")
            }).await;
            let ends = expired(&world).iter().filter(|id| *id == "a").count()
                + of_type(&world.journal(), "TrialCancelled").len();
            assert_eq!(ends, 1, "one end: extended {extended}, cancelled {cancelled}");
            world.host.shutdown().await;
        });
    }
}
