//! Compares what objects have with what the contract accepts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use apportion_spec::{Error, ErrorKind, Result, did_you_mean};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::contract::{ColumnKind, Fold, SourceColumn, SourceContract, is_number, is_text};
use crate::objects::Footer;
use crate::violations::Violations;
use object_store::path::Path;

/// Object columns behind the contract, gathered over all objects.
#[derive(Debug)]
pub(super) struct Found {
    /// Schema of the scan: every object column that is used.
    pub(super) schema: SchemaRef,
    /// Object columns behind each contract column, by the rank of their name; several where objects
    /// differ in spelling.
    pub(super) columns: BTreeMap<String, BTreeSet<(usize, String)>>,
    /// Object columns that become keys of a map column.
    pub(super) folded: BTreeMap<&'static str, BTreeSet<String>>,
    /// Object columns that the pipeline asks to keep.
    pub(super) kept: BTreeSet<String>,
    /// Object columns nobody knows.
    pub(super) unknown: BTreeSet<String>,
}

impl Found {
    fn empty() -> Self {
        Self {
            schema: Arc::new(Schema::empty()),
            columns: BTreeMap::new(),
            folded: BTreeMap::new(),
            kept: BTreeSet::new(),
            unknown: BTreeSet::new(),
        }
    }

    /// Whether an object has the contract column.
    pub(super) fn has(&self, name: &str) -> bool {
        self.columns.contains_key(name) || self.folded.contains_key(name)
    }
}

/// Checks objects of one shape; `text` when they are copies of CSV, where everything is text.
///
/// `name` says what messages call an object.
pub(super) fn check(
    footers: &[Footer],
    contract: &SourceContract,
    kept: &[String],
    text: bool,
    name: impl Fn(&Path) -> String,
) -> Result<Found> {
    let mut found = Found::empty();
    let mut types: BTreeMap<String, DataType> = BTreeMap::new();
    let mut known: Vec<&Schema> = Vec::new();
    for footer in footers {
        let schema = footer.checked.as_ref();
        // Objects of one delivery mostly share one schema; each distinct one is checked once.
        if known.iter().any(|other| other.fields() == schema.fields()) {
            continue;
        }
        known.push(schema);
        let mut violations = Violations::default();
        check_object(schema, contract, text, &mut found, &mut types, &mut violations);
        keep(schema, kept, &mut found, &mut types, &mut violations);
        violations.into_result().map_err(|error| error.with("object", name(&footer.meta.location)))?;
    }
    drop_folds_behind_maps(contract, &mut found, &mut types);
    let fields: Vec<Field> = types.iter().map(|(name, data_type)| Field::new(name, data_type.clone(), true)).collect();
    found.schema = Arc::new(Schema::new(fields));
    Ok(found)
}

fn check_object(
    schema: &Schema,
    contract: &SourceContract,
    text: bool,
    found: &mut Found,
    types: &mut BTreeMap<String, DataType>,
    violations: &mut Violations,
) {
    let mut here: BTreeSet<&str> = BTreeSet::new();
    for field in schema.fields() {
        let (name, data_type) = (field.name(), field.data_type());
        let (mut is_known, mut is_record) = (false, true);
        for column in &contract.columns {
            let Some(rank) = contract.rank(name, column) else { continue };
            is_known = true;
            let leaf = match leaf(column, data_type) {
                Ok(Some(leaf)) => leaf,
                Ok(None) if *data_type == DataType::Null => {
                    here.insert(&column.name);
                    found.columns.entry(column.name.clone()).or_default();
                    continue;
                }
                Ok(None) => continue,
                Err(error) => {
                    here.insert(&column.name);
                    // What should be a record is not one for each of its fields; that is one mistake.
                    if std::mem::take(&mut is_record) {
                        violations.note(Err::<(), _>(error));
                    }
                    continue;
                }
            };
            here.insert(&column.name);
            if *leaf == DataType::Null {
                // Nothing is to be read: the column is there and has no value.
                found.columns.entry(column.name.clone()).or_default();
                continue;
            }
            let fits = violations.note(scanned_type(column, contract, text, leaf));
            if let Some(scanned) = fits {
                let scanned = if column.path.len() > 1 { data_type.clone() } else { scanned };
                add_type(types, column, name, scanned);
                found.columns.entry(column.name.clone()).or_default().insert((rank, name.clone()));
            }
        }
        let fold = contract.folds.iter().find(|fold| name.starts_with(fold.prefix) && name != fold.map);
        match fold {
            Some(fold) if folds(fold, contract, is_known, data_type) => {
                types.entry(name.clone()).or_insert_with(|| folded_type(fold, contract));
                found.folded.entry(fold.map).or_default().insert(name.clone());
            }
            _ if !is_known => {
                found.unknown.insert(name.clone());
            }
            _ => {}
        }
    }
    for column in contract.columns.iter().filter(|it| it.required && !here.contains(it.name.as_str())) {
        violations.note(Err::<(), _>(missing(column, schema)));
    }
}

