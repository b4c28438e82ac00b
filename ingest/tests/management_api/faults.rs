//! Trouble that passes: whatever goes wrong in between, in the end everything has arrived, once.

use pipeline::log::Next;
use schemas::time::{DAY, HOUR, MINUTE};
use simulator::{Fault, FaultRule, Part, Route, When};

use crate::support::{GENERAL, TENANT, World, assert_sums, record, start};

/// Twelve blobs on several pages; one is longer than a step.
async fn world() -> World {
    let world = World::new().await;
    world.sim.subscribe_all(TENANT, start().plus(-DAY));
    for n in 0..12 {
        world.publish(n as i64 * MINUTE, n * 10..n * 10 + 10);
    }
    world.publish(15 * MINUTE, 120..500);
    world
}

/// Law: after trouble the ledger's sums are those of an undisturbed run. What was transferred twice is counted once.
async fn assert_outlived(world: &World, name: &str) {
    let summary = world.run(&world.source(""), 80 * MINUTE).await;
    assert_sums(&summary, 500, 500);
    assert_eq!(world.events().await.len(), 500, "{name}");
    assert_eq!((summary.gaps, world.dead_letters().await), (0, 0), "{name}");
    assert_eq!(summary.blobs.unwrap().fetched, 13, "{name}");
    assert!(world.sim.ledger().faults > 0, "{name}: nothing went wrong");
    world.assert_listed(start(), start().plus(30 * MINUTE));
    assert!(world.marks(GENERAL).await.is_sorted(), "{name}");
}

#[tokio::test]
async fn every_trouble_with_blobs_is_outlived() {
    for fault in [
        Fault::Unauthorized,
        Fault::Throttled(403),
        Fault::Throttled(429),
        Fault::Internal,
        Fault::Busy,
        Fault::Html,
        Fault::CutJson,
        Fault::Cut,
        Fault::Dribble,
        Fault::HangUp,
        Fault::Refuse,
        Fault::Answer(200, String::new()),
        Fault::Answer(200, "<html>sign in</html>".to_owned()),
        Fault::Answer(200, "{\"error\":{\"code\":\"AF50000\"}}".to_owned()),
        Fault::Answer(404, "<html>not found</html>".to_owned()),
        Fault::Answer(400, "{\"error\":{\"code\":\"AF20052\",\"message\":\"x\"}}".to_owned()),
    ] {
        let name = format!("{fault:?}");
        let world = world().await;
        world.faults(vec![FaultRule::route(Part::Feed, Route::Blob, When::Every(3), fault)]);
        assert_outlived(&world, &name).await;
    }
}

#[tokio::test]
async fn every_trouble_with_listings_is_outlived() {
    for fault in [
        Fault::Unauthorized,
        Fault::Throttled(403),
        Fault::Throttled(429),
        Fault::Internal,
        Fault::Busy,
        Fault::Html,
        Fault::CutJson,
        Fault::Cut,
        Fault::Dribble,
        Fault::HangUp,
        Fault::Refuse,
        Fault::ForeignPage,
        Fault::ForeignContent,
        Fault::Answer(200, String::new()),
        Fault::Answer(200, "null".to_owned()),
        Fault::Answer(200, "{}".to_owned()),
        Fault::Answer(200, "[{\"contentType\":\"Audit.General\"}]".to_owned()),
    ] {
        let name = format!("{fault:?}");
        let world = world().await;
        world.faults(vec![FaultRule::route(Part::Feed, Route::Content, When::Every(3), fault)]);
        assert_outlived(&world, &name).await;
    }
}

#[tokio::test]
async fn trouble_with_tokens_and_subscriptions_is_outlived() {
    for (part, route) in [(Part::Entra, Route::Token), (Part::Feed, Route::Subscriptions)] {
        for fault in [Fault::Internal, Fault::Busy, Fault::Html, Fault::Cut, Fault::HangUp] {
            let name = format!("{route:?} {fault:?}");
            let world = world().await;
            world.faults(vec![FaultRule::route(part, route, When::First(2), fault)]);
            assert_outlived(&world, &name).await;
        }
    }
}

/// A body that hangs is given up once no byte has come for the time that is set.
#[tokio::test]
async fn a_body_that_hangs_is_given_up() {
    let world = world().await;
    world.faults(vec![FaultRule::route(Part::Feed, Route::Blob, When::Nth(2), Fault::Stall)]);
    assert_outlived(&world, "stall").await;
    assert_eq!(world.progress.answers()["timeout"], 1);
}

/// Law: a token is renewed when it is refused or has run out, in the middle of whatever is done.
#[tokio::test]
async fn short_tokens_and_refused_ones_are_renewed() {
    let world = World::with(0, |options| options.token_life_s = 60).await;
    world.sim.subscribe_all(TENANT, start().plus(-DAY));
    for n in 0..20 {
        world.publish(n as i64 * MINUTE, n * 10..n * 10 + 10);
    }
    let source = world.source("");
    world.run(&source, 10 * MINUTE).await;
    world.sim.revoke_tokens();
    assert_sums(&world.run(&source, HOUR).await, 200, 200);
    assert_eq!(world.progress.answers().get("status_401"), None, "the next run has a token of its own");

    let world = World::new().await;
    world.sim.subscribe_all(TENANT, start().plus(-DAY));
    world.faults(vec![FaultRule::part(Part::Feed, When::Every(5), Fault::Unauthorized)]);
    world.publish(0, 0..10);
    assert_sums(&world.run(&world.source(""), HOUR).await, 10, 10);
    assert!(world.progress.answers()["status_401"] > 5);
    let refused = world.sim.ledger().answered(Part::Feed, Route::Content, 401);
    assert!(world.sim.ledger().asked(Part::Entra) > refused / 2, "a refused token is not used again");
}

