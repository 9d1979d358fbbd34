//! Reads the body of a request: what is there, what is missing, what does not belong there.
//!
//! A form collects every problem of a body before it refuses, as the API does. A field whose value is wrong reads as the empty value of its type;
//! nobody sees it, because the body is refused.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use serde_json::{Map, Value};

use crate::kind::Id;
use crate::labels::{self, Labels};
use crate::problem::{FieldProblem, Problem};

/// How a resource that exists is named in a request: both are taken wherever one is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reference {
    Id(Id),
    Name(String),
}

/// One object of a request's body while it is read.
pub(crate) struct Form<'a> {
    object: &'a Map<String, Value>,
    /// `rules.0.`, before the names of fields.
    path: String,
    taken: BTreeSet<&'a str>,
    problems: Rc<RefCell<Vec<FieldProblem>>>,
}

/// What a request's body may hold beside what is read of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// Nothing: a field that the API does not have is a mistake of the client.
    Strict,
    /// Anything, as the API itself does it.
    Lenient,
}

/// Reads a body by `read`. An empty body is an object without fields.
pub(crate) fn read<'a, T>(body: &'a Body, read: impl FnOnce(&mut Form<'a>) -> T) -> Result<T, Problem> {
    let problems = Rc::default();
    let mut form = Form {
        object: &body.fields,
        path: String::new(),
        taken: BTreeSet::new(),
        problems: Rc::clone(&problems),
    };
    let result = read(&mut form);
    form.close();
    let mut found = std::mem::take(&mut *problems.borrow_mut());
    if body.strictness == Strictness::Lenient {
        found.retain(|problem| problem.message != UNKNOWN);
    }
    if found.is_empty() { Ok(result) } else { Err(Problem::invalid(&found)) }
}

const UNKNOWN: &str = "is not a field of this request";

/// The fields of a request.
#[derive(Debug, Clone)]
pub(crate) struct Body {
    fields: Map<String, Value>,
    strictness: Strictness,
}

impl Body {
    pub(crate) fn parse(bytes: &[u8], strictness: Strictness) -> Result<Self, Problem> {
        let fields = if bytes.iter().all(u8::is_ascii_whitespace) {
            Map::new()
        } else {
            match serde_json::from_slice(bytes).map_err(|error| Problem::unreadable(&error.to_string()))? {
                Value::Object(fields) => fields,
                _ => return Err(Problem::unreadable("it is not an object")),
            }
        };
        Ok(Self { fields, strictness })
    }
}

impl<'a> Form<'a> {
    /// Says that something is wrong with a field.
    pub(crate) fn problem(&self, name: &str, message: impl Into<String>) {
        let name = format!("{}{name}", self.path);
        self.problems.borrow_mut().push(FieldProblem { name, message: message.into() });
    }

    /// The value of a field; `null` is as good as nothing.
    fn take(&mut self, name: &'a str) -> Option<&'a Value> {
        self.taken.insert(name);
        self.object.get(name).filter(|value| !value.is_null())
    }

    fn take_as<T>(
        &mut self,
        name: &'a str,
        expected: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Option<T> {
        let value = self.take(name)?;
        let read = read(value);
        if read.is_none() {
            self.problem(name, format!("must be {expected}"));
        }
        read
    }

    /// Whether a field is there at all, `null` included.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.object.contains_key(name)
    }

    pub(crate) fn required<T>(&self, name: &str, value: Option<T>) -> Option<T> {
        if value.is_none() && self.object.get(name).is_none_or(Value::is_null) {
            self.problem(name, "is missing");
        }
        value
    }

    pub(crate) fn text_or_none(&mut self, name: &'a str) -> Option<String> {
        self.take_as(name, "a string", |value| value.as_str().map(str::to_owned))
    }

    pub(crate) fn text(&mut self, name: &'a str) -> String {
        let text = self.text_or_none(name);
        self.required(name, text).unwrap_or_default()
    }

    pub(crate) fn number_or_none(&mut self, name: &'a str) -> Option<u64> {
        self.take_as(name, "a whole number", Value::as_u64)
    }

    pub(crate) fn number(&mut self, name: &'a str) -> u64 {
        let number = self.number_or_none(name);
        self.required(name, number).unwrap_or_default()
    }

    pub(crate) fn flag_or_none(&mut self, name: &'a str) -> Option<bool> {
        self.take_as(name, "true or false", Value::as_bool)
    }

    pub(crate) fn flag(&mut self, name: &'a str) -> bool {
        let flag = self.flag_or_none(name);
        self.required(name, flag).unwrap_or_default()
    }

    /// One of a few words.
    pub(crate) fn word_or_none<T: Copy>(&mut self, name: &'a str, words: &[(&str, T)]) -> Option<T> {
        let expected: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        self.take_as(name, &format!("one of {}", expected.join(", ")), |value| {
            let text = value.as_str()?;
            words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning)
        })
    }

