//! Tags of every provider: by their prefix, with what cannot be read told and the rest kept.

use apportion_testkit::fixture::{ColumnType, ExportBuilder, Value};

use super::{azure, charge, cur2, cur2_key, line, notes, rows, run, workspace};

#[test]
fn tags_of_all_kinds_in_one_map_are_told_by_their_prefix() {
    let all = [
        ("resourceTags/team", "red"),
        ("resourceTags/Name", "web"),
        ("resourceTags/aws:createdBy", "bob"),
        ("accountTag/team", "blue"),
        ("costCategory/unit", "retail"),
        ("userAttribute/Dept", "x"),
    ];
    let lines = vec![
        line("one", 4.0, vec![("tags", Value::from(all)), ("line_item_resource_id", "i-1".into())]),
        line("two", 6.0, vec![("tags", Value::from([("accountTag/team", "blue")]))]),
    ];
    let builder =
        ExportBuilder::cur2().without("resource_tags").without("cost_category").column("tags", ColumnType::TextMap);
    let export = lines.into_iter().fold(builder, ExportBuilder::row_of).parquet();
    let workspace = workspace("aws_cur_2", "", &[(&cur2_key("2026-01"), &export)]);
    run(&workspace);
    assert_eq!(
        rows(&workspace, "SELECT Tags, x_CostCategories, ResourceName FROM focus_charges ORDER BY BilledCost"),
        [
            r#"{"Name":"web","accountTag/team":"blue","aws:createdBy":"bob","team":"red","userAttribute/Dept":"x"}|{"unit":"retail"}|web"#,
            r#"{"accountTag/team":"blue"}||"#,
        ]
    );
    assert_eq!(
        rows(&workspace, "SELECT x_AllocationTargetId, sum(BilledCost) FROM allocated_charges GROUP BY 1 ORDER BY 1"),
        ["red|4.000000000000", "unallocated|6.000000000000"]
    );
}

