//! Files, lists and their sharing (record types 6, 36, 4 and 14), after published records of the SharePoint feed.

use serde_json::json;

use crate::tenant::dice::Dice;
use crate::tenant::record::{AuditRecord, Draft, Scene, Sort};
use crate::tenant::words::{DOCUMENTS, EXTENSIONS, FOLDERS};

/// One file in one library.
struct File {
    workload: &'static str,
    site: String,
    folder: String,
    name: String,
    extension: &'static str,
    key: u64,
}

/// Somebody does `operation` with a file: their own, or one of a department.
pub(crate) fn touched(scene: &mut Scene<'_>, operation: &'static str) -> AuditRecord {
    let file = any_file(scene);
    let sort = (6, file.workload, operation);
    let url = format!("{}/{}/{}", file.site, file.folder, file.name);
    let relative = file.folder.clone();
    base(scene, sort, &file, &url)
        .with_all(json!({"SourceRelativeUrl": relative, "SourceFileName": file.name,
            "SourceFileExtension": file.extension, "SiteUrl": format!("{}/", file.site)}))
        .done()
}

/// A list item is looked at.
pub(crate) fn item_viewed(scene: &mut Scene<'_>) -> AuditRecord {
    let file = any_file(scene);
    let (item, list) = (scene.dice.between(1, 900), scene.dice.word(&DOCUMENTS));
    let url = format!("{}/Lists/{list}/{item}_.000", file.site);
    base(scene, (36, "SharePoint", "ListItemViewed"), &file, &url)
        .with_all(json!({"ItemType": "ListItem", "ListTitle": list, "ItemCount": 192,
            "ListBaseType": "GenericList", "FromApp": false}))
        .done()
}

/// Somebody searches.
pub(crate) fn searched(scene: &mut Scene<'_>) -> AuditRecord {
    let query = scene.dice.word(&DOCUMENTS).to_lowercase();
    let correlation = scene.dice.guid();
    let who = scene.who.clone();
    scene
        .draft((4, "SharePoint", "SearchQueryPerformed"))
        .with_all(json!({
            "UserKey": membership(&who.puid),
            "UserType": 0,
            "ClientIP": who.address,
            "UserAgent": who.agent,
            "CorrelationId": correlation,
            "ObjectId": correlation,
            "EventSource": "SharePoint",
            "ItemType": "Web",
            "SearchQueryText": query,
            "EventData": "<ClientType>SPHomeWeb</ClientType>",
        }))
        .done()
}

/// A file is shared with somebody, named by address.
pub(crate) fn shared(scene: &mut Scene<'_>, with: &str, kind: &str) -> AuditRecord {
    let file = any_file(scene);
    let operation = if kind == "Guest" { "AddedToSecureLink" } else { "SharingSet" };
    let url = format!("{}/{}/{}", file.site, file.folder, file.name);
    let right = if scene.dice.chance(600) { "Read" } else { "Contribute" };
    base(scene, (14, file.workload, operation), &file, &url)
        .with_all(json!({"TargetUserOrGroupName": with, "TargetUserOrGroupType": kind,
            "SourceFileName": file.name, "SourceRelativeUrl": file.folder,
            "EventData": format!("<Permissions granted>{right}</Permissions granted>")}))
        .done()
}

/// A link that opens for everybody in the company.
pub(crate) fn company_link(scene: &mut Scene<'_>) -> AuditRecord {
    let file = any_file(scene);
    let url = format!("{}/{}/{}", file.site, file.folder, file.name);
    base(scene, (14, file.workload, "CompanyLinkCreated"), &file, &url)
        .with_all(json!({"SourceFileName": file.name, "SourceRelativeUrl": file.folder,
            "EventData": "<Type>View</Type>"}))
        .done()
}

fn base(scene: &mut Scene<'_>, sort: Sort, file: &File, url: &str) -> Draft {
    let who = scene.who.clone();
    let correlation = scene.dice.guid();
    let ids = &mut Dice::of(scene.world.seed, "file", &[i64::try_from(file.key).unwrap_or_default()]);
    let site = &mut Dice::of(scene.world.seed, &file.site, &[]);
    scene.draft(sort).with_all(json!({
        "UserKey": membership(&who.puid),
        "UserType": 0,
        "ClientIP": who.address,
        "ObjectId": url,
        "SiteUrl": file.site,
        "EventSource": "SharePoint",
        "ItemType": "File",
        "UserAgent": who.agent,
        "Site": site.guid(),
        "WebId": site.guid(),
        "ListId": site.guid(),
        "ListItemUniqueId": ids.guid(),
        "CorrelationId": correlation,
    }))
}

/// A department's file, or one of the person's own.
fn any_file(scene: &mut Scene<'_>) -> File {
    let world = scene.world;
    let local = scene.who.upn.split(['@', '#']).next().unwrap_or_default().replace('.', "_");
    let department = scene.dice.pick(&world.estate.departments).copied();
    let own = scene.dice.chance(350) && !scene.who.upn.contains("#EXT#");
    let (workload, site) = match department {
        Some(department) if !own => ("SharePoint", format!("{}/sites/{department}", world.share_host())),
        _ => ("OneDrive", format!("https://{}-my.sharepoint.example/personal/{local}", world.company)),
    };
    let folder = scene.dice.word(&FOLDERS);
    let (document, number) = (scene.dice.word(&DOCUMENTS), scene.dice.between(1, 120));
    let extension = scene.dice.word(&EXTENSIONS);
    let name = format!("{document} {number:03}.{extension}");
    let key = Dice::of(world.seed, &format!("{site}/{folder}/{name}"), &[]).below(u64::MAX >> 1);
    File { workload, site, folder: format!("Shared Documents/{folder}"), name, extension, key }
}

/// A person's key as SharePoint writes it.
fn membership(puid: &str) -> String {
    format!("i:0h.f|membership|{}@live.com", puid.to_lowercase())
}
