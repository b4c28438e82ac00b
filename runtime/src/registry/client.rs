//! The questions of Confluent's API that are asked, each with what its answers mean.
//!
//! | status | means |
//! |---|---|
//! | 2xx | the answer |
//! | 404 with code 40401, 40402, 40403 or 40408 | there is none: subject, version, schema, level |
//! | 401, 403 | refused |
//! | 409 | incompatible |
//! | 422 | not taken |
//! | 429, 5xx | away |
//! | anything else | what answers is no registry |

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde::{Deserialize, de::DeserializeOwned};

use super::{RegistryConfig, RegistryError};
use crate::{
    SecretSource,
    http::{Answer, Base, Client, Request},
    secret::Secret,
};

/// Our longest schema has 20 kB.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
const CONTENT_TYPE: &str = "application/vnd.schemaregistry.v1+json";
const NOT_THERE: [u32; 4] = [40401, 40402, 40403, 40408];

/// A schema registry. Nothing is connected to before something is asked.
#[derive(Debug, Clone)]
pub struct Registry {
    client: Client,
    base: Base,
    credentials: Option<(String, SecretSource)>,
}

#[derive(Deserialize)]
struct Id {
    id: u32,
}

#[derive(Deserialize)]
struct Text {
    schema: String,
}

#[derive(Deserialize)]
struct Verdict {
    is_compatible: bool,
}

#[derive(Deserialize)]
struct Level {
    #[serde(rename = "compatibilityLevel")]
    level: String,
}

#[derive(Deserialize, Default)]
struct Failure {
    #[serde(default)]
    error_code: u32,
}

impl Registry {
    /// A client of the configured registry.
    ///
    /// # Errors
    /// [`RegistryError::Settings`] when the certificates cannot be used.
    pub fn new(config: &RegistryConfig) -> Result<Self, RegistryError> {
        let client = Client::new(&config.http)?;
        Ok(Self { client, base: config.url.clone(), credentials: config.credentials.clone() })
    }

    /// The id of this schema under this subject; none when it is not registered there.
    ///
    /// # Errors
    /// [`RegistryError`] when the registry does not say.
    pub async fn look_up(&self, subject: &str, schema: &str) -> Result<Option<u32>, RegistryError> {
        let request = Request::post(self.base.join(&format!("subjects/{subject}")));
        let found: Option<Id> = self.ask(request.body(CONTENT_TYPE, wrapped(schema)), subject).await?;
        Ok(found.map(|found| found.id))
    }

    /// The text of the schema with this id; none when there is no such id.
    ///
    /// # Errors
    /// [`RegistryError`] when the registry does not say within `bound`.
    pub async fn schema(&self, id: u32, bound: Duration) -> Result<Option<String>, RegistryError> {
        let request = Request::get(self.base.join(&format!("schemas/ids/{id}"))).total_timeout(bound);
        let found: Option<Text> = self.ask(request, "").await?;
        Ok(found.map(|found| found.schema))
    }

    /// Registers this schema under this subject, and returns its id; one that is there already keeps it.
    ///
    /// # Errors
    /// [`RegistryError::Incompatible`] with what is there; [`RegistryError`] when the registry does not do it.
    pub async fn register(&self, subject: &str, schema: &str) -> Result<u32, RegistryError> {
        let request = Request::post(self.base.join(&format!("subjects/{subject}/versions")));
        let made: Option<Id> = self.ask(request.body(CONTENT_TYPE, wrapped(schema)), subject).await?;
        made.map(|made| made.id).ok_or_else(|| RegistryError::NoRegistry("it cannot register".to_owned()))
    }

    /// Whether this schema is compatible with the versions under this subject that its level asks for; true where there is
    /// no such subject.
    ///
    /// # Errors
    /// [`RegistryError`] when the registry does not say.
    pub async fn is_compatible(&self, subject: &str, schema: &str) -> Result<bool, RegistryError> {
        let path = format!("compatibility/subjects/{subject}/versions");
        let request = Request::post(self.base.join(&path)).body(CONTENT_TYPE, wrapped(schema));
        let verdict: Option<Verdict> = self.ask(request, subject).await?;
        Ok(verdict.is_none_or(|verdict| verdict.is_compatible))
    }

    /// The compatibility level that holds for this subject: its own, or that of all.
    ///
    /// # Errors
    /// [`RegistryError`] when the registry does not say.
    pub async fn level(&self, subject: &str) -> Result<String, RegistryError> {
        let own = Request::get(self.base.join(&format!("config/{subject}")));
        let level: Option<Level> = match self.ask(own, subject).await? {
            Some(level) => Some(level),
            None => self.ask(Request::get(self.base.join("config")), "").await?,
        };
        level.map(|level| level.level).ok_or_else(|| RegistryError::NoRegistry("it has no level".to_owned()))
    }

    /// Sets the subject's own compatibility level.
    ///
    /// # Errors
    /// [`RegistryError`] when the registry does not do it.
    pub async fn set_level(&self, subject: &str, level: &str) -> Result<(), RegistryError> {
        let body = serde_json::json!({ "compatibility": level }).to_string();
        let request = Request::put(self.base.join(&format!("config/{subject}")));
        // Registries differ in what they answer.
        let set: Option<serde::de::IgnoredAny> =
            self.ask(request.body(CONTENT_TYPE, body.into()), subject).await?;
        set.map(|_| ()).ok_or_else(|| RegistryError::NoRegistry("it cannot set a level".to_owned()))
    }

    /// Asks, and reads the answer; none where there is no such thing.
    async fn ask<T: DeserializeOwned>(
        &self,
        request: Request,
        subject: &str,
    ) -> Result<Option<T>, RegistryError> {
        let mut request = request.header("accept", CONTENT_TYPE).answer_bytes_max(ANSWER_BYTES_MAX);
        if let Some((user, source)) = &self.credentials {
            // Read for each question, of which there are few: a changed password needs no restart.
            let password = Secret::read(source.clone())
                .map_err(|why| RegistryError::Settings(format!("log.kafka.registry.password: {why}")))?;
            let pair = BASE64_STANDARD.encode(format!("{user}:{}", password.reveal()));
            request = request.secret_header("authorization", format!("Basic {pair}"));
        }
        let answer = self.client.send(request).await?;
        read(&answer, subject)
    }
}

fn wrapped(schema: &str) -> bytes::Bytes {
    serde_json::json!({ "schema": schema }).to_string().into()
}

fn read<T: DeserializeOwned>(answer: &Answer, subject: &str) -> Result<Option<T>, RegistryError> {
    let status = answer.status();
    match status {
        200..=299 => serde_json::from_slice(answer.body())
            .map(Some)
            .map_err(|_| RegistryError::NoRegistry(format!("HTTP {status}, and another body"))),
        401 | 403 => Err(RegistryError::Refused(status)),
        404 if NOT_THERE.contains(&failure(answer).error_code) => Ok(None),
        409 => Err(RegistryError::Incompatible(subject.to_owned())),
        422 => Err(RegistryError::Invalid(subject.to_owned())),
        429 | 500..=599 => Err(RegistryError::Away(format!("HTTP {status}"))),
        _ => Err(RegistryError::NoRegistry(format!("HTTP {status}"))),
    }
}

fn failure(answer: &Answer) -> Failure {
    serde_json::from_slice(answer.body()).unwrap_or_default()
}
