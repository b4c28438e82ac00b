//! Entra's tokens: one exchange for all, renewed in time, thrown away once, and nothing asked again and again.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::future::join_all;
use pipeline::Clock;
use rcgen::{CertificateParams, KeyPair, PublicKeyData as _};
use ring::{
    digest::{SHA256, digest},
    signature::{RSA_PSS_2048_8192_SHA256, UnparsedPublicKey},
};
use runtime::{
    Secret, SecretSource,
    entra::{Credential, EntraConfig, EntraError, Tokens},
    http::{Client, HttpSettings},
};
use schemas::{Micros, time::SECOND};
use tempfile::TempDir;

use crate::wire::{Scripted, Wire, answer};

const START: Micros = Micros(1_800_000_000_000_000);

struct Bench {
    wire: Wire,
    tokens: Tokens,
    clock: Clock,
    folder: TempDir,
}

fn granted(token: &str, life: &str) -> Scripted {
    let body = format!(
        r#"{{"token_type":"Bearer","expires_in":{life},"ext_expires_in":0,"access_token":"{token}"}}"#
    );
    answer("200 OK", "", body.as_bytes())
}

async fn bench(answers: Vec<Scripted>) -> Bench {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "first & secret\n").unwrap();
    let credential = Credential::Secret(Secret::read(SecretSource::File(file)).unwrap());
    bench_with(answers, credential, folder).await
}

async fn bench_with(answers: Vec<Scripted>, credential: Credential, folder: TempDir) -> Bench {
    let wire = Wire::start(answers, None).await;
    let config = EntraConfig {
        authority: wire.base("http"),
        tenant: "tenant-1".to_owned(),
        client_id: "app-1".to_owned(),
        credential,
    };
    let clock = Clock::manual(START);
    let client = Client::new(&HttpSettings::default()).unwrap();
    let tokens = Tokens::new(client, config, "https://service/.default".to_owned(), clock.clone());
    Bench { wire, tokens, clock, folder }
}

impl Bench {
    async fn get(&self) -> Result<String, EntraError> {
        self.tokens.get().await.map(|token| token.reveal().to_owned())
    }

    fn at(&self, seconds: i64) {
        self.clock.set(START.plus(seconds * SECOND));
    }
}

#[tokio::test]
async fn one_exchange_serves_all_who_wait_and_a_rotated_secret_is_found() {
    let bench = bench(vec![granted("a", "100"), granted("b", "\"100\"")]).await;
    let all = join_all((0..20).map(|_| bench.get())).await;
    assert!(all.iter().all(|token| token.as_deref() == Ok("a")));
    let asked = bench.wire.asked();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].starts_with("POST /tenant-1/oauth2/v2.0/token HTTP/1.1"), "{}", asked[0]);
    for field in [
        "grant_type=client_credentials",
        "client_id=app-1",
        "scope=https%3A%2F%2Fservice%2F.default",
        "client_secret=first+%26+secret",
    ] {
        assert!(asked[0].contains(field), "{field} in {}", asked[0]);
    }
    std::fs::write(bench.folder.path().join("secret"), "second").unwrap();
    bench.at(79);
    assert_eq!(bench.get().await.as_deref(), Ok("a"));
    bench.at(80);
    assert_eq!(bench.get().await.as_deref(), Ok("b"), "at 80 % of its life, and a life written as a text");
    assert!(bench.wire.asked()[1].contains("client_secret=second"));
}

#[tokio::test]
async fn a_token_serves_to_its_end_while_entra_is_away_and_not_longer() {
    let away = answer("503 Service Unavailable", "", b"<html>");
    let bench = bench(vec![granted("a", "100"), away, granted("b", "100")]).await;
    assert_eq!(bench.get().await.as_deref(), Ok("a"));
    bench.at(85);
    assert_eq!(bench.get().await.as_deref(), Ok("a"));
    assert_eq!(bench.get().await.as_deref(), Ok("a"));
    assert_eq!(bench.wire.asked().len(), 2, "it is not asked again at once");
    bench.at(100);
    assert!(matches!(bench.get().await, Err(EntraError::Answer(_))), "the failure is a minute old at most");
    bench.at(145);
    assert_eq!(bench.get().await.as_deref(), Ok("b"));
}

