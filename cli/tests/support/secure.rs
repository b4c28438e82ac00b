//! The secure test broker (`.ci/kafka start --secure`): where it is, who may log in, and giving and taking rights as its
//! administrator, by the protocol's own requests (<https://kafka.apache.org/protocol.html>: SaslHandshake 17,
//! SaslAuthenticate 36, CreateAcls 30, DeleteAcls 31).

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

/// Where it is.
#[derive(Clone)]
pub(crate) struct Broker {
    host: String,
    port: u16,
}

/// A right, as `weir topics rights` prints it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Right {
    pub(crate) principal: String,
    pub(crate) operation: String,
    pub(crate) resource: String,
    pub(crate) name: String,
    pub(crate) is_prefix: bool,
}

impl Right {
    /// Reads one of the printed commands.
    pub(crate) fn of(command: &str) -> Self {
        let words: Vec<&str> = command.split_whitespace().collect();
        let after =
            |flag: &str| words.iter().position(|word| *word == flag).map(|at| words[at + 1].to_owned());
        let resource = ["topic", "group", "transactional-id"]
            .into_iter()
            .find(|it| words.contains(&&*format!("--{it}")));
        let resource = resource.unwrap().to_owned();
        Self {
            principal: after("--allow-principal").unwrap(),
            operation: after("--operation").unwrap(),
            name: after(&format!("--{resource}")).unwrap(),
            resource,
            is_prefix: after("--resource-pattern-type").is_some(),
        }
    }
}

impl Broker {
    /// The one that `WEIR_KAFKA_SECURE` names.
    pub(crate) fn named() -> Option<Self> {
        let address = std::env::var("WEIR_KAFKA_SECURE").ok().filter(|address| !address.is_empty())?;
        let (host, port) = address.rsplit_once(':').unwrap();
        Some(Self { host: host.to_owned(), port: port.parse().unwrap() })
    }

    /// SASL over TLS.
    pub(crate) fn address(&self) -> String {
        self.at(0)
    }

    /// TLS with certificates on both sides.
    pub(crate) fn mutual(&self) -> String {
        self.at(1)
    }

    /// TLS with a certificate that is over.
    pub(crate) fn expired(&self) -> String {
        self.at(2)
    }

    /// SASL without TLS.
    pub(crate) fn open(&self) -> String {
        self.at(3)
    }

    /// The secure one under another name of this machine.
    pub(crate) fn renamed(&self) -> String {
        format!("localhost:{}", self.port)
    }

    fn at(&self, offset: u16) -> String {
        format!("{}:{}", self.host, self.port + offset)
    }

    /// Certificates, keys and passwords.
    pub(crate) fn tls(&self) -> PathBuf {
        std::env::temp_dir().join(format!("weir-kafka-{}/tls", self.port))
    }

    /// A file of that folder.
    pub(crate) fn file(&self, name: &str) -> String {
        self.tls().join(name).display().to_string()
    }

    /// Gives these rights.
    pub(crate) fn give(&self, rights: &[Right]) {
        let entry = |right: &Right| {
            let mut bytes = vec![kind(&right.resource)];
            text(&mut bytes, &right.name);
            bytes.push(if right.is_prefix { 4 } else { 3 });
            text(&mut bytes, &right.principal);
            text(&mut bytes, "*");
            bytes.extend([operation(&right.operation), 3]);
            bytes
        };
        let answer = self.administer(30, &array(rights.iter().map(entry)));
        // The time it throttled us, then an error code and a text for each.
        assert_eq!(answer[4..8], u32::try_from(rights.len()).unwrap().to_be_bytes());
        assert_eq!(answer[8..10], [0, 0], "the right is refused");
    }

    /// Takes this one away.
    pub(crate) fn take(&self, right: &Right) {
        let mut filter = vec![kind(&right.resource)];
        text(&mut filter, &right.name);
        filter.push(if right.is_prefix { 4 } else { 3 });
        text(&mut filter, &right.principal);
        text(&mut filter, "*");
        filter.extend([operation(&right.operation), 3]);
        let answer = self.administer(31, &array([filter].into_iter()));
        assert_eq!(answer[8..10], [0, 0]);
        // After the error's text (none): how many were taken.
        assert_eq!(answer[12..16], 1_u32.to_be_bytes(), "{right:?} was not there");
    }

    /// Asks as `root`.
    fn administer(&self, key: u16, body: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.open()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut mechanism = Vec::new();
        text(&mut mechanism, "PLAIN");
        assert_eq!(ask(&mut stream, (17, 1), &mechanism)[..2], [0, 0]);
        let password = std::fs::read_to_string(self.file("root.password")).unwrap();
        let login = format!("\0root\0{}", password.trim());
        let mut bytes = u32::try_from(login.len()).unwrap().to_be_bytes().to_vec();
        bytes.extend(login.as_bytes());
        assert_eq!(ask(&mut stream, (36, 0), &bytes)[..2], [0, 0], "root may not log in");
        ask(&mut stream, (key, 1), body)
    }
}

/// One request; the answer without its header.
fn ask(stream: &mut TcpStream, (key, version): (u16, u16), body: &[u8]) -> Vec<u8> {
    let mut request = [key.to_be_bytes(), version.to_be_bytes()].concat();
    request.extend([0, 0, 0, 1, 0xff, 0xff]);
    request.extend(body);
    stream.write_all(&u32::try_from(request.len()).unwrap().to_be_bytes()).unwrap();
    stream.write_all(&request).unwrap();
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    let mut answer = vec![0; usize::try_from(u32::from_be_bytes(length)).unwrap()];
    stream.read_exact(&mut answer).unwrap();
    answer.split_off(4)
}

fn array(entries: impl ExactSizeIterator<Item = Vec<u8>>) -> Vec<u8> {
    let mut bytes = u32::try_from(entries.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend(entries.flatten());
    bytes
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend(u16::try_from(text.len()).unwrap().to_be_bytes());
    bytes.extend(text.as_bytes());
}

fn kind(resource: &str) -> u8 {
    match resource {
        "topic" => 2,
        "group" => 3,
        "transactional-id" => 5,
        other => panic!("{other}"),
    }
}

fn operation(name: &str) -> u8 {
    match name {
        "Read" => 3,
        "Write" => 4,
        "Create" => 5,
        "Alter" => 7,
        "Describe" => 8,
        "DescribeConfigs" => 10,
        "AlterConfigs" => 11,
        other => panic!("{other}"),
    }
}
