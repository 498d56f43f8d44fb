//! From the document as written to a valid [`Pipeline`], reporting every mistake at once.

mod followers;
mod reporting;
mod rules;
mod sources;

use std::collections::BTreeSet;

use crate::document::node::{Node, Place, Value};
use crate::document::shape::{self, Mistake};
use crate::document::sound::Sound;
use crate::document::wire::{self, Document};
use crate::identity::Identity;
use crate::pipeline::{
    Allocation, Destination, Dimension, Located, Pipeline, Runs, Share, Source, Stage, Telemetry, UnitMetric,
};
use crate::suggest::did_you_mean;
use crate::{Error, ErrorKind, Result, secret};

/// Columns that every allocated charge has by now and `keep` may still name, as it had to.
const ONCE_KEPT: [&str; 1] = ["ChargeFrequency"];

/// Columns of FOCUS and of the charge table, which the caller knows: they decide what `keep`,
/// `match` and dimension names may say.
#[derive(Debug, Clone, Copy)]
pub struct Vocabulary<'a> {
    /// Every column of `focus_charges`.
    pub charge_columns: &'a [&'a str],
    /// Columns of any table that a dimension must not be called like.
    pub reserved_columns: &'a [&'a str],
    /// Columns that the allocation tables have whatever is kept.
    pub allocation_columns: &'a [&'a str],
}

impl Pipeline {
    /// Reads a pipeline document. `file` is only used in messages.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] with one line per mistake, each `file:line:column: message`.
    pub fn parse(file: &str, text: &str, vocabulary: &Vocabulary<'_>) -> Result<Self> {
        let survey = Self::survey(file, text, vocabulary)?;
        if survey.mistakes.is_empty() {
            Ok(survey.pipeline)
        } else {
            Err(Error::new(ErrorKind::Config, survey.mistakes.join("\n")))
        }
    }

    /// Reads a pipeline document as far as it can be understood, with everything that is wrong with it.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when nothing can be understood: it is no YAML or no mapping.
    pub fn survey(file: &str, text: &str, vocabulary: &Vocabulary<'_>) -> Result<Survey> {
        let node = tree(file, text)?;
        let mut mistakes = shape::mistakes(&node, schemars::schema_for!(Document).as_value());
        secrets(&node, &mut mistakes);
        if let Some(version) = node.get("version").and_then(|at| at.to_json().as_u64()).filter(|version| *version != 1)
        {
            mistakes.push(Mistake {
                place: node.place_of(&["version"]),
                message: format!("version {version} is not known; this program reads version 1"),
                path: vec!["version".to_owned()],
            });
        }
        let Some(sound) = Sound::of(&node, &mistakes) else {
            return Err(Error::new(ErrorKind::Config, lines(file, mistakes).join("\n")));
        };
        let document: Document = serde_json::from_value(sound.node.to_json()).map_err(|error| {
            let mut lines = lines(file, mistakes.clone());
            lines.push(format!("{file}: {error}"));
            Error::new(ErrorKind::Config, lines.join("\n"))
        })?;
        let identity = Identity::of(&document)?;
        let mut validator = Validator { sound: &sound, document: &document, vocabulary, identity, mistakes };
        let pipeline = validator.pipeline();
        Ok(Survey {
            pipeline,
            mistakes: lines(file, validator.mistakes),
            knows_dimensions: sound.knows("dimensions"),
            knows_destination: !sound.is_incomplete(&["destination"]),
        })
    }
}

/// The document as a tree.
///
/// # Errors
/// [`ErrorKind::Config`] when it is no YAML.
pub(crate) fn tree(file: &str, text: &str) -> Result<Node> {
    serde_yaml::from_str_with_options(text, yaml_options()).map_err(|error| {
        let place = error.location().map_or_else(String::new, |at| format!("{}:{}: ", at.line(), at.column()));
        let reason = error.without_snippet().to_string();
        Error::new(ErrorKind::Config, format!("{file}:{place}not valid YAML: {reason}"))
    })
}

