//! Planning errors in the words of the person who edits the SQL: file, line and the nearest name.
//!
//! DataFusion knows where an identifier stood and which names were valid; its own message shows
//! neither the file nor, for a wide table, anything but a list of a hundred columns.

use apportion_spec::{Error, ErrorKind, did_you_mean};
use datafusion::common::{DataFusionError, SchemaError, Span};

use crate::fault::{from_datafusion, innermost, text};

/// Describes why the model in `file` does not plan.
pub(crate) fn describe(error: &DataFusionError, file: &str, model: &str) -> Error {
    let root = innermost(error);
    let place = match span(error).or_else(|| column_span(root)) {
        Some(span) => format!("{file}:{}", span.start.line),
        None => file.to_owned(),
    };
    let message = match root {
        DataFusionError::SchemaError(schema, _) => match schema.as_ref() {
            SchemaError::FieldNotFound { field, valid_fields } => {
                let names: Vec<&str> = valid_fields.iter().map(|column| column.name.as_str()).collect();
                format!("unknown column `{}` in {place}{}", field.name, did_you_mean(&field.name, names))
            }
            _ => format!("{} in {place}", text(root)),
        },
        DataFusionError::Plan(_) | DataFusionError::SQL(..) | DataFusionError::NotImplemented(_) => {
            format!("{} in {place}", text(root))
        }
        _ => return from_datafusion(error).with("model", model).with("file", place),
    };
    Error::new(ErrorKind::SqlInvalid, message).with("model", model)
}

fn span(error: &DataFusionError) -> Option<Span> {
    match error {
        DataFusionError::Diagnostic(diagnostic, inner) => diagnostic.span.or_else(|| span(inner)),
        DataFusionError::Context(_, inner) => span(inner),
        DataFusionError::Shared(inner) => span(inner),
        DataFusionError::Collection(errors) => errors.first().and_then(span),
        _ => None,
    }
}

fn column_span(error: &DataFusionError) -> Option<Span> {
    match error {
        DataFusionError::SchemaError(schema, _) => match schema.as_ref() {
            SchemaError::FieldNotFound { field, .. } => field.spans().first(),
            _ => None,
        },
        _ => None,
    }
}
