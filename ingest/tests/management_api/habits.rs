//! A service with other habits than the tenant in a box: what no contract promises must not matter.
//!
//! It speaks plain HTTP without `Date`, closes every connection, writes header names in other cases, names the next page in
//! `NextPageUrl`, lists in no order and with fields nobody knows, numbers for texts and texts for numbers, entries without a
//! status, moments without a zone and with seven digits, blobs in chunks with a byte-order mark and line breaks.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use schemas::Micros;
use schemas::time::{HOUR, MINUTE, SECOND};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::support::{GENERAL, TENANT, World, assert_sums, record, start};

/// What was asked, a line each.
#[derive(Debug, Clone, Default)]
struct Asked(Arc<Mutex<Vec<String>>>);

/// What is wrong besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    Nothing,
    /// The first answer of the feed has this `Date`.
    FirstDate(&'static str),
    /// This blob comes so often at a byte every 50 ms, and never ends.
    Drips(usize, usize),
    /// This blob is refused so often with a body that comes like that.
    DripsTrouble(usize, usize),
    /// The subscriptions are so often not to be had for a minute, and to listings there is none.
    NoSubscriptions(usize),
}

/// Serves until it is dropped; its origin.
async fn serve(asked: Asked, wrong: Wrong) -> (String, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let mut serving = JoinSet::new();
    let own = origin.clone();
    serving.spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            connections.spawn(answer(stream, own.clone(), asked.clone(), wrong));
        }
    });
    (origin, serving)
}

async fn answer(mut stream: TcpStream, origin: String, asked: Asked, wrong: Wrong) {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let read = stream.read(&mut buffer).await.unwrap();
        if read == 0 {
            return;
        }
        request.extend_from_slice(&buffer[..read]);
    }
    let head = String::from_utf8_lossy(&request).into_owned();
    let line = head.lines().next().unwrap().to_owned();
    let target = line.split(' ').nth(1).unwrap().to_owned();
    let is_feed = target.starts_with("/api/");
    let authorized = head.to_lowercase().contains("authorization: bearer a-token");
    asked.0.lock().unwrap().push(line);
    let asked = |part: &str| asked.0.lock().unwrap().iter().filter(|line| line.contains(part)).count();
    let dripping = match wrong {
        Wrong::Drips(number, times) => Some(("200 Fine", number, times)),
        Wrong::DripsTrouble(number, times) => Some(("500 Trouble", number, times)),
        Wrong::Nothing | Wrong::FirstDate(_) | Wrong::NoSubscriptions(_) => None,
    };
    if let Some((status, number, times)) = dripping {
        let blob = format!("/audit/{number}?");
        if target.contains(&blob) && asked(&blob) <= times {
            return drip(stream, status).await;
        }
    }
    let mut whole = if is_feed && (!authorized || !target.to_lowercase().contains("publisheridentifier=")) {
        respond(401, &[], "text/plain", "denied")
    } else {
        route(&target, &origin)
    };
    if let Wrong::FirstDate(date) = wrong
        && is_feed
        && asked("/api/") == 1
    {
        whole = whole.replacen("\r\n", &format!("\r\ndate: {date}\r\n"), 1);
    }
    if let Wrong::NoSubscriptions(times) = wrong {
        if target.contains("/subscriptions/list") && asked("/subscriptions/list") <= times {
            whole = respond(503, &[("retry-after", "60")], "text/html", "<html>");
        } else if target.contains("/subscriptions/content") {
            whole = respond(400, &[], "application/json", "{\"error\":{\"code\":\"AF20022\"}}");
        }
    }
    stream.write_all(whole.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
}

/// A byte now and then, until the other side has had enough.
async fn drip(mut stream: TcpStream, status: &str) {
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: 1000000\r\nconnection: close\r\n\r\n[");
    let mut rest = head.as_bytes().to_vec();
    let mut now_and_then = tokio::time::interval(Duration::from_millis(50));
    while stream.write_all(&rest).await.is_ok() {
        rest = b" ".to_vec();
        now_and_then.tick().await;
    }
}

fn route(target: &str, origin: &str) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if path.ends_with("/oauth2/v2.0/token") {
        let body = "{\"ext_expires_in\":\"7\",\"access_token\":\"a-token\",\"token_type\":\"bearer\",\"expires_in\":\"3599\"}";
        return respond(200, &[], "application/json", body);
    }
    if path.ends_with("/subscriptions/list") {
        let body = "[{\"webhook\":null,\"contentType\":\"audit.general\",\"isDefault\":1},{\"status\":\"disabled\",\"contentType\":\"DLP.All\",\"webhook\":{\"address\":\"\"}},{}]";
        return respond(200, &[], "application/json", body);
    }
    if path.ends_with("/subscriptions/start") {
        return respond(200, &[], "application/json", "{}");
    }
    if path.ends_with("/subscriptions/content") {
        return list(query, origin);
    }
    let number: usize = path.rsplit('/').next().unwrap().parse().unwrap();
    blob(number)
}

