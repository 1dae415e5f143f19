//! The `cmp-webhook` binary; see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    cmp_webhook::main()
}
