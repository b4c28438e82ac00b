//! The canonical activity of an audit record: the table of operations says which family reads the rest.

use schemas::event::{Activity, kind};
use schemas::record::Record;

use super::operations::{self, Family};
use super::{actor, address, directory, exchange, outcome, power_platform, sharing, text};

pub(super) fn of(record: &Record<'_>, operation: &str) -> Activity {
    let mut activity = Activity {
        actor: actor::of(record),
        outcome: outcome::of(record, operation).to_owned(),
        address: address::of(record),
        ..Activity::default()
    };
    activity.resource.id = text::first(record, &["ObjectId"]).unwrap_or_default();
    activity.environment = power_platform::environment(record);
    let Some((kind, family)) = operations::of(operation) else {
        power_platform::name_resource(record, &mut activity);
        return activity;
    };
    activity.kind = kind.to_owned();
    match family {
        Family::Flow => power_platform::flow(record, &mut activity),
        Family::App => power_platform::app(record, &mut activity),
        Family::Connection => power_platform::connection(record, &mut activity),
        Family::Policy => power_platform::policy(record, &mut activity),
        Family::Environment => power_platform::environment_itself(&mut activity),
        Family::Mailbox => exchange::mailbox(record, &mut activity),
        Family::InboxRule => exchange::inbox_rule(record, &mut activity),
        Family::ClientRule => exchange::client_rule(record, &mut activity),
        Family::TransportRule => exchange::transport_rule(record, &mut activity),
        Family::Delegate => exchange::delegate(record, &mut activity),
        Family::Role => directory::role(record, &mut activity),
        Family::Application => directory::application(record, &mut activity),
        Family::User => directory::user(&mut activity),
        Family::SignIn => "application".clone_into(&mut activity.resource.kind),
        Family::Sharing => sharing::file(record, &mut activity),
    }
    // A rule or mailbox setting that has nothing to do with forwarding has no canonical verb.
    if activity.kind == kind::MAIL_FORWARD && activity.resource.kind.is_empty() {
        activity.kind.clear();
    }
    activity
}
