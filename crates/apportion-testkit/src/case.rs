//! The smallest export of every format, for promises that all formats keep.
//!
//! One [`Case`] per format says where its objects lie and writes them from [`Line`]s; a new provider
//! adds one. The readers' suite and the suite of the whole binary use the same objects.

use arrow::datatypes::{DataType, Field, Schema};
use bytes::Bytes;
use serde_json::json;

use crate::{ColumnType, ExportBuilder, bigquery};

/// One format.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// Its name in pipelines.
    pub format: &'static str,
    /// Key of an object of a month (`2026-01`), below the location `e`.
    pub key: fn(&str, &str) -> String,
    write: fn(&Self, &str, &[Line<'_>], Shape) -> Bytes,
    /// Required number column: in the relation and as delivered.
    pub cost: (&'static str, &'static str),
    /// Required text column: in the relation and as delivered.
    pub account: (&'static str, &'static str),
    /// Optional text column: in the relation and as delivered.
    pub optional: (&'static str, &'static str),
    /// The word for usage, and the column that says it.
    pub kind: (&'static str, &'static str),
}

/// One row: usage of a day.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// What tells it apart.
    pub id: &'a str,
    /// What it cost.
    pub cost: f64,
    /// Currency of the bill.
    pub currency: &'a str,
    /// Billing account; it has one currency.
    pub account: &'a str,
    /// Day of the month.
    pub day: u32,
    /// Kind in the provider's words; usage when `None`.
    pub kind: Option<&'a str>,
    /// The resource, where `id` is the id of the row and not of the resource.
    pub resource: Option<&'a str>,
    /// When the row was exported (UTC), for formats that say so.
    pub exported: Option<&'a str>,
}

impl Default for Line<'_> {
    fn default() -> Self {
        Self {
            id: "item",
            cost: 1.0,
            currency: "USD",
            account: "012345678901",
            day: 5,
            kind: None,
            resource: None,
            exported: None,
        }
    }
}

/// What an object has that an ordinary one has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Nothing.
    Whole,
    /// A column `mood_of_the_day` that nobody knows.
    Strange,
    /// No optional column.
    WithoutOptional,
    /// An empty text in the optional column.
    EmptyOptional,
    /// No cost column.
    WithoutCost,
    /// A number where the account should be.
    NumericAccount,
}

impl Case {
    /// An object of a month with these rows.
    #[must_use]
    pub fn object(&self, month: &str, lines: &[Line<'_>], shape: Shape) -> Bytes {
        (self.write)(self, month, lines, shape)
    }

    /// An object of a format with plain columns.
    fn flat(&self, mut builder: ExportBuilder, lines: &[Line<'_>], names: &Names, shape: Shape, month: &str) -> Bytes {
        builder = match shape {
            Shape::Strange => builder.column("mood_of_the_day", ColumnType::Text),
            Shape::WithoutOptional => builder.without(self.optional.1),
            Shape::WithoutCost => builder.without(self.cost.1),
            Shape::NumericAccount => builder.column(self.account.1, ColumnType::Double),
            Shape::EmptyOptional | Shape::Whole => builder,
        };
        for line in lines {
            let (start, end) = span(month, line.day);
            let mut row = vec![
                (names.currency.to_owned(), line.currency.into()),
                (names.id.to_owned(), line.id.into()),
                (names.start.to_owned(), start.clone().into()),
                (self.kind.1.to_owned(), line.kind.unwrap_or(self.kind.0).into()),
            ];
            for name in names.accounts {
                let value = if shape == Shape::NumericAccount && *name == self.account.1 {
                    1.0.into()
                } else {
                    line.account.into()
                };
                row.push(((*name).to_owned(), value));
            }
            if shape != Shape::WithoutCost {
                row.extend(names.costs.iter().map(|name| ((*name).to_owned(), line.cost.into())));
            }
            if let Some(name) = names.end {
                row.push((name.to_owned(), end.clone().into()));
            }
            if let (Some(name), Some(resource)) = (names.resource, line.resource) {
                row.push((name.to_owned(), resource.into()));
            }
            if let Some(name) = names.interval {
                row.push((name.to_owned(), format!("{start}/{end}").into()));
            }
            if shape == Shape::EmptyOptional {
                row.push((self.optional.1.to_owned(), "".into()));
            }
            builder = builder.row_of(row);
        }
        builder.parquet()
    }
}

/// What a format with plain columns calls the members of a [`Line`].
struct Names {
    id: &'static str,
    costs: &'static [&'static str],
    currency: &'static str,
    accounts: &'static [&'static str],
    start: &'static str,
    end: Option<&'static str>,
    interval: Option<&'static str>,
    resource: Option<&'static str>,
}

