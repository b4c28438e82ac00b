//! A small HTTP/1.1 client over TLS: one request a connection, everything read to its end.

use std::{io, net::SocketAddr, sync::Arc};

use pipeline::Clock;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use schemas::Micros;
use simulator::{
    Ca, Options, Server, Simulator,
    entra::{App, MANAGE, MONITOR},
    feed::FeedOptions,
    hec::HecOptions,
    ingestion::{CollectionRule, IngestionOptions},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

pub(crate) const TENANT: &str = "41463f53-8812-40f4-890f-865bf6e35190";
pub(crate) const APP: &str = "1cef1fdb-ff52-48c4-8e4e-dfb5ea83d357";
pub(crate) const SECRET: &str = "a+secret~with/odd=letters";
pub(crate) const TOKEN: &str = "b7f1c0de-0000-4000-8000-000000000001";
pub(crate) const RULE: &str = "dcr-00000000000000000000000000000001";
pub(crate) const STREAM: &str = "Custom-WeirFindings_CL";

/// The moment that the tests begin at.
pub(crate) fn start() -> Micros {
    Micros::parse("2026-03-02T08:00:00Z").unwrap()
}

/// A tenant, an app with a secret, a HEC token and a rule with one stream.
pub(crate) fn options() -> Options {
    let mut options = Options::new(Clock::manual(start()));
    options.apps = vec![App::with_secret(TENANT, APP, SECRET)];
    options.feed = FeedOptions::of(TENANT);
    options.hec = HecOptions::of(TOKEN);
    options.ingestion =
        IngestionOptions { rules: vec![CollectionRule::of(RULE, &[STREAM])], ..IngestionOptions::default() };
    options
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The feed's error code, or `-`.
    pub(crate) fn code(&self) -> String {
        self.json()["error"]["code"].as_str().unwrap_or("-").to_owned()
    }
}

/// A simulator with its server.
pub(crate) struct Bench {
    pub(crate) simulator: Simulator,
    pub(crate) server: Server,
}

impl Bench {
    pub(crate) async fn of(options: Options) -> Self {
        let simulator = Simulator::open(options).unwrap();
        let server = Server::start(&simulator, SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        Self { simulator, server }
    }

    pub(crate) async fn new() -> Self {
        Self::of(options()).await
    }

    /// Moves the clock forward.
    pub(crate) fn pass(&self, micros: i64) {
        let clock = self.simulator.clock();
        clock.set(clock.now().plus(micros));
    }

    pub(crate) async fn ask(&self, head: &str, headers: &[(&str, &str)], body: &[u8]) -> io::Result<Reply> {
        ask(&self.server, head, headers, body).await
    }

    pub(crate) async fn get(&self, target: &str, token: &str) -> Reply {
        let bearer = format!("Bearer {token}");
        self.ask(&format!("GET {target}"), &[("authorization", &bearer)], b"").await.unwrap()
    }

    pub(crate) async fn post(&self, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        self.ask(&format!("POST {target}"), headers, body).await.unwrap()
    }

    /// Asks the v2 endpoint with these form fields.
    pub(crate) async fn form(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        let escape = |text: &str| -> String {
            text.bytes()
                .map(|byte| match byte {
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
                    _ => format!("%{byte:02X}"),
                })
                .collect()
        };
        let body: Vec<String> =
            fields.iter().map(|(name, value)| format!("{name}={}", escape(value))).collect();
        let kind = [("content-type", "application/x-www-form-urlencoded")];
        self.post(path, &kind, body.join("&").as_bytes()).await
    }

    async fn token(&self, scope: &str) -> String {
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", APP),
            ("client_secret", SECRET),
            ("scope", scope),
        ];
        let reply = self.form(&format!("/{TENANT}/oauth2/v2.0/token"), &fields).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// A token for the feed.
    pub(crate) async fn manage(&self) -> String {
        self.token(&format!("{MANAGE}/.default")).await
    }

    /// A token for Logs Ingestion.
    pub(crate) async fn monitor(&self) -> String {
        self.token(&format!("{MONITOR}/.default")).await
    }
}

pub(crate) async fn ask(
    server: &Server,
    head: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Reply> {
    ask_at(server.addr(), server.ca(), head, headers, body).await
}

/// Asks whoever listens there with a certificate of this CA.
pub(crate) async fn ask_at(
    addr: SocketAddr,
    ca: &Ca,
    head: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Reply> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(addr).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    let host = addr.port();
    let mut request = format!("{head} HTTP/1.1\r\nhost: localhost:{host}\r\nconnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
    stream.write_all(request.as_bytes()).await?;
    stream.write_all(body).await?;
    stream.flush().await?;
    let mut answer = Vec::new();
    // A server that closes without TLS's goodbye has cut the answer; what came so far decides below.
    let _end = stream.read_to_end(&mut answer).await;
    parse(&answer)
}

fn parse(answer: &[u8]) -> io::Result<Reply> {
    let cut = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let at = answer.windows(4).position(|four| four == b"\r\n\r\n").ok_or_else(cut)?;
    let head = String::from_utf8_lossy(&answer[..at]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|code| code.parse().ok());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned()))
        .collect();
    let mut reply = Reply { status: status.ok_or_else(cut)?, headers, body: answer[at + 4..].to_vec() };
    if reply.header("transfer-encoding").is_some() {
        reply.body = unchunked(&reply.body).ok_or_else(cut)?;
    }
    let declared = reply.header("content-length").map(|text| text.parse::<usize>().unwrap());
    if declared.is_some_and(|declared| declared != reply.body.len()) {
        return Err(cut());
    }
    if reply.header("content-encoding") == Some("gzip") {
        let mut plain = Vec::new();
        let packed = std::mem::take(&mut reply.body);
        let _bytes = io::Read::read_to_end(&mut flate2::read::GzDecoder::new(packed.as_slice()), &mut plain)?;
        reply.body = plain;
    }
    Ok(reply)
}

/// The body of a chunked answer; none where its end is missing.
fn unchunked(mut rest: &[u8]) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let at = rest.windows(2).position(|two| two == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..at]).ok()?, 16).ok()?;
        if size == 0 {
            return Some(body);
        }
        body.extend_from_slice(rest.get(at + 2..at + 2 + size)?);
        rest = rest.get(at + 4 + size..)?;
    }
}
