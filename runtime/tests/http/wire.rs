//! A server that answers each connection with the next of its scripted answers, byte for byte, and keeps what it was
//! asked.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

/// The server; it ends with this.
pub(crate) struct Wire {
    pub(crate) port: u16,
    asked: Arc<Mutex<Vec<String>>>,
    _serving: JoinSet<()>,
}

/// What a connection is answered with; the connection is closed after it unless it stalls.
#[derive(Clone)]
pub(crate) struct Scripted {
    pub(crate) bytes: Vec<u8>,
    /// Keeps the connection open without another byte.
    pub(crate) stalls: bool,
}

impl Wire {
    /// Answers with these, one a connection, and with the last of them from then on.
    pub(crate) async fn start(answers: Vec<Scripted>, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let mut serving = JoinSet::new();
        let heard = Arc::clone(&asked);
        serving.spawn(async move {
            let mut answers = answers.into_iter();
            let mut answer = answers.next().unwrap();
            let mut connections = JoinSet::new();
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                let (heard, scripted, tls) = (Arc::clone(&heard), answer.clone(), tls.clone());
                answer = answers.next().unwrap_or(answer);
                connections.spawn(async move {
                    match tls {
                        None => serve(socket, &scripted, &heard).await,
                        // A client that does not trust us goes away here.
                        Some(tls) => {
                            if let Ok(socket) = tls.accept(socket).await {
                                serve(socket, &scripted, &heard).await;
                            }
                        }
                    }
                });
            }
        });
        Self { port, asked, _serving: serving }
    }

    pub(crate) fn base(&self, scheme: &str) -> runtime::http::Base {
        runtime::http::Base::parse(&format!("{scheme}://localhost:{}", self.port)).unwrap()
    }

    /// What it was asked, head and body, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// An answer with its length.
pub(crate) fn answer(status: &str, headers: &str, body: &[u8]) -> Scripted {
    let head =
        format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n", body.len());
    raw([head.as_bytes(), body].concat())
}

/// An answer as it stands.
pub(crate) fn raw(bytes: impl Into<Vec<u8>>) -> Scripted {
    Scripted { bytes: bytes.into(), stalls: false }
}

async fn serve(
    mut socket: impl AsyncRead + AsyncWrite + Unpin,
    scripted: &Scripted,
    heard: &Mutex<Vec<String>>,
) {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    while !is_whole(&request) {
        match socket.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(read) => request.extend_from_slice(&buffer[..read]),
        }
    }
    heard.lock().unwrap().push(String::from_utf8_lossy(&request).into_owned());
    if socket.write_all(&scripted.bytes).await.is_err() || socket.flush().await.is_err() {
        return;
    }
    if scripted.stalls {
        std::future::pending::<()>().await;
    }
    // Whether the client waits for the end or has gone, there is nothing more to say.
    let _ended = socket.shutdown().await;
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
    });
    body.len() >= length.unwrap_or(0)
}
