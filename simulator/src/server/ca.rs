//! The private CA and the certificate for `localhost`, 127.0.0.1 and ::1.
//!
//! Both keys are ECDSA P-256. The certificates are valid from 1975 to 4096, as rcgen makes them: the machine's clock and the
//! simulator's are years apart. With a folder, the CA's certificate is `ca.pem` and its key `ca.key.pem` in it, so that a
//! client goes on trusting a simulator that was started again.

use std::{
    error::Error,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::{
    ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
};

use super::ServerError;

/// The CA of a simulator.
#[derive(Clone)]
pub struct Ca {
    pem: String,
    key_pem: Arc<str>,
}

impl std::fmt::Debug for Ca {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ca").field("pem", &self.pem).finish_non_exhaustive()
    }
}

impl Ca {
    /// A new one, in memory.
    ///
    /// # Errors
    /// The keys cannot be made.
    pub fn make() -> Result<Self, ServerError> {
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params()?.self_signed(&key).map_err(failed)?;
        Ok(Self { pem: certificate.pem(), key_pem: key.serialize_pem().into() })
    }

    /// The one that a folder holds; a new one is made and kept where it holds none.
    ///
    /// # Errors
    /// The folder's files cannot be read or written.
    pub fn keep(folder: &Path) -> Result<Self, ServerError> {
        let (certificate, key) = (Self::file(folder), folder.join("ca.key.pem"));
        let read = |path: &Path| fs::read_to_string(path);
        match (read(&certificate), read(&key)) {
            (Ok(pem), Ok(key_pem)) => return Ok(Self { pem, key_pem: key_pem.into() }),
            (Err(error), _) | (_, Err(error)) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed(error));
            }
            _ => {}
        }
        let ca = Self::make()?;
        fs::create_dir_all(folder).map_err(failed)?;
        // The key first: a certificate without its key is never seen.
        write_private(&key, ca.key_pem.as_bytes()).map_err(failed)?;
        // Whole or not at all: who finds it finds one that can be trusted.
        let fresh = certificate.with_extension("pem.new");
        fs::write(&fresh, &ca.pem).and_then(|()| fs::rename(&fresh, &certificate)).map_err(failed)?;
        Ok(ca)
    }

    /// Where [`Ca::keep`] keeps the certificate.
    #[must_use]
    pub fn file(folder: &Path) -> PathBuf {
        folder.join("ca.pem")
    }

    /// The certificate, PEM: what a client has to trust.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Writes the certificate, PEM, to a file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, path: &Path) -> io::Result<()> {
        fs::write(path, &self.pem)
    }

    /// TLS with a certificate of this CA, made for this server.
    pub(super) fn server_config(&self) -> Result<Arc<ServerConfig>, ServerError> {
        let issuer = Issuer::new(params()?, KeyPair::from_pem(&self.key_pem).map_err(failed)?);
        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let mut leaf = CertificateParams::new(names).map_err(failed)?;
        leaf.distinguished_name.push(DnType::CommonName, "localhost");
        leaf.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        leaf.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = leaf.signed_by(&key, &issuer).map_err(failed)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(failed)?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .map_err(failed)?;
        Ok(Arc::new(config))
    }
}

fn params() -> Result<CertificateParams, ServerError> {
    let mut params = CertificateParams::new(Vec::<String>::new()).map_err(failed)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Weir simulator CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn write_private(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    let _write = options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        let _mode = options.mode(0o600);
    }
    options.open(path)?.write_all(text)
}

fn failed(error: impl Into<Box<dyn Error + Send + Sync>>) -> ServerError {
    ServerError::Ca(error.into())
}
