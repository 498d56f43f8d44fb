//! Why a question does not plan, told from what it names and what there is, not from the words of a library.

use apportion_engine::fault::from_datafusion;
use apportion_spec::{Error, ErrorKind, did_you_mean};
use datafusion::common::{SchemaError, TableReference};
use datafusion::error::DataFusionError;

/// The error of a question that names the tables `asked` where there are those of `known`.
pub(super) fn explain(error: &DataFusionError, asked: &[TableReference], known: &[&str]) -> Error {
    let reason = match (unknown_table(asked, known), unknown_column(error)) {
        (Some(reason), _) | (None, Some(reason)) => reason,
        (None, None) => from_datafusion(error).message().to_owned(),
    };
    Error::new(ErrorKind::SqlInvalid, format!("the question does not plan: {reason}")).with("tables", known.join(", "))
}

/// The first table of the question that does not exist, and the nearest that does.
fn unknown_table(asked: &[TableReference], known: &[&str]) -> Option<String> {
    let is_ours = |table: &&TableReference| table.schema().is_none_or(|schema| schema == "public");
    let unknown = asked.iter().filter(is_ours).find(|table| !known.contains(&table.table()))?;
    let hint = did_you_mean(unknown.table(), known.iter().copied());
    Some(format!("no table is called `{}`{hint}", unknown.table()))
}

/// The column that no table of the question has, and the nearest that one has. The list of all that a table has is
/// longer than anybody reads.
fn unknown_column(error: &DataFusionError) -> Option<String> {
    let DataFusionError::SchemaError(schema, _) = error.find_root() else { return None };
    let SchemaError::FieldNotFound { field, valid_fields } = schema.as_ref() else { return None };
    let names = valid_fields.iter().map(|column| column.name.as_str());
    Some(format!("no column is called `{}`{}", field.name, did_you_mean(&field.name, names)))
}
