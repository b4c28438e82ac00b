//! The Management Activity API: subscriptions, windows, pages, blobs, and every row of its error table.

use std::collections::BTreeSet;

use bytes::Bytes;
use schemas::{
    Micros,
    time::{DAY, HOUR, MINUTE, SECOND},
};
use serde_json::Value;
use simulator::{
    Options, Part, Route,
    entra::{App, READ_DLP},
    feed::{FeedTenant, Publication},
};

use crate::client::{APP, Bench, Reply, SECRET, TENANT, options, start};

const GENERAL: &str = "Audit.General";

fn root() -> String {
    format!("/api/v1.0/{TENANT}/activity/feed")
}

/// A listing's target; times as the API's samples write them.
fn listing(from: Micros, until: Micros) -> String {
    let time = |at: Micros| at.to_string().trim_end_matches('Z').to_owned();
    format!(
        "{}/subscriptions/content?contentType={GENERAL}&PublisherIdentifier={TENANT}&startTime={}&endTime={}",
        root(),
        time(from),
        time(until)
    )
}

fn publish(bench: &Bench, created: Micros) -> String {
    let record = Bytes::from(format!(r#"{{"Id":"{}","Operation":"CreateFlow"}}"#, created.0));
    let publication = Publication {
        content_type: GENERAL,
        content_id: None,
        created,
        listed_from: None,
        records: &[record],
    };
    bench.simulator.publish(TENANT, publication).remove(0)
}

/// Every page of a listing, by following what the answers name.
async fn all_pages(bench: &Bench, token: &str, target: &str) -> Vec<Vec<Value>> {
    let mut pages = Vec::new();
    let mut target = target.to_owned();
    loop {
        let reply = bench.get(&target, token).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        pages.push(reply.json().as_array().unwrap().clone());
        let Some(next) = reply.header("NextPageUri") else { return pages };
        target = next.strip_prefix(&bench.server.origin()).unwrap().to_owned();
        assert_eq!(target.split('?').nth(1).unwrap().to_ascii_lowercase().split("%24").count(), 3);
    }
}

fn ids(entries: &[Value]) -> BTreeSet<String> {
    entries.iter().map(|entry| entry["contentId"].as_str().unwrap().to_owned()).collect()
}

async fn general() -> (Bench, String) {
    let bench = Bench::new().await;
    bench.simulator.subscribe(TENANT, GENERAL, start().plus(-30 * DAY));
    let token = bench.manage().await;
    (bench, token)
}

#[tokio::test]
async fn a_subscription_is_started_listed_stopped_and_started_again() {
    let bench = Bench::new().await;
    let token = bench.manage().await;
    let bearer = format!("Bearer {token}");
    let head = [("authorization", bearer.as_str())];
    let start = format!("{}/subscriptions/start?contentType={GENERAL}", root());
    let stop = format!("{}/subscriptions/stop?contentType={GENERAL}", root());
    let list = format!("{}/subscriptions/list", root());

    assert_eq!(bench.get(&list, &token).await.json(), serde_json::json!([]));
    assert_eq!(bench.post(&stop, &head, b"").await.code(), "AF20022");
    let reply = bench.post(&start, &head, b"").await;
    assert_eq!((reply.status, reply.json()["status"].as_str()), (200, Some("enabled")));
    assert_eq!(bench.get(&list, &token).await.json()[0]["webhook"], Value::Null);

    bench.pass(4 * SECOND);
    let reply = bench.post(&start, &head, b"").await;
    assert_eq!(reply.status, 429);
    assert!(reply.json()["error"]["message"].as_str().unwrap().ends_with("after 14m 56s"), "{reply:?}");

    bench.pass(15 * MINUTE);
    let reply = bench.post(&start, &head, b"").await;
    assert_eq!((reply.status, reply.code().as_str()), (400, "AF20024"));

    assert_eq!(bench.post(&stop, &head, b"").await.status, 200);
    assert_eq!(bench.get(&list, &token).await.json()[0]["status"], "disabled");
    let now = bench.simulator.clock().now();
    let reply = bench.get(&listing(now.plus(-HOUR), now), &token).await;
    assert_eq!((reply.status, reply.code().as_str()), (400, "AF20023"));

    bench.pass(15 * MINUTE);
    let hook = br#"{"webhook":{"address":"https://hook.example.com","authId":"x","expiration":null}}"#;
    assert_eq!(bench.post(&start, &head, hook).await.code(), "AF20021");
    assert_eq!(bench.post(&start, &head, br#"{"webhook":null}"#).await.status, 200);
}

#[tokio::test]
async fn a_window_is_half_open_on_creation() {
    let (bench, token) = general().await;
    let (from, until) = (start().plus(-2 * HOUR), start().plus(-HOUR));
    let inside = [from, until.plus(-1_000)].map(|at| publish(&bench, at));
    let outside = [from.plus(-1_000), until, until.plus(1_000)].map(|at| publish(&bench, at));
    let listed = ids(&all_pages(&bench, &token, &listing(from, until)).await.concat());
    assert_eq!(listed, BTreeSet::from(inside));
    assert!(outside.iter().all(|id| !listed.contains(id)));
}

#[tokio::test]
async fn pages_hold_every_blob_once_in_no_order_and_the_ledger_sees_the_window() {
    let mut options = options();
    options.feed.page_entries = 7;
    let bench = Bench::of(options).await;
    bench.simulator.subscribe(TENANT, GENERAL, start().plus(-DAY));
    let token = bench.manage().await;
    let (from, until) = (start().plus(-HOUR), start());
    let published: Vec<String> = (0..30).map(|number| publish(&bench, from.plus(number * MINUTE))).collect();

    let pages = all_pages(&bench, &token, &listing(from, until)).await;
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [7, 7, 7, 7, 2]);
    let entries = pages.concat();
    assert_eq!(ids(&entries), published.iter().cloned().collect());
    let order: Vec<&str> = entries.iter().map(|entry| entry["contentCreated"].as_str().unwrap()).collect();
    assert!(!order.is_sorted(), "clients must not rely on an order");

    let feed = (TENANT.to_owned(), GENERAL.to_owned());
    let ledger = bench.simulator.ledger();
    assert_eq!(ledger.windows[&feed], [(from, until)], "one window, once its last page went out");
    assert_eq!(ledger.unlisted(TENANT, GENERAL, from.plus(-HOUR), until), [(from.plus(-HOUR), from)]);
    assert_eq!(ledger.answered(Part::Feed, Route::Content, 200), 5);
}

#[tokio::test]
async fn what_was_there_when_a_listing_began_is_on_its_pages_once_whatever_is_published_meanwhile() {
    let mut options = options();
    options.feed.page_entries = 4;
    let bench = Bench::of(options).await;
    bench.simulator.subscribe(TENANT, GENERAL, start().plus(-DAY));
    let token = bench.manage().await;
    let (from, until) = (start().plus(-HOUR), start());
    let there: BTreeSet<String> = (0..20).map(|number| publish(&bench, from.plus(number * MINUTE))).collect();
    let mut listed = Vec::new();
    let mut target = listing(from, until);
    for round in 0.. {
        let reply = bench.get(&target, &token).await;
        listed.extend(reply.json().as_array().unwrap().clone());
        let Some(next) = reply.header("nextpageuri") else { break };
        target = next.strip_prefix(&bench.server.origin()).unwrap().to_owned();
        if round < 5 {
            publish(&bench, from.plus(30 * MINUTE + round * SECOND));
        }
    }
    let all = ids(&listed);
    assert_eq!(all.len(), listed.len(), "none twice");
    assert!(all.is_superset(&there));
}

#[tokio::test]
async fn a_blob_is_served_as_it_was_published_until_seven_days_have_passed() {
    let (bench, token) = general().await;
    let created = start().plus(-HOUR);
    let records = [Bytes::from_static(b"{\"Id\": \"1\"}"), Bytes::from_static(b"{\"Id\":\"2\"}")];
    let publication = Publication {
        content_type: GENERAL,
        content_id: None,
        created,
        listed_from: None,
        records: &records,
    };
    let id = bench.simulator.publish(TENANT, publication).remove(0);
    let entry = all_pages(&bench, &token, &listing(created, start())).await.concat().remove(0);
    assert_eq!(entry["contentCreated"], "2026-03-02T07:00:00.000Z");
    assert_eq!(entry["contentExpiration"], "2026-03-09T07:00:00.000Z");
    let uri = entry["contentUri"].as_str().unwrap().strip_prefix(&bench.server.origin()).unwrap().to_owned();

    let reply = bench.get(&uri, &token).await;
    assert_eq!(reply.body, b"[{\"Id\": \"1\"},{\"Id\":\"2\"}]");
    assert_eq!(reply.header("content-encoding"), None);
    assert_eq!(reply.header("date"), Some("Mon, 02 Mar 2026 08:00:00 GMT"));
    let bearer = format!("Bearer {token}");
    let gzip = [("authorization", bearer.as_str()), ("accept-encoding", "br, gzip;q=0.8")];
    let packed = bench.ask(&format!("GET {}", uri.replace('$', "%24")), &gzip, b"").await.unwrap();
    assert_eq!((packed.header("content-encoding"), &packed.body), (Some("gzip"), &reply.body));

    bench.pass(7 * DAY - HOUR);
    let token = bench.manage().await;
    let gone = bench.get(&uri, &token).await;
    assert_eq!((gone.status, gone.code().as_str()), (404, "AF20051"));
    let feed = (TENANT.to_owned(), GENERAL.to_owned());
    let ledger = bench.simulator.ledger();
    assert_eq!(ledger.blobs[&feed][&id], 2);
    assert_eq!(ledger.gone[&feed], BTreeSet::from([id]));
}

#[tokio::test]
async fn a_late_blob_appears_in_a_window_that_was_listed_before() {
    let (bench, token) = general().await;
    let (from, created) = (start().plus(-2 * HOUR), start().plus(-HOUR));
    let publication = Publication {
        content_type: GENERAL,
        content_id: None,
        created,
        listed_from: Some(start().plus(10 * MINUTE)),
        records: &[],
    };
    let id = bench.simulator.publish(TENANT, publication).remove(0);
    let target = listing(from, start());
    assert!(all_pages(&bench, &token, &target).await.concat().is_empty());
    let blob = format!("{}/audit/{id}", root());
    assert_eq!(bench.get(&blob, &token).await.code(), "AF20050");
    bench.pass(10 * MINUTE);
    assert_eq!(ids(&all_pages(&bench, &token, &target).await.concat()), BTreeSet::from([id]));
    assert_eq!(bench.get(&blob, &token).await.status, 200);
}

#[tokio::test]
async fn what_was_created_while_a_subscription_was_stopped_is_never_listed() {
    let (bench, token) = general().await;
    let at = |hours: i64| start().plus(-hours * HOUR);
    let simulator = &bench.simulator;
    simulator.unsubscribe(TENANT, GENERAL, at(5));
    simulator.subscribe(TENANT, GENERAL, at(3));
    let kept: BTreeSet<String> = [at(6), at(3), at(2)].map(|at| publish(&bench, at)).into();
    let lost = [at(5), at(4)].map(|at| publish(&bench, at));
    assert_eq!(ids(&all_pages(&bench, &token, &listing(at(8), at(0))).await.concat()), kept);
    for id in lost {
        assert_eq!(bench.get(&format!("{}/audit/{id}", root()), &token).await.code(), "AF20050");
    }
}

#[tokio::test]
async fn windows_that_are_not_allowed_are_refused() {
    let (bench, token) = general().await;
    let now = start();
    let query = |text: &str| format!("{}/subscriptions/content?{text}", root());
    let cases = [
        (listing(now.plus(-DAY), now.plus(SECOND)), "AF20030"),
        (listing(now, now), "AF20030"),
        (listing(now, now.plus(-HOUR)), "AF20030"),
        (listing(now.plus(-7 * DAY - SECOND), now.plus(-7 * DAY)), "AF20055"),
        (query("contentType=Audit.General&startTime=2026-03-02"), "AF20030"),
        (query("contentType=Audit.General&startTime=soon&endTime=2026-03-02"), "AF20002"),
        (query("startTime=2026-03-01&endTime=2026-03-02"), "AF20001"),
        (query("contentType=Audit.Everything"), "AF20020"),
        (query("contentType=Audit.Exchange"), "AF20022"),
        (query("contentType=Audit.General&nextpage=2015101900R022885001761"), "AF20031"),
        (format!("{}/audit/abc", root()), "AF20052"),
        (format!("{}/audit/1$2$audit_general$x$y", root()), "AF20050"),
    ];
    for (target, code) in cases {
        let reply = bench.get(&target, &token).await;
        assert_eq!(reply.code(), code, "{target}");
        assert_eq!(reply.status, if code == "AF20050" { 404 } else { 400 }, "{target}");
    }
    // The edges that are allowed, and the last 24 hours when no window is given.
    assert_eq!(bench.get(&listing(now.plus(-DAY), now), &token).await.status, 200);
    assert_eq!(bench.get(&listing(now.plus(-7 * DAY), now.plus(-6 * DAY)), &token).await.status, 200);
    assert_eq!(bench.get(&listing(now.plus(-HOUR), now.plus(HOUR)), &token).await.status, 200);
    let id = publish(&bench, now.plus(-DAY));
    let reply = bench.get(&query("contentType=audit.general"), &token).await;
    assert_eq!(ids(reply.json().as_array().unwrap()), BTreeSet::from([id]));
}

fn strangers() -> Options {
    let other = "00000000-0000-0000-0000-0000000000aa";
    let mut options = options();
    options.apps.push(App { roles: Vec::new(), ..App::with_secret(TENANT, "no-role", SECRET) });
    options.apps.push(App::with_secret(other, APP, SECRET));
    for id in [other, "00000000-0000-0000-0000-0000000000bb"] {
        options.feed.tenants.push(FeedTenant { id: id.to_owned(), auditing: id == other });
    }
    options
}

#[tokio::test]
async fn a_token_opens_its_own_tenant_with_its_own_role_for_its_own_time() {
    let bench = Bench::of(strangers()).await;
    bench.simulator.subscribe_all(TENANT, start().plus(-DAY));
    let token_of = async |tenant: &str, client: &str, scope: &str| {
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", client),
            ("client_secret", SECRET),
            ("scope", scope),
        ];
        let reply = bench.form(&format!("/{tenant}/oauth2/v2.0/token"), &fields).await;
        reply.json()["access_token"].as_str().unwrap().to_owned()
    };
    let list = |tenant: &str| format!("/api/v1.0/{tenant}/activity/feed/subscriptions/list");
    let show = |reply: &Reply| (reply.status, reply.code());
    let denied = (401, "-".to_owned());
    let manage = "https://manage.office.com/.default";
    let token = token_of(TENANT, APP, manage).await;

    assert_eq!(bench.get(&list(TENANT), &token).await.status, 200);
    assert_eq!(show(&bench.get(&list(TENANT), "nonsense").await), denied);
    let monitor = token_of(TENANT, APP, "https://monitor.azure.com/.default").await;
    assert_eq!(show(&bench.get(&list(TENANT), &monitor).await), denied, "another audience");
    let own = format!("{}/.default", bench.server.origin());
    assert_eq!(bench.get(&list(TENANT), &token_of(TENANT, APP, &own).await).await.status, 200);
    assert_eq!(bench.get(&list("00000000-0000-0000-0000-0000000000aa"), &token).await.code(), "AF20010");
    assert_eq!(bench.get(&list("00000000-0000-0000-0000-0000000000cc"), &token).await.code(), "AF20011");
    assert_eq!(bench.get(&list("contoso.onmicrosoft.com"), &token).await.code(), "AF20013");
    let roleless = token_of(TENANT, "no-role", manage).await;
    assert_eq!(show(&bench.get(&list(TENANT), &roleless).await), (401, "AF10001".to_owned()));
    let dlp = format!("{}/subscriptions/content?contentType=DLP.All", root());
    assert_eq!(bench.get(&dlp, &token).await.code(), "AF10001");
    let mut app = App::with_secret(TENANT, APP, SECRET);
    app.roles.push(READ_DLP.to_owned());
    bench.simulator.set_apps(vec![app]);
    assert_eq!(bench.get(&dlp, &token_of(TENANT, APP, manage).await).await.status, 200);

    bench.pass(3_599 * SECOND - 1);
    assert_eq!(bench.get(&list(TENANT), &token).await.status, 200);
    bench.pass(1);
    assert_eq!(show(&bench.get(&list(TENANT), &token).await), denied, "expired");
}

#[tokio::test]
async fn a_tenant_without_auditing_is_not_known_to_exist() {
    let mut options = options();
    options.feed.tenants[0].auditing = false;
    let bench = Bench::of(options).await;
    let reply = bench.get(&format!("{}/subscriptions/list", root()), &bench.manage().await).await;
    assert_eq!(reply.status, 400);
    assert!(reply.json()["error"]["message"].as_str().unwrap().contains("does not exist"));
}

#[tokio::test]
async fn each_publisher_has_a_quota_of_its_own_and_it_comes_back() {
    let mut options = options();
    options.feed.requests_per_minute = Some(3);
    let bench = Bench::of(options).await;
    let token = bench.manage().await;
    let mine = format!("{}/subscriptions/list?PublisherIdentifier={TENANT}", root());
    let shared = format!("{}/subscriptions/list", root());
    for _ in 0..3 {
        assert_eq!(bench.get(&mine, &token).await.status, 200);
    }
    let reply = bench.get(&mine, &token).await;
    assert_eq!((reply.status, reply.code().as_str()), (403, "AF429"));
    assert!(reply.json()["error"]["message"].as_str().unwrap().contains(&format!("PublisherId={TENANT}")));
    assert_eq!(bench.get(&shared, &token).await.status, 200);
    bench.pass(MINUTE);
    assert_eq!(bench.get(&mine, &token).await.status, 200);
}
