//! A certificate's assertion: a signed JWT in place of a secret.
//!
//! Source: "Microsoft identity platform application authentication certificate credentials": header `alg` PS256 (newer) or
//! RS256 (older), `x5t#S256` or `x5t`; claims `aud` = the token URL, `iss` = `sub` = the client id, `jti`, `nbf`, `exp`.
//! RSA keys of 2,048 to 8,192 bits. An assertion has at most 16 KiB.
//!
//! A `jti` is refused when it comes a second time, as RFC 7523 allows (3, item 7): a client that signs anew each time is safe
//! on both sides. Entra does not insist, for Microsoft's own MSAL sends an assertion again until it expires, and its page names
//! no code: the refusal is that of a bad signature, and [`crate::Options::assertions_once`] turns it off.

use std::{collections::BTreeMap, time::Duration};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::{
    digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest},
    signature::{
        RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
    },
};
use rustls::{pki_types::CertificateDer, server::ParsedCertificate};
use schemas::Micros;
use serde::Deserialize;

use super::{App, errors::Refusal};

/// The only type of assertion there is.
pub const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// The longest assertion.
const ASSERTION_BYTES_MAX: usize = 16 * 1024;
/// How far the two clocks may differ, in seconds: Entra's own allowance (its error 700024 speaks of five minutes).
const SKEW_S: f64 = 300.0;

/// Where an assertion is addressed to.
pub(crate) struct Urls<'a> {
    pub(crate) origin: &'a str,
    pub(crate) tenant: &'a str,
}

/// The assertions that were used and have not expired, by `jti`.
#[derive(Debug, Default)]
pub(crate) struct Replays {
    used: BTreeMap<String, f64>,
    pub(crate) allowed: bool,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    x5t: Option<String>,
    #[serde(rename = "x5t#S256")]
    x5t_s256: Option<String>,
}

/// Times are `NumericDate`s, which may have a fraction (RFC 7519, 2); Microsoft's own Python client sends one.
#[derive(Deserialize)]
struct Claims {
    aud: String,
    iss: String,
    sub: String,
    jti: String,
    nbf: Option<f64>,
    exp: f64,
}

/// Checks an assertion of an app.
pub(crate) fn check(
    app: &App,
    (kind, token): (&str, &str),
    urls: &Urls<'_>,
    now: Micros,
    replays: &mut Replays,
) -> Result<(), Refusal> {
    if kind != ASSERTION_TYPE {
        return Err(Refusal::assertion_type());
    }
    if token.len() > ASSERTION_BYTES_MAX {
        return Err(Refusal::malformed());
    }
    let (signed, signature) = token.rsplit_once('.').ok_or_else(Refusal::malformed)?;
    let (header, claims) = signed.split_once('.').ok_or_else(Refusal::malformed)?;
    let header: Header = part(header)?;
    let claims: Claims = part(claims)?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| Refusal::malformed())?;
    verify(app, &header, signed.as_bytes(), &signature)?;

    let base = format!("{}/{}", urls.origin, urls.tenant);
    let audiences = ["/oauth2/v2.0/token", "/oauth2/token", "/v2.0"].map(|path| format!("{base}{path}"));
    if !audiences.contains(&claims.aud) {
        return Err(Refusal::assertion_audience());
    }
    let mine = |claim: &str| claim.eq_ignore_ascii_case(&app.client_id);
    if !mine(&claims.iss) || !mine(&claims.sub) {
        return Err(Refusal::assertion_client());
    }
    let now = Duration::from_micros(u64::try_from(now.0).unwrap_or_default()).as_secs_f64();
    if claims.exp + SKEW_S <= now || claims.nbf.is_some_and(|nbf| nbf > now + SKEW_S) {
        return Err(Refusal::assertion_time());
    }
    replays.used.retain(|_, exp| *exp + SKEW_S > now);
    match replays.used.insert(claims.jti, claims.exp) {
        Some(_) if !replays.allowed => Err(Refusal::signature("The assertion was used before.")),
        _ => Ok(()),
    }
}

fn part<T: for<'a> Deserialize<'a>>(text: &str) -> Result<T, Refusal> {
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| Refusal::malformed())?;
    serde_json::from_slice(&bytes).map_err(|_| Refusal::malformed())
}

fn verify(app: &App, header: &Header, signed: &[u8], signature: &[u8]) -> Result<(), Refusal> {
    let certificate = app.certificates.iter().find(|der| is_named(header, der));
    let certificate = certificate.ok_or_else(|| Refusal::signature("The key was not found."))?;
    let algorithm: &dyn VerificationAlgorithm = match header.alg.as_str() {
        "PS256" => &RSA_PSS_2048_8192_SHA256,
        "RS256" => &RSA_PKCS1_2048_8192_SHA256,
        _ => return Err(Refusal::signature("The algorithm is not supported.")),
    };
    let key = public_key(certificate).ok_or_else(|| Refusal::signature("The key is no RSA key."))?;
    let checked = UnparsedPublicKey::new(algorithm, key).verify(signed, signature);
    checked.map_err(|_| {
        Refusal::signature("The key was found, but use of the key to verify the signature failed.")
    })
}

/// Whether the header names this certificate by one of its thumbprints.
fn is_named(header: &Header, der: &[u8]) -> bool {
    let is = |named: &Option<String>, thumbprint: &[u8]| {
        let Some(named) = named else { return false };
        let named = URL_SAFE_NO_PAD.decode(named.trim_end_matches('=')).or_else(|_| STANDARD.decode(named));
        named.is_ok_and(|named| named == thumbprint)
    };
    is(&header.x5t_s256, digest(&SHA256, der).as_ref())
        || is(&header.x5t, digest(&SHA1_FOR_LEGACY_USE_ONLY, der).as_ref())
}

/// The RSA public key of a certificate: the bit string of its subject public key info (RFC 5280, 4.1).
fn public_key(der: &[u8]) -> Option<Vec<u8>> {
    let der = CertificateDer::from(der);
    let parsed = ParsedCertificate::try_from(&der).ok()?;
    let info = parsed.subject_public_key_info();
    let (inside, _) = element(0x30, info.as_ref())?;
    let (_algorithm, rest) = element(0x30, inside)?;
    let (bits, _) = element(0x03, rest)?;
    let (unused, key) = bits.split_first()?;
    (*unused == 0).then(|| key.to_vec())
}

/// A DER element of this tag at the start of the bytes, and what follows it.
fn element(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (found, rest) = bytes.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = if *first < 0x80 {
        (usize::from(*first), rest)
    } else {
        let digits = usize::from(*first & 0x7f);
        if digits > 4 {
            return None;
        }
        let (length, rest) = rest.split_at_checked(digits)?;
        (length.iter().fold(0, |sum, byte| (sum << 8) | usize::from(*byte)), rest)
    };
    let (inside, rest) = rest.split_at_checked(length)?;
    (*found == tag).then_some((inside, rest))
}
