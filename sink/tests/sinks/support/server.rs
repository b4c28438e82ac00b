//! A small HTTP/1.1 server that answers with bytes as they are given: so it can be cut, odd, or gone.

use std::{
    io::Read as _,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use flate2::read::GzDecoder;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// What came in; the body is decompressed.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// As it travelled.
    pub(crate) wire_bytes: usize,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// What goes out.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// These bytes; the connection stays.
    Bytes(Vec<u8>),
    /// These bytes, and the connection is closed.
    Cut(Vec<u8>),
    /// Nothing, and the connection is reset.
    Reset,
}

/// An answer with a body and its length, header names in a case of their own.
pub(crate) fn answer(status: u16, headers: &str, body: &str) -> Reply {
    let head =
        format!("HTTP/1.1 {status} Whatever\r\nSERVER: t\r\ncOnTeNt-LeNgTh: {}\r\n{headers}\r\n", body.len());
    Reply::Bytes([head.as_bytes(), body.as_bytes()].concat())
}

/// The same in chunks of three bytes.
pub(crate) fn chunked(status: u16, body: &str) -> Reply {
    let mut bytes = format!("HTTP/1.1 {status} Whatever\r\ntransfer-encoding: chunked\r\n\r\n").into_bytes();
    for chunk in body.as_bytes().chunks(3) {
        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    Reply::Bytes(bytes)
}

/// The same, cut before its end.
pub(crate) fn cut(status: u16, body: &str) -> Reply {
    let head = format!("HTTP/1.1 {status} Whatever\r\ncontent-length: {}\r\n\r\n", body.len() + 10);
    Reply::Cut([head.as_bytes(), body.as_bytes()].concat())
}

/// Answers requests in their order.
pub(crate) trait Handler: Send + 'static {
    fn handle(&mut self, request: Request) -> Reply;
}

/// A server on a port of its own; gone when it is dropped.
pub(crate) struct Server<H> {
    pub(crate) address: SocketAddr,
    handler: Arc<Mutex<H>>,
    accepting: JoinSet<()>,
}

impl<H: Handler> Server<H> {
    pub(crate) async fn start(handler: H) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), Arc::new(Mutex::new(handler))).await
    }

    async fn start_at(address: SocketAddr, handler: Arc<Mutex<H>>) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut accepting = JoinSet::new();
        accepting.spawn(accept(listener, Arc::clone(&handler)));
        Self { address, handler, accepting }
    }

    /// Looks at the handler, or changes it.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut H) -> T) -> T {
        look(&mut self.handler.lock().unwrap())
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Goes away: connections to it are refused from now on.
    pub(crate) async fn stop(&mut self) {
        self.accepting.shutdown().await;
    }

    /// Comes back under the same address, with what it had.
    pub(crate) async fn restart(&mut self) {
        *self = Self::start_at(self.address, Arc::clone(&self.handler)).await;
    }
}

async fn accept<H: Handler>(listener: TcpListener, handler: Arc<Mutex<H>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(serve(stream, Arc::clone(&handler)));
    }
}

async fn serve<H: Handler>(mut stream: TcpStream, handler: Arc<Mutex<H>>) {
    while let Some(request) = read(&mut stream).await {
        let reply = handler.lock().unwrap().handle(request);
        match reply {
            Reply::Bytes(bytes) => stream.write_all(&bytes).await.unwrap(),
            Reply::Cut(bytes) => return stream.write_all(&bytes).await.unwrap(),
            Reply::Reset => return stream.set_zero_linger().unwrap(),
        }
    }
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ').map(str::to_owned);
    let (method, path) = (first.next()?, first.next()?);
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let request = Request { method, path, headers, body: Vec::new(), wire_bytes: 0 };
    let length: usize = request.header("content-length").map_or(0, |text| text.parse().unwrap());
    let mut body = bytes.split_off(head_end);
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    let wire_bytes = body.len();
    if request.header("content-encoding") == Some("gzip") {
        let mut plain = Vec::new();
        GzDecoder::new(&body[..]).read_to_end(&mut plain).unwrap();
        body = plain;
    }
    Some(Request { body, wire_bytes, ..request })
}
