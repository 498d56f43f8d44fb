//! One SQL model: its text, its header and what it reads.
//!
//! A model is a single `select` in a file named after it. What it reads and which parameters it
//! takes come from the parser; the header repeats both for readers, and [`Model::verify`] finds
//! every difference, so a header cannot rot. The trap avoided: a hand-kept list of dependencies.

use std::collections::BTreeSet;

use apportion_spec::{Error, ErrorKind, Result};
use datafusion::sql::parser::{DFParser, Statement};
use datafusion::sql::resolve::resolve_table_references;
use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

/// Which folder of `sql/` a file lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Layer {
    /// One view per source table, still in the provider's terms.
    Staging,
    /// Named by what it does; a view.
    Intermediate,
    /// A written table.
    Mart,
    /// A query that must return no rows.
    Check,
    /// An independent computation of a total.
    Control,
    /// A table that questions may ask and that is computed when they do; nothing is written from it.
    View,
}

impl Layer {
    fn of_path(path: &str) -> Option<Self> {
        match path.split('/').next()? {
            "staging" => Some(Self::Staging),
            "intermediate" => Some(Self::Intermediate),
            "marts" => Some(Self::Mart),
            "checks" => Some(Self::Check),
            "controls" => Some(Self::Control),
            "views" => Some(Self::View),
            _ => None,
        }
    }
}

/// What a failing check means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Severity {
    /// The unit is not published.
    Fail,
    /// The unit is published and the finding reported.
    Warn,
}

/// Who keeps what a check promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Promise {
    /// Our models: a row that breaks it is a mistake of ours, so it may stop a publication.
    Ours,
    /// The provider: a row that breaks it was billed so, and is published and told.
    Provider,
}

/// The comment block at the head of a model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    /// `-- model:`
    pub model: String,
    /// `-- grain:`
    pub grain: String,
    /// `-- inputs:`, without `none`.
    pub inputs: BTreeSet<String>,
    /// `-- params:`, without `none` and without the dollar signs.
    pub params: BTreeSet<String>,
    /// `-- why:`
    pub why: String,
    /// `-- severity:`, on checks.
    pub severity: Option<Severity>,
    /// `-- promise:`, on checks.
    pub promise: Option<Promise>,
}

const KEYS: [&str; 7] = ["model", "grain", "inputs", "params", "why", "severity", "promise"];

impl Header {
    /// Reads the leading comment lines; a line without a known key continues the one before.
    #[must_use]
    pub fn parse(sql: &str) -> Self {
        let mut entries: Vec<(&str, String)> = Vec::new();
        for line in sql.lines() {
            let Some(comment) = line.strip_prefix("--") else {
                break;
            };
            let entry = comment.split_once(':').filter(|(key, _)| KEYS.contains(&key.trim()));
            match (entry, entries.last_mut()) {
                (Some((key, value)), _) => entries.push((key.trim(), value.trim().to_owned())),
                (None, Some((_, value))) => {
                    value.push(' ');
                    value.push_str(comment.trim());
                }
                (None, None) => {}
            }
        }
        let text = |key: &str| {
            entries
                .iter()
                .find(|(found, _)| *found == key)
                .map(|(_, value)| value.trim().to_owned())
                .unwrap_or_default()
        };
        let names = |key: &str| {
            text(key)
                .split(',')
                .map(|name| name.trim().trim_start_matches('$').to_owned())
                .filter(|name| !name.is_empty() && name != "none")
                .collect()
        };
        Self {
            model: text("model"),
            grain: text("grain"),
            inputs: names("inputs"),
            params: names("params"),
            why: text("why"),
            severity: match text("severity").as_str() {
                "fail" => Some(Severity::Fail),
                "warn" => Some(Severity::Warn),
                _ => None,
            },
            promise: match text("promise").as_str() {
                "ours" => Some(Promise::Ours),
                "the provider's" => Some(Promise::Provider),
                _ => None,
            },
        }
    }

    /// The columns that identify a row: those in the last parentheses of the grain.
    #[must_use]
    pub fn key(&self) -> Vec<&str> {
        self.grain
            .rsplit_once('(')
            .and_then(|(_, rest)| rest.split_once(')'))
            .map(|(columns, _)| columns.split(',').map(str::trim).filter(|name| !name.is_empty()).collect())
            .unwrap_or_default()
    }
}

/// A SQL file: one `select` with a name.
#[derive(Debug, Clone)]
pub struct Model {
    /// File name without extension; the name other models use.
    pub name: String,
    /// Path for messages, such as `sql/marts/focus_charges.sql`.
    pub path: String,
    /// The text, header included.
    pub sql: String,
    /// The same without comments and layout.
    pub statement: String,
    /// Which folder it lies in.
    pub layer: Layer,
    /// What the header says.
    pub header: Header,
    /// Tables it reads, from the parser.
    pub inputs: BTreeSet<String>,
    /// Parameters it takes, from the parser, without the dollar signs.
    pub params: BTreeSet<String>,
}

