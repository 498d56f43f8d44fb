//! A state machine: random things happen to a pipeline, its exports and its runs. After every run,
//! `plan` has said what the run did, whatever is certified verifies, every partition belongs to a unit,
//! and what is published of a source is what it delivered. In the end the tables are those of a
//! destination that never saw anything else.
//!
//! `APPORTION_STATE_CASES` says how many sequences are played, `APPORTION_STATE_SEED` the first seed.
//! Half of them publish Delta tables. A failure names its seed and everything that happened.

mod model;
mod world;

use model::{Event, Random};
use world::World;

use crate::support::number;

/// Sequences that are played where nobody asks for more.
const CASES: u64 = 2;
/// Events of a sequence.
const EVENTS: usize = 10;

fn play(format: &'static str) {
    let first = number("APPORTION_STATE_SEED", 1);
    for seed in first..first + number("APPORTION_STATE_CASES", CASES).div_ceil(2) {
        let mut random = Random::new(seed);
        let mut world = World::new(format, seed);
        world.happen(&Event::Run { accept: false });
        for _ in 0..EVENTS {
            let event = Event::any(&mut random, world.state());
            world.happen(&event);
        }
        world.end();
    }
}

#[test]
fn after_every_run_plan_was_right_certificates_are_true_and_nothing_is_left_over_parquet() {
    play("parquet");
}

#[test]
fn after_every_run_plan_was_right_certificates_are_true_and_nothing_is_left_over_delta() {
    play("delta");
}
