//! The map and tag functions through SQL, over every physical form of a string.

use std::sync::Arc;

use arrow::array::{DictionaryArray, Float64Builder, MapBuilder, RecordBatch, StringViewArray};
use arrow::datatypes::Int32Type;
use datafusion::common::ScalarValue;
use datafusion::prelude::SessionContext;

use super::*;

/// Evaluates one expression over columns and prints each row, `NULL` for NULL.
async fn eval(expression: &str, columns: Vec<(&str, ArrayRef)>) -> Vec<String> {
    let context = SessionContext::new();
    crate::udf::register_all(&context);
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, array)| (name, array, true))).unwrap();
    context.register_batch("t", batch).unwrap();
    let batches = context.sql(&format!("select {expression} from t")).await.unwrap().collect().await.unwrap();
    batches
        .iter()
        .flat_map(|batch| {
            (0..batch.num_rows()).map(|row| match ScalarValue::try_from_array(batch.column(0), row).unwrap() {
                value if value.is_null() => "NULL".to_owned(),
                value => value.to_string(),
            })
        })
        .collect()
}

/// Keys and values of one row.
type Entries<'a> = &'a [(&'a str, Option<&'a str>)];

fn tags(rows: &[Option<Entries<'_>>]) -> ArrayRef {
    let mut builder = MapBuilder::new(None, StringBuilder::new(), StringBuilder::new());
    for row in rows {
        for (key, value) in row.unwrap_or_default() {
            builder.keys().append_value(key);
            builder.values().append_option(*value);
        }
        builder.append(row.is_some()).unwrap();
    }
    Arc::new(builder.finish())
}

#[tokio::test]
async fn map_value_finds_keys_in_any_order() {
    let map = tags(&[
        Some(&[("a", Some("1")), ("b", Some("2"))]),
        Some(&[("b", Some("3")), ("a", None)]),
        None,
        Some(&[]),
        Some(&[("b", Some("4"))]),
    ]);
    assert_eq!(eval("map_value(m, 'b')", vec![("m", Arc::clone(&map))]).await, ["2", "3", "NULL", "NULL", "4"]);
    assert_eq!(eval("map_value(m, 'a')", vec![("m", Arc::clone(&map))]).await, ["1", "NULL", "NULL", "NULL", "NULL"]);
    let keys: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), Some("b"), Some("a"), None, None]));
    assert_eq!(eval("map_value(m, k)", vec![("m", map), ("k", keys)]).await, ["1", "3", "NULL", "NULL", "NULL"]);
}

#[tokio::test]
async fn tags_are_sorted_named_as_in_focus_and_empty_ones_left_out() {
    let map = tags(&[
        Some(&[
            ("user_team", Some("a\"b")),
            ("aws_created_by", Some("x")),
            ("user_empty", Some("")),
            ("user_null", None),
        ]),
        Some(&[("user_empty", Some(""))]),
        Some(&[]),
        None,
        Some(&[("team", Some("second")), ("user_team", Some("first"))]),
    ]);
    assert_eq!(
        eval("tags_json(m)", vec![("m", Arc::clone(&map))]).await,
        [r#"{"aws:created_by":"x","team":"a\"b"}"#, "NULL", "NULL", "NULL", r#"{"team":"second"}"#]
    );
    assert_eq!(
        eval("map_json(m)", vec![("m", map)]).await[0],
        r#"{"aws_created_by":"x","user_empty":"","user_team":"a\"b"}"#
    );
}

#[tokio::test]
async fn tags_of_all_kinds_are_told_by_their_prefix_and_merged_by_key() {
    let resource = tags(&[Some(&[("user_team", Some("red")), ("user_env", Some(""))]), None, None]);
    let all = tags(&[
        Some(&[
            ("resourceTags/team", Some("late")),
            ("resourceTags/user:env", Some("prod")),
            ("resourceTags/aws:createdBy", Some("bob")),
            ("accountTag/team", Some("blue")),
            ("costCategory/unit", Some("retail")),
            ("userAttribute/Dept", Some("x")),
        ]),
        Some(&[("costCategory/unit", Some("retail"))]),
        Some(&[("accountTag/team", Some("blue"))]),
    ]);
    let columns = || vec![("r", Arc::clone(&resource)), ("a", Arc::clone(&all))];
    let first =
        r#"{"accountTag/team":"blue","aws:createdBy":"bob","env":"prod","team":"red","userAttribute/Dept":"x"}"#;
    assert_eq!(eval("tags_json(r, a)", columns()).await, [first, "NULL", r#"{"accountTag/team":"blue"}"#]);
    let categories = tags(&[Some(&[("unit", Some("wholesale")), ("area", Some("n"))]), None, None]);
    let columns = vec![("c", categories), ("a", all)];
    assert_eq!(
        eval("cost_categories_json(c, a)", columns).await,
        [r#"{"area":"n","unit":"wholesale"}"#, r#"{"unit":"retail"}"#, "NULL"]
    );
}

#[tokio::test]
async fn doubles_are_written_by_their_shortest_text() {
    let mut builder = MapBuilder::new(None, StringBuilder::new(), Float64Builder::new());
    for (key, value) in [("b", 0.1), ("a", -2e-7), ("nan", f64::NAN)] {
        builder.keys().append_value(key);
        builder.values().append_value(value);
    }
    builder.append(true).unwrap();
    let map: ArrayRef = Arc::new(builder.finish());
    assert_eq!(eval("map_json(m)", vec![("m", Arc::clone(&map))]).await, [r#"{"a":-0.0000002,"b":0.1}"#]);
    assert_eq!(eval("map_value(m, 'b')", vec![("m", map)]).await, ["0.1"]);
}

#[tokio::test]
async fn tag_reads_every_physical_form_of_a_string() {
    let rows = vec![Some(r#"{"team":"a","n":1}"#), None, Some(r#"{"team":"a","n":1}"#), Some("{}"), Some("not json")];
    let forms: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(rows.clone())),
        Arc::new(StringViewArray::from(rows.clone())),
        Arc::new(arrow::array::LargeStringArray::from(rows.clone())),
        Arc::new(rows.clone().into_iter().collect::<DictionaryArray<Int32Type>>()),
    ];
    for form in forms {
        assert_eq!(eval("tag(j, 'team')", vec![("j", Arc::clone(&form))]).await, ["a", "NULL", "a", "NULL", "NULL"]);
        assert_eq!(eval("map_value(j, 'n')", vec![("j", form)]).await, ["1", "NULL", "1", "NULL", "NULL"]);
    }
    assert_eq!(eval("tag('{\"a\":\"b\"}', 'a')", vec![("j", Arc::new(StringArray::from(vec!["x"])))]).await, ["b"]);
    assert_eq!(eval("tag(null, 'a')", vec![("j", Arc::new(StringArray::from(vec!["x"])))]).await, ["NULL"]);
}
