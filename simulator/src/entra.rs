//! Entra's token endpoint for apps: client credentials with a secret or with a certificate.
//!
//! Source: Microsoft identity platform, "OAuth 2.0 client credentials flow", "Microsoft identity platform application
//! authentication certificate credentials" and "Microsoft Entra authentication and authorization error codes"; for the
//! older `/oauth2/token` the Azure AD v1.0 pages of the same names.
//!
//! - v1 takes `resource`, v2 takes `scope=<resource>/.default`; both answer an opaque token. v1 writes `expires_in`,
//!   `expires_on` and `not_before` as strings, v2 writes numbers.
//! - A secret comes in the form or as HTTP Basic. An assertion is checked in [`assertion`].
//! - Tokens are random, known only here and only for [`crate::Options::token_life_s`] of the simulator's clock. A real one is a
//!   JWT, but a client may not look into it.
//! - Not played: users, refresh tokens, managed identity, federated identity.
//! - The host is the one that the client asked, so `aud` of an assertion is checked against that.

use std::{collections::BTreeMap, fmt};

use axum::http::Method;
use ring::rand::{SecureRandom as _, SystemRandom};
use schemas::{Micros, time::SECOND};
use serde_json::json;

use crate::{
    call::{Answer, Call, Route, pairs},
    faults::Fault,
    ids, times,
};

pub mod assertion;
mod errors;

use assertion::Replays;
use errors::Refusal;

/// The resource of the Management Activity API in the commercial cloud (its page, "Get started").
pub const MANAGE: &str = "https://manage.office.com";
/// The resource of Logs Ingestion in the commercial cloud (its page, "Logs Ingestion API overview").
pub const MONITOR: &str = "https://monitor.azure.com";
/// The role that the feed asks for.
pub const READ: &str = "ActivityFeed.Read";
/// The role that the feed's `DLP.All` asks for as well.
pub const READ_DLP: &str = "ActivityFeed.ReadDlp";
/// So many tokens are remembered; the ones that expire first are forgotten first.
const TOKENS_MAX: usize = 10_000;

/// An app registration in one tenant.
#[derive(Debug, Clone, Default)]
pub struct App {
    /// The tenant's GUID.
    pub tenant: String,
    /// The app's client id, a GUID.
    pub client_id: String,
    /// Its secrets; any of them will do.
    pub secrets: Vec<AppSecret>,
    /// Its certificates, DER.
    pub certificates: Vec<Vec<u8>>,
    /// The application roles that were consented to.
    pub roles: Vec<String>,
}

/// A client secret.
#[derive(Clone)]
pub struct AppSecret {
    /// Its text.
    pub text: String,
    /// When it expires, where it does.
    pub expires: Option<Micros>,
}

impl fmt::Debug for AppSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppSecret").field("expires", &self.expires).finish_non_exhaustive()
    }
}

impl App {
    /// An app with one secret that may read the feed without DLP.
    #[must_use]
    pub fn with_secret(tenant: &str, client_id: &str, secret: &str) -> Self {
        Self {
            tenant: tenant.to_owned(),
            client_id: client_id.to_owned(),
            secrets: vec![AppSecret { text: secret.to_owned(), expires: None }],
            certificates: Vec::new(),
            roles: vec![READ.to_owned()],
        }
    }
}

/// What a token stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The tenant's GUID.
    pub tenant: String,
    /// Who asked for it.
    pub client_id: String,
    /// The resource, without a slash at its end.
    pub audience: String,
    /// The roles at the time.
    pub roles: Vec<String>,
    /// When it ends.
    pub expires: Micros,
}

/// The endpoint's state.
#[derive(Debug)]
pub(crate) struct Entra {
    seed: u64,
    life_s: i64,
    apps: Vec<App>,
    /// The resources that have a service principal in every tenant.
    resources: Vec<String>,
    tokens: BTreeMap<String, Grant>,
    replays: Replays,
    asked: u64,
}

