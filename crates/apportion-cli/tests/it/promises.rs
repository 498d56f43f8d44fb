//! The promises every export format keeps from its objects to `focus_charges`, through the binary.
//!
//! Every registered format is put to them; one without a case fails. The objects are those of the
//! readers' own suite.

use std::collections::BTreeSet;

use apportion_spec::wire::SourceFormat;
use apportion_testkit::case::{CASES, Case, Line, Shape, days};

use crate::sample::content;
use crate::support::{Workspace, transcript};

const MONTH: &str = "2026-01";

/// A workspace with a pipeline over the one source `bill` of a format.
fn workspace(case: &Case) -> Workspace {
    let workspace = Workspace::new();
    let format = case.format;
    workspace.write(
        "pipeline.yaml",
        format!(
            "version: 1\nname: promises\nsources:\n  bill: {{ format: {format}, location: e/ }}\n\
             destination: {{ location: tables/ }}\n"
        )
        .as_bytes(),
    );
    workspace
}

fn put(workspace: &Workspace, case: &Case, month: &str, file: &str, lines: &[Line<'_>], shape: Shape) {
    workspace.write(&(case.key)(month, file), &case.object(month, lines, shape));
}

/// Runs and gives what was printed.
fn run(workspace: &Workspace, case: &Case) -> String {
    run_as(workspace, case, "table")
}

fn run_as(workspace: &Workspace, case: &Case, format: &str) -> String {
    let output = workspace.run(&["run", "pipeline.yaml", "--format", format]);
    assert!(output.status.success(), "{}\n{}", case.format, transcript(&output, &[]));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Costs of each currency, rows, and what the reconciliation says of each ledger.
fn sums(workspace: &Workspace) -> (Vec<Vec<String>>, Vec<Vec<String>>) {
    let charges = workspace.query(
        "tables",
        "SELECT x_BillingPeriod, BillingCurrency, count(*), cast(sum(BilledCost) AS decimal(20, 6)) FROM focus_charges \
         GROUP BY 1, 2 ORDER BY 1, 2",
    );
    let ledgers = workspace.query(
        "tables",
        "SELECT x_BillingPeriod, x_Ledger, BillingCurrency, cast(x_SourceTotal AS decimal(20, 6)), \
         cast(x_NormalizedTotal AS decimal(20, 6)), x_RowCount, x_Difference = 0 AND x_ConversionResidual = 0 \
         FROM reconciliation ORDER BY 1, 2, 3",
    );
    (charges, ledgers)
}

fn line<'a>(id: &'a str, cost: f64) -> Line<'a> {
    Line { id, cost, ..Line::default() }
}

#[test]
fn every_registered_format_is_put_to_the_test() {
    let tested: Vec<&str> = CASES.iter().map(|case| case.format).collect();
    let registered = SourceFormat::ALL.map(SourceFormat::as_str);
    assert_eq!(tested, registered, "a format has no case in apportion_testkit::case");
}

#[test]
fn the_source_total_is_the_normalized_total_in_every_ledger_and_a_second_run_changes_nothing() {
    for case in CASES {
        let workspace = workspace(&case);
        // Three tenths are no double: the sum must be the decimal one.
        put(&workspace, &case, MONTH, "a", &[line("one", 0.1), line("two", 0.2), line("back", -1.25)], Shape::Whole);
        put(&workspace, &case, MONTH, "b", &[line("three", 3.000_001)], Shape::Whole);
        run(&workspace, &case);
        let (charges, ledgers) = sums(&workspace);
        assert_eq!(charges, [[MONTH, "USD", "4", "2.050001"]], "{}", case.format);
        let expected = ["billed", "contracted", "effective", "list"]
            .map(|ledger| [MONTH, ledger, "USD", "2.050001", "2.050001", "4", "true"].map(str::to_owned).to_vec());
        assert_eq!(ledgers, expected, "{}", case.format);
        let before = content(&workspace, "tables");
        let told = run(&workspace, &case);
        assert!(told.contains("Everything is up to date: 1 months of charges"), "{}: {told}", case.format);
        assert!(content(&workspace, "tables") == before, "{}: a second run changed the tables", case.format);
    }
}

