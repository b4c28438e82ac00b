//! Puts a simulator on a socket: TLS with a certificate of the private CA, HTTP/1.1, one task for the lot.
//!
//! One server serves every part, told apart by their paths, which do not meet. A part can also have a server of its own:
//! stopping that is how a receiver goes away for good (its connections are refused), and starting one at the same address
//! is how it comes back. Nothing here decides what is answered.

use std::{error::Error, io, net::SocketAddr, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::Response,
};
use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    call::{Answer, BODY_BYTES_MAX, Call, Delivery, Part, pairs},
    simulator::Simulator,
};

mod ca;
mod listener;

pub use ca::Ca;
use listener::{Line, TlsListener};

/// Bytes of one chunk of a body that dribbles.
const DRIBBLE_BYTES: usize = 512;

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address cannot be bound.
    #[error("{addr} cannot be bound: {source}")]
    Bind {
        /// The address.
        addr: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The CA cannot be made, kept or read again.
    #[error("the CA of the simulator cannot be made: {0}")]
    Ca(Box<dyn Error + Send + Sync>),
}

/// A simulator that listens. Dropping it closes the port.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    ca: Ca,
    tasks: JoinSet<()>,
    stop: DropGuard,
}

/// What every request needs.
#[derive(Debug, Clone)]
struct Served {
    simulator: Simulator,
    parts: Arc<[Part]>,
    stop: CancellationToken,
}

impl Server {
    /// Serves every part; port 0 takes a free one. Must be called inside a tokio runtime.
    ///
    /// The CA is made anew, or taken from the simulator's folder where it has one.
    ///
    /// # Errors
    /// See [`ServerError`].
    pub async fn start(simulator: &Simulator, addr: SocketAddr) -> Result<Self, ServerError> {
        let ca = match simulator.folder() {
            Some(folder) => Ca::keep(folder)?,
            None => Ca::make()?,
        };
        Self::start_with(simulator, addr, &Part::ALL, &ca).await
    }

    /// Serves these parts with this CA; what is asked of another part is a 404.
    ///
    /// # Errors
    /// See [`ServerError`].
    pub async fn start_with(
        simulator: &Simulator,
        addr: SocketAddr,
        parts: &[Part],
        ca: &Ca,
    ) -> Result<Self, ServerError> {
        let bind = |source| ServerError::Bind { addr, source };
        let listener = TcpListener::bind(addr).await.map_err(bind)?;
        let addr = listener.local_addr().map_err(bind)?;
        let stop = CancellationToken::new();
        let served = Served { simulator: simulator.clone(), parts: parts.into(), stop: stop.clone() };
        let router = Router::new().fallback(handle).with_state(served);
        let listener = TlsListener::new(listener, addr, ca.server_config()?);
        let stopped = stop.clone().cancelled_owned();
        let mut tasks = JoinSet::new();
        let _serving = tasks.spawn(async move {
            let service = router.into_make_service_with_connect_info::<Line>();
            let _never_fails = axum::serve(listener, service).with_graceful_shutdown(stopped).await.is_ok();
        });
        Ok(Self { addr, ca: ca.clone(), tasks, stop: stop.drop_guard() })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// `https://localhost:{port}`: the authority, the feed's root, HEC's address and the ingestion endpoint in one.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("https://localhost:{}", self.addr.port())
    }

    /// The CA that its certificate is of.
    #[must_use]
    pub fn ca(&self) -> &Ca {
        &self.ca
    }

    /// Stops: takes no new connection, lets the requests at work finish, cuts the bodies that stall.
    pub async fn stop(mut self) {
        drop(self.stop);
        while self.tasks.join_next().await.is_some() {}
    }
}

async fn handle(
    State(served): State<Served>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: Request,
) -> Response {
    let Some(call) = read(request).await else {
        line.cut();
        return Response::new(Body::empty());
    };
    let mut answer = if served.parts.contains(&Part::of(&call.path)) {
        served.simulator.answer(&call)
    } else {
        Answer::text(404, "text/plain", "not served here")
    };
    if answer.delivery == Delivery::Cut && answer.body.is_empty() {
        answer.delivery = Delivery::HangUp;
    }
    if answer.delivery == Delivery::HangUp {
        line.cut();
    }
    respond(answer, &served.stop)
}

/// The request, read whole; none where the client broke off.
async fn read(request: Request) -> Option<Call> {
    let (head, body) = request.into_parts();
    let mut too_long = false;
    let mut whole = Vec::new();
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.ok()?;
        too_long |= whole.len().saturating_add(chunk.len()) > BODY_BYTES_MAX;
        if too_long {
            whole = Vec::new();
        } else {
            whole.extend_from_slice(&chunk);
        }
    }
    let mut headers = head.headers;
    if !headers.contains_key(header::HOST)
        && let Some(host) = head.uri.authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok())
    {
        let _none = headers.insert(header::HOST, host);
    }
    let query = pairs(head.uri.query().unwrap_or_default().as_bytes());
    let path = head.uri.path().to_owned();
    Some(Call { method: head.method, path, query, headers, body: whole.into(), too_long })
}

fn respond(answer: Answer, stop: &CancellationToken) -> Response {
    let length = answer.body.len();
    let declared = matches!(answer.delivery, Delivery::Cut | Delivery::Stall);
    let mut response = Response::new(body(answer.body, answer.delivery, stop));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    for (name, value) in &answer.headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            let _before = headers.insert(HeaderName::from_static(name), value);
        }
    }
    if declared {
        let _none = headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
    response
}

fn body(bytes: Bytes, delivery: Delivery, stop: &CancellationToken) -> Body {
    let broken = || io::Error::from(io::ErrorKind::ConnectionReset);
    let half = bytes.slice(..bytes.len() / 2);
    match delivery {
        Delivery::Whole => Body::from(bytes),
        Delivery::HangUp => Body::empty(),
        Delivery::Dribble => {
            let starts: Vec<usize> = (0..bytes.len()).step_by(DRIBBLE_BYTES).collect();
            let chunk = move |start: usize| {
                Ok::<_, io::Error>(bytes.slice(start..bytes.len().min(start + DRIBBLE_BYTES)))
            };
            Body::from_stream(stream::iter(starts).map(chunk))
        }
        Delivery::Cut => Body::from_stream(stream::iter([Ok(half), Err(broken())])),
        Delivery::Stall => {
            let stop = stop.clone();
            let end = stream::once(async move {
                stop.cancelled().await;
                Err(broken())
            });
            Body::from_stream(stream::iter([Ok(half)]).chain(end))
        }
    }
}
