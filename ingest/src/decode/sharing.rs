//! SharePoint and OneDrive sharing (record type 14): who gets access, and which. `EventData` is XML in name only.

use schemas::event::Activity;
use schemas::record::Record;

use super::text;

pub(super) fn file(record: &Record<'_>, activity: &mut Activity) {
    "file".clone_into(&mut activity.resource.kind);
    activity.resource.name = text::first(record, &["SourceFileName"]).unwrap_or_default();
    for name in record.texts("TargetUserOrGroupName") {
        text::add(&mut activity.recipients, name.trim().to_lowercase());
    }
    let data = record.text("EventData").unwrap_or_default();
    let permission = between(&data, "<Type>", "</Type>")
        .or_else(|| between(&data, "<Permissions granted>", "</Permissions granted>"));
    activity.permission = permission.unwrap_or_default().trim().to_lowercase();
}

fn between<'t>(text: &'t str, before: &str, after: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(inside, _)| inside)
}
