//! Reads the query of a list: filters, order, page.

use std::cmp::Ordering;

use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use crate::form::Strictness;
use crate::labels::Labels;
use crate::limits::{PAGE, USUAL_PAGE};
use crate::problem::{FieldProblem, Problem};
use crate::selector::Selector;

/// What a list can be asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listed {
    /// Filters: the parameter and the field of an entry that must have one of its values.
    pub(crate) filters: &'static [(&'static str, &'static str)],
    /// Fields by which the list can be ordered.
    pub(crate) sort: &'static [&'static str],
    /// Parameters that are read elsewhere.
    pub(crate) others: &'static [&'static str],
}

/// The parameters of a request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn parse(text: &str) -> Self {
        let decode =
            |part: &str| percent_decode_str(&part.replace('+', " ")).decode_utf8_lossy().into_owned();
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key), decode(value))
        });
        Self(pairs.collect())
    }

    pub(crate) fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(other, _)| other == key).map(|(_, value)| value.as_str())
    }

    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(other, _)| other == key).map(|(_, value)| value.as_str())
    }

    /// Entries of a list in the order and of the page that are asked for, as the body of an answer.
    pub(crate) fn page(
        &self,
        key: &str,
        entries: Vec<Value>,
        listed: Listed,
        strictness: Strictness,
    ) -> Result<Value, Problem> {
        if strictness == Strictness::Strict {
            self.refuse_unknown(listed)?;
        }
        let mut entries = self.filter(entries, listed)?;
        self.order(&mut entries, listed.sort)?;
        let page = Page::of(self)?;
        let (entries, pagination) = page.cut(entries);
        Ok(json!({key: entries, "meta": {"pagination": pagination}}))
    }

    fn refuse_unknown(&self, listed: Listed) -> Result<(), Problem> {
        let known = |key: &str| {
            ["page", "per_page"].contains(&key)
                || (key == "sort" && !listed.sort.is_empty())
                || listed.others.contains(&key)
                || listed.filters.iter().any(|(parameter, _)| *parameter == key)
        };
        let unknown: Vec<FieldProblem> = self
            .0
            .iter()
            .filter(|(key, _)| !known(key))
            .map(|(key, _)| FieldProblem {
                name: key.clone(),
                message: "is not a parameter of this list".to_owned(),
            })
            .collect();
        if unknown.is_empty() { Ok(()) } else { Err(Problem::invalid(&unknown)) }
    }

    fn filter(&self, entries: Vec<Value>, listed: Listed) -> Result<Vec<Value>, Problem> {
        let selector = match self.get("label_selector").filter(|_| listed.others.contains(&"label_selector"))
        {
            Some(text) => {
                Some(Selector::parse(text).map_err(|why| Problem::invalid_field("label_selector", why))?)
            }
            None => None,
        };
        let keeps = |entry: &Value| {
            let labelled = selector.as_ref().is_none_or(|selector| selector.matches(&labels_of(entry)));
            labelled
                && listed.filters.iter().all(|(parameter, field)| {
                    let mut wanted = self.all(parameter).peekable();
                    wanted.peek().is_none() || wanted.any(|value| is(&entry[*field], value))
                })
        };
        Ok(entries.into_iter().filter(keeps).collect())
    }

    /// By `sort=field` and `sort=field:desc`, the first the most important.
    fn order(&self, entries: &mut [Value], fields: &[&str]) -> Result<(), Problem> {
        let mut keys = Vec::new();
        for sort in self.all("sort") {
            let (field, direction) = sort.split_once(':').unwrap_or((sort, "asc"));
            if !fields.contains(&field) || !["asc", "desc"].contains(&direction) {
                return Err(Problem::invalid_field("sort", format!("cannot sort by `{sort}`")));
            }
            keys.push((field, direction == "desc"));
        }
        entries.sort_by(|left, right| {
            keys.iter().fold(Ordering::Equal, |order, (field, falls)| {
                let step = compare(&left[*field], &right[*field]);
                order.then(if *falls { step.reverse() } else { step })
            })
        });
        Ok(())
    }
}

fn labels_of(entry: &Value) -> Labels {
    let pairs = entry["labels"].as_object().into_iter().flatten();
    pairs.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect()
}

