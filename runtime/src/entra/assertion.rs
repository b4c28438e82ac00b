//! The signed statement by which an app with a certificate proves itself: a JWT, PS256, good for five minutes.

use std::{fs::File, io::Read as _, path::Path};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::{
    digest::{SHA256, digest},
    rand::{SecureRandom as _, SystemRandom},
    signature::{RSA_PSS_SHA256, RsaKeyPair},
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use schemas::{Micros, time::SECOND};
use serde::Serialize;

/// How long one is good for, in seconds: Entra wants 5 to 10 minutes at most.
const LIFE_S: i64 = 300;

/// Clocks may differ: it begins so many seconds ago.
const SKEW_S: i64 = 60;

/// A certificate with its chain and key has a few thousand bytes.
const PEM_BYTES_MAX: u64 = 256 * 1024;

#[derive(Serialize)]
struct Header<'a> {
    alg: &'a str,
    typ: &'a str,
    #[serde(rename = "x5t#S256")]
    thumbprint: &'a str,
}

#[derive(Serialize)]
struct Claims<'a> {
    aud: &'a str,
    iss: &'a str,
    sub: &'a str,
    jti: &'a str,
    iat: i64,
    nbf: i64,
    exp: i64,
}

/// The certificate's hash and its key.
struct Identity {
    thumbprint: String,
    key: RsaKeyPair,
}

/// Whether the file holds a certificate and an RSA key.
pub(super) fn check(path: &Path) -> Result<(), String> {
    read(path).map(drop)
}

/// A statement of `client_id` for `audience`, the address of the token endpoint.
pub(super) fn sign(path: &Path, client_id: &str, audience: &str, now: Micros) -> Result<String, String> {
    let Identity { thumbprint, key } = read(path)?;
    let random = SystemRandom::new();
    let jti = unique(&random)?;
    let now = now.0.div_euclid(SECOND);
    let header = Header { alg: "PS256", typ: "JWT", thumbprint: &thumbprint };
    let claims = Claims {
        aud: audience,
        iss: client_id,
        sub: client_id,
        jti: &jti,
        iat: now,
        nbf: now - SKEW_S,
        exp: now + LIFE_S,
    };
    let signed = format!("{}.{}", encoded(&header)?, encoded(&claims)?);
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PSS_SHA256, &random, signed.as_bytes(), &mut signature)
        .map_err(|_| "the certificate's key cannot sign".to_owned())?;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

fn encoded(part: &impl Serialize) -> Result<String, String> {
    serde_json::to_vec(part).map(|json| URL_SAFE_NO_PAD.encode(json)).map_err(|error| error.to_string())
}

/// 128 random bits: each statement is used once.
fn unique(random: &SystemRandom) -> Result<String, String> {
    let mut bytes = [0_u8; 16];
    random.fill(&mut bytes).map_err(|_| "the machine gives no random numbers".to_owned())?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

fn read(path: &Path) -> Result<Identity, String> {
    let name = path.display();
    let mut pem = Vec::new();
    File::open(path)
        .and_then(|file| file.take(PEM_BYTES_MAX).read_to_end(&mut pem))
        .map_err(|error| format!("{name} cannot be read: {error}"))?;
    let certificate = CertificateDer::from_pem_slice(&pem)
        .map_err(|_| format!("{name} holds no certificate in PEM form"))?;
    let key = PrivateKeyDer::from_pem_slice(&pem)
        .map_err(|_| format!("{name} holds no private key in PEM form"))?;
    let pair = if let PrivateKeyDer::Pkcs8(der) = &key {
        RsaKeyPair::from_pkcs8(der.secret_pkcs8_der())
    } else if let PrivateKeyDer::Pkcs1(der) = &key {
        RsaKeyPair::from_der(der.secret_pkcs1_der())
    } else {
        return Err(format!("{name}: the key must be an RSA key in PKCS#8 or PKCS#1 form"));
    };
    let key =
        pair.map_err(|error| format!("{name}: the key must be an RSA key of 2,048 bits or more ({error})"))?;
    let thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA256, &certificate));
    Ok(Identity { thumbprint, key })
}
