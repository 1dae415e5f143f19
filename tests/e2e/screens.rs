//! Commands on terminals of 80 and of 60 columns, as a person sees them.
//!
//! After a change of the output, run `SNAPSHOTS=overwrite cargo test -p cmp-tests --test e2e -- screens::`, and read the
//! difference.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use cmp_tests::metrics::MetricsServer;
use cmp_tests::shell::command;
use cmp_tests::terminal::{Session, Shown};
use cmp_tests::{Installation, World};

use crate::support::shared;

/// The clear and the end of the live line.
const ERASED: &str = "\r\x1b[K";

/// The screens of a session, as a document.
struct Screens<'a> {
    john: &'a World<'a>,
    columns: u16,
    document: String,
}

/// The person who types a command.
#[derive(Clone, Copy)]
enum Who {
    John,
    Administrator,
}

use Who::{Administrator, John};

/// Returns a command on a terminal that has colours.
fn typed(kubeconfig: &Path, arguments: &[&str]) -> Command {
    let mut command = command(kubeconfig);
    command.arg("cmp").args(arguments).env("TERM", "xterm");
    command
}

impl Screens<'_> {
    fn start(&self, who: Who, arguments: &[&str]) -> Session {
        let kubeconfig = match who {
            John => self.john.kubeconfig.clone(),
            Administrator => self.john.installation.plane.kubeconfig(),
        };
        Session::start(typed(&kubeconfig, arguments), self.columns)
    }

    /// Adds a screen to the document.
    fn shows(&mut self, who: Who, arguments: &[&str], screen: &str) {
        let prompt = match who {
            John => "john$",
            Administrator => "administrator$",
        };
        let command = arguments.join(" ");
        write!(self.document, "\n```text\n{prompt} kubectl cmp {command}\n{}\n```\n", masked(screen)).unwrap();
    }

    /// Checks the end of a command, and adds its screen to the document.
    fn ends(&mut self, who: Who, arguments: &[&str], shown: &Shown, code: i32) {
        assert_eq!(shown.code, code, "{}", shown.raw);
        shown.is_left_in_order();
        shown.fits_every_theme();
        self.shows(who, arguments, &shown.rows());
    }

    /// Runs a command whose answer breaks no word.
    fn answers(&mut self, who: Who, arguments: &[&str]) {
        let shown = self.start(who, arguments).ended();
        assert_eq!(shown.broken_words(), Vec::<String>::new(), "{}", arguments.join(" "));
        self.ends(who, arguments, &shown, 0);
    }

    /// Runs a command whose error breaks no word.
    fn fails(&mut self, who: Who, arguments: &[&str]) {
        let shown = self.start(who, arguments).ended();
        assert_eq!(shown.broken_words(), Vec::<String>::new(), "{}", arguments.join(" "));
        self.ends(who, arguments, &shown, 1);
    }
}

#[test]
fn a_session_looks_as_recorded() {
    let installation = Installation::start(1, "3s");
    let john = installation.user_named("john", "16", "64Gi");
    let server = MetricsServer::start(&installation.plane);
    for index in 0..3 {
        server.set("web-ns", &format!("web-{index}-0"), "250m", "512Mi");
    }
    for columns in [80, 60] {
        let document = format!("# A session on a terminal of {columns} columns\n");
        let mut screens = Screens { john: &john, columns, document };
        play(&mut screens);
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("e2e/screens/{columns}.md"));
        let expected = snapbox::Data::read_from(&path, Some(snapbox::data::DataFormat::Text)).raw();
        snapbox::Assert::new().action_env("SNAPSHOTS").eq(screens.document, expected);
    }
}