impl Entra {
    pub(crate) fn new(seed: u64, life_s: i64, apps: Vec<App>, resources: Vec<String>) -> Self {
        let (tokens, replays) = (BTreeMap::new(), Replays::default());
        Self { seed, life_s, apps, resources, tokens, replays, asked: 0 }
    }

    /// What a token stands for, while it lives.
    pub(crate) fn grant(&self, token: &str, now: Micros) -> Option<&Grant> {
        self.tokens.get(token).filter(|grant| now < grant.expires)
    }

    /// Whether an assertion may be used again.
    pub(crate) fn allow_replays(&mut self, allowed: bool) {
        self.replays.allowed = allowed;
    }

    /// Ends every token at once, as a revocation does.
    pub(crate) fn revoke(&mut self) {
        self.tokens.clear();
    }

    pub(crate) fn set_apps(&mut self, apps: Vec<App>) {
        self.apps = apps;
    }

    pub(crate) fn route(call: &Call) -> Route {
        let token = call.path.ends_with("/oauth2/token") || call.path.ends_with("/oauth2/v2.0/token");
        if token { Route::Token } else { Route::Other }
    }

    pub(crate) fn answer(&mut self, call: &Call, now: Micros) -> Answer {
        self.asked += 1;
        let segments = call.segments();
        let names: Vec<&str> = segments.iter().map(String::as_str).collect();
        let (tenant, v2) = match names.as_slice() {
            [tenant, "oauth2", "token"] => (*tenant, false),
            [tenant, "oauth2", "v2.0", "token"] => (*tenant, true),
            [tenant, "v2.0", ".well-known", "openid-configuration"] => return discovery(call, tenant),
            _ => return Answer::text(404, "text/html; charset=utf-8", "<html><body>Not found</body></html>"),
        };
        if call.method != Method::POST {
            return self.refuse(&Refusal::not_a_post(), now);
        }
        match self.issue(call, tenant, v2, now) {
            Ok(answer) => answer,
            Err(refusal) => self.refuse(&refusal, now),
        }
    }

    fn refuse(&self, refusal: &Refusal, now: Micros) -> Answer {
        let id = |what: &str| ids::guid(self.seed, &format!("{what} {}", self.asked));
        refusal.answer(&id("trace"), &id("correlation"), now)
    }

    /// What a fault is answered.
    pub(crate) fn refuse_for(&self, fault: &Fault, now: Micros) -> Answer {
        let refusal = match fault {
            Fault::Unauthorized => Refusal::wrong_secret("the app"),
            Fault::Throttled(_) => Refusal::throttled(),
            Fault::Internal => Refusal::internal(),
            Fault::Busy
            | Fault::Html
            | Fault::CutJson
            | Fault::Cut
            | Fault::Dribble
            | Fault::Stall
            | Fault::HangUp
            | Fault::Refuse
            | Fault::ForeignContent
            | Fault::ForeignPage
            | Fault::Answer(..)
            | Fault::After(_) => Refusal::unavailable(),
        };
        self.refuse(&refusal, now)
    }

