//! What was planted, for whoever holds the findings against it. Labels never go into records, and the engine never sees
//! them.

use schemas::Micros;

/// What is planted on the day of the attack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scenario {
    /// A flow carries the company's data to private mail or storage.
    Exfiltration,
    /// A flow runs many times as often as it does.
    ExecutionSpike,
    /// Changes at an hour and from a place that are not the person's.
    OffHours,
    /// A flow is given to somebody outside.
    SharedOutside,
    /// A data policy or the tenant's isolation is loosened.
    PolicyWeakened,
    /// Mail is sent on to outside.
    MailForwarding,
    /// An application is let in that may do much.
    Consent,
}

impl Scenario {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Exfiltration,
        Self::ExecutionSpike,
        Self::OffHours,
        Self::SharedOutside,
        Self::PolicyWeakened,
        Self::MailForwarding,
        Self::Consent,
    ];

    /// A name for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Exfiltration => "exfiltration",
            Self::ExecutionSpike => "execution spike",
            Self::OffHours => "off-hours from an unusual place",
            Self::SharedOutside => "sharing outside",
            Self::PolicyWeakened => "policy weakening",
            Self::MailForwarding => "mail forwarding",
            Self::Consent => "application consent",
        }
    }
}

/// The thing a planted act is about: its kind (`user`, `flow`, `mailbox`, `policy`, `tenant`, `application`) and id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entity {
    /// In one word.
    pub kind: &'static str,
    /// As the records have it, in lower case.
    pub id: String,
}

/// One planted act.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// What it is, or what it resembles.
    pub scenario: Scenario,
    /// What happened, for people; no rule is named.
    pub description: String,
    /// Who did it: the user's name, lower case; of runs, the flow's owner.
    pub actor: String,
    /// What it is mainly about.
    pub entity: Entity,
    /// The `Id` of each audit record and the `OperationId` of each run that belongs to it.
    pub event_ids: Vec<String>,
    /// When it begins; of an act that is runs only, the whole hour.
    pub from: Micros,
    /// When it is over: after its last event; of an act that is runs only, the whole hour.
    pub until: Micros,
    /// Whether somebody must hear of it, as high or critical. Otherwise nothing of that severity may be raised by it.
    pub should_be_found: bool,
}
