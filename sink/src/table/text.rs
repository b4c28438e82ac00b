//! Text that is safe to show, wrapped to a width.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// A blank at which no line is broken; it is shown as a blank. [`clean`] leaves none.
pub(super) const GLUE: char = '\u{a0}';

/// `text` with white space folded to single blanks, what is not visible shown as U+FFFD, and at most `chars_max`
/// characters, the last an ellipsis where something was cut.
pub(super) fn clean(text: &str, chars_max: usize) -> String {
    let mut clean = String::with_capacity(text.len().min(chars_max * 4));
    let mut chars = 0;
    for word in text.split_whitespace() {
        let blank = (!clean.is_empty()).then_some(' ');
        for char in blank.into_iter().chain(word.chars()) {
            if chars + 1 > chars_max {
                clean.pop();
                clean.push('…');
                return clean;
            }
            clean.push(if is_invisible(char) { char::REPLACEMENT_CHARACTER } else { char });
            chars += 1;
        }
    }
    clean
}

/// Controls, and the format characters that hide or reorder text.
#[must_use]
pub fn is_invisible(char: char) -> bool {
    char.is_control()
        || matches!(char,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The first sentence: up to a full stop before a blank and a capital letter. `text` is clean.
pub(super) fn first_sentence(text: &str) -> &str {
    for (at, _) in text.match_indices(". ") {
        let Some((sentence, rest)) = text.split_at_checked(at + 1) else { continue };
        if rest.trim_start().starts_with(char::is_uppercase) {
            return sentence;
        }
    }
    text
}

/// `text` in lines of at most `width` columns, broken at blanks where there are any. Clean text has single blanks.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(2);
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in text.split(' ') {
        let wide = word.width();
        if used > 0 {
            if used + 1 + wide <= width {
                line.push(' ');
                line.extend(word.chars().map(shown));
                used += 1 + wide;
                continue;
            }
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        for char in word.chars() {
            let wide = char.width().unwrap_or(0);
            if used + wide > width {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push(shown(char));
            used += wide;
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

fn shown(char: char) -> char {
    if char == GLUE { ' ' } else { char }
}
