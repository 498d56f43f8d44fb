//! The seeds against what bills were seen with: open reference data of Microsoft, read where
//! `APPORTION_REAL_EXPORTS` names the folder that holds it and never part of the repository.
//!
//! Every value goes through the binary as a charge of its own, so what is tested is what a bill
//! would become, not how the seeds are spelled.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value as Json;

use crate::seeds::{AZURE_COLUMNS, azure_row};
use crate::support::Workspace;

/// Spellings that we read otherwise than the reference, with the region we read and why.
const OTHER_REGIONS: [(&str, &str); 2] = [
    // Meters of Switzerland are called CH North and CH West; those of China begin with CN.
    ("chnorth", "switzerlandnorth"),
    // Azure lists Europe as a geography of its own, not as the Netherlands.
    ("europe", "europe"),
];

/// Spellings that mean no region at all: what is everywhere is nowhere in particular.
const NO_REGION: [&str; 2] = ["global", "unassigned"];

/// Units that stay as delivered, and why.
const UNMAPPED_UNITS: [(&str, &str); 1] = [
    // Without spaces it cannot be told from eleven hours.
    ("1 1 Hour", "11hour"),
];

/// Units whose block we read otherwise than the reference, with ours and why.
const OTHER_BLOCKS: [(&str, &str); 6] = [
    // A million of something is a block of a million.
    ("1 Million", "1000000"),
    // 10,000 thousands, and thousands that the reference counts as one transaction.
    ("10000 1,000s", "10000000"),
    ("10000s", "10000"),
    // One for ten days is ten days, as one for a month is a month.
    ("1/10 Days", "10"),
    ("1/3 Months", "3"),
    ("1/6 Months", "6"),
];

/// Resource types that no bill names in three levels or fewer, or that are no resources, and why.
const UNMAPPED_TYPES: [&str; 1] = [
    // A purchase, told by its publisher.
    "marketplace/account",
];

/// The columns of a reference file, row by row.
fn reference(file: &str) -> Option<Vec<BTreeMap<String, String>>> {
    let Some(folder) = std::env::var_os("APPORTION_REAL_EXPORTS") else {
        eprintln!("APPORTION_REAL_EXPORTS is not set; the seeds are not held against the reference");
        return None;
    };
    let path = Path::new(&folder).join("reference").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{} must exist: {error}", path.display()));
    let mut reader = csv::Reader::from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let header: Vec<String> = reader.headers().expect("header").iter().map(str::to_owned).collect();
    let rows = reader.records().map(|record| {
        let record = record.expect("record");
        header.iter().cloned().zip(record.iter().map(str::to_owned)).collect()
    });
    Some(rows.collect())
}

/// Runs Azure charges and returns what no seed lists, by seed.
fn unmapped(workspace: &Workspace, rows: impl Iterator<Item = String>) -> BTreeMap<String, BTreeSet<String>> {
    let export = [AZURE_COLUMNS.to_owned()].into_iter().chain(rows).collect::<String>();
    workspace.write("azure/actual.csv", export.as_bytes());
    workspace.write("azure/amortized.csv", export.as_bytes());
    workspace.write(
        "pipeline.yaml",
        b"version: 1\nname: reference\nsources:\n  azure: { format: azure_cost_management, location: azure/ }\n\
          destination: { location: tables/ }\n",
    );
    let output = workspace.run_ok(&["run", "pipeline.yaml", "--format", "json"]);
    let report: Json = serde_json::from_slice(&output.stdout).expect("report");
    let mut unmapped: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for seed in report["sources"][0]["unmapped"].as_array().expect("unmapped") {
        let name = seed["seed"].as_str().expect("seed").to_owned();
        let values = seed["values"].as_array().expect("values").iter();
        unmapped.entry(name).or_default().extend(values.map(|it| it["value"].as_str().expect("value").to_owned()));
    }
    unmapped
}

/// Columns of charges by the number of the row they were made of.
fn charges(workspace: &Workspace, columns: &str) -> BTreeMap<usize, Vec<String>> {
    let rows = workspace.query("tables", &format!("SELECT SkuId, {columns} FROM focus_charges"));
    rows.into_iter().map(|row| (row[0].parse().expect("number"), row[1..].to_vec())).collect()
}

