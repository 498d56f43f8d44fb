//! Versions of the libraries that read, compute and write, as `Cargo.lock` has them.

/// Libraries whose versions are recorded beside the version of the program.
const RECORDED: [&str; 9] =
    ["arrow", "datafusion", "deltalake-core", "flate2", "lz4_flex", "object_store", "parquet", "snap", "zstd"];

/// `arrow 59.0.0, parquet 59.0.0, …`; a library that is there in several versions is named with each.
pub(crate) fn versions(lock: &str) -> String {
    let value = |line: &str, key: &str| Some(line.strip_prefix(key)?.trim_matches('"').to_owned());
    let mut found = Vec::new();
    let mut name = String::new();
    for line in lock.lines() {
        if let Some(package) = value(line, "name = ") {
            name = package;
        } else if let Some(version) = value(line, "version = ").filter(|_| RECORDED.contains(&name.as_str())) {
            found.push(format!("{name} {version}"));
        }
    }
    found.join(", ")
}
