//! `weir rules list|test|lint`.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use detect::rules::{lint, testfile};
use detect::{Pack, RuleSet};

use crate::args::RulesCommand;
use crate::config::load_rules;
use crate::exit::{self, WrongConfig};
use crate::text::count;

/// Does what was asked; failures of tests and lints exit with 78, like any other wrong rule.
pub(crate) fn rules(command: &RulesCommand) -> anyhow::Result<ExitCode> {
    match command {
        RulesCommand::List(args) => list(args.rules.as_deref()),
        RulesCommand::Test(args) => test(args.rules.as_deref()),
        RulesCommand::Lint(args) => check(args.rules.as_deref()),
    }
}

fn list(folder: Option<&Path>) -> anyhow::Result<ExitCode> {
    let rules = load_rules(folder)?;
    let mut text = String::new();
    for rule in rules.rules() {
        writeln!(
            text,
            "{:<8} {:<12} {:<9} {:<38} {}",
            rule.level.name(),
            rule.group.name(),
            rule.kind,
            rule.name,
            rule.title
        )?;
    }
    writeln!(text, "{}", count(rules.len(), "rule"))?;
    crate::text::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn pack(folder: Option<&Path>) -> Result<Pack, WrongConfig> {
    let Some(folder) = folder else { return Ok(Pack::builtin()) };
    Pack::builtin()
        .and_folder(folder)
        .map_err(|problems| WrongConfig(problems.iter().map(ToString::to_string).collect()))
}

fn test(folder: Option<&Path>) -> anyhow::Result<ExitCode> {
    let pack = pack(folder)?;
    let rules = RuleSet::compile(&pack)
        .map_err(|problems| WrongConfig(problems.iter().map(ToString::to_string).collect()))?;
    let (results, problems) = testfile::run_all(&rules, &pack);
    let mut text = String::new();
    let mut failed = problems.len();
    for problem in &problems {
        writeln!(text, "{problem}")?;
    }
    for result in &results {
        if let Some(failure) = &result.failure {
            failed += 1;
            writeln!(text, "{} / {}: {failure}", result.rule, result.case)?;
        }
    }
    writeln!(text, "{}, {failed} failed", count(results.len(), "case"))?;
    crate::text::print(&text)?;
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::from(exit::CONFIG) })
}

fn check(folder: Option<&Path>) -> anyhow::Result<ExitCode> {
    let problems = lint::lint(&pack(folder)?);
    let mut text = String::new();
    for problem in &problems {
        writeln!(text, "{problem}")?;
    }
    writeln!(text, "{}", count(problems.len(), "problem"))?;
    crate::text::print(&text)?;
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(exit::CONFIG) })
}
