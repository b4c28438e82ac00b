//! What a consent gives: `weir.consent.added`, the scopes that the application has from now on and had not before, and
//! `weir.consent.held`, all that the record says it has now.
//!
//! `Consent to application.` says it as text, `[old grants] => [new grants]`, each grant
//! `[Id: …, ClientId: …, PrincipalId: …, ResourceId: …, ConsentType: …, Scope: A B C, …]`; without an arrow it names the
//! new grants only. Grants of one client, person, resource and type are one grant. A delegated permission grant has the
//! scopes themselves, old and new, and an application role its name.
//!
//! Limits: 1,024 scopes of a record, the rest is left out.

use schemas::record::Record;

const SCOPES_MAX: usize = 1024;

const CONSENT: &str = "ModifiedProperties.ConsentAction.Permissions.new";
const PLAIN: [[&str; 2]; 2] = [
    [
        "ModifiedProperties.DelegatedPermissionGrant.Scope.old",
        "ModifiedProperties.DelegatedPermissionGrant.Scope.new",
    ],
    ["ModifiedProperties.AppRole.Value.old", "ModifiedProperties.AppRole.Value.new"],
];

/// Which scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Added,
    Held,
}

/// The field of that name, below `weir.consent.`.
pub(super) fn field(name: &str) -> Option<Which> {
    match name {
        "added" => Some(Which::Added),
        "held" => Some(Which::Held),
        _ => None,
    }
}

/// The scopes, each once, in the record's order.
pub(super) fn scopes(record: &Record<'_>, which: Which) -> Vec<String> {
    let mut found = Vec::new();
    for text in record.texts(CONSENT) {
        let (before, after) = text.split_once("=>").unwrap_or(("", &text));
        add(&grants(before), &grants(after), which, &mut found);
    }
    for paths in PLAIN {
        let [old, new] = paths.map(|path| record.texts(path));
        let [old, new] =
            [&old, &new].map(|texts| texts.iter().map(|text| Grant::bare(text)).collect::<Vec<_>>());
        add(&old, &new, which, &mut found);
    }
    found
}

fn add(before: &[Grant<'_>], after: &[Grant<'_>], which: Which, found: &mut Vec<String>) {
    for grant in after {
        let had = |scope: &str| {
            before.iter().any(|other| other.of == grant.of && other.scopes().any(|had| had == scope))
        };
        for scope in grant.scopes().filter(|scope| which == Which::Held || !had(scope)) {
            if found.len() < SCOPES_MAX && found.iter().all(|known| known != scope) {
                found.push(scope.to_owned());
            }
        }
    }
}

/// One grant: client, person, resource and type, and its scopes as they stand.
#[derive(Debug, Default)]
struct Grant<'t> {
    of: [&'t str; 4],
    scope: &'t str,
}

impl<'t> Grant<'t> {
    fn bare(scope: &'t str) -> Self {
        Self { scope, ..Self::default() }
    }

    fn scopes(&self) -> impl Iterator<Item = &'t str> {
        let parts = self.scope.split(|c: char| c.is_whitespace() || c == '"');
        parts.filter(|scope| !scope.is_empty())
    }
}

fn grants(text: &str) -> Vec<Grant<'_>> {
    text.split(']').map(grant).filter(|grant| !grant.scope.is_empty()).collect()
}

fn grant(text: &str) -> Grant<'_> {
    let mut grant = Grant::default();
    let [client, person, resource, kind] = &mut grant.of;
    for part in text.split(',') {
        let Some((name, value)) = part.split_once(':') else { continue };
        let place = match name.trim_matches(|c: char| c.is_whitespace() || "[;".contains(c)) {
            "ClientId" => &mut *client,
            "PrincipalId" => &mut *person,
            "ResourceId" => &mut *resource,
            "ConsentType" => &mut *kind,
            "Scope" => &mut grant.scope,
            _ => continue,
        };
        *place = value.trim();
    }
    grant
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(properties: &str, which: Which) -> Vec<String> {
        let record = format!("{{\"ModifiedProperties\":[{properties}]}}");
        scopes(&Record::parse(record.as_bytes()).unwrap(), which)
    }

    fn consent(text: &str, which: Which) -> Vec<String> {
        of(&format!(r#"{{"Name":"ConsentAction.Permissions","NewValue":"{text}","OldValue":""}}"#), which)
    }

    #[test]
    fn only_what_the_same_grant_had_not_before_is_added() {
        let grant = |person: &str, scope: &str| {
            format!(
                "[Id: a, ClientId: c, PrincipalId: {person}, ResourceId: r, ConsentType: Principal, Scope: {scope}, CreatedDateTime: ]"
            )
        };
        let both = |before: &str, after: &str| consent(&format!("[{before}] => [{after}]; "), Which::Added);
        let (ann, bob) = (grant("ann", "Mail.Read openid"), grant("bob", "Mail.Send"));
        assert_eq!(both("", &ann), ["Mail.Read", "openid"]);
        assert_eq!(both(&ann, &grant("ann", "openid Mail.Send Mail.Read")), ["Mail.Send"]);
        assert_eq!(both(&ann, &ann), [""; 0]);
        assert_eq!(both(&ann, &grant("ann", "openid")), [""; 0], "taken away");
        assert_eq!(both(&ann, &format!("{ann}, {bob}")), ["Mail.Send"]);
        assert_eq!(
            both(&bob, &format!("{bob}, {}", grant("ann", "Mail.Send"))),
            ["Mail.Send"],
            "another person's"
        );
    }

    #[test]
    fn what_is_held_is_all_that_stands_after_the_arrow() {
        let text = "[[ClientId: c, Scope: Mail.Send]] => [[ClientId: c, Scope: Mail.Send User.Read]]; ";
        assert_eq!(consent(text, Which::Held), ["Mail.Send", "User.Read"]);
        assert_eq!(consent("[[ClientId: c, Scope: A B]]", Which::Added), ["A", "B"], "no arrow");
        assert_eq!(consent("[] => [[ClientId: c, Scope: A B", Which::Added), ["A", "B"], "cut short");
        for text in ["", "Scope", "=>", "[] => []; ", "[] => [[Scope: , x]]", "]]:[,=>=>"] {
            assert_eq!(consent(text, Which::Held), [""; 0], "{text}");
        }
    }

    #[test]
    fn a_delegated_grant_has_its_scopes_old_and_new() {
        let grant = |old: &str, new: &str| {
            let property = format!(
                r#"{{"Name":"DelegatedPermissionGrant.Scope","NewValue":"{new}","OldValue":"{old}"}}"#
            );
            of(&property, Which::Added)
        };
        assert_eq!(grant("", " Mail.Read  offline_access"), ["Mail.Read", "offline_access"]);
        assert_eq!(grant("Mail.Read", r#"\"Mail.Read Mail.Send\""#), ["Mail.Send"]);
        let role = r#"{"Name":"AppRole.Value","NewValue":"full_access_as_app","OldValue":""}"#;
        assert_eq!(of(role, Which::Added), ["full_access_as_app"]);
    }
}
