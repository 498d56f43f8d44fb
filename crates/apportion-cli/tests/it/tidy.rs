//! The shape of the code, as tests: walls between crates, file sizes, module heads.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::root;

fn files(folder: &Path, extension: &str, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, extension, found);
        } else if path.extension().is_some_and(|it| it == extension) {
            found.push(path);
        }
    }
}

fn rust_files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    files(&root().join("crates"), "rs", &mut found);
    found.sort();
    assert!(found.len() > 40, "the search found the crates");
    found
}

/// Direct dependencies of each of our crates: (ordinary, development).
fn dependencies() -> BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root())
        .output()
        .expect("cargo metadata");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("metadata");
    let packages = metadata["packages"].as_array().expect("packages");
    packages
        .iter()
        .map(|package| {
            let (mut ordinary, mut development) = (BTreeSet::new(), BTreeSet::new());
            for dependency in package["dependencies"].as_array().expect("dependencies") {
                let name = dependency["name"].as_str().expect("name").to_owned();
                if dependency["kind"].as_str() == Some("dev") {
                    development.insert(name)
                } else {
                    ordinary.insert(name)
                };
            }
            (package["name"].as_str().expect("name").to_owned(), (ordinary, development))
        })
        .collect()
}

#[test]
fn crates_keep_their_walls() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("apportion-focus", &[] as &[&str]),
        ("apportion-spec", &[]),
        ("apportion-store", &["apportion-spec"]),
        ("apportion-sources", &["apportion-focus", "apportion-spec", "apportion-store"]),
        ("apportion-engine", &["apportion-focus", "apportion-spec", "apportion-store"]),
        ("apportion-sinks", &["apportion-focus", "apportion-spec", "apportion-store"]),
        ("apportion-testkit", &["apportion-focus", "apportion-spec"]),
        (
            "apportion-cli",
            &[
                "apportion-engine",
                "apportion-focus",
                "apportion-sinks",
                "apportion-sources",
                "apportion-spec",
                "apportion-store",
            ],
        ),
    ]);
    for (name, (ordinary, _)) in dependencies() {
        let allowed = allowed.get(name.as_str()).unwrap_or_else(|| panic!("crate {name} has no wall yet"));
        for dependency in ordinary.iter().filter(|dependency| dependency.starts_with("apportion-")) {
            assert!(allowed.contains(&dependency.as_str()), "{name} must not depend on {dependency}");
        }
    }
}

#[test]
fn libraries_stay_behind_their_edge() {
    let dependencies = dependencies();
    let users = |library: &str| -> Vec<&str> {
        dependencies
            .iter()
            .filter(|(_, (ordinary, _))| ordinary.contains(library))
            .map(|(name, _)| name.as_str())
            .collect()
    };
    assert_eq!(users("deltalake-core"), ["apportion-sinks"], "Delta is known to the sinks only");
    assert_eq!(users("clap"), ["apportion-cli"]);
    assert_eq!(users("aws-config"), ["apportion-sources"], "credentials are found in one place");
    for (name, (ordinary, _)) in &dependencies {
        let pure = name == "apportion-focus" || name == "apportion-spec";
        for heavy in ["datafusion", "object_store", "tokio", "parquet"] {
            assert!(!(pure && ordinary.contains(heavy)), "{name} is pure and must not depend on {heavy}");
        }
    }
}

#[test]
fn files_say_what_they_are_and_stay_readable() {
    for file in rust_files() {
        let text = std::fs::read_to_string(&file).expect("file");
        let shown = file.display();
        assert!(text.starts_with("//!"), "{shown} must start with //!: what it is, why it exists");
        let code = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default().lines().count();
        let limit = if shown.to_string().contains("/tests/") { 800 } else { 500 };
        assert!(code <= limit, "{shown} has {code} lines; split it by concept (limit {limit})");
    }
}

