//! Plugins reach the destinations that they are granted and no others, and secrets reach those that may receive them and nobody else.

use std::collections::HashMap;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use trialbridge::plugin::Resolver;

use crate::support::process::Process;
use crate::support::server::Server;
use crate::support::{PATIENCE, World, guest, install};

const RULES: &str = r#"
[secrets.hook]
file = "hook"

[secrets.token]
file = "token"

[secrets.key-id]
file = "key-id"

[secrets.key]
file = "key"

[plugins.misbehave]
concurrency = 8
kv = { echo = "read-write" }
limits = { time = "30s" }
http = [
    "http://127.0.0.1:HTTP/address",
    "http://localhost:HTTP",
    "http://private.test:HTTP",
    "http://metadata.test:HTTP",
    "http://mapped.test:HTTP",
    "http://translated.test:HTTP",
    "http://nowhere.test:HTTP",
    "https://rogue.test:TLS",
    { url = "http://granted.test:HTTP", addresses = ["127.0.0.1"], secrets = ["hook", "token"] },
    { url = "http://plain.test:HTTP", addresses = ["127.0.0.0/8"] },
    { url = "http://rebind.test:HTTP", addresses = ["127.0.0.1"] },
    { url = "http://mixed.test:HTTP", addresses = ["127.0.0.1"] },
    { url = "http://paths.test:HTTP/services/", methods = ["POST"], addresses = ["127.0.0.1"] },
    { url = "http://small.test:HTTP", addresses = ["127.0.0.1"], request-size = "1KiB", response-size = "1KiB" },
    { url = "http://silent.test:HTTP", addresses = ["127.0.0.1"], time = "500ms" },
    { url = "http://aws.test:HTTP", addresses = ["127.0.0.1"], sign = { aws = { service = "s3", region = "eu-central-1", access-key-id = "key-id", secret-access-key = "key" } } },
    { url = "https://*.secure.test:TLS", addresses = ["127.0.0.1"], certificate-authority = "ca.pem" },
    { url = "https://misnamed.test:TLS", addresses = ["127.0.0.1"], certificate-authority = "ca.pem" },
    { url = "https://unknown.secure.test:TLS", addresses = ["127.0.0.1"] },
]

[plugins.misbehave.config]
hook = "${secret:hook}"
header = "Bearer ${secret:token}"
token = "${secret:token}"

[[rules]]
name = "misbehave"
event-pattern = { source = ["test"] }
targets = [{ plugin = "misbehave", maximum-attempts = 1 }]
"#;

