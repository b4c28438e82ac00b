//! What really answers at a broker's address: librdkafka says only that a certificate failed, or that a connection was
//! closed, and an operator must know which of a dozen causes it was.
//!
//! Two connections at most are made to an address, and only after librdkafka's own have failed: one that offers TLS, one
//! that does not. No credential is sent; at most two requests that need none (ApiVersions and Metadata of no topic,
//! <https://kafka.apache.org/protocol.html>) are. What is found is a text for an operator, never a reason to trust: the
//! connection that carries records is librdkafka's alone.
//!
//! Limits: 4 of the addresses that a name stands for, 2 s for each wait, 5 s for the whole look however slowly the other
//! side speaks (the resolver of names has bounds of its own), 64 KiB of an answer's length.

use std::{
    fs::File,
    io::{self, ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream, ToSocketAddrs as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use pipeline::Clock;
use rustls::{
    CertificateError, ClientConfig, ClientConnection, Error as TlsError, RootCertStore, Stream,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use schemas::{Micros, time::SECOND};

/// One wait.
const WITHIN: Duration = Duration::from_secs(2);
/// All waits of a look together, in microseconds.
const LOOK_WITHIN: i64 = 5 * SECOND;
/// So many of the addresses that a name stands for are tried.
const ADDRESSES_MAX: usize = 4;
/// A file of certificates may have so many bytes: a platform's own has 220,000.
const CA_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Where platforms keep the certificates that they trust.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
];
/// An answer to what is asked here is a few hundred bytes long, and some kB for each broker of a large cluster.
const ANSWER_BYTES_MAX: u32 = 64 * 1024;

/// What answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// TLS, with a certificate that does not hold.
    Distrusted(Flaw),
    /// TLS, with a certificate that holds. Behind it may be a broker.
    Tls,
    /// A broker with TLS, which closes the connection of whoever has not logged in.
    TlsWithLogin,
    /// A broker without TLS.
    Open,
    /// The same, which closes the connection of whoever has not logged in.
    OpenWithLogin,
    /// Something that is no broker and speaks no TLS.
    Stranger,
    /// Nothing, or nothing that says what it is.
    Nobody,
}

/// What is wrong with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    Expired,
    Early,
    Name,
    Authority,
    Other,
}

/// When a look is over, whatever has been seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline(Micros);

impl Deadline {
    pub(super) fn of_a_look() -> Self {
        Self(Clock::machine().now().plus(LOOK_WITHIN))
    }

    /// How long may be waited now; an error when it is over.
    fn left(self) -> io::Result<Duration> {
        let left = self.0.0.saturating_sub(Clock::machine().now().0);
        // More than all of it is left only to whose clock was set back.
        let left = u64::try_from(left).ok().filter(|left| (1..=LOOK_WITHIN.unsigned_abs()).contains(left));
        left.map(|left| Duration::from_micros(left).min(WITHIN)).ok_or_else(|| ErrorKind::TimedOut.into())
    }
}

/// A connection that is waited for only until a deadline, be it byte by byte.
struct Bounded {
    stream: TcpStream,
    deadline: Deadline,
}

impl Read for Bounded {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.deadline.left()?))?;
        self.stream.read(into).map_err(late)
    }
}

impl Write for Bounded {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.deadline.left()?))?;
        self.stream.write(from).map_err(late)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// A wait that is over is an error of its own: rustls takes `WouldBlock` after some bytes for success.
fn late(error: io::Error) -> io::Error {
    if error.kind() == ErrorKind::WouldBlock { ErrorKind::TimedOut.into() } else { error }
}

/// Looks at `address` (`host:port`); `ca` is the file of the trusted authorities, or the platform's is taken.
pub(super) fn look(address: &str, ca: Option<&Path>, deadline: Deadline) -> Found {
    let Ok(resolved) = address.to_socket_addrs() else { return Found::Nobody };
    let resolved: Vec<SocketAddr> = resolved.take(ADDRESSES_MAX).collect();
    offer_tls(address, &resolved, ca, deadline).unwrap_or_else(|| {
        let Some(mut stream) = connect(&resolved, deadline) else { return Found::Nobody };
        match ask(&mut stream) {
            Said::Answers => Found::Open,
            Said::Demands => Found::OpenWithLogin,
            Said::Foreign => Found::Stranger,
            Said::Nothing => Found::Nobody,
        }
    })
}

fn connect(resolved: &[SocketAddr], deadline: Deadline) -> Option<Bounded> {
    let connected = |address| TcpStream::connect_timeout(address, deadline.left().ok()?).ok();
    Some(Bounded { stream: resolved.iter().find_map(connected)?, deadline })
}

