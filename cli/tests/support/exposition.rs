//! Prometheus' text format 0.0.4, read strictly: what its page does not allow is an error with the line.

use std::collections::{BTreeMap, BTreeSet};

/// Every series by its name with labels, as it stands in a line: `weir_sink_outputs_total{sink="a"}`.
#[derive(Debug)]
pub(crate) struct Scrape {
    pub(crate) series: BTreeMap<String, f64>,
    /// Family → type.
    pub(crate) types: BTreeMap<String, String>,
}

impl Scrape {
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        if !text.ends_with('\n') {
            return Err("the last line has no end".to_owned());
        }
        let mut scrape = Self { series: BTreeMap::new(), types: BTreeMap::new() };
        let (mut helped, mut current) = (None, String::new());
        for line in text.lines() {
            let wrong = |why: &str| Err(format!("{why}: {line}"));
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let Some((name, help)) = rest.split_once(' ') else { return wrong("no help") };
                if !is_name(name) || help.trim().is_empty() {
                    return wrong("no name or no help");
                }
                helped = Some(name.to_owned());
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let Some((name, kind)) = rest.split_once(' ') else { return wrong("no type") };
                if helped.take().as_deref() != Some(name)
                    || !["counter", "gauge", "histogram"].contains(&kind)
                {
                    return wrong("a type without its help, or one that is none");
                }
                if scrape.types.insert(name.to_owned(), kind.to_owned()).is_some() {
                    return wrong("a family that comes twice");
                }
                name.clone_into(&mut current);
            } else {
                let (series, value) = sample(line).ok_or_else(|| format!("no sample: {line}"))?;
                let name = series.split('{').next().unwrap_or_default();
                let kind = scrape.types.get(&current).map_or("", String::as_str);
                let ends = |ends: &str| name.strip_suffix(ends) == Some(current.as_str());
                let of_histogram = ends("_bucket") || ends("_sum") || ends("_count");
                if (kind == "histogram") != of_histogram || (!of_histogram && name != current) {
                    return wrong("a sample outside its family");
                }
                if kind == "counter" && (!name.ends_with("_total") || value < 0.0) {
                    return wrong("a counter that is none");
                }
                if scrape.series.insert(series, value).is_some() {
                    return wrong("a series that comes twice");
                }
            }
        }
        scrape.histograms()?;
        Ok(scrape)
    }

    /// The number of a series; none where it is not there.
    pub(crate) fn get(&self, series: &str) -> Option<f64> {
        self.series.get(series).copied()
    }

    /// The sum over all series of a family whose line begins so.
    pub(crate) fn sum(&self, begins: &str) -> f64 {
        self.series.iter().filter(|(series, _)| series.starts_with(begins)).map(|(_, value)| value).sum()
    }

    /// Buckets rise, and the last one is the count.
    fn histograms(&self) -> Result<(), String> {
        let mut buckets: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
        for (series, value) in &self.series {
            // The crate writes this label last.
            let Some((before, le)) = series.rsplit_once("le=\"").filter(|_| series.contains("_bucket{"))
            else {
                continue;
            };
            let Some((bound, rest)) = le.split_once('"') else { continue };
            let bound =
                if bound == "+Inf" { f64::INFINITY } else { bound.parse().map_err(|_| series.clone())? };
            let key = before.replace("_bucket{", "_count{") + rest;
            buckets.entry(key.replace(",}", "}").replace("{}", "")).or_default().push((bound, *value));
        }
        for (count, mut of) in buckets {
            of.sort_by(|a, b| a.0.total_cmp(&b.0));
            let rises = of.windows(2).all(|pair| pair[0].1 <= pair[1].1);
            let all = of.last().filter(|(bound, _)| bound.is_infinite()).map(|(_, value)| *value);
            if !rises || all.is_none() || all != self.get(&count) {
                return Err(format!("buckets that do not add up: {count}"));
            }
        }
        Ok(())
    }
}

/// A sample's series, as written, and its value.
fn sample(line: &str) -> Option<(String, f64)> {
    let (series, value) = line.rsplit_once(' ')?;
    let value: f64 = value.parse().ok()?;
    let Some((name, labels)) = series.split_once('{') else {
        return is_name(series).then(|| (series.to_owned(), value));
    };
    let mut rest = labels.strip_suffix('}')?;
    let mut names = BTreeSet::new();
    while !rest.is_empty() {
        let (label, quoted) = rest.split_once("=\"")?;
        if !is_name(label) || label.contains(':') || !names.insert(label) {
            return None;
        }
        let end = end_of_quote(quoted)?;
        rest = quoted.get(end + 1..)?;
        rest = if rest.is_empty() { rest } else { rest.strip_prefix(',')? };
    }
    is_name(name).then(|| (series.to_owned(), value))
}

/// Where the quote closes; none where it does not, or an escape is none.
fn end_of_quote(text: &str) -> Option<usize> {
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some(at),
            '\\' => drop(chars.next().filter(|(_, escaped)| ['\\', '"', 'n'].contains(escaped))?),
            _ => {}
        }
    }
    None
}

fn is_name(text: &str) -> bool {
    let fits = |char: char| char.is_ascii_alphanumeric() || char == '_' || char == ':';
    text.chars().all(fits) && text.chars().next().is_some_and(|first| !first.is_ascii_digit())
}

#[test]
fn what_the_format_does_not_allow_is_named() {
    let head = "# HELP a_total x\n# TYPE a_total counter\n";
    assert!(Scrape::read(&format!("{head}a_total{{b=\"c\\\"d\",e=\"\"}} 1\na_total 2e3\n")).is_ok());
    for bad in [
        "a_total 1",
        "b_total 1\n",
        "a_total{b=\"c} 1\n",
        "a_total{b=\"\\x\"} 1\n",
        "a_total{b=\"1\",b=\"2\"} 1\n",
        "a_total{b=\"1\"c=\"2\"} 1\n",
        "a_total one\n",
        "a_total -1\n",
        "a_total 1\na_total 1\n",
        "# TYPE a_total counter\n",
        "# HELP h x\n# TYPE h histogram\nh_bucket{le=\"1\"} 2\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n",
        "# HELP h x\n# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_sum 1\nh_count 1\n",
        "# HELP g x\n# TYPE g counter\ng 1\n",
    ] {
        assert!(Scrape::read(&format!("{head}{bad}")).is_err(), "{bad}");
    }
}
