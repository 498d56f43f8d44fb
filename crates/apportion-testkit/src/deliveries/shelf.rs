//! What lies in the folder of an export, and what it says in truth.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Pseudo random numbers (SplitMix64), the same everywhere.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// Numbers that a seed begins.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// A number below `end`, which must not be zero.
    ///
    /// # Panics
    /// Never for an `end` above zero.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).unwrap()
    }

    /// One of several, of which there must be at least one.
    ///
    /// # Panics
    /// When there is none.
    pub fn of<T: Copy>(&mut self, all: &[T]) -> T {
        all.iter().copied().nth(self.below(all.len())).unwrap()
    }
}

/// A charge: its day, what it is of, and cents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    /// Day of the month.
    pub day: u32,
    /// What was used.
    pub resource: u32,
    /// What it cost.
    pub cents: i64,
    /// The tick at which a provider that only adds rows exported it.
    pub exported: u64,
}

/// One delivery that lies in the folder.
#[derive(Debug, Clone)]
struct Delivery {
    tick: u64,
    days: (u32, u32),
    files: Vec<(PathBuf, Vec<Row>)>,
    copies: Vec<PathBuf>,
    /// Whether it lies there as its provider wrote it.
    is_whole: bool,
}

impl Delivery {
    /// The rows of the files that are still there.
    fn rows(&self) -> impl Iterator<Item = Row> {
        self.files.iter().flat_map(|(_, rows)| rows.iter().copied())
    }
}

/// The folder, the bill, and time.
#[derive(Debug)]
pub struct Shelf {
    folder: PathBuf,
    /// What the provider would say of each day and resource now.
    bill: BTreeMap<(u32, u32), i64>,
    /// All rows a provider exported that only adds them.
    pub added: Vec<Row>,
    /// The last day with usage.
    pub last_day: u32,
    /// Hours since the month began that deliveries were made in.
    pub tick: u64,
    deliveries: Vec<Delivery>,
    history: Vec<String>,
    /// Whether nothing was done that cannot be decided.
    is_clean: bool,
}

const RESOURCES: u32 = 4;

