//! Who is inside and who is not.

use enrich::Lookups;
use schemas::enriched::RecipientsBlock;

use crate::support::{TENANT, actor, enrich, lookups, mailbox, shared};

const CONFIGURED: &str = "enrich:\n  tenants: [{id: 5B6EC4EC-0a54-4a8e-bd4c-5a9f5a5d5f10, domains: [contoso.com, Contoso.onmicrosoft.com]}]\n  \
                          partner_domains: [fabrikam.com]\n";

fn relations(block: &RecipientsBlock) -> Vec<(&str, &str)> {
    block.relations.iter().map(|fact| (fact.relation.as_str(), fact.domain.as_str())).collect()
}

#[test]
fn relations_follow_the_domain() {
    let recipients = [
        "bob@contoso.com",
        "bob@mail.contoso.com",
        "bob@notcontoso.com",
        "eve@fabrikam.com",
        "eve@gmail.com",
        "eve_gmail.com#ext#@contoso.onmicrosoft.com",
        "urn:spo:guest#eve@gmail.com",
        "i:0#.f|membership|bob@contoso.com",
    ];
    let found = enrich(&lookups(CONFIGURED), &shared("alice@contoso.com", &recipients)).recipients;
    assert_eq!(
        relations(&found),
        [
            ("internal", "contoso.com"),
            ("internal", "mail.contoso.com"),
            ("external", "notcontoso.com"),
            ("partner", "fabrikam.com"),
            ("external", "gmail.com"),
            ("guest", "gmail.com"),
            ("guest", "gmail.com"),
            ("internal", "contoso.com"),
        ]
    );
    assert_eq!(found.has_outside, Some(true));
    assert_eq!((found.provenance.status.as_str(), found.provenance.source.as_str()), ("hit", "config"));
}

#[test]
fn a_guests_home_keeps_its_underscores_apart() {
    let guests = ["first_last_fabrikam.com#EXT#@contoso.onmicrosoft.com", "no-home#ext#@contoso.com"];
    let found = enrich(&lookups(CONFIGURED), &shared("alice@contoso.com", &guests)).recipients;
    assert_eq!(relations(&found), [("guest", "fabrikam.com"), ("guest", "")]);
}

#[test]
fn everyone_is_the_tenant() {
    let claim = format!("c:0-.f|rolemanager|spo-grid-all-users/{TENANT}");
    let prefixed = format!("tenant-{TENANT}");
    let everyone =
        ["everyone", "everyone except external users", "organization", "tenant", TENANT, &claim, &prefixed];
    let found = enrich(&lookups(CONFIGURED), &shared("alice@contoso.com", &everyone)).recipients;
    assert!(found.relations.iter().all(|fact| fact.relation == "tenant"), "{found:?}");
    assert_eq!(found.has_outside, Some(false));
    let links = ["sharinglinks.1f.anonymousedit.2e", "anonymous", "sharinglinks.1f.organizationview.2e"];
    let found = enrich(&lookups(CONFIGURED), &shared("alice@contoso.com", &links)).recipients;
    assert_eq!(relations(&found), [("external", ""), ("external", ""), ("tenant", "")]);
}

#[test]
fn bare_ids_are_unknown_and_unknown_is_never_false() {
    let ids = ["0f1d2c3b-aaaa-bbbb-cccc-000000000001", "marketing members", "bob@", "@", "bob@localhost"];
    let found = enrich(&lookups(CONFIGURED), &shared("alice@contoso.com", &ids)).recipients;
    assert!(found.relations.iter().all(|fact| fact.relation == "unknown"), "{found:?}");
    assert_eq!((found.has_outside, found.provenance.status.as_str()), (None, "miss"));
    let mixed = enrich(&lookups(CONFIGURED), &shared("alice@contoso.com", &["bob@contoso.com", "marketing"]))
        .recipients;
    assert_eq!(mixed.has_outside, None, "one known inside does not speak for the unknown one");
    let none = enrich(&lookups(CONFIGURED), &shared("alice@contoso.com", &[])).recipients;
    assert_eq!((none.has_outside, none.provenance.status.as_str()), (None, "not_applicable"));
}

#[test]
fn without_configured_domains_the_event_tells_its_own() {
    let bare = Lookups::default();
    let found = enrich(&bare, &shared("alice@contoso.com", &["bob@contoso.com", "eve@gmail.com"])).recipients;
    assert_eq!(relations(&found), [("internal", "contoso.com"), ("external", "gmail.com")]);
    assert_eq!(found.provenance.source, "event");

    let guest = "eve_gmail.com#ext#@contoso.onmicrosoft.com";
    let found = enrich(&bare, &shared(guest, &["eve@gmail.com", "bob@contoso.onmicrosoft.com"])).recipients;
    assert_eq!(relations(&found), [("external", "gmail.com"), ("internal", "contoso.onmicrosoft.com")]);

    let mut event = shared("", &["bob@contoso.com", "eve@gmail.com"]);
    event.activity.resource = mailbox("carol@contoso.com\\Forward all");
    assert_eq!(
        relations(&enrich(&bare, &event).recipients),
        [("internal", "contoso.com"), ("external", "gmail.com")]
    );

    let nobody = enrich(&bare, &shared("nt authority\\system", &["eve@fabrikam.com"])).recipients;
    assert_eq!(relations(&nobody), [("unknown", "fabrikam.com")], "who has no inside has no outside");
    assert_eq!(nobody.has_outside, None);

    let mut event = shared("admin@msp.com", &["bob@msp.com"]);
    event.activity.actor.kind = "partner".to_owned();
    assert_eq!(relations(&enrich(&bare, &event).recipients), [("unknown", "msp.com")]);
}

