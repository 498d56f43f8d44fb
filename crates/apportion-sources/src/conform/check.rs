//! Compares what objects have with what the contract accepts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use apportion_spec::{Error, ErrorKind, Result, did_you_mean};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::contract::{SourceColumn, SourceContract, is_text};
use crate::objects::Footer;
use crate::store::Location;

/// Object columns behind the contract, gathered over all objects.
#[derive(Debug)]
pub(super) struct Found {
    /// Schema of the scan: every object column that is used.
    pub(super) schema: SchemaRef,
    /// Object columns behind each contract column; several where objects differ in case.
    pub(super) columns: BTreeMap<String, BTreeSet<String>>,
    /// Object columns that become keys of a map column.
    pub(super) folded: BTreeMap<&'static str, BTreeSet<String>>,
    /// Object columns nobody knows.
    pub(super) unknown: Vec<String>,
}

impl Found {
    fn empty() -> Self {
        Self {
            schema: Arc::new(Schema::empty()),
            columns: BTreeMap::new(),
            folded: BTreeMap::new(),
            unknown: Vec::new(),
        }
    }

    /// Contract columns no object has.
    pub(super) fn absent(&self, contract: &SourceContract) -> Vec<String> {
        let has = |name: &str| self.columns.contains_key(name) || self.folded.contains_key(name);
        contract.columns.iter().filter(|column| !has(&column.name)).map(|column| column.name.clone()).collect()
    }
}

pub(super) fn check(location: &Location, footers: &[Footer], contract: &SourceContract) -> Result<Found> {
    let mut found = Found::empty();
    let mut types: BTreeMap<String, DataType> = BTreeMap::new();
    let mut known: Vec<&Schema> = Vec::new();
    for footer in footers {
        let schema = footer.schema.as_ref();
        // Objects of one delivery mostly share one schema; each distinct one is checked once.
        if known.iter().any(|other| other.fields() == schema.fields()) {
            continue;
        }
        known.push(schema);
        check_object(schema, contract, &mut found, &mut types)
            .map_err(|error| error.with("object", location.name(&footer.meta.location)))?;
    }
    drop_folds_behind_maps(contract, &mut found, &mut types);
    let fields: Vec<Field> = types.iter().map(|(name, data_type)| Field::new(name, data_type.clone(), true)).collect();
    found.schema = Arc::new(Schema::new(fields));
    let unknown: BTreeSet<String> = std::mem::take(&mut found.unknown).into_iter().collect();
    found.unknown = unknown.into_iter().collect();
    Ok(found)
}

fn check_object(
    schema: &Schema,
    contract: &SourceContract,
    found: &mut Found,
    types: &mut BTreeMap<String, DataType>,
) -> Result<()> {
    for field in schema.fields() {
        let (name, data_type) = (field.name(), field.data_type());
        let column = contract.columns.iter().find(|column| contract.is_same(name, &column.name));
        let fold = contract.folds.iter().find(|fold| name.starts_with(fold.prefix) && name != fold.map);
        if let Some(column) = column {
            let scanned = scanned_type(column, contract, data_type)?;
            add_type(types, column, name, scanned)?;
            found.columns.entry(column.name.clone()).or_default().insert(name.clone());
        }
        match fold {
            Some(fold) if is_text(data_type) => {
                types.entry(name.clone()).or_insert(DataType::Utf8);
                found.folded.entry(fold.map).or_default().insert(name.clone());
            }
            _ if column.is_none() => found.unknown.push(name.clone()),
            _ => {}
        }
    }
    for column in contract.columns.iter().filter(|column| column.required) {
        if !schema.fields().iter().any(|field| contract.is_same(field.name(), &column.name)) {
            return Err(missing(column, schema));
        }
    }
    Ok(())
}

/// The type under which the scan reads a column, or why it may not.
fn scanned_type(column: &SourceColumn, contract: &SourceContract, found: &DataType) -> Result<DataType> {
    let json = contract.json_maps && column.kind.is_map() && is_text(found) && *found != DataType::Null;
    if json {
        Ok(DataType::Utf8)
    } else if !column.kind.accepts(found) {
        let or_json = if contract.json_maps && column.kind.is_map() { " or JSON text" } else { "" };
        let message = format!("column `{}` is {found}, accepted: {}{or_json}", column.name, column.kind.accepted());
        Err(Error::new(ErrorKind::ContractViolated, message).with("column", &column.name))
    } else if column.kind.is_map() && *found != DataType::Null {
        Ok(found.clone())
    } else {
        Ok(column.kind.data_type())
    }
}

