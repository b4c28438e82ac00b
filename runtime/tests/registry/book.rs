//! Plan, apply, check, and what a process speaks once it is settled.

use runtime::registry::{Book, Change, RegistryError, Standing, State};
use schemas::{CodecError, Message as _, codec::MESSAGES, finding::Finding, gap::Gap, subject::subjects};

use crate::double::Double;

const FINDINGS: &str = "weir.finding.identity.v1-value";

#[tokio::test]
async fn apply_registers_what_plan_shows_and_then_nothing_is_left() {
    let double = Double::start().await;
    let book = double.book();
    let plan = book.plan().await.unwrap();
    let all = subjects("");
    assert_eq!(plan.len(), 2 * all.len(), "a schema and a level each");
    assert!(double.shelf.lock().unwrap().subjects.is_empty(), "a plan changes nothing");
    assert_eq!(applied(&book).await, plan);
    assert_eq!(book.plan().await.unwrap(), Vec::new());
    assert_eq!(applied(&book).await, Vec::new());
    let standings = book.check().await.unwrap();
    assert_eq!(standings.len(), all.len());
    let is_right = |standing: &Standing| standing.state == State::Registered && standing.level.is_none();
    assert!(standings.iter().all(is_right), "{standings:?}");
    // An empty registry that counts from 1 gives out the fixed ids.
    let shelf = double.shelf.lock().unwrap();
    for (id, _, schema) in MESSAGES {
        assert_eq!(shelf.schemas[usize::try_from(*id).unwrap() - 1], *schema);
    }
    assert!(shelf.levels.values().all(|level| level == "FULL_TRANSITIVE"));
}

/// What `apply` did, which must not fail.
async fn applied(book: &Book) -> Vec<Change> {
    let mut changes = Vec::new();
    book.apply(&mut changes).await.unwrap();
    changes
}

fn count(standings: &[Standing], wanted: State) -> usize {
    standings.iter().filter(|standing| standing.state == wanted).count()
}

const OTHER: &str = r#"{"type": "record", "name": "Finding", "fields": []}"#;
const CLOSER: &str = r#"{"type": "record", "name": "Finding", "fields": [{"name": "id"}]}"#;

/// Puts these versions under a subject of findings.
fn shelve(double: &Double, level: Option<&str>, versions: &[&str]) {
    let mut shelf = double.shelf.lock().unwrap();
    let ids = versions.iter().map(|text| shelf.put(text)).collect();
    shelf.subjects.insert(FINDINGS.to_owned(), ids);
    shelf.levels.extend(level.map(|level| (FINDINGS.to_owned(), level.to_owned())));
}

#[tokio::test]
async fn an_incompatible_schema_is_left_to_an_operator() {
    let double = Double::start().await;
    shelve(&double, None, &[OTHER]);
    let book = double.book();
    let refused = Change::Refused(FINDINGS.to_owned());
    assert!(!refused.is_applied());
    let plan = book.plan().await.unwrap();
    assert_eq!(applied(&book).await, plan);
    assert!(plan.contains(&refused));
    {
        let shelf = double.shelf.lock().unwrap();
        assert_eq!(shelf.subjects[FINDINGS].len(), 1);
        assert_eq!(shelf.levels.get(FINDINGS), None, "nor is it held to another level");
    }
    let standings = book.check().await.unwrap();
    assert_eq!([State::Incompatible, State::Missing].map(|state| count(&standings, state)), [1, 0]);
    assert_eq!(book.settle().await, Err(RegistryError::Missing(vec![FINDINGS.to_owned()])));
}

/// Law: what is registered is compatible with every version there, whatever level there was before.
#[tokio::test]
async fn a_schema_is_registered_by_our_level_and_not_by_the_one_it_met() {
    let double = Double::start().await;
    shelve(&double, Some("BACKWARD"), &[OTHER, CLOSER]);
    let book = double.book();
    let standings = book.check().await.unwrap();
    let ours = standings.iter().find(|standing| standing.subject == FINDINGS).unwrap();
    assert_eq!((ours.state, ours.level.as_deref()), (State::Missing, Some("BACKWARD")));
    let done = applied(&book).await;
    let of_findings: Vec<&Change> =
        done.iter().filter(|change| change.to_string().contains(FINDINGS)).collect();
    assert_eq!(of_findings, [&Change::Refused(FINDINGS.to_owned())]);
    {
        let shelf = double.shelf.lock().unwrap();
        assert_eq!(shelf.subjects[FINDINGS].len(), 2);
        assert_eq!(shelf.levels[FINDINGS], "BACKWARD", "as it was");
    }
    // Where the level is ours from the start, every version is looked at from the start.
    shelve(&double, Some("FULL_TRANSITIVE"), &[OTHER, CLOSER]);
    assert_eq!(count(&book.check().await.unwrap(), State::Incompatible), 1);
}

