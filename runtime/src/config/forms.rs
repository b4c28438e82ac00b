//! The forms that values have: times, addresses; and the nearest name to a mistyped one.

use std::time::Duration;

use super::tree::quoted;

/// "; did you mean …?" when one of `names` is near: at most a third of it mistyped.
pub(super) fn hint(text: &str, names: &[&str]) -> String {
    let text: String = text.chars().take(64).collect();
    let near = names
        .iter()
        .map(|name| (strsim::osa_distance(&text, name), *name))
        .filter(|(distance, name)| *distance <= (name.len() / 3).max(1))
        .min();
    near.map_or_else(String::new, |(_, name)| format!("; did you mean {}?", quoted(name)))
}

/// A whole number and its unit.
pub(super) fn read_duration(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 60 * 60 * 1000,
        "d" => 24 * 60 * 60 * 1000,
        _ => return None,
    };
    number.checked_mul(millis).map(Duration::from_millis)
}

/// An address that may stand in logs.
pub(super) fn read_url(text: &str) -> Result<String, String> {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let Some(rest) = rest else { return Err("must begin with https:// or http://".to_owned()) };
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err("must not hold a user or password; secrets have their own keys".to_owned());
    }
    if authority.is_empty() || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("must be an address with a host and without blanks".to_owned());
    }
    Ok(text.to_owned())
}
