//! The model graph on small directories: order, parameters, stand-ins and messages.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use apportion_engine::{ModelGraph, Severity, udf};
use apportion_spec::ErrorKind;
use arrow::array::AsArray;
use datafusion::common::ScalarValue;
use datafusion::prelude::{SessionConfig, SessionContext};

fn context() -> SessionContext {
    let mut config = SessionConfig::new();
    config.options_mut().sql_parser.enable_ident_normalization = false;
    config.options_mut().sql_parser.collect_spans = true;
    let context = SessionContext::new_with_config(config);
    udf::register_all(&context);
    context
}

fn write(root: &Path, files: &[(&str, &str)]) -> ModelGraph {
    for (path, text) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    ModelGraph::from_dir(root).unwrap()
}

const STAGING: &str = "select a as id, cost from src_x__items";
const MART: &str = "\
select stg_x__items.id as Id, seed_names.name as Name, $source as x_Source, cost as Cost
from stg_x__items left join seed_names on stg_x__items.id = seed_names.id";
const SEED: &str = "# invented\nid,name\n01,one\n02,\n";

fn params() -> BTreeMap<String, ScalarValue> {
    BTreeMap::from([("source".to_owned(), ScalarValue::from("aws-main"))])
}

#[tokio::test]
async fn models_are_registered_inputs_first_with_typed_parameters() {
    let directory = tempfile::tempdir().unwrap();
    let graph = write(
        directory.path(),
        &[("marts/charges.sql", MART), ("staging/x/stg_x__items.sql", STAGING), ("seeds/names.csv", SEED)],
    );
    let context = context();
    context.sql("create view src_x__items as select '01' as a, 1 as cost").await.unwrap();
    let frame = graph.dataframe(&context, "charges", &params()).await.unwrap();
    let batches = frame.collect().await.unwrap();
    assert_eq!(batches[0].column(1).as_string::<i32>().value(0), "one");
    assert_eq!(batches[0].column(2).as_string::<i32>().value(0), "aws-main");
    // A second registration finds everything in place.
    graph.register(&context, &["charges"], &params()).await.unwrap();
}

#[tokio::test]
async fn a_table_of_the_session_stands_in_for_its_model() {
    let directory = tempfile::tempdir().unwrap();
    let graph = write(
        directory.path(),
        &[("marts/charges.sql", MART), ("marts/sums.sql", "select sum(Cost) as Cost from charges")],
    );
    let context = context();
    context.sql("create view charges as select 7 as Cost").await.unwrap();
    let batches = graph.dataframe(&context, "sums", &BTreeMap::new()).await.unwrap().collect().await.unwrap();
    assert_eq!(batches[0].num_rows(), 1);
}

#[tokio::test]
async fn messages_name_file_line_and_the_nearest_name() {
    let cases = [
        (
            vec![("marts/charges.sql", MART)],
            "there is no model, seed or table `seed_names` (model: charges, file: sql/marts/charges.sql)",
        ),
        (
            vec![("marts/charges.sql", "select 1 as a\nfrom src_x__item")],
            "there is no model, seed or table `src_x__item`, did you mean `src_x__items`? (model: charges, file: sql/marts/charges.sql)",
        ),
        (
            vec![("marts/charges.sql", "select\n    a,\n    Cost\nfrom src_x__items")],
            "unknown column `Cost` in sql/marts/charges.sql:3, did you mean `cost`? (model: charges)",
        ),
        (
            vec![("marts/charges.sql", "select $surce as a from src_x__items")],
            "parameter `$surce` has no value (model: charges, file: sql/marts/charges.sql)",
        ),
        (
            vec![("marts/charges.sql", "select * from a"), ("marts/a.sql", "select * from charges")],
            "models read each other: charges -> a -> charges",
        ),
    ];
    for (files, expected) in cases {
        let directory = tempfile::tempdir().unwrap();
        let mut graph_files = vec![("staging/x/stg_x__items.sql", STAGING)];
        graph_files.extend(files);
        let graph = write(directory.path(), &graph_files);
        let context = context();
        context.sql("create view src_x__items as select '01' as a, 1 as cost").await.unwrap();
        let error = graph.register(&context, &["charges"], &params()).await.unwrap_err();
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::SqlInvalid, expected.to_owned()));
    }
}

#[tokio::test]
async fn the_hash_follows_everything_a_model_reads() {
    let directory = tempfile::tempdir().unwrap();
    let files = [("marts/charges.sql", MART), ("staging/x/stg_x__items.sql", STAGING), ("seeds/names.csv", SEED)];
    let before = write(directory.path(), &files).model_hash("charges").unwrap();
    assert_eq!(write(directory.path(), &[("marts/other.sql", "select 1 as a")]).model_hash("charges").unwrap(), before);
    let changed = write(directory.path(), &[("seeds/names.csv", "id,name\n")]);
    assert_ne!(changed.model_hash("charges").unwrap(), before);
    assert_eq!(changed.model_hash("charge").unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn checks_report_rows_that_break_a_promise() {
    let directory = tempfile::tempdir().unwrap();
    let check = "-- model: charges__cost_is_present\n-- severity: warn\n-- why: every charge has a cost\n\
                 select Id, Cost from charges where Cost is null";
    let graph = write(
        directory.path(),
        &[
            ("checks/charges__cost_is_present.sql", check),
            ("checks/charges__has_rows.sql", "select 1 as a from charges where false"),
        ],
    );
    let context = context();
    context
        .sql("create view charges as select value as Id, nullif(value % 2, 0) as Cost from generate_series(1, 50)")
        .await
        .unwrap();
    let outcomes = graph.run_checks(&context, "charges", &BTreeMap::new()).await.unwrap();
    assert_eq!(outcomes.len(), 2);
    assert_eq!((outcomes[0].offending_rows, outcomes[0].severity), (25, Severity::Warn));
    assert_eq!(outcomes[0].sample.lines().filter(|line| line.starts_with("| ")).count(), 11);
    assert!(!outcomes[0].stops_publication());
    assert!(outcomes[1].passed() && outcomes[1].sample.is_empty());
}
