//! All contracts, read once from the embedded data files.

mod file;

use std::sync::LazyLock;

use crate::column::ColumnContract;
use crate::projection::Projection;
use crate::table::TableContract;
use crate::taxonomy::ServiceTaxonomy;
use crate::version::FocusVersion;

/// Name of the table of charges.
pub const FOCUS_CHARGES: &str = "focus_charges";

const FOCUS_FILE: &str = include_str!("../schema/focus-1.4.yaml");
const TABLES_FILE: &str = include_str!("../schema/tables.yaml");

static CATALOG: LazyLock<Catalog> = LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "both files are part of the program; tests parse them")]
    file::parse(FOCUS_FILE, TABLES_FILE).expect("embedded schema files are valid")
});

/// The contracts of every table we write.
#[must_use]
pub fn catalog() -> &'static Catalog {
    &CATALOG
}

/// Contracts of all tables, and the value sets of FOCUS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalog {
    tables: Vec<TableContract>,
    removed: Vec<ColumnContract>,
    taxonomy: ServiceTaxonomy,
    version: FocusVersion,
}

impl Catalog {
    /// FOCUS version of the stored table.
    #[must_use]
    pub const fn version(&self) -> FocusVersion {
        self.version
    }

    /// The contract of `focus_charges`.
    #[must_use]
    pub fn focus(&self) -> &TableContract {
        #[expect(clippy::indexing_slicing, reason = "the first table exists, parsing puts it there")]
        &self.tables[0]
    }

    /// The columns of the standard in `focus_charges`, without ours.
    pub fn focus_columns(&self) -> impl Iterator<Item = &ColumnContract> {
        self.focus().columns.iter().filter(|column| !column.is_custom())
    }

    /// The contract of a written table.
    #[must_use]
    pub fn table(&self, name: &str) -> Option<&TableContract> {
        self.tables.iter().find(|table| table.name == name)
    }

    /// Every written table, `focus_charges` first.
    #[must_use]
    pub fn tables(&self) -> &[TableContract] {
        &self.tables
    }

    /// A column of the standard, columns removed in 1.4 included.
    #[must_use]
    pub fn focus_column(&self, name: &str) -> Option<&ColumnContract> {
        self.focus().column(name).or_else(|| self.removed.iter().find(|column| column.name == name))
    }

    /// Service categories and subcategories.
    #[must_use]
    pub const fn taxonomy(&self) -> &ServiceTaxonomy {
        &self.taxonomy
    }

    /// How to read `focus_charges` as another FOCUS version.
    #[must_use]
    pub fn projection(&self, version: FocusVersion) -> Projection {
        Projection::new(self, version)
    }
}

#[cfg(test)]
mod tests;
