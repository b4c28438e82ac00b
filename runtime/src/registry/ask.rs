//! Asks for an id that no record had before, from a thread that may wait: the Kafka consumer's.
//!
//! A registry that does not answer is asked again while the consumer waits, [`PATIENT`] long, so that the restart of a
//! registry sends nothing to the dead letter. After that an unknown id is given up at once, with an error in the log; the
//! dead letter keeps the bytes.
//!
//! Whoever may write to a topic may write any id there, and must not be able to hold the consumer up. So what the registry
//! does not have is remembered for a while; after a question without an answer, or with a slow one, nothing is asked for
//! [`QUIET`]; and patience comes back only with a quick answer, or after [`TROUBLED`].

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError, mpsc::sync_channel},
    time::Duration,
};

use pipeline::Clock;
use schemas::{
    Micros,
    ids::{Answer, Ask},
};
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use super::{Registry, RegistryError};

/// So long the partitions of a consumer wait; its group is kept by another thread.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// A registry that is away, or slow, is not asked again for so long.
const QUIET: Duration = Duration::from_secs(5);
/// An answer that takes longer holds a consumer up.
const SLOW: Duration = Duration::from_secs(1);
/// So long from the first question that had no quick answer, a consumer waits for the next.
const PATIENT: Duration = Duration::from_secs(30);
/// After so long, what was out of order then is forgotten.
const TROUBLED: Duration = Duration::from_secs(300);
/// An id that it does not have may be there later: registries have replicas.
const UNKNOWN_FOR: Duration = Duration::from_secs(60);
const UNKNOWN_MAX: usize = 1000;

/// What is not asked again so soon.
#[derive(Default)]
struct Quiet {
    unknown: BTreeMap<u32, Micros>,
    trouble: Option<Trouble>,
}

/// The registry is away, or slow.
struct Trouble {
    since: Micros,
    quiet_until: Micros,
    /// What it was not waited for any longer; the first [`UNKNOWN_MAX`] ids are told.
    given_up: BTreeSet<u32>,
}

impl Quiet {
    fn answer(&mut self, id: u32, now: Micros) -> Option<Answer> {
        if self.unknown.get(&id).is_some_and(|until| now < *until) {
            return Some(Answer::None);
        }
        if self.trouble.as_ref().is_some_and(|trouble| now >= after(trouble.since, TROUBLED)) {
            self.trouble = None;
        }
        self.trouble
            .as_mut()
            .filter(|trouble| now < trouble.quiet_until)
            .map(|trouble| trouble.put_off(id, now))
    }

    /// Notes what was said at `now` to a question of `asked`; returns what that means to who asked.
    fn note(&mut self, id: u32, answer: Answer, asked: Micros, now: Micros) -> Answer {
        if answer == Answer::None {
            self.is_unknown(id, now);
        }
        let is_said = !matches!(answer, Answer::Later | Answer::Away);
        if is_said && now < after(asked, SLOW) {
            self.trouble = None;
            return answer;
        }
        let begun = || Trouble { since: asked, quiet_until: now, given_up: BTreeSet::new() };
        let trouble = self.trouble.get_or_insert_with(begun);
        trouble.quiet_until = after(now, QUIET);
        if is_said { answer } else { trouble.put_off(id, now) }
    }

    fn is_unknown(&mut self, id: u32, now: Micros) {
        if self.unknown.len() >= UNKNOWN_MAX {
            self.unknown.retain(|_, until| now < *until);
        }
        if self.unknown.len() >= UNKNOWN_MAX {
            self.unknown.clear();
        }
        self.unknown.insert(id, after(now, UNKNOWN_FOR));
    }
}

impl Trouble {
    fn put_off(&mut self, id: u32, now: Micros) -> Answer {
        if now < after(self.since, PATIENT) {
            return Answer::Later;
        }
        if self.given_up.len() < UNKNOWN_MAX && self.given_up.insert(id) {
            tracing::error!(
                id,
                "the schema registry does not say what this schema id is: its records are not read"
            );
        }
        Answer::Away
    }
}

