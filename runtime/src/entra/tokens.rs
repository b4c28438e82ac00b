//! The token that everyone shares: fetched once, renewed in time, thrown away when it is refused.

use std::{fmt, sync::Arc};

use pipeline::Clock;
use schemas::{Micros, time::SECOND};
use serde::{Deserialize, Deserializer, de};
use tokio::sync::Mutex;

use super::{Credential, EntraConfig, EntraError, assertion};
use crate::http::{Client, Request};

/// After a failure nothing is asked again for so long; who asks meanwhile gets the old token, or the same failure.
const PAUSE: i64 = 60 * SECOND;

/// A network that is away may be back sooner.
const PAUSE_AWAY: i64 = 5 * SECOND;

/// A token that lives shorter than this, or longer than a day, is held to it.
const LIFE_S: (i64, i64) = (1, 86_400);

/// A token has a few thousand characters.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// A token, good for its service until it is refused.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Arc<str>);

impl Token {
    /// Its text.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Where one app's tokens for one scope come from; clones share them.
#[derive(Debug, Clone)]
pub struct Tokens(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    client: Client,
    config: EntraConfig,
    scope: String,
    clock: Clock,
    /// Held during an exchange, so that one exchange serves all who wait for it.
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    token: Option<Live>,
    failure: Option<(EntraError, Micros)>,
}

#[derive(Debug)]
struct Live {
    token: Token,
    renew_at: Micros,
    ends_at: Micros,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    #[serde(deserialize_with = "seconds")]
    expires_in: i64,
}

impl Tokens {
    /// Tokens of `config`'s app for `scope` (`https://manage.office.com/.default`). Nothing is asked yet.
    #[must_use]
    pub fn new(client: Client, config: EntraConfig, scope: String, clock: Clock) -> Self {
        Self(Arc::new(Inner { client, config, scope, clock, held: Mutex::default() }))
    }

    /// A token that should hold.
    ///
    /// # Errors
    /// [`EntraError`] when there is none.
    ///
    /// # Cancel safety
    /// An exchange that is dropped is begun anew by whoever asks next.
    pub async fn get(&self) -> Result<Token, EntraError> {
        let mut held = self.0.held.lock().await;
        let now = self.0.clock.now();
        if let Some(live) = &held.token
            && now < live.renew_at
        {
            return Ok(live.token.clone());
        }
        let paused = held.failure.as_ref().filter(|(_, until)| now < *until).map(|(error, _)| error.clone());
        let failed = match paused {
            Some(error) => error,
            None => match self.0.exchange().await {
                Ok(live) => {
                    let token = live.token.clone();
                    *held = Held { token: Some(live), failure: None };
                    return Ok(token);
                }
                Err(error) => {
                    let pause = if matches!(error, EntraError::Away(_)) { PAUSE_AWAY } else { PAUSE };
                    // The exchange itself may have taken longer than the pause.
                    held.failure = Some((error.clone(), self.0.clock.now().plus(pause)));
                    error
                }
            },
        };
        match &held.token {
            Some(live) if now < live.ends_at => {
                tracing::warn!(error = %failed, "the token was not renewed; the old one still holds");
                Ok(live.token.clone())
            }
            _ => Err(failed),
        }
    }

    /// Throws away exactly this token: its service has refused it.
    pub async fn reject(&self, token: &Token) {
        let mut held = self.0.held.lock().await;
        if held.token.as_ref().is_some_and(|live| live.token == *token) {
            held.token = None;
        }
    }
}

impl Inner {
    async fn exchange(&self) -> Result<Live, EntraError> {
        let EntraConfig { authority, tenant, client_id, credential } = &self.config;
        let url = authority.join(&format!("{tenant}/oauth2/v2.0/token"));
        let mut form = vec![
            ("grant_type", "client_credentials"),
            ("client_id", client_id.as_str()),
            ("scope", self.scope.as_str()),
        ];
        let proof = match credential {
            Credential::Secret(secret) => {
                secret.reread().map(|secret| secret.reveal().to_owned()).map_err(EntraError::Credential)?
            }
            Credential::Certificate(path) => assertion::sign(path, client_id, url.as_str(), self.clock.now())
                .map_err(EntraError::Credential)?,
        };
        match credential {
            Credential::Secret(_) => form.push(("client_secret", &proof)),
            Credential::Certificate(_) => {
                form.push((
                    "client_assertion_type",
                    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                ));
                form.push(("client_assertion", &proof));
            }
        }
        let request = Request::post(url).form(&form).answer_bytes_max(ANSWER_BYTES_MAX);
        let asked_at = self.clock.now();
        let answer = self.client.send(request).await?;
        let granted: Option<Granted> =
            answer.is_success().then(|| serde_json::from_slice(answer.body()).ok()).flatten();
        let Some(granted) = granted.filter(|granted| !granted.access_token.is_empty()) else {
            return Err(EntraError::of(answer.status(), answer.body()));
        };
        let life = granted.expires_in.clamp(LIFE_S.0, LIFE_S.1) * SECOND;
        Ok(Live {
            token: Token(granted.access_token.into()),
            renew_at: asked_at.plus(life / 5 * 4),
            ends_at: asked_at.plus(life),
        })
    }
}

/// A number, or a text with one: the older endpoint writes texts.
fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    struct Seconds;
    impl de::Visitor<'_> for Seconds {
        type Value = i64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number of seconds")
        }

        fn visit_i64<E: de::Error>(self, number: i64) -> Result<i64, E> {
            Ok(number)
        }

        fn visit_u64<E: de::Error>(self, number: u64) -> Result<i64, E> {
            i64::try_from(number).map_err(E::custom)
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<i64, E> {
            text.trim().parse().map_err(E::custom)
        }
    }
    from.deserialize_any(Seconds)
}
