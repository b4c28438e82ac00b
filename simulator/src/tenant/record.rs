//! Audit records as the feed carries them: the common fields (Management Activity API schema, common schema), and when a
//! record becomes available.
//!
//! `CreationTime` has whole seconds and no zone. Nobody promises how late a record is: vendors report minutes to hours,
//! some a day; here seven of ten come within forty minutes, one in seventy after six hours or more, none after a day.

use schemas::Micros;
use schemas::time::{HOUR, MINUTE, SECOND};
use serde_json::{Map, Value, json};

use super::dice::Dice;
use super::world::World;

/// The latest that anything becomes available after it happened.
pub const DELAY_MAX: i64 = 23 * HOUR;

/// One audit record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// The record's `Id`.
    pub id: String,
    /// The feed it comes in: `Audit.Exchange` and so on.
    pub content_type: &'static str,
    /// When it happened: the record's `CreationTime`.
    pub time: Micros,
    /// When a blob that holds it is created; after `time`, by at most [`DELAY_MAX`].
    pub available: Micros,
    /// The record: one JSON object.
    pub bytes: Vec<u8>,
}

/// Who does something, and from where.
#[derive(Clone)]
pub(crate) struct Who {
    pub(crate) upn: String,
    pub(crate) object_id: String,
    pub(crate) puid: String,
    pub(crate) user_type: u8,
    pub(crate) address: String,
    pub(crate) agent: &'static str,
}

/// What a record is: type, workload and operation.
pub(crate) type Sort = (u16, &'static str, &'static str);

/// One moment in the tenant: who, when, and the throws for what is not decided yet.
pub(crate) struct Scene<'w> {
    pub(crate) world: &'w World,
    pub(crate) who: Who,
    pub(crate) time: Micros,
    pub(crate) dice: Dice,
}

impl<'w> Scene<'w> {
    /// A person at work, wherever they are then.
    pub(crate) fn of_person(world: &'w World, index: usize, time: Micros, dice: Dice) -> Self {
        let who = world.people.get(index).map(|person| Who {
            upn: person.upn.clone(),
            object_id: person.object_id.clone(),
            puid: person.puid.clone(),
            user_type: person.user_type(),
            address: world.address(index, time),
            agent: person.agent,
        });
        Self { world, who: who.unwrap_or_else(Who::nobody), time, dice }
    }

    /// The same person somewhat later.
    pub(crate) fn later(&mut self, first_seconds: i64, last_seconds: i64) {
        self.time = self.time.plus(self.dice.between(first_seconds, last_seconds) * SECOND);
    }

    /// A record with the common fields.
    pub(crate) fn draft(&mut self, sort: Sort) -> Draft {
        let (record_type, workload, operation) = sort;
        let time = Micros(self.time.0.div_euclid(SECOND) * SECOND);
        let created = time.to_string();
        let id = self.dice.guid();
        let mut fields = Map::new();
        let common = [
            ("CreationTime", json!(created.trim_end_matches('Z'))),
            ("Id", json!(id)),
            ("Operation", json!(operation)),
            ("OrganizationId", json!(self.world.tenant_id)),
            ("RecordType", json!(record_type)),
            ("UserId", json!(self.who.upn)),
            ("UserKey", json!(self.who.puid)),
            ("UserType", json!(self.who.user_type)),
            ("Version", json!(1)),
            ("Workload", json!(workload)),
        ];
        for (name, value) in common {
            fields.insert(name.to_owned(), value);
        }
        let available = time.plus(delay(&mut self.dice));
        Draft { id, time, available, content_type: content_type(workload), fields }
    }
}

impl Who {
    fn nobody() -> Self {
        Self {
            upn: "Not Available".to_owned(),
            object_id: String::new(),
            puid: "Not Available".to_owned(),
            user_type: 4,
            address: String::new(),
            agent: "",
        }
    }
}

/// A record that is being written.
pub(crate) struct Draft {
    id: String,
    time: Micros,
    available: Micros,
    content_type: &'static str,
    fields: Map<String, Value>,
}

impl Draft {
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Sets a field.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.fields.insert(name.to_owned(), value.into());
        self
    }

    /// Sets the fields of an object.
    pub(crate) fn with_all(mut self, more: Value) -> Self {
        if let Value::Object(more) = more {
            self.fields.extend(more);
        }
        self
    }

    pub(crate) fn done(self) -> AuditRecord {
        AuditRecord {
            id: self.id,
            content_type: self.content_type,
            time: self.time,
            available: self.available,
            bytes: Value::Object(self.fields).to_string().into_bytes(),
        }
    }
}

/// `[{"Name":…,"Value":…}]`, as most records write lists of settings.
pub(crate) fn pairs(pairs: &[(&str, &str)]) -> Value {
    pairs.iter().map(|(name, value)| json!({"Name": name, "Value": value})).collect()
}

fn content_type(workload: &str) -> &'static str {
    match workload {
        "AzureActiveDirectory" => "Audit.AzureActiveDirectory",
        "Exchange" => "Audit.Exchange",
        "SharePoint" | "OneDrive" => "Audit.SharePoint",
        _ => "Audit.General",
    }
}

/// How long until a record is available.
pub(crate) fn delay(dice: &mut Dice) -> i64 {
    let (first, last) = match dice.below(1000) {
        0..700 => (4 * MINUTE, 40 * MINUTE),
        700..920 => (40 * MINUTE, 2 * HOUR),
        920..986 => (2 * HOUR, 6 * HOUR),
        _ => (6 * HOUR, DELAY_MAX),
    };
    dice.between(first, last)
}