/// What answers in TLS, or does not answer at all; `None` for what closes the connection or speaks otherwise.
fn offer_tls(address: &str, resolved: &[SocketAddr], ca: Option<&Path>, deadline: Deadline) -> Option<Found> {
    let mut connection = client(address, ca)?;
    let Some(mut stream) = connect(resolved, deadline) else { return Some(Found::Nobody) };
    let Err(error) = connection.complete_io(&mut stream) else {
        return Some(match ask(&mut Stream::new(&mut connection, &mut stream)) {
            Said::Demands => Found::TlsWithLogin,
            Said::Foreign => Found::Stranger,
            Said::Answers | Said::Nothing => Found::Tls,
        });
    };
    if error.kind() == ErrorKind::TimedOut {
        return Some(Found::Nobody);
    }
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<TlsError>())?;
    if let TlsError::InvalidCertificate(cause) = cause {
        return Some(Found::Distrusted(flaw(cause)));
    }
    // Whoever answers in records of TLS speaks it, also to say no.
    let is_tls = matches!(
        cause,
        TlsError::AlertReceived(_)
            | TlsError::PeerIncompatible(_)
            | TlsError::PeerMisbehaved(_)
            | TlsError::InappropriateHandshakeMessage { .. }
    );
    is_tls.then_some(Found::Tls)
}

fn flaw(cause: &CertificateError) -> Flaw {
    if matches!(cause, CertificateError::Expired | CertificateError::ExpiredContext { .. }) {
        Flaw::Expired
    } else if matches!(cause, CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }) {
        Flaw::Early
    } else if matches!(
        cause,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
    ) {
        Flaw::Name
    } else if matches!(cause, CertificateError::UnknownIssuer | CertificateError::BadSignature) {
        Flaw::Authority
    } else {
        Flaw::Other
    }
}

fn client(address: &str, ca: Option<&Path>) -> Option<ClientConnection> {
    let (host, _) = address.rsplit_once(':')?;
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).ok()?;
    let bundles = BUNDLES.iter().map(PathBuf::from);
    let files: Vec<PathBuf> = ca.map_or_else(|| bundles.collect(), |path| vec![path.to_owned()]);
    let mut roots = RootCertStore::empty();
    for der in files.iter().find_map(|path| certificates(path)).unwrap_or_default() {
        // One that rustls does not take, librdkafka may: the others are enough to say what is wrong.
        drop(roots.add(der));
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().ok()?;
    let config = versions.with_root_certificates(roots).with_no_client_auth();
    ClientConnection::new(Arc::new(config), name).ok()
}

/// The certificates of a PEM file; none where there is none.
pub(super) fn certificates(path: &Path) -> Option<Vec<CertificateDer<'static>>> {
    let mut pem = Vec::new();
    File::open(path).and_then(|file| file.take(CA_BYTES_MAX).read_to_end(&mut pem)).ok()?;
    let found: Vec<_> = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok).collect();
    (!found.is_empty()).then_some(found)
}

/// What is said to a stranger's questions.
enum Said {
    /// A broker answers both.
    Answers,
    /// A broker says which requests it knows, and closes the connection at the first of them.
    Demands,
    /// It is no broker.
    Foreign,
    Nothing,
}

fn ask(stream: &mut (impl Read + Write)) -> Said {
    match question(stream, API_VERSIONS) {
        Ok(()) => {}
        Err(Answer::Foreign) => return Said::Foreign,
        Err(Answer::Closed | Answer::None) => return Said::Nothing,
    }
    match question(stream, METADATA) {
        Err(Answer::Closed) => Said::Demands,
        Ok(()) | Err(Answer::Foreign | Answer::None) => Said::Answers,
    }
}

/// A request: key and version, correlation id 7, no client id; Metadata then names no topic.
const API_VERSIONS: &[u8] = &[0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 7, 0xff, 0xff];
const METADATA: &[u8] = &[0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 7, 0xff, 0xff, 0, 0, 0, 0];
const CORRELATION: [u8; 4] = [0, 0, 0, 7];

/// Why there is no answer.
enum Answer {
    /// The connection was closed.
    Closed,
    /// It is not Kafka's.
    Foreign,
    /// It does not come.
    None,
}

fn question(stream: &mut (impl Read + Write), request: &[u8]) -> Result<(), Answer> {
    stream.write_all(request).map_err(|_| Answer::Closed)?;
    let mut head = [0_u8; 8];
    read(stream, &mut head)?;
    let (length, correlation) = head.split_at(4);
    let length = u32::from_be_bytes(length.try_into().unwrap_or_default());
    if correlation != CORRELATION || !(4..=ANSWER_BYTES_MAX).contains(&length) {
        return Err(Answer::Foreign);
    }
    let mut rest = vec![0; usize::try_from(length).unwrap_or_default().saturating_sub(4)];
    read(stream, &mut rest)
}

