//! Words in text that stand for no value at all.
//!
//! Programs that write CSV without a way to say NULL write a word for it: `NULL`, `(null)`, `\N`,
//! `None`, `NaN`. In a number, a time or a map that can mean nothing else. In a text it may also be
//! the text, and publishing it as an id is as wrong as dropping it: there the pipeline decides, and
//! until it does, the value is refused by its column and row.

use std::sync::Arc;

/// Words that programs write for a missing value.
pub(crate) const NULL_WORDS: [&str; 10] =
    ["NULL", "null", "Null", "(null)", "(NULL)", "\\N", "None", "NaN", "nan", "NAN"];

/// The byte order mark, which concatenated files have in front of values as well.
pub(crate) const BYTE_ORDER_MARK: char = '\u{feff}';

/// What a source says about words that stand for no value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct NullWords {
    /// Words that are NULL where a column holds no text.
    usual: &'static [&'static str],
    /// Words that are NULL in every column; `None` when the pipeline does not say.
    declared: Option<Vec<Arc<str>>>,
}

impl Default for NullWords {
    fn default() -> Self {
        Self::new(None)
    }
}

impl NullWords {
    /// No word stands for no value.
    pub(crate) const fn none() -> Self {
        Self { usual: &[], declared: None }
    }

    /// What the pipeline declares, if it does.
    pub(crate) fn new(declared: Option<&[String]>) -> Self {
        Self {
            usual: &NULL_WORDS,
            declared: declared.map(|words| words.iter().map(|word| Arc::from(word.as_str())).collect()),
        }
    }

    /// A value of a text column without marks; `None` where it stands for nothing.
    pub(crate) fn text<'a>(&self, value: &'a str) -> Option<&'a str> {
        let value = without_mark(value);
        (!value.trim().is_empty() && !self.is_declared(value)).then_some(value)
    }

    /// A value of a column that holds no text, without marks and space around it; `None` where it
    /// stands for nothing.
    pub(crate) fn value<'a>(&self, value: &'a str) -> Option<&'a str> {
        let value = without_mark(value).trim();
        (!value.is_empty() && !self.usual.contains(&value) && !self.is_declared(value)).then_some(value)
    }

    /// Whether nothing says if the value of a text column that comes from CSV is its text or none.
    /// `own` are words that the column's provider uses in it.
    pub(crate) fn is_doubtful(&self, value: &str, own: &[&str]) -> bool {
        self.declared.is_none() && self.usual.contains(&value) && !own.contains(&value)
    }

    fn is_declared(&self, value: &str) -> bool {
        self.declared.as_ref().is_some_and(|words| words.iter().any(|word| **word == *value))
    }
}

/// A value without byte order marks in front of it.
pub(crate) fn without_mark(value: &str) -> &str {
    value.trim_start_matches(BYTE_ORDER_MARK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_null_outside_of_text_and_in_text_as_declared() {
        let silent = NullWords::default();
        for word in NULL_WORDS {
            assert_eq!(silent.value(word), None, "{word}");
            assert_eq!(silent.text(word), Some(word), "{word}");
            assert!(silent.is_doubtful(word, &[]), "{word}");
        }
        assert!(!silent.is_doubtful("None", &["None"]), "a provider's own word");
        let declared = NullWords::new(Some(&["NULL".to_owned(), "-".to_owned()]));
        assert_eq!((declared.text("NULL"), declared.text("-"), declared.text("None")), (None, None, Some("None")));
        assert_eq!((declared.value("-"), declared.value(" 1.5 ")), (None, Some("1.5")));
        assert!(!declared.is_doubtful("None", &[]), "what is declared is decided");
        assert!(!NullWords::new(Some(&[])).is_doubtful("NULL", &[]));
    }

    #[test]
    fn a_mark_in_front_is_no_part_of_a_value() {
        let words = NullWords::default();
        assert_eq!((words.text("\u{feff}\u{feff}a"), words.text("\u{feff}")), (Some("a"), None));
        assert_eq!((words.text(" a "), words.text(" ")), (Some(" a "), None));
        assert_eq!((words.value("\u{feff}1"), words.value("\u{feff}NULL")), (Some("1"), None));
    }
}
