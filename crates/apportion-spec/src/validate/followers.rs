//! Which dimensions followers inherit.

use super::Validator;
use crate::document::wire;
use crate::suggest::did_you_mean;

impl Validator<'_> {
    /// The dimensions that `followers: { inherit: … }` names, all kept ones where it is not given.
    pub(super) fn inherited(&mut self, allocation: &wire::Allocation, kept: &[String]) -> Vec<String> {
        let Some(named) = &allocation.followers.inherit else { return kept.to_vec() };
        let is_kept_known = self.sound.has_all_keys("allocation");
        let mut inherited: Vec<String> = Vec::new();
        for (index, name) in named.iter().enumerate() {
            let position = index.to_string();
            let path = ["allocation", "followers", "inherit", position.as_str()];
            let nearest = || did_you_mean(name, kept.iter().map(String::as_str));
            if self.vocabulary.charge_columns.contains(&name.as_str()) {
                let message = format!(
                    "`{name}` is a column of the bill, and a follower keeps its own; dimensions can be inherited"
                );
                self.wrong(&path, message);
            } else if !self.sound.may_declare("dimensions", name) {
                self.wrong(&path, format!("`{name}` is not a dimension{}", nearest()));
            } else if is_kept_known && !kept.contains(name) {
                let message = format!("`{name}` must be listed in `allocation.keep` to be inherited{}", nearest());
                self.wrong(&path, message);
            } else if inherited.contains(name) {
                self.wrong(&path, format!("`{name}` is inherited twice"));
            } else {
                inherited.push(name.clone());
            }
        }
        inherited
    }
}
