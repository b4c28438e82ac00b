//! Tokens for SASL OAUTHBEARER by the client-credentials grant (RFC 6749, 4.4), fetched with our own HTTP client:
//! librdkafka's own way needs curl, which is not built in.
//!
//! librdkafka asks for a token when 80 % of the last one's life are over. An endpoint that is away then is no refusal:
//! the old token serves while it lives. What the endpoint says is never passed on: it may hold what must not leak.

use std::{error::Error, sync::Mutex, sync::PoisonError, time::Duration};

use pipeline::Clock;
use rdkafka::client::OAuthToken;
use serde::Deserialize;

use super::security::OAuthConfig;
use crate::{
    http::{Client, HttpError, HttpSettings, Request},
    secret::Secret,
};

/// librdkafka's thread waits for it: no longer than a request of Kafka's own.
const WITHIN: Duration = Duration::from_secs(20);
/// A token has a few thousand characters.
const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// A token that lives longer than a day, or has no life given, is held to this.
const LIFE_S: (i64, i64) = (60, 86_400);

/// Why there is no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoToken {
    /// Waiting does not help.
    #[error(
        "the token endpoint refuses the client (status {0}): check oauth.client_id, client_secret and scope"
    )]
    Refused(u16),
    /// The secret cannot be read.
    #[error("oauth.client_secret: {0}")]
    Secret(String),
    /// The authority of the endpoint's certificate cannot be read.
    #[error("oauth.ca_file: {0}")]
    Authority(String),
    /// Waiting may help.
    #[error("the token endpoint gives no token: {0}")]
    Away(String),
}

impl NoToken {
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Secret(_) | Self::Authority(_))
    }
}

/// Where one client's tokens come from.
#[derive(Debug)]
pub(super) struct Tokens {
    config: Box<OAuthConfig>,
    held: Mutex<Option<Held>>,
    failed: Mutex<Option<NoToken>>,
}

struct Held {
    text: String,
    /// In milliseconds.
    ends_at: i64,
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    #[serde(default)]
    expires_in: Option<i64>,
}

impl Tokens {
    pub(super) fn new(config: Box<OAuthConfig>) -> Self {
        Self { config, held: Mutex::default(), failed: Mutex::default() }
    }

    /// A token: a new one, or the old one while it lives and the endpoint is away. Blocks.
    pub(super) fn get(&self) -> Result<OAuthToken, Box<dyn Error>> {
        let fetched = self.fetch();
        *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = fetched.as_ref().err().cloned();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        match fetched {
            Ok(new) => *held = Some(new),
            Err(error) => {
                tracing::warn!(%error, "no new token for kafka");
                let lives = held.as_ref().is_some_and(|held| held.ends_at > now_millis());
                if !lives || error.is_refusal() {
                    return Err(error.into());
                }
            }
        }
        let held = held.as_ref().ok_or("there is no token")?;
        Ok(OAuthToken {
            token: held.text.clone(),
            principal_name: self.config.client_id.clone(),
            lifetime_ms: held.ends_at,
        })
    }

    /// Why the last token was not given.
    pub(super) fn failure(&self) -> Option<NoToken> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn fetch(&self) -> Result<Held, NoToken> {
        // librdkafka asks on whichever thread polls the client, and none of them belongs to an async runtime.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| NoToken::Away(error.to_string()))?;
        runtime.block_on(self.exchange())
    }

    async fn exchange(&self) -> Result<Held, NoToken> {
        let OAuthConfig { token_url, client_id, client_secret, scope, ca_file } = self.config.as_ref();
        let secret = Secret::read(client_secret.clone()).map_err(NoToken::Secret)?;
        let settings =
            HttpSettings { ca_file: ca_file.clone(), total_timeout: WITHIN, ..HttpSettings::default() };
        let away = |error: HttpError| NoToken::Away(error.to_string());
        let client = Client::new(&settings).map_err(|error| {
            if ca_file.is_some() { NoToken::Authority(error.to_string()) } else { away(error) }
        })?;
        let mut form = vec![
            ("grant_type", "client_credentials"),
            ("client_id", client_id.as_str()),
            ("client_secret", secret.reveal()),
        ];
        form.extend(scope.as_deref().map(|scope| ("scope", scope)));
        let request = Request::post(token_url.url()).form(&form).answer_bytes_max(ANSWER_BYTES_MAX);
        let asked_at = now_millis();
        let answer = client.send(request).await.map_err(away)?;
        let status = answer.status();
        if (400..500).contains(&status) && !matches!(status, 408 | 429) {
            return Err(NoToken::Refused(status));
        }
        let granted: Option<Granted> =
            answer.is_success().then(|| serde_json::from_slice(answer.body()).ok()).flatten();
        let granted = granted.filter(|granted| !granted.access_token.is_empty());
        let granted = granted.ok_or_else(|| NoToken::Away(format!("status {status} without a token")))?;
        let life = granted.expires_in.unwrap_or(LIFE_S.1).clamp(LIFE_S.0, LIFE_S.1);
        Ok(Held { text: granted.access_token, ends_at: asked_at.saturating_add(life.saturating_mul(1000)) })
    }
}