/// Set by `admin`, on `mailbox`, to these: the relations.
fn forwarded(admin: &str, to: &[&str], of: &str) -> Vec<String> {
    let mut event = shared(admin, to);
    event.activity.resource = mailbox(of);
    let found = enrich(&Lookups::default(), &event).recipients;
    found.relations.into_iter().map(|fact| fact.relation).collect()
}

#[test]
fn without_configured_domains_the_mailbox_and_the_tenants_first_domain_tell_too() {
    let admin = "admin@contoso.onmicrosoft.com";
    let to = ["bob@contoso.com", "bob@mail.contoso.com", "bob@contoso.onmicrosoft.com", "bob@fabrikam.com"];
    let expected = ["internal", "internal", "internal", "external"];
    assert_eq!(forwarded(admin, &to, "joe@contoso.com"), expected);
    assert_eq!(forwarded("alice@contoso.com", &to, "joe"), expected, "from one domain to the first");
    assert_eq!(forwarded(admin, &to[..1], "joe"), ["internal"], "from the first domain to one");
    let to = ["a@contoso.co.uk", "a@contoso.mail.onmicrosoft.com", "a@contoso.de"];
    assert_eq!(forwarded(admin, &to, "joe"), ["internal"; 3]);
    let to = ["a@contoso.evil.com", "a@contoso.evil.de", "a@notcontoso.com", "a@contoso2.onmicrosoft.com"];
    assert_eq!(forwarded(admin, &to, "joe"), ["external"; 4]);
    assert_eq!(forwarded("a@fabrikam.com", &["b@contoso.com"], "joe@contoso.com"), ["internal"]);
    assert_eq!(forwarded("alice@contoso.com", &["b@contoso.net"], "joe"), ["external"]);
    let mailbox =
        "eurpr03a010.prod.outlook.com/microsoft exchange hosted organizations/contoso.onmicrosoft.com/joe_1";
    let to = ["b@contoso.net", "b@contoso.onmicrosoft.com", "b@fabrikam.com", "b@outlook.com"];
    let expected = ["internal", "internal", "external", "external"];
    for actor in ["alice@contoso.com", "nt authority\\system"] {
        assert_eq!(
            forwarded(actor, &to, mailbox),
            expected,
            "{actor}: the mailbox's own name has the first one"
        );
    }
}

#[test]
fn a_consumer_mail_provider_is_outside_of_every_tenant_that_does_not_name_it() {
    let to =
        ["eve@gmail.com", "eve@yahoo.co.uk", "eve@hotmail.fr", "eve@gmx.net", "eve@proton.me", "eve@qq.com"];
    for actor in ["s-1-5-21-3623811015", "nt authority\\system", "0f1d2c3b-aaaa-bbbb-cccc-000000000001"] {
        assert_eq!(forwarded(actor, &to, "joe"), ["external"; 6], "{actor}");
    }
    assert_eq!(forwarded("carol@outlook.com", &["eve@outlook.com"], "joe"), ["external"], "nobody's own");
    let others = ["a@gmail.contoso.com", "a@yahoo.evil.com", "a@notgmail.com"];
    assert_eq!(forwarded("s-1-5-21", &others, "joe"), ["unknown"; 3]);
    let own = lookups("enrich: {tenants: [{id: '*', domains: [gmx.net]}], partner_domains: [qq.com]}\n");
    let found = enrich(&own, &shared("s-1-5-21", &["a@gmx.net", "a@qq.com", "a@gmail.com"])).recipients;
    assert_eq!(
        relations(&found),
        [("internal", "gmx.net"), ("partner", "qq.com"), ("external", "gmail.com")]
    );
    let bare = enrich(&Lookups::default(), &shared("s-1-5-21", &["a@gmail.com"])).recipients;
    assert_eq!((bare.provenance.status.as_str(), bare.provenance.source.as_str()), ("hit", "shipped"));
}

#[test]
fn the_entry_of_every_tenant_holds_too() {
    let every = lookups("enrich: {tenants: [{id: '*', domains: [contoso.com]}]}\n");
    let found =
        enrich(&every, &shared("alice@other.org", &["bob@contoso.com", "carol@other.org"])).recipients;
    assert_eq!(relations(&found), [("internal", "contoso.com"), ("external", "other.org")]);
}

#[test]
fn approved_sharers_are_known_only_with_a_list() {
    let event = || shared("alice@contoso.com", &[]);
    let none = enrich(&Lookups::default(), &event()).user;
    assert_eq!((none.approved_sharer, none.provenance.status.as_str()), (None, "miss"));
    assert_eq!(none.domain, "contoso.com");
    let list = lookups("enrich: {approved_sharers: [Alice@Contoso.com, 0000-1]}\n");
    assert_eq!(enrich(&list, &event()).user.approved_sharer, Some(true));
    assert_eq!(enrich(&list, &shared("bob@contoso.com", &[])).user.approved_sharer, Some(false));
    let mut by_object = shared("bob@contoso.com", &[]);
    by_object.activity.actor.object_id = "0000-1".to_owned();
    assert_eq!(enrich(&list, &by_object).user.approved_sharer, Some(true));
    let mut nobody = event();
    nobody.activity.actor = actor("");
    let nobody = enrich(&list, &nobody).user;
    assert_eq!((nobody.approved_sharer, nobody.provenance.status.as_str()), (None, "not_applicable"));
    let empty = lookups("enrich: {approved_sharers: []}\n");
    assert_eq!(enrich(&empty, &event()).user.approved_sharer, Some(false), "an empty list approves nobody");
}