    fn issue(&mut self, call: &Call, tenant: &str, v2: bool, now: Micros) -> Result<Answer, Refusal> {
        let form = pairs(&call.body);
        let field =
            |name: &str| form.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str());
        let known = self.apps.iter().any(|app| app.tenant.eq_ignore_ascii_case(tenant));
        if !known {
            return Err(Refusal::no_tenant(tenant));
        }
        match field("grant_type") {
            None => return Err(Refusal::missing("grant_type")),
            Some("client_credentials") => {}
            Some(other) => return Err(Refusal::grant_type(other)),
        }
        let basic = basic(call);
        let client = field("client_id").or(basic.as_ref().map(|(client, _)| client.as_str()));
        let client = client.ok_or_else(|| Refusal::missing("client_id"))?;
        let mine = |app: &&App| {
            app.tenant.eq_ignore_ascii_case(tenant) && app.client_id.eq_ignore_ascii_case(client)
        };
        let app = self.apps.iter().find(mine).ok_or_else(|| Refusal::no_app(client, tenant))?.clone();
        let secret = field("client_secret").or(basic.as_ref().map(|(_, secret)| secret.as_str()));
        match (field("client_assertion"), secret) {
            (Some(token), _) => {
                let kind = field("client_assertion_type").unwrap_or_default();
                let urls = assertion::Urls { origin: &call.origin(), tenant };
                assertion::check(&app, (kind, token), &urls, now, &mut self.replays)?;
            }
            (None, Some(secret)) => check_secret(&app, secret, now)?,
            (None, None) => return Err(Refusal::no_credential()),
        }
        let audience = audience(field("resource"), field("scope"), v2)?;
        if !self.resources.contains(&audience) && audience != call.origin() {
            return Err(Refusal::no_resource(&audience));
        }
        self.token(app, audience, v2, now)
    }

    fn token(&mut self, app: App, audience: String, v2: bool, now: Micros) -> Result<Answer, Refusal> {
        let token = random().ok_or_else(Refusal::internal)?;
        let expires = now.plus(self.life_s.saturating_mul(SECOND));
        let body = if v2 {
            json!({
                "token_type": "Bearer", "expires_in": self.life_s, "ext_expires_in": self.life_s,
                "access_token": token,
            })
        } else {
            let life = self.life_s.to_string();
            json!({
                "token_type": "Bearer", "expires_in": life, "ext_expires_in": life,
                "expires_on": times::seconds(expires).to_string(),
                "not_before": (times::seconds(now) - 300).to_string(),
                "resource": audience, "access_token": token,
            })
        };
        if self.tokens.len() >= TOKENS_MAX {
            self.tokens.retain(|_, grant| now < grant.expires);
            let first = self.tokens.iter().min_by_key(|(_, grant)| grant.expires);
            if let Some(first) = first.map(|(token, _)| token.clone()) {
                let _forgotten = self.tokens.remove(&first);
            }
        }
        let App { tenant, client_id, roles, .. } = app;
        let _new = self.tokens.insert(token, Grant { tenant, client_id, audience, roles, expires });
        Ok(Answer::json(200, &body).with("cache-control", "no-store, no-cache").with("pragma", "no-cache"))
    }
}

/// The client and the secret of HTTP Basic, each percent-decoded (RFC 6749, 2.3.1).
fn basic(call: &Call) -> Option<(String, String)> {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let text = STANDARD.decode(call.credential("Basic")?).ok()?;
    let at = text.iter().position(|byte| *byte == b':')?;
    let (client, secret) = text.split_at(at);
    let part = |text: &[u8]| crate::call::decoded(text, true);
    Some((part(client), part(secret.get(1..).unwrap_or_default())))
}

fn check_secret(app: &App, secret: &str, now: Micros) -> Result<(), Refusal> {
    let found = app.secrets.iter().find(|known| known.text == secret);
    let found = found.ok_or_else(|| Refusal::wrong_secret(&app.client_id))?;
    if found.expires.is_some_and(|end| end <= now) {
        return Err(Refusal::expired_secret(&app.client_id));
    }
    Ok(())
}

/// The resource that is asked for, without slashes at its end: Microsoft's own samples write `…com//.default`.
fn audience(resource: Option<&str>, scope: Option<&str>, v2: bool) -> Result<String, Refusal> {
    let asked = if v2 {
        let scope = scope.ok_or_else(|| Refusal::missing("scope"))?;
        scope.strip_suffix("/.default").ok_or_else(|| Refusal::scope(scope))?
    } else {
        resource.ok_or_else(|| Refusal::missing("resource"))?
    };
    Ok(asked.trim_end_matches('/').to_owned())
}

fn random() -> Option<String> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(ids::hex(&bytes))
}

/// The tenant's OpenID configuration (OpenID Connect Discovery 1.0, 4), as far as a client without users needs it.
fn discovery(call: &Call, tenant: &str) -> Answer {
    let base = format!("{}/{tenant}", call.origin());
    let body = json!({
        "token_endpoint": format!("{base}/oauth2/v2.0/token"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"),
        "issuer": format!("{base}/v2.0"),
    });
    Answer::json(200, &body)
}
