//! The graph of SQL models: what depends on what, and how models become views of a session.
//!
//! The SQL is embedded at build time, so a binary runs the models it was tested with. A name that
//! is already a table of the session wins over the model of that name: a published
//! `focus_charges`, or a test's input, stands in for the query that would compute it.
//! The trap avoided: registering by file order, or every model for every unit.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use apportion_spec::{Error, ErrorKind, Result};
use datafusion::common::{ScalarValue, TableReference};
use datafusion::execution::context::SQLOptions;
use datafusion::prelude::{DataFrame, SessionContext};

use crate::fault::from_datafusion;
use crate::models::{Layer, Model};
use crate::seeds::Seed;
use crate::sql_error;

mod embedded {
    include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
}

/// All models, checks, controls and seeds of one `sql/` directory.
#[derive(Debug, Clone, Default)]
pub struct ModelGraph {
    models: BTreeMap<String, Model>,
    checks: BTreeMap<String, Model>,
    pub(crate) seeds: BTreeMap<String, Seed>,
}

impl ModelGraph {
    /// The models this library was built with.
    ///
    /// # Errors
    ///
    /// `SqlInvalid` when a file does not parse, which the tests rule out.
    pub fn embedded() -> Result<Self> {
        // Whoever makes many runs in one process parses the same texts for each.
        static PARSED: OnceLock<ModelGraph> = OnceLock::new();
        if let Some(parsed) = PARSED.get() {
            return Ok(parsed.clone());
        }
        let parsed = Self::from_files(embedded::FILES.iter().copied())?;
        Ok(PARSED.get_or_init(|| parsed).clone())
    }

    /// The models of a directory laid out like `sql/`.
    ///
    /// # Errors
    ///
    /// `NotFound` for an unreadable directory, `SqlInvalid` for a file that does not parse.
    pub fn from_dir(root: &Path) -> Result<Self> {
        let mut files = Vec::new();
        read_directory(root, root, &mut files)?;
        files.sort();
        Self::from_files(files.iter().map(|(path, text)| (path.as_str(), text.as_str())))
    }

    fn from_files<'a>(files: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Self> {
        let mut graph = Self::default();
        for (path, text) in files {
            if let Some(seed) = Seed::named_by(path) {
                graph.seeds.insert(seed, Seed::new(path, text));
                continue;
            }
            if !path.ends_with(".sql") {
                continue;
            }
            let model = Model::parse(path, text)?;
            let target = if model.layer == Layer::Check { &mut graph.checks } else { &mut graph.models };
            if let Some(earlier) = target.insert(model.name.clone(), model) {
                return Err(Error::new(ErrorKind::SqlInvalid, "two models have the same name")
                    .with("model", &earlier.name)
                    .with("file", &earlier.path));
            }
        }
        Ok(graph)
    }

    /// Models by name: staging, intermediate, marts and controls.
    pub fn models(&self) -> impl Iterator<Item = &Model> {
        self.models.values()
    }

    /// Checks by name.
    pub fn checks(&self) -> impl Iterator<Item = &Model> {
        self.checks.values()
    }

    /// The model of that name.
    #[must_use]
    pub fn model(&self, name: &str) -> Option<&Model> {
        self.models.get(name)
    }

    /// Names of the seed tables.
    pub fn seeds(&self) -> impl Iterator<Item = &str> {
        self.seeds.keys().map(String::as_str)
    }

    /// The seed tables with their texts, the rows that a pipeline adds included.
    pub fn seed_texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.seeds.iter().map(|(name, seed)| (name.as_str(), seed.text()))
    }

    /// Every header that does not tell the truth; empty when all do.
    #[must_use]
    pub fn verify(&self) -> Vec<String> {
        let models = self.models.values().chain(self.checks.values()).flat_map(Model::verify);
        models.chain(self.seeds.values().flat_map(Seed::verify)).collect()
    }

    /// Registers `roots` and everything they read as views, inputs first.
    ///
    /// Tables the session already has are left as they are. Parameters are given without the
    /// dollar sign; those a model does not take are ignored.
    ///
    /// # Errors
    ///
    /// `SqlInvalid` for an unknown input, a missing parameter, a cycle or a query that does not
    /// plan; the message names file and line.
    pub async fn register(
        &self,
        context: &SessionContext,
        roots: &[&str],
        params: &BTreeMap<String, ScalarValue>,
    ) -> Result<()> {
        let mut order = Vec::new();
        for root in roots {
            let reader = Reader { name: root, path: "the request" };
            self.visit(context, root, reader, &mut Vec::new(), &mut order)?;
        }
        for name in order {
            if let Some(seed) = self.seeds.get(name) {
                seed.register(context, name)?;
            } else if let Some(model) = self.models.get(name) {
                let view = plan(context, model, params).await?.into_view();
                context
                    .register_table(TableReference::bare(name), view)
                    .map_err(|error| from_datafusion(&error).with("model", name))?;
            }
        }
        Ok(())
    }

    /// Plans `root`, registering first what it reads.
    ///
    /// # Errors
    ///
    /// As [`Self::register`].
    pub async fn dataframe(
        &self,
        context: &SessionContext,
        root: &str,
        params: &BTreeMap<String, ScalarValue>,
    ) -> Result<DataFrame> {
        self.register(context, &[root], params).await?;
        context.table(TableReference::bare(root)).await.map_err(|error| from_datafusion(&error).with("model", root))
    }

    /// `root` and the names of everything it reads, directly or not.
    #[must_use]
    pub fn transitive(&self, root: &str) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut open = vec![root.to_owned()];
        while let Some(name) = open.pop() {
            if found.insert(name.clone()) {
                open.extend(self.models.get(&name).into_iter().flat_map(|model| model.inputs.iter().cloned()));
            }
        }
        found
    }

    fn visit<'a>(
        &'a self,
        context: &SessionContext,
        name: &'a str,
        reader: Reader<'_>,
        path: &mut Vec<&'a str>,
        order: &mut Vec<&'a str>,
    ) -> Result<()> {
        let known = order.contains(&name) || exists(context, name)?;
        if known {
            return Ok(());
        }
        if path.contains(&name) {
            path.push(name);
            return Err(Error::new(ErrorKind::SqlInvalid, format!("models read each other: {}", path.join(" -> "))));
        }
        if let Some(model) = self.models.get(name) {
            path.push(name);
            for input in &model.inputs {
                let reader = Reader { name, path: &model.path };
                self.visit(context, input, reader, path, order)?;
            }
            path.pop();
        } else if !self.seeds.contains_key(name) {
            let message = self.unknown(name, context_tables(context));
            return Err(Error::new(ErrorKind::SqlInvalid, message)
                .with("model", reader.name)
                .with("file", reader.path));
        }
        order.push(name);
        Ok(())
    }

    pub(crate) fn unknown(&self, name: &str, mut candidates: Vec<String>) -> String {
        candidates.extend(self.models.keys().chain(self.seeds.keys()).cloned());
        let suggestion = apportion_spec::did_you_mean(name, candidates.iter().map(String::as_str));
        format!("there is no model, seed or table `{name}`{suggestion}")
    }
}

