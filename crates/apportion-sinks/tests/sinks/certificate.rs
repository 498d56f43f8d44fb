//! What certificates promise: what was published can be held against them later, on every store.

use apportion_sinks::{
    Certificate, CertifiedPartition, Configuration, Format, SourceStatement, hash_object, keep_configuration,
    read_certificate, read_configuration, stored_periods, withdraw_certificate, write_certificate,
};
use apportion_spec::ErrorKind;
use chrono::DateTime;

use crate::support::{World, charges, partition, rows, unit};

fn certificate(period: &str, run: &str) -> Certificate {
    Certificate {
        form: Certificate::FORM,
        billing_period: period.to_owned(),
        pipeline: "nightly".to_owned(),
        run_id: run.to_owned(),
        engine_version: "0.1.0".to_owned(),
        libraries: "arrow 59.3.2, zstd 0.13.4".to_owned(),
        configuration_digest: "c".to_owned(),
        sql_digest: "s".to_owned(),
        certified_at: DateTime::UNIX_EPOCH,
        sources: vec![SourceStatement {
            source: "aws".to_owned(),
            run_id: run.to_owned(),
            input_digest: "i".to_owned(),
            charges: 5,
            high_water: None,
        }],
        missing: Vec::new(),
        allocation: None,
        totals: Vec::new(),
        differences: 0,
        partitions: Vec::new(),
    }
}

#[tokio::test]
async fn a_period_has_one_certificate_the_last_one() {
    for world in [World::local(Format::Parquet), World::s3(Format::Parquet).await] {
        let place = world.sink.destination();
        assert_eq!(read_certificate(place, "2026-01").await.unwrap(), None);
        for run in ["first", "second"] {
            write_certificate(place, &certificate("2026-01", run)).await.unwrap();
        }
        let found = read_certificate(place, "2026-01").await.unwrap().unwrap();
        assert_eq!(found, Certificate { form: 1, ..certificate("2026-01", "second") });
        assert_eq!(read_certificate(place, "2026-02").await.unwrap(), None);
        assert_eq!(withdraw_certificate(place, "2026-01").await.unwrap(), Some(found));
        assert_eq!(read_certificate(place, "2026-01").await.unwrap(), None);
        assert_eq!(withdraw_certificate(place, "2026-01").await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_certificate_of_another_form_is_refused() {
    let world = World::local(Format::Parquet);
    let folder = world.directory().join("_apportion/certificates");
    std::fs::create_dir_all(&folder).unwrap();
    let mut document = serde_json::to_value(certificate("2026-01", "later")).unwrap();
    document["form"] = 2.into();
    std::fs::write(folder.join("2026-01.json"), document.to_string()).unwrap();
    let error = read_certificate(world.sink.destination(), "2026-01").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ContractViolated);
    assert!(error.to_string().contains("_apportion/certificates/2026-01.json"), "{error}");
}

#[tokio::test]
async fn certified_digests_are_those_of_the_published_objects() {
    for format in [Format::Parquet, Format::Delta] {
        for world in [World::local(format), World::s3(format).await] {
            let at = partition("aws", "2026-01");
            world.sink.prepare(&charges()).await.unwrap();
            let staged = world.stage(&rows(&at, 2_500, 1)).await;
            assert!(staged.parts.len() > 1, "several objects, so that their order matters");
            let unit = unit(&at, &staged, "run");
            let published = world.sink.publish(&unit).await.unwrap();
            let certified = CertifiedPartition::new(&unit, &published);
            assert_eq!(certified.objects.len(), staged.parts.len());
            let place = world.sink.destination();
            for object in &certified.objects {
                let found = hash_object(place, &place.location(&object.object)).await.unwrap();
                assert_eq!(found, (object.bytes, object.sha256.clone()), "{format:?} {}", object.object);
            }
            let missing = hash_object(place, &place.location("charges/none.parquet")).await.unwrap_err();
            assert_eq!(missing.kind(), ErrorKind::NotFound);
        }
    }
}

#[tokio::test]
async fn periods_are_found_by_objects_and_by_certificates() {
    for world in [World::local(Format::Parquet), World::s3(Format::Parquet).await] {
        let at = partition("aws", "2026-01");
        world.publish(&at, &rows(&at, 3, 1), "run").await.unwrap();
        let place = world.sink.destination();
        write_certificate(place, &certificate("2026-02", "run")).await.unwrap();
        let found = stored_periods(place, &["charges", "nothing"]).await.unwrap();
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["2026-01", "2026-02"]);
    }
}

#[tokio::test]
async fn a_configuration_is_kept_under_its_digest_and_cannot_change() {
    let world = World::local(Format::Parquet);
    let place = world.sink.destination();
    let kept = Configuration { file: "pipeline.yaml".to_owned(), text: "{\n  \"version\": 1\n}\n".to_owned() };
    let digest = keep_configuration(place, &kept).await.unwrap();
    assert_eq!(keep_configuration(place, &kept).await.unwrap(), digest);
    assert_eq!(read_configuration(place, &digest).await.unwrap(), Some(kept));
    assert_eq!(read_configuration(place, "none").await.unwrap(), None);
    let file = world.directory().join(format!("_apportion/configurations/{digest}.json"));
    let changed = std::fs::read_to_string(&file).unwrap().replace(": 1", ": 2");
    std::fs::write(file, changed).unwrap();
    let error = read_configuration(place, &digest).await.unwrap_err();
    assert!(error.to_string().starts_with("the kept pipeline file was changed"), "{error}");
}
