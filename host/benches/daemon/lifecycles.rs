//! Whole lives of trials: requested, assigned, the stack replaced, expired, the stack deleted; and what each part of that costs.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use trialbridge::Host;
use trialbridge::delivery::receipt::Receipt;
use trialbridge::event::Recorded;
use trialbridge::storage::{Key, KeyRange};
use trialbridge::trials::Request;

use crate::support::{Row, drained, repository, shipped};

/// How many trials live. Enough that the first and the last two seconds, in which none expires and none is requested, count for little.
const TRIALS: usize = 20_000;

/// How many wait to be assigned at one time, and how many stacks are warm.
const WAITING: usize = 64;
const WARM: usize = 256;

/// How long each lives: long enough to be assigned.
const TTL: Duration = Duration::from_secs(2);

/// Measures, with the shipped rules, and with all of their plugins switched on; once more with the stacks' folders in memory, where there is a file system for
/// that. Some file systems take long to make files when many were deleted lately: ext4 without a journal looks at each of those of the last minutes.
pub(crate) async fn measure() -> Vec<Row> {
    let mut rows = live(None).await;
    if let Ok(memory) = tempfile::tempdir_in("/dev/shm") {
        let in_memory = live(Some(memory.path())).await;
        let named = |row: Row| Row { what: format!("{}, folders in memory", row.what), ..row };
        rows.extend(in_memory.into_iter().take(2).map(named));
    }
    rows
}

/// Lets trials live. Their stacks are in `stacks`, or with the other data.
async fn live(stacks: Option<&Path>) -> Vec<Row> {
    let (folder, port) = (tempfile::tempdir().unwrap(), slack().await);
    let mut rules = std::fs::read_to_string(repository().join("rules.toml")).unwrap();
    if let Some(stacks) = stacks {
        rules = rules.replace("${data}/stacks", stacks.to_str().unwrap());
    }
    let many = rules.replacen("warm = 3 ", &format!("warm = {WARM} "), 1);
    assert_ne!(rules, many, "rules.toml says how many stacks are warm");
    std::fs::write(folder.path().join("rules.toml"), switched_on(&many, port)).unwrap();
    std::fs::write(folder.path().join("webhook"), format!("http://127.0.0.1:{port}/services/T/B/x")).unwrap();
    copy(&repository().join("templates"), &folder.path().join("templates"));
    let host = shipped(folder.path().join("rules.toml"), folder.path().join("data")).await;
    let mut journal = Journal { host: &host, seen: 0, counts: BTreeMap::new() };
    journal.follow(|counts| counts.get("StackWarm") >= Some(&WARM)).await;
    journal.counts.clear();

    let (receipts, events, processor) = (receipts(&host).len(), journal.seen, processor_time());
    let started = Instant::now();
    let free = Semaphore::new(WAITING);
    let requests = stream::iter(0..TRIALS).for_each_concurrent(WAITING, async |number| {
        free.acquire().await.unwrap().forget();
        let lead_id = format!("{number:010}");
        let request = Request { lead_id, trial_type: "ACS".to_owned(), ttl: Some(TTL), ..Request::default() };
        host.trials().request(request).await.unwrap();
    });
    let mut assigned = 0;
    let lives = journal.follow(|counts| {
        let of = |detail_type| counts.get(detail_type).copied().unwrap_or_default();
        let now = of("TrialAssigned");
        free.add_permits(now - assigned);
        assigned = now;
        of("TrialExpired") == TRIALS && of("StackDeleted") >= of("StackReserved")
    });
    futures_util::future::join(requests, lives).await;
    drained(host.bus().storage().as_ref()).await;
    let seconds = started.elapsed().as_secs_f64();
    assert_eq!(journal.counts["TrialAssigned"], TRIALS, "some did not live long enough");

    let each = |total: Duration| total.as_secs_f64() * 1e6 / TRIALS as f64;
    let total = processor_time() - processor;
    let mut plugins: BTreeMap<String, (Duration, usize, u32)> = BTreeMap::new();
    let receipts = self::receipts(&host).split_off(receipts);
    for receipt in &receipts {
        let plugin = plugins.entry(receipt.id.split('/').next().unwrap_or_default().to_owned()).or_default();
        plugin.0 += Duration::from_micros(receipt.cpu_micros);
        plugin.1 += 1;
        plugin.2 += receipt.conflicts;
    }
    let mut rows = vec![
        Row::new("lives of trials, from request to deleted stack", TRIALS as f64 / seconds, "/s", "the processors"),
        Row::new("processor time of a life", each(total), "µs", "its parts, below"),
    ];
    let again: u32 = receipts.iter().map(|receipt| receipt.conflicts).sum();
    let again = f64::from(again) / TRIALS as f64;
    rows.push(Row::new("handlings of a life that run again", again, "", "what they had read has changed"));
    let mut rest = total;
    for (plugin, (time, calls, again)) in plugins {
        rest = rest.saturating_sub(time);
        let (calls, again) = (calls as f64 / TRIALS as f64, f64::from(again) / TRIALS as f64);
        let what = format!("of that {plugin}, in {calls:.1} calls, of which {again:.1} run again");
        rows.push(Row::new(what, each(time), "µs", "the guest, and what the host answers it"));
    }
    let what = format!(
        "of that the daemon, for {:.1} events and {:.1} deliveries",
        (journal.seen - events) as f64 / TRIALS as f64,
        receipts.len() as f64 / TRIALS as f64
    );
    rows.push(Row::new(what, each(rest), "µs", "routing, commits, sled"));
    host.shutdown().await;
    rows
}

