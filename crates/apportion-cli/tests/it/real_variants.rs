//! Every column set that Azure exports had over the years, as real files have them.
//!
//! Runs when `APPORTION_REAL_EXPORTS` names the folder that holds them. What a file adds up to is
//! computed here from its text, by column name and in whole numbers, and the charges must be that:
//! per currency and month, to the last digit.

use std::collections::{BTreeMap, BTreeSet};

use csv::StringRecord;

use crate::real_exports::exports;
use crate::support::{Workspace, transcript};

/// Rows and billed cost in units of 10^-12 by month and currency.
pub(crate) type Totals = BTreeMap<(String, String), (usize, i128)>;

/// A file below `azure/`, and the columns a reduced test file lacks that every export has.
struct Variant {
    file: &'static str,
    lacks: &'static [(&'static str, &'static str)],
    /// A currency in place of one that was made anonymous.
    currency: Option<&'static str>,
}

const fn whole(file: &'static str) -> Variant {
    Variant { file, lacks: &[], currency: None }
}

/// Files cut down to what another tool's tests read: no quantity and no currency.
const fn reduced(file: &'static str) -> Variant {
    Variant { lacks: &[("quantity", "1"), ("billingcurrency", "USD")], ..whole(file) }
}

const VARIANTS: [Variant; 14] = [
    whole("header_variants/BOM.csv"),
    whole("header_variants/Enterprise.csv"),
    whole("header_variants/EnterpriseCamel.csv"),
    whole("header_variants/German.csv"),
    whole("header_variants/PayAsYouGo.csv"),
    whole("header_variants/YA.csv"),
    reduced("header_variants/values_MissingBrackets.csv"),
    reduced("header_variants/values_Template.csv"),
    reduced("header_variants/values_VirtualMachine.csv"),
    whole("koku/azure_camelCased.csv"),
    Variant { currency: Some("MXN"), ..whole("koku/azure_version_2.csv") },
    whole("koku/camel_azure_version_2.csv"),
    whole("koku/costreport_a243c6f2-199f-4074-9a2c-40e671cf1584.csv"),
    whole("ea/sample-anonymous-ea-export-dataset.csv"),
];

/// A CSV file: its header, and its rows by column.
#[derive(Clone)]
struct Export {
    header: Vec<String>,
    rows: Vec<StringRecord>,
}

