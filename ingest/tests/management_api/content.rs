//! What is listed and fetched when all goes well: pages, late blobs, duplicates, what has expired, time.

use schemas::time::{DAY, HOUR, MINUTE, SECOND};
use simulator::faults::ContentFaults;
use simulator::feed::{CONTENT_TYPES, Publication};
use simulator::{Faults, Part, Route};

use crate::support::{GENERAL, TENANT, World, assert_sums, record, start};

/// Laws: every record becomes one event, whatever page its blob stands on and whatever boundary it was made at; the
/// windows leave nothing out; the watermark is the end of the last window.
#[tokio::test]
async fn every_blob_of_every_page_arrives_once() {
    let world = World::new().await;
    world.sim.subscribe_all(TENANT, start().plus(-DAY));
    // Eight before the start, on three pages, of which two at window boundaries, to the millisecond.
    for (n, before) in
        [DAY, DAY - 1000, 18 * HOUR, 18 * HOUR + 1000, 12 * HOUR, 3 * HOUR, HOUR, 1].into_iter().enumerate()
    {
        world.publish(-before, n * 10..n * 10 + 10);
    }
    // And one every 20 s afterwards.
    for n in 8..38 {
        world.publish((n as i64 - 8) * 20 * SECOND, n * 10..n * 10 + 10);
    }
    let summary = world.run(&world.source("start: 24h"), HOUR).await;
    assert_sums(&summary, 380, 380);
    let events = world.events().await;
    assert_eq!(events.len(), 380);
    assert!(events.values().all(|event| event.content_type == GENERAL && event.tenant == TENANT));
    world.assert_listed(start().plus(-DAY + SECOND), start().plus(HOUR - MINUTE));
    assert_eq!(summary.blobs.unwrap().fetched, 38);

    let marks = world.marks(GENERAL).await;
    assert!(marks.is_sorted(), "a watermark fell");
    let last = *marks.last().unwrap();
    assert!(last > start().plus(HOUR - 2 * MINUTE) && last <= start().plus(HOUR), "{last}");
    assert_eq!((summary.gaps, summary.finished), (0, false));
}

/// Law: a record that comes again is no second event: in the same blob, in another one, with its keys in another order,
/// after a restart.
#[tokio::test]
async fn what_comes_again_is_known() {
    let world = World::with(0, |options| {
        let content = ContentFaults {
            duplicate_one_in: 1,
            duplicate_after: 5 * MINUTE,
            permute: true,
            ..ContentFaults::default()
        };
        options.faults = Faults { content, ..Faults::default() };
    })
    .await;
    world.sim.subscribe_all(TENANT, start().plus(-DAY));
    for n in 0..5 {
        world.publish(n * MINUTE, 0..10);
    }
    let source = world.source("");
    let summary = world.run(&source, 3 * MINUTE).await;
    assert_eq!((summary.ledger.emitted, summary.ledger.read), (10, 30));
    let summary = world.run(&source, HOUR).await;
    assert_eq!((summary.ledger.emitted, summary.ledger.deduplicated), (10, 90));
    assert_eq!(summary.ledger.conflicts, 0);
    assert_eq!(world.events().await.len(), 10);
}

/// Law: a blob that is shown only after its window was listed is found, and does not move time back.
#[tokio::test]
async fn a_blob_that_is_shown_late_is_found() {
    let world = World::new().await;
    world.sim.subscribe_all(TENANT, start().plus(-DAY));
    world.publish(10 * MINUTE, 0..10);
    world.publish_late(11 * MINUTE, Some(2 * HOUR), 10..20);
    // Later than what is looked at again often: found by the daily look at everything.
    world.publish_late(12 * MINUTE, Some(12 * HOUR), 20..30);
    let source = world.source("poll_interval_s: 600");
    assert_sums(&world.run(&source, HOUR).await, 10, 10);
    assert_sums(&world.run(&source, 2 * HOUR).await, 20, 20);
    assert_sums(&world.run(&source, 2 * DAY).await, 30, 30);
    assert!(world.marks(GENERAL).await.is_sorted());
}

