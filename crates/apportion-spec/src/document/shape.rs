//! Checks a located document against the generated JSON Schema and reports every mistake.
//!
//! Serde stops at the first error; a user with three typos wants three messages. The subset of
//! JSON Schema handled here is what schemars generates for [`super::wire`]: objects, maps, arrays,
//! references, named values, numbers, and `null` alternatives.

use serde_json::Value as Json;

use super::node::{Node, Place, Value};
use crate::suggest::did_you_mean;

/// One mistake with its place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Mistake {
    pub(crate) place: Place,
    pub(crate) message: String,
    /// Keys and positions that lead to it.
    pub(crate) path: Vec<String>,
}

/// Every mistake of `node` against `schema`, in document order.
pub(crate) fn mistakes(node: &Node, schema: &Json) -> Vec<Mistake> {
    let mut found = Vec::new();
    Checker { root: schema }.check(node, schema, "the pipeline", &[], &mut found);
    found.sort();
    found
}

struct Checker<'a> {
    root: &'a Json,
}

impl<'a> Checker<'a> {
    fn resolve(&self, schema: &'a Json) -> &'a Json {
        let target = schema.get("$ref").and_then(Json::as_str).and_then(|name| name.strip_prefix('#'));
        target.and_then(|pointer| self.root.pointer(pointer)).map_or(schema, |inner| self.resolve(inner))
    }

    fn check(&self, node: &Node, schema: &'a Json, what: &str, path: &[String], found: &mut Vec<Mistake>) {
        let schema = self.resolve(schema);
        let mut wrong = |message: String| found.push(Mistake { place: node.place, message, path: path.to_vec() });
        if let Some(choices) = schema.get("anyOf").and_then(Json::as_array) {
            let is_null = |choice: &Json| choice.get("type").and_then(Json::as_str) == Some("null");
            if matches!(node.value, Value::Null) && choices.iter().any(is_null) {
                return;
            }
            if let Some(choice) = choices.iter().find(|choice| !is_null(choice)) {
                self.check(node, choice, what, path, found);
            }
            return;
        }
        if let Some(names) = named_values(schema) {
            match &node.value {
                Value::Text(text) if names.contains(&text.as_str()) => {}
                Value::Text(text) => {
                    wrong(format!(
                        "unknown {what} `{text}`{}; one of {}",
                        did_you_mean(text, names.iter().copied()),
                        list(&names)
                    ));
                }
                other => wrong(format!("{what} must be one of {}, not {}", list(&names), kind(other))),
            }
            return;
        }
        let allows = |name: &str| match schema.get("type") {
            Some(Json::String(only)) => only == name,
            Some(Json::Array(several)) => several.iter().any(|one| one.as_str() == Some(name)),
            _ => false,
        };
        match &node.value {
            Value::Map(entries) if allows("object") => self.check_map(node, entries, schema, what, path, found),
            Value::List(items) if allows("array") => {
                if let Some(inner) = schema.get("items") {
                    for (index, item) in items.iter().enumerate() {
                        self.check(item, inner, what, &below(path, &index.to_string()), found);
                    }
                }
            }
            Value::Text(_) if allows("string") => {}
            Value::Bool(_) if allows("boolean") => {}
            Value::Null if allows("null") => {}
            Value::Number(number) if allows("number") || (allows("integer") && !number.is_f64()) => {
                let value = number.as_f64().unwrap_or_default();
                let bound = |name: &str| schema.get(name).and_then(Json::as_f64);
                let (minimum, maximum) = (bound("minimum"), bound("maximum"));
                if minimum.is_some_and(|minimum| value < minimum) || maximum.is_some_and(|maximum| value > maximum) {
                    let limits = match (minimum, maximum) {
                        (Some(minimum), Some(maximum)) => format!("lie between {minimum} and {maximum}"),
                        (Some(minimum), None) => format!("be at least {minimum}"),
                        (None, maximum) => format!("be at most {}", maximum.unwrap_or_default()),
                    };
                    wrong(format!("{what} must {limits}, not {number}"));
                }
            }
            other => {
                let expected = ["object", "array", "string", "number", "integer", "boolean"]
                    .into_iter()
                    .find(|name| allows(name))
                    .map_or("something else", |name| match name {
                        "object" => "a mapping",
                        "array" => "a list",
                        "string" => "text",
                        "boolean" => "true or false",
                        "integer" => "a whole number",
                        _ => "a number",
                    });
                wrong(format!("{what} must be {expected}, not {}", kind(other)));
            }
        }
    }

    fn check_map(
        &self,
        node: &Node,
        entries: &[(super::node::Key, Node)],
        schema: &'a Json,
        what: &str,
        path: &[String],
        found: &mut Vec<Mistake>,
    ) {
        let empty = serde_json::Map::new();
        let properties = schema.get("properties").and_then(Json::as_object).unwrap_or(&empty);
        let additional = schema.get("additionalProperties").filter(|inner| inner.is_object());
        for (key, child) in entries {
            let here = below(path, &key.name);
            if let Some(inner) = properties.get(&key.name).or(additional) {
                self.check(child, inner, &format!("`{}`", key.name), &here, found);
            } else {
                let names: Vec<&str> = properties.keys().map(String::as_str).collect();
                found.push(Mistake {
                    place: key.place,
                    message: format!(
                        "unknown key `{}` in {what}{}; known keys: {}",
                        key.name,
                        did_you_mean(&key.name, names.iter().copied()),
                        names.join(", ")
                    ),
                    path: here,
                });
            }
        }
        for required in schema.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str) {
            if node.get(required).is_none() {
                let message = format!("{what} lacks the key `{required}`");
                found.push(Mistake { place: node.place, message, path: below(path, required) });
            }
        }
    }
}

fn below(path: &[String], name: &str) -> Vec<String> {
    path.iter().cloned().chain([name.to_owned()]).collect()
}

/// The names a schema of plain named values accepts.
fn named_values(schema: &Json) -> Option<Vec<&str>> {
    if let Some(names) = schema.get("enum").and_then(Json::as_array) {
        return Some(names.iter().filter_map(Json::as_str).collect());
    }
    let choices = schema.get("oneOf").and_then(Json::as_array)?;
    let mut names = Vec::new();
    for choice in choices {
        if let Some(name) = choice.get("const").and_then(Json::as_str) {
            names.push(name);
        } else {
            names.extend(choice.get("enum").and_then(Json::as_array)?.iter().filter_map(Json::as_str));
        }
    }
    Some(names)
}

fn list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "empty",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::Text(_) => "text",
        Value::List(_) => "a list",
        Value::Map(_) => "a mapping",
    }
}
