//! Every answer of the table at least once, as a listing's and as a blob's: what it leads to.

use schemas::time::{DAY, HOUR, MINUTE, SECOND};
use simulator::{Fault, FaultRule, Part, Route, When};

use crate::support::{TENANT, World, start};

fn error(code: &str) -> String {
    format!("{{\"error\":{{\"code\":\"{code}\",\"message\":\"a text\"}}}}")
}

/// Code, the status it comes with.
const CODES: [(&str, u16); 25] = [
    ("AF10001", 401),
    ("AF20001", 400),
    ("AF20002", 400),
    ("AF20003", 400),
    ("AF20010", 400),
    ("AF20011", 400),
    ("AF20012", 400),
    ("AF20013", 400),
    ("AF20020", 400),
    ("AF20021", 400),
    ("AF20022", 400),
    ("AF20023", 400),
    ("AF20024", 400),
    ("AF20030", 400),
    ("AF20031", 400),
    ("AF20050", 404),
    ("AF20051", 404),
    ("AF20052", 400),
    ("AF20053", 400),
    ("AF20054", 400),
    ("AF20055", 400),
    ("AF429", 403),
    ("AF50000", 500),
    ("AF50005", 500),
    ("AF50006", 500),
];

async fn world() -> World {
    let world = World::new().await;
    world.sim.subscribe_all(TENANT, start().plus(-DAY));
    for n in 0..4 {
        world.publish(n as i64 * MINUTE, n * 10..n * 10 + 10);
    }
    world
}

/// Law: whatever a listing is answered once, no window is passed over and nothing is lost.
#[tokio::test]
async fn no_answer_to_a_listing_loses_anything() {
    for (code, status) in CODES {
        for number in [1, 3] {
            let world = world().await;
            let fault = Fault::Answer(status, error(code));
            world.faults(vec![FaultRule::route(Part::Feed, Route::Content, When::Nth(number), fault)]);
            let summary = world.run(&world.source(""), 30 * MINUTE).await;
            assert_eq!(summary.ledger.emitted, 40, "{code} {number}: {summary:?}");
            assert_eq!(world.progress.answers()[code], 1, "{code}");
            assert_eq!(summary.gaps, u64::from(code == "AF20022" || code == "AF20023"), "{code} {number}");
            world.assert_listed(start(), start().plus(15 * MINUTE));
        }
    }
}

/// Law: only an answer that says that a blob is gone makes it a gap; after any other it is fetched.
#[tokio::test]
async fn only_what_is_gone_is_given_up() {
    for (code, status) in CODES {
        let world = world().await;
        let fault = Fault::Answer(status, error(code));
        world.faults(vec![FaultRule::route(Part::Feed, Route::Blob, When::Nth(2), fault)]);
        let summary = world.run(&world.source(""), 30 * MINUTE).await;
        let gone = u64::from(code == "AF20050" || code == "AF20051");
        let blobs = summary.blobs.unwrap();
        assert_eq!((blobs.listed, blobs.fetched, blobs.expired), (4, 4 - gone, gone), "{code}");
        let gaps = gone + u64::from(code == "AF20022" || code == "AF20023");
        assert_eq!(summary.ledger.emitted, 40 - 10 * gone as i64, "{code}");
        assert_eq!(summary.gaps, gaps, "{code}");
    }
}

/// Law: a 404 without a code may be a proxy's. A moment of it loses nothing; it is believed at the third time that was an
/// hour or more after the one before.
#[tokio::test]
async fn a_bare_404_is_believed_when_it_lasts_for_hours() {
    for body in ["", "<html>no such route</html>", "{\"Message\":\"nothing\"}"] {
        for (lasts, expired) in [(12 * SECOND, 0), (90 * MINUTE, 0), (4 * HOUR, 4)] {
            let world = world().await;
            let fault = Fault::Answer(404, body.to_owned());
            let when = When::Between(start(), start().plus(lasts));
            world.faults(vec![FaultRule::route(Part::Feed, Route::Blob, when, fault)]);
            let blobs = world.run(&world.source(""), 4 * HOUR).await.blobs.unwrap();
            assert_eq!(
                (blobs.listed, blobs.fetched, blobs.expired),
                (4, 4 - expired, expired),
                "{body} {lasts}"
            );
            assert_eq!(world.gaps().await.len() as u64, expired, "{body} {lasts}");
        }
    }
}