#[test]
fn an_unknown_column_is_named_and_kept_out_and_an_absent_or_empty_one_is_null() {
    for case in CASES {
        let workspace = workspace(&case);
        put(&workspace, &case, MONTH, "a", &[line("strange", 1.0)], Shape::Strange);
        put(&workspace, &case, MONTH, "b", &[line("without", 2.0)], Shape::WithoutOptional);
        put(&workspace, &case, MONTH, "c", &[line("empty", 3.0)], Shape::EmptyOptional);
        let told = run(&workspace, &case);
        assert!(told.contains("1 delivered columns are not read: mood_of_the_day"), "{}: {told}", case.format);
        let answer = workspace.run(&["query", "--destination", "tables", "SELECT mood_of_the_day FROM focus_charges"]);
        assert_eq!(answer.status.code(), Some(2), "{}", case.format);
        // A row says the same whether the column is absent, NULL or empty.
        let apart =
            ["x_ChargeId", "BilledCost", "EffectiveCost", "ListCost", "ContractedCost", "ResourceId", "ResourceName"];
        let all = workspace.query("tables", "SELECT * FROM focus_charges");
        assert_eq!(all.len(), 3, "{}", case.format);
        let names: Vec<&str> = apportion_focus::catalog().focus_columns().map(|column| column.name.as_str()).collect();
        let same: Vec<&str> = names
            .into_iter()
            .filter(|name| !apart.contains(name) && !name.contains("UnitPrice") && !name.starts_with("PricingCurrency"))
            .collect();
        let rows = workspace.query("tables", &format!("SELECT DISTINCT {} FROM focus_charges", same.join(", ")));
        assert_eq!(rows.len(), 1, "{}: {rows:#?}", case.format);
    }
}

#[test]
fn an_unknown_kind_of_row_becomes_an_adjustment_and_is_counted() {
    for case in CASES {
        let workspace = workspace(&case);
        let strange = |id, cost| Line { kind: Some("Novelty"), ..line(id, cost) };
        let lines = [line("known", 1.0), strange("new", 2.5), strange("newer", 0.25)];
        put(&workspace, &case, MONTH, "a", &lines, Shape::Whole);
        let told = run_as(&workspace, &case, "json");
        let found = workspace.query(
            "tables",
            "SELECT ChargeCategory, count(*), cast(sum(BilledCost) AS decimal(9, 2)) FROM focus_charges GROUP BY 1 ORDER BY 1",
        );
        assert_eq!(found, [["Adjustment", "2", "2.75"], ["Usage", "1", "1.00"]], "{}", case.format);
        // A native export says it as a repair, a bill of the provider's own by the type and its count.
        let counted = if case.format == "focus" {
            told.contains("repaired in 2 rows: ")
        } else {
            told.contains("focus_charges__line_item_types_are_known")
                && told.contains("Novelty")
                && told.contains("| 2 ")
        };
        assert!(counted, "{}: {told}", case.format);
    }
}

#[test]
fn a_replaced_object_changes_its_month_alone() {
    for case in CASES {
        let workspace = workspace(&case);
        put(&workspace, &case, MONTH, "a", &[line("one", 1.0)], Shape::Whole);
        put(&workspace, &case, "2026-02", "a", &[line("two", 2.0)], Shape::Whole);
        run(&workspace, &case);
        let of = |month: &str| -> BTreeSet<(String, Vec<u8>)> {
            let inside = format!("x_BillingPeriod={month}");
            content(&workspace, "tables").into_iter().filter(|(name, _)| name.contains(&inside)).collect()
        };
        let (first, second) = (of(MONTH), of("2026-02"));
        assert!(!first.is_empty() && !second.is_empty(), "{}", case.format);
        put(&workspace, &case, "2026-02", "a", &[line("two", 2.0), line("late", 0.5)], Shape::Whole);
        let told = run(&workspace, &case);
        assert!(told.contains("2026-02 bill") && !told.contains("2026-01 bill"), "{}: {told}", case.format);
        assert!(of(MONTH) == first, "{}: another month changed", case.format);
        assert!(of("2026-02") != second, "{}: the month did not change", case.format);
        let (charges, _) = sums(&workspace);
        assert_eq!(charges, [[MONTH, "USD", "1", "1.000000"], ["2026-02", "USD", "2", "2.500000"]], "{}", case.format);
    }
}