/// A day of a month as the moments it begins and ends at.
fn span(month: &str, day: u32) -> (String, String) {
    let last = if day == days(month) { format!("{}-01", following(month)) } else { format!("{month}-{:02}", day + 1) };
    (format!("{month}-{day:02}T00:00:00Z"), format!("{last}T00:00:00Z"))
}

/// The month after one.
#[must_use]
pub fn following(month: &str) -> String {
    let (year, number) = numbers(month);
    if number == 12 { format!("{:04}-01", year + 1) } else { format!("{year:04}-{:02}", number + 1) }
}

/// Days of a month.
#[must_use]
pub fn days(month: &str) -> u32 {
    match numbers(month) {
        (_, 4 | 6 | 9 | 11) => 30,
        (year, 2) => 28 + u32::from(year % 4 == 0),
        _ => 31,
    }
}

fn numbers(month: &str) -> (u32, u32) {
    let part = |range: std::ops::Range<usize>| month.get(range).and_then(|text| text.parse().ok()).unwrap_or_default();
    (part(0..4), part(5..7))
}

const AWS: Names = Names {
    id: "identity_line_item_id",
    costs: &["line_item_unblended_cost"],
    currency: "line_item_currency_code",
    accounts: &["bill_payer_account_id", "line_item_usage_account_id"],
    start: "line_item_usage_start_date",
    end: Some("line_item_usage_end_date"),
    interval: Some("identity_time_interval"),
    resource: Some("line_item_resource_id"),
};

