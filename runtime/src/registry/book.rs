//! Our schemas and the registry's: what differs, and how it is set right.
//!
//! Subjects are held to `FULL_TRANSITIVE`: while workers are replaced one by one, older ones read what newer ones write
//! and the other way round, and findings have readers that we do not know.

use std::{collections::BTreeMap, time::Duration};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use schemas::{
    ids::{self, Ids},
    subject::{Subject, subjects},
};

use super::{Registry, RegistryConfig, RegistryError, ask};

/// What every subject is held to.
const LEVEL: &str = "FULL_TRANSITIVE";
/// So long the text of a schema may take at the start.
const SCHEMA_WITHIN: Duration = Duration::from_secs(10);
/// Questions at a time.
const AT_ONCE: usize = 8;

/// Our subjects, and the registry they belong in.
#[derive(Debug, Clone)]
pub struct Book {
    registry: Registry,
    subjects: Vec<Subject>,
}

/// How a subject differs from what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Our schema is not there, and would become its newest version.
    Register(String),
    /// Our schema is not there, and may not be.
    Refused(String),
    /// It is held to another level.
    Level {
        /// The subject.
        subject: String,
        /// Its level.
        has: String,
    },
}

/// How a subject stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its name.
    pub subject: String,
    /// Whether our schema is there.
    pub state: State,
    /// What it is held to, if that is not our level.
    pub level: Option<String>,
}

/// What `schema check` finds of a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Our schema is registered.
    Registered,
    /// It is not, and would be taken.
    Missing,
    /// It is not, and breaks what is there.
    Incompatible,
}

impl Standing {
    /// What sets it right; nothing is done about a subject that refuses our schema.
    fn changes(self) -> Vec<Change> {
        let Self { subject, state, level } = self;
        let level = level.map(|has| Change::Level { subject: subject.clone(), has });
        match state {
            State::Registered => level.into_iter().collect(),
            State::Missing => level.into_iter().chain([Change::Register(subject)]).collect(),
            State::Incompatible => vec![Change::Refused(subject)],
        }
    }
}

impl Change {
    /// Whether `apply` does something about it.
    #[must_use]
    pub fn is_applied(&self) -> bool {
        match self {
            Self::Register(_) | Self::Level { .. } => true,
            Self::Refused(_) => false,
        }
    }
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Register(subject) => write!(f, "register {subject}"),
            Self::Refused(subject) => {
                write!(f, "refused: {subject} has a schema that ours is not compatible with")
            }
            Self::Level { subject, has } => write!(f, "hold {subject} to {LEVEL} instead of {has}"),
        }
    }
}

impl Book {
    /// The subjects of the topics with this prefix.
    ///
    /// # Errors
    /// [`RegistryError::Settings`] when the client cannot be made.
    pub fn new(config: &RegistryConfig, prefix: &str) -> Result<Self, RegistryError> {
        Ok(Self { registry: Registry::new(config)?, subjects: subjects(prefix) })
    }

    /// Looks every subject up and settles that this process speaks the registry's ids.
    ///
    /// # Errors
    /// [`RegistryError::Missing`] with all that is not registered; [`RegistryError::NoRegistry`] when an id stands for
    /// two messages, or for something else.
    pub async fn settle(&self) -> Result<(), RegistryError> {
        let found = self.each(|subject| self.registry.look_up(&subject.name, subject.schema)).await?;
        let mut given: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        let (mut missing, mut means) = (Vec::new(), BTreeMap::new());
        for (subject, id) in self.subjects.iter().zip(found) {
            match id {
                Some(id) => {
                    if means.insert(id, subject.message).is_some_and(|other| other != subject.message) {
                        let why = format!("it gives the id {id} to two schemas");
                        return Err(RegistryError::NoRegistry(why));
                    }
                    let ids = given.entry(subject.message).or_default();
                    if !ids.contains(&id) {
                        ids.push(id);
                    }
                }
                None => missing.push(subject.name.clone()),
            }
        }
        if !missing.is_empty() {
            return Err(RegistryError::Missing(missing));
        }
        let confirmed = stream::iter(means.into_iter().map(|(id, message)| self.confirm(id, message)));
        confirmed.buffered(AT_ONCE).try_collect::<()>().await?;
        let given: Vec<(u32, Vec<u32>)> = given.into_iter().collect();
        tracing::info!(subjects = self.subjects.len(), "the schema registry knows every schema");
        ids::install(Ids::new(&given, ask::asking(self.registry.clone())))
            .map_err(|settled| RegistryError::Settings(settled.to_string()))
    }