/// Who asked for a table.
#[derive(Debug, Clone, Copy)]
struct Reader<'a> {
    name: &'a str,
    path: &'a str,
}

/// Plans one model with its parameters bound as typed values.
pub(crate) async fn plan(
    context: &SessionContext,
    model: &Model,
    params: &BTreeMap<String, ScalarValue>,
) -> Result<DataFrame> {
    let mut values = HashMap::new();
    for name in &model.params {
        let Some(value) = params.get(name) else {
            return Err(Error::new(ErrorKind::SqlInvalid, format!("parameter `${name}` has no value"))
                .with("model", &model.name)
                .with("file", &model.path));
        };
        values.insert(name.clone(), value.clone());
    }
    let options = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    let frame = context
        .sql_with_options(&model.sql, options)
        .await
        .map_err(|error| sql_error::describe(&error, &model.path, &model.name))?;
    if values.is_empty() {
        return Ok(frame);
    }
    frame.with_param_values(values).map_err(|error| sql_error::describe(&error, &model.path, &model.name))
}

fn exists(context: &SessionContext, name: &str) -> Result<bool> {
    context.table_exist(TableReference::bare(name)).map_err(|error| from_datafusion(&error))
}

fn context_tables(context: &SessionContext) -> Vec<String> {
    context
        .catalog_names()
        .iter()
        .filter_map(|name| context.catalog(name))
        .flat_map(|catalog| {
            let schemas = catalog.schema_names();
            schemas
                .into_iter()
                .filter(|name| name != "information_schema")
                .filter_map(move |name| catalog.schema(&name))
                .collect::<Vec<_>>()
        })
        .flat_map(|schema| schema.table_names())
        .collect()
}

fn read_directory(root: &Path, directory: &Path, files: &mut Vec<(String, String)>) -> Result<()> {
    let failed = |error: std::io::Error| {
        Error::new(ErrorKind::NotFound, "the SQL directory cannot be read")
            .with("directory", directory.display())
            .with_source(error)
    };
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            read_directory(root, &path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "sql" || extension == "csv") {
            let text = fs::read_to_string(&path).map_err(failed)?;
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().replace('\\', "/");
            files.push((name, text));
        }
    }
    Ok(())
}
