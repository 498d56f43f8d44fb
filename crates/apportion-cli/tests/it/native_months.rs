//! A provider's bill and the provider's own FOCUS export of one month are the same charges.
//!
//! `round_trip` feeds our own FOCUS back, so an error both directions share passes it. Here both
//! exports were written by hand, as their issuer would: `testdata/fixtures/months/<month>/` has the
//! bill, the native export, and `expect.txt`, which says every column of every charge, worked out
//! from the provider's documents. Both are read by the binary; each side must be what is expected,
//! and the sides may differ only where `exceptions` says why.

mod exceptions;
mod mistakes;
mod months;
mod records;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use apportion_focus::{ColumnType, catalog};

use crate::fixtures::plain;
use crate::support::{Workspace, root};
use exceptions::EXCEPTIONS;
use mistakes::MISTAKES;
use months::{MONTHS, Month};

const RAW: &str = "raw";
const NATIVE: &str = "native";
/// Stands in `expect.txt` between what the raw and what the native export gives.
const DIFFERS: char = '≠';
/// Not a column: which export has the charge, where only one of them has.
const ONLY_IN: &str = "only in";

/// Values of a charge by column.
type Charge = BTreeMap<String, String>;
/// Cells by name of the charge and column; the column is empty where the whole charge is meant.
type Cells = BTreeSet<(String, String)>;

fn folder(month: &str) -> PathBuf {
    root().join("testdata/fixtures/months").join(month)
}

/// All columns but the two that say where a row came from.
fn columns() -> Vec<(&'static str, ColumnType)> {
    let columns = catalog().focus().columns.iter().map(|column| (column.name.as_str(), column.column_type));
    columns.filter(|(name, _)| !["x_ChargeId", "x_Source"].contains(name)).collect()
}

/// The charges of one export in `expect.txt`, by name.
fn expected(folder: &Path, side: &str) -> BTreeMap<String, Charge> {
    let path = folder.join("expect.txt");
    let mut charges = BTreeMap::new();
    for record in records::records(&path) {
        let unknown =
            record.values.keys().find(|name| *name != ONLY_IN && !columns().iter().any(|(column, _)| column == name));
        assert!(unknown.is_none(), "{}, [{}]: no column {unknown:?}", path.display(), record.name);
        if record.values.get(ONLY_IN).is_some_and(|only| only != side) {
            continue;
        }
        let value = |(name, _): (&str, ColumnType)| {
            let text = record.values.get(name).map_or("", String::as_str);
            let text = match text.split_once(DIFFERS).map(|(raw, native)| (raw.trim(), native.trim())) {
                Some((raw, native)) if raw == native => panic!("[{}] {name} differs from itself", record.name),
                Some((raw, _)) if side == RAW => raw,
                Some((_, native)) => native,
                None => text,
            };
            (name.to_owned(), text.to_owned())
        };
        let charge = columns().into_iter().map(value).collect();
        charges.insert(record.name.clone(), charge);
    }
    charges
}

/// The charges that the binary made of one export, under the names of the expected ones.
fn found(
    workspace: &Workspace,
    key: &[&str],
    side: &str,
    expected: &BTreeMap<String, Charge>,
    wrong: &mut Vec<String>,
) -> BTreeMap<String, Charge> {
    let names: Vec<&str> = columns().iter().map(|(name, _)| *name).collect();
    let sql = format!("SELECT {} FROM focus_charges WHERE x_Source = '{side}'", names.join(", "));
    let rows = workspace.query("tables", &sql);
    let mut rows: Vec<Charge> =
        rows.into_iter().map(|row| names.iter().map(|name| (*name).to_owned()).zip(row).collect()).collect();
    let key_of = |charge: &Charge| key.iter().map(|name| format!("{name} {}", charge[*name])).collect::<Vec<_>>();
    let mut found = BTreeMap::new();
    for (name, charge) in expected {
        match rows.iter().position(|row| key_of(row) == key_of(charge)) {
            Some(position) => drop(found.insert(name.clone(), rows.swap_remove(position))),
            None => wrong.push(format!("{side} [{name}]: no charge with {}", key_of(charge).join(", "))),
        }
    }
    wrong.extend(rows.iter().map(|row| format!("{side}: a charge nobody expects, {}", key_of(row).join(", "))));
    found
}

/// Whether two values are the same; `4.6080` is `4.608`.
fn same(column: ColumnType, left: &str, right: &str) -> bool {
    match column {
        ColumnType::Money | ColumnType::Quantity | ColumnType::Price => plain(left) == plain(right),
        _ => left == right,
    }
}

/// The cells in which the charges of the two exports differ.
fn differing(raw: &BTreeMap<String, Charge>, native: &BTreeMap<String, Charge>) -> Cells {
    let mut cells = Cells::new();
    for (name, raw) in raw {
        let Some(native) = native.get(name) else { continue };
        let differs = columns().into_iter().filter(|(column, kind)| !same(*kind, &raw[*column], &native[*column]));
        cells.extend(differs.map(|(column, _)| (name.clone(), column.to_owned())));
    }
    let (raw, native): (BTreeSet<&String>, BTreeSet<&String>) = (raw.keys().collect(), native.keys().collect());
    cells.extend(raw.symmetric_difference(&native).map(|name| ((*name).clone(), String::new())));
    cells
}

