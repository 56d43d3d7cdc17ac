//! Building and starting the daemon.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::command::{cargo, root, run as run_command, say};
use crate::plugins;

const WHAT_TO_TRY: &str = "
The daemon is about to start. In another terminal try:

  curl -d '{\"leadId\":\"1234567890\",\"type\":\"ACS\",\"ttl\":\"1m\"}' -H content-type:application/json localhost:7878/trials
  cargo run -q -- event tail          # what happens, as it happens
  cargo run -q -- trial list          # then open the url of a trial in a browser
  cargo run -q -- plugin list
";

/// Builds everything and runs the daemon on the repository's rules.toml until it is stopped.
pub(crate) fn run(args: &[String]) -> Result<()> {
    let program = build()?;
    say(WHAT_TO_TRY);
    run_command(Command::new(program).arg("run").args(args).current_dir(root()))
}

/// Builds the plugins and the daemon, and answers with the program.
pub(crate) fn build() -> Result<PathBuf> {
    plugins::build()?;
    run_command(&mut cargo(&["build", "--locked", "--package", "trialbridge"]))?;
    Ok(plugins::target_folder().join("debug").join("trialbridge"))
}

/// A daemon that is stopped when this is dropped.
pub(crate) struct Daemon {
    process: Child,
    /// Where its API is: `http://127.0.0.1:PORT`.
    pub(crate) url: String,
}

impl Daemon {
    /// Starts a daemon on the repository's rules and plugins, with its data in `data`, on a free port.
    pub(crate) fn start(program: &Path, data: &Path) -> Result<Self> {
        let mut process = Command::new(program)
            .args(["run", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .current_dir(root())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("the daemon cannot be started")?;
        let stderr = process.stderr.take().context("standard error is piped")?;
        let mut lines = BufReader::new(stderr).lines();
        while let Some(Ok(line)) = lines.next() {
            if let Some(url) = address(&line) {
                // The rest is read and dropped, so that the daemon never waits for a reader.
                std::thread::spawn(move || lines.for_each(drop));
                return Ok(Self { process, url });
            }
            say(&line);
        }
        bail!("the daemon ended before it was ready: {}", process.wait()?)
    }

    /// Asks the daemon to stop, and waits until it has.
    pub(crate) fn stop(mut self) -> Result<()> {
        run_command(Command::new("kill").arg(self.process.id().to_string()))?;
        let status = self.process.wait()?;
        if !status.success() {
            bail!("the daemon stopped with {status}");
        }
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have stopped already, which is as good.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The address in the log line that says that the daemon is ready.
fn address(line: &str) -> Option<String> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    line["fields"]["address"].as_str().map(|address| format!("http://{address}"))
}
