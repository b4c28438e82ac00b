//! What is normal for an hour: 168 slots of the week, learnt from 42 days that are over.
//!
//! For an hour on local day d the days d − 43 to d − 2 teach, from the first hour on in which the key was there. A slot
//! is drawn to what its hour of the day does on all days, that to what the key does in all hours, that to the prior: the
//! less a level knows by itself, the more. Older weeks weigh less: the weight halves every three weeks, in steps of a
//! week, as whole 1024ths, so that all sums are of integers and do not depend on an order. What one hour teaches is held
//! at the middle of its slot's weeks plus six times their spread, or at `floor`: one bad day does not become normal, and
//! a slot has to be high in most of its weeks before it is.
//!
//! An hour is held against the busiest of its slot and the two beside it: work that begins a minute early, or a clock
//! that was put on, is no spike.

use super::Settings;

/// The day before the judged one that teaches last.
const FIRST_DAY: i64 = 2;
/// The oldest day that teaches.
pub(super) const LAST_DAY: i64 = FIRST_DAY + 7 * 6 - 1;

/// By weeks of age, in 1024ths: one half after three weeks.
const WEIGHTS: [u64; 6] = [1024, 813, 645, 512, 406, 323];
const UNIT: f64 = 1024.0;

const DAY_HOURS: i64 = 24;
const WEEK_HOURS: i64 = 168;

/// Hours' worth of evidence that the prior is, and at most that a level lends to the one below: of all hours to an hour
/// of the day, and of an hour of the day to a slot.
const PRIOR_HOURS: f64 = 0.1;
const KEY_HOURS: f64 = 7.0;
const HOUR_OF_DAY_HOURS: f64 = 2.0;

/// What one hour may teach above the middle of its slot, in spreads.
const SPREADS: u64 = 6;

/// What is expected of an hour, and how many hours' worth of evidence there is for it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Expected {
    /// How much.
    pub mean: f64,
    /// How sure.
    pub weight: f64,
}

/// A baseline as far as one hour needs it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Baseline {
    /// What is expected of the hour.
    pub expected: Expected,
    /// For how many days the key is known, 43 at most.
    pub known_days: i64,
}

/// One hour that teaches.
struct Lesson {
    slot: usize,
    weight: u64,
    count: u64,
}

/// Counts and hours, weighed, in 1024ths.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    count: u64,
    hours: u64,
}

impl Baseline {
    /// The baseline of `hour` from hours before it with their counts, in the order of time; `None` for a key that
    /// nothing is expected of yet.
    #[must_use]
    pub fn learn(counts: &[(i64, u64)], hour: i64, settings: &Settings) -> Option<Self> {
        let local = settings.zone.local_hour(hour);
        let day = local.div_euclid(DAY_HOURS);
        let days = day.saturating_sub(LAST_DAY)..=day.saturating_sub(FIRST_DAY);
        let day_of = |hour: i64| settings.zone.local_hour(hour).div_euclid(DAY_HOURS);
        let first = counts.iter().find(|(hour, _)| days.contains(&day_of(*hour)));
        let known_days = first.map_or(0, |(first, _)| day.saturating_sub(day_of(*first)));
        let Some((first, _)) = first.filter(|_| known_days >= settings.learn_days) else {
            let expected = Expected { mean: settings.prior?, weight: PRIOR_HOURS };
            return Some(Self { expected, known_days });
        };
        let lessons = lessons(counts, *first..hour, *days.end(), settings);
        let sums = Sums::of(&lessons, settings.floor);
        let prior = Expected { mean: settings.prior.unwrap_or(0.0), weight: PRIOR_HOURS };
        let near = [-1, 0, 1].map(|step| sums.expected(local.saturating_add(step), prior));
        let expected = near.into_iter().max_by(|one, other| one.mean.total_cmp(&other.mean))?;
        Some(Self { expected, known_days })
    }
}

