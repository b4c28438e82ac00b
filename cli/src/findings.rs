//! `weir findings`: what the log holds of findings, folded; with `--follow`, each revision as it comes.

use std::process::ExitCode;

use pipeline::Incoming;
use runtime::shutdown::Shutdown;
use schemas::Topic;
use schemas::finding::{Finding, Severity};
use sink::fold::Folded;

use crate::args::{FindingsArgs, Format};
use crate::config::Config;
use crate::exit::Stopped;
use crate::follow::{Ended, Following};
use crate::{report, text};

/// Prints them.
pub(crate) async fn findings(args: &FindingsArgs) -> anyhow::Result<ExitCode> {
    let shutdown = Shutdown::listen()?;
    let config = Config::read(&args.config)?;
    config.log.settle_schemas().await?;
    let mut following =
        Following::new(config.log.reader().await?, Topic::findings(), shutdown.token().clone());
    let least = args.least.unwrap_or(Severity::Info);
    if args.follow {
        let color = report::is_colored();
        let mut take = |record: Incoming| match finding_in(&record).filter(|found| found.severity >= least) {
            Some(finding) => show(&finding, args.format, color),
            None => Ok(true),
        };
        following.follow(&mut take).await?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut folded = Folded::default();
    let mut take = |record: Incoming| {
        if let Some(finding) = finding_in(&record) {
            folded.add(finding);
        }
        Ok(true)
    };
    if following.read(&mut take).await? == Ended::Stopped {
        return Err(Stopped.into());
    }
    // Only now: a revision may be less severe than the one before it.
    let findings: Vec<Finding> = folded.into_open().filter(|found| found.severity >= least).collect();
    match args.format {
        Format::Table => text::print(&report::findings(&findings))?,
        Format::Json => {
            text::stream(|out| findings.iter().try_for_each(|finding| report::json_line(finding, out)))?
        }
        Format::Ocsf => text::stream(|out| report::ocsf(&findings, out))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The finding in a record. What is none of ours is the sinks' business, who dead-letter it.
fn finding_in(record: &Incoming) -> Option<Finding> {
    schemas::decode(record.value.as_deref()?).ok()
}

/// One revision, at once; false when nobody reads any more.
fn show(finding: &Finding, format: Format, color: bool) -> anyhow::Result<bool> {
    let finding = std::slice::from_ref(finding);
    let shown = text::now(|out| match format {
        Format::Table => {
            finding.iter().try_for_each(|finding| writeln!(out, "{}", sink::table::line(finding, color)))
        }
        Format::Json => finding.iter().try_for_each(|finding| report::json_line(finding, out)),
        Format::Ocsf => report::ocsf(finding, out),
    });
    Ok(shown?)
}
