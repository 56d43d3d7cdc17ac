//! AWS as moto plays it: a server that speaks CloudFormation's protocol. It is installed once, into trialbridge/tools in the cache of the user,
//! beside the other tools.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The version that the tests were written for.
const VERSION: &str = "5.2.5";

/// A server that ends when this is dropped.
pub(crate) struct Moto {
    child: Child,
    /// Where it answers.
    pub(crate) port: u16,
}

impl Moto {
    /// Starts a server without stacks, and waits until it answers.
    pub(crate) async fn start() -> Self {
        let tool = tokio::task::spawn_blocking(installed).await.unwrap();
        let mut server = Command::new(tool.join("bin").join("python"));
        server.arg(tool.join("bin").join("moto_server")).args(["-H", "127.0.0.1", "-p", "0"]);
        let mut child = server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut said = Vec::new();
        while let Some(Ok(line)) = lines.next() {
            if let Some((_, port)) = line.split_once("Running on http://127.0.0.1:") {
                let port = port.trim().parse().unwrap();
                std::thread::spawn(move || lines.for_each(drop));
                let moto = Self { child, port };
                // The first request loads the service.
                moto.stacks().await;
                return moto;
            }
            said.push(line);
        }
        panic!("moto ended before it was ready: {:?}\n{}", child.wait(), said.join("\n"));
    }

    /// The names of the stacks that there are, sorted.
    pub(crate) async fn stacks(&self) -> Vec<String> {
        let (mut names, mut next) = (Vec::new(), None);
        loop {
            let token = next.as_ref().map(|token: &String| ("NextToken", token.as_str()));
            let text = self.ask("DescribeStacks", &token.into_iter().collect::<Vec<_>>()).await;
            names.extend(between(&text, "<StackName>", "</StackName>"));
            next = between(&text, "<NextToken>", "</NextToken>").into_iter().next();
            if next.is_none() {
                names.sort();
                return names;
            }
        }
    }

    /// Does something that the daemon knows nothing of. The text of the answer.
    pub(crate) async fn ask(&self, action: &str, parameters: &[(&str, &str)]) -> String {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("Action", action).append_pair("Version", "2010-05-15").extend_pairs(parameters);
        let client = reqwest::Client::builder().timeout(Duration::from_secs(60)).build().unwrap();
        let scope = "AWS4-HMAC-SHA256 Credential=x/20200513/eu-central-1/cloudformation/aws4_request, SignedHeaders=host, Signature=x";
        let request = client.post(format!("http://127.0.0.1:{}/", self.port)).header("Authorization", scope);
        let request = request.header("Content-Type", "application/x-www-form-urlencoded").body(form.finish());
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{action}: {}", answer.status());
        answer.text().await.unwrap()
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The texts between two marks.
fn between(text: &str, begin: &str, end: &str) -> Vec<String> {
    text.split(begin).skip(1).filter_map(|rest| Some(rest.split_once(end)?.0.to_owned())).collect()
}

/// The folder of moto: an environment of Python. Who comes while it is made waits.
fn installed() -> PathBuf {
    let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = named("XDG_CACHE_HOME").or_else(|| Some(named("HOME")?.join(".cache"))).expect("there is a cache");
    let tools = cache.join("trialbridge").join("tools");
    fs::create_dir_all(&tools).unwrap();
    let lock = File::create(tools.join(format!("moto-{VERSION}.lock"))).unwrap();
    lock.lock().unwrap();
    let folder = tools.join(format!("moto-{VERSION}"));
    let complete = folder.join(".complete");
    if complete.is_file() {
        return folder;
    }
    if folder.exists() {
        // Half of an installation that was broken off.
        fs::remove_dir_all(&folder).unwrap();
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&folder));
    let mut pip = Command::new(folder.join("bin").join("python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    run(pip.arg(format!("moto[server]=={VERSION}")));
    fs::write(complete, "").unwrap();
    folder
}

fn run(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| {
        panic!("{} cannot be started: {error}; install Python 3", Path::new(command.get_program()).display())
    });
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
