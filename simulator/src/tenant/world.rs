//! A tenant as it stands: places, people, estate, and what hour it is for whom. What happens in it is told elsewhere.

use schemas::Micros;
use schemas::time::{DAY, HOUR, MINUTE, SECOND};

use super::dice::Dice;
use super::estate::{Estate, Flow, Rhythm};
use super::people::{Person, Roll};
use super::places::{Places, office_address};
use super::words::{COMPANIES, PARTNERS};

/// Minutes before and after a person's own hours that still count as theirs.
pub(crate) const EDGE: i32 = 60;

/// The tenant without its events.
pub(crate) struct World {
    pub(crate) seed: u64,
    /// The first midnight.
    pub(crate) start: Micros,
    pub(crate) tenant_id: String,
    pub(crate) company: &'static str,
    pub(crate) domain: String,
    pub(crate) initial_domain: String,
    pub(crate) partners: Vec<&'static str>,
    pub(crate) places: Places,
    pub(crate) people: Vec<Person>,
    pub(crate) estate: Estate,
    /// How this tenant's flow records write connectors: as people see them, or by reference.
    pub(crate) shows_display_names: bool,
}

impl World {
    pub(crate) fn new(seed: u64, start: Micros) -> Self {
        let mut dice = Dice::of(seed, "world", &[]);
        let company = dice.word(&COMPANIES);
        let (domain, initial_domain) =
            (format!("{company}.example"), format!("{company}.onmicrosoft.example"));
        let mut partners = PARTNERS.to_vec();
        dice.shuffle(&mut partners);
        partners.truncate(2);
        let tenant_id = dice.guid();
        let places = Places::new(seed);
        let roll = Roll {
            seed,
            start,
            places: &places,
            domain: &domain,
            initial_domain: &initial_domain,
            partners: &partners,
        };
        let people = roll.people();
        let estate = Estate::new(seed, start, &tenant_id, &people);
        let shows_display_names = dice.chance(500);
        Self {
            seed,
            start,
            tenant_id,
            company,
            domain,
            initial_domain,
            partners,
            places,
            people,
            estate,
            shows_display_names,
        }
    }

    /// Where the company's files are.
    pub(crate) fn share_host(&self) -> String {
        format!("https://{}.sharepoint.example", self.company)
    }

    /// How busy somebody is, in thousandths of their busiest hour.
    pub(crate) fn busyness(&self, index: usize, time: Micros) -> u32 {
        let Some(person) = self.people.get(index).filter(|person| person.is_there(time)) else { return 0 };
        let (minute, weekday) = self.places.local(person.office, time);
        let works = weekday <= person.last_day;
        let noon = (720..780).contains(&minute);
        if works && (person.start..person.end).contains(&minute) {
            return if noon { 450 } else { 1000 };
        }
        if works && (person.start - EDGE..person.end + EDGE).contains(&minute) {
            return 150;
        }
        let evening = (1140..1350).contains(&minute) && person.evenings;
        if evening && !self.is_away(index, time) { 60 } else { 0 }
    }

    /// Whether it is working time for somebody, `margin` minutes from either end.
    pub(crate) fn at_work(&self, index: usize, time: Micros, margin: i32) -> bool {
        let Some(person) = self.people.get(index).filter(|person| person.is_there(time)) else {
            return false;
        };
        let (minute, weekday) = self.places.local(person.office, time);
        weekday <= person.last_day && (person.start + margin..person.end - margin).contains(&minute)
    }

    /// Whether somebody surely sleeps: hours away from any working time.
    pub(crate) fn at_rest(&self, index: usize, time: Micros) -> bool {
        const FAR: i32 = 4 * 60;
        let Some(person) = self.people.get(index) else { return false };
        let (minute, _) = self.places.local(person.office, time);
        minute < person.start - FAR || minute >= person.end + FAR
    }

    /// A moment of that day at which somebody is well inside their working time; none on a free day.
    pub(crate) fn working_moment(&self, index: usize, day: i64, dice: &mut Dice) -> Option<Micros> {
        const MARGIN: i32 = 90;
        let fits = |time: &Micros| self.at_work(index, *time, MARGIN);
        self.moment(day, dice, fits)
    }

    /// A moment of that day at which somebody sleeps.
    pub(crate) fn resting_moment(&self, index: usize, day: i64, dice: &mut Dice) -> Option<Micros> {
        let fits = |time: &Micros| self.at_rest(index, *time) && self.at_rest(index, time.plus(HOUR));
        self.moment(day, dice, fits)
    }

    fn moment(&self, day: i64, dice: &mut Dice, fits: impl Fn(&Micros) -> bool) -> Option<Micros> {
        /// Two hours are left until midnight, so that what begins on a day ends on it.
        const QUARTERS: i64 = 22 * 4;
        let first = self.start.plus(day * DAY);
        let quarters = (0..QUARTERS).map(|quarter| first.plus(quarter * 15 * MINUTE));
        let fitting: Vec<Micros> = quarters.filter(fits).collect();
        let quarter = dice.pick(&fitting).copied()?;
        Some(quarter.plus(dice.between(0, 899) * SECOND))
    }

    /// Where somebody is: at the desk, at home, or on a visit to another office.
    pub(crate) fn address(&self, index: usize, time: Micros) -> String {
        let Some(person) = self.people.get(index) else { return String::new() };
        let in_hours = self.at_work(index, time, 0);
        if in_hours && self.is_away(index, time) {
            let other = (person.office + 1) % self.places.offices.len().max(1);
            return office_address(other, &mut self.day_dice(index, time, "visit"));
        }
        let at_home = !in_hours || self.day_dice(index, time, "home").chance(person.home_days);
        if at_home { person.home.clone() } else { person.desk.clone() }
    }

    /// Whether the day is one of a visit to another office.
    pub(crate) fn is_away(&self, index: usize, time: Micros) -> bool {
        let stays = self.people.get(index).is_none_or(|person| person.is_guest() || person.is_admin());
        !stays && self.places.offices.len() > 1 && self.day_dice(index, time, "away").chance(3)
    }

    /// The days since the first midnight.
    pub(crate) fn day(&self, time: Micros) -> i64 {
        (time.0 - self.start.0).div_euclid(DAY)
    }

    fn day_dice(&self, index: usize, time: Micros, topic: &str) -> Dice {
        Dice::of(self.seed, topic, &[i64::try_from(index).unwrap_or_default(), self.day(time)])
    }

    /// The runs that a flow's rhythm gives in the hour that begins at `time`, in thousandths, on the average.
    pub(crate) fn runs_expected(&self, flow: &Flow, time: Micros) -> u32 {
        match flow.rhythm {
            Rhythm::Busy(peak) | Rhythm::Manual(peak) => {
                let office = self.people.get(flow.owner).map_or(0, |owner| owner.office);
                let (minute, weekday) = self.places.local(office, time);
                let share = match (weekday, minute) {
                    (5 | 6, _) => 0,
                    (_, 480..720 | 780..1020) => 1000,
                    (_, 720..780 | 420..480 | 1020..1080) => 500,
                    _ => 0,
                };
                peak / 1000 * share + peak % 1000 * share / 1000
            }
            Rhythm::Steady(rate) => rate,
            Rhythm::Hourly(_) => 1000,
            Rhythm::Daily(_) => 42,
        }
    }
}