/// What is asked for with GET, and the status or the error that comes back. `HTTP` and `TLS` stand for the ports of the servers.
const DESTINATIONS: [(&str, &str); 52] = [
    // Addresses are granted by their URLs.
    ("http://127.0.0.1:HTTP/address", "200"),
    ("http://127.0.0.1:HTTP/address/x?y=z", "200"),
    ("http://2130706433:HTTP/address", "200"),
    ("http://0x7f.1:HTTP/address", "200"),
    ("http://0177.0.0.1:HTTP/address", "200"),
    ("http://127.0.0.1:HTTP/other", "HttpRequestDenied"),
    ("http://127.0.0.1:HTTP/address/../other", "HttpRequestDenied"),
    ("http://127.0.0.1:HTTP/address/%2e%2e/other", "HttpRequestDenied"),
    ("http://127.0.0.1:HTTP/address/%252e%252e/other", "HttpRequestDenied"),
    ("http://127.0.0.1:HTTP/address/..%2fother", "HttpRequestDenied"),
    ("http://127.0.0.1:HTTP/address\\..\\other", "HttpRequestUriInvalid"),
    ("http://127.0.0.1:HTTP//address", "HttpRequestDenied"),
    ("http://127.0.0.2:HTTP/address", "HttpRequestDenied"),
    ("http://127.0.0.1:1/address", "HttpRequestDenied"),
    ("http://[::1]:HTTP/address", "HttpRequestDenied"),
    ("http://[::ffff:127.0.0.1]:HTTP/address", "HttpRequestDenied"),
    ("http://[::ffff:7f00:1]:HTTP/address", "HttpRequestDenied"),
    ("http://[64:ff9b::7f00:1]:HTTP/address", "HttpRequestDenied"),
    ("http://169.254.169.254/latest/meta-data/", "HttpRequestDenied"),
    ("http://[fd00:ec2::254]/latest/meta-data/", "HttpRequestDenied"),
    ("http://10.0.0.1/", "HttpRequestDenied"),
    ("http://0.0.0.0:HTTP/address", "HttpRequestDenied"),
    // Names are granted, and what they stand for is looked at.
    ("http://localhost:HTTP/", "DestinationIpProhibited"),
    ("http://LOCALHOST.:HTTP/", "DestinationIpProhibited"),
    ("http://private.test:HTTP/", "DestinationIpProhibited"),
    ("http://metadata.test:HTTP/latest/meta-data/", "DestinationIpProhibited"),
    ("http://mapped.test:HTTP/", "DestinationIpProhibited"),
    ("http://translated.test:HTTP/", "DestinationIpProhibited"),
    ("http://nowhere.test:HTTP/", "DnsError"),
    ("http://plain.test:HTTP/", "200"),
    ("http://Plain.TEST.:HTTP/", "200"),
    ("http://mixed.test:HTTP/", "200"),
    ("http://plain.test/", "HttpRequestDenied"),
    ("https://plain.test:HTTP/", "HttpRequestDenied"),
    ("http://sub.plain.test:HTTP/", "HttpRequestDenied"),
    ("http://plain.test.evil.test:HTTP/", "HttpRequestDenied"),
    ("http://evil.test:HTTP/http://plain.test:HTTP/", "HttpRequestDenied"),
    ("http://plain.test:HTTP@evil.test:HTTP/", "HttpRequestUriInvalid"),
    ("http://evil.test@plain.test:HTTP/", "HttpRequestUriInvalid"),
    ("ftp://plain.test:HTTP/", "HttpProtocolError"),
    ("http://plain.test:HTTP/redirect?http://127.0.0.1:HTTP/other", "302"),
    ("http://paths.test:HTTP/services/x", "HttpRequestDenied"),
    // Certificates.
    ("https://a.secure.test:TLS/", "200"),
    ("https://A.Secure.Test.:TLS/x", "200"),
    ("https://secure.test:TLS/", "HttpRequestDenied"),
    ("https://a.secure.test.evil.test:TLS/", "HttpRequestDenied"),
    ("https://a.secure.test/", "HttpRequestDenied"),
    ("http://a.secure.test:TLS/", "HttpRequestDenied"),
    ("https://misnamed.test:TLS/", "TlsCertificateError"),
    ("https://unknown.secure.test:TLS/", "TlsCertificateError"),
    ("https://rogue.test:TLS/", "DestinationIpProhibited"),
    ("https://a.secure.test:HTTP/", "HttpRequestDenied"),
];

/// Requests that are more than a GET, what comes back, and what the server got to see of it.
fn more() -> Vec<(Value, &'static str)> {
    let post = |url: &str| json!({ "url": url, "method": "POST", "body": "{}" });
    vec![
        (post("http://paths.test:HTTP/services/x"), "200"),
        (post("http://paths.test:HTTP/services"), "200"),
        (post("http://paths.test:HTTP/servicesx"), "HttpRequestDenied"),
        (post("http://paths.test:HTTP/services/../x"), "HttpRequestDenied"),
        (json!({ "url": "http://plain.test:HTTP/", "method": "CONNECT" }), "HttpRequestDenied"),
        (json!({ "url": "http://plain.test:HTTP/", "method": "TRACE" }), "HttpRequestDenied"),
        (json!({ "url": "http://plain.test:HTTP/", "headers": { "host": "evil.test" } }), "Forbidden"),
        // Limits of size and time.
        (json!({ "url": "http://small.test:HTTP/size?1", "method": "POST", "body": "x", "times": 1024 }), "200"),
        (
            json!({ "url": "http://small.test:HTTP/", "method": "POST", "body": "x", "times": 1025 }),
            "HttpRequestBodySize",
        ),
        (json!({ "url": "http://small.test:HTTP/size?1024" }), "200"),
        (json!({ "url": "http://small.test:HTTP/size?1025" }), "HttpResponseBodySize"),
        (json!({ "url": "http://silent.test:HTTP/silence" }), "HttpResponseTimeout"),
        // A secret to somebody who may not receive it, wherever it stands.
        (json!({ "url": "http://plain.test:HTTP/${config:token}" }), "HttpRequestDenied"),
        (json!({ "url": "http://plain.test:HTTP/?${config:token}" }), "HttpRequestDenied"),
        (json!({ "url": "http://plain.test:HTTP/", "headers": { "x": "${config:header}" } }), "HttpRequestDenied"),
        (
            json!({ "url": "http://plain.test:HTTP/", "method": "POST", "body": "a${config:token}b" }),
            "HttpRequestDenied",
        ),
        (json!({ "url": "http://${config:token}.test:HTTP/" }), "HttpRequestDenied"),
        // What is compressed cannot be searched for secrets.
        (json!({ "url": "http://granted.test:HTTP/compressed" }), "HttpResponseContentCoding"),
    ]
}

