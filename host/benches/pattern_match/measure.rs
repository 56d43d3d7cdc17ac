//! From a workload to a row of the table.

use std::io::Write;
use std::time::{Duration, Instant};

use crate::engine::{Engine, Ours, Theirs};
use crate::memory;
use crate::workloads::Workload;

/// How much is measured.
#[derive(Clone, Copy)]
pub(crate) struct Effort {
    /// How many different events take turns.
    pub(crate) events: usize,
    /// How many turns each engine has.
    turns: usize,
    /// How long a turn is.
    turn: Duration,
}

impl Effort {
    /// What the published figures take.
    pub(crate) const FULL: Self = Self { events: 4_096, turns: 7, turn: Duration::from_millis(300) };
    /// Enough to see that it works, and the order of magnitude.
    pub(crate) const QUICK: Self = Self { events: 512, turns: 3, turn: Duration::from_millis(30) };
}

/// A row of the table.
pub(crate) struct Row {
    /// The name of the workload.
    pub(crate) workload: String,
    /// How many rules it has.
    pub(crate) rules: usize,
    /// How many of them an event matches, on average.
    pub(crate) matches: Option<f64>,
    /// What was measured of our engine, or why it cannot take part.
    pub(crate) ours: Result<Figures, String>,
    /// The same of quamina.
    pub(crate) theirs: Result<Figures, String>,
}

/// What is measured of an engine.
pub(crate) struct Figures {
    /// What matching an event takes, in nanoseconds.
    pub(crate) match_ns: f64,
    /// What it holds, in megabytes.
    pub(crate) mb: f64,
    /// What making it of the texts of its rules takes, in microseconds a rule.
    pub(crate) compile_us_per_rule: f64,
}

/// Measures both engines with a workload.
pub(crate) fn row(workload: &Workload, effort: Effort) -> Row {
    let mut ours = Contestant::<Ours>::new(workload);
    let mut theirs = Contestant::<Theirs>::new(workload);
    if let (Ok(ours), Ok(theirs)) = (&ours, &theirs) {
        compare(workload, &ours.matches, &theirs.matches);
    }
    let matches =
        ours.as_ref().map(Contestant::average_matches).or(theirs.as_ref().map(Contestant::average_matches)).ok();
    for _ in 0..effort.turns {
        if let Ok(ours) = &mut ours {
            ours.turn(&workload.events, effort.turn);
        }
        if let Ok(theirs) = &mut theirs {
            theirs.turn(&workload.events, effort.turn);
        }
    }
    Row {
        workload: workload.name.clone(),
        rules: workload.rules.len(),
        matches,
        ours: ours.map(Contestant::figures),
        theirs: theirs.map(Contestant::figures),
    }
}

/// Says on standard error where the engines disagree.
fn compare(workload: &Workload, ours: &[usize], theirs: &[usize]) {
    let differs: Vec<usize> = (0..ours.len()).filter(|index| ours[*index] != theirs[*index]).collect();
    if let Some(first) = differs.first() {
        let message = format!(
            "warning: {}, {} rules: {} of {} events have other numbers of matches; the first, with {} of ours and {} of quamina's: {}",
            workload.name,
            workload.rules.len(),
            differs.len(),
            ours.len(),
            ours[*first],
            theirs[*first],
            String::from_utf8_lossy(&workload.events[*first]),
        );
        let mut err = std::io::stderr().lock();
        writeln!(err, "{message}").unwrap();
    }
}

/// An engine while it is measured.
struct Contestant<E> {
    engine: E,
    compile: Duration,
    bytes: usize,
    rules: usize,
    /// How many rules each event matches.
    matches: Vec<usize>,
    /// How many events it matches between two looks at the clock: some that take a millisecond or so.
    batch: usize,
    /// The event that comes next.
    next: usize,
    /// What an event took in each turn, in nanoseconds.
    turns: Vec<f64>,
}

impl<E: Engine> Contestant<E> {
    /// Builds the engine and lets it see every event once.
    fn new(workload: &Workload) -> Result<Self, String> {
        let before = memory::live();
        let start = Instant::now();
        let mut engine = E::build(&workload.rules)?;
        let mut compile = start.elapsed();
        // quamina finishes its automata when the first event comes.
        let first = Instant::now();
        engine.matches(&workload.events[0]);
        compile += first.elapsed();
        let bytes = memory::live().saturating_sub(before);

        let start = Instant::now();
        let matches: Vec<usize> = workload.events.iter().map(|event| engine.matches(event)).collect();
        let one = start.elapsed() / u32::try_from(matches.len()).unwrap();
        let batch = (Duration::from_millis(1).as_nanos() / one.as_nanos().max(1)).max(1) as usize;
        Ok(Self { engine, compile, bytes, rules: workload.rules.len(), matches, batch, next: 0, turns: Vec::new() })
    }

    /// How many rules an event matches, on average.
    fn average_matches(&self) -> f64 {
        self.matches.iter().sum::<usize>() as f64 / self.matches.len() as f64
    }

    /// Matches events for a while.
    fn turn(&mut self, events: &[Vec<u8>], length: Duration) {
        let mut count = 0;
        let start = Instant::now();
        let took = loop {
            for _ in 0..self.batch {
                std::hint::black_box(self.engine.matches(std::hint::black_box(&events[self.next])));
                self.next = if self.next + 1 == events.len() { 0 } else { self.next + 1 };
            }
            count += self.batch;
            let took = start.elapsed();
            if took >= length {
                break took;
            }
        };
        self.turns.push(took.as_nanos() as f64 / count as f64);
    }

    /// The median of its turns, and the rest.
    fn figures(mut self) -> Figures {
        self.turns.sort_by(f64::total_cmp);
        Figures {
            match_ns: self.turns[self.turns.len() / 2],
            mb: self.bytes as f64 / 1e6,
            compile_us_per_rule: self.compile.as_secs_f64() * 1e6 / self.rules as f64,
        }
    }
}
