//! The house rules of `sql/`, as tests: what a reviewer would otherwise have to look for.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use apportion_engine::{Layer, Model, ModelGraph};

use crate::repository;

const LONGEST_LINE: usize = 100;
const LONGEST_FILE: usize = 400;

/// Relations that Rust registers before the models, by prefix.
const SUPPLIED: [&str; 4] = ["src_", "telemetry_", "published_", MAPPED_CHARGES];

/// What `focus_charges` reads: the runner lets it stand for the `int_focus__<provider>` of a source.
const MAPPED_CHARGES: &str = "int_focus__charges";

fn graph() -> ModelGraph {
    ModelGraph::from_dir(&repository().join("sql")).unwrap()
}

fn all(graph: &ModelGraph) -> impl Iterator<Item = &Model> {
    graph.models().chain(graph.checks())
}

fn assert_none(findings: &[String]) {
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

/// A model's lines without comments and string literals, numbered.
fn code_lines(model: &Model) -> impl Iterator<Item = (usize, String)> {
    model.sql.lines().enumerate().map(|(index, line)| {
        let code = line.split("--").next().unwrap_or_default();
        let outside: Vec<&str> = code.split('\'').step_by(2).collect();
        (index + 1, outside.join("''"))
    })
}

fn words(code: &str) -> BTreeSet<&str> {
    code.split(|character: char| !character.is_ascii_alphanumeric() && character != '_').collect()
}

#[test]
fn the_embedded_models_are_those_of_the_repository() {
    let texts =
        |graph: &ModelGraph| all(graph).map(|model| (model.path.clone(), model.sql.clone())).collect::<BTreeSet<_>>();
    let (embedded, repository) = (texts(&ModelGraph::embedded().unwrap()), texts(&graph()));
    let differing = embedded.symmetric_difference(&repository).map(|(path, _)| format!("{path} differs, build again"));
    assert_none(&differing.collect::<Vec<_>>());
}

#[test]
fn every_header_is_present_and_true() {
    assert_none(&graph().verify());
}

#[test]
fn files_are_named_and_placed_by_what_they_are() {
    let graph = graph();
    let mut findings = Vec::new();
    for model in all(&graph) {
        let fits = match model.layer {
            Layer::Staging => model.name.starts_with("stg_") && model.name.contains("__"),
            Layer::Intermediate => model.name.starts_with("int_") && model.name.contains("__"),
            Layer::Mart | Layer::View => !model.name.contains("__"),
            Layer::Check | Layer::Control => model.name.contains("__"),
            _ => false,
        };
        let folder = model.path.split('/').rev().nth(1).unwrap_or_default();
        let topic = model.name.split("__").next().unwrap_or_default();
        let in_folder = match model.layer {
            Layer::Staging | Layer::Intermediate => topic.ends_with(folder),
            _ => true,
        };
        if !fits || !in_folder {
            findings.push(format!("{}: name does not fit its folder", model.path));
        }
        if let Some(table) = (model.layer == Layer::Check).then_some(topic)
            && !model.inputs.iter().any(|input| input == table || input.starts_with(&format!("{table}_")))
        {
            findings.push(format!("{}: a check reads the table it is named after, or a view of it", model.path));
        }
    }
    assert_none(&findings);
}

#[test]
fn layers_read_only_what_lies_below_them() {
    let graph = graph();
    let mut findings = Vec::new();
    for model in all(&graph) {
        for input in &model.inputs {
            let source = input.starts_with("src_");
            let layer = graph.model(input).map(|input| input.layer);
            let allowed = match model.layer {
                Layer::Staging => layer.is_none(),
                Layer::Intermediate => !source && layer != Some(Layer::Control),
                Layer::Mart => !source && layer != Some(Layer::Control),
                // A control recomputes a total its own way, so it may read anything but the models
                // it controls; a check may read everything.
                _ => true,
            };
            if !allowed {
                findings.push(format!("{}: must not read `{input}`", model.path));
            }
        }
    }
    assert_none(&findings);
}

#[test]
fn every_model_serves_a_mart_a_check_or_a_control() {
    let graph = graph();
    let used: BTreeSet<String> = all(&graph)
        .filter(|model| matches!(model.layer, Layer::Mart | Layer::Check | Layer::Control | Layer::View))
        .flat_map(|model| {
            let inputs = model.inputs.iter().flat_map(|input| graph.transitive(input));
            inputs.chain([model.name.clone()]).collect::<Vec<_>>()
        })
        .chain(entry_points(&graph))
        .collect();
    let unused =
        graph.models().map(|model| model.name.as_str()).chain(graph.seeds()).filter(|name| !used.contains(*name));
    assert_none(&unused.map(|name| format!("{name} is read by nothing")).collect::<Vec<_>>());
}

/// Models that Rust asks for by name (stages run one by one): their names occur as strings in the
/// engine or the runner. The maps of the providers take turns as what `focus_charges` reads.
fn entry_points(graph: &ModelGraph) -> Vec<String> {
    let mut code = String::new();
    for source in ["crates/apportion-engine/src", "crates/apportion-cli/src", "crates/apportion-sources/src"] {
        read_code(&repository().join(source), &mut code);
    }
    let quoted = |name: &str| code.contains(&format!("\"{name}\"")) || is_provider_map(graph, name);
    graph
        .models()
        .map(|model| model.name.as_str())
        .filter(|name| quoted(name))
        .flat_map(|name| graph.transitive(name))
        .collect()
}

/// Whether a model maps a provider to all columns of `focus_charges`: nothing in SQL reads it.
fn is_provider_map(graph: &ModelGraph, name: &str) -> bool {
    name.starts_with("int_focus__") && !all(graph).any(|model| model.inputs.contains(name))
}

fn read_code(directory: &Path, code: &mut String) {
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_code(&path, code);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            code.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn inputs_are_models_seeds_or_supplied_relations() {
    let graph = graph();
    let known: BTreeSet<&str> = graph.models().map(|model| model.name.as_str()).chain(graph.seeds()).collect();
    let mut findings = Vec::new();
    for model in all(&graph) {
        for input in &model.inputs {
            let looks_like_a_model = ["stg_", "int_", "seed_"].iter().any(|prefix| input.starts_with(prefix));
            if looks_like_a_model && !known.contains(input.as_str()) && input != MAPPED_CHARGES {
                findings.push(format!("{}: there is no `{input}`", model.path));
            }
            let supplied = SUPPLIED.iter().any(|prefix| input.starts_with(prefix));
            if supplied && known.contains(input.as_str()) {
                findings.push(format!("{}: `{input}` is supplied by the engine and also a model", model.path));
            }
        }
    }
    assert_none(&findings);
}

#[test]
fn banned_constructs_do_not_occur() {
    let graph = graph();
    let banned = ["now", "current_date", "current_timestamp", "random", "uuid", "float", "real"];
    let mut findings = Vec::new();
    for model in all(&graph) {
        let mut previous = String::new();
        for (number, code) in code_lines(model) {
            let lower = code.to_lowercase();
            let mut report = |what: &str| findings.push(format!("{}:{number}: {what}", model.path));
            for word in banned {
                if words(&lower).contains(word) {
                    report(&format!("`{word}` is banned"));
                }
            }
            if lower.contains("by name") {
                report("`by name` fills missing columns with NULL in silence");
            }
            if words(&lower).contains("double") && !model.name.starts_with("stg_") {
                report("doubles become decimals in staging");
            }
            if code.contains('/') && words(&code).iter().any(|word| word.contains("Cost") || word.contains("cost")) {
                report("money is divided by `divide_round` and `apportion` only");
            }
            if lower.contains("order by")
                && !lower.contains("over (")
                && !lower.contains("over(")
                && !in_window(&previous)
                && model.layer != Layer::Mart
            {
                report("`order by` in a view is dropped");
            }
            if !lower.trim().is_empty() {
                previous = lower;
            }
        }
    }
    assert_none(&findings);
}

/// Whether an `order by` on the next line belongs to a window or an aggregate.
fn in_window(previous: &str) -> bool {
    previous.trim_end().ends_with('(') || previous.contains("partition by") || previous.contains("over (")
}

#[test]
fn lines_and_files_stay_readable() {
    let graph = graph();
    let mut findings = Vec::new();
    for model in all(&graph) {
        for (index, line) in model.sql.lines().enumerate() {
            if line.chars().count() > LONGEST_LINE {
                findings.push(format!("{}:{}: longer than {LONGEST_LINE}", model.path, index + 1));
            }
            if line.contains('\t') || line.trim_end() != line {
                findings.push(format!("{}:{}: tab or trailing space", model.path, index + 1));
            }
        }
        if model.sql.lines().count() > LONGEST_FILE {
            findings.push(format!("{}: longer than {LONGEST_FILE} lines", model.path));
        }
        if !model.sql.ends_with('\n') {
            findings.push(format!("{}: no newline at the end", model.path));
        }
    }
    assert_none(&findings);
}

#[test]
fn keywords_are_lower_case() {
    let graph = graph();
    let keywords = ["SELECT", "FROM", "WHERE", "GROUP", "JOIN", "LEFT", "UNION", "CASE", "WHEN", "WITH"];
    let mut findings = Vec::new();
    for model in all(&graph) {
        for (number, code) in code_lines(model) {
            if let Some(word) = keywords.into_iter().find(|word| words(&code).contains(word)) {
                findings.push(format!("{}:{number}: `{word}`", model.path));
            }
        }
    }
    assert_none(&findings);
}

#[test]
fn staging_never_reads_staging_and_models_never_read_marts_of_later_stages() {
    let graph = graph();
    let mut findings = Vec::new();
    for model in graph.models().filter(|model| model.layer == Layer::Staging) {
        findings.extend(
            model
                .inputs
                .iter()
                .filter(|input| input.starts_with("stg_"))
                .map(|input| format!("{}: reads {input}", model.path)),
        );
    }
    let order = [
        "focus_charges",
        "driver_quantities",
        "allocated_charges",
        "reporting_charges",
        "unit_economics_daily",
        "unit_economics_monthly",
    ];
    for (index, mart) in order.iter().enumerate() {
        let reads = graph.transitive(mart);
        findings.extend(
            order
                .iter()
                .skip(index + 1)
                .filter(|later| reads.contains(**later))
                .map(|later| format!("{mart} reads {later}")),
        );
    }
    assert_none(&findings);
}

/// Who verifies tables has nothing but the tables: a check that asks for more would run when they are published, and
/// fail for whoever proves them later.
#[test]
fn checks_ask_for_nothing_that_the_tables_do_not_tell() {
    const TOLD: [&str; 3] = ["billing_period", "billing_period_start", "billing_period_end"];
    let graph = graph();
    let told = |check: &Model, name: &str| {
        TOLD.contains(&name) || (name == "source" && check.name.starts_with("focus_charges__"))
    };
    // What is written is a table by then.
    let written: Vec<&str> =
        graph.models().filter(|model| model.layer == Layer::Mart).map(|model| model.name.as_str()).collect();
    let asked = graph.checks().flat_map(|check| {
        let read = graph.closure([check.name.as_str()], &written).unwrap();
        let models = read.into_iter().filter_map(|name| graph.model(&name)).chain([check]);
        models.flat_map(|model| model.params.iter().cloned()).map(|name| (check, name)).collect::<Vec<_>>()
    });
    let unknown = asked.filter(|(check, name)| !told(check, name));
    assert_none(&unknown.map(|(check, name)| format!("{}: ${name}", check.path)).collect::<Vec<_>>());
}
