//! `weir.account.id`: the account that a record of the directory is about, as `weir.actor.id` has accounts.
//!
//! `ObjectId` names it, in lower case here. Of a deleted account Entra puts the object id, 32 hex digits without dashes,
//! before the name: that goes away. Where `ObjectId` is no name, the name among `Target` is taken.

use schemas::record::Record;

const ID_DIGITS: usize = 32;

/// The account's name, where the record has one.
pub(super) fn id(record: &Record<'_>) -> Option<String> {
    let named = record.text("ObjectId").into_iter().chain(record.texts("Target.ID"));
    named.map(|name| name.trim().to_lowercase()).find(|name| name.contains('@')).map(|name| bare(&name))
}

fn bare(name: &str) -> String {
    let rest = name.split_at_checked(ID_DIGITS).filter(|(id, rest)| {
        id.bytes().all(|byte| byte.is_ascii_hexdigit()) && !rest.is_empty() && !rest.starts_with('@')
    });
    rest.map_or(name, |(_, rest)| rest).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_found_whatever_stands_around_it() {
        for (record, expected) in [
            (r#"{"ObjectId":"Vic@Contoso.example"}"#, Some("vic@contoso.example")),
            (
                r#"{"ObjectId":"e6e182d827c646e29844baca38c2473bVic@contoso.example"}"#,
                Some("vic@contoso.example"),
            ),
            (
                r#"{"ObjectId":"e6e182d827c646e29844baca38c2473b@contoso.example"}"#,
                Some("e6e182d827c646e29844baca38c2473b@contoso.example"),
            ),
            (
                r#"{"ObjectId":"User_1","Target":[{"ID":"User_1","Type":2},{"ID":"Vic@x.example","Type":5}]}"#,
                Some("vic@x.example"),
            ),
            (r#"{"ObjectId":"Not Available"}"#, None),
            ("{}", None),
        ] {
            assert_eq!(id(&Record::parse(record.as_bytes()).unwrap()).as_deref(), expected, "{record}");
        }
    }
}