#[test]
fn currencies_are_never_added() {
    for case in CASES {
        let workspace = workspace(&case);
        let euros = Line { currency: "EUR", account: "998877665544", ..line("two", 20.0) };
        put(&workspace, &case, MONTH, "a", &[line("one", 1.5), euros, line("three", 0.25)], Shape::Whole);
        run(&workspace, &case);
        let (charges, ledgers) = sums(&workspace);
        assert_eq!(charges, [[MONTH, "EUR", "1", "20.000000"], [MONTH, "USD", "2", "1.750000"]], "{}", case.format);
        let billed: Vec<_> = ledgers.iter().filter(|row| row[1] == "billed").map(|row| row[2..5].join(" ")).collect();
        assert_eq!(billed, ["EUR 20.000000 20.000000", "USD 1.750000 1.750000"], "{}", case.format);
    }
}

#[test]
fn the_first_and_the_last_day_belong_to_their_month() {
    for case in CASES {
        let workspace = workspace(&case);
        for (month, cost) in [("2026-01", 1.0), ("2026-02", 10.0), ("2026-03", 100.0)] {
            let on = |id, day| Line { day, ..line(id, cost) };
            put(&workspace, &case, month, "a", &[on("first", 1), on("last", days(month))], Shape::Whole);
        }
        run(&workspace, &case);
        let found = workspace.query(
            "tables",
            "SELECT x_BillingPeriod, cast(ChargePeriodStart AS date), cast(ChargePeriodEnd AS date), \
             cast(BilledCost AS decimal(9, 2)) FROM focus_charges ORDER BY 2",
        );
        let expected = [
            ["2026-01", "2026-01-01", "2026-01-02", "1.00"],
            ["2026-01", "2026-01-31", "2026-02-01", "1.00"],
            ["2026-02", "2026-02-01", "2026-02-02", "10.00"],
            ["2026-02", "2026-02-28", "2026-03-01", "10.00"],
            ["2026-03", "2026-03-01", "2026-03-02", "100.00"],
            ["2026-03", "2026-03-31", "2026-04-01", "100.00"],
        ];
        assert_eq!(found, expected, "{}", case.format);
    }
}

#[test]
fn two_runs_of_one_export_are_refused_and_equal_rows_are_kept() {
    for case in CASES {
        let ids: Vec<String> = (0..30).map(|number| format!("i-{number}")).collect();
        let lines: Vec<Line<'_>> =
            ids.iter().enumerate().map(|(index, id)| line(id, 1.0 + index as f64 / 8.0)).collect();
        let twice = workspace(&case);
        put(&twice, &case, MONTH, "run-1", &lines, Shape::Whole);
        put(&twice, &case, MONTH, "run-2-a", &lines[..12], Shape::Whole);
        put(&twice, &case, MONTH, "run-2-b", &lines[12..], Shape::Whole);
        let output = twice.run(&["run", "pipeline.yaml"]);
        let told = transcript(&output, &[]);
        // Rows of AWS have an id, which a check finds twice.
        let aws = case.format.starts_with("aws");
        assert_eq!(output.status.code(), Some(if aws { 3 } else { 1 }), "{told}");
        let parts: &[&str] = if aws {
            &["focus_charges__key_is_unique"]
        } else {
            &["two runs of one export lie there", "run-1.", "run-2-a.", "run-2-b."]
        };
        assert!(parts.iter().all(|part| told.contains(part)), "{}: {told}", case.format);
        assert!(!twice.path("tables/focus_charges").exists(), "{}: charges were published", case.format);
        if aws {
            continue;
        }
        // The same thing bought twice: both rows count.
        let again = workspace(&case);
        put(&again, &case, MONTH, "a", &lines[..16], Shape::Whole);
        put(&again, &case, MONTH, "b", &lines[15..], Shape::Whole);
        let told = run(&again, &case);
        assert!(told.contains("1 rows say the same as a row of another object"), "{}: {told}", case.format);
        let counted = again.query("tables", "SELECT count(*), count(DISTINCT x_ChargeId) FROM focus_charges");
        assert_eq!(counted, [["31", "31"]], "{}", case.format);
    }
}
