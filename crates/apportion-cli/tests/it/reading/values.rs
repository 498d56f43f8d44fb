//! Single values: marks, words, dates, numbers in several forms, columns without a value.

use apportion_testkit::fixture::{ColumnType, ExportBuilder, Value};

use super::{AZURE, azure, charge, notes, refusal, rows, run, workspace};

const HEADER: &str = "BilledCost,BillingAccountId,BillingCurrency,BillingPeriodEnd,BillingPeriodStart,ChargeCategory,\
                      ChargePeriodEnd,ChargePeriodStart,EffectiveCost,ListCost,ContractedCost,ServiceName,\
                      ServiceCategory,ProviderName,InvoiceIssuerName,ResourceId,ChargeClass,x_Operation,Tags";

/// A CSV of charges: resource, class, operation and tags of each.
fn focus_csv(rows: &[[&str; 4]]) -> String {
    let mut text = format!("{HEADER}\n");
    for (index, [resource, class, operation, tags]) in rows.iter().enumerate() {
        let cost = index + 1;
        text.push_str(&format!(
            "{cost},1,USD,2026-02-01,2026-01-01,Usage,2026-01-06,2026-01-05,{cost},{cost},{cost},Things,Compute,V,V,\
             {resource},{class},{operation},{tags}\n"
        ));
    }
    text
}

#[test]
fn a_mark_in_front_of_the_first_record_is_no_invoice() {
    let bill = azure(&[("1.5", "01/05/2026", ""), ("2.5", "01/06/2026", "")]);
    let marked = bill.replacen("\r\n", "\r\n\u{feff}", 1);
    let marked = format!("\u{feff}{marked}");
    let workspace = workspace("azure_cost_management", "", &[("amortized/cost.csv", marked.as_bytes())]);
    run(&workspace);
    let sql = "SELECT BilledCost, InvoiceId IS NULL, x_Finality FROM focus_charges ORDER BY 1";
    assert_eq!(rows(&workspace, sql), ["1.500000000000|true|provisional", "2.500000000000|true|provisional"]);
}

#[test]
fn a_mark_in_front_of_a_text_in_parquet_is_none_either() {
    let mut row = charge("\u{feff}r1", 1.0);
    row.push(("InvoiceId".to_owned(), Value::Text("\u{feff}".to_owned())));
    let workspace = workspace("focus", "", &[("a.parquet", &ExportBuilder::focus().row_of(row).parquet())]);
    run(&workspace);
    assert_eq!(
        rows(&workspace, "SELECT ResourceId, InvoiceId IS NULL, x_Finality FROM focus_charges"),
        ["r1|true|provisional"]
    );
}

#[test]
fn a_year_of_two_digits_is_refused_by_its_value() {
    let first = azure(&[("1", "1/5/2026", "")]);
    let workspace_of = |text: &str| workspace("azure_cost_management", "", &[("amortized/cost.csv", text.as_bytes())]);
    let single = workspace_of(&first);
    run(&single);
    assert_eq!(rows(&single, "SELECT ChargePeriodStart FROM focus_charges"), ["2026-01-05T00:00:00Z"]);
    for wrong in ["1/6/26", "13/01/2026", "26-01-06"] {
        let told = workspace_of(&azure(&[("1", "1/5/2026", ""), ("2", wrong, "")]));
        let output = told.run(&["run", "pipeline.yaml"]);
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(&format!("`{wrong}`")) && said.contains("Date"), "{said}");
        assert!(!told.path("tables/focus_charges").exists(), "nothing was published");
    }
}