/// The rules with slack and the data lake switched on. Messages go to what `port` leads to.
fn switched_on(rules: &str, port: u16) -> String {
    let (shipped, off) = rules.split_once("# slack tells").unwrap();
    let on: Vec<&str> = off.lines().skip(1).map(|line| line.strip_prefix('#').unwrap_or(line)).collect();
    let on = on.join("\n").replace("https://hooks.slack.com/services/", &format!("http://127.0.0.1:{port}/"));
    let on = on.replace("env = \"SLACK_WEBHOOK\"", "file = \"webhook\"");
    // What is said of them is no TOML.
    let prose = |line: &&str| !line.starts_with(' ') && !line.starts_with("in an env");
    format!("{shipped}\n{}\n", on.lines().filter(|line| prose(line)).collect::<Vec<_>>().join("\n"))
}

/// Takes messages as Slack does, and answers with the port.
async fn slack() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = Vec::with_capacity(1 << 14);
                while stream.read_buf(&mut request).await.is_ok_and(|read| read > 0) {
                    // The body is JSON, and the last of it.
                    if request.ends_with(b"}") {
                        let answer = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok";
                        stream.write_all(answer.as_bytes()).await.unwrap();
                        request.clear();
                    }
                }
            });
        }
    });
    port
}

/// How many events of each type there were.
struct Journal<'a> {
    host: &'a Host,
    seen: u64,
    counts: BTreeMap<String, usize>,
}

impl Journal<'_> {
    /// Reads on until the numbers are as wanted.
    async fn follow(&mut self, mut wanted: impl FnMut(&BTreeMap<String, usize>) -> bool) {
        let storage = self.host.bus().storage();
        let mut newest = storage.signals().events();
        while !wanted(&self.counts) {
            newest.borrow_and_update();
            let found = storage.scan(&KeyRange::events(self.seen), 1000).unwrap();
            if found.is_empty() {
                newest.changed().await.unwrap();
            }
            for (key, stored) in found {
                let Key::Event(sequence) = key else { continue };
                self.seen = sequence;
                let event = Recorded::decode(sequence, &stored.value).unwrap().event;
                *self.counts.entry(event.detail_type).or_default() += 1;
            }
        }
    }
}

fn receipts(host: &Host) -> Vec<Receipt> {
    let found = host.bus().storage().scan(&KeyRange::receipts(), usize::MAX).unwrap();
    found.into_iter().map(|(_, stored)| Receipt::decode(&stored.value).unwrap()).collect()
}

/// How long this process has computed.
fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat[stat.rfind(')').unwrap()..].split_whitespace().collect();
    // User and system time, in hundredths of a second.
    let ticks: u64 = fields[12..14].iter().map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}