/// Each hour has three blobs, on a page each, the last one first.
fn list(query: &str, origin: &str) -> String {
    let value = |name: &str| {
        let field = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
        Some(field.replace("%3A", ":"))
    };
    let moment = |name: &str| Micros::parse(&value(name).unwrap()).unwrap();
    let (from, to) = match value("startTime") {
        Some(_) => (moment("startTime"), moment("endTime")),
        None => (moment("starttime"), moment("endtime")),
    };
    let in_window = |number: &usize| (from..to).contains(&created(*number));
    let numbers: Vec<usize> = (0..30).filter(in_window).rev().collect();
    let page: usize = value("nextpage").map_or(0, |page| page.trim_start_matches("%24").parse().unwrap());
    let mut body = "[".to_owned();
    if let Some(number) = numbers.get(page) {
        let at = created(*number).to_string();
        let at = at.trim_end_matches('Z');
        let uri = format!("{origin}/api/v1.0/{TENANT}/activity/feed/audit/{number}");
        write!(
            body,
            "{{\"size\":{{\"x\":[1]}},\"contentCreated\":\"{at}.0000000\",\"contentUri\":\"{uri}\","
        )
        .unwrap();
        let expiration = if number.is_multiple_of(2) { "null" } else { "\"2026-03-30T00:00:00\"" };
        write!(body, "\"contentExpiration\":{expiration},\"contentId\":{},\"contentType\":7}}", number + 100)
            .unwrap();
    }
    body.push(']');
    let text = |at: Micros| at.to_string().trim_end_matches('Z').replace(':', "%3A");
    let next = format!(
        "{origin}/api/v1.0/{TENANT}/activity/feed/subscriptions/content?contenttype={GENERAL}&starttime={}.0000000&endtime={}.0000000&nextpage=%24{}",
        text(from),
        text(to),
        page + 1
    );
    let more = page + 1 < numbers.len();
    let headers: &[(&str, &str)] = if more { &[("NEXTPAGEURL", &next)] } else { &[("NextPageUri", "")] };
    respond(200, headers, "text/json", &body)
}

fn created(number: usize) -> Micros {
    start().plus(-10 * HOUR + number as i64 * 20 * MINUTE)
}

/// Ten records, in chunks that end anywhere.
fn blob(number: usize) -> String {
    let records = (number * 10..number * 10 + 10).map(|id| String::from_utf8(record(id).to_vec()).unwrap());
    let records: Vec<String> = records.map(|record| record.replace(",\"", " ,\r\n   \"")).collect();
    let body = format!("\u{feff}\r\n[\r\n  {}\r\n]\r\n", records.join("\r\n,"));
    let mut text = "HTTP/1.1 200 Fine\r\ntransfer-encoding: chunked\r\nConnection: close\r\n\r\n".to_owned();
    for chunk in body.as_bytes().chunks(7) {
        write!(text, "{:x}\r\n{}\r\n", chunk.len(), String::from_utf8_lossy(chunk)).unwrap();
    }
    text + "0\r\n\r\n"
}

fn respond(status: u16, headers: &[(&str, &str)], kind: &str, body: &str) -> String {
    let mut text = format!("HTTP/1.1 {status} Whatever\r\nCONTENT-TYPE: {kind}\r\nconnection: close\r\n");
    for (name, value) in headers {
        write!(text, "{name}: {value}\r\n").unwrap();
    }
    write!(text, "content-LENGTH: {}\r\n\r\n{body}", body.len()).unwrap();
    text
}

