//! The operator's list of networks: `network,name,country,city,asn`, one a line, the longest prefix wins.
//!
//! `network` is a prefix (`192.0.2.0/24`, `2001:db8::/32`) or one address; `country` has two letters; `asn` is a number,
//! with or without `AS`; all but `network` may be empty. Limits: 64 MiB, 1,000,000 networks.

use std::{fs::File, io::Read as _, net::IpAddr, path::Path};

use hashbrown::{HashMap, HashSet};
use ipnet::IpNet;

use crate::{error::FileError, table};

const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;
const NETWORKS_MAX: usize = 1_000_000;
const HEAD: [&str; 5] = ["network", "name", "country", "city", "asn"];

/// What the operator says about a network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// "office-berlin"; may be empty.
    pub name: String,
    /// ISO 3166-1 alpha-2, upper case; may be empty.
    pub country: String,
    /// May be empty.
    pub city: String,
    /// The autonomous system's number.
    pub asn: Option<i64>,
}

/// Networks by prefix.
#[derive(Debug, Default)]
pub struct Networks {
    by_prefix: HashMap<IpNet, Network>,
    names: HashSet<String>,
    /// The lengths that occur, longest first.
    lengths_v4: Vec<u8>,
    lengths_v6: Vec<u8>,
}

/// What is wrong with the file, by line.
pub type Faults = Vec<(usize, String)>;

impl Networks {
    /// Reads the file at `path`; lines that are wrong are left out and told.
    ///
    /// # Errors
    /// [`FileError`] when the file cannot be read, is too large or no text.
    pub fn read(path: &Path) -> Result<(Self, Faults), FileError> {
        let mut bytes = Vec::new();
        File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(FileError::TooLarge(FILE_BYTES_MAX));
        }
        let text = String::from_utf8(bytes).map_err(|_| FileError::NotText)?;
        Ok(Self::parse(&text))
    }

    /// The same of a text.
    #[must_use]
    pub fn parse(text: &str) -> (Self, Faults) {
        let mut networks = Self::default();
        let mut faults = Vec::new();
        let mut head = false;
        for row in table::rows(text) {
            let (line, message) = match row {
                Err(line) => (line, "a quote is opened and not closed".to_owned()),
                Ok(row) if !head => {
                    head = true;
                    if row.fields == HEAD {
                        continue;
                    }
                    (row.line, format!("the first line must be {}", HEAD.join(",")))
                }
                Ok(row) => match networks.add(&row.fields) {
                    Ok(()) => continue,
                    Err(message) => (row.line, message),
                },
            };
            faults.push((line, message));
        }
        networks.sort_lengths();
        (networks, faults)
    }

    /// What is said about the smallest network that holds `ip`.
    #[must_use]
    pub fn find(&self, ip: IpAddr) -> Option<&Network> {
        let lengths = if ip.is_ipv4() { &self.lengths_v4 } else { &self.lengths_v6 };
        lengths.iter().find_map(|length| {
            let prefix = IpNet::new(ip, *length).ok()?.trunc();
            self.by_prefix.get(&prefix)
        })
    }

    /// Whether a network has that name.
    #[must_use]
    pub fn has_name(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    fn add(&mut self, fields: &[String]) -> Result<(), String> {
        let [network, name, country, city, asn] = fields else {
            return Err(format!("has {} fields where {} are needed", fields.len(), HEAD.len()));
        };
        let prefix = read_prefix(network)?;
        let (name, city) = (name.clone(), city.clone());
        let known = Network { name, city, country: read_country(country)?, asn: read_asn(asn)? };
        if self.by_prefix.contains_key(&prefix) {
            return Err("this network has a line already".to_owned());
        }
        if self.by_prefix.len() >= NETWORKS_MAX {
            return Err(format!("more than {NETWORKS_MAX} networks"));
        }
        if !known.name.is_empty() {
            self.names.insert(known.name.clone());
        }
        self.by_prefix.insert(prefix, known);
        Ok(())
    }

    fn sort_lengths(&mut self) {
        let lengths = |v4: bool| {
            let all = self.by_prefix.keys().filter(|prefix| prefix.addr().is_ipv4() == v4);
            let mut lengths: Vec<u8> = all.map(IpNet::prefix_len).collect();
            lengths.sort_unstable_by(|a, b| b.cmp(a));
            lengths.dedup();
            lengths
        };
        (self.lengths_v4, self.lengths_v6) = (lengths(true), lengths(false));
    }
}

fn read_prefix(text: &str) -> Result<IpNet, String> {
    let prefix = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    match prefix {
        Some(prefix) if prefix.trunc() == prefix => Ok(prefix),
        Some(_) => Err("the network has bits set behind its prefix".to_owned()),
        None => Err("the first field must be a network, 192.0.2.0/24 for example".to_owned()),
    }
}

fn read_country(text: &str) -> Result<String, String> {
    let fits = text.is_empty() || (text.len() == 2 && text.bytes().all(|b| b.is_ascii_alphabetic()));
    if fits { Ok(text.to_ascii_uppercase()) } else { Err("a country has two letters".to_owned()) }
}

fn read_asn(text: &str) -> Result<Option<i64>, String> {
    let digits = text.strip_prefix("AS").unwrap_or(text);
    if digits.is_empty() && text.is_empty() {
        return Ok(None);
    }
    let number: u32 =
        digits.parse().map_err(|_| "asn must be the number of an autonomous system".to_owned())?;
    Ok(Some(i64::from(number)))
}