#[test]
fn both_maps_are_merged_by_key() {
    let more = vec![
        ("resource_tags", Value::from([("user_team", "red")])),
        ("tags", Value::from([("resourceTags/team", "red"), ("resourceTags/env", "prod"), ("costCategory/unit", "a")])),
        ("cost_category", Value::from([("area", "north")])),
    ];
    let builder = ExportBuilder::cur2().column("tags", ColumnType::TextMap);
    let export = builder.row_of(line("one", 1.0, more)).parquet();
    let workspace = workspace("aws_cur_2", "", &[(&cur2_key("2026-01"), &export)]);
    run(&workspace);
    assert_eq!(
        rows(&workspace, "SELECT Tags, x_CostCategories FROM focus_charges"),
        [r#"{"env":"prod","team":"red"}|{"area":"north","unit":"a"}"#]
    );
}

#[test]
fn discounts_of_a_legacy_report_fold_into_one_map() {
    let names = ["edp_discount", "private_rate_discount", "total_discount"].map(|name| format!("discount_{name}"));
    let builder = names.iter().fold(ExportBuilder::legacy(), |builder, name| builder.column(name, ColumnType::Double));
    let builder = builder.column("line_item_net_unblended_cost", ColumnType::Double);
    let mut row = line("one", 100.0, vec![("line_item_net_unblended_cost", 88.0.into())]);
    row.extend(names.iter().cloned().zip([-5.0, -7.0, -12.0].map(Value::Number)));
    let export = builder.row_of(row).parquet();
    let key = "rep/rep/year=2026/month=1/rep-00001.snappy.parquet";
    let workspace = workspace("aws_cur_legacy", ", cost_basis: net", &[(key, &export)]);
    run(&workspace);
    assert_eq!(
        rows(&workspace, "SELECT BilledCost, x_Discounts FROM focus_charges"),
        [r#"88.000000000000|{"edp_discount":-5,"private_rate_discount":-7}"#]
    );
}

#[test]
fn azure_tags_that_are_no_json_lose_nothing_that_can_be_read() {
    let bill = azure(&[
        ("1", "01/05/2026", r#""team": "red","path": "foo \hoge""#),
        ("2", "01/05/2026", "{\"team\": \"red\", \"note\": \"line1\nline2\"}"),
        ("4", "01/05/2026", r#"{"team": "red", "k": "a "quoted" word"}"#),
        ("8", "01/05/2026", r#""team": "red","Team": "blue""#),
    ]);
    let workspace = workspace("azure_cost_management", "", &[("amortized/cost.csv", bill.as_bytes())]);
    let report = run(&workspace);
    assert_eq!(
        rows(&workspace, "SELECT Tags FROM focus_charges ORDER BY BilledCost"),
        [
            r#"{"path":"foo \\hoge","team":"red"}"#,
            r#"{"note":"line1\nline2","team":"red"}"#,
            r#"{"k":"a \"quoted\" word","team":"red"}"#,
            r#"{"team":"red"}"#,
        ]
    );
    assert_eq!(
        rows(&workspace, "SELECT x_AllocationTargetId, sum(BilledCost) FROM allocated_charges GROUP BY 1"),
        ["red|15.000000000000"]
    );
    let note = notes(&report).into_iter().find(|note| note.starts_with("`Tags` is no JSON object in 3 rows"));
    let note = note.unwrap_or_else(|| panic!("{:?}", notes(&report)));
    assert!(note.contains("row 1 of ") && note.contains("row 3 of ") && note.contains("amortized/cost.csv"), "{note}");
}

#[test]
fn focus_tags_that_are_no_json_are_told_by_row_and_object() {
    let builder = ExportBuilder::focus().column("Tags", ColumnType::Text);
    let tagged = |index: usize| {
        let mut row = charge(&format!("r{index}"), 1.0);
        let tags = if index == 700 { r#"{"team": "red", "p": "foo \hoge"}"# } else { r#"{"team": "red"}"# };
        row.push(("Tags".to_owned(), tags.into()));
        row
    };
    let export = (0..1000).map(tagged).fold(builder, ExportBuilder::row_of).parquet();
    // Nothing of this one can be read, and its row is kept without tags.
    let mut row = charge("lost", 1.0);
    row.push(("Tags".to_owned(), "team=red".into()));
    let other = ExportBuilder::focus().column("Tags", ColumnType::Text).row_of(row).parquet();
    let workspace = workspace("focus", "", &[("a.parquet", &export), ("b.parquet", &other)]);
    let report = run(&workspace);
    assert_eq!(rows(&workspace, "SELECT count(*) FROM focus_charges WHERE tag(Tags, 'team') = 'red'"), ["1000"]);
    assert_eq!(rows(&workspace, r"SELECT tag(Tags, 'p') FROM focus_charges WHERE ResourceId = 'r700'"), [r"foo \hoge"]);
    let note = notes(&report).into_iter().find(|note| note.starts_with("`Tags` is no JSON object in 2 rows"));
    let note = note.unwrap_or_else(|| panic!("{:?}", notes(&report)));
    assert!(note.contains("row 701 of ") && note.contains("a.parquet") && note.contains("row 1 of "), "{note}");
    assert!(note.contains("b.parquet: `team=red`"), "{note}");
}

#[test]
fn a_map_in_some_objects_and_text_in_others_is_one_column() {
    let mut first = charge("r1", 1.0);
    first.push(("Tags".to_owned(), Value::from([("team", "red")])));
    let mut second = charge("r2", 2.0);
    second.push(("Tags".to_owned(), r#"{"team":"blue"}"#.into()));
    let map = ExportBuilder::focus().row_of(first).parquet();
    let text = ExportBuilder::focus().column("Tags", ColumnType::Text).row_of(second).parquet();
    let workspace = workspace("focus", "", &[("a.parquet", &map), ("b.parquet", &text)]);
    let report = run(&workspace);
    assert_eq!(
        rows(&workspace, "SELECT tag(Tags, 'team') FROM focus_charges ORDER BY BilledCost"),
        ["red", "blue"],
        "{report}"
    );
}

#[test]
fn a_bill_of_whole_maps_has_no_note_about_them() {
    let export = cur2(vec![line("one", 1.0, vec![("resource_tags", Value::from([("user_team", "red")]))])]);
    let workspace = workspace("aws_cur_2", "", &[(&cur2_key("2026-01"), &export)]);
    let report = run(&workspace);
    assert!(notes(&report).iter().all(|note| !note.contains("JSON")), "{:?}", notes(&report));
}
