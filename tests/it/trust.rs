//! Which files are believed to be plugins: by hash, and by signatures of minisign that lie beside them.

use std::path::Path;

use serde_json::Value;

use crate::support::{World, install, marked, of_type, read_component, repository, sha256};

/// Two keys, with which minisign has signed the guest of tests/fixtures, and one with which nobody has.
const KEYS: [&str; 2] = [
    "RWTPwFpkHiErSXvVpCfnE88fnWrYJmx2Kv9ufRBzPnNU5dtVVINY7S7J",
    "RWRSPoE/ymVEVKzPDigna7Q/aiAAdupy/8l76ofGaVyNGG42xCdUjC2B",
];
const OTHER: &str = "RWRMWuCKMfxcoZoANMGg3YhYHx1CyKSTyGqMsFEAfP/54Wxif4EIXs2M";

/// The file that was signed.
fn signed() -> Vec<u8> {
    read_component(&repository().join("tests/fixtures/guest-0.1.0.wasm"))
}

/// Lets a signature arrive: `minisig` or `second.minisig`.
fn sign(folder: &Path, which: &str) {
    let name = format!("guest-0.1.0.wasm.{which}");
    std::fs::copy(repository().join("tests/fixtures").join(name), folder.join(format!("misbehave.wasm.{which}")))
        .unwrap();
}

fn listing(hash: &str) -> String {
    format!("[plugins.misbehave]\ntrust = {{ sha256 = [\"{hash}\"] }}\n")
}

fn keys(keys: &[&str], required: usize) -> String {
    format!("[trust]\nkeys = {keys:?}\nrequired = {required}\n")
}

/// Writes rules.toml, and waits for the event that says what became of it: the newest of this type.
async fn write(world: &World, rules: &str, detail_type: &str) -> Value {
    let before = of_type(&world.journal(), detail_type).len();
    std::fs::write(world.folder.path().join("rules.toml"), rules).unwrap();
    let journal = world.wait_for(detail_type, |journal| of_type(journal, detail_type).len() > before).await;
    of_type(&journal, detail_type)[before].clone()
}

/// Waits for so many refusals of files, and answers with the last of them.
async fn refusal(world: &World, count: usize) -> String {
    let journal = world.wait_for("a refusal", |journal| of_type(journal, "PluginRejected").len() == count).await;
    of_type(&journal, "PluginRejected")[count - 1]["error"].to_string()
}

fn serving(world: &World) -> Option<String> {
    world.host.plugins().statuses()[0].hash.clone()
}

#[tokio::test]
async fn a_file_serves_if_its_hash_is_listed() {
    let (old, new) = (signed(), marked(&signed(), 1));
    let world = World::new(&listing(&sha256(&old)), &[("misbehave", &old)]).await;
    assert_eq!(serving(&world), Some(sha256(&old)));

    install(&world.plugins(), "misbehave", &new);
    let refused = refusal(&world, 1).await;
    assert!(refused.contains("not trusted") && refused.contains(&sha256(&new)), "{refused}");
    assert_eq!(serving(&world), Some(sha256(&old)), "the one before serves");

    // Trust in neither of the two leaves nothing that could serve.
    let refused = write(&world, &listing(&"0".repeat(64)), "RulesRejected").await["error"].to_string();
    assert!(
        refused.contains("the plugin misbehave serves and could not any more: the file is not trusted"),
        "{refused}"
    );
    assert!(refused.contains("nor can the file that lies there now") && refused.contains(&sha256(&new)), "{refused}");

    // What lies there takes its place as soon as it is the one that is listed.
    write(&world, &listing(&sha256(&new)), "PluginLoaded").await;
    assert_eq!(serving(&world), Some(sha256(&new)));
    world.host.shutdown().await;
}

#[tokio::test]
async fn what_serves_is_held_against_new_trust_whatever_lies_in_its_place() {
    let world = World::new("[plugins.misbehave]\n", &[("misbehave", &signed())]).await;
    install(&world.plugins(), "misbehave", b"half a file");
    refusal(&world, 1).await;
    let refused = write(&world, &listing(&"0".repeat(64)), "RulesRejected").await["error"].to_string();
    assert!(
        refused.contains("the plugin misbehave serves and could not any more: the file is not trusted"),
        "{refused}"
    );
    write(&world, &listing(&sha256(&signed())), "RulesReloaded").await;
    assert_eq!(serving(&world), Some(sha256(&signed())));
    world.host.shutdown().await;
}

#[tokio::test]
async fn a_file_serves_once_enough_keys_have_signed_it() {
    let world = World::new(&keys(&KEYS, 2), &[("misbehave", &signed())]).await;
    assert!(refusal(&world, 1).await.contains("0 of 2 keys have signed it, and 2 must"));
    sign(&world.plugins(), "minisig");
    assert!(refusal(&world, 2).await.contains("1 of 2 keys have signed it, and 2 must"));
    sign(&world.plugins(), "second.minisig");
    world.wait_for_event("PluginLoaded").await;
    assert_eq!(serving(&world), Some(sha256(&signed())));

    // Signatures are of one file, and another is not made better by them.
    install(&world.plugins(), "misbehave", &marked(&signed(), 1));
    assert!(refusal(&world, 3).await.contains("0 of 2 keys have signed it, and 2 must"));
    assert_eq!(serving(&world), Some(sha256(&signed())), "the one before serves");

    // Its file is gone, but it is known who has signed it.
    write(&world, &keys(&KEYS[1..], 1), "RulesReloaded").await;
    let refused = write(&world, &keys(&[OTHER], 1), "RulesRejected").await["error"].to_string();
    assert!(refused.contains("the plugin misbehave serves and could not any more"), "{refused}");
    world.host.shutdown().await;
}
