//! Gives the program an identity: its version, and a digest of the sources of the workspace.
//!
//! What another build published is computed again, because nobody can tell from a version alone
//! whether two builds from a repository compute the same. Outside the repository the version is all.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

fn main() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for name in ["focus", "spec", "sources", "engine", "sinks", "cli"] {
        let folder = crates.join(format!("apportion-{name}")).join("src");
        println!("cargo::rerun-if-changed={}", folder.display());
        collect(&folder, &mut files);
    }
    files.sort();
    let mut digest = DefaultHasher::new();
    for file in &files {
        file.strip_prefix(&crates).unwrap_or(file).hash(&mut digest);
        fs::read(file).unwrap_or_default().hash(&mut digest);
    }
    let version = env!("CARGO_PKG_VERSION");
    println!("cargo::rustc-env=APPORTION_BUILD={version}+{:016x}", digest.finish());
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.push(path);
        }
    }
}
