//! What is left of a document without what is wrong with its form, so that the rest can be checked further.
//!
//! A misspelt key must not hide a wrong reference three lines below. An entry with a mistake is left aside as a
//! whole, and what its absence would make look wrong is not reported: that is known only when it is mended.

use std::collections::BTreeSet;

use super::node::{Key, Node, Value};
use super::shape::Mistake;

/// Keys of a document; another one may stand for any of them that is absent.
const KEYS: [&str; 12] = [
    "version",
    "name",
    "sources",
    "telemetry",
    "seeds",
    "dimensions",
    "allocation",
    "unit_economics",
    "reporting",
    "destination",
    "engine",
    "runs",
];

/// Entries that stand on their own; `*` is any name or position.
const ENTRIES: [&[&str]; 7] = [
    &["sources", "*"],
    &["telemetry", "*"],
    &["dimensions", "*"],
    &["unit_economics", "*"],
    &["allocation", "stages", "*", "rules", "*"],
    &["allocation", "stages", "*"],
    &["allocation", "*"],
];

/// A document whose form is right, made of one whose form may not be.
#[derive(Debug)]
pub(crate) struct Sound<'a> {
    /// What is left.
    pub(crate) node: Node,
    original: &'a Node,
    removed: BTreeSet<Vec<String>>,
}

impl<'a> Sound<'a> {
    /// Leaves aside what the mistakes are in; `None` when the document is no mapping.
    pub(crate) fn of(original: &'a Node, mistakes: &[Mistake]) -> Option<Self> {
        let Value::Map(_) = original.value else { return None };
        let removed: BTreeSet<Vec<String>> = mistakes.iter().map(|mistake| entry(&mistake.path)).collect();
        let mut node = without(original, &mut Vec::new(), &removed);
        let text = |text: &str| Value::Text(text.to_owned());
        fill(&mut node, "version", Value::Number(1.into()));
        fill(&mut node, "name", text("unknown"));
        fill(&mut node, "sources", Value::Map(Vec::new()));
        let place = node.place;
        let location = (Key { place, name: "location".to_owned() }, Node { place, value: text("unknown") });
        fill(&mut node, "destination", Value::Map(vec![location]));
        if let Value::Map(entries) = &mut node.value
            && let Some((_, allocation)) = entries.iter_mut().find(|(key, _)| key.name == "allocation")
        {
            fill(allocation, "target", text("unknown"));
        }
        Some(Self { node, original, removed })
    }

    /// Whether `name` is declared in a section, or may be once the document is mended.
    pub(crate) fn may_declare(&self, section: &str, name: &str) -> bool {
        let declared = self.original.get(section).is_some_and(|entries| entries.get(name).is_some());
        declared || !self.knows(section)
    }

    /// Whether every name in a section is known: it was not left aside as a whole, and its key is not misspelt.
    pub(crate) fn knows(&self, section: &str) -> bool {
        !self.removed.contains(&vec![section.to_owned()]) && !self.may_be_misspelt(section)
    }

    /// Whether something at or below a path was left aside, or is absent because its key may be misspelt.
    pub(crate) fn is_incomplete(&self, path: &[&str]) -> bool {
        let below =
            |removed: &Vec<String>| removed.len() >= path.len() && removed.iter().zip(path).all(|(a, b)| a == b);
        self.removed.iter().any(below) || path.first().is_some_and(|section| self.may_be_misspelt(section))
    }

    /// Whether no key of a section itself was left aside; those of its entries may have been.
    pub(crate) fn has_all_keys(&self, section: &str) -> bool {
        self.removed.iter().all(|removed| removed.len() != 2 || removed.first().is_none_or(|first| first != section))
    }

    fn may_be_misspelt(&self, section: &str) -> bool {
        let is_strange = |key: &String| !KEYS.contains(&key.as_str());
        self.original.get(section).is_none() && self.removed.iter().filter_map(|it| it.first()).any(is_strange)
    }
}

/// The entry that a place belongs to: the longest that stands on its own, else the section.
fn entry(path: &[String]) -> Vec<String> {
    // A rule stands below `rules`, which is a key of the allocation.
    let is_rule = path.len() > 2 && path.iter().zip(["allocation", "rules"]).all(|(part, name)| part == name);
    let fits = |entry: &&&[&str]| {
        path.len() >= entry.len() && path.iter().zip(entry.iter()).all(|(part, name)| *name == "*" || part == name)
    };
    let length = if is_rule { 3 } else { ENTRIES.iter().find(fits).map_or(1, |entry| entry.len()) };
    path.iter().take(length).cloned().collect()
}

fn without(node: &Node, path: &mut Vec<String>, removed: &BTreeSet<Vec<String>>) -> Node {
    let mut kept = |name: String, child: &Node| {
        path.push(name);
        let is_dimension = path.len() == 2 && path.first().is_some_and(|section| section == "dimensions");
        let child = match (removed.contains(path), is_dimension) {
            (false, _) => Some(without(child, path, removed)),
            // Its name stays known to the expressions of rules.
            (true, true) => Some(Node { place: child.place, value: Value::Text("''".to_owned()) }),
            (true, false) => None,
        };
        path.pop();
        child
    };
    let value = match &node.value {
        Value::Map(entries) => {
            let entries = entries.iter().filter_map(|(key, child)| Some((key.clone(), kept(key.name.clone(), child)?)));
            Value::Map(entries.collect())
        }
        Value::List(items) => {
            let items = items.iter().enumerate().filter_map(|(index, child)| kept(index.to_string(), child));
            Value::List(items.collect())
        }
        plain => plain.clone(),
    };
    Node { place: node.place, value }
}

/// Adds a key that every document needs.
fn fill(node: &mut Node, name: &str, value: Value) {
    let place = node.place;
    if node.get(name).is_none()
        && let Value::Map(entries) = &mut node.value
    {
        entries.push((Key { place, name: name.to_owned() }, Node { place, value }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(path: &[&str]) -> Vec<String> {
        entry(&path.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn the_keys_are_those_of_the_schema() {
        let schema = crate::json_schema();
        let properties = schema["properties"].as_object().unwrap();
        assert_eq!(properties.keys().map(String::as_str).collect::<BTreeSet<_>>(), BTreeSet::from(KEYS));
    }

    #[test]
    fn a_mistake_takes_its_own_entry_along_and_no_more() {
        assert_eq!(cut(&["sources", "a", "format"]), ["sources", "a"]);
        assert_eq!(cut(&["allocation", "rules", "3", "activities", "0", "share"]), ["allocation", "rules", "3"]);
        assert_eq!(cut(&["allocation", "rules"]), ["allocation", "rules"]);
        assert_eq!(cut(&["allocation", "followers", "tax"]), ["allocation", "followers"]);
        assert_eq!(
            cut(&["allocation", "stages", "1", "rules", "0", "id"]),
            ["allocation", "stages", "1", "rules", "0"]
        );
        assert_eq!(cut(&["allocation", "stages", "1", "name"]), ["allocation", "stages", "1"]);
        assert_eq!(cut(&["engine", "jobs"]), ["engine"]);
        assert!(cut(&[]).is_empty());
    }
}
