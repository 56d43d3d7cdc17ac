#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Mutex;

use super::*;
use crate::storage::disk::Changes;
use crate::storage::{ABSENT, Expect, Key, NewDelivery, NewEvent, Versioned, Write};

/// What was written to a [`ProbedDisk`], and what readers could know at that moment.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Written {
    /// How many keys were changed.
    keys: usize,
    /// Which version of the bucket `b` readers saw.
    seen: Version,
    /// Which event was the newest announced.
    announced: Sequence,
}

/// A disk that stores nothing, notes what happens, and fails when told.
struct ProbedDisk {
    written: Arc<Mutex<Vec<Written>>>,
    shared: Arc<Shared>,
    fails: Arc<AtomicBool>,
}

impl Disk for ProbedDisk {
    fn get(&self, _: &[u8]) -> Result<Option<Versioned>, Error> {
        Ok(None)
    }

    fn version(&self, _: &[u8]) -> Result<Version, Error> {
        Ok(ABSENT)
    }

    fn is_empty(&self) -> bool {
        true
    }

    fn write(&mut self, changes: Changes) -> Result<(), Error> {
        if self.fails.load(Ordering::Relaxed) {
            return Err(Error::Backend("no space left".to_owned()));
        }
        let seen = self.shared.bucket_version(&bucket());
        let announced = *self.shared.signals.events().borrow();
        self.written.lock().unwrap().push(Written { keys: changes.len(), seen, announced });
        Ok(())
    }
}

struct Bench {
    grouping: Grouping<ProbedDisk>,
    shared: Arc<Shared>,
    written: Arc<Mutex<Vec<Written>>>,
    fails: Arc<AtomicBool>,
}

impl Bench {
    fn new() -> Self {
        let shared = Arc::new(Shared {
            buckets: RwLock::default(),
            last_sequence: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            signals: Signals::new(0),
        });
        let (written, fails) = (Arc::default(), Arc::<AtomicBool>::default());
        let disk = ProbedDisk { written: Arc::clone(&written), shared: Arc::clone(&shared), fails: Arc::clone(&fails) };
        Self { grouping: Grouping::new(disk, Counters::default(), Arc::clone(&shared)), shared, written, fails }
    }

    /// Carries out these commits, which wait together: their answers.
    fn carry_out(&mut self, commits: Vec<Commit>) -> Vec<Result<Committed, CommitError>> {
        let (commits, answers): (Vec<_>, Vec<_>) = commits
            .into_iter()
            .map(|commit| {
                let (answer, answered) = oneshot::channel();
                ((commit, answer), answered)
            })
            .unzip();
        let mut commits = commits.into_iter();
        while commits.len() > 0 {
            self.grouping.carry_out_some(&mut commits);
        }
        answers.into_iter().map(|mut answered| answered.try_recv().unwrap()).collect()
    }

    fn written(&self) -> Vec<Written> {
        std::mem::take(&mut self.written.lock().unwrap())
    }
}

fn bucket() -> Bucket {
    Bucket::Kv("b".to_owned())
}

fn puts(name: &str, count: usize) -> Commit {
    let key = |number| Key::Kv { bucket: "b".to_owned(), key: format!("{name}/{number}") };
    Commit { writes: (0..count).map(|number| Write::Put(key(number), "value".into())).collect(), ..Commit::default() }
}

fn emits(deliveries: usize) -> Commit {
    let delivery = NewDelivery { plugin: "p".to_owned(), body: "delivery".into() };
    let event = NewEvent { body: "event".into(), deliveries: vec![delivery; deliveries] };
    Commit { events: vec![event], ..Commit::default() }
}

#[test]
fn what_waits_together_is_written_once() {
    let mut bench = Bench::new();
    let answers = bench.carry_out(vec![puts("a", 100), puts("b", 100), puts("c", 55), puts("d", 100), emits(400)]);
    assert!(answers.iter().all(Result::is_ok));
    // The counters are in it, too. Versions become visible and events are announced afterwards.
    assert_eq!(bench.written(), [Written { keys: 757, seen: 0, announced: 0 }]);
    assert_eq!(bench.shared.bucket_version(&bucket()), 4);
    assert_eq!(*bench.shared.signals.events().borrow(), 1);
}

#[test]
fn what_readers_do_not_see_yet_counts_for_the_commits_after_it() {
    let mut bench = Bench::new();
    let expecting = |version| Commit { expects: vec![Expect::Bucket(bucket(), version)], ..Commit::default() };
    let answers = bench.carry_out(vec![puts("a", 200), emits(200), expecting(0), expecting(1)]);
    assert!(matches!(answers[..], [Ok(_), Ok(_), Err(CommitError::Conflict(_)), Ok(_)]), "{answers:?}");
    assert_eq!(bench.written(), [Written { keys: 402, seen: 0, announced: 0 }]);
}

#[test]
fn a_group_is_bounded() {
    let mut bench = Bench::new();
    bench.carry_out((0..50).map(|number| puts(&number.to_string(), 200)).collect());
    let keys: Vec<usize> = bench.written().iter().map(|written| written.keys).collect();
    assert_eq!(keys, [8201, 1801]);
}

#[test]
fn refused_commits_touch_no_disk() {
    let mut bench = Bench::new();
    let expects = vec![Expect::Bucket(bucket(), 77)];
    let answers = bench.carry_out(vec![Commit { expects, ..emits(1) }, puts("a", 300)]);
    assert!(matches!(answers[..], [Err(CommitError::Conflict(_)), Err(CommitError::TooLarge(300))]));
    assert_eq!(bench.written(), []);
    assert_eq!(bench.carry_out(vec![emits(0)])[0].as_ref().unwrap().first_sequence, 1);
}

#[test]
fn a_failing_disk_fails_the_group_and_all_that_follows() {
    let mut bench = Bench::new();
    bench.fails.store(true, Ordering::Relaxed);
    let answers = bench.carry_out(vec![emits(1), puts("a", 300)]);
    bench.fails.store(false, Ordering::Relaxed);
    let later = bench.carry_out(vec![emits(1), emits(1)]);
    for answer in answers.iter().chain(&later) {
        assert!(
            matches!(answer, Err(CommitError::Storage(Error::Backend(reason))) if reason == "no space left"),
            "{answer:?}"
        );
    }
    assert_eq!(bench.written(), [], "nothing is written after a failure");
    assert_eq!(*bench.shared.signals.events().borrow(), 0, "what is not durable is not announced");
}

#[test]
fn a_commit_that_changes_nothing_still_stores_the_version_it_took() {
    let mut bench = Bench::new();
    let answers = bench.carry_out(vec![Commit::default()]);
    assert_eq!(answers[0].as_ref().unwrap().version, 1);
    assert_eq!(bench.written(), [Written { keys: 1, seen: 0, announced: 0 }]);
}