#[tokio::test]
async fn other_habits_change_nothing() {
    let world = World::new().await;
    let asked = Asked::default();
    let (origin, _serving) = serve(asked.clone(), Wrong::Nothing).await;
    let source = world.source_at(&origin, "start: 12h");
    let lines = source.check(world.clock.clone()).await.unwrap();
    assert_eq!(lines[1], "Audit.General: enabled");
    let summary = world.run(&source, 3 * HOUR).await;
    assert_sums(&summary, 300, 300);
    assert!(world.progress.answers().is_empty(), "{:?}", world.progress.answers());
    assert_eq!((summary.blobs.unwrap().fetched, summary.gaps), (30, 0));
    assert!(*world.marks(GENERAL).await.last().unwrap() > start().plus(3 * HOUR - 2 * MINUTE));
    let asked = asked.0.lock().unwrap().clone();
    let blobs: BTreeSet<&String> = asked.iter().filter(|line| line.contains("/audit/")).collect();
    assert_eq!(blobs.len(), 30);
    assert!(!asked.iter().any(|line| line.contains("/start?")), "what is enabled is not started");
    let publisher = format!("PublisherIdentifier={TENANT}");
    for line in asked.iter().filter(|line| line.contains("/api/")) {
        assert_eq!(line.matches("PublisherIdentifier").count(), 1, "{line}");
        assert!(line.contains(&publisher), "{line}");
    }
    // The next page's address stays to the letter.
    assert!(asked.iter().any(|line| line.contains("nextpage=%241&PublisherIdentifier=")));
}

/// Law: one wrong `Date`, also on the very first answer, moves neither the listing nor the watermark, now or later.
#[tokio::test]
async fn a_wrong_date_on_the_first_answer_moves_nothing() {
    let world = World::new().await;
    let (origin, _serving) = serve(Asked::default(), Wrong::FirstDate("Tue, 03 Mar 2026 14:00:00 GMT")).await;
    let source = world.source_at(&origin, "start: 12h");
    let summary = world.run(&source, MINUTE).await;
    let marks = world.marks(GENERAL).await;
    assert!(*marks.last().unwrap() <= world.clock.now(), "{marks:?}");
    assert_eq!(summary.blobs.unwrap().fetched, 30, "what is there up to now");
    world.run(&source, HOUR).await;
    let marks = world.marks(GENERAL).await;
    let now = world.clock.now();
    assert!(marks.is_sorted() && marks.iter().all(|mark| *mark <= now), "{marks:?}");
    assert!(*marks.last().unwrap() > now.plus(-5 * MINUTE), "{marks:?}");
}

/// Law: a blob whose bytes hardly come, be it a success or an error, keeps the others waiting for one exchange's time
/// only, and is fetched once it comes as it should.
#[tokio::test]
async fn a_blob_that_drips_is_put_off() {
    for wrong in [Wrong::Drips(0, 2), Wrong::DripsTrouble(0, 2)] {
        let mut world = World::new().await;
        world.total_timeout = "1s";
        let asked = Asked::default();
        let (origin, _serving) = serve(asked.clone(), wrong).await;
        let source = world.source_at(&origin, "start: 12h");
        let summary = world.run(&source, 30 * MINUTE).await;
        assert_sums(&summary, 300, 300);
        assert_eq!((summary.blobs.unwrap().fetched, summary.gaps), (30, 0), "{wrong:?}");
        assert_eq!(world.progress.answers()["timeout"], 2, "{wrong:?}");
        let asked = asked.0.lock().unwrap().clone();
        let at = |number: usize| asked.iter().rposition(|line| line.contains(&format!("/audit/{number}?")));
        assert!(at(0) > at(5), "{wrong:?}: the others go on");
    }
}

/// Law: where the subscriptions cannot be listed and the service says that there is none, nobody asks for the list before
/// the time that the service named, and listings wait as they do after any other answer.
#[tokio::test]
async fn no_list_and_no_subscription_is_no_reason_to_ask_in_a_circle() {
    // Always; and for the first content type only, which then learns from the second what there is.
    for times in [usize::MAX, 1] {
        let world = World::new().await;
        let asked = Asked::default();
        let (origin, _serving) = serve(asked.clone(), Wrong::NoSubscriptions(times)).await;
        let source = world.source_at(&origin, "content_types: [Audit.General, Audit.Exchange]");
        world.run(&source, 50 * SECOND).await;
        let asked = |part: &str| asked.0.lock().unwrap().iter().filter(|line| line.contains(part)).count();
        assert_eq!(asked("/subscriptions/list"), 2, "{times}: once for each content type");
        assert!(asked("/subscriptions/content") >= 2, "{times}: content may be had all the same");
        world.run(&source, 10 * MINUTE).await;
        let (lists, contents) = (asked("/subscriptions/list"), asked("/subscriptions/content"));
        // Two content types, and two runs with the minutes that begin in them.
        assert!((2..=24).contains(&lists), "{times}: {lists} lists");
        assert!((2..=40).contains(&contents), "{times}: {contents} contents");
        assert!(asked("/subscriptions/start") <= 2, "{times}");
    }
}
