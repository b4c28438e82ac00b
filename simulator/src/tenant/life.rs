//! Ordinary life: what the people of the tenant do in an hour, and what runs beside them.
//!
//! Each person's hour is thrown by itself, so any hour can be asked for alone and is always the same. Mean: some seven
//! records a person and working day; more can be asked for, and is then added as reading, which real tenants have most
//! of. Nothing here is meant to be found.

use schemas::Micros;
use schemas::time::{HOUR, MINUTE, SECOND};

use super::dice::Dice;
use super::people::{Duty, Person};
use super::places::server_address;
use super::record::{AuditRecord, Scene, Who};
use super::shapes::{files, mail, platform, sign_in};
use super::words::{AGENTS, MAIL_FOLDERS};
use super::world::World;

mod makers;
mod office;

/// Records of a person in a working day, in thousandths: the base, and what smaller tenants do more.
const DAILY: u32 = 4_300;
const DAILY_SMALL: u32 = 100_000;

/// A working day has so many busy hours, in tenths.
const BUSY_TENTHS: u32 = 87;

/// What somebody does next.
#[derive(Clone, Copy)]
enum Deed {
    SignIn,
    FailToSignIn,
    Touch(&'static str),
    ViewItem,
    Search,
    ReadMail,
    LaunchApp,
    ShareFile,
    CompanyLink,
    SortMail,
    Make,
}

const MEMBER: [(u32, Deed); 13] = [
    (150, Deed::SignIn),
    (5, Deed::FailToSignIn),
    (230, Deed::Touch("FileAccessed")),
    (90, Deed::Touch("FilePreviewed")),
    (110, Deed::Touch("FileModified")),
    (25, Deed::Touch("FileDownloaded")),
    (25, Deed::Touch("FileUploaded")),
    (60, Deed::ViewItem),
    (40, Deed::Search),
    (120, Deed::ReadMail),
    (100, Deed::LaunchApp),
    (20, Deed::ShareFile),
    (8, Deed::CompanyLink),
];

const GUEST: [(u32, Deed); 3] =
    [(30, Deed::SignIn), (60, Deed::Touch("FileAccessed")), (30, Deed::Touch("FilePreviewed"))];

/// Everything that happens in the hour that begins at `hour`, with at least `records_least` records.
pub(crate) fn of_hour(world: &World, hour: Micros, records_least: u32) -> Vec<AuditRecord> {
    let number = hour.0.div_euclid(HOUR);
    let mut records = Vec::new();
    for (index, person) in world.people.iter().enumerate() {
        person_hour(world, (index, person), hour, &mut records);
    }
    makers::flows_made(world, hour, &mut records);
    office::of_hour(world, hour, &mut records);
    machines(world, hour, &mut records);
    let mut dice = Dice::of(world.seed, "more", &[number]);
    for extra in 0..i64::from(records_least).saturating_sub(i64::try_from(records.len()).unwrap_or(i64::MAX))
    {
        let time = hour.plus(dice.between(0, 3599) * SECOND);
        let own = Dice::of(world.seed, "extra", &[number, extra]);
        records.push(reading(world, time, &mut dice, own));
    }
    records
}

fn person_hour(world: &World, person: (usize, &Person), hour: Micros, records: &mut Vec<AuditRecord>) {
    let (index, person) = person;
    let number = hour.0.div_euclid(HOUR);
    let id = i64::try_from(index).unwrap_or_default();
    let mut dice = Dice::of(world.seed, "hour", &[number, id]);
    let arrives = |time: Micros| {
        let begins = world.at_work(index, time, 0) && !world.at_work(index, time.plus(-15 * MINUTE), 0);
        begins && !person.is_guest()
    };
    if let Some(quarter) = (0..4).map(|quarter| hour.plus(quarter * 15 * MINUTE)).find(|time| arrives(*time))
    {
        let time = quarter.plus(dice.between(0, 899) * SECOND);
        let own = Dice::of(world.seed, "arrival", &[number, id]);
        records.push(sign_in::done(&mut Scene::of_person(world, index, time, own)));
    }
    let members = u32::try_from(world.people.len()).unwrap_or(1).max(1);
    let daily = if person.is_guest() { 800 } else { DAILY + DAILY_SMALL / members };
    let rate = daily * 10 / BUSY_TENTHS;
    for (turn, second) in dice.arrivals(rate).into_iter().enumerate() {
        let time = hour.plus(second * SECOND);
        if !dice.chance(world.busyness(index, time)) {
            continue;
        }
        let own = Dice::of(world.seed, "deed", &[number, id, i64::try_from(turn).unwrap_or_default()]);
        deed(&mut Scene::of_person(world, index, time, own), (index, person), records);
    }
}

fn deed(scene: &mut Scene<'_>, person: (usize, &Person), records: &mut Vec<AuditRecord>) {
    let (index, person) = person;
    let next = if person.is_guest() {
        scene.dice.weighted(&GUEST)
    } else if person.duty == Duty::Maker && scene.dice.chance(220) {
        Some(Deed::Make)
    } else if scene.dice.chance(5) {
        Some(Deed::SortMail)
    } else {
        scene.dice.weighted(&MEMBER)
    };
    match next {
        None => {}
        Some(Deed::SignIn) => records.push(sign_in::done(scene)),
        Some(Deed::FailToSignIn) => {
            records.push(sign_in::failed(scene));
            scene.later(12, 50);
            records.push(sign_in::done(scene));
        }
        Some(Deed::Touch(operation)) => records.push(files::touched(scene, operation)),
        Some(Deed::ViewItem) => records.push(files::item_viewed(scene)),
        Some(Deed::Search) => records.push(files::searched(scene)),
        Some(Deed::ReadMail) => records.push(mail::read(scene)),
        Some(Deed::LaunchApp) => {
            if let Some(app) = scene.dice.pick(&scene.world.estate.apps) {
                records.push(platform::app(scene, "LaunchPowerApp", app));
            }
        }
        Some(Deed::ShareFile) => records.push(share_file(scene)),
        Some(Deed::CompanyLink) => records.push(files::company_link(scene)),
        Some(Deed::SortMail) => {
            let folder = scene.dice.word(&MAIL_FOLDERS);
            let action = [("MoveToFolder", folder), ("SubjectContainsWords", folder)];
            records.push(mail::inbox_rule(scene, folder, &action));
        }
        Some(Deed::Make) => makers::make(scene, index, records),
    }
}

/// With a colleague; now and then with somebody at a partner's.
fn share_file(scene: &mut Scene<'_>) -> AuditRecord {
    let world = scene.world;
    if scene.dice.chance(80) {
        let partner = scene.dice.pick(&world.partners).copied().unwrap_or_default();
        return files::shared(scene, &format!("office@{partner}"), "Member");
    }
    let with = colleague(scene).map(|person| person.upn.clone()).unwrap_or_default();
    files::shared(scene, &with, "Member")
}

/// Somebody of the tenant who has an account now.
pub(crate) fn colleague<'w>(scene: &mut Scene<'w>) -> Option<&'w Person> {
    let world = scene.world;
    let there =
        |person: &&Person| !person.is_guest() && person.is_there(scene.time) && person.leaves.is_none();
    let people: Vec<&Person> = world.people.iter().filter(there).collect();
    people.get(usize::try_from(scene.dice.below(people.len() as u64)).unwrap_or_default()).copied()
}