/// The cells of the month that may differ. An exception that names no charges is about all that do.
fn allowed(month: &Month, differing: &Cells) -> Cells {
    let mut cells = Cells::new();
    for exception in EXCEPTIONS.iter().filter(|exception| exception.month == month.name) {
        assert!(!exception.reason.is_empty() && !exception.source.is_empty(), "an exception says why and who says so");
        let columns = if exception.columns.is_empty() { &[""] } else { exception.columns };
        if exception.charges.is_empty() {
            for column in columns {
                let concerned: Cells = differing.iter().filter(|(_, differs)| differs == column).cloned().collect();
                assert!(!concerned.is_empty(), "an exception of {} about {column}, which never differs", month.name);
                cells.extend(concerned);
            }
        }
        for (name, column) in exception.charges.iter().flat_map(|name| columns.iter().map(move |column| (name, column)))
        {
            let fresh = cells.insert(((*name).to_owned(), (*column).to_owned()));
            assert!(fresh, "two exceptions of {} are about {column} of [{name}]", month.name);
        }
    }
    cells
}

/// Runs both exports in the folder of a month and says what is wrong with the charges.
fn problems(month: &Month, folder: &Path) -> Vec<String> {
    let workspace = Workspace::new();
    let mut pipeline = "version: 1\nname: month\nsources:\n".to_owned();
    for (side, export) in [(RAW, &month.raw), (NATIVE, &month.native)] {
        for (object, content) in (export.objects)(folder) {
            workspace.write(&format!("{side}/{object}"), &content);
        }
        pipeline += &format!("  {side}: {{ format: {}, location: {side}/, {} }}\n", export.format, export.options);
    }
    workspace.write("pipeline.yaml", (pipeline + "destination: { location: tables/ }\n").as_bytes());
    workspace.run_ok(&["run", "pipeline.yaml"]);

    let mut wrong = Vec::new();
    let [raw, native] = [RAW, NATIVE].map(|side| {
        let expected = expected(folder, side);
        let found = found(&workspace, month.key, side, &expected, &mut wrong);
        for (name, charge) in &found {
            for (column, kind) in columns() {
                let (wanted, got) = (&expected[name][column], &charge[column]);
                if !same(kind, wanted, got) {
                    wrong.push(format!("{side} [{name}] {column}: expected `{wanted}`, found `{got}`"));
                }
            }
        }
        found
    });
    let differing = differing(&raw, &native);
    let allowed = allowed(month, &differing);
    for (name, column) in differing.difference(&allowed) {
        wrong.push(format!("[{name}] {column}: the exports differ and no exception says why"));
    }
    for (name, column) in allowed.difference(&differing) {
        wrong.push(format!("[{name}] {column}: an exception where the exports do not differ"));
    }
    wrong
}

fn month(name: &str) -> &'static Month {
    MONTHS.iter().find(|month| month.name == name).expect("a declared month")
}

fn check(name: &str) {
    let wrong = problems(month(name), &folder(name));
    assert!(wrong.is_empty(), "{name}\n{}", wrong.join("\n"));
}

#[test]
fn a_bill_of_aws_and_its_own_focus_export_give_the_same_charges() {
    check("aws");
}

#[test]
fn wrong_figures_anywhere_in_a_month_are_found() {
    for (name, mistakes) in MISTAKES {
        let workspace = Workspace::new();
        for entry in std::fs::read_dir(folder(name)).expect("month").flatten() {
            let file = entry.file_name().into_string().expect("name");
            let mut text = std::fs::read_to_string(entry.path()).expect("file");
            for (_, block, from, to, _) in mistakes.iter().filter(|mistake| mistake.0 == file) {
                // a row of the bill of Google Cloud has its name in the comment above
                let start = text.find(&format!("[{block}]\n")).or_else(|| text.find(&format!("# {block}: ")));
                let (before, after) = text.split_at(start.expect("the block"));
                assert!(after.contains(from), "[{block}] of {file} says {from}");
                text = before.to_owned() + &after.replacen(from, to, 1);
            }
            workspace.write(&file, text.as_bytes());
        }
        let wrong = problems(month(name), &workspace.path(""));
        for (file, _, _, to, complaint) in *mistakes {
            let found = wrong.iter().any(|problem| problem.starts_with(complaint));
            assert!(found, "{name}, {file} with {to}: no `{complaint}` in\n{}", wrong.join("\n"));
        }
    }
}

#[test]
fn cost_exports_of_azure_and_the_focus_export_of_microsoft_give_the_same_charges() {
    check("azure");
}

#[test]
fn a_billing_export_of_google_cloud_and_its_own_focus_export_give_the_same_charges() {
    check("gcp");
}

#[test]
fn every_month_on_disk_is_declared() {
    let folders = std::fs::read_dir(folder("")).expect("months").flatten();
    let folders: BTreeSet<String> = folders.map(|entry| entry.file_name().into_string().expect("name")).collect();
    assert_eq!(folders, MONTHS.iter().map(|month| month.name.to_owned()).collect());
    for exception in EXCEPTIONS {
        assert!(folders.contains(exception.month), "an exception of the unknown month {}", exception.month);
    }
}
