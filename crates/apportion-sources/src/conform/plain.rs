//! `plain_text(text)` and `plain_value(text)`: texts without what stands for nothing.
//!
//! Empty text, byte order marks in front and words for NULL are no values. Most batches have none of
//! them, and these are handed on as they are.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility};

use crate::words::NullWords;

/// What a column holds.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Holds {
    /// Text; of a CSV, words for NULL other than these are refused until the pipeline decides.
    Text { written: bool, own: &'static [&'static str] },
    /// The text of something else, such as a number.
    Value,
}

/// The function for one kind of column.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct PlainText {
    holds: Holds,
    words: NullWords,
    signature: Signature,
}

impl PlainText {
    pub(super) fn new(holds: Holds, words: NullWords) -> Self {
        Self { holds, words, signature: Signature::uniform(1, vec![DataType::Utf8], Volatility::Immutable) }
    }

    fn plain<'a>(&self, text: &'a str) -> Result<Option<&'a str>> {
        match self.holds {
            Holds::Value => Ok(self.words.value(text)),
            Holds::Text { written, own } => match self.words.text(text) {
                Some(value) if written && self.words.is_doubtful(value, own) => {
                    exec_err!("`{value}` in a column of text may stand for no value")
                }
                value => Ok(value),
            },
        }
    }
}

impl ScalarUDFImpl for PlainText {
    fn name(&self) -> &str {
        match self.holds {
            Holds::Text { .. } => "plain_text",
            Holds::Value => "plain_value",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(&args.args)?;
        let Some((array, texts)) = arrays.first().and_then(|array| Some((array, array.as_string_opt::<i32>()?))) else {
            return exec_err!("{} takes one string column", self.name());
        };
        // Columns repeat their values, so the last one is remembered.
        let mut last: Option<(&str, Option<&str>)> = None;
        let mut changed = false;
        let mut plain: Vec<Option<&str>> = Vec::with_capacity(texts.len());
        for text in texts {
            let Some(text) = text else {
                plain.push(None);
                continue;
            };
            let value = match last {
                Some((known, value)) if known == text => value,
                _ => self.plain(text)?,
            };
            last = Some((text, value));
            changed |= value.is_none_or(|value| value.len() != text.len());
            plain.push(value);
        }
        let array = if changed { Arc::new(StringArray::from(plain)) as ArrayRef } else { Arc::clone(array) };
        Ok(ColumnarValue::Array(array))
    }
}

#[cfg(test)]
mod tests {
    use datafusion::common::config::ConfigOptions;
    use datafusion::logical_expr::ScalarFunctionArgs;

    use super::*;

    fn run(function: &PlainText, texts: &[Option<&str>]) -> Result<Vec<Option<String>>> {
        let array: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
        let field = |name| Arc::new(arrow::datatypes::Field::new(name, DataType::Utf8, true));
        let out = function.invoke_with_args(ScalarFunctionArgs {
            args: vec![ColumnarValue::Array(array)],
            arg_fields: vec![field("text")],
            number_rows: texts.len(),
            return_field: field("plain"),
            config_options: Arc::new(ConfigOptions::default()),
        })?;
        let out = out.into_array(texts.len())?;
        Ok(out.as_string::<i32>().iter().map(|text| text.map(str::to_owned)).collect())
    }

    #[test]
    fn empty_texts_marks_and_words_for_null_are_no_values() {
        let text = Holds::Text { written: true, own: &["None"] };
        let plain = PlainText::new(text.clone(), NullWords::default());
        let some = |text: &str| Some(text.to_owned());
        let given = [Some("\u{feff}a"), Some(""), None, Some("None"), Some("b")];
        assert_eq!(run(&plain, &given).unwrap(), [some("a"), None, None, some("None"), some("b")]);
        let error = run(&plain, &[Some("a"), Some("NULL")]).unwrap_err().to_string();
        assert!(error.contains("`NULL` in a column of text may stand for no value"), "{error}");
        let declared = PlainText::new(text, NullWords::new(Some(&["NULL".to_owned()])));
        assert_eq!(run(&declared, &[Some("NULL"), Some("NaN")]).unwrap(), [None, some("NaN")]);
        let number = PlainText::new(Holds::Value, NullWords::default());
        assert_eq!(run(&number, &[Some(" 1.5"), Some("\\N"), Some("x")]).unwrap(), [some("1.5"), None, some("x")]);
    }
}
