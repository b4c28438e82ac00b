//! Times as the services write them.

use schemas::{Micros, time::SECOND};

fn formatted(at: Micros, form: &str) -> String {
    at.timestamp().map(|at| at.strftime(form).to_string()).unwrap_or_default()
}

/// `2015-05-23T17:35:00.000Z`, as in a content listing.
pub(crate) fn millis(at: Micros) -> String {
    formatted(at, "%Y-%m-%dT%H:%M:%S.%3fZ")
}

/// `2020-02-20T10:46:42.0000000Z`, as in `NextPageUri`.
pub(crate) fn ticks(at: Micros) -> String {
    formatted(at, "%Y-%m-%dT%H:%M:%S.%6f0Z")
}

/// 14 digits of the calendar and 9 of the fraction of a second, as content ids begin.
pub(crate) fn digits(at: Micros) -> String {
    formatted(at, "%Y%m%d%H%M%S%9f")
}

/// `Wed, 21 Oct 2015 07:28:00 GMT`, as in the header `Date`.
pub(crate) fn http_date(at: Micros) -> String {
    formatted(at, "%a, %d %b %Y %H:%M:%S GMT")
}

/// `2015-10-21 07:28:00Z`, as in Entra's errors.
pub(crate) fn entra(at: Micros) -> String {
    formatted(at, "%Y-%m-%d %H:%M:%SZ")
}

/// Whole seconds since 1970.
pub(crate) fn seconds(at: Micros) -> i64 {
    at.0.div_euclid(SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_the_pages_show_them() {
        let at = Micros::parse("2015-05-23T17:35:00.25Z").unwrap();
        assert_eq!(millis(at), "2015-05-23T17:35:00.250Z");
        assert_eq!(ticks(at), "2015-05-23T17:35:00.2500000Z");
        assert_eq!(digits(at), "20150523173500250000000");
        assert_eq!(http_date(at), "Sat, 23 May 2015 17:35:00 GMT");
        assert_eq!(entra(at), "2015-05-23 17:35:00Z");
        assert_eq!(seconds(Micros(-1)), -1);
    }

    #[test]
    fn every_documented_form_of_a_listing_time_is_read() {
        let day = Micros::parse("2015-10-01T00:00:00Z").unwrap();
        for text in [
            "2015-10-01",
            "2015-10-01T00:00",
            "2015-10-01T00:00:00",
            "2015-10-01T00:00Z",
            "2015-10-01T00:00:00.0000000Z",
        ] {
            assert_eq!(Micros::parse(text), Ok(day), "{text}");
        }
    }
}
