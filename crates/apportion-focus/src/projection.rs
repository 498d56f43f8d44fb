//! The stored 1.4 rows as an earlier FOCUS version spells them.
//!
//! Providers and tools lag behind the standard, so a table can be read or exported as 1.2 or 1.3.
//! Both need `ProviderName` and `PublisherName` again. `ProviderName` is kept beside the columns of 1.4:
//! what was delivered, else the host in the words that everybody filters by (`AWS`, `Google Cloud`,
//! `Microsoft`). The invoice issuer stays as it was billed, although a rule of 1.2 demands BilledCost = 0
//! wherever the two are spelled differently. `PublisherName` is the company behind the service, which 1.3
//! calls ServiceProviderName.

use crate::catalog::Catalog;
use crate::column::ColumnContract;
use crate::version::FocusVersion;

/// Where the columns that 1.4 removed are read from.
const RENAMED: [(&str, &str); 2] = [("ProviderName", "x_ProviderName"), ("PublisherName", "ServiceProviderName")];

/// One output column of a projection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectedColumn {
    /// Name in the requested version.
    pub name: String,
    /// Column of the stored table it is read from.
    pub source: String,
}

/// An ordered list of columns that turns `focus_charges` into an earlier FOCUS version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Projection {
    /// The version the result conforms to.
    pub version: FocusVersion,
    /// Columns in output order: those of the standard by name, then ours.
    pub columns: Vec<ProjectedColumn>,
}

impl Projection {
    pub(crate) fn new(catalog: &Catalog, version: FocusVersion) -> Self {
        let exists = |column: &&ColumnContract| {
            column.introduced.as_deref().is_some_and(|introduced| version.includes(introduced))
        };
        let mut columns: Vec<ProjectedColumn> = catalog
            .focus_columns()
            .filter(exists)
            .map(|column| ProjectedColumn { name: column.name.clone(), source: column.name.clone() })
            .collect();
        if version < FocusVersion::V1_4 {
            columns.extend(
                RENAMED
                    .iter()
                    .map(|(name, source)| ProjectedColumn { name: (*name).to_owned(), source: (*source).to_owned() }),
            );
        }
        columns.sort_by(|left, right| left.name.cmp(&right.name));
        columns.extend(
            catalog
                .focus()
                .columns
                .iter()
                .filter(|column| column.is_custom())
                .map(|column| ProjectedColumn { name: column.name.clone(), source: column.name.clone() }),
        );
        Self { version, columns }
    }

    /// The projection as a SQL select list, for example `x_ProviderName as "ProviderName"`.
    #[must_use]
    pub fn select_list(&self) -> String {
        let items: Vec<String> = self
            .columns
            .iter()
            .map(|column| {
                if column.name == column.source {
                    format!("\"{}\"", column.name)
                } else {
                    format!("\"{}\" as \"{}\"", column.source, column.name)
                }
            })
            .collect();
        items.join(", ")
    }
}
