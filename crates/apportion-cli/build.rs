//! Gives the program an identity: its version, and a digest of the functions that compute values.
//!
//! What a build with other functions published is computed again, because nobody can tell from a
//! version alone whether two builds from a repository compute the same. Contracts, SQL and seeds
//! have digests of their own, made when the program runs. The versions of libraries are recorded,
//! and make nothing stale. Outside the repository the version is all.

#[path = "build/functions.rs"]
mod functions;
#[path = "build/libraries.rs"]
mod libraries;

use std::path::Path;
use std::{fs, io};

fn main() -> io::Result<()> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    println!("cargo::rerun-if-changed=build");
    for root in functions::ROOTS {
        println!("cargo::rerun-if-changed={}", crates.join(root).display());
    }
    let version = env!("CARGO_PKG_VERSION");
    let build = match functions::digest(&crates)? {
        Some(digest) => format!("{version}+{digest}"),
        None => version.to_owned(),
    };
    println!("cargo::rustc-env=APPORTION_BUILD={build}");
    let lock = crates.join("../Cargo.lock");
    println!("cargo::rerun-if-changed={}", lock.display());
    let lock = fs::read_to_string(lock).unwrap_or_default();
    println!("cargo::rustc-env=APPORTION_LIBRARIES={}", libraries::versions(&lock));
    Ok(())
}
