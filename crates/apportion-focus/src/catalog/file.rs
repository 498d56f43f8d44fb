//! The shape of the schema files, and their conversion to contracts.

use serde::Deserialize;

use crate::catalog::Catalog;
use crate::column::{ColumnContract, ColumnType, FeatureLevel};
use crate::table::TableContract;
use crate::taxonomy::ServiceTaxonomy;
use crate::version::FocusVersion;

/// Value of `dimensions_before` that appends.
const END: &str = "end";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct FocusFile {
    version: String,
    name: String,
    description: String,
    grain: String,
    key: Vec<String>,
    partition_by: Vec<String>,
    sort_by: Vec<String>,
    columns: Vec<ColumnEntry>,
    removed: Vec<ColumnEntry>,
    service_categories: Vec<CategoryEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CategoryEntry {
    name: String,
    subcategories: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TableEntry {
    name: String,
    description: String,
    grain: String,
    key: Vec<String>,
    partition_by: Vec<String>,
    sort_by: Vec<String>,
    #[serde(default)]
    dimensions_before: Option<String>,
    columns: Vec<ColumnEntry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ColumnEntry {
    name: String,
    #[serde(rename = "type")]
    column_type: ColumnType,
    nullable: bool,
    description: String,
    #[serde(default)]
    unit: Option<String>,
    #[serde(default)]
    allowed_values: Vec<String>,
    #[serde(default)]
    value_set: Option<ValueSet>,
    #[serde(default)]
    introduced: Option<String>,
    #[serde(default)]
    level: Option<FeatureLevel>,
}

/// Value sets that are too long to repeat at the column.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ValueSet {
    ServiceCategories,
    ServiceSubcategories,
}

/// Reads both files into one catalog.
pub(super) fn parse(focus: &str, tables: &str) -> Result<Catalog, String> {
    let focus: FocusFile = serde_yaml::from_str(focus).map_err(|error| format!("focus schema: {error}"))?;
    let entries: Vec<TableEntry> = serde_yaml::from_str(tables).map_err(|error| format!("table contracts: {error}"))?;
    let taxonomy = taxonomy(&focus.service_categories);
    let version = focus.version.parse::<FocusVersion>()?;

    let mut tables = vec![TableContract {
        name: focus.name,
        description: focus.description,
        grain: focus.grain,
        key: focus.key,
        partition_by: focus.partition_by,
        sort_by: focus.sort_by,
        columns: columns(focus.columns, &taxonomy),
        dimensions_at: None,
    }];
    for entry in entries {
        tables.push(table(entry, &taxonomy)?);
    }
    let removed = columns(focus.removed, &taxonomy);
    Ok(Catalog { tables, removed, taxonomy, version })
}

fn table(entry: TableEntry, taxonomy: &ServiceTaxonomy) -> Result<TableContract, String> {
    let dimensions_at = match entry.dimensions_before.as_deref() {
        None => None,
        Some(END) => Some(entry.columns.len()),
        Some(column) => Some(
            entry
                .columns
                .iter()
                .position(|candidate| candidate.name == column)
                .ok_or_else(|| format!("table `{}` has no column `{column}`", entry.name))?,
        ),
    };
    Ok(TableContract {
        name: entry.name,
        description: entry.description,
        grain: entry.grain,
        key: entry.key,
        partition_by: entry.partition_by,
        sort_by: entry.sort_by,
        columns: columns(entry.columns, taxonomy),
        dimensions_at,
    })
}

fn columns(entries: Vec<ColumnEntry>, taxonomy: &ServiceTaxonomy) -> Vec<ColumnContract> {
    entries.into_iter().map(|entry| column(entry, taxonomy)).collect()
}

fn column(entry: ColumnEntry, taxonomy: &ServiceTaxonomy) -> ColumnContract {
    let allowed_values = match entry.value_set {
        None => entry.allowed_values,
        Some(ValueSet::ServiceCategories) => taxonomy.categories().map(str::to_owned).collect(),
        Some(ValueSet::ServiceSubcategories) => taxonomy.subcategories().map(str::to_owned).collect(),
    };
    ColumnContract {
        data_type: entry.column_type.data_type(),
        column_type: entry.column_type,
        name: entry.name,
        nullable: entry.nullable,
        description: entry.description,
        unit: entry.unit,
        allowed_values,
        introduced: entry.introduced,
        feature_level: entry.level,
    }
}

fn taxonomy(entries: &[CategoryEntry]) -> ServiceTaxonomy {
    let pairs = entries
        .iter()
        .flat_map(|entry| entry.subcategories.iter().map(|subcategory| (subcategory.clone(), entry.name.clone())))
        .collect();
    ServiceTaxonomy::new(entries.iter().map(|entry| entry.name.clone()).collect(), pairs)
}