    /// One of a few words; the first stands for what is missing or wrong.
    pub(crate) fn word<T: Copy>(&mut self, name: &'a str, words: &[(&str, T)]) -> T {
        let word = self.word_or_none(name, words);
        self.required(name, word).unwrap_or(words[0].1)
    }

    pub(crate) fn reference_or_none(&mut self, name: &'a str) -> Option<Reference> {
        self.take_as(name, "an ID or a name", Reference::of)
    }

    pub(crate) fn reference(&mut self, name: &'a str) -> Reference {
        let reference = self.reference_or_none(name);
        self.required(name, reference).unwrap_or(Reference::Id(0))
    }

    pub(crate) fn references(&mut self, name: &'a str) -> Vec<Reference> {
        self.all_of(name, "a list of IDs or names", Reference::of).unwrap_or_default()
    }

    pub(crate) fn ids(&mut self, name: &'a str) -> Vec<Id> {
        self.all_of(name, "a list of IDs", Value::as_u64).unwrap_or_default()
    }

    pub(crate) fn texts(&mut self, name: &'a str) -> Option<Vec<String>> {
        self.all_of(name, "a list of strings", |value| value.as_str().map(str::to_owned))
    }

    fn all_of<T>(
        &mut self,
        name: &'a str,
        expected: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Option<Vec<T>> {
        self.take_as(name, expected, |value| value.as_array()?.iter().map(read).collect())
    }

    pub(crate) fn labels(&mut self) -> Option<Labels> {
        let given = self.take_as("labels", "an object", Value::as_object)?;
        match labels::read(given) {
            Ok(labels) => Some(labels),
            Err(wrong) => {
                for message in wrong {
                    self.problem("labels", message);
                }
                None
            }
        }
    }

    /// An object within this one.
    pub(crate) fn within<T>(&mut self, name: &'a str, read: impl FnOnce(&mut Form<'a>) -> T) -> Option<T> {
        let object = self.take_as(name, "an object", Value::as_object)?;
        Some(self.nested(name, object, read))
    }

    /// A list of objects within this one.
    pub(crate) fn each<T>(
        &mut self,
        name: &'a str,
        mut read: impl FnMut(&mut Form<'a>) -> T,
    ) -> Option<Vec<T>> {
        let objects: Vec<&'a Map<String, Value>> =
            self.all_of(name, "a list of objects", Value::as_object)?;
        Some(
            objects
                .into_iter()
                .enumerate()
                .map(|(index, object)| self.nested(&format!("{name}.{index}"), object, &mut read))
                .collect(),
        )
    }

    fn nested<T>(
        &self,
        name: &str,
        object: &'a Map<String, Value>,
        read: impl FnOnce(&mut Form<'a>) -> T,
    ) -> T {
        let mut form = Form {
            object,
            path: format!("{}{name}.", self.path),
            taken: BTreeSet::new(),
            problems: Rc::clone(&self.problems),
        };
        let result = read(&mut form);
        form.close();
        result
    }

    /// Complains about what nobody read.
    fn close(&self) {
        for name in self.object.keys().filter(|name| !self.taken.contains(name.as_str())) {
            self.problem(name, UNKNOWN);
        }
    }
}

impl Reference {
    /// A string of digits is an ID: names that look like one cannot be told from it.
    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) => number.as_u64().map(Self::Id),
            Value::String(text) => Some(text.parse().map_or_else(|_| Self::Name(text.clone()), Self::Id)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn problems(body: &str, strictness: Strictness) -> Vec<String> {
        let body = Body::parse(body.as_bytes(), strictness).unwrap();
        let read = read(&body, |form| {
            form.text("name");
            form.each("rules", |rule| rule.number("port"));
        });
        let Err(problem) = read else { return Vec::new() };
        let fields = problem.body()["error"]["details"]["fields"].as_array().unwrap().clone();
        fields.iter().map(|field| field["name"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn every_problem_is_told_with_its_path() {
        let body = r#"{"rules": [{"port": 1}, {"port": "x", "prot": 2}], "color": "red"}"#;
        assert_eq!(problems(body, Strictness::Strict), ["name", "rules.1.port", "rules.1.prot", "color"]);
    }

    #[test]
    fn unknown_fields_are_a_matter_of_strictness() {
        let body = r#"{"name": "a", "color": "red"}"#;
        assert_eq!(problems(body, Strictness::Strict), ["color"]);
        assert!(problems(body, Strictness::Lenient).is_empty());
    }

    #[test]
    fn a_body_is_an_object_or_nothing() {
        assert!(Body::parse(b" \n", Strictness::Strict).is_ok());
        for wrong in ["[]", "3", "{", "nonsense"] {
            assert!(Body::parse(wrong.as_bytes(), Strictness::Strict).is_err(), "{wrong}");
        }
    }

    #[test]
    fn digits_are_an_id_also_in_quotes() {
        assert_eq!(Reference::of(&"104".into()), Some(Reference::Id(104)));
        assert_eq!(Reference::of(&"cx23".into()), Some(Reference::Name("cx23".to_owned())));
        assert_eq!(Reference::of(&Value::Bool(true)), None);
    }
}
