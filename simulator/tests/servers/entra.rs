//! Tokens: secrets, certificates, and what is refused with which code.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::{
    digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest},
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair},
};
use schemas::time::{DAY, SECOND};
use serde_json::json;
use simulator::entra::{AppSecret, assertion::ASSERTION_TYPE};

use crate::client::{APP, Bench, Reply, SECRET, TENANT, options, start};

const CERTIFICATE: &[u8] = include_bytes!("data/only-for-tests.der");
const KEY: &[u8] = include_bytes!("data/only-for-tests.key.der");
const SCOPE: &str = "https://manage.office.com/.default";

fn v2() -> String {
    format!("/{TENANT}/oauth2/v2.0/token")
}

async fn with(bench: &Bench, path: &str, changes: &[(&str, &str)]) -> Reply {
    let mut fields = vec![
        ("grant_type", "client_credentials"),
        ("client_id", APP),
        ("client_secret", SECRET),
        ("scope", SCOPE),
    ];
    for (name, value) in changes {
        fields.retain(|(found, _)| found != name);
        if !value.is_empty() {
            fields.push((name, value));
        }
    }
    bench.form(path, &fields).await
}

#[tokio::test]
async fn a_secret_gives_a_token_in_both_versions_each_with_its_own_types() {
    let bench = Bench::new().await;
    let path = format!("/{TENANT}/oauth2/token");
    let reply =
        with(&bench, &path, &[("scope", ""), ("resource", "https://manage.office.com/")]).await.json();
    assert_eq!(reply["expires_in"], "3599");
    assert_eq!(reply["expires_on"], (start().0 / SECOND + 3_599).to_string());
    assert_eq!(reply["not_before"], (start().0 / SECOND - 300).to_string());
    assert_eq!(reply["resource"], "https://manage.office.com");

    let reply = with(&bench, &v2(), &[("scope", "https://monitor.azure.com//.default")]).await.json();
    assert_eq!(reply["expires_in"], 3_599);
    assert_eq!(reply["token_type"], "Bearer");
    assert!(reply["access_token"].as_str().is_some_and(|token| !token.is_empty()));
}

#[tokio::test]
async fn a_secret_may_come_as_http_basic() {
    let bench = Bench::new().await;
    let basic = |secret: &str| format!("Basic {}", STANDARD.encode(format!("{APP}:{secret}")));
    let body = format!("grant_type=client_credentials&scope={SCOPE}");
    // RFC 6749: both halves are form-encoded before they are joined.
    let right = basic("a%2Bsecret~with%2Fodd%3Dletters");
    assert_eq!(bench.post(&v2(), &[("authorization", &right)], body.as_bytes()).await.status, 200);
    let wrong = bench.post(&v2(), &[("authorization", &basic("no"))], body.as_bytes()).await;
    assert_eq!((wrong.status, wrong.json()["error_codes"][0].as_u64()), (401, Some(7_000_215)));
}

#[tokio::test]
async fn every_wrong_request_has_its_own_code() {
    let bench = Bench::new().await;
    let other = "00000000-0000-0000-0000-00000000ffff";
    let cases: [(&str, &str, u16, &str, u64); 9] = [
        ("client_secret", "wrong", 401, "invalid_client", 7_000_215),
        ("client_secret", "", 401, "invalid_client", 7_000_218),
        ("client_id", other, 400, "unauthorized_client", 700_016),
        ("client_id", "", 400, "invalid_request", 900_144),
        ("grant_type", "", 400, "invalid_request", 900_144),
        ("grant_type", "password", 400, "unsupported_grant_type", 70_003),
        ("scope", "", 400, "invalid_request", 900_144),
        ("scope", "https://manage.office.com/ActivityFeed.Read", 400, "invalid_scope", 1_002_012),
        ("scope", "https://vault.azure.net/.default", 400, "invalid_resource", 500_011),
    ];
    for (field, value, status, error, code) in cases {
        let reply = with(&bench, &v2(), &[(field, value)]).await;
        let body = reply.json();
        let found = (reply.status, body["error"].as_str(), body["error_codes"][0].as_u64());
        assert_eq!(found, (status, Some(error), Some(code)), "{field}={value}");
        let text = body["error_description"].as_str().unwrap();
        assert!(text.starts_with(&format!("AADSTS{code}: ")), "{text}");
        assert!(!text.contains(SECRET));
        assert_eq!(body["timestamp"], "2026-03-02 08:00:00Z");
    }
    let reply = with(&bench, &format!("/{other}/oauth2/v2.0/token"), &[]).await;
    assert_eq!((reply.status, reply.json()["error_codes"][0].as_u64()), (400, Some(90_002)));
}

#[tokio::test]
async fn a_secret_ends_when_it_expires() {
    let mut options = options();
    options.apps[0].secrets = vec![AppSecret { text: SECRET.to_owned(), expires: Some(start().plus(DAY)) }];
    let bench = Bench::of(options).await;
    bench.pass(DAY - 1);
    assert_eq!(with(&bench, &v2(), &[]).await.status, 200);
    bench.pass(1);
    assert_eq!(with(&bench, &v2(), &[]).await.json()["error_codes"][0], 7_000_222);
}

