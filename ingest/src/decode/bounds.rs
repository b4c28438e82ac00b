//! The bounds of an event's texts: what a record says may be as long as the record, what an event says may not.
//!
//! Limits: a text has 16 KiB at most, the tenant 256 bytes; a list 1,000 items and 64 KiB. What is longer is cut and
//! ends with a mark `…` (a list: with an item of it). So an event without the record's bytes is below 400,000 bytes,
//! and what enrich repeats of its lists is below 250,000. Ids are made before, from the whole texts.

use schemas::Event;
use schemas::event::{Activity, Actor, Address, Environment, Resource, Run};

const TENANT_BYTES_MAX: usize = 256;
const TEXT_BYTES_MAX: usize = 16 * 1024;
const LIST_BYTES_MAX: usize = 64 * 1024;
/// The most items of a list.
pub(super) const LIST_ITEMS_MAX: usize = 1000;

const MARK: &str = "…";

/// Cuts what is too long. It names every field, so that a new one is thought of.
pub(super) fn hold(event: &mut Event) {
    let Event { tenant, native_id, workload, operation, activity, .. } = event;
    cut(tenant, TENANT_BYTES_MAX);
    [native_id, workload, operation].into_iter().for_each(text);
    let Activity {
        kind,
        actor: Actor { id: actor, kind: actor_kind, object_id },
        outcome,
        resource: Resource { kind: resource_kind, id: resource, name },
        environment,
        connectors,
        recipients,
        permission,
        address,
        run,
    } = activity;
    let texts = [kind, actor, actor_kind, object_id, outcome, resource_kind, resource, name, permission];
    texts.into_iter().for_each(text);
    if let Some(Environment { id, is_default: _ }) = environment {
        text(id);
    }
    if let Some(Address { text: written, ip }) = address {
        [written, ip].into_iter().for_each(text);
    }
    if let Some(Run { id, key, start: _, end: _, status, trigger, parent, label, reported_by }) = run {
        [id, key, status, trigger, parent, label, reported_by].into_iter().for_each(text);
    }
    [connectors, recipients].into_iter().for_each(list);
}

fn list(items: &mut Vec<String>) {
    items.iter_mut().for_each(text);
    let mut bytes = 0;
    let in_bytes = |item: &&String| {
        bytes += item.len();
        bytes <= LIST_BYTES_MAX
    };
    let fit = items.iter().take(LIST_ITEMS_MAX).take_while(in_bytes).count();
    if fit < items.len() {
        items.truncate(fit.min(LIST_ITEMS_MAX - 1));
        items.push(MARK.to_owned());
    }
}

fn text(text: &mut String) {
    cut(text, TEXT_BYTES_MAX);
}

fn cut(text: &mut String, most: usize) {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most - MARK.len()));
        text.push_str(MARK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(length: usize) -> String {
        let mut long = "ä".repeat(length);
        text(&mut long);
        long
    }

    #[test]
    fn a_text_that_fits_stays_and_a_longer_one_ends_with_the_mark() {
        assert_eq!(held(8192), "ä".repeat(8192));
        let cut = held(8193);
        assert!(cut.len() <= TEXT_BYTES_MAX && cut.ends_with("ä…"));
    }

    #[test]
    fn a_list_that_fits_stays_and_a_longer_one_ends_with_the_mark() {
        let of = |count: usize, length: usize| {
            let mut items: Vec<String> = (0..count).map(|n| format!("{n:0>length$}")).collect();
            let all = items.clone();
            list(&mut items);
            (all, items)
        };
        for (count, length) in [(0, 1), (1000, 4), (4, 16_384)] {
            let (all, held) = of(count, length);
            assert_eq!(all, held, "{count} of {length}");
        }
        for (count, length, left) in [(1001, 4, 999), (5, 16_384, 4), (9, 20_000, 4)] {
            let (all, held) = of(count, length);
            assert_eq!((held.len(), held.last().unwrap().as_str()), (left + 1, MARK), "{count} of {length}");
            assert!(
                all[..left]
                    .iter()
                    .zip(&held)
                    .all(|(whole, cut)| whole.as_bytes()[..4] == cut.as_bytes()[..4])
            );
        }
    }

    /// A list in a text has no bound of its own: what would take an hour to compare is not.
    #[test]
    fn a_list_without_end_is_given_up_early() {
        let mut items = Vec::new();
        (0..2_000_000).for_each(|n| super::super::text::add(&mut items, n.to_string()));
        list(&mut items);
        assert_eq!((items.len(), items[998].as_str(), items[999].as_str()), (1000, "998", MARK));
    }
}
