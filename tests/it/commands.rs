//! Programs of the operator: run as they are granted, denied otherwise, and killed with all they have started when it takes too long.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use trialbridge::delivery::receipt::Receipt;
use trialbridge::storage::Key;
use trialbridge::trials::Request;

use crate::support::server::Server;
use crate::support::{PATIENCE, World, guest, of_type, plugin, stacks};

/// A stack is a process that sleeps, and a file with its id.
const SCRIPT: &str = r#"#!/bin/sh
# The stacks of a test: each is a process. What to do is the argument, with what stands in the object on standard input.
set -eu
cd "$STACKS"
read -r told || told='{}'
id=$(printf '%s' "$told" | sed -n 's/.*"stackId":"\([^"]*\)".*/\1/p')
case "$1" in
create)
    if [ ! -e "$id" ]; then
        sleep 600 </dev/null >/dev/null 2>&1 &
        echo "$!" > ".$id" && mv ".$id" "$id"
    fi
    echo '{"state":"creating"}' ;;
status)
    [ -e "$id" ] || { echo '{"state":"absent"}'; exit 0; }
    printf '{"state":"ready","url":"%s/%s"}\n' "$URL" "$id" ;;
configure)
    printf '%s' "$told" > "$id.trial" ;;
delete)
    if [ -e "$id" ]; then kill "$(cat "$id")" || true; rm -f "$id" "$id.trial"; fi
    echo '{"state":"absent"}' ;;
list)
    printf '{"stacks":['; first=yes
    for stack in lab-*; do
        case "$stack" in *.trial|'lab-*') continue ;; esac
        [ "$first" = yes ] || printf ','
        printf '"%s"' "$stack"; first=no
    done
    echo ']}' ;;
esac
"#;

/// What the stacks of type LAB are.
const POOL: &str = r#"
[plugins.stack-manager.config.pools.LAB]
warm = 2
poll-interval = "1s"
command = { status = "status", configure = "configure", list = "list" }
"#;

/// The grants of the script's commands; `url` is where the stacks are.
fn grants(folder: &Path, url: &str) -> String {
    let script = folder.join("stack");
    let stacks = folder.join("running");
    let grant = |name: &str, parameters: &str| {
        format!(
            "[plugins.stack-manager.commands.{name}]\nprogram = {script:?}\narguments = [{name:?}]\nparameters = [{parameters}]\nenvironment = [\"PATH\", \"STACKS={}\", \"URL={url}\"]\n",
            stacks.display()
        )
    };
    let id = "\"stackId\"";
    let trial = "\"stackId\", \"type\", \"trialId\", \"leadId\", \"expiresAt\"";
    [
        grant("create", "\"stackId\", \"type\""),
        grant("status", id),
        grant("configure", trial),
        grant("delete", id),
        grant("list", ""),
    ]
    .join("\n")
}

/// The stacks that run: each file's name, once its process is known to live.
fn running(folder: &Path) -> Vec<String> {
    let mut running = Vec::new();
    for entry in std::fs::read_dir(folder.join("running")).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if name.starts_with('.') || name.ends_with(".trial") {
            continue;
        }
        let pid = std::fs::read_to_string(entry.path()).unwrap();
        assert!(lives(pid.trim()), "{name} has no process");
        running.push(name);
    }
    running.sort();
    running
}

