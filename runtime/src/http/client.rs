//! The client: the only place that makes one.

use std::{fs::File, io::Read as _, path::Path};

use reqwest::{Certificate, redirect::Policy};

use super::{Answer, HttpError, HttpSettings, Request, Streaming};

/// A file of certificates may have so many bytes: the platform's own has 220,000.
const CA_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Idle connections that are kept to one host.
const IDLE_MAX: usize = 8;

/// A client; clones share its connections.
#[derive(Debug, Clone)]
pub struct Client {
    inner: reqwest::Client,
    settings: HttpSettings,
}

impl Client {
    /// A client with these settings. It connects to nothing.
    ///
    /// # Errors
    /// [`HttpError::Settings`] when the certificates cannot be used.
    pub fn new(settings: &HttpSettings) -> Result<Self, HttpError> {
        // Twice is once: whoever was first chose the same.
        let _already = rustls::crypto::ring::default_provider().install_default().is_err();
        #[expect(clippy::disallowed_methods, reason = "the one place that makes a client")]
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("weir/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::none())
            .connect_timeout(settings.connect_timeout)
            .read_timeout(settings.read_timeout)
            .pool_max_idle_per_host(IDLE_MAX);
        if let Some(path) = &settings.ca_file {
            builder = builder.tls_certs_only(certificates(path).map_err(HttpError::Settings)?);
        }
        let inner = builder.build().map_err(|error| HttpError::Settings(HttpError::of(error).to_string()))?;
        Ok(Self { inner, settings: settings.clone() })
    }

    /// Sends a request and reads the whole answer, whatever its status.
    ///
    /// # Errors
    /// [`HttpError`] when there is no whole answer.
    pub async fn send(&self, request: Request) -> Result<Answer, HttpError> {
        let bytes_max = request.answer_bytes_max;
        let bound = request.total_timeout.unwrap_or(self.settings.total_timeout);
        let exchange = async { self.open(request).await?.read_all(bytes_max).await };
        tokio::time::timeout(bound, exchange).await.map_err(|_| HttpError::Timeout)?
    }

    /// Sends a request and hands out the answer once its head is there; its body has no bound but the time without a
    /// byte.
    ///
    /// # Errors
    /// [`HttpError`] when there is no answer.
    pub async fn open(&self, request: Request) -> Result<Streaming, HttpError> {
        if let Some(name) = request.bad_header {
            return Err(HttpError::Settings(format!("the header {name} holds what no header may hold")));
        }
        let mut building = self.inner.request(request.method, request.url).headers(request.headers);
        if let Some(body) = request.body {
            building = building.body(body);
        }
        building.send().await.map(Streaming::new).map_err(HttpError::of)
    }
}

/// The certificates of a PEM file.
pub(super) fn certificates(path: &Path) -> Result<Vec<Certificate>, String> {
    let mut pem = Vec::new();
    File::open(path)
        .and_then(|file| file.take(CA_BYTES_MAX).read_to_end(&mut pem))
        .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    let certificates = Certificate::from_pem_bundle(&pem).unwrap_or_default();
    if certificates.is_empty() {
        return Err(format!("{} holds no certificate in PEM form", path.display()));
    }
    Ok(certificates)
}