/// Asks `registry` by means of the runtime it is made in, never on its threads.
pub(super) fn asking(registry: Registry) -> Ask {
    let (handle, tasks, clock) = (Handle::current(), TaskTracker::new(), Clock::machine());
    let quiet: Mutex<Quiet> = Mutex::default();
    Box::new(move |id| {
        // Held while the registry is asked: others that wait for it need not ask as well.
        let mut quiet = quiet.lock().unwrap_or_else(PoisonError::into_inner);
        let now = clock.now();
        if let Some(answer) = quiet.answer(id, now) {
            return answer;
        }
        let (sender, answered) = sync_channel(1);
        let asked = registry.clone();
        tasks.spawn_on(
            async move {
                // Whoever asked may have gone.
                drop(sender.send(asked.schema(id, ANSWER_WITHIN).await));
            },
            &handle,
        );
        // The exchange has the same bound; the second is for a runtime that is ending.
        let answer = answered.recv_timeout(ANSWER_WITHIN + Duration::from_secs(1));
        let answer = said(id, answer.unwrap_or_else(|_| Err(RegistryError::Away("no answer".to_owned()))));
        quiet.note(id, answer, now, clock.now())
    })
}

fn said(id: u32, answer: Result<Option<String>, RegistryError>) -> Answer {
    match answer {
        Ok(Some(text)) => Answer::Schema(text),
        Ok(None) => Answer::None,
        Err(error) => {
            tracing::warn!(id, %error, "a schema id is not known here, and cannot be looked up");
            Answer::Away
        }
    }
}

fn after(now: Micros, wait: Duration) -> Micros {
    Micros(now.0.saturating_add(i64::try_from(wait.as_micros()).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: i64) -> Micros {
        Micros(seconds * 1_000_000)
    }

    #[test]
    fn what_the_registry_does_not_have_is_not_asked_for_at_once_again() {
        let mut quiet = Quiet::default();
        assert_eq!(quiet.note(7, Answer::None, at(0), at(0)), Answer::None);
        assert_eq!(quiet.answer(7, at(59)), Some(Answer::None));
        assert_eq!(quiet.answer(7, at(60)), None);
        assert_eq!(quiet.answer(8, at(0)), None);
    }

    /// Law: a registry that is away for less than 30 s sends nothing to the dead letter.
    #[test]
    fn a_registry_that_is_away_is_asked_every_five_seconds_and_given_up_after_thirty() {
        let mut quiet = Quiet::default();
        for asked in [100, 106, 112, 118] {
            assert_eq!(quiet.answer(8, at(asked)), None);
            assert_eq!(quiet.note(8, Answer::Away, at(asked), at(asked + 1)), Answer::Later);
            assert_eq!(quiet.answer(9, at(asked + 5)), Some(Answer::Later));
        }
        assert_eq!(quiet.note(8, Answer::Away, at(129), at(130)), Answer::Away);
        assert_eq!(quiet.answer(8, at(134)), Some(Answer::Away));
        assert_eq!(quiet.answer(9, at(134)), Some(Answer::Away), "nobody has another half minute");
        assert_eq!(quiet.answer(9, at(135)), None);
        assert_eq!(quiet.trouble.as_ref().unwrap().given_up, BTreeSet::from([8, 9]), "each is told once");
        let text = Answer::Schema(String::new());
        assert_eq!(quiet.note(9, text.clone(), at(135), at(135)), text);
        assert_eq!(quiet.note(8, Answer::Away, at(140), at(141)), Answer::Later, "patience is back");
        assert_eq!(quiet.answer(8, at(439)), None);
        assert_eq!(quiet.note(8, Answer::Away, at(439), at(439)), Answer::Away);
        assert_eq!(quiet.answer(8, at(440)), None, "forgotten");
        assert_eq!(quiet.note(8, Answer::Away, at(440), at(440)), Answer::Later);
    }

    /// Strangers' ids must not hold a consumer up one by one: of a slow registry there is a question in five seconds.
    #[test]
    fn a_slow_answer_is_one_and_the_next_question_waits() {
        let mut quiet = Quiet::default();
        assert_eq!(quiet.note(7, Answer::None, at(0), at(4)), Answer::None);
        assert_eq!(quiet.answer(8, at(8)), Some(Answer::Later));
        assert_eq!(quiet.answer(8, at(9)), None);
        assert_eq!(quiet.note(8, Answer::None, at(28), at(32)), Answer::None);
        assert_eq!(quiet.answer(9, at(36)), Some(Answer::Away));
        assert_eq!(quiet.answer(7, at(36)), Some(Answer::None), "what it has said is still so");
    }

    #[test]
    fn strange_ids_take_no_more_than_their_room() {
        let mut quiet = Quiet::default();
        for id in 0..5000 {
            quiet.note(id, Answer::None, Micros(0), Micros(0));
            assert!(quiet.unknown.len() <= UNKNOWN_MAX);
        }
        assert_eq!(quiet.answer(4999, Micros(1)), Some(Answer::None));
        for id in 0..5000 {
            quiet.note(id, Answer::Away, Micros(0), at(31));
        }
        assert_eq!(quiet.trouble.unwrap().given_up.len(), UNKNOWN_MAX);
    }
}
