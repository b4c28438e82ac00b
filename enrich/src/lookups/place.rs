//! Where an address is: from the operator's list of networks, else from MaxMind databases.
//!
//! Databases: MaxMind's GeoLite2 or GeoIP2 City (or Country) and ASN, or others with the same fields; read into memory
//! whole, at most 512 MiB each. Their build time goes into `as_of`. A damaged record gives `error`, not a guess.

use std::{fmt, fs, net::IpAddr, path::Path};

use maxminddb::{MaxMindDbError, PathElement, Reader};
use schemas::{
    Micros,
    enriched::{Address, GeoBlock, Provenance, status},
    time::SECOND,
};

use super::{
    networks::{Network, Networks},
    source,
};
use crate::error::FileError;

const FILE_BYTES_MAX: u64 = 512 * 1024 * 1024;

const COUNTRY: [PathElement<'static>; 2] = [PathElement::Key("country"), PathElement::Key("iso_code")];
const CITY: [PathElement<'static>; 3] =
    [PathElement::Key("city"), PathElement::Key("names"), PathElement::Key("en")];
const ASN: [PathElement<'static>; 1] = [PathElement::Key("autonomous_system_number")];
const ORGANISATION: [PathElement<'static>; 1] = [PathElement::Key("autonomous_system_organization")];

/// A MaxMind database in memory.
pub struct Database(Reader<Vec<u8>>);

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Database").field(&self.0.metadata().database_type).finish()
    }
}

impl Database {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// [`FileError`] when it cannot be read, is too large or no database.
    pub fn open(path: &Path) -> Result<Self, FileError> {
        if fs::metadata(path)?.len() > FILE_BYTES_MAX {
            return Err(FileError::TooLarge(FILE_BYTES_MAX));
        }
        Self::from_bytes(fs::read(path)?)
    }

    /// The database that `bytes` are.
    ///
    /// # Errors
    /// [`FileError::NoDatabase`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, FileError> {
        Reader::from_source(bytes).map(Self).map_err(|error| FileError::NoDatabase(error.to_string()))
    }

    fn built(&self) -> Option<Micros> {
        let seconds = i64::try_from(self.0.metadata().build_epoch).ok()?;
        seconds.checked_mul(SECOND).map(Micros)
    }

    /// Whether it can know the address at all: a database of IPv4 knows nothing of IPv6.
    fn covers(&self, ip: IpAddr) -> bool {
        ip.is_ipv4() || self.0.metadata().ip_version != 4
    }

    /// Country and city.
    fn city(&self, ip: IpAddr) -> Result<(String, String), MaxMindDbError> {
        if !self.covers(ip) {
            return Ok((String::new(), String::new()));
        }
        let record = self.0.lookup(ip)?;
        let country = record.decode_path::<&str>(&COUNTRY)?.unwrap_or_default().to_ascii_uppercase();
        Ok((country, record.decode_path::<&str>(&CITY)?.unwrap_or_default().to_owned()))
    }

    /// Number and organisation of the autonomous system.
    fn asn(&self, ip: IpAddr) -> Result<(Option<i64>, String), MaxMindDbError> {
        if !self.covers(ip) {
            return Ok((None, String::new()));
        }
        let record = self.0.lookup(ip)?;
        let number = record.decode_path::<u32>(&ASN)?.map(i64::from);
        Ok((number, record.decode_path::<&str>(&ORGANISATION)?.unwrap_or_default().to_owned()))
    }
}

/// Where addresses are.
#[derive(Debug, Default)]
pub(crate) struct Places {
    pub(crate) networks: Networks,
    pub(crate) city: Option<Database>,
    pub(crate) asn: Option<Database>,
}

impl Places {
    /// The block for an activity's address.
    pub(crate) fn geo(&self, address: Option<&Address>) -> GeoBlock {
        let Some(ip) = address.and_then(|address| address.ip.parse::<IpAddr>().ok()) else {
            return empty(Provenance::not_applicable());
        };
        let ip = ip.to_canonical();
        match self.networks.find(ip) {
            Some(network) => of_network(network),
            None => self.of_databases(ip),
        }
    }

    fn of_databases(&self, ip: IpAddr) -> GeoBlock {
        let city = self.city.as_ref().map(|database| database.city(ip));
        let asn = self.asn.as_ref().map(|database| database.asn(ip));
        let failed = matches!(city, Some(Err(_))) || matches!(asn, Some(Err(_)));
        let (country, city) = city.and_then(Result::ok).unwrap_or_default();
        let (asn, network) = asn.and_then(Result::ok).unwrap_or_default();
        let found = !country.is_empty() || !city.is_empty() || asn.is_some() || !network.is_empty();
        let (status, source) = match (found, failed) {
            (true, _) => (status::HIT, source::MMDB),
            (false, true) => (status::ERROR, source::MMDB),
            (false, false) if self.city.is_some() || self.asn.is_some() => (status::MISS, source::MMDB),
            (false, false) => (status::MISS, source::NONE),
        };
        let as_of = self.city.as_ref().or(self.asn.as_ref()).and_then(Database::built);
        let provenance = Provenance { as_of: as_of.filter(|_| found), ..Provenance::new(status, source) };
        GeoBlock { provenance, country, city, asn, network }
    }
}

fn of_network(network: &Network) -> GeoBlock {
    let Network { name, country, city, asn } = network.clone();
    let provenance = Provenance::new(status::HIT, source::NETWORKS);
    GeoBlock { provenance, country, city, asn, network: name }
}

fn empty(provenance: Provenance) -> GeoBlock {
    GeoBlock { provenance, country: String::new(), city: String::new(), asn: None, network: String::new() }
}
