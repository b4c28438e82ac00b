//! One finding's row: a short id, when, and who did what.

use schemas::{
    Micros,
    finding::{Entity, Finding},
};

use super::{
    text::{GLUE, clean},
    {count, write_block},
};

/// The shortest prefix of an id that is shown.
const ID_CHARS_MIN: usize = 8;
/// The longest entity and summary, in characters.
const ENTITY_CHARS_MAX: usize = 100;
const SUMMARY_CHARS_MAX: usize = 300;
/// A name that was cut still says which one is meant when so much of it is left.
const MENTION_CHARS_MIN: usize = 32;
/// With fewer columns than this left for the text, it goes on a line of its own.
const TEXT_COLUMNS_MIN: usize = 30;

/// How wide a rule's columns are.
pub(super) struct Columns {
    id_chars: usize,
    when_chars: usize,
}

impl Columns {
    /// For these findings, with ids of so many digits.
    pub(super) fn new(id_chars: usize, findings: &[&Finding]) -> Self {
        let when_chars = findings.iter().map(|finding| when(finding).chars().count()).max().unwrap_or(0);
        Self { id_chars, when_chars }
    }

    pub(super) fn write_row(&self, finding: &Finding, width: usize, out: &mut String) {
        let id: String = finding.id.to_string().chars().take(self.id_chars).collect();
        let lead = format!("  {id}  {:<1$}  ", when(finding), self.when_chars);
        let indent = lead.chars().count();
        let events = usize::try_from(finding.event_count).unwrap_or_default();
        let summary = clean(&finding.summary, SUMMARY_CHARS_MAX);
        // A summary that names the entity says it all.
        let named = says_which(&finding.entity).any(|name| names(&summary, &clean(name, SUMMARY_CHARS_MAX)));
        let entity = if named { String::new() } else { clean(&finding.entity.id, ENTITY_CHARS_MAX) };
        let parts: Vec<String> = [entity, summary].into_iter().filter(|part| !part.is_empty()).collect();
        let events = count(events, "event").replace(' ', &GLUE.to_string());
        let text = format!("{} ·{GLUE}{events}", parts.join(" · "));
        if width < indent + TEXT_COLUMNS_MIN {
            write_block("  ", 2, lead.trim(), width, out);
            write_block("    ", 4, &text, width, out);
        } else {
            write_block(&lead, indent, &text, width, out);
        }
    }
}

/// What names the entity: its id; of a mailbox also what follows Exchange's path to it.
fn says_which(entity: &Entity) -> impl Iterator<Item = &str> {
    let path = entity.id.rsplit_once('/').filter(|_| entity.kind == "mailbox");
    std::iter::once(entity.id.as_str()).chain(path.map(|(_, name)| name).filter(|name| !name.is_empty()))
}

/// Whether the entity stands in the summary by itself, and not only as a part of another name: whole, or cut.
fn names(summary: &str, entity: &str) -> bool {
    let ends_apart = |text: &str| text.chars().next_back().is_none_or(is_apart);
    let mut between = summary.split(entity).zip(summary.split(entity).skip(1));
    let whole =
        between.any(|(before, after)| ends_apart(before) && after.chars().next().is_none_or(is_apart));
    whole
        || summary.match_indices('…').any(|(at, _)| {
            let shown = summary.get(..at).unwrap_or_default();
            beginnings(entity).any(|beginning| shown.strip_suffix(beginning).is_some_and(ends_apart))
        })
}

fn is_apart(c: char) -> bool {
    c.is_whitespace() || "(),:;\"'".contains(c)
}

/// What may be left of the entity where it was cut.
fn beginnings(entity: &str) -> impl Iterator<Item = &str> {
    entity.char_indices().skip(MENTION_CHARS_MIN).filter_map(|(at, _)| entity.get(..at))
}

/// How many digits tell every id from every other, but not fewer than eight.
pub(super) fn unambiguous(findings: &[&Finding]) -> usize {
    let mut ids: Vec<String> = findings.iter().map(|finding| finding.id.to_string()).collect();
    ids.sort_unstable();
    ids.dedup();
    let neighbours = ids.iter().zip(ids.iter().skip(1));
    let shared =
        neighbours.map(|(one, next)| one.bytes().zip(next.bytes()).take_while(|(a, b)| a == b).count());
    shared.max().map_or(0, |shared| shared + 1).max(ID_CHARS_MIN)
}

/// From the first to the last event, to the minute, without repeating what is the same.
fn when(finding: &Finding) -> String {
    let (first, last) = (Minute::of(finding.first_time), Minute::of(finding.last_time));
    if first == last {
        format!("{} {}", first.date, first.time)
    } else if first.date == last.date {
        format!("{} {}–{}", first.date, first.time, last.time)
    } else {
        let date = if first.year() == last.year() { last.day() } else { &last.date };
        format!("{} {} – {date} {}", first.date, first.time, last.time)
    }
}

/// `2021-03-04 05:06`.
pub(super) fn minute(at: Micros) -> String {
    let Minute { date, time } = Minute::of(at);
    format!("{date} {time}")
}

#[derive(PartialEq)]
struct Minute {
    date: String,
    time: String,
}

impl Minute {
    fn of(at: Micros) -> Self {
        // 2021-03-04T05:06:07.5Z; what lies outside the calendar has words instead.
        let text = at.to_string();
        match text.split_once('T') {
            Some((date, time)) => Self { date: date.to_owned(), time: time.chars().take(5).collect() },
            None => Self { date: text, time: String::new() },
        }
    }

    fn year(&self) -> Option<&str> {
        self.date.split_once('-').map(|(year, _)| year)
    }

    /// Month and day.
    fn day(&self) -> &str {
        self.date.split_once('-').map_or(&self.date, |(_, day)| day)
    }
}
