//! The people of a tenant: who they are, what they are there for, when and from where they work.

use std::collections::BTreeSet;

use schemas::Micros;
use schemas::time::DAY;

use super::dice::Dice;
use super::places::{Places, home_address, office_address, partner_address};
use super::words::{AGENTS, FIRST, LAST};

/// What somebody is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Duty {
    Member,
    /// Builds flows and apps.
    Maker,
    /// Data policies, environments.
    PlatformAdmin,
    /// Users, groups, applications.
    DirectoryAdmin,
    /// Passwords and licences.
    HelpDesk,
    /// Belongs to a partner and reads what is shared.
    Guest,
}

/// One person.
pub(crate) struct Person {
    pub(crate) upn: String,
    pub(crate) display: String,
    pub(crate) object_id: String,
    /// Sixteen hex digits, Microsoft's older id of a person.
    pub(crate) puid: String,
    pub(crate) duty: Duty,
    pub(crate) office: usize,
    /// Local minutes of the day.
    pub(crate) start: i32,
    pub(crate) end: i32,
    /// Monday to this day, Monday is 0.
    pub(crate) last_day: usize,
    /// Works some evenings, at home.
    pub(crate) evenings: bool,
    /// Thousandths of the days at home.
    pub(crate) home_days: u32,
    pub(crate) home: String,
    pub(crate) desk: String,
    pub(crate) agent: &'static str,
    /// Where the account begins or ends inside the story.
    pub(crate) joins: Option<Micros>,
    pub(crate) leaves: Option<Micros>,
}

impl Person {
    pub(crate) fn is_guest(&self) -> bool {
        self.duty == Duty::Guest
    }

    /// Whether the person has an account at that time.
    pub(crate) fn is_there(&self, time: Micros) -> bool {
        self.joins.is_none_or(|joins| time >= joins) && self.leaves.is_none_or(|leaves| time < leaves)
    }

    /// Whether the person looks after the tenant: there on every working day, at the same office.
    pub(crate) fn is_admin(&self) -> bool {
        self.user_type() == 2
    }

    /// 0 guest and member, 2 administrator, as Exchange and Power Platform write it.
    pub(crate) fn user_type(&self) -> u8 {
        match self.duty {
            Duty::PlatformAdmin | Duty::DirectoryAdmin | Duty::HelpDesk => 2,
            Duty::Member | Duty::Maker | Duty::Guest => 0,
        }
    }
}

/// What the people of a tenant are made from.
pub(crate) struct Roll<'a> {
    pub(crate) seed: u64,
    pub(crate) start: Micros,
    pub(crate) places: &'a Places,
    pub(crate) domain: &'a str,
    pub(crate) initial_domain: &'a str,
    pub(crate) partners: &'a [&'static str],
}

impl Roll<'_> {
    /// Between 40 and 150 with an account of the tenant's, and some guests.
    pub(crate) fn people(&self) -> Vec<Person> {
        let mut dice = Dice::of(self.seed, "people", &[]);
        let members = dice.between(40, 150);
        let guests = dice.between(3, 8);
        let mut taken = BTreeSet::new();
        let mut people: Vec<Person> = Vec::new();
        for index in 0..members {
            let duty = match index {
                0 | 1 => Duty::PlatformAdmin,
                2 | 3 => Duty::DirectoryAdmin,
                4 => Duty::HelpDesk,
                _ if index % 7 == 5 => Duty::Maker,
                _ => Duty::Member,
            };
            people.push(self.person(duty, &mut dice, &mut taken));
        }
        self.come_and_go(&mut people, &mut dice);
        for _ in 0..guests {
            people.push(self.person(Duty::Guest, &mut dice, &mut taken));
        }
        people
    }

    fn person(&self, duty: Duty, dice: &mut Dice, taken: &mut BTreeSet<String>) -> Person {
        let (first, last, local) = loop {
            let (first, last) = (dice.word(&FIRST), dice.word(&LAST));
            let local = format!("{}.{}", first.to_lowercase(), last.to_lowercase());
            if taken.insert(local.clone()) {
                break (first, last, local);
            }
        };
        let upn = match (duty, dice.pick(self.partners)) {
            (Duty::Guest, Some(partner)) => format!("{local}_{partner}#EXT#@{}", self.initial_domain),
            _ => format!("{local}@{}", self.domain),
        };
        let office = usize::try_from(dice.below(self.places.offices.len() as u64)).unwrap_or_default();
        let start = i32::try_from(dice.between(14, 19) * 30).unwrap_or(480);
        let may_work_less = matches!(duty, Duty::Member | Duty::Maker | Duty::Guest);
        let home = if duty == Duty::Guest { partner_address(dice) } else { home_address(office, dice) };
        Person {
            upn,
            display: format!("{first} {last}"),
            object_id: dice.guid(),
            puid: format!("1003{}", dice.hex(12)),
            duty,
            office,
            start,
            end: start + 540,
            last_day: if dice.chance(120) && may_work_less { 3 } else { 4 },
            evenings: duty == Duty::Maker && dice.chance(300),
            home_days: if dice.chance(200) { 900 } else { 300 },
            desk: if duty == Duty::Guest { home.clone() } else { office_address(office, dice) },
            home,
            agent: dice.word(&AGENTS),
            joins: None,
            leaves: None,
        }
    }

    /// One or two join in the three weeks, and at most one leaves: members all, who own nothing.
    fn come_and_go(&self, people: &mut [Person], dice: &mut Dice) {
        let mut members: Vec<&mut Person> =
            people.iter_mut().filter(|person| person.duty == Duty::Member).collect();
        dice.shuffle(&mut members);
        let mut members = members.into_iter();
        for _ in 0..dice.between(1, 2) {
            if let Some(person) = members.next() {
                person.joins = Some(self.start.plus(dice.between(3, 12) * DAY + DAY / 3));
            }
        }
        if dice.chance(600)
            && let Some(person) = members.next()
        {
            person.leaves = Some(self.start.plus(dice.between(8, 16) * DAY));
        }
    }
}