fn add_type(
    types: &mut BTreeMap<String, DataType>,
    column: &SourceColumn,
    name: &str,
    data_type: DataType,
) -> Result<()> {
    let is_map = |found: &DataType| matches!(found, DataType::Map(..));
    match types.get(name) {
        Some(other) if column.kind.is_map() && is_map(other) != is_map(&data_type) => {
            let message = format!("column `{}` is a map in some objects and text in others", column.name);
            Err(Error::new(ErrorKind::ContractViolated, message).with("column", &column.name))
        }
        Some(_) => Ok(()),
        None => {
            types.insert(name.to_owned(), data_type);
            Ok(())
        }
    }
}

/// An export that delivers the map has no use for folding: its prefixed columns are just columns.
fn drop_folds_behind_maps(contract: &SourceContract, found: &mut Found, types: &mut BTreeMap<String, DataType>) {
    let delivered: Vec<&'static str> =
        found.folded.keys().filter(|map| found.columns.contains_key(**map)).copied().collect();
    for map in delivered {
        for name in found.folded.remove(map).unwrap_or_default() {
            let is_column = contract.columns.iter().any(|column| contract.is_same(&name, &column.name));
            if !is_column {
                types.remove(&name);
                found.unknown.push(name);
            }
        }
    }
}

fn missing(column: &SourceColumn, schema: &Schema) -> Error {
    let hint = did_you_mean(&column.name, schema.fields().iter().map(|field| field.name().as_str()));
    let message = format!("required column `{}` is missing{hint}", column.name);
    Error::new(ErrorKind::ContractViolated, message).with("column", &column.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{ColumnKind, Fold, columns};

    fn contract(ignore_case: bool) -> SourceContract {
        let mut all = columns(ColumnKind::Text, &["account", "product_sku"], &["account"]);
        all.extend(columns(ColumnKind::TextMap, &["product"], &[]));
        SourceContract {
            relation: "src_test",
            columns: all,
            folds: &[Fold { map: "product", prefix: "product_" }],
            ignore_case,
            json_maps: false,
            period_column: "start",
        }
    }

    fn run(fields: &[(&str, DataType)], ignore_case: bool) -> Result<Found> {
        let schema =
            Schema::new(fields.iter().map(|(name, kind)| Field::new(*name, kind.clone(), true)).collect::<Vec<_>>());
        let (mut found, mut types) = (Found::empty(), BTreeMap::new());
        check_object(&schema, &contract(ignore_case), &mut found, &mut types)?;
        drop_folds_behind_maps(&contract(ignore_case), &mut found, &mut types);
        Ok(found)
    }

    #[test]
    fn prefixed_columns_fold_only_when_the_map_is_not_delivered() {
        let text = DataType::Utf8;
        let legacy =
            run(&[("account", text.clone()), ("product_sku", text.clone()), ("product_vcpu", text.clone())], false);
        let legacy = legacy.unwrap();
        assert_eq!(legacy.folded["product"].len(), 2);
        assert!(legacy.unknown.is_empty());
        let map = crate::contract::map_of(DataType::Utf8);
        let modern = run(
            &[("account", text.clone()), ("product", map), ("product_sku", text.clone()), ("product_x", text)],
            false,
        );
        let modern = modern.unwrap();
        assert!(modern.folded.is_empty());
        assert_eq!(modern.unknown, ["product_x"]);
    }

    #[test]
    fn violations_name_column_types_and_the_nearest_name() {
        let wrong = run(&[("account", DataType::Int64)], false).unwrap_err();
        assert_eq!(wrong.to_string(), "column `account` is Int64, accepted: string (column: account)");
        let missing = run(&[("acount", DataType::Utf8)], false).unwrap_err();
        assert_eq!(
            missing.to_string(),
            "required column `account` is missing, did you mean `acount`? (column: account)"
        );
        assert!(run(&[("ACCOUNT", DataType::Utf8)], false).is_err());
        assert!(run(&[("ACCOUNT", DataType::Utf8)], true).is_ok());
    }
}
