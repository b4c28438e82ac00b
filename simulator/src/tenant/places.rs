//! Where people are: the lands with offices, the lands they have nothing to do with, and the addresses of each.
//!
//! Only addresses that are set aside for documentation (RFC 5737, RFC 3849): a /26 of 192.0.2.0/24 for an office, of
//! 198.51.100.0/24 for homes near it, of 203.0.113.0/24 for a strange land; of 2001:db8::/32 a /48 each for homes and
//! strange lands. The fourth part of the first two belongs to service accounts and to partners.

use jiff::tz::TimeZone;
use schemas::Micros;

use super::dice::Dice;

/// One land somebody may be in.
#[derive(Clone, Copy)]
struct Land {
    code: &'static str,
    city: &'static str,
    zone: &'static str,
    asn: u32,
}

const fn land(code: &'static str, city: &'static str, zone: &'static str, asn: u32) -> Land {
    Land { code, city, zone, asn }
}

/// Numbers of autonomous systems are those set aside for documentation (RFC 5398).
const LANDS: [Land; 12] = [
    land("DE", "Berlin", "Europe/Berlin", 64_496),
    land("GB", "Leeds", "Europe/London", 64_497),
    land("US", "Boston", "America/New_York", 64_498),
    land("FR", "Lyon", "Europe/Paris", 64_499),
    land("IN", "Pune", "Asia/Kolkata", 64_500),
    land("PL", "Krakow", "Europe/Warsaw", 64_501),
    land("BR", "Curitiba", "America/Sao_Paulo", 64_502),
    land("JP", "Osaka", "Asia/Tokyo", 64_503),
    land("CA", "Toronto", "America/Toronto", 64_504),
    land("ZA", "Durban", "Africa/Johannesburg", 64_505),
    land("TR", "Izmir", "Europe/Istanbul", 64_506),
    land("VN", "Hue", "Asia/Ho_Chi_Minh", 64_507),
];

/// Strange lands.
const STRANGE: usize = 3;

/// An office and what is around it.
pub(crate) struct Site {
    pub(crate) code: &'static str,
    pub(crate) city: &'static str,
    pub(crate) zone_name: &'static str,
    pub(crate) zone: TimeZone,
    asn: u32,
}

/// All places of one tenant.
pub(crate) struct Places {
    /// At most three.
    pub(crate) offices: Vec<Site>,
    strange: Vec<Land>,
}

impl Places {
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Dice::of(seed, "places", &[]);
        let mut lands = LANDS;
        dice.shuffle(&mut lands);
        let offices = usize::try_from(dice.between(2, 3)).unwrap_or(2);
        let site = |land: &Land| Site {
            code: land.code,
            city: land.city,
            zone_name: land.zone,
            zone: TimeZone::get(land.zone).unwrap_or(TimeZone::UTC),
            asn: land.asn,
        };
        Self {
            offices: lands.iter().take(offices).map(site).collect(),
            strange: lands.iter().rev().take(STRANGE).copied().collect(),
        }
    }

    /// Minutes since local midnight and the day of the week (Monday is 0) at an office.
    pub(crate) fn local(&self, office: usize, time: Micros) -> (i32, usize) {
        let at = self.offices.get(office).zip(time.timestamp());
        let Some((site, timestamp)) = at else { return (0, 0) };
        let at = site.zone.to_datetime(timestamp);
        let weekday = usize::try_from(at.weekday().to_monday_zero_offset()).unwrap_or_default();
        (i32::from(at.hour()) * 60 + i32::from(at.minute()), weekday)
    }

    /// `network,name,country,city,asn`: what an operator knows of networks.
    pub(crate) fn networks_csv(&self) -> String {
        let mut lines = vec!["network,name,country,city,asn".to_owned()];
        for (index, site) in self.offices.iter().enumerate() {
            let (code, city, asn) = (site.code, site.city, site.asn);
            let office = office_name(site);
            let from = index * 64;
            lines.push(format!("192.0.2.{from}/26,{office},{code},{city},{asn}"));
            lines.push(format!("198.51.100.{from}/26,,{code},{city},{asn}"));
            lines.push(format!("2001:db8:{:x}::/48,,{code},,{asn}", 16 + index));
        }
        if let Some(site) = self.offices.first() {
            lines.push(format!("192.0.2.192/26,server-room,{},{},{}", site.code, site.city, site.asn));
            lines.push(format!("198.51.100.192/26,partners,{},{},{}", site.code, site.city, site.asn));
        }
        for (index, land) in self.strange.iter().enumerate() {
            let (code, city, asn) = (land.code, land.city, land.asn);
            lines.push(format!("203.0.113.{}/26,,{code},{city},{asn}", index * 64));
            lines.push(format!("2001:db8:{:x}::/48,,{code},,{asn}", 240 + index));
        }
        lines.join("\n") + "\n"
    }
}

/// The name that the operator gave the office's network.
pub(crate) fn office_name(site: &Site) -> String {
    format!("office-{}", site.city.to_lowercase())
}

/// The address that an office shows the world: one of two.
pub(crate) fn office_address(office: usize, dice: &mut Dice) -> String {
    format!("192.0.2.{}", office * 64 + if dice.chance(700) { 10 } else { 11 })
}

/// An address at home, near an office.
pub(crate) fn home_address(office: usize, dice: &mut Dice) -> String {
    if dice.chance(300) {
        format!("2001:db8:{:x}:{:x}::{:x}", 16 + office, dice.between(1, 0xfff), dice.between(1, 0xffff))
    } else {
        format!("198.51.100.{}", i64::try_from(office * 64).unwrap_or_default() + dice.between(1, 62))
    }
}

/// An address in a land where nobody of the tenant works.
pub(crate) fn strange_address(dice: &mut Dice) -> String {
    let land = dice.between(0, 2);
    if dice.chance(250) {
        format!("2001:db8:{:x}:{:x}::{:x}", 240 + land, dice.between(1, 0xff), dice.between(1, 0xffff))
    } else {
        format!("203.0.113.{}", land * 64 + dice.between(1, 62))
    }
}

/// An address of the machines that service accounts run on.
pub(crate) fn server_address(dice: &mut Dice) -> String {
    format!("192.0.2.{}", dice.between(200, 203))
}

/// An address at a partner's.
pub(crate) fn partner_address(dice: &mut Dice) -> String {
    format!("198.51.100.{}", dice.between(193, 254))
}

/// The address with a port, as Exchange writes it.
pub(crate) fn with_port(address: &str, dice: &mut Dice) -> String {
    let port = dice.between(1024, 65_535);
    if address.contains(':') { format!("[{address}]:{port}") } else { format!("{address}:{port}") }
}
