//! Who did it. `UserType` says what they are (Management Activity API schema, enum User Type), but for identities whose
//! name says it better: Exchange's own housekeeping comes as type 3, guests as type 0.

use schemas::event::Actor;
use schemas::record::{Record, Scalar};

use super::text;

pub(super) fn of(record: &Record<'_>) -> Actor {
    let id = record.text("UserId").unwrap_or_default().trim().to_lowercase();
    let kind = kind(&id, record.top("UserType").and_then(Scalar::as_int)).to_owned();
    let object_id = object_id(record).unwrap_or_default();
    Actor { id, kind, object_id }
}

fn kind(id: &str, user_type: Option<i64>) -> &'static str {
    if id.starts_with("nt authority\\system") || id == "sharepoint\\system" {
        return "system";
    }
    if id.contains("#ext#") {
        return "guest";
    }
    if id.starts_with("serviceprincipal_") {
        return "service";
    }
    match user_type {
        Some(0 | 1) => "user",
        Some(2 | 3) => "admin",
        Some(4) => "system",
        Some(5 | 6) => "service",
        Some(9) => "partner",
        Some(10) => "guest",
        _ => "unknown",
    }
}

/// From `UserKey`, else from `Actor` (there the entry `User_…` or `ServicePrincipal_…` is the actor's own; other GUIDs
/// may be those of applications), else from the property of unified Power Platform records.
fn object_id(record: &Record<'_>) -> Option<String> {
    if let Some(key) = record.text("UserKey").filter(|key| text::is_guid(key)) {
        return Some(key.to_lowercase());
    }
    let ids = record.texts("Actor.ID");
    let named = ids.iter().find_map(|id| {
        let guid = id.strip_prefix("User_").or_else(|| id.strip_prefix("ServicePrincipal_"))?;
        text::is_guid(guid).then(|| guid.to_lowercase())
    });
    let any = || ids.iter().find(|id| text::is_guid(id)).map(|id| id.to_lowercase());
    let property = || {
        let id = record.text("PropertyCollection.enduser.id")?;
        text::is_guid(&id).then(|| id.to_lowercase())
    };
    named.or_else(any).or_else(property)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_follows_the_type_but_for_names_that_say_it_better() {
        for (id, user_type, expected) in [
            ("a@x", "0", "user"),
            ("a@x", "\"0\"", "user"),
            ("a@x", "2", "admin"),
            ("NT AUTHORITY\\\\SYSTEM (Microsoft.Exchange.ServiceHost)", "3", "system"),
            ("a@x", "4", "system"),
            ("a@x", "5", "service"),
            ("ServicePrincipal_5f91ce94", "4", "service"),
            ("joe_y#EXT#@x", "0", "guest"),
            ("a@x", "9", "partner"),
            ("a@x", "10", "guest"),
            ("a@x", "77", "unknown"),
            ("a@x", "null", "unknown"),
        ] {
            let record = format!("{{\"UserId\":\"{id}\",\"UserType\":{user_type}}}");
            let actor = of(&Record::parse(record.as_bytes()).unwrap());
            assert_eq!(actor.kind, expected, "{id} {user_type}");
            assert_eq!(actor.id, id.to_lowercase().replace("\\\\", "\\"));
        }
    }

    #[test]
    fn the_object_id_is_the_actors_own() {
        let of_record = |text: &str| of(&Record::parse(text.as_bytes()).unwrap()).object_id;
        let key = r#"{"UserKey":"7FF1E0F1-e2a4-48a0-874e-34db43893df1"}"#;
        assert_eq!(of_record(key), "7ff1e0f1-e2a4-48a0-874e-34db43893df1");
        let actor = r#"{"UserKey":"1003@x","Actor":[{"ID":"74658136-14ec-4630-ad9b-26e160ff0fc6","Type":2},
            {"ID":"User_bfb8c366-0406-41a5-b3e3-328f4a3b4484","Type":2}]}"#;
        assert_eq!(of_record(actor), "bfb8c366-0406-41a5-b3e3-328f4a3b4484");
        assert_eq!(of_record(r#"{"UserKey":"Not Available"}"#), "");
    }
}