/// Answers as the test says, and counts how often it was asked for `rebind.test`.
#[derive(Default)]
struct Names {
    asked: Mutex<HashMap<String, usize>>,
}

impl Resolver for Names {
    fn resolve<'a>(&'a self, host: &'a str) -> Pin<Box<dyn Future<Output = std::io::Result<Vec<IpAddr>>> + Send + 'a>> {
        let mut asked = self.asked.lock().unwrap();
        let times = asked.entry(host.to_owned()).or_default();
        *times += 1;
        let addresses: &[&str] = match (host, *times) {
            ("nowhere.test", _) => &[],
            ("localhost", _) => &["::1", "127.0.0.1"],
            ("private.test", _) => &["10.0.0.1", "192.168.0.1", "fd00::1"],
            ("metadata.test", _) => &["169.254.169.254", "fd00:ec2::254"],
            ("mapped.test", _) => &["::ffff:127.0.0.1"],
            ("translated.test", _) => &["64:ff9b::7f00:1", "2002:7f00:1::1", "::127.0.0.1"],
            ("mixed.test", _) => &["169.254.169.254", "::ffff:127.0.0.1", "127.0.0.1"],
            ("rebind.test", times) if times > 1 => &["127.0.0.2"],
            _ => &["127.0.0.1"],
        };
        let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
        Box::pin(async { Ok(addresses) })
    }
}

/// A daemon, and the servers that its plugin talks to.
struct Network {
    world: World,
    http: Server,
    tls: Server,
    names: Arc<Names>,
}

impl Network {
    async fn new(rules: &str) -> Self {
        let http = Server::http().await;
        let (tls, authority) = Server::https(&["*.secure.test"]).await;
        let names = Arc::new(Names::default());
        let rules = ports(rules, &http, &tls);
        let hook = format!("http://granted.test:{}/hooks/T0/B0?z=1\n", http.port);
        let files = [
            ("hook", hook.as_str()),
            ("token", "p/s+w\"rd&1\n"),
            ("key-id", "AKIDEXAMPLE\n"),
            ("key", "wJalrXUtnFEMI/K7MDENG\n"),
            ("ca.pem", &authority),
        ];
        let world = World::with_network(&rules, &[("misbehave", &guest("misbehave"))], &files, names.clone()).await;
        Self { world, http, tls, names }
    }

    /// Has the guest send requests, all at once, and answers with what it got, in their order.
    async fn send(&self, requests: Vec<Value>) -> Vec<Value> {
        let first = self.world.journal().len();
        for (number, mut request) in requests.iter().cloned().enumerate() {
            request["do"] = "http".into();
            request["key"] = format!("{}", first + number).into();
            let request = serde_json::from_str(&ports(&request.to_string(), &self.http, &self.tls)).unwrap();
            self.world.publish("test", "Request", request).await;
        }
        self.world.settle().await;
        let kept = (0..requests.len()).map(|number| {
            let kept = self.world.kv("echo", &format!("{}", first + number));
            serde_json::from_str(&kept.unwrap_or_else(|| panic!("{} left nothing", requests[number]))).unwrap()
        });
        kept.collect()
    }
}

fn ports(text: &str, http: &Server, tls: &Server) -> String {
    text.replace(":HTTP", &format!(":{}", http.port)).replace(":TLS", &format!(":{}", tls.port))
}

