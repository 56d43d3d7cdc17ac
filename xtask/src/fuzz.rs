//! Looks for inputs that bring down what reads other people's texts.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::command::{cargo, root, run as command, say};
use crate::plugins::target_folder;

/// How long, unless somebody says otherwise.
const SECONDS: u32 = 60;

/// What makes the compiler count which branches were taken, and tell libFuzzer what was compared.
const COVERAGE: [&str; 5] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];

/// Reads `[--seconds N]`, and fuzzes.
pub(crate) fn run(args: &[String]) -> Result<()> {
    match args {
        [] => patterns(SECONDS),
        [flag, seconds] if flag == "--seconds" => {
            patterns(seconds.parse().with_context(|| format!("`{seconds}` is no number of seconds"))?)
        }
        _ => bail!("fuzz takes --seconds N and nothing else"),
    }
}

/// Fuzzes the patterns: with libFuzzer, or with a plain loop where there is no C++ compiler to build it.
pub(crate) fn patterns(seconds: u32) -> Result<()> {
    // A folder of its own, because these flags are not those that the rest is built with.
    let target = target_folder().join("fuzz");
    let host = host()?;
    let built = target.join(&host).join("release");
    let guided = has_cxx();
    // With --target, the flags are not for build scripts, which could not be linked with them.
    let mut build = cargo(&["build", "--locked", "--release", "--manifest-path", "fuzz/Cargo.toml", "--target", &host]);
    build.env("CARGO_TARGET_DIR", &target);
    if guided {
        build.args(["--features", "libfuzzer", "--bin", "pattern"]);
        build.env("CARGO_ENCODED_RUSTFLAGS", COVERAGE.join("\u{1f}"));
    } else {
        say("there is no C++ compiler: fuzzing without coverage");
        build.args(["--bin", "pattern-plain"]);
    }
    command(&mut build)?;
    if guided { libfuzzer(&built, &target, seconds) } else { plain(&built, seconds) }
}

/// Starts from the seeds and from what earlier runs found worth keeping. An input that fails is kept, and libFuzzer says where.
fn libfuzzer(built: &Path, target: &Path, seconds: u32) -> Result<()> {
    let corpus = target.join("corpus").join("pattern");
    let failures = target.join("failures");
    fs::create_dir_all(&corpus)?;
    fs::create_dir_all(&failures)?;
    command(
        Command::new(built.join("pattern"))
            .current_dir(root())
            .args(["-dict=fuzz/pattern.dict", "-max_len=2048", "-timeout=10", "-verbosity=0", "-print_final_stats=1"])
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-artifact_prefix={}/", failures.display()))
            .arg(&corpus)
            .arg("fuzz/seeds/pattern"),
    )
}

fn plain(built: &Path, seconds: u32) -> Result<()> {
    command(
        Command::new(built.join("pattern-plain"))
            .current_dir(root())
            .arg(seconds.to_string())
            .args(["fuzz/seeds/pattern", "fuzz/pattern.dict"]),
    )
}

/// What this machine is called by the compiler.
fn host() -> Result<String> {
    let output = Command::new("rustc").args(["--print", "host-tuple"]).current_dir(root()).output();
    let output = output.context("`rustc` cannot be started")?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Whether there is the compiler that libFuzzer's build will look for.
fn has_cxx() -> bool {
    let compiler = std::env::var_os("CXX").unwrap_or_else(|| "c++".into());
    let status = Command::new(compiler).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
