//! How every provider delivers: layouts, files, and what may happen to them.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use super::shelf::{Random, Row, Shelf};
use crate::case::{CASES, Line, Shape};

/// One provider's way of delivering.
#[derive(Debug, Clone, Copy)]
pub struct Provider {
    /// Name of the format in pipelines.
    pub format: &'static str,
    /// Whether rows are added and never changed.
    pub adds_rows: bool,
    /// Layouts it delivers in.
    pub layouts: &'static [&'static str],
    /// Lets time pass and mostly delivers something, in a layout.
    pub step: fn(&mut Shelf, &'static str, &mut Random),
}

const AWS: Provider = Provider {
    format: "aws_cur_2",
    adds_rows: false,
    layouts: &["overwrite with manifest", "overwrite", "versions with manifest", "versions"],
    step: aws,
};

/// Every format.
pub const PROVIDERS: [Provider; 5] = [
    AWS,
    Provider { format: "aws_cur_legacy", layouts: &["legacy with manifest", "legacy"], ..AWS },
    Provider { format: "gcp_billing_export", adds_rows: true, layouts: &["files", "folders", "flat"], step: google },
    Provider {
        format: "azure_cost_management",
        adds_rows: false,
        layouts: &["runs with manifest", "runs", "ids", "ids without ranges"],
        step: azure,
    },
    Provider {
        format: "focus",
        adds_rows: false,
        layouts: &["flat", "runs with manifest", "exports with manifest"],
        step: native,
    },
];

/// Rows as an object of a format. Ids of AWS change with every run.
fn object(format: &str, rows: &[Row], run: u64) -> Vec<u8> {
    let named: Vec<[String; 3]> = rows
        .iter()
        .map(|row| {
            let moment = i64::try_from(1_767_225_600 + row.exported * 3600).unwrap();
            let exported = chrono::DateTime::from_timestamp(moment, 0).unwrap().format("%Y-%m-%dT%H:%M:%S");
            let resource = format!("r-{}", row.resource);
            let id = if format.starts_with("aws") { format!("{run}-{}-{resource}", row.day) } else { resource.clone() };
            [id, resource, exported.to_string()]
        })
        .collect();
    let line = |(row, [id, resource, exported]): (&Row, &'_ [String; 3])| {
        (row.day, row.cents, id.clone(), resource.clone(), exported.clone())
    };
    let told: Vec<_> = rows.iter().zip(&named).map(line).collect();
    let lines: Vec<Line<'_>> = told
        .iter()
        .map(|(day, cents, id, resource, exported)| Line {
            id,
            cost: amount(*cents),
            day: *day,
            resource: Some(resource),
            exported: Some(exported),
            ..Line::default()
        })
        .collect();
    let case = CASES.iter().find(|case| case.format == format).unwrap();
    case.object("2026-01", &lines, Shape::Whole).to_vec()
}

/// What happens to the bill between two deliveries.
fn meanwhile(shelf: &mut Shelf, random: &mut Random) {
    match random.below(4) {
        0 => shelf.rate_again(),
        1 => {
            let day = 1 + u32::try_from(random.below(shelf.last_day as usize)).unwrap();
            shelf.add_late(day);
        }
        2 => {}
        _ => shelf.pass_days(1 + u32::try_from(random.below(8)).unwrap()),
    }
}

fn amount(cents: i64) -> f64 {
    cents as f64 / 100.0
}

