//! The rows of a seed with their lines, for messages that name them.
//!
//! A seed has one record per line, so a line number is a place a person can go to. The trap
//! avoided: a reader that swallows the rest of a file after a quote that is never closed.

/// A CSV text of one record per line, comments and blank lines left out.
#[derive(Debug, Clone, Default)]
pub(super) struct Rows {
    pub(super) columns: Vec<String>,
    /// Line of the column names.
    pub(super) line: usize,
    pub(super) rows: Vec<Row>,
}

/// One record; its fields are without surrounding spaces.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) line: usize,
    pub(super) fields: Vec<String>,
}

impl Rows {
    /// Reads a text.
    ///
    /// # Errors
    /// The line of the first record that is none, and what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, (usize, String)> {
        let mut rows = Self::default();
        // A spreadsheet puts a byte order mark in front.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (line, record) in text.lines().enumerate().map(|(index, record)| (index + 1, record)) {
            if record.starts_with('#') || record.trim().is_empty() {
                continue;
            }
            let fields = split(record).ok_or_else(|| (line, "a quote is never closed".to_owned()))?;
            if rows.columns.is_empty() {
                (rows.columns, rows.line) = (fields, line);
            } else if fields.len() == rows.columns.len() {
                rows.rows.push(Row { line, fields });
            } else {
                return Err((line, format!("{} fields, the header has {}", fields.len(), rows.columns.len())));
            }
        }
        Ok(rows)
    }

    /// A field by its column; empty where there is no such column.
    pub(super) fn field<'a>(&self, row: &'a Row, column: &str) -> &'a str {
        let index = self.columns.iter().position(|name| name == column);
        index.and_then(|index| row.fields.get(index)).map_or("", String::as_str)
    }
}

/// The fields of a record; `None` when a quote is never closed.
fn split(record: &str) -> Option<Vec<String>> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut characters = record.chars().peekable();
    while let Some(character) = characters.next() {
        match (character, fields.last_mut()) {
            ('"', Some(field)) if quoted && characters.peek() == Some(&'"') => {
                field.push('"');
                characters.next();
            }
            ('"', _) => quoted = !quoted,
            (',', _) if !quoted => fields.push(String::new()),
            (_, Some(field)) => field.push(character),
            (_, None) => {}
        }
    }
    (!quoted).then(|| fields.iter().map(|field| field.trim().to_owned()).collect())
}

/// A record as it is written.
pub(super) fn join<'a>(fields: impl IntoIterator<Item = &'a str>) -> String {
    let field = |field: &str| {
        if field.contains([',', '"']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field.to_owned() }
    };
    fields.into_iter().map(field).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_keep_their_lines_and_quotes() {
        let rows = Rows::parse("\u{feff}# about\n\na,b\r\n\"x, \"\"y\"\"\", z \r\n").unwrap();
        assert_eq!((rows.columns.as_slice(), rows.line), (["a".to_owned(), "b".to_owned()].as_slice(), 3));
        assert_eq!((rows.rows[0].line, rows.field(&rows.rows[0], "a")), (4, "x, \"y\""));
        assert_eq!(rows.field(&rows.rows[0], "b"), "z");
        assert_eq!(join(rows.rows[0].fields.iter().map(String::as_str)), "\"x, \"\"y\"\"\",z");
        assert_eq!(Rows::parse("a,b\n\"1,2\n").unwrap_err(), (2, "a quote is never closed".to_owned()));
    }
}
