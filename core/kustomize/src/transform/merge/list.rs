//! Lists in a strategic merge: replaced as a whole, or merged by the keys of their elements.

use super::{DIRECTIVE, Directive, Merger, Side, parse_directive};
use crate::error::{Problem, Result};
use crate::schema::{FieldSchema, ListMerge};
use crate::yaml::{Map, Node, Scalar, Text};

/// The values of the merge keys of one element.
type Values = Vec<Text>;

impl<'s> Merger<'s> {
    pub(super) fn list(
        self,
        dest: Side<Vec<Node>>,
        patch: Side<Vec<Node>>,
        schema: &FieldSchema<'s>,
    ) -> Result<Option<Node>> {
        let Some(merge) = &schema.list else {
            return Ok(match (dest, patch) {
                (Side::Value(dest), Side::Missing) => Some(Node::List(dest)),
                (_, Side::Value(patch)) => Some(Node::List(patch)),
                _ => None,
            });
        };
        match (dest, patch) {
            (Side::Value(dest), Side::Missing) => self.keyed(dest, Some(&[]), merge),
            (Side::Value(dest), Side::Value(mut patch)) => match take_directive(&mut patch)? {
                Directive::Delete => Ok(None),
                Directive::Replace => self.keyed(patch, None, merge),
                Directive::Merge => self.keyed(dest, Some(&patch), merge),
            },
            (_, Side::Value(patch)) => self.keyed(patch, None, merge),
            _ => Ok(None),
        }
    }

    pub(super) fn adopt_list(self, mut list: Vec<Node>, schema: &FieldSchema<'s>) -> Result<Option<Node>> {
        let Some(merge) = &schema.list else { return Ok(Some(Node::List(list))) };
        match take_directive(&mut list)? {
            Directive::Delete => Ok(None),
            _ => self.keyed(list, None, merge),
        }
    }

    /// Merges two lists by keys: elements of the patch first, in its order, then what is left of the list.
    ///
    /// Without a patch the list was taken over from it, and is merged with itself as kyaml does.
    fn keyed(
        self,
        mut dest: Vec<Node>,
        patch: Option<&[Node]>,
        merge: &ListMerge<'s>,
    ) -> Result<Option<Node>> {
        let keys: Vec<Text> = if merge.keys.is_empty() { vec![Text::default()] } else { merge.keys.clone() };
        let mut all = distinct_values(patch.unwrap_or(&dest), &dest, &merge.keys);
        if keys.len() > 1 {
            unify(&mut all);
        }
        let mut merged: Vec<Node> = Vec::new();
        let mut valid_keys = keys.clone();
        for values in &all {
            let (used_keys, used_values) = used_in(&all, values, &keys);
            let at = find(&dest, &used_keys, &used_values);
            let (value, in_place) = self.element(&dest, at, patch, (&used_keys, &used_values), merge)?;
            match value.filter(|value| !value.is_null() && !is_empty_map(value)) {
                None => set(&mut dest, None, &used_keys, &used_values)?,
                Some(mut element) => {
                    complete_keys(&mut element, &used_keys, &used_values);
                    if let Some(at) = at.filter(|_| in_place) {
                        dest[at] = element.clone();
                    }
                    set(&mut merged, Some(element), &used_keys, &used_values)?;
                }
            }
            valid_keys = used_keys;
        }
        if all.is_empty() {
            return Ok(Some(Node::List(dest)));
        }
        append(&mut merged, dest, &valid_keys)?;
        Ok(Some(Node::List(merged)))
    }

    /// One merged element, and whether it is the one of the list, changed. An element that the patch replaces is
    /// not: it is found again later, and then stays. So it is in kyaml.
    fn element(
        self,
        dest: &[Node],
        at: Option<usize>,
        patch: Option<&[Node]>,
        (keys, values): (&[Text], &[Text]),
        merge: &ListMerge<'s>,
    ) -> Result<(Option<Node>, bool)> {
        let elements = FieldSchema { value: merge.elements, list: None };
        let old = at.map(|at| dest[at].clone());
        let Some(patch) = patch else {
            let adopted = old.map(|element| self.adopt(element, &elements)).transpose()?;
            return Ok((adopted.flatten(), true));
        };
        let change = find(patch, keys, values).map(|at| patch[at].clone());
        let in_place = !change.as_ref().is_some_and(is_replacement);
        Ok((self.walk(old, change, &elements)?, in_place))
    }
}

fn is_replacement(element: &Node) -> bool {
    element.get(DIRECTIVE).is_some_and(|directive| directive.text() == "replace")
}

/// Reads and removes an element that is only a directive.
fn take_directive(list: &mut Vec<Node>) -> Result<Directive> {
    let directive = list.iter().find(|element| element.get(DIRECTIVE).is_some());
    let Some(directive) = directive.and_then(Node::as_map).filter(|map| map.entries.len() == 1) else {
        return Ok(Directive::Merge);
    };
    let found = &directive.entries[0].value;
    let (parsed, text) = (parse_directive(found)?, Text::from(found.text()));
    set(list, None, &[Text::new_static(DIRECTIVE)], &[text])?;
    Ok(parsed)
}