/// Exchange's housekeeping and the service account that reads round the clock.
fn machines(world: &World, hour: Micros, records: &mut Vec<AuditRecord>) {
    let number = hour.0.div_euclid(HOUR);
    let mut dice = Dice::of(world.seed, "machines", &[number]);
    for (turn, second) in dice.arrivals(1_500).into_iter().enumerate() {
        let own = Dice::of(world.seed, "machine", &[number, i64::try_from(turn).unwrap_or_default()]);
        let mut scene = Scene { world, who: service(world, 0), time: hour.plus(second * SECOND), dice: own };
        records.push(match turn % 3 {
            0 => mail::housekeeping(&mut scene),
            1 => files::touched(&mut scene, "FileAccessed"),
            _ => sign_in::done(&mut scene),
        });
    }
}

/// One more record of somebody who reads: a person who is at work, else a service account.
fn reading(world: &World, time: Micros, dice: &mut Dice, own: Dice) -> AuditRecord {
    let index = usize::try_from(dice.below(world.people.len() as u64)).unwrap_or_default();
    let mut scene = Scene::of_person(world, index, time, own);
    if dice.chance(500) || world.busyness(index, time) == 0 {
        scene.who = service(world, dice.between(0, 7));
    }
    match scene.dice.below(10) {
        0..6 => files::touched(&mut scene, "FileAccessed"),
        6..8 => files::item_viewed(&mut scene),
        _ => mail::read(&mut scene),
    }
}

/// A service account: an account like a person's, used by a program.
fn service(world: &World, number: i64) -> Who {
    let mut dice = Dice::of(world.seed, "service", &[number]);
    Who {
        upn: format!("svc-index{number:02}@{}", world.domain),
        object_id: dice.guid(),
        puid: format!("1003{}", dice.hex(12)),
        user_type: 0,
        address: server_address(&mut dice),
        agent: dice.word(&AGENTS),
    }
}
