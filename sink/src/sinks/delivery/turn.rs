//! One batch on its way: which pieces are open, taken or refused, and which go next.

use std::collections::HashSet;

use pipeline::Reason;

use super::{Held, Piece, REFUSED_MAX, Refusal, TOO_LARGE};
use crate::sinks::Verdict;

/// So many findings are asked by themselves whether the others are bad.
const WITNESSES_MAX: usize = 8;

/// What is known of one piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    Open,
    Taken,
    /// By us, before it was sent, or by the receiver.
    Refused(Reason),
}

/// One batch on its way.
#[derive(Debug)]
pub(super) struct Turn {
    marks: Vec<Mark>,
    /// The length of each piece that can be sent.
    lens: Vec<usize>,
    /// What is still to be sent, the next at the end: a body never reaches over the border of two spans.
    spans: Vec<Vec<usize>>,
    /// Refused since something was taken; nothing has shown yet that it is they who are bad.
    unproven: Vec<(usize, Refusal)>,
    /// How many were refused before this batch, unproven too.
    before: usize,
    /// Pieces of bodies that were refused without a name.
    suspects: HashSet<usize>,
    /// The piece that goes next, alone, to tell bad findings from a bad setting.
    witness: Option<usize>,
    /// How many have been asked since something was taken.
    witnesses: usize,
    taken_any: bool,
    /// How often the receiver was asked.
    pub(super) requests: usize,
}

impl Turn {
    /// A batch; a piece with more than `bytes_max` bytes fits into no body.
    pub(super) fn new(pieces: &[Piece], bytes_max: usize, before: usize) -> Self {
        let mark = |piece: &Piece| match piece {
            Ok(bytes) if bytes.len() > bytes_max => Mark::Refused(TOO_LARGE),
            Ok(_) => Mark::Open,
            Err(reason) => Mark::Refused(reason),
        };
        let marks: Vec<Mark> = pieces.iter().map(mark).collect();
        let open =
            marks.iter().enumerate().filter(|(_, mark)| **mark == Mark::Open).map(|(at, _)| at).collect();
        Self {
            marks,
            lens: pieces.iter().map(|piece| piece.as_ref().map_or(0, Vec::len)).collect(),
            spans: vec![open],
            unproven: Vec::new(),
            before,
            suspects: HashSet::new(),
            witness: None,
            witnesses: 0,
            taken_any: false,
            requests: 0,
        }
    }

    /// The pieces of the next body: as many as fit, one at least. None when nothing is left.
    pub(super) fn next_body(&mut self, frame: (usize, usize), bytes_max: usize) -> Option<Vec<usize>> {
        if let Some(witness) = self.witness {
            return Some(vec![witness]);
        }
        loop {
            let mut span = self.spans.pop()?;
            span.retain(|at| self.is_open(*at));
            if span.is_empty() {
                continue;
            }
            let rest = span.split_off(self.fitting(&span, frame, bytes_max));
            self.spans.push(rest);
            return Some(span);
        }
    }

    /// The first `count` pieces of a body are at the receiver.
    pub(super) fn taken(&mut self, body: &[usize], count: usize) {
        for at in body.iter().take(count) {
            self.mark(*at, Mark::Taken);
        }
        if count > 0 {
            self.taken_any = true;
            self.before = 0;
            self.witness = None;
            self.witnesses = 0;
            self.unproven.clear();
        }
    }

    /// The piece in place `bad` of a body is refused; those behind it go next. What holds everything when that shows
    /// that not this finding is bad.
    pub(super) fn refused(&mut self, body: &[usize], bad: usize, why: Refusal) -> Option<Held> {
        let at = body.get(bad).copied()?;
        self.mark(at, Mark::Refused(why.reason));
        self.unproven.push((at, why));
        if self.witness.take().is_none() {
            self.spans.push(body.iter().skip(bad + 1).copied().collect());
            let doubtful = why.doubtful && !self.taken_any;
            if !doubtful && self.before + self.unproven.len() <= REFUSED_MAX {
                return None;
            }
        }
        self.witness = self.next_witness();
        if self.witness.is_none() { Some(self.distrust()) } else { None }
    }

    /// Open pieces spread over the whole batch: bad findings often stand together.
    fn next_witness(&mut self) -> Option<usize> {
        if self.witnesses == WITNESSES_MAX {
            return None;
        }
        let open: Vec<usize> = (0..self.marks.len()).filter(|at| self.is_open(*at)).collect();
        let at = open.len() * (2 * self.witnesses + 1) / (2 * WITNESSES_MAX);
        self.witnesses += 1;
        open.get(at).copied()
    }

    /// A body goes again in two halves, and one of a single piece as it is, once: an answer may have been meant for
    /// nobody in particular. False where that has been done.
    pub(super) fn halve(&mut self, body: &[usize]) -> bool {
        if let [single] = body
            && !self.suspects.insert(*single)
        {
            return false;
        }
        self.suspects.extend(body);
        let (left, right) = body.split_at(body.len() / 2);
        self.spans.push(right.to_vec());
        self.spans.push(left.to_vec());
        true
    }

    /// How many were refused since something was taken.
    pub(super) fn refused_in_a_row(&self) -> usize {
        self.before + self.unproven.len()
    }

    /// What became of each piece. What is not settled, and everything behind it that is not either, waits.
    pub(super) fn verdicts(mut self, held: Option<&Held>) -> Vec<Verdict> {
        if self.witness.is_some() {
            // It was not seen whether they are bad.
            self.reopen();
        }
        let verdict = |mark: &Mark| match mark {
            Mark::Taken => Verdict::Delivered,
            Mark::Refused(reason) => Verdict::Refused(reason),
            Mark::Open => Verdict::TryAgain {
                after: held.and_then(|held| held.after),
                cause: held.map_or_else(String::new, |held| held.cause.clone()),
            },
        };
        self.marks.iter().map(verdict).collect()
    }

    /// Everything is refused: none of it is believed.
    fn distrust(&mut self) -> Held {
        let count = self.before + self.unproven.len();
        let reason = self.unproven.last().map_or("", |(_, why)| why.reason);
        self.reopen();
        let cause = format!(
            "each of the last {count} findings was refused ({reason}) and none taken: the setting is wrong, or what \
             the receiver expects; nothing is dead-lettered"
        );
        Held::fault(None, cause)
    }

    fn reopen(&mut self) {
        for (at, _) in std::mem::take(&mut self.unproven) {
            self.mark(at, Mark::Open);
        }
    }

    fn fitting(&self, span: &[usize], (around, between): (usize, usize), bytes_max: usize) -> usize {
        let mut bytes = around;
        for (count, at) in span.iter().enumerate() {
            let len = self.lens.get(*at).copied().unwrap_or_default();
            bytes += len + if count == 0 { 0 } else { between };
            if bytes > bytes_max && count > 0 {
                return count;
            }
        }
        span.len()
    }

    fn is_open(&self, at: usize) -> bool {
        self.marks.get(at) == Some(&Mark::Open)
    }

    fn mark(&mut self, at: usize, mark: Mark) {
        if let Some(held) = self.marks.get_mut(at) {
            *held = mark;
        }
    }
}
