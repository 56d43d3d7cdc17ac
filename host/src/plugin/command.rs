//! A program of the operator, from its start to its end.

use std::io::{self, ErrorKind};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin};

use crate::config::Command;

/// How long the output of a process that has ended is waited for: what it leaves running may hold it.
const LINGERING: Duration = Duration::from_millis(200);

/// What a process came to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    /// The exit code, or why there is none.
    pub(super) ending: Result<i32, String>,
    /// What it wrote to standard output.
    pub(super) stdout: Vec<u8>,
    /// What it wrote to standard error.
    pub(super) stderr: Vec<u8>,
}

/// Runs a command to its end, and hands it `input`. If the future is dropped before, the process is killed with all of its group.
///
/// # Errors
///
/// If it cannot be started.
pub(super) async fn run(command: &Command, input: Vec<u8>) -> io::Result<Outcome> {
    let mut group = Group::start(command)?;
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let ending = {
        let pipes = (group.child.stdin.take(), group.child.stdout.take(), group.child.stderr.take());
        let (Some(stdin), Some(out), Some(err)) = pipes else {
            return Err(io::Error::other("the process has no pipes"));
        };
        let talk = async {
            let (_, out, err) = tokio::join!(
                write(stdin, &input),
                read(out, &mut stdout, command.output),
                read(err, &mut stderr, command.output),
            );
            (out, err)
        };
        tokio::select! {
            ended = tokio::time::timeout(command.time, live(&mut group.child, talk)) => match ended {
                Ok(Ok(Ended::Itself(status))) => ending(status),
                Ok(Ok(Ended::TooMuch)) => Err(format!("it was killed because it wrote more than {} bytes", command.output)),
                Ok(Err(error)) => return Err(error),
                Err(_) => {
                    let time = crate::config::duration::format(command.time);
                    Err(format!("it was killed after {time}, its time limit"))
                }
            },
        }
    };
    if group.child.try_wait()?.is_some() {
        // It ended by itself, and what it has started may go on.
        group.pid = None;
    } else {
        group.kill();
        group.child.wait().await?;
    }
    Ok(Outcome { ending, stdout, stderr })
}

/// How the life of a process went.
enum Ended {
    /// It ended.
    Itself(ExitStatus),
    /// It wrote more than it may.
    TooMuch,
}

/// Waits until a process ends or writes too much. `talk` says of both outputs whether they fit.
async fn live(child: &mut Child, talk: impl Future<Output = (bool, bool)>) -> io::Result<Ended> {
    let mut talk = std::pin::pin!(talk);
    let status = tokio::select! {
        biased;
        (out, err) = &mut talk => {
            if !(out && err) {
                return Ok(Ended::TooMuch);
            }
            return Ok(Ended::Itself(child.wait().await?));
        }
        status = child.wait() => status?,
    };
    match tokio::time::timeout(LINGERING, talk).await {
        Ok((out, err)) if !(out && err) => Ok(Ended::TooMuch),
        _ => Ok(Ended::Itself(status)),
    }
}

/// A process that leads a group of its own.
struct Group {
    child: Child,
    /// The group, as long as it is to be killed.
    pid: Option<Pid>,
}

impl Group {
    fn start(command: &Command) -> io::Result<Self> {
        let mut process = tokio::process::Command::new(&command.program);
        process.args(&command.arguments).current_dir(&command.folder).env_clear().process_group(0);
        for variable in &command.environment {
            match &variable.value {
                Some(value) => process.env(&variable.name, value),
                None => process.envs(std::env::var_os(&variable.name).map(|value| (&variable.name, value))),
            };
        }
        process.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let child = process.spawn()?;
        let pid = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        Ok(Self { child, pid })
    }

