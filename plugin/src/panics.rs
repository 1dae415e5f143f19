//! Turns a panic into an error of the plugin: one line, a place to report to, and the exit code of every error.

use std::panic::Location;

use crate::error::CliError;
use crate::ui::{self, Ui};

/// The place to report an error of the plugin to.
const ISSUES: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/issues");

/// Ends the process with an error at each panic of any thread from now on.
pub(crate) fn install() {
    std::panic::set_hook(Box::new(|panic| {
        ui::restore();
        error(panic.location()).print(&Ui::standard());
        end();
    }));
}

#[allow(clippy::exit, reason = "a thread that panics cannot return an exit code, and a release aborts after the hook")]
fn end() -> ! {
    std::process::exit(1)
}

/// Returns the error for a panic. The message of the panic is left out, because it may quote the input.
fn error(location: Option<&Location<'_>>) -> CliError {
    let place =
        location.map_or_else(|| "an unknown place".to_owned(), |at| format!("{}:{}", short(at.file()), at.line()));
    CliError::user(format!("internal error, please report: kubectl-cmp {} at {place}", env!("CARGO_PKG_VERSION")))
        .hint(format!("report this line and the command, without passwords and tokens: {ISSUES}"))
}

/// Returns the end of a path, without the folders of the machine that built the plugin.
fn short(path: &str) -> &str {
    let (_, end) = path.rmatch_indices(['/', '\\']).map(|(at, _)| path.split_at(at + 1)).nth(3).unwrap_or(("", path));
    end
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    const CHILD: &str = "CMP_TESTS_PANIC";

    #[test]
    fn a_panic_is_an_error_with_a_place_to_report_to() {
        if std::env::var_os(CHILD).is_some() {
            install();
            panic!("with hunter2 in it");
        }
        let test = std::env::current_exe().unwrap();
        let this = "panics::tests::a_panic_is_an_error_with_a_place_to_report_to";
        #[allow(clippy::disallowed_methods, reason = "the child ends at once: it runs this test alone")]
        let output = Command::new(test).args([this, "--exact", "--nocapture"]).env(CHILD, "1").output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("error: internal error, please report: kubectl-cmp "), "{text}");
        assert!(text.contains(" at plugin/src/panics.rs:") && text.contains(ISSUES), "{text}");
        assert!(!text.contains("hunter2") && ISSUES.starts_with("https://"), "{text}");
    }

    #[test]
    fn a_panic_restores_the_terminal() {
        use rustix::termios::{LocalModes, tcgetattr};

        const RAW: &str = "CMP_TESTS_PANIC_RAW";
        if std::env::var_os(RAW).is_some() {
            install();
            let _raw = ui::Raw::new();
            let is_raw = !tcgetattr(std::io::stdin()).unwrap().local_modes.contains(LocalModes::ICANON);
            assert!(!is_raw, "the terminal is raw");
            return;
        }
        let ours = rustix::pty::openpt(rustix::pty::OpenptFlags::RDWR | rustix::pty::OpenptFlags::NOCTTY).unwrap();
        rustix::pty::grantpt(&ours).and_then(|()| rustix::pty::unlockpt(&ours)).unwrap();
        let path = rustix::pty::ptsname(&ours, Vec::new()).unwrap().into_string().unwrap();
        let theirs = std::fs::File::options().read(true).write(true).open(path).unwrap();
        let before = tcgetattr(&theirs).unwrap().local_modes;
        let mut this = Command::new(std::env::current_exe().unwrap());
        this.args(["panics::tests::a_panic_restores_the_terminal", "--exact", "--nocapture"]).env(RAW, "1");
        #[allow(clippy::disallowed_methods, reason = "the child ends at once: it runs this test alone")]
        let output = this.stdin(theirs.try_clone().unwrap()).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains("error: internal error, please report"), "{text}");
        assert_eq!(tcgetattr(&theirs).unwrap().local_modes, before);
    }

    #[test]
    fn a_place_has_no_folders_of_the_machine() {
        assert_eq!(short("/home/a/.cargo/registry/src/index/http-1.0/src/uri/mod.rs"), "http-1.0/src/uri/mod.rs");
        assert_eq!(short("src/a.rs"), "src/a.rs");
    }
}