/// Whether a column becomes a key of a fold's map. Of numbers, the ones that a contract has by their own
/// name are no keys: they are sums of the others.
fn folds(fold: &Fold, contract: &SourceContract, is_known: bool, data_type: &DataType) -> bool {
    match folded_type(fold, contract) {
        DataType::Float64 => !is_known && *data_type != DataType::Null && is_number(data_type),
        _ => is_text(data_type),
    }
}

/// The type in which the columns of a fold are scanned.
fn folded_type(fold: &Fold, contract: &SourceContract) -> DataType {
    match contract.column(fold.map).map(|column| column.kind) {
        Some(ColumnKind::NumberMap) => DataType::Float64,
        _ => DataType::Utf8,
    }
}

/// Marks the delivered columns that are to be kept; only what has one text can be.
fn keep(
    schema: &Schema,
    kept: &[String],
    found: &mut Found,
    types: &mut BTreeMap<String, DataType>,
    violations: &mut Violations,
) {
    for field in schema.fields().iter().filter(|field| kept.iter().any(|name| name.eq_ignore_ascii_case(field.name())))
    {
        if field.data_type().is_nested() {
            let message = format!("column `{}` is {}; only plain columns can be kept", field.name(), field.data_type());
            violations.note(Err::<(), _>(Error::new(ErrorKind::Config, message).with("column", field.name())));
            continue;
        }
        types.entry(field.name().clone()).or_insert(DataType::Utf8);
        found.kept.insert(field.name().clone());
        found.unknown.remove(field.name());
    }
}

/// The type of a contract column inside the top-level column that leads to it, `None` without it.
pub(super) fn leaf<'a>(column: &SourceColumn, top: &'a DataType) -> Result<Option<&'a DataType>> {
    let mut found = top;
    for name in column.path.iter().skip(1) {
        found = match found {
            DataType::Struct(fields) => match fields.find(name) {
                Some((_, field)) => field.data_type(),
                None => return Ok(None),
            },
            DataType::Null => return Ok(None),
            other => {
                let at = column.delivered_name();
                let message =
                    format!("column `{at}` lies in a record, but the object has {other} instead of the record");
                return Err(Error::new(ErrorKind::ContractViolated, message).with("column", &column.name));
            }
        };
    }
    Ok(Some(found))
}

/// The type under which the scan reads a column, or why it may not.
pub(super) fn scanned_type(
    column: &SourceColumn,
    contract: &SourceContract,
    text: bool,
    found: &DataType,
) -> Result<DataType> {
    let kind = column.kind;
    let structured = kind.is_map() || kind == ColumnKind::Credits;
    let json = (contract.json_maps || text) && structured && is_text(found);
    let written = matches!(kind, ColumnKind::Amount | ColumnKind::Time) && is_text(found);
    if json || written {
        Ok(DataType::Utf8)
    } else if !kind.accepts(found) {
        let or_json = if contract.json_maps && structured { " or JSON text" } else { "" };
        let name = column.delivered_name();
        let message = format!("column `{name}` is {found}, accepted: {}{or_json}", kind.accepted());
        Err(Error::new(ErrorKind::ContractViolated, message).with("column", &column.name))
    } else if structured {
        Ok(found.clone())
    } else if kind == ColumnKind::Amount {
        Ok(amount_type(found))
    } else {
        Ok(kind.data_type())
    }
}