impl Export {
    fn read(content: &[u8]) -> Self {
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .from_reader(content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content));
        let header = reader.headers().expect("header").iter().map(|name| name.trim().to_owned()).collect();
        Self { header, rows: reader.records().map(|row| row.expect("row")).collect() }
    }

    /// Position of the first of these names, in any case or in brackets behind a translation.
    fn position(&self, names: &[&str]) -> Option<usize> {
        let has = |header: &String, name: &str| {
            let english = header.strip_suffix(')').and_then(|header| header.rsplit_once('('));
            header.eq_ignore_ascii_case(name) || english.is_some_and(|(_, it)| it.eq_ignore_ascii_case(name))
        };
        names.iter().find_map(|name| self.header.iter().position(|header| has(header, name)))
    }

    fn cell<'a>(&self, row: &'a StringRecord, names: &[&str]) -> &'a str {
        self.position(names).and_then(|position| row.get(position)).unwrap_or_default()
    }

    /// The same with more columns; rows of reduced files are shorter than their header.
    fn with(mut self, columns: &[(&str, &str)]) -> Self {
        let length = self.header.len();
        for row in self.rows.iter_mut().filter(|row| !columns.is_empty() && row.len() < length) {
            (row.len()..length).for_each(|_| row.push_field(""));
        }
        self.header.extend(columns.iter().map(|(name, _)| (*name).to_owned()));
        for row in &mut self.rows {
            columns.iter().for_each(|(_, value)| row.push_field(value));
        }
        self
    }

    fn in_currency(mut self, currency: Option<&str>) -> Self {
        if let (Some(currency), Some(position)) = (currency, self.position(CURRENCY)) {
            let replaced = |row: &StringRecord| {
                row.iter().enumerate().map(|(index, cell)| if index == position { currency } else { cell }).collect()
            };
            self.rows = self.rows.iter().map(replaced).collect();
        }
        self
    }

    /// Rows of our own under this header: a charge, a free one, a correction, and one of next month.
    fn generated(&self) -> Self {
        let rows = [("05", "10", "12.5", "1.25"), ("05", "31", "3", "0"), ("05", "07", "-1", "-0.000000123457")];
        let rows = rows.into_iter().chain([("06", "01", "1000000", "9999999.99")]);
        let row = |(index, (month, day, quantity, cost)): (usize, (&str, &str, &str, &str))| {
            let mut cells = vec![String::new(); self.header.len()];
            let mut put = |names: &[&str], value: &str| {
                if let Some(position) = self.position(names) {
                    value.clone_into(&mut cells[position]);
                }
            };
            put(COST, cost);
            put(CURRENCY, if index == 1 { "EUR" } else { "USD" });
            put(DATE, &format!("2021-{month}-{day}"));
            put(&["Quantity", "UsageQuantity"], quantity);
            put(&["MeterCategory"], "Storage");
            put(&["ChargeType"], "Usage");
            // An account has one currency.
            let account = if index == 1 {
                "00000000-0000-0000-0000-0000000000cd"
            } else {
                "00000000-0000-0000-0000-0000000000ab"
            };
            for names in [&["SubscriptionId", "SubscriptionGuid"][..], &["BillingAccountId"], &["BillingProfileId"]] {
                put(names, account);
            }
            put(&["ResourceId", "InstanceId", "InstanceName"], "/subscriptions/ab/resourceGroups/g/disks/d");
            StringRecord::from(cells)
        };
        Self { header: self.header.clone(), rows: rows.enumerate().map(row).collect() }
    }

    fn content(&self) -> Vec<u8> {
        let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
        writer.write_record(&self.header).expect("header");
        self.rows.iter().for_each(|row| writer.write_record(row).expect("row"));
        writer.into_inner().expect("content")
    }

    /// Rows and billed cost by month and currency: usage of a commitment is billed as zero, and its
    /// purchase is billed by the actual export alone, which here is the same file.
    fn billed(&self) -> Totals {
        let mut totals = BTreeMap::new();
        for row in &self.rows {
            let text = |names| self.cell(row, names);
            let model = text(&["PricingModel"]);
            let charge = text(&["ChargeType"]);
            let committed = ["Reservation", "SavingsPlan"].contains(&model)
                || (model.is_empty() && charge == "Usage" && !text(&["ReservationId"]).is_empty());
            let cost = if committed && charge == "Usage" { 0 } else { exact(text(COST)) };
            assert!(!committed || charge == "Usage", "the union of both exports is tested elsewhere");
            let key = (month(text(DATE)), text(CURRENCY).to_ascii_uppercase());
            let total = totals.entry(key).or_insert((0, 0));
            *total = (total.0 + 1, total.1 + cost);
        }
        totals
    }
}

const COST: &[&str] = &["CostInBillingCurrency", "Cost", "PreTaxCost"];
const CURRENCY: &[&str] = &["BillingCurrency", "BillingCurrencyCode", "Currency"];
const DATE: &[&str] = &["Date", "UsageDateTime"];

/// `MM/DD/YYYY` or a date that begins with the year, as `YYYY-MM`.
fn month(date: &str) -> String {
    match date.split('/').collect::<Vec<_>>()[..] {
        [month, _, year] => format!("{}-{month:0>2}", year.get(..4).expect("year")),
        _ => date.get(..7).expect("date").to_owned(),
    }
}

/// A decimal as a whole number of 10^-24.
pub(crate) fn exact(text: &str) -> i128 {
    let text = text.trim();
    let (text, exponent) = match text.split_once(['e', 'E']) {
        Some((digits, exponent)) => (digits, exponent.parse::<i32>().expect("exponent")),
        None => (text, 0),
    };
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let digits = format!("{whole}{decimals}");
    if digits.trim_matches(['-', '+']).is_empty() {
        return 0;
    }
    let shift = 24 - i32::try_from(decimals.len()).expect("decimals") + exponent;
    let digits: i128 = digits.parse().unwrap_or_else(|_| panic!("`{text}` is no number"));
    match u32::try_from(shift) {
        Ok(shift) => digits * 10_i128.pow(shift),
        Err(_) => {
            let divisor = 10_i128.pow(shift.unsigned_abs());
            assert_eq!(digits % divisor, 0, "`{text}` has more than 24 decimals");
            digits / divisor
        }
    }
}

