//! The port as clients meet it, over a socket on loopback.

use pipeline::Clock;
use pipeline::counters::{Counters, Phase};
use schemas::Micros;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::connections::{CONNECTIONS_MAX, READ_BYTES_MAX};
use super::*;

const ANYWHERE: &str = "127.0.0.1:0";
/// Much longer than a connection lives.
const HANGS_AFTER: Duration = Duration::from_secs(30);

fn on(address: &str, is_configured: bool) -> AdminConfig {
    AdminConfig { address: Some(address.parse().unwrap()), is_configured }
}

async fn open() -> (Admin, Arc<Probes>) {
    let probes = Arc::new(Probes::new(Clock::manual(Micros(0)), CancellationToken::new()));
    let admin = Admin::open(&on(ANYWHERE, true), Metrics::new().unwrap(), Arc::clone(&probes)).await;
    (admin.unwrap().unwrap(), probes)
}

/// The whole answer to a request of these words, on a connection of its own.
async fn ask(admin: &Admin, request: &str) -> String {
    let mut stream = TcpStream::connect(admin.address()).await.unwrap();
    stream.write_all(format!("{request}\r\nConnection: close\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = tokio::time::timeout(HANGS_AFTER, stream.read_to_string(&mut answer)).await;
    read.expect("the port hangs").unwrap();
    answer
}

async fn get(admin: &Admin, path: &str) -> (u16, String) {
    let answer = ask(admin, &format!("GET {path} HTTP/1.1\r\nHost: x")).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[tokio::test]
async fn each_path_says_what_it_is_for() {
    let (admin, probes) = open().await;
    assert!(get(&admin, "/metrics").await.1.contains("\nweir_build_info{version="));
    assert_eq!(get(&admin, "/startupz").await, (503, "no: the log is being opened\n".to_owned()));
    assert_eq!(get(&admin, "/livez").await, (200, "ok: live\n".to_owned()));
    let counters: Arc<Counters> = Arc::default();
    probes.watch(vec![Watched {
        title: "enrich".to_owned(),
        role: Role::Stage,
        counters: Arc::clone(&counters),
    }]);
    counters.enter(Phase::Waiting, Micros(0));
    let waits = "no: enrich: waits for the log's first word, for 0 s\n";
    assert_eq!(get(&admin, "/readyz").await, (503, format!("no: not ready\n{waits}")));
    counters.started();
    let waits = "ok: enrich: waits for records, for 0 s\n";
    assert_eq!(get(&admin, "/readyz").await, (200, format!("ok: ready\n{waits}")));
    assert_eq!(get(&admin, "/startupz?x=1").await, (200, format!("ok: started\n{waits}")));
    admin.close().await;
}

#[tokio::test]
async fn nothing_but_reading_is_answered_and_nothing_else_is_there() {
    let (admin, _probes) = open().await;
    for path in ["/", "/metrics/", "/healthz", "/metrics/../readyz", "/%2e%2e/etc/passwd"] {
        assert_eq!(get(&admin, path).await, (404, String::new()), "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "BREW"] {
        let answer =
            ask(&admin, &format!("{method} /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0")).await;
        assert!(answer.starts_with("HTTP/1.1 405 "), "{method}: {answer}");
    }
    let head = ask(&admin, "HEAD /metrics HTTP/1.1\r\nHost: x").await;
    assert!(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"), "{head}");
    for host in ["evil.example", "127.0.0.1:1", ""] {
        let answer = ask(&admin, &format!("GET /livez HTTP/1.1\r\nHost: {host}")).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{host}: {answer}");
    }
}

/// Whoever connects and says nothing is let go, so that a scraper gets its turn; also when they take every place.
#[tokio::test]
async fn silent_clients_hold_nobody_up_for_long() {
    let (admin, _probes) = open().await;
    let mut silent = Vec::new();
    for _ in 0..CONNECTIONS_MAX {
        let mut stream = TcpStream::connect(admin.address()).await.unwrap();
        stream.write_all(b"GET /metrics HT").await.unwrap();
        silent.push(stream);
    }
    assert_eq!(get(&admin, "/livez").await.0, 200);
    for mut stream in silent {
        let mut rest = Vec::new();
        // It is closed, or reset; either way it ends.
        let read = tokio::time::timeout(HANGS_AFTER, stream.read_to_end(&mut rest)).await;
        read.expect("the port hangs").unwrap_or_default();
        assert!(!rest.starts_with(b"HTTP/1.1 200"));
    }
}

/// A connection may ask often, but not for ever: its bytes are counted, and so are those of one endless request.
#[tokio::test]
async fn a_connection_that_says_too_much_is_cut_off() {
    let (admin, _probes) = open().await;
    let request = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";
    let asked = 2 * READ_BYTES_MAX / request.len();
    let endless = [b"GET /livez HTTP/1.1\r\nX: ".to_vec(), vec![b'a'; 4 * READ_BYTES_MAX]].concat();
    for (sent, at_least) in [(request.repeat(asked), 1), (endless, 0)] {
        let (mut read, mut write) = TcpStream::connect(admin.address()).await.unwrap().into_split();
        let mut answer = Vec::new();
        // Either may meet a reset: it is cut off while it speaks.
        let (_, _) = tokio::join!(async { write.write_all(&sent).await.unwrap_or_default() }, async {
            tokio::time::timeout(HANGS_AFTER, read.read_to_end(&mut answer))
                .await
                .unwrap()
                .unwrap_or_default()
        },);
        let answered = String::from_utf8_lossy(&answer).matches("HTTP/1.1 200 OK").count();
        assert!(answered < asked && answered >= at_least, "{answered} of {asked}");
    }
    assert_eq!(get(&admin, "/livez").await.0, 200);
}

#[tokio::test]
async fn a_port_that_is_taken_is_an_error_only_where_somebody_asked_for_it() {
    let (admin, probes) = open().await;
    let taken = admin.address().to_string();
    let open =
        async |config: AdminConfig| Admin::open(&config, Metrics::new().unwrap(), Arc::clone(&probes)).await;
    let error = open(on(&taken, true)).await.unwrap_err();
    assert_eq!(error.to_string(), format!("admin: cannot listen on {taken}"));
    assert!(open(on(&taken, false)).await.unwrap().is_none());
    let off = AdminConfig { address: None, is_configured: true };
    assert!(open(off).await.unwrap().is_none());
    // Once it is closed the address is free again.
    admin.close().await;
    assert!(open(on(&taken, true)).await.unwrap().is_some());
}
