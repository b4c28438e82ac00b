//! Which domains are one tenant's by their names, and which are nobody's: used where no domain is configured.
//!
//! A tenant's first domain is `X.onmicrosoft.com`; `contoso.com` and `contoso.co.uk` are read as the same tenant's as
//! `contoso.onmicrosoft.com`. `contoso.example.com` is not: anybody can have that one. The mail providers are a short
//! list of the large ones, by their own domain names; with several countries' endings where a provider has them.

/// What stands before a country's two letters and is no name of anybody.
const SECOND_LEVEL: [&str; 9] = ["ac", "co", "com", "edu", "gov", "ne", "net", "or", "org"];

/// Mail for anybody, under one domain.
const PROVIDERS: [&str; 24] = [
    "126.com",
    "139.com",
    "163.com",
    "aol.com",
    "fastmail.com",
    "gmail.com",
    "googlemail.com",
    "icloud.com",
    "libero.it",
    "mac.com",
    "mail.com",
    "mail.ru",
    "me.com",
    "msn.com",
    "pm.me",
    "proton.me",
    "protonmail.ch",
    "protonmail.com",
    "qq.com",
    "rocketmail.com",
    "t-online.de",
    "tuta.com",
    "tutanota.com",
    "web.de",
];

/// Mail for anybody, under many endings.
const PROVIDERS_ANYWHERE: [&str; 7] = ["gmx", "hotmail", "live", "outlook", "yahoo", "yandex", "ymail"];

/// Whether a domain is one of a provider of mail for anybody, and so no tenant's.
pub(super) fn is_provider(domain: &str) -> bool {
    let family = || {
        let (name, ending) = domain.split_once('.')?;
        let national = ending.len() == 2 || (ending.contains('.') && is_ending(ending));
        let common = national || matches!(ending, "com" | "net");
        Some(PROVIDERS_ANYWHERE.contains(&name) && common)
    };
    PROVIDERS.contains(&domain) || family().unwrap_or_default()
}

/// Whether one of the domains is a tenant's first one, and the other is it too or bears its name.
pub(super) fn are_one_tenants(one: &str, other: &str) -> bool {
    match (first_name(one), first_name(other)) {
        (Some(name), Some(other)) => name == other,
        (Some(name), None) => bears(other, name),
        (None, Some(name)) => bears(one, name),
        (None, None) => false,
    }
}

/// `contoso` of `contoso.onmicrosoft.com` and of `contoso.mail.onmicrosoft.com`, which hybrid Exchange routes by.
fn first_name(domain: &str) -> Option<&str> {
    let (rest, ending) = domain.rsplit_once(".onmicrosoft.")?;
    let name = rest.strip_suffix(".mail").unwrap_or(rest);
    (!ending.contains('.') && !name.contains('.')).then_some(name)
}

/// Whether the domain is `<name>.<ending>`, or below it.
fn bears(domain: &str, name: &str) -> bool {
    let mut rest = domain;
    while let Some((label, after)) = rest.split_once('.') {
        if label == name && is_ending(after) {
            return true;
        }
        rest = after;
    }
    false
}

/// What a name is registered under: `com`, `de`, `co.uk`.
fn is_ending(text: &str) -> bool {
    match text.split_once('.') {
        None => true,
        Some((second, country)) => country.len() == 2 && SECOND_LEVEL.contains(&second),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn providers_are_known_by_their_whole_domain() {
        for domain in ["gmail.com", "yahoo.com", "yahoo.co.jp", "gmx.de", "gmx.net", "live.nl", "outlook.com"]
        {
            assert!(is_provider(domain), "{domain}");
        }
        for domain in
            ["com", "mygmail.com", "mail.gmail.com", "live.contoso.com", "outlook.org", "live.solutions", ""]
        {
            assert!(!is_provider(domain), "{domain}");
        }
    }

    #[test]
    fn a_first_domain_shares_its_name_with_what_is_registered_under_it() {
        let first = "contoso.onmicrosoft.com";
        for other in ["contoso.com", "contoso.co.uk", "eu.contoso.com", "contoso.mail.onmicrosoft.com", first]
        {
            assert!(are_one_tenants(first, other) && are_one_tenants(other, first), "{other}");
        }
        for other in [
            "contoso.example.com",
            "contoso.example.de",
            "contosos.com",
            "a.onmicrosoft.com",
            "contoso.a.onmicrosoft.com",
            "com",
        ] {
            assert!(!are_one_tenants(first, other) && !are_one_tenants(other, first), "{other}");
        }
        assert!(!are_one_tenants("contoso.com", "contoso.de"), "neither is a first domain");
    }
}
