//! A headless Chromium for tests of pages, driven over its DevTools protocol.

use std::env;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::process::{Folder, Process};
use crate::{SOON, eventually};

/// The environment variable that names the program.
const PROGRAM: &str = "CMP_TESTS_CHROMIUM";
/// The names that systems give the program.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
/// The longest time for an answer of the browser.
const ANSWER: Duration = Duration::from_secs(60);

/// A browser with one page.
pub struct Browser {
    socket: WebSocketStream<TcpStream>,
    runtime: Runtime,
    session: String,
    number: u64,
    events: Vec<Value>,
    // Ends before its folder is removed.
    _process: Process,
    _folder: Folder,
}

/// Returns the path of Chromium, or a sentence that says how to get it.
pub fn chromium() -> Result<PathBuf, String> {
    if let Some(path) = env::var_os(PROGRAM) {
        return Ok(path.into());
    }
    let folders: Vec<PathBuf> = env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect();
    let places = NAMES.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    places.into_iter().find(|path| path.is_file()).ok_or_else(|| {
        format!(
            "Chromium is missing: install it, on Debian with `apt-get install --yes chromium`, or set {PROGRAM} to the path \
             of a Chromium or Chrome"
        )
    })
}

impl Browser {
    /// Starts the browser with an empty page. Fails the test if there is no Chromium.
    pub fn start() -> Self {
        let program = chromium().unwrap_or_else(|why| panic!("{why}"));
        let folder = Folder::new();
        let data = folder.path().join("chromium");
        // The sandbox needs rights that root in a container does not have. The page is ours.
        let arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"];
        let more = ["--disable-dev-shm-usage", "--disable-background-networking", "--remote-debugging-port=0"];
        let mut arguments: Vec<String> = arguments.iter().chain(&more).map(|text| (*text).to_owned()).collect();
        arguments.push(format!("--user-data-dir={}", data.display()));
        let home = vec![("HOME".to_owned(), folder.path().display().to_string())];
        let process = Process::start_with("chromium", &program, arguments, home, folder.path());
        let (port, path) = eventually("Chromium names its port", SOON, || {
            let text = std::fs::read_to_string(data.join("DevToolsActivePort")).unwrap_or_default();
            let mut lines = text.lines().map(str::to_owned);
            let place = lines.next().zip(lines.next());
            place.ok_or_else(|| process.last_words())
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let socket = runtime.block_on(async {
            let stream = TcpStream::connect(format!("127.0.0.1:{port}")).await.expect("Chromium listens");
            let connected = tokio_tungstenite::client_async(format!("ws://127.0.0.1:{port}{path}"), stream);
            connected.await.expect("Chromium speaks its protocol").0
        });
        let (session, events) = (String::new(), Vec::new());
        let mut browser = Self { socket, runtime, session, number: 0, events, _process: process, _folder: folder };
        let page = browser.call("Target.createTarget", &json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": page["targetId"], "flatten": true });
        let session = browser.call("Target.attachToTarget", &attach);
        browser.session = session["sessionId"].as_str().expect("a session").to_owned();
        for domain in ["Page", "Runtime", "Log"] {
            browser.call(&format!("{domain}.enable"), &json!({}));
        }
        browser
    }

    /// Calls a method of the protocol, and keeps the events that come before its answer.
    #[track_caller]
    pub fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.number += 1;
        let number = self.number;
        let mut request = json!({ "id": number, "method": method, "params": parameters });
        if !self.session.is_empty() {
            request["sessionId"] = json!(self.session);
        }
        let deadline = Instant::now() + ANSWER;
        self.runtime.block_on(self.socket.send(Message::text(request.to_string()))).expect("Chromium listens");
        loop {
            let message = self.next(method, deadline);
            if message["id"] == number {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].clone();
            }
            self.events.push(message);
        }
    }

    #[track_caller]
    fn next(&mut self, purpose: &str, deadline: Instant) -> Value {
        let left = deadline.saturating_duration_since(Instant::now());
        let socket = &mut self.socket;
        let message = self.runtime.block_on(async { tokio::time::timeout(left, socket.next()).await });
        let message = message.unwrap_or_else(|_| panic!("{purpose}: no answer within {ANSWER:?}"));
        let message = message.expect("Chromium goes on").expect("Chromium speaks its protocol");
        serde_json::from_str(message.to_text().unwrap_or_default()).unwrap_or_default()
    }

    /// Sets the width of the screen and the colours that its user prefers.
    pub fn set(&mut self, width: u32, colours: &str) {
        let metrics = json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", &metrics);
        let features = json!([{ "name": "prefers-color-scheme", "value": colours }]);
        self.call("Emulation.setEmulatedMedia", &json!({ "features": features }));
    }

    /// Opens a file, and waits until it is loaded.
    pub fn open(&mut self, file: &Path) {
        self.events.clear();
        self.call("Page.navigate", &json!({ "url": format!("file://{}", file.display()) }));
        let deadline = Instant::now() + ANSWER;
        while !self.events.iter().any(|event| event["method"] == "Page.loadEventFired") {
            let event = self.next("the page is loaded", deadline);
            self.events.push(event);
        }
    }

    /// Evaluates an expression in the page, and waits for its promise.
    #[track_caller]
    pub fn evaluate(&mut self, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let answer = self.call("Runtime.evaluate", &parameters);
        assert!(answer["exceptionDetails"].is_null(), "{}", answer["exceptionDetails"]);
        answer["result"]["value"].clone()
    }

    /// Returns everything that the page wrote to its console since it was opened, errors of the browser included.
    pub fn console(&mut self) -> Vec<Value> {
        // An answer comes after all events before it.
        self.evaluate("0");
        let said = ["Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"];
        self.events.iter().filter(|event| said.iter().any(|method| event["method"] == *method)).cloned().collect()
    }

    /// Returns the upper part of the page as PNG.
    pub fn picture(&mut self, width: u32, height: u32) -> Vec<u8> {
        let clip = json!({ "x": 0, "y": 0, "width": width, "height": height, "scale": 1 });
        let picture = self
            .call("Page.captureScreenshot", &json!({ "format": "png", "clip": clip, "captureBeyondViewport": true }));
        let bytes: Result<k8s_openapi::ByteString, _> = serde_json::from_value(picture["data"].clone());
        bytes.expect("a picture in base64").0
    }

    /// Returns the requests of the page besides that for itself.
    pub fn resources(&mut self) -> Value {
        self.evaluate("performance.getEntriesByType('resource').map(one => one.name)")
    }
}