/// Rows and billed cost of the charges by month and currency, with what their twelve decimals lack.
pub(crate) fn published(workspace: &Workspace) -> Totals {
    let charges = workspace.query(
        "tables",
        "SELECT c.x_BillingPeriod, c.BillingCurrency, c.rows, c.cost, r.x_ConversionResidual, r.x_Difference FROM \
         (SELECT x_BillingPeriod, BillingCurrency, count(*) AS rows, sum(BilledCost) AS cost FROM focus_charges \
          GROUP BY 1, 2) c LEFT JOIN reconciliation r ON r.x_BillingPeriod = c.x_BillingPeriod \
         AND r.BillingCurrency = c.BillingCurrency AND r.x_Ledger = 'billed' AND r.x_Stage = 'normalization'",
    );
    let total = |row: &Vec<String>| {
        assert_eq!(exact(&row[5]), 0, "the reconciliation of {row:?} is open");
        ((row[0].clone(), row[1].clone()), (row[2].parse().expect("rows"), exact(&row[3]) + exact(&row[4])))
    };
    charges.iter().map(total).collect()
}

/// Runs the binary over an export and compares what it published with the file.
fn read_whole(file: &str, export: &Export, content: &[u8]) {
    let workspace = Workspace::new();
    workspace.write(
        "pipeline.yaml",
        b"version: 1\nname: variant\nsources:\n  bill: { format: azure_cost_management, location: export/ }\n\
          destination: { location: tables/ }\n",
    );
    // Where commitments are possible a month needs both exports; usage of the actual one does not count.
    let names: &[&str] = match export.position(&["PricingModel"]) {
        Some(_) => &["export/actual/cost.csv", "export/amortized/cost.csv"],
        None => &["export/cost.csv"],
    };
    names.iter().for_each(|name| workspace.write(name, content));
    workspace.run_ok(&["run", "pipeline.yaml"]);
    assert_eq!(published(&workspace), export.billed(), "{file}");
}

#[test]
fn every_header_of_azure_is_read_to_the_last_digit() {
    let Some(folder) = exports() else { return };
    let mut rows = 0;
    for Variant { file, lacks, currency } in VARIANTS {
        let path = folder.join("azure").join(file);
        let content = std::fs::read(&path).unwrap_or_else(|error| panic!("{} must exist: {error}", path.display()));
        let delivered = Export::read(&content);
        let export = delivered.clone().with(lacks).in_currency(currency);
        // The rows of one file say nothing, not even what they cost.
        if file != "header_variants/BOM.csv" {
            let as_it_is = lacks.is_empty() && currency.is_none();
            let content = if as_it_is { content.clone() } else { export.content() };
            rows += export.rows.len();
            read_whole(file, &export, &content);
        }
        let generated = export.generated();
        read_whole(file, &generated, &generated.content());
    }
    assert!(rows > 130, "only {rows} rows of others were read");
}

#[test]
fn an_export_without_a_currency_is_refused_by_the_name_of_the_column() {
    let Some(folder) = exports() else { return };
    for Variant { file, .. } in VARIANTS.into_iter().filter(|variant| !variant.lacks.is_empty()) {
        let workspace = Workspace::new();
        let export = Export::read(&std::fs::read(folder.join("azure").join(file)).expect("file"));
        workspace.write("cost.csv", &export.with(&[("quantity", "1")]).content());
        workspace.write(
            "pipeline.yaml",
            b"version: 1\nname: variant\nsources:\n  bill: { format: azure_cost_management, location: cost.csv }\n\
              destination: { location: tables/ }\n",
        );
        let output = workspace.run(&["run", "pipeline.yaml"]);
        let told = transcript(&output, &[]);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains("required column `BillingCurrency` is missing"), "{told}");
        assert!(!workspace.path("tables/focus_charges").exists(), "{file}");
    }
}

#[test]
fn no_azure_file_is_left_unread() {
    let Some(folder) = exports() else { return };
    let tested: BTreeSet<&str> = VARIANTS.iter().map(|variant| variant.file).collect();
    for below in ["header_variants", "koku", "ea"] {
        for entry in std::fs::read_dir(folder.join("azure").join(below)).expect("folder").flatten() {
            let name = format!("{below}/{}", entry.file_name().into_string().expect("name"));
            // The pair of enterprise exports has its own test of the union of both.
            let has_own = name.ends_with("Cost_Small.csv");
            assert!(has_own || tested.contains(name.as_str()), "{name} is read by no test");
        }
    }
}
