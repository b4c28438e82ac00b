//! Subscriptions, permissions and credentials: what is started, what is said, and that nobody is hammered.

use ingest::IngestError;
use schemas::time::{DAY, HOUR, MINUTE};
use simulator::entra::{App, READ};
use simulator::{Fault, FaultRule, Part, Route, When};

use crate::support::{CLIENT, GENERAL, SECRET, TENANT, World, assert_sums, start};

#[tokio::test]
async fn what_is_missing_is_started_once() {
    let world = World::new().await;
    world.publish(10 * MINUTE, 0..10);
    let summary = world.run(&world.source(""), HOUR).await;
    assert_sums(&summary, 10, 10);
    assert_eq!((world.starts(), summary.gaps), (1, 0), "nothing was lost: there was none before");
    world.run(&world.source(""), HOUR).await;
    assert_eq!(world.starts(), 1);
}

/// Law: what an administrator stops is started again, not more often than once in 15 minutes, and what was missed is a
/// gap from the last listing to the start.
#[tokio::test]
async fn a_subscription_that_was_disabled_is_started_again_and_is_a_gap() {
    let world = World::new().await;
    let source = world.source("");
    world.publish(5 * MINUTE, 0..10);
    assert_sums(&world.run(&source, 20 * MINUTE).await, 10, 10);
    world.sim.unsubscribe(TENANT, GENERAL, start().plus(20 * MINUTE));
    world.publish(21 * MINUTE, 10..20);
    world.go(2 * MINUTE);
    world.publish(40 * MINUTE, 20..30);
    let summary = world.run(&source, HOUR).await;
    assert_eq!((summary.ledger.emitted, summary.gaps), (20, 1));
    assert_eq!(world.starts(), 2);
    let gaps = world.gaps().await;
    assert_eq!(gaps[0].reason, "subscription_disabled");
    assert!(gaps[0].from <= start().plus(20 * MINUTE) && gaps[0].until >= start().plus(22 * MINUTE));
    assert!(gaps[0].until < start().plus(30 * MINUTE), "{:?}", gaps[0]);
    world.run(&source, HOUR).await;
    assert_eq!(world.gaps().await.len(), 1, "it is said once");
}

/// Stopped again and again by somebody: the 15 minutes are kept, also over restarts.
#[tokio::test]
async fn starts_are_at_least_15_minutes_apart() {
    let world = World::new().await;
    let source = world.source("subscription_interval_s: 60");
    for minutes in 0..40 {
        world.run(&source, MINUTE).await;
        world.sim.unsubscribe(TENANT, GENERAL, start().plus((minutes + 1) * MINUTE));
    }
    assert_eq!(world.starts(), 3, "at 0, 15 and 30 minutes");
    assert_eq!(world.sim.ledger().answered(Part::Feed, Route::Start, 429), 0);
}

/// Enabled already, says the service: that is what was wanted.
#[tokio::test]
async fn enabled_already_is_success() {
    let world = World::new().await;
    world.sim.subscribe_all(TENANT, start().plus(-DAY));
    world.publish(5 * MINUTE, 0..10);
    let none = Fault::Answer(200, "[]".to_owned());
    world.faults(vec![FaultRule::route(Part::Feed, Route::Subscriptions, When::First(1), none)]);
    assert_sums(&world.run(&world.source(""), HOUR).await, 10, 10);
    assert_eq!(world.progress.answers()["AF20024"], 1);
}

/// Law: a wrong secret is named, waited out in minutes, and cured by a right one without a restart.
#[tokio::test]
async fn a_wrong_secret_is_named_and_nobody_is_hammered() {
    let world = World::new().await;
    world.sim.subscribe_all(TENANT, start().plus(-DAY));
    world.publish(5 * MINUTE, 0..10);
    std::fs::write(world.folder.path().join("secret"), "another").unwrap();
    let source = world.source("content_types: [Audit.General, Audit.Exchange]");
    let Err(IngestError::Refused { name, why }) = source.check(world.clock.clone()).await else { panic!() };
    assert!(name == "contoso" && why.contains("AADSTS7000215") && why.contains("client_secret"), "{why}");
    assert!(!why.contains("another"));
    let asked = world.sim.ledger().asked(Part::Entra);
    let summary = world.run(&source, 2 * HOUR).await;
    assert_eq!((summary.ledger.read, world.sim.ledger().asked(Part::Feed)), (0, 0));
    let asked = world.sim.ledger().asked(Part::Entra) - asked;
    assert!((5..=60).contains(&asked), "asked {asked} times in two hours");
    std::fs::write(world.folder.path().join("secret"), SECRET).unwrap();
    assert_sums(&world.run(&source, HOUR).await, 10, 10);
}

/// Law: a missing permission is named, and the trouble of one content type is no other's.
#[tokio::test]
async fn a_content_type_without_permission_stops_no_other() {
    let world = World::with(0, |options| {
        let mut app = App::with_secret(TENANT, CLIENT, SECRET);
        app.roles = vec![READ.to_owned()];
        options.apps = vec![app];
    })
    .await;
    world.publish(5 * MINUTE, 0..10);
    let source = world.source("content_types: [DLP.All, Audit.General, Audit.None]");
    let summary = world.run(&source, 2 * HOUR).await;
    assert_sums(&summary, 10, 10);
    let answers = world.progress.answers();
    assert!(answers["AF10001"] >= 2 && answers["AF10001"] < 40, "{answers:?}");
    assert!(answers["AF20020"] >= 2 && answers["AF20020"] < 40, "{answers:?}");
    assert!(*world.marks(GENERAL).await.last().unwrap() > start().plus(100 * MINUTE));
    assert!(world.marks("Audit.None").await.is_empty(), "what never came holds no time back");
}

#[tokio::test]
async fn a_check_says_what_there_is_and_what_is_away() {
    let world = World::new().await;
    world.sim.subscribe(TENANT, GENERAL, start().plus(-DAY));
    let source = world.source("content_types: [Audit.General, Audit.Exchange]");
    let lines = source.check(world.clock.clone()).await.unwrap();
    assert_eq!(
        lines[1..],
        ["Audit.General: enabled", "Audit.Exchange: no subscription yet; it will be started"]
    );
    assert_eq!(world.starts(), 0, "a check starts nothing");

    let without = App { roles: Vec::new(), ..App::with_secret(TENANT, CLIENT, SECRET) };
    world.sim.set_apps(vec![without]);
    let Err(IngestError::Refused { why, .. }) = source.check(world.clock.clone()).await else { panic!() };
    assert!(why.contains("ActivityFeed.Read"), "{why}");

    world.faults(vec![FaultRule::part(Part::Feed, When::Always, Fault::Busy)]);
    world.sim.set_apps(vec![App::with_secret(TENANT, CLIENT, SECRET)]);
    assert!(matches!(source.check(world.clock.clone()).await, Err(IngestError::Away { .. })));
    let gone = world.source_at("https://localhost:1", "");
    assert!(matches!(gone.check(world.clock.clone()).await, Err(IngestError::Away { .. })));
}
