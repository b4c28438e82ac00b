//! The client's address. Four fields and one property carry it; no record has them all, and what they hold is not
//! always an address (07 of the corpora: ports, brackets, IPv4 in IPv6, host names, `<null>`, nothing).
//!
//! Nothing is looked up: only what the standard library reads as an address is one.

use std::net::{IpAddr, SocketAddr};

use schemas::event::Address;
use schemas::record::Record;

const FIELDS: [&str; 5] =
    ["ClientIP", "ActorIpAddress", "ClientIPAddress", "SenderIp", "PropertyCollection.enduser.ip_address"];

/// The first field that holds an address; else the first text, which then counts as none.
pub(super) fn of(record: &Record<'_>) -> Option<Address> {
    let mut other = None;
    for field in FIELDS {
        let Some(text) = record.text(field).filter(|text| !text.trim().is_empty()) else { continue };
        match ip(&text) {
            Some(ip) => return Some(Address { text, ip: ip.to_string() }),
            None => other = other.or(Some(text)),
        }
    }
    other.map(|text| Address { text, ip: String::new() })
}

/// Reads an address with or without brackets and port; IPv4 in IPv6 becomes IPv4.
fn ip(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.parse::<IpAddr>().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let bracketed = || {
        let (inside, port) = text.strip_prefix('[')?.split_once(']')?;
        let port_fits = port.is_empty() || port.strip_prefix(':')?.parse::<u16>().is_ok();
        port_fits.then(|| inside.parse::<IpAddr>().ok()).flatten()
    };
    bare.or_else(with_port).or_else(bracketed).map(|ip| ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_text(text: &str) -> Option<Address> {
        let record = format!("{{\"ClientIP\":{}}}", serde_json::to_string(text).unwrap());
        of(&Record::parse(record.as_bytes()).unwrap())
    }

    #[test]
    fn every_form_seen_is_read() {
        for (text, ip) in [
            ("1.2.3.4", "1.2.3.4"),
            ("1.2.3.4:5678", "1.2.3.4"),
            ("2001:DB8::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("::ffff:1.2.3.4", "1.2.3.4"),
            ("[::ffff:1.2.3.4]:1", "1.2.3.4"),
            ("[1.2.3.4]:80", "1.2.3.4"),
            ("[1.2.3.4]", "1.2.3.4"),
            (" 1.2.3.4 ", "1.2.3.4"),
            ("ffff:10.11.0.229", ""),
            ("<null>", ""),
            ("host.example:443", ""),
            ("NAME (10.900.0.1)", ""),
            ("1.2.3.4:port", ""),
            ("[1.2.3.4]x", ""),
            ("1.2.3.456", ""),
        ] {
            let expected = Address { text: text.to_owned(), ip: ip.to_owned() };
            assert_eq!(of_text(text), Some(expected), "{text}");
        }
        assert_eq!(of_text(""), None);
        assert_eq!(of_text("  "), None);
    }

    #[test]
    fn the_first_field_that_holds_one_is_taken() {
        let of_record = |text: &str| of(&Record::parse(text.as_bytes()).unwrap()).unwrap_or_default();
        let address = of_record(r#"{"ClientIP":"<null>","ActorIpAddress":"","ClientIPAddress":"1.2.3.4"}"#);
        assert_eq!((address.text.as_str(), address.ip.as_str()), ("1.2.3.4", "1.2.3.4"));
        let address = of_record(r#"{"ClientIP":null,"ActorIpAddress":"a host","SenderIp":"b host"}"#);
        assert_eq!((address.text.as_str(), address.ip.as_str()), ("a host", ""));
        let address =
            of_record(r#"{"PropertyCollection":[{"Name":"enduser.ip_address","Value":"::ffff:1.2.3.4"}]}"#);
        assert_eq!(address.ip, "1.2.3.4");
    }
}
