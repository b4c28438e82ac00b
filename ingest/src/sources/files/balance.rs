//! Whether a line holds one whole JSON value, told by its brackets and strings alone: nothing is parsed.

/// Whether brackets and strings are closed at the end and not before.
pub(super) fn is_balanced(line: &[u8]) -> bool {
    let (mut depth, mut inside, mut escaped) = (0_u64, false, false);
    let line = line.strip_suffix(b",").unwrap_or(line);
    for (index, byte) in line.iter().enumerate() {
        match (byte, inside) {
            _ if escaped => escaped = false,
            (b'\\', true) => escaped = true,
            (b'"', _) => inside = !inside,
            (b'{' | b'[', false) => depth += 1,
            (b'}' | b']', false) => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return index + 1 == line.len();
                }
            }
            _ => {}
        }
    }
    false
}