impl Shelf {
    /// An empty folder below `folder`, and a bill of a few days.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        let mut shelf = Self {
            folder: folder.to_path_buf(),
            bill: BTreeMap::new(),
            added: Vec::new(),
            last_day: 0,
            tick: 0,
            deliveries: Vec::new(),
            history: Vec::new(),
            is_clean: true,
        };
        shelf.pass_days(6);
        shelf
    }

    fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether no delivery lies there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.deliveries.iter().all(|delivery| delivery.rows().next().is_none())
    }

    /// Whether everything that was done can be decided, so that the month must be read.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.is_clean
    }

    /// What was done, a line each.
    #[must_use]
    pub fn history(&self) -> String {
        self.history.join("\n")
    }

    /// Notes what was done, and whether it can be decided.
    pub fn tell(&mut self, what: impl Into<String>, is_clean: bool) {
        self.is_clean &= is_clean;
        self.history.push(format!("{}: {}", self.tick, what.into()));
    }

    /// Usage of more days; each tick is an hour.
    pub fn pass_days(&mut self, days: u32) {
        self.tick += 1;
        for _ in 0..days.min(31 - self.last_day) {
            self.last_day += 1;
            for resource in 0..RESOURCES {
                let cents = i64::from(self.last_day * 10 + resource + 1);
                self.bill.insert((self.last_day, resource), cents);
                let exported = self.tick;
                self.added.push(Row { day: self.last_day, resource, cents, exported });
            }
        }
    }

    /// Rates change: every amount of the month does.
    pub fn rate_again(&mut self) {
        self.tick += 1;
        self.bill.values_mut().for_each(|cents| *cents += 1);
        self.tell("the month is rated again", true);
    }

    /// Usage of an earlier day arrives.
    pub fn add_late(&mut self, day: u32) {
        self.tick += 1;
        let resource = 100 + u32::try_from(self.tick).unwrap();
        self.bill.insert((day, resource), 77);
        self.added.push(Row { day, resource, cents: 77, exported: self.tick });
        self.tell(format!("late usage of day {day}"), true);
    }

    /// What the bill says of some days now.
    #[must_use]
    pub fn snapshot(&self, first: u32, last: u32) -> Vec<Row> {
        let row = |((day, resource), cents): (&(u32, u32), &i64)| Row {
            day: *day,
            resource: *resource,
            cents: *cents,
            exported: 0,
        };
        self.bill.iter().filter(|((day, _), _)| (first..=last).contains(day)).map(row).collect()
    }

    /// Writes a delivery as so many files; `name` gives the path of each.
    ///
    /// # Panics
    /// When the disk does not take it.
    pub fn deliver(
        &mut self,
        rows: &[Row],
        days: (u32, u32),
        parts: usize,
        name: impl Fn(usize) -> String,
        write: impl Fn(&[Row]) -> Vec<u8>,
    ) {
        self.tick += 1;
        let size = rows.len().div_ceil(parts.max(1)).max(1);
        let mut files = Vec::new();
        for (index, part) in rows.chunks(size).enumerate() {
            files.push((self.put(&name(index), &write(part)), part.to_vec()));
        }
        // Files of the same name are written over.
        for other in &mut self.deliveries {
            let before = other.files.len();
            other.files.retain(|(file, _)| !files.iter().any(|(new, _)| new == file));
            if other.files.len() < before {
                other.is_whole = false;
                // A copy of what was written over would be of no delivery at all.
                for copy in other.copies.drain(..).filter(|copy| copy.exists()) {
                    std::fs::remove_file(copy).unwrap();
                }
            }
        }
        self.deliveries.retain(|delivery| !delivery.files.is_empty());
        let shown: Vec<String> = files.iter().map(|(file, _)| self.shown(file)).collect();
        self.tell(format!("days {} to {}, {} rows: {}", days.0, days.1, rows.len(), shown.join(", ")), true);
        self.deliveries.push(Delivery { tick: self.tick, days, files, copies: Vec::new(), is_whole: true });
    }

    fn shown(&self, file: &Path) -> String {
        file.strip_prefix(self.folder()).unwrap().display().to_string()
    }

    /// Writes a file as of now.
    ///
    /// # Panics
    /// When the disk does not take it.
    pub fn put(&mut self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.folder().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_225_600 + self.tick * 3600);
        File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        path
    }

    /// Copies a file of the newest delivery beside it.
    ///
    /// # Panics
    /// When the disk does not take it.
    pub fn copy_a_file(&mut self, random: &mut Random) {
        self.tick += 1;
        let of = |newest: &Delivery| newest.files.get(random.below(newest.files.len())).map(|(file, _)| file.clone());
        let Some(file) = self.deliveries.last().and_then(of) else { return };
        let name = format!("copy-of-{}", file.file_name().unwrap().to_str().unwrap());
        let relative = file.with_file_name(name).strip_prefix(self.folder()).unwrap().to_str().unwrap().to_owned();
        let content = std::fs::read(&file).unwrap();
        let copy = self.put(&relative, &content);
        self.deliveries.last_mut().unwrap().copies.push(copy);
        self.tell(format!("a copy: {relative}"), false);
    }

    /// Removes a delivery with its folder's other files.
    ///
    /// # Panics
    /// When the disk does not take it.
    pub fn remove(&mut self, random: &mut Random) {
        self.tick += 1;
        if self.deliveries.len() < 2 {
            return;
        }
        let removed = self.deliveries.remove(random.below(self.deliveries.len()));
        // Whoever removes what was written over others removes what is left of those: nothing could tell it.
        let (kept, torn) = std::mem::take(&mut self.deliveries).into_iter().partition(|other| other.is_whole);
        self.deliveries = kept;
        for gone in torn.iter().chain([&removed]) {
            self.clear(gone);
        }
        self.tell(format!("removed the delivery of {}", removed.tick), false);
    }

    fn clear(&self, gone: &Delivery) {
        for file in gone.files.iter().map(|(file, _)| file).chain(&gone.copies) {
            // A file may have been copied twice.
            if file.exists() {
                std::fs::remove_file(file).unwrap();
            }
            let folder = file.parent().unwrap();
            let manifest = folder.join("manifest.json");
            let is_used = |other: &Delivery| other.files.iter().any(|(file, _)| file.starts_with(folder));
            if manifest.exists() && !self.deliveries.iter().any(is_used) {
                std::fs::remove_file(manifest).unwrap();
            }
        }
    }

    /// Charges and cents of each day of the month as it lies there: what the newest delivery over the day says, or,
    /// where rows are only added, every row once.
    #[must_use]
    pub fn truth(&self, adds_rows: bool) -> BTreeMap<u32, (usize, i64)> {
        let rows: Vec<Row> = if adds_rows {
            let once: BTreeSet<Row> = self.deliveries.iter().flat_map(Delivery::rows).collect();
            once.into_iter().collect()
        } else {
            let of = |day: u32| {
                let over = |delivery: &&Delivery| (delivery.days.0..=delivery.days.1).contains(&day);
                let newest = self.deliveries.iter().filter(over).max_by_key(|delivery| delivery.tick);
                newest.into_iter().flat_map(Delivery::rows).filter(move |row| row.day == day)
            };
            (1..=31).flat_map(of).collect()
        };
        let mut days: BTreeMap<u32, (usize, i64)> = BTreeMap::new();
        for row in rows {
            let (charges, cents) = days.entry(row.day).or_default();
            *charges += 1;
            *cents += row.cents;
        }
        days
    }

    /// Marks that what follows may be refused.
    pub fn may_be_refused(&mut self) {
        self.is_clean = false;
    }

    /// Whether two deliveries that lie there cover a common day.
    #[must_use]
    pub fn overlaps(&self, first: u32, last: u32) -> bool {
        self.deliveries.iter().any(|other| other.days.0 <= last && first <= other.days.1)
    }

    /// Whether all deliveries lie there as written.
    #[must_use]
    pub fn are_whole(&self) -> bool {
        self.deliveries.iter().all(|delivery| delivery.is_whole)
    }
}
