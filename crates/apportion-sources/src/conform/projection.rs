//! The expressions that turn scanned columns into contract columns.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};
use datafusion::common::{Column, DataFusionError, Result};
use datafusion::functions::core::expr_fn::{coalesce, nullif};
use datafusion::logical_expr::{Expr, ScalarUDF, cast, lit};
use datafusion::scalar::ScalarValue;

use super::check::Found;
use super::fold::FoldMap;
use super::json_map::JsonMap;
use crate::contract::{ColumnKind, SourceColumn, SourceContract};

/// One expression per contract column, in contract order.
pub(super) fn expressions(contract: &SourceContract, found: &Found) -> Result<Vec<Expr>> {
    contract.columns.iter().map(|column| Ok(expression(column, contract, found)?.alias(&column.name))).collect()
}

fn expression(column: &SourceColumn, contract: &SourceContract, found: &Found) -> Result<Expr> {
    let kind = column.kind;
    if let Some(names) = found.columns.get(&column.name) {
        let mut parts: Vec<Expr> =
            names.iter().map(|name| delivered(name, kind, &found.schema)).collect::<Result<_>>()?;
        return match parts.pop() {
            Some(only) if parts.is_empty() => Ok(only),
            Some(last) => {
                parts.push(last);
                Ok(coalesce(parts))
            }
            None => null(kind),
        };
    }
    match found.folded.get(column.name.as_str()) {
        Some(names) => Ok(folded(column, contract, names)),
        None => null(kind),
    }
}

fn delivered(name: &str, kind: ColumnKind, schema: &Schema) -> Result<Expr> {
    let value = scanned(name);
    let data_type = schema.field_with_name(name).map_err(DataFusionError::from)?.data_type();
    Ok(match kind {
        ColumnKind::Text => nullif(value, lit("")),
        ColumnKind::TextMap | ColumnKind::NumberMap if *data_type == DataType::Utf8 => {
            ScalarUDF::from(JsonMap::new(kind)).call(vec![value])
        }
        ColumnKind::TextMap | ColumnKind::NumberMap if *data_type != kind.data_type() => cast(value, kind.data_type()),
        ColumnKind::TextMap | ColumnKind::NumberMap | ColumnKind::Number | ColumnKind::Time => value,
    })
}

fn folded(column: &SourceColumn, contract: &SourceContract, names: &BTreeSet<String>) -> Expr {
    let prefix = contract.folds.iter().find(|fold| fold.map == column.name).map_or("", |fold| fold.prefix);
    let keys: Vec<Arc<str>> = names.iter().map(|name| Arc::from(name.strip_prefix(prefix).unwrap_or(name))).collect();
    ScalarUDF::from(FoldMap::new(keys)).call(names.iter().map(|name| scanned(name)).collect())
}

fn scanned(name: &str) -> Expr {
    Expr::Column(Column::new(Some("objects"), name))
}

fn null(kind: ColumnKind) -> Result<Expr> {
    Ok(lit(ScalarValue::try_new_null(&kind.data_type())?))
}