/// The status of an answer, or the error.
fn outcome(answer: &Value) -> String {
    answer["status"].as_u64().map_or_else(|| answer["error"].as_str().unwrap().to_owned(), |status| status.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_reach_granted_destinations_and_no_others() {
    let network = Network::new(RULES).await;
    let gets = DESTINATIONS.iter().map(|(url, expected)| (json!({ "url": url }), *expected));
    let cases: Vec<(Value, &str)> = gets.chain(more()).collect();
    let answers = network.send(cases.iter().map(|(request, _)| request.clone()).collect()).await;
    for ((request, expected), answer) in cases.iter().zip(&answers) {
        let outcome = outcome(answer);
        assert!(outcome.contains(expected), "{request}: {outcome} and not {expected}");
    }
    // Nothing of what was refused was seen by anybody, and nothing of the redirect was followed.
    let seen = network.http.seen();
    let allowed = |target: &str| !target.contains("other") || target.starts_with("/redirect?");
    assert!(seen.iter().all(|seen| allowed(seen.target()) && !seen.head.contains("secret-token-")), "{seen:#?}");
    assert_eq!(network.tls.seen().len(), 2);
    assert!(
        network
            .tls
            .seen()
            .iter()
            .all(|seen| seen.header("host").unwrap().eq(&format!("a.secure.test:{}", network.tls.port)))
    );
    network.world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_of_ipv6_is_reached_if_it_is_granted() {
    let server = Server::http_on_ipv6().await;
    let rules =
        RULES.replace("\"http://127.0.0.1:HTTP/address\"", &format!("\"http://[::1]:{}/address\"", server.port));
    let network = Network::new(&rules).await;
    let requests = [
        ("http://[::1]:SIX/address", "200"),
        ("http://[0:0:0::0:1]:SIX/address/x", "200"),
        ("http://[::1]:SIX/other", "HttpRequestDenied"),
        ("http://[::1]:HTTP/address", "HttpRequestDenied"),
        ("http://[::2]:SIX/address", "HttpRequestDenied"),
        ("http://[::127.0.0.1]:SIX/address", "HttpRequestDenied"),
    ];
    let url = |url: &str| json!({ "url": url.replace("SIX", &server.port.to_string()) });
    let answers = network.send(requests.iter().map(|(asked, _)| url(asked)).collect()).await;
    for ((asked, expected), answer) in requests.iter().zip(&answers) {
        let outcome = outcome(answer);
        assert!(outcome.contains(expected), "{asked}: {outcome} and not {expected}");
    }
    let seen = server.seen();
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|seen| seen.header("host") == Some(&format!("[::1]:{}", server.port))), "{seen:#?}");
    network.world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_looked_up_once_for_a_connection_and_again_for_the_next() {
    let network = Network::new(RULES).await;
    let request = json!({ "url": "http://rebind.test:HTTP/closing" });
    assert_eq!(outcome(&network.send(vec![request.clone()]).await[0]), "200");
    assert_eq!(network.names.asked.lock().unwrap()["rebind.test"], 1);
    assert!(outcome(&network.send(vec![request]).await[0]).contains("DestinationIpProhibited"));
    network.world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_used_again_for_the_same_destination_while_it_is_open() {
    let network = Network::new(RULES).await;
    let plain = json!({ "url": "http://plain.test:HTTP/" });
    for url in ["http://plain.test:HTTP/", "http://Plain.TEST:HTTP/again", "http://plain.test:HTTP/size?2000"] {
        assert_eq!(outcome(&network.send(vec![json!({ "url": url })]).await[0]), "200");
    }
    assert_eq!((network.http.connections(), network.names.asked.lock().unwrap()["plain.test"]), (1, 1));
    // The last answer was the end of that, and this one does not even say so.
    assert_eq!(outcome(&network.send(vec![json!({ "url": "http://plain.test:HTTP/closing" })]).await[0]), "200");
    assert_eq!(network.http.connections(), 2);
    assert_eq!(outcome(&network.send(vec![plain.clone()]).await[0]), "200");
    assert_eq!(network.http.connections(), 3);
    // Each destination has its own, though they lead to one server, and what went wrong is not used again.
    assert_eq!(outcome(&network.send(vec![json!({ "url": "http://granted.test:HTTP/" })]).await[0]), "200");
    assert_eq!(network.http.connections(), 4);
    let silent = json!({ "url": "http://silent.test:HTTP/silence" });
    for connections in [5, 6] {
        assert!(outcome(&network.send(vec![silent.clone()]).await[0]).contains("HttpResponseTimeout"));
        assert_eq!(network.http.connections(), connections);
    }
    for _ in 0..3 {
        assert_eq!(outcome(&network.send(vec![json!({ "url": "https://a.secure.test:TLS/" })]).await[0]), "200");
    }
    assert_eq!(network.tls.connections(), 1);
    network.world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_put_in_on_the_way_out_and_taken_out_on_the_way_back() {
    let network = Network::new(RULES).await;
    let granted = "http://granted.test:HTTP";
    let answers = network
        .send(vec![
            json!({ "url": format!("{granted}/x/${{config:token}}?a=${{config:token}}"), "headers": { "authorization": "${config:header}" } }),
            json!({ "url": granted, "method": "POST", "body": "{\"t\":\"${config:token}\"}", "headers": { "content-type": "application/json", "content-length": "53" } }),
            json!({ "url": granted, "method": "POST", "body": "t=${config:token}", "headers": { "content-type": "application/x-www-form-urlencoded" } }),
            json!({ "url": "${config:hook}", "method": "POST", "body": "hello", "headers": { "idempotency-key": "mine" } }),
            json!({ "url": "http://plain.test:HTTP/", "headers": { "accept-encoding": "gzip" } }),
        ])
        .await;
    // The second says how long its body is, which the host has to mend once the secret is in it.
    let statuses: Vec<String> = answers.iter().map(outcome).collect();
    assert_eq!(statuses, ["200", "200", "200", "200", "200"], "{answers:#?}");
    let seen = network.http.seen();
    let find = |what: &str| {
        seen.iter()
            .find(|seen| seen.head.contains(what) || seen.body.contains(what))
            .unwrap_or_else(|| panic!("no {what}: {seen:#?}"))
    };
    let header = find("/x/p/s+w%22rd&1?a=p%2Fs%2Bw%22rd%261");
    assert_eq!(header.header("authorization"), Some("Bearer p/s+w\"rd&1"));
    assert_eq!(
        find("{\"t\":\"p/s+w\\\"rd&1\"}").header("host"),
        Some(format!("granted.test:{}", network.http.port).as_str())
    );
    find("t=p%2Fs%2Bw%22rd%261");
    let hook = find("POST /hooks/T0/B0?z=1 HTTP/1.1");
    assert_eq!((hook.header("idempotency-key"), hook.body.as_str()), (Some("mine"), "hello"));
    let idempotency_key = header.header("idempotency-key").unwrap();
    assert!(idempotency_key.ends_with("/misbehave/misbehave"), "{idempotency_key}");
    assert_eq!(seen.iter().filter(|seen| seen.header("accept-encoding") == Some("identity")).count(), 5);

    // The servers answer with all they got, and the guest saw none of it.
    for answer in &answers {
        let answer = answer.to_string();
        for secret in ["p/s+w", "s+w\\\\\\\"rd", "s%2Bw", "rd&1", "T0/B0"] {
            assert!(!answer.contains(secret), "{secret} in {answer}");
        }
    }
    assert_eq!(answers[0]["headers"]["x-authorization"], "Bearer [secret token]");
    assert!(answers[3]["body"].as_str().unwrap().contains("[secret hook]"), "{}", answers[3]);
    network.world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_to_aws_are_signed_by_the_host() {
    let network = Network::new(RULES).await;
    let answers = network
        .send(vec![json!({ "url": "http://aws.test:HTTP/bucket/a%20b?x=y", "method": "PUT", "body": "content", "headers": { "authorization": "mine" } })])
        .await;
    let seen = &network.http.seen()[0];
    let authorization = seen.header("authorization").unwrap();
    // The time is the daemon's clock's.
    let beginning = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20200513/eu-central-1/s3/aws4_request, SignedHeaders=";
    assert!(authorization.starts_with(beginning), "{authorization}");
    assert_eq!(seen.header("x-amz-date"), Some("20200513T141939Z"));
    let checksum = "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73";
    assert_eq!(seen.header("x-amz-content-sha256"), Some(checksum));
    assert!(!answers[0].to_string().contains("AKIDEXAMPLE"), "{}", answers[0]);
    network.world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_has_no_more_requests_under_way_than_it_may() {
    let network = Network::new(&RULES.replace("time = \"30s\"", "time = \"30s\", http-requests = 2")).await;
    let send = network.send(vec![json!({ "url": "http://plain.test:HTTP/held" }); 6]);
    let release = async {
        for number in 1..=6 {
            network.world.wait_until("a request came", || network.http.seen().len() >= number).await;
            network.http.release();
        }
    };
    let (answers, ()) = tokio::join!(send, release);
    assert!(answers.iter().all(|answer| outcome(answer) == "200"), "{answers:?}");
    assert!(network.http.most_held() <= 2, "{}", network.http.most_held());
    network.world.host.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_changes_is_read_again_and_one_that_is_missing_keeps_the_old() {
    let network = Network::new(RULES).await;
    let file = network.world.folder.path().join("token");
    let request = json!({ "url": "http://granted.test:HTTP/", "headers": { "authorization": "${config:header}" } });

    std::fs::write(&file, "another one").unwrap();
    network.world.host.reload();
    network.world.wait_for_event("RulesReloaded").await;
    network.send(vec![request.clone()]).await;
    assert_eq!(network.http.seen()[0].header("authorization"), Some("Bearer another one"));

    std::fs::remove_file(&file).unwrap();
    network.world.host.reload();
    let rejected = network.world.wait_for_event("RulesRejected").await;
    let error = rejected["error"].as_str().unwrap();
    assert!(error.contains("the secret `token` cannot be read") && error.contains("rules.toml:6:8"), "{error}");
    network.send(vec![request.clone()]).await;
    assert_eq!(network.http.seen()[1].header("authorization"), Some("Bearer another one"));

    // The same text is good again once the file is there.
    std::fs::write(&file, "a third one").unwrap();
    network.world.host.reload();
    network
        .world
        .wait_for("it is in force", |journal| crate::support::of_type(journal, "RulesReloaded").len() == 2)
        .await;
    network.send(vec![request]).await;
    assert_eq!(network.http.seen()[2].header("authorization"), Some("Bearer a third one"));
    network.world.host.shutdown().await;
}

/// The most talkative log of the real daemon, its dead letters and its journal have the names of secrets and not their values.
#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_in_no_log() {
    let server = Server::http().await;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::create_dir(path("plugins")).unwrap();
    install(&path("plugins"), "misbehave", &guest("misbehave"));
    let rules = r#"
        [secrets.token]
        env = "TRIALBRIDGE_TEST_TOKEN"

        [plugins.misbehave]
        http = [{ url = "http://127.0.0.1:HTTP", secrets = ["token"], sign = { aws = { service = "sqs", region = "eu-central-1" } } }]
        config = { token = "${secret:token}" }

        [[rules]]
        name = "misbehave"
        event-pattern = { source = ["test"] }
        targets = [{ plugin = "misbehave", maximum-attempts = 1 }]
    "#;
    std::fs::write(path("rules.toml"), rules.replace("HTTP", &server.port.to_string())).unwrap();
    let logs = tempfile::tempdir().unwrap();
    let log = logs.path().join("log");
    let environment = [
        ("TRIALBRIDGE_LOG", "trace,cranelift_codegen=off,wasmtime_internal_cranelift=off,regalloc2=off,wasmtime=info"),
        ("TRIALBRIDGE_TEST_TOKEN", "hunter2/hunter2"),
        ("AWS_ACCESS_KEY_ID", "AKIDHUNTER"),
        ("AWS_SECRET_ACCESS_KEY", "hunter3"),
        ("AWS_SESSION_TOKEN", "hunter4"),
    ];
    let mut daemon = Process::logging(folder.path(), &log, &environment);
    let client = reqwest::Client::new();
    for detail in [
        json!({ "do": "http", "url": format!("http://127.0.0.1:{}/${{config:token}}", server.port), "method": "POST", "body": "${config:token}" }),
        json!({ "do": "http", "url": "http://${config:token}:1/" }),
        json!({ "do": "say", "text": "the token is hunter2/hunter2, the key hunter3, the session hunter4" }),
    ] {
        let body = json!({ "source": "test", "detail-type": "Test", "detail": detail });
        client.post(format!("{}/events", daemon.url)).json(&body).send().await.unwrap();
    }
    let letters = async || {
        let url = format!("{}/deliveries?state=dead", daemon.url);
        reqwest::get(url).await.unwrap().json::<Value>().await.unwrap()["deliveries"].as_array().unwrap().clone()
    };
    let started = std::time::Instant::now();
    while letters().await.len() < 3 && started.elapsed() < PATIENCE {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let errors: Vec<Value> = letters().await.iter().map(|letter| letter["error"].clone()).collect();
    daemon.kill();

    assert!(server.seen()[0].head.contains("/hunter2/hunter2 ") && server.seen()[0].body == "hunter2/hunter2");
    assert_eq!(server.seen()[0].header("x-amz-security-token"), Some("hunter4"));
    let redacted =
        "the token is [secret token], the key [secret AWS_SECRET_ACCESS_KEY], the session [secret AWS_SESSION_TOKEN]";
    assert!(errors.contains(&redacted.into()), "{errors:?}");
    // The event itself was published with the text, and whoever logs events logs it; nothing else does.
    let log = std::fs::read_to_string(log).unwrap();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("hunter") || line.contains("AKIDHUNTER")).collect();
    assert!(lines.is_empty(), "{lines:#?}");
    // Logged, with its field; printed, twice; and told of the dead letter.
    assert!(log.matches(redacted).count() >= 5, "{log}");
}
