//! What is wrong with the columns of one object, told all at once.
//!
//! Whoever has to change an export or a pipeline wants to do it once, not once per mistake.

use apportion_spec::{Error, ErrorKind, Result};

/// How many columns are listed; the others are counted.
const LISTED: usize = 20;

/// Errors about single columns of one object, in the order they were found.
#[derive(Debug, Default)]
pub(crate) struct Violations(Vec<Error>);

impl Violations {
    /// Keeps the error of an outcome and hands on the value of the others.
    pub(crate) fn note<T>(&mut self, outcome: Result<T>) -> Option<T> {
        outcome.map_err(|error| self.0.push(error)).ok()
    }

    /// Nothing, the only error as it is, or one error that lists all.
    ///
    /// # Errors
    /// When anything was noted.
    pub(crate) fn into_result(mut self) -> Result<()> {
        if self.0.len() <= 1 {
            return self.0.pop().map_or(Ok(()), Err);
        }
        let is_of_pipeline = self.0.iter().all(|error| error.kind() == ErrorKind::Config);
        let kind = if is_of_pipeline { ErrorKind::Config } else { ErrorKind::ContractViolated };
        let mut lines: Vec<String> =
            self.0.iter().take(LISTED).map(|error| format!("      - {}", error.message())).collect();
        let more = self.0.len().saturating_sub(LISTED);
        if more > 0 {
            lines.push(format!("      - and {more} more"));
        }
        Err(Error::new(kind, format!("{} columns do not fit\n{}", self.0.len(), lines.join("\n"))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(count: usize) -> Result<()> {
        let mut violations = Violations::default();
        for index in 0..count {
            let error = Error::new(ErrorKind::ContractViolated, format!("column `c{index}` is wrong"));
            assert_eq!(violations.note(Err::<(), _>(error.with("column", index))), None);
        }
        assert_eq!(violations.note(Ok(1)), Some(1));
        violations.into_result()
    }

    #[test]
    fn one_stays_as_it_is_and_many_are_listed_and_counted() {
        assert!(of(0).is_ok());
        assert_eq!(of(1).unwrap_err().to_string(), "column `c0` is wrong (column: 0)");
        let three = of(3).unwrap_err().with("object", "o").to_string();
        assert_eq!(
            three,
            "3 columns do not fit (object: o)\n      - column `c0` is wrong\n      - column `c1` is wrong\n      - \
             column `c2` is wrong"
        );
        let many = of(LISTED + 5).unwrap_err().to_string();
        assert_eq!(many.lines().count(), LISTED + 2);
        assert!(many.ends_with("- and 5 more"), "{many}");
    }
}