/// Law: a body that stays malformed in three whole transfers is believed: what is good in it is kept, the rest is in the
/// dead letter, and the blob is done.
#[tokio::test]
async fn a_body_that_stays_malformed_is_believed_after_three_transfers() {
    let world = World::new().await;
    world.sim.subscribe_all(TENANT, start().plus(-DAY));
    world.publish(0, 0..10);
    let good: Vec<String> = (0..150).map(|id| String::from_utf8(record(id).to_vec()).unwrap()).collect();
    let body = format!("[{},{{\"Id\":\"torn\",{}]", good[..120].join(","), good[120..].join(","));
    world.faults(vec![FaultRule::route(Part::Feed, Route::Blob, When::Always, Fault::Answer(200, body))]);
    let summary = world.run(&world.source(""), HOUR).await;
    let counts = summary.ledger;
    assert_eq!((counts.read, counts.emitted, counts.rejected), (151, 150, 1), "{counts:?}");
    assert_eq!(world.dead_letters().await, 1);
    assert_eq!(summary.blobs.unwrap().fetched, 1);
    assert_eq!(world.sim.ledger().answered(Part::Feed, Route::Blob, 200), 3);
}

/// Law: an address of another host is never asked; what it stood for is a gap once it is over.
#[tokio::test]
async fn a_foreign_address_is_refused_until_it_is_a_gap() {
    let world = plain().await;
    world.sim.subscribe_all(TENANT, start().plus(-DAY));
    world.publish(-MINUTE, 0..10);
    world.publish(HOUR, 10..20);
    let foreign = When::Between(start(), start().plus(30 * MINUTE));
    world.faults(vec![FaultRule::route(Part::Feed, Route::Content, foreign, Fault::ForeignContent)]);
    let source = world.source("poll_interval_s: 3600\n    overlap_interval_s: 3600");
    let summary = world.run(&source, 10 * MINUTE).await;
    assert_eq!((summary.ledger.read, summary.gaps), (0, 0));
    assert!(world.progress.answers()["foreign_host"] >= 1);
    // Named as it should be, it is fetched.
    let summary = world.run(&source, 2 * HOUR).await;
    assert_sums(&summary, 20, 20);

    let world = plain().await;
    world.sim.subscribe_all(TENANT, start().plus(-DAY));
    let id = world.publish(-MINUTE, 0..10).remove(0);
    let foreign = When::Between(start(), start().plus(9 * DAY));
    world.faults(vec![FaultRule::route(Part::Feed, Route::Content, foreign, Fault::ForeignContent)]);
    let summary = world.run(&source_of(&world), 8 * DAY).await;
    assert_eq!((summary.ledger.read, summary.gaps), (0, 1));
    let gaps = world.gaps().await;
    assert_eq!((gaps[0].unit.as_str(), gaps[0].reason.as_str()), (id.as_str(), "expired"));
    assert_eq!(gaps[0].from, start().plus(-MINUTE));
    let answered = world.sim.ledger().answered(Part::Feed, Route::Blob, 200);
    assert_eq!(answered, 0);
    // Not before it is over does the watermark pass it.
    assert!(*world.marks(GENERAL).await.last().unwrap() > start().plus(7 * DAY));
}

/// The service packs nothing, so that its faults can write into what it lists.
async fn plain() -> World {
    World::with(0, |options| options.feed.gzip = false).await
}

fn source_of(world: &World) -> std::sync::Arc<dyn ingest::Source> {
    world.source("poll_interval_s: 7200\n    overlap_interval_s: 86400\n    subscription_interval_s: 7200")
}

/// Everything at once, at rates that can be outlived.
#[tokio::test]
async fn a_storm_is_outlived() {
    for seed in 1..=3 {
        let world = world().await;
        world
            .sim
            .set_faults(simulator::Faults { content: Default::default(), ..simulator::Faults::storm(seed) });
        let summary = world.run(&world.source(""), 4 * HOUR).await;
        assert_eq!(summary.ledger.emitted, 500, "seed {seed}: {summary:?} {:?}", world.progress.answers());
        assert!(summary.ledger.balance());
        assert_eq!(world.events().await.len(), 500, "seed {seed}");
    }
}

/// The log is away for a while at the very beginning: nobody asks before there is somebody to write.
#[tokio::test]
async fn nothing_is_asked_before_the_shard_is_held() {
    let world = World::new().await;
    let mut first = world.open_as("a").await;
    while !matches!(first.next().await.unwrap(), Next::Assigned(_)) {}
    let mut log = world.open_as("b").await;
    let context = world.context();
    let source = world.source("");
    context.control.stop.cancel();
    let summary = ingest::run(log.as_mut(), &world.log, source.as_ref(), context).await.unwrap();
    assert_eq!((summary.steps, world.sim.ledger().asked(Part::Feed)), (0, 0));
}