/// Whether a process runs; one that nobody has waited for does not.
fn lives(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// Ends the processes that a test has left.
struct Leftovers(std::path::PathBuf);

impl Drop for Leftovers {
    fn drop(&mut self) {
        for entry in std::fs::read_dir(self.0.join("running")).into_iter().flatten().flatten() {
            if let Ok(pid) = std::fs::read_to_string(entry.path())
                && pid.trim().parse::<u32>().is_ok()
            {
                let _ = std::process::Command::new("kill").arg(pid.trim()).status();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_makes_stacks_that_are_processes() {
    let files = tempfile::tempdir().unwrap();
    let script = files.path().join("stack");
    std::fs::write(&script, SCRIPT).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    std::fs::create_dir(files.path().join("running")).unwrap();
    let _leftovers = Leftovers(files.path().to_owned());

    let plugins: [(&str, &[u8]); 2] =
        [("assign-trial", &plugin("assign-trial")), ("stack-manager", &plugin("stack-manager"))];
    let server = Server::http().await;
    let origin = format!("http://127.0.0.1:{}", server.port);
    let rules = stacks::rules(&["LAB"], &format!("{}{POOL}", grants(files.path(), &origin)));
    let rules = rules.replace("[plugins.assign-trial]\n", &format!("[plugins.assign-trial]\nhttp = [{origin:?}]\n"));
    let world = World::new(&rules, &plugins).await;
    stacks::until(&world, "two warm stacks", || of_type(&world.journal(), "StackWarm").len() == 2).await;
    assert_eq!(running(files.path()).len(), 2);

    let request = Request { lead_id: "lead-1".to_owned(), trial_type: "LAB".to_owned(), ..Request::default() };
    let trial = world.host.trials().request(request).await.unwrap().trial.trial_id;
    let assigned = world.wait_for_event("TrialAssigned").await;
    let stack = assigned["stackId"].as_str().unwrap().to_owned();
    assert_eq!(assigned["url"], json!(format!("{origin}/{stack}")));
    let asked: Vec<_> = server.seen().iter().map(|seen| seen.target().to_owned()).collect();
    assert_eq!(asked, [format!("/{stack}")], "it was asked whether it answers");
    let told = std::fs::read_to_string(files.path().join("running").join(format!("{stack}.trial"))).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&told).unwrap()["trialId"], json!(trial));
    stacks::until(&world, "the stack is replaced", || of_type(&world.journal(), "StackWarm").len() == 3).await;
    assert_eq!(running(files.path()).len(), 3);

    let pid = std::fs::read_to_string(files.path().join("running").join(&stack)).unwrap();
    world.host.trials().cancel(&trial).await.unwrap();
    world.wait_for_event("StackDeleted").await;
    assert!(!running(files.path()).contains(&stack));
    let started = Instant::now();
    while lives(pid.trim()) {
        assert!(started.elapsed() < PATIENCE, "the process of the stack lives");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }

    // One that came and one that went by other hands.
    let known = running(files.path());
    std::fs::write(files.path().join("running/lab-stranger"), sleeper()).unwrap();
    let gone = std::fs::read_to_string(files.path().join("running").join(&known[0])).unwrap();
    std::process::Command::new("kill").arg(gone.trim()).status().unwrap();
    std::fs::remove_file(files.path().join("running").join(&known[0])).unwrap();
    world.clock.advance(Duration::from_secs(60));
    let failed = world.wait_for_event("StackFailed").await;
    assert_eq!((&failed["stackId"], &failed["state"]), (&json!(known[0]), &json!("WARM")));
    stacks::until(&world, "it is replaced", || of_type(&world.journal(), "StackWarm").len() == 4).await;
    let left = running(files.path());
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(!left.contains(&"lab-stranger".to_owned()));
    world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_granted_fails_and_says_which_lines_grant_it() {
    let world = World::new(&stacks::rules(&["LAB"], POOL), &[("stack-manager", &plugin("stack-manager"))]).await;
    let failed = world.wait_for_event("StackFailed").await;
    let reason = failed["reason"].as_str().unwrap();
    assert!(reason.contains("in rules.toml write: [plugins.stack-manager.commands.create] program ="), "{reason}");
    world.wait_for("nothing is left of it", |journal| of_type(journal, "StackDeleted").len() == 2).await;
    world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_gets_what_is_granted_and_is_killed_with_its_children() {
    let files = tempfile::tempdir().unwrap();
    let child = files.path().join("child");
    let rules = format!(
        r#"
[plugins.misbehave]
kv = {{ echo = "read-write" }}
limits = {{ time = "20s", commands = 1 }}

[plugins.misbehave.commands.cat]
program = "/bin/sh"
arguments = ["-c", "cat; env | grep -v ^PWD= | sort; exit 7", "$(x)", "; y"]
parameters = ["stackId"]
environment = ["GIVEN=a b"]

[plugins.misbehave.commands.slow]
program = "/bin/sh"
arguments = ["-c", "sleep 300 & echo $! > {child}; wait"]
time = "1s"

[[rules]]
name = "misbehave"
event-pattern = {{ source = ["test"] }}
targets = [{{ plugin = "misbehave", maximum-attempts = 1 }}]
"#,
        child = child.display()
    );
    let world = World::new(&rules, &[("misbehave", &guest("misbehave"))]).await;
    let run = async |command: &str, parameters: Value| {
        let detail = json!({ "do": "command", "command": command, "parameters": parameters });
        let sequence = world.publish("test", "Run", detail).await;
        world.settle().await;
        let stored = world.storage().get(&Key::Receipt { sequence, ordinal: 0 }).unwrap().unwrap();
        (world.kv("echo", command).unwrap(), Receipt::decode(&stored.value).unwrap().commands)
    };
    let (said, ran) = run("cat", json!({ "stackId": "$(id); `id`" })).await;
    assert_eq!(said, "exited 7\n{\"stackId\":\"$(id); `id`\"}\nGIVEN=a b\n");
    assert_eq!((ran[0].command.as_str(), &ran[0].outcome), ("cat", &Ok(7)));

    let (said, ran) = run("cat", json!({ "other": 1 })).await;
    assert!(said.contains("the command `cat` is not granted `other`; add it to its `parameters`"), "{said}");
    assert_eq!(ran, []);
    let (said, _) = run("none", json!({})).await;
    assert!(said.contains("write: [plugins.misbehave.commands.none] program ="), "{said}");

    let (said, ran) = run("slow", json!({})).await;
    assert_eq!(said.trim(), "killed it was killed after 1s, its time limit");
    assert!(ran[0].outcome.is_err() && ran[0].millis >= 1000);
    let pid = std::fs::read_to_string(&child).unwrap();
    let started = Instant::now();
    while lives(pid.trim()) {
        assert!(started.elapsed() < PATIENCE, "the child lives");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    world.host.shutdown().await;
}

/// Starts a process that nobody knows. Its id.
fn sleeper() -> String {
    let mut sleeper = std::process::Command::new("/bin/sh");
    let output = sleeper.args(["-c", "sleep 600 >/dev/null 2>&1 & echo $!"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}