impl Model {
    /// Parses the file at `path` (relative to `sql/`).
    ///
    /// # Errors
    ///
    /// `SqlInvalid` when the text is not exactly one query, or the folder is unknown.
    pub fn parse(path: &str, sql: &str) -> Result<Self> {
        let full_path = format!("sql/{path}");
        let invalid = |message: String| Error::new(ErrorKind::SqlInvalid, message).with("file", &full_path);
        let layer = Layer::of_path(path).ok_or_else(|| invalid("folder is not a layer of sql/".to_owned()))?;
        let name = path.rsplit('/').next().unwrap_or(path).trim_end_matches(".sql").to_owned();
        let statement = single_query(sql).map_err(&invalid)?;
        let tokens = tokens(sql).map_err(&invalid)?;
        let (tables, _) = resolve_table_references(&statement, false).map_err(|error| invalid(error.to_string()))?;
        Ok(Self {
            name,
            layer,
            header: Header::parse(sql),
            inputs: tables.iter().map(|table| table.table().to_owned()).collect(),
            params: placeholders(&tokens),
            statement: tokens.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
            sql: sql.to_owned(),
            path: full_path,
        })
    }

    /// Every difference between the header and the query, empty when the header is true.
    #[must_use]
    pub fn verify(&self) -> Vec<String> {
        let mut findings = Vec::new();
        let header = &self.header;
        if header.model != self.name {
            findings.push(format!("header names model `{}`, the file is `{}`", header.model, self.name));
        }
        if header.inputs != self.inputs {
            findings.push(format!("header inputs {:?}, the query reads {:?}", header.inputs, self.inputs));
        }
        if header.params != self.params {
            findings.push(format!("header params {:?}, the query takes {:?}", header.params, self.params));
        }
        if header.grain.is_empty() {
            findings.push("header lacks grain".to_owned());
        }
        if header.why.is_empty() {
            findings.push("header lacks why".to_owned());
        }
        if (self.layer == Layer::Check) != header.severity.is_some() {
            findings.push("severity (fail or warn) belongs on checks, and only there".to_owned());
        }
        if (self.layer == Layer::Check) != header.promise.is_some() {
            findings.push("promise (ours or the provider's) belongs on checks, and only there".to_owned());
        }
        if header.severity == Some(Severity::Fail) && header.promise == Some(Promise::Provider) {
            findings.push("what a provider billed so stops no month: severity must be warn".to_owned());
        }
        findings.into_iter().map(|finding| format!("{}: {finding}", self.path)).collect()
    }
}

/// Parses exactly one query.
fn single_query(sql: &str) -> Result<Statement, String> {
    let mut statements = DFParser::parse_sql(sql).map_err(|error| crate::fault::text(&error))?;
    match (statements.pop_back(), statements.is_empty()) {
        (Some(statement), true) if is_query(&statement) => Ok(statement),
        _ => Err("a model is exactly one select".to_owned()),
    }
}

fn is_query(statement: &Statement) -> bool {
    matches!(statement, Statement::Statement(statement) if matches!(statement.as_ref(), ast::Statement::Query(_)))
}

/// The words of a query; comments and layout are none.
fn tokens(sql: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize().map_err(|error| error.to_string())?;
    tokens.retain(|token| !matches!(token, Token::Whitespace(_)));
    Ok(tokens)
}

/// The `$name` parameters of a query.
fn placeholders(tokens: &[Token]) -> BTreeSet<String> {
    let name = |token: &Token| match token {
        Token::Placeholder(name) => Some(name.trim_start_matches('$').to_owned()),
        _ => None,
    };
    tokens.iter().filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: &str = "\
-- model:   int_focus__x
-- grain:   one row per charge (x_Source, x_ChargeId)
-- inputs:  stg_x__items,
--          seed_names
-- params:  $source
-- why:     because
--          of this: that

with items as (select * from stg_x__items)
select items.*, $source as x_Source from items left join seed_names on items.a = seed_names.a
";

    #[test]
    fn the_header_is_read_and_true() {
        let model = Model::parse("intermediate/focus/int_focus__x.sql", MODEL).unwrap();
        assert_eq!(model.verify(), Vec::<String>::new());
        assert_eq!(model.header.why, "because of this: that");
        assert_eq!(model.header.key(), ["x_Source", "x_ChargeId"]);
        assert_eq!(model.layer, Layer::Intermediate);
    }

    #[test]
    fn a_header_that_lies_is_found() {
        let sql = MODEL.replace("--          seed_names\n", "").replace("$source\n-- why", "none\n-- why");
        let findings = Model::parse("intermediate/focus/int_focus__y.sql", &sql).unwrap().verify();
        assert_eq!(findings.len(), 3, "{findings:#?}");
    }

    #[test]
    fn a_check_that_stops_a_month_promises_something_of_ours() {
        let check = |lines: &str| {
            let sql = format!(
                "-- model: charges__costs\n-- grain: one row per cost\n-- inputs: none\n-- params: none\n{lines}-- why: so\nselect 1"
            );
            Model::parse("checks/charges__costs.sql", &sql).unwrap().verify()
        };
        assert_eq!(check("-- severity: fail\n-- promise: ours\n"), Vec::<String>::new());
        assert_eq!(check("-- severity: warn\n-- promise: the provider's\n"), Vec::<String>::new());
        for wrong in ["-- severity: fail\n-- promise: the provider's\n", "-- severity: fail\n"] {
            assert_eq!(check(wrong).len(), 1, "{wrong}");
        }
    }

    #[test]
    fn only_one_query_is_a_model() {
        for sql in ["", "select 1; select 2", "drop table x", "select 1 from (", "insert into a values (1)"] {
            assert_eq!(Model::parse("marts/x.sql", sql).unwrap_err().kind(), ErrorKind::SqlInvalid, "{sql}");
        }
    }
}
