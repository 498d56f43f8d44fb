//! A pipeline with everything the command line adds to it: the validated document, the folder its
//! relative paths start from, and the limits.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use apportion_engine::{ModelGraph, SeedExtension};
use apportion_focus::catalog;
use apportion_sinks::Configuration;
use apportion_spec::{BillingPeriod, Error, ErrorKind, Pipeline, Result, Survey, Vocabulary, did_you_mean};
use chrono::NaiveDate;
use sha2::{Digest, Sha256};

use crate::args::{Limits, RunArgs};

/// A loaded pipeline.
#[derive(Debug)]
pub(crate) struct Project {
    /// The validated document.
    pub(crate) pipeline: Pipeline,
    /// The file as named on the command line.
    pub(crate) file: String,
    /// What the file says, without its comments: the form in which it is kept.
    pub(crate) text: String,
    /// SHA-256 of that text, in hex.
    pub(crate) digest: String,
    /// Folder that relative locations in the file start from.
    pub(crate) base: PathBuf,
}

impl Project {
    /// Reads and validates a pipeline file.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when the file cannot be read, and with every mistake in it; where there are some, also
    /// those of its expressions.
    pub(crate) fn load(file: &Path) -> Result<Self> {
        let (project, survey) = Self::survey(file)?;
        if survey.mistakes.is_empty() {
            return Ok(project);
        }
        let mut mistakes = survey.mistakes;
        if survey.knows_dimensions
            && let Err(more) = crate::check::expressions(&project)
        {
            mistakes.extend(more.message().lines().map(str::to_owned));
        }
        mistakes.sort_by_key(|mistake| place(mistake, &project.file));
        Err(Error::new(ErrorKind::Config, mistakes.join("\n")))
    }

    /// Reads a pipeline file as far as it can be understood, with everything that is wrong with it.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when the file cannot be read or nothing of it can be understood.
    pub(crate) fn survey(file: &Path) -> Result<(Self, Survey)> {
        let (file, text, base) = named(file, read(file)?);
        let survey = with_vocabulary(|vocabulary| Pipeline::survey(&file, &text, vocabulary))?;
        Ok((Self::new(survey.pipeline.clone(), file, &text, base)?, survey))
    }

    /// Validates the text of a pipeline file.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] with every mistake.
    pub(crate) fn parse(file: &Path, text: String) -> Result<Self> {
        let (file, text, base) = named(file, text);
        Self::from_text(file, &text, base)
    }

    /// Validates the text of a pipeline; `file` is its name in messages, `base` the folder that its
    /// relative locations start from.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] with every mistake.
    pub(crate) fn from_text(file: String, text: &str, base: PathBuf) -> Result<Self> {
        let pipeline = with_vocabulary(|vocabulary| Pipeline::parse(&file, text, vocabulary))?;
        Self::new(pipeline, file, text, base)
    }

    fn new(pipeline: Pipeline, file: String, text: &str, base: PathBuf) -> Result<Self> {
        let text = apportion_spec::canonical(&file, text)?;
        Ok(Self { pipeline, file, digest: hex(&Sha256::digest(text.as_bytes())), text, base })
    }

    /// The models, with the rows that the pipeline adds to the seeds, and what those did.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] with every mistake of the seed files, or when their folder cannot be read.
    pub(crate) fn models(&self) -> Result<(ModelGraph, Vec<SeedExtension>)> {
        let mut models = ModelGraph::embedded()?;
        let files = self.pipeline.seeds.as_ref().map_or_else(|| Ok(Vec::new()), |folder| self.seed_files(folder))?;
        let files = files.iter().map(|(file, text)| (file.as_str(), text.as_str()));
        let extensions = models.extend_seeds(files)?;
        Ok((models, extensions))
    }

