//! Comma-separated text, row by row, each with its line. Fields may stand in double quotes, doubled inside; a field
//! does not span lines. Empty lines and lines that begin with `#` are no rows.

/// One row.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// Counted from 1.
    pub(crate) line: usize,
    /// Trimmed, unless in quotes.
    pub(crate) fields: Vec<String>,
}

/// The rows of `text`; for a line with an open quote, its number.
pub(crate) fn rows(text: &str) -> impl Iterator<Item = Result<Row, usize>> + '_ {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.trim()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(line, text)| split(text).map(|fields| Row { line, fields }).ok_or(line))
}

/// The fields of one line; nothing when a quote stays open or text follows a closed one.
fn split(line: &str) -> Option<Vec<String>> {
    let mut fields = Vec::new();
    let mut rest = line;
    loop {
        let (field, after) = match rest.trim_start().strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let end = rest.find(',').unwrap_or(rest.len());
                let (field, after) = rest.split_at_checked(end)?;
                (field.trim().to_owned(), after)
            }
        };
        fields.push(field);
        match after.trim_start().strip_prefix(',') {
            Some(next) => rest = next,
            None if after.trim().is_empty() => return Some(fields),
            None => return None,
        }
    }
}

/// The text up to the closing quote, and what follows it.
fn unquote(text: &str) -> Option<(String, &str)> {
    let mut field = String::new();
    let mut rest = text;
    loop {
        let (before, after) = rest.split_once('"')?;
        field.push_str(before);
        match after.strip_prefix('"') {
            Some(next) => {
                field.push('"');
                rest = next;
            }
            None => return Some((field, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_their_lines_and_fields() {
        let text = "\u{feff}# a note\nnetwork,name\r\n\n10.0.0.0/8, \"a \"\"b\"\", c\" ,\n";
        let rows: Vec<Row> = rows(text).map(Result::unwrap).collect();
        let row =
            |line, fields: &[&str]| Row { line, fields: fields.iter().map(|&f| f.to_owned()).collect() };
        assert_eq!(rows, [row(2, &["network", "name"]), row(4, &["10.0.0.0/8", "a \"b\", c", ""])]);
    }

    #[test]
    fn an_open_quote_is_an_error_in_its_line() {
        assert_eq!(rows("a\n\"b,c\nd").filter_map(Result::err).collect::<Vec<_>>(), [2]);
        assert_eq!(rows("\"a\"b,c").filter_map(Result::err).collect::<Vec<_>>(), [1]);
    }
}