/// Fills `into`; whoever closes after some bytes that are no answer is a stranger.
fn read(stream: &mut impl Read, into: &mut [u8]) -> Result<(), Answer> {
    let mut filled = 0;
    while let Some(rest) = into.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        match stream.read(rest) {
            Ok(0) if filled == 0 => return Err(Answer::Closed),
            Ok(0) => return Err(Answer::Foreign),
            Ok(count) => filled += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::TimedOut => {
                return Err(if filled == 0 { Answer::None } else { Answer::Foreign });
            }
            Err(_) => return Err(Answer::Closed),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, thread};

    use rcgen::{CertificateParams, Issuer, KeyPair};

    use super::*;

    fn look(address: &str, ca: Option<&Path>) -> Found {
        super::look(address, ca, Deadline::of_a_look())
    }

    /// A listener that says this to everybody after it has heard something.
    fn says(answer: &'static [u8]) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut heard = [0; 14];
                if stream.read(&mut heard).is_ok() {
                    drop(stream.write_all(answer));
                }
            }
        });
        address
    }

    #[test]
    fn what_is_no_broker_is_told_from_one_and_from_nobody() {
        assert_eq!(look(&says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), None), Found::Stranger);
        assert_eq!(look(&says(b"SSH-2.0-x\r\n"), None), Found::Stranger);
        assert_eq!(look(&says(b""), None), Found::Nobody);
        assert_eq!(look("127.0.0.1:1", None), Found::Nobody);
        // ApiVersions is answered, then the connection is closed.
        assert_eq!(look(&says(&[0, 0, 0, 6, 0, 0, 0, 7, 0, 0]), None), Found::OpenWithLogin);
        // An answer to another question, and one too long to be true.
        assert_eq!(look(&says(&[0, 0, 0, 6, 0, 0, 0, 8, 0, 0]), None), Found::Stranger);
        assert_eq!(look(&says(&[0x7f, 0, 0, 6, 0, 0, 0, 7, 0, 0]), None), Found::Stranger);
    }

    /// The head of a record of TLS, and then its bytes one by one, each sooner than a single wait would end, for
    /// 5 s, or until the other side has gone.
    #[test]
    fn whoever_drips_is_left_at_the_deadline() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (tell, told) = std::sync::mpsc::channel::<()>();
        let dripping = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut sent = stream.write_all(&[0x16, 3, 3, 0x40, 0]);
            for _ in 0..100 {
                if sent.is_err() || told.recv_timeout(Duration::from_millis(50)).is_ok() {
                    break;
                }
                sent = stream.write_all(&[2]);
            }
            sent
        });
        let begun = Clock::machine().now();
        let soon = Deadline(begun.plus(SECOND / 2));
        assert_eq!(super::look(&address.to_string(), None, soon), Found::Nobody);
        let taken = Clock::machine().now().0 - begun.0;
        assert!((SECOND / 2..4 * SECOND).contains(&taken), "{taken}");
        tell.send(()).unwrap_or_default();
        dripping.join().unwrap().unwrap_or_default();
    }

    #[test]
    fn nothing_is_begun_after_the_deadline() {
        let past = Deadline(Micros(0));
        assert_eq!(super::look(&says(b"SSH-2.0-x\r\n"), None, past), Found::Nobody);
        let set_back = Deadline(Clock::machine().now().plus(3600 * SECOND));
        assert!(set_back.left().is_err(), "a clock that was set back ends it too");
    }

    /// A TLS server with a certificate of this validity and name; the file of its authority.
    fn tls(days: (i32, i32), name: &str, folder: &Path) -> (String, PathBuf) {
        let (ca_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let mut ca = CertificateParams::new(Vec::<String>::new()).unwrap();
        ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let path = folder.join("ca.pem");
        std::fs::write(&path, ca.self_signed(&ca_key).unwrap().pem()).unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(days.0, 1, 1);
        params.not_after = rcgen::date_time_ymd(days.1, 1, 1);
        let certificate = params.signed_by(&key, &Issuer::new(ca, ca_key)).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let config = Arc::new(config);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut connection = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
                drop(connection.complete_io(&mut stream.unwrap()));
            }
        });
        (address, path)
    }

    #[test]
    fn each_flaw_of_a_certificate_has_its_name() {
        let folder = tempfile::tempdir().unwrap();
        for (days, name, expected) in [
            ((2000, 4000), "127.0.0.1", Found::Tls),
            ((2000, 2001), "127.0.0.1", Found::Distrusted(Flaw::Expired)),
            ((3990, 4000), "127.0.0.1", Found::Distrusted(Flaw::Early)),
            ((2000, 4000), "kafka.example.org", Found::Distrusted(Flaw::Name)),
        ] {
            let (address, ca) = tls(days, name, folder.path());
            assert_eq!(look(&address, Some(&ca)), expected, "{days:?} {name}");
        }
        let (address, _) = tls((2000, 4000), "127.0.0.1", folder.path());
        let other = tempfile::tempdir().unwrap();
        let (_, ca) = tls((2000, 4000), "127.0.0.1", other.path());
        assert_eq!(look(&address, Some(&ca)), Found::Distrusted(Flaw::Authority));
    }
}
