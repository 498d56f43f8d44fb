//! The months that exist in two forms, and how their texts become the objects that a provider writes.

use std::path::Path;

use apportion_testkit::bigquery;
use apportion_testkit::fixture::ExportBuilder;

use super::records;
use crate::fixtures::exports;

/// Objects of an export: their keys under the location of the source, and what is in them.
type Objects = Vec<(&'static str, Vec<u8>)>;

/// One export of a month.
pub(super) struct Export {
    pub(super) format: &'static str,
    /// More of the source in the pipeline, such as `cost_basis: net`.
    pub(super) options: &'static str,
    /// Makes the objects from the folder of the month.
    pub(super) objects: fn(&Path) -> Objects,
}

/// A month in both forms.
pub(super) struct Month {
    /// The folder under `testdata/fixtures/months/`.
    pub(super) name: &'static str,
    pub(super) raw: Export,
    pub(super) native: Export,
    /// Columns whose values together tell the charges of either export apart.
    pub(super) key: &'static [&'static str],
}

/// Every month under `testdata/fixtures/months/`.
pub(super) const MONTHS: &[Month] = &[
    Month {
        name: "aws",
        raw: Export {
            format: "aws_cur_2",
            // BilledCost of FOCUS includes every discount, so the bill is read net of them
            options: "cost_basis: net",
            objects: |folder| {
                let bill = exports::parquet(ExportBuilder::cur2(), &records::table(&folder.join("raw.txt")));
                vec![("data/BILLING_PERIOD=2026-01/acme-00001.snappy.parquet", bill)]
            },
        },
        native: Export {
            format: "focus",
            options: "",
            objects: |folder| {
                let export = exports::parquet(ExportBuilder::new(), &records::table(&folder.join("native.txt")));
                vec![("data/BILLING_PERIOD=2026-01/acme-focus-00001.snappy.parquet", export)]
            },
        },
        key: &["ChargeDescription", "ChargeCategory"],
    },
    Month {
        name: "azure",
        raw: Export {
            format: "azure_cost_management",
            options: "",
            objects: |folder| {
                let export = |name: &str| exports::csv(&records::table(&folder.join(name)));
                vec![("actual/month.csv", export("actual.txt")), ("amortized/month.csv", export("amortized.txt"))]
            },
        },
        native: Export {
            format: "focus",
            options: "",
            objects: |folder| {
                let export = exports::parquet(ExportBuilder::new(), &records::table(&folder.join("native.txt")));
                vec![("20260101-20260131/part_1_0001.snappy.parquet", export)]
            },
        },
        key: &["ChargeDescription", "CommitmentDiscountStatus"],
    },
    Month {
        name: "gcp",
        raw: Export {
            format: "gcp_billing_export",
            options: "",
            objects: |folder| vec![("000000000000.parquet", exports::bigquery(&folder.join("raw.jsonl")))],
        },
        native: Export {
            format: "focus",
            options: "",
            objects: |folder| {
                let schema = bigquery::focus();
                let rows: Vec<_> = records::records(&folder.join("native.txt"))
                    .into_iter()
                    .map(|record| exports::json(&schema, &record.values))
                    .collect();
                vec![("000000000000.parquet", bigquery::parquet(schema, &rows).to_vec())]
            },
        },
        key: &["ChargeDescription", "ChargePeriodStart", "CommitmentDiscountStatus"],
    },
];
