//! What keeps an office going: accounts, groups, licences, calendars, small applications, and the careful acts of
//! administrators. Planned by the day, each act in its doer's working time.

use schemas::Micros;
use schemas::time::{DAY, HOUR};

use super::colleague;
use crate::tenant::dice::Dice;
use crate::tenant::estate::{PRIVATE, indices};
use crate::tenant::people::{Duty, Person};
use crate::tenant::record::{AuditRecord, Scene};
use crate::tenant::shapes::directory::{self, Application, Change, Grant};
use crate::tenant::shapes::mail;
use crate::tenant::shapes::policies::{self, Act};
use crate::tenant::words::{DEPARTMENTS, SMALL_APPLICATIONS};
use crate::tenant::world::World;

#[derive(Clone, Copy)]
enum Task {
    ResetPassword,
    GiveLicence,
    MoveDepartment,
    AddToGroup,
    OpenCalendar,
    SetAutoReply,
    LetInApplication,
    TightenPolicy,
    RenameEnvironment,
    ConfirmIsolation,
    GiveReadingRole,
}

/// Thousandths of the working days on which it is done, who does it, what.
const TASKS: [(u32, Duty, Task); 11] = [
    (600, Duty::HelpDesk, Task::ResetPassword),
    (500, Duty::HelpDesk, Task::GiveLicence),
    (600, Duty::DirectoryAdmin, Task::MoveDepartment),
    (600, Duty::DirectoryAdmin, Task::AddToGroup),
    (300, Duty::Member, Task::OpenCalendar),
    (500, Duty::Member, Task::SetAutoReply),
    (300, Duty::Member, Task::LetInApplication),
    (90, Duty::PlatformAdmin, Task::TightenPolicy),
    (70, Duty::PlatformAdmin, Task::RenameEnvironment),
    (40, Duty::PlatformAdmin, Task::ConfirmIsolation),
    (60, Duty::DirectoryAdmin, Task::GiveReadingRole),
];

/// Roles that only show figures and notices, with their templates' ids (Entra built-in roles).
const READING_ROLES: [(&str, &str); 2] = [
    ("Message Center Reader", "790c1fb9-7f7d-4f88-86a1-ef1f95c05c1b"),
    ("Reports Reader", "4a5d8f65-41da-4de4-8968-e035b65339cf"),
];

/// The office's acts in the hour that begins at `hour`.
pub(super) fn of_hour(world: &World, hour: Micros, records: &mut Vec<AuditRecord>) {
    let day = world.day(hour);
    for (turn, (chance, duty, task)) in TASKS.into_iter().enumerate() {
        let mut dice = Dice::of(world.seed, "task", &[day, i64::try_from(turn).unwrap_or_default()]);
        if !dice.chance(chance) {
            continue;
        }
        let Some(doer) = dice.pick(&indices(&world.people, duty)).copied() else { continue };
        let Some(time) = world.working_moment(doer, day, &mut dice) else { continue };
        if time >= hour && time < hour.plus(HOUR) {
            task_done(&mut Scene::of_person(world, doer, time, dice), task, records);
        }
    }
    accounts(world, hour, records);
}

fn task_done(scene: &mut Scene<'_>, task: Task, records: &mut Vec<AuditRecord>) {
    let world = scene.world;
    let Some(other) = colleague(scene) else { return };
    let own = scene.who.upn.clone();
    match task {
        Task::ResetPassword => {
            records.push(directory::on_person(scene, "Reset user password.", other, &[]));
        }
        Task::GiveLicence => {
            records.push(directory::on_person(scene, "Change user license.", other, &[]));
        }
        Task::MoveDepartment => {
            let (old, new) = (scene.dice.word(&DEPARTMENTS), scene.dice.word(&DEPARTMENTS));
            let changes = [("Department", old, new), ("Included Updated Properties", "", "Department")];
            records.push(directory::on_person(scene, "Update user.", other, &changes));
        }
        Task::AddToGroup => {
            let group = scene.dice.word(&DEPARTMENTS);
            let id = Dice::of(world.seed, group, &[]).guid();
            let changes = [("Group.ObjectID", "", id.as_str()), ("Group.DisplayName", "", group)];
            records.push(directory::on_person(scene, "Add member to group.", other, &changes));
        }
        Task::OpenCalendar => {
            let folder = format!("{own}:\\Calendar");
            let rights = [("Identity", folder.as_str()), ("User", &other.upn), ("AccessRights", "Reviewer")];
            records.push(mail::command(scene, "Add-MailboxFolderPermission", &folder, &rights));
        }
        Task::SetAutoReply => {
            let reply = [("Identity", own.as_str()), ("AutoReplyState", "Scheduled")];
            records.push(mail::command(scene, "Set-MailboxAutoReplyConfiguration", &own, &reply));
        }
        Task::LetInApplication => {
            let application = Application::new(scene, &SMALL_APPLICATIONS);
            let grant = Grant { scope: "User.Read openid profile email", for_all: false };
            records.extend(directory::consent(scene, &application, &grant));
        }
        Task::TightenPolicy => {
            let connector = scene.dice.pick(&PRIVATE).copied().unwrap_or_default();
            if let Some(policy) = scene.dice.pick(&world.estate.policies) {
                records.push(policies::policy(scene, policy, &Act::Move(connector, "General", "Blocked")));
            }
        }
        Task::RenameEnvironment => records.push(policies::environment_renamed(scene, 2)),
        Task::ConfirmIsolation => records.push(policies::isolation(scene, true)),
        Task::GiveReadingRole => {
            let role = scene.dice.pick(&READING_ROLES).copied().unwrap_or_default();
            records.push(directory::role_given(scene, other, role));
        }
    }
}

/// Accounts that begin and end.
fn accounts(world: &World, hour: Micros, records: &mut Vec<AuditRecord>) {
    let admins = indices(&world.people, Duty::DirectoryAdmin);
    let admin = admins.first().copied().unwrap_or_default();
    for (index, person) in world.people.iter().enumerate() {
        for (turn, (time, operation, changes)) in steps(person).into_iter().enumerate() {
            if time < hour || time >= hour.plus(HOUR) {
                continue;
            }
            let numbers = [index, turn].map(|number| i64::try_from(number).unwrap_or_default());
            let mut scene = Scene::of_person(world, admin, time, Dice::of(world.seed, "account", &numbers));
            records.push(directory::on_person(&mut scene, operation, person, &changes));
        }
    }
}

/// What is done to an account at its beginning and its end, and when.
fn steps(person: &Person) -> Vec<(Micros, &'static str, Vec<Change<'_>>)> {
    let mut steps = Vec::new();
    if let Some(joins) = person.joins {
        let name = vec![("DisplayName", "[]", person.display.as_str()), ("AccountEnabled", "[]", "[true]")];
        steps.push((joins.plus(-2 * HOUR), "Add user.", name));
        steps.push((joins.plus(-HOUR), "Change user license.", Vec::new()));
    }
    if let Some(leaves) = person.leaves {
        let off = vec![("AccountEnabled", "[true]", "[false]")];
        steps.push((leaves.plus(9 * HOUR), "Update user.", off));
        let gone = vec![("Is Hard Deleted", "", "False")];
        steps.push((leaves.plus(2 * DAY + 10 * HOUR), "Delete user.", gone));
    }
    steps
}
