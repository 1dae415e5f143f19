use super::captured::Captured;
use super::progress::Progress;
use super::terminal::{Terminal, Ui};
use crate::error::CliError;

#[test]
fn data_and_notes_are_written_apart_and_escaped() {
    let captured = Captured::new();
    let ui = captured.ui();
    ui.out("a\x1b[2J\nb\n").unwrap();
    ui.line("c\nd").unwrap();
    ui.err("e\nf\n");
    ui.note("g\nh");
    assert_eq!(captured.data(), "a^[[2J\nb\nc\\nd\n");
    assert_eq!(captured.notes(), "e\nf\ng\\nh\n");
}

#[test]
fn errors_hints_and_notes_are_broken_between_words_on_a_terminal_only() {
    let said = |notes| {
        let captured = Captured::new();
        let ui = captured.ui_of(Terminal { notes, ..Terminal::default() });
        CliError::user("cluster web is not ready after 10 s").hint("perhaps: kubectl cmp get cluster web").print(&ui);
        CliError::not_found("cluster", "a-long-name").print(&ui);
        ui.note("Warning: cluster web is left out");
        captured.notes()
    };
    let whole = "error: cluster web is not ready after 10 s\nhint: perhaps: kubectl cmp get cluster web\n\
                 Error from server (NotFound): cluster \"a-long-name\" not found\nWarning: cluster web is left out\n";
    assert_eq!(said(None), whole);
    assert_eq!(said(Some(80)), whole);
    let broken = "error: cluster web is not ready\n       after 10 s\nhint: perhaps:\n      kubectl cmp get cluster web\n\
                  Error from server (NotFound):\n  cluster \"a-long-name\" not found\nWarning: cluster web is left out\n";
    assert_eq!(said(Some(34)), broken);
}

/// A way to write text: its name, the terminal, and the call.
type Said<'a> = (&'a str, Terminal, &'a dyn Fn(&Ui));

#[test]
fn text_for_people_has_no_error_numbers_of_the_system() {
    let redraws = Terminal { redraws: true, ..Terminal::default() };
    let said: [Said<'_>; 8] = [
        ("err", Terminal::default(), &|ui| ui.err("no (os error 2)\n")),
        ("note", Terminal::default(), &|ui| ui.note("Warning: no (os error 2)")),
        ("notes", Terminal::default(), &|ui| ui.notes(&["no (os error 2)".to_owned()])),
        ("error", Terminal::default(), &|ui| CliError::user("no (os error 2)").hint("no (os error 3)").print(ui)),
        ("about", Terminal::default(), &|ui| CliError::user("no").about("x (os error 2)").print(ui)),
        ("confirm", Terminal::default(), &|ui| drop(ui.confirm(false, &["no (os error 2)".to_owned()], "x"))),
        ("progress", Terminal::default(), &|ui| Progress::new(ui).show("0/1", Some("no (os error 2)"), true)),
        ("live line", redraws, &|ui| Progress::new(ui).show("0/1", Some("no (os error 2)"), true)),
    ];
    for (name, terminal, say) in said {
        let captured = Captured::new();
        say(&captured.ui_of(terminal));
        let notes = captured.notes();
        assert!(notes.contains("no") && !notes.contains("os error"), "{name}: {notes:?}");
    }
}

#[test]
fn a_question_is_asked_on_a_terminal_only() {
    let goes = ["instance/web-1".to_owned()];
    let listed = "You are about to delete:\n  instance/web-1\n";
    let asked = format!("{listed}Do you want to continue? (y/N): ");
    let refused = "error: cannot prompt for confirmation: stdin is not a terminal\n\
                   hint: repeat the command with --yes to confirm\n";
    let cancelled = "error: cancelled: nothing was changed\n";
    for (interactive, yes, answer, goes, notes, error) in [
        (true, false, "y\n", &goes[..], asked.as_str(), None),
        (true, false, "yes", &goes, &asked, None),
        (true, false, "no\n", &goes, &asked, Some(cancelled)),
        (true, false, "", &goes, &asked, Some(cancelled)),
        (false, false, "y\n", &goes, listed, Some(refused)),
        (false, true, "", &goes, "", None),
        (false, false, "", &[], "", None),
    ] {
        let captured = Captured::new().answered(answer);
        let ui = captured.ui_of(Terminal { interactive, ..Terminal::default() });
        let confirmed = ui.confirm(yes, goes, "You are about to delete");
        assert_eq!(confirmed.err().map(|error| error.text()).as_deref(), error, "{answer:?}");
        assert_eq!(captured.notes(), notes, "{answer:?}");
    }
}

#[test]
fn a_warning_asks_if_somebody_can_answer() {
    let asked = "Warning: x\nDo you want to continue? (y/N): ";
    for (interactive, yes, answer, warnings, notes, goes_on) in [
        (true, false, "y\n", &["Warning: x".to_owned()][..], asked, true),
        (true, false, "\n", &["Warning: x".to_owned()], asked, false),
        (true, true, "", &["Warning: x".to_owned()], "Warning: x\n", true),
        // Scripts go on, with the warning.
        (false, false, "", &["Warning: x".to_owned()], "Warning: x\n", true),
        (true, false, "", &[], "", true),
    ] {
        let captured = Captured::new().answered(answer);
        let ui = captured.ui_of(Terminal { interactive, ..Terminal::default() });
        assert_eq!(ui.warn_and_confirm(yes, warnings).is_ok(), goes_on, "{interactive} {yes}");
        assert_eq!(captured.notes(), notes);
    }
}

#[test]
fn the_live_line_is_erased_before_other_text() {
    let captured = Captured::new();
    let ui = captured.ui_of(Terminal { redraws: true, ..Terminal::default() });
    let mut progress = Progress::new(&ui);
    progress.passing("1/2");
    ui.line("instance/web-0 resized").unwrap();
    progress.passing("2/2");
    drop(progress);
    assert_eq!(captured.data(), "instance/web-0 resized\n");
    assert_eq!(captured.notes(), "\r1/2\x1b[K\r\x1b[K\r2/2\x1b[K\r\x1b[K");
    let captured = Captured::new();
    let ui = captured.ui();
    Progress::new(&ui).passing("1/2");
    assert_eq!(captured.notes(), "");
}

#[tokio::test]
async fn a_live_line_makes_ctrl_c_an_error_of_the_command() {
    let captured = Captured::new();
    let ui = captured.ui_of(Terminal { redraws: true, ..Terminal::default() });
    let mut progress = Progress::new(&ui);
    assert!(!ui.interrupt.listens());
    progress.passing("1/2");
    assert!(ui.interrupt.listens());
}
