use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::RowAccessor as _;
use serde_json::{Value, json};
use trialbridge_plugin::http::Response;
use trialbridge_plugin::testing::World;
use trialbridge_plugin::{Access, Event, Failure, Need};

use crate::DataLake;

fn world(config: Value) -> World<DataLake> {
    let mut world = World::new();
    for bucket in ["lake-open", "lake-sealed", "lake-chunks"] {
        world.grant(Need::Kv(bucket.to_owned(), Access::ReadWrite));
    }
    world.grant(Need::Emit("data-lake".to_owned()));
    world.grant(Need::Folder("lake".to_owned(), Access::ReadWrite));
    world.grant(Need::Http);
    world.configure(config);
    world
}

fn assigned(world: &mut World<DataLake>, trial: &str) -> Event {
    let detail =
        json!({ "trialId": trial, "leadId": "7", "type": "ACS", "status": "ASSIGNED", "expiresAt": 1_589_379_639.5 });
    let event = world.event("OnlineTrial", "TrialAssigned", detail);
    world.attempt(&event, 1).expect("it is appended");
    event
}

fn is_sealed(event: &Event) -> bool {
    event.kind() == ("data-lake", "BatchSealed")
}

fn tick(world: &mut World<DataLake>) {
    world.handle("trialbridge", "Scheduled Event", json!({})).expect("the sweep succeeds");
}

/// Every file below a folder, with its path from there.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).expect("the folder can be read") {
            let path: PathBuf = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).expect("below").to_string_lossy().into_owned();
                found.push((name, fs::read(path).expect("the file can be read")));
            }
        }
    }
    found.sort();
    found
}

fn kept(world: &World<DataLake>) -> usize {
    ["lake-open", "lake-sealed", "lake-chunks"].iter().map(|bucket| world.keys(bucket).len()).sum()
}

#[test]
fn a_full_batch_becomes_a_file_of_parquet() {
    let mut world = world(json!({ "max-events": 3 }));
    let events = ["t1", "t2", "t3"].map(|trial| assigned(&mut world, trial));
    world.settle(is_sealed).expect("the file is written");
    assert_eq!(kept(&world), 0);
    let mut files = files(&world.folder("lake"));
    let (name, bytes) = files.pop().expect("a file");
    assert!(files.is_empty());
    let (first, last) = (events[0].sequence, events[2].sequence);
    assert_eq!(name, format!("detail-type=TrialAssigned/date=2020-05-13/part-{first:020}-{last:020}.parquet"));
    let path = world.folder("lake").join(name);
    let reader = SerializedFileReader::new(fs::File::open(path).expect("it is there")).expect("it is Parquet");
    assert!(!bytes.is_empty());
    let rows = reader.get_row_iter(None).expect("rows").collect::<Result<Vec<_>, _>>().expect("readable rows");
    let ids = rows.iter().map(|row| row.get_string(1).expect("an id").clone()).collect::<Vec<_>>();
    assert_eq!(ids, events.each_ref().map(|event| event.id.clone()));
    assert_eq!(rows[1].get_timestamp_millis(2).expect("a time"), 1_589_379_579_000);
    assert_eq!(rows[1].get_string(7).expect("a trial"), "t2");
    assert_eq!(rows[1].get_timestamp_millis(12).expect("an end"), 1_589_379_639_500);
    assert_eq!(rows[1].get_string(13).expect("a detail"), events[1].detail_text());
    assert!(rows[1].get_timestamp_millis(11).is_err(), "what the detail does not have is null");
}

#[test]
fn what_is_written_again_is_the_same_file() {
    let mut world = world(json!({ "max-events": 2 }));
    assigned(&mut world, "t1");
    assigned(&mut world, "t2");
    let sealed = world.take_emitted().pop().expect("it is sealed");
    // A crash after the file and before the commit: everything of the call but the file is lost.
    let crashed = world.run(&sealed, 1, |event, host| {
        let config = crate::config::Config::read(host)?;
        crate::batch::write(event, host, &config)?;
        Err::<(), Failure>(trialbridge_plugin::retry("the machine stopped"))
    });
    crashed.expect_err("it was interrupted");
    let before = files(&world.folder("lake"));
    assert_eq!(before.len(), 1);
    // Meanwhile others come, and the operator prefers lines: neither changes what was sealed.
    world.configure(json!({ "max-events": 2, "format": "json-lines" }));
    assigned(&mut world, "t3");
    world.attempt(&sealed, 2).expect("it is written again");
    assert_eq!(files(&world.folder("lake")), before);
    world.attempt(&sealed, 3).expect("there is nothing left to do");
    assert_eq!(files(&world.folder("lake")), before);
}

