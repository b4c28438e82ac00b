//! Accepts connections and speaks TLS on them, so that axum sees plain HTTP.
//!
//! Handshakes run beside each other: one that hangs holds no other up. At most [`HANDSHAKES_MAX`] are at work; what comes
//! then waits in the system's queue.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// Handshakes at work at the same time.
const HANDSHAKES_MAX: usize = 256;

/// One connection, as a request's handler sees it.
#[derive(Debug, Clone)]
pub(super) struct Line(Arc<AtomicBool>);

impl Line {
    /// Ends the connection at its next write: the client gets no answer.
    pub(super) fn cut(&self) {
        self.0.store(true, Ordering::Release);
    }
}

pub(super) struct TlsListener {
    listener: TcpListener,
    addr: SocketAddr,
    acceptor: TlsAcceptor,
    handshakes: JoinSet<Option<(Connection, SocketAddr)>>,
}

/// A connection that can be cut.
pub(super) struct Connection {
    stream: TlsStream<TcpStream>,
    line: Line,
}

impl TlsListener {
    pub(super) fn new(listener: TcpListener, addr: SocketAddr, config: Arc<ServerConfig>) -> Self {
        Self { listener, addr, acceptor: TlsAcceptor::from(config), handshakes: JoinSet::new() }
    }
}

impl Listener for TlsListener {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        loop {
            tokio::select! {
                // A finished handshake first: its client waits, a new one only begins to.
                biased;
                Some(done) = self.handshakes.join_next() => {
                    if let Ok(Some(connection)) = done {
                        return connection;
                    }
                }
                accepted = self.listener.accept(), if self.handshakes.len() < HANDSHAKES_MAX => {
                    let Ok((stream, addr)) = accepted else {
                        // The system is out of something; it is asked again at the next turn.
                        tokio::task::yield_now().await;
                        continue;
                    };
                    let acceptor = self.acceptor.clone();
                    let _handshake = self.handshakes.spawn(async move {
                        stream.set_nodelay(true).ok()?;
                        let stream = acceptor.accept(stream).await.ok()?;
                        let line = Line(Arc::new(AtomicBool::new(false)));
                        Some((Connection { stream, line }, addr))
                    });
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.addr)
    }
}

impl Connected<IncomingStream<'_, TlsListener>> for Line {
    fn connect_info(stream: IncomingStream<'_, TlsListener>) -> Self {
        stream.io().line.clone()
    }
}

impl Connection {
    fn alive(&self) -> io::Result<()> {
        if self.line.0.load(Ordering::Acquire) {
            return Err(io::Error::from(io::ErrorKind::ConnectionReset));
        }
        Ok(())
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.alive()?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.alive()?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.alive()?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
