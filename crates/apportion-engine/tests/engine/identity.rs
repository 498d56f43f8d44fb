//! What identifies the values of a table: every statement it is computed from, and no comment.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use apportion_engine::ModelGraph;
use apportion_spec::ErrorKind;

use crate::repository;

/// The models of the repository, with others added or in place of them.
fn graph(files: &[(&str, &str)]) -> ModelGraph {
    let directory = tempfile::tempdir().unwrap();
    copy(&repository().join("sql"), directory.path());
    for (path, text) in files {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    ModelGraph::from_dir(directory.path()).unwrap()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

fn text(path: &str) -> String {
    fs::read_to_string(repository().join("sql").join(path)).unwrap()
}

const CHARGES: [&str; 3] = ["int_focus__aws", "focus_charges", "focus_charges__costs_agree"];

/// Digests of charges and of everything beside them.
fn digests(graph: &ModelGraph) -> (String, String) {
    let digest = |names: BTreeSet<String>| graph.digest_of(names.iter().map(String::as_str));
    let charges = graph.closure(CHARGES, &[]).unwrap();
    let beside = graph.beside(&CHARGES, &["explanation__splits"], &["focus_charges"]).unwrap();
    (digest(charges), digest(beside))
}

#[test]
fn comments_and_layout_identify_nothing() {
    let (mart, seed) = (text("marts/focus_charges.sql"), text("seeds/aws_regions.csv"));
    let before = digests(&graph(&[]));
    let why = mart.replace("-- why:", "-- why:     reviewed;");
    assert_ne!(why, mart);
    let layout = format!("{}\n/* one\nmore */\n", mart.replace('\n', "\n\n"));
    assert_eq!(digests(&graph(&[("marts/focus_charges.sql", &why)])), before);
    assert_eq!(digests(&graph(&[("marts/focus_charges.sql", &layout)])), before);
    let source = seed.replace("# source:", "# source: again");
    assert_ne!(source, seed);
    assert_eq!(digests(&graph(&[("seeds/aws_regions.csv", &source)])), before);
    assert_ne!(digests(&graph(&[("seeds/aws_regions.csv", &format!("{seed}zz,zz,Zz\n"))])).0, before.0);
    // A check that stops a publication is another one than a check that warns.
    let check = text("checks/focus_charges__costs_agree.sql");
    let severity = match check.contains("severity: fail") {
        true => check.replace("severity: fail", "severity: warn"),
        false => check.replace("severity: warn", "severity: fail"),
    };
    assert_ne!(severity, check);
    assert_ne!(digests(&graph(&[("checks/focus_charges__costs_agree.sql", &severity)])).0, before.0);
}

#[test]
fn a_model_in_a_new_folder_is_part_of_what_an_allocation_is_computed_from() {
    let before = digests(&graph(&[]));
    let new = "select 1 as One";
    for path in
        ["intermediate/budgets/int_budgets__all.sql", "staging/calendar/stg_calendar__days.sql", "marts/new.sql"]
    {
        let (charges, beside) = digests(&graph(&[(path, new)]));
        assert_eq!(charges, before.0, "{path}");
        assert_ne!(beside, before.1, "{path}");
    }
    // So is a model in a new folder that nothing but a check of the allocation reads.
    let check = "select * from allocated_charges where x_CellId in (select Id from int_limits__cells)";
    let reads = [
        ("checks/allocated_charges__limits.sql", check),
        ("intermediate/limits/int_limits__cells.sql", "select 1 as Id"),
    ];
    let one = digests(&graph(&reads)).1;
    let other = digests(&graph(&[reads[0], ("intermediate/limits/int_limits__cells.sql", "select 2 as Id")])).1;
    assert_ne!(one, other);
    // Read by a check of charges it decides about charges, and about them alone.
    let check = "select * from focus_charges where BilledCost in (select Cost from int_limits__costs)";
    let name = "checks/focus_charges__costs_agree.sql";
    let digests_of =
        |cost: &str| digests(&graph(&[(name, check), ("intermediate/limits/int_limits__costs.sql", cost)]));
    let (one, other) = (digests_of("select 1 as Cost"), digests_of("select 2 as Cost"));
    assert_ne!(one.0, other.0);
    assert_eq!((one.1.as_str(), other.1.as_str()), (before.1.as_str(), before.1.as_str()));
}

#[test]
fn what_charges_alone_are_computed_from_is_no_part_of_an_allocation() {
    let before = digests(&graph(&[]));
    let model = text("intermediate/focus/int_focus__aws.sql");
    let changed = format!("select * from ({model}\n) where true");
    let (charges, beside) = digests(&graph(&[("intermediate/focus/int_focus__aws.sql", &changed)]));
    assert_ne!(charges, before.0);
    assert_eq!(beside, before.1);
    let reader = text("controls/explanation__splits.sql");
    assert_eq!(
        digests(&graph(&[("controls/explanation__splits.sql", &format!("select * from ({reader}\n)"))])),
        before
    );
}

#[test]
fn a_name_that_means_nothing_is_an_error() {
    let graph = graph(&[]);
    for error in [
        graph.closure(["int_focus__awz"], &[]).unwrap_err(),
        graph.beside(&["focus_charge"], &[], &[]).unwrap_err(),
        graph.beside(&[], &["explanation__split"], &[]).unwrap_err(),
        graph.model_hash("focus_charge").unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.message().contains("did you mean"), "{error}");
    }
}
