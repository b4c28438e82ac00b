//! The admin port: what operators and their machines ask a running process.
//!
//! | path | answers |
//! |---|---|
//! | `/metrics` | every number, in Prometheus' text format 0.0.4 |
//! | `/startupz` `/livez` `/readyz` | 200 or 503, and a line for each stage with the reason (`probes`) |
//!
//! Nobody is asked who they are, so it listens on loopback unless the configuration says otherwise. It only reads: no
//! method but GET (and HEAD) is answered, nothing waits, and nothing is worked out but the answer. What else a path says
//! is 404; the `Host` header plays no role.
//!
//! Limits: 32 connections at once, each for at most 10 s and 64 KiB of requests (`connections`); further ones wait in the
//! system's queue.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::{Router, routing::get};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

mod config;
mod connections;
mod metrics;
mod probes;

pub use config::{AdminConfig, LISTEN};
pub use metrics::{BuildInfo, Metrics, MetricsError};
pub use probes::{Probes, Role, Verdict, Watched};

use connections::Bounded;

/// How often the watchdog ticks.
const TICK: Duration = Duration::from_secs(1);
/// How long answers that are under way are waited for at the end.
const CLOSE_WITHIN: Duration = Duration::from_secs(1);

/// The configured address cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("admin: cannot listen on {address}")]
pub struct AdminError {
    /// Where it should listen.
    pub address: SocketAddr,
    /// Why it cannot.
    #[source]
    pub cause: std::io::Error,
}

/// The open port, served until it is closed. Dropping it ends it at once.
#[derive(Debug)]
pub struct Admin {
    address: SocketAddr,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Served {
    metrics: Metrics,
    probes: Arc<Probes>,
}

impl Admin {
    /// Opens the port. None where the configuration does not want it, or where the standard port is taken and nobody has
    /// asked for it: then the process goes on without, and says so.
    ///
    /// # Errors
    /// [`AdminError`] when it was configured and cannot be had.
    pub async fn open(
        config: &AdminConfig,
        metrics: Metrics,
        probes: Arc<Probes>,
    ) -> Result<Option<Self>, AdminError> {
        let Some(wanted) = config.address else { return Ok(None) };
        let bound =
            TcpListener::bind(wanted).await.and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (address, listener) = match bound {
            Ok(bound) => bound,
            Err(cause) if config.is_configured => return Err(AdminError { address: wanted, cause }),
            Err(error) => {
                tracing::warn!(listen = %wanted, %error, "no admin port: neither metrics nor probes can be asked for");
                return Ok(None);
            }
        };
        let (stop, mut tasks) = (CancellationToken::new(), JoinSet::new());
        tasks.spawn(tick(Arc::clone(&probes), stop.clone()));
        tasks.spawn(serve(listener, Arc::new(Served { metrics, probes }), stop.clone()));
        tracing::info!(listen = %address, "the admin port is open");
        Ok(Some(Self { address, stop, tasks }))
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it: no further connection; answers under way are waited for, a second at most.
    pub async fn close(mut self) {
        self.stop.cancel();
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(CLOSE_WITHIN, ended).await.is_err() {
            tracing::debug!("an answer of the admin port was cut off");
        }
    }
}

async fn serve(listener: TcpListener, served: Arc<Served>, stop: CancellationToken) {
    let paths = Router::new()
        .route("/metrics", get(metrics))
        .route("/startupz", get(startup))
        .route("/livez", get(live))
        .route("/readyz", get(ready))
        .with_state(served);
    let serving =
        axum::serve(Bounded::new(listener), paths).with_graceful_shutdown(stop.cancelled_owned()).await;
    if let Err(error) = serving {
        tracing::warn!(%error, "the admin port ended");
    }
}

/// The watchdog: as long as it ticks, tasks of this process are run.
async fn tick(probes: Arc<Probes>, stop: CancellationToken) {
    loop {
        probes.tick();
        // Biased: the end must not wait for a tick.
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            () = probes.watchdog().sleep(TICK) => {}
        }
    }
}

async fn metrics(State(served): State<Arc<Served>>) -> Response {
    match served.metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn startup(State(served): State<Arc<Served>>) -> Response {
    answer(served.probes.startup())
}

async fn live(State(served): State<Arc<Served>>) -> Response {
    answer(served.probes.live())
}

async fn ready(State(served): State<Arc<Served>>) -> Response {
    answer(served.probes.ready())
}

fn answer(verdict: Verdict) -> Response {
    let status = if verdict.good { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, verdict.text).into_response()
}

#[cfg(test)]
mod tests;
