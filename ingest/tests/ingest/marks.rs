//! The marks of many tenants: no record grows with their number, and a restart says the same again.

use std::collections::BTreeMap;

use schemas::watermark::Watermark;
use schemas::{Micros, StageName, Topic, decode};

use crate::support::Bench;

const TENANTS: usize = 20_000;

fn line(id: &str, tenant: &str, second: usize) -> String {
    let time = format!("2024-05-01T{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60);
    format!(
        "{{\"Id\":\"{id}\",\"CreationTime\":\"{time}\",\"Operation\":\"Op\",\"OrganizationId\":\"{tenant}\"}}\n"
    )
}

fn at(second: usize) -> Micros {
    Micros::parse("2024-05-01T00:00:00Z").unwrap().plus(second as i64 * 1_000_000)
}

/// As long as a tenant's id can be.
fn tenant(number: usize) -> String {
    format!("{number:0>256}")
}

/// The marks on the ledger as it is kept: the newest of each tenant.
async fn on_the_ledger(bench: &Bench) -> Vec<Watermark> {
    let ledger = bench.on(Topic::Ledger).await;
    ledger.iter().filter_map(|record| decode(record.value.as_ref().unwrap()).ok()).collect()
}

/// How many records have been written to the ledger's one partition, those included that newer ones replaced.
async fn written(bench: &Bench) -> u64 {
    bench.on(Topic::Ledger).await.iter().map(|record| record.offset.0 + 1).max().unwrap()
}

/// The parts of one run on a partition put together; no tenant is in two of them.
fn joined(parts: &[Watermark]) -> BTreeMap<String, Micros> {
    let mut all = BTreeMap::new();
    for mark in parts.iter().flat_map(|part| &part.marks) {
        assert_eq!((mark.source.as_str(), mark.content_type.as_str()), ("files", "Audit.General"));
        assert!(all.insert(mark.tenant.clone(), mark.time).is_none(), "a tenant is in two parts");
    }
    all
}

/// Law: however many tenants the records name, no record is longer than a broker takes, and nothing is forgotten.
#[tokio::test]
async fn twenty_thousand_tenants_are_said_in_parts_and_again_after_a_restart() {
    let mut bench = Bench::new(1);
    let mut lines: Vec<String> = (0..TENANTS).map(|n| line(&n.to_string(), &tenant(n), n)).collect();
    let path = bench.write("a.jsonl", lines.concat().as_bytes());
    assert_eq!(bench.run(&bench.source()).await.unwrap().counts.emitted, TENANTS as i64);
    let mut expected: BTreeMap<String, Micros> = (0..TENANTS).map(|n| (tenant(n), at(n))).collect();

    let parts = |marks: Vec<(u32, Watermark)>| marks.into_iter().map(|(_, part)| part).collect::<Vec<_>>();
    let first = parts(bench.events().await.1);
    assert_eq!(first.len(), 20);
    assert!(joined(&first) == expected);
    assert_eq!(on_the_ledger(&bench).await.len(), TENANTS);
    let before = written(&bench).await;
    assert_eq!(before, TENANTS as u64 + 5, "each tenant's marks moved once, the file's entry in each step");
    for topic in [Topic::Event, Topic::Ledger, Topic::Seen, Topic::DeadLetter(StageName::Ingest)] {
        let records = bench.on(topic).await;
        let longest = records.iter().map(|one| one.key.len() + one.value.as_ref().unwrap().len()).max();
        assert!(longest.unwrap_or_default() < 900_000, "{topic}: {longest:?}");
    }

    bench.log = bench.log.crashed();
    assert_eq!(bench.run(&bench.source()).await.unwrap().counts.read, 0);
    let again = parts(bench.events().await.1);
    assert!(again[..20] == first && again[20..] == first, "the restart says the same");

    lines.push(line("one more", &tenant(7), 80_000));
    std::fs::write(path, lines.concat()).unwrap();
    bench.log = bench.log.crashed();
    assert_eq!(bench.run(&bench.source()).await.unwrap().counts.emitted, 1);
    expected.insert(tenant(7), at(80_000));
    assert!(joined(&parts(bench.events().await.1)[40..]) == expected, "what did not move stays");
    assert_eq!(written(&bench).await, before + 2, "the file's entry and the marks that moved");
}

#[tokio::test]
async fn a_step_writes_the_marks_that_moved_in_it_and_no_others() {
    let bench = Bench::new(1);
    let lines = [line("1", "a", 10), line("2", "b", 20), line("3", "a", 5), line("4", "a", 30)];
    bench.write("a.jsonl", lines.concat().as_bytes());
    let mut source = bench.source();
    source.step_records_max = 1;
    assert_eq!(bench.run(&source).await.unwrap().steps, 5, "one a record and the watermark");
    assert_eq!(written(&bench).await, 4 + 3, "the third moves none");
    let kept: Vec<_> = on_the_ledger(&bench)
        .await
        .into_iter()
        .map(|one| one.marks.into_iter().map(|mark| (mark.tenant, mark.time)).collect::<Vec<_>>())
        .collect();
    let one = |tenant: &str, second| vec![(tenant.to_owned(), at(second))];
    assert_eq!(kept, [one("b", 20), one("a", 30)]);
    let (_, marks) = bench.events().await;
    assert_eq!(marks.len(), 1, "few tenants are one part");
    assert_eq!(joined(&[marks[0].1.clone()]), [("a".to_owned(), at(30)), ("b".to_owned(), at(20))].into());
}