    /// That under this id stands our schema, and not whatever the server says to everything.
    async fn confirm(&self, id: u32, message: u32) -> Result<(), RegistryError> {
        match self.registry.schema(id, SCHEMA_WITHIN).await? {
            Some(text) if ids::is_current(message, &text) => Ok(()),
            Some(_) | None => Err(RegistryError::NoRegistry(format!("under its id {id} is not our schema"))),
        }
    }

    /// What `apply` would do, and what it would leave to an operator. A schema that is compatible by a lower level may
    /// still be refused by ours: that shows only when the level is set.
    ///
    /// # Errors
    /// [`RegistryError`] when the registry does not say.
    pub async fn plan(&self) -> Result<Vec<Change>, RegistryError> {
        let standings = self.check().await?;
        Ok(standings.into_iter().flat_map(Standing::changes).collect())
    }

    /// Sets levels and registers what is missing. All that was done stands in `changes`, and what was refused, also
    /// when it ends with an error; what was done stays done.
    ///
    /// # Errors
    /// [`RegistryError`] when the registry does not do it.
    pub async fn apply(&self, changes: &mut Vec<Change>) -> Result<(), RegistryError> {
        let standings = self.check().await?;
        // One after the other, so that ids follow the order of the subjects.
        for (subject, standing) in self.subjects.iter().zip(standings) {
            self.set_right(subject, standing, changes).await?;
        }
        Ok(())
    }

    /// The level first: nothing is registered that it would not have let in.
    async fn set_right(
        &self,
        subject: &Subject,
        standing: Standing,
        done: &mut Vec<Change>,
    ) -> Result<(), RegistryError> {
        let (name, schema) = (&subject.name, subject.schema);
        if standing.state == State::Incompatible {
            done.push(Change::Refused(name.clone()));
            return Ok(());
        }
        if let Some(has) = standing.level {
            self.registry.set_level(name, LEVEL).await?;
            done.push(Change::Level { subject: name.clone(), has: has.clone() });
            if standing.state == State::Missing && !self.registry.is_compatible(name, schema).await? {
                // As it was, but that it is the subject's own now where it was that of all.
                self.registry.set_level(name, &has).await?;
                done.pop();
                done.push(Change::Refused(name.clone()));
                return Ok(());
            }
        }
        if standing.state == State::Missing {
            self.registry.register(name, schema).await?;
            done.push(Change::Register(name.clone()));
        }
        Ok(())
    }

    /// How each subject stands.
    ///
    /// # Errors
    /// [`RegistryError`] when the registry does not say.
    pub async fn check(&self) -> Result<Vec<Standing>, RegistryError> {
        self.each(|subject| self.standing(subject)).await
    }

    async fn standing(&self, subject: &Subject) -> Result<Standing, RegistryError> {
        let state = self.state(subject).await?;
        let level = self.registry.level(&subject.name).await?;
        let level = Some(level).filter(|level| level != LEVEL);
        Ok(Standing { subject: subject.name.clone(), state, level })
    }

    async fn state(&self, subject: &Subject) -> Result<State, RegistryError> {
        if self.registry.look_up(&subject.name, subject.schema).await?.is_some() {
            return Ok(State::Registered);
        }
        let compatible = self.registry.is_compatible(&subject.name, subject.schema).await?;
        Ok(if compatible { State::Missing } else { State::Incompatible })
    }

    /// Asks the same of every subject; the answers stand in their order.
    async fn each<'s, T, F>(&'s self, ask: impl Fn(&'s Subject) -> F) -> Result<Vec<T>, RegistryError>
    where
        F: Future<Output = Result<T, RegistryError>> + 's,
    {
        stream::iter(self.subjects.iter().map(ask)).buffered(AT_ONCE).try_collect().await
    }
}