#[tokio::test]
async fn a_refused_token_is_thrown_away_once() {
    let bench = bench(vec![granted("a", "100"), granted("b", "100"), granted("c", "100")]).await;
    let old = bench.tokens.get().await.unwrap();
    bench.tokens.reject(&old).await;
    assert_eq!(bench.get().await.as_deref(), Ok("b"));
    bench.tokens.reject(&old).await;
    assert_eq!(bench.get().await.as_deref(), Ok("b"), "whoever is late must not throw the new one away");
}

#[tokio::test]
async fn a_wrong_secret_is_said_and_asked_once_a_minute() {
    let body = br#"{"error":"invalid_client","error_codes":[7000215]}"#;
    let bench = bench(vec![answer("401 Unauthorized", "", body), granted("a", "100")]).await;
    for second in 0..60 {
        bench.at(second);
        let error = bench.get().await.unwrap_err();
        assert!(error.is_refusal() && error.to_string().contains("client_secret"), "{error}");
    }
    assert_eq!(bench.wire.asked().len(), 1);
    bench.at(60);
    assert_eq!(bench.get().await.as_deref(), Ok("a"));
}

/// The pause begins when the answer is there: an exchange that took longer than it must not be followed by the next one.
#[tokio::test]
async fn a_slow_refusal_is_followed_by_its_whole_pause() {
    let body = br#"{"error":"invalid_client","error_codes":[7000215]}"#;
    let bench = bench(vec![answer("401 Unauthorized", "", body), granted("a", "100")]).await;
    // The clock goes on while the answer is on its way.
    let (refused, ()) = tokio::join!(bench.get(), async { bench.at(70) });
    assert!(refused.is_err());
    bench.at(129);
    assert!(bench.get().await.is_err());
    assert_eq!(bench.wire.asked().len(), 1);
    bench.at(130);
    assert_eq!(bench.get().await.as_deref(), Ok("a"));
}

#[tokio::test]
async fn a_certificate_signs_what_entra_can_check() {
    // Of ours for this test: `ring` makes no RSA keys.
    let key = KeyPair::from_pem(include_str!("only-for-tests.key.pem")).unwrap();
    let certificate = CertificateParams::new(vec!["app".to_owned()]).unwrap().self_signed(&key).unwrap();
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("app.pem");
    std::fs::write(&file, format!("{}{}", key.serialize_pem(), certificate.pem())).unwrap();
    let bench = bench_with(vec![granted("a", "100")], Credential::Certificate(file), folder).await;
    assert_eq!(bench.get().await.as_deref(), Ok("a"));
    let asked = bench.wire.asked().remove(0);
    let form = asked.split("\r\n\r\n").nth(1).unwrap();
    assert!(
        form.contains(
            "client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
        )
    );
    let jwt = form.split('&').find_map(|field| field.strip_prefix("client_assertion=")).unwrap();
    let (signed, signature) = jwt.rsplit_once('.').unwrap();
    let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).unwrap();
    UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, key.der_bytes())
        .verify(signed.as_bytes(), &decoded(signature))
        .expect("the signature holds");
    let (header, claims) = signed.split_once('.').unwrap();
    let header: serde_json::Value = serde_json::from_slice(&decoded(header)).unwrap();
    assert_eq!(header["alg"], "PS256");
    assert_eq!(header["x5t#S256"], URL_SAFE_NO_PAD.encode(digest(&SHA256, certificate.der())));
    let claims: serde_json::Value = serde_json::from_slice(&decoded(claims)).unwrap();
    let audience = format!("{}/tenant-1/oauth2/v2.0/token", bench.wire.base("http").origin());
    assert_eq!(
        (&claims["aud"], &claims["iss"], &claims["sub"]),
        (&audience.into(), &"app-1".into(), &"app-1".into())
    );
    let begun = START.0 / SECOND;
    assert_eq!((&claims["nbf"], &claims["exp"]), (&(begun - 60).into(), &(begun + 300).into()));
}