/// The values of the keys of all elements, those of the patch first, each once.
fn distinct_values(patch: &[Node], dest: &[Node], keys: &[Text]) -> Vec<Values> {
    let mut all: Vec<Values> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for element in patch.iter().chain(dest) {
        let values = if keys.is_empty() {
            vec![Text::from(element.text())]
        } else {
            keys.iter().map(|key| value_of(element, key)).collect()
        };
        if seen.insert(values.clone()) {
            all.push(values);
        }
    }
    all
}

fn value_of(element: &Node, key: &str) -> Text {
    element.get(key).filter(|value| !value.is_empty()).map(|value| value.text().into()).unwrap_or_default()
}

/// Two elements that agree in one key and contradict in none are the same: `{8080}` and `{8080, TCP}`.
fn unify(all: &mut [Values]) {
    for left in 0..all.len() {
        for right in 0..all.len() {
            if let Some(both) = unified(&all[left], &all[right]) {
                all[left].clone_from(&both);
                all[right] = both;
            }
        }
    }
}

fn unified(left: &[Text], right: &[Text]) -> Option<Values> {
    let mut common = false;
    let mut both = Vec::with_capacity(left.len());
    for (left, right) in left.iter().zip(right) {
        if left == right {
            common = true;
        } else if !left.is_empty() && !right.is_empty() {
            return None;
        }
        both.push(if left.is_empty() { right.clone() } else { left.clone() });
    }
    common.then_some(both)
}

/// The keys that any element uses, and this element's values for them; all keys if none is used.
fn used_in(all: &[Values], values: &[Text], keys: &[Text]) -> (Vec<Text>, Values) {
    let used = |at: usize| all.iter().any(|values| !values[at].is_empty());
    let chosen: Vec<usize> = (0..keys.len()).filter(|&at| used(at)).collect();
    if chosen.is_empty() {
        return (keys.to_vec(), values.to_vec());
    }
    (
        chosen.iter().map(|&at| keys[at].clone()).collect(),
        chosen.iter().map(|&at| values[at].clone()).collect(),
    )
}

/// Position of the first element whose keys have these values; keys without a value do not count.
fn find(list: &[Node], keys: &[Text], values: &[Text]) -> Option<usize> {
    if keys[0].is_empty() {
        return list.iter().position(|element| element.text() == values[0]);
    }
    let any_value = values.iter().any(|value| !value.is_empty());
    let pairs = || keys.iter().zip(values).filter(|(_, value)| !any_value || !value.is_empty());
    list.iter().position(|element| {
        element.as_map().is_some_and(|map| {
            pairs().all(|(key, value)| map.get(key).is_some_and(|found| found.text() == *value))
        })
    })
}

/// Adds the keys an element was found by but does not have.
fn complete_keys(element: &mut Node, keys: &[Text], values: &[Text]) {
    let Node::Map(map) = element else { return };
    for (key, value) in keys.iter().zip(values) {
        if !value.is_empty() && !map.contains(key) {
            map.push(Scalar::untagged(key.clone()), Scalar::untagged(value.clone()).into());
        }
    }
}

fn is_empty_map(node: &Node) -> bool {
    node.as_map().is_some_and(|map| map.entries.is_empty())
}

/// Replaces every element with these key values, or appends; without an element it removes them.
///
/// Fewer values than keys fit no element, and without any value the others are dropped: both are kyaml's.
fn set(list: &mut Vec<Node>, element: Option<Node>, keys: &[Text], values: &[Text]) -> Result<()> {
    let by_map = !keys[0].is_empty() && values.first().is_some_and(|value| !value.is_empty());
    let mut found = false;
    let mut kept = Vec::with_capacity(list.len() + 1);
    for old in std::mem::take(list) {
        if old.is_null() || is_empty_map(&old) {
            continue;
        }
        if by_map && old.as_map().is_none() {
            kept.push(old);
        } else if !matches(&old, keys, values)? {
            if !values.is_empty() {
                kept.push(old);
            }
        } else {
            found = true;
            kept.extend(element.clone());
        }
    }
    *list = kept;
    if !found {
        list.extend(element);
    }
    Ok(())
}

fn matches(element: &Node, keys: &[Text], values: &[Text]) -> Result<bool> {
    let mut last = false;
    for (at, key) in keys.iter().enumerate() {
        if let Some(value) = values.get(at) {
            last = if key.is_empty() {
                element.as_scalar().is_some_and(|scalar| scalar.text == *value)
            } else {
                let Node::Map(map) = element else { return refuse(element) };
                has_value(map, key, value)
            };
        }
        if !last {
            return Ok(false);
        }
    }
    Ok(true)
}

fn has_value(map: &Map, key: &str, value: &str) -> bool {
    map.get(key).is_some_and(|found| value.is_empty() || found.text() == value)
}

fn refuse<T>(element: &Node) -> Result<T> {
    let field = "an element of a merged list".to_owned();
    Problem::WrongType { field, expected: "a map", found: element.kind() }.at_line(element.line())
}

/// Appends the elements of the list that the patch did not have.
fn append(merged: &mut Vec<Node>, dest: Vec<Node>, keys: &[Text]) -> Result<()> {
    for element in dest {
        let mut values = Vec::new();
        if keys[0].is_empty() {
            values.push(element.text().into());
        } else {
            for key in keys {
                match element.get(key) {
                    Some(value) => values.push(Text::from(value.text())),
                    None => merged.push(element.clone()),
                }
            }
        }
        if keys.len() > 1 {
            set(merged, None, keys, &values)?;
        }
        set(merged, Some(element), keys, &values)?;
    }
    Ok(())
}