#[test]
fn words_for_no_value_are_none_outside_of_text() {
    // A class, a tag map and a quantity of nothing; the resource is named.
    let csv = focus_csv(&[["r1", "", "Run", "NULL"], ["r2", "", "None", "\\N"]]);
    let csv = csv.replace("ListCost,", "PricingQuantity,ListCost,");
    let csv: String = csv
        .lines()
        .enumerate()
        .map(|(index, line)| {
            let mut cells: Vec<String> = line.split(',').map(str::to_owned).collect();
            if index > 0 {
                cells.insert(9, ["NaN", "(null)"][index - 1].to_owned());
            }
            cells.join(",") + "\n"
        })
        .collect();
    let workspace = workspace("focus", "", &[("bill.csv", csv.as_bytes())]);
    run(&workspace);
    let sql = "SELECT BilledCost, PricingQuantity, Tags IS NULL, x_Operation FROM focus_charges ORDER BY 1";
    // A cost without a quantity is one unit. `None` is what AWS calls the operation of what has none.
    assert_eq!(
        rows(&workspace, sql),
        ["1.000000000000|1.000000000000|true|Run", "2.000000000000|1.000000000000|true|None"]
    );
}

#[test]
fn a_word_for_no_value_in_text_is_refused_until_the_source_says_what_it_is() {
    let csv = focus_csv(&[["r1", "", "Run", ""], ["NULL", "", "Run", ""]]);
    let refused = workspace("focus", "", &[("bill.csv", csv.as_bytes())]);
    let told = refusal(&refused);
    for part in [
        "column `ResourceId` holds `NULL`, which is a text or a word for no value",
        "`null_words: ['NULL']` for no value, `null_words: []` for the text",
        "row: 2",
        "bill.csv",
    ] {
        assert!(told.contains(part), "`{part}` is not in: {told}");
    }
    for (options, expected) in [(", null_words: ['NULL']", ["r1", ""]), (", null_words: []", ["r1", "NULL"])] {
        let declared = workspace("focus", options, &[("bill.csv", csv.as_bytes())]);
        run(&declared);
        assert_eq!(rows(&declared, "SELECT ResourceId FROM focus_charges ORDER BY BilledCost"), expected, "{options}");
    }
    let wrong = workspace("focus", ", null_words: ['']", &[("bill.csv", csv.as_bytes())]);
    let output = wrong.run(&["run", "pipeline.yaml"]);
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("empty text never is a value; it needs no word"), "{said}");
}

#[test]
fn every_usual_word_is_known_in_a_text_column() {
    for word in ["NULL", "(null)", "\\N", "None", "NaN"] {
        let csv = focus_csv(&[[word, "", "Run", ""]]);
        let told = refusal(&workspace("focus", "", &[("bill.csv", csv.as_bytes())]));
        assert!(told.contains(&format!("column `ResourceId` holds `{word}`")), "{told}");
        let options = format!(", null_words: ['{word}']");
        let declared = workspace("focus", &options, &[("bill.csv", csv.as_bytes())]);
        run(&declared);
        assert_eq!(rows(&declared, "SELECT ResourceId IS NULL FROM focus_charges"), ["true"], "{word}");
    }
}

#[test]
fn blank_text_is_no_value() {
    let mut row = charge("r1", 1.0);
    row.push(("ResourceName".to_owned(), Value::Text("  ".to_owned())));
    let workspace = workspace("focus", "", &[("a.parquet", &ExportBuilder::focus().row_of(row).parquet())]);
    run(&workspace);
    assert_eq!(rows(&workspace, "SELECT ResourceName IS NULL FROM focus_charges"), ["true"]);
}