/// Every hour from the first one to the last day that teaches, the empty ones too.
fn lessons(
    counts: &[(i64, u64)],
    hours: std::ops::Range<i64>,
    last_day: i64,
    settings: &Settings,
) -> Vec<Lesson> {
    let start = hours.start;
    let mut counts = counts.iter().skip_while(|(hour, _)| *hour < start).peekable();
    let mut lessons = Vec::new();
    for hour in hours {
        let local = settings.zone.local_hour(hour);
        let age_days = last_day.saturating_sub(local.div_euclid(DAY_HOURS));
        let weight = usize::try_from(age_days.div_euclid(7)).ok().and_then(|weeks| WEIGHTS.get(weeks));
        let count = counts.next_if(|(other, _)| *other == hour).map_or(0, |(_, count)| *count);
        if let Some(weight) = weight {
            lessons.push(Lesson { slot: slot_of(local), weight: *weight, count });
        }
    }
    lessons
}

fn slot_of(local_hour: i64) -> usize {
    usize::try_from(local_hour.rem_euclid(WEEK_HOURS)).unwrap_or_default()
}

/// The sums of all three levels.
struct Sums {
    key: Sum,
    hours_of_day: Vec<Sum>,
    slots: Vec<Sum>,
}

impl Sums {
    fn of(lessons: &[Lesson], floor: u64) -> Self {
        let slots = usize::try_from(WEEK_HOURS).unwrap_or_default();
        let hours = usize::try_from(DAY_HOURS).unwrap_or(1);
        let mut weeks: Vec<Vec<u64>> = vec![Vec::new(); slots];
        for lesson in lessons {
            if let Some(weeks) = weeks.get_mut(lesson.slot) {
                weeks.push(lesson.count);
            }
        }
        let most: Vec<u64> = weeks.iter_mut().map(|weeks| most(weeks).max(floor)).collect();
        let mut sums = Self {
            key: Sum::default(),
            hours_of_day: vec![Sum::default(); hours],
            slots: vec![Sum::default(); slots],
        };
        for lesson in lessons {
            let taught = lesson.count.min(most.get(lesson.slot).copied().unwrap_or(floor));
            sums.key.add(taught, lesson.weight);
            let levels = [sums.hours_of_day.get_mut(lesson.slot % hours), sums.slots.get_mut(lesson.slot)];
            levels.into_iter().flatten().for_each(|sum| sum.add(taught, lesson.weight));
        }
        sums
    }

    fn expected(&self, local_hour: i64, prior: Expected) -> Expected {
        let slot = slot_of(local_hour);
        let of = |sums: &[Sum], at: usize| sums.get(at).copied().unwrap_or_default();
        let hour_of_day = of(&self.hours_of_day, slot % self.hours_of_day.len().max(1));
        let key = self.key.drawn_to(prior);
        let hour_of_day = hour_of_day.drawn_to(Expected { weight: key.weight.min(KEY_HOURS), ..key });
        let weight = hour_of_day.weight.min(HOUR_OF_DAY_HOURS);
        of(&self.slots, slot).drawn_to(Expected { weight, ..hour_of_day })
    }
}

impl Sum {
    fn add(&mut self, count: u64, weight: u64) {
        self.count = self.count.saturating_add(count.saturating_mul(weight));
        self.hours = self.hours.saturating_add(weight);
    }

    fn drawn_to(self, above: Expected) -> Expected {
        let (count, hours) = (self.count as f64 / UNIT, self.hours as f64 / UNIT);
        let weight = above.weight + hours;
        Expected { mean: (above.mean * above.weight + count) / weight.max(f64::MIN_POSITIVE), weight }
    }
}

/// The most that an hour of a slot may teach: the lower median of its weeks, and six times the median distance to it.
fn most(weeks: &mut [u64]) -> u64 {
    let middle = lower_median(weeks);
    let mut distances: Vec<u64> = weeks.iter().map(|count| count.abs_diff(middle)).collect();
    let spread = lower_median(&mut distances).max(1);
    middle.saturating_add(SPREADS.saturating_mul(spread))
}

fn lower_median(numbers: &mut [u64]) -> u64 {
    numbers.sort_unstable();
    numbers.len().checked_sub(1).and_then(|last| numbers.get(last / 2)).copied().unwrap_or_default()
}
