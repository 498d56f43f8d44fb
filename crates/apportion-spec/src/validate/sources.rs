//! Checks the billing exports of a pipeline.

use std::collections::BTreeMap;

use super::Validator;
use crate::document::wire;
use crate::pipeline::Source;

impl Validator<'_> {
    pub(super) fn source(&mut self, name: &str, source: &wire::Source) -> Source {
        self.plain_name(&["sources", name], "source", name);
        self.place(&["sources", name], &source.location, &source.store);
        let mut by_period = BTreeMap::new();
        for (text, basis) in &source.cost_basis_by_period {
            if let Some(period) = self.month(&["sources", name, "cost_basis_by_period", text], text) {
                by_period.insert(period, *basis);
            }
        }
        if !source.keep.is_empty() && source.format != wire::SourceFormat::Focus {
            let message = format!("`keep` is for sources of format `focus`; `{name}` is `{}`", source.format.as_str());
            self.wrong(&["sources", name, "keep"], message);
        }
        for (index, word) in source.null_words.iter().flatten().enumerate() {
            if word.trim().is_empty() {
                let message = "empty text never is a value; it needs no word".to_owned();
                self.wrong(&["sources", name, "null_words", &index.to_string()], message);
            }
        }
        let from = source.from.as_ref().and_then(|text| self.month(&["sources", name, "from"], text));
        let to = source.to.as_ref().and_then(|text| self.month(&["sources", name, "to"], text));
        if let (Some(from), Some(to)) = (from, to)
            && to < from
        {
            self.wrong(&["sources", name, "to"], format!("`to: {to}` is before `from: {from}`"));
        }
        Source {
            name: name.to_owned(),
            format: source.format,
            location: source.location.clone(),
            cost_basis: source.cost_basis,
            cost_basis_by_period: by_period,
            from,
            to,
            keep: source.keep.clone(),
            null_words: source.null_words.clone(),
            store: source.store.clone(),
        }
    }

    /// A location says where, never as whom. `path` leads to the section that has it and its store.
    pub(super) fn place(&mut self, path: &[&str], location: &str, store: &wire::Store) {
        let below =
            |names: &[&'static str]| -> Vec<&str> { path.iter().copied().chain(names.iter().copied()).collect() };
        if let Err(reason) = crate::location::check(location) {
            self.wrong(&below(&["location"]), format!("the location cannot be used: {reason}"));
        }
        let endpoint = store.endpoint.as_deref().map_or(Ok(()), crate::location::check_endpoint);
        if let Err(reason) = endpoint {
            self.wrong(&below(&["store", "endpoint"]), format!("the endpoint cannot be used: {reason}"));
        }
    }

    /// A run must not read the tables that the one before wrote.
    pub(super) fn destination_apart(&mut self) {
        let document = self.document;
        let folder = |location: &str| format!("{}/", location.trim_end_matches('/'));
        let destination = folder(&document.destination.location);
        let sources = document.sources.iter().map(|(name, source)| (name, &source.location));
        let telemetry = document.telemetry.iter().map(|(name, telemetry)| (name, &telemetry.location));
        for (name, location) in sources.chain(telemetry) {
            if destination.starts_with(&folder(location)) {
                let message = format!("the tables would lie inside the location of `{name}` and be read as part of it");
                self.wrong(&["destination", "location"], message);
            }
        }
    }

    /// Two sources that read the same objects of the same months would bill everything twice.
    pub(super) fn no_export_twice(&mut self, sources: &[Source]) {
        for (index, second) in sources.iter().enumerate() {
            let place = format!("{}/", second.location.trim_end_matches('/'));
            let twice = |first: &&Source| {
                let other = format!("{}/", first.location.trim_end_matches('/'));
                let nested = first.format == second.format && (place.starts_with(&other) || other.starts_with(&place));
                let apart = |a: &Source, b: &Source| a.to.zip(b.from).is_some_and(|(to, from)| to < from);
                let one_store = first.store == second.store;
                one_store && (place == other || nested) && !apart(first, second) && !apart(second, first)
            };
            if let Some(first) = sources.iter().take(index).find(twice) {
                let message = format!(
                    "the sources `{}` and `{}` read the same export, so all of it would count twice; \
                     remove one, or divide the months with `from` and `to`",
                    first.name, second.name
                );
                self.wrong(&["sources", &second.name, "location"], message);
            }
        }
    }
}