/// The form an amount is read in: doubles and decimals as they are, anything else by its text.
pub(super) fn amount_type(found: &DataType) -> DataType {
    match found {
        DataType::Decimal128(..) => found.clone(),
        DataType::Null => DataType::Float64,
        other if other.is_floating() => DataType::Float64,
        _ => DataType::Utf8,
    }
}

/// The one form that holds two: their own if they agree, else text.
pub(super) fn common_amount(left: &DataType, right: &DataType) -> DataType {
    if left == right { left.clone() } else { DataType::Utf8 }
}

/// Notes the type a column is scanned in: of the forms an amount has in several objects, the one that
/// holds all; objects that differ in the form of anything else are scanned apart.
fn add_type(types: &mut BTreeMap<String, DataType>, column: &SourceColumn, name: &str, data_type: DataType) {
    match types.get_mut(name) {
        Some(other) if column.kind == ColumnKind::Amount && column.path.len() <= 1 => {
            *other = common_amount(other, &data_type);
        }
        Some(_) => {}
        None => {
            types.insert(name.to_owned(), data_type);
        }
    }
}

/// An export that delivers the map has no use for folding: its prefixed columns are just columns.
fn drop_folds_behind_maps(contract: &SourceContract, found: &mut Found, types: &mut BTreeMap<String, DataType>) {
    let delivered: Vec<&'static str> =
        found.folded.keys().filter(|map| found.columns.contains_key(**map)).copied().collect();
    for map in delivered {
        for name in found.folded.remove(map).unwrap_or_default() {
            let is_column = contract.columns.iter().any(|column| contract.rank(&name, column).is_some());
            if !is_column {
                types.remove(&name);
                found.unknown.insert(name);
            }
        }
    }
}

fn missing(column: &SourceColumn, schema: &Schema) -> Error {
    let name = column.delivered_name();
    let hint = did_you_mean(&name, schema.fields().iter().map(|field| field.name().as_str()));
    let message = format!("required column `{name}` is missing{hint}");
    Error::new(ErrorKind::ContractViolated, message).with("column", &column.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{DeliveryColumns, Fold, PeriodColumn, columns};

    fn contract(ignore_case: bool) -> SourceContract {
        let mut all = columns(ColumnKind::Text, &["account", "product_sku"], &["account"]);
        all.extend(columns(ColumnKind::TextMap, &["product"], &[]));
        let delivery = DeliveryColumns { day: "start", exported: None, telling: &[], settling: &[] };
        SourceContract {
            folds: &[Fold { map: "product", prefix: "product_" }],
            ignore_case,
            ..SourceContract::new("src_test", all, PeriodColumn::Time("start"), delivery)
        }
    }

    fn run(fields: &[(&str, DataType)], ignore_case: bool) -> Result<Found> {
        let schema =
            Schema::new(fields.iter().map(|(name, kind)| Field::new(*name, kind.clone(), true)).collect::<Vec<_>>());
        let (mut found, mut types, mut violations) = (Found::empty(), BTreeMap::new(), Violations::default());
        check_object(&schema, &contract(ignore_case), false, &mut found, &mut types, &mut violations);
        violations.into_result()?;
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
        assert_eq!(modern.unknown, BTreeSet::from(["product_x".to_owned()]));
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
        let both = run(&[("acount", DataType::Utf8), ("product_sku", DataType::Int64)], false).unwrap_err();
        assert_eq!(
            both.to_string(),
            "2 columns do not fit\n      - column `product_sku` is Int64, accepted: string\n      - required column \
             `account` is missing, did you mean `acount`?"
        );
        assert!(run(&[("ACCOUNT", DataType::Utf8)], false).is_err());
        assert!(run(&[("ACCOUNT", DataType::Utf8)], true).is_ok());
    }
}
