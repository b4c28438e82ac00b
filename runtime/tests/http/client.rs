//! What a client must not be talked into.

use std::{io::Write as _, time::Duration};

use flate2::{Compression, write::GzEncoder};
use runtime::http::{Client, HttpError, HttpSettings, Request};

use crate::{
    certificates::authority,
    wire::{Scripted, Wire, answer, raw},
};

fn client() -> Client {
    Client::new(&HttpSettings::default()).unwrap()
}

async fn sent(scripted: Scripted) -> Result<(u16, Vec<u8>), HttpError> {
    let wire = Wire::start(vec![scripted], None).await;
    let request = Request::get(wire.base("http").join("x")).answer_bytes_max(1000);
    client().send(request).await.map(|answer| (answer.status(), answer.body().to_vec()))
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let elsewhere = Wire::start(vec![answer("200 OK", "", b"secret")], None).await;
    let location = format!("location: http://localhost:{}/\r\n", elsewhere.port);
    assert_eq!(sent(answer("302 Found", &location, b"")).await.unwrap().0, 302);
    assert!(elsewhere.asked().is_empty());
}

#[tokio::test]
async fn an_answer_is_bounded_before_and_after_decoding() {
    assert_eq!(sent(answer("200 OK", "", &[b'x'; 1000])).await.unwrap().1.len(), 1000);
    assert_eq!(sent(answer("200 OK", "", &[b'x'; 1001])).await, Err(HttpError::TooLong(1000)));
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    bomb.write_all(&[0; 100_000]).unwrap();
    let bomb = bomb.finish().unwrap();
    assert!(bomb.len() <= 1000, "{} bytes", bomb.len());
    let gzip = "content-encoding: gzip\r\n";
    assert_eq!(sent(answer("200 OK", gzip, &bomb)).await, Err(HttpError::TooLong(1000)));
    let mut small = GzEncoder::new(Vec::new(), Compression::fast());
    small.write_all(b"[]").unwrap();
    assert_eq!(sent(answer("200 OK", gzip, &small.finish().unwrap())).await.unwrap().1, b"[]");
}

#[tokio::test]
async fn an_answer_that_ends_too_early_is_none() {
    for cut in [
        &b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfive!"[..],
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfive!\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\n\x1f\x8b\x08\x00",
        b"HTTP/1.1 200",
        b"SSH-2.0-nothing\r\n",
        b"",
    ] {
        let got = sent(raw(cut)).await;
        assert!(matches!(got, Err(HttpError::Broken(_))), "{}: {got:?}", String::from_utf8_lossy(cut));
    }
}

#[tokio::test]
async fn who_stalls_is_given_up() {
    let bytes = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfive!".to_vec();
    let wire = Wire::start(vec![Scripted { bytes, stalls: true }], None).await;
    let short = Duration::from_millis(100);
    let settings = HttpSettings { read_timeout: short, ..HttpSettings::default() };
    let got = Client::new(&settings).unwrap().send(Request::get(wire.base("http").join("x"))).await;
    assert_eq!(got.unwrap_err(), HttpError::Timeout);
    let got = client().send(Request::get(wire.base("http").join("x")).total_timeout(short)).await;
    assert_eq!(got.unwrap_err(), HttpError::Timeout);
}

#[tokio::test]
async fn only_the_named_authority_is_trusted_and_no_error_holds_an_address() {
    let (ours, theirs) = (authority(), authority());
    let wire = Wire::start(vec![answer("200 OK", "", b"[]")], Some(ours.acceptor.clone())).await;
    let asks = |ca_file| {
        let client =
            Client::new(&HttpSettings { ca_file: Some(ca_file), ..HttpSettings::default() }).unwrap();
        let request =
            Request::get(wire.base("https").join("token-of-ours")).secret_header("authorization", "abc123");
        async move { client.send(request).await }
    };
    assert_eq!(asks(ours.ca_file.clone()).await.unwrap().status(), 200);
    let refused = asks(theirs.ca_file.clone()).await.unwrap_err();
    assert!(matches!(refused, HttpError::Unreachable(_)), "{refused:?}");
    for hidden in ["token-of-ours", "abc123"] {
        assert!(!format!("{refused:?} {refused}").contains(hidden), "{refused:?}");
    }
    assert_eq!(wire.asked().len(), 1, "the second one never got so far");
}

#[tokio::test]
async fn a_header_that_cannot_be_sent_is_said_by_name() {
    let wire = Wire::start(vec![answer("200 OK", "", b"")], None).await;
    let request = Request::get(wire.base("http").join("x")).secret_header("authorization", "two\nlines");
    let error = client().send(request).await.unwrap_err();
    assert!(matches!(&error, HttpError::Settings(what) if what.contains("authorization")), "{error:?}");
    assert!(!error.to_string().contains("two") && wire.asked().is_empty());
}
