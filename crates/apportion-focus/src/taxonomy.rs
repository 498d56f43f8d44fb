//! Service categories and subcategories of FOCUS.
//!
//! A subcategory belongs to exactly one category; the last subcategory of each category is its
//! catch-all, `Other (<category>)`.

/// The two levels of service classification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceTaxonomy {
    /// (subcategory, category), in the order of the schema file.
    pairs: Vec<(String, String)>,
    categories: Vec<String>,
}

impl ServiceTaxonomy {
    pub(crate) fn new(categories: Vec<String>, pairs: Vec<(String, String)>) -> Self {
        Self { pairs, categories }
    }

    /// Every category.
    pub fn categories(&self) -> impl Iterator<Item = &str> {
        self.categories.iter().map(String::as_str)
    }

    /// Every subcategory.
    pub fn subcategories(&self) -> impl Iterator<Item = &str> {
        self.pairs.iter().map(|(subcategory, _)| subcategory.as_str())
    }

    /// The category a subcategory belongs to.
    #[must_use]
    pub fn category_of(&self, subcategory: &str) -> Option<&str> {
        self.pairs.iter().find(|(name, _)| name == subcategory).map(|(_, category)| category.as_str())
    }

    /// The catch-all subcategory of a category, `None` for an unknown category.
    #[must_use]
    pub fn other(&self, category: &str) -> Option<String> {
        let other = format!("Other ({category})");
        self.category_of(&other).is_some().then_some(other)
    }
}
