//! `members_json(name, value, ...)` and `members_of(document, names)`: some named values as one text.
//!
//! What a follower inherits is a handful of dimensions that differ between pipelines. As a flat JSON
//! object they are one column that can be grouped, written and read: `{"x_Team":"core"}`, without
//! the names that have no value, NULL when none has. The trap avoided: positions, which mean
//! something else as soon as a dimension is added.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringBuilder};
use arrow::datatypes::DataType;
use datafusion::common::{Result, plan_err};

use super::column::TextColumn;
use super::flat_json::{find, write_string};
use super::function::{Argument, Arguments, Function, Nullability};

/// The functions of this file.
pub(super) fn functions() -> Vec<Function> {
    use Argument::{Printable, Text};
    let possible = Nullability::Possible;
    vec![
        Function::new("members_json", &[Printable], DataType::Utf8, possible, members_json).variadic(),
        Function::new("members_of", &[Text, Text], DataType::Utf8, possible, members_of),
    ]
}

fn members_json(arguments: &Arguments<'_>) -> Result<ArrayRef> {
    let columns = arguments.values().iter().map(TextColumn::of).collect::<Result<Vec<_>>>()?;
    let pairs = columns.chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return plan_err!("{} takes pairs of a name and a value", arguments.function);
    }
    let mut objects = StringBuilder::new();
    let mut object = String::new();
    for row in 0..arguments.rows {
        object.clear();
        for pair in pairs.clone() {
            if let [name, value] = pair
                && let Some((name, value)) = name.get(row).zip(value.get(row))
            {
                write_member(&mut object, name, value);
            }
        }
        objects.append_option(closed(&mut object));
    }
    Ok(Arc::new(objects.finish()))
}

fn members_of(arguments: &Arguments<'_>) -> Result<ArrayRef> {
    let documents = TextColumn::of(arguments.get(0)?)?;
    let names = TextColumn::of(arguments.get(1)?)?;
    let mut objects = StringBuilder::new();
    let mut object = String::new();
    for row in 0..arguments.rows {
        object.clear();
        if let Some((document, names)) = documents.get(row).zip(names.get(row)) {
            for name in names.split(',') {
                if let Some(value) = find(document, name) {
                    write_member(&mut object, name, &value);
                }
            }
        }
        objects.append_option(closed(&mut object));
    }
    Ok(Arc::new(objects.finish()))
}

fn write_member(object: &mut String, name: &str, value: &str) {
    object.push(if object.is_empty() { '{' } else { ',' });
    write_string(object, name);
    object.push(':');
    write_string(object, value);
}

/// The finished object, `None` without members.
fn closed(object: &mut String) -> Option<&str> {
    (!object.is_empty()).then(|| {
        object.push('}');
        object.as_str()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_holds_what_has_a_value_and_can_be_read_back() {
        let mut object = String::new();
        assert_eq!(closed(&mut object), None);
        write_member(&mut object, "x_Team", "a \"b\"\n");
        write_member(&mut object, "x_Service", "");
        let object = closed(&mut object).map(str::to_owned).unwrap_or_default();
        assert_eq!(object, r#"{"x_Team":"a \"b\"\n","x_Service":""}"#);
        assert_eq!(find(&object, "x_Team").as_deref(), Some("a \"b\"\n"));
        assert_eq!(find(&object, "x_Service").as_deref(), Some(""));
    }
}
