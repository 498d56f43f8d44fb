//! One writer per destination, whoever crashes, sleeps or has a wrong clock.

use std::time::Duration;

use apportion_sinks::{Destination, DestinationLock, Format, LockOwner, LockTiming};
use apportion_spec::ErrorKind;
use apportion_testkit::Fault;

use crate::support::World;

const FAST: LockTiming = LockTiming { renewal: Duration::from_millis(100), expiry: Duration::from_millis(600) };
/// Renews far too rarely to stay alive: what a crash or a suspended machine looks like.
const ASLEEP: LockTiming = LockTiming { renewal: Duration::from_secs(600), expiry: Duration::from_millis(600) };

/// A process on a machine of its own, so that nobody can see whether it lives.
fn owner(run: &str) -> LockOwner {
    LockOwner { run_id: run.to_owned(), host: format!("host-of-{run}"), process: 1, identity: None }
}

async fn take(destination: &Destination, run: &str, timing: LockTiming) -> Result<DestinationLock, ErrorKind> {
    DestinationLock::take(destination, owner(run), timing).await.map_err(|error| error.kind())
}

async fn one_of_many_wins(world: World) {
    let place = world.sink.destination().clone();
    for round in 0..5 {
        let racing = (0..16).map(|racer| {
            let place = place.clone();
            async move { take(&place, &format!("run-{round}-{racer}"), FAST).await }
        });
        let outcomes = futures::future::join_all(racing).await;
        let mut winners = Vec::new();
        for outcome in outcomes {
            match outcome {
                Ok(lock) => winners.push(lock),
                Err(kind) => assert_eq!(kind, ErrorKind::Locked),
            }
        }
        assert_eq!(winners.len(), 1, "round {round}");
        let winner = winners.remove(0);
        winner.verify().await.unwrap();
        winner.release().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_many_wins_local() {
    one_of_many_wins(World::local(Format::Parquet)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_many_wins_s3() {
    one_of_many_wins(World::s3(Format::Parquet).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_living_owner_keeps_the_lock_beyond_its_expiry() {
    let world = World::s3(Format::Parquet).await;
    let place = world.sink.destination();
    let holder = take(place, "holder", FAST).await.unwrap();
    tokio::time::sleep(FAST.expiry * 3).await;
    let refused = DestinationLock::take(place, owner("other"), FAST).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Locked);
    assert!(refused.to_string().contains("run holder (process 1 on host-of-holder)"), "{refused}");
    holder.verify().await.unwrap();
    holder.release().await.unwrap();
    take(place, "other", FAST).await.unwrap().release().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abandoned_lock_is_taken_over_and_its_owner_notices() {
    for world in [World::local(Format::Parquet), World::s3(Format::Parquet).await] {
        let place = world.sink.destination();
        let sleeper = take(place, "sleeper", ASLEEP).await.unwrap();
        assert_eq!(take(place, "early", FAST).await.unwrap_err(), ErrorKind::Locked);
        tokio::time::sleep(FAST.expiry).await;
        let heir = take(place, "heir", FAST).await.unwrap();
        assert_eq!(sleeper.verify().await.unwrap_err().kind(), ErrorKind::Locked);
        // Giving back what is lost must not give away what the other holds.
        sleeper.release().await.unwrap();
        heir.verify().await.unwrap();
        assert_eq!(take(place, "third", FAST).await.unwrap_err(), ErrorKind::Locked);
        heir.release().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_was_away_for_long_ends_the_tenure_only_if_somebody_took_over() {
    let world = World::s3(Format::Parquet).await;
    let place = world.sink.destination();
    let sleeper = take(place, "sleeper", ASLEEP).await.unwrap();
    tokio::time::sleep(FAST.expiry * 2).await;
    // Nobody came: the lock is renewed on the spot and still ours.
    sleeper.verify().await.unwrap();
    assert_eq!(take(place, "late", FAST).await.unwrap_err(), ErrorKind::Locked);
    sleeper.release().await.unwrap();
}

fn document(world: &World, number: u32, run: &str, renewed: &str) {
    let content = format!(
        r#"{{"owner": {{"run_id": "{run}", "host": "h", "process": 1}}, "taken_at": "{renewed}", "renewed_at": "{renewed}", "renewals": 3}}"#
    );
    let path = world.directory().join(format!("_apportion/lock/{number:010}.json"));
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

#[tokio::test]
async fn a_wrong_clock_neither_takes_nor_blocks() {
    // The owner's clock was years ahead when it died: it does not move, so it is taken over.
    let world = World::local(Format::Parquet);
    document(&world, 4, "ahead", "2099-01-01T00:00:00Z");
    take(world.sink.destination(), "next", FAST).await.unwrap().release().await.unwrap();
    // The owner's clock is years behind and it lives: it moves while it is watched, so it stays.
    let world = World::local(Format::Parquet);
    document(&world, 4, "behind", "2001-01-01T00:00:00Z");
    let path = world.directory().join("_apportion/lock/0000000004.json");
    let renewing = tokio::spawn(async move {
        for renewals in 4..60 {
            tokio::time::sleep(Duration::from_millis(30)).await;
            let text = std::fs::read_to_string(&path).unwrap();
            let text = text.replace(&format!("\"renewals\": {}", renewals - 1), &format!("\"renewals\": {renewals}"));
            let temporary = path.with_extension("tmp");
            std::fs::write(&temporary, text).unwrap();
            std::fs::rename(temporary, &path).unwrap();
        }
    });
    assert_eq!(take(world.sink.destination(), "next", FAST).await.unwrap_err(), ErrorKind::Locked);
    renewing.abort();
}

#[tokio::test]
async fn a_lost_acknowledgement_is_not_taken_for_a_rival() {
    let world = World::s3(Format::Parquet).await;
    world.server().fault(Fault::LoseAcknowledgement { key: "_apportion/lock/".to_owned(), count: 1 });
    let lock = take(world.sink.destination(), "run", FAST).await.unwrap();
    lock.verify().await.unwrap();
    lock.release().await.unwrap();
}

#[tokio::test]
async fn a_document_that_cannot_be_read_does_not_block() {
    let world = World::local(Format::Parquet);
    document(&world, 2, "fine", "2001-01-01T00:00:00Z");
    std::fs::write(world.directory().join("_apportion/lock/0000000003.json"), "{ half").unwrap();
    take(world.sink.destination(), "run", FAST).await.unwrap().release().await.unwrap();
}
