//! The data files say what the standard says and what the other crates rely on.

use std::collections::HashSet;

use arrow_schema::{DataType, TimeUnit};

use super::{Catalog, FOCUS_CHARGES, FOCUS_FILE, TABLES_FILE, catalog, file};
use crate::column::{ColumnContract, ColumnType, FeatureLevel};
use crate::version::FocusVersion;

fn names(columns: &[ColumnContract]) -> Vec<&str> {
    columns.iter().map(|column| column.name.as_str()).collect()
}

#[test]
fn embedded_files_parse() {
    let parsed: Result<Catalog, String> = file::parse(FOCUS_FILE, TABLES_FILE);
    assert_eq!(parsed.as_ref().err(), None);
    assert_eq!(catalog().version(), FocusVersion::V1_4);
}

#[test]
fn focus_has_65_columns_then_ours_each_in_alphabetical_order() {
    let focus = catalog().focus();
    assert_eq!(focus.name, FOCUS_CHARGES);
    let all = names(&focus.columns);
    let standard: Vec<&str> = catalog().focus_columns().map(|c| c.name.as_str()).collect();
    assert_eq!(standard.len(), 65);
    assert_eq!(all[..65], standard[..], "columns of the standard come first");
    assert!(standard.is_sorted());
    assert_eq!(
        all[65..],
        [
            "x_BillingPeriod",
            "x_ChargeId",
            "x_CostCategories",
            "x_Discounts",
            "x_Finality",
            "x_LineItemType",
            "x_Operation",
            "x_ProviderName",
            "x_ServiceCode",
            "x_Source",
            "x_SourceColumns",
            "x_UsageType"
        ]
    );
}

#[test]
fn mandatory_columns_of_the_standard() {
    let mandatory: Vec<&str> = catalog()
        .focus_columns()
        .filter(|column| column.feature_level == Some(FeatureLevel::Mandatory))
        .map(|column| column.name.as_str())
        .collect();
    assert_eq!(mandatory.len(), 21);
    assert!(mandatory.contains(&"ServiceProviderName"));
    assert!(!mandatory.contains(&"ProviderName"));
}

#[test]
fn types_follow_the_money_decision() {
    let focus = catalog().focus();
    let check = |name: &str, expected: DataType| {
        assert_eq!(focus.column(name).map(|c| c.data_type.clone()), Some(expected), "{name}");
    };
    check("BilledCost", DataType::Decimal128(38, 12));
    check("PricingCurrencyEffectiveCost", DataType::Decimal128(38, 12));
    check("ConsumedQuantity", DataType::Decimal128(38, 12));
    check("ListUnitPrice", DataType::Decimal128(38, 18));
    check("Tags", DataType::Utf8);
    check("ChargePeriodStart", DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())));
}

#[test]
fn every_column_is_described_and_named_by_the_rules() {
    for table in catalog().tables() {
        let mut seen = HashSet::new();
        for column in &table.columns {
            let at = format!("{}.{}", table.name, column.name);
            assert!(seen.insert(column.name.as_str()), "{at} is listed twice");
            assert!(column.description.ends_with('.'), "{at} has no sentence");
            assert!(column.name.len() <= 50, "{at} is too long");
            let word = column.name.strip_prefix("x_").unwrap_or(&column.name);
            assert!(word.starts_with(|c: char| c.is_ascii_uppercase()), "{at} is not Pascal case");
            assert!(word.chars().all(|c| c.is_ascii_alphanumeric()), "{at} has odd characters");
            let counts = matches!(column.column_type, ColumnType::Money | ColumnType::Quantity | ColumnType::Price);
            assert!(!counts || column.unit.is_some(), "{at} has no unit");
        }
    }
}

#[test]
fn keys_partitions_and_order_name_existing_columns() {
    for table in catalog().tables() {
        for name in table.key.iter().chain(&table.partition_by).chain(&table.sort_by) {
            assert!(table.column(name).is_some(), "{}.{name}", table.name);
        }
        for name in &table.key {
            let ordered = table.sort_by.contains(name) || table.partition_by.contains(name);
            assert!(ordered, "{}: {name} is in the key, not in the order", table.name);
        }
        for name in &table.partition_by {
            let nullable = table.column(name).is_some_and(|column| column.nullable);
            assert!(!nullable, "{}.{name} is a partition and nullable", table.name);
        }
    }
}

#[test]
fn every_written_table_has_a_contract() {
    let tables: Vec<&str> = catalog().tables().iter().map(|table| table.name.as_str()).collect();
    assert_eq!(
        tables,
        [
            "focus_charges",
            "driver_quantities",
            "allocated_charges",
            "reporting_charges",
            "unit_economics_daily",
            "unit_economics_monthly",
            "reconciliation",
            "completeness",
            "run_ledger"
        ]
    );
    assert!(catalog().table("nothing").is_none());
}

#[test]
fn dimensions_are_inserted_and_keep_the_order_total() {
    let daily = catalog().table("unit_economics_daily").unwrap();
    let with = daily.with_dimensions(vec![ColumnContract::dimension("x_Service", "Service.")]);
    let columns = names(&with.columns);
    let cost = columns.iter().position(|name| *name == "x_Cost").unwrap();
    assert_eq!(columns[cost - 1], "x_Service");
    assert_eq!(with.sort_by.last().map(String::as_str), Some("x_Service"));
    assert_eq!(with.key.last().map(String::as_str), Some("x_Service"));

    let allocated = catalog().table("allocated_charges").unwrap();
    let with = allocated.with_dimensions(vec![ColumnContract::dimension("x_Team", "Team.")]);
    assert_eq!(names(&with.columns).last(), Some(&"x_Team"));

    let ledger = catalog().table("run_ledger").unwrap();
    assert!(!ledger.takes_dimensions());
    assert_eq!(&ledger.with_dimensions(vec![ColumnContract::dimension("x_Team", "Team.")]), ledger);
}

