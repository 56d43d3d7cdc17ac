//! The real binary, as a process of its own.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{PATIENCE, repository};

/// A daemon that is killed when this is dropped.
pub(crate) struct Process {
    child: Child,
    /// Where its API is: `http://127.0.0.1:PORT`.
    pub(crate) url: String,
}

impl Process {
    /// Starts the daemon on the shipped rules and plugins, with its data in `data`, and waits until it is ready.
    pub(crate) fn shipped(data: &Path) -> Self {
        Self::start(&repository().join("rules.toml"), &repository().join("plugins"), data)
    }

    /// Starts the daemon and waits until it is ready.
    pub(crate) fn start(config: &Path, plugins: &Path, data: &Path) -> Self {
        let mut child = run(config, plugins, data).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        while let Some(Ok(line)) = lines.next() {
            if let Some(url) = address(&line) {
                std::thread::spawn(move || lines.for_each(drop));
                return Self { child, url };
            }
            said.push(line);
        }
        panic!("the daemon ended before it was ready: {:?}\n{}", child.wait(), said.join("\n"));
    }

    /// Starts the daemon on `rules.toml`, `plugins` and `data` in a folder, with its log in the file `log`, which must not be in a folder that is
    /// watched: each line would be a change to it, and that one more line. `environment` is what it has besides.
    pub(crate) fn logging(folder: &Path, log: &Path, environment: &[(&str, &str)]) -> Self {
        let mut run = run(&folder.join("rules.toml"), &folder.join("plugins"), &folder.join("data"));
        run.envs(environment.iter().copied()).stderr(std::fs::File::create(log).unwrap());
        // Whatever comes of it, it is killed.
        let mut daemon = Self { child: run.spawn().unwrap(), url: String::new() };
        let started = Instant::now();
        loop {
            let said = std::fs::read_to_string(log).unwrap();
            if let Some(url) = said.lines().find_map(address) {
                daemon.url = url;
                return daemon;
            }
            assert!(started.elapsed() < PATIENCE, "the daemon is not ready:\n{said}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Kills it without a warning.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends a signal, by name: `TERM`, `HUP`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.id().to_string()).status().unwrap();
        assert!(sent.success());
    }

    /// Waits until it has ended.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("the daemon does not end");
    }

    /// Runs a command of the binary against this daemon.
    pub(crate) fn cli(&self, args: &[&str]) -> Output {
        command().args(args).env("TRIALBRIDGE_SERVER", &self.url).output().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary, in an environment that says nothing of a server or a token.
pub(crate) fn command() -> Command {
    let mut command = Command::new(program());
    command.env_remove("TRIALBRIDGE_SERVER").env_remove("TRIALBRIDGE_TOKEN").env_remove("TRIALBRIDGE_LOG");
    command.stdin(Stdio::null());
    command
}

/// What starts a daemon on these.
fn run(config: &Path, plugins: &Path, data: &Path) -> Command {
    let mut run = command();
    run.args(["run", "--listen", "127.0.0.1:0", "--config"]).arg(config).arg("--plugins").arg(plugins);
    run.arg("--data").arg(data).stdout(Stdio::null());
    run
}

/// What a command printed on standard output and standard error, and its exit code.
pub(crate) fn outcome(output: &Output) -> (String, String, Option<i32>) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr), output.status.code())
}

fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_trialbridge"))
}

/// The address in the log line that says that the daemon is ready.
fn address(line: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line).ok()?;
    line["fields"]["address"].as_str().map(|address| format!("http://{address}"))
}