/// Values that look like a secret: a pipeline is read by many and kept beside the tables.
fn secrets(node: &Node, mistakes: &mut Vec<Mistake>) {
    let mut look = |text: &str, place: Place| {
        if let Some(kind) = secret::found(text) {
            let message = format!(
                "this holds what looks like {kind}, which does not belong in a pipeline; credentials come from the \
                 standard chain of the provider"
            );
            mistakes.push(Mistake { place, message, path: Vec::new() });
        }
    };
    match &node.value {
        Value::Text(text) => look(text, node.place),
        Value::List(items) => items.iter().for_each(|item| secrets(item, mistakes)),
        Value::Map(entries) => {
            entries.iter().for_each(|(key, _)| look(&key.name, key.place));
            // What a location may hold is checked as one.
            let others = entries.iter().filter(|(key, _)| !matches!(key.name.as_str(), "location" | "endpoint"));
            others.for_each(|(_, child)| secrets(child, mistakes));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A pipeline document as far as it can be understood.
#[derive(Debug)]
pub struct Survey {
    /// What is right in form; entries that are not are left out.
    pub pipeline: Pipeline,
    /// One line per mistake, each `file:line:column: message`, in the order of the document.
    pub mistakes: Vec<String>,
    /// Whether all names of dimensions are known, so that expressions can be planned.
    pub knows_dimensions: bool,
    /// Whether the destination is known.
    pub knows_destination: bool,
}

/// Mistakes as the user reads them, in the order of the document.
fn lines(file: &str, mut mistakes: Vec<Mistake>) -> Vec<String> {
    mistakes.sort();
    let mut lines: Vec<String> =
        mistakes.iter().map(|mistake| format!("{file}:{}: {}", mistake.place, mistake.message)).collect();
    lines.dedup();
    lines
}

/// YAML 1.2 booleans only: a telemetry column called `n` or `on` is a name, not a truth value.
fn yaml_options() -> serde_yaml::Options {
    serde_yaml::options! { strict_booleans: true }
}

/// The JSON Schema of a pipeline document.
#[must_use]
pub fn json_schema() -> serde_json::Value {
    schemars::schema_for!(Document).to_value()
}

struct Validator<'a> {
    sound: &'a Sound<'a>,
    document: &'a Document,
    vocabulary: &'a Vocabulary<'a>,
    identity: Identity,
    mistakes: Vec<Mistake>,
}

impl Validator<'_> {
    fn wrong(&mut self, path: &[&str], message: impl Into<String>) {
        let place = self.sound.node.place_of(path);
        let path = path.iter().map(|part| (*part).to_owned()).collect();
        self.mistakes.push(Mistake { place, message: message.into(), path });
    }

    fn pipeline(&mut self) -> Pipeline {
        let document = self.document;
        if document.sources.is_empty() && !self.sound.is_incomplete(&["sources"]) {
            self.wrong(&["sources"], "a pipeline needs at least one source");
        }
        self.plain_name(&["name"], "pipeline", &document.name);
        let sources: Vec<Source> = document.sources.iter().map(|(name, source)| self.source(name, source)).collect();
        self.no_export_twice(&sources);
        self.destination_apart();
        self.place(&["destination"], &document.destination.location, &document.destination.store);
        Pipeline {
            name: document.name.clone(),
            sources,
            telemetry: document.telemetry.iter().map(|(name, telemetry)| self.telemetry(name, telemetry)).collect(),
            dimensions: document.dimensions.iter().map(|(name, text)| self.dimension(name, text)).collect(),
            allocation: document.allocation.as_ref().map(|allocation| self.allocation(allocation)),
            unit_metrics: document.unit_economics.iter().map(|(name, metric)| self.unit_metric(name, metric)).collect(),
            reporting: document.reporting.as_ref().map(|reporting| self.reporting(reporting)),
            destination: Destination {
                location: document.destination.location.clone(),
                format: document.destination.format,
                keep_versions: document.destination.keep_versions,
                store: document.destination.store.clone(),
            },
            memory_limit_mib: document.engine.memory_limit_mib,
            jobs: document.engine.jobs,
            runs: self.runs(&document.runs),
            seeds: document.seeds.as_ref().and_then(|folder| self.seeds(folder)),
            identity: self.identity.clone(),
        }
    }

    /// A folder beside the pipeline file: both are reviewed together, and neither needs a store.
    fn seeds(&mut self, folder: &str) -> Option<String> {
        let mistake = if folder.contains("://") {
            format!("`{folder}` is a store; seeds lie in a folder on disk, beside this file")
        } else if folder.trim().is_empty() {
            "the folder is not named; leave `seeds` out to use the built-in ones".to_owned()
        } else {
            return Some(folder.to_owned());
        };
        self.wrong(&["seeds"], mistake);
        None
    }

    fn runs(&mut self, runs: &wire::Runs) -> Runs {
        let declared = runs.hold_when_smaller_by.as_ref();
        let share = declared.map_or(Some(Share::HALF), |share| Share::parse(&share.0));
        if share.is_none() {
            let message = "the share must be a number between 0 and 1 of at most 12 decimals";
            self.wrong(&["runs", "hold_when_smaller_by"], message);
        }
        Runs { look_back: runs.look_back, hold_when_smaller_by: share.unwrap_or(Share::HALF) }
    }

    /// Names become path segments and partition values, so they stay plain.
    fn plain_name(&mut self, path: &[&str], what: &str, name: &str) {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || !name.chars().all(plain) {
            self.wrong(path, format!("the {what} name `{name}` may only hold letters, digits, `-` and `_`"));
        }
    }

    /// Whether `name` is something a charge has: a dimension or a column.
    fn charge_value(&mut self, path: &[&str], name: &str) {
        let document = self.document;
        if self.sound.may_declare("dimensions", name) || self.vocabulary.charge_columns.contains(&name) {
            return;
        }
        let candidates =
            document.dimensions.keys().map(String::as_str).chain(self.vocabulary.charge_columns.iter().copied());
        let hint = did_you_mean(name, candidates);
        self.wrong(path, format!("`{name}` is neither a dimension nor a FOCUS column{hint}"));
    }

    fn telemetry(&mut self, name: &str, telemetry: &wire::Telemetry) -> Telemetry {
        self.plain_name(&["telemetry", name], "telemetry", name);
        self.place(&["telemetry", name], &telemetry.location, &telemetry.store);
        for charge_value in telemetry.match_columns.keys() {
            self.charge_value(&["telemetry", name, "match", charge_value], charge_value);
        }
        Telemetry {
            name: name.to_owned(),
            location: telemetry.location.clone(),
            time: telemetry.time.clone(),
            quantity: telemetry.quantity.clone(),
            unit: telemetry.unit.clone(),
            target: telemetry.target.clone(),
            match_columns: telemetry.match_columns.iter().map(|(to, from)| (to.clone(), from.clone())).collect(),
            unique_by: telemetry.unique_by.clone(),
            store: telemetry.store.clone(),
        }
    }

    fn dimension(&mut self, name: &str, text: &str) -> Dimension {
        let path = ["dimensions", name];
        let snake = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(snake) {
            self.wrong(&path, format!("the dimension name `{name}` must be lower-case words joined by `_`"));
        }
        let column = dimension_column(name);
        if self.vocabulary.reserved_columns.contains(&column.as_str()) {
            self.wrong(&path, format!("the dimension `{name}` would become the column `{column}`, which the tables already have; choose another name"));
        }
        Dimension {
            name: name.to_owned(),
            column,
            expression: Located { text: text.to_owned(), place: self.sound.node.place_of(&path) },
        }
    }

    fn driver(&mut self, path: &[&str], name: &str) {
        let document = self.document;
        if !self.sound.may_declare("telemetry", name) {
            let hint = did_you_mean(name, document.telemetry.keys().map(String::as_str));
            self.wrong(path, format!("no telemetry is called `{name}`{hint}"));
        }
    }

    fn allocation(&mut self, allocation: &wire::Allocation) -> Allocation {
        let document = self.document;
        let has_target = !self.sound.is_incomplete(&["allocation", "target"]);
        if has_target && !self.sound.may_declare("dimensions", &allocation.target) {
            let hint = did_you_mean(&allocation.target, document.dimensions.keys().map(String::as_str));
            self.wrong(
                &["allocation", "target"],
                format!("the target `{}` is not a dimension{hint}", allocation.target),
            );
        }
        let (mut keep_columns, mut keep_dimensions) = (Vec::new(), Vec::new());
        for (index, name) in allocation.keep.iter().enumerate() {
            let position = index.to_string();
            let path = ["allocation", "keep", position.as_str()];
            self.charge_value(&path, name);
            if ONCE_KEPT.contains(&name.as_str()) {
                continue;
            }
            if self.vocabulary.allocation_columns.contains(&name.as_str()) {
                self.wrong(
                    &path,
                    format!("`{name}` is a column of the allocation tables already; remove it from `keep`"),
                );
            }
            if allocation.keep.iter().take(index).any(|earlier| earlier == name) {
                self.wrong(&path, format!("`{name}` is kept twice"));
            } else if document.dimensions.contains_key(name) {
                keep_dimensions.push(name.clone());
            } else {
                keep_columns.push(name.clone());
            }
        }
        if allocation.rules.is_empty() == allocation.stages.is_empty() && !self.sound.is_incomplete(&["allocation"]) {
            self.wrong(&["allocation"], "`allocation` needs either `rules` or `stages`, and not both");
        }
        let mut stages = Vec::new();
        if !allocation.rules.is_empty() {
            let rules = self.rules(&["allocation", "rules"], &allocation.rules, true);
            stages.push(Stage { name: "usage".to_owned(), rules });
        }
        for (index, stage) in allocation.stages.iter().enumerate() {
            let position = index.to_string();
            self.plain_name(&["allocation", "stages", &position, "name"], "stage", &stage.name);
            if stage.name == "followers" || stages.iter().any(|earlier: &Stage| earlier.name == stage.name) {
                self.wrong(
                    &["allocation", "stages", &position, "name"],
                    format!("the stage name `{}` is taken", stage.name),
                );
            }
            let rules = self.rules(&["allocation", "stages", &position, "rules"], &stage.rules, index == 0);
            stages.push(Stage { name: stage.name.clone(), rules });
        }
        let inherited = self.inherited(allocation, &keep_dimensions);
        self.rules_have_own_names(allocation);
        Allocation {
            target: allocation.target.clone(),
            keep_columns,
            keep_dimensions,
            stages,
            followers: allocation.followers.clone(),
            inherited,
        }
    }

    fn rules_have_own_names(&mut self, allocation: &wire::Allocation) {
        let stages = allocation.stages.iter().enumerate();
        let staged = stages.flat_map(|(stage, declared)| {
            let place =
                move |rule: usize| vec!["stages".to_owned(), stage.to_string(), "rules".to_owned(), rule.to_string()];
            declared.rules.iter().enumerate().map(move |(rule, it)| (place(rule), &it.id))
        });
        let only = allocation.rules.iter().enumerate();
        let only = only.map(|(rule, it)| (vec!["rules".to_owned(), rule.to_string()], &it.id));
        let mut seen = BTreeSet::new();
        for (place, id) in only.chain(staged) {
            if !seen.insert(id) {
                let place: Vec<&str> = std::iter::once("allocation").chain(place.iter().map(String::as_str)).collect();
                self.wrong(&place, format!("two rules are called `{id}`"));
            }
        }
    }

    fn unit_metric(&mut self, name: &str, metric: &wire::UnitMetric) -> UnitMetric {
        let document = self.document;
        self.plain_name(&["unit_economics", name], "unit metric", name);
        self.driver(&["unit_economics", name, "metric"], &metric.metric);
        let Some(allocation) = &document.allocation else {
            if !self.sound.is_incomplete(&["allocation"]) {
                self.wrong(&["unit_economics", name], "unit economics need an `allocation`");
            }
            return UnitMetric {
                name: name.to_owned(),
                metric: metric.metric.clone(),
                ledger: metric.ledger,
                by_dimensions: Vec::new(),
                by_target: false,
            };
        };
        let mut by_dimensions = Vec::new();
        let mut by_target = false;
        let is_kept_known = self.sound.has_all_keys("allocation");
        for (index, by) in metric.by.iter().enumerate() {
            let position = index.to_string();
            let path = ["unit_economics", name, "by", position.as_str()];
            if *by == allocation.target {
                by_target = true;
                continue;
            }
            if is_kept_known && !allocation.keep.contains(by) {
                self.wrong(
                    &path,
                    format!("`{by}` must be listed in `allocation.keep` to break a unit cost down by it"),
                );
            }
            let telemetry = document.telemetry.get(&metric.metric).filter(|_| is_kept_known);
            if telemetry.is_some_and(|telemetry| !telemetry.match_columns.contains_key(by)) {
                self.wrong(&path, format!("the telemetry `{}` does not match on `{by}`, so its quantity is not known by it; add it to `match` or remove it here", metric.metric));
            }
            by_dimensions.push(by.clone());
        }
        UnitMetric {
            name: name.to_owned(),
            metric: metric.metric.clone(),
            ledger: metric.ledger,
            by_dimensions,
            by_target,
        }
    }
}

/// The table column of a dimension: `cost_center` becomes `x_CostCenter`.
#[must_use]
pub fn dimension_column(name: &str) -> String {
    let words = name.split('_').filter(|word| !word.is_empty());
    let pascal: String = words
        .map(|word| {
            let mut letters = word.chars();
            letters.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
        })
        .collect();
    format!("x_{pascal}")
}
