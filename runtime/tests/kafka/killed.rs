use std::process::ExitCode;
pub(crate) fn asked() -> Option<String> {
    None
}
pub(crate) fn child(_: &str) -> ExitCode {
    ExitCode::SUCCESS
}
pub(crate) fn trials(_: &str) -> Vec<libtest_mimic::Trial> {
    Vec::new()
}