fn now_millis() -> i64 {
    Clock::machine().now().0 / 1000
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::TcpListener,
        thread,
    };

    use super::*;
    use crate::{SecretSource, http::Base};

    /// Tokens of an endpoint that answers so, one answer after the other, and is gone then.
    fn tokens(answers: Vec<(u16, &'static str)>) -> Tokens {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for (status, body) in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut heard = Vec::new();
                let mut some = [0; 4096];
                while !String::from_utf8_lossy(&heard).contains("client_secret=") {
                    let count = stream.read(&mut some).unwrap();
                    heard.extend(some.iter().take(count));
                }
                let head =
                    format!("HTTP/1.1 {status} x\r\nConnection: close\r\nContent-Length: {}", body.len());
                stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).unwrap();
            }
        });
        // Any variable that is set everywhere will do for a secret.
        Tokens::new(Box::new(OAuthConfig {
            token_url: Base::parse(&format!("http://{address}/token")).unwrap(),
            client_id: "weir".to_owned(),
            client_secret: SecretSource::Env("PATH".to_owned()),
            scope: None,
            ca_file: None,
        }))
    }

    const GRANTED: (u16, &str) = (200, "{\"access_token\":\"abc\",\"expires_in\":3600}");

    #[test]
    fn an_endpoint_that_is_away_leaves_the_old_token_in_force() {
        let tokens = tokens(vec![GRANTED, (503, "hunter2")]);
        let first = tokens.get().map_err(|error| error.to_string()).unwrap();
        assert_eq!((first.token.as_str(), first.principal_name.as_str()), ("abc", "weir"));
        let left = first.lifetime_ms - now_millis();
        assert!((3_500_000..=3_600_000).contains(&left), "{left}");
        for _ in 0..2 {
            let again = tokens.get().map_err(|error| error.to_string()).unwrap();
            assert_eq!((again.token.as_str(), again.lifetime_ms), ("abc", first.lifetime_ms));
            assert!(tokens.failure().is_some_and(|failure| !failure.is_refusal()));
        }
    }

    #[test]
    fn a_refusal_is_one_at_once_and_quotes_nothing() {
        let tokens = tokens(vec![GRANTED, (401, "hunter2"), (200, "{}")]);
        assert!(tokens.get().is_ok());
        let error = tokens.get().err().map(|error| error.to_string()).unwrap();
        assert!(
            error.contains("401") && error.contains("client_secret") && !error.contains("hunter2"),
            "{error}"
        );
        assert!(tokens.failure().is_some_and(|failure| failure.is_refusal()));
        assert!(tokens.get().is_ok(), "an answer without a token is not a refusal");
    }

    /// Nobody writes the missing file while a worker waits for it.
    #[test]
    fn an_authority_that_cannot_be_read_is_a_refusal() {
        let folder = tempfile::tempdir().unwrap();
        let empty = folder.path().join("empty.pem");
        std::fs::write(&empty, "no certificate").unwrap();
        for path in [folder.path().join("missing.pem"), empty] {
            let mut tokens = tokens(vec![]);
            tokens.config.ca_file = Some(path.clone());
            let error = tokens.get().err().map(|error| error.to_string()).unwrap();
            assert!(
                error.contains("oauth.ca_file") && error.contains(&path.display().to_string()),
                "{error}"
            );
            assert!(tokens.failure().is_some_and(|failure| failure.is_refusal()));
        }
    }
}