#[test]
fn the_schedule_seals_what_is_old_and_asks_again_for_what_is_late() {
    let mut world = world(json!({ "max-age-seconds": 60, "format": "json-lines" }));
    let event = assigned(&mut world, "t1");
    tick(&mut world);
    assert!(world.take_emitted().is_empty());
    world.advance(Duration::from_secs(60));
    tick(&mut world);
    assert_eq!(world.take_emitted().len(), 1, "the request for the file, which gets lost here");
    world.advance(Duration::from_secs(599));
    tick(&mut world);
    assert!(world.emitted().is_empty());
    world.advance(Duration::from_secs(1));
    tick(&mut world);
    world.settle(is_sealed).expect("the file is written");
    let files = files(&world.folder("lake"));
    let row: Value = serde_json::from_slice(&files[0].1).expect("a line");
    assert_eq!(row["id"], json!(event.id));
    assert_eq!(row["expires_at"], "2020-05-13T14:20:39.500Z");
    assert_eq!(kept(&world), 0);
}

#[test]
fn events_of_every_size_are_kept_once() {
    let mut world = world(json!({ "max-events": 700, "format": "json-lines" }));
    let mut ids = BTreeSet::new();
    for number in 0..700 {
        // The largest detail is 256 KiB; quotes take two bytes in a line.
        let size = if number % 200 == 7 { 120_000 } else { 10 + number * 7 % 900 };
        let event = world.event("OnlineTrial", "TrialNoted", json!({ "note": "\"".repeat(size) }));
        world.attempt(&event, 1).expect("it is appended");
        ids.insert(event.id.clone());
    }
    world.settle(is_sealed).expect("the files are written");
    world.advance(Duration::from_secs(300));
    tick(&mut world);
    world.settle(is_sealed).expect("the rest is written");
    assert_eq!(kept(&world), 0);
    let files = files(&world.folder("lake"));
    let text = files.iter().map(|(_, bytes)| String::from_utf8_lossy(bytes)).collect::<String>();
    let rows = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a row")).collect::<Vec<_>>();
    assert_eq!(rows.len(), 700);
    assert_eq!(rows.iter().map(|row| row["id"].as_str().expect("an id").to_owned()).collect::<BTreeSet<_>>(), ids);
}

#[test]
fn an_upload_that_fails_is_made_again() {
    let s3 = json!({ "bucket": "trials", "endpoint": "https://s3.example.com", "path-style": true, "prefix": "lake" });
    let mut world = world(json!({ "max-events": 1, "s3": s3 }));
    let sequence = assigned(&mut world, "t1").sequence;
    let name = format!("part-{sequence:020}-{sequence:020}.parquet");
    let url = format!("https://s3.example.com/trials/lake/detail-type%3DTrialAssigned/date%3D2020-05-13/{name}");
    world.answer("PUT", &url, Ok(Response::new(503, "SlowDown")));
    world.answer("PUT", &url, Ok(Response::new(200, "")));
    let sealed = world.take_emitted().pop().expect("it is sealed");
    assert!(matches!(world.attempt(&sealed, 1), Err(Failure::Retry(_))));
    world.attempt(&sealed, 2).expect("it is uploaded");
    let requests = world.requests();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0], requests[1]);
    assert_eq!(kept(&world), 0);
}

#[test]
fn mistakes_in_the_configuration_are_named() {
    for (config, expected) in [
        (json!({ "max-events": 0 }), "max-events = 0 must be 1 to 10000"),
        (json!({ "s3": { "bucket": "trials" } }), "s3 needs a `region`"),
        (json!({ "s3": { "bucket": "T", "region": "eu-west-1" } }), "s3.bucket = \"T\" must be"),
    ] {
        let error = world(config).handle("OnlineTrial", "TrialAssigned", json!({})).expect_err("it is refused");
        assert!(error.reason().starts_with(&format!("[plugins.data-lake.config]: {expected}")), "{error}");
    }
}