/// Law: listed = fetched + expired, and each of these is a gap with its bounds.
#[tokio::test]
async fn a_blob_that_has_expired_is_a_gap() {
    let world = World::with(0, |options| {
        let content = ContentFaults { expired_one_in: 2, ..ContentFaults::default() };
        options.faults = Faults { seed: 3, content, ..Faults::default() };
    })
    .await;
    world.sim.subscribe_all(TENANT, start().plus(-DAY));
    for n in 0..20 {
        world.publish(n as i64 * MINUTE, n * 10..n * 10 + 10);
    }
    let source = world.source("");
    let summary = world.run(&source, HOUR).await;
    let blobs = summary.blobs.unwrap();
    assert!(blobs.expired > 0 && blobs.fetched > 0 && blobs.listed == 20, "{blobs:?}");
    assert_eq!(blobs.listed, blobs.fetched + blobs.expired);
    let gaps = world.gaps().await;
    assert_eq!((gaps.len() as u64, summary.gaps), (blobs.expired, blobs.expired));
    let published = world.sim.published(TENANT, GENERAL);
    for gap in &gaps {
        assert!(published.contains_key(&gap.unit), "{gap:?}");
        assert_eq!(
            (gap.reason.as_str(), gap.tenant.as_str(), gap.source.as_str()),
            ("gone", TENANT, "contoso")
        );
        assert!(gap.from >= start() && gap.until > gap.from && gap.content_type == GENERAL);
    }
    // The watermark goes on over it, and a restart does not ask again.
    assert!(*world.marks(GENERAL).await.last().unwrap() > start().plus(50 * MINUTE));
    let again = world.run(&source, HOUR).await;
    assert_eq!((again.gaps, again.blobs), (0, Some(blobs)));
}

/// Law: what was not listed in the 7 days that it is kept is a gap with its bounds, and everything after it arrives.
#[tokio::test]
async fn an_absence_longer_than_content_is_kept_is_a_gap() {
    let world = World::new().await;
    world.sim.subscribe_all(TENANT, start().plus(-DAY));
    world.publish(MINUTE, 0..10);
    let source = world.source("");
    assert_sums(&world.run(&source, HOUR).await, 10, 10);
    let was = *world.marks(GENERAL).await.last().unwrap();
    world.publish(2 * DAY, 10..20);
    world.publish(9 * DAY, 20..30);
    world.go(10 * DAY);
    let summary = world.run(&source, HOUR).await;
    assert_eq!((summary.ledger.emitted, summary.gaps), (20, 1));
    let gaps = world.gaps().await;
    assert_eq!((gaps[0].reason.as_str(), gaps[0].from), ("expired", was));
    // Seven days before the return, and the ten minutes that a call may take.
    assert_eq!(gaps[0].until, start().plus(3 * DAY + HOUR + 10 * MINUTE + SECOND));
    world.run(&source, HOUR).await;
    assert_eq!(world.gaps().await.len(), 1, "it is said once");
}

/// Law: the windows go by the service's clock, and never beyond ours. Nothing is missed and no window is refused where this machine's clock is
/// ten minutes off.
#[tokio::test]
async fn a_clock_that_is_ten_minutes_off_misses_nothing() {
    for ahead in [-10 * MINUTE, 10 * MINUTE] {
        let world = World::with(ahead, |_| {}).await;
        world.sim.subscribe_all(TENANT, start().plus(ahead - 8 * DAY));
        let mut n = 0;
        for hours in 1..167 {
            world.publish(-hours * HOUR, n..n + 2);
            n += 2;
        }
        for minutes in 0..60 {
            world.publish(minutes * MINUTE, n..n + 2);
            n += 2;
        }
        let summary = world.run(&world.source("start: 7d"), 2 * HOUR).await;
        assert_sums(&summary, n as i64, n as i64);
        assert!(world.progress.answers().is_empty(), "{:?}", world.progress.answers());
        assert_eq!(summary.gaps, 0);
        // By the clock that is behind: what a clock ahead says may be wrong, and would stay.
        let behind = ahead.min(0);
        let last = *world.marks(GENERAL).await.last().unwrap();
        assert!(last <= start().plus(behind + 2 * HOUR) && last > start().plus(behind + 115 * MINUTE));
    }
}