#[test]
fn every_spelling_of_a_region_is_mapped() {
    let Some(regions) = reference("Regions.csv") else { return };
    assert!(regions.len() >= 500);
    let workspace = Workspace::new();
    let vm = "Microsoft.Compute/virtualMachines";
    let row = |id: usize, spelling: &str| azure_row(&id.to_string(), "Microsoft.Compute", vm, spelling, "1 Hour");
    // A region's own id is a spelling like any other.
    let spellings: Vec<&String> = regions.iter().flat_map(|it| [&it["OriginalValue"], &it["RegionId"]]).collect();
    let unmapped = unmapped(&workspace, spellings.iter().enumerate().map(|(id, spelling)| row(id, spelling)));
    assert_eq!(unmapped, BTreeMap::new());
    let charges = charges(&workspace, "RegionId, RegionName");
    let mut wrong = Vec::new();
    for (pair, region) in regions.iter().enumerate() {
        let spelling = &region["OriginalValue"];
        let (found, of_id) = (&charges[&(2 * pair)], &charges[&(2 * pair + 1)]);
        let other = OTHER_REGIONS.iter().find(|(other, _)| other == spelling).map(|(_, region)| *region);
        if found[0] != other.unwrap_or(&of_id[0]) {
            wrong.push(format!("{spelling} is {}, the reference says {}", found[0], region["RegionId"]));
        }
        let has_name = found[1].starts_with(|first: char| first.is_uppercase());
        if has_name == NO_REGION.contains(&spelling.as_str()) {
            wrong.push(format!("{spelling} has the name {}", found[1]));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_unit_of_measure_is_read() {
    let Some(units) = reference("PricingUnits.csv") else { return };
    assert!(units.len() >= 382);
    let workspace = Workspace::new();
    let vm = "Microsoft.Compute/virtualMachines";
    let row = |(id, it): (usize, &BTreeMap<String, String>)| {
        azure_row(&id.to_string(), "Microsoft.Compute", vm, "EU West", &it["UnitOfMeasure"])
    };
    let unmapped = unmapped(&workspace, units.iter().enumerate().map(row));
    let expected: BTreeSet<String> = UNMAPPED_UNITS.iter().map(|(_, key)| (*key).to_owned()).collect();
    assert_eq!(unmapped, BTreeMap::from([("azure_units".to_owned(), expected)]));
    // Two blocks were used, so the block is half of what was consumed.
    let charges = charges(&workspace, "cast(ConsumedQuantity / 2 AS bigint)");
    let mut wrong = Vec::new();
    for (id, unit) in units.iter().enumerate() {
        let delivered = unit["UnitOfMeasure"].trim();
        let other = OTHER_BLOCKS.iter().find(|(other, _)| *other == delivered).map(|(_, block)| *block);
        if charges[&id][0] != other.unwrap_or(&unit["PricingBlockSize"]) {
            wrong.push(format!("{delivered} is {}, the reference says {}", charges[&id][0], unit["PricingBlockSize"]));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_service_and_resource_type_that_is_sold_is_mapped() {
    let Some(services) = reference("Services.csv") else { return };
    assert!(services.len() >= 397);
    let workspace = Workspace::new();
    let row = |(id, it): (usize, &BTreeMap<String, String>)| {
        // The levels of a type alternate with names: servers/a/databases/b.
        let levels = it["ResourceType"].split('/').collect::<Vec<_>>();
        let (provider, types) = levels.split_first().expect("provider");
        let path = if types.is_empty() { String::new() } else { format!("{provider}/{}", types.join("/name/")) };
        azure_row(&id.to_string(), &it["ConsumedService"], &path, "EU West", "1 Hour")
    };
    let unmapped = unmapped(&workspace, services.iter().enumerate().map(row));
    let types = unmapped.get("azure_resource_types").cloned().unwrap_or_default();
    let expected: BTreeSet<String> = UNMAPPED_TYPES.iter().map(|path| (*path).to_owned()).collect();
    assert_eq!(types, expected);
    // A provider without a row is told by the type, and the other way round.
    assert_eq!(unmapped.keys().collect::<Vec<_>>(), ["azure_resource_types", "azure_services"]);
    assert_eq!(unmapped["azure_services"], BTreeSet::from(["marketplace".to_owned()]));
}