#[test]
fn nothing_is_left_undone() {
    let banned = [
        concat!("to", "do!("),
        concat!("unimpl", "emented!("),
        concat!("#[", "ignore"),
        concat!("FIX", "ME"),
        concat!("#[", "allow("),
    ];
    for file in rust_files() {
        let text = std::fs::read_to_string(&file).expect("file");
        for word in banned {
            assert!(!text.contains(word), "{} contains {word}", file.display());
        }
    }
}

/// Rust code without its tests, by file.
fn product_code() -> Vec<(PathBuf, String)> {
    let all = rust_files().into_iter().filter(|file| {
        let shown = file.display().to_string();
        shown.contains("/src/") && !shown.ends_with("tests.rs") && !shown.contains("/apportion-testkit/")
    });
    let code = |file: PathBuf| {
        let text = std::fs::read_to_string(&file).expect("file");
        let code = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default().to_owned();
        (file, code)
    };
    all.map(code).collect()
}

/// The text literals of Rust code, as they are written.
fn literals(code: &str) -> Vec<String> {
    use proc_macro2::{TokenStream, TokenTree};
    fn collect(tokens: TokenStream, found: &mut Vec<String>) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => collect(group.stream(), found),
                TokenTree::Literal(literal) => found.push(literal.to_string()),
                TokenTree::Ident(_) | TokenTree::Punct(_) => {}
            }
        }
    }
    let mut found = Vec::new();
    collect(code.parse().expect("Rust"), &mut found);
    found
}

#[test]
fn no_value_becomes_a_part_of_sql() {
    let mut queries = 0;
    for (file, code) in product_code() {
        for text in literals(&code).iter().filter(|text| text.contains("SELECT ") && text.contains(" FROM ")) {
            queries += 1;
            assert!(!text.contains("'{"), "{}: a value is text of this query; bind it: {text}", file.display());
        }
    }
    assert!(queries > 30, "the search found the queries");
}

#[test]
fn what_cannot_be_read_or_added_is_no_zero() {
    for (file, code) in product_code() {
        let lines: Vec<&str> = code.lines().collect();
        for (index, window) in lines.windows(2).enumerate() {
            let statement = window.concat();
            let shown = || format!("{}:{}", file.display(), index + 1);
            let read = ["Money::parse(", "Money::read(", ".money(", "serde_json::to_"];
            let hides = [".unwrap_or_default()", ".unwrap_or(", ".ok()", "unwrap_or_else"];
            if let Some(read) = read.iter().find_map(|read| window[0].find(read)) {
                // What follows a `?` is about what was read.
                let rest = window[0].get(read..).unwrap_or_default();
                let (rest, told) = rest.split_once('?').map_or((rest, false), |(rest, _)| (rest, true));
                let next = window[1].trim();
                let hidden = hides.iter().find(|hides| rest.contains(**hides) || (!told && next.starts_with(**hides)));
                assert!(hidden.is_none(), "{}: a failure becomes another value: {statement}", shown());
            }
            for wraps in [".0.saturating_", ".0.wrapping_", "Money(i128::"] {
                assert!(!window[0].contains(wraps), "{}: an amount is added exactly or not at all", shown());
            }
        }
    }
}

#[test]
fn tests_beside_the_code_are_run() {
    for entry in std::fs::read_dir(root().join("crates")).expect("crates").flatten() {
        let Ok(manifest) = std::fs::read_to_string(entry.path().join("Cargo.toml")) else { continue };
        let library = manifest.split("\n[").find(|section| section.starts_with("lib]")).unwrap_or_default();
        let left_out = library.lines().any(|line| line.replace(' ', "") == "test=false");
        let mut sources = Vec::new();
        files(&entry.path().join("src"), "rs", &mut sources);
        let has_tests = |file: &&PathBuf| std::fs::read_to_string(file).expect("file").contains("\n#[cfg(test)]\n");
        let tests = sources.iter().find(has_tests).filter(|_| left_out);
        assert!(tests.is_none(), "{} has tests, and its crate leaves them out", tests.expect("file").display());
    }
}