/// Law: blobs are known for 8 days; then they are forgotten, and the sums stay.
#[tokio::test]
async fn the_ledger_forgets_blobs_and_its_sums_stay() {
    let world = World::new().await;
    world.sim.subscribe_all(TENANT, start().plus(-DAY));
    for n in 0..30 {
        world.publish(n as i64 * MINUTE, n * 10..n * 10 + 10);
    }
    let source = world.source("poll_interval_s: 3600\n    overlap_interval_s: 3600");
    let before = world.run(&source, DAY).await;
    assert_sums(&before, 300, 300);
    let entries = world.ledger_units().await;
    assert_eq!(entries.len(), 31);
    let after = world.run(&source, 9 * DAY).await;
    assert_eq!((after.ledger, after.blobs), (before.ledger, before.blobs));
    assert_eq!(world.ledger_units().await, [GENERAL], "the content type's own is left");
    let restarted = world.run(&source, HOUR).await;
    assert_eq!((restarted.ledger, restarted.blobs), (before.ledger, before.blobs));
}

/// Law: one bad record takes no other with it, and is no reason to transfer its blob again; an empty blob is a blob.
#[tokio::test]
async fn a_bad_record_is_rejected_alone_and_an_empty_blob_is_done() {
    let world = World::new().await;
    world.sim.subscribe_all(TENANT, start().plus(-DAY));
    let odd =
        ["7", "\"text\"", "null", "{}", "{\"Id\":\"x\",\"CreationTime\":\"soon\",\"Operation\":\"Op\"}"];
    let mut records: Vec<_> = (0..10).map(record).collect();
    for (place, text) in odd.into_iter().enumerate() {
        records.insert(place * 2, text.into());
    }
    for records in [&records[..], &[]] {
        let (content_type, created) = (GENERAL, start().plus(MINUTE));
        let publication = Publication { content_type, content_id: None, created, listed_from: None, records };
        world.sim.publish(TENANT, publication);
    }
    let summary = world.run(&world.source(""), 10 * MINUTE).await;
    assert_eq!((summary.ledger.read, summary.ledger.emitted, summary.ledger.rejected), (15, 10, 5));
    assert_eq!((world.dead_letters().await, summary.blobs.unwrap().fetched), (5, 2));
    assert_eq!(world.sim.ledger().answered(Part::Feed, Route::Blob, 200), 2);
}

/// Law: an event's content type is that of the listing it came by, and each content type tells its own time.
#[tokio::test]
async fn all_five_content_types_are_read_side_by_side() {
    let world = World::new().await;
    for (n, content_type) in CONTENT_TYPES.into_iter().enumerate() {
        world.publish_of(content_type, 10 * MINUTE, None, n * 10..n * 10 + 10);
        world.publish_of(content_type, 20 * MINUTE, None, n * 10 + 50..n * 10 + 60);
    }
    let types = CONTENT_TYPES.join(", ");
    let summary = world.run(&world.source(&format!("content_types: [{types}]")), HOUR).await;
    assert_sums(&summary, 100, 100);
    let events = world.events().await;
    for content_type in CONTENT_TYPES {
        assert_eq!(events.values().filter(|event| event.content_type == content_type).count(), 20);
        let marks = world.marks(content_type).await;
        assert!(marks.is_sorted() && *marks.last().unwrap() > start().plus(50 * MINUTE), "{content_type}");
    }
    assert_eq!(world.starts(), 5);
    assert!(world.progress.answers().is_empty(), "{:?}", world.progress.answers());
}

/// Law: each moment is looked at again for as long as the overlap, however seldom that is done.
#[tokio::test]
async fn a_second_look_that_comes_seldom_misses_nothing_that_is_late_by_less_than_the_overlap() {
    let world = World::new().await;
    world.sim.subscribe_all(TENANT, start().plus(-DAY));
    for (n, hours) in [1, 3, 5, 6, 7, 9, 11].into_iter().enumerate() {
        let created = hours * HOUR - MINUTE;
        world.publish_late(created, Some(created + 2 * HOUR), n * 10..n * 10 + 10);
    }
    let source = world.source("poll_interval_s: 600\n    overlap_hours: 3\n    overlap_interval_s: 21600");
    assert_sums(&world.run(&source, 23 * HOUR).await, 70, 70);
}