#[test]
fn times_in_text_and_columns_without_a_value_are_read_in_parquet_as_in_csv() {
    let times = ["BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd"];
    let builder = times.iter().fold(ExportBuilder::focus(), |builder, name| builder.column(name, ColumnType::Text));
    let builder = builder
        .column("ChargeClass", ColumnType::Double)
        .column("CommitmentDiscountId", ColumnType::Integer)
        .column("ContractedUnitPrice", ColumnType::Boolean)
        .column("Tags", ColumnType::Double);
    let mut second = charge("r2", 0.25);
    for (name, value) in &mut second {
        // A day is the billing period of this row, and the time zone is another one.
        match name.as_str() {
            "BillingPeriodStart" | "ChargePeriodStart" => *value = "2026-01-06T02:00:00+02:00".into(),
            "BillingPeriodEnd" | "ChargePeriodEnd" => *value = "01/07/2026".into(),
            _ => {}
        }
    }
    let export = builder.row_of(charge("r1", 0.5)).row_of(second).parquet();
    // The same columns with values, in the types of the standard.
    let mut third = charge("r3", 1.0);
    third.push(("Tags".to_owned(), Value::from([("team", "red")])));
    third.push(("ContractedUnitPrice".to_owned(), Value::Number(1.0)));
    let plain = ExportBuilder::focus().row_of(third).parquet();
    let workspace = workspace("focus", "", &[("a.parquet", &export), ("b.parquet", &plain)]);
    run(&workspace);
    let sql = "SELECT ResourceId, ChargePeriodStart, ChargePeriodEnd, BilledCost, ChargeClass IS NULL, Tags FROM focus_charges ORDER BY 1";
    assert_eq!(
        rows(&workspace, sql),
        [
            "r1|2026-01-05T00:00:00Z|2026-01-06T00:00:00Z|0.500000000000|true|",
            "r2|2026-01-06T00:00:00Z|2026-01-07T00:00:00Z|0.250000000000|true|",
            "r3|2026-01-05T00:00:00Z|2026-01-06T00:00:00Z|1.000000000000|true|{\"team\":\"red\"}",
        ]
    );
}

#[test]
fn a_column_of_another_type_with_a_value_is_still_refused() {
    let builder = ExportBuilder::focus().column("CommitmentDiscountId", ColumnType::Double);
    let mut row = charge("r1", 1.0);
    row.push(("CommitmentDiscountId".to_owned(), Value::Number(17.0)));
    let told = refusal(&workspace("focus", "", &[("a.parquet", &builder.row_of(row).parquet())]));
    assert!(told.contains("column `CommitmentDiscountId` is Float64, accepted: string"), "{told}");
}

#[test]
fn one_amount_in_every_form_over_several_objects_keeps_every_digit() {
    let costs = ["BilledCost", "EffectiveCost", "ListCost", "ContractedCost"];
    let export = |kind: ColumnType, resource: &str, cost: Value| {
        let builder = costs.iter().fold(ExportBuilder::focus(), |builder, name| builder.column(name, kind));
        let mut row = charge(resource, 0.0);
        row.retain(|(name, _)| !costs.contains(&name.as_str()));
        row.extend(costs.map(|name| (name.to_owned(), cost.clone())));
        builder.row_of(row).parquet()
    };
    let csv = focus_csv(&[["e", "", "Run", ""]]).replace("1,1,USD", "0.123456789012,1,USD");
    let objects = [
        ("a.parquet", export(ColumnType::Decimal(38, 12), "a", "12345678901234.123456789012".into())),
        ("b.parquet", export(ColumnType::Double, "b", Value::Number(0.1))),
        ("c.parquet", export(ColumnType::Integer, "c", Value::Integer(7))),
        ("d.parquet", export(ColumnType::Text, "d", "0.000000000001".into())),
        ("e.csv", csv.into_bytes().into()),
    ];
    let objects: Vec<(&str, &[u8])> = objects.iter().map(|(key, content)| (*key, content.as_ref())).collect();
    let workspace = workspace("focus", "", &objects);
    run(&workspace);
    assert_eq!(
        rows(&workspace, "SELECT ResourceId, BilledCost FROM focus_charges ORDER BY 1"),
        [
            "a|12345678901234.123456789012",
            "b|0.100000000000",
            "c|7.000000000000",
            "d|0.000000000001",
            "e|0.123456789012"
        ]
    );
}

#[test]
fn an_azure_header_names_the_columns_of_this_test() {
    assert!(AZURE.starts_with("InvoiceId,"), "the first column of the first record is the invoice");
    let report = run(&workspace(
        "azure_cost_management",
        "",
        &[("amortized/cost.csv", azure(&[("1", "01/05/2026", "")]).as_bytes())],
    ));
    assert!(!notes(&report).is_empty());
}
