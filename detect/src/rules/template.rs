//! The summary of a rule: text with `{field}` in it, replaced by the field's values.
//!
//! Limits: 10 values a field, 128 bytes a value, 1,000 bytes in all; what is cut ends in `…`.

const VALUES_MAX: usize = 10;
const VALUE_BYTES_MAX: usize = 128;
const SUMMARY_BYTES_MAX: usize = 1000;

/// A parsed summary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(String),
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong with its braces.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (field, after) = after.split_once('}').ok_or("a brace is opened and not closed")?;
            if field.is_empty() || field.contains(|c: char| c.is_whitespace() || c == '{') {
                return Err(format!("{{{field}}} is no field"));
            }
            parts.push(Part::Text(before.to_owned()));
            parts.push(Part::Field(field.to_owned()));
            rest = after;
        }
        if rest.contains('}') {
            return Err("a brace is closed and not opened".to_owned());
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Self(parts))
    }

    /// The fields it names.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Field(field) => Some(field.as_str()),
            Part::Text(_) => None,
        })
    }

    /// The text with each field's values in its place; `unknown` where there are none.
    pub(crate) fn render(&self, values: impl Fn(&str) -> Vec<String>) -> String {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Field(field) => match &*join(&values(field)) {
                    "" => text.push_str("unknown"),
                    values => text.push_str(values),
                },
            }
        }
        cut(&text, SUMMARY_BYTES_MAX)
    }
}

/// Values in one line.
pub(crate) fn join(values: &[String]) -> String {
    let mut line: Vec<String> =
        values.iter().take(VALUES_MAX).map(|value| cut(value, VALUE_BYTES_MAX)).collect();
    if values.len() > VALUES_MAX {
        line.push(format!("and {} more", values.len() - VALUES_MAX));
    }
    line.join(", ")
}

/// The first `most` bytes of a text, at a character's border, and `…` where something is missing.
pub(crate) fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let end = (0..=most).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
    format!("{}…", text.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_replaced_by_their_values() {
        let template = Template::parse("{who} gave {whom} a role ({why})").unwrap();
        assert_eq!(template.fields().collect::<Vec<_>>(), ["who", "whom", "why"]);
        let text = template.render(|field| match field {
            "who" => vec!["ann".to_owned()],
            "whom" => (0..12).map(|n| format!("b{n}")).collect(),
            _ => Vec::new(),
        });
        assert_eq!(text, "ann gave b0, b1, b2, b3, b4, b5, b6, b7, b8, b9, and 2 more a role (unknown)");
    }

    #[test]
    fn broken_braces_are_refused() {
        for text in ["{", "}", "{a", "a}", "{}", "{a b}", "{a{b}}"] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn long_values_are_cut_at_a_character() {
        assert_eq!(cut("äöü", 3), "ä…");
        let template = Template::parse("{a}").unwrap();
        assert_eq!(template.render(|_| vec!["x".repeat(5000)]).len(), 128 + "…".len());
    }
}