fn aws(case: &Case, month: &str, builder: ExportBuilder, lines: &[Line<'_>], shape: Shape) -> Bytes {
    let builder = builder
        .default_value("bill_billing_period_start_date", format!("{month}-01T00:00:00Z"))
        .default_value("bill_billing_period_end_date", format!("{}-01T00:00:00Z", following(month)))
        .default_value("line_item_product_code", "AmazonEC2");
    case.flat(builder, lines, &AWS, shape, month)
}

fn focus(case: &Case, month: &str, lines: &[Line<'_>], shape: Shape) -> Bytes {
    let builder = ExportBuilder::focus()
        .default_value("BillingPeriodStart", format!("{month}-01T00:00:00Z"))
        .default_value("BillingPeriodEnd", format!("{}-01T00:00:00Z", following(month)))
        .default_value("InvoiceIssuerName", "Amazon Web Services")
        .default_value("ProviderName", "Amazon Web Services")
        .default_value("ServiceName", "Amazon EC2");
    let names = Names {
        id: "ResourceId",
        costs: &["BilledCost", "ContractedCost", "EffectiveCost", "ListCost"],
        currency: "BillingCurrency",
        accounts: &["BillingAccountId", "SubAccountId"],
        start: "ChargePeriodStart",
        end: Some("ChargePeriodEnd"),
        interval: None,
        resource: None,
    };
    case.flat(builder, lines, &names, shape, month)
}

fn azure(case: &Case, month: &str, lines: &[Line<'_>], shape: Shape) -> Bytes {
    let mut builder = ExportBuilder::new().column("Date", ColumnType::Millis);
    for name in [
        "BillingAccountId",
        "BillingCurrency",
        "ChargeType",
        "CostCenter",
        "MeterCategory",
        "ResourceId",
        "SubscriptionId",
    ] {
        builder = builder.column(name, ColumnType::Text);
    }
    for name in ["CostInBillingCurrency", "Quantity"] {
        builder = builder.column(name, ColumnType::Double);
    }
    let builder = builder.default_value("MeterCategory", "Storage").default_value("Quantity", 1.0);
    let names = Names {
        id: "ResourceId",
        costs: &["CostInBillingCurrency"],
        currency: "BillingCurrency",
        accounts: &["BillingAccountId", "SubscriptionId"],
        start: "Date",
        end: None,
        interval: None,
        resource: None,
    };
    case.flat(builder, lines, &names, shape, month)
}

fn gcp(case: &Case, month: &str, lines: &[Line<'_>], shape: Shape) -> Bytes {
    let mut schema = bigquery::detailed();
    let more = |schema: Schema, field: Field| {
        let fields = schema.fields().iter().map(|field| field.as_ref().clone()).chain([field]);
        Schema::new(fields.collect::<Vec<_>>())
    };
    match shape {
        Shape::Strange => schema = more(schema, Field::new("mood_of_the_day", DataType::Utf8, true)),
        Shape::WithoutOptional => schema = bigquery::without(&schema, &[case.optional.1]),
        Shape::WithoutCost => schema = bigquery::without(&schema, &[case.cost.1]),
        Shape::NumericAccount => {
            schema = bigquery::without(&schema, &[case.account.1]);
            schema = more(schema, Field::new(case.account.1, DataType::Float64, true));
        }
        Shape::EmptyOptional | Shape::Whole => {}
    }
    let row = |line: &Line<'_>| {
        let (start, end) = span(month, line.day);
        let bare = |time: String| time.trim_end_matches('Z').to_owned();
        let mut row = json!({
            "billing_account_id": line.account, "cost_type": line.kind.unwrap_or(case.kind.0),
            "currency": line.currency, "invoice": {"month": month.replace('-', "")},
            "project": {"id": line.account}, "resource": {"name": line.id},
            "service": {"id": "6F81-5844-456A", "description": "Compute Engine"},
            "sku": {"id": "CF4E-A0C7-E3BF", "description": "N2 Instance Core running in Frankfurt"},
            "usage_start_time": bare(start), "usage_end_time": bare(end),
        });
        if let Some(fields) = row.as_object_mut() {
            if let Some(exported) = line.exported {
                fields.insert("export_time".to_owned(), json!(exported));
            }
            if shape != Shape::WithoutCost {
                fields.insert("cost".to_owned(), json!(line.cost));
            }
            if shape == Shape::NumericAccount {
                fields.insert(case.account.1.to_owned(), json!(1.0));
            }
            if shape == Shape::EmptyOptional {
                fields.insert(case.optional.1.to_owned(), json!(""));
            }
        }
        row
    };
    bigquery::parquet(schema, &lines.iter().map(row).collect::<Vec<_>>())
}

fn data_exports_key(month: &str, file: &str) -> String {
    format!("e/data/BILLING_PERIOD={month}/{file}.parquet")
}

/// Every format.
pub const CASES: [Case; 5] = [
    Case {
        format: "aws_cur_legacy",
        key: |month, file| {
            let (year, number) = numbers(month);
            format!("e/e/year={year}/month={number}/{file}.parquet")
        },
        write: |case, month, lines, shape| aws(case, month, ExportBuilder::legacy(), lines, shape),
        cost: ("line_item_unblended_cost", "line_item_unblended_cost"),
        account: ("bill_payer_account_id", "bill_payer_account_id"),
        optional: ("pricing_unit", "pricing_unit"),
        kind: ("Usage", "line_item_line_item_type"),
    },
    Case {
        format: "aws_cur_2",
        key: data_exports_key,
        write: |case, month, lines, shape| aws(case, month, ExportBuilder::cur2(), lines, shape),
        cost: ("line_item_unblended_cost", "line_item_unblended_cost"),
        account: ("bill_payer_account_id", "bill_payer_account_id"),
        optional: ("pricing_unit", "pricing_unit"),
        kind: ("Usage", "line_item_line_item_type"),
    },
    Case {
        format: "gcp_billing_export",
        key: |month, file| format!("e/invoice_month={}/{file}.parquet", month.replace('-', "")),
        write: gcp,
        cost: ("cost", "cost"),
        account: ("billing_account_id", "billing_account_id"),
        optional: ("seller_name", "seller_name"),
        kind: ("regular", "cost_type"),
    },
    Case {
        format: "azure_cost_management",
        key: |month, file| {
            let range = format!("{0}01-{0}28", month.replace('-', ""));
            format!("e/amortized/{range}/{file}.snappy.parquet")
        },
        write: azure,
        cost: ("cost", "CostInBillingCurrency"),
        account: ("subscription_id", "SubscriptionId"),
        optional: ("cost_center", "CostCenter"),
        kind: ("Usage", "ChargeType"),
    },
    Case {
        format: "focus",
        key: data_exports_key,
        write: focus,
        cost: ("BilledCost", "BilledCost"),
        account: ("BillingAccountId", "BillingAccountId"),
        optional: ("PricingUnit", "PricingUnit"),
        kind: ("Usage", "ChargeCategory"),
    },
];
