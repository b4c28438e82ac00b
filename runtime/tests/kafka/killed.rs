use std::process::ExitCode;
pub fn asked() -> Option<String> {
    None
}
pub fn child(_: &str) -> ExitCode {
    ExitCode::SUCCESS
}
pub fn trials(_: &str) -> Vec<libtest_mimic::Trial> {
    Vec::new()
}
