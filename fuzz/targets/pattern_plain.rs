//! Patterns and events that are mutations of the seeds, for machines that cannot build libFuzzer.
//!
//! `pattern-plain SECONDS SEEDS DICTIONARY`: the folder of the seeds, and a file of words that are worth inserting, as libFuzzer takes them.

use std::process::abort;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long an input may take.
const HANGS: Duration = Duration::from_secs(10);

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [seconds, seeds, dictionary] =
        <[String; 3]>::try_from(std::env::args().skip(1).collect::<Vec<_>>()).map_err(|_| "three arguments, please")?;
    let mut seeds = std::fs::read_dir(seeds)?.map(|file| std::fs::read(file?.path())).collect::<Result<Vec<_>, _>>()?;
    seeds.sort();
    let words = words(&std::fs::read_to_string(dictionary)?);
    let end = Instant::now() + Duration::from_secs(seconds.parse()?);
    let current = Arc::new(Mutex::new((Instant::now(), Vec::new())));
    watch(Arc::clone(&current));

    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    let mut inputs = 0_u64;
    while Instant::now() < end {
        let mut input = seeds[random.below(seeds.len())].clone();
        for _ in 0..=random.below(8) {
            mutate(&mut input, &seeds, &words, &mut random);
        }
        *current.lock().unwrap() = (Instant::now(), input.clone());
        if std::panic::catch_unwind(|| trialbridge_fuzz::check(&input)).is_err() {
            eprintln!("{}", input.escape_ascii());
            return Err("the input above failed".into());
        }
        inputs += 1;
    }
    println!("{inputs} mutations of {} seeds passed", seeds.len());
    Ok(())
}

/// Ends everything when an input takes too long.
fn watch(current: Arc<Mutex<(Instant, Vec<u8>)>>) {
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_millis(500));
            let current = current.lock().unwrap();
            if current.0.elapsed() > HANGS {
                eprintln!("this input takes too long: {}", current.1.escape_ascii());
                abort();
            }
        }
    });
}

/// Changes one thing of an input, or adds another pattern to it too.
fn mutate(input: &mut Vec<u8>, seeds: &[Vec<u8>], words: &[Vec<u8>], random: &mut Random) {
    if random.below(4) == 0 {
        // Another pattern, or an event in the place of one, which is left out.
        let lines: Vec<&[u8]> = seeds[random.below(seeds.len())].split_inclusive(|byte| *byte == b'\n').collect();
        input.splice(..0, lines[random.below(lines.len())].iter().copied());
    }
    let from = random.below(input.len() + 1);
    let to = (from + random.below(9)).min(input.len());
    let replacement = match random.below(5) {
        0 => Vec::new(),
        1 => vec![random.below(256) as u8],
        2 => words[random.below(words.len())].clone(),
        3 => {
            let other = &seeds[random.below(seeds.len())];
            let start = random.below(other.len() + 1);
            other[start..(start + random.below(40)).min(other.len())].to_vec()
        }
        _ => input[from..to].repeat(2),
    };
    input.splice(from..to, replacement);
    input.truncate(4_096);
}

/// The words of a dictionary: what is between the outermost quotation marks of each line.
fn words(dictionary: &str) -> Vec<Vec<u8>> {
    let words = dictionary.lines().filter_map(|line| line.strip_prefix('"')?.strip_suffix('"'));
    words.map(|word| word.replace("\\\"", "\"").replace("\\\\", "\\").into_bytes()).collect()
}

/// Xorshift: the same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}