/// The tests' moment as a `NumericDate`.
fn now() -> f64 {
    f64::from(u32::try_from(start().0 / SECOND).unwrap())
}

/// What of an assertion a case changes.
struct Draft {
    pss: bool,
    sha256: bool,
    aud: String,
    iss: String,
    jti: &'static str,
    nbf: f64,
    exp: f64,
    spoil: bool,
}

impl Draft {
    fn new(bench: &Bench, jti: &'static str) -> Self {
        let now = now();
        let aud = format!("{}{}", bench.server.origin(), v2());
        Self {
            pss: true,
            sha256: true,
            aud,
            iss: APP.to_owned(),
            jti,
            nbf: now,
            exp: now + 600.0,
            spoil: false,
        }
    }

    fn signed(&self) -> String {
        let (sha256, sha1) = (digest(&SHA256, CERTIFICATE), digest(&SHA1_FOR_LEGACY_USE_ONLY, CERTIFICATE));
        let alg = if self.pss { "PS256" } else { "RS256" };
        let header = if self.sha256 {
            json!({ "alg": alg, "typ": "JWT", "x5t#S256": URL_SAFE_NO_PAD.encode(sha256) })
        } else {
            json!({ "alg": alg, "typ": "JWT", "x5t": URL_SAFE_NO_PAD.encode(sha1) })
        };
        let claims = json!({
            "aud": self.aud, "iss": self.iss, "sub": self.iss, "jti": self.jti, "nbf": self.nbf, "exp": self.exp,
        });
        let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let mut text = format!("{}.{}", part(&header), part(&claims));
        let key = RsaKeyPair::from_pkcs8(KEY).unwrap();
        let encoding: &dyn RsaEncoding = if self.pss { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
        let mut signature = vec![0; key.public().modulus_len()];
        key.sign(encoding, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
        if self.spoil {
            signature[9] ^= 1;
        }
        text.push('.');
        text.push_str(&URL_SAFE_NO_PAD.encode(signature));
        text
    }
}

async fn certified() -> Bench {
    let mut options = options();
    options.apps[0].secrets.clear();
    options.apps[0].certificates.push(CERTIFICATE.to_vec());
    Bench::of(options).await
}

async fn assert_code(bench: &Bench, assertion: &str, code: Option<u64>) {
    let changes =
        [("client_secret", ""), ("client_assertion_type", ASSERTION_TYPE), ("client_assertion", assertion)];
    let reply = with(bench, &v2(), &changes).await;
    assert_eq!(reply.json()["error_codes"][0].as_u64(), code, "{}", String::from_utf8_lossy(&reply.body));
    assert_eq!(reply.status == 200, code.is_none());
}

#[tokio::test]
async fn a_certificate_signs_in_with_both_algorithms_and_both_thumbprints_once_each() {
    let bench = certified().await;
    for (number, (pss, sha256)) in
        [(true, true), (true, false), (false, true), (false, false)].into_iter().enumerate()
    {
        let jti = ["a", "b", "c", "d"][number];
        let assertion = Draft { pss, sha256, ..Draft::new(&bench, jti) }.signed();
        assert_code(&bench, &assertion, None).await;
        assert_code(&bench, &assertion, Some(700_027)).await;
    }
}

#[tokio::test]
async fn an_assertion_that_is_wrong_in_one_thing_is_refused_for_that() {
    let bench = certified().await;
    let (now, fresh) = (now(), || Draft::new(&bench, "x"));
    let other = "https://login.example.com/token".to_owned();
    let cases = [
        (Draft { spoil: true, ..fresh() }, 700_027),
        (Draft { aud: other, ..fresh() }, 700_023),
        (Draft { iss: "someone".to_owned(), ..fresh() }, 700_021),
        (Draft { exp: now - 300.5, ..fresh() }, 700_024),
        (Draft { nbf: now + 300.5, ..fresh() }, 700_024),
    ];
    for (draft, code) in cases {
        assert_code(&bench, &draft.signed(), Some(code)).await;
    }
    assert_code(&bench, "no.jwt", Some(50_027)).await;
    assert_code(&bench, &"x".repeat(20_000), Some(50_027)).await;
    // None of the refused ones has used the id up.
    assert_code(&bench, &fresh().signed(), None).await;
    // An authority that lets one come again, as Entra does.
    let mut options = options();
    options.apps[0].certificates.push(CERTIFICATE.to_vec());
    options.assertions_once = false;
    let lenient = Bench::of(options).await;
    let assertion = Draft::new(&lenient, "z").signed();
    assert_code(&lenient, &assertion, None).await;
    assert_code(&lenient, &assertion, None).await;
    // An app that does not know the certificate.
    let stranger = Bench::new().await;
    assert_code(&stranger, &Draft::new(&stranger, "y").signed(), Some(700_027)).await;
}
