//! What identifies values: the code that computes them, not what is said about it.

#[path = "../../build/functions.rs"]
mod functions;
#[path = "../../build/libraries.rs"]
mod libraries;

use std::path::Path;

use crate::support::root;

const CODE: &str = "\
//! What it is.

/// Halves.
#[must_use]
pub fn half(amount: i128) -> i128 {
    // Away from zero.
    let note = \"// no comment\";
    amount / 2
}

#[cfg(test)]
mod tests {
    #[test]
    fn two_is_one() { assert_eq!(super::half(2), 1); }
}
";

#[test]
fn comments_layout_and_tests_identify_nothing() {
    let before = functions::code("half.rs", CODE);
    for (from, to) in [
        ("What it is", "What it was"),
        ("/// Halves.\n", ""),
        ("// Away from zero.", "/* Away /* from */ zero. */"),
        ("    amount / 2", "        amount\n            / 2"),
        ("half(2), 1", "half(3), 1"),
        ("\n#[cfg(test)]", "\n// Tests.\n#[cfg(test)]"),
    ] {
        let changed = CODE.replace(from, to);
        assert_ne!(changed, CODE, "{from}");
        assert_eq!(functions::code("half.rs", &changed), before, "{from}");
    }
    for (from, to) in [("/ 2", "/ 3"), ("// no comment", "// no comment."), ("#[must_use]\n", ""), ("i128", "i64")] {
        let changed = CODE.replace(from, to);
        assert_ne!(functions::code("half.rs", &changed), before, "{from}");
    }
    assert_ne!(functions::code("half.yaml", "a: 1 # one"), functions::code("half.yaml", "a: 1"), "only Rust is parsed");
}

/// A copy of the code below `crates/`.
fn copy(folder: &Path) {
    for source in functions::ROOTS {
        copy_folder(&root().join("crates").join(source), &folder.join(source));
    }
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("folder");
    for entry in std::fs::read_dir(from).expect("folder").flatten() {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            let _ = std::fs::copy(&path, &target).expect("file");
        }
    }
}

#[test]
fn a_new_file_counts_wherever_it_lies_and_an_unrelated_one_does_not() {
    let repository = tempfile::tempdir().expect("folder");
    let folder = repository.path().join("crates");
    copy(&folder);
    let digest = || functions::digest(&folder).expect("digest").expect("in a repository");
    let before = digest();
    assert_eq!(before.len(), 16);
    let write = |path: &str, text: &str| {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().expect("parent")).expect("folder");
        std::fs::write(path, text).expect("file");
    };
    write("apportion-cli/src/verify/another.rs", CODE);
    write("apportion-engine/src/udf/half_tests.rs", CODE);
    assert_eq!(digest(), before);
    write("apportion-engine/src/new/half.rs", CODE);
    let counted = digest();
    assert_ne!(counted, before);
    write("apportion-engine/src/new/half.rs", &CODE.replace("// Away from zero.", ""));
    assert_eq!(digest(), counted);
    write("apportion-engine/src/new/half.rs", &CODE.replace("/ 2", "/ 3"));
    assert_ne!(digest(), counted);
    // Neither are libraries, however they are asked for and locked.
    let before = digest();
    write("../Cargo.lock", "[[package]]\nname = \"parquet\"\nversion = \"99.0.0\"\n");
    write("apportion-sinks/Cargo.toml", "[dependencies]\nparquet = \"99\"\n");
    assert_eq!(digest(), before);
    // What is said to be unrelated must be there, else a file that took its place would be forgotten.
    std::fs::rename(folder.join("apportion-cli/src/plan.rs"), folder.join("apportion-cli/src/plans.rs"))
        .expect("rename");
    let error = functions::digest(&folder).expect_err("a renamed file");
    assert!(error.to_string().contains("apportion-cli/src/plan.rs"), "{error}");
    assert_eq!(functions::digest(Path::new("/nowhere")).expect("no repository"), None);
}

#[test]
fn libraries_are_told_with_their_versions() {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).expect("lock");
    let versions = libraries::versions(&lock);
    for library in ["arrow ", "datafusion ", "parquet ", "snap ", "zstd "] {
        assert!(versions.split(", ").any(|one| one.starts_with(library)), "{library} in {versions}");
    }
}
