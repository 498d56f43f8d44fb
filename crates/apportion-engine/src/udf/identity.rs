//! `charge_id(value, ...)`: a stable identity made of any number of values.
//!
//! The first 128 bits of SHA-256 over the values, each with its length in front, so that
//! `('ab', 'c')` and `('a', 'bc')` differ and NULL differs from the empty string. It depends on
//! nothing but the values: the same charge keeps its identity over reruns, file layouts and
//! machines. The trap avoided: `md5(concat(...))`, where neighbouring columns run together.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use arrow::buffer::{Buffer, OffsetBuffer};
use datafusion::common::{DataFusionError, Result};
use sha2::{Digest, Sha256};

use super::column::TextColumn;
use super::function::{Argument, Arguments, Function, Nullability};

/// Bytes of the digest that are kept.
const KEPT_BYTES: usize = 16;

/// The functions of this file.
pub(super) fn functions() -> Vec<Function> {
    vec![
        Function::new(
            "charge_id",
            &[Argument::Printable],
            arrow::datatypes::DataType::Utf8,
            Nullability::Never,
            kernel,
        )
        .variadic(),
    ]
}

fn kernel(arguments: &Arguments<'_>) -> Result<ArrayRef> {
    let columns = arguments.values().iter().map(TextColumn::of).collect::<Result<Vec<_>>>()?;
    let mut bytes = Vec::with_capacity(arguments.rows.saturating_mul(KEPT_BYTES * 2));
    let mut message = Vec::with_capacity(512);
    let mut id = [0_u8; KEPT_BYTES * 2];
    for row in 0..arguments.rows {
        message.clear();
        for column in &columns {
            frame(&mut message, column.get(row));
        }
        let digest = Sha256::digest(&message);
        let kept = digest.get(..KEPT_BYTES).unwrap_or_default();
        hex::encode_to_slice(kept, &mut id).map_err(|error| DataFusionError::External(Box::new(error)))?;
        bytes.extend_from_slice(&id);
    }
    let offsets = OffsetBuffer::from_repeated_length(KEPT_BYTES * 2, arguments.rows);
    Ok(Arc::new(StringArray::try_new(offsets, Buffer::from_vec(bytes), None)?))
}

/// Appends a value so that no other sequence of values gives the same bytes: its length plus one
/// in groups of seven bits (zero is NULL), then the value. Few bytes mean few blocks to digest.
fn frame(message: &mut Vec<u8>, value: Option<&str>) {
    let Some(value) = value else {
        message.push(0);
        return;
    };
    let mut length = value.len() + 1;
    while length > 0x7f {
        message.push(0x80 | (length & 0x7f) as u8);
        length >>= 7;
    }
    message.push(length as u8);
    message.extend_from_slice(value.as_bytes());
}
