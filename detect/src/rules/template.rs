//! The summary of a rule: text with `{field}` in it, replaced by the field's values, and `{one|other}` by
//! those of the first that has any; mailboxes go by their short name.
//!
//! Limits: 10 values a field, 128 bytes a value, 1,000 bytes in all; what is cut ends in `…`.

const VALUES_MAX: usize = 10;
const VALUE_BYTES_MAX: usize = 128;
const SUMMARY_BYTES_MAX: usize = 1000;

/// The second part of every canonical name in Exchange Online.
const HOSTED: &str = "Microsoft Exchange Hosted Organizations";

/// A parsed summary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// The first of these that has a value.
    Fields(Vec<String>),
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
            if field.split('|').any(str::is_empty) || field.contains(|c: char| c.is_whitespace() || c == '{')
            {
                return Err(format!("{{{field}}} is no field"));
            }
            parts.push(Part::Text(before.to_owned()));
            parts.push(Part::Fields(field.split('|').map(str::to_owned).collect()));
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
        let names = self.0.iter().map(|part| match part {
            Part::Fields(fields) => fields.as_slice(),
            Part::Text(_) => &[],
        });
        names.flatten().map(String::as_str)
    }

    /// The text with each field's values in its place; `unknown` where there are none.
    pub(crate) fn render(&self, values: impl Fn(&str) -> Vec<String>) -> String {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Text(part) => text.push_str(part),
                Part::Fields(fields) => {
                    let known =
                        fields.iter().map(|field| shown(&values(field))).find(|shown| !shown.is_empty());
                    text.push_str(known.as_deref().unwrap_or("unknown"));
                }
            }
        }
        cut(&text, SUMMARY_BYTES_MAX)
    }
}

/// The values of a field as a sentence has them.
fn shown(values: &[String]) -> String {
    join(&values.iter().map(|value| short(value)).collect::<Vec<_>>())
}

/// Exchange's canonical name of a mailbox or group, `server/Microsoft Exchange Hosted Organizations/tenant/name`, by its
/// last part; anything else as it is.
fn short(value: &str) -> String {
    let is_canonical = value.split('/').nth(1).is_some_and(|part| part.eq_ignore_ascii_case(HOSTED));
    let name = value.rsplit('/').next().filter(|name| is_canonical && !name.is_empty());
    name.unwrap_or(value).to_owned()
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
    fn a_canonical_name_is_shown_by_its_last_part() {
        let shown = |value: &str| Template::parse("{a}").unwrap().render(|_| vec![value.to_owned()]);
        let server = "eurpr01a001.prod.outlook.com/microsoft exchange hosted organizations";
        assert_eq!(shown(&format!("{server}/contoso.onmicrosoft.com/bob")), "bob");
        for whole in ["contoso.com/people/bob", "https://x.example/a/b", "bob", &format!("{server}/")] {
            assert_eq!(shown(whole), whole);
        }
    }

    #[test]
    fn the_first_field_that_has_a_value_is_shown() {
        let template = Template::parse("to {user|trustee|everybody}").unwrap();
        assert_eq!(template.fields().collect::<Vec<_>>(), ["user", "trustee", "everybody"]);
        let shown = |known: &str| {
            template.render(|field| known.contains(field).then(|| field.to_owned()).into_iter().collect())
        };
        assert_eq!(shown("everybody, trustee"), "to trustee");
        assert_eq!(shown(""), "to unknown");
    }

    #[test]
    fn broken_braces_are_refused() {
        for text in ["{", "}", "{a", "a}", "{}", "{a b}", "{a{b}}", "{a|}", "{|a}"] {
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