fn play(screens: &mut Screens<'_>) {
    let create = ["create", "cluster", "web", "--cpu", "2", "--memory", "4Gi", "--count", "3", "--wait"];
    let shown = screens.start(John, &create).ended();
    assert!(shown.raw.contains("\rweb: preparing") && shown.raw.contains("\rweb: 3/3 running"), "{:?}", shown.raw);
    assert!(shown.raw.ends_with(&format!("{ERASED}cluster/web created\r\n")), "{:?}", shown.raw);
    screens.ends(John, &create, &shown, 0);
    screens.answers(John, &["get", "clusters"]);
    screens.answers(John, &["get", "instances"]);
    screens.answers(John, &["get", "clusters", "-o", "wide"]);
    screens.answers(John, &["quota"]);
    screens.answers(John, &["whoami"]);
    screens.answers(John, &["describe", "cluster", "web"]);
    screens.answers(John, &["describe", "instance", "web-0"]);
    screens.answers(John, &["check"]);
    screens.answers(Administrator, &["check"]);
    screens.answers(Administrator, &["get", "users"]);
    screens.answers(Administrator, &["describe", "user", "john"]);

    let top = ["top", "clusters"];
    let mut session = screens.start(John, &top);
    let live = session.until("the table is drawn", |raw| raw.contains("web") && raw.ends_with("\x1b[J"));
    screens.shows(John, &top, &live);
    session.types("q");
    screens.ends(John, &top, &session.ended(), 0);
    screens.answers(John, &["top", "instances", "--once"]);
    screens.answers(Administrator, &["top", "users", "--once"]);

    let large = ["create", "cluster", "large", "--cpu", "4", "--memory", "16Gi", "--count", "4"];
    screens.fails(John, &large);
    screens.fails(John, &["create", "cluster", "large", "--cpu", "4", "--memory", "16"]);
    screens.fails(John, &["create", "cluster", "web_1", "--cpu", "4", "--memory", "16Gi"]);
    screens.fails(John, &["get", "pods"]);
    screens.fails(John, &["top", "nodes"]);
    screens.fails(John, &["stop", "cluster", "web"]);
    screens.fails(John, &["start", "instance", "web-9"]);
    screens.fails(John, &["get", "users"]);

    let delete = ["delete", "cluster", "web", "--wait"];
    for (keys, code) in [("n\n", 1), ("y\n", 0)] {
        let mut session = screens.start(John, &delete);
        session.until("it asks", |raw| raw.ends_with("(y/N): "));
        session.types(keys);
        screens.ends(John, &delete, &session.ended(), code);
    }
}

#[test]
fn an_interrupted_wait_leaves_the_terminal_in_order() {
    let user = shared().user("2000", "32Gi");
    let name = user.cluster("large");
    // No node has this many processors.
    let create = ["create", "cluster", &name, "--cpu", "1000", "--memory", "1Gi", "--wait"];
    let mut session = Session::start(typed(&user.kubeconfig, &create), 80);
    session.until("the live line is drawn", |raw| raw.contains(&format!("\r{name}: 0/1 running")));
    session.interrupts();
    let shown = session.ended();
    let next = format!("hint: kubectl cmp wait cluster {name} --for=state=running");
    let said = format!("error: interrupted: the instances of cluster {name} go on starting\n{next}");
    assert_eq!((shown.code, shown.screen()), (130, said), "{:?}", shown.raw);
    shown.is_left_in_order();

    // The suggested command waits as well.
    let wait = ["wait", "cluster", &name, "--for=state=running"];
    let mut session = Session::start(typed(&user.kubeconfig, &wait), 80);
    session.until("the live line is drawn", |raw| raw.contains(&format!("\r{name}: 0/1 running")));
    session.interrupts();
    let shown = session.ended();
    let said = shown.screen().starts_with("error: interrupted: only the wait has ended\nhint: ");
    assert!(shown.code == 130 && said, "{}: {:?}", shown.code, shown.raw);
    shown.is_left_in_order();
}

#[test]
fn a_background_that_the_environment_names_changes_nothing() {
    let user = shared().user("4", "8Gi");
    let on = |colours: &str| {
        let mut command = typed(&user.kubeconfig, &["quota"]);
        command.env("COLORFGBG", colours);
        let shown = Session::start(command, 80).ended();
        shown.fits_every_theme();
        assert!(shown.raw.contains("\x1b[32m"), "{:?}", shown.raw);
        shown.raw
    };
    assert_eq!(on("0;15"), on("15;0"));
}

/// Replaces the parts of a screen that differ between two runs by text of the same length. Events are left out, because
/// their order differs.
fn masked(screen: &str) -> String {
    let (shown, events) = screen.split_once("\nEvents:\n").map_or((screen, ""), |(shown, _)| (shown, "\nEvents: ..."));
    let line = |line: &str| line.split(' ').map(masked_word).collect::<Vec<_>>().join(" ").trim_end().to_owned();
    shown.lines().map(line).collect::<Vec<_>>().join("\n") + events
}

/// Returns a word without the digits that differ between two runs.
fn masked_word(word: &str) -> String {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_age = |age: &str| age.split_once('m').map_or(number(age), |(min, sec)| number(min) && number(sec));
    if word.strip_suffix('s').is_some_and(is_age) {
        // A table has the same room for each age of up to three characters.
        return format!("{:<width$}", "0s", width = word.len());
    }
    let differs = ["node-", "https://", "10.", "v1."].into_iter().find(|start| word.starts_with(start));
    let kept = differs.map_or(word.len(), str::len);
    let masked = |(at, letter): (usize, char)| if at >= kept && letter.is_ascii_digit() { '0' } else { letter };
    word.char_indices().map(masked).collect()
}
