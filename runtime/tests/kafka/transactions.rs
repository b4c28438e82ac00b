pub(crate) fn trials(_: &str) -> Vec<libtest_mimic::Trial> {
    Vec::new()
}