fn aws(shelf: &mut Shelf, layout: &'static str, random: &mut Random) {
    match random.below(8) {
        0 if !layout.contains("manifest") => return shelf.copy_a_file(random),
        1 if !layout.contains("manifest") => return shelf.remove(random),
        _ => meanwhile(shelf, random),
    }
    let (days, parts, tick) = ((1, 31), 1 + random.below(3), shelf.tick + 1);
    let rows = shelf.snapshot(1, 31);
    let version = match layout.starts_with("versions") {
        true => format!("/202601{:02}T{:02}0000Z-{tick:08x}", 1 + tick / 24, tick % 24),
        false => String::new(),
    };
    let legacy = layout.starts_with("legacy");
    let folder = match legacy {
        true => "e/e/year=2026/month=1".to_owned(),
        false => format!("e/data/BILLING_PERIOD=2026-01{version}"),
    };
    let name = |index: usize| format!("{folder}/e-{:05}.snappy.parquet", index + 1);
    let format = if legacy { "aws_cur_legacy" } else { "aws_cur_2" };
    let size = rows.len().div_ceil(parts);
    let count = rows.len().div_ceil(size.max(1));
    shelf.deliver(&rows, days, parts, name, |part| object(format, part, tick));
    if layout.contains("manifest") {
        let files: Vec<String> = (0..count).map(|index| format!("\"{}\"", name(index))).collect();
        let (path, key) = match legacy {
            true => ("e/20260101-20260201/e-Manifest.json".to_owned(), "reportKeys"),
            false => (format!("e/metadata/BILLING_PERIOD=2026-01{version}/e-Manifest.json"), "dataFiles"),
        };
        shelf.put(&path, format!(r#"{{"executionId":"run-{tick}","{key}":[{}]}}"#, files.join(",")).as_bytes());
    } else if version.is_empty() && !shelf.are_whole() {
        // Files that the run did not write over are still there, and nothing says that they are old.
        shelf.may_be_refused();
    }
}

fn google(shelf: &mut Shelf, layout: &'static str, random: &mut Random) {
    let tick = shelf.tick + 1;
    // Rows up to here were extracted by an earlier slice.
    let slice_from = shelf.added.len();
    match random.below(3) {
        0 => {
            let day = 1 + u32::try_from(random.below(shelf.last_day as usize)).unwrap();
            shelf.add_late(day);
        }
        _ => shelf.pass_days(1 + u32::try_from(random.below(6)).unwrap()),
    }
    let folder = match layout {
        "folders" => format!("invoice_month=202601/x{tick:03}"),
        "files" => "invoice_month=202601".to_owned(),
        _ => "extracts".to_owned(),
    };
    let name = |index: usize| format!("{folder}/x{tick:03}-{index:012}.parquet");
    let parts = 1 + random.below(3);
    let rows: Vec<Row> = match random.below(6) {
        0 => return shelf.copy_a_file(random),
        1 => return shelf.remove(random),
        2 => {
            // The whole month again; in a folder of its own it replaces what it repeats.
            if layout != "folders" && !shelf.is_empty() {
                shelf.may_be_refused();
            }
            shelf.added.clone()
        }
        3 => {
            // A window of days again, whatever was extracted of them.
            shelf.may_be_refused();
            let first = 1 + u32::try_from(random.below(shelf.last_day as usize)).unwrap();
            shelf.added.iter().filter(|row| (first..first + 3).contains(&row.day)).copied().collect()
        }
        _ => {
            if shelf.is_empty() {
                shelf.added.clone()
            } else {
                shelf.added.iter().skip(slice_from).copied().collect()
            }
        }
    };
    shelf.deliver(&rows, (1, 31), parts, name, |part| object("gcp_billing_export", part, 0));
}

fn azure_csv(rows: &[Row]) -> Vec<u8> {
    let header = "BillingCurrency,PreTaxCost,Date,MeterCategory,MeterId,Quantity,ResourceId,SubscriptionId\n";
    let row = |row: &Row| {
        let (day, resource) = (row.day, row.resource);
        format!("USD,{},01/{day:02}/2026,Storage,m-1,1,/subscriptions/s/{resource},s\n", amount(row.cents))
    };
    (header.to_owned() + &rows.iter().map(row).collect::<String>()).into_bytes()
}

/// First and last day of a delivery: the month, a half of it, or a few days.
fn range(random: &mut Random) -> (u32, u32) {
    match random.below(5) {
        0 => (1, 15),
        1 => (16, 31),
        2 => {
            let first = 1 + u32::try_from(random.below(28)).unwrap();
            (first, first + 3)
        }
        _ => (1, 31),
    }
}

fn ranged(shelf: &mut Shelf, layout: &'static str, random: &mut Random, ending: &str, write: fn(&[Row]) -> Vec<u8>) {
    match random.below(8) {
        0 => return shelf.copy_a_file(random),
        1 => return shelf.remove(random),
        _ => meanwhile(shelf, random),
    }
    let (tick, (first, last)) = (shelf.tick + 1, range(random));
    let rows = shelf.snapshot(first, last);
    if rows.is_empty() {
        return;
    }
    let id = format!("3f2504e0-4f89-11d3-9a0c-{tick:012x}");
    let stamp = format!("202601{:02}{:02}00", 1 + tick / 24, tick % 24);
    let folder = format!("acme-amortized/202601{first:02}-202601{last:02}");
    let run = layout.starts_with("runs");
    let name = |index: usize| match layout {
        "ids" => format!("{folder}/acme-amortized_{id}.{ending}"),
        "ids without ranges" => format!("acme-amortized/acme_{id}.{ending}"),
        _ => format!("{folder}/{stamp}/{id}/part_{index}_0001.{ending}"),
    };
    let parts = if run { 1 + random.below(3) } else { 1 };
    let (size, count) = (rows.len().div_ceil(parts), rows.len());
    // Without a range in its path a run covers the days of its rows.
    let days = match layout {
        "ids without ranges" => (first, rows.iter().map(|row| row.day).max().unwrap_or(last)),
        _ => (first, last),
    };
    shelf.deliver(&rows, days, parts, name, write);
    if layout == "runs with manifest" {
        let blobs: Vec<String> =
            (0..count.div_ceil(size)).map(|index| format!(r#"{{"blobName":"{}"}}"#, name(index))).collect();
        let dates = format!(r#""startDate":"2026-01-{first:02}T00:00:00","endDate":"2026-01-{last:02}T00:00:00""#);
        let manifest = format!(
            r#"{{"exportConfig":{{"type":"AmortizedCost"}},"runInfo":{{"runId":"{id}",{dates}}},"blobs":[{}]}}"#,
            blobs.join(",")
        );
        shelf.put(&format!("{folder}/{stamp}/{id}/manifest.json"), manifest.as_bytes());
    }
}

fn azure(shelf: &mut Shelf, layout: &'static str, random: &mut Random) {
    ranged(shelf, layout, random, "csv", azure_csv);
}

fn focus_rows(rows: &[Row]) -> Vec<u8> {
    object("focus", rows, 0)
}

fn native(shelf: &mut Shelf, layout: &'static str, random: &mut Random) {
    if layout == "runs with manifest" {
        return ranged(shelf, layout, random, "parquet", focus_rows);
    }
    let tick = shelf.tick + 1;
    if layout == "exports with manifest" {
        meanwhile(shelf, random);
        let rows = shelf.snapshot(1, 31);
        let name = |index: usize| format!("e/data/BILLING_PERIOD=2026-01/e-{index:05}.parquet");
        shelf.deliver(&rows, (1, 31), 1, name, focus_rows);
        let key = name(0);
        let manifest = format!(r#"{{"executionId":"run-{tick}","dataFiles":["{key}"]}}"#);
        shelf.put("e/metadata/BILLING_PERIOD=2026-01/e-Manifest.json", manifest.as_bytes());
        return;
    }
    match random.below(6) {
        0 => return shelf.copy_a_file(random),
        1 => return shelf.remove(random),
        _ => meanwhile(shelf, random),
    }
    // Files that say nothing: those over other days add up, of days that two state one must go.
    let (first, last) = range(random);
    let rows = shelf.snapshot(first, last);
    if rows.is_empty() {
        return;
    }
    if shelf.overlaps(first, last) {
        shelf.may_be_refused();
    }
    let parts = 1 + random.below(2);
    shelf.deliver(&rows, (first, last), parts, |index| format!("bill-{tick}-{index}.parquet"), focus_rows);
}