    /// The seed files of a folder with their texts, by name.
    fn seed_files(&self, folder: &str) -> Result<Vec<(String, String)>> {
        let unreadable = |path: &Path, error: std::io::Error| {
            Error::new(ErrorKind::Config, "the seeds of the pipeline cannot be read; `seeds` names a folder beside it")
                .with("path", path.display())
                .with_source(error)
        };
        let path = self.base.join(folder);
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&path).map_err(|error| unreadable(&path, error))? {
            let file = entry.map_err(|error| unreadable(&path, error))?.path();
            if file.extension().is_some_and(|extension| extension == "csv") {
                let text = std::fs::read_to_string(&file).map_err(|error| unreadable(&file, error))?;
                let shown = file.strip_prefix(".").unwrap_or(&file).display().to_string();
                files.push((shown, text));
            }
        }
        files.sort();
        Ok(files)
    }

    /// The file as it is kept beside the tables. Comments are for those who edit it, and are where keys are noted.
    pub(crate) fn configuration(&self) -> Configuration {
        let name = Path::new(&self.file).file_name().map(|name| name.to_string_lossy().into_owned());
        Configuration { file: name.unwrap_or_default(), text: self.text.clone() }
    }

    /// Checks that the sources which the options name are declared.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when a named source does not exist.
    pub(crate) fn check_sources(&self, names: &[String]) -> Result<()> {
        for name in names {
            if !self.pipeline.sources.iter().any(|source| source.name == *name) {
                let known: Vec<&str> = self.pipeline.sources.iter().map(|source| source.name.as_str()).collect();
                let hint = did_you_mean(name, known.iter().copied());
                return Err(Error::new(
                    ErrorKind::Config,
                    format!("no source is called `{name}`{hint}; sources: {}", known.join(", ")),
                ));
            }
        }
        Ok(())
    }
}

/// Line and column that a mistake starts with.
fn place(mistake: &str, file: &str) -> Option<(u64, u64)> {
    let mut parts = mistake.strip_prefix(file)?.strip_prefix(':')?.splitn(3, ':');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn read(file: &Path) -> Result<String> {
    std::fs::read_to_string(file).map_err(|error| {
        let missing = error.kind() == std::io::ErrorKind::NotFound;
        let hint = if missing { nearest_file(file) } else { String::new() };
        Error::new(ErrorKind::Config, format!("the pipeline file cannot be read{hint}"))
            .with("file", file.display())
            .with_source(error)
    })
}

/// The file's name in messages, its text, and the folder that its relative locations start from.
fn named(file: &Path, text: String) -> (String, String, PathBuf) {
    let base = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
        _ => PathBuf::from("."),
    };
    (file.display().to_string(), text, base)
}

/// What the tables are called decides what a pipeline may say.
fn with_vocabulary<T>(read: impl FnOnce(&Vocabulary<'_>) -> Result<T>) -> Result<T> {
    let catalog = catalog();
    let charge_columns: Vec<&str> = catalog.focus().columns.iter().map(|column| column.name.as_str()).collect();
    let reserved_columns: Vec<&str> =
        catalog.tables().iter().flat_map(|table| table.columns.iter().map(|column| column.name.as_str())).collect();
    let names_of = |table: &str| -> Vec<&str> {
        catalog
            .table(table)
            .map_or_else(Vec::new, |table| table.columns.iter().map(|column| column.name.as_str()).collect())
    };
    let allocation_columns = names_of("allocated_charges");
    read(&Vocabulary {
        allocation_columns: &allocation_columns,
        charge_columns: &charge_columns,
        reserved_columns: &reserved_columns,
    })
}

/// The YAML file in the same folder that was most likely meant.
fn nearest_file(file: &Path) -> String {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let is_yaml = |path: &PathBuf| path.extension().is_some_and(|it| it == "yaml" || it == "yml");
    let present = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).filter(is_yaml);
    let names: Vec<String> =
        present.filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned())).collect();
    let wanted = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    did_you_mean(&wanted, names.iter().map(String::as_str))
}

/// Which billing periods a command is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PeriodSelection {
    /// Every period the sources have.
    All,
    /// These periods; each must exist in at least one source.
    Named(Vec<BillingPeriod>),
    /// Every existing period from the first to the last, either end open.
    Range(Option<BillingPeriod>, Option<BillingPeriod>),
    /// The current period, so many before it, and older ones that are published already.
    Open {
        /// The period of today.
        current: BillingPeriod,
        /// How many before it are always looked at; `None` for all.
        look_back: Option<u32>,
    },
}