#[tokio::test]
async fn what_was_done_before_an_error_is_told() {
    let double = Double::start().await;
    double.shelf.lock().unwrap().full_at = Some(3);
    let mut done = Vec::new();
    let error = double.book().apply(&mut done).await.unwrap_err();
    assert_eq!(error, RegistryError::Away("HTTP 503".to_owned()));
    let registered = done.iter().filter(|change| matches!(change, Change::Register(_))).count();
    assert_eq!(registered, double.shelf.lock().unwrap().schemas.len());
    assert_eq!(done.len(), 2 * registered + 1, "the level of the next is set");
}

/// A server that gives the same answer to everything has not registered anything.
#[tokio::test]
async fn an_id_that_stands_for_two_messages_is_no_registrys() {
    let double = Double::start().await;
    double.instead(200, "{\"id\": 7}");
    let error = double.book().settle().await.unwrap_err();
    assert_eq!(error, RegistryError::NoRegistry("it gives the id 7 to two schemas".to_owned()));
}

#[tokio::test]
async fn an_id_under_which_something_else_stands_is_refused() {
    let double = Double::start().await;
    let book = double.book();
    applied(&book).await;
    double.shelf.lock().unwrap().lies.insert(4, Gap::SCHEMA.to_owned());
    let error = book.settle().await.unwrap_err();
    assert_eq!(error, RegistryError::NoRegistry("under its id 4 is not our schema".to_owned()));
}

#[tokio::test]
async fn an_unregistered_schema_is_an_error_of_the_start() {
    let double = Double::start().await;
    let Err(RegistryError::Missing(names)) = double.book().settle().await else { panic!() };
    assert_eq!(names, subjects("").into_iter().map(|subject| subject.name).collect::<Vec<_>>());
}

/// On a thread that may wait, as the consumer's.
async fn meet(value: &[u8]) -> bool {
    let value = value.to_vec();
    tokio::task::spawn_blocking(move || schemas::ids::meet(&value)).await.unwrap()
}

fn framed(id: u32, bytes: &[u8]) -> Vec<u8> {
    [&[0][..], &id.to_be_bytes(), bytes.get(5..).unwrap()].concat()
}

/// The only test of this program that settles ids: they are the process's.
#[tokio::test]
async fn a_settled_process_speaks_the_registrys_ids_and_goes_on_without_it() {
    let double = Double::start().await;
    double.shelf.lock().unwrap().schemas = vec!["\"string\"".to_owned(); 4];
    let book = double.book();
    applied(&book).await;
    book.settle().await.unwrap();
    book.settle().await.unwrap();
    let golden = include_bytes!("../../../schemas/golden/gap.v1.bin");
    // Four strangers came first.
    let ours = framed(Gap::SCHEMA_ID + 4, golden);
    let gap: Gap = schemas::decode(&ours).unwrap();
    assert_eq!(schemas::encode(&gap).unwrap(), ours);
    // The number 4 is a stranger's here, whoever says that it is a finding.
    let foreign = framed(Finding::SCHEMA_ID, golden);
    assert!(!meet(&foreign).await);
    assert!(matches!(schemas::decode::<Finding>(&foreign), Err(CodecError::UnknownSchema(4))));
    // A newer worker registers its schema while this one runs.
    let later = Gap::SCHEMA.replacen(
        "\"fields\": [",
        r#""fields": [{"name": "z", "type": "null", "default": null},"#,
        1,
    );
    let id = double.shelf.lock().unwrap().put(&later);
    let newer = framed(id, golden);
    assert!(schemas::decode::<Gap>(&newer).is_err(), "nobody has met it yet");
    assert!(!meet(&newer).await);
    assert_eq!(schemas::decode::<Gap>(&newer).unwrap(), gap);
    let asked = double.shelf.lock().unwrap().asked.len();
    drop(double);
    // What is known stays known; what is not is not taken for a stranger's.
    for known in [&ours, &newer] {
        assert!(!meet(known).await);
        assert_eq!(schemas::decode::<Gap>(known).unwrap(), gap);
    }
    let unknown = framed(4711, golden);
    assert!(meet(&unknown).await, "to be asked for again soon");
    assert!(matches!(schemas::decode::<Gap>(&unknown), Err(CodecError::UnaskedSchema(4711))));
    assert!(asked > 0);
}
