//! Key layout of FOCUS exports: that of AWS Data Exports, or plain Parquet objects.

pub(crate) use crate::discover::data_exports::LAYOUT;