impl PeriodSelection {
    /// What `--period`, `--from`, `--to` and `--as-of` say together with the pipeline. `today` is asked only
    /// where nothing else says what the current period is.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when the range is empty.
    pub(crate) fn try_new(args: &RunArgs, pipeline: &Pipeline, today: NaiveDate) -> Result<Self> {
        if !args.period.is_empty() {
            let mut periods = args.period.clone();
            periods.sort();
            periods.dedup();
            return Ok(Self::Named(periods));
        }
        match (args.from, args.to) {
            (None, None) if pipeline.runs.look_back.is_none() && args.as_of.is_none() => Ok(Self::All),
            (None, None) => Ok(Self::Open {
                current: BillingPeriod::containing(args.as_of.unwrap_or(today)),
                look_back: pipeline.runs.look_back,
            }),
            (Some(from), Some(to)) if to < from => {
                Err(Error::new(ErrorKind::Config, format!("--to {to} is before --from {from}")))
            }
            (from, to) => Ok(Self::Range(from, to)),
        }
    }

    /// Whether `period` is meant; `published` says whether something of it is published already.
    #[must_use]
    pub(crate) fn includes(&self, period: BillingPeriod, published: bool) -> bool {
        match self {
            Self::Open { current, look_back } => {
                let first = look_back.map(|back| (0..back.min(1_200)).fold(*current, |period, _| period.previous()));
                period <= *current && (published || first.is_none_or(|first| first <= period))
            }
            Self::All => true,
            Self::Named(periods) => periods.contains(&period),
            Self::Range(from, to) => from.is_none_or(|from| from <= period) && to.is_none_or(|to| period <= to),
        }
    }
}

/// Limits after command line, pipeline and machine were considered, in this order.
#[derive(Debug, Clone)]
pub(crate) struct EffectiveLimits {
    /// Memory before spilling, in bytes; unlimited when `None`.
    pub(crate) memory_bytes: Option<usize>,
    /// Degree of parallelism.
    pub(crate) jobs: usize,
    /// Folder for staged and spilled files.
    pub(crate) work_directory: PathBuf,
}

impl EffectiveLimits {
    /// Combines the options with the pipeline's `engine` section, and makes the work directory ready.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when nothing can be written to the work directory.
    pub(crate) fn try_new(limits: &Limits, pipeline: Option<&Pipeline>) -> Result<Self> {
        let declared_memory =
            pipeline.and_then(|pipeline| pipeline.memory_limit_mib).map(|mib| mib.saturating_mul(1 << 20));
        let declared_jobs = pipeline.and_then(|pipeline| pipeline.jobs).and_then(|jobs| usize::try_from(jobs).ok());
        let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Ok(Self {
            memory_bytes: limits.memory_limit.or(declared_memory).and_then(|bytes| usize::try_from(bytes).ok()),
            jobs: limits.jobs.or(declared_jobs).unwrap_or(cores).max(1),
            work_directory: usable(&limits.work_directory.clone().unwrap_or_else(std::env::temp_dir))?,
        })
    }
}

/// The folder, created when missing, by its one absolute name: libraries take `..` in a path, and what looks like
/// a pattern, for something else.
fn usable(folder: &Path) -> Result<PathBuf> {
    let ready = std::fs::create_dir_all(folder)
        .and_then(|()| folder.canonicalize())
        .and_then(|path| tempfile::tempfile_in(&path).map(|_| path));
    ready.map_err(|error| {
        let kind = if apportion_store::is_full(&error) { ErrorKind::ResourcesExhausted } else { ErrorKind::Config };
        Error::new(kind, "nothing can be written to the work directory; choose another with --work-directory")
            .with("folder", folder.display())
            .with_source(error)
    })
}

/// Lower-case hexadecimal text.
pub(crate) fn hex(bytes: &[u8]) -> String {
    ::hex::encode(bytes)
}
