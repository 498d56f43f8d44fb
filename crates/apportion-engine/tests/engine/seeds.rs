//! The seeds as models read them: what rows of a pipeline's own do to them, and the promises that
//! no single file can keep, because they are about names that several files give.

use std::collections::BTreeMap;

use apportion_engine::{Engine, EngineOptions, ModelGraph};
use apportion_spec::ErrorKind;
use arrow::util::pretty::pretty_format_batches;

use crate::repository;

fn graph() -> ModelGraph {
    ModelGraph::from_dir(&repository().join("sql")).unwrap()
}

/// The answer to a question about seeds, as a text table.
async fn ask(graph: &ModelGraph, seeds: &[&str], sql: &str) -> (usize, String) {
    let directory = tempfile::tempdir().unwrap();
    let engine = Engine::try_new(&EngineOptions::new(directory.path())).unwrap();
    let context = engine.new_context();
    graph.register(&context, seeds, &BTreeMap::new()).await.unwrap();
    let batches = context.sql(sql).await.unwrap().collect().await.unwrap();
    let rows = batches.iter().map(|batch| batch.num_rows()).sum();
    (rows, pretty_format_batches(&batches).unwrap().to_string())
}

async fn assert_none(seeds: &[&str], sql: &str) {
    let (rows, table) = ask(&graph(), seeds, sql).await;
    assert_eq!(rows, 0, "\n{table}");
}

#[tokio::test]
async fn a_service_of_azure_has_one_category_in_all_three_seeds() {
    let seeds = ["seed_azure_services", "seed_azure_resource_types", "seed_azure_meter_categories"];
    let all = seeds.map(|seed| format!("select service_name, service_category, service_subcategory from {seed}"));
    assert_none(
        &seeds,
        &format!(
            "select service_name, min(service_category), max(service_category), min(service_subcategory), \
             max(service_subcategory) from ({}) as services group by service_name \
             having min(service_category) <> max(service_category) or min(service_subcategory) <> max(service_subcategory)",
            all.join(" union all ")
        ),
    )
    .await;
}

#[tokio::test]
async fn every_category_of_every_seed_is_one_of_focus() {
    let mut checked = 0;
    for (seed, text) in graph().seed_texts() {
        if text.contains(",service_category,service_subcategory\n") {
            checked += 1;
            let pairs = "seed_focus_service_subcategories";
            assert_none(
                &[seed, pairs],
                &format!(
                    "select seed.* from {seed} as seed left anti join {pairs} as pairs \
                     on seed.service_category = pairs.service_category \
                     and seed.service_subcategory = pairs.service_subcategory"
                ),
            )
            .await;
        }
    }
    assert_eq!(checked, 6);
}

#[tokio::test]
async fn a_region_of_azure_has_one_name_and_its_id_is_a_spelling() {
    let seed = "seed_azure_regions";
    assert_none(
        &[seed],
        "select region_id, min(region_name), max(region_name) from seed_azure_regions group by region_id \
         having min(region_name) <> max(region_name) \
         or count(case when spelling = region_id then 1 end) <> 1 \
         or count(case when spelling = lower(replace(region_name, ' ', '')) then 1 end) <> 1",
    )
    .await;
}

#[tokio::test]
async fn rows_of_a_pipeline_are_added_or_replace_those_of_their_key() {
    let mut graph = graph();
    let before = graph.model_hash("int_focus__aws").unwrap();
    let azure = graph.model_hash("int_focus__azure").unwrap();
    // A spreadsheet's mark and line ends, another order of columns, a comment.
    let regions = "\u{feff}# ours\r\nregion_name,region_id,usage_prefix\r\n\"Mars, North\",mars-north-1,MAN1-\r\nFrankfurt,eu-central-1,EUC1-\r\n";
    let extensions = graph.extend_seeds([("reference/aws_regions.csv", regions)]).unwrap();
    assert_eq!((extensions[0].seed.as_str(), extensions[0].added, extensions[0].replaced), ("aws_regions", 1, 1));
    let (rows, table) = ask(
        &graph,
        &["seed_aws_regions"],
        "select region_name from seed_aws_regions where region_id in ('mars-north-1', 'eu-central-1', 'eu-north-1')",
    )
    .await;
    assert_eq!(rows, 3, "{table}");
    for name in ["Mars, North", " Frankfurt ", "Europe (Stockholm)"] {
        assert!(table.contains(name), "{table}");
    }
    assert_ne!(graph.model_hash("int_focus__aws").unwrap(), before);
    assert_eq!(graph.model_hash("int_focus__azure").unwrap(), azure, "a seed of another provider");
    // Rows that say what is built in are no change, in whatever order they come.
    let mut same = self::graph();
    let rows =
        "region_id,region_name,usage_prefix\nus-west-2,US West (Oregon),USW2-\naf-south-1,Africa (Cape Town),AFS1-\n";
    same.extend_seeds([("aws_regions.csv", rows)]).unwrap();
    assert_eq!(same.model_hash("int_focus__aws").unwrap(), before);
}

#[tokio::test]
async fn a_row_with_the_id_of_a_built_in_row_replaces_it_under_whatever_name() {
    let mut graph = graph();
    let rows = "service_name,service_id,service_category,service_subcategory\n\
                Engine of Compute,6F81-5844-456A,Compute,Other (Compute)\n";
    let extensions = graph.extend_seeds([("gcp_service_categories.csv", rows)]).unwrap();
    assert_eq!((extensions[0].added, extensions[0].replaced), (0, 1));
    let (rows, table) = ask(
        &graph,
        &["seed_gcp_service_categories"],
        "select service_name from seed_gcp_service_categories where service_id = '6F81-5844-456A'",
    )
    .await;
    assert_eq!(rows, 1, "two rows of one id would double the charges of it:\n{table}");
}

#[test]
fn mistakes_are_named_together_and_nothing_is_taken_over() {
    let mut graph = graph();
    let before = graph.model_hash("int_focus__aws").unwrap();
    let error = graph
        .extend_seeds([
            ("s/aws_regions.csv", "region_id,region_name,usage_prefix\nmars-1,Mars,\n"),
            ("s/aws_units.csv", "pricing_unit,focus_unit\n\"Hrs,Hours\n"),
            ("s/azure_units.csv", "unit_of_measure,block_size,focus_unit\n1 Widget,0,Widgets\n"),
        ])
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert_eq!(
        error.message(),
        "s/aws_units.csv:2: a quote is never closed\n\
         s/azure_units.csv:2: `1 Widget` is never met: bills are looked up as `1widget`\n\
         s/azure_units.csv:2: `0` is not how many units are in a block: a number above zero"
    );
    assert_eq!(graph.model_hash("int_focus__aws").unwrap(), before);
}