fn is(field: &Value, wanted: &str) -> bool {
    match field {
        Value::String(text) => text == wanted,
        Value::Number(number) => number.to_string() == wanted,
        Value::Object(object) => object.get("id").is_some_and(|id| is(id, wanted)),
        _ => false,
    }
}

fn compare(left: &Value, right: &Value) -> Ordering {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left.as_u64().cmp(&right.as_u64()),
        _ => left.as_str().cmp(&right.as_str()),
    }
}

/// A part of a list.
struct Page {
    number: usize,
    size: usize,
}

impl Page {
    fn of(query: &Query) -> Result<Self, Problem> {
        let read = |name: &str, usual: usize, most: usize| match query.get(name) {
            None => Ok(usual),
            Some(text) => text
                .parse()
                .ok()
                .filter(|number| (1..=most).contains(number))
                .ok_or_else(|| Problem::invalid_field(name, format!("must be a number from 1 to {most}"))),
        };
        Ok(Self { number: read("page", 1, usize::MAX)?, size: read("per_page", USUAL_PAGE, PAGE)? })
    }

    fn cut(&self, entries: Vec<Value>) -> (Vec<Value>, Value) {
        let total = entries.len();
        let last = total.div_ceil(self.size).max(1);
        let begin = (self.number - 1).saturating_mul(self.size);
        let entries = entries.into_iter().skip(begin).take(self.size).collect();
        let pagination = json!({
            "page": self.number,
            "per_page": self.size,
            "previous_page": (self.number > 1).then(|| self.number - 1),
            "next_page": (self.number < last).then_some(self.number + 1),
            "last_page": last,
            "total_entries": total,
        });
        (entries, pagination)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTED: Listed = Listed {
        filters: &[("name", "name"), ("status", "status")],
        sort: &["id", "name"],
        others: &["label_selector"],
    };

    fn page(query: &str) -> Result<Value, Problem> {
        let entries = (1..=60).map(|id| {
            let status = if id % 2 == 0 { "even" } else { "odd" };
            json!({"id": id, "name": format!("n{}", id % 7), "status": status, "labels": {"n": id.to_string()}})
        });
        Query::parse(query).page("things", entries.collect(), LISTED, Strictness::Strict)
    }

    #[track_caller]
    fn check(query: &str, expected: &[u64]) {
        let page = page(query).unwrap();
        let ids: Vec<u64> =
            page["things"].as_array().unwrap().iter().map(|thing| thing["id"].as_u64().unwrap()).collect();
        assert_eq!(ids, expected, "{query}");
    }

    #[test]
    fn lists_come_in_pages() {
        let first = page("").unwrap();
        assert_eq!(first["things"].as_array().unwrap().len(), 25);
        let expected = json!({
            "page": 1, "per_page": 25, "previous_page": null, "next_page": 2, "last_page": 3, "total_entries": 60
        });
        assert_eq!(first["meta"]["pagination"], expected);
        let last = page("page=2&per_page=50").unwrap();
        assert_eq!(last["things"].as_array().unwrap().len(), 10);
        assert_eq!(last["meta"]["pagination"]["next_page"], Value::Null);
        assert_eq!(page("page=9").unwrap()["things"], json!([]));
    }

    #[test]
    fn filters_take_several_values() {
        check("name=n1&per_page=3", &[1, 8, 15]);
        check("status=even&status=odd&per_page=2", &[1, 2]);
        check("label_selector=n%20in%20(5,7)", &[5, 7]);
        check("label_selector=n+in+(5,7)&status=none", &[]);
    }

    #[test]
    fn order_may_have_several_keys() {
        check("sort=name:desc&sort=id:desc&per_page=2", &[55, 48]);
        check("sort=id:desc&per_page=1", &[60]);
    }

    #[test]
    fn what_a_list_does_not_have_is_refused() {
        for wrong in [
            "per_page=51",
            "per_page=0",
            "page=0",
            "page=x",
            "sort=size",
            "sort=id:up",
            "label=x",
            "label_selector=a+b",
        ] {
            assert!(page(wrong).is_err(), "{wrong}");
        }
    }
}
