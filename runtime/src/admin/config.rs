//! The section `admin:`: where the port is that operators ask.
//!
//! ```yaml
//! admin:
//!   listen: 127.0.0.1:9464     # the standard; `off` for none
//!   beyond_loopback: false     # true where an address that other machines reach is meant
//! ```
//! Without the section the standard address is taken where it is free. One that is written down must be free.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use crate::config::Section;

/// Where it listens unless told otherwise. 9464 is what OpenTelemetry's exporters for Prometheus take.
pub const LISTEN: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9464));

const OFF: &str = "off";

/// Where the admin port is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdminConfig {
    /// Where it listens; none for no port at all.
    pub address: Option<SocketAddr>,
    /// Whether somebody wrote the address down.
    pub is_configured: bool,
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self { address: Some(LISTEN), is_configured: false }
    }
}

impl AdminConfig {
    /// Reads the section `admin` of the whole configuration; problems are noted there.
    #[must_use]
    pub fn read(root: &Section<'_>) -> Self {
        let section = root.section("admin");
        let listen = section.text_as("listen", |text| match text {
            OFF => Ok(None),
            text => text.parse().map(Some).map_err(|_| must_be()),
        });
        let beyond = section.flag("beyond_loopback", false);
        let Some(address) = listen else { return Self::default() };
        if address.is_some_and(|address: SocketAddr| !address.ip().is_loopback()) && !beyond {
            let message = "\"listen\" can be reached from other machines, and nobody is asked who they are; say \
                           \"beyond_loopback: true\" where that is meant";
            section.problem("listen", message);
        }
        Self { address, is_configured: true }
    }
}

fn must_be() -> String {
    format!("must be an IP address and a port, such as {LISTEN}, or {OFF}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Document, Problems};

    fn read(text: &str) -> Result<AdminConfig, String> {
        let document = Document::parse("weir.yaml", text).unwrap();
        let problems = Problems::default();
        let root = document.root(&problems);
        let config = AdminConfig::read(&root);
        root.finish();
        problems.into_result().map(|()| config).map_err(|error| error.to_string())
    }

    #[test]
    fn without_a_section_it_is_the_standard_address_and_nobody_asked_for_it() {
        for text in ["{}", "admin: {}", "admin: {beyond_loopback: true}"] {
            assert_eq!(read(text), Ok(AdminConfig { address: Some(LISTEN), is_configured: false }), "{text}");
        }
        assert!(LISTEN.ip().is_loopback());
    }

    #[test]
    fn an_address_can_be_chosen_or_none() {
        for (text, expected) in [
            ("off", None),
            ("127.0.0.1:0", Some("127.0.0.1:0")),
            ("'[::1]:9464'", Some("[::1]:9464")),
            ("127.0.0.1:9464", Some("127.0.0.1:9464")),
        ] {
            let address = expected.map(|address| address.parse().unwrap());
            let read = read(&format!("admin: {{listen: {text}}}"));
            assert_eq!(read, Ok(AdminConfig { address, is_configured: true }), "{text}");
        }
    }

    #[test]
    fn what_others_can_reach_must_be_meant() {
        for address in ["0.0.0.0:9464", "192.0.2.7:9464", "'[::]:9464'"] {
            let problem = read(&format!("admin: {{listen: {address}}}")).unwrap_err();
            assert!(
                problem.starts_with("weir.yaml:1:17: ") && problem.contains("beyond_loopback"),
                "{problem}"
            );
            assert!(read(&format!("admin: {{listen: {address}, beyond_loopback: true}}")).is_ok());
        }
    }

    #[test]
    fn what_is_no_address_is_a_problem_in_its_place() {
        for text in ["localhost:9464", "9464", "127.0.0.1", "Off", "127.0.0.1:70000"] {
            let problem = read(&format!("admin: {{listen: {text}}}")).unwrap_err();
            assert!(problem.starts_with("weir.yaml:1:17: \"listen\" must be an IP address"), "{problem}");
        }
        assert!(read("admin: {lisen: off}").unwrap_err().contains("did you mean \"listen\""));
    }
}