#[test]
fn schema_carries_descriptions_and_nullability() {
    let schema = catalog().focus().schema();
    assert_eq!(schema.fields().len(), 77);
    let field = schema.field_with_name("BilledCost").unwrap();
    assert!(!field.is_nullable());
    assert_eq!(field.metadata().get("unit").map(String::as_str), Some("BillingCurrency"));
    assert!(field.metadata().contains_key("description"));
}

#[test]
fn allowed_values_come_with_the_column() {
    let focus = catalog().focus();
    let values = |name: &str| focus.column(name).map(|c| c.allowed_values.clone()).unwrap();
    assert_eq!(values("ChargeClass"), ["Correction"]);
    assert_eq!(values("PricingCategory"), ["Standard", "Dynamic", "Committed", "Other"]);
    assert_eq!(values("ServiceCategory").len(), 19);
    assert_eq!(values("ServiceSubcategory").len(), 82);
    assert!(values("SkuId").is_empty());
}

#[test]
fn subcategories_have_one_parent_and_each_category_a_catch_all() {
    let taxonomy = catalog().taxonomy();
    let unique: HashSet<&str> = taxonomy.subcategories().collect();
    assert_eq!(unique.len(), taxonomy.subcategories().count());
    for category in taxonomy.categories() {
        assert!(taxonomy.other(category).is_some(), "{category}");
    }
    assert_eq!(taxonomy.category_of("Virtual Machines"), Some("Compute"));
    assert_eq!(taxonomy.other("Compute").as_deref(), Some("Other (Compute)"));
    assert_eq!(taxonomy.category_of("virtual machines"), None);
}

#[test]
fn projection_to_1_2_has_57_columns_and_the_old_names() {
    let projection = catalog().projection(FocusVersion::V1_2);
    let standard: Vec<&str> =
        projection.columns.iter().map(|column| column.name.as_str()).filter(|name| !name.starts_with("x_")).collect();
    assert_eq!(standard.len(), 57);
    assert!(standard.is_sorted());
    assert!(!standard.contains(&"ServiceProviderName"));
    assert!(!standard.contains(&"AllocatedMethodId"));
    assert!(projection.select_list().contains("\"x_ProviderName\" as \"ProviderName\""));
}

#[test]
fn projection_to_1_3_keeps_both_generations_of_names() {
    let projection = catalog().projection(FocusVersion::V1_3);
    let standard: Vec<&str> =
        projection.columns.iter().map(|column| column.name.as_str()).filter(|name| !name.starts_with("x_")).collect();
    assert_eq!(standard.len(), 65);
    assert!(standard.contains(&"ProviderName") && standard.contains(&"ServiceProviderName"));
    assert!(!standard.contains(&"InvoiceDetailId"));
    for column in &projection.columns {
        assert!(catalog().focus_column(&column.name).is_some(), "{}", column.name);
        assert!(catalog().focus().column(&column.source).is_some(), "{}", column.source);
    }
}

#[test]
fn projection_to_1_4_changes_nothing() {
    let projection = catalog().projection(FocusVersion::V1_4);
    let columns: Vec<&str> = projection.columns.iter().map(|c| c.source.as_str()).collect();
    assert_eq!(columns, names(&catalog().focus().columns));
}

#[test]
fn a_changed_contract_is_another_one_and_a_description_is_none() {
    let identities = |tables: &str| -> Vec<String> {
        let parsed = file::parse(FOCUS_FILE, tables).unwrap();
        parsed.tables().iter().map(crate::TableContract::identity).collect()
    };
    let before = identities(TABLES_FILE);
    for (from, to) in [
        ("x_DriverQuantity, type: quantity", "x_DriverQuantity, type: price"),
        ("x_DriverQuantity, type: quantity, nullable: false", "x_DriverQuantity, type: quantity, nullable: true"),
        (
            "sort_by: [x_ChargeDate, x_AllocationTargetId, x_CellId",
            "sort_by: [x_AllocationTargetId, x_ChargeDate, x_CellId",
        ),
        ("allowed_values: [provisional, final]", "allowed_values: [final]"),
    ] {
        let changed = TABLES_FILE.replacen(from, to, 1);
        assert_ne!(changed, TABLES_FILE, "{from}");
        let after = identities(&changed);
        assert_eq!(before.iter().zip(&after).filter(|(before, after)| before != after).count(), 1, "{from}");
    }
    let described = TABLES_FILE.replace("Quantity of the target.", "How much the target used.");
    assert_ne!(described, TABLES_FILE);
    assert_eq!(identities(&described), before);
    assert_eq!(identities(&format!("# reviewed\n{TABLES_FILE}")), before);
}

#[test]
fn types_are_named_as_the_files_name_them() {
    for (name, expected) in
        [("money", ColumnType::Money), ("json", ColumnType::Json), ("timestamp", ColumnType::Timestamp)]
    {
        let read: ColumnType = serde_yaml::from_str(name).unwrap();
        assert_eq!((read, read.as_str()), (expected, name));
    }
    for column in catalog().tables().iter().flat_map(|table| &table.columns) {
        let read: ColumnType = serde_yaml::from_str(column.column_type.as_str()).unwrap();
        assert_eq!(read, column.column_type, "{}", column.name);
    }
}
