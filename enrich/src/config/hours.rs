//! Working hours and days, in local time.

/// From when to when, in minutes since midnight. Where the end is not after the start, the hours pass midnight and
/// belong to the day they begin on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hours {
    start: i32,
    end: i32,
}

/// Days of the week, Monday first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Days([bool; 7]);

const NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// Minutes in a day; the latest end of hours.
const DAY: i32 = 24 * 60;

impl Hours {
    /// Whether `minute` (since local midnight) of a `weekday` (Monday is 0) lies inside, when people work on `days`.
    /// The start is inside, the end is not.
    #[must_use]
    pub fn contain(self, minute: i32, weekday: usize, days: Days) -> bool {
        if self.start < self.end {
            return days.has(weekday) && (self.start..self.end).contains(&minute);
        }
        let evening = days.has(weekday) && minute >= self.start;
        let night = days.has(weekday + 6) && minute < self.end;
        evening || night
    }
}

impl Days {
    /// Whether `weekday` is one of them; counts on after Sunday.
    fn has(self, weekday: usize) -> bool {
        self.0.get(weekday % 7).copied().unwrap_or(false)
    }
}

impl Default for Days {
    /// Monday to Friday.
    fn default() -> Self {
        Self([true, true, true, true, true, false, false])
    }
}

impl FromIterator<Days> for Days {
    fn from_iter<I: IntoIterator<Item = Self>>(all: I) -> Self {
        let mut union = [false; 7];
        for Self(days) in all {
            for (day, more) in union.iter_mut().zip(days) {
                *day |= more;
            }
        }
        Self(union)
    }
}

/// `08:00-18:00`, `22:00-06:00`, `00:00-24:00`.
pub(super) fn read_hours(text: &str) -> Result<Hours, String> {
    let both = text.split_once('-').and_then(|(start, end)| Some((read_minute(start)?, read_minute(end)?)));
    match both {
        Some((start, end)) if start < DAY && start != end => Ok(Hours { start, end }),
        _ => Err("must be two times of the day, 08:00-18:00 for example".to_owned()),
    }
}

fn read_minute(text: &str) -> Option<i32> {
    let (hour, minute) = text.trim().split_once(':')?;
    let digits = |text: &str| (text.len() == 2).then(|| text.parse::<u8>().ok()).flatten();
    let (hour, minute) = (i32::from(digits(hour)?), i32::from(digits(minute)?));
    let total = hour * 60 + minute;
    (minute < 60 && total <= DAY).then_some(total)
}

/// `mon`, or `mon-fri`; a range may pass Sunday.
pub(super) fn read_days(text: &str) -> Result<Days, String> {
    let day = |name: &str| NAMES.iter().position(|known| name.trim().eq_ignore_ascii_case(known));
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (Some(first), Some(last)) = (day(first), day(last)) else {
        return Err(format!("must be a day or a range of days, of {}", NAMES.join(", ")));
    };
    let mut days = [false; 7];
    for (index, day) in days.iter_mut().enumerate() {
        *day = if first <= last { (first..=last).contains(&index) } else { index >= first || index <= last };
    }
    Ok(Days(days))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_inside_one_day_are_half_open() {
        let hours = read_hours("08:00-18:00").unwrap();
        let on_monday = |minute| hours.contain(minute, 0, Days::default());
        assert!(!on_monday(479) && on_monday(480) && on_monday(1079) && !on_monday(1080));
        assert!(!hours.contain(600, 5, Days::default()), "Saturday is no working day");
    }

    #[test]
    fn hours_past_midnight_belong_to_the_day_they_begin_on() {
        let hours = read_hours("22:00-06:00").unwrap();
        let friday = read_days("fri").unwrap();
        assert!(hours.contain(23 * 60, 4, friday), "Friday evening");
        assert!(hours.contain(5 * 60, 5, friday), "the night after it");
        assert!(!hours.contain(5 * 60, 4, friday), "the night before it belongs to Thursday");
        assert!(!hours.contain(23 * 60, 5, friday));
        let sunday = read_days("sun").unwrap();
        assert!(hours.contain(60, 0, sunday), "Monday's night belongs to Sunday");
    }

    #[test]
    fn the_whole_day_has_no_gap() {
        let hours = read_hours("00:00-24:00").unwrap();
        let all = read_days("mon-sun").unwrap();
        assert!((0..DAY).all(|minute| hours.contain(minute, 3, all)));
    }

    #[test]
    fn ranges_of_days_may_pass_sunday() {
        assert_eq!(read_days("sat-mon"), Ok(Days([true, false, false, false, false, true, true])));
        assert_eq!(
            [read_days("mon-thu").unwrap(), read_days("FRI").unwrap()].into_iter().collect::<Days>(),
            Days::default()
        );
    }

    #[test]
    fn what_is_no_time_or_day_is_refused() {
        for text in
            ["", "08:00", "8:00-18:00", "08:00-18:60", "24:00-06:00", "08:00-08:00", "25:00-26:00", "a:b-c:d"]
        {
            assert!(read_hours(text).is_err(), "{text}");
        }
        for text in ["", "monday", "mon-", "mon-x", "0"] {
            assert!(read_days(text).is_err(), "{text}");
        }
    }
}