    /// Kills every process of the group.
    fn kill(&mut self) {
        if let Some(pid) = self.pid.take() {
            // They may have ended.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // As long as nobody has waited for the leader, its id is no other's.
        self.kill();
    }
}

/// Writes all of the input, unless the process does not want it.
async fn write(mut stdin: ChildStdin, input: &[u8]) {
    // A process need not read what it is told, and its exit code says what it thinks of it.
    let _ = stdin.write_all(input).await;
    let _ = stdin.shutdown().await;
}

/// Reads to the end. Whether that was no more than `limit`.
async fn read(mut pipe: impl AsyncRead + Unpin, output: &mut Vec<u8>, limit: u64) -> bool {
    let mut piece = [0; 8192];
    loop {
        match pipe.read(&mut piece).await {
            Ok(0) => return true,
            Ok(size) => {
                let room = usize::try_from(limit).unwrap_or(usize::MAX) - output.len();
                output.extend_from_slice(&piece[..size.min(room)]);
                if size > room {
                    return false;
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return true,
        }
    }
}

fn ending(status: ExitStatus) -> Result<i32, String> {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => Ok(code),
        (None, Some(signal)) => Err(format!("it was killed by signal {signal}")),
        (None, None) => Err("it ended for no reason that is known".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;
    use std::time::Instant;

    use super::*;
    use crate::config::command::Variable;

    fn shell(script: &str) -> Command {
        Command {
            program: "/bin/sh".into(),
            arguments: ["-c", script].map(str::to_owned).to_vec(),
            parameters: BTreeSet::new(),
            environment: vec![Variable { name: "GIVEN".to_owned(), value: Some("here".to_owned()) }],
            folder: "/".into(),
            time: Duration::from_secs(20),
            output: 1000,
        }
    }

    async fn check(command: &Command, ending: Result<i32, &str>, stdout: &str, stderr: &str) {
        let outcome = run(command, b"{}\n".to_vec()).await.expect("it starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert_eq!((outcome.ending, text(&outcome.stdout)), (ending.map_err(str::to_owned), stdout.to_owned()));
        assert!(text(&outcome.stderr).contains(stderr), "{}", text(&outcome.stderr));
    }

    #[tokio::test]
    async fn input_output_environment_folder_and_exit_code_are_as_granted() {
        check(&shell("cat; echo $GIVEN; pwd; echo bad >&2; exit 3"), Ok(3), "{}\nhere\n/\n", "bad").await;
        check(&shell("echo ${CARGO_PKG_NAME-none}; kill -9 $$"), Err("it was killed by signal 9"), "none\n", "").await;
        let absent = Command { program: "/nowhere".into(), ..shell("") };
        assert_eq!(run(&absent, Vec::new()).await.map_err(|error| error.kind()), Err(ErrorKind::NotFound));
        // One that reads nothing is not waited for, however much there is.
        let outcome = run(&shell("exit 0"), vec![b'x'; 1 << 20]).await.expect("it starts");
        assert_eq!(outcome.ending, Ok(0));
    }

    #[tokio::test]
    async fn what_is_left_running_does_not_hold_the_outcome() {
        let started = Instant::now();
        let outcome = run(&shell("sleep 30 & echo $!"), Vec::new()).await.expect("it starts");
        assert!(started.elapsed() < Duration::from_secs(15));
        let pid = String::from_utf8(outcome.stdout).expect("a number").trim().parse().ok().and_then(Pid::from_raw);
        let pid = pid.expect("a process");
        rustix::process::kill_process(pid, Signal::KILL).expect("it runs still");
    }

    /// Waits until the process is gone whose id a script has written. Nobody waits for it but the first process, so it may stay for a moment
    /// as a zombie.
    async fn ends(file: &Path) {
        let id = std::fs::read_to_string(file).expect("the script began");
        let lives =
            || std::fs::read_to_string(format!("/proc/{}/stat", id.trim())).is_ok_and(|it| !it.contains(") Z "));
        let started = Instant::now();
        while lives() {
            assert!(started.elapsed() < Duration::from_secs(20), "process {id} lives");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn a_process_beyond_its_limits_is_killed_with_its_children() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("pid");
        let script = format!("sleep 300 & echo $! > {}; wait", file.display());
        let slow = Command { time: Duration::from_millis(500), ..shell(&script) };
        check(&slow, Err("it was killed after 500ms, its time limit"), "", "").await;
        ends(&file).await;
        // The handler or the daemon ends before.
        let dropped = shell(&script);
        tokio::time::timeout(Duration::from_millis(500), run(&dropped, Vec::new())).await.expect_err("it goes on");
        ends(&file).await;
        let flood = shell("while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done");
        let outcome = run(&flood, Vec::new()).await.expect("it starts");
        assert_eq!(outcome.ending, Err("it was killed because it wrote more than 1000 bytes".to_owned()));
        assert_eq!(outcome.stdout.len(), 1000);
    }
}
