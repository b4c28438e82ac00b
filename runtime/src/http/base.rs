//! Where a service lives, and the guard on addresses that its answers name.
//!
//! An answer may name the next address to ask (the next page, a blob). It is followed on the configured scheme, host and
//! port only: a token must not go where an answer says.

use reqwest::Url;

/// A service's scheme, host, port and path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base(Url);

/// An address that is not of this service; it is not quoted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an answer names an address of another host, scheme or port")]
pub struct Foreign;

/// An address that an answer names may be so long.
const ADDRESS_BYTES_MAX: usize = 8192;

impl Base {
    /// `https://host[:port][/path]`; `http://` only to this machine, since tokens travel.
    ///
    /// # Errors
    /// What the address must be.
    pub fn parse(text: &str) -> Result<Self, String> {
        let base = Self::parse_any(text)?;
        if base.0.scheme() == "http" && !base.is_loopback() {
            return Err("must begin with https:// (http:// is for this machine only)".to_owned());
        }
        Ok(base)
    }

    /// The same, and `http://` to any host: for receivers inside a closed network.
    ///
    /// # Errors
    /// What the address must be.
    pub fn parse_any(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| format!("is no address: {error}"))?;
        if !matches!(url.scheme(), "https" | "http") || !url.has_host() {
            return Err("must begin with https://".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("must not hold a user or a password".to_owned());
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err("must end with its path: no ? and no #".to_owned());
        }
        Ok(Self(url))
    }

    /// The address of `path` below this one.
    #[must_use]
    pub fn join(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        let below = format!("{}/{}", url.path().trim_end_matches('/'), path.trim_start_matches('/'));
        url.set_path(&below);
        url
    }

    /// The address itself.
    #[must_use]
    pub fn url(&self) -> Url {
        self.0.clone()
    }

    /// The address that an answer names, absolute or relative, if it is of this service.
    ///
    /// # Errors
    /// [`Foreign`] for anything else.
    pub fn follow(&self, address: &str) -> Result<Url, Foreign> {
        if address.len() > ADDRESS_BYTES_MAX {
            return Err(Foreign);
        }
        let url = self.0.join(address).map_err(|_| Foreign)?;
        let same = url.scheme() == self.0.scheme()
            && url.host() == self.0.host()
            && url.port_or_known_default() == self.0.port_or_known_default();
        let bare = url.username().is_empty() && url.password().is_none();
        if same && bare { Ok(url) } else { Err(Foreign) }
    }

    /// Scheme, host and port, as tokens name their audience: `https://manage.office.com`.
    #[must_use]
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    fn is_loopback(&self) -> bool {
        // An IPv6 host stands in brackets.
        let host = self.0.host_str().unwrap_or_default().trim_matches(['[', ']']);
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_https_or_this_machine_and_holds_nothing_secret() {
        for good in
            ["https://manage.office.com", "http://127.0.0.1:8080", "http://[::1]:80/x", "http://localhost"]
        {
            assert!(Base::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "manage.office.com",
            "http://manage.office.com",
            "ftp://localhost",
            "https://user@host",
            "https://user:pass@host",
            "https://host/?a=b",
            "https://host/#a",
            "https://",
            "http://127.0.0.1.example.org",
        ] {
            assert!(Base::parse(bad).is_err(), "{bad}");
        }
        assert!(Base::parse_any("http://splunk.internal:8088").is_ok());
    }

    #[test]
    fn a_path_goes_below_the_base() {
        let base = Base::parse("https://host:444/root/").unwrap();
        assert_eq!(base.join("/a/b").as_str(), "https://host:444/root/a/b");
        assert_eq!(Base::parse("https://host").unwrap().join("a").as_str(), "https://host/a");
        assert_eq!(base.origin(), "https://host:444");
    }

    #[test]
    fn what_an_answer_names_is_followed_on_the_same_host_only() {
        let base = Base::parse("https://manage.office.com").unwrap();
        for good in
            ["https://manage.office.com/api/v1.0/x?y=z", "https://MANAGE.office.com:443/x", "/x?y=%24"]
        {
            assert!(base.follow(good).is_ok(), "{good}");
        }
        for foreign in [
            "http://manage.office.com/x",
            "https://manage.office.com:444/x",
            "https://manage.office.com.example.org/x",
            "https://manage.office.com@example.org/x",
            "https://user:word@manage.office.com/x",
            "//example.org/x",
            "\\\\example.org\\x",
            "javascript:alert(1)",
            "file:///etc/passwd",
        ] {
            assert_eq!(base.follow(foreign), Err(Foreign), "{foreign}");
        }
        assert_eq!(base.follow(&format!("/{}", "x".repeat(ADDRESS_BYTES_MAX))), Err(Foreign));
    }
}
